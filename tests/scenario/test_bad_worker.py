# SPDX-License-Identifier: Apache-2.0
"""A worker that was taken over and speaks for another account, and a stranger who does: refused and named.

The worker that lies is one of a test build (SA_TEST_POINTS), which scripts/test makes for this."""
import os
import pathlib
import socket
import struct
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from fleet import Fleet, paths, wait_for  # noqa: E402

HELLO = struct.pack("<BBHIQ", 1, 0, 0, 0, 0)  # ipc/data.h


def test_build():
    """scale-agentd with SA_TEST_POINTS, or None."""
    for place in (paths.build_dir(), paths.ROOT / "build-points"):
        program = place / "scale-agentd"
        if program.exists() and b"SCALE_AGENT_FORGE" in program.read_bytes():
            return program
    return None


class Forgery(unittest.TestCase):
    def url(self, f, index):
        return f"ipc://{f.agent.runtime}/data/{index}"

    def test_a_worker_with_another_accounts_socket_is_ended_and_named(self):
        daemon = test_build()
        if not daemon:
            self.skipTest("there is no build with SA_TEST_POINTS")
        with Fleet(3, agent={"daemon": daemon}) as f:
            victim, forger = f.good, f.bad[0]
            f.agent.env["SCALE_AGENT_FORGE"] = f"{self.url(f, 1)} {self.url(f, 0)}"
            f.start(good_only=True)
            f.agent.wait_streaming([f.bad[1]])
            a = f.says(forger, f"tried to speak for account {victim}")
            self.assertEqual(a["last_exit_reason"], "forgery")
            self.assertNotEqual(a["state"], "streaming")
            said = f"the worker of account {forger} tried to speak for account {victim}; it is ended"
            wait_for("the log names both", lambda: any(said == r["msg"] for r in f.log()), 20)
            self.assertEqual(f.versions(forger), {}, "nothing of it was taken")
            f.wait_good()
            f.check_good(self)
            f.agent.close()
            del f.agent.env["SCALE_AGENT_FORGE"]
            f.agent.start()
            f.recovers(self, forger, victim)

    def test_a_process_that_is_none_of_ours_is_refused_and_named(self):
        with Fleet(1) as f:
            f.start()
            me = os.getpid()
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(20)
                s.connect(str(f.agent.runtime / "data" / "0"))
                s.sendall(b"\0SP\0\0\x10\0\0")  # nng's greeting: SP, PAIR0
                message = HELLO + bytes(32)
                s.sendall(b"\x01" + struct.pack(">Q", len(message)) + message)
                rest = s.recv(4096)
                while rest:
                    rest = s.recv(4096)
            said = f"process {me}, none of ours, tried to speak for account {f.good}"
            wait_for("the log names it", lambda: any(said == r["msg"] for r in f.log()), 20)
            f.wait_good()
            f.check_good(self)


if __name__ == "__main__":
    unittest.main()
