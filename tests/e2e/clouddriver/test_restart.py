# SPDX-License-Identifier: Apache-2.0
"""Clouddriver started again over an unchanged cluster, after an orderly end and after SIGKILL: its accounts are there
with its first answer, nothing is sent and no row is written."""
import time
import unittest

import rows
from rig.harness import manifests
from world import STREAMED, World

SPACE = "still"


class Restart(World):
    stock = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        api = cls.cluster.api()
        cls.addClassCleanup(api.close)
        api("POST", "/api/v1/namespaces", {"metadata": {"name": SPACE}})
        for kind in manifests.IN_NAMESPACES:
            if kind.resource not in ("pods", "replicasets", "deployments", "statefulsets", "daemonsets"):
                for i in range(5):
                    api("POST", kind.path(SPACE), kind.manifest(SPACE, f"n{i}", i))
        cls.agent.wait_streaming([STREAMED])

    def caching(self):
        agents = self.clouddriver.get("/armory/agents")
        return agents and agents[0]["caching"]

    def quiet(self):
        """The rows' times, once nothing is written any more."""
        last = None

        def same():
            nonlocal last
            before, last = last, rows.stamps(self.db, STREAMED)
            time.sleep(2)
            return last and last == before
        self.wait("quiet", same, 60)
        return last

    def again(self, end):
        before = self.quiet()
        self.assertGreater(len(before), 20)
        end()
        self.clouddriver.launch()
        self.clouddriver.wait_ready()
        self.assertIn(STREAMED, self.clouddriver.accounts())
        self.wait("the agent", self.caching, 30)
        time.sleep(5)
        self.assertEqual(self.number("scale.agent.deltas"), 0)
        self.assertEqual(self.number("scale.agent.wanted"), 0)
        self.assertEqual(rows.stamps(self.db, STREAMED), before)

    def test_after_an_orderly_end(self):
        self.again(self.clouddriver.stop)

    def test_after_sigkill(self):
        self.again(self.clouddriver.kill)

    def test_what_changes_meanwhile_is_all_that_is_sent(self):
        before = self.quiet()
        self.clouddriver.kill()
        service = manifests.IN_NAMESPACES[1]
        with_api = self.cluster.api()
        with_api("DELETE", service.path(SPACE, "n0"))
        with_api.close()
        self.clouddriver.launch()
        self.clouddriver.wait_ready()
        self.wait("the row's end", lambda: len(rows.stamps(self.db, STREAMED)) == len(before) - 1, 30)
        self.assertLessEqual(self.number("scale.agent.deltas"), 2)


if __name__ == "__main__":
    unittest.main()
