# SPDX-License-Identifier: Apache-2.0
"""Clouddriver restarted over many simulated clusters in which nothing changed: no object is sent, no row of the cache
and no digest is written, and every account is usable at once. See scripts/soak."""
import argparse
import sys
import time

from clouddriver_watch import CLOCK, listens
from rig.harness import paths
from rig.harness.agent import Agent
from rig.harness.clouddriver import Clouddriver
from rig.harness.cut import Balancer
from rig.harness.mariadb import MariaDb
from rig.harness.procs import cpu_seconds, wait_for
from rig.harness.sim import Sim

USABLE = 10.0
OPTIONS = ("--userstat=1", "--innodb-buffer-pool-size=1G", "--innodb-flush-log-at-trx-commit=2")
# What must not be written. The database itself counts the rows that change in each table.
WRITTEN = ("SELECT table_name, rows_changed FROM information_schema.table_statistics WHERE table_schema = '{}' AND rows_changed > 0"
           " AND (table_name LIKE 'cats\\_v1\\_%' OR table_name IN ('scale_agent_digest', 'scale_agent_link'))")
KEPT = (f"SELECT COUNT(*) FROM scale_agent_assignment a JOIN scale_agent_replica r ON r.id = a.replica"
        f" WHERE a.kept = 1 AND r.alive_until >= {CLOCK}")


class Restart:
    def __init__(self, directory, clusters, objects):
        self.clusters, self.objects = clusters, objects
        self.sim = Sim(directory / "sim", clusters, paused="true", objects=objects)
        self.names = set(self.sim.names())
        self.db = MariaDb(directory / "db", options=OPTIONS).start()
        self.clouddriver = Clouddriver(directory / "clouddriver", self.db)
        self.way = Balancer([self.clouddriver.grpc_port])
        self.agent = Agent(directory / "agent", self.sim.accounts, sink="grpc", peer=f"127.0.0.1:{self.way.port}")

    def close(self):
        self.agent.close()
        if self.clouddriver.process is not None:
            self.clouddriver.kill()
        self.way.close()
        self.db.stop()
        self.sim.stop()

    def first_sync(self):
        self.clouddriver.start()
        began = time.monotonic()
        self.agent.start()
        wait_for("the first sync", self.streaming, 300 + 5 * self.clusters, 0.5)
        print(f"first sync of {self.clusters} clusters of {self.objects} objects: {time.monotonic() - began:.0f} s,"
              f" {self.stored()} objects stored", flush=True)
        return self.stored()

    def stored(self):
        return int(self.db.sql("SELECT COALESCE(SUM(objects), 0) FROM scale_agent_scope")[0][0])

    def streaming(self):
        self.clouddriver.process.check()
        states = self.agent.states()
        return all(states.get(n) == "streaming" for n in self.names)

    def usable(self):
        """Kept by this Clouddriver, and followed."""
        return self.streaming() and int(self.db.sql(KEPT)[0][0]) == self.clusters

    def written(self):
        return {table: int(n) for table, n in self.db.sql(WRITTEN.format(self.db.name))}

    def quiet(self):
        """Until nothing is written any more."""
        self.db.sql("FLUSH TABLE_STATISTICS")

        def still():
            self.db.sql("FLUSH TABLE_STATISTICS")
            time.sleep(5)
            return not self.written()
        wait_for("quiet", still, 120)

    def again(self, what, end):
        """(objects sent, rows written, seconds until all accounts are usable)"""
        self.quiet()
        end()
        self.db.sql("FLUSH TABLE_STATISTICS")
        sent = self.way.bytes
        began = time.monotonic()
        self.clouddriver.launch()
        wait_for("the plugin's port", lambda: listens(self.clouddriver), 240, 0.1)
        serves = time.monotonic()
        cpu = [cpu_seconds([p.pid]) for p in (self.clouddriver.process, self.db.process)]
        wait_for("all accounts", self.usable, 240, 0.1)
        seconds = time.monotonic() - serves
        cpu = [cpu_seconds([p.pid]) - c for p, c in zip((self.clouddriver.process, self.db.process), cpu)]
        self.clouddriver.wait_ready()
        listed = self.names & set(self.clouddriver.accounts())  # by its first answer
        time.sleep(15)  # what would still be sent or mended would come now
        objects, written = int(self.number("scale.agent.deltas")), self.written()
        if listed != self.names:
            raise AssertionError(f"{len(self.names - listed)} accounts are not in /credentials")
        print(f"{what}: the plugin serves after {serves - began:.1f} s; all accounts usable {seconds:.1f} s later"
              f" (processor: Clouddriver {cpu[0]:.1f} s, MariaDB {cpu[1]:.1f} s); {objects} objects and"
              f" {(self.way.bytes - sent) / self.clusters:.0f} bytes an account sent; rows written: {written or 'none'}", flush=True)
        return objects, sum(written.values()), seconds

    def number(self, metric):
        status, found = self.clouddriver.ask("GET", f"/metrics/{metric}")
        return sum(m["value"] for m in found["measurements"] if m["statistic"] == "COUNT") if status == 200 else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="20 clusters of 200 objects instead of 200 of 1,000")
    parser.add_argument("--clusters", type=int)
    parser.add_argument("--objects", type=int)
    args = parser.parse_args()
    clusters = args.clusters or (20 if args.short else 200)
    objects = args.objects or (200 if args.short else 1000)
    scratch = paths.Scratch("restart")
    run = Restart(scratch.path, clusters, objects)
    failed = []
    try:
        stored, there = run.first_sync(), sum(len(o) for o in run.sim.state().values())
        if stored != there:
            failed.append(f"{stored} objects are stored, not {there}")
        if run.number("scale.agent.deltas") < there or not run.written():
            failed.append("what is counted does not count the first sync")
        results = [run.again("SIGKILL", run.clouddriver.kill), run.again("orderly", run.clouddriver.stop)]
        if run.stored() != stored:
            failed.append(f"{run.stored()} objects are stored in the end, not {stored}")
    finally:
        run.close()
        scratch.close()
    for f in failed:
        print("FAILED: " + f)
    sent, written, longest = sum(r[0] for r in results), sum(r[1] for r in results), max(r[2] for r in results)
    print(f"objects_sent={sent} rows_written={written} usable_s={longest:.1f}")
    sys.exit(1 if sent or written or failed or longest > USABLE else 0)


if __name__ == "__main__":
    main()
