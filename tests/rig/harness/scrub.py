# SPDX-License-Identifier: Apache-2.0
"""What an object must look like on the other side, and how two sets of objects differ."""
import copy
import json

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def scrubbed(o):
    """The object as it may leave its cluster: without managedFields, a Secret without its data and
    copies of it."""
    o = copy.deepcopy(o)
    meta = o["metadata"]
    meta.pop("managedFields", None)
    if o.get("kind") == "Secret" and o.get("apiVersion") == "v1":
        o.pop("data", None)
        o.pop("stringData", None)
        meta.get("annotations", {}).pop(LAST_APPLIED, None)
    return o


def differences(expected, got, limit=10):
    """Lines that say how got differs from expected; both are {key: object}. Empty: they are equal."""
    lines = []
    for key in sorted(expected.keys() | got.keys()):
        if key not in got:
            lines.append(f"{key}: lacking")
        elif key not in expected:
            lines.append(f"{key}: should not be there")
        elif not same(expected[key], got[key]):
            lines.append(f"{key}: {_first(expected[key], got[key])}")
    if len(lines) > limit:
        lines = lines[:limit] + [f"... {len(lines)} in all"]
    return lines


def same(expected, got):
    """Equal as JSON; an emptied annotations map is as good as none. What came back to a content that was
    sent before is not sent again (a digest leaves resourceVersion out): its version may be older then."""
    if expected == got:
        return True
    a, b = _tidy(expected), _tidy(got)
    newer, older = (int(o["metadata"].pop("resourceVersion", 0)) for o in (a, b))
    return a == b and older <= newer


def _tidy(o):
    o = copy.deepcopy(o)
    if not o.get("metadata", {}).get("annotations", True):
        del o["metadata"]["annotations"]
    return o


def _first(a, b, path=""):
    """Where two JSON values first differ."""
    if isinstance(a, dict) and isinstance(b, dict):
        for k in sorted(a.keys() | b.keys()):
            if k not in a or k not in b:
                return f"{path}.{k} is only in the {'cluster' if k in a else 'cache'}"
            if a[k] != b[k]:
                return _first(a[k], b[k], f"{path}.{k}")
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for i, (x, y) in enumerate(zip(a, b)):
            if x != y:
                return _first(x, y, f"{path}[{i}]")
    return f"{path} is {json.dumps(b)[:80]}, in the cluster {json.dumps(a)[:80]}"
