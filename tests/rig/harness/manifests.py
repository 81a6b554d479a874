# SPDX-License-Identifier: Apache-2.0
"""Objects of every kind that is streamed by default, and of some more, to make and change in a cluster."""
import dataclasses
from typing import Callable

from .cluster import path_of
from .scrub import scrubbed


@dataclasses.dataclass(frozen=True)
class Kind:
    group: str
    version: str
    resource: str
    kind: str
    body: Callable  # (name, n) -> what stands beside metadata; n varies the content
    namespaced: bool = True

    @property
    def full(self):
        """As kubectl takes it: deployments.apps"""
        return f"{self.resource}.{self.group}" if self.group else self.resource

    @property
    def key(self):
        return self.group, self.resource

    def path(self, namespace="", name=""):
        return path_of(self.group, self.version, self.resource, namespace if self.namespaced else "", name)

    def manifest(self, namespace, name, n=0):
        meta = {"name": name, "labels": {"app": name, "rev": str(n)}}
        if self.namespaced:
            meta["namespace"] = namespace
        api = f"{self.group}/{self.version}" if self.group else self.version
        return {"apiVersion": api, "kind": self.kind, "metadata": meta, **self.body(name, n)}


def _pod(name, n):
    return {"containers": [{"name": "c", "image": f"registry.example/app:{n}"}], "terminationGracePeriodSeconds": 0}


def _template(name, n):
    return {"selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": _pod(name, n)}}


def _replicated(name, n):
    return {"spec": {"replicas": n % 3, **_template(name, n)}}


def _job(name, n):
    return {"template": {"spec": {**_pod(name, n), "restartPolicy": "Never"}}, "suspend": True, "parallelism": 1 + n % 3}


def _crd(name, n):
    """name: plural.group"""
    plural, group = name.split(".", 1)
    kind = plural.rstrip("s").capitalize()
    return {"spec": {
        "group": group, "scope": "Namespaced",
        "names": {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": kind + "List"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {
            "type": "object", "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}}}]}}


CRD = Kind("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", _crd, False)
NAMESPACE = Kind("", "v1", "namespaces", "Namespace", lambda name, n: {}, False)
CONFIG_MAP = Kind("", "v1", "configmaps", "ConfigMap", lambda name, n: {"data": {"value": f"{n}", "text": "\u00fc \\ \" \n\u2028"}})
SECRET = Kind("", "v1", "secrets", "Secret", lambda name, n: {"stringData": {"password": f"hunter{n}"}})


def custom(plural, group="example.test"):
    """The kind that CRD.manifest("", f"{plural}.{group}") defines."""
    return Kind(group, "v1", plural, plural.rstrip("s").capitalize(), lambda name, n: {"spec": {"size": n, "colour": "red"}})


# What Clouddriver caches by default, CRDs and namespaces apart.
IN_NAMESPACES = (
    Kind("apps", "v1", "replicasets", "ReplicaSet", _replicated),
    Kind("", "v1", "services", "Service", lambda name, n: {"spec": {"ports": [{"port": 1000 + n % 1000}], "selector": {"app": name}}}),
    Kind("networking.k8s.io", "v1", "ingresses", "Ingress", lambda name, n: {"spec": {"defaultBackend": {
        "service": {"name": name, "port": {"number": 1000 + n % 1000}}}}}),
    Kind("apps", "v1", "daemonsets", "DaemonSet", lambda name, n: {"spec": _template(name, n)}),
    Kind("apps", "v1", "deployments", "Deployment", _replicated),
    Kind("", "v1", "pods", "Pod", lambda name, n: {"spec": _pod(name, n)}),
    Kind("apps", "v1", "statefulsets", "StatefulSet", lambda name, n: {"spec": {**_replicated(name, n)["spec"], "serviceName": name}}),
    Kind("batch", "v1", "jobs", "Job", lambda name, n: {"spec": _job(name, n)}),
    # Suspended, so that nothing goes on by itself when a test has become quiet.
    Kind("batch", "v1", "cronjobs", "CronJob", lambda name, n: {"spec": {
        "schedule": "* * * * *", "suspend": True, "jobTemplate": {"spec": _job(name, n)}}}),
    Kind("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", lambda name, n: {"spec": {
        "podSelector": {"matchLabels": {"app": name}}, "policyTypes": ["Ingress"]}}),
)
DEFAULT = (*IN_NAMESPACES, NAMESPACE, CRD)


def in_cluster(api, kinds):
    """{(group, resource, namespace, name): object} of all objects of these kinds, scrubbed."""
    found = {}
    for kind in kinds:
        answer = api("GET", kind.path())
        for o in answer["items"]:
            whole = {"kind": kind.kind, "apiVersion": f"{kind.group}/{kind.version}" if kind.group else kind.version, **o}
            found[(*kind.key, o["metadata"].get("namespace", ""), o["metadata"]["name"])] = scrubbed(whole)
    return found
