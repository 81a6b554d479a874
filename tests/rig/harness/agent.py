# SPDX-License-Identifier: Apache-2.0
"""The agent under test: one scale-agentd and its processes."""
import collections
import json
import os
import pathlib
import signal
import socket
import sqlite3

from . import paths, procs
from .procs import Process, wait_for


def write_account(directory, name, kubeconfig, **settings):
    """An accounts.d file; settings go in as they are (JSON is YAML)."""
    path = pathlib.Path(directory) / f"{name}.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps({"name": name, "kubeconfigFile": str(kubeconfig), **settings}) + "\n")
    temporary.rename(path)
    return path


def merge(a, b):
    for k, v in b.items():
        if isinstance(v, dict) and isinstance(a.get(k), dict):
            merge(a[k], v)
        else:
            a[k] = v
    return a


class Agent:
    """scale-agentd with a configuration of its own below a directory. sink is "sqlite", "grpc" with the
    peer's address, or "jsonl"."""

    def __init__(self, directory, accounts, sink="sqlite", peer=None, config=None, env=None, daemon=None):
        self.dir = pathlib.Path(directory)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.dir.chmod(0o755)
        self.accounts = pathlib.Path(accounts)
        self.runtime = self.dir / "run"
        self.state = self.dir / "state"
        self.env = env or {}
        self.daemon = daemon
        self.sink = sink
        settings = {
            "sink": sink,
            "server": {"port": 0},
            "restart": {"baseMs": 100, "maxMs": 2000, "intensity": 100000},
            "logging": {"level": os.environ.get("SA_LOG", "info"), "format": "json"},
        }
        if os.geteuid() == 0:
            settings["user"] = "nobody"
        if peer:
            settings["clouddriver"] = {"grpc": peer, "insecure": True, "noProxy": True,
                                       "backoff": {"baseDelay": 100_000_000, "maxDelay": 1_000_000_000}}
        if sink == "jsonl":
            settings["jsonl"] = {"file": str(self.dir / "deltas.jsonl")}
        self.config = self.dir / "scale-agent.yml"
        self.config.write_text(json.dumps(merge(settings, config or {}), indent=2) + "\n")
        self.process = None

    def start(self):
        for d in (self.runtime, self.state):
            d.mkdir(exist_ok=True)
            if os.geteuid() == 0:
                os.chown(d, 65534, 65534)
        command = [self.daemon or paths.program("scale-agentd"), "--config", self.config, "--accounts", self.accounts,
                   "--runtime-dir", self.runtime, "--state-dir", self.state]
        self.process = Process(command, self.dir / "agent.log", env={**os.environ, **self.env})
        return self

    @property
    def pid(self):
        return self.process.pid

    def stop(self):
        """Orderly; the exit code."""
        code = self.process.stop(seconds=15)
        self.process = None
        return code

    def kill(self):
        """SIGKILL to the supervisor; its children die with it."""
        family = self.pids()
        self.process.kill()
        self.process = None
        wait_for("the children's end", lambda: not any(procs.alive(p) for p in family), 10)

    def close(self):
        if self.process is not None:
            self.process.stop(seconds=15)
            self.process = None

    # ---- processes ----

    def pids(self):
        """Supervisor and children."""
        return [self.pid] + procs.children(self.pid)

    def by_role(self):
        """{"supervisor": [pid], "worker": [...], ...} by the processes' titles."""
        roles = {"supervisor": [self.pid]}
        for pid in procs.children(self.pid):
            words = procs.title(pid).split()
            role = words[1] if len(words) > 1 and words[0] == "scale-agent:" else "other"
            roles.setdefault(role, []).append(pid)
        return roles

    def log_size(self):
        log = self.dir / "agent.log"
        return log.stat().st_size if log.exists() else 0

    def ends(self, since=0):
        """How children ended since the log had that size: {reason: times}, by the supervisor's words."""
        reasons = collections.Counter()
        with open(self.dir / "agent.log", "rb") as log:
            log.seek(since)
            for line in log:
                try:
                    record = json.loads(line)
                except ValueError:
                    continue  # something else writes to standard error
                if "reason" in record and "child" in record:
                    # Died in the moment in which it was told something.
                    reasons["signal" if "Broken pipe" in record["msg"] else record["reason"]] += 1
        return reasons

    # ---- what it says of itself ----

    def ask(self, request, timeout=10):
        """A request to the control socket (supervisor/control.h); the answer's JSON lines."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(timeout)
            s.connect(str(self.runtime / "control.sock"))
            s.sendall(request.encode() + b"\n")
            lines = []
            for line in s.makefile("r"):
                if line.startswith("OK"):
                    return lines
                if line.startswith("ERROR"):
                    raise RuntimeError(line.strip())
                lines.append(json.loads(line))
        raise RuntimeError(f"{request}: the answer has no end")

    def status(self):
        return self.ask("status")[0]

    def states(self):
        """{account: state}; {} while it does not answer."""
        try:
            return {a["name"]: a["state"] for a in self.status()["accounts"]}
        except (OSError, RuntimeError, ValueError):
            return {}

    def wait_streaming(self, names, seconds=60):
        """Until every account named is in step and watched."""
        names = list(names)

        def check():
            self.process.check()
            states = self.states()
            return all(states.get(n) in ("streaming", "degraded") for n in names)
        try:
            wait_for("accounts streaming", check, seconds, 0.1)
        except TimeoutError as e:
            states = self.states()
            others = {n: states.get(n) for n in names if states.get(n) != "streaming"}
            raise TimeoutError(f"{e}; {len(names)} accounts, of which {others}; {self.process.tail(10)}") from None

    def reload(self):
        self.process.popen.send_signal(signal.SIGHUP)

    # ---- the embedded cache ----

    def rows(self, account=None):
        """The sqlite sink's objects: {(account, group, resource, namespace, name): object}."""
        db = sqlite3.connect(f"file:{self.state}/cache.db?mode=ro", uri=True, timeout=10)
        try:
            query = ("SELECT a.name, s.grp, s.resource, o.namespace, o.name, o.object FROM objects o"
                     " JOIN scopes s ON o.scope = s.id JOIN accounts a ON s.account = a.id")
            found = db.execute(query + (" WHERE a.name = ?" if account else ""), (account,) if account else ())
            return {row[:5]: json.loads(row[5]) for row in found}
        except sqlite3.OperationalError as e:
            if "no such table" in str(e):
                return {}
            raise
        finally:
            db.close()
