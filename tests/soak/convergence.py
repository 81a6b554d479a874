# SPDX-License-Identifier: Apache-2.0
"""Whatever is killed and cut, the other side becomes equal to the clusters. See scripts/soak."""
import argparse
import random
import re
import subprocess
import sys
import time

import chaos
from load import Load
from rig.harness import manifests, paths, procs
from rig.harness.agent import Agent, write_account
from rig.harness.cluster import Cluster
from rig.harness.cut import CutProxy
from rig.harness.peer import Peer
from rig.harness.procs import free_port
from rig.harness.scrub import differences

WIDGET = manifests.custom("widgets")
BEYOND = (manifests.CONFIG_MAP, manifests.SECRET)  # in the second cluster as well


class Soak:
    """Two clusters behind breakable networks, a load on each, the agent, and the other side: a peer, or for
    the sqlite sink the cache in the agent itself."""

    def __init__(self, scratch, seed, rate):
        self.dir = scratch.path
        self.random = random.Random(seed)
        self.kinds = {"alpha": (*manifests.DEFAULT, WIDGET), "beta": (*manifests.DEFAULT, WIDGET, *BEYOND)}
        self.clusters, self.networks, self.loads = {}, {}, {}
        self.agent = self.peer = None
        self.accounts = self.dir / "accounts.d"
        for name in self.kinds:
            port = free_port()
            cluster = Cluster(self.dir, name, server_port=port)
            self.clusters[name] = cluster
            self.networks[name] = CutProxy(cluster.api_port, port)
            self._prepare(name, rate)
        write_account(self.accounts, "alpha", self.clusters["alpha"].kubeconfig)
        # This one lists anew each time; the other goes on from its checkpoints.
        write_account(self.accounts, "beta", self.clusters["beta"].kubeconfig, maxResumableResourceAgeMs=0,
                      kinds=[f"{k.kind}.{k.group}" if k.group else k.kind for k in self.kinds["beta"]])

    def use(self, sink):
        """Begins anew with a sink."""
        self._stop_agent()
        if sink == "grpc":
            self.peer = Peer(self.dir / "peer").start()
        self.agent = Agent(self.dir / sink, self.accounts, sink, self.peer and self.peer.address)

    def _stop_agent(self):
        if self.agent:
            self.agent.close()
        if self.peer:
            self.peer.stop()
        self.agent = self.peer = None

    def rows(self):
        return self.peer.rows() if self.peer else self.agent.rows()

    def _prepare(self, name, rate):
        api = self.clusters[name].api()
        api("POST", manifests.CRD.path(), manifests.CRD.manifest("", "widgets.example.test"))
        api.close()
        kinds = [k for k in self.kinds[name] if k.namespaced]
        self.loads[name] = Load(self.clusters[name], self.random.random(), rate, kinds).prepare()

    def close(self):
        for load in self.loads.values():
            load.stop()
        self._stop_agent()
        for network in self.networks.values():
            network.close()
        for cluster in self.clusters.values():
            cluster.purge()

    def expected(self):
        """What the clusters hold, by the keys of the rows."""
        found = {}
        for name, cluster in self.clusters.items():
            api = cluster.api()
            kinds = list(self.kinds[name])
            if name == "alpha":  # without `kinds`, every custom resource is streamed
                kinds += [k for k in self._defined(api) if k != WIDGET]
            for key, o in manifests.in_cluster(api, kinds).items():
                found[(name, *key)] = o
            api.close()
        return found

    @staticmethod
    def _defined(api):
        names = [o["metadata"]["name"] for o in api("GET", manifests.CRD.path())["items"]]
        plurals = [n.split(".")[0] for n in names if n.endswith(".example.test")]
        return [WIDGET if p == "widgets" else manifests.custom(p) for p in plurals]

    def converge(self, seconds):
        """Waits until the other side equals the clusters; the differences that are left."""
        end = time.monotonic() + seconds
        while True:
            try:
                left = differences(self.expected(), self.rows())
            except (OSError, TimeoutError) as e:
                left = [str(e)]
            if not left or time.monotonic() > end:
                return left
            time.sleep(1)

    def memory_mb(self):
        """Of the agent's processes, what is theirs alone."""
        return procs.anonymous_kb(self.agent.pids()) / 1024


def points(sink):
    """The names of the points at which the agent can be made to die with this sink."""
    found = subprocess.run(["git", "grep", "-E", r'sa_point\("[a-z0-9-]+"\)', "--", "*.c"], cwd=paths.ROOT,
                           stdout=subprocess.PIPE, text=True, check=True).stdout
    matches = re.findall(r'^(.+?):.*sa_point\("(.+?)"\)', found, re.M)
    return sorted({name for path, name in matches if sink == "sqlite" or not path.startswith("uplink/sqlite_")})


def under_load(soak, seconds=10):
    for load in soak.loads.values():
        load.start()
    time.sleep(seconds)
    return soak.memory_mb()


def quiet(soak, seconds):
    """Stops the load; the differences that are left after so many seconds at most."""
    for load in soak.loads.values():
        load.pause()
    began = time.monotonic()
    left = soak.converge(seconds)
    print(f"quiet: {len(soak.expected())} objects, {len(left)} differences after {time.monotonic() - began:.0f} s", flush=True)
    for line in left:
        print("  " + line)
    return left


def one_sink(soak, sink, short, target):
    """Everything with one sink; (chaos, differences, problems, how much larger the agent is at its end)."""
    print(f"sink {sink}", flush=True)
    soak.use(sink)
    soak.agent.start()
    soak.agent.wait_streaming(soak.clusters, 90)
    before = under_load(soak)
    faults = chaos.Chaos(soak, points(sink), short)
    faults.run(target)
    left = quiet(soak, 120)
    after = under_load(soak)
    left += quiet(soak, 60)
    faults.report()
    return faults, left, faults.problems(), after / before


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="30 kills at some of the points, within some minutes, instead of 500 at all of them")
    parser.add_argument("--kills", type=int)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--rate", type=float, default=15, help="operations a second in each cluster")
    parser.add_argument("--sink", choices=("grpc", "sqlite"), action="append", help="only this sink")
    args = parser.parse_args()
    target = args.kills or (30 if args.short else 500)
    print(f"seed {args.seed}", flush=True)
    scratch = paths.Scratch("convergence")
    soak = Soak(scratch, args.seed, args.rate)
    sinks = args.sink or ["grpc", "sqlite"]
    try:
        results = [one_sink(soak, sink, args.short, target // len(sinks)) for sink in sinks]
        print("load: " + "; ".join(f"{name}: {load.done}" for name, load in soak.loads.items()))
    finally:
        soak.close()
        scratch.close()
    problems = [p for r in results for p in r[2]]
    for p in problems:
        print("FAILED: " + p)
    kills, differing, growth = sum(r[0].kills for r in results), sum(len(r[1]) for r in results), max(r[3] for r in results)
    print(f"kills={kills} differences={differing} memory_growth_ratio={growth:.2f}")
    sys.exit(1 if differing or problems or kills < target or growth > 1.5 else 0)


if __name__ == "__main__":
    main()
