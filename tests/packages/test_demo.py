# SPDX-License-Identifier: Apache-2.0
"""scripts/demo from a bare Debian 12, nothing built before: how long until the first row is seen to arrive. It is one of the
simulated cluster; the real one, which takes minutes to build, then joins: of a build that this machine has already."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import lifecycle  # noqa: E402,F401
from rig.harness import paths  # noqa: E402
from rig.harness.cluster import control_plane  # noqa: E402

DEMO = pathlib.Path(__file__).with_name("demo.sh")
ROW = re.compile(r"\d\d:\d\d:\d\d\.\d+ +(?:added|modified|deleted) +(\S+) ")
ASKED = 180


class Demo(unittest.TestCase):
    def test_first_row_from_a_bare_debian(self):
        try:
            built = control_plane()
        except paths.Missing as e:
            self.skipTest(str(e))
        scratch = paths.Scratch("demo")
        self.addCleanup(scratch.close)
        work = scratch.path / "work"
        work.mkdir()
        begin = None
        first = {}  # {account: when its first row was seen}
        said, steps = [], []
        demo = subprocess.Popen(["timeout", "1500", DEMO, work], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True)
        for line in demo.stdout:
            now = time.monotonic()
            said.append(line)
            row = ROW.match(line)
            if line.startswith("=== begin"):
                begin = now
            elif line.startswith("==> ") and begin:
                steps.append(f"{now - begin:.0f} s {re.split('[,:;]', line[4:].strip())[0][:40]}")
                if line.startswith("==> building the agent"):
                    # It has seen that there is none, and will have it built once the simulated cluster was shown.
                    shutil.copy(built, work / "cache")
            elif row:
                first.setdefault(row.group(1), now - begin)
        demo.stdout.close()
        code = demo.wait()
        if code == 77:
            self.skipTest("".join(said[-2:]).strip())
        self.assertEqual(code, 0, "".join(said[-40:]))
        self.assertEqual(set(first), {"simulated", "demo"}, "".join(said[-60:]))
        self.assertIn("cluster=real ", said[-1])
        took = first["simulated"]
        busy = os.getloadavg()[0] / (os.cpu_count() or 1)
        print(f"scripts/demo from a bare Debian 12: the first row after {took:.0f} s ({', '.join(steps)}; "
              f"{busy:.1f} times the work that this machine can do)", flush=True)
        if busy < 1.5:
            self.assertLess(took, ASKED)


if __name__ == "__main__":
    unittest.main()
