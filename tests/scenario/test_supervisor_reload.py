# SPDX-License-Identifier: Apache-2.0
"""A change of files is taken up within two seconds, and touches only what it concerns."""
import json
import os
import pathlib
import shutil
import signal
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Daemon, Refused, eventually  # noqa: E402

SOON = 2.0


class Reload(unittest.TestCase):
    settings = None

    def setUp(self):
        self.d = Daemon(["ok-1", "ok-2", "ok-3"], self.settings)
        self.addCleanup(self.d.discard)
        self.d.start()
        self.pids = dict(zip(("ok-1", "ok-2", "ok-3"), self.d.running("ok-1", "ok-2", "ok-3")))
        # Until the credential files are watched, and looked at once more since they are.
        time.sleep(1.2)

    def assert_only_restarted(self, *names, seconds=SOON):
        """Exactly these accounts get a new worker, soon."""
        def others():
            for name, pid in self.pids.items():
                now = self.d.account(name)["pid"]
                if name not in names:
                    self.assertEqual(now, pid, f"{name} was touched")

        for name in names:
            eventually(lambda: self.d.account(name)["pid"] not in (0, self.pids[name]), seconds)
        others()
        time.sleep(0.6)
        others()
        for name in names:
            self.d.account_in(name, "streaming")

    def assert_untouched(self, seconds=1.5):
        time.sleep(seconds)
        self.assert_only_restarted()

    # Accounts
    def test_an_added_account_starts(self):
        self.d.write_account("ok-4")
        eventually(lambda: self.d.account("ok-4"), SOON)
        self.d.running("ok-4")
        self.assert_only_restarted()

    def test_a_removed_account_stops_and_its_rows_are_retracted(self):
        index = [x for x in self.d.uplink_log() if x[0] == "add" and x[2] == "ok-2"][0][1]
        (self.d.accounts_dir / "ok-2.yml").unlink()
        eventually(lambda: self.d.account("ok-2") is None, SOON)
        eventually(lambda: ["remove", index, "-", "-"] in self.d.uplink_log())
        del self.pids["ok-2"]
        self.assert_only_restarted()

    def test_an_account_that_comes_back_at_once_keeps_its_rows(self):
        # deaf: it takes its time to end, so that it comes back while it is being removed.
        self.d.write_account("deaf")
        self.d.running("deaf")
        (self.d.accounts_dir / "deaf.yml").unlink()
        eventually(lambda: self.d.account("deaf") is None, SOON)
        self.d.write_account("deaf")
        eventually(lambda: self.d.account("deaf"), SOON)
        self.d.account_in("deaf", "streaming", 10)
        self.assertEqual([x for x in self.d.uplink_log() if x[0] == "remove"], [])

    def test_a_changed_account_is_restarted_with_a_fresh_key(self):
        self.d.write_account("ok-1", namespaces=["default"])
        self.assert_only_restarted("ok-1")
        log = self.d.uplink_log()
        index, key = [(x[1], x[3]) for x in log if x[0] == "add" and x[2] == "ok-1"][0]
        fresh = [x[3] for x in log if x[0] == "key" and x[1] == index]
        self.assertEqual(len(fresh), 1)
        self.assertNotEqual(fresh[0], key)

    def test_a_comment_or_another_order_of_keys_touches_nothing(self):
        text = json.loads((self.d.accounts_dir / "ok-1.yml").read_text())
        turned = json.dumps(dict(reversed(list(text.items()))))
        (self.d.accounts_dir / "ok-1.yml").write_text("# a comment\n" + turned + "\n")
        self.assert_untouched()

    def test_identical_bytes_touch_nothing(self):
        path = self.d.accounts_dir / "ok-1.yml"
        path.write_text(path.read_text())
        os.utime(path)
        self.assert_untouched()

    def test_permissions_alone_touch_nothing(self):
        (self.d.accounts_dir / "ok-1.yml").chmod(0o600)
        self.d.kubeconfig("ok-2").chmod(0o600)
        self.d.accounts_dir.chmod(0o700)
        self.assert_untouched()

    # Ways to write a file
    def test_an_editors_rename(self):
        new = self.d.accounts_dir / ".ok-1.yml.swx"
        new.write_text(self.d.account_text("ok-1", namespaces=["a"]))
        new.rename(self.d.accounts_dir / "ok-1.yml")
        self.assert_only_restarted("ok-1")
        # Once more: the file that is watched is another one by now.
        self.pids["ok-1"] = self.d.account("ok-1")["pid"]
        new.write_text(self.d.account_text("ok-1", namespaces=["b"]))
        new.rename(self.d.accounts_dir / "ok-1.yml")
        self.assert_only_restarted("ok-1")

    def test_an_editors_backup_files_are_none(self):
        for name in ("ok-1.yml~", ".ok-1.yml.swp", "#ok-1.yml#", "4913"):
            (self.d.accounts_dir / name).write_text("]]] not YAML")
        self.assert_untouched()
        self.assertTrue(self.d.status()["agent"]["config"]["valid"])

    def test_the_directory_replaced_by_another(self):
        new = self.d.etc / "new"
        shutil.copytree(self.d.accounts_dir, new)
        (new / "ok-1.yml").write_text(self.d.account_text("ok-1", namespaces=["a"]))
        self.d.accounts_dir.rename(self.d.etc / "old")
        new.rename(self.d.accounts_dir)
        self.assert_only_restarted("ok-1")
        self.pids["ok-1"] = self.d.account("ok-1")["pid"]
        time.sleep(0.8)
        self.d.write_account("ok-1", namespaces=["b"])
        self.assert_only_restarted("ok-1")

    def test_the_directory_deleted_and_made_again(self):
        """A directory that is gone is a volume not mounted, not an order to remove every account."""
        shutil.rmtree(self.d.accounts_dir)

        def lost():
            config = self.d.status()["agent"]["config"]
            return [p for p in config["problems"] if "is gone" in p["text"]]
        problem = eventually(lost, SOON)[0]
        self.assertEqual(problem["file"], str(self.d.accounts_dir))
        new = self.d.etc / "new"
        new.mkdir()
        for name in ("ok-1", "ok-2", "ok-4"):
            (new / f"{name}.yml").write_text(self.d.account_text(name))
        new.rename(self.d.accounts_dir)
        eventually(lambda: self.d.account("ok-4"), SOON)
        self.assertIsNone(self.d.account("ok-3"))
        del self.pids["ok-3"]
        self.assert_untouched(0.2)
        time.sleep(0.8)
        self.d.write_account("ok-5")
        eventually(lambda: self.d.account("ok-5"), SOON)

    def test_an_empty_directory_removes_its_accounts(self):
        for path in self.d.accounts_dir.iterdir():
            path.unlink()
        eventually(lambda: self.d.status()["accounts"] == [], SOON)

    def test_a_main_file_that_is_gone_changes_nothing(self):
        self.d.main.rename(self.d.main.with_suffix(".away"))
        eventually(lambda: not self.d.status()["agent"]["config"]["valid"], SOON)
        self.assert_untouched(0.5)
        self.d.main.with_suffix(".away").rename(self.d.main)
        eventually(lambda: self.d.status()["agent"]["config"]["valid"], SOON)
        self.assert_untouched(0.2)

    # Credentials
    def test_a_changed_kubeconfig_restarts_its_account_alone(self):
        self.d.kubeconfig("ok-2").write_text("# another\n")
        self.assert_only_restarted("ok-2")
        # And again, now that it is a file the second worker reported.
        self.pids["ok-2"] = self.d.account("ok-2")["pid"]
        time.sleep(0.8)
        self.d.kubeconfig("ok-2").write_text("# a third\n")
        self.assert_only_restarted("ok-2")

    def test_a_worker_that_names_the_main_file_as_its_own_does_not_take_it_from_the_uplink(self):
        told = self.d.state / "config_files"
        before = told.read_text()
        self.assertIn(str(self.d.main), before.splitlines())
        self.d.write_account("ok-2", kubeconfigFile=str(self.d.main))
        eventually(lambda: self.d.account("ok-2")["restarts"] == 1)
        self.d.running("ok-2")
        self.d.ask("reload")  # the reader is asked about the worker's files only from now on
        starts = self.d.uplink_log().count(["start"])
        os.kill(self.d.status()["agent"]["uplink"]["pid"], signal.SIGKILL)
        eventually(lambda: self.d.uplink_log().count(["start"]) > starts)
        self.assertEqual(told.read_text(), before)

    def test_a_kubeconfig_that_vanishes_and_comes_back_the_same_touches_nothing(self):
        path = self.d.kubeconfig("ok-2")
        text = path.read_text()
        path.rename(path.with_suffix(".away"))
        self.assert_untouched()
        path.write_text(text)
        self.assert_untouched()

    def test_a_repaired_kubeconfig_ends_the_wait_of_a_failing_account(self):
        settings = dict(self.d.settings, restart={"baseMs": 60000, "maxMs": 60000})
        self.d.write_settings(settings)
        self.d.write_account("exit1")
        a = self.d.account_in("exit1", "backoff")
        time.sleep(0.8)
        self.d.kubeconfig("exit1").write_text("# repaired\n")
        eventually(lambda: self.d.account("exit1")["restarts"] > a["restarts"], SOON)

    # What is wrong
    def test_a_broken_file_changes_nothing_and_is_reported(self):
        (self.d.accounts_dir / "ok-2.yml").unlink()
        (self.d.accounts_dir / "broken.yml").write_text("name: x\nkubeconfigFil: /y\n")

        def reported():
            config = self.d.status()["agent"]["config"]
            return config if not config["valid"] else None
        config = eventually(reported, SOON)
        self.assert_untouched(0.5)  # ok-2 still runs, too: nothing is half-applied
        problem = [p for p in config["problems"] if not p["warning"] and p["line"] == 2][0]
        self.assertEqual(problem["file"], str(self.d.accounts_dir / "broken.yml"))
        self.assertEqual(problem["line"], 2)
        self.assertIn("did you mean", problem["text"])
        self.assertIn("broken.yml:2:", self.d.log())
        with self.assertRaises(Refused) as refused:
            self.d.ask("reload")
        self.assertEqual(refused.exception.code, "config")
        self.assertFalse(refused.exception.values[0]["valid"])
        (self.d.accounts_dir / "broken.yml").unlink()
        eventually(lambda: self.d.account("ok-2") is None, SOON)
        self.assertTrue(self.d.status()["agent"]["config"]["valid"])

    def test_a_hostile_file_changes_nothing(self):
        for text in ("a: &a [*a, *a]\n", "[" * 5000, "\0\0\0", "x: !!python/object {}\n",
                     "a" * 5_000_000):
            (self.d.accounts_dir / "hostile.yml").write_text(text)
            with self.assertRaises(Refused):
                self.d.ask("reload")
        self.assert_untouched(0.2)

    # Agent-wide settings
    def test_the_log_level_changes_without_a_restart(self):
        uplink = self.d.status()["agent"]["uplink"]["pid"]
        self.d.write_settings(dict(self.d.settings, logging={"level": "debug"}))
        eventually(lambda: self.d.status()["agent"]["log_level"] == "debug", SOON)
        self.assert_untouched(0.5)
        self.assertEqual(self.d.status()["agent"]["uplink"]["pid"], uplink)

    def test_the_uplinks_settings_restart_the_uplink_alone(self):
        uplink = self.d.status()["agent"]["uplink"]["pid"]
        self.d.write_settings(dict(self.d.settings, agentId="another"))
        eventually(lambda: self.d.status()["agent"]["uplink"]["pid"] not in (0, uplink), SOON)
        self.assert_untouched(0.5)
        self.assertEqual(self.d.status()["agent"]["agent_id"], "another")

    # By request
    def test_sighup(self):
        os.kill(self.d.pid, signal.SIGHUP)
        eventually(lambda: "configuration is in force" in self.d.log(), SOON)
        self.assert_untouched(0.3)

    def test_the_request_answers_what_was_done(self):
        self.d.write_account("ok-4")
        self.d.write_account("ok-1", namespaces=["x"])
        (self.d.accounts_dir / "ok-2.yml").unlink()
        answer = self.d.ask("reload")[0]
        self.assertEqual((answer["added"], answer["changed"], answer["removed"]), (1, 1, 1))
        self.assertTrue(answer["valid"])

    def test_a_burst_of_changes_ends_in_the_last_state(self):
        for i in range(30):
            self.d.write_account("ok-1", namespaces=[f"n{i}"])
            if i % 3 == 0:
                os.kill(self.d.pid, signal.SIGHUP)
            time.sleep(0.03)
        self.d.ask("reload")
        pid = self.d.account_in("ok-1", "streaming")["pid"]
        time.sleep(1.5)
        self.assertEqual(self.d.account("ok-1")["pid"], pid)
        answer = self.d.ask("reload")[0]
        self.assertEqual((answer["changed"], answer["added"], answer["removed"]), (0, 0, 0))


class SlowRescan(unittest.TestCase):
    def test_a_change_that_no_event_tells_of_is_found(self):
        """A bind mount hides the file's directory from the watch, as a network file system does."""
        with Daemon(["ok"], dict(Daemon.settings, rescanSeconds=1)) as d:
            first, = d.running("ok")
            hidden = d.dir / "hidden"
            hidden.mkdir()
            (hidden / "real").write_text(d.account_text("ok"))
            # A link in a directory on the way is not watched: only its two ends are.
            (d.dir / "way").symlink_to(hidden)
            (d.accounts_dir / "ok.yml").unlink()
            (d.accounts_dir / "ok.yml").symlink_to(d.dir / "way" / "real")
            d.ask("reload")
            other = d.dir / "other"
            other.mkdir()
            (other / "real").write_text(d.account_text("ok", namespaces=["a"]))
            os.symlink(other, d.dir / "way2")
            os.rename(d.dir / "way2", d.dir / "way")
            eventually(lambda: d.account("ok")["pid"] not in (0, first), 5)


class ConfigMap(unittest.TestCase):
    """A volume as the kubelet makes and swaps it."""

    def put(self, volume, number, files):
        data = volume / f"..{number}"
        data.mkdir()
        for name, text in files.items():
            (data / name).write_text(text)
            if not (volume / name).is_symlink():
                (volume / name).symlink_to(f"..data/{name}")
        (volume / "..data_tmp").symlink_to(data.name)
        (volume / "..data_tmp").rename(volume / "..data")
        for name in [p.name for p in volume.iterdir()]:
            if not name.startswith("..") and name not in files:
                (volume / name).unlink()

    def test_accounts_in_a_config_map(self):
        d = Daemon()
        self.addCleanup(d.discard)
        self.put(d.accounts_dir, 1, {n + ".yml": d.account_text(n) for n in ("ok-1", "ok-2")})
        d.start()
        one, two = d.running("ok-1", "ok-2")
        time.sleep(0.8)
        self.put(d.accounts_dir, 2, {"ok-1.yml": d.account_text("ok-1", namespaces=["a"]),
                                     "ok-2.yml": d.account_text("ok-2"),
                                     "ok-3.yml": d.account_text("ok-3")})
        eventually(lambda: d.account("ok-1")["pid"] not in (0, one), SOON)
        eventually(lambda: d.account("ok-3"), SOON)
        self.assertEqual(d.account("ok-2")["pid"], two)
        time.sleep(0.8)
        self.put(d.accounts_dir, 3, {"ok-2.yml": d.account_text("ok-2")})
        eventually(lambda: [a["name"] for a in d.status()["accounts"]] == ["ok-2"], SOON)
        self.assertEqual(d.account("ok-2")["pid"], two)

    def test_a_kubeconfig_in_a_secret(self):
        d = Daemon(["ok-2"])
        self.addCleanup(d.discard)
        volume = d.dir / "secret"
        volume.mkdir()
        self.put(volume, 1, {"config": "# one\n"})
        (d.accounts_dir / "ok-1.yml").write_text(
            json.dumps({"name": "ok-1", "kubeconfigFile": str(volume / "config")}))
        d.start()
        one, two = d.running("ok-1", "ok-2")
        time.sleep(1.2)
        self.put(volume, 2, {"config": "# one\n"})
        time.sleep(1.2)
        self.assertEqual(d.account("ok-1")["pid"], one, "the content is the same")
        self.put(volume, 3, {"config": "# two\n"})
        eventually(lambda: d.account("ok-1")["pid"] not in (0, one), SOON)
        self.assertEqual(d.account("ok-2")["pid"], two)


class FirstStart(unittest.TestCase):
    def test_a_broken_configuration_is_refused_with_every_problem(self):
        d = Daemon(["ok"])
        self.addCleanup(d.discard)
        (d.accounts_dir / "a.yml").write_text("name: a\nnmespaces: [x]\n")
        (d.accounts_dir / "b.yml").write_text("name: [\n")
        d.start(wait=False)
        self.assertEqual(d.process.wait(10), 2)
        self.assertIn("a.yml:2:", d.log())
        self.assertIn("b.yml:", d.log())

    def test_no_account_yet_is_fine(self):
        with Daemon() as d:
            self.assertEqual(d.status()["accounts"], [])
            d.write_account("ok")
            d.running("ok")


if __name__ == "__main__":
    unittest.main()
