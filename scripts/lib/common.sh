# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What every script here needs. Sourced by `. "$(dirname "$0")/lib/common.sh"`, from any directory.
set -u
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$ROOT" || exit 1
# Debian's own Python, which sees Debian's Python packages; another may come first in PATH.
PYTHON=/usr/bin/python3
[ -x "$PYTHON" ] || PYTHON=python3
BUILD=$ROOT/build
CACHE=${SA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/scale-agent}
export PYTHON CACHE
export PYTHONPATH=$ROOT/tests PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 SCALE_AGENT_BUILD=$BUILD

say() { printf '\n==> %s\n' "$*"; }
die() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }
# usage: prints the comment at the head of the script, without its marks
usage() { sed -n '3,/^[^#]/{/^# shellcheck/d;/^#/s/^# \{0,1\}//p}' "$0"; }
# pairs NAME VALUE...: the last line of a script, for programs
pairs() {
    local line=
    while [ $# -ge 2 ]; do
        line+=" $1=$2"
        shift 2
    done
    printf '%s\n' "${line# }"
}
