#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Checks the models of the protocol with spin: each holds as it is, and fails once a rule is taken away.
# usage: check.sh
set -u
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failed=0
passed=0

# run MODEL OPTIONS...: 0 if it holds, 1 if an error was found, 2 if it could not be searched whole
run() {
    model=$1
    shift
    spin -a "$@" "$here/$model.pml" >spin.log 2>&1 && ${CC:-cc} -O2 -w -DSAFETY -DCOLLAPSE -DVECTORSZ=2048 \
        -DMEMLIM=3000 -o pan pan.c 2>cc.log && ./pan -m200000 -w24 >pan.log 2>&1 || return 2
    grep -q 'max search depth too small\|out of memory' pan.log && return 2
    grep -q "errors: 0" pan.log
}

expect() {
    want=$1
    shift
    run "$@"
    got=$?
    states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' pan.log 2>/dev/null)
    if [ "$got" -eq "$want" ]; then
        passed=$((passed + 1))
        echo "ok: $* ($([ "$want" -eq 0 ] && echo holds || echo "found out"), ${states:-no} states)"
    else
        failed=$((failed + 1))
        echo "FAILED: $*"
        tail -n 20 spin.log cc.log pan.log 2>/dev/null
    fi
}

expect 0 state
# One change less is enough for the first three to go wrong, and is sooner searched.
for rule in EPOCH ACK CHECKPOINT; do
    expect 1 state -DCHANGES=2 "-DBROKEN_$rule"
done
for rule in MARK LIST; do
    expect 1 state "-DBROKEN_$rule"
done
expect 0 fence
expect 1 fence -DBROKEN_FENCE
echo "model: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
