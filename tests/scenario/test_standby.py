# SPDX-License-Identifier: Apache-2.0
"""Two agents bring the same accounts to one Clouddriver: one streams, the other stands by and takes over."""
import os
import signal
import time
import unittest

from rig.harness import paths, procs
from rig.harness.agent import Agent
from rig.harness.peer import Peer
from rig.harness.procs import wait_for
from rig.harness.sim import Sim

LEASE_S = 3
LONG = 30


class Case(unittest.TestCase):
    def setUp(self):
        scratch = paths.Scratch("standby")
        self.addCleanup(scratch.close)
        self.dir = scratch.path
        try:
            self.sim = Sim(self.dir / "sim", 2, objects=60, churn=0.2)
        except paths.Missing as e:
            self.skipTest(str(e))
        self.addCleanup(self.sim.stop)
        self.peer = Peer(self.dir / "peer", "--heartbeat", 1, "--lease", LEASE_S)
        self.peer.start()
        self.addCleanup(self.peer.stop)
        self.names = self.sim.names()

    def agent(self, name, accounts=None, agent_id=None):
        agent = Agent(self.dir / name, accounts or self.sim.accounts, "grpc", self.peer.address, {"agentId": agent_id or name})
        self.addCleanup(agent.close)
        return agent

    def wait_states(self, agent, state, seconds=LONG):
        wait_for(f"{state}: {agent.states()}", lambda: set(agent.states().values()) == {state}, seconds)

    def account(self, agent, name):
        return next(a for a in agent.status()["accounts"] if a["name"] == name)

    # ---- what the peer holds ----

    def rows(self):
        rows = {}
        for (account, *_), o in self.peer.rows().items():
            m = o["metadata"]
            rows.setdefault(account, {})[o["kind"], m.get("namespace", ""), m["name"]] = m["resourceVersion"]
        return rows

    def wait_equal(self, clusters, seconds=LONG):
        """clusters: {account: number of its cluster}; the clusters stand still."""
        there = {name: next(iter(self.sim.state(number).values())) for name, number in clusters.items()}
        wait_for("the rows equal the clusters", lambda: self.rows() == there, seconds, 0.3)

    def writers(self, name):
        """[agent, epoch] of the deltas of an account, in their order."""
        return [run[:2] for run in self.peer.stats()["writes"][name]]

    def check_writers(self, *agents):
        """So they took turns, each epoch in one piece and later than those before it."""
        for name in self.names:
            runs = self.writers(name)
            turns = [agent for i, (agent, _) in enumerate(runs) if i == 0 or runs[i - 1][0] != agent]
            self.assertEqual(turns, list(agents), f"{name}: {runs}")
            epochs = [epoch for _, epoch in runs]
            self.assertEqual(epochs, sorted(set(epochs)), name)
        self.assertEqual(self.peer.violations(), [])


class Standby(Case):
    def two(self):
        """One streams, the other stands by, and the clusters change."""
        a, b = self.agent("first"), self.agent("second")
        a.start()
        a.wait_streaming(self.names, LONG)
        b.start()
        self.wait_states(b, "standby")
        self.sim.post("/rate", rate=40)
        time.sleep(0.5)
        return a, b

    def rest(self):
        self.sim.post("/rate", rate=0)
        self.wait_equal({name: i for i, name in enumerate(self.names)})

    def test_the_other_takes_over_and_the_first_stands_by_when_it_returns(self):
        a, b = self.two()
        a.kill()
        self.wait_states(b, "streaming", 5)
        time.sleep(0.5)
        a.start()
        self.wait_states(a, "standby")
        time.sleep(0.5)
        self.assertEqual(set(b.states().values()), {"streaming"})
        self.rest()
        self.check_writers("first", "second")
        self.assertEqual({self.account(a, n)["watches"] for n in self.names}, {0}, "who stands by asks for nothing")
        b.stop()
        self.sim.post("/change", count=20)
        self.wait_states(a, "streaming", 5)
        self.rest()
        self.check_writers("first", "second", "first")

    def test_a_lost_worker_hands_over_its_account_alone(self):
        a, b = self.two()
        os.kill(self.account(a, self.names[0])["pid"], signal.SIGKILL)
        wait_for("the other has it", lambda: b.states()[self.names[0]] == "streaming", 5)
        wait_for("it stands by", lambda: a.states()[self.names[0]] == "standby", LONG)
        self.assertEqual((a.states()[self.names[1]], b.states()[self.names[1]]), ("streaming", "standby"))
        self.rest()
        self.assertEqual(self.peer.violations(), [])

    def test_one_that_stood_still_past_its_lease_is_fenced_and_says_so(self):
        a, b = self.two()
        everyone = a.pids()
        for pid in everyone:
            os.kill(pid, signal.SIGSTOP)
        try:
            self.wait_states(b, "streaming", LEASE_S + 5)
            time.sleep(0.5)
        finally:
            for pid in everyone:
                os.kill(pid, signal.SIGCONT)
        self.wait_states(a, "standby")
        for name in self.names:
            said = self.account(a, name)["last_error"]
            self.assertIn("another agent has the account", said)
        self.rest()
        self.check_writers("first", "second")
        self.assertEqual(set(b.states().values()), {"streaming"})
        self.assertEqual(sorted(p for p in everyone if procs.alive(p)), sorted(everyone), "no process was ended for it")


class Name(Case):
    def test_two_agents_by_one_name_take_turns_and_say_why(self):
        a, b = self.agent("one", agent_id="same"), self.agent("two", agent_id="same")
        a.start()
        a.wait_streaming(self.names, LONG)
        b.start()
        wait_for("the control socket", b.states, LONG)
        for agent in a, b:
            wait_for("it says so", lambda agent=agent: "another agent with this agentId took over"
                     in agent.status()["agent"]["uplink"]["last_error"], LONG)
        self.sim.post("/change", count=20)
        b.stop()
        a.wait_streaming(self.names, LONG)
        self.wait_equal({name: i for i, name in enumerate(self.names)})
        self.assertEqual(self.peer.violations(), [])

    def test_another_cluster_by_the_same_name_is_refused_until_it_is_alone(self):
        name, configs = self.names[0], self.sim.kubeconfigs()
        text = (self.sim.accounts / f"{name}.yml").read_text()
        accounts = {}
        for config, agent in zip(configs, ("first", "second")):
            accounts[agent] = self.dir / f"{agent}.d"
            accounts[agent].mkdir()
            (accounts[agent] / f"{name}.yml").write_text(text.replace(str(configs[0]), str(config)))
        a, b = self.agent("first", accounts["first"]), self.agent("second", accounts["second"])
        a.start()
        a.wait_streaming([name], LONG)
        self.wait_equal({name: 0})
        b.start()
        wait_for("it is there", b.states, LONG)

        def said():
            return next((x["last_error"] for x in b.status()["accounts"] if "another cluster" in x["last_error"]), None)
        text = wait_for("it says so", said, LONG)
        self.assertIn("agent first has brought cluster", text)
        self.wait_states(b, "waiting")
        self.sim.post("/change", count=5)
        self.wait_equal({name: 0})
        self.assertEqual(self.writers(name)[-1][0], "first")
        a.stop()
        b.ask(f"restart {name}")
        b.wait_streaming([name], LONG)
        self.wait_equal({name: 1})
        self.assertEqual(self.peer.violations(), [])


if __name__ == "__main__":
    unittest.main()
