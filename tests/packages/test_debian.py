# SPDX-License-Identifier: Apache-2.0
"""The Debian package in booted Debian 12 and 13."""
import pathlib
import shutil
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import lifecycle  # noqa: E402
from rig.harness import paths  # noqa: E402


class Debian(lifecycle.Lifecycle):
    @classmethod
    def tree(cls):
        return lifecycle.tree_of(cls.system)

    @classmethod
    def packages(cls):
        deb, = lifecycle.packages_of(cls.system, "scale-agent_*.deb")
        cls.deb = deb.name
        return [deb]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # Required on every Debian, but left out of so small a tree; a purge removes the user with it.
        # The tree's lists of packages may be older than what the mirror has.
        cls.machine.run("apt-get -qq update; apt-get -qq install -y --no-install-recommends passwd")
        cls.before = cls.files()

    def install(self):
        self.machine.run(f"apt-get -qq install -y --no-install-recommends /shared/{self.deb}")

    @lifecycle.full_form
    def test_10a_what_the_package_brings_as_its_own_tests(self):
        """By autopkgtest, in this machine itself: its "null" server makes no other one."""
        shutil.copytree(paths.ROOT / "packaging/debian", self.shared / "source/debian")
        self.machine.run("apt-get -qq install -y --no-install-recommends autopkgtest man-db")
        said = self.machine.run("cd /tmp && autopkgtest --no-built-binaries --ignore-restrictions=isolation-machine,breaks-testbed "
                                "/shared/source/ -- null 2>&1", timeout=300)
        for name in ("programs", "service"):
            self.assertRegex(said, rf"(?m)^{name} +PASS$")

    def upgrade(self):
        newer = lifecycle.repack(self.shared / self.deb, "99.0", self.shared / "newer.deb")
        self.machine.run(f"apt-get -qq install -y --no-install-recommends /shared/{newer.name}")
        self.assertEqual(self.machine.run("dpkg-query -W -f '${Version}' scale-agent"), "99.0")

    def remove(self):
        self.machine.run("apt-get -qq remove -y scale-agent")

    def test_60_purge_leaves_nothing(self):
        self.machine.run("apt-get -qq purge -y scale-agent")
        self.assertEqual(self.files(), self.before)


class Bookworm(Debian, unittest.TestCase):
    system = "bookworm"


class Trixie(Debian, unittest.TestCase):
    system = "trixie"


if __name__ == "__main__":
    unittest.main()
