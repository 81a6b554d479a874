/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who asks by the uplink. Results need no credit of the session, but are bounded all the same: the
 * uplink says how many of their bytes the stream has taken, and no more than a window goes before
 * that.
 */
#include "base/log.h"
#include "ipc/msg.h"
#include "worker/ops/engine_internal.h"

static struct sa_ops *ops_of(struct sa_asker *a)
{
    return (struct sa_ops *)((char *)a - offsetof(struct sa_ops, uplink.asker));
}

static void send(struct sa_asker *a, const void *p, size_t n)
{
    struct sa_ops *o = ops_of(a);
    struct sa_out *out = &o->w->out;
    o->uplink.sent += n;
    if (out->result)
        out->result(out->arg, p, n);
}

static size_t room(struct sa_asker *a)
{
    const struct sa_ops *o = ops_of(a);
    uint64_t before = o->uplink.sent - o->uplink.left;
    return before < SA_OPS_WINDOW ? (size_t)(SA_OPS_WINDOW - before) : 0;
}

void sa_ops_uplink_init(struct sa_ops *o)
{
    o->uplink.asker = (struct sa_asker){.send = send, .room = room, .who = "clouddriver"};
}

static int on_room(struct sa_ops *o, const void *p, size_t n, struct sa_err **err)
{
    struct sa_rd r;
    sa_rd_init(&r, p, n);
    uint64_t left = sa_rd_u64(&r);
    if (!sa_rd_done(&r) || left > o->uplink.sent)
        return sa_err_set(err, SA_EPROTOCOL, "more results were taken than were sent");
    if (left > o->uplink.left)
        o->uplink.left = left;
    sa_ops_room(o, &o->uplink.asker);
    return 0;
}

int sa_ops_uplink(struct sa_ops *o, enum sa_data_kind kind, const void *p, size_t n,
                  struct sa_err **err)
{
    SA_CLEANUP(sa_err_free) struct sa_err *why = NULL;
    if (kind == SA_DATA_ROOM)
        return on_room(o, p, n, err);
    int rc = kind == SA_DATA_OPERATION ? sa_ops_ask(o, &o->uplink.asker, p, n, &why)
                                       : sa_ops_cancel(o, &o->uplink.asker, p, n, &why);
    if (rc) /* the uplink does not read them: it is the asker's fault, who then waits in vain */
        sa_log(SA_WARN, "an operation that Clouddriver sent: %s", sa_err_msg(why));
    return 0;
}

void sa_ops_uplink_down(struct sa_ops *o)
{
    sa_ops_leave(o, &o->uplink.asker);
    o->uplink.sent = o->uplink.left = 0;
}
