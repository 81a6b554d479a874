# SPDX-License-Identifier: Apache-2.0
"""Kubeconfigs that lack parts or lie, certificates that should not be accepted, credential plugins that fail:
said in the account's own words, gone as soon as the file is put right, and no other account touched."""
import base64
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import impostor  # noqa: E402
from fleet import Fleet, rss, wait_for, write_account  # noqa: E402
from harness import sanitized  # noqa: E402

GOOD = "apiVersion: v1\nkind: Config\ncurrent-context: sim\n"


def b64(path):
    return base64.b64encode(pathlib.Path(path).read_bytes()).decode()


class Kubeconfigs(unittest.TestCase):
    """Each is a change of a good kubeconfig; the file is put right later."""

    # (what is put in place of what, the last error with the file's name in place of FILE)
    CASES = {
        "it is empty": (None, "", "FILE: the kubeconfig is empty"),
        "it is a list": (None, "- a\n- b\n", "FILE:1:1: the kubeconfig is .*list.*, expected a map"),
        "it is no YAML": ("users:", "users: [", r"FILE:\d+:\d+: .+"),
        "no current-context": ("current-context: sim\n", "", "FILE:1:1: has no current-context, and the account's `context` is not set"),
        "another current-context": ("current-context: sim", "current-context: prod", r'FILE:\d+:\d+: there is no entry "prod" in contexts'),
        "no cluster of that name": ("cluster: sim,", "cluster: other,", r'FILE:\d+:\d+: there is no entry "other" in clusters'),
        "no user of that name": ("user: sim}", "user: other}", r'FILE:\d+:\d+: there is no entry "other" in users'),
        "no server": ("server:", "sever:", r"FILE:\d+:\d+: the cluster has no server"),
        "a CA that is no base64": ("certificate-authority-data: ", "certificate-authority-data: not-base64-", r"FILE:\d+:\d+: certificate-authority-data is not base64"),
        "a CA that is no certificate": (None, "certificate-authority-data", "FILE: certificate-authority-data \\(sim\\).*"),
        "a CA file that is not there": (None, "certificate-authority", r".*/nowhere/ca\.crt.*No such file or directory"),
        "a server that is no URL": ("https://127.0.0.1", "gopher://127.0.0.1", r"FILE:\d+:\d+: .+"),
        "a certificate without its key": ("user: {", "user: {client-certificate: /x, ", r"FILE:\d+:\d+: the user has a client-certificate but has no client-key or client-key-data"),
        "a token and a password": ("user: {", "user: {username: a, password: b, ", r"FILE:\d+:\d+: the user has a token and a username or password; keep one"),
        "exec without leave": (None, "exec", "FILE: the user runs a program \\(exec\\) for its credential, which is off by default: set allowExec of the account to true to allow it"),
        "the file is not there": (None, None, "FILE: No such file or directory"),
    }

    def broken(self, good, name):
        old, new, _ = self.CASES[name]
        if old is not None:
            assert old in good, old
            return good.replace(old, new, 1)
        ca = good.split("certificate-authority-data: ")[1].split("}")[0]
        token = good.split("token: ")[1].split("}")[0]
        if new == "certificate-authority-data":
            return good.replace(ca, base64.b64encode(b"no certificate").decode())
        if new == "certificate-authority":
            return good.replace("certificate-authority-data: " + ca, "certificate-authority: /nowhere/ca.crt")
        if new == "exec":
            return good.replace("token: " + token, "exec: {apiVersion: client.authentication.k8s.io/v1, command: x, interactiveMode: Never}")
        return new

    def test_each_is_named_and_mended_by_its_file_alone(self):
        with Fleet(1 + len(self.CASES)) as f:
            good = {}
            for name, case in zip(f.bad, self.CASES):
                path = f.sim.dir / "kubeconfigs" / f"{name}.yml"
                good[path] = path.read_text()
                text = self.broken(good[path], case)
                if text is None:
                    path.unlink()
                else:
                    path.write_text(text)
            f.start(good_only=True)
            for (name, path), (case, (_, _, pattern)) in zip(zip(f.bad, good), self.CASES.items()):
                with self.subTest(case):
                    a = f.says(name, f"(kubeconfig: )?{pattern.replace('FILE', str(path))}", 40)
                    self.assertIn(a["state"], ("failed", "backoff", "starting", "connecting"))
                    said = a["last_error"][:60]
                    wait_for("the log names it", lambda s=said: any(s in r.get("msg", "") + str(r) for r in f.log()), 10)
            f.wait_good()
            for path, text in good.items():
                path.write_text(text)
            f.recovers(self, *f.bad)
            f.check_good(self)


@unittest.skipUnless(impostor.CERTIFICATES.exists(), "the script that makes certificates is not there")
class Certificates(unittest.TestCase):
    """Something else stands where the API server should be, and then it does not any more."""

    CHECK = "; check server.*"

    def cases(self, certificates):
        """{what: (certificate, is its CA known, what is done behind the handshake, the last error)}"""
        def of(name):
            return certificates / f"{name}.crt", certificates / f"{name}.key"
        get = r"connecting to the API server: GET 127\.0\.0\.1:\d+/version: "
        return {
            "expired": (of("expired"), True, None, get + r".*certificate of /CN=server is valid from 2020-01-01T00:00:00Z to 2020-02-01T00:00:00Z.*"),
            "of another CA": (of("server"), False, None, get + r".*certificate of /CN=server, issued by /CN=test-ca: is it the CA of the kubeconfig\?.*"),
            "of another host": (of("client"), True, None, get + r".*(host name|subject name|IP address).*"),
            "headers without end": (of("server"), True, impostor.headers_without_end, get + "the answer's headers are more than 256, or longer than 64 KB.*"),
            "a header without end": (of("server"), True, impostor.a_header_without_end, get + "one of the answer's headers is longer than 100 KB.*"),
            "interim answers without end": (of("server"), True, impostor.interim_answers_without_end, get + "the answer's headers are more than 256, or longer than 64 KB.*"),
            "a body without end": (of("server"), True, impostor.a_body_without_end, get + "the answer is longer than what is taken of it.*"),
        }

    def test_each_is_named_and_over_when_the_real_server_is_back(self):
        with Fleet(8) as f:
            certificates = impostor.make_certificates(f.dir / "certificates")
            if not certificates:
                self.skipTest("openssl makes no certificates here")
            cases, impostors = self.cases(certificates), []
            for name, (pair, known, bad, _) in zip(f.bad, cases.values()):
                path = f.sim.dir / "kubeconfigs" / f"{name}.yml"
                port = f.sim.port + f.cluster(name)
                impostors.append(impostor.Impostor(port, *pair, bad))
                ca = impostor.simulators_ca(path)
                both = ca + (certificates / "ca.crt").read_bytes()
                text = path.read_text().replace(f"127.0.0.1:{port}", f"127.0.0.1:{impostors[-1].port}")
                if known:
                    text = text.replace(base64.b64encode(ca).decode(), base64.b64encode(both).decode())
                path.write_text(text)
            f.start(good_only=True)
            for name, (what, (_, _, _, pattern)) in zip(f.bad, cases.items()):
                with self.subTest(what):
                    a = f.says(name, pattern, 40)
                    self.assertEqual(a["state"], "connecting")
                    self.assertTrue(f.logged(name, pattern[:40]))
                    self.assertLess(rss(a["pid"]), (500 if sanitized("scale-agentd") else 40) << 20)
                    self.assertEqual(f.versions(name), {})
            f.wait_good()
            for i in impostors:
                i.good = True
            f.recovers(self, *f.bad)
            for name in f.bad:
                self.assertEqual(f.status(name)["restarts"], 0)
            f.check_good(self)
            for i in impostors:
                i.close()

    def test_an_expired_client_certificate_is_named_before_it_is_shown(self):
        with Fleet(2) as f:
            certificates = impostor.make_certificates(f.dir / "certificates")
            if not certificates:
                self.skipTest("openssl makes no certificates here")
            path = f.sim.dir / "kubeconfigs" / f"{f.bad[0]}.yml"
            good = path.read_text()
            pair = f"client-certificate-data: {b64(certificates / 'client-expired.crt')}, client-key-data: {b64(certificates / 'client-expired.key')}, "
            path.write_text(good.replace("user: {", "user: {" + pair))
            f.start(good_only=True)
            f.says(f.bad[0], rf"{path}: client-certificate-data \(sim\): the client certificate expired on 2020-02-01T00:00:00Z")
            path.write_text(good)
            f.recovers(self, *f.bad)
            f.check_good(self)


class Plugins(unittest.TestCase):
    """Programs that a kubeconfig names for its credential."""

    CASES = {
        "unknown": ('command: no-such-plugin', 'the exec plugin "no-such-plugin" is not installed: no program of that name in PATH .+ that this user may run.*'),
        "not there": ("command: /nowhere/plugin", "the exec plugin /nowhere/plugin can't be run: No such file or directory.*"),
        "fails": ('command: sh, args: ["-c", "echo the cloud is closed >&2; exit 3"]', "the exec plugin sh ended with exit 3, its last words: the cloud is closed.*"),
        "garbage": ('command: sh, args: ["-c", "echo hello"]', "the exec plugin's answer .+"),
        "no credential": ("""command: sh, args: ["-c", 'echo "{\\"apiVersion\\":\\"client.authentication.k8s.io/v1\\",\\"kind\\":\\"ExecCredential\\"}"']""", ".+"),
        "endless": ('command: sh, args: ["-c", "yes"]', "the exec plugin sh wrote more than 1 MB and was ended.*"),
    }

    def test_each_is_named_and_asked_again(self):
        with Fleet(1 + len(self.CASES), env={"PATH": "/usr/bin:/bin"}) as f:
            good = {}
            for name, (command, _) in zip(f.bad, self.CASES.values()):
                path = f.sim.dir / "kubeconfigs" / f"{name}.yml"
                good[path] = path.read_text()
                token = good[path].split("token: ")[1].split("}")[0]
                path.write_text(good[path].replace(
                    "token: " + token, "exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, " + command + "}"))
                write_account(f.sim.accounts, name, path, allowExec=True, kinds=["pod", "configMap"])
            f.start(good_only=True)
            for name, (what, (_, pattern)) in zip(f.bad, self.CASES.items()):
                with self.subTest(what):
                    f.says(name, "connecting to the API server: (GET .+: )?" + pattern, 40)
                    self.assertTrue(f.logged(name, pattern))
            f.wait_good()
            for path, text in good.items():
                path.write_text(text)
            f.agent.wait_streaming(f.bad)
            f.check_good(self)


if __name__ == "__main__":
    unittest.main()
