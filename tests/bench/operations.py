# SPDX-License-Identifier: Apache-2.0
"""What an operation costs in time: by the agent, and by forking kubectl as Clouddriver does, in turn in one run against
one real API server; and how many a second one account holds. See scripts/bench."""
import argparse
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import threading
import time

from rig.harness import paths, procs
from rig.harness.agent import Agent, write_account
from rig.harness.cluster import Cluster, kubectl_program
from rig.harness.peer import Peer

sys.path.insert(0, str(paths.ROOT / "tests" / "rig" / "peer"))
from asker import Asker  # noqa: E402
from wire import pb  # noqa: E402

ACCOUNT, SPACE = "bench", "default"
LIMIT_S = 30
RATE = 200      # operations a second that have to be held
ASKERS = 64     # threads that ask for them
NAMES = 200     # objects that they are about
FLAGS = ("--disable-admission-plugins=ServiceAccount",)  # nobody makes service accounts there


def manifest(name, revision):
    """A deployment as they are: two containers, some settings."""
    container = {"resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
                 "env": [{"name": f"SETTING_{i}", "value": f"value {i}"} for i in range(8)],
                 "volumeMounts": [{"name": "settings", "mountPath": "/etc/settings"}]}
    return {"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": name, "namespace": SPACE, "labels": {"app": name}, "annotations": {"moniker.spinnaker.io/application": name}},
            "spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": {
                "metadata": {"labels": {"app": name}}, "spec": {
                    "containers": [{"name": n, "image": f"registry.example/{n}:{revision}", **container} for n in ("main", "side")],
                    "volumes": [{"name": "settings", "configMap": {"name": name}}]}}}}


class ByKubectl:
    name = "kubectl"

    def __init__(self, cluster):
        self.command = [str(kubectl_program()), f"--kubeconfig={cluster.kubeconfig}"]
        self.env = {**os.environ, "HOME": str(cluster.dir)}

    def _run(self, *args, stdin=None):
        r = subprocess.run([*self.command, *args], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.env)
        if r.returncode != 0:
            raise RuntimeError(f"kubectl {args}: {r.stderr}")

    def deploy(self, name, revision):
        self._run("apply", "-o", "json", "-f", "-", stdin=json.dumps(manifest(name, revision)))

    def get(self, name):
        self._run(f"--namespace={SPACE}", "-o", "json", "get", "deployment", name)

    def delete(self, name):
        self._run(f"--namespace={SPACE}", "delete", f"deployment/{name}", "--ignore-not-found=true", "--cascade=background")


class ByAgent:
    name = "agent"

    def __init__(self, directory, cluster):
        accounts = directory / "accounts.d"
        write_account(accounts, ACCOUNT, cluster.kubeconfig)
        self.peer = Peer(directory / "peer", "--operations", str(directory / "operations.sock"), "--commit-delay", "0").start()
        self.agent = Agent(directory / "agent", accounts, "grpc", self.peer.address).start()
        self.agent.wait_streaming([ACCOUNT])
        self.asker = Asker(directory / "operations.sock")

    def ask(self, operation):
        """Milliseconds that the API server took of it."""
        operation.timeout_ms = LIMIT_S * 1000
        r = self.asker.ask(ACCOUNT, operation, LIMIT_S + 10)
        if r.code != pb.OperationResult.OK:
            raise RuntimeError(f"{pb.OperationResult.Code.Name(r.code)}: {r.message}")
        return r.server_ms

    @staticmethod
    def _object(name):
        return pb.ObjectName(kind="deployment", namespace=SPACE, name=name)

    def deploy(self, name, revision):
        return self.ask(pb.Operation(apply=pb.ApplyOperation(manifest=json.dumps(manifest(name, revision)).encode())))

    def get(self, name):
        return self.ask(pb.Operation(get=pb.GetOperation(object=self._object(name))))

    def delete(self, name):
        return self.ask(pb.Operation(delete=pb.DeleteOperation(object=self._object(name), wait=True, ignore_not_found=True,
                                                               cascade=pb.DeleteOperation.BACKGROUND)))

    def close(self):
        self.asker.close()
        self.agent.close()
        self.peer.stop()


class Samples:
    """Milliseconds by operation and by who did it."""

    def __init__(self):
        self.taken, self.server = {}, {}

    def take(self, who, what, function, *args):
        began = time.monotonic()
        server = function(*args)
        self.taken.setdefault((who.name, what), []).append((time.monotonic() - began) * 1000)
        if server is not None:
            self.server.setdefault(what, []).append(server)

    def at(self, who, what, q):
        return quantile(self.taken[who, what], q)

    def ratio(self, what, q):
        return self.at("agent", what, q) / self.at("kubectl", what, q)


def quantile(values, q):
    values = sorted(values)
    return values[min(len(values) - 1, int(q * len(values)))]


WHAT = ("deploy", "deploy again", "get", "delete")


def side_by_side(sides, rounds):
    """Each operation by both, who is first alternates."""
    samples = Samples()
    for n in range(rounds):
        for what in WHAT:
            for side in sides if n % 2 else sides[::-1]:
                name = f"{side.name}-{n}"
                if what.startswith("deploy"):
                    samples.take(side, what, side.deploy, name, 1 if what == "deploy" else 2)
                else:
                    samples.take(side, what, getattr(side, what), name)
    for key in (("kubectl", "all deploys"), ("agent", "all deploys")):
        samples.taken[key] = samples.taken[key[0], "deploy"] + samples.taken[key[0], "deploy again"]
    samples.server["all deploys"] = samples.server["deploy"] + samples.server["deploy again"]
    return samples


class Deltas:
    """Objects of 32 KB that change as fast as one client can change them, while the account streams them."""
    NUMBER, SIZE = 20, 32 << 10

    def __init__(self, cluster):
        self.api, self.ended, self.changes = cluster.api(), threading.Event(), 0
        self.path = f"/api/v1/namespaces/{SPACE}/configmaps"
        for n in range(self.NUMBER):
            self.api("POST", self.path, {"metadata": {"name": f"large-{n}"}, "data": {"text": "x" * self.SIZE}})
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        while not self.ended.is_set():
            self.api("PATCH", f"{self.path}/large-{self.changes % self.NUMBER}", {"data": {"n": str(self.changes)}},
                     {"Content-Type": "application/merge-patch+json"})
            self.changes += 1

    def __enter__(self):
        self.began = time.monotonic()
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.ended.set()
        self.thread.join()
        self.per_s = self.changes / (time.monotonic() - self.began)
        self.api.close()


def beside_deltas(agent, cluster, rounds):
    """What reads take of the agent and its stream (not of the API server), at rest and while the account streams changes."""
    def own():
        taken = []
        for _ in range(rounds):
            began = time.monotonic()
            server = agent.get("agent-read")
            taken.append((time.monotonic() - began) * 1000 - server)
        return tuple(quantile(taken, q) for q in (0.5, 0.99))
    agent.deploy("agent-read", 1)
    rest = own()
    with Deltas(cluster) as deltas:
        busy = own()
    agent.delete("agent-read")
    return (f"beside the API server's time a get took {rest[0]:.1f} ms (p99 {rest[1]:.1f} ms) at rest, {busy[0]:.1f} ms "
            f"(p99 {busy[1]:.1f} ms) while the account streamed {deltas.per_s:.0f} changes of {deltas.SIZE >> 10} KB a second")


class Held:
    """Operations at a steady rate on one account, whatever they take: half of them deploys, the rest reads and deletes."""

    def __init__(self, side, rate, seconds):
        self.side, self.rate, self.seconds = side, rate, seconds
        self.lock = threading.Lock()
        self.next = 0
        self.taken, self.failed = [], []

    def run(self):
        self.began = time.monotonic()
        threads = [threading.Thread(target=self._ask, args=(random.Random(n),)) for n in range(ASKERS)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.elapsed = time.monotonic() - self.began
        return len(self.taken) / self.elapsed

    def _ask(self, r):
        while True:
            with self.lock:
                n = self.next
                self.next += 1
            due = self.began + n / self.rate
            if n >= self.rate * self.seconds:
                return
            time.sleep(max(0, due - time.monotonic()))
            name = f"held-{r.randrange(NAMES)}"
            try:
                self._one(n, name)
            except (RuntimeError, TimeoutError) as e:
                if "NOT_FOUND" not in str(e):
                    self.failed.append(str(e))
                    continue
            self.taken.append((time.monotonic() - due) * 1000)  # from when it should have begun

    def _one(self, n, name):
        if n % 10 < 5:
            self.side.deploy(name, n)
        elif n % 10 < 9:
            self.side.get(name)
        else:
            self.side.delete(name)


def cluster_pids(cluster):
    """Of its processes, by the files that it keeps them in."""
    pids = [int(f.read_text()) for f in cluster.dir.glob("**/*.pid")]
    return pids + [c for p in pids for c in procs.children(p)]


HEAD = ("operation", "kubectl p50", "p99", "agent p50", "p99", "ratio p50", "p99", "server p50", "p99")


def rows(samples):
    for what in (*WHAT, "all deploys"):
        cells = [f"{samples.at(who, what, q):.1f} ms" for who in ("kubectl", "agent") for q in (0.5, 0.99)]
        cells += [f"{samples.ratio(what, q):.3f}" for q in (0.5, 0.99)]
        yield (what, *cells, *(f"{quantile(samples.server[what], q):.0f} ms" for q in (0.5, 0.99)))


def table(samples, held, deltas, markdown):
    lines = [HEAD, *rows(samples)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
    print("\n" + "\n".join("  ".join(c.ljust(w) for c, w in zip(line, widths)).rstrip() for line in lines))
    print("server: of the agent's time, what it waited for the API server")
    print(held)
    print(deltas)
    if markdown:
        text = ["| " + " | ".join(line) + " |" for line in lines]
        text.insert(1, "|" + "---|" * len(HEAD))
        pathlib.Path(markdown).write_text("\n".join(text) + f"\n\n{held}; {deltas}.\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="smaller and shorter: the shape of it, not the figures")
    parser.add_argument("--rounds", type=int, help="of each operation by both (200; short: 20)")
    parser.add_argument("--rate", type=int, default=RATE, help=f"operations a second to be held ({RATE})")
    parser.add_argument("--markdown", help="file for the table, as Markdown")
    args = parser.parse_args()
    rounds, seconds = args.rounds or (20 if args.short else 200), 10 if args.short else 60
    scratch = paths.Scratch("operations")
    agent = cluster = None
    try:
        cluster = Cluster(scratch.path, "real", minimal=True, api_flags=FLAGS)
        agent = ByAgent(scratch.path, cluster)
        sides = [ByKubectl(cluster), agent]
        for side in sides:  # what only the first has to read: discovery, schemas
            side.deploy(f"{side.name}-first", 1)
            side.delete(f"{side.name}-first")
        samples = side_by_side(sides, rounds)
        deltas = beside_deltas(agent, cluster, 5 * rounds)
        load = Held(agent, args.rate, seconds)
        pids = {"the agent's": agent.agent.pids(), "the API server's": cluster_pids(cluster),
                "who asks and the other side's": [os.getpid(), agent.peer.process.pid]}
        cpu = {who: procs.cpu_seconds(p) for who, p in pids.items()}
        per_s = load.run()
        cpu = {who: (procs.cpu_seconds(p) - cpu[who]) / len(load.taken) * 1e6 for who, p in pids.items()}
        held = (f"held for {seconds} s: {per_s:.0f} of {args.rate} a second, p50 {statistics.median(load.taken):.1f} ms, "
                f"p99 {quantile(load.taken, 0.99):.1f} ms, {len(load.failed)} failed; processor time of each: "
                + ", ".join(f"{who} {us:.0f} us" for who, us in cpu.items()))
        for text in sorted(set(load.failed))[:5]:
            print(f"failed: {text}")
    finally:
        if agent:
            agent.close()
        if cluster:
            cluster.purge()
        scratch.close()
    table(samples, held, deltas, args.markdown)
    print(f"deploy_p50_ratio={samples.ratio('all deploys', 0.5):.3f} deploy_p99_ratio={samples.ratio('all deploys', 0.99):.3f} held_per_s={per_s:.0f}")
    sys.exit(1 if load.failed else 0)


if __name__ == "__main__":
    main()
