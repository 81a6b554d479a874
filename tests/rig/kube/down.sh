#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# down.sh DIR [--kill|--purge]: stops the cluster that up.sh left in DIR, orderly; up.sh with the same
# arguments starts it again with its data. --kill: by SIGKILL. --purge: by SIGKILL, and DIR is removed.
set -u
dir=$(cd "$1" && pwd) || exit 1
how=${2:-}
# A pid file may be older than the process that has the number now.
ours() { [ -d "/proc/$1" ] && tr '\0' ' ' <"/proc/$1/cmdline" | grep -qF "$dir/"; }
# stop SIGNAL NAME...: all of them, then waits for all of them
stop() {
    local signal=$1 name pid pids=()
    shift
    for name in "$@"; do
        [ -f "$dir/pids/$name.pid" ] || continue
        pid=$(cat "$dir/pids/$name.pid")
        rm -f "$dir/pids/$name.pid"
        ours "$pid" || continue
        kill "-$signal" "$pid"
        pids+=("$pid")
    done
    for pid in "${pids[@]}"; do
        for _ in $(seq 80); do
            ours "$pid" || break
            sleep 0.1
        done
        ! ours "$pid" || kill -KILL "$pid"
    done
}
if [ -n "$how" ]; then
    stop KILL kwok kube-scheduler kube-controller-manager kube-apiserver etcd
    [ "$how" != --purge ] || rm -rf "$dir"
else
    stop TERM kwok kube-scheduler kube-controller-manager
    stop TERM kube-apiserver
    stop TERM etcd
fi
exit 0
