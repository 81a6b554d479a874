# SPDX-License-Identifier: Apache-2.0
"""Cases by chance, the same for the same seed: an object is applied, others change it, and it is applied changed;
or it is patched. What comes need not make sense to the API server: it only has to be the same for both."""
import copy
import random

from table import Case

NAMES = ("main", "side", "third", "proxy")
WORDS = ("a", "b", "c", "d", "grün", "x y", "", "0", "true")


class Chance:
    """What objects are made of."""

    def __init__(self, seed):
        self.r = random.Random(seed)

    def some(self, makers, chance=0.5):
        """{key: made} of a part of these."""
        return {k: make() for k, make in makers.items() if self.r.random() < chance}

    def items(self, keys, make, most=3):
        """A list with different keys, in any order."""
        keys = list(keys)
        self.r.shuffle(keys)
        return [make(k) for k in keys[:self.r.randint(0, most)]]

    def word(self):
        return self.r.choice(WORDS)

    def words(self, most=3):
        return {self.r.choice("abcdef"): self.word() for _ in range(self.r.randint(0, most))}

    def labels(self):
        return {k: self.r.choice(("1", "2", "x")) for k in self.r.sample("klmn", self.r.randint(0, 3))}

    def quantity(self):
        return self.r.choice(("100m", "0.1", 1, "1", "1Gi", "1024Mi", 1.5))

    def env(self, name):
        if self.r.random() < 0.25:
            return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": self.r.choice(("metadata.name", "metadata.namespace"))}}}
        return {"name": name, "value": self.word()}

    def port(self, number):
        return {"containerPort": number, **self.some({"name": lambda: f"p{number}", "protocol": lambda: self.r.choice(("TCP", "UDP"))})}

    def probe(self):
        return self.r.choice(({"httpGet": {"path": "/", "port": 80}}, {"httpGet": {"path": "/h", "port": "p80"}},
                              {"exec": {"command": ["true"]}}, {"tcpSocket": {"port": 80}, "periodSeconds": 5}))

    def container(self, name):
        return {"name": name, "image": f"registry.example/{name}:{self.r.randint(1, 3)}", **self.some({
            "env": lambda: self.items("ABCD", self.env, 4),
            "ports": lambda: self.items((80, 81, 82), self.port),
            "args": lambda: [self.word() for _ in range(self.r.randint(0, 3))],
            "resources": lambda: {self.r.choice(("limits", "requests")): self.some({"cpu": self.quantity, "memory": lambda: "1Gi"})},
            "livenessProbe": self.probe,
            "volumeMounts": lambda: self.items(("/m1", "/m2", "/m3"), lambda p: {"name": self.r.choice(("v1", "v2")), "mountPath": p}),
            "securityContext": lambda: self.some({"runAsUser": lambda: self.r.randint(1, 3), "capabilities": lambda: {"add": ["A", "B"][:self.r.randint(0, 2)]}}),
        }, 0.35)}

    def volume(self, name):
        return {"name": name, **self.r.choice(({"emptyDir": {}}, {"emptyDir": {"medium": "Memory"}}, {"configMap": {"name": "config"}},
                                               {"secret": {"secretName": "s", "items": [{"key": "k", "path": "p"}]}}))}

    def pod(self):
        return {"containers": self.items(NAMES, self.container, 3) or [self.container("main")],
                "volumes": [self.volume("v1"), self.volume("v2"), *self.items(("v3", "v4"), self.volume)], **self.some({
                    "initContainers": lambda: self.items(("i1", "i2"), lambda n: {"name": n, "image": "registry.example/i:1"}),
                    "tolerations": lambda: self.items("xyz", lambda k: {"key": k, "operator": "Exists"}),
                    "hostAliases": lambda: self.items(("10.0.0.1", "10.0.0.2"), lambda ip: {"ip": ip, "hostnames": [self.r.choice("ab")]}),
                    "imagePullSecrets": lambda: self.items(("s1", "s2", "s3"), lambda n: {"name": n}),
                    "topologySpreadConstraints": lambda: self.items(("zone", "rack"), lambda k: {
                        "topologyKey": k, "maxSkew": self.r.randint(1, 2), "whenUnsatisfiable": self.r.choice(("DoNotSchedule", "ScheduleAnyway"))}),
                    "nodeSelector": self.labels, "hostNetwork": lambda: self.r.random() < 0.5,
                    "terminationGracePeriodSeconds": lambda: self.r.randint(0, 30),
                    "affinity": lambda: {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
                        {"weight": self.r.randint(1, 3), "podAffinityTerm": {"topologyKey": "zone"}}]}},
                }, 0.35)}

    def strategy(self):
        return self.r.choice(({"type": "Recreate"}, {"type": "RollingUpdate"}, {"rollingUpdate": {"maxSurge": "30%"}},
                              {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": "10%"}}))

    def meta(self, name, labels=None):
        return {"name": name, **self.some({"labels": lambda: {**self.labels(), **(labels or {})}, "annotations": self.words})}

    def deployment(self):
        return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": self.meta("made"), "spec": {
            "selector": {"matchLabels": {"app": "made"}},
            "template": {"metadata": {"labels": {"app": "made", **self.labels()}}, "spec": self.pod()},
            **self.some({"replicas": lambda: self.r.randint(0, 4), "strategy": self.strategy, "minReadySeconds": lambda: self.r.randint(0, 3),
                         "paused": lambda: self.r.random() < 0.5})}}

    def service(self):
        ports = self.items((80, 81, 82), lambda n: {"name": f"p{n}", "port": n, **self.some({
            "targetPort": lambda: self.r.choice((8080, "http")), "protocol": lambda: self.r.choice(("TCP", "UDP"))})})
        return {"apiVersion": "v1", "kind": "Service", "metadata": self.meta("made"), "spec": {
            "ports": ports or [{"name": "p80", "port": 80}], **self.some({
                "selector": self.labels, "type": lambda: self.r.choice(("ClusterIP", "NodePort")),
                "sessionAffinity": lambda: self.r.choice(("None", "ClientIP")), "externalIPs": lambda: ["1.2.3.4", "1.2.3.5"][:self.r.randint(1, 2)]})}}

    def config(self):
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": self.meta("made"), **self.some({"data": lambda: self.words(5)}, 0.8)}

    def widget(self):
        return {"apiVersion": "example.test/v1", "kind": "Widget", "metadata": self.meta("made"), "spec": self.some({
            "replicas": lambda: self.r.randint(0, 5), "colour": lambda: self.r.choice(("red", "green", "blue")),
            "size": lambda: self.r.choice((1, "1", "10%")), "note": self.word,
            "parts": lambda: self.items("pqr", lambda n: {"name": n, **self.some({"count": lambda: self.r.randint(1, 3)})}),
            "tags": lambda: self.items("tuv", str), "steps": lambda: [self.word() for _ in range(self.r.randint(0, 3))],
            "extra": self.words, "free": self.free}, 0.6)}

    def gadget(self):
        return {"apiVersion": "example.test/v1", "kind": "Gadget", "metadata": self.meta("made"), "spec": self.free(), "more": self.free()}

    def free(self, depth=0):
        if depth > 2 or self.r.random() < 0.3:
            return self.r.choice((1, -1, 0.5, True, "text", "ü", [], {}, [1, "a", {"b": 1}], 1 << 40))
        return {self.r.choice("abcde"): self.free(depth + 1) for _ in range(self.r.randint(0, 3))}

    def mixed(self, one, other):
        """Something between two objects of a kind: fields, and items of lists, from one or the other."""
        if isinstance(one, dict) and isinstance(other, dict):
            out = {}
            for k in {**one, **other}:
                if k in one and k in other:
                    out[k] = self.mixed(one[k], other[k])
                elif self.r.random() < 0.5:
                    out[k] = copy.deepcopy(one.get(k, other.get(k)))
            return out
        if isinstance(one, list) and isinstance(other, list) and all(isinstance(i, dict) and "name" in i for i in one + other):
            return list({i["name"]: i for i in self.r.sample(one, len(one)) + other if self.r.random() < 0.6}.values()) or copy.deepcopy(one)
        return copy.deepcopy(self.r.choice((one, other, one)))


FIXED = ("apiVersion", "kind")


def near(chance, make, one):
    """Another object of the kind, with much in common."""
    other = make()
    o = chance.mixed(one, other)
    o.update({k: one[k] for k in FIXED})
    o.setdefault("metadata", {})["name"] = one["metadata"]["name"]
    if one["kind"] == "Deployment":
        o["spec"]["selector"] = copy.deepcopy(one["spec"]["selector"])
        o["spec"].setdefault("template", copy.deepcopy(one["spec"]["template"]))
        o["spec"]["template"].setdefault("metadata", {}).setdefault("labels", {})["app"] = "made"
        pod = o["spec"]["template"].setdefault("spec", {})
        pod.setdefault("containers", [chance.container("main")])
        volumes = pod.setdefault("volumes", [])
        volumes += [chance.volume(v) for v in ("v1", "v2") if v not in [have["name"] for have in volumes]]  # what mounts name
    if one["kind"] == "Service":
        o.setdefault("spec", {}).setdefault("ports", copy.deepcopy(one["spec"]["ports"]))
    return o


def word_of(o):
    return {"Widget": "widget.example.test", "Gadget": "gadget.example.test"}.get(o["kind"], o["kind"].lower()) + "/" + o["metadata"]["name"]


def drift(chance, make, one):
    """What others do meanwhile: they put some of another object over it."""
    body = {k: v for k, v in near(chance, make, one).items() if k not in FIXED}
    body["metadata"] = {k: v for k, v in body["metadata"].items() if k != "name"}
    if "spec" in body and isinstance(body["spec"], dict):
        body["spec"] = {k: v for k, v in body["spec"].items() if chance.r.random() < 0.7}
    built_in = one["kind"] in ("Deployment", "Service", "ConfigMap")
    return {"patch": word_of(one), "type": "strategic" if built_in and chance.r.random() < 0.7 else "merge", "manager": "other", "body": body}


def strategic_list(chance, name, items):
    """A list of a strategic patch, with directives here and there."""
    out = {}
    changed = []
    for i in items:
        if not isinstance(i, dict) or "name" not in i:
            return {name: items}
        if chance.r.random() < 0.3:
            changed.append({"name": i["name"], "$patch": "delete"})
        else:
            changed.append(i)
    if chance.r.random() < 0.2:
        changed.insert(0, {"$patch": "replace"})
    out[name] = changed
    if chance.r.random() < 0.4:
        order = [{"name": i["name"]} for i in changed if "name" in i and i.get("$patch") != "delete"]
        chance.r.shuffle(order)
        out[f"$setElementOrder/{name}"] = order
    return out


def strategic(chance, make, one):
    """A strategic merge patch of a deployment."""
    other = near(chance, make, one)
    pod = {}
    for name in ("containers", "initContainers", "volumes", "imagePullSecrets"):
        if name in other["spec"]["template"]["spec"] and chance.r.random() < 0.7:
            pod.update(strategic_list(chance, name, other["spec"]["template"]["spec"][name]))
    for name in ("tolerations", "hostAliases", "nodeSelector"):
        if chance.r.random() < 0.3:
            pod[name] = chance.r.choice((None, other["spec"]["template"]["spec"].get(name)))
    spec = {"template": {"spec": pod}}
    if chance.r.random() < 0.4:
        strategy = chance.strategy()
        spec["strategy"] = {"$retainKeys": list(strategy), **strategy}
    return {"spec": spec, "metadata": {"labels": {**chance.labels(), **({"$patch": "replace"} if chance.r.random() < 0.3 else {"k": None})}}}


def json_patch(chance, one):
    """A JSON patch of what is there, and of what is not."""
    ops = []
    for _ in range(chance.r.randint(1, 4)):
        k = chance.r.choice("klmna")
        where = chance.r.choice(("/metadata/labels", "/metadata/annotations", "/data", "/spec"))
        ops.append(chance.r.choice(({"op": "add", "path": f"{where}/{k}", "value": "new"}, {"op": "remove", "path": f"{where}/{k}"},
                                    {"op": "replace", "path": f"{where}/{k}", "value": "other"}, {"op": "test", "path": "/kind", "value": one["kind"]})))
    return ops


def one_case(n, seed):
    chance = Chance(f"{seed}-{n}")
    makers = (chance.deployment, chance.deployment, chance.deployment, chance.service, chance.config, chance.widget, chance.gadget)
    make = makers[n % len(makers)]
    first = make()
    way = n // len(makers) % 5
    kind = first["kind"].lower()
    steps = []
    if way in (0, 1, 2):  # apply over drift
        steps.append({"apply": first, "fails": "perhaps"})
        if way > 0:
            steps.append({"others": [drift(chance, make, first)], "refusable": True})
        second = near(chance, make, first)
        steps.append({"apply": second, "fails": "perhaps"})
        if way == 2:
            steps.append({"apply": near(chance, make, second), "fails": "perhaps"})
        name = f"{kind} applied" + (" over drift", " over drift", " over drift and again")[way] if way else f"{kind} applied and changed"
    elif way == 3:  # server-side, between managers
        second = near(chance, make, first)
        client = chance.r.random() < 0.5
        steps += [{"apply": first if client else {"manifest": first, "server_side": True}, "fails": "perhaps"},
                  {"others": [drift(chance, make, first)], "refusable": True},
                  {"apply": {"manifest": second, "server_side": True, "force": chance.r.random() < 0.6}, "fails": "perhaps"},
                  {"apply": {"manifest": near(chance, make, second), "server_side": True, "force": True}, "fails": "perhaps"}]
        name = f"{kind} server-side, {'after client-side' if client else 'from the start'}"
    else:  # patches
        word = word_of(first)
        body = strategic(chance, make, first) if first["kind"] == "Deployment" else {k: v for k, v in near(chance, make, first).items() if k not in FIXED}
        built_in = first["kind"] in ("Deployment", "Service", "ConfigMap")
        steps += [{"create": first, "fails": "perhaps"},
                  {"patch": {"object": word, "type": "strategic" if built_in else "merge", "body": body}, "fails": "perhaps"},
                  {"patch": {"object": word, "type": "json", "body": json_patch(chance, first)}, "fails": "perhaps"}]
        name = f"{kind} patched"
    return Case(f"generated {n}: {name}", "generated", "quiet", [], steps, {})


def cases(seed, count):
    """So many cases of a seed."""
    return [one_case(n, seed) for n in range(count)]
