# SPDX-License-Identifier: Apache-2.0
"""A MySQL 8 of its own, as harness/mariadb.py, from the tree that MYSQL_TREE names: packages of another distribution,
unpacked, with their own C library."""
import os
import pathlib
import shutil

from . import paths
from .mariadb import MariaDb

TREE = "MYSQL_TREE"


def mysql_or(other, directory):
    """MySQL, if MYSQL_TREE names one; else the other database."""
    return (MySql if os.environ.get(TREE) else other)(directory)


class MySql(MariaDb):
    """As MySQL is by itself: with a binary log, TLS by a certificate of its own, and passwords by caching_sha2_password.
    Only the client is MariaDB's."""

    called = "mysqld"
    ends_others = "CONNECTION_ADMIN"
    pools = {"dialect": "MYSQL"}  # jOOQ's default, which MariaDB is the exception to

    def find(self):
        tree = pathlib.Path(os.environ.get(TREE) or "/nowhere")
        loader = next(tree.glob("lib/*/ld-linux-*.so.*"), None)
        if loader is None or not (tree / "usr/sbin/mysqld").exists():
            raise paths.Missing(f"{TREE} names no tree with MySQL (scripts/test --only mysql makes some)")
        if shutil.which("mariadb") is None:
            raise paths.Missing("MariaDB's client is not installed (Debian's package mariadb-client-core)")
        libraries = ":".join(str(tree / d / loader.parent.name) for d in ("lib", "usr/lib"))
        return [loader, "--library-path", libraries, tree / "usr/sbin/mysqld", "--no-defaults",
                f"--lc-messages-dir={tree}/usr/share/mysql", f"--character-sets-dir={tree}/usr/share/mysql/charsets",
                "--secure-file-priv=NULL", "--loose-mysqlx=OFF",
                "--default-time-zone=-03:30"]  # of a server that stands elsewhere

    def install(self, *options):
        return [*self.program, "--initialize-insecure", *options]

    @property
    def jdbc(self):
        return f"jdbc:mysql://127.0.0.1:{self.port}/{self.name}?sslMode=REQUIRED"
