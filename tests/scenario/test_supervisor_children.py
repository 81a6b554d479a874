# SPDX-License-Identifier: Apache-2.0
"""What becomes of children that end, hang or do what they may not."""
import os
import pathlib
import signal
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Daemon, alive, children, eventually, sanitized  # noqa: E402


class Ends(unittest.TestCase):
    def ended(self, name, reason, settings=None, **keys):
        """Runs one such account beside a healthy one; returns its status after it ended so."""
        with Daemon(["ok"], settings) as d:
            healthy, = d.running("ok")
            d.write_account(name, **keys)

            def has_ended():
                a = d.account(name)
                return a if a and a["ends"].get(reason, 0) >= 2 else None
            status = eventually(has_ended, 15)
            self.assertEqual(status["last_exit_reason"], reason)
            self.assertGreaterEqual(status["restarts"], 1)
            self.assertEqual(d.account("ok")["pid"], healthy, "the other account was touched")
            self.assertEqual(d.zombies(), [])
            return status

    def test_an_exit_shows_what_the_child_said(self):
        a = self.ended("exit1", "exit")
        self.assertEqual(a["last_error"], "the kubeconfig has no user")
        self.assertEqual(a["last_exit"], "exit 1")

    def test_an_unexpected_exit_0_is_an_end_too(self):
        self.assertEqual(self.ended("quit", "exit")["last_exit"], "exit 0")

    def test_a_crash_shows_the_signal(self):
        self.assertIn("ABRT", self.ended("crash", "signal")["last_exit"])

    def test_a_hung_child_is_killed_and_shown_as_hung(self):
        self.assertIn("no heartbeat", self.ended("hang", "hung")["last_exit"])

    def test_children_that_never_get_ready_do_not_hold_up_the_others(self):
        with Daemon([f"forever-{i:02}" for i in range(17)] + ["ok"]) as d:
            self.assertEqual(d.account("ok")["process"], "queued")
            d.running("ok", seconds=12)

    def test_a_forbidden_system_call_is_named(self):
        a = self.ended("trap", "seccomp")
        self.assertIn("ptrace", a["last_exit"])

    def test_resident_memory_over_the_limit_is_shown_as_the_limit(self):
        a = self.ended("rss", "memory", {"limits": {"workerMemory": "128Mi"}})
        self.assertRegex(a["last_exit"], r"memory limit of 128 MB reached \(\d+ MB\)")

    def test_an_exit_for_lack_of_memory_is_shown_as_the_limit(self):
        self.assertIn("memory limit of", self.ended("oom", "memory")["last_exit"])

    def test_a_malformed_message_ends_the_child(self):
        self.assertIn("malformed", self.ended("garble", "protocol")["last_exit"])

    def test_files_are_reported_once_and_before_the_child_is_ready(self):
        # The config reader opens them as root: no path that comes later is taken.
        for account in ("twice", "afterthought"):
            self.assertIn("SA_CTL_FILES", self.ended(account, "protocol")["last_exit"])

    def test_a_child_says_once_why_it_ends(self):
        with Daemon(["chatty"], {"restart": {"baseMs": 60000, "maxMs": 60000}}) as d:
            a = d.account_in("chatty", "backoff")
            self.assertEqual((a["last_exit_reason"], a["last_error"]), ("protocol", "the end is near"))
            self.assertEqual(d.log().count("the end is near"), 1)

    def test_a_child_that_closes_its_channel_is_ended(self):
        self.assertIn("channel", self.ended("mute", "protocol")["last_exit"])


class Policy(unittest.TestCase):
    def test_too_many_ends_make_it_failed_visible_and_tried_again(self):
        settings = {"restart": {"baseMs": 10, "maxMs": 20, "intensity": 3, "periodSeconds": 60,
                                "failedRetrySeconds": 2}}
        with Daemon(["exit1", "ok"], settings) as d:
            a = d.account_in("exit1", "failed")
            self.assertEqual(a["restarts"], 3)
            self.assertEqual(a["process"], "failed")
            self.assertLessEqual(a["next_try_s"], 3)
            eventually(lambda: d.account("exit1")["restarts"] == 4, 5)
            d.account_in("exit1", "failed")
            self.assertIn("has failed", d.log())

    def test_a_wrong_configuration_is_not_tried_over_and_over(self):
        with Daemon(["config"]) as d:
            a = d.account_in("config", "failed")
            self.assertEqual(a["restarts"], 0)
            self.assertEqual(a["last_error"], "the context does not exist")

    def test_backoff_is_shown(self):
        settings = {"restart": {"baseMs": 30000, "maxMs": 30000}}
        with Daemon(["crash"], settings) as d:
            a = d.account_in("crash", "backoff")
            self.assertGreater(a["next_try_s"], 20)

    def test_restart_by_hand_does_not_wait(self):
        settings = {"restart": {"baseMs": 30000, "maxMs": 30000}}
        with Daemon(["crash"], settings) as d:
            d.account_in("crash", "backoff")
            d.ask("restart crash")
            eventually(lambda: d.account("crash")["restarts"] == 1)


class Family(unittest.TestCase):
    def test_children_die_with_a_killed_supervisor(self):
        with Daemon(["ok-1", "ok-2"]) as d:
            d.running("ok-1", "ok-2")
            pids = [pid for pid, _ in children(d.pid)]
            self.assertGreaterEqual(len(pids), 3)
            d.process.kill()
            d.process.wait()
            eventually(lambda: not any(alive(p) for p in pids), 3)

    def test_a_deaf_orphan_dies_too(self):
        # Stopped, it can't see that its channel closed: only the kernel can end it.
        with Daemon(["ok"]) as d:
            pid, = d.running("ok")
            os.kill(pid, signal.SIGSTOP)
            d.process.kill()
            d.process.wait()
            eventually(lambda: not alive(pid), 3)

    @unittest.skipUnless(os.geteuid() == 0, "children can't be looked into by their own user")
    def test_a_child_has_only_its_own_descriptors(self):
        with Daemon(["ok-1", "ok-2"]) as d:
            for pid in d.running("ok-1", "ok-2"):
                links = [os.readlink(f"/proc/{pid}/fd/{n}") for n in os.listdir(f"/proc/{pid}/fd")]
                # Its channel, its own loop, and nothing of the supervisor's or its siblings'.
                self.assertEqual(len([x for x in links if x.startswith("socket:")]), 1, links)
                self.assertFalse([x for x in links if "inotify" in x or x.startswith("/dev/pts")],
                                 links)
                if not sanitized():
                    self.assertFalse([x for x in links if x.startswith(str(d.dir))], links)

    @unittest.skipUnless(os.geteuid() == 0, "children can't be looked into by their own user")
    def test_a_child_sees_only_its_own_slot(self):
        with Daemon(["ok-1", "ok-2", "ok-3"]) as d:
            for pid in d.running("ok-1", "ok-2", "ok-3"):
                maps = pathlib.Path(f"/proc/{pid}/maps").read_text()
                self.assertEqual(maps.count("/dev/zero (deleted)"), 1, maps)

    def test_none_of_them_leaves_a_core(self):
        with Daemon(["ok"]) as d:
            for pid in [d.pid, *d.running("ok")]:
                self.assertRegex(pathlib.Path(f"/proc/{pid}/limits").read_text(), r"Max core file size +0 +0 ")

    def test_titles_say_role_and_account(self):
        with Daemon(["ok"]) as d:
            pid, = d.running("ok")
            title = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0")
            self.assertEqual(title, b"scale-agent: worker ok")

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_started_by_root_no_child_is_root(self):
        with Daemon(["ok-1", "ok-2"], {"uidRange": {"first": 71000, "count": 100}}) as d:
            uids = set()
            for pid in d.running("ok-1", "ok-2"):
                uids.add(os.stat(f"/proc/{pid}/task").st_uid)
                text = pathlib.Path(f"/proc/{pid}/status").read_text()
                uid = [x for x in text.splitlines() if x.startswith("Uid:")][0].split()[1:]
                self.assertEqual(len(set(uid)), 1)
                uids.add(int(uid[0]))
            self.assertLessEqual({71000, 71001}, uids)
            for pid, _ in children(d.pid):
                text = pathlib.Path(f"/proc/{pid}/status").read_text()
                self.assertNotIn("Uid:\t0\t", text)
            self.assertEqual((d.run / "data").stat().st_mode & 0o777, 0o750)
            self.assertEqual(d.state.stat().st_mode & 0o777, 0o700)

    def test_a_flood_of_log_records_is_bounded_and_can_forge_no_line(self):
        with Daemon(["noisy"]) as d:
            d.running("noisy")
            eventually(lambda: "noise 100" in d.log())
            time.sleep(0.5)
            lines = [x for x in d.log().splitlines() if "noise" in x]
            self.assertLess(len(lines), 1500)
            for line in lines:
                self.assertIn("account=noisy", line)
                self.assertFalse(line.startswith("level=fatal"), line)


class Leaks(unittest.TestCase):
    restarts = int(os.environ.get("SCALE_AGENT_RESTARTS", "300"))

    def test_many_restarts_leave_nothing_behind(self):
        """10,000 in the soak (SCALE_AGENT_RESTARTS=10000)."""
        settings = {"restart": {"baseMs": 1, "maxMs": 1, "intensity": 100000, "periodSeconds": 1,
                                "healthySeconds": 3600}}
        names = [f"quit-{i}" for i in range(8)]
        with Daemon(["ok"], settings) as d:
            d.running("ok")

            def total():
                return sum(a["restarts"] for a in d.status()["accounts"])
            for name in names:
                d.write_account(name)
            eventually(lambda: total() > 40, 20)
            for name in names:
                d.ask(f"pause {name}")
            eventually(lambda: all(d.account(n)["state"] == "paused" for n in names))
            memory = d.status()["agent"]["memory_bytes"]
            time.sleep(0.3)  # until the question's own connection is closed there, too
            descriptors = d.descriptors()
            for name in names:
                d.ask(f"resume {name}")
            eventually(lambda: total() >= self.restarts, 30 + self.restarts / 20, 0.2)
            for name in names:
                d.ask(f"pause {name}")
            eventually(lambda: all(d.account(n)["state"] == "paused" for n in names))
            eventually(lambda: d.descriptors() == descriptors)
            eventually(lambda: d.zombies() == [])
            time.sleep(1.2)
            if not sanitized():
                self.assertLess(d.status()["agent"]["memory_bytes"], memory * 1.2 + (1 << 20))


if __name__ == "__main__":
    unittest.main()
