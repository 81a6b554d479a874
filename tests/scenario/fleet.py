# SPDX-License-Identifier: Apache-2.0
"""Simulated clusters, the real daemon and its embedded cache: one account that is well beside others that
something bad is done to. What is bad for one must not be felt by the other."""
import json
import os
import pathlib
import re
import sqlite3
import subprocess
import sys
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
from rig.harness import paths, procs  # noqa: E402
from rig.harness.agent import Agent, write_account  # noqa: E402
from rig.harness.sim import Sim  # noqa: E402

LONG = float(os.environ.get("SA_LONG", 90))  # seconds for what takes two on a machine that does nothing else


def wait_for(what, check, seconds=LONG, step=0.1):
    try:
        return procs.wait_for(what, check, seconds, step)
    except TimeoutError as e:
        raise AssertionError(str(e)) from None


class Fleet:
    """Cluster 0, the good one, changes all the time. Use as a context manager."""

    def __init__(self, clusters, config=None, env=None, agent=None, **sim):
        self.scratch = paths.Scratch("bad")
        self.dir = self.scratch.path
        try:
            self.sim = Sim(self.dir / "sim", clusters, **{"objects": 120, "churn": 0.1, **sim})
            base = {"heartbeatTimeoutSeconds": 60, "restart": {"baseMs": 100, "maxMs": 1000, "intensity": 1000}}
            self.agent = Agent(self.dir / "agent", self.sim.accounts, config={**base, **(config or {})},
                               env=env, **(agent or {}))
        except paths.Missing as e:
            self.scratch.close()
            raise unittest.SkipTest(str(e)) from None
        except BaseException:
            self.scratch.close()
            raise
        self.good, *self.bad = self.sim.names()
        self.well = None

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        try:
            self.agent.close()
        finally:
            self.sim.stop()
            self.scratch.close()

    def start(self, good_only=False):
        """Starts the daemon and waits for the good account, and then for the others."""
        self.agent.start()
        self.agent.wait_streaming([self.good], LONG)
        if not good_only:
            self.agent.wait_streaming(self.sim.names(), LONG)
        self.well = self.status(self.good)
        self.changes = self.sim.stats(cluster=0)["changes"]
        self.sim.post("/rate", cluster=0, rate=20)
        return self

    # ---- what the agent says ----

    def ctl(self, *arguments):
        r = subprocess.run([str(paths.program("scale-agentctl")), "-s", str(self.agent.runtime / "control.sock"), *arguments],
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
        return r.stdout

    def statuses(self):
        """{name: account} of `scale-agentctl status -o json`."""
        answer = json.loads(self.ctl("status", "-o", "json"))
        return {a["name"]: a for a in answer["accounts"]}

    def status(self, name):
        return self.statuses().get(name)

    def log(self, name=None):
        """The log's records; of one account."""
        records = []
        for line in (self.agent.dir / "agent.log").read_text(errors="replace").splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                record = {"msg": line}
            if name is None or record.get("account") == name:
                records.append(record)
        return records

    def says(self, name, pattern, seconds=LONG):
        """Waits until the account's last error is as the pattern; its status then."""
        last = {}

        def check():
            last.update(self.status(name) or {})
            return re.fullmatch(pattern, last.get("last_error", "")) and dict(last)
        try:
            return wait_for(f"{name}: {pattern}", check, seconds)
        except AssertionError as e:
            raise AssertionError(f"{e}; {last.get('state')}: {last.get('last_error')}") from None

    def logged(self, name, pattern):
        return [r["msg"] for r in self.log(name) if re.search(pattern, r.get("msg", ""))]

    # ---- what arrives ----

    def versions(self, name):
        """{(kind, namespace, name): resourceVersion} of the account's rows."""
        db = sqlite3.connect(f"file:{self.agent.state}/cache.db?mode=ro", uri=True, timeout=20)
        try:
            return {row[:3]: row[3] for row in db.execute(
                "SELECT s.kind, o.namespace, o.name, o.resource_version FROM objects o JOIN scopes s ON o.scope = s.id"
                " JOIN accounts a ON s.account = a.id WHERE a.name = ?", (name,))}
        finally:
            db.close()

    def cluster(self, name):
        return int(name.rsplit("-", 1)[1])

    def change(self, name, count=5):
        self.sim.post("/change", cluster=self.cluster(name), count=count)

    def difference(self, name):
        """How an account's rows differ from its cluster, which must be at rest."""
        there = next(iter(self.sim.state(self.cluster(name)).values()))
        here = self.versions(name)
        return {k: (here.get(k), there.get(k)) for k in there.keys() | here.keys() if here.get(k) != there.get(k)}

    def wait_equal(self, *names, seconds=LONG):
        for name in names:
            try:
                wait_for(f"the rows of {name} equal its cluster", lambda: not self.difference(name), seconds, 0.3)
            except AssertionError as e:
                raise AssertionError(f"{e}: {list(self.difference(name).items())[:5]}; {self.status(name)}") from None

    def wait_good(self, seconds=20):
        """A change in the good cluster arrives, now. Its place is one that the random changes do not delete."""
        key = ("Namespace", "", "kube-system")
        version = str(self.sim.post("/change", cluster=0, resource="namespaces", name="kube-system")["0"])
        began = time.monotonic()
        wait_for("a change of the good account", lambda: int(self.versions(self.good).get(key, 0)) >= int(version), seconds, 0.05)
        return time.monotonic() - began

    def check_good(self, case):
        """At the end: the good account was not touched, and saw each change of its cluster, once."""
        self.sim.post("/rate", cluster=0, rate=0)
        self.wait_equal(self.good)
        changes = self.sim.stats(cluster=0)["changes"] - self.changes
        wait_for("counters", lambda: self.status(self.good)["events_total"] - self.well["events_total"] >= changes, 20)
        now = self.status(self.good)
        for counter in ("pid", "restarts", "epoch", "request_errors_total", "lists_total", "snapshots_total", "last_error"):
            case.assertEqual(now[counter], self.well[counter], f"{counter} of the good account")
        case.assertEqual(now["events_total"] - self.well["events_total"], changes, "changes seen by the good account")
        case.assertIn(now["state"], ("streaming",))

    def recovers(self, case, *names):
        """They stream again by themselves, and hold what their clusters hold."""
        self.agent.wait_streaming(names, LONG)
        self.wait_equal(*names)
        for name in names:
            wait_for(f"{name} streams", lambda: self.status(name)["state"] == "streaming", LONG)


def rss(pid):
    """Resident bytes of a process; 0 when it is gone."""
    try:
        return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (FileNotFoundError, ProcessLookupError):
        return 0


__all__ = ["Fleet", "LONG", "paths", "procs", "rss", "wait_for", "write_account"]
