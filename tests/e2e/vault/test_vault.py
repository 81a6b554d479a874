# SPDX-License-Identifier: Apache-2.0
"""Kubeconfig files in a real Vault: both versions of its KV engine, each way to log in, tokens that are renewed and that are
revoked, and what is said when something lacks."""
import base64
import http.client
import http.server
import json
import ssl
import subprocess
import sys
import threading
import unittest
import urllib.error
import urllib.request

from rig.harness import paths
from rig.harness.agent import Agent, write_account
from rig.harness.procs import Process, free_port, wait_for
from rig.harness.sim import Sim

sys.path.insert(0, str(paths.ROOT / "tests/scenario"))
import impostor  # noqa: E402
from secretive import Server  # noqa: E402


class Vault:
    def __init__(self, log):
        program = paths.shell(paths.ROOT / "tests/rig/vault/build.sh")
        self.url = f"http://127.0.0.1:{free_port()}"
        self.process = Process([program, self.url.removeprefix("http://")], log)
        self.token = wait_for("Vault", self.ready, 60)

    def ready(self):
        self.process.check()
        line = self.process.log.read_text().partition("\n")
        return line[0] if line[1] and line[0].startswith("hvs.") else None

    def call(self, path, body=None, method=None, token=None):
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(f"{self.url}/v1/{path}", data, {"X-Vault-Token": token or self.token}, method=method)
        with urllib.request.urlopen(request, timeout=20) as r:
            text = r.read()
            return json.loads(text) if text else {}

    def put(self, path, body):
        """A mount that was just made may not be there yet."""
        said = []

        def done():
            try:
                self.call(path, body)
                return True
            except urllib.error.HTTPError as e:
                said[:] = [e.code, e.read()]
                if e.code in (400, 404):
                    return False
                raise
        try:
            wait_for(path, done, 20)
        except TimeoutError as e:
            raise TimeoutError(f"{e}: {said}") from None


class Reviewer(http.server.BaseHTTPRequestHandler):
    """The one call by which Vault asks a cluster whose token it was given."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *a):
        pass

    def do_POST(self):
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = review["spec"]["token"] == self.server.jwt
        review["status"] = {"authenticated": known, "user": {"username": "system:serviceaccount:spinnaker:agent", "uid": "u1",
                            "groups": ["system:serviceaccounts"]}} if known else {"authenticated": False, "error": "unknown token"}
        body = json.dumps(review).encode()
        self.send_response(201)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Front(http.server.BaseHTTPRequestHandler):
    """TLS before Vault, as a load balancer has it. Namespaces are a matter of Vault Enterprise and of OpenBao, so who asks for one
    is remembered here, and the header goes no further."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *a):
        pass

    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {k: v for k, v in self.headers.items() if k.lower().startswith(("x-vault", "content-type"))}
        self.server.asked.append((self.path, headers.pop("X-Vault-Namespace", None)))
        behind = http.client.HTTPConnection(self.server.behind, timeout=20)
        behind.request(self.command, self.path, body or None, headers)
        r = behind.getresponse()
        text = r.read()
        behind.close()
        self.send_response(r.status)
        self.send_header("Content-Type", r.getheader("Content-Type", "application/json"))
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_POST = do_PUT = do_GET


def front(vault, certificates):
    """Its server; `asked` are (path, namespace)."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Front)
    server.daemon_threads, server.handle_error = True, lambda *a: None
    server.behind, server.asked = vault.url.removeprefix("http://"), []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.crt", certificates / "server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.url = f"https://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def service_account_token():
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
    prefix = "kubernetes.io/serviceaccount/"
    return ".".join([part({"alg": "RS256", "typ": "JWT"}), part({
        "iss": "kubernetes/serviceaccount", "sub": "system:serviceaccount:spinnaker:agent", f"{prefix}namespace": "spinnaker",
        f"{prefix}service-account.name": "agent", f"{prefix}service-account.uid": "u1", f"{prefix}secret.name": "t"}), "c2lnbg"])


class InVault(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        try:
            cls.scratch = paths.Scratch("vault")
            cls.addClassCleanup(cls.scratch.close)
            cls.sim = Sim(cls.scratch.path / "sim", 2, objects=20)
            cls.addClassCleanup(cls.sim.stop)
            cls.vault = Vault(cls.scratch.path / "vault.log")
        except paths.Missing as e:
            raise unittest.SkipTest(str(e)) from None
        cls.addClassCleanup(cls.vault.process.stop)
        cls.kubeconfigs = [f.read_text() for f in cls.sim.kubeconfigs()]
        cls.files = cls.scratch.path / "files"
        cls.files.mkdir()
        cls.fill()
        cls.allow_logins()
        cls.certificates = impostor.make_certificates(cls.scratch.path / "certificates")
        cls.front = front(cls.vault, cls.certificates)
        cls.addClassCleanup(cls.front.server_close)
        cls.addClassCleanup(cls.front.shutdown)

    @classmethod
    def fill(cls):
        v, first = cls.vault, cls.kubeconfigs[0]
        for mount, version in (("team/kv1", "1"), ("kv2", "2")):
            v.call(f"sys/mounts/{mount}", {"type": "kv", "options": {"version": version}})
        v.put("team/kv1/clusters/prod", {"kubeconfig": first})
        cls.write("prod", kubeconfig=first, coded=base64.b64encode(first.encode()).decode())
        for name in ("hidden", "moving", "refused"):
            cls.write(name, kubeconfig=first)
        v.call("sys/policies/acl/agent", {"policy": """
            path "team/kv1/clusters/*" { capabilities = ["read"] }
            path "kv2/data/clusters/prod" { capabilities = ["read"] }
            path "kv2/data/clusters/none" { capabilities = ["read"] }
            path "kv2/clusters/none" { capabilities = ["read"] }
            path "kv2/data/clusters/moving" { capabilities = ["read"] }
            path "kv2/data/clusters/refused" { capabilities = ["read"] }"""})

    @classmethod
    def write(cls, name, **data):
        cls.vault.put(f"kv2/data/clusters/{name}", {"data": data})

    @classmethod
    def allow_logins(cls):
        v = cls.vault
        v.call("sys/auth/approle", {"type": "approle"})
        v.put("auth/approle/role/agent", {"token_policies": "agent", "token_ttl": "12s", "token_max_ttl": "10m"})
        cls.file("role-id", v.call("auth/approle/role/agent/role-id")["data"]["role_id"])
        cls.file("secret-id", v.call("auth/approle/role/agent/secret-id", {})["data"]["secret_id"])
        cls.file("wrong-id", "00000000-0000-0000-0000-000000000000")
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Reviewer)
        server.daemon_threads, server.jwt = True, service_account_token()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        cls.addClassCleanup(server.server_close)
        cls.addClassCleanup(server.shutdown)
        cls.file("jwt", server.jwt)
        v.call("sys/auth/clusters/eu", {"type": "kubernetes"})
        ca = subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=ca", "-keyout", cls.files / "ca.key"],
                            check=True, capture_output=True, text=True).stdout
        v.put("auth/clusters/eu/config", {"kubernetes_host": f"http://127.0.0.1:{server.server_address[1]}",
                                          "kubernetes_ca_cert": ca, "disable_local_ca_jwt": True})
        v.put("auth/clusters/eu/role/agent", {"bound_service_account_names": "agent", "bound_service_account_namespaces": "spinnaker",
                                              "token_policies": "agent", "token_ttl": "1h"})

    @classmethod
    def file(cls, name, text):
        (cls.files / name).write_text(text + "\n")
        (cls.files / name).chmod(0o600)
        return str(cls.files / name)

    def agent(self, name, references, refresh=3600, env=None, **login):
        directory = self.scratch.path / name
        for account, reference in references.items():
            write_account(directory / "accounts.d", account, f"encryptedFile:vault!{reference}", kinds=["configMap"])
        agent = Agent(directory / "agent", directory / "accounts.d", env=env, config={
            "secrets": {"refreshSeconds": refresh, "vault": {"url": self.vault.url, **login}}})
        self.addCleanup(agent.close)
        return agent.start()

    def approle(self, **other):
        return {"authMethod": "APPROLE", "roleIdFile": str(self.files / "role-id"), "secretIdFile": str(self.files / "secret-id"),
                **other}

    def given_token(self, **how):
        """A token's text, and its accessor."""
        auth = self.vault.call("auth/token/create-orphan", {"policies": ["agent"], **how})["auth"]
        return auth["client_token"], auth["accessor"]

    def account(self, agent, name):
        """Its status; nobody's while the agent does not answer."""
        try:
            return next(a for a in agent.status()["accounts"] if a["name"] == name)
        except (OSError, RuntimeError, StopIteration):
            return {"pid": 0, "last_error": ""}

    def last_error(self, agent, name, *texts):
        try:
            wait_for(f"{texts}", lambda: all(t in self.account(agent, name)["last_error"] for t in texts), 60)
        except TimeoutError as e:
            self.fail(f"{e}; {self.account(agent, name)['last_error']!r}")

    def test_both_versions_and_each_complaint(self):
        good = {"one": "e:team/kv1!p:clusters/prod!k:kubeconfig", "two": "e:kv2!p:clusters/prod!k:kubeconfig",
                "coded": "e:kv2!p:clusters/prod!k:coded!b:true"}
        agent = self.agent("versions", {**good, "hidden": "e:kv2!p:clusters/hidden!k:kubeconfig",
                                        "absent": "e:kv2!p:clusters/none!k:kubeconfig", "no-key": "e:kv2!p:clusters/prod!k:none",
                                        "not-coded": "e:kv2!p:clusters/prod!k:kubeconfig!b:true"}, **self.approle())
        agent.wait_streaming(good, 60)
        self.last_error(agent, "hidden", "permission denied", "allow read of kv2/data/clusters/hidden")
        self.last_error(agent, "absent", "no secret clusters/none in the engine kv2")
        self.last_error(agent, "no-key", "no text under k:none")
        self.last_error(agent, "not-coded", "not base64")
        token = self.kubeconfigs[0].split("token: ")[1].split("}")[0].strip()
        log = (agent.dir / "agent.log").read_text()
        for secret in (token, (self.files / "secret-id").read_text().strip(), "hvs."):
            self.assertNotIn(secret, log)

    def test_the_kubernetes_login(self):
        agent = self.agent("kubernetes", {"a": "e:kv2!p:clusters/prod!k:kubeconfig"}, authMethod="KUBERNETES", role="agent",
                           path="clusters/eu", jwtFile=str(self.files / "jwt"))
        agent.wait_streaming(["a"], 60)

    def test_a_login_that_is_refused_is_said(self):
        agent = self.agent("refused", {"a": "e:kv2!p:clusters/prod!k:kubeconfig"},
                           **self.approle(secretIdFile=str(self.files / "wrong-id")))
        self.last_error(agent, "a", "Vault refused the login at auth/approle", "invalid")

    def test_a_token_is_renewed_and_one_that_was_revoked_is_replaced(self):
        token, accessor = self.given_token(ttl="14s", renewable=True)
        path = self.file("token", token)
        agent = self.agent("token", {"a": "e:kv2!p:clusters/moving!k:kubeconfig"}, authMethod="TOKEN", tokenFile=path)
        agent.wait_streaming(["a"], 60)
        before = self.account(agent, "a")["pid"]

        def renewed():
            data = self.vault.call("auth/token/lookup-accessor", {"accessor": accessor})["data"]
            return data.get("last_renewal_time")
        wait_for("the token to be renewed", renewed, 14)
        self.vault.call("auth/token/revoke-accessor", {"accessor": accessor})
        self.write("moving", kubeconfig=self.kubeconfigs[1])
        self.file("token", self.given_token(ttl="1h")[0])  # root's alone: a new one starts the account anew
        wait_for("the other kubeconfig, by the other token", lambda: self.account(agent, "a")["pid"] not in (0, before), 60)
        agent.wait_streaming(["a"], 60)

    def test_a_login_outlives_its_tokens(self):
        """They last 12 s; the secret is seen to have changed after that."""
        agent = self.agent("outlive", {"a": "e:kv2!p:clusters/moving!k:kubeconfig"}, **self.approle())
        agent.wait_streaming(["a"], 60)
        before = self.account(agent, "a")["pid"]
        leases = self.vault.call("sys/leases/revoke-prefix/auth/approle", {}, method="PUT")
        self.assertIn(leases, ({}, None))
        self.write("moving", kubeconfig=self.kubeconfigs[0] + "# changed\n")
        wait_for("the account to start anew", lambda: self.account(agent, "a")["pid"] not in (0, before), 60)

    def test_over_tls_in_a_namespace(self):
        agent = self.agent("tls", {"a": "e:kv2!p:clusters/prod!k:kubeconfig"}, url=self.front.url, namespace="team/eu",
                           caFile=str(self.certificates / "ca.crt"), **self.approle())
        agent.wait_streaming(["a"], 60)
        self.assertIn(("/v1/auth/approle/login", "team/eu"), self.front.asked)
        self.assertIn(("/v1/kv2/data/clusters/prod", "team/eu"), self.front.asked)
        self.assertEqual({n for _, n in self.front.asked}, {"team/eu"})

    def test_whose_certificate_is_not_trusted_is_told_nothing(self):
        asked = len(self.front.asked)
        for name, ca in (("other", str(self.certificates / "other-ca.crt")), ("system", None)):
            agent = self.agent(f"untrusted-{name}", {"a": "e:kv2!p:clusters/prod!k:kubeconfig"}, url=self.front.url,
                               **({"caFile": ca} if ca else {}), **self.approle())
            self.last_error(agent, "a", "certificate", "is the CA of its certificate in secrets.vault.caFile?")
            agent.close()
        self.assertEqual(len(self.front.asked), asked)

    def test_a_credential_that_is_refused_is_read_again(self):
        """Within the hour after which it would be anyway: the API server takes another token, and Vault has it."""
        server = Server(self.certificates / "server.crt", self.certificates / "server.key", ["Bearer token-one"])
        self.addCleanup(server.close)
        server.put("configmaps", "shop", "a", data={})
        ca = self.certificates / "ca.crt"
        self.write("refused", kubeconfig=server.kubeconfig(ca, "token-one"))
        agent = self.agent("refused-token", {"a": "e:kv2!p:clusters/refused!k:kubeconfig"}, **self.approle())
        agent.wait_streaming(["a"], 60)
        before = self.account(agent, "a")["pid"]
        self.write("refused", kubeconfig=server.kubeconfig(ca, "token-two"))
        server.allow("Bearer token-two")
        wait_for("the account to start anew", lambda: self.account(agent, "a")["pid"] not in (0, before), 150)
        agent.wait_streaming(["a"], 60)

    def test_the_token_of_the_environment(self):
        agent = self.agent("environment", {"a": "e:kv2!p:clusters/prod!k:kubeconfig"}, authMethod="TOKEN",
                           env={"VAULT_TOKEN": self.given_token(ttl="1h")[0]})
        agent.wait_streaming(["a"], 60)


if __name__ == "__main__":
    unittest.main()
