#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# make-page.sh PAGE.in PROGRAM OUT: the line @KEYS@ of a page becomes what "PROGRAM mdoc" prints.
set -eu
keys=$(mktemp)
trap 'rm -f "$keys"' EXIT
"$2" mdoc >"$keys"
sed -e "/^@KEYS@$/{
r $keys
d
}" "$1" >"$3.new"
mv "$3.new" "$3"
