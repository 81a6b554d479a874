# SPDX-License-Identifier: Apache-2.0
"""scale-agentctl doctor over set-ups that are broken in one way each: it names the cause, and what to do. What
answers is a small server of its own; a real API server is asked in tests/e2e/test_doctor.py."""
import base64
import contextlib
import http.server
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
import unittest

from rig.harness import paths
from rig.harness.peer import Peer
from rig.harness.procs import free_port
from test_uplink_tls import Authority

LONG = float(os.environ.get("SA_LONG", 90))
NAME = "plugin.test"  # what the authority's certificates are for


def token_of(expires):
    """A JSON Web Token with nothing but its end."""
    def part(o):
        return base64.urlsafe_b64encode(json.dumps(o).encode()).rstrip(b"=").decode()
    return ".".join((part({"alg": "none"}), part({"exp": int(expires)}), "c2lnbmF0dXJl"))


GOOD = token_of(time.time() + 7 * 86400)


class Cluster(http.server.ThreadingHTTPServer):
    """As much of an API server as doctor asks for, over HTTP/1.1."""
    daemon_threads = True

    def __init__(self, cert, key, skew=0, kubernetes=True, denied=()):
        super().__init__(("127.0.0.1", 0), Handler)
        self.skew, self.kubernetes, self.denied = skew, kubernetes, denied
        self.bare = []  # requests with no credential
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(cert, key)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def close(self):
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address):
        pass  # clients that break off a handshake are what this is about


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    RESOURCES = {"v1": [("pods", "Pod", True), ("services", "Service", True), ("namespaces", "Namespace", False)],
                 "apps/v1": [("deployments", "Deployment", True)]}

    def setup(self):
        self.request.settimeout(20)
        self.request = self.server.context.wrap_socket(self.request, server_side=True)
        super().setup()

    def log_message(self, *_):
        pass

    def date_time_string(self, timestamp=None):
        return super().date_time_string((timestamp or time.time()) + self.server.skew)

    def answer(self, code, value):
        body = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def known(self):
        said = self.headers.get("Authorization")
        if said is None:
            self.server.bare.append(self.path)
        if said == f"Bearer {GOOD}":
            return True
        self.answer(401, {"kind": "Status", "code": 401, "message": "Unauthorized"})
        return False

    def do_GET(self):
        if not self.server.kubernetes:
            self.answer(200, {"welcome": "to something else"})
        elif not self.known():
            return
        elif self.path == "/version":
            self.answer(200, {"gitVersion": "v1.36.3"})
        elif self.path == "/api":
            self.answer(200, {"kind": "APIVersions", "versions": ["v1"]})
        elif self.path == "/apis":
            version = {"groupVersion": "apps/v1", "version": "v1"}
            self.answer(200, {"kind": "APIGroupList", "groups": [{"name": "apps", "versions": [version], "preferredVersion": version}]})
        else:
            rows = self.RESOURCES.get(self.path.split("/", 2)[2], [])
            self.answer(200, {"kind": "APIResourceList", "resources": [
                {"name": n, "kind": k, "namespaced": s, "singularName": "", "verbs": ["get", "list", "watch"]} for n, k, s in rows]})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self.known():
            return
        if body["kind"] == "SelfSubjectReview":
            self.answer(201, {"status": {"userInfo": {"username": "system:serviceaccount:spinnaker:agent"}}})
            return
        a = body["spec"]["resourceAttributes"]
        wanted = (a["verb"], a["group"], a["resource"])
        allowed = not self.server.denied or ("*" not in wanted and wanted not in self.server.denied)
        self.answer(201, {"status": {"allowed": allowed}})


class Doctor(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        try:
            cls.ctl = paths.program("scale-agentctl")
        except paths.Missing as e:
            raise unittest.SkipTest(str(e)) from None
        cls.shared = paths.Scratch("doctor-ca")
        cls.addClassCleanup(cls.shared.close)
        cls.authority = Authority(cls.shared.path / "authority", "one")
        cls.other = Authority(cls.shared.path / "other", "two")
        cls.cert = cls.pair("server")

    @classmethod
    def pair(cls, name, ends=60 * 86400, **dates):
        """Certificate and key of a server, as files."""
        cls.authority.issue(name, ends=ends, **dates)
        return cls.authority.dir / f"{name}.crt", cls.authority.dir / f"{name}.key"

    def setUp(self):
        scratch = paths.Scratch("doctor")
        self.addCleanup(scratch.close)
        self.dir = scratch.path
        self.etc = self.dir / "etc"
        (self.etc / "accounts.d").mkdir(parents=True)
        self.settings()

    # The set-up

    def settings(self, **more):
        main = {"sink": "sqlite", "runtimeDir": str(self.dir / "run"), "stateDir": str(self.dir / "state"), **more}
        (self.etc / "scale-agent.yml").write_text(json.dumps(main) + "\n")

    def cluster(self, cert=None, **how):
        server = Cluster(*(cert or self.cert), **how)
        self.addCleanup(server.close)
        return server

    def account(self, server, user=None, ca=None, account=None, **cluster):
        """One account; server: a Cluster, or a URL."""
        url = server if isinstance(server, str) else f"https://127.0.0.1:{server.server_port}"
        ca = (ca or self.authority).cert.read_bytes()
        config = {
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {
                "server": url, "certificate-authority-data": base64.b64encode(ca).decode(), "tls-server-name": NAME, **cluster}}],
            "users": [{"name": "u", "user": user or {"token": GOOD}}]}
        path = self.dir / "kubeconfig"
        path.write_text(json.dumps(config))
        path.chmod(0o600)
        entry = {"name": "one", "kubeconfigFile": str(path), **(account or {})}
        (self.etc / "accounts.d" / "one.yml").write_text(json.dumps(entry) + "\n")
        return path

    # The examination

    def run_doctor(self, *arguments, program=None, **kw):
        return subprocess.run([str(program or self.ctl), "-s", str(self.dir / "none"), "doctor", str(self.etc), *arguments],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=LONG,
                              env={k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")} | kw.pop("env", {}), **kw)

    def ask(self, **kw):
        """{(about, check): finding}, the worst of each."""
        r = self.run_doctor("-o", "json", **kw)
        self.assertEqual(r.stderr, "")
        said = json.loads(r.stdout)
        order = ["skipped", "ok", "warning", "error"]
        found = {}
        for c in said["checks"]:
            key = c["about"], c["check"]
            if key not in found or order.index(c["state"]) > order.index(found[key]["state"]):
                found[key] = c
        self.assertEqual(said["errors"], sum(c["state"] == "error" for c in said["checks"]))
        self.assertEqual(r.returncode, 1 if said["errors"] else 4 if said["warnings"] else 0)
        return found

    def blames(self, check, pattern, about="account", fix="", state="error", **kw):
        """This check and no other is in error, and says so."""
        found = self.ask(**kw)
        wrong = {k: c["found"] for k, c in found.items() if c["state"] == "error"}
        self.assertEqual(set(wrong), {(about, check)} if state == "error" else set(), str(list(found.values())))
        self.assertEqual(found[about, check]["state"], state, found[about, check])
        self.assertRegex(found[about, check]["found"], pattern)
        self.assertRegex(found[about, check]["fix"], fix or "^")
        self.assertNotIn(GOOD, str(found))
        return found

    # Files

    def test_a_kubeconfig_that_may_not_be_read(self):
        path = self.account(self.cluster())
        path.chmod(0o600 if os.geteuid() == 0 else 0)
        program, who = self.ctl, {}
        if os.geteuid() == 0:
            program = self.dir / "scale-agentctl"  # the build may lie where nobody else may look
            shutil.copy(self.ctl, program)
            who = {"user": 65534, "group": 65534, "extra_groups": []}
        self.blames("files", rf"{path} can't be read by uid \d+: Permission denied", fix="chown", program=program, **who)

    def test_a_kubeconfig_that_is_not_there(self):
        self.account(self.cluster()).unlink()
        found = self.blames("files", "is not there", fix="name the right one")
        self.assertEqual(found["account", "tls"]["state"], "skipped")

    def test_a_kubeconfig_that_everyone_may_read(self):
        self.account(self.cluster()).chmod(0o644)
        self.blames("files", "can be read by everyone", fix="chmod 600", state="warning")

    def test_a_key_of_the_configuration_that_does_not_exist(self):
        self.account(self.cluster(), account={"kindz": ["pods"]})
        found = self.ask()
        self.assertEqual({k for k, c in found.items() if c["state"] == "error"}, {("host", "configuration")})
        self.assertRegex(found["host", "configuration"]["found"], r"one\.yml:1:\d+: .*kindz.*kinds")

    @unittest.skipIf(os.geteuid(), "root alone gives its processes to others")
    def test_who_runs_what(self):
        for more, says in (({}, r"^all processes run as uid \d+; with uidRange"),
                           ({"uidRange": {"first": 2100000000, "count": 10}}, r"^workers run as uids from 2100000000 on")):
            self.settings(user="nobody", **more)
            self.assertRegex(self.ask()["host", "users"]["found"], says)

    def test_malformed_yaml(self):
        self.account(self.cluster())
        (self.etc / "accounts.d" / "one.yml").write_text("name: one\nkubeconfigFile: [unfinished\n")
        found = self.ask()
        self.assertEqual({k for k, c in found.items() if c["state"] == "error"}, {("host", "configuration")})
        self.assertRegex(found["host", "configuration"]["found"], r"one\.yml:\d+:\d+: ")

    # The network

    def test_a_name_that_nobody_knows(self):
        self.account("https://no-such-host.invalid:6443")
        found = self.blames("dns", "no-such-host.invalid can't be resolved", fix="getent hosts no-such-host.invalid")
        self.assertEqual({found["account", c]["state"] for c in ("tcp", "tls", "http", "kubernetes", "rbac")}, {"skipped"})

    def test_a_port_where_nothing_listens(self):
        port = free_port()
        self.account(f"https://127.0.0.1:{port}")
        self.blames("tcp", f"no connection to 127.0.0.1 port {port}: Connection refused", fix="Nothing listens")

    def test_a_proxy_where_nothing_listens(self):
        port = free_port()
        server = self.cluster()
        self.account(server, **{"proxy-url": f"http://127.0.0.1:{port}"})
        found = self.blames("tcp", f"no connection to proxy 127.0.0.1 port {port}")
        self.assertIn(f"through the proxy 127.0.0.1:{port}", found["account", "proxy"]["found"])

    # Certificates

    def test_another_authority(self):
        server = self.cluster()
        self.account(server, ca=self.other)
        self.blames("tls", r"the server's certificate, /CN=server, was issued by /CN=one, which is not trusted",
                    fix="/CN=one into certificate-authority")
        self.assertEqual(server.bare, [], "nothing is asked over such a connection")

    def test_an_expired_certificate(self):
        self.account(self.cluster(cert=self.pair("old", begins=-7200, ends=-3600)))
        self.blames("tls", r"the server's certificate, /CN=old, expired on \d{4}-", fix="Renew")

    def test_a_certificate_that_ends_soon(self):
        self.account(self.cluster(cert=self.pair("soon", ends=5 * 86400)))
        self.blames("tls", r"of /CN=soon expires soon, on \d{4}-|of /CN=one expires soon", state="warning")

    def test_a_certificate_for_another_name(self):
        self.account(self.cluster(), **{"tls-server-name": "elsewhere.test"})
        self.blames("tls", f"not for elsewhere.test; it is for {NAME}", fix="tls-server-name")

    # The server

    def test_a_token_that_has_expired(self):
        self.account(self.cluster(), user={"token": token_of(time.time() - 3600)})
        found = self.ask()
        self.assertEqual({k for k, c in found.items() if c["state"] == "error"}, {("account", "token"), ("account", "kubernetes")})
        self.assertRegex(found["account", "token"]["found"], r"expired on \d{4}-")
        self.assertIn("does not take our credential", found["account", "kubernetes"]["found"])

    def test_a_token_that_the_server_refuses(self):
        self.account(self.cluster(), user={"token": "of-another-cluster"})
        found = self.blames("kubernetes", "does not take our credential: .*401", fix="kubectl create token")
        self.assertNotIn("of-another-cluster", str(found))
        self.assertEqual(found["account", "rbac"]["state"], "skipped")

    def test_clocks_that_differ(self):
        self.account(self.cluster(skew=-600))
        found = self.blames("clock", r"our clock is (599|600|601|602|603|604|605) seconds ahead of the server's", fix="timedatectl")
        self.assertEqual(found["account", "rbac"]["state"], "ok", "it goes on nevertheless")

    def test_http_1_1_only(self):
        self.account(self.cluster())
        found = self.blames("http", "HTTP/1.1 only", fix="load balancer", state="warning")
        self.assertIn("v1.36.3", found["account", "kubernetes"]["found"])

    def test_something_else_than_kubernetes(self):
        self.account(self.cluster(kubernetes=False))
        self.blames("kubernetes", "no Kubernetes API server")

    def test_rules_that_are_missing(self):
        self.account(self.cluster(denied=[("watch", "apps", "deployments"), ("list", "apps", "deployments"), ("create", "", "pods")]))
        found = self.blames("rbac", "may not be read: deployments.apps: list, watch$", fix="kubectl apply")
        rules = found["account", "rbac"]["apply"]
        self.assertIn('- apiGroups: ["apps"]\n  resources: ["deployments"]\n  verbs: ["list", "watch"]\n', rules)
        self.assertIn('- kind: ServiceAccount\n  name: "agent"\n  namespace: "spinnaker"\n', rules)
        self.assertIn("pods: create", found["account", "operations"]["found"])
        self.assertEqual(found["account", "operations"]["state"], "warning")
        text = self.run_doctor().stdout
        self.assertIn('    - apiGroups: ["apps"]', text, "people see the rules, too")

    def test_an_exec_plugin_that_is_missing(self):
        self.account(self.cluster(), account={"allowExec": True},
                     user={"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "no-such-plugin", "interactiveMode": "Never"}})
        self.blames("exec", "no-such-plugin gives no credential", fix="Install the program")

    def test_an_exec_plugin_that_works(self):
        plugin = self.dir / "plugin"
        answer = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": GOOD}}
        plugin.write_text(f"#!/bin/sh\ncat <<'E'\n{json.dumps(answer)}\nE\n")
        plugin.chmod(0o755)
        self.account(self.cluster(), account={"allowExec": True},
                     user={"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin), "interactiveMode": "Never"}})
        found = self.blames("exec", "plugin gave a credential", state="ok")
        self.assertEqual(found["account", "rbac"]["state"], "ok")

    # Clouddriver

    def clouddriver(self, address, **more):
        self.settings(sink="grpc", clouddriver={"grpc": address, **more})

    def peer(self, *options):
        peer = Peer(self.dir / "peer")
        peer.start(*options)
        self.addCleanup(peer.stop)
        return peer.address

    def tls(self):
        return {"insecure": False, "tls": {"serverName": NAME, "cacertFile": str(self.authority.cert)}}

    def test_a_plugin_that_is_well(self):
        self.clouddriver(self.peer("--tls-cert", self.cert[0], "--tls-key", self.cert[1]), **self.tls())
        found = self.blames("plugin", "plugin peer, protocol version 1, Clouddriver test", about="clouddriver", state="ok")
        self.assertIn("is trusted", found["clouddriver", "tls"]["found"])

    def test_clouddriver_s_port_is_closed(self):
        port = free_port()
        self.clouddriver(f"127.0.0.1:{port}", insecure=True)
        found = self.blames("tcp", f"127.0.0.1 port {port}: Connection refused", about="clouddriver",
                            fix="clouddriver.grpc right. Where Clouddriver itself answers, scale-agent's plugin is not loaded")
        self.assertEqual(found["clouddriver", "plugin"]["state"], "skipped")

    def test_clouddriver_speaks_without_tls(self):
        self.clouddriver(self.peer(), **self.tls())
        self.blames("tls", "the server speaks without TLS", about="clouddriver", fix="clouddriver.insecure to true")

    def test_clouddriver_wants_tls(self):
        self.clouddriver(self.peer("--tls-cert", self.cert[0], "--tls-key", self.cert[1]), insecure=True)
        self.blames("plugin", "does not answer as the plugin does", about="clouddriver", fix="speaks TLS and clouddriver.insecure is true")

    def test_clouddriver_wants_a_certificate_of_ours(self):
        self.clouddriver(self.peer("--tls-cert", self.cert[0], "--tls-key", self.cert[1], "--tls-ca", self.authority.cert), **self.tls())
        self.blames("plugin", "does not answer", about="clouddriver", fix="clientCertFile")

    def test_a_plugin_of_another_protocol(self):
        self.clouddriver(self.peer("--protocol", "99"), insecure=True)
        self.blames("plugin", "plugin peer speaks protocol version 99, agent .* speaks 1 to 1", about="clouddriver", fix="adjacent releases")

    def test_a_server_that_is_no_plugin(self):
        with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as s:
            def hang_up():
                with contextlib.suppress(OSError):
                    while True:
                        c, _ = s.accept()
                        c.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                        c.close()
            threading.Thread(target=hang_up, daemon=True).start()
            self.clouddriver(f"127.0.0.1:{s.getsockname()[1]}", insecure=True)
            self.blames("plugin", "does not answer as the plugin does", about="clouddriver", fix="9091")

    # The command line

    def test_what_is_shown(self):
        self.account(self.cluster())
        text = self.run_doctor().stdout
        self.assertNotIn("\033", text, "no colours where this is no terminal")
        self.assertRegex(text, r"(?m)^one +tls +ok +TLS")
        self.assertRegex(text.splitlines()[-1], r"^\d+ ok, \d+ warnings?, 0 errors, \d+ skipped\.$")
        self.assertRegex(self.run_doctor("-o", "yaml").stdout, r"(?m)^ +check: tls$")
        r = self.run_doctor("--account", "two")
        self.assertEqual((r.returncode, r.stdout), (1, ""))
        self.assertIn("no account two is configured", r.stderr)


if __name__ == "__main__":
    unittest.main()
