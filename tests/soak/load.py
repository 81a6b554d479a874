# SPDX-License-Identifier: Apache-2.0
"""Random creates, changes and deletes in a real cluster."""
import http.client
import random
import threading
import time

from rig.harness import manifests
from rig.harness.cluster import ApiError

MERGE = {"Content-Type": "application/merge-patch+json"}
NAMES = 12  # of each kind in each namespace


class Load:
    """One thread against one cluster, rate operations a second. It goes directly to the API server, which
    may be away at times."""

    def __init__(self, cluster, seed, rate, kinds, namespaces=3):
        self.api = cluster.api()
        self.random = random.Random(seed)
        self.rate = rate
        self.kinds = kinds
        self.namespaces = [f"load-{i}" for i in range(namespaces)]
        self.done = {"create": 0, "change": 0, "delete": 0, "again": 0, "namespace": 0, "crd": 0, "refused": 0, "away": 0}
        self._turn = 0
        self._running = threading.Event()
        self._end = threading.Event()
        self._idle = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def prepare(self):
        """Brings the cluster at once to about as many objects as random operations keep it at."""
        for namespace in self.namespaces:
            self._try("POST", manifests.NAMESPACE.path(), manifests.NAMESPACE.manifest("", namespace))
            for kind in self.kinds:
                for i in range(NAMES):
                    if self.random.random() < 0.55:
                        self._create(kind, namespace, f"{kind.kind.lower()}-{i}", 0)
        return self

    def start(self):
        self._running.set()
        if not self._thread.is_alive():
            self._thread.start()
        return self

    def pause(self):
        """No operation is under way when this returns."""
        self._running.clear()
        self._idle.wait(60)

    def stop(self):
        self._end.set()
        self._running.set()
        if self._thread.is_alive():
            self._thread.join(60)
        self.api.close()

    def _run(self):
        due = time.monotonic()
        while not self._end.is_set():
            if not self._running.is_set():
                self._idle.set()
                self._running.wait()
                self._idle.clear()
                due = time.monotonic()
            self.step()
            due = max(due + 1 / self.rate, time.monotonic() - 1)
            time.sleep(max(0.0, due - time.monotonic()))
        self._idle.set()

    def _try(self, *request, headers=None):
        try:
            self.api(*request, headers=headers)
            return True
        except ApiError:
            self.done["refused"] += 1  # exists already, does not exist, being deleted, ...
        except (OSError, http.client.HTTPException):
            self.done["away"] += 1
            time.sleep(0.2)
        return False

    def step(self):
        self._turn += 1
        n, draw = self._turn, self.random.random()
        if draw < 0.01:
            return self._namespace(n)
        if draw < 0.02:
            return self._definition(n)
        kind = self.random.choice(self.kinds)
        namespace, name = self.random.choice(self.namespaces), f"{kind.kind.lower()}-{self.random.randrange(NAMES)}"
        if draw < 0.35:
            what, done = "create", self._create(kind, namespace, name, n)
        elif draw < 0.75:
            what, done = "change", self._change(kind, namespace, name, n)
        else:
            what, done = "delete", self._try("DELETE", kind.path(namespace, name))
            if done and draw > 0.93 and self._create(kind, namespace, name, n):
                what = "again"  # the same name with another uid
        self.done[what] += done
        return done

    def _create(self, kind, namespace, name, n):
        return self._try("POST", kind.path(namespace), kind.manifest(namespace, name, n))

    def _change(self, kind, namespace, name, n):
        """Relabelled, annotated, or its content changed where that is allowed."""
        patch = {"metadata": {"labels": {"rev": str(n)}, "annotations": {"load": "x" * self.random.randrange(1, 3000)}}}
        if kind.resource in ("deployments", "replicasets", "statefulsets"):
            patch["spec"] = {"replicas": n % 4}
        elif kind.resource == "configmaps":
            patch["data"] = {"value": str(n)}
        elif kind.resource == "secrets":
            patch["stringData"] = {"password": f"hunter{n}"}
        return self._try("PATCH", kind.path(namespace, name), patch, headers=MERGE)

    def _namespace(self, n):
        name = f"extra-{n % 3}"
        if not self._try("POST", manifests.NAMESPACE.path(), manifests.NAMESPACE.manifest("", name)):
            self._try("DELETE", manifests.NAMESPACE.path("", name))
        self.done["namespace"] += 1

    def _definition(self, n):
        """A CRD comes with an object, or goes with all of its objects."""
        plural = f"gadgets{n % 2}"
        kind = manifests.custom(plural)
        if self._try("POST", manifests.CRD.path(), manifests.CRD.manifest("", f"{plural}.example.test")):
            time.sleep(0.3)
            self._create(kind, self.namespaces[0], "one", n)
        else:
            self._try("DELETE", manifests.CRD.path("", f"{plural}.example.test"))
        self.done["crd"] += 1
