# SPDX-License-Identifier: Apache-2.0
"""Clouddriver on PostgreSQL (or the MySQL that MYSQL_TREE names), with Fiat, and with client certificates at the agents'
port: who may connect, bring which account, and see it; and a database that is away for a while."""
import http.server
import json
import socket
import ssl
import subprocess
import threading
import time
import unittest
import urllib.parse

from rig.harness import paths
from rig.harness.agent import Agent, write_account
from rig.harness.clouddriver import Clouddriver
from rig.harness.mysql import mysql_or
from rig.harness.postgres import Postgres
from rig.harness.procs import free_port, wait_for
from rig.harness.sim import Sim

KINDS = ["pod", "deployment", "replicaSet", "service"]
OPEN, GUARDED = "open", "guarded"
AWAY_S = 60


class Fiat(http.server.BaseHTTPRequestHandler):
    """Says of a user what Fiat would: the accounts that no role guards, and those of a role of the same name as the user."""
    clouddriver = None

    def do_GET(self):
        user = urllib.parse.unquote(self.path.rpartition("/")[2])
        accounts = [{"name": name, "authorizations": ["READ", "WRITE"]}
                    for name, a in self.clouddriver.accounts().items()
                    if not a.get("permissions") or user in a["permissions"].get("READ", [])]
        body = json.dumps({"name": user, "admin": False, "accounts": accounts, "applications": [
            {"name": "app", "authorizations": ["READ", "WRITE"]}], "serviceAccounts": [], "roles": [], "buildServices": [],
            "legacyFallback": False, "allowAccessToUnknownApplications": True}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Certificates:
    """An authority, and what it signed."""

    def __init__(self, directory):
        self.dir = directory
        directory.mkdir()
        self.ca = self.dir / "ca.crt"
        self._openssl("req", "-x509", *self._key("ca"), "-days", "2", "-subj", "/CN=ca", "-out", self.ca)

    def _key(self, name):
        return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.dir / f"{name}.key")

    def _openssl(self, *arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def issue(self, name):
        """(certificate, key) of CN=name."""
        csr, crt, ext = (self.dir / f"{name}.{x}" for x in ("csr", "crt", "ext"))
        ext.write_text("subjectAltName=IP:127.0.0.1\n")
        self._openssl("req", *self._key(name), "-subj", f"/CN={name}", "-out", csr)
        self._openssl("x509", "-req", "-in", csr, "-CA", self.ca, "-CAkey", self.dir / "ca.key", "-CAcreateserial", "-days", "2",
                      "-extfile", ext, "-out", crt)
        return crt, self.dir / f"{name}.key"


class Guarded(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        try:
            cls._make()
        except paths.Missing as e:
            raise unittest.SkipTest(str(e)) from None

    @classmethod
    def _make(cls):
        scratch = paths.Scratch("guarded")
        cls.addClassCleanup(scratch.close)
        cls.dir = scratch.path
        cls.certificates = Certificates(cls.dir / "certificates")
        cls.sim = Sim(cls.dir / "sim", 2, objects=100, paused="true")
        cls.addClassCleanup(cls.sim.stop)
        cls.db = mysql_or(Postgres, cls.dir / "db")
        fiat = free_port()
        chain, key = cls.certificates.issue("clouddriver")
        cls.clouddriver = Clouddriver(cls.dir / "clouddriver", cls.db, config={
            "services": {"fiat": {"enabled": True, "baseUrl": f"http://127.0.0.1:{fiat}"}},
            "kubesvc": {"grpc": {
                "server": {"security": {"enabled": True, "certificateChain": str(chain), "privateKey": str(key),
                                        "clientAuth": "REQUIRE", "trustCertCollection": str(cls.certificates.ca)}},
                "auth": {"x509": {"enabled": True, "filters": ["CN=agent-.*"], "accounts": [
                    {"subject": "CN=agent-one", "accounts": [OPEN, GUARDED]},
                    {"subject": "CN=agent-two", "accounts": ["two-*"]}]}}}}})
        Fiat.clouddriver = cls.clouddriver
        server = http.server.ThreadingHTTPServer(("127.0.0.1", fiat), Fiat)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        cls.addClassCleanup(server.server_close)
        cls.addClassCleanup(server.shutdown)
        cls.db.start()
        cls.addClassCleanup(cls.db.stop)
        cls.clouddriver.start(600)
        cls.addClassCleanup(cls.clouddriver.stop)
        cls.agent = cls.agent_of("one", "agent-one", {OPEN: {}, GUARDED: {"permissions": {"READ": ["dev"]}}})
        cls.agent.wait_streaming([OPEN, GUARDED])

    @classmethod
    def agent_of(cls, name, certificate, accounts):
        directory = cls.dir / f"accounts-{name}"
        for account, kubeconfig in zip(sorted(accounts), cls.sim.kubeconfigs()):
            write_account(directory, account, kubeconfig, kinds=KINDS, **accounts[account])
        tls = {"cacertFile": str(cls.certificates.ca)}
        if certificate:
            chain, key = cls.certificates.issue(certificate)
            for f in (chain, key):
                f.chmod(0o644)
            tls |= {"clientCertFile": str(chain), "clientKeyFile": str(key)}
        agent = Agent(cls.dir / f"agent-{name}", directory, "grpc", cls.clouddriver.grpc,
                      {"agentId": name, "clouddriver": {"insecure": False, "tls": tls}})
        cls.addClassCleanup(agent.close)
        return agent.start()

    def logged(self, *words):
        return wait_for(f"in Clouddriver's log: {words}", lambda: next(
            (line for line in self.clouddriver.process.log.read_text(errors="replace").splitlines()
             if all(w in line for w in words)), None), 30, 0.2)

    def pods(self, account):
        return {row[0] for row in self.db.sql("SELECT id FROM cats_v1_pod WHERE agent LIKE '" + account + "/%'")}

    def test_rows_are_in_the_database(self):
        expected = sum(kind == "Pod" for kind, _, _ in self.sim.state(0)["sim-0000"])
        for account in (OPEN, GUARDED):
            wait_for(f"pods of {account}", lambda a=account: len(self.pods(a)) == expected, 30)

    def test_who_may_see_an_account_is_fiats_decision_by_the_agents_permissions(self):
        def clusters(user):
            status, found = self.clouddriver.ask("GET", "/applications/app/clusters", headers={"X-SPINNAKER-USER": user})
            # Accounts of other tests are nobody's secret either.
            return sorted({GUARDED, OPEN} & set(found)) if status == 200 else found
        try:
            wait_for("clusters for dev", lambda: clusters("dev") == [GUARDED, OPEN], 60, 0.5)
        except TimeoutError as e:
            self.fail(f"{e}: {clusters('dev')}")
        self.assertEqual(clusters("other"), [OPEN])

    def test_clouddriver_complains_of_nothing(self):
        """As of a table that is not there yet."""
        log = self.clouddriver.process.log.read_text(errors="replace")
        self.assertNotIn("bad SQL grammar", log)

    def test_no_certificate(self):
        agent = self.agent_of("bare", None, {"two-a": {}})
        line = self.logged("is turned away, the TLS handshake failed")
        self.assertIn("127.0.0.1:", line)
        agent.close()

    def test_a_subject_that_no_filter_fits(self):
        agent = self.agent_of("someone", "someone", {"two-a": {}})
        self.logged("is turned away, PERMISSION_DENIED", "CN=someone")
        agent.close()

    def test_an_account_of_another(self):
        """It is refused, its own is taken, and the one that has it notices nothing."""
        before = self.clouddriver.get(f"/agents/kubernetes/accounts/{GUARDED}")
        agent = self.agent_of("two", "agent-two", {GUARDED: {}, "two-a": {}})
        self.logged(f"account {GUARDED} of agent two", "NOT_ALLOWED", "CN=agent-two may not bring account guarded")
        agent.wait_streaming(["two-a"])
        self.assertEqual(self.clouddriver.get(f"/agents/kubernetes/accounts/{GUARDED}")["permissions"], before["permissions"])
        self.assertEqual(self.agent.states()[GUARDED], "streaming")
        agent.close()

    def test_bytes_that_are_no_grpc(self):
        with socket.create_connection(("127.0.0.1", self.clouddriver.grpc_port), 5) as s:
            s.sendall(b"GET / HTTP/1.1\r\n\r\n")
            s.settimeout(5)
            try:
                while s.recv(4096):
                    pass
            except ConnectionError:
                pass
        context = ssl.create_default_context(cafile=str(self.certificates.ca))
        context.load_cert_chain(*self.certificates.issue("agent-raw"))
        with socket.create_connection(("127.0.0.1", self.clouddriver.grpc_port), 5) as raw:
            with context.wrap_socket(raw, server_hostname="127.0.0.1") as s:
                s.settimeout(5)
                try:
                    s.sendall(b"\0" * 10_000)
                    while s.recv(4096):
                        pass
                except (ConnectionError, ssl.SSLError):
                    pass
        self.assertEqual(self.agent.states(), {OPEN: "streaming", GUARDED: "streaming"})

    def test_the_database_is_away(self):
        """For a minute. It is said, and what was deleted, made and changed meanwhile is in the rows afterwards."""
        pods = sorted(k for k in self.sim.state(0)["sim-0000"] if k[0] == "Pod")
        idents = [f"kubernetes.v2:infrastructure:pod:{GUARDED}:{namespace}:{name}" for _, namespace, name in pods]
        self.change(pods[2], "delete")
        wait_for("the pods", lambda: self.pods(GUARDED) == {*idents[:2], *idents[3:]}, 30)
        bodies = self.bodies(idents[1])
        size = self.clouddriver.process.log.stat().st_size
        self.db.stop()
        self.change(pods[0], "delete")
        self.change(pods[1], "modify")
        self.change(pods[2], "create")
        time.sleep(AWAY_S)  # how long it is away is what this is about
        self.assertTrue(self.clouddriver.running())
        self.db.start()
        try:
            wait_for("the changes", lambda: self.pods(GUARDED) == set(idents[1:]), 60, 0.2)
        except TimeoutError as e:
            self.fail(f"{e}: {self.pods(GUARDED) ^ set(idents[1:])}")
        wait_for("the change of one", lambda: self.bodies(idents[1]) != bodies, 30, 0.2)
        self.agent.wait_streaming([OPEN, GUARDED])
        def log():
            return self.clouddriver.process.log.read_bytes()[size:].decode(errors="replace")
        for said in ("can't be renewed", "are renewed again"):
            wait_for(said, lambda text=f"the leases of this Clouddriver {said}": text in log(), 30, 0.2)
        self.assertLess(log().count("accounts on standby can't be looked after"), 10)  # it is tried twice a second

    def change(self, key, op):
        _, namespace, name = key
        self.sim.post("/change", cluster=0, resource="pods", namespace=namespace, name=name, op=op)

    def bodies(self, ident):
        return self.db.sql(f"SELECT body FROM cats_v1_pod WHERE id = '{ident}'")


if __name__ == "__main__":
    unittest.main()
