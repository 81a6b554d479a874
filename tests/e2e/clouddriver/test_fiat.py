# SPDX-License-Identifier: Apache-2.0
"""A real Fiat decides by the permissions that an agent gives its accounts: who sees them, and who changes what."""
import unittest

from ops import APP, SPACE, config_map
from rig.harness import paths
from rig.harness.fiat import Fiat
from rig.harness.procs import wait_for
from world import STREAMED, World, write_account

GUARDED = "guarded"
USERS = {"dev": ["dev"], "ops": ["ops"], "other": ["others"]}


class RealFiat(World):
    stock = None

    @classmethod
    def _make(cls):
        home = paths.Scratch("fiat")
        cls.addClassCleanup(home.close)
        cls.fiat = Fiat(home.path / "fiat", USERS)
        cls.clouddriver_config = {"services": {"fiat": {
            "enabled": True, "baseUrl": f"http://127.0.0.1:{cls.fiat.port}", "cache": {"expiresAfterWriteSeconds": 1}}}}
        super()._make()
        cls.addClassCleanup(cls.fiat.stop)
        cls.fiat.start(cls.clouddriver)
        cls.agent.wait_streaming([STREAMED, GUARDED])
        with_api = cls.cluster.api()
        with_api("POST", "/api/v1/namespaces", {"metadata": {"name": SPACE}})
        with_api("POST", "/apis/apps/v1/namespaces/ops/deployments", {
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "annotations": {
                "moniker.spinnaker.io/application": APP, "moniker.spinnaker.io/cluster": "deployment web"}},
            "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "web"}}, "template": {
                "metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}})
        with_api.close()

    @classmethod
    def more_accounts(cls, directory):
        write_account(directory, GUARDED, cls.cluster.kubeconfig, permissions={"READ": ["dev", " ops "], "WRITE": ["ops"]})

    def decided(self, user, expected):
        """What Fiat says of the user, once its reading of Clouddriver's accounts has come that far."""
        found = []

        def equal():
            found[:] = [self.fiat.log_in(user) and self.fiat.accounts(user)]
            return found[0] == expected
        try:
            wait_for(f"accounts of {user}", equal, 120, 0.5)
        except TimeoutError as e:
            self.fail(f"{e}: {found}\n{self.fiat.processes[-1].tail(20)}")

    def clusters(self, user):
        status, found = self.clouddriver.ask("GET", f"/applications/{APP}/clusters", headers={"X-SPINNAKER-USER": user})
        return sorted(found) if status == 200 else found

    def deploy(self, user, name):
        """(status, answer) of the request for it."""
        return self.clouddriver.ask("POST", "/kubernetes/ops", [{"deployManifest": {
            "account": GUARDED, "credentials": GUARDED, "cloudProvider": "kubernetes", "source": "text",
            "moniker": {"app": APP}, "manifests": [config_map(name, a="1")]}}], {"X-SPINNAKER-USER": user})

    def test_permissions_are_the_agents(self):
        rights = {"dev": ["READ"], "ops": ["READ", "WRITE"], "other": None}
        for user, of_guarded in rights.items():
            self.decided(user, {STREAMED: ["READ", "WRITE"], **({GUARDED: of_guarded} if of_guarded else {})})
        for user, of_guarded in rights.items():
            expected = sorted([STREAMED] + ([GUARDED] if of_guarded else []))
            self.wait(f"clusters for {user}", lambda u=user, e=expected: self.clusters(u) == e, 60)

    def test_who_may_only_read_changes_nothing(self):
        self.decided("dev", {STREAMED: ["READ", "WRITE"], GUARDED: ["READ"]})
        self.decided("ops", {STREAMED: ["READ", "WRITE"], GUARDED: ["READ", "WRITE"]})
        status, said = self.deploy("dev", "not")
        self.assertEqual((status, said["errors"]), (400, [f"Access denied to account {GUARDED}"]))
        status, said = self.deploy("ops", "made")
        self.assertEqual(status, 200, said)
        self.wait("its end", lambda: self.clouddriver.get(f"/task/{said['id']}")["status"]["completed"], 60)
        made = [name for space, name in self.cluster.objects("configmaps") if space == SPACE]
        self.assertIn("made-v000", made)
        self.assertFalse([name for name in made if name.startswith("not")])

    def test_what_the_agent_says_anew_holds(self):
        self.decided("other", {STREAMED: ["READ", "WRITE"]})
        write_account(self.accounts, "late", self.cluster.kubeconfig, permissions={"READ": ["others"]})
        self.decided("other", {STREAMED: ["READ", "WRITE"], "late": ["READ"]})
        write_account(self.accounts, "late", self.cluster.kubeconfig, permissions={"READ": ["ops"]})
        self.decided("other", {STREAMED: ["READ", "WRITE"]})
        (self.accounts / "late.yml").unlink()


if __name__ == "__main__":
    unittest.main()
