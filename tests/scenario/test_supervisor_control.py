# SPDX-License-Identifier: Apache-2.0
"""The control socket, the uplink and the orderly stop."""
import http.client
import json
import os
import signal
import socket
import stat
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Daemon, Refused, alive, children, eventually  # noqa: E402


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Socket(unittest.TestCase):
    def test_status_says_what_is_known(self):
        with Daemon(["ok"], {"agentId": "me"}) as d:
            d.running("ok")
            agent, account = d.status()["agent"], d.account("ok")
            self.assertEqual(agent["pid"], d.pid)
            self.assertEqual(agent["agent_id"], "me")
            self.assertEqual(agent["sink"], "sqlite")
            self.assertTrue(agent["config"]["valid"])
            self.assertAlmostEqual(agent["config"]["loaded_at"], time.time(), delta=30)
            self.assertEqual(agent["uplink"]["process"], "running")
            self.assertEqual(account["version"], "v1.36.3")
            self.assertEqual(account["objects"], 1000)
            self.assertEqual(account["deltas_total"], 7)
            self.assertTrue(account["sandbox"]["no_new_privs"])
            eventually(lambda: d.account("ok")["memory_bytes"] > 0)

    def test_requests_that_are_none(self):
        with Daemon(["ok"]) as d:
            for request, code in (("frobnicate", "protocol"), ("", "protocol"),
                                  ("status now", "protocol"), ("restart", "protocol"),
                                  ("restart nobody", "notfound"), ("log-level loud", "refused")):
                with self.assertRaises(Refused, msg=request) as refused:
                    d.ask(request)
                self.assertEqual(refused.exception.code, code, request)

    def test_a_request_that_is_too_long_or_binary(self):
        with Daemon(["ok"]) as d:
            with d.connect() as s:
                s.sendall(b"x" * 5000)
                self.assertTrue(s.recv(100).startswith(b"ERROR limit"))
            with d.connect() as s:
                s.sendall(b"ping\0\xff\n")
                self.assertTrue(s.recv(100).startswith(b"ERROR protocol"))
            d.ask("ping")

    def test_what_a_worker_follows(self):
        with Daemon(["ok"]) as d:
            d.running("ok")
            row, end = d.ask("discover ok")
            self.assertEqual((row["resource"], row["state"], row["objects"]), ("pods\nERROR", "in step", 5))
            self.assertEqual(end, {"account": "ok", "state": "streaming", "last_error": "", "left_off": 0})
            with d.connect() as s:
                s.sendall(b"discover ok\nping\ndiscover ok\n")
                s.shutdown(socket.SHUT_WR)
                with s.makefile() as f:
                    self.assertEqual([line[0] for line in f.read().splitlines()], ["{", "{", "O", "O", "{", "{", "O"])

    def operate(self, d, account):
        """Asks for a channel to the account's worker: what the daemon says, and what comes on the channel."""
        with d.connect() as s:
            s.sendall(f"operate {account}\n".encode())
            data, fds, _, _ = socket.recv_fds(s, 4096, 4)
            while not data.endswith(b"OK\n") and b"ERROR" not in data:
                data += s.recv(4096)
        said = b""
        for fd in fds:
            with socket.socket(fileno=fd) as channel:
                channel.settimeout(5)
                while chunk := channel.recv(4096):
                    said += chunk
        return data.decode(), said.decode()

    def test_a_channel_to_a_worker(self):
        with Daemon(["ok-1", "ok-2"]) as d:
            d.running("ok-1", "ok-2")
            before = len(os.listdir(f"/proc/{d.pid}/fd"))
            for name in ("ok-1", "ok-2", "ok-1"):
                self.assertEqual(self.operate(d, name), ('{"channel":1}\nOK\n',
                                                         f"account={name} uid={os.geteuid()} pid={os.getpid()}\n"))
            answer, said = self.operate(d, "nobody")
            self.assertEqual((answer, said), ("ERROR notfound there is no account nobody\n", ""))
            d.ask("pause ok-2")
            answer, said = self.operate(d, "ok-2")
            self.assertRegex(answer, "^ERROR refused account ok-2 has no worker")
            self.assertIn(f"uid {os.geteuid()} (pid {os.getpid()}) opened a channel for operations to account ok-1", d.log())
            eventually(lambda: len(os.listdir(f"/proc/{d.pid}/fd")) <= before)

    def test_workers_that_do_not_say_what_they_follow(self):
        names = ["shy", "strange", "endless", "short", "absent", "ok"]
        with Daemon(names) as d:
            d.running(*names)
            for name in names[:4]:
                restarts = d.account(name)["restarts"]
                with self.assertRaises(Refused, msg=name) as refused:
                    d.ask(f"discover {name}")
                self.assertEqual(str(refused.exception), "refused the account's worker ended before it had answered")
                self.assertLessEqual(len(refused.exception.values), 2000)
                if name != "shy":
                    eventually(lambda: "malformed message (SA_CTL_PLAN)" in d.account(name)["last_exit"])
                eventually(lambda: d.account(name)["restarts"] > restarts)
            with d.connect() as waiting:
                waiting.sendall(b"discover absent\n")
                d.ask("discover ok")  # nobody else waits
                for request, error in (("pause absent", None), ("discover absent", "paused|stopping")):
                    if error is None:
                        d.ask(request)
                    else:
                        self.assertRaisesRegex(Refused, error, d.ask, request)
                self.assertTrue(waiting.recv(200).startswith(b"ERROR refused the account's worker ended"))
            with d.connect() as gone:
                gone.sendall(b"discover endless\n")
            d.ask("discover ok")

    def test_several_requests_on_a_connection(self):
        with Daemon(["ok"]) as d, d.connect() as s:
            s.sendall(b"ping\nversion\r\nping\n")
            s.shutdown(socket.SHUT_WR)
            with s.makefile() as f:
                lines = f.read().splitlines()
            self.assertEqual([lines[0], lines[2], lines[3]], ["OK", "OK", "OK"])
            self.assertEqual(json.loads(lines[1])["pid"], d.pid)

    def test_clients_that_do_not_read_or_speak_hold_nobody_up(self):
        with Daemon([f"ok-{i}" for i in range(20)]) as d:
            silent = [d.connect() for _ in range(20)]
            deaf = [d.connect() for _ in range(20)]
            for s in deaf:
                s.sendall(b"status\n" * 200)
            begin = time.monotonic()
            d.ask("status")
            self.assertLess(time.monotonic() - begin, 2)
            for s in silent + deaf:
                s.close()
            d.ask("ping")

    def test_the_number_of_clients_is_bounded(self):
        with Daemon() as d:
            many = [d.connect() for _ in range(64)]
            time.sleep(0.2)
            with d.connect() as s:
                self.assertIn(b"ERROR limit", s.recv(100))
            for s in many:
                s.close()

            def let_in():
                try:
                    return d.ask("ping") == []
                except Refused:
                    return False
            eventually(let_in)

    def test_the_socket_is_its_owners(self):
        with Daemon() as d:
            mode = (d.run / "control.sock").stat().st_mode
            self.assertTrue(stat.S_ISSOCK(mode))
            self.assertEqual(mode & 0o777, 0o600)

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_members_of_the_control_group_are_let_in_and_others_not(self):
        with Daemon(settings={"controlGroup": "daemon"}) as d:
            self.assertEqual((d.run / "control.sock").stat().st_mode & 0o777, 0o660)
            for groups, expected in (([1], b"OK\n"), ([], b"")):
                pid = os.fork()
                if pid == 0:
                    code = 3
                    try:
                        os.setgroups(groups)
                        os.setresgid(65534, 65534, 65534)
                        os.setresuid(65534, 65534, 65534)
                        with d.connect() as s:
                            s.sendall(b"ping\noperate nobody\n")
                            s.shutdown(socket.SHUT_WR)
                            with s.makefile("rb") as f:
                                # What a worker may do with its credential is not for all of the group.
                                code = 0 if f.read().startswith(b"OK\nERROR refused only root") else 2
                    except PermissionError:
                        code = 1
                    finally:
                        os._exit(code)
                code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                self.assertEqual(code == 0, expected == b"OK\n", groups)

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_credentials_are_checked_even_where_the_mode_would_let_in(self):
        with Daemon() as d:
            (d.run / "control.sock").chmod(0o666)
            pid = os.fork()
            if pid == 0:
                code = 3
                try:
                    os.setresuid(65534, 65534, 65534)
                    with d.connect() as s:
                        code = 0 if s.recv(100).startswith(b"ERROR refused") else 2
                finally:
                    os._exit(code)
            self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)

    def test_neither_a_child_nor_what_it_leaves_behind_can_command_the_daemon(self):
        # They have its own uid here, as all children have where it was not started by root.
        with Daemon(["mutiny"]) as d:
            d.running("mutiny")
            for who in ("child", "orphan"):
                note = d.state / f"mutiny-{who}"
                self.assertIn("refused", eventually(lambda: note.exists() and note.read_text()))
            self.assertIn("a child of the agent", d.log())

    def test_a_second_daemon_with_the_same_directory_is_refused(self):
        with Daemon(["ok"]) as d:
            first = d.process
            d.start(wait=False)
            second, d.process = d.process, first
            self.assertEqual(second.wait(10), 1)
            self.assertIn("another scale-agentd runs", d.log())
            d.ask("ping")

    def test_after_a_kill_the_next_one_starts(self):
        with Daemon(["ok"]) as d:
            d.process.kill()
            d.process.wait()
            d.start()
            d.running("ok")


class Pause(unittest.TestCase):
    def test_paused_until_resumed_also_over_reloads(self):
        with Daemon(["ok-1", "ok-2"]) as d:
            d.running("ok-1", "ok-2")
            d.ask("pause ok-1")
            a = d.account_in("ok-1", "paused")
            self.assertEqual(a["pid"], 0)
            d.write_account("ok-1", namespaces=["x"])
            d.ask("reload")
            time.sleep(0.5)
            self.assertEqual(d.account("ok-1")["state"], "paused")
            with self.assertRaises(Refused):
                d.ask("restart ok-1")
            self.assertEqual([x for x in d.uplink_log() if x[0] == "remove"], [])
            d.ask("resume ok-1")
            d.running("ok-1")

    def test_an_account_that_waits_can_be_paused(self):
        with Daemon(["crash"], {"restart": {"baseMs": 30000, "maxMs": 30000}}) as d:
            d.account_in("crash", "backoff")
            d.ask("pause crash")
            self.assertEqual(d.account("crash")["state"], "paused")
            d.ask("resume crash")
            eventually(lambda: d.account("crash")["restarts"] == 1)


class Uplink(unittest.TestCase):
    def test_a_restarted_uplink_gets_all_accounts_with_their_present_keys(self):
        with Daemon(["ok-1", "ok-2", "ok-3"]) as d:
            d.running("ok-1", "ok-2", "ok-3")
            d.ask("restart ok-2")
            eventually(lambda: [x for x in d.uplink_log() if x[0] == "key"])
            d.running("ok-2")
            workers = {a["name"]: a["pid"] for a in d.status()["accounts"]}
            keys = {}
            for line in d.uplink_log():
                if line[0] in ("add", "key"):
                    keys[line[1]] = line[3]
            os.kill(d.status()["agent"]["uplink"]["pid"], signal.SIGKILL)

            def second_life():
                log = d.uplink_log()
                lives = [i for i, x in enumerate(log) if x[0] == "start"]
                return log[lives[1]:] if len(lives) == 2 and log[-1] == ["complete"] else None
            log = eventually(second_life)
            self.assertEqual({x[1]: x[3] for x in log if x[0] == "add"}, keys)
            self.assertEqual(workers, {a["name"]: a["pid"] for a in d.status()["accounts"]})
            uplink = d.status()["agent"]["uplink"]
            self.assertEqual(uplink["last_exit_reason"], "signal")
            self.assertEqual(uplink["restarts"], 1)

    def test_the_first_list_is_complete_before_it_is_called_so(self):
        with Daemon([f"ok-{i}" for i in range(30)]) as d:
            log = eventually(lambda: d.uplink_log() if ["complete"] in d.uplink_log() else None)
            adds = [i for i, x in enumerate(log) if x[0] == "add"]
            self.assertEqual(len(adds), 30)
            # An empty list that is called complete would retract every row.
            self.assertGreater(log.index(["complete"]), max(adds))

    def test_keys_differ_from_account_to_account(self):
        with Daemon([f"ok-{i}" for i in range(10)]) as d:
            log = eventually(lambda: d.uplink_log() if ["complete"] in d.uplink_log() else None)
            self.assertEqual(len({x[3] for x in log if x[0] == "add"}), 10)

    def test_a_worker_that_speaks_for_another_account_is_ended_and_named(self):
        with Daemon(["ok-1", "ok-2"]) as d:
            one, two = d.running("ok-1", "ok-2")
            index = [x for x in d.uplink_log() if x[0] == "add" and x[2] == "ok-2"][0][1]
            (d.state / "forgery").write_text(f"{index} {one}\n")
            eventually(lambda: d.account("ok-1")["ends"].get("forgery"))
            self.assertIn("the worker of account ok-1 tried to speak for account ok-2", d.log())
            self.assertEqual(d.account("ok-2")["pid"], two)


class Stop(unittest.TestCase):
    def stop(self, *accounts, sig=signal.SIGTERM):
        with Daemon(accounts) as d:
            d.running(*accounts)
            pids = [pid for pid, _ in children(d.pid)]
            begin = time.monotonic()
            d.process.send_signal(sig)
            code = d.process.wait(8)
            took = time.monotonic() - begin
            self.assertEqual(code, 0, d.log())
            self.assertLess(took, 5)
            self.assertFalse([p for p in pids if alive(p)])
            self.assertFalse((d.run / "control.sock").exists())
            self.assertEqual(d.uplink_log()[-1], ["stop"], "the uplink was not asked to finish")
            return took, d.log()

    def test_by_sigterm(self):
        took, log = self.stop("ok-1", "ok-2")
        self.assertLess(took, 2)
        self.assertIn("stopped", log)

    def test_by_sigint(self):
        self.stop("ok", sig=signal.SIGINT)

    def test_a_deaf_worker_does_not_keep_the_others_from_finishing(self):
        took, log = self.stop("deaf", "ok")
        self.assertGreater(took, 3)
        self.assertIn("did not finish in time", log)

    def test_by_request(self):
        with Daemon(["ok"]) as d:
            d.running("ok")
            d.ask("stop")
            self.assertEqual(d.process.wait(6), 0)

    def test_a_signal_to_the_whole_group_is_orderly_too(self):
        with Daemon(["ok-1", "ok-2"]) as d:
            d.running("ok-1", "ok-2")
            for pid, _ in children(d.pid) + [(d.pid, "")]:
                os.kill(pid, signal.SIGTERM)
            self.assertEqual(d.process.wait(6), 0)
            self.assertNotIn("ended: killed", d.log())
            self.assertEqual(d.uplink_log()[-1], ["stop"])

    def test_in_the_middle_of_a_start(self):
        with Daemon([f"ok-{i}" for i in range(60)]) as d:
            self.assertEqual(d.stop(), 0)


class Frozen(unittest.TestCase):
    def test_after_all_were_stopped_for_a_while_nobody_is_called_hung(self):
        """As a virtual machine that was paused, or a frozen cgroup."""
        with Daemon(["ok-1", "ok-2"]) as d:
            pids = d.running("ok-1", "ok-2")
            everyone = [d.pid] + [pid for pid, _ in children(d.pid)]
            for pid in everyone:
                os.kill(pid, signal.SIGSTOP)
            time.sleep(4)
            for pid in everyone:
                os.kill(pid, signal.SIGCONT)
            time.sleep(2)
            self.assertEqual(d.running("ok-1", "ok-2"), pids)

    def test_one_that_is_stopped_alone_is_hung(self):
        with Daemon(["ok-1", "ok-2"]) as d:
            one, two = d.running("ok-1", "ok-2")
            os.kill(one, signal.SIGSTOP)
            eventually(lambda: d.account("ok-1")["ends"].get("hung"), 8)
            self.assertEqual(d.account("ok-2")["pid"], two)


class Many(unittest.TestCase):
    def test_hundreds_of_accounts_start_fast_and_status_stays_quick(self):
        n = int(os.environ.get("SCALE_AGENT_ACCOUNTS", "200"))
        with Daemon([f"ok-{i:04}" for i in range(n)]) as d:
            begin = time.monotonic()

            def all_stream():
                return all(a["state"] == "streaming" for a in d.status()["accounts"])
            eventually(all_stream, 5 + n / 20, 0.2)
            print(f"\n{n} accounts streamed after {time.monotonic() - begin:.2f} s", end=" ")
            begin = time.monotonic()
            self.assertEqual(len(d.status()["accounts"]), n)
            self.assertLess(time.monotonic() - begin, 1)
            self.assertEqual(d.stop(), 0)


def own_address():
    """An address of this machine that is not its loopback's, or None."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            return None
        return s.getsockname()[0]


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


class Exporter(unittest.TestCase):
    def get(self, port, path, method="GET", host="127.0.0.1"):
        c = http.client.HTTPConnection(host, port, timeout=10)
        try:
            c.request(method, path)
            r = c.getresponse()
            return r.status, r.read().decode()
        finally:
            c.close()

    def test_metrics_health_and_readiness(self):
        metrics, server = free_port(), free_port()
        with Daemon(["ok"], {"prometheus": {"enabled": True, "port": metrics},
                             "server": {"port": server}}) as d:
            d.running("ok")
            eventually(lambda: d.status()["agent"]["exporter"]["process"] == "running")
            for path in ("/metrics", "/prometheus_metrics"):
                status, text = self.get(metrics, path)
                self.assertEqual(status, 200)
                self.assertIn('scale_agent_objects{account="ok"} 1000\n', text)
                self.assertIn("\nkubesvc_events_sent_total 7\n", text)
                self.assertIn("\nscale_agent_config_valid 1\n", text)
            self.assertEqual(self.get(server, "/health"), (200, '{"status":"UP"}\n'))
            self.assertEqual(self.get(server, "/ready")[0], 200)
            self.assertEqual(self.get(server, "/")[0], 200)
            self.assertEqual(self.get(server, "/nothing")[0], 404)
            # Each port serves its own: who may reach one may not have the other.
            self.assertEqual(self.get(server, "/metrics")[0], 404)
            self.assertEqual(self.get(metrics, "/health")[0], 404)
            self.assertEqual(self.get(server, "/health", "POST")[0], 405)
            (d.accounts_dir / "x.yml").write_text("]")
            eventually(lambda: "scale_agent_config_valid 0" in self.get(metrics, "/metrics")[1])
            sandbox = d.status()["agent"]["exporter"]["sandbox"]
            self.assertTrue(sandbox["no_new_privs"])
            self.assertTrue(sandbox["seccomp"])

    def test_which_addresses_are_served(self):
        """Health on server.host, metrics on all addresses (as Armory's agent) or on prometheus.host."""
        address = own_address()
        metrics, server = free_port(), free_port()
        settings = {"prometheus": {"enabled": True, "port": metrics}, "server": {"port": server}}
        with Daemon(["ok"], settings) as d:
            def running():
                return d.status()["agent"]["exporter"]["process"] == "running"
            eventually(running)
            self.assertEqual(self.get(metrics, "/metrics")[0], 200)
            self.assertEqual(self.get(server, "/health")[0], 200)
            if has_ipv6():
                self.assertEqual(self.get(metrics, "/metrics", host="::1")[0], 200)
            if not address:
                self.skipTest("this machine has no address but its loopback's")
            self.assertEqual(self.get(metrics, "/metrics", host=address)[0], 200)
            self.assertRaises(OSError, self.get, server, "/health", host=address)
            pid = d.status()["agent"]["exporter"]["pid"]
            d.write_settings(dict(d.settings, prometheus={"enabled": True, "port": metrics, "host": "localhost"},
                                  server={"port": server, "host": "0.0.0.0"}))
            d.ask("reload")
            eventually(lambda: running() and d.status()["agent"]["exporter"]["pid"] != pid)
            self.assertEqual(self.get(metrics, "/metrics")[0], 200)
            self.assertRaises(OSError, self.get, metrics, "/metrics", host=address)
            self.assertEqual(self.get(server, "/health", host=address)[0], 200)

    def test_it_comes_and_goes_with_its_settings(self):
        port = free_port()
        with Daemon(["ok"]) as d:
            pid, = d.running("ok")
            self.assertNotIn("exporter", d.status()["agent"])
            d.write_settings(dict(d.settings, server={"port": port}))
            d.ask("reload")
            eventually(lambda: d.status()["agent"]["exporter"]["process"] == "running")
            self.assertEqual(self.get(port, "/health")[0], 200)
            self.assertEqual(self.get(port, "/metrics")[0], 404)
            d.write_settings(d.settings)
            d.ask("reload")
            eventually(lambda: d.status()["agent"]["exporter"]["process"] == "idle")
            self.assertEqual(d.account("ok")["pid"], pid)

    def test_a_scrape_of_many_accounts_at_once_by_many(self):
        port = free_port()
        with Daemon([f"ok-{i}" for i in range(50)],
                    {"prometheus": {"enabled": True, "port": port}}) as d:
            eventually(lambda: d.status()["agent"]["exporter"]["process"] == "running")
            connections = []
            for _ in range(20):
                c = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
                c.request("GET", "/metrics")
                connections.append(c)
            for c in connections:
                r = c.getresponse()
                self.assertEqual(r.status, 200)
                self.assertIn(b'scale_agent_watches{account="ok-49"}', r.read())
                c.close()

    def test_a_port_in_use_is_named(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            with Daemon(["ok"], {"server": {"port": port}}) as d:
                eventually(lambda: f"port {port}: cannot listen" in d.log())
                d.running("ok")


class Reopen(unittest.TestCase):
    def test_the_log_file_is_opened_anew(self):
        d = Daemon(["ok"])
        self.addCleanup(d.discard)
        file = d.dir / "agent.log"
        d.write_settings(dict(d.settings, logging={"file": str(file)}))
        d.start()
        d.running("ok")
        eventually(lambda: file.exists() and "ready" in file.read_text())
        file.rename(d.dir / "agent.log.1")
        os.kill(d.pid, signal.SIGUSR1)
        eventually(file.exists)
        d.ask("log-level debug")
        eventually(lambda: "log level is debug" in file.read_text())


if __name__ == "__main__":
    unittest.main()
