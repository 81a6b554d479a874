# SPDX-License-Identifier: Apache-2.0
"""Runners that do operations wrongly, each in one way: the comparison has to see it, or it proves nothing."""
from kubectl import Kubectl, Outcome


class Idle(Kubectl):
    """Does nothing, and says that it went well, with the object as it is."""
    name = "idle"

    def run(self, op):
        verb = op.verb
        if verb not in ("apply", "create", "replace", "patch", "delete", "scale", "rollout"):
            return super().run(op)
        return Outcome(True, "OK", "", None)


class Stranger(Kubectl):
    """Does all under another name."""
    name = "stranger"

    def run(self, op):
        if op.verb == "apply" and not op.value.get("manager"):
            op.value = {**op.value, "manager": "stranger"}
        return super().run(op)


class Replacer(Kubectl):
    """Takes apply for replace: what others changed is lost."""
    name = "replacer"

    def run(self, op):
        if op.verb == "apply":
            code, _, err = self.world.kubectl("replace", "-f", "-", stdin=op.text(), account=op.account)
            if code != 0:
                return Outcome(False, "FAILED", err, None)
            code, out, err = self.world.kubectl("apply", "set-last-applied", "-f", "-", stdin=op.text(), account=op.account)
            op.verb = "get"
            op.kind, op.name = op.manifest["kind"], op.manifest["metadata"]["name"]
            try:
                return super().run(op)
            finally:
                op.verb = "apply"
        return super().run(op)


class Mute(Kubectl):
    """Does all, and says nothing of why it fails."""
    name = "mute"

    def run(self, op):
        outcome = super().run(op)
        if not outcome.ok:
            outcome.message = "failed"
        return outcome


class Liar(Kubectl):
    """Does all, and says that it went well."""
    name = "liar"

    def run(self, op):
        outcome = super().run(op)
        outcome.ok, outcome.code = True, "OK"
        return outcome


# What each has to be caught at, by names of cases.
CAUGHT = {}
