#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# boot.sh ROOT NAME [nspawn options]: boots the Debian tree ROOT with systemd as process 1 until it is powered off. What
# it writes is gone afterwards (--volatile=overlay).
# In a mount namespace of its own, with a /run of its own: nspawn wants one it may clean, and no bus of this machine's
# is asked. Its own seccomp filter knows nothing of Landlock and is told to let it through.
set -u
if [ -z "${BOOT_INSIDE:-}" ]; then
    BOOT_INSIDE=1 exec unshare -m --propagation private "$0" "$@"
fi
root=$1 name=$2
shift 2
mount -t tmpfs -o mode=755 run /run || exit 1
# A group of its own in each hierarchy, so that its systemd rules over nothing else.
for h in "" unified systemd memory pids cpu; do
    g=/sys/fs/cgroup/$h/$name
    [ ! -e "/sys/fs/cgroup/$h/cgroup.procs" ] || { mkdir -p "$g" && echo $$ >"$g/cgroup.procs"; } 2>/dev/null
done
export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
exec systemd-nspawn --register=no --keep-unit -q -D "$root" --machine="$name" --volatile=overlay --timezone=off --console=pipe --capability=all \
    --system-call-filter="landlock_create_ruleset landlock_add_rule landlock_restrict_self memfd_secret @memlock" \
    "$@" -b </dev/null
