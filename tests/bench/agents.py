# SPDX-License-Identifier: Apache-2.0
"""The agents that are compared, behind one interface: start, how many events so far, which processes."""
import json
import os
import pathlib
import subprocess
import urllib.request

from rig.harness import paths
from rig.harness.agent import Agent
from rig.harness.procs import Process, free_port, wait_for

PEERS = "tests/bench/peers"


def build_client_go():
    return paths.go_build(f"{PEERS}/client-go", 24)


def build_kube_rs():
    """kube-rs needs a newer Rust than Debian 12 has (1.63)."""
    source = paths.ROOT / PEERS / "kube-rs"
    target = paths.CACHE / "kube-rs-target"
    paths.shell("cargo", "build", "--release", "--locked", "--quiet", cwd=source,
                env=dict(os.environ, CARGO_TARGET_DIR=str(target)))
    return target / "release" / "kube-rs-peer"


class Library:
    """An agent of one process made with a client library; it answers a line by its counts."""

    def __init__(self, name, binary):
        self.name = name
        self.binary = binary

    def start(self, directory, sim):
        self.process = Process([self.binary, *sim.kubeconfigs()], pathlib.Path(directory) / f"{self.name}.log", self.name,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def events(self):
        self.process.check()
        self.process.popen.stdin.write(b"\n")
        self.process.popen.stdin.flush()
        return int(self.process.popen.stdout.readline().split()[0])

    def pids(self):
        return [self.process.pid]

    def by_role(self):
        return {self.name: self.pids()}

    def latency(self, reset=False):
        return None

    def opened(self, clusters):
        return None

    def stop(self):
        self.process.popen.stdin.close()
        self.process.stop()


class Ours:
    """scale-agentd with the gRPC sink. Its other side acknowledges and counts; what that costs is not
    counted."""
    name = "scale-agent"

    def __init__(self):
        self.ackpeer = paths.go_build(f"{PEERS}/ackpeer", 24)
        paths.program("scale-agentd")

    def start(self, directory, sim):
        directory = pathlib.Path(directory)
        self.control = f"127.0.0.1:{free_port()}"
        listen = f"127.0.0.1:{free_port()}"
        self.peer = Process([self.ackpeer, "--listen", listen, "--control", self.control], directory / "ackpeer.log")
        wait_for("ackpeer", self._answers, 10)
        self.agent = Agent(directory / "agent", sim.accounts, "grpc", listen).start()

    def _answers(self):
        self.peer.check()
        try:
            return self.stats() is not None
        except OSError:
            return False

    def stats(self, reset=False):
        with urllib.request.urlopen(f"http://{self.control}/{'reset' if reset else 'stats'}", timeout=10) as r:
            return json.load(r)

    def events(self):
        self.agent.process.check()
        return self.stats()["deltas"]

    def pids(self):
        return self.agent.pids()

    def by_role(self):
        return self.agent.by_role()

    def latency(self, reset=False):
        """(p50, p99) in milliseconds of the events since the last reset, from the change in the cluster to
        the message at the other side."""
        s = self.stats(reset)
        return s["p50_us"] / 1000, s["p99_us"] / 1000

    def opened(self, clusters):
        return self.stats()["opened"] >= clusters

    def stop(self):
        self.agent.close()
        self.peer.stop()
