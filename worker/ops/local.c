/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ops/local.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "ipc/operate.h"
#include "ipc/sp.h"

#define QUEUE_MAX ((size_t)2 * SA_OPS_WINDOW)

struct channel {
    struct sa_asker asker; /* first */
    struct sa_local *local;
    struct channel *next;
    struct sa_sp *sp;
    struct sa_timer end; /* it is to be dropped, when nobody is in the midst of it */
    char who[64];
};

struct sa_local {
    struct sa_loop *loop;
    struct sa_ops *ops;
    struct channel *channels;
    unsigned n;
};

/* It is in no list any more. */
static void end_channel(struct channel *c)
{
    struct sa_local *l = c->local;
    l->n--;
    sa_timer_cancel(l->loop, &c->end);
    sa_ops_leave(l->ops, &c->asker);
    sa_sp_free(c->sp);
    free(c);
}

static void drop(void *arg)
{
    struct channel *c = arg;
    for (struct channel **p = &c->local->channels; *p; p = &(*p)->next) {
        if (*p == c) {
            *p = c->next;
            break;
        }
    }
    end_channel(c);
}

static void drop_soon(struct channel *c, const struct sa_err *why)
{
    sa_log(SA_WARN, "%s, who asks for operations on this host: %s", c->who, sa_err_msg(why));
    if (sa_timer_set(c->local->loop, &c->end, 0, drop, c))
        sa_log(SA_ERROR, "no memory to close the channel of %s", c->who);
}

static void send_result(struct sa_asker *a, const void *p, size_t n)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    struct channel *c = (struct channel *)a;
    if (!sa_timer_armed(&c->end) && sa_sp_send(c->sp, p, n, NULL, 0, &err))
        drop_soon(c, err);
}

static size_t room(struct sa_asker *a)
{
    size_t queued = sa_sp_queued(((struct channel *)a)->sp);
    return queued < SA_OPS_WINDOW ? SA_OPS_WINDOW - queued : 0;
}

static void on_message(void *arg, const uint8_t *p, size_t n)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    struct channel *c = arg;
    if (!sa_timer_armed(&c->end) && sa_ops_ask(c->local->ops, &c->asker, p, n, &err))
        drop_soon(c, err);
}

static void on_end(void *arg, const struct sa_err *why)
{
    struct channel *c = arg;
    if (why)
        sa_log(SA_WARN, "%s, who asks for operations on this host: %s", c->who, sa_err_msg(why));
    drop(c);
}

static void on_drained(void *arg)
{
    struct channel *c = arg;
    sa_ops_room(c->local->ops, &c->asker);
}

struct sa_local *sa_local_new(struct sa_loop *l, struct sa_ops *ops)
{
    struct sa_local *local = calloc(1, sizeof *local);
    if (local)
        *local = (struct sa_local){.loop = l, .ops = ops};
    return local;
}

void sa_local_free(struct sa_local *l)
{
    struct channel *next;
    for (struct channel *c = l ? l->channels : NULL; c; c = next) {
        next = c->next;
        end_channel(c);
    }
    free(l);
}

void sa_local_take(struct sa_local *l, int fd, uint32_t uid, uint32_t pid)
{
    static const struct sa_sp_limits limits = {SA_OPERATE_ASK_MAX, QUEUE_MAX};
    static const struct sa_sp_events events = {on_message, on_end, on_drained};
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    struct channel *c = l->n < SA_OPERATE_CHANNELS ? calloc(1, sizeof *c) : NULL;
    if (!c) {
        sa_log(SA_WARN, "uid %u (pid %u) gets no channel for operations: there are %u", uid, pid,
               l->n);
        close(fd);
        return;
    }
    snprintf(c->who, sizeof c->who, "local uid %u (pid %u)", uid, pid);
    c->asker = (struct sa_asker){.send = send_result, .room = room, .who = c->who};
    c->local = l;
    c->sp = sa_sp_new(l->loop, fd, &limits, &events, c, &err);
    if (!c->sp) {
        sa_log(SA_ERROR, "a channel for operations: %s", sa_err_msg(err));
        free(c);
        return;
    }
    c->next = l->channels;
    l->channels = c;
    l->n++;
}
