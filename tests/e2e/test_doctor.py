# SPDX-License-Identifier: Apache-2.0
"""scale-agentctl doctor and a real API server: all is well; a rule is missing, and what doctor prints mends it; a
token that is no more."""
import base64
import json
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from rig.harness import paths  # noqa: E402
from rig.harness.cluster import Cluster  # noqa: E402

LONG = 90
KINDS = ["pods", "services", "deployments", "replicasets", "configmaps"]


class Doctor(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        try:
            cls.ctl = paths.program("scale-agentctl")
            scratch = paths.Scratch("doctor")
            cls.addClassCleanup(scratch.close)
            cls.dir = scratch.path
            cls.cluster = Cluster(cls.dir / "kube", "one", minimal=True)
            cls.addClassCleanup(cls.cluster.purge)
        except paths.Missing as e:
            raise unittest.SkipTest(str(e)) from None
        for resource in ("namespace", "serviceaccount"):
            cls.cluster.kubectl("create", resource, "agent", *([] if resource == "namespace" else ["-n", "agent"]))
        cls.ca = (cls.cluster.dir / "pki/ca.crt").read_bytes()
        cls.token = cls.new_token()

    @classmethod
    def new_token(cls):
        return cls.cluster.kubectl("create", "token", "agent", "-n", "agent", "--duration=24h").strip()

    def write(self, token, **account):
        """The account, by a token in a file."""
        etc = self.dir / self.id().rsplit(".", 1)[1]
        (etc / "accounts.d").mkdir(parents=True)
        (etc / "token").write_text(token)
        (etc / "scale-agent.yml").write_text(json.dumps({"runtimeDir": str(etc / "run"), "stateDir": str(etc / "state"), "user": "nobody"}))
        config = {
            "apiVersion": "v1", "kind": "Config", "current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": f"https://127.0.0.1:{self.cluster.api_port}",
                                                   "certificate-authority-data": base64.b64encode(self.ca).decode()}}],
            "users": [{"name": "u", "user": {"tokenFile": str(etc / "token")}}]}
        for name in ("kubeconfig", "token"):
            if name == "kubeconfig":
                (etc / name).write_text(json.dumps(config))
            (etc / name).chmod(0o600)
        (etc / "accounts.d" / "one.yml").write_text(json.dumps({"name": "one", "kubeconfigFile": str(etc / "kubeconfig"), **account}))
        return etc

    def ask(self, etc):
        """{check: findings of the account}"""
        r = subprocess.run([str(self.ctl), "-s", str(etc / "none"), "doctor", str(etc), "--account", "one", "-o", "json"],
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=LONG)
        self.assertEqual(r.stderr, "")
        found = {c["check"]: c for c in json.loads(r.stdout)["checks"] if c["about"] == "account"}
        self.assertNotIn(self.token, r.stdout)
        return found

    def test_a_rule_is_missing_and_then_all_is_well(self):
        etc = self.write(self.token, kinds=KINDS)
        found = self.ask(etc)
        self.assertEqual(found["user"]["found"], "the API server takes us for system:serviceaccount:agent:agent")
        self.assertEqual((found["tls"]["state"], found["http"]["found"], found["clock"]["state"]), ("ok", "HTTP/2", "ok"))
        self.assertEqual(found["rbac"]["state"], "error")
        for kind in ("pods", "deployments.apps"):
            self.assertIn(f"{kind}: get, list, watch", found["rbac"]["found"])
        # A part of it by hand; what is left is what doctor then names.
        self.cluster.kubectl("create", "clusterrole", "part", "--verb=get,list,watch", "--resource=pods,services,replicasets.apps,configmaps")
        self.cluster.kubectl("create", "clusterrolebinding", "part", "--clusterrole=part", "--serviceaccount=agent:agent")
        found = self.ask(etc)
        self.assertEqual(found["rbac"]["found"], "what is followed may not be read: deployments.apps: get, list, watch")
        self.assertEqual(found["operations"]["state"], "warning")
        for check in ("rbac", "operations"):
            self.cluster.kubectl("apply", "-f", "-", stdin=found[check]["apply"])
        found = self.ask(etc)
        self.assertEqual({c["state"] for c in found.values()}, {"ok"}, found)
        self.assertIn("5 kinds", found["kinds"]["found"])

    def test_rules_in_the_namespaces_of_an_account(self):
        self.cluster.kubectl("create", "namespace", "web")
        etc = self.write(self.token, kinds=["secrets"], namespaces=["web", "agent"], onlyNamespacedResources=True)
        found = self.ask(etc)
        self.assertIn("secrets in web: get, list, watch", found["rbac"]["found"])
        self.assertIn('kind: Role\n', found["rbac"]["apply"])
        for check in ("rbac", "operations"):
            self.cluster.kubectl("apply", "-f", "-", stdin=found[check]["apply"])
        self.assertEqual({c["state"] for c in self.ask(etc).values()}, {"ok"})

    def test_a_token_whose_service_account_is_gone(self):
        self.cluster.kubectl("create", "serviceaccount", "gone", "-n", "agent")
        token = self.cluster.kubectl("create", "token", "gone", "-n", "agent", "--duration=24h").strip()
        self.cluster.kubectl("delete", "serviceaccount", "gone", "-n", "agent")
        found = self.ask(self.write(token, kinds=KINDS))
        self.assertEqual({k for k, c in found.items() if c["state"] == "error"}, {"kubernetes"})
        self.assertIn("does not take our credential", found["kubernetes"]["found"])
        self.assertEqual(found["rbac"]["state"], "skipped")


if __name__ == "__main__":
    unittest.main()
