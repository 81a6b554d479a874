# SPDX-License-Identifier: Apache-2.0
"""Spinnaker's operations on an account of an agent, in a real Clouddriver: the same ends as with kubectl, and no
kubectl anywhere (the account has none)."""
import json
import os
import signal
import time
import unittest

from ops import APP, SPACE, Operations, config_map, deployment, names, pods, service
from world import STREAMED


class Manifests(Operations):
    def test_a_deployment_is_deployed_changed_and_deleted(self):
        self.assertEqual(names(self.deploy(deployment("web", 2))), ["deployment web"])
        made = self.object("deployments.apps", "web")
        self.assertEqual(made["spec"]["replicas"], 2)
        self.assertEqual(made["metadata"]["annotations"]["moniker.spinnaker.io/application"], APP)
        applied = json.loads(made["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"])
        self.assertEqual(applied["spec"]["replicas"], 2)
        self.deploy(deployment("web", 3, version=2))
        again = self.object("deployments.apps", "web")
        self.assertEqual((again["spec"]["replicas"], again["metadata"]["uid"]), (3, made["metadata"]["uid"]))
        self.running("web", 3)
        self.do(deleteManifest=self.on("deployment web", options={"cascading": "true"}))
        self.assertIsNone(self.object("deployments.apps", "web"))
        self.do(deleteManifest=self.on("deployment web", options={"cascading": "true"}))  # not there: no error

    def test_what_was_deployed_is_in_the_cache_when_the_task_ends(self):
        for n in range(5):
            self.deploy(deployment("quick", n))
            row = self.row("deployment", "quick")
            self.assertIsNotNone(row)
            self.assertEqual(json.loads(row[0])["attributes"]["manifest"]["spec"]["replicas"], n)
            status, said = self.clouddriver.ask("POST", "/cache/kubernetes/manifest", {
                "account": STREAMED, "location": SPACE, "name": "deployment quick"})
            self.assertIn(status, (200, 202), said)  # what Orca does next, which has nothing to do
        self.do(deleteManifest=self.on("deployment quick"))
        self.assertIsNone(self.row("deployment", "quick"))

    def test_several_manifests_and_server_side(self):
        shared = config_map("shared", a="1")
        shared["metadata"]["annotations"] = {"strategy.spinnaker.io/server-side-apply": "force-conflicts",
                                             "strategy.spinnaker.io/versioned": "false"}
        found = names(self.deploy(service("several", {"app": "several"}), shared, deployment("several")))
        self.assertEqual(found, ["configMap shared", "deployment several", "service several"])
        managers = self.api("GET", f"/api/v1/namespaces/{SPACE}/configmaps/shared")["metadata"]["managedFields"]
        self.assertEqual({m["operation"] for m in managers}, {"Apply"})

    def test_scale(self):
        self.deploy(deployment("scaled", 1))
        self.do(scaleManifest=self.on("deployment scaled", replicas=3))
        self.assertEqual(self.object("deployments.apps", "scaled")["spec"]["replicas"], 3)
        said = self.fail_to(scaleManifest=self.on("deployment nowhere", replicas=3))
        self.assertIn("not found", said)

    def test_patch(self):
        self.deploy(deployment("patched"))
        label = {"metadata": {"labels": {"how": "strategic"}}}
        self.do(patchManifest=self.on("deployment patched", source="text", patchBody=label,
                                      options={"mergeStrategy": "strategic", "record": True}))
        found = self.object("deployments.apps", "patched")["metadata"]
        self.assertEqual(found["labels"]["how"], "strategic")
        self.assertIn("kubernetes.io/change-cause", found["annotations"])
        self.do(patchManifest=self.on("deployment patched", source="text", patchBody={"metadata": {"labels": {"how": "merge"}}},
                                      options={"mergeStrategy": "merge"}))
        self.assertEqual(self.object("deployments.apps", "patched")["metadata"]["labels"]["how"], "merge")
        self.do(patchManifest=self.on("deployment patched", source="text", options={"mergeStrategy": "json"}, patchBody=[
            {"op": "replace", "path": "/metadata/labels/how", "value": "json"}]))
        self.assertEqual(self.object("deployments.apps", "patched")["metadata"]["labels"]["how"], "json")

    def test_delete_by_labels(self):
        for name in ("one", "two"):
            m = deployment(name)
            m["metadata"]["labels"] = {"set": "labelled"}
            self.deploy(m)
        self.do(deleteManifest={"location": SPACE, "kinds": ["deployment"], "options": {"cascading": "true"}, "labelSelectors": {
            "selectors": [{"kind": "EQUALS", "key": "set", "values": ["labelled"]}]}})
        self.assertIsNone(self.object("deployments.apps", "one"))
        self.assertIsNone(self.object("deployments.apps", "two"))

    def test_errors_have_kubectls_words(self):
        nowhere = config_map("x")
        nowhere["metadata"]["namespace"] = "nowhere"
        said = self.fail_to(deployManifest={"source": "text", "moniker": {"app": APP}, "manifests": [nowhere]})
        self.assertIn('namespaces "nowhere" not found', said)
        wrong = deployment("wrong")
        wrong["spec"]["strategy"] = {"type": "Sideways"}
        said = self.fail_to(deployManifest={"source": "text", "moniker": {"app": APP}, "manifests": [wrong]})
        self.assertIn("Deploy failed for manifest: deployment wrong", said)
        large = config_map("large", a="x" * (4 << 20))
        said = self.fail_to(deployManifest={"source": "text", "moniker": {"app": APP}, "manifests": [large], "versioned": False})
        self.assertIn("3145728", said)


class Rollouts(Operations):
    def template(self, name):
        return self.object("deployments.apps", name)["spec"]["template"]

    def test_undo(self):
        self.deploy(deployment("rolled", version=1))
        self.running("rolled", 1)
        self.deploy(deployment("rolled", version=2))
        self.deploy(deployment("rolled", version=3))
        self.do(undoRolloutManifest=self.on("deployment rolled", numRevisionsBack=1))
        self.assertEqual(self.template("rolled")["spec"]["containers"][0]["image"], "registry.example/ops:2")
        self.do(undoRolloutManifest=self.on("deployment rolled", revision=1))
        self.assertEqual(self.template("rolled")["spec"]["containers"][0]["image"], "registry.example/ops:1")

    def test_pause_resume_restart(self):
        self.deploy(deployment("paused"))
        self.do(pauseRolloutManifest=self.on("deployment paused"))
        self.assertTrue(self.object("deployments.apps", "paused")["spec"]["paused"])
        self.do(resumeRolloutManifest=self.on("deployment paused"))
        self.assertFalse(self.object("deployments.apps", "paused")["spec"].get("paused"))
        self.do(rollingRestartManifest=self.on("deployment paused"))
        self.assertIn("kubectl.kubernetes.io/restartedAt", self.template("paused")["metadata"]["annotations"])


class Reads(Operations):
    def test_a_manifest_is_live_and_has_its_events(self):
        self.deploy(deployment("looked"))
        self.running("looked", 1)
        status, found = self.manifest("deployment looked")
        self.assertEqual(status, 200, found)
        self.assertEqual(found["manifest"]["metadata"]["name"], "looked")
        self.wait("its events", lambda: self.manifest("deployment looked")[1].get("events"), 120)
        self.assertEqual(self.manifest("deployment nowhere")[0], 404)

    def test_the_console_shows_logs(self):
        self.deploy(deployment("logged"))
        self.running("logged", 1)
        self.wait("the node's address", lambda: any(
            n["status"].get("addresses") for n in self.cluster.objects("nodes").values()), 120)
        pod = next(p["metadata"]["name"] for p in self.objects("pods") if p["metadata"]["labels"].get("app") == "logged")
        self.wait("the pod's row", lambda: self.row("pod", pod), 120)
        status, found = self.clouddriver.ask("GET", f"/instances/{STREAMED}/{SPACE}/pod%20{pod}/console?provider=kubernetes")
        self.assertEqual(status, 200, found)
        self.assertIn("kwok log line 1", str(found))

    def test_a_job_is_run_each_time(self):
        job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once", "namespace": SPACE},
               "spec": {"backoffLimit": 0, "template": {"spec": {
                   "restartPolicy": "Never", "terminationGracePeriodSeconds": 0,
                   "containers": [{"name": "main", "image": "registry.example/ops:1"}]}}}}
        run = {"application": APP, "manifest": job}
        self.assertEqual(names(self.do(runJob=run)), ["job once"])
        first = self.object("jobs.batch", "once")["metadata"]["uid"]
        self.do(runJob=run)
        self.assertNotEqual(self.object("jobs.batch", "once")["metadata"]["uid"], first)
        job["metadata"] = {"generateName": "many-", "namespace": SPACE}
        self.do(runJob=run)
        self.do(runJob=run)
        self.assertEqual(len([o for o in self.objects("jobs.batch") if o["metadata"]["name"].startswith("many-")]), 2)


class Accounted(Operations):
    def test_operations_are_accounted_for(self):
        self.deploy(config_map("plain", password="hunter2"), versioned=False)
        self.wait("the history", lambda: [h for h in self.history() if h[1] == "plain"], 120)
        verb, _, result, user, operation = [h for h in self.history() if h[1] == "plain"][0]
        self.assertEqual((verb, result, user), ("apply", "OK", "ann@example.com"))
        self.assertTrue(operation)
        log = self.clouddriver.process.log.read_text(errors="replace")
        line = next(x for x in log.splitlines() if "name=plain" in x)
        self.assertIn("user=ann@example.com", line)
        self.assertNotIn("hunter2", str(self.history()) + line)
        self.assertGreater(self.number("scale.agent.operation"), 0)

    def test_without_its_agent_it_is_said(self):
        self.agent.stop()
        try:
            began = time.monotonic()
            said = self.fail_to(deployManifest={"source": "text", "moniker": {"app": APP}, "manifests": [deployment("never")]})
            self.assertLess(time.monotonic() - began, 120)
            self.assertIn(STREAMED, said)
            self.assertIn("no agent", said)
        finally:
            self.agent.start()
            self.agent.wait_streaming([STREAMED])
        self.deploy(deployment("later"))
        self.assertIsNone(self.object("deployments.apps", "never"))

    def test_a_worker_that_is_killed_loses_nothing_and_does_nothing_twice(self):
        """A job with a generated name is made once for each task that says so, and at most once for one that fails."""
        made = done = 0
        for _ in range(10):
            task = self.begin(runJob={"application": APP, "manifest": {
                "apiVersion": "batch/v1", "kind": "Job", "metadata": {"generateName": "killed-", "namespace": SPACE},
                "spec": {"template": {"spec": {"restartPolicy": "Never", **pods("x")["template"]["spec"]}}}}})
            for pid in self.agent.by_role().get("worker", []):
                self.kill(pid)
            ended = self.wait("its end", lambda t=task: self.ended(t), 120)
            done += not ended["status"]["failed"]
            made += 1
        jobs = len([o for o in self.objects("jobs.batch") if o["metadata"]["name"].startswith("killed-")])
        self.assertTrue(done <= jobs <= made, (done, jobs, made))

    @staticmethod
    def kill(pid):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


if __name__ == "__main__":
    unittest.main()
