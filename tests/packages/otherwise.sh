#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# otherwise.sh OUT: builds the Debian package for bookworm once more, with everything different that must not matter: the
# directory, the files' times, the time zone, the language, the umask, the user's home, the host's name, one thread.
# shellcheck source=scripts/lib/common.sh
. "$(dirname "$0")/../../scripts/lib/common.sh"
. scripts/lib/trees.sh
. scripts/lib/packaging.sh
out=$1
work=$(mktemp -d) || die "no directory for the build"
trap 'rm -rf "$work"' EXIT
mapfile -t needs < <(package_build_needs)
tree=$(make_tree bookworm build "${needs[@]}") || exit 1
package_source "$work/a/much/longer/path/source" && cp -r packaging/debian "$work/a/much/longer/path/source/debian" || exit 1
chmod -R u+rwX,go=rX "$work"
find "$work" -exec touch -h -d '2020-05-06 07:08:09' {} +
# shellcheck disable=SC2016
in_overlay "$tree" "$work" unshare --uts env TZ=Asia/Kathmandu LC_ALL=POSIX LANG=tr_TR.UTF-8 HOME=/nowhere USER=nobody \
    DEB_BUILD_OPTIONS=parallel=1 bash -c "echo elsewhere >/proc/sys/kernel/hostname; umask 077; $(declare -f build_deb); "'build_deb "/work/a/much/longer/path"' || exit 1
cp "$work/a/much/longer/path"/scale-agent*.deb "$out"/
