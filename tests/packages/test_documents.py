# SPDX-License-Identifier: Apache-2.0
"""README, how-tos and tutorial are followed as they are written, by a user of a booted Debian 12 who may use sudo, and a
real cluster beside it, with stores of secrets. What is followed, and what is not and why: tests/docs/plans.py.
SA_DOCUMENT=docs/how-to/install.md: that one alone."""
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), *(str(HERE.parent / other) for other in ("docs", "scenario", "e2e/vault"))]
import lifecycle  # noqa: E402
import markdown  # noqa: E402
import plans  # noqa: E402
from machine import Failed, Machine  # noqa: E402
from rig.harness import paths  # noqa: E402
from rig.harness.cluster import Cluster, kubectl_program  # noqa: E402
from rig.harness.procs import free_port, wait_for  # noqa: E402
from secret_stores import Stores  # noqa: E402
from test_vault import Vault  # noqa: E402

HOME = "/home/ann/scale-agent"
USER = "runuser -u ann -- env -i HOME=/home/ann USER=ann LANG=C.UTF-8 TERM=xterm PATH=/usr/local/bin:/usr/bin:/bin"
APP = {"app": "web"}
WEB = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"}, "spec": {
    "replicas": 1, "selector": {"matchLabels": APP}, "template": {"metadata": {"labels": APP}, "spec": {
        "containers": [{"name": "web", "image": "registry.example.com/web:1"}]}}}}
ARMORY = """clouddriver:
  grpc: spin-clouddriver-grpc.example.com:9091
  insecure: true
kubernetes:
  retries:
    enabled: true
  accounts:
  - name: cluster-1
    kubeconfigFile: /home/spinnaker/kubeconfig
"""


def commands(text):
    """The commands of a block; one may be several lines long, by backslashes or as a here-document."""
    found, lines = [], iter(text.splitlines())
    for line in lines:
        command = line
        while command.endswith("\\"):
            command += "\n" + next(lines)
        here = re.search(r"<<-?'?(\w+)'?", line)
        while here:
            command += "\n" + next(lines)
            if command.endswith("\n" + here.group(1)):
                break
        found.append(command)
    return found


def chosen(command, table):
    return next((table[line] if isinstance(table, dict) else True for line in table if command.startswith(line)), None)


class Documents(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        deb, = lifecycle.packages_of("bookworm", "scale-agent_*.deb")
        tree = lifecycle.tree_of("bookworm")
        cls.scratch = paths.Scratch("documents")
        cls.addClassCleanup(cls.scratch.close)
        try:
            cls.cluster = Cluster(cls.scratch.path, "real")
            kubectl = kubectl_program()
        except paths.Missing as e:
            raise unittest.SkipTest(str(e)) from e
        cls.addClassCleanup(cls.cluster.purge)
        cls.stores = Stores()
        cls.addClassCleanup(cls.stores.close)
        cls.environment = {"STORES": cls.stores.url}  # of what root does around the blocks
        try:
            cls.vault = Vault(cls.scratch.path / "vault.log")
            cls.addClassCleanup(cls.vault.process.stop)
        except paths.Missing as e:
            cls.vault = None
            print(f"what takes a Vault is left out: {e}", flush=True)
        shared = cls.checkout(deb)
        shutil.copy(kubectl, shared / "kubectl")
        cls.fill(shared)
        cls.machine = Machine(tree, "documents", shared, cls.scratch.path / "boot.log")
        cls.addClassCleanup(cls.machine.stop)
        # A question of apt's is answered with yes. The network is this machine's, where the usual port may be taken.
        cls.machine.run("apt-get -qq install -y --no-install-recommends passwd sudo openssl && useradd -m -s /bin/bash ann && "
                        "echo 'ann ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/ann && echo 127.0.1.1 $(uname -n) >>/etc/hosts && "
                        "echo 'APT::Get::Assume-Yes \"true\";' >/etc/apt/apt.conf.d/yes && cp -r /shared/checkout " + HOME +
                        " && install -D -m 600 /shared/config /home/ann/.kube/config && chown -R ann: /home/ann && "
                        "install -m 755 /shared/kubectl /usr/local/bin/kubectl", timeout=600)

    @classmethod
    def checkout(cls, deb):
        """What a user has before the first command, below a directory that the machine sees."""
        shared = cls.scratch.path / "shared"
        tree = shared / "checkout"
        listed = subprocess.run(["git", "-C", paths.ROOT, "ls-files", "-co", "--exclude-standard", "packaging", "docs", "README.md"],
                                stdout=subprocess.PIPE, text=True, check=True).stdout.split()
        for name in listed:
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(paths.ROOT / name, tree / name)
        (tree / "packages").mkdir()
        shutil.copy(deb, tree / "packages")
        (tree / "build/ctl").mkdir(parents=True)
        unpacked = cls.scratch.path / "unpacked"
        subprocess.run(["dpkg-deb", "-x", deb, unpacked], check=True)
        shutil.copy(unpacked / "usr/sbin/scale-agentd", tree / "build")
        shutil.copy(unpacked / "usr/bin/scale-agentctl", tree / "build/ctl")
        return shared

    @classmethod
    def fill(cls, shared):
        """The cluster has what the documents speak of: a deployment, which has been changed once."""
        (shared / "web.yml").write_text(json.dumps(WEB))
        (shared / "armory-agent.yml").write_text(ARMORY)
        config = json.loads(cls.cluster.kubectl("config", "view", "--raw", "--flatten", "-o", "json"))
        for context in config["contexts"]:
            if context["name"] == config["current-context"]:
                context["name"] = "prod"
        (shared / "config").write_text(json.dumps({**config, "current-context": "prod"}))
        cls.cluster.kubectl("create", "namespace", "shop")
        cls.cluster.kubectl("apply", "-f", "-", stdin=json.dumps(WEB))
        cls.cluster.kubectl("-n", "shop", "set", "image", "deployment/web", "web=registry.example.com/web:2")
        cls.cluster.kubectl("-n", "shop", "rollout", "status", "deployment/web", "--timeout=60s")

    # how a block is followed

    def as_root(self, shell):
        given = " ".join(f"{name}={value}" for name, value in self.environment.items())
        self.machine.run(f"set -e; cd {HOME}; export KUBECONFIG=/home/ann/.kube/config PATH=/usr/local/bin:$PATH {given}; {shell}")

    def script(self, block, plan):
        """The block as one script; each command is preceded by a line that shows it."""
        lines = ["set -e -o pipefail"]
        for command in commands(block.text):
            if chosen(command, plan.without):
                continue
            lines.append(f"echo '+++' {shlex.quote(command)}")
            bare = re.sub(r"\s+#.*", "", command)
            if chosen(command, plan.endless):
                lines.append(f"code=0; timeout -k 5 4 script -qec {shlex.quote(bare)} /dev/null || code=$?; [ $code = 124 ]")
            elif chosen(command, plan.background):
                lines.append(f"{bare} >{HOME}/background.log 2>&1 &")
            elif "scale-agentctl" in bare and bare.rstrip().endswith(" status"):
                lines.append(f"{bare} || [ $? = 4 ]")  # an account that is being connected needs attention
            else:
                lines.append(command)
        return "\n".join(lines) + "\n"

    def run_block(self, block, plan):
        self.machine.write("/home/ann/block.sh", self.script(block, plan), "0644")
        who = "" if plan.root else USER
        try:
            said = self.machine.run(f"cd {HOME} && {who} bash /home/ann/block.sh", timeout=240)
        except Failed as e:
            self.fail(f"{block}\n{e.said}")
        for line, pattern in plan.says.items():
            after = next(part for part in said.split("+++ ")[1:] if part.startswith(line)).split("\n", 1)[1]
            self.assertRegex(after, re.compile(pattern, re.M), f"{block}\nafter {line}")

    def write_file(self, block, plan):
        path = plan.path or re.match(r"# (/\S+)", block.text).group(1)
        self.machine.write(path, block.text + "\n")

    def allow(self, block):
        """The kubeconfig that the document made before is put into the stores; who has the block's policy may read it there."""
        kubeconfig = self.machine.run(f"cat {HOME}/kubeconfig")
        self.stores.buckets["kubeconfigs"] = {"prod-eu-1": kubeconfig.encode()}
        if not self.vault:
            return False
        self.vault.call("sys/mounts/secret", {"type": "kv", "options": {"version": "2"}})
        self.vault.put("secret/data/clusters/prod-eu-1", {"data": {"kubeconfig": kubeconfig}})
        self.vault.call("sys/policies/acl/scale-agent", {"policy": block.text})
        token = self.vault.call("auth/token/create", {"policies": ["scale-agent"], "ttl": "1h"})["auth"]["client_token"]
        self.environment.update(VAULT_ADDR=self.vault.url, VAULT_TOKEN=token)
        return True

    def follow(self, block, plan):
        if plan.vault and not self.vault:
            return False
        if plan.given:
            self.as_root(plan.given)
        if plan.kind == "run":
            self.run_block(block, plan)
        elif plan.kind == "file":
            self.write_file(block, plan)
        elif plan.kind == "policy":
            return self.allow(block)
        elif plan.kind == "manifest":
            self.cluster.kubectl("apply", "--dry-run=server", "-f", "-", stdin=block.text)
        else:
            return False
        if plan.streams:
            wait_for(f"{block}: {plan.streams} streams", lambda: (self.machine.account(plan.streams) or {}).get("state") == "streaming", 30)
        if plan.then:
            self.as_root(plan.then)
        return True

    def begin(self, document):
        self.machine.run("pkill -x -u ann scale-agentd; apt-get -qq purge -y scale-agent; rm -rf /etc/scale-agent", check=False)
        self.machine.run("install -d /etc/scale-agent/scale-agent.d")
        self.machine.write("/etc/scale-agent/scale-agent.d/port.yml", f"server: {{port: {free_port()}}}\n")
        if document.package:
            self.machine.run(f"apt-get -qq install -y --no-install-recommends {HOME}/packages/*.deb && systemctl is-active scale-agent")
        if document.begin:
            self.as_root(document.begin)

    def test_documents_are_followed(self):
        for name, document in plans.PLANS.items():
            if os.environ.get("SA_DOCUMENT", name) != name:
                continue
            blocks = markdown.parse(name)[0]
            with self.subTest(name):
                self.begin(document)
                done = [self.follow(block, plan) for block, plan in zip(blocks, document.blocks)]
                print(f"{name}: {sum(done)} of {len(blocks)} blocks followed", flush=True)


if __name__ == "__main__":
    unittest.main()
