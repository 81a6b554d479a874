# SPDX-License-Identifier: Apache-2.0
"""An account that Clouddriver polls goes to an agent of the same name, and back: in either direction the rows of the
other go, and the account is in /credentials all the time."""
import time
import unittest

import rows
from rig.harness import manifests
from world import World, write_account

BOTH = "both"
POLLED = "KubernetesCoreCachingAgent"
STREAMED = "ManagedCachingAgent"


class HandOver(World):
    stock = BOTH
    first = None

    def agents(self):
        self.assertIn(BOTH, self.clouddriver.accounts())
        return rows.by_agent(self.db, BOTH)

    def test_from_polling_to_an_agent_and_back(self):
        service = manifests.IN_NAMESPACES[1]
        api = self.cluster.api()
        for i in range(5):
            api("POST", service.path("default"), service.manifest("default", f"n{i}", i))
        api.close()
        self.wait("rows of polling", lambda: self.agents().get(POLLED, 0) > 5, 60)
        file = write_account(self.accounts, BOTH, self.cluster.kubeconfig)
        self.wait("the agent's rows alone", lambda: set(self.agents()) == {STREAMED}, 120)
        time.sleep(8)  # two polls
        self.assertEqual(set(self.agents()), {STREAMED})
        log = self.clouddriver.process.log.read_text(errors="replace")
        self.assertEqual(log.count(f"Account {BOTH} is Clouddriver's own and an agent's"), 1)
        file.unlink()
        self.wait("rows of polling alone", lambda: set(self.agents()) == {POLLED}, 120)
        time.sleep(3)
        self.assertEqual(set(self.agents()), {POLLED})


if __name__ == "__main__":
    unittest.main()
