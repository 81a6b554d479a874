# SPDX-License-Identifier: Apache-2.0
"""The RPM package in a booted system. There is no userland of EL or Fedora here: it is a Debian with rpm, of the release
that the package was built on, so that its scripts run and its libraries are there."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import lifecycle  # noqa: E402

# What rpm would find out by itself, where the system is rpm's
LIBRARIES = "libcjson1 libcurl4 libmicrohttpd12 libprotobuf-c1 libseccomp2 libsodium23 libsqlite3-0 libssl3 libyaml-0-2 zlib1g"
RPM = "rpm --force-debian --nodeps"


class Rpm(lifecycle.Lifecycle, unittest.TestCase):
    system = "rpm"

    @classmethod
    def tree(cls):
        if 'VERSION_ID="12"' not in pathlib.Path("/etc/os-release").read_text():
            raise unittest.SkipTest("the package was built on this machine, which is no Debian 12 as the tree is")
        return lifecycle.tree_of("bookworm")

    @classmethod
    def packages(cls):
        cls.first, cls.next = (lifecycle.packages_of("rpm", f"scale-agent-[0-9]*-{n}.*[!c].rpm")[0] for n in (1, 2))
        return [cls.first, cls.next]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.machine.run(f"apt-get -qq install -y --no-install-recommends rpm {LIBRARIES}")
        cls.before = cls.files()

    def install(self):
        self.machine.run(f"{RPM} -i /shared/{self.first.name}")
        self.machine.run("systemctl enable --now scale-agent")

    def upgrade(self):
        self.machine.run(f"{RPM} -U /shared/{self.next.name}")
        self.assertEqual(self.machine.run("rpm -q --qf '%{RELEASE}' scale-agent"), "2")
        self.machine.run("! rpm -V --nodeps scale-agent | grep -v ' c '")

    def remove(self):
        self.machine.run(f"{RPM} -e scale-agent")

    def test_60_erase_leaves_what_is_the_administrators(self):
        left = set(self.files()) - set(self.before)
        ours = [f for f in left if f.startswith(("/usr/", "/lib/"))]
        self.assertEqual(ours, [])


if __name__ == "__main__":
    unittest.main()
