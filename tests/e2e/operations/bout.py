# SPDX-License-Identifier: Apache-2.0
"""One case, done by the judge and by another, and what differs."""
import concurrent.futures
import time

from rig.harness.cluster import ApiError

import compare
import operation
from situation import Situation
from table import Mistake, fill
from world import settled

SETTLED = ("deployments", "statefulsets", "daemonsets")
SETTLE_SECONDS = 5


class Bout:
    def __init__(self, world, case, judge, other):
        self.world, self.case, self.judge, self.other = world, case, judge, other
        self.api = world.api()
        self.namespaces = world.namespaces(case.labels)
        self.situation = Situation(world, case, self.namespaces)
        self.targets = ([], [])  # paths of the objects that operations were about

    def run(self):
        """[(where, of the judge, of the other)]; empty: they are equal."""
        self.situation.run(self.case.before)
        found = []
        for i, step in enumerate(self.case.steps):
            if "others" in step:
                self._others(step)
                continue
            try:
                found += [(f"{i}:{path}", a, b) for path, a, b in self._step(step)]
            except Mistake as e:
                raise Mistake(f"step {i}: {e}") from None
            if found:
                break  # what follows would only say it again
        return compare.not_ignored(found, [r"\d+:(" + "|".join(self.case.ignore) + ")"]) if self.case.ignore else found

    def _others(self, step):
        try:
            self.situation.run(step["others"])
        except ApiError as e:
            if not step.get("refusable") or e.code >= 500:
                raise

    def _step(self, step):
        if self.case.judge == "none":
            return self._alone(step)
        outcomes = [self._do(side, runner, step) for side, runner in enumerate((self.judge, self.other))]
        self._check(step, outcomes[0])
        found = compare.of_outcomes(*outcomes, step.get("words", False))
        return found + compare.differences(*(self._afterwards(side) for side in (0, 1)))

    def _check(self, step, judged):
        """The case shows what it says it shows."""
        fails = step.get("fails")
        if fails is None and not judged.ok:
            raise Mistake(f"kubectl fails: {judged.message[:600]}")
        if fails is not None and fails != "perhaps":
            if judged.ok:
                raise Mistake(f"kubectl does not fail, as it should with {fails!r}")
            if fails not in judged.message:
                raise Mistake(f"kubectl does not say {fails!r}: {judged.message[:600]}")

    def _alone(self, step):
        """kubectl has no word in it: what the case says is expected."""
        outcome = self._do(1, self.other, step)
        found = [] if outcome.code == step.get("code", "OK") else [("code", step.get("code", "OK"), outcome.code)]
        if step.get("fails") and step["fails"] not in outcome.message:
            found.append(("message", step["fails"], outcome.message))
        return found

    def _do(self, side, runner, step):
        namespace = self.namespaces[side]
        op = operation.make(step, self.situation, namespace)
        path = operation.target(op, self.situation)
        if path and path not in self.targets[side]:
            self.targets[side].append(path)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            others = pool.submit(self._meanwhile, side, step.get("meanwhile") or [])
            began = time.monotonic()
            outcome = runner.run(op)
            took = time.monotonic() - began
            others.result()
        if "within" in step and took > step["within"]:
            raise Mistake(f"{runner.name} took {took:.1f} s")
        outcome.message = compare.plain_text(outcome.message, namespace)
        outcome.body = self._plain_body(op, outcome.body, namespace)
        if outcome.ok and self.world.live:
            self._settle(side)
        return outcome

    def _plain_body(self, op, body, namespace):
        if op.verb in ("get", "apply", "create", "replace") and isinstance(body, dict):
            return compare.plain_object(body, namespace, self.world.live)
        if op.verb in ("list", "events") and isinstance(body, list):
            return [compare.plain_object(o, namespace, self.world.live) for o in body]
        return compare.plain(body, namespace)

    def _meanwhile(self, side, steps):
        if steps:
            Situation(self.world, self.case, [self.namespaces[side]]).run(steps)

    def _settle(self, side):
        """The controllers finish what the operation asked for, so that both sides are seen at the same point."""
        end = time.monotonic() + SETTLE_SECONDS
        for path in self.targets[side]:
            while any(f"/{r}/" in path for r in SETTLED) and time.monotonic() < end:
                o = self._read(path)
                if o is None or settled(o):
                    break
                time.sleep(0.03)

    def _read(self, path):
        try:
            return self.api("GET", path)
        except ApiError as e:
            if e.code in (400, 404, 405):
                return None
            raise

    def _afterwards(self, side):
        """{what: object or objects} after the operation."""
        namespace = self.namespaces[side]
        found = {}
        for path in self.targets[side]:
            found[path.replace(namespace, "NS")] = compare.plain_object(self._read(path), namespace, self.world.live)
        for word in self.case.look:
            word, _, query = fill(word, namespace).partition("?")
            resource = self.world.kinds.named(word)
            if resource is None:
                raise Mistake(f"there is no kind {word}")
            items = self.api("GET", resource.path(namespace) + (f"?{query}" if query else ""))["items"]
            found[f"all {word}"] = sorted((compare.plain_object(o, namespace, self.world.live) for o in items), key=str)
        return found
