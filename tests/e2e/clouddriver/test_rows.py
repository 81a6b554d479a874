# SPDX-License-Identifier: Apache-2.0
"""A Deployment made with kubectl is in Clouddriver's views within a second and gone within one, and the rows of the
agent's account are those that polling makes of the same cluster."""
import json
import time
import unittest
import urllib.parse

import rows
from world import STOCK, STREAMED, World

SPACE = "shop"
APP = "shop"


def annotations(cluster):
    return {"moniker.spinnaker.io/application": APP, "moniker.spinnaker.io/cluster": cluster}


def deployment(name, replicas=2):
    labels = {"app": name, "app.kubernetes.io/name": APP}
    return {"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": name, "namespace": SPACE, "labels": labels, "annotations": annotations(f"deployment {name}")},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}},
                     "template": {"metadata": {"labels": labels, "annotations": annotations(f"deployment {name}")},
                                  "spec": {"terminationGracePeriodSeconds": 0,
                                           "containers": [{"name": "c", "image": "registry.example/shop:1"}]}}}}


def service(name):
    return {"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": name, "namespace": SPACE, "annotations": annotations(f"service {name}")},
            "spec": {"selector": {"app": name}, "ports": [{"port": 80}]}}


def ingress(name):
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": {"name": name, "namespace": SPACE, "annotations": annotations(f"ingress {name}")},
            "spec": {"rules": [{"host": "shop.example", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {
                "service": {"name": name, "port": {"number": 80}}}}]}}]}}


class Rows(World):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.api = cls.cluster.api()
        cls.addClassCleanup(cls.api.close)
        cls.agent.wait_streaming([STREAMED])
        cls.api("POST", "/api/v1/namespaces", {"metadata": {"name": SPACE}})
        cls.warm_up()

    @classmethod
    def warm_up(cls):
        """A JVM's first calls take long, whatever they are: the times below are not theirs."""
        warm = cls("clusters")
        warm.post(service("warm"), deployment("warm", 1))
        warm.wait("the first cluster", lambda: warm.clusters() and warm.groups() and warm.balancers(), 60)
        for _ in range(20):
            warm.clusters(), warm.groups(), warm.balancers()

    def post(self, *objects):
        paths = {"Deployment": "/apis/apps/v1/namespaces/{}/deployments", "Service": "/api/v1/namespaces/{}/services",
                 "Ingress": "/apis/networking.k8s.io/v1/namespaces/{}/ingresses"}
        for o in objects:
            self.api("POST", paths[o["kind"]].format(SPACE), o)

    def clusters(self):
        status, found = self.clouddriver.ask("GET", f"/applications/{APP}/clusters/{STREAMED}")
        return {c["name"]: c for c in found} if status == 200 else {}

    def groups(self):
        return [g for g in self.clouddriver.get(f"/applications/{APP}/serverGroups") if g["account"] == STREAMED]

    def balancers(self):
        return [b for b in self.clouddriver.get(f"/applications/{APP}/loadBalancers") if b["account"] == STREAMED]

    def within(self, seconds, what, check):
        began = time.monotonic()
        self.wait(what, check, 20)
        took = time.monotonic() - began
        self.assertLess(took, seconds, what)

    def test_a_deployment_comes_and_goes_within_a_second(self):
        name = "quick"
        self.post(service(name), deployment(name))
        self.within(1, "its cluster", lambda: f"deployment {name}" in self.clusters())
        self.within(1, "its server group", lambda: [g for g in self.groups() if g["cluster"] == f"deployment {name}"])
        self.within(1, "its load balancer", lambda: [b for b in self.balancers() if b["name"] == f"service {name}"])
        self.wait("its pods", lambda: [g for g in self.groups() if g["cluster"] == f"deployment {name}" and len(g["instances"]) == 2], 30)
        self.api("DELETE", f"/api/v1/namespaces/{SPACE}/services/{name}")
        self.within(1, "the load balancer's end", lambda: not [b for b in self.balancers() if b["name"] == f"service {name}"])
        self.api("DELETE", f"/apis/apps/v1/namespaces/{SPACE}/deployments/{name}", {"propagationPolicy": "Foreground"})
        self.wait("the objects' end", lambda: not [o for o in self.cluster.objects("replicasets.apps") if o[1].startswith(name)], 30)
        self.within(1, "the server group's end", lambda: not [g for g in self.groups() if g["cluster"] == f"deployment {name}"])
        self.within(1, "the cluster's end", lambda: f"deployment {name}" not in self.clusters())

    def settled(self):
        """Some more objects, their pods running."""
        if not hasattr(type(self), "settled_once"):
            self.post(service("web"), deployment("web"), ingress("web"), deployment("lone", 1))
            type(self).settled_once = True
        self.wait("all pods", lambda: len([
            p for p, o in self.cluster.objects("pods").items()
            if p[1].startswith(("web", "lone")) and o["status"].get("phase") == "Running"]) == 3, 60)

    def test_rows_are_those_of_polling(self):
        self.settled()
        # Stock polls every few seconds; what changes meanwhile is compared the next time.
        found = []

        def equal():
            found[:] = rows.differences(rows.of(self.db, STOCK), rows.of(self.db, STREAMED))
            return not found and rows.of(self.db, STOCK)[0]
        try:
            self.wait("equal rows", equal, 60)
        except AssertionError:
            self.fail("\n".join(found))

    def views(self, account):
        """What REST answers of the account, in a form in which two accounts can be compared."""
        cluster = urllib.parse.quote("deployment web")
        of_app = f"/applications/{APP}"
        return {path: rest(self.clouddriver.ask("GET", path.format(account)), account) for path in (
            of_app + "/clusters/{}",
            of_app + "/clusters/{}/" + cluster,
            of_app + "/clusters/{}/" + cluster + "/kubernetes/serverGroups",
            of_app + "/serverGroups?account={}",
            of_app + "/serverGroupManagers?account={}",
            of_app + "/loadBalancers?account={}",
            "/securityGroups/{}",
            "/search?q=web&type=serverGroups&account={}",
            "/search?q=web&type=pod&account={}",
        )}

    def test_rest_answers_as_with_polling(self):
        self.settled()
        found = []

        def equal():
            stock, streamed = self.views(STOCK), self.views(STREAMED)
            found[:] = [d for path in stock for d in rows.paths(stock[path], streamed[path], path)]
            return not found and all(v[0] == 200 for v in stock.values())
        try:
            self.wait("equal answers", equal, 60)
        except AssertionError:
            self.fail("\n".join(found[:20]) or str(self.views(STOCK))[:2000])


def rest(answer, account):
    """(status, body) with the account's name as another's would be, what is of the other left out, lists in an
    order."""
    status, body = answer
    return status, ordered(json.loads(rows.neutral(json.dumps(of_account(body, account)), account)))


def of_account(value, account):
    """Without list items and results that name another account."""
    if isinstance(value, list):
        return [of_account(v, account) for v in value
                if not isinstance(v, dict) or v.get("account", account) == account]
    if isinstance(value, dict):
        return {k: of_account(v, account) for k, v in value.items() if k not in ("resourceVersion", "totalMatches")}
    return value


def ordered(value):
    if isinstance(value, list):
        return sorted((ordered(v) for v in value), key=lambda v: json.dumps(v, sort_keys=True))
    if isinstance(value, dict):
        return {k: ordered(v) for k, v in value.items()}
    return value


if __name__ == "__main__":
    unittest.main()
