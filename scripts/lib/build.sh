# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Builds of the tree. Sourced after common.sh. Each has its own directory, so that one does not make the
# others anew.

JOBS=$(nproc)
# build DIR TARGET [cmake options...]: TARGET "" is everything
build() {
    local dir=$1 target=$2
    shift 2
    cmake -S "$ROOT" -B "$dir" -G Ninja "$@" >"$dir.cmake.log" 2>&1 || {
        cat "$dir.cmake.log"
        return 1
    }
    rm -f "$dir.cmake.log"
    nice ninja -C "$dir" -j"$JOBS" ${target:+"$target"}
}
# build_release TARGET: "" is everything
build_release() { build "$BUILD" "$1" -DCMAKE_BUILD_TYPE=RelWithDebInfo -DSA_TESTS=ON; }
# build_points TARGET: dies at the points that SCALE_AGENT_KILL_AT names (base/points.h), and lies as
# SCALE_AGENT_FORGE says (worker/link.c).
build_points() { build "$ROOT/build-points" "$1" -DCMAKE_BUILD_TYPE=RelWithDebInfo -DSA_TEST_POINTS=ON; }
build_sanitized() { CC=clang$LLVM build "$ROOT/build-sanitized" "" -DCMAKE_BUILD_TYPE=Debug -DSA_TESTS=ON -DSA_SANITIZE=ON -DSA_FUZZ=ON; }
# build_plugin: its zip; from Maven Central only what is not in the local repository yet
build_plugin() {
    local maven=(mvn -B -ntp -q -f plugin/pom.xml package -DskipTests -Dfmt.skip)
    install "${PACKAGES_PLUGIN[@]}" mariadb-client-core
    export MAVEN_OPTS=${MAVEN_OPTS--Xmx768m -XX:TieredStopAtLevel=1}
    "${maven[@]}" -o >/dev/null 2>&1 || "${maven[@]}"
}
