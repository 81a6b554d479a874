#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# build.sh: HashiCorp Vault 1.14 (the last line under the MPL) from Go modules, with what the tests need of it: KV
# engines, AppRole, the kubernetes login, in memory. It is kept in the cache directory under the hash of its sources, and
# its path is printed; the first build downloads some 300 MB and takes about five minutes of processor time.
# `build.sh --cached`: 1 if it is not built.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=scripts/lib/go.sh
. "$here/../../../scripts/lib/go.sh"

hash=$({ cat "$here"/src/go.mod "$here"/src/go.sum "$here"/src/*.go; echo "$SA_GO_TOOLCHAIN"; } | sha256sum | cut -c1-16)
box=$SA_CACHE/vaultbox-$hash
if [ "${1:-}" = --cached ]; then
    [ -x "$box" ]
    exit
fi
if [ ! -x "$box" ]; then
    go=$(sa_go 26)
    mkdir -p "$SA_CACHE"
    tmp=$(mktemp "$box.XXXXXX")
    trap 'rm -f "$tmp"' EXIT
    echo "building Vault into $box (once; minutes)" >&2
    (cd "$here/src" && CGO_ENABLED=0 GOTOOLCHAIN=local GOFLAGS=-buildvcs=false \
        nice "$go" build -trimpath -mod=readonly -ldflags "-s -w" -o "$tmp" .)
    chmod 755 "$tmp"
    mv "$tmp" "$box"
fi
echo "$box"
