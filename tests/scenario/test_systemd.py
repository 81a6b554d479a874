# SPDX-License-Identifier: Apache-2.0
"""What systemd is told by sd_notify(3): a service that is never ready, or reloads for ever, is killed by it."""
import os
import pathlib
import signal
import socket
import struct
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from harness import Daemon, children, eventually, program  # noqa: E402
from rig.harness.agent import Agent, write_account  # noqa: E402

PATIENCE_S = 20  # supervisor/notify.c


class Manager:
    """The socket that NOTIFY_SOCKET names. It keeps who sent each message."""

    def __init__(self, test):
        self.dir = tempfile.TemporaryDirectory()
        test.addCleanup(self.dir.cleanup)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.path = self.dir.name + "/notify"
        self.socket.bind(self.path)
        test.addCleanup(self.socket.close)
        self.senders = set()
        self.status = None  # as it was told last; it is told again only when it changes

    def receive(self, seconds):
        """The next message as a dictionary; None when none comes."""
        self.socket.settimeout(max(seconds, 0.001))
        try:
            data, control, _, _ = self.socket.recvmsg(4096, socket.CMSG_SPACE(12))
        except (TimeoutError, BlockingIOError):
            return None
        self.senders.add(struct.unpack("iii", control[0][2])[0])
        message = dict(x.split("=", 1) for x in data.decode().splitlines())
        self.status = message.get("STATUS", self.status)
        return message

    def until(self, key, seconds):
        """All messages up to the first with such an assignment, which is the last of them."""
        end, found = time.monotonic() + seconds, []
        while not found or key not in found[-1]:
            message = self.receive(end - time.monotonic())
            if message is None:
                raise AssertionError(f"no {key} within {seconds} s, but {found}")
            found.append(message)
        return found

    def expect(self, key, seconds=5):
        return self.until(key, seconds)[-1]

    def rest(self, seconds=0.3):
        """Everything else that comes."""
        found = []
        while (message := self.receive(seconds)) is not None:
            found.append(message)
        return found


def keys(messages):
    """What is in them, but for the keep-alives."""
    return [k for m in messages for k in m if k != "WATCHDOG"]


class Systemd(unittest.TestCase):
    """The supervisor, with children that do nothing."""

    def setUp(self):
        self.manager = Manager(self)
        self.d = self.daemon()

    def daemon(self, accounts=("ok",), **env):
        d = Daemon(accounts, env={"NOTIFY_SOCKET": self.manager.path, "WATCHDOG_USEC": "1000000", **env})
        self.addCleanup(d.discard)
        return d

    def test_ready_reload_watchdog_stop(self):
        self.d.start(wait=False)
        self.manager.expect("READY", 10)
        self.assertEqual(self.d.status()["agent"]["uplink"]["process"], "running")
        begin = time.monotonic()
        os.kill(self.d.pid, signal.SIGHUP)
        message = self.manager.expect("RELOADING")
        self.assertEqual(set(message), {"RELOADING", "MONOTONIC_USEC"})
        self.assertGreaterEqual(int(message["MONOTONIC_USEC"]), int(begin * 1e6))
        self.assertLessEqual(int(message["MONOTONIC_USEC"]), int(time.monotonic() * 1e6))
        self.manager.expect("READY")
        if self.manager.status is None:
            self.manager.expect("STATUS")
        self.assertIn("1 accounts", self.manager.status)
        beats = []
        for _ in range(3):
            self.manager.expect("WATCHDOG", 2)
            beats.append(time.monotonic())
        self.assertLess(max(b - a for a, b in zip(beats, beats[1:])), 0.9)
        os.kill(self.d.pid, signal.SIGTERM)
        self.manager.expect("STOPPING")
        self.assertEqual(self.d.process.wait(6), 0)
        self.assertEqual(self.manager.senders, {self.d.pid}, "the main process alone speaks (NotifyAccess=main)")

    def test_a_broken_reload_gets_ready_again_and_says_so(self):
        self.d.start(wait=False)
        self.manager.expect("READY", 10)
        (self.d.accounts_dir / "x.yml").write_text("]")
        os.kill(self.d.pid, signal.SIGHUP)
        self.manager.expect("RELOADING")
        self.manager.expect("READY")
        while "not valid" not in self.manager.expect("STATUS")["STATUS"]:
            pass

    def test_every_reload_has_its_end_whatever_happens_meanwhile(self):
        """A file's change is noticed some 0.2 s later, here while the reload that was asked for goes on."""
        self.d.start(wait=False)
        self.manager.expect("READY", 10)
        self.manager.rest()
        for i in range(15):
            self.d.write_account("ok")
            time.sleep(0.17 + 0.003 * i)
            os.kill(self.d.pid, signal.SIGHUP)
            self.manager.until("RELOADING", 2)
            self.manager.until("READY", 2)
        os.kill(self.d.pid, signal.SIGHUP)
        os.kill(self.d.pid, signal.SIGHUP)
        said = [k for k in keys(self.manager.until("READY", 2) + self.manager.rest()) if k in ("READY", "RELOADING")]
        self.assertEqual((said[0], said[-1], said.count("READY")), ("RELOADING", "READY", 1))

    def test_nothing_but_the_stop_is_told_after_it(self):
        self.d.start(wait=False)
        self.manager.expect("READY", 10)
        self.manager.rest()
        os.kill(self.d.pid, signal.SIGHUP)
        os.kill(self.d.pid, signal.SIGTERM)
        self.manager.expect("STOPPING")
        self.assertEqual(self.d.process.wait(6), 0)
        self.assertEqual(keys(self.manager.rest()), [])

    def test_keep_alives_meant_for_another_process_are_not_sent(self):
        d = self.daemon(WATCHDOG_PID="1")
        d.start(wait=False)
        found = self.manager.until("READY", 10) + self.manager.rest(1.2)
        self.assertEqual([m for m in found if "WATCHDOG" in m], [])

    def test_a_supervisor_that_stands_still_keeps_nothing_alive(self):
        self.d.start(wait=False)
        self.manager.expect("READY", 10)  # until then the configuration's reader comes and goes
        self.manager.expect("WATCHDOG", 10)
        everyone = [self.d.pid] + [pid for pid, _ in children(self.d.pid)]
        for pid in everyone:
            os.kill(pid, signal.SIGSTOP)
        self.manager.rest(0.1)
        self.assertEqual(self.manager.rest(1.2), [])
        for pid in everyone:
            os.kill(pid, signal.SIGCONT)
        self.manager.expect("WATCHDOG", 2)


class Unanswered(unittest.TestCase):
    """The program as it is; nothing that it talks to answers."""

    def setUp(self):
        self.manager = Manager(self)
        # Takes connections and is silent, as a cluster behind a firewall.
        self.silent = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.silent.close)
        self.address = "127.0.0.1:%d" % self.silent.getsockname()[1]
        directory = tempfile.TemporaryDirectory(prefix="sa-systemd-")
        self.addCleanup(directory.cleanup)
        self.dir = pathlib.Path(directory.name)
        self.dir.chmod(0o755)
        kubeconfig = self.dir / "kubeconfig"
        kubeconfig.write_text(
            "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts: [{name: a, context: {cluster: a, user: a}}]\n"
            f"clusters: [{{name: a, cluster: {{server: 'https://{self.address}'}}}}]\nusers: [{{name: a, user: {{token: t}}}}]\n")
        write_account(self.dir / "accounts.d", "silent", kubeconfig)

    def start(self, config=None):
        agent = Agent(self.dir / "agent", self.dir / "accounts.d", "grpc", self.address, config,
                      env={"NOTIFY_SOCKET": self.manager.path}, daemon=program("scale-agentd"))
        self.addCleanup(agent.close)
        return agent.start()

    def test_neither_a_silent_cluster_nor_a_silent_spinnaker_delays_the_start(self):
        agent = self.start()
        self.manager.expect("READY", 5)
        self.assertIn("uplink running", self.manager.expect("STATUS")["STATUS"])
        eventually(lambda: agent.states() == {"silent": "connecting"}, 5)

    def test_an_uplink_that_can_not_start_delays_it_for_a_while_only(self):
        begin = time.monotonic()
        agent = self.start({"clouddriver": {"insecure": False, "tls": {"clientCertFile": str(self.dir / "nowhere")}}})
        eventually(agent.states, 5)
        time.sleep(1)
        agent.reload()
        found = self.manager.until("READY", PATIENCE_S + 5)
        took = time.monotonic() - begin
        self.assertGreater(took, PATIENCE_S - 1)
        self.assertLess(took, PATIENCE_S + 3)
        self.assertEqual([k for k in keys(found) if k != "STATUS"], ["READY"], "no reload before the start is over")
        self.assertTrue(any("uplink backoff" in m.get("STATUS", "") for m in found), found)
        agent.reload()
        self.manager.expect("RELOADING")
        self.manager.expect("READY")


if __name__ == "__main__":
    unittest.main()
