# SPDX-License-Identifier: Apache-2.0
"""A real Clouddriver on MariaDB (or the MySQL that MYSQL_TREE names) with the plugin, the real agent and a real API
server; beside the agent's account a stock one over the same cluster, which Clouddriver polls with kubectl."""
import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from rig.harness import paths  # noqa: E402
from rig.harness.agent import Agent, write_account  # noqa: E402
from rig.harness.clouddriver import Clouddriver, cache_reads  # noqa: E402
from rig.harness.cluster import Cluster  # noqa: E402
from rig.harness.mariadb import MariaDb  # noqa: E402
from rig.harness.mysql import mysql_or  # noqa: E402
from rig.harness.procs import wait_for  # noqa: E402,F401

STREAMED = "streamed"
STOCK = "stock"


class World(unittest.TestCase):
    """Made once for a class of tests; what is missing skips them, visibly."""

    clouddriver_config = {}
    stock = STOCK  # the name of Clouddriver's own account; None: it has none
    first = STREAMED  # the agent's account; None: it begins without
    token = None  # what agents have to show, if anything

    kept = None  # ends a world that outlives its module; one at a time is enough for a machine

    @classmethod
    def setUpClass(cls):
        if World.kept:
            World.kept()
        try:
            cls._make()
        except paths.Missing as e:
            raise unittest.SkipTest(str(e)) from None

    @classmethod
    def _make(cls):
        cls.scratch = paths.Scratch("clouddriver")
        cls.addClassCleanup(cls.scratch.close)
        cls.db = mysql_or(MariaDb, cls.scratch.path / "db")
        config = {"sql": {"agent": {"poll": {"intervalSeconds": 3}}}, **cls.clouddriver_config}
        ours = {}
        if cls.token:
            config["kubesvc"] = {"grpc": {"auth": {"token": cls.token}}}
            ours = {"clouddriver": {"allowPlaintextToken": True, "auth": {"token": cls.token}}}
        cls.clouddriver = Clouddriver(cls.scratch.path / "clouddriver", cls.db, config=config)
        cls.cluster = Cluster(cls.scratch.path, "real")
        cls.addClassCleanup(cls.cluster.purge)
        if cls.stock:
            cls.add_stock()
        cls.db.start()
        cls.addClassCleanup(cls.db.stop)
        cls.clouddriver.start()
        cls.addClassCleanup(cls.clouddriver.stop)
        cls.accounts = cls.scratch.path / "accounts.d"
        cls.accounts.mkdir()
        if cls.first:
            write_account(cls.accounts, cls.first, cls.cluster.kubeconfig)
        cls.more_accounts(cls.accounts)
        cls.agent = Agent(cls.scratch.path / "agent", cls.accounts, sink="grpc", peer=cls.clouddriver.grpc, config=ours).start()
        cls.addClassCleanup(cls.agent.close)

    @classmethod
    def more_accounts(cls, directory):
        """For classes that need others beside STREAMED."""

    @classmethod
    def add_stock(cls):
        """Clouddriver's own account, from its configuration."""
        kubectl = cls.scratch.path / "kubectl"
        kubectl.write_text(f'#!/bin/sh\nexec {cls.cluster.binary} kubectl "$@"\n')
        kubectl.chmod(0o755)
        settings = json.loads(cls.clouddriver.config.read_text())
        settings["kubernetes"]["accounts"] = [{
            "name": cls.stock, "kubeconfigFile": str(cls.cluster.kubeconfig), "kubectlExecutable": str(kubectl)}]
        cls.clouddriver.config.write_text(json.dumps(settings, indent=1))

    def number(self, metric):
        """A metric of Clouddriver; 0 if it has none of that name."""
        status, found = self.clouddriver.ask("GET", f"/metrics/{metric}")
        return sum(m["value"] for m in found["measurements"] if m["statistic"] in ("COUNT", "VALUE")) if status == 200 else 0

    def equal_reads(self, seconds=60):
        """Stock's and the agent's account are the same to ProviderCache, whatever its filter."""
        said = []

        def equal():
            compared, said[:] = cache_reads(self.db, STOCK, STREAMED)
            return compared if not said else 0
        try:
            return wait_for("equal reads", equal, seconds)
        except TimeoutError:
            return self.fail("\n".join(said))

    def wait(self, what, check, seconds):
        """wait_for, with what both sides said last if it fails."""
        try:
            return wait_for(what, check, seconds)
        except TimeoutError as e:
            log = self.clouddriver.process.log.read_text(errors="replace").splitlines()
            ours = [line for line in log if "scaleagent" in line or "scale-agent" in line or " ERROR " in line]
            self.fail(f"{e}\nagent: {self.agent.process.tail(10)}\nclouddriver: " + "\n".join(ours[-20:]))
