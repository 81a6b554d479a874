# SPDX-License-Identifier: Apache-2.0
"""An orderly stop takes as long as there is something to do, and loses nothing."""
import time
import unittest

from rig.harness import paths
from rig.harness.agent import Agent
from rig.harness.procs import wait_for
from rig.harness.sim import Sim

TRIES = 3  # the quickest counts: what is looked for is a wait, not the machine's load


class Stop(unittest.TestCase):
    def setUp(self):
        try:
            self.scratch = paths.Scratch("stop")
            self.addCleanup(self.scratch.close)
            self.sim = Sim(self.scratch.path / "sim", 2, objects=100)
        except paths.Missing as e:
            self.skipTest(str(e))
        self.addCleanup(self.sim.stop)
        self.agent = Agent(self.scratch.path / "agent", self.sim.accounts)
        self.addCleanup(self.agent.close)

    def versions(self, account):
        return {(o["kind"], o["metadata"].get("namespace", ""), o["metadata"]["name"]): o["metadata"]["resourceVersion"]
                for o in self.agent.rows(account).values()}

    def behind(self):
        state = self.sim.state()
        return any(self.versions(n) != {k: str(v) for k, v in state[n].items()} for n in self.sim.names())

    def quickest(self, changes):
        seconds = []
        for _ in range(TRIES):
            self.agent.start()
            self.agent.wait_streaming(self.sim.names(), 15)
            wait_for("equal rows", lambda: not self.behind(), 10)
            time.sleep(2.5)  # what is acknowledged is known to the workers by then
            if changes:
                self.sim.post("/change", count=changes)
                wait_for("the changes", lambda: not self.behind(), 5, 0.02)
            began = time.monotonic()
            self.assertEqual(self.agent.stop(), 0)
            seconds.append(time.monotonic() - began)
            self.assertFalse(self.behind())
        return min(seconds)

    def test_idle(self):
        self.assertLess(self.quickest(0), 0.4)

    def test_just_after_changes(self):
        self.assertLess(self.quickest(20), 0.6)


if __name__ == "__main__":
    unittest.main()
