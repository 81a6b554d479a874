# SPDX-License-Identifier: Apache-2.0
"""The agent's side: operations as typed messages by a peer that stands for Clouddriver."""
import json
import sys

from rig.harness import paths
from rig.harness.agent import Agent, write_account
from rig.harness.peer import Peer

from kubectl import Outcome, without_warnings
from table import Mistake
from world import dumps

sys.path.insert(0, str(paths.ROOT / "tests" / "rig" / "peer"))
from asker import Asker, OnHost  # noqa: E402
from wire import pb  # noqa: E402

MOST_BYTES = 3 << 20  # of a manifest or patch: more the plugin refuses, before anything is sent
SPARE = 20  # seconds, past an operation's time limit, in which it has to be answered
CASCADES = {"background": pb.DeleteOperation.BACKGROUND, "foreground": pb.DeleteOperation.FOREGROUND, "orphan": pb.DeleteOperation.ORPHAN}


class Ours:
    """An agent with an account for each world and user, its peer, and who asks: by the peer's stream, or on_host."""

    def __init__(self, directory, worlds, on_host=False):
        accounts = directory / "accounts.d"
        names = []
        for world in worlds.values():
            for user, kubeconfig in world.kubeconfigs.items():
                names.append(f"{world.name}-{user}")
                write_account(accounts, names[-1], kubeconfig, kinds=["configMap", "deployment", "namespace"])
        self.peer = Peer(directory / "peer", "--operations", str(directory / "operations.sock"), "--commit-delay", "1").start()
        self.agent = Agent(directory / "agent", accounts, "grpc", self.peer.address).start()
        self.agent.wait_streaming(names)
        if on_host:
            self.askers = {n: OnHost(self.agent.runtime / "control.sock", n) for n in names}
        else:
            self.askers = dict.fromkeys(names, Asker(directory / "operations.sock"))

    def runner(self, world):
        return Runner(self, world)

    def close(self):
        for asker in set(self.askers.values()):
            asker.close()
        self.agent.close()
        self.peer.stop()
        for line in self.peer.violations() if self.peer.process else ():
            print(line)


class Runner:
    """Runs operations in one world by the agent."""
    name = "agent"

    def __init__(self, ours, world):
        self.ours, self.world = ours, world

    def run(self, op):
        message = pb.Operation(timeout_ms=max(1, int(op.timeout * 1000)), user="tests", name=op.verb)
        getattr(self, f"_{op.verb}")(op, message)
        account = f"{self.world}-{op.account}"
        asker = self.ours.askers[account]
        if message.ByteSize() > MOST_BYTES and not isinstance(asker, OnHost):
            return Outcome(False, "TOO_LARGE", f"error: an agent takes {MOST_BYTES} bytes at most", None)
        try:
            r = asker.ask(account, message, op.timeout + SPARE)
        except (TimeoutError, ConnectionError) as e:
            raise Mistake(str(e)) from None
        code = pb.OperationResult.Code.Name(r.code)
        # kubectl ends well where there is nothing to patch.
        ok = code in ("OK", "NOT_PATCHED")
        return Outcome(ok, "OK" if ok else code, without_warnings(r.message), self._body(op, ok, r.body))

    def _body(self, op, ok, body):
        if op.verb in ("list", "events"):
            value = json.loads(body) if body else []
            return value["items"] if isinstance(value, dict) else value
        if not ok:
            return None
        if op.verb in ("get", "apply", "create", "replace"):
            return json.loads(body) if not op.words else None
        if op.verb == "delete":
            return json.loads(body) if body else []
        if op.verb == "rollout" and op.value["verb"] == "history":
            return [r["revision"] for r in json.loads(body)] if body else []
        return body.decode() if op.verb in ("logs",) else None

    # ---- messages ----

    @staticmethod
    def _object(op):
        return pb.ObjectName(kind=op.kind, namespace=op.namespace, name=op.name)

    def _get(self, op, m):
        m.get.object.CopyFrom(self._object(op))

    def _list(self, op, m):
        m.list.CopyFrom(pb.ListOperation(kinds=op.value["kinds"], namespace=op.namespace, label_selector=op.value.get("selector", "")))

    def _events(self, op, m):
        m.events.object.CopyFrom(self._object(op))

    def _apply(self, op, m):
        v = op.value
        m.apply.CopyFrom(pb.ApplyOperation(manifest=op.text().encode(), label_selector=v.get("selector", ""),
                                           server_side=v.get("server_side", False), force_conflicts=v.get("force", False),
                                           field_manager=v.get("manager", "")))
        precondition = v.get("precondition")
        if precondition:
            m.apply.precondition.CopyFrom(pb.Precondition(**precondition))

    def _create(self, op, m):
        m.create.CopyFrom(pb.CreateOperation(manifest=op.text().encode(), label_selector=op.value.get("selector", "")))

    def _replace(self, op, m):
        m.replace.CopyFrom(pb.ReplaceOperation(manifest=op.text().encode()))

    def _patch(self, op, m):
        body = op.value["body"]
        body = body if isinstance(body, str) else dumps(body)
        kind = pb.PatchOperation.Type.Value((op.value.get("type") or "unspecified").upper())
        m.patch.CopyFrom(pb.PatchOperation(object=self._object(op), type=kind, patch=body.encode(), record=op.value.get("record", False)))

    def _delete(self, op, m):
        v = op.value
        m.delete.CopyFrom(pb.DeleteOperation(object=self._object(op), label_selector=v.get("selector", ""), wait=v.get("wait", True),
                                             cascade=CASCADES.get(v.get("cascade"), 0), ignore_not_found=v.get("missing_ok", True)))
        if "grace" in v:
            m.delete.grace_period_seconds = v["grace"]

    def _scale(self, op, m):
        m.scale.CopyFrom(pb.ScaleOperation(object=self._object(op), replicas=op.value["replicas"]))

    def _rollout(self, op, m):
        verb = pb.RolloutOperation.Verb.Value(op.value["verb"].upper())
        m.rollout.CopyFrom(pb.RolloutOperation(verb=verb, object=self._object(op), revision=op.value.get("revision", 0)))

    def _logs(self, op, m):
        v = op.value
        m.logs.CopyFrom(pb.LogsOperation(object=self._object(op), container=v.get("container", ""), all_containers=v.get("all", False),
                                         previous=v.get("previous", False), since_seconds=v.get("since", 0), limit_bytes=v.get("limit", 0)))
        if "tail" in v:
            m.logs.tail_lines = v["tail"]

    def _top(self, op, m):
        m.top.CopyFrom(pb.TopOperation(namespace=op.namespace, pod=op.value.get("pod", ""), label_selector=op.value.get("selector", "")))
