# SPDX-License-Identifier: Apache-2.0
"""The chart, the manifests made from it and the kustomize overlays, judged by helm and by a real API server; and
the agent as a pod would run it: with the rendered configuration, the service account's token and its rights."""
import json
import os
import pathlib
import shutil
import subprocess
import unittest

from rig.harness import paths
from rig.harness.cluster import Cluster
from rig.harness.peer import Peer
from rig.harness.procs import Process, wait_for

KUBERNETES = paths.ROOT / "packaging" / "kubernetes"
CHART = KUBERNETES / "helm" / "scale-agent"
HELM = "helm.sh/helm/v3/cmd/helm@v3.21.4"
PLACE = "/var/run/secrets/kubernetes.io/serviceaccount"
ADDRESS = "clouddriver.grpc=clouddriver.example.com:9091"

VALUES = {
    "default": {},
    "everything": {
        "replicas": 2, "agentId": "blue", "zoneId": "eu", "logLevel": "debug",
        "account": {"name": "shop", "permissions": {"READ": ["dev"], "WRITE": ["ops"]}, "omitKinds": ["job"],
                    "redact": ["spec.template.spec.containers[].env[].value"]},
        "clouddriver": {"tls": {"secret": "tls", "clientCertificate": True, "serverName": "cd"}, "token": {"secret": "token"}},
        "rbac": {"resources": [{"apiGroups": ["example.com"], "resources": ["widgets"], "operate": True}]},
        "podDisruptionBudget": {"enabled": True},
        "networkPolicy": {"enabled": True, "clouddriver": [{"ipBlock": {"cidr": "10.0.0.0/8"}}],
                          "metricsFrom": [{"namespaceSelector": {}}]},
        "prometheus": {"serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}}},
        "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
        "nodeSelector": {"kubernetes.io/os": "linux"}, "tolerations": [{"operator": "Exists"}],
        "podAnnotations": {"a": "b"}, "podLabels": {"c": "d"}, "priorityClassName": "system-cluster-critical",
        "image": {"pullSecrets": [{"name": "registry"}]}, "config": {"kubernetes": {"auditSeconds": 600}},
    },
    "read-only": {"rbac": {"readOnly": True}},
    "namespaces": {"account": {"namespaces": ["shop", "default"]}},
    "infrastructure": {"mode": "infrastructure", "kubeconfigs": {"secret": "kubeconfigs"},
                       "accounts": [{"name": "a", "kubeconfigFile": "/etc/scale-agent/kubeconfigs/a"}]},
    "spinnaker": {"mode": "spinnaker", "clouddriver": {"grpc": ""}, "kubeconfigs": {"secret": "kubeconfigs"},
                  "accounts": [{"name": "a", "kubeconfigFile": "/etc/scale-agent/kubeconfigs/a"}]},
}
REFUSED = {
    "an unknown value": ({"replica": 1}, "replica"),
    "a mode that is none": ({"mode": "both"}, "mode"),
    "no address": ({"clouddriver": {"grpc": ""}}, "clouddriver.grpc is needed"),
    "an address without a port": ({"clouddriver": {"grpc": "clouddriver"}}, "grpc"),
    "accounts in mode agent": ({"accounts": [{"name": "a"}]}, "mode agent has account"),
    "no accounts in mode infrastructure": ({"mode": "infrastructure"}, "accounts are needed"),
    "no kubeconfigs": ({"mode": "infrastructure", "accounts": [{"name": "a"}]}, "kubeconfigs.secret is needed"),
    "a permission that is none": ({"account": {"permissions": {"ADMIN": ["x"]}}}, "ADMIN"),
}
MONITOR = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
           "metadata": {"name": "servicemonitors.monitoring.coreos.com"},
           "spec": {"group": "monitoring.coreos.com", "scope": "Namespaced",
                    "names": {"kind": "ServiceMonitor", "plural": "servicemonitors", "singular": "servicemonitor"},
                    "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {
                        "type": "object", "x-kubernetes-preserve-unknown-fields": True}}}]}}


def helm_program():
    """helm, built from its module into the cache directory once."""
    program = paths.CACHE / "bin" / "helm-3.21.4"
    if not program.exists():
        scratch = paths.CACHE / "bin" / "helm.new"
        paths.shell(paths.go(26), "install", HELM, cwd="/", env=dict(
            os.environ, GOBIN=str(scratch), GOFLAGS="-buildvcs=false -trimpath", GOTOOLCHAIN="local", CGO_ENABLED="0"))
        (scratch / "helm").rename(program)
        scratch.rmdir()
    return program


class Manifests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = paths.Scratch("manifests")
        cls.addClassCleanup(cls.scratch.close)
        try:
            cls.helm_path = helm_program()
            cls.cluster = Cluster(cls.scratch.path, "real")
        except paths.Missing as e:
            raise unittest.SkipTest(str(e)) from None
        cls.addClassCleanup(cls.cluster.purge)
        for name in ("scale-agent", "spinnaker", "shop"):
            cls.cluster.kubectl("create", "namespace", name)
        for name in ("scale-agent", "spinnaker"):  # a dry run makes none, and the chart's test pod asks for it
            cls.cluster.kubectl("-n", name, "create", "serviceaccount", "scale-agent")
        cls.cluster.kubectl("apply", "-f", "-", stdin=json.dumps(MONITOR))
        wait_for("the definition", lambda: "servicemonitors" in cls.cluster.kubectl("api-resources", "-o", "name"), 20)

    def helm(self, *args, values=None):
        command = [str(self.helm_path), *args, "--kube-version", "1.30"]  # one built as a module knows no version
        if values is not None:
            command += ["--values", "-"]
            if "grpc" not in values.get("clouddriver", {}):
                command += ["--set", ADDRESS]
        r = subprocess.run(command, input=json.dumps(values or {}), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                           timeout=60, env={"PATH": os.environ["PATH"], "HOME": str(self.scratch.path)})
        return r.returncode, r.stdout

    def rendered(self, name, namespace="scale-agent", *args):
        code, text = self.helm("template", "scale-agent", str(CHART), "--namespace", namespace, *args, values=VALUES[name])
        self.assertEqual(code, 0, text)
        return text

    def test_lint(self):
        for name, values in VALUES.items():
            with self.subTest(name):
                code, said = self.helm("lint", "--strict", str(CHART), values=values)
                self.assertEqual(code, 0, said)

    def test_refused_values(self):
        for name, (values, word) in REFUSED.items():
            with self.subTest(name):
                code, said = self.helm("template", "x", str(CHART), values=values)
                self.assertNotEqual(code, 0)
                self.assertIn(word, said)

    def test_the_server_takes_what_the_chart_makes(self):
        for name in VALUES:
            with self.subTest(name):
                made = self.rendered(name, "spinnaker" if name == "spinnaker" else "scale-agent")
                said = self.cluster.kubectl("apply", "--dry-run=server", "-f", "-", stdin=made)
                self.assertIn("deployment.apps/scale-agent created (server dry run)", said)
                self.assertNotIn("Warning", said)

    def test_the_agent_takes_the_configuration(self):
        for name in VALUES:
            with self.subTest(name):
                config = self.scratch.path / f"{name}.yml"
                config.write_text(self.config_of(self.rendered(name)))
                r = subprocess.run([str(paths.program("scale-agentd")), "--check", "--config", str(config)], text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20,
                                   env={**os.environ, "CLOUDDRIVER_TOKEN": "t"})
                # Outside of a cluster nothing names the account, nothing else may be wrong.
                wrong = [w for w in r.stdout.splitlines() if ": error: " in w and "name is missing" not in w]
                self.assertEqual(wrong, [])

    def config_of(self, manifests):
        made = self.cluster.kubectl("create", "--dry-run=client", "-o", "json", "-f", "-", stdin=manifests)
        decoder, at, objects = json.JSONDecoder(), 0, []
        while at < len(made.rstrip()):
            value, at = decoder.raw_decode(made, at)
            objects.append(value)
            while at < len(made) and made[at].isspace():
                at += 1
        return next(o["data"]["armory-agent.yml"] for o in objects if o["kind"] == "ConfigMap")

    def test_plain_manifests_are_those_of_the_chart(self):
        r = subprocess.run(["bash", str(KUBERNETES / "render"), "--check"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           text=True, timeout=60, env={**os.environ, "HELM": str(self.helm_path), "HOME": str(self.scratch.path)})
        self.assertEqual(r.returncode, 0, r.stdout)

    def test_overlays(self):
        for overlay in sorted((KUBERNETES / "overlays").iterdir()):
            with self.subTest(overlay.name):
                made = self.cluster.kubectl("kustomize", str(overlay))
                said = self.cluster.kubectl("apply", "--dry-run=server", "-f", "-", stdin=made)
                self.assertIn("deployment.apps/scale-agent", said)
                self.assertEqual("clusterrole" in said, overlay.name == "read-only", said)

    def test_the_read_only_overlay_is_the_charts(self):
        def rules(text):
            items = self.objects(text)
            return {o["metadata"]["name"]: o["rules"] for o in items if o["kind"] == "ClusterRole"}
        overlay = self.cluster.kubectl("kustomize", str(KUBERNETES / "overlays" / "read-only"))
        self.assertEqual(rules(overlay), rules(self.rendered("read-only")))

    def objects(self, manifests):
        """As the server would store them; it is asked, since nothing here reads YAML."""
        made = self.cluster.kubectl("create", "--dry-run=client", "-o", "jsonpath={@}{'\\n'}", "-f", "-", stdin=manifests)
        return [json.loads(line) for line in made.splitlines() if line]


class AsAPod(unittest.TestCase):
    """The agent in the namespaces, with the uid and with the files that the pod's would see; kwok runs no container."""
    config_of = Manifests.config_of
    helm = Manifests.helm
    rendered = Manifests.rendered

    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("a mount namespace needs root")
        Manifests.setUpClass.__func__(cls)

    def token(self):
        """A token of the agent's account that is bound to a secret, and goes with it."""
        name = f"holder-{os.urandom(4).hex()}"
        self.cluster.kubectl("-n", "scale-agent", "create", "secret", "generic", name)
        return name, self.cluster.kubectl("-n", "scale-agent", "create", "token", "scale-agent", "--duration", "1h",
                                          "--bound-object-kind", "Secret", "--bound-object-name", name).strip()

    def project(self, token):
        """As the kubelet does: a new directory, and a symbolic link that changes over to it."""
        stamp = self.files / f"..{os.urandom(4).hex()}"
        stamp.mkdir()
        (stamp / "token").write_text(token)
        (stamp / "namespace").write_text("scale-agent")
        shutil.copyfile(self.cluster.dir / "pki" / "ca.crt", stamp / "ca.crt")
        link = self.files / "..data"
        fresh = self.files / "..data_tmp"
        fresh.symlink_to(stamp.name)
        fresh.rename(link)
        for name in ("token", "namespace", "ca.crt"):
            if not (self.files / name).is_symlink():
                (self.files / name).symlink_to(f"..data/{name}")

    def in_pod(self, config, command):
        """The command with the user and the files of a container: configuration, and the token of self.files."""
        # Directories that this machine lacks are made in a file system of their own.
        script = (f"mount -t tmpfs t /opt && mkdir -p /opt/armory/config && mount -t tmpfs t /var/run && "
                  f"mount --bind {config} /opt/armory/config && mkdir -p {PLACE} && mount --bind {self.files} {PLACE} && "
                  'exec setpriv --reuid 65532 --regid 65532 --clear-groups --no-new-privs --bounding-set -all "$@"')
        return ["unshare", "-m", "bash", "-c", script, "sh", *map(str, command)]

    def environment(self):
        return {"PATH": f"{paths.build_dir()}:{os.environ['PATH']}", "KUBERNETES_SERVICE_HOST": "127.0.0.1",
                "KUBERNETES_SERVICE_PORT": str(self.cluster.api_port), "HOSTNAME": "pod-1"}

    def live_helm(self, *args, **kw):
        """A process of helm that asks the real API server."""
        return subprocess.Popen([str(self.helm_path), *args, "--namespace", "tried", "--kubeconfig", self.cluster.dir / "kubeconfig.direct"],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                env={"PATH": os.environ["PATH"], "HOME": str(self.scratch.path)}, **kw)

    def helm_does(self, *args):
        with self.live_helm(*args) as helm:
            said = helm.communicate(timeout=120)[0]
        self.assertEqual(helm.returncode, 0, said)

    def be_kubelet(self, work):
        """Runs the one container of the pod of `helm test` in earnest, and says how it ended."""
        def pod():
            found = self.cluster.kubectl("-n", "tried", "get", "pod", "tried-scale-agent-check", "--ignore-not-found", "-o", "json")
            return json.loads(found) if found and "deletionTimestamp" not in json.loads(found)["metadata"] else None
        spec = wait_for("the pod of helm test", pod, 60)["spec"]
        container, = spec["containers"]
        mounts = {m["mountPath"]: m["name"] for m in container["volumeMounts"]}
        volume = next(v for v in spec["volumes"] if v["name"] == mounts["/opt/armory/config"])
        self.assertEqual((spec["securityContext"]["runAsUser"], spec["serviceAccountName"]), (65532, "tried-scale-agent"))
        self.assertIn(PLACE, mounts)
        data = json.loads(self.cluster.kubectl("-n", "tried", "get", "configmap", volume["configMap"]["name"], "-o", "json"))["data"]
        config = work / os.urandom(4).hex()
        config.mkdir()
        for name, text in data.items():
            (config / name).write_text(text)
        given = {e["name"]: e["value"] for e in container.get("env", [])}
        r = subprocess.run(self.in_pod(config, [*container["command"], *container.get("args", [])]), stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, env={**self.environment(), **given})
        phase = "Failed" if r.returncode else "Succeeded"
        self.cluster.kubectl("-n", "tried", "patch", "pod", "tried-scale-agent-check", "--subresource=status", "--type=merge",
                             "-p", json.dumps({"status": {"phase": phase}}))
        return r.stdout

    def test_helm_test(self):
        """Installed, tested, spoilt, tested, removed, by helm itself; what the pod would run is run here."""
        work = self.scratch.path / "tried"
        self.files = work / "token"
        self.files.mkdir(parents=True)
        work.chmod(0o755)
        self.project(self.token()[1])
        self.helm_does("install", "tried", CHART, "--create-namespace", "--set", ADDRESS)
        named = ("config.agentId=${WHO}", "extraEnv[0].name=WHO", "extraEnv[0].value=blue", "image.pullSecrets[0].name=registry")
        for more, code, word in ((("--set", ",".join(named)), 0, "The configuration is valid"),
                                 (("--set", "config.kubernetes.auditSecond=600"), 1, "auditSecond")):
            self.helm_does("upgrade", "tried", CHART, "--set", ADDRESS, *more)
            with self.live_helm("test", "tried", "--timeout", "150s") as helm:
                said = self.be_kubelet(work)
                answer = helm.communicate(timeout=200)[0]
            self.assertIn(word, said)
            self.assertEqual(helm.returncode, code, answer)
            self.assertIn("Phase:          " + ("Failed" if code else "Succeeded"), answer)
        self.helm_does("uninstall", "tried")

    def test_streams_its_cluster_and_outlives_its_token(self):
        self.cluster.kubectl("apply", "-f", "-", stdin=self.rendered("default"))
        work = self.scratch.path / "pod"
        self.files, config, run, state = work / "token", work / "config", work / "run", work / "state"
        for d in (work, self.files, config, run, state):
            d.mkdir()
        for d in (run, state):
            os.chown(d, 65532, 65532)
        holder, token = self.token()
        self.project(token)
        peer = Peer(work / "peer")
        self.addCleanup(peer.stop)
        peer.start()
        text = self.config_of(self.rendered("default"))
        self.assertIn("clouddriver.example.com:9091", text)
        text = text.replace("clouddriver.example.com:9091", peer.address).replace("insecure: false", "insecure: true")
        (config / "armory-agent.yml").write_text(text)
        agent = Process(self.in_pod(config, [paths.program("scale-agentd"), "--runtime-dir", run, "--state-dir", state]),
                        work / "agent.log", env=self.environment())
        self.addCleanup(agent.stop)

        def has(name):
            agent.check()
            return any(key[-1] == name for key in peer.rows())
        self.cluster.kubectl("-n", "shop", "create", "service", "clusterip", "first", "--tcp", "80")
        wait_for("the first object", lambda: has("first"), 60)
        account = {key[0] for key in peer.rows()}
        self.assertEqual(len(account), 1)
        self.assertRegex(account.pop(), r"^cluster-[0-9a-f]{12}$")

        self.project(self.token()[1])
        self.cluster.kubectl("-n", "scale-agent", "delete", "secret", holder)
        self.cluster.kubectl("-n", "shop", "create", "service", "clusterip", "second", "--tcp", "80")
        wait_for("an object after the rotation", lambda: has("second"), 60)
        # The old token is refused from now on: what is opened anew needs the new one.
        self.cluster.restart()
        self.cluster.kubectl("-n", "shop", "create", "service", "clusterip", "third", "--tcp", "80")
        wait_for("an object after a restart of the API server", lambda: has("third"), 90)


if __name__ == "__main__":
    unittest.main()
