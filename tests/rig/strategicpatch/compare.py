# SPDX-License-Identifier: Apache-2.0
"""compare.py GO OURS COUNT [SEED]: asks Kubernetes' libraries (GO: the program of main.go) and ours (OURS: that of
tests/unit/ops_merge_answers.c) the same random questions and compares the answers. Objects are made from the OpenAPI documents of the
kinds, so that every field and every list of them is met; original, modified and current are variations of one
object. Ends with counts; exit 1 if an answer differs, which is then printed."""
import collections
import copy
import itertools
import json
import pathlib
import random
import subprocess
import sys
import tempfile

KINDS = [("v1", "Pod", 4), ("apps/v1", "Deployment", 5), ("v1", "Service", 4), ("apps/v1", "StatefulSet", 1),
         ("apps/v1", "DaemonSet", 1), ("batch/v1", "CronJob", 1), ("v1", "ConfigMap", 1), ("v1", "ServiceAccount", 1),
         ("v1", "Node", 1), ("v1", "PersistentVolumeClaim", 1), ("discovery.k8s.io/v1", "EndpointSlice", 1)]
WORDS = ["a", "b", "c", "d", "web", "TCP", "UDP", "", "<&>", "é", "\u2028", "\U0001f600", "x" * 30, "0", "10", "true"]
NUMBERS = [0, 1, 2, 53, 80, 443, -1, 2**31, 2**53, 2**53 + 1, 2**63 - 1, -2**63]
FLOATS = [0.5, 1.5, 1e21, 1e-7, 100.25]
KEYS = ["port", "containerPort", "name", "ip", "uid", "type", "mountPath", "devicePath", "topologyKey"]  # of lists that are merged
DIRECTIVES = ["delete", "replace", "merge", "other"]


class Schemas:
    def __init__(self, directory):
        self.docs = {}
        for path in pathlib.Path(directory).glob("*.json"):
            version = path.stem.replace("apis__", "").replace("api__", "").replace("__", "/")
            self.docs[version] = json.loads(path.read_text())["components"]["schemas"]

    def of(self, version, kind):
        for schema in self.docs[version].values():
            for gvk in schema.get("x-kubernetes-group-version-kind", []):
                if (f"{gvk['group']}/" if gvk["group"] else "") + gvk["version"] == version and gvk["kind"] == kind:
                    return schema
        raise KeyError((version, kind))

    def resolve(self, version, schema):
        if "allOf" in schema:
            schema = schema["allOf"][0]
        if "$ref" in schema:
            schema = self.docs[version][schema["$ref"].rsplit("/", 1)[1]]
        return schema


class Generator:
    def __init__(self, schemas, rng):
        self.schemas, self.rng = schemas, rng

    def scalar(self, schema):
        rng, kind = self.rng, schema.get("type")
        if kind == "integer":
            return rng.choice(NUMBERS)
        if kind == "number":
            return rng.choice(FLOATS + NUMBERS)
        if kind == "boolean":
            return rng.random() < 0.5
        if "oneOf" in schema and rng.random() < 0.5:
            return rng.choice(NUMBERS)
        return rng.choice(WORDS)

    def length(self):
        r = self.rng.random()
        return self.rng.randint(0, 4) if r < 0.9 else self.rng.randint(5, 16) if r < 0.98 else self.rng.randint(13, 90)

    def value(self, version, schema, depth):
        schema = self.schemas.resolve(version, schema)
        if schema.get("type") == "array":
            n = self.length() if depth < 9 else self.rng.randint(0, 2)
            return [self.value(version, schema["items"], depth + (3 if n > 5 else 1)) for _ in range(n)]
        if "properties" in schema:
            return self.object(version, schema, depth)
        if "additionalProperties" in schema:
            return {self.rng.choice(WORDS): self.value(version, schema["additionalProperties"], depth + 1)
                    for _ in range(self.rng.randint(0, 3))}
        if schema.get("type") == "object":
            return {self.rng.choice(WORDS): self.rng.choice(WORDS)} if self.rng.random() < 0.5 else {}
        return self.scalar(schema)

    def object(self, version, schema, depth):
        """Fields that are merged, and what leads to them, more often than others."""
        out = {}
        for name, field in schema["properties"].items():
            need = name in schema.get("required", ()) or name in ("spec", "template", "metadata")
            merged = "x-kubernetes-patch-strategy" in field
            likely = 0.9 if need else (0.5 if merged else 0.3) * (1 if depth < 4 else 0.6 if depth < 7 else 0.15)
            if name != "managedFields" and self.rng.random() < likely:
                out[name] = self.value(version, field, depth + 1)
                self.give_keys(version, field, out[name])
        return out

    def give_keys(self, version, field, v):
        """Elements without merge key are refused, which is no interesting answer."""
        key = field.get("x-kubernetes-patch-merge-key")
        for item in v if key and isinstance(v, list) else ():
            if key not in item and self.rng.random() < 0.998:
                schema = self.schemas.resolve(version, field["items"])["properties"][key]
                item[key] = self.value(version, schema, 20)

    def top(self, version, kind):
        obj = self.object(version, self.schemas.of(version, kind), 0)
        obj.update(apiVersion=version, kind=kind)
        obj.setdefault("metadata", {})
        if not isinstance(obj["metadata"], dict):
            obj["metadata"] = {}
        obj["metadata"]["name"] = "x"
        return obj

    # Variations. Keys of lists are left alone mostly, so that elements meet their like.
    def vary_list(self, v, often):
        rng = self.rng
        r = rng.random()
        if not v or r > often:
            return
        if r < often * 0.25:
            del v[rng.randrange(len(v))]
        elif r < often * 0.45:
            rng.shuffle(v)
        elif r < often * 0.7:
            item = copy.deepcopy(rng.choice(v))
            if isinstance(item, dict):
                for key in KEYS[2:]:
                    if key in item and rng.random() < 0.8:
                        item[key] = rng.choice(WORDS)
                for key in KEYS[:2]:
                    if key in item and rng.random() < 0.6:
                        item[key] = rng.choice(NUMBERS)
                self.vary(item, 0.3)
            elif isinstance(item, str):
                item = rng.choice(WORDS)
            v.insert(rng.randint(0, len(v)), item)
        elif r < often * 0.72:
            v[:] = []

    def vary_map(self, v, often, directives):
        rng = self.rng
        for key in list(v):
            r = rng.random()
            if r > often or key in ("apiVersion", "kind"):
                continue
            if key in KEYS and (rng.random() < 0.95 or r > often * 0.35):
                continue  # a key that is a map or null is refused by us, and by kubectl only sometimes
            if r < often * 0.35:
                del v[key]
            elif r < often * 0.42:
                v[key] = None
            elif r < often * 0.44:
                v[key] = rng.choice([{}, [], "", 0, {"a": "b"}, ["a"]])
            elif isinstance(v[key], bool):
                v[key] = not v[key]
            elif isinstance(v[key], (int, float)):
                v[key] = rng.choice(NUMBERS + FLOATS) if isinstance(v[key], float) else rng.choice(NUMBERS)
            elif isinstance(v[key], str):
                v[key] = rng.choice(WORDS)
        if directives and rng.random() < 0.005:
            v["$patch"] = rng.choice(DIRECTIVES)
        if rng.random() < 0.004:
            v[rng.choice(["unknown", "other"])] = rng.choice([1, "a", {"a": {"b": "c"}}, [1, 2], [{"a": 1}]])

    def vary(self, v, often=0.12, directives=False):
        if isinstance(v, list):
            self.vary_list(v, often * 2)
        elif isinstance(v, dict):
            self.vary_map(v, often * 0.5, directives)
        for item in v.values() if isinstance(v, dict) else v if isinstance(v, list) else ():
            self.vary(item, often, directives)

    def variation(self, obj, often, directives=False):
        out = copy.deepcopy(obj)
        self.vary(out, often, directives)
        if not isinstance(out.get("metadata"), dict):
            out["metadata"] = {}
        out["metadata"]["name"] = "x"
        annotations = out["metadata"].get("annotations", {})
        if not isinstance(annotations, dict) or not all(v is None or isinstance(v, str) for v in annotations.values()):
            del out["metadata"]["annotations"]  # refused, by kubectl before it asks this
        return out


def dump(rng, v):
    """JSON with members in random order, as manifests come."""
    if isinstance(v, dict):
        keys = list(v)
        rng.shuffle(keys)
        return "{" + ",".join(json.dumps(k, ensure_ascii=rng.random() < 0.5) + ":" + dump(rng, v[k]) for k in keys) + "}"
    if isinstance(v, list):
        return "[" + ",".join(dump(rng, i) for i in v) + "]"
    return json.dumps(v, ensure_ascii=rng.random() < 0.5)


def small_numbers(v):
    """Doubles hold these exactly: kubectl's JSON merge knows no other numbers."""
    if isinstance(v, dict):
        return {k: small_numbers(x) for k, x in v.items()}
    if isinstance(v, list):
        return [small_numbers(x) for x in v]
    return v % 1000 if isinstance(v, int) and not isinstance(v, bool) and abs(v) > 2**53 else v


def texts_once(v):
    """Where a list of texts that is merged has one twice, Go's order depends on what its slices share in memory."""
    if isinstance(v, dict):
        return {k: texts_once(x) for k, x in v.items()}
    if isinstance(v, list):
        return list(dict.fromkeys(v)) if v and all(isinstance(x, str) for x in v) else [texts_once(x) for x in v]
    return v


FIELDS = ["f:a", "f:b", "f:spec", "f:metadata", 'k:{"name":"x"}', "v:1", "i:0", "."]


def field_set(rng, depth):
    if depth == 0 or rng.random() < 0.3:
        return {}
    out = {k: {} if k == "." else field_set(rng, depth - 1) for k in rng.sample(FIELDS, rng.randint(1, 4))}
    return {} if list(out) == ["."] else out


def managed(rng):
    """An object with managed fields of the managers that take part in a migration."""
    applied = {"f:metadata": {"f:annotations": {"f:kubectl.kubernetes.io/last-applied-configuration": {}}}}
    entries, managers = [], set()
    for _ in range(rng.randint(0, 5)):
        entry = {"manager": rng.choice(["kubectl", "kubectl-client-side-apply", "other"]), "operation": rng.choice(["Apply", "Update"]),
                 "apiVersion": rng.choice(["v1", "v2"]), "fieldsType": "FieldsV1", "time": "2026-01-01T00:00:00Z",
                 "fieldsV1": field_set(rng, 4) or {"f:a": {}}}
        entry["fieldsV1"].pop(".", None)
        if rng.random() < 0.15:
            entry["subresource"] = "status"
        elif entry["operation"] == "Update" and rng.random() < 0.6:
            entry["fieldsV1"].pop("f:metadata", None)
            entry["fieldsV1"].update(copy.deepcopy(applied))
            managers.add(entry["manager"])
        entries.append(entry)
    for entry in entries:  # what owns the annotation by Update by chance does so as well
        owned = entry["fieldsV1"].get("f:metadata", {}).get("f:annotations", {})
        if entry["operation"] == "Update" and "f:kubectl.kubernetes.io/last-applied-configuration" in owned:
            managers.add(entry["manager"])
    if len(managers) > 1:
        return managed(rng)  # Go takes them in the order of its map
    obj = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "resourceVersion": "7", "managedFields": entries}}
    return obj, sorted(managers)


class Questions:
    def __init__(self, schemas, rng):
        self.rng, self.generator = rng, Generator(schemas, rng)
        self.kinds = [(v, k) for v, k, weight in KINDS for _ in range(weight)]

    def triple(self):
        g, rng = self.generator, self.rng
        version, kind = rng.choice(self.kinds)
        base = g.top(version, kind)
        often = rng.choice([0, 0.02, 0.1, 0.3])
        original = g.variation(base, often)
        modified = g.variation(base if rng.random() < 0.5 else original, often, rng.random() < 0.1)
        current = g.variation(rng.choice([base, original, modified]), often)
        return version, kind, original, modified, current

    def next(self):
        rng = self.rng
        version, kind, original, modified, current = self.triple()
        do = rng.choice(["strategic"] * 12 + ["json"] * 4 + ["apply"] * 4 + ["modified", "create", "print", "upgrade"])
        q = {"do": do, "apiVersion": version, "kind": kind}
        if do == "json":
            original, modified, current = small_numbers(original), small_numbers(modified), small_numbers(current)
        if do == "apply":
            modified, current = texts_once(modified), texts_once(current)
        if do == "upgrade":
            current, q["managers"] = managed(rng)
            q["manager"] = "kubectl"
        if do == "print":
            current = rng.choice([modified, rng.uniform(-1e3, 1e3), 2.0 ** rng.randint(-1074, 1023), rng.random() * 10.0 ** rng.randint(-300, 300)])
            current = {"v": current}
        q.update(modified=dump(rng, modified), current=dump(rng, current))
        if rng.random() < 0.9:
            q["original"] = dump(rng, original)
        return q


def finalizers(*names):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "finalizers": names}}


def found():
    """Asked each time, before the random ones: what the fuzz targets (tests/fuzz) came upon. Of a list of texts that is merged
    no order is sent where the sorted old one is what is wanted, and one is where nothing has changed but it is not sorted."""
    for old, new in (("efc", "cef"), ("cef", "efc"), ("efc", "fce"), ("efc", "efc"), ("efc", "cf"), ("efc", "cefg")):
        current, modified = json.dumps(finalizers(*old)), json.dumps(finalizers(*new))
        yield {"do": "strategic", "apiVersion": "v1", "kind": "Pod", "original": current, "modified": modified, "current": current}


class Asked:
    def __init__(self, *command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def send(self, line):
        self.process.stdin.write(line)
        self.process.stdin.flush()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.process.args[0]} ended: {self.process.wait()}")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        return self.process.wait()


def equal(q, go, ours):
    if bool(go["error"]) != bool(ours["error"]):
        return False
    if q["do"] == "upgrade":  # the order of fields is structured-merge-diff's own
        return json.loads(go["text"] or "null") == json.loads(ours["text"] or "null")
    return go["text"].rstrip("\n") == ours["text"]


def main():
    go, ours, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else random.SystemRandom().randrange(2**32)
    rng = random.Random(seed)
    counts, differ = collections.Counter(), 0
    with tempfile.TemporaryDirectory() as docs:
        subprocess.run([go, "docs", docs], check=True)
        questions = Questions(Schemas(docs), rng)
        them, us = Asked(go), Asked(ours, docs)
        asked = itertools.chain(found(), (questions.next() for _ in range(count)))
        for total, q in enumerate(asked, 1):
            line = json.dumps(q).encode() + b"\n"
            them.send(line)
            us.send(line)
            a, b = them.answer(), us.answer()
            if a["varies"]:
                counts["undefined"] += 1
                continue
            counts[q["do"]] += 1
            counts["refused"] += bool(a["error"])
            counts["empty"] += a["text"] == "{}"
            if not equal(q, a, b):
                differ += 1
                if differ <= 5:
                    print(json.dumps({"question": q, "kubernetes": a, "ours": b}, indent=1))
        if us.close() != 0:
            raise SystemExit(f"{ours} failed")
        them.close()
    print(f"merge: seed {seed}, {dict(counts)}")
    print(f"merge: {total} questions, {differ} failures")
    sys.exit(1 if differ else 0)


main()
