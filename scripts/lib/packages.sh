# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Debian packages: which are needed for what, and their installation. Sourced after common.sh.

# The compiler tools carry a version in their names; formatting is checked with version 14 alone, since
# others format differently.
llvm_version() {
    # shellcheck disable=SC1091
    case $(. /etc/os-release 2>/dev/null && echo "${VERSION_ID:-}") in
    12) echo 14 ;;
    13) echo 19 ;;
    *) for v in 14 16 19; do have "clang-$v" && echo "$v" && return; done ;;
    esac
}
LLVM=$(llvm_version)
LLVM=${LLVM:+-$LLVM}

# shellcheck disable=SC2034 # for whoever sources this
{
    # check and libnng-dev are for the tests alone, which a build makes unless it is told SA_TESTS=OFF.
    PACKAGES_BUILD=(gcc libc6-dev cmake ninja-build pkg-config libcurl4-openssl-dev libcjson-dev libyaml-dev
        libsodium-dev libprotobuf-c-dev protobuf-c-compiler protobuf-compiler libseccomp-dev libsystemd-dev libsqlite3-dev
        libmicrohttpd-dev libssl-dev zlib1g-dev check libnng-dev)
    PACKAGES_RIG=(ca-certificates curl openssl python3 golang-go)
    PACKAGES_TEST=("clang$LLVM" "libclang-rt$LLVM-dev" "clang-format$LLVM" "clang-tidy$LLVM" valgrind shellcheck spin git mandoc
        python3-grpcio python3-protobuf python3-yaml protobuf-compiler-grpc)
    PACKAGES_PAGE=(chromium chromium-driver python3-selenium)
    # The databases as programs alone: what their full packages add is a service, which no test wants.
    PACKAGES_PLUGIN=(openjdk-17-jdk-headless maven mariadb-server-core mariadb-client-core)
}

# java_is VERSION: there is a compiler of that version or a later one
java_is() {
    local v
    v=$(javac -version 2>&1 | sed -n 's/^javac \([0-9]*\).*/\1/p')
    [ "${v:-0}" -ge "$1" ]
}

# Which of the packages are not there. A program that came another way counts as its package.
packages_missing() {
    local p
    for p; do
        case $p in
        golang-go) have go && continue ;;
        openjdk-17-jdk-headless) java_is 17 && continue ;;
        maven) have mvn && continue ;;
        mariadb-server-core) { have mariadbd || [ -x /usr/sbin/mariadbd ]; } && continue ;;
        mariadb-client-core) have my_print_defaults && continue ;; # mariadb-install-db wants it
        git | curl | cmake | shellcheck | valgrind | spin) have "$p" && continue ;;
        esac
        dpkg-query -W -f '${db:Status-Abbrev}' "$p" 2>/dev/null | grep -q '^.i' || echo "$p"
    done
}

# install NAME...: what is missing of them; needs root, or sudo that does not ask.
install() {
    local missing as_root=()
    mapfile -t missing < <(packages_missing "$@")
    [ ${#missing[@]} -gt 0 ] || return 0
    have apt-get || die "these Debian packages are needed, and this is no Debian: ${missing[*]}"
    if [ "$(id -u)" != 0 ]; then
        sudo -n true 2>/dev/null || die "run it as root or by sudo once, or: sudo apt-get install ${missing[*]}"
        as_root=(sudo)
    fi
    say "installing ${missing[*]}"
    local quiet=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0)
    "${as_root[@]}" "${quiet[@]}" update || die "apt-get update failed"
    "${as_root[@]}" "${quiet[@]}" install --no-install-recommends -y "${missing[@]}" >/dev/null ||
        die "apt-get install failed"
}
