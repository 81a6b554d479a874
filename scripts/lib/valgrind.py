# SPDX-License-Identifier: Apache-2.0
"""valgrind.py BUILD EXCEPT: runs the unit tests of a build under valgrind, but those whose name matches
the regular expression EXCEPT; two at once. Ends with counts."""
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import time

VALGRIND = ["valgrind", "-q", "--error-exitcode=99", "--leak-check=full", "--errors-for-leak-kinds=definite",
            "--show-leak-kinds=definite"]


def tests(build, without):
    listed = subprocess.run(["ctest", "--test-dir", build, "-L", "unit", "-LE", "peer", "--show-only=json-v1"], check=True, stdout=subprocess.PIPE)
    for t in json.loads(listed.stdout)["tests"]:
        if not re.search(without, t["name"]):
            properties = {p["name"]: p["value"] for p in t.get("properties", [])}
            yield t["name"], t["command"], properties.get("WORKING_DIRECTORY", build)


def run(test):
    name, command, directory = test
    began = time.monotonic()
    env = dict(os.environ, CK_FORK="no", CK_TIMEOUT_MULTIPLIER="20", CK_DEFAULT_TIMEOUT="200")
    try:
        r = subprocess.run(VALGRIND + command, cwd=directory, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                           errors="replace", timeout=240)
        code, output = r.returncode, r.stdout
    except subprocess.TimeoutExpired as e:
        code, output = "no end", (e.stdout or b"").decode(errors="replace")
    return name, code, output, time.monotonic() - began


def main():
    build, without = sys.argv[1:]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(run, tests(build, without)))
    for name, code, output, seconds in results:
        print(f"{'ok    ' if code == 0 else 'FAILED'} {name} ({seconds:.1f} s)")
        if code != 0:
            failed += 1
            print(f"  exit {code}\n  " + "\n  ".join(output.splitlines()[-60:]))
    print(f"valgrind: {len(results)} programs, {failed} failures")
    sys.exit(1 if failed or not results else 0)


main()
