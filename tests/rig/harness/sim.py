# SPDX-License-Identifier: Apache-2.0
"""The simulated API servers (tests/rig/kubesim)."""
import json
import os
import urllib.parse
import urllib.request

from . import paths
from .procs import Process, free_port, free_ports, wait_for


class Sim:
    """N simulated clusters; their accounts are in `accounts`, their kubeconfigs in `kubeconfigs`."""

    def __init__(self, directory, clusters, **options):
        self.dir = paths.pathlib.Path(directory)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.clusters = clusters
        self.control = f"127.0.0.1:{free_port()}"
        self.port = free_ports(clusters)
        self.accounts = self.dir / "accounts.d"
        command = [paths.go_build("tests/rig/kubesim", 19), "-clusters", clusters, "-port", self.port,
                   "-control", self.control, "-write-accounts", self.dir]
        for name, value in options.items():
            command.append(f"-{name.replace('_', '-')}={value}")
        self.process = Process(command, self.dir / "kubesim.log")
        wait_for("kubesim", self._ready, 30)

    def _ready(self):
        self.process.check()
        return b"control" in self.process.log.read_bytes()

    @property
    def pid(self):
        return self.process.pid

    def kubeconfigs(self):
        return sorted((self.dir / "kubeconfigs").glob("*.yml"))

    def names(self):
        return [f.stem for f in self.kubeconfigs()]

    def post(self, path, /, **form):
        """A control request (tests/rig/kubesim/README.md); its answer."""
        data = urllib.parse.urlencode(form).encode()
        with urllib.request.urlopen(f"http://{self.control}{path}", data, timeout=60) as r:
            return json.load(r)

    def stats(self, **form):
        return self.post("/stats", **form)

    def state(self, cluster="all"):
        """{account: {(kind, namespace, name): version}}"""
        answer = self.post("/state", cluster=cluster)
        return {f"sim-{int(n):04d}": {(o["kind"], o["namespace"], o["name"]): o["version"] for o in c["objects"]}
                for n, c in answer.items()}

    def stop(self):
        self.process.stop()


def scaled(full, short, is_short):
    """full, or short in a short run; SA_SCALE makes either smaller or larger."""
    return max(1, int((short if is_short else full) * float(os.environ.get("SA_SCALE", 1))))
