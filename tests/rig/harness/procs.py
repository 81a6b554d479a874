# SPDX-License-Identifier: Apache-2.0
"""Processes: their trees, memory and processor time as /proc has them."""
import atexit
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

# What was started and has not been stopped; it ends with this program, however that ends.
_started = set()


def at_end(stop):
    """Calls stop when the program ends, if done() did not name it before."""
    _started.add(stop)


def done(stop):
    _started.discard(stop)


@atexit.register
def _stop_all():
    for stop in list(_started):
        stop()


signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

TICKS = os.sysconf("SC_CLK_TCK")


def wait_for(what, check, seconds, step=0.05):
    """Calls check until it returns something true; that. TimeoutError says what was waited for."""
    end = time.monotonic() + seconds
    while True:
        result = check()
        if result:
            return result
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(step)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def free_ports(n):
    """The first of n free ports in a row, outside the range that connections get theirs from."""
    for base in range(10000 + os.getpid() % 2000, 30000 - n, n + 1):
        if all(_is_free(base + i) for i in range(n)):
            return base
    raise RuntimeError(f"no {n} free ports in a row")


def _is_free(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


def stat(pid):
    """The fields of /proc/PID/stat behind the name; None if the process is gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def alive(pid):
    fields = stat(pid)
    return fields is not None and fields[0] != "Z"


def children(pid):
    """Living children of a process."""
    try:
        text = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(p) for p in text.split() if alive(int(p))]


def title(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def cpu_seconds(pids):
    """User and system time of the processes, all their threads, in seconds."""
    fields = [stat(p) for p in pids]
    return sum(int(f[11]) + int(f[12]) for f in fields if f) / TICKS


def _rollup(pid, name):
    try:
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1])
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0


def pss_kb(pids):
    """Proportional set size of the processes in all: pages that they share count once."""
    return sum(_rollup(p, "Pss") for p in pids)


def anonymous_kb(pids):
    """What belongs to the processes alone and is no file: what grows if something leaks."""
    return sum(_rollup(p, "Anonymous") for p in pids)


def check_sanitizers(log):
    """Fails if a program of a build with sanitizers reported something to its log."""
    lines = pathlib.Path(log).read_text(errors="replace").splitlines() if pathlib.Path(log).exists() else []
    for i, line in enumerate(lines):
        if ": runtime error: " in line or "Sanitizer: " in line:
            raise AssertionError("\n".join(lines[i:i + 40]))


class Process:
    """A program in the background, its output in a file."""

    def __init__(self, command, log, name=None, **kw):
        self.name = name or pathlib.Path(command[0]).name
        self.log = pathlib.Path(log)
        self._file = open(self.log, "ab")
        kw.setdefault("stdin", subprocess.DEVNULL)
        kw.setdefault("stdout", self._file)
        self.popen = subprocess.Popen([str(c) for c in command], stderr=self._file, **kw)
        self.pid = self.popen.pid
        at_end(self.kill)

    def running(self):
        return self.popen.poll() is None

    def check(self):
        if not self.running():
            raise RuntimeError(f"{self.name} ended with {self.popen.returncode}: {self.tail()}")
        return True

    def tail(self, n=5):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-n:])

    def stop(self, seconds=10, how=signal.SIGTERM):
        """Ends it, by SIGKILL where it does not end in time; its exit code."""
        if self.running():
            self.popen.send_signal(how)
            try:
                self.popen.wait(seconds)
            except subprocess.TimeoutExpired:
                self.popen.kill()
        code = self.popen.wait()
        self._file.close()
        done(self.kill)
        check_sanitizers(self.log)
        return code

    def kill(self):
        return self.stop(how=signal.SIGKILL)
