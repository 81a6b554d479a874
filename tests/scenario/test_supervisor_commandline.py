# SPDX-License-Identifier: Apache-2.0
"""scale-agentd's options that do not run it."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import program  # noqa: E402


class CommandLine(unittest.TestCase):
    def run_it(self, *args):
        return subprocess.run([program("scale-agentd-testchild"), *args], capture_output=True,
                              text=True, timeout=20, stdin=subprocess.DEVNULL, check=False)

    def setUp(self):
        temp = tempfile.TemporaryDirectory()
        self.addCleanup(temp.cleanup)
        self.dir = pathlib.Path(temp.name)
        self.main = self.dir / "main.yml"
        self.accounts = self.dir / "accounts"
        self.accounts.mkdir()

    def test_help_and_version(self):
        r = self.run_it("--help")
        self.assertEqual(r.returncode, 0)
        self.assertIn("Examples", r.stdout)
        self.assertRegex(self.run_it("--version").stdout, r"^scale-agentd \d+\.\d+\.\d+\n$")

    def test_wrong_options(self):
        for args in (["--bogus"], ["extra"], ["--log-level", "loud"], ["--config"]):
            r = self.run_it(*args)
            self.assertEqual(r.returncode, 2, args)
            self.assertIn("scale-agentd", r.stderr)

    def test_check_prints_every_problem_of_every_file(self):
        self.main.write_text("sinc: grpc\nagentId: [x]\n")
        (self.accounts / "a.yml").write_text("name: a\nkinds: pod\nnmespaces: [x]\n")
        (self.accounts / "b.yml").write_text("name: b\n  x: [\n")
        r = self.run_it("--check", "-c", str(self.main), "--accounts", str(self.accounts))
        self.assertEqual(r.returncode, 1)
        for place in (f"{self.main}:1:", f"{self.main}:2:", f"{self.accounts}/a.yml:3:",
                      f"{self.accounts}/b.yml:2:"):
            self.assertIn(place, r.stdout)

    def test_check_of_what_is_right(self):
        self.main.write_text("agentId: me\n")
        (self.accounts / "a.yml").write_text("name: a\nserviceAccount: true\n")
        r = self.run_it("--check", "-c", str(self.main), "--accounts", str(self.accounts))
        self.assertEqual((r.returncode, r.stdout), (0, "The configuration is valid; 1 accounts.\n"))

    def test_a_named_file_must_exist(self):
        for args, code in ((["--check"], 1), ([], 2)):
            r = self.run_it(*args, "-c", str(self.dir / "none.yml"))
            self.assertEqual(r.returncode, code)
            self.assertIn("none.yml", r.stderr)

    def test_print_config_masks_secrets_and_loads_again(self):
        self.main.write_text("clouddriver: {grpc: 'h:1', insecure: false, auth: {token: s3cr3t}}\n")
        r = self.run_it("--print-config", "-c", str(self.main))
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertNotIn("s3cr3t", r.stdout + r.stderr)
        again = self.dir / "again.yml"
        again.write_text(r.stdout)
        self.assertEqual(self.run_it("--check", "-c", str(again)).returncode, 0)

    def test_schema_and_keys(self):
        schema = json.loads(self.run_it("--print-schema").stdout)
        self.assertIn("object", schema["type"])
        self.assertIn("maxResumableResourceAgeMs", self.run_it("--print-keys").stdout)


if __name__ == "__main__":
    unittest.main()
