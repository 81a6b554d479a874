# SPDX-License-Identifier: Apache-2.0
"""An agent's account in Clouddriver: listed, described, with its permissions, and known to the plugin's REST; and doctor
between the two."""
import json
import subprocess
import unittest

from rig.harness import paths
from rig.harness.procs import free_port
from world import STOCK, STREAMED, World, write_account

GUARDED = "guarded"


class Account(World):
    token = "open-sesame"
    # Clouddriver Account Management, with which accounts may come by REST as well.
    clouddriver_config = {"account": {"storage": {"enabled": True, "kubernetes": {"enabled": True}}},
                          "credentials": {"poller": {"enabled": True, "types": {"kubernetes": {"reloadFrequencyMs": 2000}}}}}

    @classmethod
    def more_accounts(cls, directory):
        write_account(directory, GUARDED, cls.cluster.kubeconfig, permissions={"READ": [" dev "], "WRITE": ["ops"]})

    def listed(self, name=STREAMED):
        return self.wait(f"account {name}", lambda: self.clouddriver.accounts().get(name), 30)

    def test_credentials_list_it(self):
        account = self.listed()
        self.assertEqual((account["type"], account["cloudProvider"]), ("kubernetes", "kubernetes"))
        self.assertIn(STOCK, self.clouddriver.accounts())

    def test_permissions_are_the_agents(self):
        self.assertEqual(self.listed(GUARDED)["permissions"], {"READ": ["dev"], "WRITE": ["ops"]})
        self.assertFalse(self.listed().get("permissions"))

    def test_accounts_of_account_management_stand_beside_it(self):
        self.listed()
        status, said = self.store_account("managed")
        self.assertEqual(status, 200, said)
        self.listed("managed")
        # The same name: refused where the agent was first, the agent's where it comes later.
        self.assertEqual(self.store_account(STREAMED)[0], 400)
        write_account(self.accounts, "managed", self.cluster.kubeconfig)
        self.wait("the same name", lambda: "Account managed is Clouddriver's own and an agent's"
                  in self.clouddriver.process.log.read_text(errors="replace"), 20)
        self.assertEqual(self.clouddriver.get("/agents/kubernetes/accounts/managed")["name"], "managed")
        self.assertTrue({STREAMED, STOCK, "managed"} <= set(self.clouddriver.accounts()))

    def store_account(self, name):
        return self.clouddriver.ask("POST", "/credentials", {
            "type": "kubernetes", "name": name, "kubeconfigFile": str(self.cluster.kubeconfig)})

    def test_namespaces_are_there_at_once(self):
        self.listed()
        expected = sorted(ns for _, ns in self.cluster.objects("namespaces"))
        self.wait("the account's namespaces",
                  lambda: sorted(self.clouddriver.get(f"/credentials/{STREAMED}")["namespaces"]) == expected, 20)

    def test_rest(self):
        self.listed()
        c = self.clouddriver
        agent = self.wait("the agent", lambda: c.get("/armory/agents"), 20)[0]
        self.assertTrue({GUARDED, STREAMED} <= set(agent["accounts"]))
        self.assertEqual(c.get(f"/armory/agents/{agent['agentId']}")["clouddriverId"], agent["clouddriverId"])
        replica = c.get(f"/armory/clouddrivers/{agent['clouddriverId']}")
        self.assertTrue(replica["ready"])
        account = c.get(f"/agents/kubernetes/accounts/{STREAMED}")
        self.assertEqual((account["name"], account["status"]), (STREAMED, "ACTIVE"))
        self.assertRegex(account["kubeVersion"], r"^v1\.\d+")
        self.assertEqual(c.ask("GET", "/armory/agents/nobody")[0], 404)
        self.assertEqual(c.ask("GET", f"/agents/kubernetes/accounts/{STOCK}")[0], 404)
        self.assertEqual(c.ask("POST", "/armory/agent/operations", {"operation": "x"})[0], 501)

    def test_threads_have_names_that_explain_themselves(self):
        self.listed()
        names = [t["threadName"].rstrip("0123456789") for t in self.clouddriver.get("/threaddump")["threads"]]
        for ours in ("accounts", "lease", "timer", "writer", "accept", "network", "stream"):
            self.assertIn(f"scale-agent-{ours}-", names)

    def doctor(self, **clouddriver):
        """(exit code, {check: what was found about Clouddriver}, everything) with the agent's settings but for these."""
        settings = json.loads(self.agent.config.read_text())
        settings["clouddriver"].update(clouddriver)
        config = self.scratch.path / "doctor.yml"
        config.write_text(json.dumps(settings))
        config.chmod(0o600)
        r = subprocess.run([paths.program("scale-agentctl"), "-s", self.agent.runtime / "control.sock", "doctor", config, self.accounts,
                            "--account", STREAMED, "-o", "json"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
        self.assertEqual(r.stderr, "")
        self.assertNotIn(self.token, r.stdout)
        checks = json.loads(r.stdout)["checks"]
        return r.returncode, {c["check"]: c for c in checks if c["about"] == "clouddriver"}, checks

    def test_doctor_is_content_and_names_the_plugin(self):
        self.listed()
        self.cluster.kubeconfig.chmod(0o600)  # it says so where everyone may read it
        code, found, checks = self.doctor()
        complaints = [c for c in checks if c["state"] in ("warning", "error")]
        self.assertEqual([c for c in complaints if c["about"] != "host"], [])
        self.assertEqual(code, 4 if complaints else 0, complaints)  # 4: this machine's limits are low, or its kernel is old
        replica = self.clouddriver.get("/armory/agents")[0]["clouddriverId"]
        version = paths.shell(paths.program("scale-agentctl"), "--version").split()[-1]
        self.assertEqual(found["plugin"]["found"], f"plugin {version}, protocol version 1, Clouddriver {replica}")
        self.assertEqual(found["health"]["found"], "gRPC's health service says SERVING")
        # It left nothing behind, and disturbed nobody.
        self.assertEqual(len(self.clouddriver.get("/armory/agents")), 1)
        self.assertEqual(self.agent.states()[STREAMED], "streaming")

    def test_doctor_knows_a_wrong_token(self):
        code, found, _ = self.doctor(auth={"token": "open-barley"})
        self.assertEqual((code, found["tcp"]["state"], found["plugin"]["state"]), (1, "ok", "error"))
        self.assertIn("token is not the plugin's", found["plugin"]["fix"])

    def test_doctor_knows_that_the_plugin_is_not_there(self):
        port = free_port()
        code, found, _ = self.doctor(grpc=f"127.0.0.1:{port}")
        self.assertEqual((code, found["tcp"]["state"], found["plugin"]["state"]), (1, "error", "skipped"))
        self.assertIn(f"127.0.0.1 port {port}: Connection refused", found["tcp"]["found"])
        self.assertIn("plugin is not loaded", found["tcp"]["fix"])
        # Clouddriver's own port, which speaks HTTP, and no gRPC
        code, found, _ = self.doctor(grpc=f"127.0.0.1:{self.clouddriver.port}")
        self.assertEqual((code, found["tcp"]["state"], found["plugin"]["state"]), (1, "ok", "error"))
        self.assertIn("does not answer as the plugin does", found["plugin"]["found"])
        self.assertIn("not Clouddriver's own HTTP port", found["plugin"]["fix"])


if __name__ == "__main__":
    unittest.main()
