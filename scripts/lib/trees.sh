# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Debian systems as directories, for what has to run in a clean one: builds of packages, and systems that
# are booted. Sourced after common.sh. Making one takes a minute or two; it is kept in the cache directory
# and never changed afterwards: what uses it lays an overlay above it.

# The mirror that this machine's apt uses
apt_mirror() {
    local m
    m=$(cat /etc/apt/sources.list.d/*.sources 2>/dev/null | awk '/^URIs:/ && /\/debian\/?$/ { print $2; exit }')
    [ -n "$m" ] || m=$(awk '$1 == "deb" && /\/debian\/? / { for (i = 2; i <= NF; i++) if ($i ~ /^http/) { print $i; exit } }' \
        /etc/apt/sources.list 2>/dev/null)
    echo "${m:-http://deb.debian.org/debian}"
}

# make_tree SUITE NAME PACKAGE...: prints the path of the tree NAME of that suite with these packages; on
# failure says why on standard error and returns 1. A list of packages that changed makes a tree anew.
make_tree() {
    local suite=$1 name=$2 dir log packages
    shift 2
    packages=$(IFS=,; echo "$*")
    dir=$CACHE/trees/$suite-$name
    if [ -f "$dir.packages" ] && [ "$(cat "$dir.packages")" = "$packages" ]; then
        echo "$dir"
        return
    fi
    [ "$(id -u)" = 0 ] || { echo "a clean $suite needs root" >&2; return 1; }
    have mmdebstrap || { echo "mmdebstrap is not installed" >&2; return 1; }
    mkdir -p "$CACHE/trees"
    log=$dir.log
    rm -rf "$dir" "$dir.packages" "$dir.new"
    # The package lists stay: what is booted installs from them.
    if ! mmdebstrap --quiet --variant=apt --skip=cleanup/apt/lists --include="$packages" "$suite" "$dir.new" \
        "$(apt_mirror)" >"$log" 2>&1; then
        rm -rf "$dir.new"
        echo "a clean $suite can't be made: $(grep -m1 '^E' "$log" || tail -n 1 "$log")" >&2
        return 1
    fi
    mv "$dir.new" "$dir" && echo "$packages" >"$dir.packages" && echo "$dir"
}

# unpack_tree DIR SUITE PACKAGE [OPTION...]: the packages' files in DIR; nothing is set up, nothing can be booted
unpack_tree() {
    local dir=$1 suite=$2 package=$3 log=$1.log
    shift 3
    [ ! -d "$dir" ] || return 0
    have mmdebstrap || { echo "mmdebstrap is not installed" >&2; return 1; }
    mkdir -p "${dir%/*}"
    rm -rf "$dir.new"
    if ! timeout 300 mmdebstrap --quiet --variant=extract --format=directory --include="$package" "$@" "$suite" "$dir.new" >"$log" 2>&1; then
        rm -rf "$dir.new"
        echo "$package of $suite can't be unpacked: $(grep -m1 '^E' "$log" || tail -n 1 "$log")" >&2
        return 1
    fi
    mv "$dir.new" "$dir"
}

# ubuntu_tree SUITE PACKAGE: prints the path of a tree with the package and what it depends on, from Ubuntu's archive,
# whose keys Debian 13 has
ubuntu_tree() {
    local keys=$CACHE/trees/ubuntu-keys dir=$CACHE/trees/$1-$2
    unpack_tree "$keys" trixie ubuntu-keyring &&
        unpack_tree "$dir" "$1" "$2" --keyring="$keys/usr/share/keyrings/ubuntu-archive-keyring.gpg" && echo "$dir"
}

# debian_kernel SUITE: prints the path of that suite's own kernel, which is kept in the cache directory
debian_kernel() {
    local suite=$1 dir=$CACHE/kernels/$1 tree work code
    if [ -f "$dir/vmlinuz" ]; then
        echo "$dir/vmlinuz"
        return
    fi
    tree=$(make_tree "$suite" boot "${TREE_BOOT[@]}") || return 1
    work=$(mktemp -d) || return 1
    # shellcheck disable=SC2016
    in_overlay "$tree" "$work" bash -ec 'cd /work
        apt-get -qq update
        apt-get -qq download "$(apt-cache depends linux-image-cloud-amd64 | sed -n "s/^ *Depends: \(linux-image-[0-9].*\)/\1/p" | head -n 1)"
        dpkg-deb --fsys-tarfile linux-image-*.deb | tar -x --wildcards "./boot/vmlinuz-*"' >"$work/log" 2>&1
    code=$?
    if [ $code = 0 ]; then
        mkdir -p "$dir" && cp "$work"/boot/vmlinuz-* "$dir/vmlinuz" && echo "$dir/vmlinuz"
    else
        echo "no kernel of $suite: $(tail -n 1 "$work/log")" >&2
    fi
    rm -rf "$work"
    return $code
}

# What every system that is booted has, before anything is installed in it
# shellcheck disable=SC2034 # for whoever sources this
TREE_BOOT=(systemd systemd-sysv dbus ca-certificates logrotate)
