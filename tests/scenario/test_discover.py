# SPDX-License-Identifier: Apache-2.0
"""scale-agentctl discover --account: what is followed, what is not and why, on the way from the API server to
the user's eyes."""
import json
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from fleet import LONG, Fleet, paths, wait_for, write_account  # noqa: E402


class Discover(unittest.TestCase):
    def ask(self, f, *arguments, code=0):
        r = subprocess.run([str(paths.program("scale-agentctl")), "-s", str(f.agent.runtime / "control.sock"), "discover", *arguments],
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
        self.assertEqual(r.returncode, code, r.stdout)
        return r.stdout

    def plan(self, f, name):
        answer = json.loads(self.ask(f, "--account", name, "-o", "json"))
        self.assertEqual((answer["account"], answer["left_off"]), (name, 0))
        rows = {(r["resource"] or r["kind"], r["group"], r["namespace"]): r for r in answer["resources"]}
        self.assertEqual(len(rows), len(answer["resources"]))
        return answer, rows

    def test_what_an_account_follows_and_what_not(self):
        with Fleet(2) as f:
            kubeconfig = next(k for k in f.sim.kubeconfigs() if k.stem == f.bad[0])
            write_account(f.sim.accounts, f.bad[0], kubeconfig, kinds=["pods", "configMap", "deployment", "farms.example.com"])
            f.sim.post("/fault", cluster=1, type="403", resource="deployments")
            f.start(good_only=True)
            wait_for("a degraded account", lambda: f.status(f.bad[0])["state"] == "degraded", LONG)
            answer, rows = self.plan(f, f.bad[0])
            self.assertEqual(answer["state"], "degraded")
            self.assertIn("403", answer["last_error"])
            there = next(iter(f.sim.state(1).values()))
            for resource, kind in (("pods", "Pod"), ("configmaps", "ConfigMap")):
                row = rows[resource, "", ""]
                self.assertEqual((row["state"], row["version"], row["kind"], row["namespaced"], row["why"]), ("in step", "v1", kind, True, ""))
                self.assertEqual(row["objects"], sum(k[0] == kind for k in there))
                self.assertGreater(row["objects"], 0)
            self.assertEqual(rows["deployments", "apps", ""]["state"], "forbidden")
            self.assertRegex(rows["deployments", "apps", ""]["why"], "^403 for [0-9]+ s")
            self.assertEqual(rows["farms.example.com", "", ""]["state"], "not served")
            self.assertEqual((rows["services", "", ""]["state"], rows["services", "", ""]["why"]), ("omitted", "kinds does not name it"))
            followed = [r for r in answer["resources"] if r["state"] != "omitted"]
            self.assertEqual(answer["resources"][:len(followed)], followed, "what is followed comes first")
            table = self.ask(f, "--account", f.bad[0])
            self.assertRegex(table, r"(?m)^deployments\.apps +v1 +all +forbidden +0 +403 for")
            self.assertRegex(table, r"(?m)^services +v1 +all +omitted +- +kinds does not name it")
            self.assertRegex(table.splitlines()[0], f"^{f.bad[0]}: degraded; last error: ")
            _, rows = self.plan(f, f.good)
            self.assertEqual({r["state"] for r in rows.values()} - {"omitted"}, {"in step"})
            self.assertEqual(sum(r["state"] == "in step" for r in rows.values()), f.status(f.good)["scopes"])

    def test_accounts_that_can_t_be_asked(self):
        with Fleet(1) as f:
            f.start(good_only=True)
            self.assertIn("there is no account nobody", self.ask(f, "--account", "nobody", code=1))
            f.ctl("pause", f.good)
            wait_for("paused", lambda: f.status(f.good)["state"] == "paused")
            self.assertIn("no worker that could be asked: paused", self.ask(f, "--account", f.good, code=1))


if __name__ == "__main__":
    unittest.main()
