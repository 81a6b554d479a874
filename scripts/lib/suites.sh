# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The suites of scripts/test. Each is a function suite_NAME that runs in a process of its own, in the
# root of the tree, and ends with its runner's own summary; or it calls skip.

# NAME|core: needs nothing but Debian's packages, or more|seconds at most|what it shows
# shellcheck disable=SC2034 # for scripts/test
SUITES='
unit|core|300|unit tests (Check)
sanitized|core|600|unit tests, and some of the scenarios, under AddressSanitizer and UndefinedBehaviorSanitizer
valgrind|core|600|unit tests under valgrind
fuzz|core|180|every parser of foreign bytes, fuzzed for a short time
shell|core|60|shellcheck over every script
format|core|60|formatting of the C sources, and that what they clean up by itself has a value
tidy|core|330|clang-tidy over the C sources that changed
model|core|180|the state protocol, checked by spin
scenario|core|1200|whole programs in one situation each
simulator|core|180|the simulated API servers
page|core|300|the status page in Chromium
peer|core|300|the agent against a peer by Python'"'"'s grpcio
cluster|more|600|a real API server: every default kind, the simulator compared with it
merge|more|900|patches, annotations and managed fields of apply, compared with Kubernetes'"'"' own libraries
operations|more|2700|every operation, by kubectl and by the agent on a real API server, compared
vault|more|1800|kubeconfig files in a real Vault
kubernetes|more|900|chart and manifests on a real API server, and the agent as their pod would run it
plugin|more|900|the Clouddriver plugin: its parts, on a real MariaDB, and with the real agent at the other end
mysql|more|1500|the plugin'"'"'s tables, rows and statements on MySQL 5.7 and 8.0
clouddriver|more|2400|a real Clouddriver (CLOUDDRIVER_HOME) with the plugin, the agent and a real API server, on MySQL if MYSQL_TREE names one; short soaks of it
convergence|more|900|short soak: processes killed, network cut, API server restarted
outage|core|180|short soak: the other side away
restart|core|180|short soak: restarts over unchanged clusters send nothing
docs|core|60|documents: links, and that each command, setting and value in them is there
manual|core|240|manual pages: well formed, with every command, option and key
packages|more|3600|packages in booted systems, from installation to purge; by itself (--only): of all kinds, with SA_PACKAGES_WORKERS=1000 so many workers, Debian'"'"'s kernels, README, how-tos and demo followed'

# RUNNING: the one that runs, from scripts/test
skip() {
    echo "SKIP ${RUNNING:-}: $*"
    exit 77
}

suite_unit() { ctest --test-dir "$BUILD" -L unit -LE peer -j"$JOBS" --output-on-failure --no-tests=error; }

# Of the scenarios those that take the state protocol through starts, ends and changes of every process; any other
# runs as well with SCALE_AGENT_BUILD=build-sanitized. What a sanitizer reports fails the scenario (harness/procs.py).
suite_sanitized() {
    export UBSAN_OPTIONS=print_stacktrace=1
    ctest --test-dir "$ROOT/build-sanitized" -L unit -LE peer -j"$JOBS" --output-on-failure --no-tests=error &&
        SCALE_AGENT_BUILD=$ROOT/build-sanitized ASAN_OPTIONS=quarantine_size_mb=16 PYTHONPATH=$PYTHONPATH:$ROOT/tests/scenario \
            "$PYTHON" -m unittest test_exec_plugin test_reconnect test_standby test_uplink_tls
}

# Tests that measure time, fork many processes, install seccomp filters or lower limits can't run under valgrind.
suite_valgrind() {
    have valgrind || skip "valgrind is not installed"
    "$PYTHON" scripts/lib/valgrind.py "$BUILD" 'base_test|sandbox|supervisor|soak|worker_process'
}

suite_fuzz() { "$PYTHON" scripts/lib/fuzz.py "$ROOT/build-sanitized/tests/fuzz" "$ROOT/tests/fuzz" 30; }

suite_shell() {
    local files
    mapfile -t files < <(git ls-files -co --exclude-standard | while read -r f; do
        [ -f "$f" ] || continue
        case $f in *.sh) echo "$f" ;; *.*) ;; *) head -c 40 "$f" | grep -qaE '^#!.*\b(ba|da)?sh\b' && echo "$f" ;; esac
    done)
    shellcheck -x "${files[@]}" && echo "shellcheck: ${#files[@]} scripts, 0 failures"
}

c_sources() { git ls-files -co --exclude-standard '*.c' '*.h'; }

# What is cleaned up by itself (SA_CLEANUP) has a value where it is declared: a return before it got one would
# free what the stack happened to hold.
bare_cleanups() { c_sources | xargs grep -nE 'SA_CLEANUP\([a-z_]+\) [^=]*;|SA_CLEANUP\([a-z_]+\) .*, \*?[a-z_]+[;,]'; }

suite_format() {
    local bare
    bare=$(bare_cleanups)
    if [ -n "$bare" ]; then
        printf '%s\ndeclared with SA_CLEANUP, and without a value\n' "$bare"
        return 1
    fi
    have clang-format-14 || skip "clang-format 14 is not to be had; other versions format differently"
    c_sources | xargs clang-format-14 --dry-run --Werror && echo "clang-format: $(c_sources | wc -l) files, 0 failures"
}

suite_tidy() {
    have "clang-tidy$LLVM" || skip "clang-tidy is not installed"
    "$PYTHON" scripts/lib/tidy.py "clang-tidy$LLVM" "$BUILD" 240
}

suite_model() {
    have spin || skip "spin is not installed"
    [ -x proto/model/check.sh ] || skip "there is no model"
    proto/model/check.sh
}

suite_scenario() {
    # shellcheck source=scripts/lib/build.sh
    . scripts/lib/build.sh
    build_points scale-agentd || return 1
    "$PYTHON" -m unittest discover -s tests/scenario
}

suite_simulator() {
    local go
    # shellcheck source=scripts/lib/go.sh
    . scripts/lib/go.sh
    go=$(sa_go 19 2>&1) || skip "$go"
    (cd tests/rig/kubesim && GOTOOLCHAIN=local GOFLAGS=-buildvcs=false "$go" vet ./... && GOTOOLCHAIN=local GOFLAGS=-buildvcs=false "$go" test -count=1 ./...)
}

suite_peer() {
    "$PYTHON" -c 'import grpc, google.protobuf' 2>/dev/null || skip "Python's grpcio is not installed"
    ctest --test-dir "$BUILD" -L peer --output-on-failure --no-tests=error
}

# What is needed for real clusters, or a skip that says what lacks.
need_control_plane() {
    local why
    why=$(tests/rig/kube/build.sh 2>&1 >/dev/null) || skip "no control plane: $(tail -n 1 <<<"$why")"
}

suite_cluster() {
    need_control_plane
    "$PYTHON" -m unittest discover -s tests/e2e
}
suite_page() {
    install "${PACKAGES_PAGE[@]}"
    "$PYTHON" -m unittest discover -s tests/e2e/page
}

suite_vault() {
    local why
    why=$(tests/rig/vault/build.sh 2>&1 >/dev/null) || skip "no Vault: $(tail -n 1 <<<"$why")"
    "$PYTHON" -m unittest discover -s tests/e2e/vault
}

suite_kubernetes() {
    need_control_plane
    "$PYTHON" -m unittest discover -s tests/e2e/kubernetes
}

# The questions are the same each time: other seeds are for whoever changes the merge.
suite_merge() {
    local go why
    # shellcheck source=scripts/lib/go.sh
    . scripts/lib/go.sh
    go=$(sa_go 26 2>&1) || skip "$go"
    why=$(cd tests/rig/strategicpatch && GOTOOLCHAIN=local "$go" list -deps . 2>&1 >/dev/null) || skip "Go modules can't be reached: ${why##*$'\n'}"
    why=$("$PYTHON" -c 'from rig.harness import paths; print(paths.go_build("tests/rig/strategicpatch", 26))') || return 1
    "$PYTHON" tests/rig/strategicpatch/compare.py "$why" "$BUILD/tests/unit/ops_merge_answers" 3000 1
}

suite_operations() {
    need_control_plane
    "$PYTHON" -c 'import grpc, google.protobuf, yaml' 2>/dev/null || skip "Python's grpcio, protobuf or yaml is not installed"
    "$PYTHON" tests/e2e/operations/run.py --pairs "$PAIRS"
}

MAVEN_PLUGIN=(mvn -B -ntp -q -f plugin/pom.xml)

# Maven Central is asked for what is not in the local repository yet.
compile_plugin_tests() {
    local log
    install "${PACKAGES_PLUGIN[@]}"
    export MAVEN_OPTS=${MAVEN_OPTS--Xmx768m -XX:TieredStopAtLevel=1}
    log=$(mktemp)
    if ! "${MAVEN_PLUGIN[@]}" -o test-compile -Dfmt.skip >"$log" 2>&1 && ! "${MAVEN_PLUGIN[@]}" test-compile -Dfmt.skip >"$log" 2>&1; then
        if grep -qE 'Could not (transfer|find) artifact|UnknownHost|Connection (refused|timed out)' "$log"; then
            skip "Maven Central can't be reached: $(grep -m1 -oE 'Could not (transfer|find) artifact [^ ]*' "$log")"
        fi
        cat "$log"
        return 1
    fi
    rm -f "$log"
}

# Formatting is checked by the build itself.
suite_plugin() {
    local want have
    want=$(sed -n 's/^project(scale-agent VERSION \([^ ]*\).*/\1/p' CMakeLists.txt)
    have=$(sed -n 's/.*<revision>\(.*\)<\/revision>.*/\1/p' plugin/pom.xml)
    [ "$want" = "$have" ] || { echo "plugin/pom.xml says version $have, CMakeLists.txt $want"; return 1; }
    compile_plugin_tests || return 1
    if ! SCALE_AGENT_KUBESIM=$("$PYTHON" -c 'from rig.harness import paths; print(paths.go_build("tests/rig/kubesim", 19))' 2>&1); then
        echo "the tests with the real agent are left out: ${SCALE_AGENT_KUBESIM##*$'\n'}"
        unset SCALE_AGENT_KUBESIM
    fi
    export SCALE_AGENT_KUBESIM
    "${MAVEN_PLUGIN[@]}" verify && "$PYTHON" scripts/lib/plugin_zip.py plugin/scale-agent-plugin/target/scale-agent-plugin-*.zip
    have=$?
    "$PYTHON" scripts/lib/surefire.py plugin/*/target/surefire-reports
    return $have
}

# Debian has no MySQL: Ubuntu's are unpacked beside the system and run from there.
suite_mysql() {
    local package suite tree trees=() why
    [ "$(id -u)" = 0 ] || skip "MySQL can be unpacked by root alone"
    install mmdebstrap
    # shellcheck source=scripts/lib/trees.sh
    . scripts/lib/trees.sh
    for package in bionic/mysql-server-core-5.7 jammy/mysql-server-core-8.0; do
        suite=${package%/*}
        why=$(ubuntu_tree "$suite" "${package#*/}" 2>&1) || skip "no MySQL: ${why##*$'\n'}"
        trees+=("$why")
    done
    compile_plugin_tests || return 1
    for tree in "${trees[@]}"; do
        rm -rf plugin/*/target/surefire-reports
        MYSQL_TREE=$tree "${MAVEN_PLUGIN[@]}" -o test -Dfmt.skip -Dtest='MySql*Test' -Dsurefire.failIfNoSpecifiedTests=false || return 1
        "$PYTHON" scripts/lib/surefire.py plugin/*/target/surefire-reports | sed "s/^/${tree##*/}: /"
    done
}

suite_clouddriver() {
    [ -n "${CLOUDDRIVER_HOME:-}" ] || skip "CLOUDDRIVER_HOME names no Clouddriver (an unpacked package, with its jars in lib/)"
    need_control_plane
    # shellcheck source=scripts/lib/build.sh
    . scripts/lib/build.sh
    build_plugin || skip "the plugin can't be built"
    "$PYTHON" -m unittest discover -s tests/e2e/clouddriver && clouddriver_on_mysql && scripts/soak clouddriver --short &&
        scripts/soak clouddriver-restart --short
}

# One module on MySQL, where it is to be had; MYSQL_TREE (the path of a tree as suite mysql unpacks them) has all of them there.
clouddriver_on_mysql() {
    local why
    [ -z "${MYSQL_TREE:-}" ] || return 0
    # shellcheck source=scripts/lib/trees.sh
    . scripts/lib/trees.sh
    if ! why=$({ [ "$(id -u)" = 0 ] || die "it can be unpacked by root alone"; install mmdebstrap &&
        ubuntu_tree jammy mysql-server-core-8.0; } 2>&1); then
        echo "MySQL is left out: ${why##*$'\n'}"
        return 0
    fi
    MYSQL_TREE=${why##*$'\n'} "$PYTHON" -m unittest discover -s tests/e2e/clouddriver -p test_read_only.py
}

suite_convergence() {
    need_control_plane
    scripts/soak convergence --short
}
suite_outage() { scripts/soak outage --short; }
suite_restart() { scripts/soak restart --short; }

suite_manual() {
    have mandoc || skip "mandoc is not installed"
    have zsh || (install zsh) >/dev/null 2>&1 # where it can't be had, one test less
    "$PYTHON" tests/packages/manual.py "$BUILD"
}

suite_docs() { "$PYTHON" -m unittest discover -s tests/docs; }

# In a run of all suites, which four clean systems and four builds would double: one package, built on this machine, in one
# booted system.
packages_short() {
    local needs tree why work code
    [ "$(. /etc/os-release && echo "$ID ${VERSION_ID:-}")" = "debian 12" ] ||
        skip "this is no Debian 12, which a package that is built here is for; --only packages makes clean systems"
    mapfile -t needs < <(package_build_needs)
    why=$(install mmdebstrap systemd-container "${needs[@]}" 2>&1) || skip "what is needed can't be installed: ${why##*$'\n'}"
    tree=$(make_tree bookworm boot "${TREE_BOOT[@]}" 2>&1) || skip "$tree"
    why=$("$PYTHON" tests/packages/machine.py "$tree" 2>&1) || skip "systems can't be booted here: ${why##*$'\n'}"
    work=$(mktemp -d) || return 1
    scripts/package deb --out "$work/bookworm" &&
        SA_TREE_bookworm=$tree SA_PACKAGES_DIR=$work SA_PACKAGES_SHORT=1 SA_PACKAGES_WORKERS=8 PYTHONPATH=$PYTHONPATH:tests/packages \
            timeout -k 20 1500 "$PYTHON" -m unittest -v test_debian.Bookworm
    code=$?
    rm -rf "$work"
    return $code
}

# Clean trees are made by mmdebstrap; systems are booted by systemd-nspawn. Both need root. A package that is in
# SA_PACKAGES_DIR already (DIR/bookworm/*.deb) is not built again.
suite_packages() {
    local suite dir why
    [ "$(id -u)" = 0 ] || skip "systems can be booted by root alone"
    need_control_plane
    # shellcheck source=scripts/lib/trees.sh
    . scripts/lib/trees.sh
    # shellcheck source=scripts/lib/packaging.sh
    . scripts/lib/packaging.sh
    if [ -n "${WHOLE:-}" ]; then
        packages_short
        return
    fi
    install mmdebstrap systemd-container dpkg-dev rpm qemu-system-x86 busybox-static cpio lintian piuparts rpmlint
    export SA_PACKAGES_DIR=${SA_PACKAGES_DIR:-$ROOT/packages}
    for suite in bookworm trixie; do
        dir=$SA_PACKAGES_DIR/$suite
        if why=$(make_tree "$suite" boot "${TREE_BOOT[@]}" 2>&1); then
            export "SA_TREE_$suite=$why"
        else
            export "SA_TREE_${suite}_LACKS=$why"
            continue
        fi
        if why=$(debian_kernel "$suite" 2>&1); then
            export "SA_KERNEL_$suite=$why"
        else
            export "SA_KERNEL_${suite}_LACKS=$why"
        fi
        if [ -z "$(compgen -G "$dir/scale-agent_*.deb")" ]; then
            scripts/package deb --suite "$suite" --out "$dir" || return 1
            [ "$suite" != bookworm ] || export SA_PACKAGES_BUILT=1
        fi
    done
    dir=$SA_PACKAGES_DIR/rpm
    [ -n "$(compgen -G "$dir/scale-agent-[0-9]*.rpm")" ] || SA_RPM_NEXT=1 scripts/package rpm --out "$dir" || return 1
    "$PYTHON" -m unittest discover -v -s tests/packages
}
