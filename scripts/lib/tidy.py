# SPDX-License-Identifier: Apache-2.0
"""tidy.py CLANG-TIDY BUILD SECONDS: clang-tidy over the C sources of the build's compilation database but
the tests'. A source that passed is not looked at again until it, a header of the tree or the checks change:
what passed is remembered in BUILD/tidy. Those changed last come first; when the time is up, the rest is left
to the next run, and counted. Ends with counts."""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


def sources(build):
    for entry in json.loads((build / "compile_commands.json").read_text()):
        path = pathlib.Path(entry["file"])
        if path.suffix == ".c" and ROOT in path.parents and build not in path.parents and ROOT / "tests" not in path.parents:
            yield path


def headers():
    h = hashlib.sha256((ROOT / ".clang-tidy").read_bytes())
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.h"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    for name in sorted(listed.stdout.splitlines()):
        h.update((ROOT / name).read_bytes())
    return h.digest()


def check(tidy, build, path, end):
    if time.monotonic() > end:
        return None, ""
    # The database is gcc's: flags that clang does not know are no finding.
    r = subprocess.run([tidy, "-p", str(build), "--quiet", "--extra-arg=-Wno-unknown-warning-option", str(path)],
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    return r.returncode, r.stdout or r.stderr


def main():
    tidy, build, end = sys.argv[1], pathlib.Path(sys.argv[2]).resolve(), time.monotonic() + int(sys.argv[3])
    stamps = build / "tidy"
    stamps.mkdir(exist_ok=True)
    common = headers()
    todo = {}
    every = sorted(set(sources(build)), key=lambda p: -p.stat().st_mtime)
    for path in every:
        stamp = stamps / hashlib.sha256(common + str(path).encode() + path.read_bytes()).hexdigest()[:32]
        if not stamp.exists():
            todo[path] = stamp
    failed = left = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, (code, output) in zip(todo, pool.map(lambda p: check(tidy, build, p, end), todo)):
            if code is None:
                left += 1
            elif code == 0:
                todo[path].touch()
            else:
                failed += 1
                print(f"FAILED {path.relative_to(ROOT)}\n{output}")
    if left:
        print(f"{left} files were not looked at: the time was up")
    print(f"clang-tidy: {len(every)} files, {len(todo) - left} looked at, {failed} failures")
    sys.exit(1 if failed else 0)


main()
