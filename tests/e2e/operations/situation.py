# SPDX-License-Identifier: Apache-2.0
"""What makes the situation of a case: steps by kubectl and by others, done alike in the namespaces of both sides."""
import time

from rig.harness.cluster import ApiError

from table import Mistake, fill, merge
from world import PATCHES, dumps, settled


class Situation:
    """A case's steps in its two namespaces."""

    def __init__(self, world, case, namespaces):
        self.world, self.case, self.namespaces = world, case, namespaces
        self.api = world.api()

    def run(self, steps):
        for step in steps:
            step = dict(step)
            verb = next(iter(step))
            act = getattr(self, f"_{verb}", None)
            if act is None:
                raise Mistake(f"there is no step {verb}")
            act(step.pop(verb), **step)

    def manifest(self, spec, namespace):
        """The object of a table's manifest, with its namespace where its kind has one."""
        o = self.case.manifest(spec, namespace)
        resource = self.world.kinds.of(o)
        if resource and resource.namespaced:
            o.setdefault("metadata", {}).setdefault("namespace", namespace)
        return o

    def path(self, reference, namespace, subresource=""):
        """Of "kind/name"."""
        word, _, name = fill(reference, namespace).partition("/")
        resource = self.world.kinds.named(word)
        if resource is None:
            raise Mistake(f"there is no kind {word}")
        return resource.path(namespace, name, subresource)

    # ---- steps by kubectl ----

    def _kubectl_file(self, spec, *args):
        items = [self.manifest(spec, ns) for ns in self.namespaces]
        if items[0] == items[1]:
            items = items[:1]
        code, _, err = self.world.kubectl(*args, "-f", "-", stdin=dumps({"apiVersion": "v1", "kind": "List", "items": items}))
        if code != 0:
            raise Mistake(f"kubectl {' '.join(args)}: {err.strip()[:600]}")

    def _apply(self, spec):
        self._kubectl_file(spec, "apply")

    def _ssa(self, spec, manager="kubectl", force=False):
        self._kubectl_file(spec, "apply", "--server-side", f"--field-manager={manager}", f"--force-conflicts={str(force).lower()}")

    def _kubectl(self, args):
        for ns in self.namespaces:
            code, _, err = self.world.kubectl("-n", ns, *fill(args, ns))
            if code != 0:
                raise Mistake(f"kubectl {' '.join(args)}: {err.strip()[:600]}")

    # ---- steps by others, who use the API ----

    def _create(self, spec, manager="setup"):
        for ns in self.namespaces:
            o = self.manifest(spec, ns)
            resource = self.world.kinds.of(o)
            if resource is None:
                raise Mistake(f"there is no kind of {o}")
            self.api("POST", resource.path(ns) + f"?fieldManager={manager}", o)

    def _patch(self, reference, type="merge", manager="other", subresource="", body=None, force=False):  # noqa: A002
        query = f"?fieldManager={manager}" + ("&force=true" if force else "")
        for ns in self.namespaces:
            filled = fill(body, ns)
            if type == "apply":
                filled = merge(filled, {"metadata": {"name": fill(reference, ns).partition("/")[2]}})
            self.api("PATCH", self.path(reference, ns, subresource) + query, filled, {"Content-Type": PATCHES[type]})

    def _update(self, reference, manager="other", merge_patch=None):
        for ns in self.namespaces:
            path = self.path(reference, ns)
            self.api("PUT", path + f"?fieldManager={manager}", merge(self.api("GET", path), fill(merge_patch, ns)))

    def _remove(self, reference):
        for ns in self.namespaces:
            self.api("DELETE", self.path(reference, ns), {"propagationPolicy": "Background"})
            self._until(reference, ns, lambda o: o is None)

    # ---- waiting ----

    def _settle(self, reference):
        """Until the controllers are done with it."""
        for ns in self.namespaces:
            self._until(reference, ns, lambda o: o is not None and settled(o))

    def _there(self, reference):
        for ns in self.namespaces:
            self._until(reference, ns, lambda o: o is not None)

    def _has(self, reference, path=None):
        """Until it has this field, a path of names with dots."""
        def check(o):
            for name in path.split("."):
                o = o.get(name) if isinstance(o, dict) else None
            return o
        for ns in self.namespaces:
            self._until(reference, ns, check)

    def _pause(self, seconds):
        time.sleep(seconds)

    def _until(self, reference, ns, check, seconds=20):
        path, end = self.path(reference, ns), time.monotonic() + seconds
        while True:
            try:
                o = self.api("GET", path)
            except ApiError as e:
                if e.code != 404:
                    raise
                o = None
            if check(o):
                return
            if time.monotonic() > end:
                raise Mistake(f"{reference} did not come to what was waited for: {dumps(o)[:400]}")
            time.sleep(0.03)
