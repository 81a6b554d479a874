# SPDX-License-Identifier: Apache-2.0
"""What a package must do in a booted system, from its installation to its purge. The steps of a test case follow each
other by their names, on one machine. test_debian.py and test_rpm.py say how packages are handled there."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from machine import Machine, Failed  # noqa: E402
from rig.harness import paths  # noqa: E402
from rig.harness.cluster import Cluster  # noqa: E402
from rig.harness import procs  # noqa: E402
from rig.harness.procs import free_port  # noqa: E402
from rig.harness.sim import Sim  # noqa: E402

PACKAGES = pathlib.Path(os.environ.get("SA_PACKAGES_DIR", "packages"))
WORKERS = int(os.environ.get("SA_PACKAGES_WORKERS", "60"))
SHORT = bool(os.environ.get("SA_PACKAGES_SHORT"))  # on whatever machine: nothing that has to be quick
full_form = unittest.skipIf(SHORT, "the full form has it: scripts/test --only packages")
THREADS = 14  # for each worker, as TasksMax counts
UID_FIRST, UID_COUNT = 2100000000, 10000
SETGID, SETUID = 1 << 6, 1 << 7


def wait_for(what, check, seconds, step=0.05):
    """Four times as long where it takes as long."""
    return procs.wait_for(what, check, 4 * seconds, step)


class Lifecycle:
    """For a subclass that is a TestCase as well, and has: system, tree(), install(), upgrade(), remove()."""

    @classmethod
    def setUpClass(cls):
        cls.broken = None
        tree = cls.tree()
        cls.scratch = paths.Scratch("packages")
        cls.addClassCleanup(cls.scratch.close)
        cls.shared = cls.scratch.path / "shared"
        cls.shared.mkdir()
        for package in cls.packages():
            shutil.copy(package, cls.shared)
        try:
            cls.cluster = Cluster(cls.scratch.path, "real", minimal=True)
        except paths.Missing as e:
            raise unittest.SkipTest(str(e)) from e
        cls.addClassCleanup(cls.cluster.purge)
        cls.api = cls.cluster.api()
        cls.addClassCleanup(cls.api.close)
        cls.machine = Machine(tree, cls.system, cls.shared, cls.scratch.path / "boot.log")
        cls.addClassCleanup(cls.machine.stop)
        cls.kubeconfig = cls.cluster.kubectl("config", "view", "--raw", "--flatten")
        cls.before = cls.files()

    def setUp(self):
        if type(self).broken:
            self.skipTest(f"{type(self).broken} failed before it")

    def tearDown(self):
        """Later steps stand on earlier ones."""
        result = self._outcome.result
        if not type(self).broken and any(test is self for test, _ in result.failures + result.errors):
            type(self).broken = self.id().rsplit(".", 1)[1]
            said = self.machine.run("systemctl status --no-pager -l scale-agent; journalctl -u scale-agent --no-pager -n 30; scale-agentctl status; "
                                   "scale-agentctl get namespaces", check=False)
            print(f"\n--- {self.system}, after {type(self).broken}\n{said}", flush=True)

    # helpers

    @classmethod
    def files(cls):
        """What lies about that has the agent's name, but for the package manager's own notes."""
        said = cls.machine.run("find / -xdev -name '*scale-agent*' -not -path '/proc/*' -not -path '/shared*' -not -path '/sys/*' "
                               "-not -path '/var/cache/*' -not -path '/var/lib/apt/lists/*'; getent passwd _scale-agent; "
                               "getent group _scale-agent; ls -d /run/scale-agent* /run/systemd/transient/scale* 2>/dev/null", check=False)
        return sorted(said.split())

    def main_pid(self):
        return int(self.machine.property("scale-agent.service", "MainPID"))

    def living_pid(self):
        pid = self.main_pid()
        self.assertGreater(pid, 0, "the service runs")
        return pid

    def streaming(self, name="prod"):
        a = self.machine.account(name)
        return a if a and a["state"] == "streaming" and a["process"] == "running" else None

    def cached(self, name):
        return name in self.machine.run("scale-agentctl get namespaces -o name 2>/dev/null", check=False)

    def wait_streaming(self, what, seconds, name="prod"):
        return wait_for(f"{what}: {name} streams", lambda: self.streaming(name), seconds)

    def create(self, name):
        self.api("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    def assert_nothing_sent_again(self, what):
        """In step with what is stored, and no object crossed."""
        a = self.wait_streaming(what, 15)
        self.assertEqual(a["deltas_total"], 0, f"{what}: objects were sent again")
        self.assertTrue(self.cached("first"))

    def assert_quick(self, took):
        """Two seconds, on a machine that has time for it."""
        busy = os.getloadavg()[0] / (os.cpu_count() or 1)
        if SHORT or 2.0 <= took < 10 and busy > 0.75:
            if took >= 2.0:
                print(f"{self.system}: {took:.1f} s, not two, on a machine with {busy:.1f} times the work that it can do", flush=True)
            return
        self.assertLess(took, 2.0)

    def confined(self, pid, status, what):
        """By /proc, each thread."""
        threads = list(pathlib.Path(f"/proc/{pid}/task").iterdir())
        self.assertTrue(threads)
        for thread in threads:
            s = dict(line.split(":", 1) for line in (thread / "status").read_text().splitlines() if ":" in line)
            for key, want in (("Seccomp", "2"), ("NoNewPrivs", "1"), ("CapEff", "0" * 16), ("CapPrm", "0" * 16)):
                self.assertEqual(s[key].strip(), want, f"{what}, thread {thread.name}: {key}")
        ids = set(status["Uid"].split())
        self.assertEqual(len(ids), 1, f"{what}: {status['Uid']}")
        self.assertEqual(len(set(status["Gid"].split())), 1)
        self.assertEqual(status["Groups"], "")
        return int(ids.pop()), len(threads)

    # the steps

    def test_10_install(self):
        begin = time.monotonic()
        self.install()
        took = time.monotonic() - begin
        self.assertEqual(self.machine.property("scale-agent.service", "ActiveState"), "active", "it runs at once")
        self.assertEqual(self.machine.property("scale-agent.service", "UnitFileState"), "enabled")
        self.assertEqual(self.machine.status()["accounts"], [])
        self.assertIn("0 accounts", self.machine.property("scale-agent.service", "StatusText"))
        self.machine.run("scale-agentctl check && scale-agentd --check")
        mode = self.machine.run("stat -c '%a %U' /etc/scale-agent/kubeconfigs /var/lib/scale-agent /run/scale-agent/control.sock").split()
        self.assertEqual(mode, ["700", "root", "700", "_scale-agent", "600", "root"])
        print(f"{self.system}: installed and started in {took:.1f} s", flush=True)
        # The network is this machine's, where the usual port may be taken.
        self.machine.write("/etc/scale-agent/scale-agent.d/port.yml", f"server: {{port: {free_port()}}}\n")
        wait_for("the exporter", lambda: self.machine.processes("scale-agent: exporter"), 20)

    def test_11_an_account_that_is_dropped_in_streams_within_two_seconds(self):
        self.create("first")
        self.machine.write("/etc/scale-agent/kubeconfigs/prod.yml", self.kubeconfig, "0600")
        begin = time.monotonic()
        self.machine.write("/etc/scale-agent/accounts.d/prod.yml",
                           "name: prod\nkubeconfigFile: /etc/scale-agent/kubeconfigs/prod.yml\n")
        wait_for("the account to stream", lambda: self.cached("first") and self.streaming(), 10, 0.02)
        took = time.monotonic() - begin
        self.assert_quick(took)
        begin = time.monotonic()
        self.create("second")
        wait_for("a change to arrive", lambda: self.cached("second"), 5, 0.01)
        print(f"{self.system}: streams {took:.2f} s after its file was there, a change was seen after "
              f"{time.monotonic() - begin:.2f} s", flush=True)

    def test_12_so_does_a_kubeconfig_file_itself(self):
        self.machine.write("/etc/scale-agent/accounts.d/as-it-is.yml", self.kubeconfig, "0600")
        begin = time.monotonic()
        self.wait_streaming("a kubeconfig file", 10, "as-it-is")
        self.assert_quick(time.monotonic() - begin)
        self.machine.run("rm /etc/scale-agent/accounts.d/as-it-is.yml")
        wait_for("the account to be gone", lambda: self.machine.account("as-it-is") is None, 5)

    def test_13_every_process_is_confined_under_the_hardened_unit(self):
        def only():
            """The worker of an account that was removed a moment ago may still be ending."""
            found = self.machine.processes("scale-agent: worker")
            return found if len(found) == 1 else None
        (pid, status), = wait_for("one worker, of the one account", only, 10).items()
        uid, _ = self.confined(pid, status, "worker")
        self.assertTrue(UID_FIRST <= uid < UID_FIRST + UID_COUNT, uid)
        own = int(self.machine.run("id -u _scale-agent"))
        for title in ("uplink", "exporter"):
            (pid, status), = self.machine.processes(f"scale-agent: {title}").items()
            self.assertEqual(self.confined(pid, status, title)[0], own)
        (_, status), = self.machine.processes("scale-agent: supervisor").items()
        self.assertEqual((int(status["CapBnd"], 16), status["NoNewPrivs"], status["Seccomp"]), (SETUID | SETGID, "1", "2"))
        told = self.machine.account("prod")
        self.assertTrue(all(told["sandbox"][k] for k in ("no_new_privs", "uid", "landlock", "seccomp")), told)
        self.assertEqual(told["lacks"], "", "by this machine's kernel")

    def test_14_exposure(self):
        said = self.machine.run("systemd-analyze security --no-pager --threshold=15 scale-agent.service | tail -n 1; "
                                "systemd-analyze security --no-pager --threshold=15 scale-agent.service >/dev/null")
        print(f"{self.system}: {said.strip()}", flush=True)
        self.machine.run("systemd-analyze verify --man=no scale-agent.service")

    def test_20_reload(self):
        pid, worker = self.main_pid(), self.streaming()["pid"]
        self.machine.run("systemctl reload scale-agent.service")
        self.machine.write("/etc/scale-agent/accounts.d/wrong.yml", "name: [\n")
        with self.assertRaises(Failed, msg="a reload of files that are wrong fails"):
            self.machine.run("systemctl reload scale-agent.service")
        self.assertEqual(self.machine.property("scale-agent.service", "ActiveState"), "active")
        self.assertIn("not valid", self.machine.property("scale-agent.service", "StatusText"))
        self.machine.run("rm /etc/scale-agent/accounts.d/wrong.yml && systemctl reload scale-agent.service")
        self.assertEqual((self.main_pid(), self.streaming()["pid"]), (pid, worker))

    def test_21_restart(self):
        pid = self.main_pid()
        self.machine.run("systemctl restart scale-agent.service")
        self.assertNotEqual(self.main_pid(), pid)
        self.assert_nothing_sent_again("restart")

    @full_form
    def test_22_a_worker_that_stands_still_is_ended(self):
        """By a supervisor that has no right to signal other users' processes."""
        self.machine.write("/etc/scale-agent/scale-agent.d/fast.yml", "heartbeatTimeoutSeconds: 2\n")
        self.machine.run("systemctl reload scale-agent.service")
        worker, = self.machine.processes("scale-agent: worker")
        os.kill(worker, 19)
        wait_for("another worker", lambda: worker not in self.machine.processes("scale-agent: worker"), 10)
        a = self.wait_streaming("a worker that was hung", 15)
        self.assertEqual(a["ends"], {"hung": 1})
        self.machine.run("rm /etc/scale-agent/scale-agent.d/fast.yml && systemctl reload scale-agent.service")

    def test_23_kill_9(self):
        pid = self.living_pid()
        self.machine.run(f"kill -9 {pid}")
        wait_for("another supervisor", lambda: self.main_pid() not in (0, pid), 10)
        self.wait_streaming("after kill -9", 15)
        self.assertEqual(len(self.machine.processes("scale-agent: worker")), 1)
        self.assertEqual(self.machine.property("scale-agent.service", "NRestarts"), "1")

    @full_form
    def test_24_watchdog(self):
        self.machine.run("mkdir -p /run/systemd/system/scale-agent.service.d && "
                         "printf '[Service]\\nWatchdogSec=2\\n' >/run/systemd/system/scale-agent.service.d/fast.conf && "
                         "systemctl daemon-reload && systemctl restart scale-agent.service")
        self.wait_streaming("a short watchdog", 15)
        pid = self.living_pid()
        time.sleep(3)
        self.assertEqual(self.main_pid(), pid, "it is kept alive")
        self.machine.run(f"kill -STOP {pid}")
        wait_for("another supervisor", lambda: self.main_pid() not in (0, pid), 15)
        self.wait_streaming("after the watchdog", 15)
        self.assertIn("atchdog", self.machine.run("journalctl -u scale-agent.service --no-pager -n 60"))
        self.machine.run("rm -r /run/systemd/system/scale-agent.service.d && systemctl daemon-reload && "
                         "systemctl restart scale-agent.service")
        self.wait_streaming("the watchdog as it was", 15)

    def test_25_secrets_from_systemd(self):
        """What the unit is given as a credential can be read by the processes it is for: here a whole kubeconfig file."""
        self.machine.run("install -d -m 700 /etc/credstore")
        self.machine.write("/etc/credstore/scale-agent.clouddriver-key", self.kubeconfig, "0600")
        self.machine.run("systemctl restart scale-agent.service")
        self.machine.write("/etc/scale-agent/accounts.d/given.yml",
                           "name: given\nkubeconfigFile: ${CREDENTIALS_DIRECTORY}/scale-agent.clouddriver-key\n")
        self.wait_streaming("credentials", 15, "given")
        self.machine.run("rm -r /etc/credstore /etc/scale-agent/accounts.d/given.yml && systemctl restart scale-agent.service")
        self.wait_streaming("without credentials", 15)

    @full_form
    def test_26_the_key_of_sealed_files_encrypted(self):
        """The key that opens a sealed kubeconfig, which systemd alone can read."""
        unit = "/etc/systemd/system/scale-agent.service.d"
        self.machine.run(f"install -d -m 700 /etc/credstore.encrypted && mkdir -p {unit} && scale-agentctl seal --init && "
                         "scale-agentctl seal /etc/scale-agent/kubeconfigs/prod.yml >/etc/scale-agent/kubeconfigs/prod.sealed && "
                         "systemd-creds encrypt --with-key=host --name=scale-agent.seal-key /etc/scale-agent/seal.key "
                         "/etc/credstore.encrypted/scale-agent.seal-key && rm /etc/scale-agent/seal.key")
        self.machine.write("/etc/scale-agent/accounts.d/sealed.yml",
                           "name: sealed\nkubeconfigFile: /etc/scale-agent/kubeconfigs/prod.sealed\n")
        wait_for("the account to be refused", lambda: "sealKeyFile" in (self.machine.account("sealed") or {}).get("last_error", ""), 15)
        self.machine.write("/etc/scale-agent/scale-agent.d/seal.yml",
                           "secrets: {sealKeyFile: '${CREDENTIALS_DIRECTORY}/scale-agent.seal-key'}\n")
        self.machine.write(f"{unit}/seal.conf", "[Service]\nLoadCredentialEncrypted=scale-agent.seal-key\n")
        self.machine.run("systemctl daemon-reload && systemctl restart scale-agent.service")
        self.wait_streaming("a sealed kubeconfig", 15, "sealed")
        self.machine.run(f"cd /etc/scale-agent && rm -r /etc/credstore.encrypted {unit} seal.pub kubeconfigs/prod.sealed "
                         "accounts.d/sealed.yml scale-agent.d/seal.yml && systemctl daemon-reload && systemctl restart scale-agent.service")
        self.wait_streaming("without credentials", 15)

    @full_form
    def test_27_logrotate(self):
        """By the package's file for it: what is written afterwards is in a new log."""
        self.machine.write("/etc/scale-agent/scale-agent.d/log.yml", "logging: {file: /var/log/scale-agent/agent.log, maxSizeMb: 0}\n")
        self.machine.run("systemctl reload scale-agent.service && logrotate -f /etc/logrotate.d/scale-agent && "
                         "test -s /var/log/scale-agent/agent.log.1")
        wait_for("a new log", lambda: self.machine.code("scale-agentctl reload && test -s /var/log/scale-agent/agent.log") == 0, 10)
        self.machine.run("rm /etc/scale-agent/scale-agent.d/log.yml && systemctl reload scale-agent.service && rm /var/log/scale-agent/*")

    def test_30_a_second_instance(self):
        self.machine.run("mkdir -p /etc/scale-agent/east/accounts.d")
        self.machine.write("/etc/scale-agent/east/scale-agent.yml",
                           "uidRange: {first: 2100010000, count: 100}\nserver: {port: " + str(free_port()) + "}\n")
        self.machine.write("/etc/scale-agent/east/accounts.d/far.yml",
                           "name: far\nkubeconfigFile: /etc/scale-agent/kubeconfigs/prod.yml\n")
        self.machine.run("systemctl start scale-agent@east.service")
        far = "scale-agentctl --socket /run/scale-agent-east/control.sock status -o json"
        wait_for("its account to stream", lambda: json.loads(self.machine.run(far, check=False))["accounts"][0]["state"] == "streaming", 15)
        self.machine.run("systemctl reload scale-agent@east.service")
        workers = self.machine.processes("scale-agent: worker far")
        (pid, status), = workers.items()
        self.assertTrue(2100010000 <= self.confined(pid, status, "worker far")[0] < 2100010100)
        self.assertTrue(self.streaming())

    def test_31_many_workers_fit(self):
        """As many as SA_PACKAGES_WORKERS: in full a thousand."""
        try:
            sim = Sim(self.scratch.path / "sim", WORKERS, objects=5)
        except (paths.Missing, TypeError) as e:
            self.skipTest(str(e))
        self.addCleanup(sim.stop)
        target = self.shared / "sim"
        shutil.copytree(sim.dir, target, ignore=shutil.ignore_patterns("*.log"))
        begin = time.monotonic()
        self.machine.run(f"cp -r /shared/sim /etc/scale-agent/sim && chmod -R go= /etc/scale-agent/sim && "
                         f"sed -i 's,{sim.dir},/etc/scale-agent/sim,g' /etc/scale-agent/sim/accounts.d/* && "
                         "cp /etc/scale-agent/sim/accounts.d/* /etc/scale-agent/accounts.d/")
        names = {p.name for p in (target / "accounts.d").iterdir()}

        def all_stream():
            states = [a["state"] for a in (self.machine.status() or {"accounts": []})["accounts"]]
            return len(states) > WORKERS and set(states) == {"streaming"}
        wait_for(f"{WORKERS} accounts to stream", all_stream, 30 + WORKERS / 5, 0.5)
        took = time.monotonic() - begin
        workers = self.machine.processes("scale-agent: worker")
        uids, most = set(), 0
        for pid, status in workers.items():
            uid, threads = self.confined(pid, status, f"worker {pid}")
            uids.add(uid)
            most = max(most, threads)
        self.assertGreaterEqual(len(workers), WORKERS)
        self.assertEqual(len(uids), len(workers), "a user for each")
        self.assertLessEqual(most, THREADS)
        tasks_max = int(self.machine.property("scale-agent.service", "TasksMax"))
        files_max = int(self.machine.property("scale-agent.service", "LimitNOFILE"))
        self.assertGreaterEqual(tasks_max, 1000 * THREADS + 1000)
        files = max(len(os.listdir(f"/proc/{pid}/fd")) for title in ("supervisor", "uplink")
                    for pid in self.machine.processes(f"scale-agent: {title}"))
        self.assertLess(files / len(workers) * 1000, files_max, "as many for a thousand")
        print(f"{self.system}: {len(workers)} workers stream {took:.1f} s after their files came, each confined as a user of its own; "
              f"at most {most} threads a worker (TasksMax {tasks_max}), {files} files in one process (LimitNOFILE {files_max})", flush=True)
        self.machine.run("rm -r /etc/scale-agent/sim; cd /etc/scale-agent/accounts.d && rm " + " ".join(sorted(names)))
        wait_for("they are gone", lambda: len(self.machine.processes("scale-agent: worker prod")) == 1 and
                 len(self.machine.status()["accounts"]) == 1, 60)

    def test_40_upgrade_over_a_running_one(self):
        self.wait_streaming("before the upgrade", 15)
        self.machine.run("echo 'zoneId: here' >>/etc/scale-agent/scale-agent.yml")
        wait_for("the change to be read", lambda: "here" in self.machine.run("scale-agentctl support-dump"), 10)
        pid = self.main_pid()
        self.upgrade()
        self.assertNotEqual(self.main_pid(), pid, "the new program runs")
        self.assert_nothing_sent_again("upgrade")
        self.machine.run("grep -qx 'zoneId: here' /etc/scale-agent/scale-agent.yml")
        self.assertEqual(self.machine.property("scale-agent@east.service", "ActiveState"), "active")

    def test_50_remove(self):
        self.remove()
        self.assertEqual(self.machine.processes("scale-agent:"), {})
        self.machine.run("test -f /etc/scale-agent/accounts.d/prod.yml && test -f /var/lib/scale-agent/cache.db")




def packages_of(system, pattern):
    found = sorted((PACKAGES / system).glob(pattern))
    if not found:
        raise unittest.SkipTest(f"there is no package for {system} in {PACKAGES}")
    return found


def tree_of(system):
    tree = os.environ.get(f"SA_TREE_{system}", "")
    if not tree:
        raise unittest.SkipTest(os.environ.get(f"SA_TREE_{system}_LACKS") or f"there is no tree of {system}")
    return tree


def repack(deb, version, out):
    """The same package as another version."""
    work = out.with_suffix(".work")
    subprocess.run(["dpkg-deb", "-R", deb, work], check=True)
    control = work / "DEBIAN/control"
    control.write_text(re.sub(r"^Version: .*$", f"Version: {version}", control.read_text(), flags=re.M))
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", work, out], check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(work)
    return out
