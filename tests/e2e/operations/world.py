# SPDX-License-Identifier: Apache-2.0
"""Where cases happen: a control plane with what all cases share (definitions, an account that may do little),
and for each case two namespaces, one for each side."""
import json
import os
import pathlib
import subprocess
import threading
import time

from rig.harness.cluster import ApiError, Cluster, kubectl_program, path_of

from webhook import Webhooks

HERE = pathlib.Path(__file__).resolve().parent
LIMITED = "limited"  # an account that may read configmaps and deployments, no more
PLACED = "placed"  # the administrator, by a kubeconfig whose context names the namespace placed
PATCHES = {"merge": "application/merge-patch+json", "json": "application/json-patch+json",
           "strategic": "application/strategic-merge-patch+json", "apply": "application/apply-patch+yaml"}
QUIET_FLAGS = ("--disable-admission-plugins=ServiceAccount",)  # nobody makes service accounts there


class Resource:
    def __init__(self, group, version, d):
        self.group, self.version = group, version
        self.name, self.kind, self.namespaced = d["name"], d["kind"], d["namespaced"]
        self.words = {w.lower() for w in (d["name"], d.get("singularName", ""), d["kind"], *d.get("shortNames", [])) if w}

    def path(self, namespace, name="", subresource=""):
        path = path_of(self.group, self.version, self.name, namespace if self.namespaced else "", name)
        return path + (f"/{subresource}" if subresource else "")


class Kinds:
    """What the API server has, as its discovery says."""

    def __init__(self, api):
        self._api = api
        self._lock = threading.Lock()
        self._all = []

    def _read(self):
        api, found = self._api(), []
        for version in [("", "v1")] + [(g["name"], v["version"]) for g in api("GET", "/apis")["groups"] for v in g["versions"]]:
            path = f"/apis/{version[0]}/{version[1]}" if version[0] else "/api/v1"
            try:
                found += [Resource(*version, d) for d in api("GET", path)["resources"] if "/" not in d["name"]]
            except ApiError as e:
                if e.code not in (404, 503):
                    raise
        self._all = found

    def _find(self, check):
        with self._lock:
            for attempt in (1, 2):
                for r in self._all:
                    if check(r):
                        return r
                if attempt == 1:
                    self._read()
        return None

    def of(self, manifest):
        """The resource of an object; None if there is no such kind."""
        api, kind = manifest.get("apiVersion", ""), manifest.get("kind")
        return self._find(lambda r: (f"{r.group}/{r.version}" if r.group else r.version) == api and r.kind == kind)

    def named(self, word):
        """By a word as kubectl takes it ("deploy", "widgets.example.test"); None if there is none."""
        word, _, group = word.lower().partition(".")
        return self._find(lambda r: word in r.words and (not group or group in (r.group, f"{r.version}.{r.group}")))


class World:
    """Quiet: only the API server acts; an object stays as it was made. Live: controllers, scheduler and nodes too."""

    def __init__(self, directory, name):
        self.name = name
        self.live = name == "live"
        self.cluster = Cluster(directory, name, minimal=not self.live, api_flags=() if self.live else QUIET_FLAGS)
        self.kubectl_program = kubectl_program()
        self._local = threading.local()
        self._lock = threading.Lock()
        self._count = 0
        self.kinds = Kinds(self.api)
        self.kubeconfigs = {"admin": self.cluster.kubeconfig, LIMITED: self._limited(), PLACED: self._placed()}
        self._prepare()
        self.webhooks = Webhooks(self.cluster, self.api())

    def api(self):
        """Requests as the administrator; a connection for each thread."""
        if not hasattr(self._local, "api"):
            self._local.api = self.cluster.api()
        return self._local.api

    def kubectl(self, *args, stdin=None, account="admin", timeout=60):
        """Exit code, standard output, standard error."""
        r = subprocess.run([str(self.kubectl_program), "--kubeconfig", str(self.kubeconfigs[account]), *args],
                           input=stdin or "", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=timeout,
                           env={**os.environ, "HOME": str(self.cluster.dir), "TZ": "UTC"})
        return r.returncode, r.stdout, r.stderr

    def namespaces(self, labels):
        """Two new ones, their names of one length."""
        with self._lock:
            self._count += 1
            names = [f"ops-{side}-{self._count:04}" for side in "kn"]
        for name in names:
            self.api()("POST", "/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
        for name in names if self.live else ():
            self._until(f"/api/v1/namespaces/{name}/serviceaccounts/default")
        return names

    def close(self):
        self.webhooks.close()
        self.cluster.purge()

    def _until(self, path, seconds=20):
        end = time.monotonic() + seconds
        while True:
            try:
                return self.api()("GET", path)
            except ApiError as e:
                if e.code != 404 or time.monotonic() > end:
                    raise
            time.sleep(0.02)

    def _limited(self):
        """A kubeconfig with a client certificate of its own."""
        pki = self.cluster.dir / "pki"
        script = """set -e; cd "$1"
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$2.key"
printf 'basicConstraints=critical,CA:FALSE\nextendedKeyUsage=clientAuth\n' >"$2.ext"
openssl req -new -key "$2.key" -subj "/CN=$2" |
    openssl x509 -req -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile "$2.ext" -out "$2.crt" """
        subprocess.run(["bash", "-c", script, "bash", str(pki), LIMITED], check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out = self.cluster.dir / f"kubeconfig.{LIMITED}"
        out.write_text(self.cluster.kubeconfig.read_text().replace("admin.crt", f"{LIMITED}.crt").replace("admin.key", f"{LIMITED}.key"))
        return out

    def _placed(self):
        out = self.cluster.dir / f"kubeconfig.{PLACED}"
        text = self.cluster.kubeconfig.read_text()
        placed = text.replace("user: admin}", f"user: admin, namespace: {PLACED}}}")
        if placed == text:
            raise RuntimeError("the cluster's kubeconfig has no context with the user admin")
        out.write_text(placed)
        return out

    def _prepare(self):
        code, _, err = self.kubectl("apply", "--server-side", "-f", str(HERE / "cases" / "world.yml"))
        if code != 0:
            raise RuntimeError(f"what the cases share: {err}")
        code, _, err = self.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        if code != 0:
            raise RuntimeError(f"definitions: {err}")
        if self.live:
            self.wait_for_addresses()
        end = time.monotonic() + 20  # until the schemas of all of them are published
        while time.monotonic() < end:
            if all(self._published(g) for g in ("example.test/v1", "other.test/v1")):
                return
            time.sleep(0.1)
        raise RuntimeError("the definitions' schemas are not published")

    def wait_for_addresses(self):
        """Logs come from a node's address, which may come after it is Ready."""
        end = time.monotonic() + 60
        while not all(n.get("status", {}).get("addresses") for n in self.api()("GET", "/api/v1/nodes")["items"]):
            if time.monotonic() > end:
                raise RuntimeError("a node has no address")
            time.sleep(0.1)

    def _published(self, group):
        try:
            return "paths" in self.api()("GET", f"/openapi/v3/apis/{group}")
        except ApiError:
            return False


def settled(o):
    """The controllers have done all that this object asks for."""
    spec, status = o.get("spec", {}), o.get("status", {})
    if status.get("observedGeneration", 0) < o["metadata"]["generation"]:
        return False
    if o["kind"] == "Deployment":
        if spec.get("paused"):
            return status.get("replicas", 0) == spec["replicas"]
        return status.get("updatedReplicas", 0) == status.get("replicas", 0) == status.get("readyReplicas", 0) == spec["replicas"]
    if o["kind"] == "StatefulSet":
        return status.get("updatedReplicas", 0) == status.get("readyReplicas", 0) == spec["replicas"]
    if o["kind"] == "DaemonSet":
        return status.get("updatedNumberScheduled", 0) == status.get("desiredNumberScheduled", 0) == status.get("numberReady", 0)
    return True


def dumps(value):
    return json.dumps(value, ensure_ascii=False)
