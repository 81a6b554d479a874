# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL of its own, from Debian's package: as harness/mariadb.py."""
import os
import pathlib
import pwd
import shutil
import signal
import subprocess

from . import paths
from .procs import Process, free_port, wait_for


def binary(name):
    """Debian keeps the server's programs out of PATH."""
    found = shutil.which(name) or max(map(str, pathlib.Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), default=None)
    if found is None:
        raise paths.Missing(f"PostgreSQL's {name} is not installed (Debian's packages postgresql, postgresql-client)")
    return found


class Postgres:
    password = "clouddriver-test"

    def __init__(self, directory, name="clouddriver"):
        self.server, self.initdb, self.psql = binary("postgres"), binary("initdb"), binary("psql")
        self.name = name
        self.dir = pathlib.Path(directory)
        self.port = free_port()
        self.process = None
        # It does not run as root.
        self.user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] if os.geteuid() == 0 else []

    @property
    def pools(self):
        """What Clouddriver's settings have to say of a pool beside address and user."""
        return {"dialect": "POSTGRES"}

    @property
    def jdbc(self):
        return f"jdbc:postgresql://127.0.0.1:{self.port}/{self.name}"

    def start(self):
        fresh = not (self.dir / "data").exists()
        if fresh:
            self.dir.mkdir(parents=True, exist_ok=True)
            if self.user:
                os.chown(self.dir, pwd.getpwnam("postgres").pw_uid, -1)
            paths.shell(*self.user, self.initdb, "-D", self.dir / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8",
                        "--no-sync", cwd="/")
        self.process = Process([*self.user, self.server, "-D", self.dir / "data", "-p", self.port, "-k", self.dir, "-c",
                                "listen_addresses=127.0.0.1", "-c", "max_connections=200"],
                               self.dir.with_suffix(".log"), "postgres")
        wait_for("PostgreSQL", lambda: self._client("SELECT 1", "postgres").returncode == 0, 60)
        if fresh:
            for user in ("service", "migrate"):
                self._client(f"CREATE USER {self.name}_{user} PASSWORD '{self.password}' SUPERUSER", "postgres")
            self._client(f"CREATE DATABASE {self.name}", "postgres")
        return self

    def _client(self, text, database):
        return subprocess.run([self.psql, "-X", "-q", "-A", "-t", "-F", "\t", "-h", "127.0.0.1", "-p", str(self.port), "-U",
                               "postgres", "-d", database, "-c", text], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, timeout=60)

    def sql(self, text):
        """Rows as tuples of texts."""
        r = self._client(text, self.name)
        if r.returncode != 0:
            raise RuntimeError(f"SQL: {r.stderr.strip()}: {text}")
        return [tuple(line.split("\t")) for line in r.stdout.splitlines()]

    def stop(self):
        if self.process is not None:
            self.process.stop(seconds=30, how=signal.SIGINT)  # without waiting for its clients to leave
            self.process = None
