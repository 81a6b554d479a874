#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# debian-etcd.sh: prints the path of the etcd that Debian packages, fetched but not installed (its package
# would start a service). Debian 12's 3.4 is one with which kube-apiserver can't serve WatchList.
set -eu
out=${SA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/scale-agent}/debian-etcd
if [ ! -x "$out/usr/bin/etcd" ]; then
    mkdir -p "$out.new"
    # The sandbox user of apt can't write where the caller can.
    (cd "$out.new" && apt-get -qq -o APT::Sandbox::User=root download etcd-server && dpkg-deb -x etcd-server_*.deb . && rm -f ./*.deb) >&2
    rm -rf "$out"
    mv "$out.new" "$out"
fi
echo "$out/usr/bin/etcd"
