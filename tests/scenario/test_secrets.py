# SPDX-License-Identifier: Apache-2.0
"""Nothing secret leaves: marked Secrets of a cluster and marked credentials of every form are looked for in all
that the agent writes, says and shows, at the most talkative log level, and in the memory of those who must not
hold them."""
import base64
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import impostor  # noqa: E402
from fleet import LONG, paths, procs, wait_for, write_account  # noqa: E402
from harness import sanitized  # noqa: E402
from rig.harness.agent import Agent  # noqa: E402
from secretive import Server, encoded  # noqa: E402


def marker(name):
    return f"marker-{name}-{os.urandom(9).hex()}"


class Sightings(threading.Thread):
    """Every command line and environment of the agent's processes, again and again."""

    def __init__(self, agent):
        super().__init__(daemon=True)
        self.root, self.seen, self.ended = agent.pid, set(), threading.Event()

    def run(self):
        while not self.ended.wait(0.02):
            for pid in self.family(self.root):
                try:
                    # In this order: a process that has become another program does not become itself again.
                    environment, command = (pathlib.Path(f"/proc/{pid}/{what}").read_bytes() for what in ("environ", "cmdline"))
                except OSError:
                    continue
                self.seen.add(("command line", command))
                # A program that is given its environment may have it; the supervisor gets it at the start.
                if command.startswith(b"scale-agent: ") and pid != self.root:
                    self.seen.add(("environment of " + command.strip(b"\0").decode(errors="replace"), environment))

    def family(self, pid):
        yield pid
        for child in procs.children(pid):
            yield from self.family(child)

    def stop(self):
        self.ended.set()
        self.join()
        return self.seen


class Secrets(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = pathlib.Path(tempfile.mkdtemp(prefix="sa-secrets-"))
        cls.addClassCleanup(shutil.rmtree, cls.dir, True)
        cls.dir.chmod(0o755)
        cls.certificates = impostor.make_certificates(cls.dir / "certificates")
        if not cls.certificates:
            raise unittest.SkipTest("openssl makes no certificates here")

    def setUp(self):
        self.markers = {n: marker(n) for n in (
            "data", "stringdata", "applied", "later", "redacted", "token", "tokenfile", "password", "exec", "wrong",
            "broken", "proxy", "url", "garbage", "odd", "clouddriver", "environment", "given")}
        m = self.markers
        self.key = (self.certificates / "client.key").read_text().split("\n")[1]
        self.dir_of_run = pathlib.Path(tempfile.mkdtemp(dir=self.dir))
        self.dir_of_run.chmod(0o755)
        self.server = Server(self.certificates / "server.crt", self.certificates / "server.key", [
            f"Bearer {m['token']}", f"Bearer {m['tokenfile']}", f"Bearer {m['exec']}", f"Bearer {m['given']}", "Basic " + encoded("me:" + m["password"])])
        self.addCleanup(self.server.close)
        self.fill(m["data"], "first")
        self.accounts = self.dir_of_run / "accounts.d"
        self.write_accounts()

    def fill(self, data, label):
        m, s = self.markers, self.server
        s.put("namespaces", "", "kube-system")
        applied = json.dumps({"kind": "Secret", "metadata": {"name": "db"}, "stringData": {"p": m["stringdata"]}, "data": {"p": encoded(m["applied"])}})
        for i in range(5):
            s.put("secrets", "prod", f"db-{i}", type="Opaque", data={"password": encoded(data), data: encoded(data)},
                  stringData={"p": m["stringdata"]},
                  metadata={"labels": {"app": label}, "annotations": {"kubectl.kubernetes.io/last-applied-configuration": applied, "note": "kept"}})
        s.put("configmaps", "prod", "settings", data={"public": "yes", "apiKey": m["redacted"]})

    def kubeconfig(self, name, user, server=None, cluster=""):
        ca = base64.b64encode((self.certificates / "ca.crt").read_bytes()).decode()
        path = self.dir_of_run / f"{name}.kubeconfig"
        path.write_text(f"""current-context: c
contexts: [{{name: c, context: {{cluster: c, user: u}}}}]
clusters: [{{name: c, cluster: {{server: "{server or f'https://127.0.0.1:{self.server.port}'}", certificate-authority-data: {ca}{cluster}}}}}]
users:
- name: u
  user: {user}
""")
        path.chmod(0o600)
        return path

    def plugin(self, output):
        return ("{exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, provideClusterInfo: true, "
                f"command: /bin/cat, args: [{self.answer(output)}]}}}}")

    def plugin_of_a_variable(self):
        """Makes its token of a variable of the environment."""
        script = self.answer("""printf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential",'
printf '"status":{"token":"%s"}}' "$SA_TEST_GIVEN"
""")
        return f"{{exec: {{apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: /bin/sh, args: [{script}]}}}}"

    def answer(self, output):
        path = self.dir_of_run / f"answer-{len(list(self.dir_of_run.glob('answer-*')))}"
        path.write_text(output)
        path.chmod(0o644)
        return path

    def write_accounts(self):
        m = self.markers
        tokenfile = self.dir_of_run / "tokens" / "token"
        tokenfile.parent.mkdir()
        tokenfile.write_text(m["tokenfile"] + "\n")
        credential = json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": m["exec"]}})
        key = base64.b64encode((self.certificates / "client.key").read_bytes()).decode()
        cert = base64.b64encode((self.certificates / "client.crt").read_bytes()).decode()
        self.good = {
            "token": self.kubeconfig("token", f"{{token: {m['token']}, client-certificate-data: {cert}, client-key-data: {key}}}"),
            "tokenfile": self.kubeconfig("tokenfile", f"{{tokenFile: {tokenfile}}}"),
            "basic": self.kubeconfig("basic", f"{{username: me, password: {m['password']}}}"),
            "plugin": self.kubeconfig("plugin", self.plugin(credential)),
            "given": self.kubeconfig("given", self.plugin_of_a_variable()),
        }
        self.failing = {
            "wrong": self.kubeconfig("wrong", f"{{token: {m['wrong']}}}"),
            "broken": self.kubeconfig("broken", f"{{token: {m['broken']}: [}}"),
            "odd": self.kubeconfig("odd", f"{{token: \"{m['odd']} and more\"}}"),
            "proxy": self.kubeconfig("proxy", f"{{token: {m['token']}}}", cluster=f", proxy-url: 'http://me:{m['proxy']}@127.0.0.1:1'"),
            "url": self.kubeconfig("url", f"{{token: {m['token']}}}", server=f"https://me:{m['url']}@127.0.0.1:{self.server.port}"),
            "garbage": self.kubeconfig("garbage", self.plugin(m["garbage"] + " is no JSON")),
        }
        for name, path in {**self.good, **self.failing}.items():
            write_account(self.accounts, name, path, kinds=["secret", "configMap", "namespace"],
                          allowExec=name in ("plugin", "given", "garbage"), redact=["data.apiKey"])

    def forms(self):
        """{what to look for: whose}: as it is, and in base64 wherever it stands in a longer text."""
        found = {self.key.encode(): "client key"}
        for name, text in self.markers.items():
            found[text.encode()] = name
            for before in range(3):
                coded = base64.b64encode(b"x" * before + text.encode())
                found[coded[4 if before else 0:-4]] = f"{name} in base64"
        return found

    def look(self, where, data, allowed=()):
        for text, whose in self.forms().items():
            if whose.split(" in ")[0] in allowed:
                continue
            if text in data:
                at = data.index(text)
                self.fail(f"{whose} in {where}: ...{data[max(0, at - 80):at]!r}")

    def start_agent(self, sink):
        """Secrets come by the environment: the uplink's, one that a credential program is given, one that nobody asks for."""
        m = self.markers
        agent = Agent(self.dir_of_run / "agent", self.accounts, sink=sink,
                      env={"SA_TEST_UPLINK": m["clouddriver"], "SA_TEST_GIVEN": m["given"], "SA_TEST_OTHER": m["environment"]},
                      config={"jsonl": {"file": str(self.dir_of_run / "agent" / "state" / "deltas.jsonl")},
                              "logging": {"level": "trace"}, "exec": {"env": ["PATH", "SA_TEST_GIVEN"]},
                              "clouddriver": {"grpc": "127.0.0.1:1", "insecure": False, "auth": {"token": "${SA_TEST_UPLINK}"}}})
        agent.start()
        self.addCleanup(agent.close)
        watcher = Sightings(agent)
        watcher.start()
        return agent, watcher

    def run_agent(self, sink):
        agent, watcher = self.start_agent(sink)
        agent.wait_streaming(self.good, LONG)
        wait_for("the others fail", lambda: all(a["last_error"] for a in agent.status()["accounts"] if a["name"] in self.failing))
        self.fill(self.markers["later"], "later")
        return agent, watcher

    def ctl(self, agent, *arguments):
        return subprocess.run([str(paths.program("scale-agentctl")), "-s", str(agent.runtime / "control.sock"), *map(str, arguments)],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, env={**os.environ, **agent.env}).stdout

    def check_files(self, agent):
        names = [p for p in sorted(agent.dir.rglob("*")) if p.is_file() and p != agent.config]
        self.assertTrue(any(p.name == "agent.log" for p in names))
        for p in names:
            self.look(p, p.read_bytes())

    def check_processes(self, agent, sightings):
        self.assertGreater(len(sightings), 5)
        for what, data in sightings:
            self.look(what, data)
        self.look("the supervisor's environment", pathlib.Path(f"/proc/{agent.pid}/environ").read_bytes())
        for pid in [agent.pid, *procs.children(agent.pid)]:
            limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
            self.assertRegex(limits, r"Max core file size +0 +0 ", procs.title(pid))
            if os.geteuid() == 0:
                # What is in /proc belongs to root, not to the process's user, if it is not dumpable (proc(5)).
                self.assertEqual(os.stat(f"/proc/{pid}/environ").st_uid, 0, procs.title(pid))

    # ---- who may hold what in its memory ----

    OWN = {"worker token": {"token", "client key"}, "worker tokenfile": {"tokenfile"}, "worker basic": {"password"},
           "worker plugin": {"exec"}, "worker given": {"given"}, "worker wrong": {"wrong"}, "worker broken": {"broken"},
           "worker odd": {"odd"}, "worker proxy": {"token", "proxy"}, "worker url": {"token", "url"},
           "worker garbage": {"garbage"},
           "helper plugin": {"exec", "given"}, "helper given": {"given"}, "helper garbage": {"garbage", "given"},
           # It hands the environment to the reader of the configuration at each reload.
           "supervisor": {"clouddriver", "given", "environment"}}
    OF_THE_CLUSTER = {"data", "stringdata", "applied", "later", "redacted"}

    def memory(self, pid):
        with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
            for line in maps:
                m = re.match(r"([0-9a-f]+)-([0-9a-f]+) r", line)
                if m:
                    start, end = (int(x, 16) for x in m.groups())
                    try:
                        mem.seek(start)
                        yield mem.read(min(end - start, 64 << 20))
                    except (OSError, ValueError):
                        pass

    def check_memory(self, agent, own=(), must=()):
        if sanitized("scale-agentd"):
            return  # AddressSanitizer keeps copies of its own, of the environment and of what was freed
        looked, found, own = 0, set(), {**self.OWN, **dict(own)}
        for pid in agent.pids():
            title = "supervisor" if pid == agent.pid else " ".join(procs.title(pid).replace("scale-agent: ", "").split())
            allowed = set(own.get(title, ()))
            if title.startswith("worker "):
                allowed |= self.OF_THE_CLUSTER
            for data in self.memory(pid):
                self.look(f"the memory of {title}", data, allowed)
                looked += len(data)
                found |= {(title, n) for n in allowed if n in self.markers and self.markers[n].encode() in data}
        self.assertGreater(looked, 1 << 20)
        must = {("worker token", "token"), ("worker plugin", "exec"), ("worker given", "given"), ("supervisor", "environment"), *must}
        self.assertLessEqual(must, found, "else nothing could be found")

    # ---- the tests ----

    def test_the_embedded_cache(self):
        agent, watcher = self.run_agent("sqlite")
        rows = {}

        def arrived():
            rows.update(agent.rows("token"))
            secrets = [o for k, o in rows.items() if k[2] == "secrets"]
            return len(secrets) == 5 and all(o["metadata"]["labels"] == {"app": "later"} for o in secrets)
        wait_for("the secrets' rows", arrived)
        secret = rows["token", "", "secrets", "prod", "db-4"]
        self.assertEqual(secret["metadata"]["annotations"].get("note"), "kept")
        self.assertEqual(secret["type"], "Opaque")
        self.assertEqual(rows["token", "", "configmaps", "prod", "settings"]["data"]["public"], "yes")
        for command in (["status"], ["status", "-o", "json"], ["accounts", "-o", "json"], ["support-dump", agent.config, self.accounts],
                        ["get", "secret", "-o", "json", "--database", agent.state / "cache.db"], ["get", "all", "-o", "yaml", "--database", agent.state / "cache.db"],
                        ["tail", "-n", "5", "--database", agent.state / "cache.db"], ["check", agent.config]):
            said = self.ctl(agent, *command)
            self.assertTrue(said.strip(), command)
            self.look(f"scale-agentctl {command[0]}", said)
        printed = subprocess.run([str(paths.program("scale-agentd")), "--print-config", "--config", str(agent.config), "--accounts", str(self.accounts)],
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, env={**os.environ, **agent.env}).stdout
        self.assertIn(b"tokenfile", printed)
        self.look("--print-config", printed)
        if os.geteuid() == 0:
            self.check_memory(agent)
        self.check_processes(agent, watcher.stop())
        self.check_files(agent)

    @unittest.skipIf(os.geteuid() != 0, "only root may look into the memory of others")
    def test_the_token_of_the_uplink(self):
        agent, watcher = self.start_agent("grpc")
        wait_for("the workers wait for Spinnaker", lambda: all(agent.states().get(n) == "waiting" for n in self.good))
        self.check_memory(agent, {"uplink": {"clouddriver"}}, {("uplink", "clouddriver")})
        self.check_processes(agent, watcher.stop())
        self.check_files(agent)

    def test_the_deltas_as_they_are_sent(self):
        agent, watcher = self.run_agent("jsonl")
        deltas = agent.state / "deltas.jsonl"
        wait_for("deltas of secrets", lambda: deltas.exists() and deltas.read_bytes().count(b'"db-4"') >= 4)
        self.check_processes(agent, watcher.stop())
        self.assertEqual(agent.stop(), 0)
        self.check_files(agent)


if __name__ == "__main__":
    unittest.main()
