# SPDX-License-Identifier: Apache-2.0
"""Each side restarted over clusters in which nothing changed: no object crosses the wire. See scripts/soak."""
import argparse
import sys
import time

from rig.harness import paths
from rig.harness.agent import Agent
from rig.harness.peer import Peer
from rig.harness.procs import wait_for
from rig.harness.sim import Sim
from simulated import missing


def in_step(agent, names, seconds=180):
    """Waits until every account is in step; how long that took."""
    began = time.monotonic()
    agent.wait_streaming(names, seconds)
    return time.monotonic() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="10 clusters instead of 200")
    parser.add_argument("--clusters", type=int)
    args = parser.parse_args()
    clusters = args.clusters or (10 if args.short else 200)
    scratch = paths.Scratch("restart")
    sim = peer = agent = None
    sent, longest, failed = 0, 0.0, []

    def count(what, seconds):
        nonlocal sent, longest
        time.sleep(3)  # what was still to be sent would come now
        objects = peer.stats()["objects"]
        print(f"{what}: {objects} objects sent, in step after {seconds:.1f} s", flush=True)
        sent += objects
        longest = max(longest, seconds)

    try:
        sim = Sim(scratch.path / "sim", clusters)
        names = sim.names()
        peer = Peer(scratch.path / "peer").start()
        agent = Agent(scratch.path / "agent", sim.accounts, "grpc", peer.address).start()
        # It is the peer, a slow one, that this takes time of.
        print(f"first sync of {clusters} clusters: {in_step(agent, names, 180 + 3 * clusters):.1f} s", flush=True)
        failed = missing(sim, peer, 60)
        first = peer.stats()["objects"]
        if first < clusters * 1000:
            failed.append(f"the peer counted {first} objects at first, not {clusters * 1000}: it does not count right")

        def restart_peer(how):
            how()
            wait_for("that the agent sees it", lambda: "waiting" in agent.states().values(), 30)
            peer.start()
            return in_step(agent, names)
        count("peer stopped and started", restart_peer(peer.stop))
        count("peer killed and started", restart_peer(peer.kill))

        def restart_agent(how):
            how()
            peer.stop()  # its counters begin anew
            peer.start()
            agent.start()
            return in_step(agent, names)
        count("agent stopped and started, within the resumable age", restart_agent(agent.stop))
        count("agent killed and started", restart_agent(agent.kill))
        for f in sim.accounts.glob("*.yml"):
            f.write_text(f.read_text() + "maxResumableResourceAgeMs: 0\n")
        count("agent stopped and started, past the resumable age", restart_agent(agent.stop))
        failed += missing(sim, peer, 60)
    finally:
        if agent:
            agent.close()
        for part in (peer, sim):
            if part:
                part.stop()
        scratch.close()
    for line in failed[:10]:
        print("FAILED: " + line)
    print(f"objects_sent={sent} in_step_s={longest:.1f}")
    sys.exit(1 if sent or failed else 0)


if __name__ == "__main__":
    main()
