# SPDX-License-Identifier: Apache-2.0
"""Without the SQL cache the plugin stays out, and says why; with a misspelt setting that would leave open who may connect,
Clouddriver does not start."""
import unittest

from rig.harness import paths
from rig.harness.clouddriver import Clouddriver
from rig.harness.mariadb import MariaDb
from rig.harness.mysql import mysql_or
from rig.harness.procs import wait_for


class RefusedStart(unittest.TestCase):
    def setUp(self):
        try:
            scratch = paths.Scratch("refused")
            self.addCleanup(scratch.close)
            self.dir = scratch.path
            self.db = mysql_or(MariaDb, self.dir / "db").start()
            self.addCleanup(self.db.stop)
        except paths.Missing as e:
            self.skipTest(str(e))

    def clouddriver(self, config):
        try:
            made = Clouddriver(self.dir / "clouddriver", self.db, config=config).launch()
        except paths.Missing as e:
            self.skipTest(str(e))
        self.addCleanup(lambda: made.process and made.process.kill())
        return made

    @staticmethod
    def log(clouddriver):
        return clouddriver.process.log.read_text(errors="replace")

    def test_without_the_sql_cache(self):
        c = self.clouddriver({"sql": {"cache": {"enabled": False}, "scheduler": {"enabled": False}}})
        wait_for("the reason", lambda: "The scale-agent plugin does not start: Clouddriver's cache is not in SQL" in self.log(c),
                 400, 0.5)
        self.assertNotIn("Clouddriver's bean", self.log(c))  # nothing is replaced

    def test_a_misspelt_setting_of_the_port(self):
        c = self.clouddriver({"kubesvc": {"cluster": "redis", "grpc": {"server": {"security": {"clientAuht": "REQUIRE"}}}}})
        wait_for("the end of its start", lambda: not c.process.running() or "Application run failed" in self.log(c), 400, 0.5)
        log = self.log(c)
        self.assertIn("kubesvc.grpc.server.security.clientAuht is no setting that is known here; the nearest is"
                      " kubesvc.grpc.server.security.clientAuth", log)
        self.assertIn("kubesvc.cluster has no effect: Clouddrivers find each other in their database", log)
        with self.assertRaises(OSError):
            c.get("/credentials")


if __name__ == "__main__":
    unittest.main()
