# SPDX-License-Identifier: Apache-2.0
"""The judge: each operation by the kubectl command that Clouddriver forks for it, and what Clouddriver reads of it."""
import dataclasses
import json
import re
import subprocess

from table import Mistake
from world import dumps

PATCHED = {"strategic": "strategic", "merge": "merge", "json": "json"}


@dataclasses.dataclass
class Outcome:
    """What came of an operation, as far as it can be compared."""
    ok: bool
    code: str      # of OperationResult; "": any that is a failure
    message: str   # in kubectl's words
    body: object   # JSON, text, or None

# What an agent has to answer where kubectl says this; the first that fits.
CODES = (
    (r"no objects passed to", "NO_OBJECTS"),
    (r"doesn't have a resource type|no matches for kind|no kind \"", "NO_SUCH_KIND"),
    (r"timed out waiting for the condition on", "FAILED"),  # what has been deleted is deleted
    (r"timed out waiting|context deadline exceeded", "TIMED_OUT"),
    (r"\(NotFound\)", "NOT_FOUND"),
    (r"\(Forbidden\)", "FORBIDDEN"),
    (r"\(Unauthorized\)", "UNAUTHORIZED"),
    (r"\((Conflict|AlreadyExists)\)|Apply failed with \d+ conflict|latest version and try again", "CONFLICT"),
    (r"\(RequestEntityTooLarge\)|request is too large|Request entity too large", "TOO_LARGE"),
    (r"is invalid:|\((BadRequest|Invalid)\)|error validating|strict decoding", "INVALID"),
)


def code_of(ok, text):
    if ok:
        return "OK"
    return next((code for pattern, code in CODES if re.search(pattern, text)), "")


def without_warnings(text):
    """Warnings, the API server's and its own, are beside what was asked for; kubectl writes each on a line of its own."""
    return "\n".join(line for line in text.splitlines() if not line.lower().startswith("warning: ")).strip()


def without_contents(text):
    """kubectl quotes the patch that was refused, and the object; they may be a Secret's, so the agent does not."""
    text = re.sub(r"applying patch:\n.*?\nto:\n", "applying patch to:\n", text, flags=re.S)
    return re.sub(r"creating patch with:\noriginal:\n.*?\nfor:", "creating patch for:", text, flags=re.S)


class Kubectl:
    """Runs operations in one world by forking kubectl."""
    name = "kubectl"

    def __init__(self, world):
        self.world = world

    def run(self, op):
        args, stdin = getattr(self, f"_{op.verb}")(op)
        try:
            code, out, err = self.world.kubectl(*args, stdin=stdin, account=op.account, timeout=60)
        except subprocess.TimeoutExpired:
            raise Mistake(f"kubectl {' '.join(args)[:200]} did not end") from None
        ok = code == 0
        message = without_contents(without_warnings(err)) if not ok else (without_warnings(err) or out.strip() if op.words else "")
        return Outcome(ok, code_of(ok, message), message, self._body(op, ok, out, err))

    # ---- what Clouddriver reads of it ----

    def _body(self, op, ok, out, err):
        if op.verb == "list" or op.verb == "events":
            if not out.strip() or "No resources found" in err:
                return []
            return json.loads(out)["items"]
        if not ok:
            return None
        if op.verb in ("get", "apply", "create", "replace"):
            return json.loads(out) if not op.words else None
        if op.verb == "delete":
            return [] if not out or out.startswith("No resources found") else [
                line[line.index('"') + 1:line.rindex('"')] for line in out.splitlines() if '"' in line]
        if op.verb == "rollout" and op.value["verb"] == "history":
            return [int(line.split()[0]) for line in out.splitlines()[2:] if line.split()]
        return out if op.verb in ("logs", "top") else None

    # ---- commands ----

    def _place(self, op):
        return ["-n", op.namespace] if op.namespace else []

    def _lookup(self, op):
        return [f"{op.kind}/{op.name}"] if op.name else [op.kind]

    def _selector(self, op):
        return [f"-l={op.value['selector']}"] if op.value.get("selector") else []

    def _output(self, op):
        return [] if op.words else ["-o", "json"]

    def _get(self, op):
        return [*self._place(op), "-o", "json", "get", op.kind, op.name], None

    def _list(self, op):
        place = self._place(op) or ["--all-namespaces"]
        return [*place, "-o", "json", "get", ",".join(op.value["kinds"]), *self._selector(op)], None

    def _events(self, op):
        kind = op.kind[:1].upper() + op.kind[1:]
        return [*self._place(op), "-o", "json", "get", "event", "--field-selector",
                f"involvedObject.name={op.name},involvedObject.kind={kind}"], None

    def _apply(self, op):
        args = ["apply"]
        if op.value.get("server_side"):
            args += ["--server-side=true"]
            if op.value.get("force"):
                args += ["--force-conflicts=true"]
        if op.value.get("manager"):
            args += [f"--field-manager={op.value['manager']}"]
        return [*args, *self._output(op), "-f", "-", *self._selector(op)], op.text()

    def _create(self, op):
        return ["create", *self._output(op), "-f", "-", *self._selector(op)], op.text()

    def _replace(self, op):
        return ["replace", *self._output(op), "-f", "-"], op.text()

    def _patch(self, op):
        args = [*self._place(op), "patch", op.kind, op.name]
        if op.value.get("record"):
            args += ["--record"]
        if op.value.get("type"):
            args += ["--type", PATCHED[op.value["type"]]]
        body = op.value["body"]
        return [*args, "--patch", body if isinstance(body, str) else dumps(body)], None

    def _delete(self, op):
        args = [*self._place(op), "delete", *self._lookup(op), *self._selector(op)]
        if op.value.get("missing_ok", True):
            args += ["--ignore-not-found=true"]
        if op.value.get("cascade"):
            args += [f"--cascade={op.value['cascade']}"]
        if "grace" in op.value:
            args += [f"--grace-period={op.value['grace']}"] + (["--force"] if op.value["grace"] == 0 else [])
        args += [f"--wait={str(op.value.get('wait', True)).lower()}"]
        return [*args, f"--timeout={op.timeout}s"], None

    def _scale(self, op):
        return [*self._place(op), "scale", *self._lookup(op), f"--replicas={op.value['replicas']}"], None

    def _rollout(self, op):
        args = [*self._place(op), "rollout", op.value["verb"], f"{op.kind}/{op.name}"]
        if "revision" in op.value:
            args += [f"--to-revision={op.value['revision']}"]
        return args, None

    def _logs(self, op):
        args = [*self._place(op), "logs", op.name if op.kind == "pod" else f"{op.kind}/{op.name}"]
        for key, flag in (("container", "-c={}"), ("tail", "--tail={}"), ("since", "--since={}s"), ("limit", "--limit-bytes={}")):
            if key in op.value:
                args.append(flag.format(op.value[key]))
        for key, flag in (("all", "--all-containers"), ("previous", "--previous")):
            if op.value.get(key):
                args.append(flag)
        return args, None

    def _top(self, op):
        name = [op.value["pod"]] if op.value.get("pod") else []
        return [*self._place(op), "top", "po", *name, "--containers", *self._selector(op)], None
