# SPDX-License-Identifier: Apache-2.0
"""A Deployment made with kubectl is in Clouddriver's views within a second and gone within one, and the rows of the
agent's account are those that polling makes of the same cluster."""
import time
import unittest
import urllib.parse

import rows
import views
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

    def test_a_deployment_comes_and_goes_within_a_second(self):
        """What else the machine does may spoil an attempt, but not three of them."""
        attempts = []
        while len(attempts) < 3:
            took = self.come_and_go(f"quick{len(attempts)}")
            if max(took.values()) < 1:
                return
            attempts.append({what: round(seconds, 1) for what, seconds in took.items()})
        self.fail(attempts)

    def come_and_go(self, name):
        """{what: seconds until it is seen by REST}"""
        took = {}

        def until(what, check):
            began = time.monotonic()
            self.wait(what, check, 20)
            took[what] = time.monotonic() - began

        def group():
            return [g for g in self.groups() if g["cluster"] == f"deployment {name}"]

        def balancer():
            return [b for b in self.balancers() if b["name"] == f"service {name}"]
        self.post(service(name), deployment(name))
        until("its cluster", lambda: f"deployment {name}" in self.clusters())
        until("its server group", group)
        until("its load balancer", balancer)
        self.wait("its pods", lambda: len((group() or [{"instances": ()}])[0]["instances"]) == 2, 30)
        self.api("DELETE", f"/api/v1/namespaces/{SPACE}/services/{name}")
        until("the load balancer's end", lambda: not balancer())
        self.api("DELETE", f"/apis/apps/v1/namespaces/{SPACE}/deployments/{name}", {"propagationPolicy": "Foreground"})
        self.wait("the objects' end", lambda: not [o for o in self.cluster.objects("replicasets.apps") if o[1].startswith(name)], 30)
        until("the server group's end", lambda: not group())
        until("the cluster's end", lambda: f"deployment {name}" not in self.clusters())
        return took

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
        return {path: views.answer(self.clouddriver, path, account) for path in (
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

    def test_provider_cache_reads_as_with_polling(self):
        self.settled()
        self.equal_reads()


if __name__ == "__main__":
    unittest.main()
