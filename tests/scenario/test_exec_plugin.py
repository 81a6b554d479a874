# SPDX-License-Identifier: Apache-2.0
"""Accounts whose kubeconfig runs a program for its credential (users[].user.exec): the real daemon against
simulated API servers, which take one token each and no other."""
import collections
import json
import os
import pathlib
import re
import signal
import time
import unittest

from rig.harness import paths, procs
from rig.harness.agent import Agent, write_account
from rig.harness.procs import wait_for
from rig.harness.sim import Sim

# What it does is told by files next to it, NAME.do: a shell script that may set token, life, pause and code.
PLUGIN = """#!/bin/sh
cd "$(dirname "$0")" || exit 9
token=$2 life=3600 pause=0 code=0 said=
. "./$1.do"
echo "+ $1 $(id -u) $PPID $(echo "$KUBERNETES_EXEC_INFO" | grep -c ExecCredential) ${SECRET_OF_OTHERS:-none}" >>runs
sleep "$pause"
echo "- $1 $(id -u)" >>runs
[ -z "$said" ] || echo "$said" >&2
[ "$code" = 0 ] || exit "$code"
echo '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"token":"'"$token"'",
"expirationTimestamp":"'"$(date -u -d "+$life seconds" +%Y-%m-%dT%H:%M:%SZ)"'"}}'
"""
CONCURRENCY = 2
GOOD, SHORT, FAILS, OFF, ABSENT, WRONG, SLOW, HANGS = range(8)
NAMES = [f"sim-{i:04d}" for i in range(8)]
STREAM = [NAMES[i] for i in (GOOD, SHORT, SLOW)]


class ExecPlugin(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        try:
            cls.scratch = paths.Scratch("exec")
            cls.addClassCleanup(cls.scratch.close)
            cls.sim = Sim(cls.scratch.path / "sim", len(NAMES), objects=100)
        except paths.Missing as e:
            raise unittest.SkipTest(str(e)) from None
        cls.addClassCleanup(cls.sim.stop)
        # A credential helper may write below /tmp alone, and to its user's home.
        cls.plugin = cls.scratch.path / "plugin"
        cls.plugin.mkdir()
        cls.plugin.chmod(0o777)
        (cls.plugin / "plugin").write_text(PLUGIN)
        (cls.plugin / "plugin").chmod(0o755)
        cls.accounts = cls.scratch.path / "accounts.d"
        for name in NAMES:
            cls.behave(name, "pause=0.4")
            cls.account(name, allowExec=name != NAMES[OFF])
        cls.behave(NAMES[SHORT], "life=8")
        cls.behave(NAMES[FAILS], 'code=3 said="please log in first"')
        cls.behave(NAMES[WRONG], "token=wrong")
        cls.behave(NAMES[HANGS], "pause=1000")
        cls.account(NAMES[ABSENT], command="scale-agent-no-such-plugin", allowExec=True)
        cls.agent = Agent(cls.scratch.path / "agent", cls.accounts, config={"exec": {"concurrency": CONCURRENCY}},
                          env={"SECRET_OF_OTHERS": "x"}).start()
        cls.addClassCleanup(cls.agent.close)
        cls.agent.wait_streaming(STREAM, 15)

    @classmethod
    def behave(cls, name, script):
        new = cls.plugin / f"{name}.new"
        new.write_text(script + "\n")
        new.rename(cls.plugin / f"{name}.do")

    @classmethod
    def account(cls, name, command=None, **keys):
        """The simulator's kubeconfig with an exec plugin in place of the token."""
        text = (cls.sim.dir / "kubeconfigs" / f"{name}.yml").read_text()
        token = re.search(r"token: (\S+?)}", text).group(1)
        exec_ = {"apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never",
                 "command": command or str(cls.plugin / "plugin"), "args": [name, token]}
        kubeconfig = cls.scratch.path / f"{name}.kubeconfig"
        kubeconfig.write_text(text.replace(f"token: {token}", "exec: " + json.dumps(exec_)))
        kubeconfig.chmod(0o600)
        write_account(cls.accounts, name, kubeconfig, kinds=["configMap", "pod"], **keys)

    # ---- what happened ----

    def runs(self, name=None):
        """[sign, account, ...] of each beginning and end of a plugin."""
        path = self.plugin / "runs"
        lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
        return [words for words in lines if name in (None, words[1])]

    def begun(self, name):
        return sum(words[0] == "+" for words in self.runs(name))

    def status(self, name):
        return next(a for a in self.agent.status()["accounts"] if a["name"] == name)

    def error(self, name, *texts, seconds=10):
        """Waits until the account's last error has the texts; its status."""
        def check():
            a = self.status(name)
            return a if all(t in a["last_error"] for t in texts) else None
        try:
            return wait_for(f"{texts}", check, seconds)
        except TimeoutError as e:
            self.fail(f"{e}; {self.status(name)['last_error']!r}")

    def streams_changes(self, name):
        """A change of the cluster arrives."""
        cluster = int(name[-4:])
        before = self.versions(name)
        self.sim.post("/change", cluster=cluster, count=20)
        wait_for(f"changes of {name}", lambda: self.versions(name) != before, 10)

    def versions(self, name):
        return {k: o["metadata"]["resourceVersion"] for k, o in self.agent.rows(name).items()}

    # ---- tests ----

    def test_a_plugin_gives_the_credential_and_is_nobody(self):
        name = NAMES[GOOD]
        self.streams_changes(name)
        _, _, uid, parent, informed, others = self.runs(name)[0]
        self.assertEqual(int(uid), 65534 if os.geteuid() == 0 else os.geteuid())
        self.assertEqual(informed, "1", "KUBERNETES_EXEC_INFO")
        self.assertEqual(others, "none", "a variable that exec.env does not name")
        self.assertNotIn(int(parent), (self.agent.pid, self.status(name)["pid"]))

    def test_while_valid_it_is_kept_then_asked_for_again(self):
        long, short = NAMES[GOOD], NAMES[SHORT]
        runs = {n: self.begun(n) for n in (long, short)}
        time.sleep(8.5)  # the life of the short one, and the second that it is rounded by
        self.sim.post("/kick")
        wait_for("a new credential", lambda: self.begun(short) > runs[short], 10)
        self.streams_changes(short)
        self.streams_changes(long)
        self.assertEqual(self.begun(long), runs[long])
        self.assertLess(self.begun(short), runs[short] + 4, "one run for each life, not for each request")

    def test_a_plugin_that_fails_says_why_and_is_tried_again(self):
        name = NAMES[FAILS]
        a = self.error(name, "exec plugin", "exit 3", "please log in first")
        self.assertEqual(a["state"], "connecting")
        self.behave(name, "")
        self.agent.wait_streaming([name], 15)
        self.streams_changes(name)

    def test_without_allow_exec_nothing_is_run(self):
        self.error(NAMES[OFF], "allowExec", "true")
        self.assertEqual(self.begun(NAMES[OFF]), 0)

    def test_a_plugin_that_is_not_there_is_named(self):
        self.error(NAMES[ABSENT], "scale-agent-no-such-plugin", "not installed", "PATH")

    def test_a_token_that_is_refused_is_said(self):
        self.error(NAMES[WRONG], "401")
        self.assertLess(self.begun(NAMES[WRONG]), 4, "it would be the same token again")

    def test_a_helper_that_is_killed_comes_back(self):
        name = NAMES[SLOW]
        before = self.status(name)
        runs = self.begun(name)
        os.kill(before["helper_pid"], signal.SIGKILL)

        def back():
            a = self.status(name)
            new = a.get("helper_pid") not in (None, 0, before["helper_pid"]) and a["pid"] != before["pid"]
            return new and a["state"] == "streaming" and self.begun(name) > runs
        wait_for("a new helper", back, 15)
        self.streams_changes(name)

    def test_a_helper_that_is_killed_takes_its_plugin_along(self):
        """... and gives its place back: else those that hang would hold up all others."""
        name = NAMES[HANGS]
        wait_for("a plugin that hangs", lambda: self.begun(name), 10)
        helper = self.status(name)["helper_pid"]
        plugins = procs.children(helper)
        self.assertTrue(plugins)
        self.behave(name, "")
        with open(self.plugin / "runs", "a") as f:
            f.write(f"- {name} killed\n")
        os.kill(helper, signal.SIGKILL)
        wait_for("the plugin's end", lambda: not any(procs.alive(p) for p in plugins), 5)
        self.agent.wait_streaming([name], 15)

    def test_few_run_at_once(self):
        running, most = collections.Counter(), 0
        for words in self.runs():
            running[words[1]] += 1 if words[0] == "+" else -1
            most = max(most, sum(running.values()))
        self.assertEqual(most, CONCURRENCY)

    def test_no_token_is_told(self):
        said = (self.agent.dir / "agent.log").read_text() + json.dumps(self.agent.status())
        self.assertNotIn("sim-token-", said)
        for pid in self.agent.pids():
            self.assertNotIn("sim-token-", procs.title(pid))


if __name__ == "__main__":
    unittest.main()
