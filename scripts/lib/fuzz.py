# SPDX-License-Identifier: Apache-2.0
"""fuzz.py PROGRAMS SOURCES SECONDS: runs every libFuzzer program below PROGRAMS, SECONDS in all, on the
corpus SOURCES/corpus/NAME (NAME without its "fuzz_") if there is one. What is found stays in a temporary directory that is named.
Ends with counts."""
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile


def run(program, seeds, seconds):
    found = tempfile.mkdtemp(prefix=f"fuzz-{program.name}-")
    corpus = [tempfile.mkdtemp(prefix="fuzz-corpus-")] + ([str(seeds)] if seeds.is_dir() else [])
    command = [str(program), f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1",
               f"-artifact_prefix={found}/", *corpus]
    r = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", cwd=program.parent)
    runs = re.search(r"stat::number_of_executed_units:\s*(\d+)", r.stdout)
    if not os.listdir(found):
        os.rmdir(found)
    return r.returncode, int(runs.group(1)) if runs else 0, r.stdout, found


def main():
    programs, sources, seconds = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), int(sys.argv[3])
    targets = sorted(p for p in programs.glob("*") if p.is_file() and os.access(p, os.X_OK))
    if not targets:
        sys.exit(f"no fuzz targets in {programs}")
    workers = os.cpu_count()
    each = max(2, seconds * workers // len(targets))
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        results = pool.map(lambda p: run(p, sources / "corpus" / p.name.removeprefix("fuzz_"), each), targets)
        for program, (code, runs, output, found) in zip(targets, results):
            ok = code == 0 and runs > 0
            print(f"{'ok    ' if ok else 'FAILED'} {program.name}: {runs} runs")
            if not ok:
                failed += 1
                print("  " + "\n  ".join(output.splitlines()[-40:]) + f"\n  input: {found}")
    print(f"fuzz: {len(targets)} targets, {failed} failures")
    sys.exit(1 if failed else 0)


main()
