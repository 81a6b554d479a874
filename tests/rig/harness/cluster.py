# SPDX-License-Identifier: Apache-2.0
"""A real cluster (tests/rig/kube), and requests to its API server with the administrator's certificate."""
import http.client
import json
import os
import pathlib
import ssl
import subprocess
import urllib.parse

from . import paths
from .procs import at_end, done, free_ports

KUBE = paths.ROOT / "tests" / "rig" / "kube"


class ApiError(Exception):
    def __init__(self, code, status):
        super().__init__(f"{code}: {status.get('message', status) if isinstance(status, dict) else status}")
        self.code = code
        self.status = status


def control_plane():
    """The multi-call binary, built if that is possible here."""
    return pathlib.Path(paths.shell("bash", KUBE / "build.sh"))


def kubectl_program():
    """kubectl alone, as people install it."""
    return pathlib.Path(paths.shell("bash", KUBE / "build.sh", "--kubectl"))


class Api:
    """Requests to an API server over one kept connection. Not for several threads at once."""

    def __init__(self, host, port, context, headers=None):
        self.host, self.port = host, port
        self._context = context
        self._headers = dict(headers or {})
        self._connection = None

    def raw(self, method, path, body=None, headers=None):
        """The response, its body not read yet."""
        all_headers = {**self._headers, **(headers or {})}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            all_headers.setdefault("Content-Type", "application/json")
        for attempt in (1, 2):
            if self._connection is None:
                self._connection = http.client.HTTPSConnection(self.host, self.port, context=self._context, timeout=30)
            try:
                self._connection.request(method, path, data, all_headers)
                return self._connection.getresponse()
            except (OSError, http.client.HTTPException):
                self.close()
                if attempt == 2 or method == "POST":
                    raise
        raise AssertionError("not reached")

    def __call__(self, method, path, body=None, headers=None):
        """The answer's JSON; ApiError where its status is an error."""
        try:
            response = self.raw(method, path, body, headers)
            text = response.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        try:
            value = json.loads(text) if text else None
        except ValueError:
            value = text.decode(errors="replace")
        if response.status >= 400:
            raise ApiError(response.status, value)
        return value

    def close(self):
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Cluster:
    """One control plane of its own, below a directory."""

    def __init__(self, directory, name, server_port=None, minimal=False, api_flags=(), etcd=None):
        """server_port: what the kubeconfig names, where a proxy stands before the API server."""
        self.name = name
        self.dir = pathlib.Path(directory) / name
        self.binary = control_plane()
        self.api_port = free_ports(4)
        self._up = ["bash", str(KUBE / "up.sh"), str(self.dir), "--bin", str(self.binary),
                    "--api-port", str(self.api_port), "--etcd-port", str(self.api_port + 1),
                    "--kubelet-port", str(self.api_port + 3)]
        self._up += ["--etcd", etcd] if etcd else ["--one-process"]
        if minimal:
            self._up.append("--minimal")
        if server_port:
            self._up += ["--server", f"https://127.0.0.1:{server_port}"]
        for flag in api_flags:
            self._up += ["--api-flag", flag]
        self.dir.mkdir(parents=True, exist_ok=True)
        at_end(self.purge)
        self.start()

    @property
    def kubeconfig(self):
        return self.dir / "kubeconfig"

    def start(self):
        r = subprocess.run(self._up, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=180)
        if r.returncode != 0:
            raise RuntimeError(f"cluster {self.name}: {r.stdout}")

    def stop(self, how=None):
        """how: None orderly, --kill, or --purge (its data as well)."""
        if how == "--purge":
            done(self.purge)
        subprocess.run(["bash", str(KUBE / "down.sh"), str(self.dir)] + ([how] if how else []), check=True, timeout=60)

    def purge(self):
        self.stop("--purge")

    def restart(self, how=None):
        self.stop(how)
        self.start()

    def compact(self):
        """Compacts etcd to the present revision; it."""
        return int(paths.shell("bash", KUBE / "compact.sh", self.dir))

    def api(self):
        context = ssl.create_default_context(cafile=str(self.dir / "pki/ca.crt"))
        context.load_cert_chain(self.dir / "pki/admin.crt", self.dir / "pki/admin.key")
        return Api("127.0.0.1", self.api_port, context)

    def kubectl(self, *args, stdin=None):
        """What kubectl prints. It goes directly to the API server, whatever stands before it."""
        r = subprocess.run([str(self.binary), "kubectl", "--kubeconfig", str(self.dir / "kubeconfig.direct"), *args],
                           input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120,
                           env={**os.environ, "HOME": str(self.dir)})
        if r.returncode != 0:
            raise RuntimeError(f"kubectl {' '.join(args)}: {r.stderr.strip()}")
        return r.stdout

    def objects(self, resource):
        """All objects of a resource ("deployments.apps") by (namespace, name), as kubectl prints them."""
        items = json.loads(self.kubectl("get", resource, "-A", "-o", "json"))["items"]
        return {(o["metadata"].get("namespace", ""), o["metadata"]["name"]): o for o in items}


def path_of(group, version, resource, namespace="", name=""):
    """The API's path of a resource or object."""
    path = f"/apis/{group}/{version}" if group else f"/api/{version}"
    if namespace:
        path += f"/namespaces/{namespace}"
    path += f"/{resource}"
    return path + (f"/{urllib.parse.quote(name)}" if name else "")
