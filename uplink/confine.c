/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/confine.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "ipc/slot.h"
#include "uplink/endpoint.h"

static void add_path(struct sa_confinement *c, const char *path, bool write, bool optional)
{
    if (c->sandbox.n_paths < SA_CONFINE_PATHS)
        c->paths[c->sandbox.n_paths++] =
            (struct sa_sandbox_path){.path = path, .write = write, .optional = optional};
}

static void add_port(struct sa_confinement *c, uint16_t port)
{
    for (size_t i = 0; i < c->sandbox.n_tcp_connect; i++)
        if (c->ports[i] == port)
            return;
    if (c->sandbox.n_tcp_connect < SA_CONFINE_PORTS)
        c->ports[c->sandbox.n_tcp_connect++] = port;
}

/* The folder that path is in. */
static int folder_of(const char *path, char *out, size_t n, struct sa_err **err)
{
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;

    if (!slash)
        path = ".";
    if (!slash || len == 0)
        len = 1;
    if (len >= n)
        return sa_err_set(err, SA_ECONFIG, "the path of the sink's file is too long");
    memcpy(out, path, len);
    out[len] = '\0';
    return 0;
}

/* What the resolver and OpenSSL open while they work. */
static void add_network(struct sa_confinement *c)
{
    static const char *const files[] = {
        "/etc/resolv.conf",
        "/etc/hosts",
        "/etc/nsswitch.conf",
        "/etc/gai.conf",
        "/etc/services",
        "/etc/host.conf",
        "/etc/ssl",
        "/etc/pki",
        "/usr/share/ca-certificates",
        "/usr/lib",
        "/run/systemd/resolve",
        "/etc/ld.so.cache",
    };

    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        add_path(c, files[i], false, true);
}

static int add_sink(struct sa_confinement *c, const struct sa_settings *s, struct sa_err **err)
{
    const char *file = s->sink == SA_SINK_SQLITE ? s->sqlite_file : s->jsonl_file;
    struct sa_endpoint target, proxy;

    if (s->sink == SA_SINK_GRPC) {
        if (sa_endpoint_target(s->clouddriver.grpc, &target, err) < 0 ||
            sa_endpoint_proxy(&s->clouddriver, &proxy, err) < 0)
            return -1;
        add_network(c);
        add_port(c, target.port);
        add_port(c, 53);
        if (proxy.port != 0)
            add_port(c, proxy.port);
        return 0;
    }
    if (s->sink == SA_SINK_JSONL && (!file || strcmp(file, "-") == 0))
        return 0;
    if (!file)
        snprintf(c->sink_dir, sizeof c->sink_dir, "%s", s->state_dir);
    else if (folder_of(file, c->sink_dir, sizeof c->sink_dir, err) < 0)
        return -1;
    add_path(c, c->sink_dir, true, false);
    return 0;
}

int sa_confine_enter(struct sa_confinement *c, const struct sa_child_args *args,
                     const struct sa_settings *s, struct sa_err **err)
{
    const char *mode = s->sandbox ? s->sandbox : "auto";

    memset(c, 0, sizeof *c);
    c->sandbox.profile = SA_SANDBOX_UPLINK;
    c->sandbox.required = strcmp(mode, "required") == 0;
    c->sandbox.off = strcmp(mode, "off") == 0;
    c->sandbox.uid = args->uid;
    c->sandbox.gid = args->gid;
    c->sandbox.paths = c->paths;
    c->sandbox.tcp_connect = c->ports;
    c->sandbox.max_memory = s->uplink_memory_bytes > 0 ? (uint64_t)s->uplink_memory_bytes : 0;
    if ((size_t)snprintf(c->data_dir, sizeof c->data_dir, "%s/data", args->runtime_dir) >=
        sizeof c->data_dir)
        return sa_err_set(err, SA_ECONFIG, "the path of the runtime directory is too long");
    add_path(c, c->data_dir, true, false);
    if (add_sink(c, s, err) < 0)
        return -1;
    return sa_sandbox_enter(&c->sandbox, &c->report, err);
}

static uint32_t bits(const struct sa_sandbox_report *r)
{
    return (r->no_new_privs ? SA_SLOT_NNP : 0) | (r->uid_dropped ? SA_SLOT_UID : 0) |
           (r->landlock ? SA_SLOT_LANDLOCK : 0) | (r->landlock_tcp ? SA_SLOT_TCP : 0) |
           (r->seccomp ? SA_SLOT_SECCOMP : 0);
}

int sa_confine_seal(struct sa_confinement *c, const struct sa_child_args *args, struct sa_err **err)
{
    if (sa_sandbox_seal(&c->sandbox, &c->report, err) < 0)
        return -1;
    args->slot->sandbox = bits(&c->report);
    args->slot->landlock_abi = (uint32_t)c->report.landlock_abi;
    sa_slot_set_text(args->slot->sandbox_lacks, sizeof args->slot->sandbox_lacks, c->report.lacks);
    if (c->report.lacks[0] != '\0')
        sa_log(SA_WARN, "the sandbox lacks: %s", c->report.lacks);
    return 0;
}
