# SPDX-License-Identifier: Apache-2.0
"""What streaming costs, side by side in one run against the same simulated clusters: this agent, a plain
client-go agent and a kube-rs one. See scripts/bench."""
import argparse
import dataclasses
import os
import pathlib
import statistics
import sys
import time

import agents
from rig.harness import paths, procs
from rig.harness.procs import wait_for
from rig.harness.sim import Sim

OBJECTS = 1000  # a cluster


@dataclasses.dataclass
class Result:
    """One agent over one load."""
    agent: str
    load: str
    clusters: int
    sync_s: float          # from its start until it had every object
    start_s: float | None  # until every worker was connected on both sides
    peak_mb: float         # an account, the highest seen until then
    steady_mb: float       # an account, under load
    events_s: float
    cpu_us: float          # an event
    p50_ms: float | None
    p99_ms: float | None
    parts: dict            # microseconds an event, by role of the process

    @property
    def sync_rate(self):
        return self.clusters * OBJECTS / self.sync_s


def measure(agent, sim, directory, load, rate, seconds):
    """One agent, from its start to its end: the clusters rest until it is in step, then change."""
    clusters = sim.clusters
    sim.post("/pause")
    pathlib.Path(directory).mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    agent.start(directory, sim)
    try:
        start_s, peak, next_look = None, 0, 0.0

        def synced():
            nonlocal start_s, peak, next_look
            if start_s is None and agent.opened(clusters):
                start_s = time.monotonic() - began
            if time.monotonic() > next_look:
                t = time.monotonic()
                peak = max(peak, procs.pss_kb(agent.pids()))
                next_look = time.monotonic() + 10 * (time.monotonic() - t) + 0.1  # looking must not slow it down
            return agent.events() >= clusters * OBJECTS
        wait_for(f"{agent.name}: {clusters * OBJECTS} objects", synced, 300, 0.02)
        sync_s = time.monotonic() - began
        peak = max(peak, procs.pss_kb(agent.pids()))
        sim.post("/rate", rate=rate)
        sim.post("/resume")
        time.sleep(max(3, seconds / 4))
        agent.latency(reset=True)
        events, cpu, t = agent.events(), used(agent), time.monotonic()
        time.sleep(seconds)
        parts = {role: spent - cpu[role] for role, spent in used(agent).items()}
        events, t = agent.events() - events, time.monotonic() - t
        latency = agent.latency() or (None, None)
        steady = procs.pss_kb(agent.pids())
        sim.post("/pause")
        return Result(agent.name, load, clusters, sync_s, start_s, peak / 1024 / clusters, steady / 1024 / clusters,
                      events / t, sum(parts.values()) * 1e6 / max(events, 1), *latency,
                      {role: spent * 1e6 / max(events, 1) for role, spent in parts.items()})
    finally:
        agent.stop()


def used(agent):
    """Processor seconds so far, by role."""
    return {role: procs.cpu_seconds(pids) for role, pids in agent.by_role().items()}


def median(results):
    """The medians of several rounds of the same."""
    def of(name):
        values = [getattr(r, name) for r in results]
        return statistics.median(values) if isinstance(values[0], (int, float)) else values[0]
    return Result(*(of(f.name) for f in dataclasses.fields(Result)))


def side_by_side(scratch, all_agents, clusters, rate, seconds, rounds, results):
    """Each agent in turn, several rounds, so that what else the machine does falls on all alike."""
    load = f"{clusters} x {rate}/s"
    sim = Sim(scratch.path / f"sim-{clusters}-{rate}", clusters, paused="true")
    try:
        got = {a.name: [] for a in all_agents}
        for n in range(rounds):
            for a in all_agents:
                r = measure(a, sim, scratch.path / f"{a.name}-{clusters}-{rate}-{n}", load, rate, seconds)
                got[a.name].append(r)
                show(r)
        results += [median(r) for r in got.values()]
    finally:
        sim.stop()


HEAD = ("agent", "load", "first sync", "objects/s", "start", "peak MB", "MB", "events/s", "CPU/event", "p50", "p99")


def cells(r):
    def unit(v, form):
        return "-" if v is None else form.format(v)
    return (r.agent, r.load, f"{r.sync_s:.1f} s", f"{r.sync_rate:.0f}", unit(r.start_s, "{:.1f} s"), f"{r.peak_mb:.2f}",
            f"{r.steady_mb:.2f}", f"{r.events_s:.0f}", f"{r.cpu_us:.0f} us", unit(r.p50_ms, "{:.1f} ms"),
            unit(r.p99_ms, "{:.1f} ms"))


def show(r):
    print("  " + "  ".join(f"{h}: {c}" for h, c in zip(HEAD, cells(r)) if c != "-"), flush=True)
    if len(r.parts) > 1:
        print("    of which " + ", ".join(f"{role} {us:.0f} us" for role, us in r.parts.items()), flush=True)


def table(results, markdown):
    rows = [HEAD] + [cells(r) for r in results]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEAD))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths)).rstrip() for row in rows]
    print("\n" + "\n".join(lines))
    print("memory: PSS of all processes divided by the accounts; p50, p99: from the change in the cluster to the other side")
    if markdown:
        text = ["| " + " | ".join(row) + " |" for row in rows]
        text.insert(1, "|" + "---|" * len(HEAD))
        pathlib.Path(markdown).write_text("\n".join(text) + "\n")


def ratio(results, load, name, mine, theirs):
    """mine/theirs of a field over one load; None where one of them did not run."""
    values = [next((getattr(r, name) for r in results if r.load == load and r.agent == a), None) for a in (mine, theirs)]
    return values[0] / values[1] if all(values) else None


def summary(results, low, busy):
    ours = [r for r in results if r.agent == "scale-agent"]
    largest = max(ours, key=lambda r: r.clusters)
    values = {
        # where the processes that all accounts share weigh most
        "memory_mb_per_account": next(r.steady_mb for r in ours if r.load == low),
        "cpu_ratio_client_go": ratio(results, low, "cpu_us", "scale-agent", "client-go"),
        "cpu_ratio_kube_rs": ratio(results, low, "cpu_us", "scale-agent", "kube-rs"),
        "cpu_ratio_busy": ratio(results, busy, "cpu_us", "scale-agent", "kube-rs"),
        "sync_ratio": ratio(results, low, "sync_rate", "scale-agent", "client-go"),
        "latency_p99_ms": largest.p99_ms,
        "start_s": largest.start_s,
    }
    print(" ".join(f"{k}={'na' if v is None else f'{v:.2f}'}" for k, v in values.items()))


def peers():
    """The libraries' agents, as far as they can be built here."""
    found = []
    for name, build in (("client-go", agents.build_client_go), ("kube-rs", agents.build_kube_rs)):
        try:
            found.append(agents.Library(name, build()))
        except (paths.Missing, FileNotFoundError) as e:
            print(f"SKIP {name}: {e}", flush=True)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="smaller and shorter: the shape of it, not the figures")
    parser.add_argument("--rounds", type=int, help="rounds of the comparisons, of which the median counts (3; short: 1)")
    parser.add_argument("--alone", type=int, action="append", help="clusters for the runs of ours alone (500 and 1000)")
    parser.add_argument("--only", choices=("compare", "busy", "alone"), action="append", help="parts to run")
    parser.add_argument("--markdown", help="file for the table, as Markdown")
    args = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("bench: only root may read the memory of processes that are not dumpable")
    short = args.short
    rounds = args.rounds or (1 if short else 3)
    seconds = 8 if short else 20
    parts = args.only or ["compare", "busy", "alone"]
    low, busy = (20, 20) if short else (50, 20), (5, 200)
    ours, others = agents.Ours(), peers()
    results = []
    scratch = paths.Scratch("bench")
    try:
        if "compare" in parts:
            side_by_side(scratch, [*others, ours], *low, seconds, rounds, results)
        if "busy" in parts:
            side_by_side(scratch, [*[o for o in others if o.name == "kube-rs"], ours], *busy, seconds, rounds, results)
        if "alone" in parts:
            for clusters in args.alone or ([100] if short else [500, 1000]):
                side_by_side(scratch, [ours], clusters, 1000 // clusters, seconds, 1, results)
    finally:
        scratch.close()
    table(results, args.markdown)
    if "compare" in parts:
        summary(results, f"{low[0]} x {low[1]}/s", f"{busy[0]} x {busy[1]}/s")


if __name__ == "__main__":
    main()
