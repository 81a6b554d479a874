# SPDX-License-Identifier: Apache-2.0
"""The tables of cases (cases/README.md says how they are written), read from files."""
import copy
import dataclasses
import pathlib
import re

import yaml

CASES = pathlib.Path(__file__).resolve().parent / "cases"
VERBS = ("get", "list", "events", "apply", "create", "replace", "patch", "delete", "scale", "rollout", "logs", "top")
OF_AN_OPERATION = {"fails", "words", "account", "timeout", "meanwhile", "code", "within"}
KEYS = {"name", "world", "before", "do", "look", "labels", "judge", "ignore"}


class Mistake(Exception):
    """A case is not written as it should be, or does not show what it says it shows."""


@dataclasses.dataclass
class Case:
    name: str
    file: str
    world: str                # quiet or live
    before: list              # steps that make the situation, the same in both namespaces
    steps: list               # what is compared: operations, and {"others": steps} between them
    objects: dict             # manifests by name that this file's cases start from
    look: list = dataclasses.field(default_factory=list)     # kinds of which all objects are compared as well
    labels: dict = dataclasses.field(default_factory=dict)   # of the namespaces
    judge: str = "kubectl"    # or "none": the result is compared with what the case says
    ignore: list = dataclasses.field(default_factory=list)   # patterns of paths that may differ: what the server gives at random

    def manifest(self, spec, namespace):
        """The object that a manifest of the table means in a namespace."""
        return fill(build(spec, self.objects), namespace)


def build(spec, objects):
    """A name of `objects`, or {from: name, merge: JSON merge patch, json: JSON patch}, or the object itself."""
    if isinstance(spec, str):
        if spec not in objects:
            raise Mistake(f"there is no object {spec}")
        return build(objects[spec], objects)
    if not isinstance(spec, dict) or "from" not in spec:
        return copy.deepcopy(spec)
    unknown = spec.keys() - {"from", "merge", "json", "nulls"}
    if unknown:
        raise Mistake(f"a manifest has no {unknown}")
    o = build(spec["from"], objects)
    if "merge" in spec:
        o = merge(o, spec["merge"])
    for op in spec.get("json", []):
        change(o, op)
    for path in spec.get("nulls", []):  # fields that are there, as null
        change(o, {"op": "add", "path": path, "value": None})
    return o


def merge(o, patch):
    """RFC 7386."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    o = dict(o) if isinstance(o, dict) else {}
    for k, v in patch.items():
        if v is None:
            o.pop(k, None)
        else:
            o[k] = merge(o.get(k), v)
    return o


def change(o, op):
    """One operation of RFC 6902: add, replace or remove."""
    *way, last = [p.replace("~1", "/").replace("~0", "~") for p in op["path"].split("/")[1:]]
    for p in way:
        o = o[int(p)] if isinstance(o, list) else o[p]
    value = copy.deepcopy(op.get("value"))
    if isinstance(o, list):
        if op["op"] == "add":
            o.insert(len(o) if last == "-" else int(last), value)
        elif op["op"] == "remove":
            del o[int(last)]
        else:
            o[int(last)] = value
    elif op["op"] == "remove":
        del o[last]
    else:
        o[last] = value


SIZE = re.compile(r"\$\{(.+?) x (\d+)\}")


def fill(value, namespace):
    """$NS is the namespace; ${text x 1000} is the text a thousand times."""
    if isinstance(value, str):
        value = value.replace("$NS", namespace)
        return SIZE.sub(lambda m: m[1] * int(m[2]), value)
    if isinstance(value, list):
        return [fill(v, namespace) for v in value]
    if isinstance(value, dict):
        return {fill(k, namespace): fill(v, namespace) for k, v in value.items()}
    return value


def verb_of(step):
    """The verb of an operation of the table."""
    found = [v for v in VERBS if v in step]
    if len(found) != 1:
        raise Mistake(f"one verb was expected in {list(step)}")
    unknown = step.keys() - OF_AN_OPERATION - {found[0]}
    if unknown:
        raise Mistake(f"an operation has no {unknown}")
    return found[0]


def read(path, shared):
    """The cases of a file."""
    table = yaml.safe_load(path.read_text())
    objects = {**shared, **table.get("objects", {})}
    found = []
    for row in table.get("cases") or []:
        unknown = row.keys() - KEYS
        if unknown:
            raise Mistake(f"{path.name}: {row.get('name')}: a case has no {unknown}")
        steps = row["do"] if isinstance(row["do"], list) else [row["do"]]
        for step in steps:
            if "others" not in step:
                verb_of(step)
        found.append(Case(row["name"], path.stem, row.get("world", table.get("world", "quiet")), row.get("before") or [], steps,
                          objects, row.get("look", []), row.get("labels", {}), row.get("judge", table.get("judge", "kubectl")),
                          row.get("ignore", []) + table.get("ignore", [])))
    return found


def read_all():
    """Every case of the tables, in their order."""
    shared = yaml.safe_load((CASES / "objects.yml").read_text())["objects"]
    cases = []
    for path in sorted(CASES.glob("*.yml")):
        if path.stem not in ("objects", "world"):
            cases += read(path, shared)
    return cases
