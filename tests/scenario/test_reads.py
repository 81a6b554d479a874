# SPDX-License-Identifier: Apache-2.0
"""What could not be sent at once is read again: reads that fail, and a role without `get`."""
import os
import signal
import unittest

from rig.harness import paths
from rig.harness.agent import Agent
from rig.harness.procs import wait_for
from rig.harness.sim import Sim


class Reads(unittest.TestCase):
    def setUp(self):
        try:
            scratch = paths.Scratch("reads")
            self.addCleanup(scratch.close)
            self.sim = Sim(scratch.path / "sim", 1, objects=200)
        except paths.Missing as e:
            self.skipTest(str(e))
        self.addCleanup(self.sim.stop)
        self.account = self.sim.names()[0]
        self.agent = Agent(scratch.path / "agent", self.sim.accounts)
        self.agent.start()
        self.addCleanup(self.agent.close)
        self.agent.wait_streaming([self.account], 15)
        wait_for("the first lists", lambda: self.behind() == set(), 15)

    def versions(self):
        rows = self.agent.rows(self.account)
        return {(o["kind"], o["metadata"].get("namespace", ""), o["metadata"]["name"]): o["metadata"]["resourceVersion"]
                for o in rows.values()}

    def behind(self):
        """What the cache has in another version than the cluster."""
        cluster = {k: str(v) for k, v in self.sim.state()[self.account].items()}
        return {k for k, _ in cluster.items() ^ self.versions().items()}

    def pods(self, n):
        return sorted((ns, name) for kind, ns, name in self.versions() if kind == "Pod")[:n]

    def change_unheard(self, pods):
        """Changes that an uplink takes, which dies before anything is committed."""
        uplink = self.agent.by_role()["uplink"][0]
        os.kill(uplink, signal.SIGSTOP)
        try:
            for namespace, name in pods:
                self.sim.post("/change", resource="pods", namespace=namespace, name=name, op="modify")
            wait_for("unacknowledged deltas", lambda: self.status()["unacknowledged_deltas"] >= len(pods), 5)
        finally:
            os.kill(uplink, signal.SIGKILL)

    def status(self):
        return next(a for a in self.agent.status()["accounts"] if a["name"] == self.account)

    def test_a_read_that_fails_does_not_hold_up_the_others(self):
        pods = self.pods(9)
        namespace, name = pods[0]
        self.sim.post("/fault", verb="get", path=f"/api/v1/namespaces/{namespace}/pods/{name}", type="500")
        self.change_unheard(pods)
        wait_for("the others", lambda: self.behind() == {("Pod", namespace, name)}, 8)
        self.assertIn(name, self.status()["last_error"])
        self.sim.post("/unfault")
        wait_for("all", lambda: self.behind() == set(), 15)

    def test_without_the_permission_a_list_brings_it(self):
        self.sim.post("/fault", verb="get", resource="pods", type="403")
        self.change_unheard(self.pods(9))
        wait_for("all", lambda: self.behind() == set(), 8)
        self.assertIn("verb get", self.status()["last_error"])
        self.assertLessEqual(self.sim.post("/faults")[0]["hits"], 8)  # not one after the other
        wait_for("streaming", lambda: self.status()["state"] == "streaming", 5)


if __name__ == "__main__":
    unittest.main()
