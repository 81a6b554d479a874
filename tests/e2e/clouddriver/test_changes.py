# SPDX-License-Identifier: Apache-2.0
"""Hundreds of random changes of every kind that is cached: at the end the agent's rows, relationships, clusters and
applications are those of polling. A run that fails says its seed; SA_SEED runs it again."""
import os
import random
import unittest

import rows
import views
from rig.harness import manifests
from rig.harness.cluster import ApiError
from world import STOCK, STREAMED, World

SPACES = ("east", "west")
APPS = ("shop", "mail", "maps")
NAMES = tuple(f"n{i}" for i in range(6))
MERGE = {"Content-Type": "application/merge-patch+json"}
CHANGES = 300


class Changes(World):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.api = cls.cluster.api()
        cls.addClassCleanup(cls.api.close)
        for space in SPACES:
            cls.api("POST", "/api/v1/namespaces", {"metadata": {"name": space}})
        cls.agent.wait_streaming([STREAMED])

    def setUp(self):
        self.seed = int(os.environ.get("SA_SEED") or random.randrange(10**6))
        self.random = random.Random(self.seed)
        self.done = {}

    def annotations(self):
        app = self.random.choice(APPS + (None,))
        if app is None:
            return {}
        return {"moniker.spinnaker.io/application": app, "moniker.spinnaker.io/cluster": f"c{self.random.randrange(3)}"}

    def manifest(self, kind, space, name):
        o = kind.manifest(space, name, self.random.randrange(1000))
        o["metadata"]["annotations"] = self.annotations()
        if kind.resource in ("services", "networkpolicies"):
            self.select(o)
        return o

    def select(self, o):
        """A Service chooses pods by a label that some have."""
        if o["kind"] == "Service":
            o["spec"]["selector"] = {"app": self.random.choice(NAMES)}

    def create(self, kind, space, name):
        self.api("POST", kind.path(space), self.manifest(kind, space, name))

    def change(self, kind, space, name):
        """Labels, annotations, and what a Service selects: what relationships hang on."""
        patch = {"metadata": {"annotations": {**{k: None for k in ("moniker.spinnaker.io/application", "moniker.spinnaker.io/cluster")},
                                              **self.annotations()},
                              "labels": {"app": self.random.choice(NAMES), "rev": str(self.random.randrange(1000))}}}
        if kind.resource == "services":
            patch["spec"] = {"selector": {"app": self.random.choice(NAMES)}}
        if kind.resource in ("deployments", "replicasets", "statefulsets"):
            patch["spec"] = {"replicas": self.random.randrange(3)}
        self.api("PATCH", kind.path(space, name), patch, MERGE)

    def delete(self, kind, space, name):
        how = self.random.choice(("Background", "Foreground", "Orphan"))
        self.api("DELETE", kind.path(space, name), {"propagationPolicy": how})

    def step(self):
        kind = self.random.choice(manifests.IN_NAMESPACES)
        space, name = self.random.choice(SPACES), self.random.choice(NAMES)
        what = self.random.choice((self.create, self.create, self.change, self.change, self.delete))
        try:
            what(kind, space, name)
        except ApiError as e:
            if e.code in (404, 409):  # not there; there already
                return
            raise
        key = f"{what.__name__} {kind.kind}"
        self.done[key] = self.done.get(key, 0) + 1

    def test_the_end_is_that_of_polling(self):
        while sum(self.done.values()) < CHANGES:
            self.step()
        kinds = {key.split()[1] for key in self.done}
        self.assertEqual(kinds, {k.kind for k in manifests.IN_NAMESPACES}, "a kind was left out")
        found = []

        def equal():
            stock = rows.of(self.db, STOCK)
            found[:] = rows.differences(stock, rows.of(self.db, STREAMED))
            return not found and stock[0]
        try:
            self.wait("equal rows", equal, 120)
        except AssertionError:
            self.fail(f"SA_SEED={self.seed}: " + "\n".join(found))
        self.assertGreater(self.equal_reads(), 1000)
        self.wait("equal answers", lambda: not views.differences(self.clouddriver, STOCK, STREAMED), 60)


if __name__ == "__main__":
    unittest.main()
