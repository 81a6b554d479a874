# SPDX-License-Identifier: Apache-2.0
"""What is stored follows what the configuration says of it, also where a young checkpoint could be resumed from:
`redact` and the filters take hold of stored rows within seconds, and nothing is sent again where nothing changed."""
import importlib.util
import pathlib
import sqlite3
import sys
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
from rig.harness import paths  # noqa: E402
from rig.harness.agent import Agent, write_account  # noqa: E402
from rig.harness.peer import Peer  # noqa: E402
from rig.harness.procs import wait_for  # noqa: E402
from rig.harness.sim import Sim  # noqa: E402

SECONDS = 20  # "within seconds", on a machine that does other things too
KINDS = ["deployment", "pod", "replicaSet", "service"]
IMAGES = {"redact": ["spec.containers[].image", "spec.template.spec.containers[].image"]}


class Settings(unittest.TestCase):
    sink = "sqlite"

    def setUp(self):
        try:
            scratch = paths.Scratch("settings")
            self.addCleanup(scratch.close)
            self.sim = Sim(scratch.path / "sim", 1, objects=300)
        except paths.Missing as e:
            self.skipTest(str(e))
        self.addCleanup(self.sim.stop)
        self.name = self.sim.names()[0]
        self.configure()
        self.peer = self.start_peer(scratch.path)
        self.agent = Agent(scratch.path / "agent", self.sim.accounts, sink=self.sink,
                           peer=self.peer.address if self.peer else None)
        self.addCleanup(self.agent.close)
        self.start()
        wait_for("every checkpoint", lambda: len(self.checkpoints()) == len(KINDS), SECONDS)

    def start_peer(self, _directory):
        return None

    def configure(self, **settings):
        write_account(self.sim.accounts, self.name, self.sim.kubeconfigs()[0], kinds=KINDS, **settings)

    def start(self):
        self.agent.start()
        self.agent.wait_streaming([self.name], 30)

    # ---- the other side ----

    def query(self, file, sql):
        db = sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=10)
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()

    def cache(self, sql):
        return self.query(self.agent.state / "cache.db", sql)

    def checkpoints(self):
        """{resource: fingerprint} of the scopes that have a checkpoint."""
        return dict(self.cache("SELECT resource, fingerprint FROM scopes WHERE checkpoint_version <> ''"))

    def writes(self):
        """How many objects and deletes were ever written."""
        return self.cache("SELECT coalesce(max(seq), 0) FROM changes")[0][0]

    def rows(self):
        return self.agent.rows(self.name)

    # ---- what the tests look at ----

    def with_images(self):
        found = 0
        for o in self.rows().values():
            spec = o.get("spec", {})
            found += any("image" in c for c in (spec.get("template", {}).get("spec") or spec).get("containers", []))
        return found

    def lists(self):
        return next(a for a in self.agent.status()["accounts"] if a["name"] == self.name)["lists_total"]

    def test_an_unchanged_restart_sends_nothing(self):
        before, rows = self.writes(), self.rows()
        for end in (self.agent.stop, self.agent.kill):
            end()
            self.start()
            self.assertEqual(self.lists(), 0, "every scope is resumed")
            time.sleep(1.5)
            self.assertEqual(self.writes(), before)
        self.assertEqual(self.rows(), rows)

    def test_redact_cuts_what_is_stored(self):
        images, before, prints = self.with_images(), self.writes(), self.checkpoints()
        self.assertGreater(images, 50)
        self.configure(**IMAGES)
        self.agent.reload()
        began = time.monotonic()
        wait_for("the rows are cut", lambda: self.with_images() == 0, SECONDS, 0.1)
        print(f" {images} rows cut {time.monotonic() - began:.1f} s after the reload", file=sys.stderr)
        self.assertEqual(self.writes() - before, images, "only what the cut changes is sent")
        wait_for("checkpoints of the new settings",
                 lambda: not set(prints.items()) & set(self.checkpoints().items()) and len(self.checkpoints()) == len(KINDS), SECONDS)
        self.configure()
        self.agent.reload()
        wait_for("the rows are whole", lambda: self.with_images() == images, SECONDS, 0.1)
        self.assertEqual(self.writes() - before, 2 * images)

    def test_filters_take_rows_away_and_bring_them_back(self):
        rows, before = self.rows(), self.writes()
        spaces = sorted({key[3] for key in rows if key[3]})
        self.assertGreater(len(spaces), 1)
        out = {key for key in rows if key[3] == spaces[0]}
        self.configure(omitNamespaces=[spaces[0]])
        self.agent.reload()
        wait_for("the namespace is gone", lambda: set(self.rows()) == set(rows) - out, SECONDS, 0.1)
        self.assertEqual(self.writes() - before, len(out))
        self.configure()
        self.agent.reload()
        wait_for("the namespace is back", lambda: self.rows() == rows, SECONDS, 0.1)
        self.assertEqual(self.writes() - before, 2 * len(out))


@unittest.skipUnless(importlib.util.find_spec("grpc"), "Python's grpcio is not installed")
class SettingsByStream(Settings):
    """The same towards the model of the plugin."""
    sink = "grpc"

    def start_peer(self, directory):
        peer = Peer(directory / "peer", "--part", 200).start()  # so that each Welcome comes in parts
        self.addCleanup(peer.stop)
        self.addCleanup(lambda: self.assertEqual(peer.violations(), []))
        return peer

    def checkpoints(self):
        return dict(self.query(self.peer.dir / "peer.db", "SELECT resource, fingerprint FROM scopes WHERE checkpoint <> ''"))

    def writes(self):
        stats = self.peer.stats()
        return stats["objects"] + stats["deletes"] + stats["ghosts"]

    def rows(self):
        return self.peer.rows()


if __name__ == "__main__":
    unittest.main()
