# SPDX-License-Identifier: Apache-2.0
"""A daemon in a directory of its own, and how to ask it things.

Programs are taken from the build directory that SCALE_AGENT_BUILD names. The daemon runs as whoever
runs the tests: as root its children change their uid, else all stay.
"""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from rig.harness.procs import check_sanitizers  # noqa: E402

BUILD = pathlib.Path(os.environ.get("SCALE_AGENT_BUILD", "build"))


def program(name):
    """Path of a built program, wherever the build put it."""
    for place in (BUILD, BUILD / "tests" / "unit", BUILD / "unit"):
        if (place / name).is_file():
            return str(place / name)
    raise FileNotFoundError(f"{name} is not in {BUILD}; set SCALE_AGENT_BUILD")


def sanitized(name="scale-agentd-testchild"):
    """Was it built with AddressSanitizer? Memory then grows by its quarantine, and stderr stays open."""
    return b"__asan_init" in pathlib.Path(program(name)).read_bytes()


def eventually(what, seconds=10.0, every=0.05):
    """Calls what() until it answers something true, and returns that; fails after so many seconds."""
    end = time.monotonic() + seconds
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"did not happen within {seconds} s: {what.__name__}")
        time.sleep(every)


def alive(pid):
    """Is there such a process, other than as a zombie?"""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rsplit(")", 1)[1].split()[0] not in "ZX"


def children(pid):
    """(pid, state) of each child of pid, zombies included."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == pid:
            found.append((int(entry.name), fields[0]))
    return found


class Refused(Exception):
    """The daemon answered ERROR CODE MESSAGE."""

    def __init__(self, line, values):
        self.code, _, self.text = line.partition(" ")
        self.values = values
        super().__init__(line)


class Daemon:
    """scale-agentd-testchild with a configuration of its own; use as a context manager."""

    settings = {
        "restart": {"baseMs": 50, "maxMs": 200, "healthySeconds": 60, "intensity": 1000,
                    "periodSeconds": 60, "failedRetrySeconds": 60},
        "heartbeatTimeoutSeconds": 2,
        "rescanSeconds": 60,
        "server": {"port": 0},
    }

    def __init__(self, accounts=(), settings=None, env=None, binary="scale-agentd-testchild"):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="scale-agent-test-"))
        self.dir.chmod(0o755)
        self.etc = self.dir / "etc"
        self.accounts_dir = self.etc / "accounts.d"
        self.accounts_dir.mkdir(parents=True)
        self.run, self.state = self.dir / "run", self.dir / "state"
        self.main = self.etc / "scale-agent.yml"
        self.write_settings(dict(self.settings, **(settings or {})))
        for name in accounts:
            self.write_account(name)
        self.env = dict(os.environ, **(env or {}))
        self.binary = binary
        self.process = None
        self.log_path = self.dir / "log"

    # Configuration. JSON is YAML.
    def write_settings(self, settings):
        self.main.write_text(json.dumps(settings) + "\n")

    def kubeconfig(self, name):
        return self.dir / "kube" / name

    def account_text(self, name, **keys):
        path = self.kubeconfig(name)
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"# kubeconfig of {name}\n")
        return json.dumps(dict({"name": name, "kubeconfigFile": str(path)}, **keys)) + "\n"

    def write_account(self, name, **keys):
        (self.accounts_dir / f"{name}.yml").write_text(self.account_text(name, **keys))

    # Life
    def start(self, wait=True):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [program(self.binary), "--config", str(self.main),
                 "--accounts", str(self.accounts_dir), "--runtime-dir", str(self.run),
                 "--state-dir", str(self.state)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env)
        if wait:
            eventually(self.answers, 15)
        return self

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the daemon ended with {self.process.returncode}:\n{self.log()}")
        try:
            self.ask("ping")
            return True
        except OSError:
            return False

    def stop(self, seconds=6):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc):
        self.discard()

    def discard(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        try:
            check_sanitizers(self.log_path)
        finally:
            shutil.rmtree(self.dir, ignore_errors=True)

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    # Questions
    @property
    def pid(self):
        return self.process.pid

    def connect(self):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(20)
        try:
            s.connect(str(self.run / "control.sock"))
        except OSError:
            s.close()
            raise
        return s

    def ask(self, request):
        """The JSON values of the answer; raises Refused."""
        with self.connect() as s, s.makefile("rw", encoding="utf-8", newline="\n") as f:
            f.write(request + "\n")
            f.flush()
            values = []
            for line in f:
                line = line.rstrip("\n")
                if line == "OK":
                    return values
                if line.startswith("ERROR "):
                    raise Refused(line[6:], values)
                values.append(json.loads(line))
        raise OSError("the answer was cut")

    def status(self):
        return self.ask("status")[0]

    def account(self, name):
        return next((a for a in self.status()["accounts"] if a["name"] == name), None)

    def account_in(self, name, state, seconds=10):
        """Waits until the account is in a state; returns its status."""
        def is_there():
            a = self.account(name)
            return a if a and a["state"] == state else None
        return eventually(is_there, seconds)

    def running(self, *names, seconds=10):
        """Waits until each account streams; returns their pids."""
        return [self.account_in(n, "streaming", seconds)["pid"] for n in names]

    def uplink_log(self):
        path = self.state / "uplink.log"
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def zombies(self):
        return [c for c, state in children(self.pid) if state == "Z"]
