# SPDX-License-Identifier: Apache-2.0
"""What Debian's and RPM's own checkers say of the packages: nothing."""
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import lifecycle  # noqa: E402
from rig.harness import paths  # noqa: E402


def run(*command):
    r = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return r.returncode, r.stdout


def need(program):
    if not shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin"):
        raise unittest.SkipTest(f"{program} is not installed")


class Lint(unittest.TestCase):
    def test_lintian(self):
        need("lintian")
        for system in ("bookworm", "trixie"):
            changes, = lifecycle.packages_of(system, "scale-agent_*.changes")
            code, said = run("lintian", "--allow-root", "--profile", "debian", "--fail-on", "error,warning,info", "-I", changes)
            self.assertEqual((code, said), (0, ""), system)

    def test_rpmlint(self):
        need("rpmlint")
        rpm = lifecycle.packages_of("rpm", "scale-agent-[0-9]*-1.x86_64.rpm")[0]
        code, said = run("rpmlint", "-c", paths.ROOT / "packaging/rpm/rpmlint.toml", paths.ROOT / "packaging/rpm/scale-agent.spec", rpm)
        self.assertEqual(code, 0, said)
        self.assertIn(" 0 errors, 0 warnings", said)

    def test_piuparts(self):
        """Installs, removes, purges in a chroot, and looks for what is left."""
        need("piuparts")
        tree = lifecycle.tree_of("bookworm")
        deb, = lifecycle.packages_of("bookworm", "scale-agent_*.deb")
        scratch = paths.Scratch("piuparts")
        self.addCleanup(scratch.close)
        mirror = paths.shell("bash", "-c", ". scripts/lib/common.sh && . scripts/lib/trees.sh && apt_mirror")
        base = scratch.path / "base.tar.gz"
        self.assertEqual(run("tar", "-C", tree, "-czf", base, ".")[0], 0)
        # piuparts runs logrotate by itself, whose notes are not ours.
        code, said = run("piuparts", "-b", base, "-d", "bookworm", "-m", mirror, "--no-eatmydata", "--warn-on-debsums-errors",
                         "-i", "/var/lib/logrotate/status", deb)
        self.assertEqual(code, 0, said[-3000:])


if __name__ == "__main__":
    unittest.main()
