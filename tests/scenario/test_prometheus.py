# SPDX-License-Identifier: Apache-2.0
"""What the exporter serves, the alert rules and the dashboard, judged by Prometheus' own tool; and no rule or panel
names a metric that the exporter does not serve."""
import json
import os
import pathlib
import re
import subprocess
import sys
import unittest
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
from fleet import Fleet  # noqa: E402
from rig.harness import paths  # noqa: E402
from rig.harness.procs import free_port  # noqa: E402

GRAFANA = paths.ROOT / "packaging" / "grafana"
NAME = re.compile(r"\b(?:scale_agent|kubesvc)_[a-z0-9_]+")


def promtool(*args, stdin=None):
    try:
        program = paths.shell("bash", paths.ROOT / "scripts/lib/promtool.sh")
    except paths.Missing as e:
        raise unittest.SkipTest(str(e)) from None
    r = subprocess.run([program, *args], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=GRAFANA,
                       timeout=60)
    return r.returncode, r.stdout


class Rules(unittest.TestCase):
    def test_rules(self):
        self.assertEqual(promtool("check", "rules", "alerts.yml")[0], 0)
        code, said = promtool("test", "rules", "alerts_test.yml")
        self.assertEqual(code, 0, said)

    def test_each_alert_is_tested(self):
        alerts = set(re.findall(r"- alert: (\w+)", (GRAFANA / "alerts.yml").read_text()))
        tested = set(re.findall(r"alertname: (\w+)", (GRAFANA / "alerts_test.yml").read_text()))
        self.assertEqual(alerts, tested)

    def test_what_they_tell_to_do_can_be_done(self):
        named = set(re.findall(r"`scale-agentctl ([^`]+)`", (GRAFANA / "alerts.yml").read_text()))
        self.assertGreater(len(named), 1)
        for command in named:
            words = command.replace("{{ $labels.account }}", "a").split()
            r = subprocess.run([paths.program("ctl/scale-agentctl"), "-s", "/nonexistent", *words], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=60)
            self.assertNotEqual(r.returncode, 2, f"{command}: {r.stderr}")  # 2: the command line is wrong


class Metrics(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        port = free_port()
        fleet = Fleet(2, config={"prometheus": {"enabled": True, "port": port, "host": "127.0.0.1"}})
        with fleet:
            fleet.agent.start()
            fleet.agent.wait_streaming(fleet.sim.names())
            # An end by kill, so that ends are counted.
            fleet.agent.ask(f"restart {fleet.good}")
            fleet.agent.wait_streaming(fleet.sim.names())
            fleet.ctl("op", fleet.good, "get", "pod", "nobody", "-n", "default")
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as r:
                cls.text = r.read().decode()
        cls.names = set(re.findall(r"^# TYPE (\S+)", cls.text, re.M))

    def test_promtool_finds_nothing_wrong(self):
        code, said = promtool("check", "metrics", stdin=self.text)
        # Names that dashboards for Armory's agent know stay as they were given.
        ours = [line for line in said.splitlines() if line and not line.startswith("kubesvc_")]
        self.assertEqual(ours, [])
        self.assertIn(code, (0, 3))

    def test_rules_and_panels_name_what_is_served(self):
        self.assertIn("scale_agent_uplink_connected", self.names)
        dashboard = json.loads((GRAFANA / "dashboard.json").read_text())
        queries = [t["expr"] for p in dashboard["panels"] for t in p["targets"]]
        self.assertGreater(len(queries), 15)
        for text in (*queries, *re.findall(r"expr: (.*)", (GRAFANA / "alerts.yml").read_text())):
            for name in NAME.findall(text):
                self.assertTrue({name, re.sub("_(bucket|sum|count)$", "", name)} & self.names, f"{name} in {text}")

    def test_operations_are_counted(self):
        account = r'scale_agent_operation(?:s_total|_duration_seconds_(?:count|bucket))\{account="[^"]+",verb="get"'
        self.assertRegex(self.text, account + r',result="not_found"\} 1\n')
        self.assertRegex(self.text, account + r'\} 1\n')
        self.assertRegex(self.text, account + r',le="\+Inf"\} 1\n')

    def test_the_reference_names_what_is_served(self):
        """SA_UPDATE=1 writes it anew."""
        page = paths.ROOT / "docs" / "reference" / "metrics.md"
        kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)", self.text, re.M))
        rows = [f"| `{name}` | {kinds[name]} | {help} |" for name, help in re.findall(r"^# HELP (\S+) (.*)", self.text, re.M)]
        before, end = page.read_text().split("|---|---|---|\n")[0], "|---|---|---|\n"
        if os.environ.get("SA_UPDATE"):
            page.write_text(before + end + "\n".join(rows) + "\n")
        self.assertEqual(page.read_text(), before + end + "\n".join(rows) + "\n")


if __name__ == "__main__":
    unittest.main()
