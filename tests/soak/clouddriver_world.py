# SPDX-License-Identifier: Apache-2.0
"""Two Clouddriver replicas on one MariaDB, two agents that both bring the same accounts, each with a balancer of its own
before it, and a real cluster behind them."""
import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e/clouddriver"))
import rows  # noqa: E402
import views  # noqa: E402,F401
from load import Load  # noqa: E402
from rig.harness import manifests  # noqa: E402
from rig.harness.agent import Agent, write_account  # noqa: E402
from rig.harness.clouddriver import Clouddriver  # noqa: E402
from rig.harness.cluster import Cluster  # noqa: E402
from rig.harness.cut import Balancer  # noqa: E402
from rig.harness.mariadb import MariaDb  # noqa: E402
from rig.harness.mysql import mysql_or  # noqa: E402
from rig.harness.procs import wait_for  # noqa: E402
from rig.harness.scrub import differences  # noqa: E402

ACCOUNTS = ("alpha", "beta", "gamma")
STOCK = "stock"  # of Clouddriver's own configuration, over the same cluster
MOVED = "moved"  # goes from there to the agents and back
KINDS = {(k.kind, f"{k.group}/{k.version}" if k.group else k.version): k for k in manifests.DEFAULT}


def without_nulls(value):
    """As Clouddriver stores it."""
    if isinstance(value, dict):
        return {k: without_nulls(v) for k, v in value.items() if v is not None}
    return [without_nulls(v) for v in value] if isinstance(value, list) else value


class Replica(Clouddriver):
    """One that is started again and again."""

    def __init__(self, label, directory, db):
        self.label = label
        self.user = f"{db.name}_{label}"
        pool = {"user": self.user}
        super().__init__(directory / label, db, config={
            "sql": {"connectionPools": {"default": pool, "tasks": pool}, "agent": {"poll": {"intervalSeconds": 3}}},
            "kubesvc": {"cache": {"accountCleanupFrequencySeconds": 600}}})

    def grant(self, db):
        """Its own user of the database, so that one sees there who wrote. Real ones share a user, and so may end each
        other's connections."""
        db.sql(f"CREATE USER '{self.user}'@'%' IDENTIFIED BY '{db.password}';"
               f"GRANT PROCESS, {db.ends_others} ON *.* TO '{self.user}'@'%';"
               "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, EXECUTE, SHOW VIEW"
               f" ON {db.name}.* TO '{self.user}'@'%';")

    def serving(self):
        try:
            return self.running() and self.ready()
        except RuntimeError:
            return False

    def own_accounts(self, accounts):
        """Clouddriver's own accounts, from its next start on."""
        settings = json.loads(self.config.read_text())
        settings["kubernetes"]["accounts"] = accounts
        self.config.write_text(json.dumps(settings, indent=1))


class World:
    def __init__(self, directory, seed, rate):
        self.dir = directory
        self.db = mysql_or(MariaDb, directory / "db")
        self.cluster = Cluster(directory, "real")
        self.load = Load(self.cluster, seed, rate, [k for k in manifests.DEFAULT if k.namespaced]).prepare()
        self.clouddrivers = [Replica(label, directory, self.db) for label in ("a", "b")]
        self.accounts = directory / "accounts.d"
        for name in ACCOUNTS:
            # One of them lists anew each time; the others go on from their checkpoints.
            more = {"maxResumableResourceAgeMs": 0} if name == "beta" else {}
            write_account(self.accounts, name, self.cluster.kubeconfig, **more)
        a, b = (c.grpc_port for c in self.clouddrivers)
        self.balancers = [Balancer((a, b)), Balancer((b, a))]
        self.agents = [
            Agent(directory / f"agent-{n}", self.accounts, sink="grpc", peer=f"127.0.0.1:{balancer.port}",
                  config={"agentId": f"agent-{n}"}) for n, balancer in enumerate(self.balancers)]

    def start(self):
        self.db.start()
        for replica in self.clouddrivers:
            replica.grant(self.db)
            replica.start()  # one after the other: the first makes the tables
        for agent in self.agents:
            agent.start()
        wait_for("all accounts streaming", lambda: self.streaming() >= set(ACCOUNTS), 120)

    def streaming(self):
        """Accounts that one of the agents streams."""
        return {name for agent in self.agents for name, state in agent.states().items() if state in ("streaming", "degraded")}

    def close(self):
        self.load.stop()
        for agent in self.agents:
            agent.close()
        for replica in self.clouddrivers:
            if replica.process is not None:
                if replica.stopped():
                    replica.cont()
                replica.kill()
        for balancer in self.balancers:
            balancer.close()
        self.db.stop()
        self.cluster.purge()

    # ---- who is there ----

    def replica(self, name):
        """The one that has this name in the database: host and port of its REST."""
        return next((c for c in self.clouddrivers if name.endswith(f":{c.port}")), None)

    def names(self):
        """{name in the database: user} of those that were there in the last hour."""
        return {name: self.replica(name).user for (name,) in self.db.sql("SELECT DISTINCT name FROM scale_agent_replica")}

    def agent_runs(self, agent_id):
        agent = self.agents[int(agent_id.split("-")[1])]
        return agent.process is not None and agent.process.running()

    def some_agent_runs(self):
        return any(self.agent_runs(f"agent-{n}") for n in range(len(self.agents)))

    def other(self, replica):
        return self.clouddrivers[1 - self.clouddrivers.index(replica)]

    def agent_of(self, replica):
        """The agent that goes to this Clouddriver first."""
        return self.agents[self.clouddrivers.index(replica)]

    # ---- what is compared ----

    def expected(self):
        api = self.cluster.api()
        try:
            return {key: without_nulls(o) for key, o in manifests.in_cluster(api, manifests.DEFAULT).items()}
        finally:
            api.close()

    def rows(self, account):
        """The objects in the account's rows, by the keys of expected()."""
        found = {}
        for table in rows.tables(self.db).values():
            for (body,) in self.db.sql(f"SELECT body FROM {table} WHERE agent LIKE '{account}/%'"):
                o = json.loads(body)["attributes"].get("manifest")
                if o:
                    o = without_nulls(o)
                    kind = KINDS[(o["kind"], o["apiVersion"])]
                    found[(*kind.key, o["metadata"].get("namespace", ""), o["metadata"]["name"])] = o
        return found

    def converge(self, seconds):
        """Waits until the rows of every account are the cluster's objects; what differs then."""
        end = time.monotonic() + seconds
        while True:
            expected = self.expected()
            left = [f"{account} {line}" for account in ACCOUNTS for line in differences(expected, self.rows(account))]
            if not left or time.monotonic() > end:
                return left
            time.sleep(1)

    def wait_serving(self, *replicas, seconds=400):
        """Until they answer; one that has died, since it was armed to, is started once more."""
        def serving(replica):
            if not replica.running():
                replica.launch()
            return replica.serving()
        for replica in replicas:
            wait_for(f"Clouddriver {replica.label}", lambda: serving(replica), seconds, 0.25)
