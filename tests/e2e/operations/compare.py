# SPDX-License-Identifier: Apache-2.0
"""How what two sides did is compared: everything but what the server gives by itself."""
import json
import re

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
VERSION = re.compile(r'(resourceVersion\\*": ?\\*")\d+')  # inside texts
TOKEN = re.compile(r"kube-api-access-[a-z0-9]{5}")
GIVEN = {"clusterIP", "clusterIPs", "nodePort", "healthCheckNodePort", "nodeName", "podIP", "podIPs"}
CONTROLLERS = ("kube-controller-manager", "kube-scheduler", "kwok", "kubebox")


def plain_text(text, namespace):
    """Without what differs between two namespaces, and moments."""
    text = text.replace(namespace, "NS")
    text = VERSION.sub(r"\1<version>", text)
    return TOKEN.sub("kube-api-access", UID.sub("<uid>", TIME.sub("<time>", text)))


def plain(value, namespace, generated=()):
    """JSON without what the server gives by itself. generated: (the name, its form) that the server made up."""
    if isinstance(value, str):
        for name, form in generated:
            value = value.replace(name, form)
        return plain_text(value, namespace)
    if isinstance(value, list):
        return [plain(v, namespace, generated) for v in value]
    if isinstance(value, dict):
        return {plain_text(k, namespace): "<given>" if k in GIVEN and v not in (None, "None", "") else plain(v, namespace, generated)
                for k, v in value.items()}
    return value


def managers(fields, live):
    """managedFields in an order of their own, without moments; of a live world without what controllers did."""
    kept = []
    for f in fields:
        if live and (f.get("subresource") == "status" or f["manager"].startswith(CONTROLLERS)):
            continue
        kept.append({k: v for k, v in f.items() if k != "time"})
    return sorted(kept, key=lambda f: json.dumps(f, sort_keys=True))


def plain_object(o, namespace, live):
    """An object as it is compared; None stays None. live: its status is the controllers' affair."""
    if o is None:
        return None
    o = dict(o)
    meta = dict(o.get("metadata", {}))
    for key in ("uid", "resourceVersion", "selfLink"):
        meta.pop(key, None)
    if "managedFields" in meta:
        meta["managedFields"] = {f"{f['manager']} {f['operation']} {f.get('subresource', '')} {f['apiVersion']}": f.get("fieldsV1")
                                 for f in managers(meta["managedFields"], live)}
    generated = []
    if meta.get("generateName") and meta.get("name"):
        generated.append((meta["name"], meta["generateName"] + "*"))
    o["metadata"] = meta
    if live:
        o.pop("status", None)
    return plain(o, namespace, generated)


def differences(a, b, path=""):
    """[(path, of the judge, of the other)] of two JSON values."""
    if isinstance(a, dict) and isinstance(b, dict):
        found = []
        for k in sorted(a.keys() | b.keys(), key=str):
            found += differences(a.get(k, ABSENT), b.get(k, ABSENT), f"{path}.{k}" if path else str(k))
        return found
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return [d for i, (x, y) in enumerate(zip(a, b)) for d in differences(x, y, f"{path}[{i}]")]
    return [] if type(a) is type(b) and a == b else [(path, a, b)]


class Absent:
    def __repr__(self):
        return "(absent)"


ABSENT = Absent()


def shown(value):
    if value is ABSENT:
        return "(absent)"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) < 300 else text[:140] + " ... " + text[-140:]


def of_outcomes(judge, other, words):
    """What differs in the answers: exit, code, message, body. Both have been made plain."""
    found = []
    if judge.ok != other.ok:
        found.append(("exit", 0 if judge.ok else 1, 0 if other.ok else 1))
    if judge.code and judge.code != other.code:
        found.append(("code", judge.code, other.code))
    if (words or not judge.ok) and judge.message != other.message:
        found.append(("message", judge.message, other.message))
    return found + differences(judge.body, other.body, "body")


def not_ignored(found, patterns):
    return [d for d in found if not any(re.fullmatch(p, d[0]) for p in patterns)]
