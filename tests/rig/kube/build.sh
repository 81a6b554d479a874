#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# build.sh [OUT]: the control plane (etcd, kube-apiserver, kube-controller-manager, kube-scheduler,
# kubectl, kwok) as one multi-call binary from Go modules. It is kept in the cache directory under the
# hash of its sources; the first build downloads 92 MB and takes about ten minutes on two cores.
# OUT becomes a link to it; without OUT its path is printed. `build.sh --cached`: 1 if it is not built.
# `build.sh --kubectl`: kubectl alone, as people install it: what all are in starts twice as slowly.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=scripts/lib/go.sh
. "$here/../../../scripts/lib/go.sh"

kube=$(sed -n 's/^[[:space:]]*k8s.io\/kubernetes v//p' "$here/src/go.mod" | head -n 1)
minor=${kube#1.}
minor=${minor%%.*}
pkg=k8s.io/component-base/version
# Without these kube-apiserver calls itself v0.0.0.
ldflags="-s -w -X $pkg.gitVersion=v$kube -X $pkg.gitMajor=1 -X $pkg.gitMinor=$minor -X $pkg.gitTreeState=clean -X $pkg.buildDate=1970-01-01T00:00:00Z"

hash=$({ cat "$here"/src/go.mod "$here"/src/go.sum "$here"/src/*.go; echo "$ldflags $SA_GO_TOOLCHAIN"; } | sha256sum | cut -c1-16)
box=$SA_CACHE/kubebox-$hash package=.
if [ "${1:-}" = --kubectl ]; then
    box=$SA_CACHE/kubectl-$hash/kubectl package=k8s.io/kubernetes/cmd/kubectl
    shift
fi

if [ "${1:-}" = --cached ]; then
    [ -x "$box" ]
    exit
fi
if [ ! -x "$box" ]; then
    go=$(sa_go 26)
    mkdir -p "$(dirname "$box")"
    tmp=$(mktemp "$box.XXXXXX")
    trap 'rm -f "$tmp"' EXIT
    echo "building Kubernetes $kube into $box (once; minutes)" >&2
    (cd "$here/src" && CGO_ENABLED=0 GOTOOLCHAIN=local GOFLAGS=-buildvcs=false \
        nice "$go" build -trimpath -mod=readonly -ldflags "$ldflags" -o "$tmp" "$package")
    chmod 755 "$tmp"
    mv "$tmp" "$box"
fi
if [ -n "${1:-}" ]; then ln -sfn "$box" "$1"; else echo "$box"; fi
