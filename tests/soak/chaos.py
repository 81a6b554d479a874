# SPDX-License-Identifier: Apache-2.0
"""What is done to the agent, its peer, the API servers and the network between them, and the count of it."""
import collections
import os
import signal
import time

from rig.harness import procs

KILL_AT = "SCALE_AGENT_KILL_AT"
PEER_POINTS = [f"{when}-{what}" for when in ("before", "after")
               for what in ("row", "digest", "commit", "ack", "begin", "page", "end", "checkpoint")]


class Chaos:
    """Lives of the agent, one after the other: in each it dies at one named point again and again, while
    other things are killed and cut at random."""

    def __init__(self, soak, points, short):
        self.soak = soak
        self.random = soak.random
        self.points = points
        self.short = short
        self.counts = collections.Counter()
        self.ends = collections.Counter()  # how processes ended, by the supervisor's own words
        self.point = None  # of this life
        self.peer_point = None
        self.ours = 0      # children that were killed from here in it
        self.logged = 0    # where its log begins
        self.slow = collections.deque(["api server restart", "api server kill"])

    @property
    def kills(self):
        return sum(n for what, n in self.counts.items() if what.startswith("kill "))

    # ---- single faults ----

    def _kill_child(self, role):
        pids = self.soak.agent.by_role().get(role, [])
        if pids:
            try:
                os.kill(self.random.choice(pids), signal.SIGKILL)
            except ProcessLookupError:
                return
            self.ours += 1
            self.counts[f"kill {role}"] += 1

    def kill_worker(self):
        self._kill_child("worker")

    def kill_uplink(self):
        self._kill_child("uplink")

    def kill_peer(self):
        if self.soak.peer.running():
            self.soak.peer.kill()
            self.counts["kill peer"] += 1
        time.sleep(self.random.choice((0, 0, 1)))
        self.start_peer()

    def start_peer(self, armed=True):
        """Armed: it is to die at one of its own points."""
        self.peer_point = None
        options = []
        if armed:
            self.peer_point = self.random.choice(self._not_yet("peer ", PEER_POINTS) or PEER_POINTS)
            options = ["--kill-at", f"{self.peer_point}:{self.random.choice((1, 2, 5))}"]
        self.soak.peer.start(*options)

    def tend_peer(self, armed=True):
        """Starts it again where it died; one that is not armed takes the place of one that is, and the other
        way round."""
        if not self.soak.peer:
            return
        if not self.soak.peer.running():
            self.counts[f"kill at peer {self.peer_point}"] += 1
        elif armed == bool(self.peer_point):
            return
        else:
            self.soak.peer.stop()
        self.start_peer(armed)

    def stop_worker(self):
        """A worker that stands still for a while and goes on: what it then sends may be of an epoch that is over."""
        for pid in self.soak.agent.by_role().get("worker", []):
            try:
                os.kill(pid, signal.SIGSTOP)
                time.sleep(self.random.uniform(0.2, 1.5))
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                return
            self.counts["stop worker"] += 1

    def drop_network(self):
        self._network().drop()
        self.counts["network drop"] += 1

    def refuse_network(self):
        self._break_network("refuse", 0.5, 2)

    def stall_network(self):
        self._break_network("stall", 1, 4)

    def _network(self):
        return self.random.choice(list(self.soak.networks.values()))

    def _break_network(self, mode, least, most):
        network = self._network()
        network.set(mode)
        if mode == "refuse":
            network.drop()
        time.sleep(self.random.uniform(least, most))
        network.set("pass")
        network.drop()
        self.counts[f"network {mode}"] += 1

    def restart_api_server(self):
        """Orderly, or by SIGKILL; etcd is compacted before, so that old versions are gone afterwards."""
        what = self.slow[0]
        self.slow.rotate(1)
        cluster = self.random.choice(list(self.soak.clusters.values()))
        cluster.compact()
        self.counts["etcd compaction"] += 1
        cluster.restart("--kill" if what == "api server kill" else None)
        self.counts[what] += 1

    # ---- lives ----

    def run(self, target):
        """Until so many were killed, and everything happened at least once."""
        peer = [self.kill_peer] if self.soak.peer else []
        quick = [self.kill_worker] * 5 + [self.kill_uplink] * 3 + peer * 2 + [
            self.stop_worker, self.drop_network, self.refuse_network, self.stall_network]
        once = [self.kill_worker, self.kill_uplink, *peer, self.stop_worker, self.drop_network,
                self.refuse_network, self.stall_network, self.restart_api_server, self.restart_api_server]
        lives = 0
        while self.kills < target or once or self._points_left() or self._peer_points_left():
            if lives > 3 * len(self.points) + 5 and self.kills >= target and not once:
                break  # some point is never passed; problems() names it
            self._end_life(orderly=lives % 2 == 0)
            self.tend_peer(armed=False)
            self._begin_life(self.random.choice(self._not_yet() or self.points))
            lives += 1
            self._await_point(6)
            for _ in range(3 if self.short else 6):
                self.tend_peer()
                time.sleep(self.random.uniform(0.1, 1.2))
                self._do(once, quick)
            if lives % 8 == 0 and not self.short:
                self.restart_api_server()
            print(f"  life {lives}: {self.kills} kills, point {self.point}", flush=True)
        self._end_life(orderly=True)
        self.tend_peer(armed=False)
        self._begin_life(None)

    def _do(self, once, quick):
        """One fault: of those that are due if there are any, and it stays due if there was nothing to hurt."""
        fault = once.pop() if once else self.random.choice(quick)
        before = self.counts.total()
        fault()
        if self.counts.total() == before:
            once.insert(0, fault)

    def _points_left(self):
        return [] if self.short else self._not_yet()

    def _peer_points_left(self):
        return self._not_yet("peer ", PEER_POINTS) if self.soak.peer and not self.short else []

    def _await_point(self, seconds):
        """Nothing else goes wrong until a process died at the point; some are passed only at an orderly end."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.soak.agent.ends(self.logged)["signal"]:
            time.sleep(0.1)

    def _not_yet(self, whose="", points=None):
        return [p for p in (points or self.points) if not self.counts[f"kill at {whose}{p}"]]

    def _begin_life(self, point):
        agent = self.soak.agent
        agent.env.pop(KILL_AT, None)
        if point:
            agent.env[KILL_AT] = f"{point}:{1 if self.short else self.random.choice((1, 1, 2, 5))}"
        self.point, self.ours, self.logged = point, 0, agent.log_size()
        agent.start()
        procs.wait_for("the control socket", agent.states, 20)

    def _end_life(self, orderly):
        """Stops the agent, which may be where a point is passed, and counts how its processes ended."""
        agent = self.soak.agent
        if orderly:
            agent.stop()
        else:
            agent.kill()
            self.counts["kill supervisor"] += 1
        ends = agent.ends(self.logged)
        others = max(0, ends.pop("signal", 0) - self.ours)
        if self.point:
            self.counts[f"kill at {self.point}"] += others
        elif others:
            self.ends["a signal that nobody sent"] += others
        ends.pop("stopped", None)
        self.ends.update(ends)

    # ---- afterwards ----

    def problems(self):
        """What should have happened and did not, and the other way round."""
        found = [f"no process was killed at {p}" for p in self._points_left()]
        found += [f"the peer was not killed at {p}" for p in self._peer_points_left()]
        found += self.soak.peer.violations() if self.soak.peer else []
        for what in ("kill worker", "kill uplink", "kill peer", "kill supervisor", "stop worker", "network drop",
                     "network refuse", "network stall", "etcd compaction", "api server restart", "api server kill"):
            if not self.counts[what] and (self.soak.peer or what != "kill peer"):
                found.append(f"there was no {what}")
        found += [f"{n} processes ended by: {what}" for what, n in self.ends.items() if what not in ("exit", "helper")]
        return found

    def report(self):
        for what, n in sorted(self.counts.items()):
            print(f"  {what}: {n}")
        if self.ends:
            print(f"  ends by themselves: {dict(self.ends)}")
