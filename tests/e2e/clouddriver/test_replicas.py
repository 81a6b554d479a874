# SPDX-License-Identifier: Apache-2.0
"""Two Clouddrivers on one database, the agent connected to the first: the second has the account, its rows, and sends
calls for it to the first; nobody else can. When the first dies, the second says what is missing."""
import unittest
import urllib.error
import urllib.request

from rig.harness.clouddriver import Clouddriver
from world import STREAMED, World


class Replicas(World):
    stock = None

    @classmethod
    def _make(cls):
        super()._make()
        cls.second = Clouddriver(cls.scratch.path / "second", cls.db)
        cls.second.start()
        cls.addClassCleanup(cls.second.stop)

    def manifest(self, name, by):
        """What a Clouddriver answers from the cluster itself, not from rows."""
        return by.ask("GET", f"/manifests/{STREAMED}/default/configMap%20{name}")

    def test_a_call_goes_to_the_clouddriver_that_has_the_agent(self):
        self.wait("the account", lambda: STREAMED in self.second.accounts(), 30)
        api = self.cluster.api()
        api("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "asked"}, "data": {"a": "b"}})
        api.close()
        try:
            direct, _ = self.manifest("asked", self.clouddriver)
        except TimeoutError:
            direct = 504
        if direct != 200:
            self.skipTest("the agent answers no operations")
        status, found = self.manifest("asked", self.second)
        self.assertEqual((status, found["manifest"]["data"]), (200, {"a": "b"}), found)

    def test_nobody_else_may_ask(self):
        request = urllib.request.Request(f"http://127.0.0.1:{self.clouddriver.port}/scale-agent/peer", b"\1" + bytes(60),
                                         {"Content-Type": "application/octet-stream"}, method="POST")
        with self.assertRaises(urllib.error.HTTPError) as raised:
            urllib.request.urlopen(request, timeout=10)
        self.assertEqual(raised.exception.code, 401)

    def test_the_agent_is_disconnected_through_the_other(self):
        agent = self.wait("the agent", lambda: self.second.get("/armory/agents"), 20)[0]
        status, said = self.second.ask("POST", f"/armory/agent/{agent['agentId']}/disconnect", {})
        self.assertEqual(status, 200, said)
        self.wait("the log", lambda: "is sent away" in self.clouddriver.process.log.read_text(errors="replace"), 10)
        self.agent.wait_streaming([STREAMED])

    def test_when_the_first_is_gone_the_second_says_so(self):  # the last by name
        self.wait("the account", lambda: STREAMED in self.second.accounts(), 30)
        self.clouddriver.kill()
        try:
            status, said = self.wait("an answer", lambda: (r := self.manifest("any", self.second))[0] >= 400 and r, 30)
            log = self.second.process.log.read_text(errors="replace")
            self.assertIn(STREAMED, str(said) + log)
            self.wait("the reason", lambda: "no agent" in self.second.process.log.read_text(errors="replace")
                      or "can't be reached" in self.second.process.log.read_text(errors="replace"), 20)
        finally:
            self.clouddriver.start()


if __name__ == "__main__":
    unittest.main()
