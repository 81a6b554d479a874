/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/exporter.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/clock.h"
#include "base/environment.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/process.h"
#include "base/sandbox.h"
#include "config/settings.h"
#include "exporter/http.h"
#include "ipc/control.h"
#include "ipc/slot.h"

#define STATUS_MAX ((size_t)64 << 20)
#define ANSWER_NS  (5 * SA_NS_PER_S)
#define BEAT_NS    (SA_NS_PER_S / 2)
#define TICK_NS    SA_NS_PER_S /* between two states of the status page */

struct address {
    struct sockaddr_storage addr;
    socklen_t len;
};

struct exporter {
    const struct sa_child_args *args;
    struct sa_settings settings;
    struct sa_sandbox sandbox;
    struct sa_sandbox_report report;
    struct sa_loop *loop;
    struct sa_ctl *ctl;
    struct address at[2]; /* of prometheus, of server, as far as there are */
    bool metrics[2];
    uint16_t ports[2];
    size_t n_servers;
    struct sa_exporter_http_server *servers[2];
    uint32_t asked; /* id of the status that was asked for */
    bool waiting;
    struct sa_buf json;
    struct sa_timer beat, answer, tick;
};

/* The status */

static void answer_all(struct exporter *e, const cJSON *status)
{
    e->waiting = false;
    sa_timer_cancel(e->loop, &e->answer);
    sa_buf_trim(&e->json, 0);
    for (size_t i = 0; i < e->n_servers; i++)
        sa_exporter_http_status(e->servers[i], status);
}

static void no_answer(void *arg)
{
    answer_all(arg, NULL);
}

static void want_status(void *arg, const char *account)
{
    struct exporter *e = arg;
    struct sa_buf b;

    if (e->waiting)
        return;
    e->waiting = true;
    e->asked++;
    sa_buf_init(&b, 0);
    sa_wr_u32(&b, e->asked);
    sa_wr_str(&b, strlen(account) < SA_WANT_NAME ? account : "");
    sa_ctl_send(e->ctl, SA_CTL_STATUS_WANT, &b, NULL);
    sa_buf_free(&b);
    sa_timer_set(e->loop, &e->answer, ANSWER_NS, no_answer, e);
}

static int on_status(struct exporter *e, struct sa_rd *body)
{
    uint32_t id = sa_rd_u32(body);
    uint8_t last = sa_rd_u8(body);
    size_t n;
    const uint8_t *part = sa_rd_bytes(body, &n);
    cJSON *status;

    if (!sa_rd_done(body))
        return -1;
    if (id != e->asked || !e->waiting)
        return 0; /* of a question that was given up */
    sa_buf_add(&e->json, part, n);
    if (!last)
        return 0;
    status = e->json.failed ? NULL : cJSON_ParseWithLength(e->json.data, e->json.len);
    answer_all(e, status);
    cJSON_Delete(status);
    return 0;
}

static int on_message(void *arg, uint8_t type, struct sa_rd *body)
{
    struct exporter *e = arg;

    switch (type) {
    case SA_CTL_STOP:
        sa_loop_stop(e->loop);
        return 0;
    case SA_CTL_LOG_LEVEL:
        sa_log_set_level((enum sa_level)sa_rd_u8(body));
        return 0;
    case SA_CTL_STATUS:
        return on_status(e, body);
    default:
        return -1;
    }
}

static void on_end(void *arg, const struct sa_err *reason)
{
    (void)arg;
    (void)reason;
    _Exit(SA_EXIT_FAILED); /* the supervisor is gone */
}

static void beat(void *arg)
{
    struct exporter *e = arg;

    e->args->slot->heartbeat_ns = sa_mono_ns();
    sa_timer_set(e->loop, &e->beat, BEAT_NS, beat, e);
}

/* While someone looks at the status page it is told each second. */
static void tick(void *arg)
{
    struct exporter *e = arg;
    bool watched = false;

    for (size_t i = 0; i < e->n_servers; i++)
        watched = watched || sa_exporter_http_watched(e->servers[i]);
    if (watched)
        want_status(e, "");
    sa_timer_set(e->loop, &e->tick, TICK_NS, tick, e);
}

/* Setting up */

/* All of this machine: IPv6 with IPv4 mapped into it, or IPv4 alone where there is no other. */
static void any_address(struct address *at, uint16_t port)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
    SA_CLEANUP(sa_closep) int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    at->len = fd >= 0 ? sizeof(six) : sizeof(four);
    if (fd >= 0)
        memcpy(&at->addr, &six, sizeof(six));
    else
        memcpy(&at->addr, &four, sizeof(four));
}

static int resolve(struct address *at, const char *key, const char *host, uint16_t port,
                   struct sa_err **err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char service[8];
    int rc;

    if (strcmp(host, "localhost") == 0)
        host = "127.0.0.1";
    snprintf(service, sizeof(service), "%u", port);
    rc = getaddrinfo(host, service, &hints, &found);
    if (rc != 0)
        return sa_err_set(err, SA_ECONFIG, "%s %s: %s", key, host, gai_strerror(rc));
    memcpy(&at->addr, found->ai_addr, found->ai_addrlen);
    at->len = found->ai_addrlen;
    freeaddrinfo(found);
    return 0;
}

static int find_addresses(struct exporter *e, struct sa_err **err)
{
    const struct sa_settings *s = &e->settings;
    const char *host = s->server_host ? s->server_host : "localhost";

    if (s->prometheus_enabled && s->prometheus_port > 0) {
        uint16_t port = (uint16_t)s->prometheus_port;

        e->metrics[0] = true;
        e->ports[0] = port;
        if (!s->prometheus_host || !*s->prometheus_host)
            any_address(&e->at[0], port);
        else if (resolve(&e->at[0], "prometheus.host", s->prometheus_host, port, err) < 0)
            return -1;
        e->n_servers++;
    }
    if (s->server_port > 0) {
        e->ports[e->n_servers] = (uint16_t)s->server_port;
        if (resolve(&e->at[e->n_servers], "server.host", host, e->ports[e->n_servers], err) < 0)
            return -1;
        e->n_servers++;
    }
    return 0;
}

static void fill_slot(const struct exporter *e)
{
    struct sa_slot *s = e->args->slot;
    const struct sa_sandbox_report *r = &e->report;

    s->sandbox = (r->no_new_privs ? SA_SLOT_NNP : 0) | (r->uid_dropped ? SA_SLOT_UID : 0) |
                 (r->landlock ? SA_SLOT_LANDLOCK : 0) | (r->landlock_tcp ? SA_SLOT_TCP : 0) |
                 (r->seccomp ? SA_SLOT_SECCOMP : 0);
    s->landlock_abi = (uint32_t)r->landlock_abi;
    sa_slot_set_text(s->sandbox_lacks, sizeof(s->sandbox_lacks), r->lacks);
    s->state = SA_STATE_STREAMING;
}

static int confine(struct exporter *e, struct sa_err **err)
{
    const char *mode = e->settings.sandbox ? e->settings.sandbox : "auto";

    if (find_addresses(e, err) < 0)
        return -1;
    e->sandbox = (struct sa_sandbox){
        .profile = SA_SANDBOX_EXPORTER,
        .required = strcmp(mode, "required") == 0,
        .off = strcmp(mode, "off") == 0,
        .uid = e->args->uid,
        .gid = e->args->gid,
        .tcp_bind = e->ports,
        .n_tcp_bind = e->n_servers,
        .max_files = 256,
    };
    return sa_sandbox_enter(&e->sandbox, &e->report, err);
}

static int listen_all(struct exporter *e, struct sa_err **err)
{
    for (size_t i = 0; i < e->n_servers; i++) {
        const struct sa_exporter_http_options opt = {.metrics = e->metrics[i],
                                                     .token_sha256 =
                                                         e->settings.server_token_sha256,
                                                     .want = want_status,
                                                     .arg = e};

        e->servers[i] = sa_exporter_http_listen(e->loop, (struct sockaddr *)&e->at[i].addr,
                                                e->at[i].len, &opt, err);
        if (!e->servers[i]) {
            e->n_servers = i;
            return sa_err_wrap(err, "port %u", e->ports[i]);
        }
    }
    return 0;
}

static int set_up(struct exporter *e, struct sa_err **err)
{
    if (sa_settings_from_json(e->args->settings, &e->settings, err) < 0 || confine(e, err) < 0)
        return -1;
    e->loop = sa_loop_new(err);
    if (!e->loop)
        return -1;
    e->ctl = sa_ctl_new(e->loop, e->args->control_fd, on_message, on_end, e, err);
    if (!e->ctl)
        return -1;
    sa_ctl_log_sink(e->ctl);
    if (listen_all(e, err) < 0)
        return -1;
    sa_sandbox_report_syscall_to(&e->args->slot->seccomp_nr);
    if (sa_sandbox_seal(&e->sandbox, &e->report, err) < 0)
        return -1;
    fill_slot(e);
    beat(e);
    tick(e);
    return sa_ctl_send(e->ctl, SA_CTL_READY, NULL, err);
}

static void say_why(struct exporter *e, const struct sa_err *err)
{
    struct sa_buf b;

    sa_buf_init(&b, SA_CTL_MAX - 1);
    sa_wr_u32(&b, (uint32_t)err->code);
    sa_wr_str(&b, sa_err_msg(err));
    sa_ctl_send_now(e->ctl ? sa_ctl_fd(e->ctl) : e->args->control_fd, SA_CTL_FATAL, &b, NULL);
    sa_buf_free(&b);
}

static void release(struct exporter *e)
{
    for (size_t i = 0; i < e->n_servers; i++)
        sa_exporter_http_free(e->servers[i]);
    sa_ctl_free(e->ctl);
    sa_loop_free(e->loop);
    sa_buf_free(&e->json);
    sa_settings_free(&e->settings);
}

int sa_exporter_main(const struct sa_child_args *args)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    struct exporter e = {.args = args};
    int rc = 0;

    sa_env_keep(NULL);
    sa_hash_init();
    sa_buf_init(&e.json, STATUS_MAX);
    sa_ctl_log_sink_fd(args->control_fd);
    if (set_up(&e, &err) < 0 || sa_loop_run(e.loop, &err) < 0) {
        say_why(&e, err);
        rc = err->code == SA_ECONFIG ? SA_EXIT_CONFIG : SA_EXIT_FAILED;
    }
    release(&e);
    return rc;
}
