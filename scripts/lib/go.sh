# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Which Go is used. Sourced. Debian 12's Go (1.19) builds the simulator, but neither the control plane
# nor the client-go peer: then a newer toolchain is had as a Go module, through the proxy that `go env
# GOPROXY` names, and kept in the cache directory.

SA_CACHE=${SA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/scale-agent}
SA_GO_TOOLCHAIN=1.26.8
# What `go mod download -json` says of golang.org/toolchain@v0.0.1-go1.26.8.linux-amd64 ("Sum"); the
# checksum database is not asked, so that a proxy alone is enough.
SA_GO_TOOLCHAIN_SUM=h1:ZOmGe1OnfREDMIdb1Qi4G9JSuDPBLGExZMQ4nis1RXM=

# The version of a go program as a number that compares: 1.26.8 -> 1026
sa_go_number() {
    local v
    v=$("$1" version 2>/dev/null | sed -n 's/^go version go\([0-9]*\)\.\([0-9]*\).*/\1 \2/p')
    [ -n "$v" ] || { echo 0; return; }
    # shellcheck disable=SC2086
    set -- $v
    echo $(($1 * 1000 + $2))
}

# sa_go MINOR: prints the path of a go of version 1.MINOR or newer; on failure says why on standard
# error and returns 1.
sa_go() {
    local want=$((1000 + $1)) have dir
    have=$(command -v go) || have=
    if [ -n "$have" ] && [ "$(sa_go_number "$have")" -ge "$want" ]; then
        echo "$have"
        return
    fi
    dir=$SA_CACHE/go$SA_GO_TOOLCHAIN
    if [ -x "$dir/bin/go" ]; then
        echo "$dir/bin/go"
        return
    fi
    [ -n "$have" ] || { echo "no go program is installed (Debian: golang-go)" >&2; return 1; }
    [ "$(uname -m)" = x86_64 ] || { echo "$(go version) is too old, and only a toolchain for x86_64 is pinned" >&2; return 1; }
    sa_go_fetch "$have" "$dir" || return 1
    echo "$dir/bin/go"
}

# Module archives carry no file modes: what is run gets its x bit here.
sa_go_fetch() {
    local go=$1 dir=$2 tmp json sum
    mkdir -p "$SA_CACHE"
    tmp=$(mktemp -d "$SA_CACHE/toolchain.XXXXXX") || return 1
    json=$(cd "$tmp" && GOMODCACHE=$tmp/mod GOFLAGS=-modcacherw GOTOOLCHAIN=local GONOSUMDB='*' GONOSUMCHECK=1 \
        "$go" mod download -json "golang.org/toolchain@v0.0.1-go$SA_GO_TOOLCHAIN.linux-amd64" 2>"$tmp/err")
    sum=$(sed -n 's/.*"Sum": "\(.*\)".*/\1/p' <<<"$json")
    if [ "$sum" != "$SA_GO_TOOLCHAIN_SUM" ]; then
        echo "Go $SA_GO_TOOLCHAIN could not be had from $("$go" env GOPROXY): ${sum:+its checksum $sum is not the one expected; }$(tail -n 1 "$tmp/err")$(sed -n 's/.*"Error": "\(.*\)".*/\1/p' <<<"$json")" >&2
        rm -rf "$tmp"
        return 1
    fi
    mv "$tmp/mod/golang.org/toolchain@v0.0.1-go$SA_GO_TOOLCHAIN.linux-amd64" "$tmp/go"
    chmod -R u+w "$tmp/go"
    chmod +x "$tmp"/go/bin/* "$tmp"/go/pkg/tool/linux_amd64/*
    # Whoever is first wins; the loser's copy is the same.
    mv -T "$tmp/go" "$dir" 2>/dev/null || [ -x "$dir/bin/go" ]
    rm -rf "$tmp"
}
