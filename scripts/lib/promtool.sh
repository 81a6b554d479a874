#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# promtool.sh: prints the path of promtool. Debian has it in the package of the server, which would start a service:
# the program alone is taken out of it, into the cache directory.
set -eu -o pipefail
command -v promtool && exit
cache=${SA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/scale-agent}/promtool
if [ ! -x "$cache/promtool" ]; then
    mkdir -p "$cache"
    scratch=$(mktemp -d "$cache/XXXXXX")
    trap 'rm -rf "$scratch"' EXIT
    cd "$scratch"
    # As root apt would read and write as its own user, which may not come here.
    apt-get -qq -o APT::Sandbox::User=root download prometheus >&2 ||
        { echo "Debian's package prometheus could not be had" >&2; exit 1; }
    dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/promtool
    mv usr/bin/promtool "$cache/promtool"
fi
echo "$cache/promtool"
