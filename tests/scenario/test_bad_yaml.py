# SPDX-License-Identifier: Apache-2.0
"""Malformed and hostile files among the accounts: the running accounts go on as they are, the daemon says which
file, line and column is wrong, and takes the rest as soon as the file is right or gone."""
import json
import os
import pathlib
import re
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from fleet import Fleet, rss, wait_for  # noqa: E402

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join(['*' + a] * 10)}]\n" for a, b in zip("abcdefgh", "bcdefghi"))

# What is in the file, and where and what the daemon says of it.
FILES = {
    "not YAML": ("name: [\n", r"\d+:\d+: .*YAML.*"),
    "a tab": ("name: x\n\tkinds: []\n", r"2:1: .*YAML.*"),
    "cut in a string": ('name: "x', r"1:\d+: .*YAML.*"),
    "a scalar": ("hello\n", r"1:1: .*(map|account).*"),
    "a key twice": ("name: x\nname: y\n", r"2:1: .*(twice|second|already).*"),
    "a key unknown": ("name: x\nkubeconfigFile: /x\nkind: [pod]\n", r"3:1: .*kinds.*"),
    "a wrong type": ("name: x\nkubeconfigFile: /x\nkinds: {pod: true}\n", r"3:\d+: .+list.*"),
    "a billion laughs": (LAUGHS, r"\d+:\d+: .+"),
    "an alias of itself": ("a: &a [*a]\n", r"\d+:\d+: .+"),
    "nested without end": ("[" * 100000, r"\d+:\d+: .+"),
    "two documents": ("name: x\n---\nname: y\n", r"\d+:\d+: .+document.*"),
    "a NUL": (b"name: x\0y\n", r"\d+:\d+: .+"),
    "no UTF-8": (b"name: \xff\xfe\xfd\n", r"\d+:\d+: .+"),
    "an escape for the terminal": (b"name: \"\x1b]0;x\x07\"\n", r"\d+:\d+: .+"),
    "five megabytes": ("# " + "x" * (5 << 20) + "\nname: x\n", r".*(MB|bytes|long|large).*"),
    "a variable that is not set": ("name: ${NO_SUCH_VARIABLE}\n", r"1:\d+: .*NO_SUCH_VARIABLE.*"),
}


class Yaml(unittest.TestCase):
    def refused(self, f, path, pattern):
        """Waits until the daemon says it of this file; the problem's text."""
        said = []

        def is_refused():
            config = f.agent.status()["agent"]["config"]
            said[:] = [f"{p['line']}:{p['column']}: {p['text']}" for p in config["problems"]
                       if p["file"] == str(path) and not p["warning"]]
            return not config["valid"] and any(re.fullmatch(pattern, t, re.S) for t in said)
        try:
            wait_for("it is refused", is_refused, 30, 0.05)
        except AssertionError as e:
            self.fail(f"{e}: {said}")
        self.assertTrue(all(c >= " " for t in said for c in t), "no control characters in what is said")

    def valid(self, f):
        wait_for("the configuration is valid", lambda: f.agent.status()["agent"]["config"]["valid"], 30, 0.05)

    def test_a_hostile_file_changes_nothing(self):
        with Fleet(2, config={"rescanSeconds": 1}) as f:
            f.start()
            pids = {n: a["pid"] for n, a in f.statuses().items()}
            path = f.sim.accounts / "evil.yml"
            for what, (content, pattern) in FILES.items():
                with self.subTest(what):
                    began = rss(f.agent.pid)
                    temporary = path.with_suffix(".tmp")
                    temporary.write_bytes(content if isinstance(content, bytes) else content.encode())
                    temporary.rename(path)
                    self.refused(f, path, pattern)
                    wait_for("the log names it", lambda: any(str(path) in r.get("msg", "") for r in f.log()), 10)
                    self.assertLess(rss(f.agent.pid) - began, 32 << 20)
                path.unlink(missing_ok=True)
                self.valid(f)
            f.wait_good()
            self.assertEqual({n: a["pid"] for n, a in f.statuses().items()}, pids, "no worker was started anew")
            f.check_good(self)

    def test_what_is_no_file_holds_nothing_up(self):
        with Fleet(2, config={"rescanSeconds": 1}) as f:
            f.start()
            pids = {n: a["pid"] for n, a in f.statuses().items()}
            path = f.sim.accounts / "evil.yml"
            makers = {"a pipe": lambda: os.mkfifo(path), "a directory": path.mkdir, "a device": lambda: path.symlink_to("/dev/zero"),
                      "a link to itself": lambda: path.symlink_to(path), "a link to nowhere": lambda: path.symlink_to("/nowhere")}
            for what, make in makers.items():
                with self.subTest(what):
                    make()
                    began = time.monotonic()
                    answer = f.ctl("reload")
                    self.assertLess(time.monotonic() - began, 25, answer)
                    self.assertIn(str(path), answer + json.dumps(f.agent.status()["agent"]["config"]))
                    f.wait_good()
                path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
                f.ctl("reload")
                self.valid(f)
            self.assertEqual({n: a["pid"] for n, a in f.statuses().items()}, pids, "no worker was started anew")
            f.check_good(self)

    def test_a_good_account_waits_for_the_bad_file_and_starts_then(self):
        with Fleet(2) as f:
            name = f.bad[0]
            good = (f.sim.accounts / f"{name}.yml").read_text()
            (f.sim.accounts / f"{name}.yml").unlink()
            f.start(good_only=True)
            evil = f.sim.accounts / "evil.yml"
            evil.write_text("name: [\n")
            self.refused(f, evil, r"\d+:\d+: .+")
            (f.sim.accounts / f"{name}.yml").write_text(good)
            time.sleep(2)
            self.assertIsNone(f.status(name), "never half of a configuration")
            evil.unlink()
            f.recovers(self, name)
            f.check_good(self)


if __name__ == "__main__":
    unittest.main()
