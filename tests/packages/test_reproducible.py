# SPDX-License-Identifier: Apache-2.0
"""Whoever builds the same source in the same Debian gets the same bytes."""
import io
import os
import pathlib
import subprocess
import sys
import tarfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import lifecycle  # noqa: E402
from rig.harness import paths  # noqa: E402

OTHERWISE = pathlib.Path(__file__).with_name("otherwise.sh")


def content(deb):
    """{name in the package: its type, mode, owner and bytes}, for who has to find out what differs."""
    listed = subprocess.run(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(listed)) as tar:
        return {m.name: (m.type, oct(m.mode), m.uid, m.mtime, tar.extractfile(m).read() if m.isreg() else m.linkname) for m in tar}


class Reproducible(unittest.TestCase):
    def test_the_same_bytes_from_another_place_time_and_language(self):
        lifecycle.tree_of("bookworm")
        if not os.environ.get("SA_PACKAGES_BUILT"):
            self.skipTest(f"the packages in {lifecycle.PACKAGES} were there before: they may be of other sources")
        first = lifecycle.packages_of("bookworm", "scale-agent*.deb")
        scratch = paths.Scratch("reproducible")
        self.addCleanup(scratch.close)
        r = subprocess.run([OTHERWISE, scratch.path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900)
        self.assertEqual(r.returncode, 0, r.stdout[-3000:])
        self.assertEqual({p.name for p in scratch.path.glob("*.deb")}, {p.name for p in first})
        self.assertEqual(len(first), 2, "the package and its debug symbols")
        for one in first:
            other = scratch.path / one.name
            if one.read_bytes() == other.read_bytes():
                continue
            a, b = content(one), content(other)
            differ = [n for n in sorted(set(a) | set(b)) if a.get(n) != b.get(n)]
            self.fail(f"{one.name}: differs in {differ or 'its control files'}")
        print(f"bookworm: built twice, {len(first)} packages equal to the byte", flush=True)


if __name__ == "__main__":
    unittest.main()
