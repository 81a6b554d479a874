# SPDX-License-Identifier: Apache-2.0
"""What is done to Clouddrivers, their database and their agents."""
import collections
import os
import random
import signal
import time

from clouddriver_watch import listens
from rig.harness.procs import wait_for

POINTS = [f"{when}-{what}" for when in ("before", "after")
          for what in ("row", "digest", "commit", "ack", "begin", "page", "end", "checkpoint")]
COMPARING = ("begin", "page", "end")
DIED = 137  # how a Clouddriver ends at a point (protocol/Points.java)


class Faults:
    def __init__(self, world, watch, audit, seed):
        self.world, self.watch, self.audit = world, watch, audit
        self.random = random.Random(seed)
        self.counts = collections.Counter()
        self.problems = []
        self.roles = collections.deque(("worker", "uplink", "worker", "agent"))

    @property
    def kills(self):
        """Of Clouddrivers."""
        return sum(n for what, n in self.counts.items() if what.startswith("Clouddriver killed"))

    def plan(self, short):
        """[(fault, argument)] in a random order. At each named point a Clouddriver dies once."""
        few = (2, 1, 1, 1, 1, 0) if short else (len(POINTS), 3, 4, 24, 3, 2)
        points, stops, serving, starting, nodes, both = few
        plan = [(self.die_at, p) for p in self.random.sample(POINTS, points)]
        plan += [(self.stand_still, p) for p in ("before-commit", "after-row", "before-digest")[:stops]]
        plan += [(self.kill_serving, None)] * serving + [(self.kill_starting, None)] * starting
        plan += [(self.lose_node, None)] * nodes + [(self.kill_both, None)] * both
        plan += [(self.restart_database, how) for how in ("stop", "kill", "stop")[:1 if short else 3]]
        self.random.shuffle(plan)
        return plan

    def run(self, fault, argument):
        name = " ".join(filter(None, (fault.__name__.replace("_", " "), argument)))
        self.watch.last_fault = name
        began = time.monotonic()
        try:
            fault(*([argument] if argument else []))
        except TimeoutError as e:
            self.problems.append(f"{name}: {e}")
        self.pester()
        print(f"  {name}: {time.monotonic() - began:.0f} s; {self.kills} kills, longest gap {self.watch.longest:.1f} s", flush=True)

    # ---- Clouddrivers ----

    def kill(self, replica, what):
        if replica.running():
            self.counts[f"Clouddriver killed {what}"] += 1
        if replica.process is not None:
            replica.kill()

    def revive(self, replica, *options):
        """Starts it anew; the other one serves meanwhile."""
        self.serve_other(replica)
        self.kill(replica, "while it served" if listens(replica) else "while it started")
        replica.launch(*options)
        wait_for(f"Clouddriver {replica.label}", lambda: replica.serving() or not replica.running(), 400, 0.25)

    def serve_other(self, replica):
        self.world.wait_serving(self.world.other(replica))

    def any_one(self):
        """Rather one that has died already: a start is what costs time here."""
        dead = [c for c in self.world.clouddrivers if not c.running()]
        return self.random.choice(dead or self.world.clouddrivers)

    def kill_serving(self):
        """One of two that serve; the agents go to the other."""
        self.world.wait_serving(*self.world.clouddrivers)
        self.kill(self.random.choice(self.world.clouddrivers), "while it served")
        time.sleep(self.random.uniform(2, 6))

    def kill_starting(self):
        """At any moment of its start."""
        victim = self.any_one()
        self.serve_other(victim)
        self.kill(victim, "while it served")
        victim.launch()
        time.sleep(self.random.uniform(1, 12))
        self.kill(victim, "while it started")

    def kill_both(self):
        for replica in self.world.clouddrivers:
            self.kill(replica, "while it served" if listens(replica) else "while it started")
        for replica in self.world.clouddrivers:
            replica.launch()
        self.world.wait_serving(*self.world.clouddrivers)

    def die_at(self, point):
        victim = self.any_one()
        what = point.split("-")[1]
        # An agent that stops leaves its checkpoints in one transaction.
        times = 1 if what == "checkpoint" else self.random.choice((1, 1, 2))
        self.revive(victim, f"-Dscale-agent.kill-at={point}:{times}")
        agent = self.world.agent_of(victim)
        if what in COMPARING:
            # What changes while nobody follows makes sums differ.
            for one in self.world.agents:
                self.kill_agent(one)
            time.sleep(2)
            agent.start()
            wait_for("the first agent's connection", lambda: not victim.running() or agent.states(), 20)
        elif what == "checkpoint":
            self.leave_checkpoints(victim, agent)
        else:
            self.place(victim)
        try:
            wait_for(f"its death {point}", lambda: not victim.running(), 25)
            self.counts[f"Clouddriver killed {point}"] += victim.process.popen.returncode == DIED
        finally:
            for one in self.world.agents:
                if one.process is None:
                    one.start()

    def leave_checkpoints(self, victim, agent):
        """Stops the victim's agent in order, until one had something in step to leave a checkpoint of."""
        for seconds in (2, 5, 10):
            self.place(victim)
            time.sleep(seconds)
            if not victim.running():
                return
            agent.stop()
            time.sleep(3)
            if not victim.running():
                return
            agent.start()

    def stand_still(self, point):
        """It stops in mid-commit, with the account's lock; the other one takes over; when it goes on it writes
        nothing."""
        victim = self.any_one()
        other = self.world.other(victim)
        self.revive(victim, f"-Dscale-agent.stop-at={point}:3")
        self.place(victim)
        wait_for(f"its standing still {point}", victim.stopped, 25)
        self.counts["Clouddriver stopped in mid-commit"] += 1
        self.wait_kept_by(other)
        time.sleep(3)
        mark, all_commits = self.audit.last(victim.user), self.audit.commits()
        said = victim.process.log.stat().st_size
        victim.cont()
        time.sleep(6)
        if self.audit.last(victim.user) != mark:
            self.problems.append(f"a Clouddriver that stood still {point} past its lease has written")
        if self.audit.commits() == all_commits:
            self.problems.append("nothing was written by the one that took over")
        if b"was silent for more than" not in victim.process.log.read_bytes()[said:]:
            self.problems.append("the one that stood still did not notice")

    def lose_node(self):
        """A Clouddriver and the agent that is connected to it, at one moment: only the lease's end tells."""
        victim = self.any_one()
        self.revive(victim)
        self.place(victim)
        agent = self.world.agent_of(victim)
        os.kill(agent.pid, signal.SIGKILL)
        self.kill(victim, "with its agent")
        agent.kill()
        self.counts["agent killed"] += 1
        self.wait_kept_by(self.world.other(victim))
        agent.start()

    def place(self, replica):
        """All accounts are kept by this one, through the agent that goes to it first. Or it has died by then."""
        agent, other = self.world.agent_of(replica), self.world.agent_of(self.world.other(replica))
        self.kill_agent(agent)
        agent.start()
        wait_for("the agent", lambda: agent.states(), 20)
        time.sleep(1)
        self.kill_agent(other)
        wait_for(f"accounts at Clouddriver {replica.label}",
                 lambda: not replica.running() or replica.stopped() or self.kept_by(replica), 20)
        other.start()

    def kept_by(self, replica):
        keepers = self.watch.keepers()
        return all(keepers.get(a, ("", ""))[0] == replica.label for a in self.watch.accounts)

    def wait_kept_by(self, replica):
        wait_for(f"accounts at Clouddriver {replica.label}", lambda: self.kept_by(replica), 20)

    # ---- the others ----

    def restart_database(self, how):
        db = self.world.db
        self.counts[f"database {how}"] += 1
        (db.kill if how == "kill" else db.stop)()
        time.sleep(self.random.choice((0, 1, 5)))
        db.start()
        time.sleep(5)

    def kill_agent(self, agent):
        if agent.process is not None:
            agent.kill()
            self.counts["agent killed"] += 1

    def pester(self):
        """Kills a child of an agent, now and then the agent as a whole."""
        self.roles.rotate(1)
        role, agent = self.roles[0], self.random.choice(self.world.agents)
        if agent.process is None:
            agent.start()
        elif role == "agent":
            self.kill_agent(agent)
            agent.start()
        else:
            for pid in agent.by_role().get(role, [])[:1]:
                try:
                    os.kill(pid, signal.SIGKILL)
                    self.counts[f"{role} killed"] += 1
                except ProcessLookupError:
                    pass

    # ---- afterwards ----

    def missing(self, plan):
        """What was planned and did not happen."""
        found = list(self.problems)
        for fault, argument in plan:
            if fault == self.die_at and not self.counts[f"Clouddriver killed {argument}"]:
                found.append(f"no Clouddriver died {argument}")
        for what in ("agent killed", "worker killed", "uplink killed", "Clouddriver stopped in mid-commit"):
            if not self.counts[what]:
                found.append(f"there was no {what}")
        return found

    def report(self):
        for what, n in sorted(self.counts.items()):
            print(f"  {what}: {n}")
