# SPDX-License-Identifier: Apache-2.0
"""scripts/demo from a bare Debian 12: how long until the first change of the cluster is seen to arrive."""
import os
import pathlib
import re
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import lifecycle  # noqa: E402,F401
from rig.harness import paths  # noqa: E402

DEMO = pathlib.Path(__file__).with_name("demo.sh")
ROW = re.compile(r"\d\d:\d\d:\d\d\.\d+ +(added|modified|deleted) ")
ASKED = 180


class Demo(unittest.TestCase):
    def test_first_row_from_a_bare_debian(self):
        scratch = paths.Scratch("demo")
        self.addCleanup(scratch.close)
        begin = first = None
        said = []
        demo = subprocess.Popen(["timeout", "900", DEMO, scratch.path / "work"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True)
        (scratch.path / "work").mkdir()
        steps = []
        for line in demo.stdout:
            now = time.monotonic()
            said.append(line)
            if line.startswith("=== begin"):
                begin = now
            elif line.startswith("==> ") and begin:
                steps.append(f"{now - begin:.0f} s {re.split('[,:;]', line[4:].strip())[0][:24]}")
            elif ROW.match(line) and first is None:
                first = now
        demo.stdout.close()
        code = demo.wait()
        if code == 77:
            self.skipTest("".join(said[-2:]).strip())
        self.assertEqual(code, 0, "".join(said[-40:]))
        self.assertTrue(first, "".join(said[-40:]))
        took = first - begin
        busy = os.getloadavg()[0] / (os.cpu_count() or 1)
        print(f"scripts/demo from a bare Debian 12, the control plane built before: the first row after {took:.0f} s "
              f"({', '.join(steps)}; {busy:.1f} times the work that this machine can do)", flush=True)
        if busy < 1.5:
            self.assertLess(took, ASKED)


if __name__ == "__main__":
    unittest.main()
