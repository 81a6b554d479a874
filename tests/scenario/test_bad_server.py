# SPDX-License-Identifier: Apache-2.0
"""API servers that send what they should not: each account says what is wrong, none loses anything, and the
one whose server is well does not notice."""
import pathlib
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from fleet import Fleet, rss, wait_for  # noqa: E402
from harness import sanitized  # noqa: E402

MB = 1 << 20
GET = r"GET 127\.0\.0\.1:\d+"
PODS = rf"listing pods: {GET}/api/v1/pods: "
CONNECTING = rf"connecting to the API server: {GET}/version: "
NO_LIST = "the API server sent no valid list or watch: "
CHECK = "; check server( and certificate-authority)? of the kubeconfig, and what is between"
LEFT_OUT = r"pods: an object of 107374\d{4} bytes is left out, limits\.objectSize is 8388608"
WRONG_ADDRESS = "; is server of the kubeconfig a Kubernetes API server\\?"


class Peaks(threading.Thread):
    """The most memory that each worker had at any moment."""

    def __init__(self, fleet):
        super().__init__(daemon=True)
        self.fleet, self.peak, self.ended = fleet, {}, threading.Event()

    def run(self):
        pids = {}
        while not self.ended.wait(0.02):
            if len(pids) < len(self.fleet.sim.names()):
                pids = {a["name"]: a["pid"] for a in self.fleet.agent.status()["accounts"] if a["pid"]}
            for name, pid in pids.items():
                self.peak[name] = max(self.peak.get(name, 0), rss(pid))

    def stop(self):
        self.ended.set()
        self.join()
        return self.peak


class FirstLists(unittest.TestCase):
    """Bad from the first answer on."""

    # What is bad: the account's last error, as a whole.
    CASES = [
        (dict(type="truncate", verb="list", resource="pods", arg=5000),
         rf"listing pods: {NO_LIST}it ends in the middle"),
        (dict(type="abort", verb="list", resource="pods", arg=5000),
         rf"{PODS}the server broke off its answer: .+"),
        (dict(type="garbage", verb="list", resource="pods"), rf"{PODS}{NO_LIST}.+"),
        (dict(type="huge", verb="list", resource="pods"),
         LEFT_OUT),
        (dict(type="500", verb="list", resource="pods"), "listing pods: HTTP 500 made up by the simulator"),
        (dict(type="headers", verb="connect"), rf"{CONNECTING}.*(CONTINUATION|header|HEADER).*"),
        (dict(type="plain", verb="connect"),
         rf"{CONNECTING}.*wrong version number{CHECK}"),
        (dict(type="garbage", verb="connect"),
         rf"{CONNECTING}.+{CHECK}"),
        (dict(type="refuse", verb="connect"), rf"{CONNECTING}.+{CHECK}"),
        (dict(type="truncate", path="/version", arg=10),
         f"connecting to the API server: the answer to GET /version has no gitVersion{WRONG_ADDRESS}"),
        (dict(type="wrong", path="/version", arg=0),
         f"connecting to the API server: the answer to GET /version has no gitVersion{WRONG_ADDRESS}"),
        (dict(type="garbage", path="/api/v1/namespaces/kube-system"),
         f"connecting to the API server: the answer to GET /api/v1/namespaces/kube-system: .+{WRONG_ADDRESS}"),
        (dict(type="401"), rf"{CONNECTING}the API server answers 401: made up by the simulator; "
         "the kubeconfig's credential is not accepted, put a new one there"),
        (dict(type="truncate", path="/apis", arg=500), "discovery: /apis: the discovery document is not JSON"),
        (dict(type="wrong", path="/apis", arg=4), 'discovery: /apis: the discovery document is of kind "", which is none of discovery\'s'),
        (dict(type="403", path="/apis"), "discovery: /apis: the API server answers 403: made up by the simulator"),
    ]

    def test_each_is_named_and_none_harms_another(self):
        with Fleet(1 + len(self.CASES)) as f:
            for name, (fault, _) in zip(f.bad, self.CASES):
                f.sim.post("/fault", cluster=f.cluster(name), **fault)
            peaks = Peaks(f)
            f.start(good_only=True)
            peaks.start()
            pids = {n: a["pid"] for n, a in f.statuses().items()}
            for name, (fault, pattern) in zip(f.bad, self.CASES):
                with self.subTest(**fault):
                    f.says(name, pattern)
                    self.assertIn(f.status(name)["state"], ("connecting", "discovering", "syncing", "degraded")
                                  if fault["type"] != "huge" else ("syncing", "streaming"))
                    wait_for("it is in the log", lambda n=name, p=pattern: f.logged(n, p), 20)
            for _ in range(5):
                f.wait_good()
                time.sleep(0.2)
            for name in f.bad:
                f.change(name)
            f.sim.post("/unfault")
            for name in f.bad[3:4]:  # the list of the huge one alone was a whole one: only another can tell better
                f.sim.post("/compact", cluster=f.cluster(name))
                f.sim.post("/kick", cluster=f.cluster(name))
            f.recovers(self, *f.bad)
            for name, peak in peaks.stop().items():
                self.assertLess(peak, (500 if sanitized("scale-agentd") else 40) * MB, f"memory of {name}'s worker")
            self.assertEqual({n: a["pid"] for n, a in f.statuses().items()}, pids, "no worker was started anew")
            f.check_good(self)


RESOURCES = ("configmaps namespaces pods services daemonsets.apps deployments.apps replicasets.apps statefulsets.apps"
             " cronjobs.batch jobs.batch").split()

# What tests/rig/kubesim/faults.go sends as lists and events of wrong types, one after the other: the end of what
# is said of it.
WRONG_LISTS = [
    "a list is malformed", "a list is malformed", "a list is malformed", "a list is malformed", "a list has no valid metadata",
    "items is no array of objects", "items is no array of objects", "a list has no valid metadata",
    "a list has no valid metadata", "an object has no metadata.name", "an object's metadata.name is not a text",
    "an object has no metadata.name", "a list has no valid metadata", "items is no array of objects",
    "the list is of version 99999999999999999999999999, which can't be",
]
LONG_NAME = "^deployments.apps: an object is left out: an object's metadata.name is too long$"  # the list after those

WRONG_EVENTS = [
    "an event is no object", "an event is no object", "an event of a watch has no type that is known",
    "an event of a watch has no type that is known", "an event of a watch has no object",
    "an event of a watch has no object", "an event of a watch has no type that is known",
    "an object's metadata.name is not a text", "an object's metadata.namespace is not a text",
    "a bookmark: an object's metadata.resourceVersion is not a text", "an event of a watch has no object",
    "the server ended the watch and did not say why", "an object is not valid JSON: byte \\d+: nested too deep",
]
BREAKS = {
    "truncate": rf"watching pods: {NO_LIST}it ends in the middle",
    "garbage": rf"watching pods: {GET}/api/v1/pods: {NO_LIST}.+",
    "huge": LEFT_OUT,
    "abort": rf"watching pods: {GET}/api/v1/pods: the server broke off its answer: .+",
    "500": rf"watching pods: {GET}/api/v1/pods: the server ended the watch: 500 InternalError: made up by the simulator",
}


class WrongTypes(unittest.TestCase):
    """JSON, but not of the types that were asked for: each kind by itself, so that all of them are seen."""

    def hurt(self, f, verb, texts):
        """One wrong text for each of an account's kinds; [(account, resource, text)]."""
        all_cases, per = [], len(RESOURCES)
        first = 1 if verb == "list" else 3
        for i, text in enumerate(texts):
            cluster, resource = first + i // per, RESOURCES[i % per]
            f.sim.post("/fault", cluster=cluster, type="wrong", verb=verb, resource=resource.split(".")[0], arg=i)
            all_cases.append((f.sim.names()[cluster], resource, text))
        return all_cases

    def test_each_is_named_and_its_kind_alone_waits(self):
        with Fleet(5, config={"logging": {"level": "debug"}}) as f:
            lists = self.hurt(f, "list", WRONG_LISTS)
            f.sim.post("/fault", cluster=2, type="wrong", verb="list", resource="deployments", arg=len(WRONG_LISTS))
            f.start(good_only=True)
            f.agent.wait_streaming(f.bad[2:])
            pids = {n: a["pid"] for n, a in f.statuses().items()}
            before = {n: len(f.versions(n)) for n in f.bad[2:]}
            watches = self.hurt(f, "watch", WRONG_EVENTS)
            for name in f.bad[2:]:
                f.sim.post("/kick", cluster=f.cluster(name))
            for doing, cases in (("listing", lists), ("watching", watches)):
                for name, resource, text in cases:
                    with self.subTest(doing=doing, text=text):
                        wait_for(f"{name}: {doing} {resource}: {text}",
                                 lambda p=f"^{doing} {resource}: .*{text}", n=name: f.logged(n, p), 30)
            wait_for("one object that can't be taken is left out alone", lambda: f.logged(f.bad[1], LONG_NAME), 30)
            for name in f.bad:
                self.assertEqual(f.status(name)["state"], "degraded")
                f.change(name, 10)
            f.wait_good()
            for name, count in before.items():
                self.assertGreaterEqual(len(f.versions(name)), count - 12, f"rows of {name} while it is ill")
            f.sim.post("/unfault")
            f.sim.post("/compact", cluster=2)  # the list with the long name was a whole one
            f.sim.post("/kick", cluster=2)
            f.recovers(self, *f.bad)
            self.assertEqual({n: a["pid"] for n, a in f.statuses().items()}, pids, "no worker was started anew")
            f.check_good(self)


class Watches(unittest.TestCase):
    """Bad in the middle of a watch that was good."""

    def test_what_breaks_a_watch_is_named_and_loses_nothing(self):
        with Fleet(1 + len(BREAKS)) as f:
            f.start()
            pids = {n: a["pid"] for n, a in f.statuses().items()}
            before = {n: f.versions(n) for n in f.bad}
            peaks = Peaks(f)
            peaks.start()
            for name, how in zip(f.bad, BREAKS):
                self.assertEqual(f.sim.post("/break", cluster=f.cluster(name), how=how, resource="pods"), 1)
                f.change(name, 10)
            for name, pattern in zip(f.bad, BREAKS.values()):
                f.says(name, pattern)
                self.assertTrue(f.logged(name, pattern))
                self.assertGreaterEqual(len(f.versions(name)), len(before[name]) - 10)
            f.wait_good()
            f.recovers(self, *f.bad)
            for name, peak in peaks.stop().items():
                self.assertLess(peak, (500 if sanitized("scale-agentd") else 40) * MB, f"memory of {name}'s worker")
            self.assertEqual({n: a["pid"] for n, a in f.statuses().items()}, pids, "no worker was started anew")
            f.check_good(self)


class Cut(unittest.TestCase):
    """Connections that end after so many bytes, wherever that is in the answer."""

    OF_CONNECTION = (0, 1, 6, 130, 700, 900, 1100, 1300, 1700, 2600, 5200)

    def test_a_first_connection(self):
        with Fleet(1 + len(self.OF_CONNECTION)) as f:
            for name, n in zip(f.bad, self.OF_CONNECTION):
                f.sim.post("/fault", cluster=f.cluster(name), type="close", verb="connect", arg=n, count=2)
            f.start(good_only=True)
            for name in f.bad:
                f.says(name, r"(connecting to the API server|discovery|listing \S+|watching \S+): .+")
            f.wait_good()
            f.recovers(self, *f.bad)
            f.check_good(self)

    def test_watches_at_many_places_while_objects_change(self):
        with Fleet(2, bookmarks="1s") as f:
            f.start()
            name, = f.bad
            f.sim.post("/rate", cluster=1, rate=50)
            for n in range(0, 3000, 200):
                f.sim.post("/fault", cluster=1, type="close", verb="watch", arg=n, count=1)
            f.sim.post("/kick", cluster=1)

            def all_met():
                return all(x["left"] == 0 for x in f.sim.post("/faults"))
            wait_for("every place was met", all_met)
            f.wait_good()
            f.sim.post("/rate", cluster=1, rate=0)
            f.recovers(self, name)
            self.assertEqual(f.status(name)["restarts"], 0)
            f.check_good(self)


if __name__ == "__main__":
    unittest.main()
