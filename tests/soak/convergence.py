# SPDX-License-Identifier: Apache-2.0
"""Whatever is killed and cut, the other side becomes equal to the clusters. See scripts/soak."""
import argparse
import pathlib
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
from rig.harness.procs import free_port, wait_for
from rig.harness.scrub import differences

WIDGET = manifests.custom("widgets")
BEYOND = (manifests.CONFIG_MAP, manifests.SECRET)  # in the second cluster as well


class Soak:
    """Two clusters behind breakable networks, a load on each, the agent and its peer."""

    def __init__(self, scratch, seed, rate):
        self.dir = scratch.path
        self.random = random.Random(seed)
        self.kinds = {"alpha": (*manifests.DEFAULT, WIDGET), "beta": (*manifests.DEFAULT, WIDGET, *BEYOND)}
        self.clusters, self.networks, self.loads = {}, {}, {}
        accounts = self.dir / "accounts.d"
        for name in self.kinds:
            port = free_port()
            cluster = Cluster(self.dir, name, server_port=port)
            self.clusters[name] = cluster
            self.networks[name] = CutProxy(cluster.api_port, port)
            self._prepare(name, rate)
        write_account(accounts, "alpha", self.clusters["alpha"].kubeconfig)
        # This one lists anew each time; the other goes on from its checkpoints.
        write_account(accounts, "beta", self.clusters["beta"].kubeconfig, maxResumableResourceAgeMs=0,
                      kinds=[f"{k.kind}.{k.group}" if k.group else k.kind for k in self.kinds["beta"]])
        self.peer = Peer(self.dir / "peer").start()
        self.agent = Agent(self.dir / "agent", accounts, "grpc", self.peer.address)

    def _prepare(self, name, rate):
        api = self.clusters[name].api()
        api("POST", manifests.CRD.path(), manifests.CRD.manifest("", "widgets.example.test"))
        api.close()
        kinds = [k for k in self.kinds[name] if k.namespaced]
        self.loads[name] = Load(self.clusters[name], self.random.random(), rate, kinds).prepare()

    def close(self):
        for load in self.loads.values():
            load.stop()
        self.agent.close()
        self.peer.stop()
        for network in self.networks.values():
            network.close()
        for cluster in self.clusters.values():
            cluster.stop("--purge")

    def expected(self):
        """What the clusters hold, by the keys of the peer's rows."""
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
        """Waits until the peer equals the clusters; the differences that are left."""
        end = time.monotonic() + seconds
        while True:
            try:
                left = differences(self.expected(), self.peer.rows())
            except (OSError, TimeoutError) as e:
                left = [str(e)]
            if not left or time.monotonic() > end:
                return left
            time.sleep(1)

    def memory_mb(self):
        """Of the agent's processes, what is theirs alone."""
        return procs.anonymous_kb(self.agent.pids()) / 1024


def points():
    """The names of all points at which the agent can be made to die."""
    found = subprocess.run(["git", "grep", "-hoE", r'sa_point\("[a-z0-9-]+"\)', "--", "*.c"], cwd=paths.ROOT,
                           stdout=subprocess.PIPE, text=True, check=True).stdout
    return sorted(set(re.findall(r'"(.+)"', found)))


def first_memory(soak):
    """The agent's memory in step under load, before anything was broken."""
    soak.agent.start()
    soak.agent.wait_streaming(soak.clusters, 90)
    for load in soak.loads.values():
        load.start()
    time.sleep(10)
    return soak.memory_mb()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="20 kills within some minutes instead of 500")
    parser.add_argument("--kills", type=int)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--rate", type=float, default=15, help="operations a second in each cluster")
    args = parser.parse_args()
    target = args.kills or (20 if args.short else 500)
    print(f"seed {args.seed}", flush=True)
    scratch = paths.Scratch("convergence")
    soak = Soak(scratch, args.seed, args.rate)
    try:
        before = first_memory(soak)
        faults = chaos.Chaos(soak, points(), args.short)
        faults.run(target)
        for load in soak.loads.values():
            load.pause()
        print("quiet: " + "; ".join(f"{n}: {l.done}" for n, l in soak.loads.items()), flush=True)
        left = soak.converge(120)
        print(f"{len(soak.expected())} objects, {len(left)} differences", flush=True)
        for line in left:
            print("  " + line)
        for load in soak.loads.values():
            load.start()
        time.sleep(10)
        after = soak.memory_mb()
        for load in soak.loads.values():
            load.pause()
        left += soak.converge(60)
        problems = faults.problems()
    finally:
        soak.close()
        scratch.close()
    faults.report()
    for p in problems:
        print("FAILED: " + p)
    growth = after / before
    print(f"kills={faults.kills} differences={len(left)} memory_growth_ratio={growth:.2f}")
    sys.exit(1 if left or problems or faults.kills < target or growth > 1.5 else 0)


if __name__ == "__main__":
    main()
