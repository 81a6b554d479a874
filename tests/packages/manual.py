# SPDX-License-Identifier: Apache-2.0
"""manual.py BUILD: the manual pages are well formed, and name every command, option and key that the programs have.
Completion is asked as well: it offers every command."""
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(sys.argv.pop()) if len(sys.argv) > 1 else ROOT / "build"
CTL, DAEMON = BUILD / "ctl/scale-agentctl", BUILD / "scale-agentd"
PAGES = {"scale-agentd.8": ROOT / "man/scale-agentd.8", "scale-agentctl.1": ROOT / "man/scale-agentctl.1",
         "scale-agent.yml.5": BUILD / "man/scale-agent.yml.5", "scale-agent-protocol.7": ROOT / "man/scale-agent-protocol.7"}


def output(*command, **kw):
    return subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, text=True, check=True, **kw).stdout


def page(name):
    """As plain text, in one line."""
    text = output("mandoc", "-T", "ascii", "-O", "width=1000", PAGES[name])
    return re.sub(r"\s+", " ", re.sub(".\b", "", text))


def options(text):
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text))


def commands():
    return [line.split()[0] for line in output(CTL, "--help").splitlines() if re.match(r"  [a-z]", line)]


class Manual(unittest.TestCase):
    def test_pages_are_well_formed(self):
        for name, path in PAGES.items():
            r = subprocess.run(["mandoc", "-T", "lint", "-W", "style", path], stdout=subprocess.PIPE, text=True)
            # Whether other manuals are installed is not ours.
            said = [line for line in r.stdout.splitlines() if "referenced manual not found" not in line]
            self.assertEqual(said, [], name)

    def test_every_option_is_there(self):
        for program, name in ((DAEMON, "scale-agentd.8"), (CTL, "scale-agentctl.1")):
            has = options(output(program, "--help"))
            self.assertGreater(len(has), 5)
            self.assertEqual(has - options(page(name)), set(), f"{name} lacks options")

    def test_no_option_is_made_up(self):
        # --namespace and --count are long forms of -n, which the help leaves out.
        for program, name in ((DAEMON, "scale-agentd.8"), (CTL, "scale-agentctl.1")):
            self.assertEqual(options(page(name)) - options(output(program, "--help")) - {"--namespace", "--count"}, set(), name)

    def test_every_command_is_there(self):
        text = page("scale-agentctl.1")
        reference = (ROOT / "docs/reference/scale-agentctl.md").read_text()
        self.assertGreater(len(commands()), 10)
        for command in commands():
            self.assertRegex(text, rf" {command} ", "scale-agentctl(1)")
            self.assertRegex(reference, rf"`{command}[ `]", "docs/reference/scale-agentctl.md")

    def test_every_key_is_there(self):
        text = page("scale-agent.yml.5")
        keys = re.findall(r"^\| `([^`]+)`", output(DAEMON, "--print-keys"), re.M)
        self.assertGreater(len(keys), 100)
        self.assertEqual([k for k in keys if f" {k} " not in text and f" {k}, " not in text], [])

    def test_completion_offers_every_command(self):
        script = ("source packaging/completion/scale-agentctl.bash; COMP_WORDS=(scale-agentctl ''); COMP_CWORD=1; _scale_agentctl; "
                  "printf '%s\\n' \"${COMPREPLY[@]}\"")
        said = output("bash", "-c", script, cwd=ROOT, env={"PATH": f"{CTL.parent}:{DAEMON.parent}:/usr/bin:/bin"})
        self.assertEqual(sorted(said.split()), sorted(set(commands())))
        script = ("source packaging/completion/scale-agentctl.bash; COMP_WORDS=(scale-agentctl status --no); COMP_CWORD=2; _scale_agentctl; "
                  "printf '%s\\n' \"${COMPREPLY[@]}\"")
        said = output("bash", "-c", script, cwd=ROOT, env={"PATH": f"{CTL.parent}:/usr/bin:/bin"})
        self.assertEqual(said.split(), ["--no-color"])

    @unittest.skipUnless(shutil.which("zsh"), "zsh is not installed")
    def test_completion_of_zsh(self):
        def offered(*words):
            """By the script itself; what zsh does with what it offers is zsh's."""
            said = output("zsh", "-fc", "_describe() { print -l -- ${(P)2} }; _values() { print -l -- ${@:2} }; _files() { print FILES }; "
                          "service=$1 words=($@) CURRENT=$# PREFIX=$@[-1]; source packaging/completion/_scale-agent", "zsh", *words,
                          cwd=ROOT, env={"PATH": f"{CTL.parent}:{DAEMON.parent}:/usr/bin:/bin"})
            return [line.split(":")[0] for line in said.splitlines()]
        self.assertEqual(sorted(offered("scale-agentctl", "")), sorted(set(commands())))
        self.assertEqual(set(offered("scale-agentctl", "status", "-")), options(output(CTL, "--help")))
        self.assertEqual(set(offered("scale-agentd", "-")), options(output(DAEMON, "--help")))
        self.assertEqual(offered("scale-agentctl", "-o", ""), ["table", "wide", "json", "yaml", "name"])
        self.assertEqual(offered("scale-agentctl", "log-level", ""), offered("scale-agentd", "--log-level", ""))
        self.assertEqual(offered("scale-agentctl", "check", ""), ["FILES"])


if __name__ == "__main__":
    unittest.main()
