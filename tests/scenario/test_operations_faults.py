# SPDX-License-Identifier: Apache-2.0
"""Operations while everything that takes part in them dies, or stands still, at every stage: nothing is done twice,
nothing hangs past its time limit, and what is answered is true.

Worker and uplink die at the named points of base/points.h, the API server in the middle of a request, the other side
while it waits. Lanes, each with an API server and an account of its own, run side by side."""
import itertools
import json
import mmap
import os
import pathlib
import queue
import re
import signal
import struct
import sys
import threading
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "rig" / "peer")]
from asker import Asker  # noqa: E402
from impostor import make_certificates  # noqa: E402
from rig.harness import paths, procs  # noqa: E402
from rig.harness.agent import Agent, write_account  # noqa: E402
from rig.harness.peer import Peer  # noqa: E402
from rig.harness.procs import wait_for  # noqa: E402
from fleet import rss  # noqa: E402
from test_bad_worker import test_build  # noqa: E402
from wire import pb  # noqa: E402
from writable import SPACE, Writable  # noqa: E402

LONG = 90      # seconds for what takes two on a machine that does nothing else
LIMIT_S = 30   # time limit of an operation
SHORT_S = 4    # of one whose API server stands still
LANES = 3
Result = pb.OperationResult
NOTHING_DONE = (Result.UNAVAILABLE, Result.TIMED_OUT, Result.CANCELLED)


def name_of(kind, name):
    return pb.ObjectName(kind=kind, namespace=SPACE, name=name)


def manifest(kind, name, **more):
    version = "apps/v1" if kind == "Deployment" else "v1"
    return json.dumps({"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": SPACE}, **more}).encode()


def generated(name):
    o = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": name, "namespace": SPACE}}
    return pb.Operation(create=pb.CreateOperation(manifest=json.dumps(o).encode()))


def rollout(verb):
    return lambda name: pb.Operation(rollout=pb.RolloutOperation(verb=verb, object=name_of("deployment", name)))


# verb: (the kind that is there before, what the journal says when it is done, the request that does it, the operation)
VERBS = {
    "create": (None, "create", "POST", generated),
    "apply": (None, "create", "POST", lambda n: pb.Operation(apply=pb.ApplyOperation(manifest=manifest("ConfigMap", n, data={"a": "1"})))),
    "apply by the server": ("configmaps", "patch", "PATCH", lambda n: pb.Operation(
        apply=pb.ApplyOperation(manifest=manifest("ConfigMap", n, data={"a": "1"}), server_side=True))),
    "apply again": ("configmaps", "patch", "PATCH", lambda n: pb.Operation(
        apply=pb.ApplyOperation(manifest=manifest("ConfigMap", n, data={"b": "2"})))),
    "replace": ("configmaps", "put", "PUT", lambda n: pb.Operation(
        replace=pb.ReplaceOperation(manifest=manifest("ConfigMap", n, data={"c": "3"})))),
    "patch": ("configmaps", "patch", "PATCH", lambda n: pb.Operation(patch=pb.PatchOperation(
        object=name_of("configmap", n), type=pb.PatchOperation.JSON, patch=b'[{"op":"add","path":"/data/d","value":"4"}]'))),
    "delete": ("configmaps", "delete", "DELETE", lambda n: pb.Operation(
        delete=pb.DeleteOperation(object=name_of("configmap", n), wait=True))),
    "scale": ("deployments", "patch", "PATCH", lambda n: pb.Operation(scale=pb.ScaleOperation(object=name_of("deployment", n), replicas=3))),
    "restart": ("deployments", "patch", "PATCH", rollout(pb.RolloutOperation.RESTART)),
    "pause": ("deployments", "patch", "PATCH", rollout(pb.RolloutOperation.PAUSE)),
    "get": ("configmaps", None, "GET", lambda n: pb.Operation(get=pb.GetOperation(object=name_of("configmap", n)))),
    "logs": ("pods", None, "GET", lambda n: pb.Operation(logs=pb.LogsOperation(object=name_of("pod", n), limit_bytes=200000))),
}
CONTENT = {
    "configmaps": {"data": {"there": "before"}},
    "deployments": {"spec": {"replicas": 1, "selector": {"matchLabels": {"a": "b"}}, "template": {
        "metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "main", "image": "i"}]}}}},
    "pods": {"spec": {"containers": [{"name": "main", "image": "i"}]}, "status": {"phase": "Running"}},
}
# Those that go through every point; the others go through the two where it is told what a crash means.
THOROUGH = ("create", "apply", "apply again", "patch", "delete", "get")
TELLING = ("operation-changing", "operation-answer", "operation-passed")


def points(folder):
    found = set()
    for source in sorted(paths.ROOT.glob(f"{folder}/**/*.c")):
        found |= set(re.findall(r'"(operation-[a-z]+)"', source.read_text()))
    return sorted(found)


class Orders:
    """The file by which a process is told to raise a signal at a point (base/points.c)."""
    RECORD = struct.Struct("<III52s")

    def __init__(self, path):
        path.write_bytes(bytes(64 * self.RECORD.size))
        path.chmod(0o666)
        with open(path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 0)

    def give(self, lane, pid, point, how):
        at = lane * self.RECORD.size
        self.map[at:at + self.RECORD.size] = self.RECORD.pack(0, how, 1, point.encode())
        self.map[at:at + 4] = struct.pack("<I", pid)

    def obeyed(self, lane):
        """And takes back what was not."""
        at = lane * self.RECORD.size
        there, self.map[at:at + 4] = self.map[at:at + 4] != bytes(4), bytes(4)
        return not there


class Lane:
    """An account, its API server, its agent (which others may share)."""

    def __init__(self, world, number, server, agent):
        self.world, self.number, self.server, self.agent = world, number, server, agent
        self.account = f"lane-{number}"

    def ready(self):
        self.agent.wait_streaming([self.account], LONG)

    def status(self):
        return next(a for a in self.agent.status()["accounts"] if a["name"] == self.account)

    def make(self, verb):
        """(name, operation) of a new one, and what it is about."""
        before, _, _, build = VERBS[verb]
        name = f"o{next(self.world.numbers)}x"
        if before:
            self.server.make(before, {"metadata": {"name": name}, **CONTENT[before]})
        operation = build(name)
        operation.timeout_ms = LIMIT_S * 1000
        return name, operation

    def ask(self, operation, again=False):
        """The result, in time."""
        began = time.monotonic()
        result = self.world.asker.ask(self.account, operation, LONG, again)
        took = time.monotonic() - began
        if took > operation.timeout_ms / 1000 + 15:  # and what a slow machine takes for the way
            raise AssertionError(f"{operation}: answered after {took:.1f} s")
        return result

    def insist(self, operation, result):
        """Asks by the same id until that is known which can be known."""
        end = time.monotonic() + LONG
        while result.code in (Result.UNAVAILABLE, Result.UNKNOWN_OUTCOME) and time.monotonic() < end:
            self.ready()
            time.sleep(0.05)
            before, result = result, self.ask(operation, again=True)
            if before.code == result.code == Result.UNKNOWN_OUTCOME:
                break
        return result

    def check(self, verb, name, operation, first):
        """That what was answered is so, first and after asking again; the last answer."""
        done = VERBS[verb][1]
        if done is None:
            last = self.insist(operation, first)
            assert last.code == Result.OK, f"{verb}: {last.code} {last.message}"
            assert not self.changes(name), f"{verb} changed something"
            return last
        if first.code in NOTHING_DONE:
            assert self.times(verb, name) == 0, f"{verb}: {first.message}: but it was done"
        last = self.insist(operation, first)
        times = self.times(verb, name)
        if last.code == Result.OK:
            assert times == 1, f"{verb}: done {times} times, and told as done"
        elif last.code in NOTHING_DONE:
            assert times == 0, f"{verb}: done {times} times: {last.message}"
        else:
            assert last.code == Result.UNKNOWN_OUTCOME, f"{verb}: {Result.Code.Name(last.code)}: {last.message}"
            assert last.retriable and "not known" in last.message, last
            assert times <= 1, f"{verb}: done {times} times"
        return last

    def changes(self, name):
        done = self.server.done(name)
        return done[1:] if done[:1] == ["create"] else done

    def times(self, verb, name):
        before, done, _, _ = VERBS[verb]
        found = self.server.done(name)
        if before:
            found = found[1:]
        assert set(found) <= {done}, found
        return len(found)


class World:
    """The other side, and who asks there."""

    def __init__(self, test, name):
        self.daemon = test_build()
        if not self.daemon:
            test.skipTest("there is no build with SA_TEST_POINTS")
        scratch = paths.Scratch(name)
        test.addCleanup(scratch.close)
        self.test, self.dir, self.numbers = test, scratch.path, itertools.count(1)
        self.certificates = make_certificates(self.dir / "certificates")
        if not self.certificates:
            test.skipTest("openssl is not installed")
        self.orders = Orders(self.dir / "orders")
        self.socket = self.dir / "operations.sock"
        test.addCleanup(lambda: self.asker and self.asker.close())
        self.asker = None
        self.peer = Peer(self.dir / "peer", "--operations", str(self.socket)).start()
        test.addCleanup(self.peer.stop)
        self.connect()

    def connect(self):
        wait_for("the peer's socket", self._connects, 20)

    def _connects(self):
        try:
            asker = Asker(self.socket)
        except OSError:
            return False
        if self.asker:
            self.asker.close()
        self.asker = asker
        return True

    def server(self, number):
        server = Writable(self.dir / f"server-{number}", self.certificates)
        self.test.addCleanup(server.stop)
        return server

    def start_agent(self, name, servers, **config):
        """Lanes of one agent: {number: server}."""
        accounts = self.dir / name / "accounts.d"
        for number, server in servers.items():
            write_account(accounts, f"lane-{number}", server.kubeconfig, kinds=["configMap", "deployment"])
        base = {"agentId": name, "heartbeatTimeoutSeconds": 60,
                "restart": {"baseMs": 50, "maxMs": 200, "intensity": 100000}, **config}
        agent = Agent(self.dir / name / "agent", accounts, "grpc", self.peer.address, base,
                      {"SCALE_AGENT_POINTS": str(self.dir / "orders")}, self.daemon)
        self.test.addCleanup(agent.close)
        agent.start()
        return [Lane(self, number, server, agent) for number, server in servers.items()]


def side_by_side(lanes, tasks, do):
    """do(lane, task) for each, one at a time in each lane; what failed."""
    waiting, failures = queue.SimpleQueue(), []
    for task in tasks:
        waiting.put(task)

    def run(lane):
        try:
            lane.ready()
            while True:
                task = waiting.get_nowait()
                try:
                    do(lane, task)
                except Exception as e:  # pylint: disable=broad-exception-caught
                    failures.append(f"{task}: {type(e).__name__}: {e}")
                    lane.ready()
        except queue.Empty:
            pass
        except Exception as e:  # pylint: disable=broad-exception-caught
            failures.append(f"{lane.account}: {e}")
    threads = [threading.Thread(target=run, args=(lane,)) for lane in lanes]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return failures


class Faults(unittest.TestCase):
    def setUp(self):
        self.world = World(self, "faults")

    def conclude(self, failures):
        self.assertEqual(failures, [])
        self.assertEqual(self.world.peer.violations(), [])

    # ---- worker and uplink ----

    @staticmethod
    def tasks(folder):
        """Point and verb: each point with each of the thorough, each verb with each of the telling points."""
        return [(point, verb) for point in points(folder) for verb in VERBS if verb in THOROUGH or point in TELLING]

    def all_were_passed(self, folder, passed):
        """Each point by a verb at least, and by create all but those of reading, which it does not."""
        self.assertEqual({p for p, _ in passed}, set(points(folder)))
        left = {p for p in points(folder) if (p, "create") not in passed}
        self.assertLessEqual(left, {"operation-read", "operation-reading"})

    def test_the_worker_dies_at_each_point(self):
        server = [self.world.server(n) for n in range(LANES)]
        lanes = self.world.start_agent("worker", dict(enumerate(server)))
        passed = set()

        def die(lane, task):
            point, verb = task
            name, operation = lane.make(verb)
            pid = lane.status()["pid"]
            self.world.orders.give(lane.number, pid, point, signal.SIGKILL)
            first = lane.ask(operation)
            died = self.world.orders.obeyed(lane.number)
            if died:
                wait_for("its end", lambda: not procs.alive(pid), LONG)
            last = lane.check(verb, name, operation, first)
            times = lane.times(verb, name) if VERBS[verb][1] else None
            if died and point == "operation-told" and times == 0:
                die(lane, task)  # it was the answer to the one before, which we had already
            elif not died:
                assert last.code == Result.OK, f"{verb}: {last.message}"
            else:
                passed.add(task)
            if died and times is not None:
                if point in ("operation-received", "operation-begin", "operation-read", "operation-reading", "operation-change"):
                    assert times == 0, f"{times} times"
                elif point == "operation-result" or (point == "operation-answer" and verb == "create"):
                    assert times == 1, f"{times} times"  # the others read before they change something
        self.conclude(side_by_side(lanes, self.tasks("worker"), die))
        self.all_were_passed("worker", passed)

    def test_the_uplink_dies_at_each_point(self):
        """The worker lives: by the same id all is known in the end, and done once."""
        lanes = []
        for n in range(LANES):
            lanes += self.world.start_agent(f"uplink-{n}", {n: self.world.server(n)})
        passed = set()

        def die(lane, task):
            point, verb = task
            name, operation = lane.make(verb)
            pid, worker = lane.agent.by_role()["uplink"][0], lane.status()["pid"]
            self.world.orders.give(lane.number, pid, point, signal.SIGKILL)
            first = lane.ask(operation)
            if not VERBS[verb][1] and first.code == Result.OK:
                pass
            elif point == "operation-left" and first.code == Result.OK:
                wait_for("its end", lambda: not procs.alive(pid), LONG)  # at the answer's heels
            if self.world.orders.obeyed(lane.number):
                passed.add(task)
                wait_for("its end", lambda: not procs.alive(pid), LONG)
            last = lane.check(verb, name, operation, first)
            assert last.code == Result.OK, f"{verb}: {Result.Code.Name(last.code)}: {last.message}"
            lane.ready()
            assert lane.status()["pid"] == worker, "the worker was started anew"
        self.conclude(side_by_side(lanes, self.tasks("uplink"), die))
        self.all_were_passed("uplink", passed)

    def test_one_that_stands_still_is_ended(self):
        """By the supervisor, when it shows no sign of life; who asked hears of it then."""
        lanes = []
        for n, point in enumerate(("operation-begin", "operation-answer", "operation-passed")):
            lanes += self.world.start_agent(f"still-{n}", {n: self.world.server(n)}, heartbeatTimeoutSeconds=6)

        def stand_still(lane, _):
            point = ("operation-begin", "operation-answer", "operation-passed")[lane.number]
            name, operation = lane.make("create")
            pid = lane.agent.by_role()["uplink"][0] if point == "operation-passed" else lane.status()["pid"]
            self.world.orders.give(lane.number, pid, point, signal.SIGSTOP)
            first = lane.ask(operation)
            assert self.world.orders.obeyed(lane.number), f"{point} was not passed"
            assert first.code == Result.UNKNOWN_OUTCOME, first
            wait_for("its end", lambda: not procs.alive(pid), LONG)
            last = lane.check("create", name, operation, first)
            assert lane.times("create", name) == (point != "operation-begin")
            assert (last.code == Result.OK) == (point == "operation-passed"), last
        self.conclude(side_by_side(lanes, range(3), stand_still))

    # ---- the API server ----

    def test_the_api_server_fails_amid_a_request(self):
        server = [self.world.server(n) for n in range(LANES)]
        lanes = self.world.start_agent("server", dict(enumerate(server)))
        tasks = [(do, when, verb) for do in ("kill", "close", "504") for when in ("before", "after")
                 for verb in VERBS if VERBS[verb][1] and (verb in THOROUGH or do == "504")]
        tasks += [("503", "before", verb) for verb in VERBS if VERBS[verb][1]]
        tasks += [(do, "before", "get") for do in ("kill", "close", "503")]
        tasks += [("stop", when, "create") for when in ("before", "after")] + [("stop", "before", "get")]

        def fail(lane, task):
            do, when, verb = task
            name, operation = lane.make(verb)
            if do == "stop":
                operation.timeout_ms = SHORT_S * 1000
            lane.server.will(VERBS[verb][2], name, when, do)
            key = self.world.asker.begin(lane.account, operation)
            began = time.monotonic()
            if do == "kill":
                wait_for("its end", lambda: not lane.server.process.running(), LONG)
                lane.server.start()
            first = self.world.asker.end(key, LONG)
            took = time.monotonic() - began
            assert took <= operation.timeout_ms / 1000 + 15, f"answered after {took:.1f} s"
            assert lane.server.did(), "it did not fail"
            if do == "stop":
                lane.server.goes_on()
            if not VERBS[verb][1]:
                assert first.code in (Result.OK, Result.UNAVAILABLE, Result.TIMED_OUT), first
                return
            if do == "503":
                assert first.code == Result.OK, first
            else:
                assert first.code == Result.UNKNOWN_OUTCOME, first
                wait_for("the server to go on", lambda: lane.times(verb, name) == (when == "after" or do == "stop"), LONG)
            again = lane.ask(operation, again=True)
            assert (again.code, again.message) == (first.code, first.message), f"{first}, then {again}"
            assert lane.times(verb, name) == (do in ("503", "stop") or when == "after")
            if verb == "patch" and do != "503":
                assert first.uid == f"uid-configmaps-{name}" and first.resource_version, "what is known of it is not said"
        self.conclude(side_by_side(lanes, tasks, fail))

    # ---- the other side ----

    def reached(self, lane):
        """The agent is connected to the other side that is there now, and the worker takes operations (this one is refused)."""
        operation = pb.Operation(get=pb.GetOperation(object=name_of("namespace", SPACE)))
        self.assertEqual(lane.insist(operation, lane.ask(operation)).code, Result.INVALID)

    def peer_dies(self, lane, *options, killed=True):
        (self.world.peer.kill if killed else self.world.peer.stop)()
        self.world.peer.start(*options)
        self.world.connect()
        self.reached(lane)

    def test_the_other_side_dies_while_it_waits(self):
        server = self.world.server(0)
        lane, = self.world.start_agent("other", {0: server})
        lane.ready()
        for when in ("before", "after"):
            with self.subTest("the API server has not answered", when=when):
                name, operation = lane.make("create")
                server.will("POST", name, when, "stop")
                asker = self.world.asker
                key = asker.begin(lane.account, operation)
                wait_for("the request", server.did, LONG)
                self.peer_dies(lane)
                with self.assertRaises(ConnectionError):
                    asker.end(key)
                answer = self.world.asker.begin(lane.account, operation, again=True)
                server.goes_on()
                self.assertEqual(self.world.asker.end(answer, LONG).code, Result.OK)
                self.assertEqual(lane.times("create", name), 1)
        with self.subTest("it has not committed"):
            self.peer_dies(lane, "--commit-delay", 2000, killed=False)
            name, operation = lane.make("create")
            self.world.asker.begin(lane.account, operation)
            wait_for("that it is done", lambda: lane.times("create", name) == 1, LONG)
            self.peer_dies(lane)
            again = lane.ask(operation, again=True)
            self.assertEqual(again.code, Result.OK)
            self.assertIn(name, json.loads(again.body)["metadata"]["name"])
            self.assertEqual(lane.times("create", name), 1)
        with self.subTest("it stands still"):
            name, operation = lane.make("create")
            self.world.asker.begin(lane.account, operation)
            self.world.peer.process.popen.send_signal(signal.SIGSTOP)
            time.sleep(0.5)  # whatever is under way meanwhile
            self.world.peer.process.popen.send_signal(signal.SIGCONT)
            self.assertEqual(lane.insist(operation, self.world.asker.end(operation.id, LONG)).code, Result.OK)
            self.assertEqual(lane.times("create", name), 1)
        self.conclude([])

    # ---- an apply onto what is there: three requests, of which the last changes it ----

    STAGES = {"the object": ("GET", None), "its kind's schema": ("GET", "openapi"), "the patch": ("PATCH", None)}

    def fresh_worker(self, lane):
        """One that has not read any schema."""
        pid = lane.status()["pid"]
        os.kill(pid, signal.SIGKILL)
        wait_for("another one", lambda: lane.status()["pid"] not in (pid, 0, None), LONG)
        lane.ready()

    def dies_amid_an_apply(self, lane, stage, who):
        """While the API server stands still in this request."""
        method, path = self.STAGES[stage]
        self.fresh_worker(lane)
        name, operation = lane.make("apply again")
        lane.server.will(method, path or name, "before", "stop")
        key, asker, began = self.world.asker.begin(lane.account, operation), self.world.asker, time.monotonic()
        wait_for("the request", lane.server.did, LONG)
        worker, first = lane.status()["pid"], None
        if who == "other side":
            self.peer_dies(lane)
            with self.assertRaises(ConnectionError):
                asker.end(key)
            again, began = self.world.asker.begin(lane.account, operation, again=True), time.monotonic()
            lane.server.goes_on()
            first = self.world.asker.end(again, LONG)
        elif who == "server":
            lane.server.process.kill()
            lane.server.start()
        else:
            pid = worker if who == "worker" else lane.agent.by_role()["uplink"][0]
            os.kill(pid, signal.SIGKILL)
            wait_for("its end", lambda: not procs.alive(pid), LONG)
            lane.server.goes_on()
        first = first or asker.end(key, LONG)
        self.assertLess(time.monotonic() - began, LIMIT_S + 15)
        if stage == "the patch" and who != "server":
            wait_for("the patch", lambda: lane.times("apply again", name) == 1, LONG)  # it was on its way
        last = lane.check("apply again", name, operation, first)
        known = who in ("uplink", "other side") or (who == "server" and stage != "the patch")
        self.assertEqual(last.code, Result.OK if known else Result.UNKNOWN_OUTCOME, last.message)
        done = known or stage == "the patch" and who == "worker"
        self.assertEqual(lane.times("apply again", name), int(done))
        self.assertEqual(lane.server.last(name)["data"], {"there": "before", **({"b": "2"} if done else {})})
        self.assertEqual(lane.status()["pid"] == worker, who != "worker")

    def test_who_takes_part_dies_at_each_stage_of_an_apply(self):
        lanes = []
        for n in range(LANES):
            lanes += self.world.start_agent(f"apply-{n}", {n: self.world.server(n)})
        tasks = [(stage, who) for who in ("worker", "uplink", "server") for stage in self.STAGES]
        failures = side_by_side(lanes, tasks, lambda lane, task: self.dies_amid_an_apply(lane, *task))
        for stage in self.STAGES:  # which all lanes share
            with self.subTest("the other side", stage=stage):
                self.dies_amid_an_apply(lanes[0], stage, "other side")
        self.conclude(failures)

    def test_a_log_of_a_gigabyte_and_an_other_side_that_does_not_take_it(self):
        """The API server sends more than it was asked for: each log is cut, or ends for want of room, and no process
        ends."""
        server = self.world.server(0)
        lane, = self.world.start_agent("logs", {0: server})
        lane.ready()
        pods = [f"o{next(self.world.numbers)}x" for _ in range(4)]
        for name in pods:
            server.make("pods", {"metadata": {"name": name}, "endless": True, **CONTENT["pods"]})
        keys = []
        family = lane.agent.pids()
        before = sum(rss(pid) for pid in family)
        for name in pods:
            operation = VERBS["logs"][3](name)
            operation.logs.limit_bytes, operation.timeout_ms = 0, LIMIT_S * 1000
            keys.append(self.world.asker.begin(lane.account, operation))
        wait_for("the first log", (server.dir / "logs").exists, LONG, 0.005)
        self.world.peer.process.popen.send_signal(signal.SIGSTOP)
        most = 0
        for _ in range(50):
            most = max(most, sum(rss(pid) for pid in lane.agent.pids()) - before)
            time.sleep(0.1)
        self.world.peer.process.popen.send_signal(signal.SIGCONT)
        for key in keys:
            result = self.world.asker.end(key, LONG)
            if result.code != Result.OK:
                self.assertEqual(result.code, Result.UNAVAILABLE, result.message)
                self.assertIn("more logs of this account wait", result.message)
            self.assertLessEqual(len(result.body), (16 << 20) + 4096)
        self.assertLess(most, 120 << 20)
        self.assertEqual(set(lane.agent.pids()), set(family))
        self.conclude([])


if __name__ == "__main__":
    unittest.main()
