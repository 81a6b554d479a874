# SPDX-License-Identifier: Apache-2.0
"""What nobody should send, to a real Clouddriver: bodies that are no manifests, messages that are too large, two agents
of one id, and names with whatever Kubernetes allows. Each costs itself alone, and is said."""
import json
import unittest
import urllib.parse

from ops import APP, BESIDE, SPACE, Operations, config_map, names
from rig.harness.agent import Agent, write_account
from rig.harness.procs import wait_for
from world import STREAMED

try:
    from foreign import PODS, Ended, ForeignAgent
    MISSING = None
except ImportError as e:  # Debian's python3-grpcio
    MISSING = str(e)

FOREIGN = "foreign"
# RBAC takes any name that can be a part of a path: all but "/", "%", "." and "..".
NAMES = ("a:b", "system:node:x", "A.b_c", "two words", " edges ", "\u00fcn\u00efc\u00f6d\u00e9", "\u65e5\u672c", "\U0001f600",
         "'quo\"ted'", "back\\slash", "a,b=c", "(x)", "*", "?", "[x]", "#", "&amp;", "<b>", "$(id)", "`id`", "{{x}}", "line\nbreak", "tab\tbed", "...", "-", "_",
         "--force", "null", "0", "true", "'; drop table x; --", "x" * 253)
DEEP = 100_000


def pod(name, **more):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"}, **more}


def with_metadata(name, **more):
    return json.dumps(pod(name, metadata={"name": name, "namespace": "default", **more})).encode()


# {name: body} of what is sent as the pod of that name.
BODIES = {
    "nothing": b"",
    "words": b"not json",
    "bytes": b"\xff\xfe\x00\x01",
    "null": b"null",
    "list": b"[]",
    "text": b'"text"',
    "number": b"7",
    "empty": b"{}",
    "half": json.dumps(pod("half")).encode()[:-3],
    "two": json.dumps(pod("two")).encode() * 2,
    "no-metadata": b'{"apiVersion":"v1","kind":"Pod"}',
    "null-metadata": b'{"apiVersion":"v1","kind":"Pod","metadata":null}',
    "text-metadata": b'{"apiVersion":"v1","kind":"Pod","metadata":"x"}',
    "no-kind": b'{"apiVersion":"v1","metadata":{"name":"no-kind","namespace":"default"}}',
    "number-kind": json.dumps(pod("number-kind", kind=7)).encode(),
    "other-kind": json.dumps(pod("other-kind", kind="Service")).encode(),
    "no-version": b'{"kind":"Pod","metadata":{"name":"no-version","namespace":"default"}}',
    "another": json.dumps(pod("other")).encode(),
    "list-annotations": with_metadata("list-annotations", annotations=["x"]),
    "text-annotations": with_metadata("text-annotations", annotations="x"),
    "number-annotation": with_metadata("number-annotation", annotations={"moniker.spinnaker.io/application": 7}),
    "object-label": with_metadata("object-label", labels={"app": {"a": "b"}}),
    "text-owner": with_metadata("text-owner", ownerReferences="x"),
    "null-owner": with_metadata("null-owner", ownerReferences=[None]),
    "empty-owner": with_metadata("empty-owner", ownerReferences=[{}]),
    "object-time": with_metadata("object-time", creationTimestamp={}),
    "number-spec": json.dumps(pod("number-spec", spec=7)).encode(),
    "text-containers": json.dumps(pod("text-containers", spec={"containers": "x"})).encode(),
    "list-status": json.dumps(pod("list-status", status=[1])).encode(),
    "large-number": json.dumps(pod("large-number", spec={"n": 0})).encode().replace(b"0}", b"1e99999}"),
    "surrogate": json.dumps(pod("surrogate", spec={"text": "\ud800"})).encode(),
    "deep": json.dumps(pod("deep", spec="@")).encode().replace(b'"@"', b'{"a":' * DEEP + b"1" + b"}" * DEEP),
    "deep-list": json.dumps(pod("deep-list", spec="@")).encode().replace(b'"@"', b"[" * DEEP + b"]" * DEEP),
}
# What no row can come of, whatever else is taken as it is.
NO_ROW = ("nothing", "words", "bytes", "null", "list", "text", "number", "empty", "half", "two", "no-metadata", "null-metadata",
          "text-metadata", "no-kind", "number-kind", "other-kind", "another", "deep", "deep-list")


class BadInput(Operations):
    def untouched(self):
        """A change in the agent's own account is in its row."""
        BadInput.changes = getattr(BadInput, "changes", 0) + 1
        name = f"untouched-{self.changes}"
        self.api("POST", f"/api/v1/namespaces/{SPACE}/configmaps", config_map(name, a="1"))
        self.wait("a change of another agent", lambda: self.row_of(BESIDE, "configMap", name), 120)
        self.assertEqual(self.agent.states().get(STREAMED), "streaming")

    def row_of(self, account, kind, name):
        return name in self.rows_of(account, kind)

    def rows_of(self, account, kind, namespace=None):
        """Names in the manifests of an account's rows."""
        found = [json.loads(body)["attributes"]["manifest"]["metadata"] for (body,) in self.db.sql(
            f"SELECT body FROM cats_v1_{kind} WHERE agent LIKE '{account}/%'")]
        return {m["name"] for m in found if namespace in (None, m.get("namespace"))}

    def roles(self, expected):
        """Waits for the rows to be those."""
        found = set()

        def equal():
            found.clear()
            found.update(self.rows_of(BESIDE, "role", SPACE))
            return found == set(expected)
        try:
            wait_for("the rows of roles", equal, 120, 0.2)
        except TimeoutError as e:
            self.fail(f"{e}: {found ^ set(expected)}")

    def logged(self, *words):
        return self.wait(f"in Clouddriver's log: {words}", lambda: any(
            all(w in line for w in words)
            for line in self.clouddriver.process.log.read_text(errors="replace").splitlines()), 120)

    def foreign(self, agent_id, account=FOREIGN):
        if MISSING:
            raise unittest.SkipTest(MISSING)
        agent = ForeignAgent(self.clouddriver.grpc, agent_id, account)
        self.addCleanup(agent.close)
        return agent

    # ---- what is no manifest ----

    def test_bodies_that_are_no_manifests(self):
        agent = self.foreign("manifests").open()
        for name, body in BODIES.items():
            agent.acked(agent.put(f"before-{name}", json.dumps(pod(f"before-{name}")).encode()))
            agent.put_large(name, body)
        agent.acked(agent.put("last", json.dumps(pod("last")).encode()))
        good = {f"before-{name}" for name in BODIES} | {"last"}
        rows = self.rows_of(FOREIGN, "pod")
        self.assertEqual(good - rows, set())
        self.assertEqual(rows - good - set(BODIES), set())
        self.assertEqual(rows & set(NO_ROW), set())
        for name in NO_ROW:
            self.logged("scaleagent", f"Account {FOREIGN}: Pod default/{name} is not cached")
        for path in ("/applications", f"/search?q=before&type=pod&account={FOREIGN}", f"/instances/{FOREIGN}/default/pod%20last"):
            status, said = self.clouddriver.ask("GET", path)
            self.assertEqual(status, 200, (path, said))
        # The same names, as they should be.
        for name in BODIES:
            agent.put(name, json.dumps(pod(name)).encode())
        agent.acked(agent.sequence)
        self.assertEqual(self.rows_of(FOREIGN, "pod"), good | set(BODIES))
        self.untouched()

    # ---- streams ----

    def test_a_message_that_is_too_large(self):
        agent = self.foreign("large", "large").open()
        agent.send(b"\x12" + b"\xff\xff\xff\x04" + b"x" * (10 << 20))
        with self.assertRaises(Ended) as ended:
            agent.next("nothing")
        # Whoever is still sending may hear of the reset before the status.
        self.assertIn(ended.exception.code.name, ("RESOURCE_EXHAUSTED", "CANCELLED"), ended.exception)
        self.logged("RESOURCE_EXHAUSTED: gRPC message exceeds maximum size 4194304")
        self.logged("agent large", "is gone")
        self.untouched()

    def test_the_name_of_an_account_that_is_another_cluster(self):
        agent = self.foreign("thief", STREAMED)
        with self.assertRaises(AssertionError) as refused:
            agent.open(PODS)
        self.assertIn("NAME_IN_USE", str(refused.exception))
        self.logged("account streamed of agent thief", "NAME_IN_USE")
        self.untouched()

    def test_two_agents_of_one_id(self):
        """They take turns, both sides say so, and what the one has is not taken away because the other lacks it."""
        accounts = self.scratch.path / "twins"
        write_account(accounts, "twin", self.cluster.kubeconfig, kinds=["configMap", "namespace"])
        mine = self.clouddriver.get("/armory/agents")[0]["agentId"]
        before = self.rows_of(BESIDE, "configMap")
        self.assertTrue(before)
        twin = Agent(self.scratch.path / "twin", accounts, "grpc", self.clouddriver.grpc, {"agentId": mine}).start()
        try:
            twin.wait_streaming(["twin"])
            self.logged("the same id", mine)
            self.wait("the agent says it", lambda: "another agent with this agentId took over" in
                      self.agent.process.log.read_text(errors="replace"), 120)
            self.wait("the rows of the one", lambda: self.rows_of("twin", "configMap") == before, 120)
            self.assertEqual(self.rows_of(BESIDE, "configMap"), before, "the rows of the other")
            # It is back after its time, and the other one stands back.
            self.agent.wait_streaming([STREAMED, BESIDE], 120)
            self.assertEqual(self.rows_of("twin", "configMap"), before)
        finally:
            twin.close()
        self.agent.wait_streaming([STREAMED, BESIDE], 120)
        self.untouched()

    # ---- names ----

    def role(self, name, verb="get"):
        return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": name, "namespace": SPACE},
                "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": [verb]}]}

    def test_names(self):
        path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{SPACE}/roles"
        for name in NAMES:
            self.api("POST", path, self.role(name))
        self.roles(NAMES)
        for name in NAMES[::2]:
            self.api("DELETE", f"{path}/{urllib.parse.quote(name, safe='')}")
        self.roles(NAMES[1::2])
        # A restart finds them as they were.
        self.agent.stop()
        self.agent.start()
        self.agent.wait_streaming([STREAMED, BESIDE])
        self.api("POST", path, self.role("one more"))
        self.roles([*NAMES[1::2], "one more"])
        for name in [*NAMES[1::2], "one more"]:
            self.api("DELETE", f"{path}/{urllib.parse.quote(name, safe='')}")
        self.roles([])

    def test_operations_on_such_names(self):
        for name in ("op:a:b", "Op.b_c", "op\u00fc\u65e5", "op'quo\"ted'", "op,b=c", "op*", "op$(id)`id`", "--op-force"):
            self.assertEqual(names(self.deploy(self.role(name))), [f"role {name}"])
            self.assertEqual(self.object("roles", name)["rules"][0]["verbs"], ["get"])
            self.deploy(self.role(name, "list"))
            self.assertEqual(self.object("roles", name)["rules"][0]["verbs"], ["list"])
            self.do(deleteManifest=self.on(f"role {name}"))
            self.assertIsNone(self.object("roles", name))

    def test_names_that_are_none(self):
        for name in ("../../secrets/x", "a%2fb", ".."):
            said = self.fail_to(deployManifest={"source": "text", "moniker": {"app": APP}, "manifests": [self.role(name)]})
            self.assertIn(f'invalid resource name "{name}": [may not', said)


if __name__ == "__main__":
    unittest.main()
