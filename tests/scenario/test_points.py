# SPDX-License-Identifier: Apache-2.0
"""The agent dies at each named point of the protocol (base/points.h), and what arrives is right afterwards.

Each point has a cluster and an agent of its own, all side by side: what waits costs nothing."""
import concurrent.futures
import pathlib
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from rig.harness import paths  # noqa: E402
from rig.harness.agent import Agent  # noqa: E402
from rig.harness.peer import Peer  # noqa: E402
from rig.harness.procs import wait_for  # noqa: E402
from rig.harness.sim import Sim  # noqa: E402
from test_bad_worker import test_build  # noqa: E402

LONG = 60
TOGETHER = 8


def points():
    """{name: sink at which it is passed}, from the sources."""
    found = {}
    for source in sorted(paths.ROOT.glob("*/*.c")):
        for name in re.findall(r'\bsa_point\("([a-z0-9-]+)"\)', source.read_text()):
            if not name.startswith("operation-"):  # test_operations_faults.py
                found[name] = "sqlite" if source.name.startswith("sqlite_") else "grpc"
    return found


class Life:
    """One point's cluster, account and agent."""

    def __init__(self, test, number, point, sink):
        self.sim, self.peer = test.sim, test.peer
        self.number, self.point = number, point
        self.name = test.sim.names()[number]
        accounts = test.dir / "accounts" / point
        accounts.mkdir(parents=True)
        text = (test.sim.accounts / f"{self.name}.yml").read_text()
        # Nothing is resumed: each start compares, by pages where it differs.
        (accounts / f"{self.name}.yml").write_text(text + "maxResumableResourceAgeMs: 0\n")
        self.agent = Agent(test.dir / "agents" / point, accounts, sink, test.peer.address if sink == "grpc" else None,
                           {"agentId": point}, daemon=test.daemon)
        test.addCleanup(self.agent.close)

    def sync(self):
        self.agent.start()
        self.agent.wait_streaming([self.name], LONG)
        self.agent.stop()

    def die(self):
        self.agent.env["SCALE_AGENT_KILL_AT"] = f"{self.point}:1"
        since = self.agent.log_size()
        self.agent.start()
        wait_for(f"death at {self.point}", lambda: self.agent.ends(since)["signal"] > 0, 20, 0.1)
        self.agent.kill()
        del self.agent.env["SCALE_AGENT_KILL_AT"]

    def recover(self):
        self.agent.start()
        self.agent.wait_streaming([self.name], LONG)

    def rows(self):
        rows = self.agent.rows() if self.agent.sink == "sqlite" else self.peer.rows()
        found = {}
        for (account, *_), o in rows.items():
            if account == self.name:
                m = o["metadata"]
                found[o["kind"], m.get("namespace", ""), m["name"]] = m["resourceVersion"]
        return found

    def differences(self):
        here, there = self.rows(), next(iter(self.sim.state(self.number).values()))
        return sorted(k for k in here.keys() | there.keys() if here.get(k) != there.get(k))


class Points(unittest.TestCase):
    def setUp(self):
        self.daemon = test_build()
        if not self.daemon:
            self.skipTest("there is no build with SA_TEST_POINTS")
        scratch = paths.Scratch("points")
        self.addCleanup(scratch.close)
        self.dir = scratch.path
        try:
            self.sim = Sim(self.dir / "sim", len(points()), objects=40, churn=0.5)
        except paths.Missing as e:
            self.skipTest(str(e))
        self.addCleanup(self.sim.stop)
        self.peer = Peer(self.dir / "peer")
        self.addCleanup(self.peer.stop)
        self.peer.start()

    def test_each_is_passed_and_survived(self):
        lives = [Life(self, i, point, sink) for i, (point, sink) in enumerate(points().items())]
        self.assertGreater(len(lives), 10)
        with concurrent.futures.ThreadPoolExecutor(TOGETHER) as pool:
            list(pool.map(Life.sync, lives))
            self.sim.post("/change", count=30)  # what was deleted meanwhile is found by pages alone
            failures = []
            for life, died in [(life, pool.submit(life.die)) for life in lives]:
                try:
                    died.result()
                except TimeoutError as e:
                    failures.append(str(e))
            self.assertEqual(failures, [])
            self.sim.post("/change", count=10)
            list(pool.map(Life.recover, lives))
        for life in lives:
            with self.subTest(life.point):
                try:
                    wait_for("equal", lambda life=life: not life.differences(), 20, 0.2)
                except TimeoutError:
                    self.assertEqual(life.differences(), [])
        self.assertEqual(self.peer.violations(), [])


if __name__ == "__main__":
    unittest.main()
