# SPDX-License-Identifier: Apache-2.0
"""Accounts whose kubeconfig is in a store of secrets, by the real daemon: read by the account's helper, which signs in by
what AWS and Google know, read again, and never seen by anybody else."""
import base64
import json
import os
import pathlib
import subprocess
import unittest

import impostor
from rig.harness import paths
from rig.harness.agent import Agent, write_account
from rig.harness.procs import wait_for
from rig.harness.sim import Sim
from secretive import Server
from secret_stores import Stores, WEB_IDENTITY

REGION = "eu-west-1"
# What an agent has in its environment, and which key signs then.
WAYS = {
    "environment": ({"AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": "env-secret"}, "AKIAENV"),
    "file": ({"AWS_SHARED_CREDENTIALS_FILE": "{dir}/aws", "AWS_PROFILE": "agent"}, "AKIAFILE"),
    "web identity": ({"AWS_WEB_IDENTITY_TOKEN_FILE": "{dir}/jwt", "AWS_ROLE_ARN": "arn:aws:iam::1:role/agent"}, "ASIAWEB"),
    "pod identity": ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "{url}/pod-identity",
                      "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "{dir}/box"}, "ASIABOX"),
    "instance": ({"AWS_EC2_METADATA_SERVICE_ENDPOINT": "{url}"}, "ASIAROLE"),
}


class SecretStores(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        try:
            cls.scratch = paths.Scratch("stores")
            cls.addClassCleanup(cls.scratch.close)
            cls.sim = Sim(cls.scratch.path / "sim", 2, objects=20)
        except paths.Missing as e:
            raise unittest.SkipTest(str(e)) from None
        cls.addClassCleanup(cls.sim.stop)
        cls.stores = Stores()
        cls.addClassCleanup(cls.stores.close)
        cls.kubeconfigs = [f.read_text() for f in cls.sim.kubeconfigs()]
        first = cls.kubeconfigs[0]
        cls.stores.buckets["kube.configs"] = {"prod/a+b.yml": first.encode(),
                                              "all.yml": json.dumps({"clusters": {"prod": first}}).encode()}
        cls.stores.secrets.update({"prod/text": first, "prod/binary": first.encode(), "prod/keys": json.dumps({"kube.config": first})})
        cls.files = cls.scratch.path / "files"
        cls.files.mkdir()
        for name, text in {"aws": "[default]\naws_access_key_id = no\naws_secret_access_key = no\n\n[agent]\n"
                                  "aws_access_key_id=AKIAFILE\naws_secret_access_key = file-secret\n",
                           "jwt": WEB_IDENTITY, "box": "box-token\n"}.items():
            (cls.files / name).write_text(text)
            (cls.files / name).chmod(0o600)

    def agent(self, name, env, refresh=3600, secrets=None):
        """An agent of its own; its accounts' directory."""
        env = {k: v.format(dir=self.files, url=self.stores.url) for k, v in env.items()}
        env |= {"AWS_ENDPOINT_URL": self.stores.url, "STORAGE_EMULATOR_HOST": self.stores.url,
                "GCE_METADATA_HOST": self.stores.url.removeprefix("http://")}
        for inherited in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
            env.setdefault(inherited, "")
        directory = self.scratch.path / name.replace(" ", "-")
        self.accounts = directory / "accounts.d"
        self.accounts.mkdir(parents=True)
        agent = Agent(directory / "agent", self.accounts, env=env, config={"secrets": {"refreshSeconds": refresh, **(secrets or {})}})
        self.addCleanup(agent.close)
        return agent

    def account(self, name, reference, **settings):
        write_account(self.accounts, name, f"encryptedFile:{reference}", kinds=["configMap", "pod"], **settings)

    def last_error(self, agent, name, *texts):
        def check():
            try:
                a = next((a for a in agent.status()["accounts"] if a["name"] == name), None)
            except (OSError, RuntimeError):
                return False
            return a and all(t in a["last_error"] for t in texts)
        try:
            wait_for(f"{texts}", check, 60)
        except TimeoutError as e:
            self.fail(f"{e}; {agent.status()['accounts']}")

    def test_each_way_to_sign_in_to_aws(self):
        for way, (env, key) in WAYS.items():
            with self.subTest(way):
                self.stores.used.clear()
                agent = self.agent(way, env)
                self.account("a", f"s3!r:{REGION}!b:kube.configs!f:prod/a+b.yml")
                agent.start()
                agent.wait_streaming(["a"], 60)
                self.assertIn(("s3", key, f"{REGION}/s3"), self.stores.used)
                agent.close()

    def test_every_store_and_form(self):
        agent = self.agent("forms", WAYS["environment"][0])
        forms = {"sm-text": f"secrets-manager!r:{REGION}!s:prod/text", "sm-binary": f"secrets-manager!r:{REGION}!s:prod/binary",
                 "sm-key": f"secrets-manager!r:{REGION}!s:prod/keys!k:kube.config",
                 "gcs": "gcs!b:kube.configs!f:prod/a+b.yml", "s3-key": f"s3!r:{REGION}!b:kube.configs!f:all.yml!k:clusters.prod"}
        for name, reference in forms.items():
            self.account(name, reference)
        self.account("absent", f"s3!r:{REGION}!b:kube.configs!f:none.yml")
        self.account("no-key", "gcs!b:kube.configs!f:all.yml!k:clusters.none")
        self.account("no-secret", f"secrets-manager!r:{REGION}!s:none")
        agent.start()
        agent.wait_streaming(forms, 60)
        self.last_error(agent, "absent", "there is no none.yml in the bucket kube.configs")
        self.last_error(agent, "no-key", "no text at k:clusters.none")
        self.last_error(agent, "no-secret", "Secrets Manager", "no secret none")
        self.confined_and_silent(agent, "sm-text")

    def confined_and_silent(self, agent, name):
        """Who fetches is no more than a worker; what was fetched is in no log."""
        a = next(a for a in agent.status()["accounts"] if a["name"] == name)
        status = dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{a['helper_pid']}/status").read_text().splitlines()
                      if ":\t" in line)
        self.assertEqual(status["Seccomp"], "2")
        if os.geteuid() == 0:
            self.assertEqual(set(status["Uid"].split()), {"65534"})
        token = self.kubeconfigs[0].split("token: ")[1].split("}")[0].strip()
        log = (agent.dir / "agent.log").read_text()
        self.assertNotIn(token, log)
        self.assertNotIn("env-secret", log)

    def test_a_key_file_of_google(self):
        key = self.files / "google.pem"
        subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
        public = self.files / "google.pub"
        subprocess.run(["openssl", "rsa", "-in", key, "-pubout", "-out", public], check=True, capture_output=True)
        (self.files / "google.json").write_text(json.dumps({
            "type": "service_account", "client_email": "agent@x.iam", "private_key": key.read_text(),
            "token_uri": self.stores.url + "/token"}))
        agent = self.agent("google", {"GOOGLE_APPLICATION_CREDENTIALS": "{dir}/google.json"})
        self.account("a", "gcs!b:kube.configs!f:all.yml!k:clusters.prod")
        agent.start()
        agent.wait_streaming(["a"], 60)
        text, signature = self.stores.assertion
        (self.files / "text").write_bytes(text)
        (self.files / "sign").write_bytes(signature)
        subprocess.run(["openssl", "dgst", "-sha256", "-verify", public, "-signature", self.files / "sign", self.files / "text"],
                       check=True, capture_output=True)

    def test_another_kubeconfig_starts_that_account_anew(self):
        self.stores.secrets.update({"moving": self.kubeconfigs[0], "staying": self.kubeconfigs[0]})
        agent = self.agent("moving", WAYS["environment"][0], refresh=10)
        for name in ("moving", "staying"):
            self.account(name, f"secrets-manager!r:{REGION}!s:{name}")
        agent.start()
        agent.wait_streaming(["moving", "staying"], 60)
        pids = {a["name"]: a["pid"] for a in agent.status()["accounts"]}
        self.stores.secrets["moving"] = self.kubeconfigs[1]

        def moved():
            now = {a["name"]: a for a in agent.status()["accounts"]}
            return now["moving"]["pid"] not in (0, pids["moving"]) and now["moving"]["state"] == "streaming"
        wait_for("the account to start anew", moved, 60)
        self.assertEqual({a["name"]: a["pid"] for a in agent.status()["accounts"]}["staying"], pids["staying"])

    def test_a_credential_that_is_refused_is_read_again(self):
        """Long before its turn: the API server takes another token from now on, and the store has it."""
        made = impostor.make_certificates(self.scratch.path / "refused-certificates")
        if not made:
            self.skipTest("openssl makes no certificates here")
        server = Server(made / "server.crt", made / "server.key", ["Bearer token-one"])
        self.addCleanup(server.close)
        server.put("configmaps", "shop", "a", data={})
        self.stores.secrets["refused"] = server.kubeconfig(made / "ca.crt", "token-one")
        agent = self.agent("refused", WAYS["environment"][0])
        self.account("refused", f"secrets-manager!r:{REGION}!s:refused")
        agent.start()
        agent.wait_streaming(["refused"], 60)
        before = agent.status()["accounts"][0]["pid"]
        self.stores.secrets["refused"] = server.kubeconfig(made / "ca.crt", "token-two")
        server.allow("Bearer token-two")

        def anew():
            now = agent.status()["accounts"][0]
            return now["pid"] not in (0, before) and now["state"] == "streaming"
        wait_for("the account to start anew", anew, 150)

    def test_one_that_names_files_or_runs_programs_is_refused(self):
        text = self.kubeconfigs[0]
        token = text.split("token: ")[1].split("}")[0].strip()
        self.stores.secrets["file"] = text.replace(f"token: {token}", "tokenFile: /etc/hostname")
        self.stores.secrets["exec"] = text.replace(f"token: {token}", 'exec: {apiVersion: client.authentication.k8s.io/v1, '
                                                   f'interactiveMode: Never, command: {self.files}/plugin, args: ["{token}"]}}')
        plugin = self.files / "plugin"
        plugin.write_text('#!/bin/sh\necho \'{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1",'
                          '"status":{"token":"\'"$1"\'"}}\'\n')
        plugin.chmod(0o755)
        agent = self.agent("foreign", WAYS["environment"][0])
        self.account("file", f"secrets-manager!r:{REGION}!s:file")
        self.account("exec", f"secrets-manager!r:{REGION}!s:exec")
        self.account("allowed", f"secrets-manager!r:{REGION}!s:exec", allowExec=True)
        agent.start()
        agent.wait_streaming(["allowed"], 60)
        self.last_error(agent, "file", "names a file as its token", "--flatten")
        self.last_error(agent, "exec", "allowExec")

    def test_a_sealed_file_is_opened_by_its_host_alone(self):
        ctl, key = paths.program("scale-agentctl"), self.files / "seal.key"

        def seal(*words):
            return subprocess.run([ctl, "seal", *words], check=True, capture_output=True, text=True).stdout
        seal("--init", "--key", key)
        self.assertEqual(key.stat().st_mode & 0o777, 0o600)
        again = subprocess.run([ctl, "seal", "--init", "--key", key], capture_output=True, text=True)
        self.assertEqual((again.returncode, "is there" in again.stderr), (1, True))
        seal("--init", "--key", self.files / "other.key")
        plain = self.sim.kubeconfigs()[0]
        agent = self.agent("sealed", {}, secrets={"sealKeyFile": str(key)})
        for name, public in {"own": "seal.pub", "foreign": "other.pub"}.items():
            sealed = self.files / f"{name}.sealed"
            sealed.write_text(seal("--public", self.files / public, plain))
            self.assertNotIn("server", sealed.read_text())
            write_account(self.accounts, name, sealed, kinds=["configMap"])
        agent.start()
        agent.wait_streaming(["own"], 60)
        self.last_error(agent, "foreign", "sealed for another key")


@unittest.skipUnless(os.geteuid() == 0, "needs root, for a mount namespace with a pod's files")
class InCluster(unittest.TestCase):
    """A Secret of the cluster around, as a pod sees it."""

    def test_a_secret_of_the_cluster_around(self):
        try:
            scratch = paths.Scratch("pod")
            self.addCleanup(scratch.close)
            sim = Sim(scratch.path / "sim", 1, objects=20)
        except paths.Missing as e:
            self.skipTest(str(e))
        self.addCleanup(sim.stop)
        made = impostor.make_certificates(scratch.path / "certificates")
        if not made:
            self.skipTest("openssl makes no certificates here")
        server = Server(made / "server.crt", made / "server.key", ["Bearer pod-token"])
        self.addCleanup(server.close)
        kubeconfig = sim.kubeconfigs()[0].read_bytes()
        server.put("secrets", "spinnaker", "kubeconfigs", data={"prod.yml": base64.b64encode(kubeconfig).decode()})
        pod = scratch.path / "pod"
        pod.mkdir()
        (pod / "ca.crt").write_bytes((made / "ca.crt").read_bytes())
        (pod / "token").write_text("pod-token")
        (pod / "namespace").write_text("spinnaker\n")
        place = "/var/run/secrets/kubernetes.io/serviceaccount"
        daemon = scratch.path / "daemon"
        daemon.write_text(f'#!/bin/sh\nexec unshare -m sh -c \'mkdir -p {place} && mount --bind {pod} {place} && '
                          f'exec {paths.program("scale-agentd")} "$@"\' sh "$@"\n')
        daemon.chmod(0o755)
        accounts = scratch.path / "accounts.d"
        for name, reference in {"own": "k8s!n:kubeconfigs!k:prod.yml", "named": "k8s!n:kubeconfigs!k:prod.yml!ns:spinnaker",
                                "no-key": "k8s!n:kubeconfigs!k:none", "absent": "k8s!n:none!k:prod.yml"}.items():
            write_account(accounts, name, f"encryptedFile:{reference}", kinds=["configMap"])
        agent = Agent(scratch.path / "agent", accounts, daemon=daemon, env={
            "KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(server.port), "NO_PROXY": "127.0.0.1"})
        self.addCleanup(agent.close)
        agent.start()
        agent.wait_streaming(["own", "named"], 60)

        def said(name, text):
            return any(a["name"] == name and text in a["last_error"] for a in agent.status()["accounts"])
        wait_for("the key that lacks", lambda: said("no-key", "the Secret has no key none"), 60)
        wait_for("the Secret that lacks", lambda: said("absent", "no Secret none in the namespace spinnaker"), 60)


if __name__ == "__main__":
    unittest.main()
