# SPDX-License-Identifier: Apache-2.0
"""The other side is away while the clusters change: memory is bounded by the objects there are, and all is
right soon afterwards. See scripts/soak."""
import argparse
import sys
import time

from rig.harness import paths, procs
from rig.harness.agent import Agent
from rig.harness.peer import Peer
from rig.harness.scrub import differences
from rig.harness.sim import Sim
from simulated import missing


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="away for 20 seconds instead of ten minutes")
    parser.add_argument("--clusters", type=int, default=5)
    parser.add_argument("--rate", type=int, default=100, help="changes a second in all")
    args = parser.parse_args()
    away = 20 if args.short else 600
    scratch = paths.Scratch("outage")
    sim = peer = agent = None
    try:
        sim = Sim(scratch.path / "sim", args.clusters, rate=args.rate / args.clusters, churn=0.1)
        peer = Peer(scratch.path / "peer").start()
        agent = Agent(scratch.path / "agent", sim.accounts, "grpc", peer.address).start()
        agent.wait_streaming(sim.names())
        time.sleep(5)
        before = procs.anonymous_kb(agent.pids())
        changed = sim.stats()["changes"]
        peer.kill()
        peak, end, half = before, time.monotonic() + away, None
        while time.monotonic() < end:
            time.sleep(min(2, away / 10))
            peak = max(peak, procs.anonymous_kb(agent.pids()))
            if half is None and time.monotonic() > end - away / 2:
                half = peak
        changed = sim.stats()["changes"] - changed
        print(f"away for {away} s, {changed} changes of {args.clusters * 1000} objects; "
              f"memory {before} KB before, {half} KB at half time, {peak} KB at most", flush=True)
        sim.post("/pause")
        peer.start()
        began = time.monotonic()
        left = missing(sim, peer, 120)
        in_step = time.monotonic() - began
        print(f"in step {in_step:.1f} s after its return" if not left else "\n".join(left))
        after = procs.anonymous_kb(agent.pids())
    finally:
        for part in (agent,):
            if part:
                part.close()
        for part in (peer, sim):
            if part:
                part.stop()
        scratch.close()
    # A dirty key costs its name: of every object that changed once, not of every change.
    ok = not left and peak <= before * 2 and peak <= half * 1.2 and changed > away * args.rate * 0.7
    print(f"changes={changed} differences={len(left)} memory_peak_ratio={peak / before:.2f} "
          f"memory_after_ratio={after / before:.2f} in_step_s={in_step:.1f}")
    sys.exit(0 if ok else 1)


if __name__ == "__main__":
    main()
