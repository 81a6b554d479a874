# SPDX-License-Identifier: Apache-2.0
"""Operations as Spinnaker's Orca asks Clouddriver for them, and the task that each becomes."""
import atexit
import itertools

from world import STREAMED, World, write_account

SPACE = "ops"
APP = "ops"
USER = {"X-SPINNAKER-USER": "ann@example.com"}
BESIDE = "beside"  # another account of the same agent, with kinds of its own
IMAGE = "registry.example/ops:{}"


def metadata(name, **more):
    return {"name": name, "namespace": SPACE, **more}


def pods(name, version=1, **labels):
    """The template and selector of a workload."""
    return {"selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name, **labels}},
                         "spec": {"terminationGracePeriodSeconds": 0,
                                  "containers": [{"name": "main", "image": IMAGE.format(version)}]}}}


def deployment(name, replicas=1, version=1):
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata(name),
            "spec": {"replicas": replicas, **pods(name, version)}}


def replica_set(name, replicas=1, version=1):
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": metadata(name),
            "spec": {"replicas": replicas, **pods(name, version)}}


def service(name, selects):
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata(name),
            "spec": {"selector": selects, "ports": [{"port": 80}]}}


def config_map(name, **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(name), "data": data}


class Operations(World):
    """One world for all classes of all modules, with a namespace for it, and no accounts but the agent's."""

    stock = None
    clouddriver_config = {"kubesvc": {"cache": {"cacheKinds": [
        "ReplicaSet", "Service", "Deployment", "Pod", "Job", "Namespace", "CustomResourceDefinition", "ConfigMap", "Role"]}}}
    made = False
    missing = None

    @classmethod
    def setUpClass(cls):
        if Operations.missing:
            raise Operations.missing
        if not Operations.made:
            try:
                World.setUpClass.__func__(Operations)
                Operations.begin_with()
            except BaseException as e:
                Operations.doClassCleanups()
                Operations.missing = e  # for the other classes as well
                raise
            Operations.made = True
            World.kept = Operations.end
            atexit.register(Operations.end)

    @staticmethod
    def end():
        """Before another world begins, or the program ends."""
        atexit.unregister(Operations.end)
        World.kept = None
        Operations.made = False
        Operations.doClassCleanups()

    @classmethod
    def more_accounts(cls, directory):
        write_account(directory, BESIDE, cls.cluster.kubeconfig, kinds=["role", "configMap", "namespace"])

    @classmethod
    def begin_with(cls):
        cls.api = cls.cluster.api()
        cls.addClassCleanup(cls.api.close)
        cls.api("POST", "/api/v1/namespaces", {"metadata": {"name": SPACE}})
        cls.agent.wait_streaming([STREAMED, BESIDE])
        warm = cls("begin")
        warm.wait("the accounts", lambda: {STREAMED, BESIDE} <= set(warm.clouddriver.accounts()), 120)
        warm.wait("its namespaces", lambda: SPACE in warm.clouddriver.get(f"/credentials/{STREAMED}")["namespaces"], 120)

    # ---- asking ----

    def begin(self, **operations):
        """Posts them; the task's id."""
        body = [{name: {"account": STREAMED, "credentials": STREAMED, "cloudProvider": "kubernetes", **value}}
                for name, value in operations.items()]
        status, said = self.clouddriver.ask("POST", "/kubernetes/ops", body, USER)
        self.assertEqual(status, 200, said)
        return said["id"]

    def ended(self, task):
        found = self.clouddriver.get(f"/task/{task}")
        return found if found["status"]["completed"] or found["status"]["failed"] else None

    def task(self, **operations):
        task = self.begin(**operations)
        return self.wait(f"the end of {', '.join(operations)}", lambda: self.ended(task), 120)

    def do(self, **operations):
        """The task, which has to succeed; its results."""
        task = self.task(**operations)
        self.assertFalse(task["status"]["failed"], [h["status"] for h in task["history"]] + task["resultObjects"])
        return task["resultObjects"]

    def fail_to(self, **operations):
        """The task, which has to fail; all that it says."""
        task = self.task(**operations)
        self.assertTrue(task["status"]["failed"], task)
        return str(task["resultObjects"]) + str([h["status"] for h in task["history"]])

    def deploy(self, *manifests, **more):
        return self.do(deployManifest={"source": "text", "moniker": {"app": APP}, "manifests": list(manifests), **more})

    def on(self, name, **more):
        """The fields of an operation on one object: "deployment web"."""
        return {"location": SPACE, "manifestName": name, **more}

    # ---- looking ----

    def object(self, kind, name):
        """As the API server has it; None if it is not there."""
        found = [o for o in self.objects(kind) if o["metadata"]["name"] == name]
        return found[0] if found else None

    def objects(self, kind):
        return [o for (space, _), o in self.cluster.objects(kind).items() if space == SPACE]

    def running(self, app, count):
        self.wait(f"{count} pods of {app}", lambda: count == len([
            p for p in self.objects("pods") if p["metadata"]["labels"].get("app") == app
            and p["status"].get("phase") == "Running" and "deletionTimestamp" not in p["metadata"]]), 120)

    def manifest(self, name):
        """What Clouddriver shows of it: live, with its events."""
        return self.clouddriver.ask("GET", f"/manifests/{STREAMED}/{SPACE}/{name.replace(' ', '%20')}")

    def row(self, kind, name):
        """The row of it in Clouddriver's cache."""
        return next(iter(self.db.sql(
            f"SELECT body FROM cats_v1_{kind} WHERE id LIKE 'kubernetes.v2:infrastructure:%:{STREAMED}:{SPACE}:{name}'")), None)

    def history(self):
        return list(self.db.sql(
            "SELECT verb, name, result, user_name, operation FROM kubesvc_ops_history ORDER BY ended_at"))


def names(results):
    """Of what was deployed, by "kind name"."""
    found = [r.get("manifestNamesByNamespace", r.get("deployedNamesByLocation", {})) for r in results if isinstance(r, dict)]
    return sorted(set(itertools.chain.from_iterable(f.get(SPACE, []) for f in found)))
