# SPDX-License-Identifier: Apache-2.0
"""What a Clouddriver costs that polls clusters, and one that agents stream to: each in turn, in one run, over the same
simulated clusters, with a database of its own. See scripts/bench."""
import argparse
import dataclasses
import json
import math
import pathlib
import random
import statistics
import subprocess
import sys
import time

from rig.harness import paths, procs
from rig.harness.agent import Agent
from rig.harness.clouddriver import Clouddriver
from rig.harness.cluster import kubectl_program
from rig.harness.mariadb import MariaDb
from rig.harness.procs import wait_for
from rig.harness.sim import Sim

# What both sides cache: the simulator's kinds but for those that stock polling or the plugin leaves out by default.
KINDS = ("replicaSet", "service", "ingress", "daemonSet", "deployment", "pod", "statefulSet", "job", "cronJob", "networkPolicy")
CHANGES = 10  # a second, over all clusters
LONGEST = 300  # seconds that are waited for a row


@dataclasses.dataclass
class Result:
    """One side under one load: seconds of processor time a minute, and queries a minute."""
    side: str
    load: str
    clouddriver: float
    kubectl: float
    mariadb: float
    agent: float
    queries: float
    p50_ms: float | None = None
    p99_ms: float | None = None

    @property
    def cpu(self):
        return self.clouddriver + self.kubectl + self.mariadb + self.agent


class Side:
    """A Clouddriver and its MariaDB, just started, and what brings it the clusters."""

    def __init__(self, name, directory, sim):
        self.name = name
        self.sim = sim
        self.dir = pathlib.Path(directory) / name
        self.db = MariaDb(self.dir / "db")
        self.clouddriver = Clouddriver(self.dir / "clouddriver", self.db, plugin=name == "agent", config=self.config(),
                                       java_options=["-Xmx2g"])
        self.agent = None

    def config(self):
        if self.name == "agent":
            return {}
        kubectl = str(kubectl_program())
        # checkPermissionsOnStartup would list each kind of each cluster once before.
        return {"kubernetes": {"accounts": [
            {"name": f.stem, "kubeconfigFile": str(f), "kubectlExecutable": kubectl, "kinds": list(KINDS),
             "checkPermissionsOnStartup": False} for f in self.sim.kubeconfigs()]}}

    def start(self):
        self.db.start()
        self.clouddriver.start()
        if self.name == "agent":
            self.agent = Agent(self.dir / "agent", self.accounts(), "grpc", self.clouddriver.grpc).start()
        expected = len(self.sim.names()) * self.pods()
        wait_for(f"{self.name}: {expected} pods", lambda: self.stored() >= expected, 1800, 0.5)

    def accounts(self):
        """The simulator's accounts, of the kinds that stock polling has."""
        directory = self.dir / "accounts.d"
        directory.mkdir(parents=True, exist_ok=True)
        for f in self.sim.kubeconfigs():
            (directory / f"{f.stem}.yml").write_text(json.dumps(
                {"name": f.stem, "kubeconfigFile": str(f), "kinds": list(KINDS)}))
        return directory

    def pods(self):
        return sum(kind == "Pod" for kind, _, _ in self.sim.state(0)[self.sim.names()[0]])

    def stored(self):
        self.clouddriver.process.check()
        if not self.db.sql("SHOW TABLES LIKE 'cats\\_v1\\_pod'"):
            return 0
        return int(self.db.sql("SELECT COUNT(*) FROM cats_v1_pod")[0][0])

    def counters(self):
        """Processor seconds and queries so far."""
        fields = procs.stat(self.clouddriver.process.pid)
        questions = int(self.db.sql("SHOW GLOBAL STATUS LIKE 'Questions'")[0][1])
        agent = procs.cpu_seconds(self.agent.pids()) if self.agent else 0.0
        return (sum(map(int, fields[11:13])) / procs.TICKS, sum(map(int, fields[13:15])) / procs.TICKS,
                procs.cpu_seconds([self.db.process.pid]), agent, questions)

    def measure(self, load, seconds):
        before, t = self.counters(), time.monotonic()
        time.sleep(seconds)
        after, minutes = self.counters(), (time.monotonic() - t) / 60
        return Result(self.name, load, *((b - a) / minutes for a, b in zip(before, after)))

    def stop(self):
        if self.agent:
            self.agent.close()
        self.clouddriver.stop()
        self.db.stop()


class Rows:
    """Reads of single rows, one after the other over one connection."""

    def __init__(self, db):
        self.client = subprocess.Popen(
            ["mariadb", "--no-defaults", "-uroot", f"--socket={db.socket}", "--batch", "--raw", "--unbuffered",
             "--skip-column-names", db.name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def sent_us(self, account, namespace, name):
        """When the change was made that the pod's row holds; 0 if there is no row."""
        ident = f"kubernetes.v2:infrastructure:pod:{account}:{namespace}:{name}"
        self.client.stdin.write("SELECT COALESCE((SELECT REGEXP_SUBSTR(body, 'sim/sent-us\":\"[0-9]+') FROM cats_v1_pod"
                                f" WHERE id = '{ident}' LIMIT 1), '-');\n")
        self.client.stdin.flush()
        found = self.client.stdout.readline().rpartition('"')[2].strip()
        return int(found) if found.isdigit() else 0

    def close(self):
        self.client.stdin.close()
        self.client.wait()


def probes(side, count, together, step):
    """Milliseconds from a change in a cluster to its committed row, as another client of the database sees it: count
    times, so many changes at once, looking every step seconds. Infinite where no row came while it was waited for."""
    rows, found = Rows(side.db), []
    pods = sorted(key[1:] for key in side.sim.state(0)[side.sim.names()[0]] if key[0] == "Pod")
    names = side.sim.names()
    try:
        for _ in range(count // together):
            left = []
            for cluster in random.sample(range(len(names)), together):
                namespace, name = random.choice(pods)
                began = time.time_ns() // 1000
                side.sim.post("/change", cluster=cluster, resource="pods", namespace=namespace, name=name, op="modify")
                left.append((names[cluster], namespace, name, began))
            end = time.monotonic() + LONGEST
            while left and time.monotonic() < end:
                for probe in list(left):
                    sent = rows.sent_us(*probe[:3])
                    if sent >= probe[3]:
                        found.append((time.time_ns() // 1000 - sent) / 1000)
                        left.remove(probe)
                time.sleep(step)
            found += [math.inf] * len(left)
            time.sleep(random.uniform(0.01, 0.1))
    finally:
        rows.close()
    return found


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def run(name, scratch, sim, args):
    """One side: rests until it is settled, is measured at rest and under load, and then asked how late it is."""
    side = Side(name, scratch.path, sim)
    results = []
    sim.post("/pause")
    try:
        side.start()
        time.sleep(args.settle)
        results.append(show(side.measure("idle", args.seconds)))
        sim.post("/rate", rate=CHANGES / sim.clusters)
        sim.post("/resume")
        time.sleep(args.settle / 3)
        busy = side.measure(f"{CHANGES}/s", args.seconds)
        if name == "agent":
            late = probes(side, args.probes, 1, 0.0005)
        else:
            late = probes(side, 2 * sim.clusters, sim.clusters, 0.1)
        busy.p50_ms, busy.p99_ms = statistics.median(late), percentile(late, 0.99)
        results.append(show(busy))
        return results
    finally:
        sim.post("/pause")
        side.stop()


HEAD = ("side", "load", "Clouddriver", "kubectl", "MariaDB", "agent", "all", "queries/min", "p50", "p99")


def cells(r):
    def late(v):
        return "-" if v is None else f"> {LONGEST} s" if v == math.inf else f"{v:.1f} ms" if v < 1000 else f"{v / 1000:.1f} s"
    times = (r.clouddriver, r.kubectl, r.mariadb, r.agent, r.cpu)
    return (r.side, r.load, *(f"{t:.2f} s" for t in times), f"{r.queries:.0f}", late(r.p50_ms), late(r.p99_ms))


def show(r):
    print("  " + "  ".join(f"{h}: {c}" for h, c in zip(HEAD, cells(r)) if c != "-"), flush=True)
    return r


def table(results, markdown):
    rows = [HEAD] + [cells(r) for r in results]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEAD))]
    print("\n" + "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths)).rstrip() for row in rows))
    print("processor time a minute; p50, p99: from the change in the cluster to the committed row")
    if markdown:
        text = ["| " + " | ".join(row) + " |" for row in rows]
        text.insert(1, "|" + "---|" * len(HEAD))
        pathlib.Path(markdown).write_text("\n".join(text) + "\n")


def summary(results):
    by = {(r.side, r.load == "idle"): r for r in results}
    stock, agent = by["stock", False], by["agent", False]
    values = {
        "cpu_ratio": agent.cpu / stock.cpu,
        "cpu_ratio_idle": by["agent", True].cpu / by["stock", True].cpu,
        "sql_ratio": agent.queries / stock.queries,
        "sql_ratio_idle": by["agent", True].queries / by["stock", True].queries,
        "latency_p50_ms": agent.p50_ms,
        "latency_p99_ms": agent.p99_ms,
    }
    print(" ".join(f"{k}={v:.3f}" for k, v in values.items()))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="smaller and shorter: the shape of it, not the figures")
    parser.add_argument("--clusters", type=int, help="simulated clusters of 1,000 objects each (20; short: 3)")
    parser.add_argument("--only", choices=("stock", "agent"), action="append", help="sides to run")
    parser.add_argument("--markdown", help="file for the table, as Markdown")
    args = parser.parse_args()
    # Stock polls every 30 s: whole periods are measured.
    args.settle, args.seconds, args.probes = (10, 30, 100) if args.short else (60, 120, 1000)
    sides = args.only or ["stock", "agent"]
    try:
        results = []
        scratch = paths.Scratch("bench-clouddriver")
        try:
            sim = Sim(scratch.path / "sim", args.clusters or (3 if args.short else 20), paused="true")
            try:
                for side in sides:
                    results += run(side, scratch, sim, args)
            finally:
                sim.stop()
        finally:
            scratch.close()
    except paths.Missing as e:
        sys.exit(f"bench: {e}")
    table(results, args.markdown)
    if len(sides) == 2:
        summary(results)


if __name__ == "__main__":
    main()
