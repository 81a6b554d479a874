# SPDX-License-Identifier: Apache-2.0
"""The documents agree with the tree: links lead somewhere, each block of code is known (plans.py), and what they show of
settings, values, commands and endpoints is there. What is to be done by hand is followed by the suite packages."""
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import yaml

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent), str(pathlib.Path(__file__).resolve().parents[1])]
import markdown  # noqa: E402
import plans  # noqa: E402
from rig.harness import paths  # noqa: E402

ROOT = markdown.ROOT
PLUGIN = ROOT / "plugin/scale-agent-plugin/src/main"
# What a pattern of a path in the plugin stands for, and names that stand for something in the documents
ANY = re.compile(r"\{[^}]*\}")


def followed(name):
    """Whether its commands are there to be followed, so that plans.py has to have them."""
    return name == "README.md" or name.startswith(("docs/how-to/", "docs/tutorial/"))


def planned(kind):
    """(block, plan) of all that are of this kind."""
    for name, document in plans.PLANS.items():
        for block, plan in zip(markdown.parse(name)[0], document.blocks):
            if plan.kind == kind:
                text = block.text
                for old, new in plan.replace.items():
                    text = text.replace(old, new)
                yield block, text


def leaves(value, path=""):
    """a.b.c of each setting; what a list holds is as if it were in its place."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield from leaves(below, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and any(isinstance(v, dict) for v in value):
        for below in value:
            yield from leaves(below, path)
    else:
        yield path


class Docs(unittest.TestCase):
    def check_config(self, block, settings, accounts):
        with tempfile.TemporaryDirectory() as d:
            work = pathlib.Path(d)
            (work / "accounts").mkdir()
            (work / "agent.yml").write_text(settings)
            (work / "accounts/a.yml").write_text(accounts)
            r = subprocess.run([paths.program("scale-agentd"), "--check", "--config", work / "agent.yml", "--accounts", work / "accounts"],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            # Files that it names are not here.
            said = [line for line in r.stdout.splitlines() if "does not exist" not in line and ": error:" in line]
            self.assertEqual(said, [], f"{block}\n{r.stdout}")
            self.assertNotIn("nknown", r.stdout, block)

    def test_links_lead_somewhere(self):
        names = markdown.files()
        self.assertGreater(sum(len(list(markdown.links(n))) for n in names), 50)
        self.assertEqual(markdown.broken_links(names), [])

    def test_broken_links_are_found(self):
        with tempfile.NamedTemporaryFile("w", suffix=".md", dir=ROOT / "docs") as f:
            f.write("# A `b` c!\n\n[a](no.md), [b](../README.md#try-it), [c](../README.md#nothing),\n[d](#a-b-c) [e](#a) `[f](g.md)`\n\n    [h](i.md)\n")
            f.flush()
            name = f"docs/{pathlib.Path(f.name).name}"
            self.assertEqual([w.split(": ", 1)[1] for w in markdown.broken_links([name])],
                             ["no.md: there is no such file", "../README.md#nothing: there is no such heading", "#a: there is no such heading"])

    def test_blocks_are_found(self):
        text = "a\n\n    b\n      c\n\n    d\n1. e\n\n       f\n\n   g\n     h\n\nk\n    l\n\n```\nm\n```\n"
        self.assertEqual([(b.line, b.text) for b in markdown.parse("x.md", text)[0]], [(3, "b\n  c"), (6, "d"), (9, "f"), (18, "m")])

    def test_each_block_is_known(self):
        wrong = []
        for name in filter(followed, markdown.files()):
            blocks = markdown.parse(name)[0]
            known = plans.PLANS[name].blocks if name in plans.PLANS else []
            for i, block in enumerate(blocks):
                if i >= len(known) or not block.text.startswith(known[i].first):
                    wrong.append(f"{block}: tests/docs/plans.py does not say what becomes of it"
                                 f"{' (it has: ' + known[i].first + ')' if i < len(known) else ''}")
                    break
            if len(known) > len(blocks):
                wrong.append(f"{name}: tests/docs/plans.py has '{known[len(blocks)].first}', which is not there")
        self.assertEqual(wrong, [])
        self.assertEqual([n for n in plans.PLANS if n not in markdown.files()], [])

    def test_each_plan_means_a_line(self):
        for name, document in plans.PLANS.items():
            for block, plan in zip(markdown.parse(name)[0], document.blocks):
                for line in (*plan.without, *plan.endless, *plan.background, *plan.says):
                    self.assertTrue(any(has.startswith(line) for has in block.text.splitlines()), f"{block}: '{line}' is not there")
                self.assertTrue(plan.why or plan.kind not in ("shown", "left"), f"{block}: why not?")

    def test_settings_are_valid(self):
        for block, text in planned("agent"):
            self.check_config(block, text, "")
        for block, text in planned("account"):
            more = "" if re.search(r"^name:", text, re.M) else "name: a\nkubeconfigFile: /nowhere\n"
            self.check_config(block, "{}\n", more + text + "\n")

    def test_settings_of_the_plugin_are_documented(self):
        reference = "".join((ROOT / f"docs/reference/{n}.md").read_text() for n in ("plugin-settings", "plugin-connections"))
        for block, text in planned("plugin"):
            for leaf in leaves(yaml.safe_load(text)):
                short = re.sub(r"^kubesvc\.grpc\.", "", leaf)
                names = {leaf, short, "." + short.rsplit(".", 1)[-1], short.rsplit(".", 1)[0], short.rsplit(".", 1)[-1]}
                self.assertTrue(any(f"`{n}`" in reference for n in names), f"{block}: {leaf} is not in the reference")

    def test_values_are_in_the_schema(self):
        chart = json.loads((ROOT / "packaging/kubernetes/helm/scale-agent/values.schema.json").read_text())

        def check(block, value, schema, path):
            if isinstance(value, dict) and "properties" in schema:
                for key, below in value.items():
                    self.assertIn(key, schema["properties"], f"{block}: {path}")
                    check(block, below, schema["properties"][key], f"{path}.{key}")
            for item in value if isinstance(value, list) else ():
                check(block, item, schema.get("items", {}), path)
        for block, text in planned("values"):
            check(block, yaml.safe_load(text), chart, "")

    def test_endpoints_are_there(self):
        mapped = [p for java in (PLUGIN / "java").rglob("*.java") for line in java.read_text().splitlines() if "Mapping(" in line
                  for p in re.findall(r'"(/[^"]*)"', line)]
        patterns = [re.compile(ANY.sub("[^/]+", p)) for p in mapped]
        self.assertGreater(len(patterns), 5)
        for block, text in planned("calls"):
            for path in re.findall(r"CLOUDDRIVER:7002(/\S*)", text):
                self.assertTrue(any(p.fullmatch(path) for p in patterns), f"{block}: the plugin has no {path}")

    def test_the_tables_to_drop_are_those_that_are_made(self):
        made = set(re.findall(r"createTable:\s+tableName: (\w+)", (PLUGIN / "resources/io/scaleagent/clouddriver/store/changelog.yml").read_text()))
        statement = re.search(r"DROP TABLE IF EXISTS ([^;]*);", (ROOT / "docs/how-to/uninstall.md").read_text()).group(1)
        named = {n for n in re.split(r"[,\s]+", statement) if not n.startswith("SCALE_AGENT_CHANGELOG")}
        self.assertEqual(named, made)

    def test_commands_are_there(self):
        helped = subprocess.run([paths.program("scale-agentctl"), "--help"], stdout=subprocess.PIPE, text=True, check=True).stdout
        commands = set(re.findall(r"^  ([a-z][a-z-]+)", helped, re.M))
        self.assertGreater(len(commands), 10)
        wrong = []
        for name in markdown.files():
            for number, line in enumerate((ROOT / name).read_text().splitlines(), 1):
                for command in re.findall(r"(?:`|sudo |build/ctl/|&& |^ *)scale-agentctl ([a-z][a-z-]+)", line):
                    if command not in commands:
                        wrong.append(f"{name}:{number}: scale-agentctl {command}")
        self.assertEqual(wrong, [])


if __name__ == "__main__":
    unittest.main()
