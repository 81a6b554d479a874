# SPDX-License-Identifier: Apache-2.0
"""A MariaDB of its own, from Debian's package: data, socket and log below a directory, on a free port. The
system's service is not touched."""
import os
import pathlib
import pwd
import shutil
import subprocess

from . import paths
from .procs import Process, free_port, wait_for

SERVER = ("/usr/sbin/mariadbd", "mariadbd")
# Users and rights as Clouddriver's documentation has them.
RIGHTS = """
CREATE DATABASE IF NOT EXISTS {name} DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
CREATE USER IF NOT EXISTS '{name}_service'@'%' IDENTIFIED BY '{password}';
CREATE USER IF NOT EXISTS '{name}_migrate'@'%' IDENTIFIED BY '{password}';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, EXECUTE, SHOW VIEW ON {name}.* TO '{name}_service'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, REFERENCES, INDEX, ALTER, LOCK TABLES, EXECUTE, SHOW VIEW
    ON {name}.* TO '{name}_migrate'@'%';
"""


class MariaDb:
    """Keeps its data and port over restarts."""

    password = "clouddriver-test"
    called = "mariadbd"
    ends_others = "CONNECTION ADMIN"  # the right to end connections of other users

    def __init__(self, directory, name="clouddriver", options=()):
        self.program = self.find()
        self.name = name
        self.options = options
        self.dir = pathlib.Path(directory)
        self.port = free_port()
        self.socket = self.dir / "socket"
        self.process = None

    def find(self):
        """The server, and options that have to come first; Missing if it or its client is not there."""
        server = next((s for s in SERVER if shutil.which(s)), None)
        if server is None or not all(map(shutil.which, ("mariadb-install-db", "mariadb"))):
            raise paths.Missing("MariaDB is not installed (Debian's packages mariadb-server-core, mariadb-client-core)")
        return [server, "--no-defaults"]

    def install(self, *options):
        """The command that makes an empty data directory."""
        return ["mariadb-install-db", "--no-defaults", "--skip-test-db", "--auth-root-authentication-method=normal",
                "--force",  # what looks the host's name up is in the service's package
                *options]

    def start(self):
        user = ["--user=" + pwd.getpwuid(os.geteuid()).pw_name]
        fresh = not (self.dir / "data").exists()
        if fresh:
            self.dir.mkdir(parents=True, exist_ok=True)
            r = subprocess.run(self.install(f"--datadir={self.dir}/data", *user),
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
            if r.returncode != 0:
                raise RuntimeError(f"making {self.dir}/data: {r.stdout}")
        self.process = Process([*self.program, f"--datadir={self.dir}/data", f"--port={self.port}",
                                "--bind-address=127.0.0.1", f"--socket={self.socket}", f"--pid-file={self.dir}/pid",
                                "--max-connections=500", *user, *self.options], self.dir / "log", self.called)
        wait_for(f"{self.called}'s socket", self._answers, 60)
        if fresh:
            self.sql(RIGHTS.format(name=self.name, password=self.password), database=False)
        return self

    def _answers(self):
        self.process.check()
        return self._client("SELECT 1", False).returncode == 0

    def _client(self, text, database):
        return subprocess.run(["mariadb", "--no-defaults", "-uroot", f"--socket={self.socket}", "--batch", "--raw",
                               "--default-character-set=utf8mb4", "--skip-column-names", *([self.name] if database else [])],
                              input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)

    def sql(self, text, database=True):
        """Rows of the last statement as tuples of texts (NULL for what is null)."""
        r = self._client(text, database)
        if r.returncode != 0:
            raise RuntimeError(f"SQL: {r.stderr.strip()}: {text}")
        return [tuple(line.split("\t")) for line in r.stdout.splitlines()]

    @property
    def jdbc(self):
        return f"jdbc:mysql://127.0.0.1:{self.port}/{self.name}?useSSL=false"

    def stop(self):
        if self.process is not None:
            self.process.stop(seconds=30)
            self.process = None

    def kill(self):
        self.process.kill()
        self.process = None
