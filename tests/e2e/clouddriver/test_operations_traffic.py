# SPDX-License-Identifier: Apache-2.0
"""Versioned artifacts, and traffic that goes from one version to the next, as Spinnaker's pipelines do it."""
import base64
import os
import pathlib
import unittest
import zipfile

from ops import APP, SPACE, Operations, config_map, deployment, names, replica_set, service

LABEL = "traffic"


HOME = os.environ.get("CLOUDDRIVER_HOME")


def binds_artifacts():
    """Whether this Clouddriver has the json-path that it was compiled with: where the class of another one is missing,
    a task that has an artifact to bind ends amidst and says nothing of it."""
    def found(jars, name):
        for jar in pathlib.Path(HOME, "lib").glob(jars):
            with zipfile.ZipFile(jar) as z:
                if name in z.namelist():
                    return z.read(name)
        return b""
    replacer = found("clouddriver-kubernetes*.jar", "com/netflix/spinnaker/clouddriver/kubernetes/artifact/Replacer.class")
    node = "com/jayway/jsonpath/internal/filter/ValueNode$PathNode"
    return node.encode() not in replacer or found("json-path*.jar", node + ".class")


class Versions(Operations):
    def test_a_config_map_has_a_version_for_each_content(self):
        self.assertEqual(names(self.deploy(config_map("settings", a="1"))), ["configMap settings-v000"])
        self.assertEqual(names(self.deploy(config_map("settings", a="2"))), ["configMap settings-v001"])
        self.assertEqual(names(self.deploy(config_map("settings", a="2"))), ["configMap settings-v001"])
        self.assertEqual(names(self.deploy(config_map("settings", a="1"))), ["configMap settings-v000"])
        self.assertEqual(len([o for o in self.objects("configmaps") if o["metadata"]["name"].startswith("settings-")]), 2)

    def test_a_secret_with_the_same_content_makes_no_new_version(self):
        def secret(text):
            return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key", "namespace": SPACE},
                    "data": {"key": base64.b64encode(text.encode()).decode()}}
        self.assertEqual(names(self.deploy(secret("one"))), ["secret key-v000"])
        self.assertEqual(names(self.deploy(secret("one"))), ["secret key-v000"])
        self.assertEqual(names(self.deploy(secret("two"))), ["secret key-v001"])
        # What Clouddriver says of Secrets by itself is not the plugin's.
        log = [line for line in self.clouddriver.process.log.read_text(errors="replace").splitlines() if "scaleagent" in line]
        self.assertTrue([line for line in log if "name=key-v001" in line])
        for text in ("one", "two"):
            self.assertNotIn(base64.b64encode(text.encode()).decode(), str(self.history()) + str(log))

    @unittest.skipUnless(HOME and binds_artifacts(), "this Clouddriver binds no artifacts: it has another json-path than its code")
    def test_a_pod_uses_the_version_that_was_deployed_before_it(self):
        self.deploy(config_map("used", a="1"))
        m = replica_set("user")
        m["spec"]["template"]["spec"]["volumes"] = [{"name": "v", "configMap": {"name": "used"}}]
        artifacts = self.deploy(config_map("used", a="2"), m)
        self.assertEqual(names(artifacts), ["configMap used-v001", "replicaSet user-v000"])
        made = self.object("replicasets.apps", "user-v000")
        self.assertEqual(made["spec"]["template"]["spec"]["volumes"][0]["configMap"]["name"], "used-v001")


class Strategies(Operations):
    """Ways to deploy that annotations of a manifest ask for."""

    def asking(self, manifest, **strategies):
        manifest["metadata"]["annotations"] = {
            f"strategy.spinnaker.io/{name.replace('_', '-')}": value for name, value in strategies.items()}
        return manifest

    def replicas(self, name):
        return self.object("deployments.apps", name)["spec"]["replicas"]

    def uid(self, kind, name):
        return self.object(kind, name)["metadata"]["uid"]

    def test_recreate(self):
        def again():
            return self.deploy(self.asking(deployment("anew"), recreate="true"))
        again()
        first = self.uid("deployments.apps", "anew")
        self.assertEqual(names(again()), ["deployment anew"])
        self.assertNotEqual(self.uid("deployments.apps", "anew"), first)

    def test_replace(self):
        def replace(**data):
            self.deploy(self.asking(config_map("whole", **data), replace="true", versioned="false"))
            return self.object("configmaps", "whole")
        first = replace(a="1", b="2")  # there is nothing to replace: created
        second = replace(a="3")
        self.assertEqual((second["data"], second["metadata"]["uid"]), ({"a": "3"}, first["metadata"]["uid"]))
        self.assertNotIn("kubectl.kubernetes.io/last-applied-configuration", second["metadata"]["annotations"])

    def test_the_replicas_of_before(self):
        self.deploy(deployment("kept", 1))
        self.do(scaleManifest=self.on("deployment kept", replicas=3))
        self.deploy(self.asking(deployment("kept", 1, version=2), use_source_capacity="true"))
        self.assertEqual(self.replicas("kept"), 3)
        self.deploy(deployment("kept", 1, version=3))
        self.assertEqual(self.replicas("kept"), 1)

    def test_labels_choose_what_is_deployed(self):
        chosen, other = config_map("chosen"), config_map("other")
        chosen["metadata"]["labels"] = {"part": "one"}
        selectors = {"selectors": [{"kind": "EQUALS", "key": "part", "values": ["one"]}]}
        self.assertEqual(names(self.deploy(chosen, other, versioned=False, labelSelectors=selectors)), ["configMap chosen"])
        self.assertIsNone(self.object("configmaps", "other"))
        said = self.fail_to(deployManifest={"source": "text", "moniker": {"app": APP}, "manifests": [config_map("other")],
                                            "versioned": False, "labelSelectors": selectors})
        self.assertIn("nothing deployed to account streamed with label selector(s) part = one", said)


class Traffic(Operations):
    def selected(self, name):
        return len([p for p in self.objects("pods") if p["metadata"]["labels"].get(LABEL) == name
                    and "deletionTimestamp" not in p["metadata"]])

    def traffic(self, name, group):
        """Whether the pods of the group are the service's."""
        return [p["metadata"]["labels"].get(LABEL) == name for p in self.objects("pods")
                if any(o["name"] == group for o in p["metadata"].get("ownerReferences", []))]

    def version(self, app, n, **more):
        return names(self.deploy(replica_set(app, 2, n), services=[f"service {app}"], enableTraffic=True, **more))

    def test_red_black(self):
        self.deploy(service("shop", {LABEL: "shop"}))
        self.assertEqual(self.version("shop", 1), ["replicaSet shop-v000"])
        self.running("shop", 2)
        self.assertEqual(self.traffic("shop", "shop-v000"), [True, True])
        # What Orca does for red/black: the new version, then the old one is disabled and goes to none.
        self.assertEqual(self.version("shop", 2, strategy="RED_BLACK"), ["replicaSet shop-v001"])
        self.running("shop", 4)
        self.wait("both", lambda: self.selected("shop") == 4, 120)
        self.do(disableManifest=self.on("replicaSet shop-v000"))
        self.assertEqual(self.traffic("shop", "shop-v000"), [False, False])
        self.assertEqual(self.traffic("shop", "shop-v001"), [True, True])
        self.do(scaleManifest=self.on("replicaSet shop-v000", replicas=0))
        self.wait("none of the old", lambda: not self.traffic("shop", "shop-v000"), 120)
        self.assertEqual([self.object("replicasets.apps", f"shop-v00{n}")["spec"]["replicas"] for n in (0, 1)], [0, 2])
        # And back.
        self.do(scaleManifest=self.on("replicaSet shop-v000", replicas=2))
        self.wait("the old ones", lambda: len(self.traffic("shop", "shop-v000")) == 2, 120)
        self.do(enableManifest=self.on("replicaSet shop-v000"))
        self.assertEqual(self.traffic("shop", "shop-v000"), [True, True])
        self.do(disableManifest=self.on("replicaSet shop-v001"))
        self.assertEqual(self.traffic("shop", "shop-v001"), [False, False])
        self.assertEqual(APP, self.object("replicasets.apps", "shop-v001")["metadata"]["annotations"][
            "moniker.spinnaker.io/application"])


if __name__ == "__main__":
    unittest.main()
