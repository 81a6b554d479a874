/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/service.h"

#include <string.h>

#include "base/log.h"
#include "supervisor/notify.h"
#include "supervisor/root.h"
#include "supervisor/status.h"

#define GRACE_NS   (4 * SA_NS_PER_S)
#define PART_BYTES ((size_t)128 << 10)

bool sa_service_exporter_wanted(const struct sa_settings *s)
{
    return (s->prometheus_enabled && s->prometheus_port > 0) || s->server_port > 0;
}

static bool wanted(const struct sa_proc *p)
{
    return p->role == SA_ROLE_UPLINK || sa_service_exporter_wanted(&p->sup->settings);
}

static void start(struct sa_proc *p)
{
    struct sa_supervisor *sup = p->sup;
    struct sa_proc_start s = {
        .run = p->role == SA_ROLE_UPLINK ? sup->mains->uplink : sup->mains->exporter,
        .uid = sup->identity.uid,
        .gid = sup->identity.gid,
        .settings = sup->settings_json,
        .helper_fd = -1,
    };

    if (p->role == SA_ROLE_UPLINK)
        p->memory_limit =
            sup->settings.uplink_memory_bytes > 0 ? (uint64_t)sup->settings.uplink_memory_bytes : 0;
    sa_proc_start(p, &s);
    if (p->role == SA_ROLE_UPLINK)
        sa_acct_announce(sup);
}

static void ended(struct sa_proc *p, bool asked)
{
    struct sa_supervisor *sup = p->sup;

    if (p->role == SA_ROLE_EXPORTER)
        sa_buf_free(&sup->status);
    if (sup->stopping) {
        sa_sup_stop_step(sup);
    } else if (asked) {
        sa_restart_reset(&p->restart);
        if (wanted(p))
            start(p);
    } else {
        sa_proc_retry(p);
    }
    sa_notify_state(sup);
}

static void due(struct sa_proc *p)
{
    if (!p->sup->stopping && wanted(p))
        start(p);
}

static void ready(struct sa_proc *p)
{
    sa_log(SA_INFO, "%s is ready", sa_role_name(p->role));
    sa_notify_state(p->sup);
}

/* The uplink saw a wrong key on an account's socket. The process that sent it is named; if it is a
 * worker of ours it is ended. */
static int on_forgery(struct sa_proc *uplink, struct sa_rd *body)
{
    uint32_t index = sa_rd_u32(body), pid = sa_rd_u32(body);
    const char *victim = "unknown";
    struct sa_proc *p;

    if (!sa_rd_done(body))
        return -1;
    for (size_t i = 0; i < uplink->sup->n_accounts; i++)
        if (uplink->sup->accounts[i]->index == index)
            victim = uplink->sup->accounts[i]->ref.name;
    p = pid > 0 ? sa_sup_find(uplink->sup, (pid_t)pid) : NULL;
    if (!p || p->role != SA_ROLE_WORKER) {
        sa_log(SA_ERROR, "process %u, none of ours, tried to speak for account %s", pid, victim);
        return 0;
    }
    sa_log(SA_ERROR, "the worker of account %s tried to speak for account %s; it is ended",
           p->account, victim);
    sa_proc_kill(p, SA_END_FORGERY, "tried to speak for account %s", victim);
    return 0;
}

static int uplink_message(struct sa_proc *p, uint8_t type, struct sa_rd *body)
{
    return type == SA_CTL_FORGERY ? on_forgery(p, body) : -1;
}

/* Sends parts until the channel has enough of them: it queues some MB, while the status of a large
 * fleet may have tens. */
static void send_parts(void *arg)
{
    struct sa_proc *p = arg;
    struct sa_supervisor *sup = p->sup;
    struct sa_buf part;

    sa_buf_init(&part, SA_CTL_MAX - 1);
    while (sup->status_sent < sup->status.len && !sa_ctl_queued(p->ctl)) {
        size_t left = sup->status.len - sup->status_sent;
        size_t n = left < PART_BYTES ? left : PART_BYTES;

        sa_buf_reset(&part);
        sa_wr_u32(&part, sup->status_id);
        sa_wr_u8(&part, n == left);
        sa_wr_bytes(&part, sup->status.data + sup->status_sent, n);
        sa_proc_send(p, SA_CTL_STATUS, &part);
        sup->status_sent += n;
    }
    sa_buf_free(&part);
    if (sup->status_sent >= sup->status.len)
        sa_buf_free(&sup->status);
}

/* The exporter asks for what `status` shows; it gets the JSON text in parts. One that asks again
 * has given up its last question. */
static int exporter_message(struct sa_proc *p, uint8_t type, struct sa_rd *body)
{
    struct sa_supervisor *sup = p->sup;
    uint32_t id = sa_rd_u32(body);
    char account[SA_WANT_NAME];

    sa_rd_str(body, account, sizeof(account));
    if (type != SA_CTL_STATUS_WANT || !sa_rd_done(body))
        return -1;
    sa_buf_free(&sup->status);
    sa_buf_init(&sup->status, SA_STATUS_MAX);
    sup->status_sent = 0;
    sup->status_id = id;
    sa_status_build_with(sup, account, &sup->status);
    sa_ctl_on_drained(p->ctl, send_parts);
    send_parts(p);
    return 0;
}

static const struct sa_proc_ops uplink_ops = {uplink_message, ended, due, ready};
static const struct sa_proc_ops exporter_ops = {exporter_message, ended, due, ready};

void sa_service_init(struct sa_supervisor *sup)
{
    sa_proc_init(&sup->uplink, sup, &uplink_ops, SA_ROLE_UPLINK, NULL, NULL);
    sa_proc_init(&sup->exporter, sup, &exporter_ops, SA_ROLE_EXPORTER, NULL, NULL);
}

void sa_service_start(struct sa_supervisor *sup)
{
    start(&sup->uplink);
    if (wanted(&sup->exporter))
        start(&sup->exporter);
}

static void restart(struct sa_proc *p)
{
    if (sa_proc_stop(p, GRACE_NS))
        return;
    sa_restart_reset(&p->restart);
    if (wanted(p))
        start(p);
}

void sa_service_restart_uplink(struct sa_supervisor *sup)
{
    restart(&sup->uplink);
}

void sa_service_reconfigure(struct sa_supervisor *sup, bool uplink, bool exporter)
{
    if (uplink) {
        sa_log(SA_INFO, "the uplink's settings changed: it is restarted");
        restart(&sup->uplink);
    }
    if (exporter)
        restart(&sup->exporter);
}
