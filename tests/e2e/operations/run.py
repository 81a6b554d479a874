#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Operations, compared: each case is done twice on a real API server, by kubectl and by the agent, in two namespaces.
Ends with a line of counts; status 1 if a difference is not explained (explained.yml), or an explanation fits nothing."""
import argparse
import collections
import concurrent.futures
import json
import pathlib
import re
import sys
import time
import traceback

import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

import generate  # noqa: E402
import table  # noqa: E402
import wrong  # noqa: E402
from bout import Bout  # noqa: E402
from compare import shown  # noqa: E402
from kubectl import Kubectl  # noqa: E402
from rig.harness import paths  # noqa: E402
from world import World  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
DOCUMENT = paths.ROOT / "docs" / "reference" / "operations.md"


class Explanations:
    """Differences that are kept: explained.yml, each with its reason in the reference."""

    def __init__(self):
        listed = yaml.safe_load((HERE / "explained.yml").read_text())
        self.rows = listed.get("explained") or []
        self.used = collections.Counter()

    def explain(self, case, found):
        """The titles of what explains all of it; None if something is left."""
        titles = []
        for path, a, b in found:
            row = next((r for r in self.rows if re.fullmatch(r["case"], case.name) and re.search(r["differs"], f"{path}: {shown(a)} -> {shown(b)}")), None)
            if row is None:
                return None
            titles.append(row["title"])
        self.used.update(set(titles))
        return titles

    def mistakes(self, names):
        """What is wrong with the list itself, when all cases of these names have run."""
        text = DOCUMENT.read_text() if DOCUMENT.exists() else ""
        for row in self.rows:
            if not any(re.fullmatch(row["case"], n) for n in names):
                yield f"explained.yml: {row['title']}: there is no case {row['case']}"
            elif not self.used[row["title"]]:
                yield f"explained.yml: {row['title']}: nothing differs there any more"
            if row["title"] not in text:
                yield f"explained.yml: {row['title']}: {DOCUMENT.name} does not name it"


class Run:
    def __init__(self, options):
        self.options = options
        self.scratch = paths.Scratch("operations")
        self.worlds, self.others = {}, {}
        self.results = []  # (case, what differs or None, what went wrong)

    def prepare(self, names):
        for name in names:  # one after the other: free ports are looked for
            self.worlds[name] = World(self.scratch.path, name)
        if self.options.against == "agent":
            from agent import Ours
            self.ours = Ours(self.scratch.path, self.worlds, self.options.on_host)
            self.others = {n: self.ours.runner(n) for n in names}
        else:
            kind = {"kubectl": Kubectl, **{k.name: k for k in wrong.CAUGHT}}[self.options.against]
            self.others = {n: kind(w) for n, w in self.worlds.items()}

    def one(self, case, other=None):
        """(what differs, what went wrong). Where a node has lost its address, which happens to one that has no processor
        time for long, the API server can't reach logs, whoever asks: the case is done again."""
        for _ in range(5):
            found, error = self.once(case, other)
            if "no preferred addresses found" not in f"{found} {error}":
                break
            self.worlds[case.world].wait_for_addresses()
        return found, error

    def once(self, case, other):
        world = self.worlds[case.world]
        try:
            return Bout(world, case, Kubectl(world), other or self.others[case.world]).run(), None
        except table.Mistake as e:
            return None, str(e)
        except Exception:  # noqa: BLE001
            return None, traceback.format_exc()

    def all(self, cases):
        with concurrent.futures.ThreadPoolExecutor(self.options.jobs) as pool:
            began = {}

            def timed(case):
                began[case.name] = time.monotonic()
                result = self.one(case)
                return case, result, time.monotonic() - began[case.name]
            # The longest first: they wait more than they work.
            order = sorted(cases, key=lambda c: c.world != "live")
            for case, (found, error), took in pool.map(timed, order):
                self.results.append((case, found, error, took))

    def proof(self, cases):
        """Each wrong runner is caught at each of its cases; lines about those that were not."""
        by_name = {c.name: c for c in cases}
        jobs = []
        for kind, names in wrong.CAUGHT.items():
            for name in names:
                if name not in by_name:
                    yield f"{kind.name}: there is no case {name}"
                elif by_name[name].world in self.worlds:
                    jobs.append((kind, by_name[name]))
        with concurrent.futures.ThreadPoolExecutor(self.options.jobs) as pool:
            for (kind, case), (found, error) in zip(jobs, pool.map(lambda j: self.one(j[1], j[0](self.worlds[j[1].world])), jobs)):
                if error:
                    yield f"{kind.name} at {case.name}: {error}"
                elif not found:
                    yield f"{kind.name} is not caught at {case.name}"

    def close(self):
        if getattr(self, "ours", None):
            self.ours.close()
        for world in self.worlds.values():
            world.close()
        self.scratch.close()


def chosen(options):
    cases = table.read_all() + generate.cases(options.seed, options.generated)
    twice = [n for n, count in collections.Counter(c.name for c in cases).items() if count > 1]
    if twice:
        raise table.Mistake(f"cases of one name: {twice}")
    return [c for c in cases if (not options.case or re.search(options.case, c.name)) and (not options.file or c.file in options.file)]


def report(run, explanations, whole):
    """Prints what differs; (equal, explained, wrong)."""
    equal = explained = bad = 0
    for case, found, error, took in sorted(run.results, key=lambda r: (r[0].file, r[0].name)):
        title = f"{case.file}: {case.name}"
        if error:
            bad += 1
            print(f"WRONG {title}\n    {error}")
            continue
        if not found:
            equal += 1
            continue
        reasons = explanations.explain(case, found)
        if reasons is not None:
            explained += 1
            print(f"explained {title}: {', '.join(sorted(set(reasons)))}")
            continue
        bad += 1
        print(f"DIFFERS {title}")
        for path, a, b in found[:8]:
            print(f"    {path}\n        kubectl: {shown(a)}\n        {run.options.against + ':':8} {shown(b)}")
        if len(found) > 8:
            print(f"    ... {len(found)} in all")
    if whole:
        for line in explanations.mistakes({r[0].name for r in run.results}):
            bad += 1
            print(line)
    return equal, explained, bad


def parse():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--case", help="only cases whose names this pattern is found in")
    p.add_argument("--file", action="append", help="only cases of this table (generated: those of the generator)")
    p.add_argument("--against", default="agent", choices=["agent", "kubectl", *(k.name for k in wrong.CAUGHT)],
                   help="who is compared with kubectl (agent); kubectl itself must be equal, the others must not")
    p.add_argument("--on-host", action="store_true", help="the agent is asked as scale-agentctl does, not by the peer's stream")
    p.add_argument("--jobs", type=int, default=4, help="cases at once")
    p.add_argument("--seed", type=int, default=1, help="of the generated cases")
    p.add_argument("--generated", type=int, default=150, metavar="N", help="how many are generated")
    p.add_argument("--proof", action="store_true", help="whether wrong runners are caught; without it, when all cases run")
    p.add_argument("--times", action="store_true", help="what the longest cases took")
    p.add_argument("--pairs", metavar="FILE", help="the counts are added here as well")
    p.add_argument("--report", metavar="FILE", help="what differs, as JSON")
    return p.parse_args()


def main():
    options = parse()
    cases = chosen(options)
    if options.against != "agent":
        cases = [c for c in cases if c.judge == "kubectl"]
    whole = not options.case and not options.file and options.against == "agent"
    run = Run(options)
    began = time.monotonic()
    try:
        run.prepare(sorted({c.world for c in cases}))
        ready = time.monotonic()
        run.all(cases)
        unseen = list(run.proof(cases)) if whole or options.proof else []
    finally:
        run.close()
    equal, explained, bad = report(run, Explanations(), whole)
    for line in unseen:
        print(f"NOT CAUGHT {line}")
    if options.times:
        for case, _, _, took in sorted(run.results, key=lambda r: -r[3])[:15]:
            print(f"{took:6.1f} s  {case.file}: {case.name}")
        print(f"prepared in {ready - began:.0f} s, all in {time.monotonic() - began:.0f} s")
    if options.report:
        pathlib.Path(options.report).write_text(json.dumps([
            {"case": c.name, "file": c.file, "error": e, "differs": [(p, shown(a), shown(b)) for p, a, b in f or []]}
            for c, f, e, _ in run.results], indent=1))
    pairs = f"cases={len(cases)} equal={equal} explained={explained}"
    print(pairs)
    if options.pairs:
        with open(options.pairs, "a", encoding="utf-8") as f:
            f.write(pairs.replace(" ", "\n") + "\n")
    sys.exit(1 if bad or unseen else 0)


if __name__ == "__main__":
    try:
        main()
    except paths.Missing as e:
        print(f"SKIP operations: {e}")
        sys.exit(77)
