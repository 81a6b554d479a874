# SPDX-License-Identifier: Apache-2.0
"""scale-agentctl op against a real API server: the same words as kubectl's, the same exit codes, the same effect."""
import json
import os
import re
import signal
import socket
import subprocess
import unittest

from rig.harness import paths, procs
from rig.harness.agent import Agent, write_account
from rig.harness.cluster import ApiError, Cluster
from rig.harness.procs import wait_for

ACCOUNT = "real"
OURS, THEIRS = "ours", "theirs"  # namespaces: by op, and by kubectl


def workload(kind, name="web", image="registry.example/main:1", **spec):
    if kind in ("Deployment", "StatefulSet"):
        spec.setdefault("replicas", 0)
    if kind == "StatefulSet":
        spec.setdefault("serviceName", name)
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name},
            "spec": {"selector": {"matchLabels": {"app": name}},
                     "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "main", "image": image}]}},
                     **spec}}


class Operate(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = paths.Scratch("operate")
        cls.addClassCleanup(cls.scratch.close)
        try:
            cls.cluster = Cluster(cls.scratch.path, "real")
            cls.addClassCleanup(cls.cluster.purge)
            accounts = cls.scratch.path / "accounts.d"
            write_account(accounts, ACCOUNT, cls.cluster.kubeconfig, kinds=["deployment"])
            cls.agent = Agent(cls.scratch.path / "agent", accounts).start()
        except paths.Missing as e:
            raise unittest.SkipTest(str(e)) from None
        cls.addClassCleanup(cls.agent.close)
        cls.agent.wait_streaming([ACCOUNT])
        cls.api = cls.cluster.api()
        cls.addClassCleanup(cls.api.close)
        for namespace in (OURS, THEIRS):
            cls.cluster.kubectl("create", "namespace", namespace)
        wait_for("the node's address", lambda: any(
            n["status"].get("addresses") for n in cls.api("GET", "/api/v1/nodes")["items"]), 30)
        wait_for("the default service accounts", lambda: all(
            "default" in cls.cluster.kubectl("-n", n, "get", "serviceaccounts", "-o", "name") for n in (OURS, THEIRS)), 30)

    # ---- both sides ----

    def op(self, *words, stdin=None, account=ACCOUNT):
        """(exit code, standard output, standard error) of scale-agentctl op."""
        r = subprocess.run([paths.program("scale-agentctl"), "-s", self.agent.runtime / "control.sock", "op", account, *words],
                           input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=90)
        return r.returncode, r.stdout, r.stderr

    def kubectl(self, *words, stdin=None):
        r = subprocess.run([str(self.cluster.binary), "kubectl", "--kubeconfig", str(self.cluster.dir / "kubeconfig.direct"), *words],
                           input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=90,
                           env={**os.environ, "HOME": str(self.cluster.dir)})
        err = "".join(line for line in r.stderr.splitlines(True) if not line.startswith("Warning: "))
        return r.returncode, r.stdout, err

    def same(self, *words, stdin=None):
        """Runs it on both sides, and compares what they say; exit code and standard output."""
        theirs = self.kubectl("-n", THEIRS, *words, stdin=stdin)
        ours = self.op(*words, "-n", OURS, stdin=stdin)
        self.assertEqual(self.plain(ours, OURS), self.plain(theirs, THEIRS), words)
        return ours[0], ours[1]

    @staticmethod
    def plain(outcome, namespace):
        code, out, err = outcome
        return code, *(re.sub(r"(web-[0-9a-z]+|once)-[0-9a-z]{5}", "POD", t.replace(namespace, "NAMESPACE")) for t in (out, err))

    def path(self, namespace, kind, name=""):
        group = "/apis/batch/v1" if kind == "Job" else "/apis/apps/v1"
        return f"{group}/namespaces/{namespace}/{kind.lower()}s" + (f"/{name}" if name else "")

    def put(self, manifest):
        """Creates or changes it in both namespaces, and waits until the controllers have seen it."""
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        for namespace in (OURS, THEIRS):
            try:
                self.api("PATCH", self.path(namespace, kind, name), manifest, {"Content-Type": "application/merge-patch+json"})
            except ApiError as e:
                self.assertEqual(e.code, 404)
                self.api("POST", self.path(namespace, kind), manifest)
        self.settled(kind, name)

    def settled(self, kind, name):
        """The revision of what was changed is there."""
        def seen():
            found = [self.api("GET", self.path(n, kind, name)) for n in (OURS, THEIRS)]
            return all(o.get("status", {}).get("observedGeneration") == o["metadata"]["generation"] for o in found)
        wait_for(f"{kind} {name} to be seen by its controller", seen, 60)

    def ready(self, kind, name):
        def done():
            found = [self.api("GET", self.path(n, kind, name))["status"] for n in (OURS, THEIRS)]
            return all(o.get("readyReplicas") or o.get("succeeded") for o in found)
        wait_for(f"{kind} {name}", done, 60)

    def clear(self, resource):
        self.addCleanup(lambda: [self.kubectl("-n", n, "delete", resource, "--ignore-not-found") for n in (OURS, THEIRS)])

    def templates(self, kind):
        values = []
        for namespace in (OURS, THEIRS):
            template = self.api("GET", self.path(namespace, kind, "web"))["spec"]["template"]
            template["metadata"].get("annotations", {}).pop("kubectl.kubernetes.io/restartedAt", None)
            values.append(template)
        return values

    # ---- rollout ----

    def rollouts(self, kind):
        resource = f"{kind.lower()}/web"
        self.clear(resource)
        for image in ("registry.example/main:1", "registry.example/main:2", "registry.example/main:3"):
            self.put(workload(kind, image=image))
        self.same("rollout", "history", resource)
        for words in (("undo",), ("undo", "--to-revision=1"), ("undo", "--to-revision=77"), ("undo", "--to-revision=-1"), ("restart",)):
            with self.subTest(words):
                self.same("rollout", words[0], resource, *words[1:])
                self.settled(kind, "web")
                ours, theirs = self.templates(kind)
                self.assertEqual(ours, theirs)
        self.same("rollout", "history", resource)
        for verb in ("pause", "pause", "resume", "resume"):
            self.same("rollout", verb, resource)
        ours, theirs = self.templates(kind)
        self.assertEqual(ours, theirs)

    def test_rollouts_of_a_deployment(self):
        self.rollouts("Deployment")

    def test_rollouts_of_a_stateful_set(self):
        self.rollouts("StatefulSet")

    def test_rollouts_of_a_daemon_set(self):
        self.rollouts("DaemonSet")

    def test_rollouts_that_can_not_be(self):
        self.clear("deployment/web")
        self.put(workload("Deployment"))
        self.same("rollout", "undo", "deployment/web")
        self.same("rollout", "undo", "deployment/web", "--to-revision=1")
        self.same("rollout", "pause", "deployment/web")
        self.same("rollout", "restart", "deployment/web")
        self.same("rollout", "undo", "deployment/nothing")
        self.same("rollout", "history", "deployment/nothing")
        self.same("rollout", "restart", "nothing/web")
        self.same("rollout", "undo", "configmap/kube-root-ca.crt")
        self.same("rollout", "history", "configmap/kube-root-ca.crt")
        self.same("rollout", "restart", "configmap/kube-root-ca.crt")

    # ---- logs ----

    def test_logs(self):
        self.clear("deployment/web")
        pod = {"initContainers": [{"name": "setup", "image": "registry.example/setup:1"}],
               "containers": [{"name": "main", "image": "registry.example/main:1"}, {"name": "side", "image": "registry.example/side:1"}]}
        manifest = workload("Deployment", replicas=1)
        manifest["spec"]["template"]["spec"] = pod
        self.put(manifest)
        self.ready("Deployment", "web")
        code, out = self.same("logs", "deployment/web")
        self.assertEqual(code, 0)
        self.assertIn("log", out)
        self.same("logs", "deployment/web", "-c", "side")
        self.same("logs", "deployment/web", "-c", "nothing")
        self.same("logs", "deployment/web", "--tail=1", "-c", "main")
        self.same("logs", "nothing")
        self.same("logs", "deployment/nothing")
        code, out, _ = self.op("logs", "deployment/web", "-n", OURS, "--all-containers")
        self.assertEqual(code, 0)
        self.assertGreaterEqual(out.count("log line"), 2)
        code, out, _ = self.op("logs", "deployment/web", "-n", OURS, "-c", "main", "--limit-bytes=4")
        self.assertEqual((code, out), (0, "kwok\n[scale-agent: the log is cut here, after 4 bytes]\n"))

    def test_logs_of_a_job(self):
        job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once"},
               "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "registry.example/main:1"}]}}}}
        self.clear("job/once")
        for namespace in (OURS, THEIRS):
            self.api("POST", self.path(namespace, "Job"), job)
        self.ready("Job", "once")
        self.same("logs", "job/once")
        self.same("logs", "job/once", "-c", "other")
        self.same("logs", "job/nothing")

    # ---- the others ----

    def test_what_a_day_needs(self):
        manifest = ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {on: 'yes'}\n---\n" + json.dumps(workload("Deployment", replicas=0)))
        self.clear("deployment/web")
        self.clear("configmap/a")
        self.assertEqual(self.same("create", "-f", "-", stdin=manifest)[0], 0)
        self.same("get", "configmap", "a", "-o", "name")
        self.same("get", "configmap", "nothing")
        self.same("scale", "deployment/web", "--replicas=1")
        self.same("patch", "configmap", "a", "--type=merge", "-p", "data: {on: 'no'}")
        self.same("delete", "configmap/a")
        self.same("delete", "configmap/a")
        self.same("delete", "configmap/a", "--ignore-not-found")
        self.assertEqual(self.op("top", "pod", "-n", OURS)[:2], (0, ""))
        code, out, _ = self.op("events", "deployment/web", "-n", OURS)
        self.assertEqual(code, 0)
        self.assertIn("ScalingReplicaSet", out)
        code, out, _ = self.op("get", "pods,deployments", "-n", OURS, "-o", "json")
        self.assertIn("Deployment", [o["kind"] for o in json.loads(out)["items"]])

    def test_who_asked_is_in_the_log(self):
        self.op("get", "namespace", OURS)
        lines = [json.loads(line) for line in (self.agent.dir / "agent.log").read_text().splitlines() if '"verb":"get"' in line]
        self.assertRegex(lines[-1]["by"], rf"^local uid {os.geteuid()} \(pid [0-9]+\)$")
        self.assertEqual(lines[-1]["object"], f"namespaces/{OURS}")

    def test_no_such_account_and_no_agent(self):
        code, _, err = self.op("get", "pods", account="nobody")
        self.assertEqual((code, err), (1, "scale-agentctl: there is no account nobody\n"))
        r = subprocess.run([paths.program("scale-agentctl"), "-s", "/nowhere", "op", ACCOUNT, "get", "pods"], capture_output=True, timeout=30)
        self.assertEqual(r.returncode, 3)

    def test_a_worker_that_dies(self):
        """Who asks is told, whatever was under way; the account goes on."""
        finalized = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept", "finalizers": ["example.test/kept"]}}
        self.cluster.kubectl("-n", OURS, "apply", "-f", "-", stdin=json.dumps(finalized))
        self.addCleanup(lambda: self.cluster.kubectl("-n", OURS, "patch", "configmap", "kept", "--type=merge", "-p", '{"metadata":{"finalizers":null}}'))
        asker = subprocess.Popen([paths.program("scale-agentctl"), "-s", self.agent.runtime / "control.sock", "op", ACCOUNT,
                                  "delete", "configmap/kept", "-n", OURS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_for("the deletion", lambda: "deletionTimestamp" in self.cluster.kubectl("-n", OURS, "get", "configmap", "kept", "-o", "json"), 20)
        os.kill(self.agent.by_role()["worker"][0], signal.SIGKILL)
        _, err = asker.communicate(timeout=30)
        self.assertEqual(asker.returncode, 1)
        self.assertIn("what came of it is not known", err)
        self.agent.wait_streaming([ACCOUNT])
        self.assertEqual(self.op("get", "namespace", OURS)[0], 0)

    def test_channels_are_few_and_nonsense_ends_one(self):
        def channel():
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(10)
                s.connect(str(self.agent.runtime / "control.sock"))
                s.sendall(f"operate {ACCOUNT}\n".encode())
                _, fds, _, _ = socket.recv_fds(s, 100, 1)
            c = socket.socket(fileno=fds[0])
            c.settimeout(10)
            return c
        pid = self.agent.by_role()["worker"][0]
        before = len(os.listdir(f"/proc/{pid}/fd"))
        many = [channel() for _ in range(16)]
        self.assertTrue(all(c.recv(8) == b"\0SP\0\0\x10\0\0" for c in many))
        with channel() as c:
            self.assertEqual(c.recv(8), b"")
        many[0].sendall(b"\0SP\0\0\x10\0\0" + b"\1" + (5).to_bytes(8, "big") + b"\xff" * 5)
        self.assertEqual(many[0].recv(100), b"")
        many[1].sendall(b"\0SP\0\0\x10\0\0" + b"\1" + (1 << 40).to_bytes(8, "big"))
        self.assertEqual(many[1].recv(100), b"")
        for c in many:
            c.close()
        wait_for("the descriptors' end", lambda: len(os.listdir(f"/proc/{pid}/fd")) <= before, 10)
        self.assertTrue(procs.alive(pid))


if __name__ == "__main__":
    unittest.main()
