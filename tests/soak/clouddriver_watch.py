# SPDX-License-Identifier: Apache-2.0
"""What is counted while Clouddrivers are killed: for how long an account had no cacher, by the database and by which
processes are really there; and who wrote what, by triggers in the database."""
import socket
import subprocess
import threading
import time

STEP = 0.1
CLOCK = "(timestampdiff(microsecond, '1970-01-01 00:00:00', utc_timestamp(3)) div 1000)"
KEPT = ("SELECT a.account, a.agent_id, r.name FROM scale_agent_assignment a JOIN scale_agent_replica r ON r.id = a.replica"
        f" WHERE a.kept = 1 AND r.alive_until >= {CLOCK};")


class Session:
    """One connection of the client, kept open: a question costs a millisecond instead of a process."""

    END = "end of the answer"

    def __init__(self, db):
        self._client = subprocess.Popen(
            ["mariadb", "--no-defaults", "-uroot", f"--socket={db.socket}", "--batch", "--raw", "--skip-column-names",
             "--unbuffered", db.name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def ask(self, text):
        """Rows; OSError once the server is gone."""
        try:
            self._client.stdin.write(f"{text}\nSELECT '{self.END}';\n")
            self._client.stdin.flush()
        except ValueError as e:
            raise OSError(e) from None
        rows = []
        for line in self._client.stdout:
            if line.rstrip("\n") == self.END:
                return rows
            rows.append(tuple(line.rstrip("\n").split("\t")))
        self.close()
        raise OSError("the database is gone")

    def close(self):
        self._client.kill()
        self._client.communicate()


class Watch:
    """A thread that looks ten times a second. An account has a cacher if the database says so, and the Clouddriver
    and the agent that it names are running. The time without counts only while it could have one: the database
    is there, some Clouddriver takes connections, some agent runs."""

    def __init__(self, world):
        self.world = world
        self.longest = 0.0
        self.accounts = set()  # that are watched
        self.gaps = []         # (seconds, account, what happened last)
        self.last_fault = ""
        self._cached = {}      # account: when it was last seen with a cacher
        self._able = None      # since when it is possible
        self._open = {}        # account: the gap that goes on
        self._keepers = {}
        self._listening = set()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self._thread.start()
        return self

    def stop(self):
        self._end.set()
        self._thread.join(10)

    def keepers(self):
        """{account: name of its Clouddriver, agent}, as the last look saw them."""
        return dict(self._keepers)

    def _run(self):
        session = None
        while not self._end.is_set():
            began = time.monotonic()
            kept = None
            try:
                session = session or Session(self.world.db)
                kept = self._really(session.ask(KEPT))
            except OSError:
                session = None
            self._look(kept, time.monotonic())
            time.sleep(max(0.01, STEP - (time.monotonic() - began)))
        if session:
            session.close()

    def _really(self, rows):
        there = {}
        for account, agent, name in rows:
            replica = self.world.replica(name)
            if replica and replica.running() and not replica.stopped() and self.world.agent_runs(agent):
                there[account] = (replica.label, agent)
        return there

    def _look(self, kept, now):
        able = kept is not None and self.world.some_agent_runs() and any(map(self._listens, self.world.clouddrivers))
        self._able = (self._able or now) if able else None
        self._keepers = kept or {}
        for account in self.accounts:
            if kept and account in kept:
                self._cached[account] = now
                if account in self._open:
                    self.gaps.append(self._open.pop(account))
            elif able:
                gap = now - max(self._cached.get(account, now), self._able)
                self.longest = max(self.longest, gap)
                self._open[account] = (gap, account, self.last_fault)


    def _listens(self, replica):
        """Asked of each process until it says yes once."""
        if not replica.running() or replica.stopped():
            return False
        if replica.process.pid not in self._listening and listens(replica):
            self._listening.add(replica.process.pid)
        return replica.process.pid in self._listening


def listens(replica):
    """It takes agents' connections."""
    if not replica.running() or replica.stopped():
        return False
    try:
        socket.create_connection(("127.0.0.1", replica.grpc_port), timeout=0.2).close()
        return True
    except OSError:
        return False


TRIGGERS = f"""
CREATE TABLE soak_audit (id BIGINT AUTO_INCREMENT PRIMARY KEY, at BIGINT NOT NULL, account VARCHAR(255) NOT NULL,
    user VARCHAR(255) NOT NULL, connection BIGINT NOT NULL, epoch BIGINT NOT NULL, keeper VARCHAR(255) NOT NULL) ENGINE=InnoDB;
DELIMITER //
CREATE TRIGGER soak_scope AFTER UPDATE ON scale_agent_scope FOR EACH ROW
BEGIN
    DECLARE e BIGINT DEFAULT 0;
    DECLARE k VARCHAR(255) DEFAULT '';
    SELECT a.epoch, r.name INTO e, k FROM scale_agent_assignment a LEFT JOIN scale_agent_replica r ON r.id = a.replica
        WHERE a.account = NEW.account;
    INSERT INTO soak_audit (at, account, user, connection, epoch, keeper)
        VALUES ({CLOCK}, NEW.account, SUBSTRING_INDEX(USER(), '@', 1), CONNECTION_ID(), e, COALESCE(k, ''));
END//
DELIMITER ;
"""


class Audit:
    """Each commit of an account changes a row of scale_agent_scope, in its own transaction, under the account's lock;
    so what a trigger writes down there comes in the order of the commits. Each Clouddriver has its own user."""

    def __init__(self, db):
        self.db = db
        db.sql(TRIGGERS)

    def commits(self):
        return int(self.db.sql("SELECT COUNT(*) FROM soak_audit")[0][0])

    def last(self, user):
        """The number of the last commit of one Clouddriver."""
        return int(self.db.sql(f"SELECT COALESCE(MAX(id), 0) FROM soak_audit WHERE user = '{user}'")[0][0])

    def problems(self, users):
        """users: {name of a Clouddriver in the database: its user}. Commits of one whose account was another's,
        and epochs that went back."""
        found, epochs = [], {}
        for number, account, user, epoch, keeper in self.db.sql(
                "SELECT id, account, user, epoch, keeper FROM soak_audit ORDER BY id"):
            if users.get(keeper) != user:
                found.append(f"commit {number} of {account}, epoch {epoch}: by {user}, while {keeper} had the account")
            if int(epoch) < epochs.get(account, 0):
                found.append(f"commit {number} of {account}: epoch {epoch} after {epochs[account]}")
            epochs[account] = int(epoch)
        return found[:10]
