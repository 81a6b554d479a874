# SPDX-License-Identifier: Apache-2.0
"""surefire.py DIRECTORY...: counts of Maven's test reports, and why tests were skipped."""
import collections
import pathlib
import sys
import xml.etree.ElementTree as xml

run = failed = 0
skipped = collections.Counter()
for directory in sys.argv[1:]:
    for report in pathlib.Path(directory).glob("TEST-*.xml"):
        for case in xml.parse(report).getroot().iter("testcase"):
            why = case.find("skipped")
            if why is not None:
                text = (why.get("message") or why.text or "no reason").strip().splitlines()[0]
                skipped[text.rsplit("Assumption failed: ", 1)[-1]] += 1
                continue
            run += 1
            failed += case.find("failure") is not None or case.find("error") is not None
for why, count in skipped.items():
    print(f"skipped {count}: {why}")
print(f"Maven: {run} tests, {failed} failures, {sum(skipped.values())} skipped")
