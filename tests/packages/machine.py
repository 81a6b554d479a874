# SPDX-License-Identifier: Apache-2.0
"""A Debian or RPM system that is booted from a directory, with systemd as its process 1. It shares the network of this
machine, so that the real API server of the rig is at the same address; what it writes is gone when it is stopped."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from rig.harness.procs import at_end, done  # noqa: E402

BOOT = pathlib.Path(__file__).with_name("boot.sh")
CLEAN = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "TERM": "dumb", "LC_ALL": "C.UTF-8",
         "DEBIAN_FRONTEND": "noninteractive"}
GROUPS = [pathlib.Path("/sys/fs/cgroup", h) for h in ("", "unified", "systemd", "memory", "pids", "cpu")]


class Failed(Exception):
    """A command in the machine ended with another code than 0."""

    def __init__(self, command, code, said):
        super().__init__(f"{command}: exit {code}\n{said}")
        self.code, self.said = code, said


def parent_and_inner_pid(pid):
    """(its parent, its number in the innermost pid namespace); (0, 0) if there is no such process."""
    try:
        text = pathlib.Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0, 0
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    return int(fields["PPid"]), int(fields["NSpid"].split()[-1])


class Machine:
    def __init__(self, tree, name, shared, log):
        """shared: a directory that the machine sees as /shared, to read."""
        self.name = f"sa-{name}-{os.getpid()}"
        self.log = pathlib.Path(log)
        at_end(self.stop)
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([BOOT, str(tree), self.name, f"--bind-ro={shared}:/shared"],
                                            stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        self.leader = None
        self._boot(60)

    def _boot(self, seconds):
        end = time.monotonic() + seconds
        state = ""
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            self.leader = self.leader or self._find_leader()
            if self.leader:
                state = self.run("systemctl is-system-running", check=False).strip()
                if state in ("running", "degraded"):
                    return
            time.sleep(0.2)
        said = self.log.read_text(errors="replace")[-2000:]
        self.stop()
        raise RuntimeError(f"{self.name} did not boot ({state}): {said}")

    def _find_leader(self):
        """The process that is number 1 inside."""
        below = {self.process.pid}
        for pid in sorted(int(p) for p in os.listdir("/proc") if p.isdigit()):
            parent, inner = parent_and_inner_pid(pid)
            if parent in below:
                if inner == 1:
                    return pid
                below.add(pid)
        return None

    def run(self, command, check=True, timeout=300):
        """What a shell command in the machine prints, as root."""
        r = subprocess.run(["nsenter", "-t", str(self.leader), "-a", "env", "-i", *(f"{k}={v}" for k, v in CLEAN.items()),
                            "sh", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           text=True, timeout=timeout, start_new_session=True)
        if check and r.returncode != 0:
            raise Failed(command, r.returncode, r.stdout)
        return r.stdout

    def code(self, command):
        """The exit code alone."""
        try:
            self.run(command)
        except Failed as e:
            return e.code
        return 0

    def write(self, path, text, mode="0644"):
        subprocess.run(["nsenter", "-t", str(self.leader), "-a", "env", "-i", "PATH=/usr/bin:/bin", "sh", "-c",
                        f"umask 077; cat >{path}.new && chmod {mode} {path}.new && mv {path}.new {path}"],
                       input=text, text=True, check=True, timeout=20)

    def status(self):
        """What scale-agentctl says; None where no daemon answers."""
        said = self.run("scale-agentctl status -o json 2>/dev/null", check=False)
        return json.loads(said) if said.startswith("{") else None

    def account(self, name):
        return next((a for a in (self.status() or {}).get("accounts", []) if a["name"] == name), None)

    def property(self, unit, name):
        return self.run(f"systemctl show --value -p {name} {unit}").strip()

    def processes(self, title):
        """{pid as this machine sees it: its /proc/PID/status as a dictionary} of processes whose title begins so."""
        found = {}
        namespace = os.readlink(f"/proc/{self.leader}/ns/pid")
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                if os.readlink(entry / "ns/pid") != namespace:
                    continue
                if (entry / "cmdline").read_bytes().replace(b"\0", b" ").startswith(title.encode()):
                    lines = (entry / "status").read_text().splitlines()
                    found[int(entry.name)] = {k: v.strip() for k, v in (line.split(":", 1) for line in lines if ":" in line)}
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
        return found

    def stop(self):
        done(self.stop)
        if self.process.poll() is None and self.leader:
            self.run("systemctl poweroff", check=False)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        for group in GROUPS:
            for path in sorted((group / self.name).rglob("*"), reverse=True) if (group / self.name).is_dir() else ():
                if path.is_dir():
                    remove(path)
            remove(group / self.name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def remove(group):
    """A control group that is empty; one that is not there or in use stays as it is."""
    try:
        group.rmdir()
    except OSError:
        pass


if __name__ == "__main__":  # machine.py TREE: whether it can be booted here, and install from its mirror; if not, why
    with tempfile.TemporaryDirectory() as scratch:
        try:
            with Machine(sys.argv[1], "probe", scratch, pathlib.Path(scratch, "log")) as probe:
                probe.run("apt-get -qq -o APT::Update::Error-Mode=any update", timeout=180)
        except (RuntimeError, Failed, subprocess.TimeoutExpired) as e:
            sys.exit(" ".join(str(e).split())[:300])
