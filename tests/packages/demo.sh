#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# demo.sh WORK: scripts/demo --once from a checkout in a bare Debian 12, below the directory WORK, whose cache/ is what the
# demonstration keeps its builds in.
# shellcheck source=scripts/lib/common.sh
. "$(dirname "$0")/../../scripts/lib/common.sh"
. scripts/lib/trees.sh
. scripts/lib/packaging.sh
tree=$(make_tree bookworm bare ca-certificates 2>&1) || { echo "there is no bare Debian: $tree"; exit 77; }
package_source "$1/source" && mkdir -p "$1/cache" || exit 1
echo "=== begin"
in_overlay "$tree" "$1" env SA_CACHE=/work/cache /work/source/scripts/demo --once
