#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# compact.sh DIR: compacts the cluster's etcd up to the present revision, so that a watch or page at an
# older one is answered 410 once kube-apiserver's own cache is gone (down.sh and up.sh). Prints the
# revision.
set -eu
url=$(sed -n 's/^listen-client-urls: "\(.*\)"/\1/p' "$1/etcd.yaml")
revision=$(curl -sSf "$url/v3/kv/range" -d '{"key":"AA==","limit":1}' | sed 's/.*"revision":"\([0-9]*\)".*/\1/')
curl -sSf "$url/v3/kv/compaction" -d "{\"revision\":\"$revision\",\"physical\":true}" >/dev/null
echo "$revision"
