# SPDX-License-Identifier: Apache-2.0
"""What the etcd behind a real API server makes of watches: one that is too old to stream lists, and one
that is set back to an earlier day while the agent watches."""
import shutil
import subprocess
import unittest

from rig.harness import manifests, paths
from rig.harness.agent import Agent, write_account
from rig.harness.cluster import Cluster
from rig.harness.procs import wait_for
from rig.harness.scrub import differences

ACCOUNT = "real"
KINDS = (manifests.NAMESPACE, manifests.CONFIG_MAP)
SPACE = "default"


class Etcd(unittest.TestCase):
    def up(self, **options):
        """A cluster with some objects and an agent that streams it."""
        scratch = paths.Scratch("etcd")
        self.addCleanup(scratch.close)
        try:
            self.cluster = Cluster(scratch.path, "real", minimal=True, **options)
        except paths.Missing as e:
            self.skipTest(str(e))
        self.addCleanup(self.cluster.purge)
        self.api = self.cluster.api()
        self.addCleanup(self.api.close)
        for n in range(5):
            self.create(f"first-{n}")
        accounts = scratch.path / "accounts.d"
        # No resuming: a worker that starts has to list.
        write_account(accounts, ACCOUNT, self.cluster.kubeconfig, kinds=[k.kind for k in KINDS], maxResumableResourceAgeMs=0)
        self.agent = Agent(scratch.path / "agent", accounts).start()
        self.addCleanup(self.agent.close)
        self.agent.wait_streaming([ACCOUNT])

    def create(self, name):
        self.api("POST", manifests.CONFIG_MAP.path(SPACE), manifests.CONFIG_MAP.manifest(SPACE, name, 1))

    def delete(self, name):
        self.api("DELETE", manifests.CONFIG_MAP.path(SPACE, name))

    def equal(self, seconds=20):
        left = []

        def check():
            expected = manifests.in_cluster(self.api, KINDS)
            left[:] = differences(expected, {k[1:]: o for k, o in self.agent.rows(ACCOUNT).items()})
            return not left
        try:
            wait_for("the cache to equal the cluster", check, seconds, 0.5)
        except TimeoutError:
            self.fail("\n".join(left) + "\n" + self.agent.process.tail(20))


class TooOldToStreamLists(Etcd):
    def test_lists_are_read_by_pages(self):
        try:
            etcd = paths.shell("bash", paths.ROOT / "tests/rig/kube/debian-etcd.sh")
        except paths.Missing as e:
            self.skipTest(str(e))
        version = subprocess.run([etcd, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()[2]
        if not version.startswith("3.4."):
            self.skipTest(f"Debian's etcd is {version}, with which lists are streamed")
        self.up(etcd=etcd)
        self.equal()
        self.agent.stop()  # a list into an empty cache is read by pages anyway
        self.delete("first-4")
        self.agent.start().wait_streaming([ACCOUNT])
        wait_for("the refusal", lambda: "does not stream lists" in self.agent.process.log.read_text(), 10)
        self.equal()
        self.create("later")
        self.delete("first-0")
        self.equal()
        self.api.close()
        self.cluster.restart("--kill")
        self.create("after")
        self.equal(60)


class SetBack(Etcd):
    def set_back(self, changes):
        """Etcd's data as of before the last `changes` changes."""
        self.api.close()
        self.cluster.stop()
        shutil.copytree(self.cluster.dir / "etcd", self.cluster.dir / "etcd.saved")
        self.cluster.start()
        self.delete("first-1")
        for n in range(changes):
            self.create(f"lost-{n}")
        self.equal(60)
        self.api.close()
        self.cluster.stop("--kill")
        shutil.rmtree(self.cluster.dir / "etcd")
        (self.cluster.dir / "etcd.saved").rename(self.cluster.dir / "etcd")
        self.cluster.start()

    def test_the_cache_goes_back_with_it(self):
        """The versions of the new history are below those that were seen: the watch would be silent. Then they
        overtake them, with nothing missed of what was between; well before the two minutes of silence are over."""
        self.up()
        self.set_back(150)
        self.create("new")
        self.equal(30)
        for n in range(200):
            self.create(f"newer-{n}")
        self.equal(30)


if __name__ == "__main__":
    unittest.main()
