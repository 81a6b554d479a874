/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Landlock (landlock(7)): no file but those listed, no TCP port but those listed, no signal and no
 * abstract Unix socket to the outside. Each ABI adds rights; an older kernel enforces what it
 * knows.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "base/sandbox_parts.h"

/* Debian 12's <linux/landlock.h> ends at ABI 2, so the kernel's numbers stand here. */
#define FS_EXECUTE     (UINT64_C(1) << 0)
#define FS_WRITE_FILE  (UINT64_C(1) << 1)
#define FS_READ_FILE   (UINT64_C(1) << 2)
#define FS_READ_DIR    (UINT64_C(1) << 3)
#define FS_REMOVE_DIR  (UINT64_C(1) << 4)
#define FS_REMOVE_FILE (UINT64_C(1) << 5)
#define FS_MAKE_DIR    (UINT64_C(1) << 7)
#define FS_MAKE_REG    (UINT64_C(1) << 8)
#define FS_MAKE_SOCK   (UINT64_C(1) << 9)
#define FS_ABI_1       ((UINT64_C(1) << 13) - 1)
#define FS_REFER       (UINT64_C(1) << 13) /* ABI 2 */
#define FS_TRUNCATE    (UINT64_C(1) << 14) /* ABI 3 */
#define FS_IOCTL_DEV   (UINT64_C(1) << 15) /* ABI 5 */

#define NET_BIND_TCP    (UINT64_C(1) << 0) /* ABI 4 */
#define NET_CONNECT_TCP (UINT64_C(1) << 1)

#define SCOPE_ABSTRACT_UNIX (UINT64_C(1) << 0) /* ABI 6 */
#define SCOPE_SIGNAL        (UINT64_C(1) << 1)

#define CREATE_VERSION    1u
#define RULE_PATH_BENEATH 1
#define RULE_NET_PORT     2

#define DNS_PORT 53 /* answers too long for a datagram come by TCP (RFC 7766) */

struct ruleset_attr {
    uint64_t fs, net, scoped;
};
struct path_attr {
    uint64_t allowed;
    int32_t parent_fd;
} __attribute__((packed));
struct port_attr {
    uint64_t allowed, port;
};

static const struct sa_sandbox_path resolver_paths[] = {
    {.path = "/etc/resolv.conf", .optional = true},
    {.path = "/etc/hosts", .optional = true},
    {.path = "/etc/nsswitch.conf", .optional = true},
    {.path = "/etc/host.conf", .optional = true},
    {.path = "/etc/gai.conf", .optional = true},
    {.path = "/etc/services", .optional = true},
    {.path = "/etc/localtime", .optional = true},
    {.path = "/run/systemd/resolve", .optional = true},
};
/* The check that every thread is confined reads it. Own process only. */
static const struct sa_sandbox_path own_tasks = {.path = "/proc/self/task", .optional = true};

/* What is forbidden unless a rule allows it, as far as the ABI knows it. */
static struct ruleset_attr handled(const struct sa_sandbox *s, int abi)
{
    struct ruleset_attr a = {.fs = FS_ABI_1};
    a.fs |= abi >= 2 ? FS_REFER : 0;
    a.fs |= abi >= 3 ? FS_TRUNCATE : 0;
    a.fs |= abi >= 5 ? FS_IOCTL_DEV : 0;
    if (abi >= 4) {
        bool any_port = s->profile == SA_SANDBOX_HELPER && s->n_tcp_connect == 0;
        a.net = NET_BIND_TCP | (any_port ? 0 : NET_CONNECT_TCP);
    }
    if (abi >= 6) {
        a.scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL;
    }
    return a;
}

static size_t attr_size(int abi)
{
    return abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
}

static uint64_t rights(const struct sa_sandbox_path *p, bool folder)
{
    uint64_t r = FS_READ_FILE;
    r |= p->exec ? FS_EXECUTE : 0;
    r |= p->write ? FS_WRITE_FILE | FS_TRUNCATE : 0;
    if (folder) {
        r |= FS_READ_DIR;
        r |= p->write ? FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REG | FS_MAKE_SOCK |
                            FS_REFER
                      : 0;
    }
    return r;
}

static int add_path(int ruleset, const struct sa_sandbox_path *p, uint64_t fs, struct sa_err **err)
{
    struct stat st;
    SA_CLEANUP(sa_closep) int fd = open(p->path, O_PATH | O_CLOEXEC);
    if (fd < 0) {
        if (p->optional && (errno == ENOENT || errno == ENOTDIR || errno == EACCES)) {
            return 0;
        }
        return sa_err_sys(err, errno, "landlock: open %s", p->path);
    }
    if (fstat(fd, &st) != 0) {
        return sa_err_sys(err, errno, "landlock: stat %s", p->path);
    }
    struct path_attr a = {.allowed = rights(p, S_ISDIR(st.st_mode)) & fs, .parent_fd = fd};
    if (syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &a, 0) != 0) {
        return sa_err_sys(err, errno, "landlock: allow %s", p->path);
    }
    return 0;
}

static int add_ports(int ruleset, const uint16_t *ports, size_t n, uint64_t right,
                     struct sa_err **err)
{
    for (size_t i = 0; i < n; i++) {
        struct port_attr a = {.allowed = right, .port = ports[i]};
        if (syscall(SYS_landlock_add_rule, ruleset, RULE_NET_PORT, &a, 0) != 0) {
            return sa_err_sys(err, errno, "landlock: allow TCP port %u", ports[i]);
        }
    }
    return 0;
}

static bool has_network(const struct sa_sandbox *s)
{
    return s->profile != SA_SANDBOX_READER && s->profile != SA_SANDBOX_EXPORTER;
}

static int add_rules(int ruleset, const struct sa_sandbox *s, const struct ruleset_attr *a,
                     struct sa_err **err)
{
    for (size_t i = 0; i < s->n_paths; i++) {
        if (add_path(ruleset, &s->paths[i], a->fs, err) != 0) {
            return -1;
        }
    }
    size_t n = has_network(s) ? sizeof(resolver_paths) / sizeof(resolver_paths[0]) : 0;
    for (size_t i = 0; i < n; i++) {
        if (add_path(ruleset, &resolver_paths[i], a->fs, err) != 0) {
            return -1;
        }
    }
    if (add_path(ruleset, &own_tasks, a->fs, err) != 0) {
        return -1;
    }
    static const uint16_t dns = DNS_PORT;
    if ((a->net & NET_CONNECT_TCP) != 0 &&
        (add_ports(ruleset, s->tcp_connect, s->n_tcp_connect, NET_CONNECT_TCP, err) != 0 ||
         add_ports(ruleset, &dns, has_network(s) ? 1 : 0, NET_CONNECT_TCP, err) != 0)) {
        return -1;
    }
    if ((a->net & NET_BIND_TCP) != 0) {
        return add_ports(ruleset, s->tcp_bind, s->n_tcp_bind, NET_BIND_TCP, err);
    }
    return 0;
}

/* What the kernel does not enforce, by the ABI's number. */
static void say_lacks(struct sa_sandbox_report *rep)
{
    int abi = rep->landlock_abi;
    if (abi < 3) {
        sa_sandbox_lack(rep, "landlock truncate (ABI %d)", abi);
    }
    if (abi < 4) {
        sa_sandbox_lack(rep, "landlock TCP (ABI %d)", abi);
    }
    if (abi < 6) {
        sa_sandbox_lack(rep, "landlock scopes (ABI %d)", abi);
    }
}

int sa_sandbox_landlock(const struct sa_sandbox *s, struct sa_sandbox_report *rep,
                        struct sa_err **err)
{
    int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);
    if (abi < 1) {
        if (abi < 0 && errno != ENOSYS && errno != EOPNOTSUPP) {
            return sa_err_sys(err, errno, "landlock: ask for its version");
        }
        sa_sandbox_lack(rep, "landlock (%s)",
                        errno == EOPNOTSUPP ? "not enabled at boot" : "kernel too old");
        return 0;
    }
    rep->landlock_abi = abi;
    struct ruleset_attr a = handled(s, abi);
    SA_CLEANUP(sa_closep)
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &a, attr_size(abi), 0);
    if (ruleset < 0) {
        return sa_err_sys(err, errno, "landlock: make rules");
    }
    if (add_rules(ruleset, s, &a, err) != 0) {
        return -1;
    }
    if (syscall(SYS_landlock_restrict_self, ruleset, 0) != 0) {
        return sa_err_sys(err, errno, "landlock: put the rules in force");
    }
    rep->landlock = true;
    rep->landlock_tcp = abi >= 4;
    say_lacks(rep);
    return 0;
}
