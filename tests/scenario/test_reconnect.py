# SPDX-License-Identifier: Apache-2.0
"""An API server that goes away and comes back, as it was (kubernetes.reconnectTimeoutMs) or as it once was."""
import time
import unittest

from rig.harness import paths
from rig.harness.agent import Agent
from rig.harness.procs import wait_for
from rig.harness.sim import Sim

AWAY_S = 10  # by then the wait of a scope of its own is several seconds


class Reconnect(unittest.TestCase):
    def setUp(self):
        try:
            scratch = paths.Scratch("reconnect")
            self.addCleanup(scratch.close)
            self.sim = Sim(scratch.path / "sim", 1, objects=100)
        except paths.Missing as e:
            self.skipTest(str(e))
        self.addCleanup(self.sim.stop)
        self.agent = Agent(scratch.path / "agent", self.sim.accounts, config={"kubernetes": {"reconnectTimeoutMs": 300}})
        self.agent.start()
        self.addCleanup(self.agent.close)
        self.agent.wait_streaming(self.sim.names(), 15)

    def versions(self):
        """{(kind, namespace, name): version} that the cache has."""
        rows = self.agent.rows(self.sim.names()[0])
        return {(o["kind"], o["metadata"].get("namespace", ""), o["metadata"]["name"]): o["metadata"]["resourceVersion"]
                for o in rows.values()}

    def state(self):
        return {k: str(v) for k, v in self.sim.state()[self.sim.names()[0]].items()}

    def test_it_is_back_soon(self):
        wait_for("the first lists", lambda: self.versions() == self.state(), 15)
        self.sim.post("/down")
        time.sleep(AWAY_S)
        for _ in range(40):  # one by one: two of one microsecond would leave the object as it is
            self.sim.post("/change", count=1)
        self.assertNotEqual(self.versions(), self.state())
        self.sim.post("/up")
        # 0.3 s until it is asked, a second over which the scopes are spread.
        wait_for("every scope", lambda: self.versions() == self.state(), 3.5)

    def test_a_restored_history_that_overtakes_the_old_one(self):
        """A watch that is resumed where the old history ended would miss what the new one did up to there."""
        wait_for("the first lists", lambda: self.versions() == self.state(), 15)
        for _ in range(60):
            self.sim.post("/change", count=1)
        wait_for("the old history", lambda: self.versions() == self.state(), 5)
        self.sim.post("/down")
        self.sim.post("/rewind", by=50)
        self.sim.post("/up")
        time.sleep(2)  # the first question comes after a second
        for _ in range(80):
            self.sim.post("/change", count=1)
        wait_for("the new history", lambda: self.versions() == self.state(), 10)


if __name__ == "__main__":
    unittest.main()
