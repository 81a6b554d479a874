# SPDX-License-Identifier: Apache-2.0
"""What a plugin keeps: accounts with their epochs, scopes, rows, digests, sums and checkpoints. In memory,
and in a database if one is named; a commit makes both the same."""
import os
import signal
import sqlite3
import time

SCHEMA = """
CREATE TABLE IF NOT EXISTS epochs(last INTEGER NOT NULL);
INSERT INTO epochs SELECT 0 WHERE NOT EXISTS(SELECT 1 FROM epochs);
CREATE TABLE IF NOT EXISTS accounts(name TEXT PRIMARY KEY, agent TEXT NOT NULL, cluster TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS scopes(id INTEGER PRIMARY KEY, account TEXT, grp TEXT, resource TEXT, namespace TEXT,
  version TEXT, kind TEXT, namespaced INTEGER, checkpoint TEXT, checkpoint_time REAL, count INTEGER, sum TEXT,
  fingerprint BLOB,  UNIQUE(account, grp, resource, namespace));
CREATE TABLE IF NOT EXISTS rows(scope INTEGER, namespace TEXT, name TEXT, uid TEXT, version TEXT, object BLOB,
  PRIMARY KEY(scope, namespace, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS digests(scope INTEGER, namespace TEXT, name TEXT, digest BLOB,
  PRIMARY KEY(scope, namespace, name)) WITHOUT ROWID;
"""
MODULUS = 1 << 128


class Points:
    """Dies at the count-th passing of a named point ("after-row:3")."""

    def __init__(self, spec):
        name, _, count = (spec or "").partition(":")
        self.name, self.left = name, int(count or 1)

    def __call__(self, name):
        if name == self.name:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


class Row:
    __slots__ = ("digest", "uid", "version", "object")

    def __init__(self, digest, uid, version, body):
        self.digest, self.uid, self.version, self.object = digest, uid, version, body


class Scope:
    def __init__(self, row_id, name, version, kind, namespaced):
        self.id, self.name = row_id, name  # name: (group, resource, namespace)
        self.version, self.kind, self.namespaced = version, kind, namespaced
        self.checkpoint, self.checkpoint_time, self.fingerprint = "", 0.0, b""
        self.rows = {}  # (namespace, name): Row
        self.sum = 0
        self.changed = False

    def sum_bytes(self):
        return self.sum.to_bytes(16, "little")


class Account:
    def __init__(self, name, agent, cluster):
        self.name, self.agent, self.cluster = name, agent, cluster
        self.scopes = {}  # name: Scope
        self.owner = None  # the session's account that holds the present epoch
        self.waiting = []  # those on standby, the first is next


def number(digest):
    return int.from_bytes(digest, "little")


class Store:
    def __init__(self, path, point):
        self.point = point
        self.accounts = {}
        self.dirty = False
        self.last_epoch = 0
        self.db = sqlite3.connect(path or ":memory:", isolation_level=None)
        self.keep = path is not None
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute("PRAGMA synchronous=NORMAL")
        self.db.executescript(SCHEMA)
        self._load()

    def _load(self):
        self.last_epoch = self.db.execute("SELECT last FROM epochs").fetchone()[0]
        for name, agent, cluster in self.db.execute("SELECT name, agent, cluster FROM accounts"):
            self.accounts[name] = Account(name, agent, cluster)
        scopes = {}
        for r in self.db.execute("SELECT id, account, grp, resource, namespace, version, kind, namespaced, checkpoint,"
                                 " checkpoint_time, count, sum, fingerprint FROM scopes"):
            s = Scope(r[0], (r[2], r[3], r[4]), r[5], r[6], bool(r[7]))
            s.checkpoint, s.checkpoint_time, s.sum, s.fingerprint = r[8], r[9], int(r[11]), bytes(r[12])
            scopes[s.id] = (s, r[10])
            self.accounts[r[1]].scopes[s.name] = s
        for r in self.db.execute("SELECT r.scope, r.namespace, r.name, d.digest, r.uid, r.version, r.object FROM rows r"
                                 " LEFT JOIN digests d USING(scope, namespace, name)"):
            scopes[r[0]][0].rows[r[1], r[2]] = Row(bytes(r[3]), r[4], r[5], bytes(r[6]))
        for s, count in scopes.values():
            if len(s.rows) != count or sum(number(r.digest) for r in s.rows.values()) % MODULUS != s.sum:
                raise SystemExit(f"the database is not whole: rows of scope {s.name} are not those of its sum")

    def _begin(self):
        if not self.dirty:
            self.db.execute("BEGIN IMMEDIATE")
            self.dirty = True

    def _sql(self, text, *values):
        self._begin()
        if self.keep:
            return self.db.execute(text, values)
        return None

    def commit(self):
        if not self.dirty:
            return
        for a in self.accounts.values():
            for s in a.scopes.values():
                if s.changed:
                    s.changed = False
                    self._sql("UPDATE scopes SET count=?, sum=? WHERE id=?", len(s.rows), str(s.sum), s.id)
        self.point("before-commit")
        self.db.execute("COMMIT")
        self.point("after-commit")
        self.dirty = False

    def next_epoch(self):
        """Grows for ever; committed at once, since it leaves at once."""
        self._begin()
        self.db.execute("UPDATE epochs SET last=last+1")
        self.last_epoch += 1
        self.commit()
        return self.last_epoch

    def account(self, name, agent, cluster):
        a = self.accounts.get(name)
        if a is None:
            a = self.accounts[name] = Account(name, agent, cluster)
        elif cluster and a.cluster and a.cluster != cluster:
            for s in list(a.scopes.values()):
                self.drop_scope(a, s)
        a.agent, a.cluster = agent, cluster or a.cluster
        self._sql("INSERT OR REPLACE INTO accounts(name, agent, cluster) VALUES(?,?,?)", name, agent, a.cluster)
        return a

    def drop_account(self, a):
        for s in list(a.scopes.values()):
            self.drop_scope(a, s)
        self._sql("DELETE FROM accounts WHERE name=?", a.name)
        del self.accounts[a.name]
        a.owner = None

    def scope(self, a, name, version, kind, namespaced):
        s = a.scopes.get(name)
        if s is None:
            self._begin()
            row_id = self.db.execute(
                "INSERT INTO scopes(account, grp, resource, namespace, version, kind, namespaced, checkpoint, checkpoint_time,"
                " count, sum, fingerprint) VALUES(?,?,?,?,?,?,?,'',0,0,'0',x'')", (a.name, *name, version, kind, namespaced)).lastrowid
            s = a.scopes[name] = Scope(row_id, name, version, kind, namespaced)
        elif (s.version, s.kind, s.namespaced) != (version, kind, namespaced):
            s.version, s.kind, s.namespaced = version, kind, namespaced
            self._sql("UPDATE scopes SET version=?, kind=?, namespaced=? WHERE id=?", version, kind, namespaced, s.id)
        return s

    def drop_scope(self, a, s):
        for table in ("rows", "digests"):
            self._sql(f"DELETE FROM {table} WHERE scope=?", s.id)
        self._begin()
        self.db.execute("DELETE FROM scopes WHERE id=?", (s.id,))
        del a.scopes[s.name]

    def put(self, s, key, row):
        self.point("before-row")
        old = s.rows.get(key)
        if old is not None:
            s.sum = (s.sum - number(old.digest)) % MODULUS
        s.rows[key] = row
        s.sum = (s.sum + number(row.digest)) % MODULUS
        s.changed = True
        self._sql("INSERT OR REPLACE INTO rows VALUES(?,?,?,?,?,?)", s.id, *key, row.uid, row.version, row.object)
        self.point("before-digest")
        self._sql("INSERT OR REPLACE INTO digests VALUES(?,?,?,?)", s.id, *key, row.digest)
        self.point("after-digest")
        self.point("after-row")

    def delete(self, s, key):
        old = s.rows.pop(key, None)
        if old is None:
            return False
        self.point("before-row")
        s.sum = (s.sum - number(old.digest)) % MODULUS
        s.changed = True
        for table in ("rows", "digests"):
            self._sql(f"DELETE FROM {table} WHERE scope=? AND namespace=? AND name=?", s.id, *key)
        self.point("after-row")
        return True

    def checkpoint(self, s, version, fingerprint):
        """Version "" takes back what is stored."""
        self.point("before-checkpoint")
        s.checkpoint, s.checkpoint_time, s.fingerprint = version, time.time(), fingerprint
        self._sql("UPDATE scopes SET checkpoint=?, checkpoint_time=?, fingerprint=? WHERE id=?",
                  version, s.checkpoint_time, fingerprint, s.id)
        self.point("after-checkpoint")
