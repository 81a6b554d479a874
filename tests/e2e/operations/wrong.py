# SPDX-License-Identifier: Apache-2.0
"""Runners that do operations wrongly, each in one way: the comparison has to see it, or it proves nothing."""
import json

from kubectl import Kubectl, Outcome
from rig.harness.cluster import ApiError

from operation import WITH_MANIFEST


LAST = "kubectl.kubernetes.io/last-applied-configuration"
WORDS = {"delete": '{op.kind} "{op.name}" deleted from {op.namespace} namespace', "scale": "{op.kind}/{op.name} scaled"}


class Wrong(Kubectl):
    def get(self, op):
        """The object of a manifest as it is."""
        code, out, _ = self.world.kubectl("-n", op.namespace, "get", "-o", "json", op.manifest["kind"], op.manifest["metadata"]["name"])
        return json.loads(out) if code == 0 else None


class Idle(Wrong):
    """Does nothing, and says that it went well, with the object as it is."""
    name = "idle"

    def run(self, op):
        if op.verb not in ("apply", "create", "replace", "patch", "delete", "scale", "rollout"):
            return super().run(op)
        body = [op.name] if op.verb == "delete" else None
        if op.verb in WITH_MANIFEST and not op.words:
            body = self.get(op)
        return Outcome(True, "OK", WORDS.get(op.verb, "").format(op=op), body)


class Stranger(Wrong):
    """Does all under another name."""
    name = "stranger"

    def run(self, op):
        if op.verb == "apply" and not op.value.get("manager"):
            op.value = {**op.value, "manager": "stranger"}
        return super().run(op)


class Replacer(Wrong):
    """Takes apply for replace: what others changed is lost."""
    name = "replacer"

    def run(self, op):
        if op.verb == "apply":
            code, _, err = self.world.kubectl("replace", "-f", "-", stdin=op.text(), account=op.account)
            if code != 0:
                return Outcome(False, "FAILED", err, None)
            self.world.kubectl("apply", "set-last-applied", "-f", "-", stdin=op.text(), account=op.account)
            return Outcome(True, "OK", "", self.get(op))
        return super().run(op)


class Mute(Wrong):
    """Does all, and says nothing of why it fails."""
    name = "mute"

    def run(self, op):
        outcome = super().run(op)
        if not outcome.ok:
            outcome.message = "failed"
        return outcome


class Liar(Wrong):
    """Does all, and says that it went well."""
    name = "liar"

    def run(self, op):
        outcome = super().run(op)
        outcome.ok, outcome.code = True, "OK"
        return outcome


class Forgetful(Wrong):
    """Applies without a memory of what was applied before: what is dropped from the manifest stays."""
    name = "forgetful"

    def run(self, op):
        if op.verb == "apply" and not op.value.get("server_side"):
            m = op.manifest
            resource = self.world.kinds.of(m)
            try:
                self.world.api()("PATCH", resource.path(op.namespace, m["metadata"]["name"]) + "?fieldManager=kubectl-client-side-apply",
                                 {"metadata": {"annotations": {LAST: "{}"}}}, {"Content-Type": "application/merge-patch+json"})
            except ApiError:
                pass
        return super().run(op)


# What each has to be caught at, by names of cases.
CAUGHT = {
    Idle: ["apply creates what is absent", "fields that others changed are put back", "replicas left to a scaler", "delete",
           "scale a deployment", "restart of a deployment", "strategic by default", "replace says replaced", "create"],
    Stranger: ["apply creates what is absent", "a container is added", "server-side creates", "widget created"],
    Replacer: ["fields that others set are kept", "a sidecar of others stays", "fields of a widget by others kept"],
    Forgetful: ["a field dropped from the manifest is removed", "a container is removed", "fields of a widget dropped"],
    Mute: ["the selector can't be changed", "get of an unknown kind", "a policy refuses a patch", "undo to a revision that is not there"],
    Liar: ["get of what is not there", "create of what is there", "limited may not delete", "server-side conflict"],
}
