# SPDX-License-Identifier: Apache-2.0
"""What becomes of each block of code in the README, the how-tos and the tutorial: PLANS has them in their order, each by
the beginning of its first line. A block that is not here, or is here and no longer there, fails the suite docs. To add a
document, add its blocks:

    run(FIRST)          shell commands, followed as they are written by a user with sudo, in a booted Debian that has the
                        package (the suite packages does that); root=True where the document says that root does it
      without={LINE: WHY}   lines of it that are not followed, by their beginning
      endless=(LINE,)       commands that show something until they are ended
      background=(LINE,)    commands that go on while the rest of the document is followed
      says={LINE: PATTERN}  what must be in what they print (a pattern, over several lines)
      streams=ACCOUNT       it streams afterwards
      given=SHELL, then=SHELL   what root does before it, and after it; then must succeed
      vault=True            only where there is a Vault
    file(FIRST, PATH)   a file: written to PATH, or where its first line names it; takes given, then, streams, too
    agent(FIRST)        settings of the agent: valid by themselves; account(FIRST): of one account
    plugin(FIRST)       settings of the plugin: the reference has each
    values(FIRST)       values of the chart: its schema has each
    manifest(FIRST)     a Kubernetes manifest: a real API server takes it
    policy(FIRST)       of a Vault: a real one takes it, and gives a token of that right alone ($VAULT_TOKEN, for $VAULT_ADDR)
    calls(FIRST)        requests to Clouddriver: the plugin has each endpoint
    shown(FIRST, WHY), left(FIRST, WHY)   no commands; commands that are not followed

How a document is begun: begin=SHELL, as root in the same place; package=False where it is the one that installs."""
import dataclasses
import typing

DEMO = "test_demo.py follows it, from a bare Debian on"
CLOUDDRIVER = "takes a Clouddriver, which the suite clouddriver has"
RPM = "test_rpm.py installs, upgrades and erases it where rpm is"
HELM = "the suite kubernetes renders the chart, and applies it to a real API server"
NO_KUBELET = "no container runs there: the cluster's nodes are simulated"


@dataclasses.dataclass
class Plan:
    kind: str
    first: str
    why: str = ""
    path: str = ""
    root: bool = False
    vault: bool = False
    without: typing.Dict[str, str] = dataclasses.field(default_factory=dict)
    says: typing.Dict[str, str] = dataclasses.field(default_factory=dict)
    endless: tuple = ()
    background: tuple = ()
    streams: str = ""
    given: str = ""
    then: str = ""
    replace: typing.Dict[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Document:
    blocks: list
    begin: str = ""
    package: bool = True


def _kind(name):
    return lambda first, **more: Plan(name, first, **more)


run, agent, account, plugin, values, manifest, calls, policy = (
    _kind(k) for k in ("run", "agent", "account", "plugin", "values", "manifest", "calls", "policy"))


def file(first, path="", **more):
    return Plan("file", first, path=path, **more)


def shown(first, why):
    return Plan("shown", first, why)


def left(first, why):
    return Plan("left", first, why)


INSTALL = {"scripts/package deb": "the package is made before, in a clean tree of its own"}
KUBECONFIG = "install -m 600 ~ann/.kube/config /etc/scale-agent/kubeconfigs/{0}.yml"


def _streams(name, reference):
    """An account of this kubeconfig, which is in step at last."""
    return f"""
        printf 'name: {name}\\nkubeconfigFile: {reference}\\n' >/etc/scale-agent/accounts.d/{name}.yml
        systemctl restart scale-agent
        timeout 120 sh -c 'until scale-agentctl status --no-color | grep -qE "^{name} +streaming"; do sleep 0.5; done' ||
            {{ scale-agentctl status; exit 1; }}"""


IN_VAULT = """
        printf 'secrets: {vault: {url: "%s", authMethod: TOKEN, tokenFile: "${CREDENTIALS_DIRECTORY}/scale-agent.vault-token"}}' \\
            "$VAULT_ADDR" >/etc/scale-agent/scale-agent.d/vault.yml""" + _streams(
    "in-vault", "encryptedFile:vault!e:secret!p:clusters/prod-eu-1!k:kubeconfig")
# As `systemctl edit` does it
IN_S3 = "systemctl daemon-reload" + _streams("in-s3", "encryptedFile:s3!r:eu-west-1!b:kubeconfigs!f:prod-eu-1") + """
        rm -r /etc/systemd/system/scale-agent.service.d /etc/credstore /etc/scale-agent/accounts.d/in-*.yml
        rm -f /etc/scale-agent/scale-agent.d/vault.yml
        systemctl daemon-reload"""
SEALED = "grep -q scale-agent-sealed /etc/scale-agent/kubeconfigs/prod.sealed" + _streams(
    "sealed", "/etc/scale-agent/kubeconfigs/prod.sealed")
# A simulated node that had no processor for long loses its address, and gets it back.
LOGS_CAN_BE_READ = """timeout 120 sh -c '
        until kubectl get nodes -o jsonpath="{.items[*].status.addresses[*].address}" | grep -q . &&
            kubectl -n shop logs deployment/web --tail=1; do sleep 0.5; done'"""
# The plain key is gone before the service starts.
SEALED_BY_CREDENTIAL = "mv /etc/scale-agent/seal.key away.key" + _streams("sealed", "/etc/scale-agent/kubeconfigs/prod.sealed") + """
        rm -r /etc/systemd/system/scale-agent.service.d /etc/credstore.encrypted /etc/scale-agent/scale-agent.d/seal.yml \\
            /etc/scale-agent/accounts.d/sealed.yml
        systemctl daemon-reload"""
EDIT = {"sudo systemctl edit": "an editor, for the block that comes next"}
OVERRIDE = "/etc/systemd/system/scale-agent.service.d/override.conf"
ENCRYPTED_KEY = f"""
        systemctl daemon-reload && systemctl restart scale-agent
        cmp agent.key /run/credentials/scale-agent.service/scale-agent.clouddriver-key
        rm -r /etc/credstore.encrypted {OVERRIDE} /etc/scale-agent/scale-agent.d/tls.yml
        systemctl daemon-reload && systemctl restart scale-agent"""
PLANS = {
    "README.md": Document(package=False, blocks=[
        shown("Kubernetes API server", "a picture"),
        left("scripts/demo", DEMO),
        shown("ACCOUNT   STATE", "what it prints"),
        shown("02:52:19.827", "what it prints"),
        left("scripts/test", "runs this"),
        run("scripts/package deb", without=INSTALL, streams="my-cluster"),
        left("cmake -G Ninja", "scripts/test begins so"),
        file("name: prod-eu-1", "/etc/scale-agent/accounts.d/prod-eu-1.yml", given=KUBECONFIG.format("prod-eu-1"), streams="prod-eu-1"),
        run("scale-agentctl status", root=True, endless=("scale-agentctl top", "scale-agentctl tail"),
            says={"scale-agentctl status": "prod-eu-1 .*streaming", "scale-agentctl get": r"\bweb\b"}),
    ]),
    "docs/tutorial/first-hour.md": Document([
        left("scripts/demo", DEMO),
        shown("13:47:36.304", "what it prints"),
        run("mkdir -p try/accounts", background=("build/scale-agentd",), then="timeout 20 sh -c 'until test -S try/run/control.sock; do sleep 0.1; done'"),
        run("build/ctl/scale-agentctl", endless=("build/ctl/scale-agentctl --socket try/run/control.sock tail",),
            given="timeout 30 sh -c 'until build/ctl/scale-agentctl --socket try/run/control.sock status; do sleep 0.5; done'",
            says={"build/ctl/scale-agentctl --socket try/run/control.sock status": "mine .*streaming"}),
    ]),
    "docs/how-to/install.md": Document(package=False, blocks=[
        run("scripts/package deb", without=INSTALL, then="systemctl is-active scale-agent"),
        run("sudo install -m 600 prod.yml", given="install -o ann -m 600 ~ann/.kube/config prod.yml", streams="prod"),
        left("scripts/package rpm", RPM),
        left("cmake -G Ninja", "what it installs is what the packages are made of; it would be beside the package here"),
        run("sudo mkdir -p /etc/scale-agent/east", then="systemctl is-active scale-agent@east.service"),
        run("sudo scale-agentctl config diff", says={"sudo scale-agentctl config diff": "uidRange"}),
        run("sudo apt remove", without={"sudo dnf": RPM},
            then="! test -e /etc/scale-agent && ! test -e /var/lib/scale-agent && ! test -e /usr/sbin/scale-agentd"),
    ]),
    "docs/how-to/connect-a-cluster.md": Document([
        run("sudo install -m 600 prod-eu-1.kubeconfig", given="install -o ann -m 600 ~ann/.kube/config prod-eu-1.kubeconfig",
            streams="prod-eu-1"),
        file("# /etc/scale-agent/accounts.d/prod-eu-1.yml", given=KUBECONFIG.format("prod-eu-1"), streams="prod-eu-1"),
        run("sudo scale-agentctl check"),
        account("name: this-cluster"),
        manifest("apiVersion: rbac"),
        account("onlyNamespacedResources: true"),
        account("redact:"),
    ]),
    "docs/how-to/secrets.md": Document([
        account("# /etc/scale-agent/accounts.d/prod-eu-1.yml"),
        run("kubectl config view", then="grep -q client-certificate-data: kubeconfig && ! grep -q client-certificate: kubeconfig"),
        agent("# /etc/scale-agent/scale-agent.d/vault.yml"),
        policy('path "secret/data'),
        run("sudo install -d -m 700 /etc/credstore", vault=True, given='echo "$VAULT_TOKEN" >vault-token', then=IN_VAULT),
        manifest("apiVersion: rbac"),
        run("sudo install -d -m 700 /etc/credstore", without=EDIT,
            given="printf '[default]\\naws_access_key_id=AKIAFILE\\naws_secret_access_key=file-secret\\n' >aws-credentials"),
        file("[Service]", OVERRIDE, given=f"install -d {OVERRIDE.rsplit('/', 1)[0]}; "
             f"printf '[Service]\\nEnvironment=AWS_ENDPOINT_URL=%s\\n' $STORES >{OVERRIDE.rsplit('/', 1)[0]}/stores.conf", then=IN_S3),
        run("sudo scale-agentctl seal --init", given="install -o ann -m 600 ~ann/.kube/config prod.kubeconfig && mkdir -p /etc/scale-agent/kubeconfigs",
            then=SEALED),
        run("sudo install -d -m 700 /etc/credstore.encrypted", without=EDIT),
        file("[Service]", OVERRIDE, given=f"install -d {OVERRIDE.rsplit('/', 1)[0]}", then="systemctl daemon-reload"),
        file("# /etc/scale-agent/scale-agent.d/seal.yml", then=SEALED_BY_CREDENTIAL),
    ]),
    "docs/how-to/diagnose-by-hand.md": Document(begin=f"""
            {KUBECONFIG.format("prod")}
            printf 'name: prod\\nkubeconfigFile: /etc/scale-agent/kubeconfigs/prod.yml\\n' >/etc/scale-agent/accounts.d/prod.yml
            cp /shared/web.yml web.yml""", blocks=[
        run("scale-agentctl status", root=True, streams="prod"),
        run("scale-agentctl op prod get", root=True, says={"scale-agentctl op prod get deployment web": "name: web"}),
        run("scale-agentctl op prod apply", root=True),
        run("scale-agentctl op prod events", root=True, given=LOGS_CAN_BE_READ),
        run("journalctl", root=True, says={"journalctl": "prod"}),
        left("kubectl -n spinnaker exec", NO_KUBELET),
        run("scale-agentctl op prod rollout undo", root=True),
    ]),
    "docs/how-to/high-availability.md": Document([calls("curl -X POST")]),
    "docs/how-to/install-on-kubernetes.md": Document([
        left("helm install", HELM),
        run("kubectl -n scale-agent create secret", given="kubectl create namespace scale-agent --dry-run=client -o yaml | kubectl apply -f -; "
            "install -o ann -m 600 ~ann/.kube/config prod-eu-1.kubeconfig"),
        values("# values.yml"),
        run("kubectl apply -f packaging"),
        values("clouddriver:"),
        values("rbac:"),
        left("kubectl -n scale-agent exec", NO_KUBELET),
        left("helm uninstall", HELM),
    ]),
    "docs/how-to/migrate-from-armory.md": Document(begin="cp /shared/armory-agent.yml armory-agent.yml", blocks=[
        run("scale-agentctl migrate"),
        run("sudo install -m 600 armory-agent.yml", then="rm /etc/scale-agent/scale-agent.d/armory-agent.yml"),
    ]),
    "docs/how-to/run-a-thousand-clusters.md": Document([
        file("# /etc/scale-agent/scale-agent.d/large.yml", then="scale-agentctl check && rm /etc/scale-agent/scale-agent.d/large.yml"),
        agent("kubernetes:"),
        run("sudo scale-agentctl check"),
    ]),
    "docs/how-to/secure-the-connection.md": Document([
        run("openssl req", then="openssl verify -CAfile ca.crt clouddriver.crt agent.crt"),
        plugin("# clouddriver-local.yml"),
        run("sudo install -d -m 700"),
        file("# /etc/scale-agent/scale-agent.d/tls.yml", then="systemctl reload scale-agent"),
        run("sudo scale-agentctl status", says={"sudo scale-agentctl status": "clouddriver.example.com"}),
        file("# /etc/scale-agent/scale-agent.d/tls.yml",
             given="install -D -m 600 agent.key /etc/credstore/scale-agent.clouddriver-key",
             then="systemctl restart scale-agent && rm -r /etc/credstore"),
        run("sudo install -d -m 700 /etc/credstore.encrypted", without=EDIT),
        file("[Service]", OVERRIDE, given=f"install -d {OVERRIDE.rsplit('/', 1)[0]}", then=ENCRYPTED_KEY),
    ]),
    "docs/how-to/see-what-it-does.md": Document([
        run("scale-agentctl status", root=True, endless=("scale-agentctl top",)),
        left("ssh -L", "takes a second machine"),
        run("token=$(openssl", says={"printf": "^[0-9a-f]{64} "}),
        agent("# scale-agent.yml", replace={"<the 64 digits>": "0" * 64}),
        agent("prometheus:"),
    ]),
    "docs/how-to/uninstall.md": Document(begin="install -m 600 ~ann/.kube/config /etc/scale-agent/accounts.d/my-cluster.yml", blocks=[
        run("sudo rm /etc/scale-agent"),
        run("sudo apt remove", then="! test -e /etc/scale-agent && ! test -e /var/lib/scale-agent && ! test -e /usr/sbin/scale-agentd"),
        shown("DROP TABLE", "SQL: test_docs.py compares it with the tables that the plugin makes"),
    ]),
    "docs/how-to/use-the-clouddriver-plugin.md": Document([
        left("scripts/package plugin", "test_plugin.py does it"),
        left("spinnaker.extensibility.plugins:", CLOUDDRIVER),
        calls("curl CLOUDDRIVER:7002"),
    ]),
}
