# SPDX-License-Identifier: Apache-2.0
"""The uplink's certificate, key and CA: replaced while it runs, expired, missing. What is wrong is said in status
and log, and is over when the file is right; nothing is lost meanwhile."""
import os
import subprocess
import time
import unittest

from rig.harness import paths, procs
from rig.harness.agent import Agent
from rig.harness.peer import Peer
from rig.harness.procs import wait_for
from rig.harness.sim import Sim

LONG = 30
SOON = 8  # a file's change is noticed, the uplink restarted and connected


class Authority:
    """A CA in a directory of its own, made by openssl."""

    def __init__(self, directory, name):
        self.dir = directory
        self.dir.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.key, self.cert = self.dir / "ca.key", self.dir / "ca.crt"
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", 2,
                      "-subj", f"/CN={name}", "-keyout", self.key, "-out", self.cert)
        (self.dir / "index").write_text("")
        (self.dir / "ca.conf").write_text(
            "[ca]\ndefault_ca=x\n[x]\ndatabase=%s/index\nnew_certs_dir=%s\nrand_serial=yes\ndefault_md=sha256\npolicy=p\n"
            "unique_subject=no\n[p]\ncommonName=supplied\n[ext]\nsubjectAltName=DNS:plugin.test\n" % (self.dir, self.dir))

    def _openssl(self, *arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def issue(self, name, begins=-3600, ends=86400):
        """(certificate, key) as bytes; it holds from begins to ends, in seconds from now."""
        key, csr, crt = (self.dir / f"{name}.{x}" for x in ("key", "csr", "crt"))
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                      "-keyout", key, "-out", csr)
        dates = [time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + t)) for t in (begins, ends)]
        self._openssl("ca", "-batch", "-notext", "-config", self.dir / "ca.conf", "-extensions", "ext", "-cert", self.cert,
                      "-keyfile", self.key, "-in", csr, "-out", crt, "-startdate", dates[0], "-enddate", dates[1])
        return crt.read_bytes(), key.read_bytes()


class Files(unittest.TestCase):
    def setUp(self):
        scratch = paths.Scratch("tls")
        self.addCleanup(scratch.close)
        self.dir = scratch.path
        try:
            self.sim = Sim(self.dir / "sim", 1, objects=60, churn=0.2)
        except paths.Missing as e:
            self.skipTest(str(e))
        self.addCleanup(self.sim.stop)
        self.name = self.sim.names()[0]
        self.authority = Authority(self.dir / "authority", "one")
        self.tls = self.dir / "tls"  # the agent's
        self.tls.mkdir()
        self.put(**dict(zip(("cert", "key"), self.authority.issue("agent"))), ca=self.authority.cert.read_bytes())
        self.start_peer(self.authority, self.authority)
        self.agent = Agent(self.dir / "agent", self.sim.accounts, "grpc", self.peer.address, {"clouddriver": {
            "insecure": False, "tls": {"serverName": "plugin.test", "clientCertFile": str(self.tls / "cert"),
                                       "clientKeyFile": str(self.tls / "key"), "cacertFile": str(self.tls / "ca")}}})
        self.addCleanup(self.agent.close)

    def start_peer(self, server, clients):
        """With a certificate by one authority, for clients with certificates by another."""
        place = self.dir / "peer"
        place.mkdir(exist_ok=True)
        for name, data in zip(("cert", "key"), server.issue("server")):
            (place / name).write_bytes(data)
        options = ["--tls-cert", place / "cert", "--tls-key", place / "key", "--tls-ca", clients.cert]
        if not hasattr(self, "peer"):
            self.peer = Peer(place)
            self.addCleanup(self.peer.stop)
        self.peer.start(*options)

    def put(self, **files):
        """Writes the agent's files anew, each by a rename, as what renews certificates does."""
        for name, data in files.items():
            new = self.tls / f"{name}.new"
            new.write_bytes(data)
            new.chmod(0o600)
            new.rename(self.tls / name)

    def uplink(self):
        return self.agent.status()["agent"]["uplink"]

    def said(self, pattern, seconds=LONG):
        """Waits until the uplink's last error is such; and the log says the same."""
        wait_for("the control socket", self.agent.states, LONG)

        def check():
            text = self.uplink()["last_error"]
            return pattern in text and text
        try:
            text = wait_for(f"the uplink says: {pattern}", check, seconds)
        except TimeoutError as e:
            self.fail(f"{e}; but: {self.uplink()['last_error']}")
        self.assertTrue(text in self.log() or text.replace('"', '\\"') in self.log(), text)
        return text

    def log(self):
        return (self.agent.dir / "agent.log").read_text(errors="replace")

    def streams(self, seconds=SOON):
        wait_for("the control socket", self.agent.states, LONG)
        wait_for("connected", lambda: self.uplink()["connected"], seconds)
        self.agent.wait_streaming([self.name], seconds)

    def equal(self):
        """At rest, the peer has what the cluster has."""
        self.sim.post("/rate", rate=0)
        there = next(iter(self.sim.state(0).values()))

        def rows():
            found = {}
            for o in self.peer.rows().values():
                m = o["metadata"]
                found[o["kind"], m.get("namespace", ""), m["name"]] = m["resourceVersion"]
            return found
        wait_for("the rows equal the cluster", lambda: rows() == there, LONG, 0.3)
        self.assertEqual(self.peer.violations(), [])

    def test_new_files_are_used_soon_and_nothing_is_lost(self):
        self.agent.start()
        self.streams(LONG)
        self.sim.post("/rate", rate=40)
        worker = self.agent.by_role()["worker"]
        # The certificate first and its key a moment later, as not everything renews both at once.
        cert, key = self.authority.issue("agent-2")
        before = self.uplink()["pid"]
        self.put(cert=cert)
        self.said("does not belong to")
        self.put(key=key)
        wait_for("another uplink", lambda: self.uplink()["pid"] not in (0, before), SOON)
        self.streams()
        # The other side goes over to another CA, for itself and for its clients.
        other = Authority(self.dir / "other", "two")
        self.peer.stop()
        self.start_peer(other, other)
        text = self.said("certificate")
        self.assertIn(self.peer.address, text)
        cert, key = other.issue("agent-3")
        self.put(cert=cert, key=key, ca=other.cert.read_bytes())
        self.streams()
        self.assertEqual(self.agent.by_role()["worker"], worker, "no worker is touched by it")
        self.equal()
        self.assertNotIn("PRIVATE KEY", self.log())

    def test_an_expired_certificate_is_named_and_replaced(self):
        cert, key = self.authority.issue("agent", begins=-7200, ends=-3600)
        self.put(cert=cert, key=key)
        self.agent.start()
        text = self.said("expired")
        self.assertIn(str(self.tls / "cert"), text, "it names the file")
        self.sim.post("/change", count=20)
        cert, key = self.authority.issue("agent")
        self.put(cert=cert, key=key)
        self.streams()
        self.equal()

    def test_one_that_expires_while_it_runs(self):
        ends = time.time() + 6
        cert, key = self.authority.issue("agent", ends=6)
        self.put(cert=cert, key=key)
        self.agent.start()
        self.streams(LONG)
        time.sleep(max(0, ends + 1 - time.time()))
        self.assertTrue(self.uplink()["connected"], "what is connected stays so")
        self.peer.kill()
        self.start_peer(self.authority, self.authority)
        self.assertIn(str(self.tls / "cert"), self.said("expired"))
        self.sim.post("/change", count=20)
        cert, key = self.authority.issue("agent")
        self.put(cert=cert, key=key)
        self.streams()
        self.equal()

    def test_missing_mismatched_and_garbled_files(self):
        cert, key = (self.tls / "cert").read_bytes(), (self.tls / "key").read_bytes()
        (self.tls / "cert").unlink()
        self.agent.start()
        self.assertIn(str(self.tls / "cert"), self.said("clouddriver.tls.clientCertFile"))
        self.put(cert=b"no certificate\n")
        self.assertIn(str(self.tls / "cert"), self.said("holds no certificate in PEM form"))
        self.put(cert=cert, key=self.authority.issue("stranger")[1])
        self.assertIn(str(self.tls / "key"), self.said("does not belong to"))
        self.put(key=key, ca=b"")
        self.assertIn(str(self.tls / "ca"), self.said("holds no certificate in PEM form"))
        (self.tls / "ca").unlink()
        self.said("clouddriver.tls.cacertFile")
        self.put(ca=self.authority.cert.read_bytes())
        self.streams()
        (self.tls / "key").unlink()  # by mistake: what runs goes on
        time.sleep(1.5)
        self.streams(1)
        self.put(key=key)
        self.sim.post("/change", count=20)
        self.equal()


if __name__ == "__main__":
    unittest.main()
