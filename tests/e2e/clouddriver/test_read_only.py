# SPDX-License-Identifier: Apache-2.0
"""A database that answers, and can be read alone for a while, as the server is that a fail-over left: what it says is told,
and what changed meanwhile is in the rows afterwards."""
import unittest

from world import STREAMED, World


class ReadOnly(World):
    stock = None

    def services(self):
        if ("cats_v1_service",) not in self.db.sql("SHOW TABLES LIKE 'cats\\_v1\\_service'"):
            return set()
        return {ident.rsplit(":", 1)[1] for (ident,) in self.db.sql(
            f"SELECT id FROM cats_v1_service WHERE agent LIKE '{STREAMED}/%'")}

    def make(self, name):
        api = self.cluster.api()
        api("POST", "/api/v1/namespaces/default/services", {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}]}})
        api.close()

    def test_for_a_while(self):
        self.make("before")
        self.wait("a row", lambda: "before" in self.services(), 60)
        size = self.clouddriver.process.log.stat().st_size
        self.db.sql("SET GLOBAL read_only = ON")
        self.make("meanwhile")

        def said(text):
            return [line for line in self.clouddriver.process.log.read_bytes()[size:].decode(errors="replace").splitlines()
                    if text in line and "read-only" in line]
        self.wait("the reason", lambda: said(f"account {STREAMED}: nothing can be written"), 60)
        self.wait("the lease's reason", lambda: said("the leases of this Clouddriver can't be renewed"), 60)
        self.assertNotIn("meanwhile", self.services())
        self.db.sql("SET GLOBAL read_only = OFF")
        self.wait("the row of what came meanwhile", lambda: "meanwhile" in self.services(), 60)
        self.agent.wait_streaming([STREAMED])


if __name__ == "__main__":
    unittest.main()
