# SPDX-License-Identifier: Apache-2.0
"""The other side for tests (tests/rig/peer): a model of the plugin that keeps what it acknowledged."""
import json
import pathlib
import signal

from . import paths
from .procs import Process, free_port, wait_for


class Peer:
    """Keeps its database, port and dump over restarts."""

    def __init__(self, directory, *options):
        self.dir = pathlib.Path(directory)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.address = f"127.0.0.1:{free_port()}"
        self.options = options
        self.process = None

    def start(self, *options):
        """The options hold for this life of it alone."""
        self.process = Process(["/usr/bin/python3", paths.ROOT / "tests/rig/peer/peer.py", "--listen", self.address,
                                "--db", self.dir / "peer.db", "--dump", self.dir / "dump.jsonl",
                                "--stats", self.dir / "stats.json", *self.options, *options],
                               self.dir / "peer.log", "peer")
        wait_for("the peer's port", self._listening, 20)
        return self

    def _listening(self):
        if self.process.popen.poll() == -signal.SIGKILL:
            return True  # by --kill-at, as soon as that
        self.process.check()
        port = int(self.address.rsplit(":", 1)[1])
        lines = pathlib.Path("/proc/net/tcp").read_text() + pathlib.Path("/proc/net/tcp6").read_text()
        return any(f":{port:04X} " in line and " 0A " in line for line in lines.splitlines())

    def running(self):
        return self.process is not None and self.process.running()

    def _after_signal(self, path):
        """The file's text, written anew because it was asked for."""
        path.unlink(missing_ok=True)
        self.process.popen.send_signal(signal.SIGUSR1)
        wait_for(f"the peer's {path.name}", path.exists, 60)
        return path.read_text()

    def rows(self):
        """{(account, group, resource, namespace, name): object} as acknowledged."""
        rows = {}
        for line in self._after_signal(self.dir / "dump.jsonl").splitlines():
            r = json.loads(line)
            o = r["object"]
            rows[(r["account"], r["group"], r["resource"], r["namespace"], r["name"])] = json.loads(o) if isinstance(o, str) else o
        return rows

    def violations(self):
        """What it found wrong with the agent, over all its lives."""
        return [line for line in self.process.log.read_text(errors="replace").splitlines() if line.startswith("violation:")]

    def stats(self):
        """What came over its socket since it started."""
        return json.loads(self._after_signal(self.dir / "stats.json"))

    def stop(self):
        if self.process is not None:
            self.process.stop()
            self.process = None

    def kill(self):
        self.process.kill()
        self.process = None
