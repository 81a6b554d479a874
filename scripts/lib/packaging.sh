# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# How packages are made. Sourced after common.sh, trees.sh, packages.sh and build.sh.

package_version() { sed -n 's/^project(scale-agent VERSION \([^ ]*\).*/\1/p' "$ROOT/CMakeLists.txt"; }

# package_source DIR: a copy of the tree, without what was built
package_source() {
    mkdir -p "$1"
    if git -C "$ROOT" rev-parse --git-dir >/dev/null 2>&1; then
        git -C "$ROOT" ls-files -z -co --exclude-standard | while IFS= read -r -d '' f; do
            [ ! -e "$ROOT/$f" ] || printf '%s\0' "$f"
        done | tar -C "$ROOT" --null -T - -c | tar -C "$1" -x
    else
        tar -C "$ROOT" --exclude='./build*' --exclude='./packages' --exclude=./.git -c . | tar -C "$1" -x
    fi
}

# What a clean Debian needs to build it: what debian/control says, and the tools that make packages
package_build_needs() {
    sed -n '/^Build-Depends:/,/^[A-Z].*[^,]$/{s/^Build-Depends://;/^[A-Z]/d;s/([^)]*)//g;s/[, ]//g;/./p}' "$ROOT/packaging/debian/control" |
        sed 's/^debhelper-compat$/debhelper/'
    echo build-essential
}

# in_overlay TREE WORK COMMAND...: runs it in the tree, in a mount namespace of its own. The tree stays as it is; the
# directory WORK is there as /work.
in_overlay() {
    local tree=$1 work=$2
    shift 2
    # shellcheck disable=SC2016
    unshare -m --propagation private bash -c '
        tree=$1 work=$2
        shift 2
        over=$work.over
        mkdir -p "$over" && mount -t tmpfs -o size=3g overlay "$over" && mkdir "$over/up" "$over/run" "$over/root" &&
            mount -t overlay overlay -o "lowerdir=$tree,upperdir=$over/up,workdir=$over/run" "$over/root" &&
            mkdir -p "$over/root/work" && mount --bind "$work" "$over/root/work" &&
            mount -t proc proc "$over/root/proc" && mount --bind /dev "$over/root/dev" || exit 1
        cp -f /etc/resolv.conf "$over/root/etc/resolv.conf" 2>/dev/null
        chroot "$over/root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 TERM=dumb \
            DEBIAN_FRONTEND=noninteractive "$@"
    ' overlay "$tree" "$work" "$@"
    local code=$?
    rmdir "$work.over" 2>/dev/null
    return $code
}

# Whoever builds the same source in the same Debian gets the same bytes: files are as old as the changelog's last entry.
build_deb() {
    if ! (cd "$1/source" && find . -exec touch -h -d "@$(dpkg-parsechangelog -S Timestamp)" {} + && dpkg-buildpackage -us -uc -F) >"$1/log" 2>&1; then
        tail -n 40 "$1/log"
        return 1
    fi
}

# package_deb WORK OUT SUITE
package_deb() {
    local work=$1 out=$2 suite=$3 tree needs
    [ "$(sed -n '1s/.*(\(.*\)).*/\1/p' packaging/debian/changelog)" = "$(package_version)" ] ||
        { echo "packaging/debian/changelog is not at version $(package_version)"; return 1; }
    package_source "$work/source" && cp -r packaging/debian "$work/source/debian" || return 1
    chmod -R u+rwX,go=rX "$work"
    if [ -n "$suite" ]; then
        mapfile -t needs < <(package_build_needs)
        tree=$(make_tree "$suite" build "${needs[@]}") || return 1
        say "building in a clean $suite"
        # shellcheck disable=SC2016
        in_overlay "$tree" "$work" bash -c "$(declare -f build_deb); build_deb /work" || return 1
    else
        have dpkg-buildpackage || { echo "dpkg-buildpackage is not installed (Debian: dpkg-dev, debhelper)"; return 1; }
        build_deb "$work" || return 1
    fi
    chmod -R u+w "$work"
    cp "$work"/scale-agent* "$out"/ && ls -l "$out"/scale-agent*.deb
}

# package_image WORK OUT: an OCI image layout of the Debian package that is in OUT, or is made first. Needs root.
package_image() {
    local work=$1 out=$2 version deb tree
    version=$(package_version)
    deb=$out/scale-agent_${version}_$(dpkg --print-architecture).deb
    [ -f "$deb" ] || { mkdir "$work/deb" && package_deb "$work/deb" "$out" bookworm; } || return 1
    # shellcheck disable=SC2046 # names of packages
    tree=$(make_tree bookworm image $(dpkg-deb -f "$deb" Depends | sed 's/([^)]*)//g; s/|[^,]*//g; s/,/ /g')) || return 1
    mkdir -p "$work/image" && cp "$deb" "$work/image/agent.deb" && cp packaging/container/collect "$work/image/" || return 1
    chmod -R go=rX "$work/image"
    in_overlay "$tree" "$work/image" /work/collect /work/agent.deb /work/root || return 1
    "$PYTHON" packaging/container/layout.py "$work/image/root" "$out/scale-agent-image" "$version" \
        "$(dpkg-deb --fsys-tarfile "$deb" | tar -tv --full-time --utc -f - ./usr/sbin/scale-agentd | awk '{ print $4, $5 }' | date -u -f - +%s)" &&
        du -sh "$out/scale-agent-image"
}

# package_rpm WORK OUT: on a Debian machine what is to be there is known to dpkg, not to rpm
package_rpm() {
    local work=$1 out=$2 version name options=()
    version=$(package_version) name=scale-agent-$version
    have rpmbuild || { echo "rpmbuild is not installed (Debian: rpm)"; return 1; }
    grep -qx "Version: *$version" packaging/rpm/scale-agent.spec ||
        { echo "packaging/rpm/scale-agent.spec is not at version $version"; return 1; }
    package_source "$work/$name" && mkdir -p "$work/SOURCES" || return 1
    tar -C "$work" --sort=name --owner=0 --group=0 --mtime='2026-11-22 18:00Z' -czf "$work/SOURCES/$name.tar.gz" "$name"
    if [ -z "$(rpm --eval '%{?_unitdir}')" ]; then
        options=(--load "$ROOT/packaging/rpm/debian.macros" --nodeps)
    fi
    options+=(--noclean --buildroot "$work/root" --define "_topdir $work")
    if ! rpmbuild "${options[@]}" -ba packaging/rpm/scale-agent.spec >"$work/log" 2>&1; then
        tail -n 40 "$work/log"
        return 1
    fi
    # The next release of the same bytes, for who tests an upgrade
    if [ -n "${SA_RPM_NEXT:-}" ]; then
        rpmbuild "${options[@]}" --short-circuit -bb --define 'sa_release 2' packaging/rpm/scale-agent.spec >>"$work/log" 2>&1 ||
            { tail -n 20 "$work/log"; return 1; }
    fi
    find "$work/RPMS" "$work/SRPMS" -name '*.rpm' -exec cp {} "$out"/ \; && ls -l "$out"/*.rpm
}

# package_plugin WORK OUT: built where the sources lie, so that a second time is quick
package_plugin() {
    local out=$2 version zip
    version=$(package_version)
    zip=plugin/scale-agent-plugin/target/scale-agent-plugin-$version.zip
    grep -q "<revision>$version</revision>" plugin/pom.xml || { echo "plugin/pom.xml is not at version $version"; return 1; }
    build_plugin && "$PYTHON" scripts/lib/plugin_zip.py "$zip" && cp "$zip" "$out"/ && ls -l "$out/${zip##*/}"
}
