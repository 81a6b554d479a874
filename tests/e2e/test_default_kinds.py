# SPDX-License-Identifier: Apache-2.0
"""Every kind that Clouddriver caches by default, against a real API server: created, changed and deleted,
each arrives; and what the other side holds equals what kubectl prints, object by object."""
import json
import unittest

from rig.harness import manifests, paths
from rig.harness.agent import Agent, write_account
from rig.harness.cluster import ApiError, Cluster
from rig.harness.peer import Peer
from rig.harness.procs import wait_for
from rig.harness.scrub import differences, scrubbed

MERGE = {"Content-Type": "application/merge-patch+json"}
ACCOUNT = "real"
SPACE = "kinds"


class DefaultKinds:
    """What both sinks have to show; rows() is what the sink holds, without the account."""

    @classmethod
    def setUpClass(cls):
        cls.scratch = paths.Scratch("kinds")
        cls.addClassCleanup(cls.scratch.close)
        try:
            cls.cluster = Cluster(cls.scratch.path, "real")
            cls.addClassCleanup(cls.cluster.purge)
            accounts = cls.scratch.path / "accounts.d"
            write_account(accounts, ACCOUNT, cls.cluster.kubeconfig)
            cls.api = cls.cluster.api()
            cls.addClassCleanup(cls.api.close)
            cls.api("POST", manifests.NAMESPACE.path(), manifests.NAMESPACE.manifest("", SPACE))
            cls.agent = cls.make_agent(accounts).start()
        except paths.Missing as e:
            raise unittest.SkipTest(str(e)) from None
        cls.addClassCleanup(cls.agent.close)
        cls.agent.wait_streaming([ACCOUNT])

    def row(self, kind, name):
        namespace = SPACE if kind.namespaced else ""
        return self.rows().get((*kind.key, namespace, name))

    def arrives(self, kind, name, check, seconds=15):
        """Waits until the sink's object passes the check; it."""
        try:
            return wait_for(f"{kind.kind} {name}", lambda: (lambda o: check(o) and (o or True))(self.row(kind, name)), seconds)
        except TimeoutError as e:
            self.fail(f"{e}; the sink has {json.dumps(self.row(kind, name))[:300]}\n{self.agent.process.tail(20)}")

    def create_change_delete(self, kind, name):
        self.api("POST", kind.path(SPACE), kind.manifest(SPACE, name, 1))
        self.arrives(kind, name, lambda o: o)
        self.api("PATCH", kind.path(SPACE, name), {"metadata": {"labels": {"changed": "yes"}}}, MERGE)
        o = self.arrives(kind, name, lambda o: o and o["metadata"]["labels"].get("changed") == "yes")
        self.assertNotIn("managedFields", o["metadata"])
        self.assertEqual(o["kind"], kind.kind)
        self.api("DELETE", kind.path(SPACE, name), {"propagationPolicy": "Background"})
        self.arrives(kind, name, lambda o: o is None, 30)

    def test_create_change_delete_of_each_kind(self):
        for kind in manifests.DEFAULT:
            with self.subTest(kind.kind):
                self.create_change_delete(kind, "things.example.test" if kind is manifests.CRD else f"{kind.kind.lower()}-one")

    def test_definition_at_run_time(self):
        """A CRD that comes while the agent runs: its objects arrive; they go with it."""
        kind = manifests.custom("gizmos")
        self.api("POST", manifests.CRD.path(), manifests.CRD.manifest("", "gizmos.example.test"))

        def made():
            try:
                return self.api("POST", kind.path(SPACE), kind.manifest(SPACE, "early", 1))
            except ApiError as e:
                return e.code != 404 and self.fail(e)
        wait_for("the new resource", made, 20)
        self.arrives(kind, "early", lambda o: o and o["spec"] == {"size": 1, "colour": "red"}, 60)
        self.create_change_delete(kind, "late")
        self.api("DELETE", manifests.CRD.path("", "gizmos.example.test"))
        self.arrives(kind, "early", lambda o: o is None, 60)

    def test_equals_kubectl(self):
        for kind in manifests.IN_NAMESPACES:
            for n in range(3):
                self.api("POST", kind.path(SPACE), kind.manifest(SPACE, f"same-{kind.kind.lower()}-{n}", n))
        self.api("POST", manifests.CRD.path(), manifests.CRD.manifest("", "gears.example.test"))
        self.cluster.kubectl("wait", "--for=condition=Established", "crd/gears.example.test", "--timeout=30s")
        gears = manifests.custom("gears")
        self.api("POST", gears.path(SPACE), gears.manifest(SPACE, "gear-1", 1))
        self.cluster.kubectl("-n", SPACE, "rollout", "status", "deployment/same-deployment-2", "--timeout=60s")
        kinds = (*manifests.DEFAULT, gears)
        left = []

        def equal():
            expected = {}
            for kind in kinds:
                for (namespace, name), o in self.cluster.objects(kind.full).items():
                    expected[(*kind.key, namespace, name)] = scrubbed(o)
            left[:] = differences(expected, self.rows())
            return not left
        try:
            wait_for("the sink to equal the cluster", equal, 60, 1)
        except TimeoutError:
            self.fail("\n".join(left))
        count = sum(1 for k in self.rows() if k[:2] == ("", "pods"))
        self.assertGreater(count, 5, "there were no pods to compare")


class IntoSqlite(DefaultKinds, unittest.TestCase):
    @classmethod
    def make_agent(cls, accounts):
        return Agent(cls.scratch.path / "agent", accounts)

    def rows(self):
        return {k[1:]: o for k, o in self.agent.rows(ACCOUNT).items()}


class IntoGrpc(DefaultKinds, unittest.TestCase):
    @classmethod
    def make_agent(cls, accounts):
        if not (paths.ROOT / "tests/rig/peer/peer.py").exists():
            raise paths.Missing("there is no peer")
        cls.peer = Peer(cls.scratch.path / "peer").start()
        cls.addClassCleanup(cls.peer.stop)
        return Agent(cls.scratch.path / "agent", accounts, "grpc", cls.peer.address)

    def rows(self):
        return {k[1:]: o for k, o in self.peer.rows().items() if k[0] == ACCOUNT}


class Secrets(unittest.TestCase):
    """Nothing secret leaves, whoever asks for the kind."""

    def test_secret_comes_without_its_data(self):
        scratch = paths.Scratch("secrets")
        self.addCleanup(scratch.close)
        try:
            cluster = Cluster(scratch.path, "real", minimal=True)
            self.addCleanup(cluster.purge)
            accounts = scratch.path / "accounts.d"
            write_account(accounts, ACCOUNT, cluster.kubeconfig, kinds=["secret", "configMap"])
            agent = Agent(scratch.path / "agent", accounts, config={"logging": {"level": "trace"}}).start()
        except paths.Missing as e:
            self.skipTest(str(e))
        self.addCleanup(agent.close)
        agent.wait_streaming([ACCOUNT])
        cluster.kubectl("apply", "-f", "-", stdin=json.dumps(manifests.SECRET.manifest("default", "credentials", 2)))
        key = (ACCOUNT, "", "secrets", "default", "credentials")
        row = wait_for("the Secret", lambda: agent.rows().get(key), 15)
        expected = {k[1]: scrubbed(o) for k, o in cluster.objects("secrets").items()}
        self.assertEqual(differences({"credentials": expected["credentials"]}, {"credentials": row}), [])
        agent.stop()
        for word in (b"hunter2", b"aHVudGVyMg"):
            for path in [p for d in (agent.dir, agent.state) for p in d.rglob("*") if p.is_file()]:
                self.assertNotIn(word, path.read_bytes(), f"the secret is in {path}")


if __name__ == "__main__":
    unittest.main()
