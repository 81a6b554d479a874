# SPDX-License-Identifier: Apache-2.0
"""The simulated API server answers as the real one does: the same requests to both, and their shapes
compared. What is learnt with the simulator then holds for a cluster."""
import base64
import http.client
import json
import ssl
import unittest

from rig.harness import paths
from rig.harness.cluster import Api, ApiError, Cluster
from rig.harness.sim import Sim

METADATA_LIST = {"Accept": "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"}
METADATA = {"Accept": "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"}
AGGREGATED = {"Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"}
WATCH_LIST = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1"


def shape(value, depth=3):
    """The types of a JSON value and of its members, to a depth; of a list, its first element's."""
    if isinstance(value, dict):
        return {k: shape(v, depth - 1) for k, v in value.items()} if depth else dict
    if isinstance(value, list):
        return [shape(value[0], depth)] if value and depth else list
    return type(value)


def only(value, *names):
    """Just these members of a shape: the rest differs with the content."""
    return {n: value.get(n) for n in names}


class Both(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        try:
            cls.scratch = paths.Scratch("simulator")
            cls.cluster = Cluster(cls.scratch.path, "real", minimal=True)
        except paths.Missing as e:
            cls.scratch.close()
            raise unittest.SkipTest(str(e)) from None
        cls.addClassCleanup(cls.scratch.close)
        cls.addClassCleanup(cls.cluster.purge)
        cls.sim = Sim(cls.scratch.path / "sim", 1)
        cls.addClassCleanup(cls.sim.stop)
        context = ssl.create_default_context(cadata=cls.ca())
        cls.apis = {"real": cls.cluster.api(),
                    "simulated": Api("127.0.0.1", cls.sim.port, context, {"Authorization": "Bearer sim-token-000000"})}
        for api in cls.apis.values():
            cls.addClassCleanup(api.close)

    @classmethod
    def ca(cls):
        text = cls.sim.kubeconfigs()[0].read_text()
        return base64.b64decode(text.split("certificate-authority-data: ")[1].split("}")[0]).decode()

    def ask(self, path, headers=None):
        """{which: (status, headers, JSON)} of one request to both."""
        answers = {}
        for which, api in self.apis.items():
            try:
                response = api.raw("GET", path, headers=headers)
                answers[which] = (response.status, response.headers, json.loads(response.read()))
            except (OSError, ValueError, http.client.HTTPException) as e:
                self.fail(f"{which} {path}: {e}")
        self.assertEqual(answers["real"][0], answers["simulated"][0], path)
        return answers

    def watch(self, query):
        """{which: events} of a short watch of both."""
        answers = {}
        for which, api in self.apis.items():
            response = api.raw("GET", f"/api/v1/namespaces?{query}")
            answers[which] = [json.loads(line) for line in response.read().splitlines()]
        return answers

    def assertSameShape(self, path, pick=lambda v: v, headers=None, depth=3):
        a = self.ask(path, headers)
        self.assertEqual(*(shape(pick(a[which][2]), depth) for which in ("real", "simulated")), path)
        return a

    def assertSameStatus(self, path):
        """The same error: its code, reason, and which members it has."""
        a = self.ask(path)
        picked = [only(a[w][2], "kind", "apiVersion", "status", "reason", "code") for w in ("real", "simulated")]
        self.assertEqual(*picked, path)
        self.assertEqual(picked[0]["kind"], "Status")
        return a

    def test_discovery_aggregated(self):
        for path in ("/api", "/apis"):
            def resource(v):
                group = next(g for g in v["items"] if g["metadata"].get("name", "") in ("", "apps"))
                return {**only(v, "kind", "apiVersion", "metadata"), "group": only(group, "metadata"),
                        "version": only(group["versions"][0], "version", "freshness"),
                        "resource": only(next(r for r in group["versions"][0]["resources"] if r["resource"] in ("pods", "deployments")),
                                         "resource", "responseKind", "scope", "singularResource", "verbs", "shortNames")}
            a = self.assertSameShape(path, resource, AGGREGATED)
            self.assertEqual(*(resource(a[w][2])["resource"]["responseKind"] for w in a))
            self.assertEqual(a["real"][1]["Content-Type"], a["simulated"][1]["Content-Type"])

    def test_discovery_of_old(self):
        self.assertSameShape("/api")
        self.assertSameShape("/apis", lambda v: {**v, "groups": [g for g in v["groups"] if g["name"] == "apps"]}, depth=4)
        for path, name in (("/api/v1", "pods"), ("/apis/apps/v1", "deployments")):
            def pick(v, name=name):
                r = next(r for r in v["resources"] if r["name"] == name)
                return {**v, "resources": [only(r, "name", "singularName", "namespaced", "kind", "verbs", "shortNames", "storageVersionHash")]}
            a = self.ask(path)
            real, simulated = (pick(a[w][2]) for w in ("real", "simulated"))
            real.setdefault("apiVersion", "v1")  # the real one leaves it out for the core group
            self.assertEqual(shape(real), shape(simulated), path)

    def test_version_and_kube_system(self):
        a = self.ask("/version")
        for member in ("major", "minor", "gitVersion"):
            self.assertEqual(*(type(a[w][2].get(member)) for w in a), member)
        self.assertSameShape("/api/v1/namespaces/kube-system", lambda v: only(v, "kind", "apiVersion"))

    def test_list(self):
        a = self.assertSameShape("/api/v1/namespaces?limit=1",
                                 lambda v: {**only(v, "kind", "apiVersion", "metadata"), "item": sorted(v["items"][0])[0:1]})
        for which in a:
            item = a[which][2]["items"][0]
            self.assertNotIn("kind", item, which)
            self.assertNotIn("apiVersion", item, which)
            self.assertLessEqual({"name", "uid", "resourceVersion", "creationTimestamp", "managedFields"}, set(item["metadata"]))

    def test_last_page_has_no_token(self):
        for which, api in self.apis.items():
            names, token, versions = [], "", set()
            while True:
                v = api("GET", f"/api/v1/namespaces?limit=3&continue={token}")
                names += [o["metadata"]["name"] for o in v["items"]]
                versions.add(v["metadata"]["resourceVersion"])
                token = v["metadata"].get("continue", "")
                if not token:
                    self.assertNotIn("remainingItemCount", v["metadata"])
                    break
            self.assertEqual(names, sorted(set(names)), which)
            self.assertEqual(len(versions), 1, which)

    def test_limit_is_ignored_at_version_0(self):
        for which, api in self.apis.items():
            self.assertGreater(len(api("GET", "/api/v1/namespaces?limit=1&resourceVersion=0")["items"]), 1, which)

    def test_metadata_only(self):
        def pick(v):
            return {**only(v, "kind", "apiVersion"), "item": only(v["items"][0], "kind", "apiVersion", "spec")}
        a = self.ask("/api/v1/namespaces?limit=1", METADATA_LIST)
        self.assertEqual(*(pick(a[w][2]) for w in a))
        a = self.ask("/api/v1/namespaces/kube-system", METADATA)
        self.assertEqual(*(only(a[w][2], "kind", "apiVersion", "spec") for w in a))

    def test_errors(self):
        for path in ("/api/v1/namespaces/nope", "/api/v1/nopes", "/apis/apps/v1/nopes", "/api/v1/pods?continue=abc",
                     "/api/v1/pods?limit=x", "/api/v1/namespaces?fieldSelector=metadata.namespace!%3Da",
                     "/api/v1/pods?watch=1&sendInitialEvents=true"):
            self.assertSameStatus(path)
        a = self.assertSameStatus("/api/v1/pods?resourceVersion=99999999")
        for which in a:
            self.assertEqual(a[which][2]["details"]["causes"][0]["reason"], "ResourceVersionTooLarge", which)
        a = self.assertSameStatus("/api/v1/pods?watch=1&resourceVersion=abc")
        self.assertEqual(a["real"][0], 500)

    def test_group_that_nobody_serves(self):
        for which, api in self.apis.items():
            for path in ("/apis/nope/v1/nopes", "/apis/nope/v1", "/nope"):
                response = api.raw("GET", path)
                self.assertEqual((response.status, response.read()), (404, b"404 page not found\n"), (which, path))

    def test_wrong_token(self):
        for which, api in self.apis.items():
            other = Api(api.host, api.port, ssl._create_unverified_context(), {"Authorization": "Bearer nonsense"})
            self.addCleanup(other.close)
            with self.assertRaises(ApiError) as caught:
                other("GET", "/api/v1/pods")
            self.assertEqual((caught.exception.code, caught.exception.status["reason"]), (401, "Unauthorized"), which)

    def test_watch_from_now(self):
        events = self.watch("watch=1&allowWatchBookmarks=true&timeoutSeconds=1")
        for which, all_events in events.items():
            self.assertEqual({e["type"] for e in all_events} - {"BOOKMARK"}, {"ADDED"}, which)
            o = all_events[0]["object"]
            self.assertEqual((o["kind"], o["apiVersion"]), ("Namespace", "v1"), which)

    def test_watch_list(self):
        for which, all_events in self.watch(WATCH_LIST).items():
            ends = [e for e in all_events if e["object"]["metadata"].get("annotations", {}).get("k8s.io/initial-events-end") == "true"]
            self.assertEqual([e["type"] for e in ends], ["BOOKMARK"], which)
            self.assertEqual((ends[0]["object"]["kind"], ends[0]["object"]["apiVersion"]), ("Namespace", "v1"), which)
            self.assertTrue(ends[0]["object"]["metadata"]["resourceVersion"], which)

    def test_watch_of_the_future_is_silent(self):
        for which, all_events in self.watch("watch=1&resourceVersion=9999999&timeoutSeconds=1").items():
            self.assertEqual(all_events, [], which)

    def test_expired_watch_and_page(self):
        """After compaction: of etcd and, since it has a cache before it, a restart; in the simulator of itself."""
        pages = {w: api("GET", "/api/v1/namespaces?limit=1")["metadata"]["continue"] for w, api in self.apis.items()}
        old = {w: api("GET", "/api/v1/namespaces?limit=1")["metadata"]["resourceVersion"] for w, api in self.apis.items()}
        real = self.apis["real"]
        for i in range(3):
            real("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"later-{i}"}})
        self.sim.post("/change", resource="namespaces", namespace="", name="team-01")
        self.cluster.compact()
        self.cluster.restart()
        self.sim.post("/compact")
        for which, api in self.apis.items():
            lines = api.raw("GET", f"/api/v1/namespaces?watch=1&timeoutSeconds=2&resourceVersion={old[which]}").read().splitlines()
            event = json.loads(lines[0])
            self.assertEqual((event["type"], event["object"]["code"], event["object"]["reason"]), ("ERROR", 410, "Expired"), which)
            with self.assertRaises(ApiError) as caught:
                api("GET", f"/api/v1/namespaces?limit=1&continue={pages[which]}")
            status = caught.exception.status
            self.assertEqual((status["code"], status["reason"]), (410, "Expired"), which)
            self.assertTrue(status["metadata"]["continue"], which)


if __name__ == "__main__":
    unittest.main()
