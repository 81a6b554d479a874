# SPDX-License-Identifier: Apache-2.0
"""Where things are, and how what is missing is said."""
import os
import pathlib
import shutil
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
CACHE = pathlib.Path(os.environ.get("SA_CACHE") or
                     pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "scale-agent")


class Missing(Exception):
    """Something this test needs can't be had here; the text says what and why."""


def build_dir():
    return pathlib.Path(os.environ.get("SCALE_AGENT_BUILD") or ROOT / "build")


def program(name):
    """A program of the build directory."""
    for path in (build_dir() / name, build_dir() / "ctl" / name):
        if path.exists():
            return path
    raise Missing(f"{name} is not built in {build_dir()} (scripts/test builds it)")


def shell(*command, **kw):
    """Runs a command to its end; its output, or Missing with the last thing it said."""
    kw.setdefault("cwd", ROOT)
    r = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **kw)
    if r.returncode != 0:
        said = (r.stderr.strip() or r.stdout.strip() or "nothing").splitlines()[-1]
        raise Missing(f"{' '.join(str(c) for c in command[:3])}: {said}")
    return r.stdout.strip()


def go(minor):
    """A go program of version 1.MINOR or newer."""
    return shell("bash", "-c", f". scripts/lib/go.sh && sa_go {minor}")


def go_build(package, minor):
    """Builds a Go program of the tree into the cache directory; its path. Go's own build cache makes the
    second time quick."""
    source = ROOT / package
    out = CACHE / "bin" / source.name
    out.parent.mkdir(parents=True, exist_ok=True)
    shell(go(minor), "build", "-mod=readonly", "-o", out, ".", cwd=source,
          env=dict(os.environ, GOFLAGS="-buildvcs=false", GOTOOLCHAIN="local", CGO_ENABLED="0"))
    return out


class Scratch:
    """A directory for the files of one run, kept if SA_KEEP is set. Others may pass through it, since
    the agent's processes run as other users."""

    def __init__(self, name):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix=f"sa-{name}-"))
        self.path.chmod(0o755)

    def close(self):
        if os.environ.get("SA_KEEP"):
            print(f"kept: {self.path}", flush=True)
        else:
            shutil.rmtree(self.path, ignore_errors=True)
