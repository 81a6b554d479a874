# SPDX-License-Identifier: Apache-2.0
"""scripts/package plugin leaves the zip that Clouddriver takes."""
import pathlib
import subprocess
import sys
import unittest
import zipfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from rig.harness import paths  # noqa: E402


class Plugin(unittest.TestCase):
    def test_zip(self):
        scratch = paths.Scratch("plugin")
        self.addCleanup(scratch.close)
        r = subprocess.run([paths.ROOT / "scripts/package", "plugin", "--out", scratch.path], stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, timeout=900)
        if r.returncode != 0 and "Could not transfer artifact" in r.stdout:
            self.skipTest("Maven Central can't be reached")
        self.assertEqual(r.returncode, 0, r.stdout[-3000:])
        found, = scratch.path.glob("scale-agent-plugin-*.zip")
        self.assertIn(f"out={scratch.path}", r.stdout.splitlines()[-1])
        with zipfile.ZipFile(found) as z:
            text = z.read("classes/META-INF/MANIFEST.MF").decode() if "classes/META-INF/MANIFEST.MF" in z.namelist() else z.read("plugin.properties").decode()
        self.assertIn("ScaleAgent.Clouddriver", text)


if __name__ == "__main__":
    unittest.main()
