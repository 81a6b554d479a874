#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# gen-gomod.sh KUBE_VERSION KWOK_VERSION ETCD_VERSION (1.36.3 0.8.0 3.6.8): writes ./go.mod; then run
# `go mod tidy`. Only needed to move to other versions.
#
# k8s.io/kubernetes replaces its staging modules by directories that its module archive lacks, and
# replaces are not inherited: so the list is read out of its go.mod and each is pinned to
# v0.<minor>.<patch>, the version the same release publishes.
set -eu
kube=$1 kwok=$2 etcd=$3
staging=v0.${kube#1.}
mod=$(cd /tmp && go mod download -json "k8s.io/kubernetes@v$kube" | sed -n 's/.*"GoMod": "\(.*\)",/\1/p')
{
    printf 'module kubebox\n\ngo %s\n\n' "$(sed -n 's/^go //p' "$mod")"
    sed -n 's/^godebug default=/godebug default=/p' "$mod"
    printf '\nrequire (\n\tk8s.io/kubernetes v%s\n\tsigs.k8s.io/kwok v%s\n\tgo.etcd.io/etcd/server/v3 v%s\n)\n' \
        "$kube" "$kwok" "$etcd"
    printf '\nreplace (\n'
    sed -n 's,^[[:space:]]*\(k8s.io/[^ ]*\) => ./staging/src/.*,\1,p' "$mod" | while read -r m; do
        printf '\t%s => %s %s\n' "$m" "$m" "$staging"
    done
    printf ')\n'
} >go.mod
