# SPDX-License-Identifier: Apache-2.0
"""One operation of a case, in the namespace of one side."""
import dataclasses

from table import Mistake, fill, verb_of
from world import dumps

DEFAULT_SECONDS = 15
WITH_MANIFEST = ("apply", "create", "replace")


@dataclasses.dataclass
class Op:
    verb: str
    value: dict          # of the verb: the fields of the table
    account: str
    namespace: str       # "" where it has none
    kind: str = ""       # a word as kubectl takes it
    name: str = ""
    manifest: object = None
    timeout: float = DEFAULT_SECONDS  # seconds
    words: bool = False  # the words of success are compared, instead of the object that came back

    def text(self):
        """The manifest as it is sent."""
        return self.manifest if isinstance(self.manifest, str) else dumps(self.manifest)


def make(step, situation, namespace):
    """The operation of a step of the table."""
    verb = verb_of(step)
    value = step[verb]
    if verb in WITH_MANIFEST:
        if not isinstance(value, dict) or "manifest" not in value:
            value = {"manifest": value}
    elif isinstance(value, str):
        value = {"object": value}
    value = {k: v if k == "manifest" else fill(v, namespace) for k, v in (value or {}).items()}
    op = Op(verb, value, step.get("account", "admin"), value.get("namespace", namespace),
            timeout=step.get("timeout", DEFAULT_SECONDS), words=step.get("words", False))
    if verb in WITH_MANIFEST:
        raw = value["manifest"]
        if isinstance(raw, dict) and "text" in raw:
            op.manifest = fill(raw["text"], namespace)
        else:
            op.manifest = situation.manifest(raw, namespace)
    elif "object" in value:
        op.kind, _, op.name = value["object"].partition("/")
        resource = situation.world.kinds.named(op.kind)
        if resource and not resource.namespaced and "namespace" not in value:
            op.namespace = ""
    elif verb not in ("list", "top"):
        raise Mistake(f"{verb} needs an object")
    return op


def target(op, situation):
    """Where the API has the object that the operation is about; None if that can't be said."""
    kinds = situation.world.kinds
    if op.verb in WITH_MANIFEST:
        o = op.manifest
        if not isinstance(o, dict) or not isinstance(o.get("metadata"), dict) or not isinstance(o["metadata"].get("name"), str):
            return None
        resource = kinds.of(o)
        return resource and resource.path(o["metadata"].get("namespace") or op.namespace, o["metadata"]["name"])
    if op.verb in ("list", "top") or not op.name:
        return None
    resource = kinds.named(op.kind)
    return resource and resource.path(op.namespace, op.name)
