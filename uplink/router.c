/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/router.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/points.h"
#include "ipc/msg.h"
#include "uplink/intake.h"
#include "uplink/operations.h"
#include "uplink/relay.h"

/* Where messages come closer than twice this, they are let gather for so long. */
#define GATHER (10 * SA_NS_PER_MS)
/* Bytes between two ticks that leave much memory behind in the allocator. */
#define FLOOD ((uint64_t)4 * 1024 * 1024)
/* Epochs that an account may begin at once, and how soon it has one more. Each is a transaction of
 * the other side and a Welcome with all that is stored, and costs no credit; a worker opens once
 * for each UP, and otherwise waits. */
#define OPENS     10
#define OPEN_TIME SA_NS_PER_S

/* Goes by an order of the supervisor, whose channel is a descriptor of its own in the loop, or with
 * the router: never within what intake or sink call here, nor within what is called of them here.
 * So a list of accounts may be walked, and an account used, across any of these calls. A worker's
 * connection may go in each of them, a send included: its account then hears of it (on_gone), and
 * stays, as does its link. */
struct account {
    struct account *next;
    struct sa_router *r;
    uint32_t index, handle;
    char *name;
    struct sa_link *link;
    struct sa_relay relay;
    struct sa_operations operations;
    uint64_t opens_ns; /* the present time, or later by OPEN_TIME for each epoch lately begun */
    bool bound;        /* its worker is there */
};

struct sa_router {
    struct sa_loop *loop;
    struct sa_slot *slot; /* may be NULL */
    const struct sa_sink_ops *ops;
    struct sa_sink *sink;
    struct sa_sink_events sink_events;
    struct sa_intake *intake;
    struct sa_intake_events intake_events;
    struct account *accounts;
    struct account **by_handle; /* [handle], NULL where it is gone */
    uint32_t n_handles;         /* handles given so far */
    struct sa_timer list_timer; /* tells the sink of a changed list once for each turn */
    bool complete, up, stopping;
    bool received;        /* messages of workers, in this turn of the loop */
    uint64_t received_ns; /* the end of the last turn with some */
    uint64_t relayed;     /* bytes of workers' messages since the last tick */
    bool flooded;         /* they were many, and memory was not given back since */
    sa_router_forgery *forgery;
    void *arg;
};

static struct account *find(const struct sa_router *r, uint32_t index)
{
    struct account *a = r->accounts;

    while (a && a->index != index)
        a = a->next;
    return a;
}

static void reset_relay(struct account *a)
{
    sa_relay_reset(&a->relay);
    sa_operations_reset(&a->operations);
    sa_intake_except(a->link, false);
}

/* The sink is up (or down again): the bound workers hear of it. */
static void on_up(void *arg)
{
    struct sa_router *r = arg;

    r->up = true;
    for (struct account *a = r->accounts; a; a = a->next) {
        a->opens_ns = 0;
        if (a->bound)
            sa_intake_send(a->link, SA_DATA_UP, NULL, 0);
    }
}

static void on_down(void *arg, const struct sa_err *why)
{
    struct sa_router *r = arg;
    bool was_up = r->up;

    r->up = false;
    sa_intake_pause(r->intake, false);
    if (r->slot)
        sa_slot_error(r->slot, "%s", sa_err_msg(why));
    if (!r->stopping)
        sa_log(SA_WARN, "%s: %s", was_up ? "the stream ended" : "not connected", sa_err_msg(why));
    for (struct account *a = r->accounts; a && was_up; a = a->next) {
        reset_relay(a);
        if (a->bound)
            sa_intake_send(a->link, SA_DATA_DOWN, NULL, 0);
    }
}

static void on_pressure(void *arg, bool high)
{
    struct sa_router *r = arg;

    sa_intake_pause(r->intake, high);
}

static struct account *by_handle(const struct sa_router *r, uint32_t handle)
{
    return handle > 0 && handle <= r->n_handles ? r->by_handle[handle] : NULL;
}

static void on_reply(void *arg, uint32_t handle, const void *p, size_t n)
{
    struct sa_router *r = arg;
    struct account *a = by_handle(r, handle);

    sa_point("uplink-reply");
    if (a && a->bound && sa_relay_reply(&a->relay, p, n, sa_mono_ns()))
        sa_intake_send(a->link, SA_DATA_REPLY, p, n);
}

/* ---- operations ---- */

static void refuse(struct sa_router *r, uint32_t handle, const void *p, size_t n, const char *why)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    SA_CLEANUP(sa_buf_free) struct sa_buf out = {0};

    sa_buf_init(&out, 4096);
    if (sa_operations_refuse(p, n, why, &out) < 0 ||
        r->ops->result(r->sink, handle, out.data, out.len, &err) < 0)
        sa_log(SA_ERROR, "an operation can't be refused: %s", sa_err_msg(err));
}

static void on_operation(void *arg, uint32_t handle, bool cancel, const void *p, size_t n)
{
    struct sa_router *r = arg;
    struct account *a = by_handle(r, handle);
    bool there = a && a->bound;

    sa_point("operation-relayed");
    if (cancel) {
        if (there)
            sa_intake_send_first(a->link, SA_DATA_CANCEL, p, n, SIZE_MAX);
    } else if (!there) {
        refuse(r, handle, p, n, "error: the account's worker is not there: nothing was begun");
    } else if (!sa_intake_send_first(a->link, SA_DATA_OPERATION, p, n, SA_OPERATIONS_WAITING)) {
        refuse(r, handle, p, n,
               "error: too many operations wait for the account's worker: nothing was begun");
    } else {
        sa_point("operation-passed");
        sa_operations_begin(&a->operations);
        sa_intake_except(a->link, true);
    }
}

static void on_result_left(void *arg, uint32_t handle, size_t n)
{
    struct sa_router *r = arg;
    struct account *a = by_handle(r, handle);
    SA_CLEANUP(sa_buf_free) struct sa_buf body = {0};

    sa_point("operation-left");
    if (!a || !a->bound || !sa_operations_left(&a->operations, n))
        return;
    sa_buf_init(&body, 64);
    sa_wr_u64(&body, a->operations.left);
    if (!body.failed)
        sa_intake_send_first(a->link, SA_DATA_ROOM, body.data, body.len, SIZE_MAX);
}

static int on_result(struct sa_router *r, struct account *a, const void *p, size_t n,
                     struct sa_err **err)
{
    if (!r->up || !r->ops->result)
        return 0; /* who asked knows that the stream has ended */
    if (sa_operations_result(&a->operations, p, n, err) < 0)
        return sa_err_wrap(err, "account %s", a->name);
    sa_intake_except(a->link, a->operations.under_way > 0);
    sa_point("operation-answered");
    if (r->ops->result(r->sink, a->handle, p, n, err) < 0)
        return sa_err_wrap(err, "account %s", a->name);
    return 0;
}

static void on_bound(void *arg, void *account)
{
    struct sa_router *r = arg;
    struct account *a = account;

    a->bound = true;
    reset_relay(a);
    if (r->up)
        sa_intake_send(a->link, SA_DATA_UP, NULL, 0);
}

static void on_gone(void *arg, void *account)
{
    struct sa_router *r = arg;
    struct account *a = account;

    a->bound = false;
    reset_relay(a);
    if (r->up)
        r->ops->account_gone(r->sink, a->handle, "its worker has ended");
}

static void send_held(struct account *a, uint64_t now)
{
    size_t n = sa_relay_due(&a->relay, now, false);

    if (n > 0)
        sa_intake_send(a->link, SA_DATA_REPLY, a->relay.held, n);
}

/* Counted over all connections of the account's workers: a new one is soon made. */
static int count_open(struct account *a, struct sa_err **err)
{
    uint64_t now = sa_mono_ns(), from = a->opens_ns > now ? a->opens_ns : now;

    if (from - now > (OPENS - 1) * OPEN_TIME)
        return sa_err_set(err, SA_EPROTOCOL, "account %s: it begins epochs without end", a->name);
    a->opens_ns = from + OPEN_TIME;
    return 0;
}

static int on_message(void *arg, void *account, const struct sa_data_header *h, const void *p,
                      size_t n, struct sa_err **err)
{
    struct sa_router *r = arg;
    struct account *a = account;

    if (h->kind == SA_DATA_LAST) {
        sa_relay_prompt(&a->relay);
        send_held(a, sa_mono_ns());
        return 0;
    }
    if (h->kind == SA_DATA_RESULT)
        return on_result(r, a, p, n, err);
    r->received = true;
    r->relayed += n;
    if (!r->up)
        return 0; /* sent before the worker heard of it: it is dirty there */
    if (sa_relay_opens(p, n) && count_open(a, err) < 0)
        return -1;
    if (r->slot) {
        uint64_t now = sa_mono_ns();

        r->slot->messages++;
        r->slot->deltas += h->events;
        r->slot->delta_bytes += h->events > 0 ? n : 0;
        if (h->oldest_ns != 0 && h->oldest_ns <= now)
            r->slot->lag_us = (now - h->oldest_ns) / SA_NS_PER_US;
    }
    sa_relay_sent(&a->relay, h->events);
    sa_point("uplink-message");
    if (r->ops->message(r->sink, a->handle, p, n, h->events, err) < 0)
        return sa_err_wrap(err, "account %s", a->name);
    return 0;
}

static void on_forgery(void *arg, void *account, uint32_t pid)
{
    struct sa_router *r = arg;
    const struct account *a = account;

    sa_log(SA_ERROR, "process %u tried to speak for account %s without its key: refused", pid,
           a->name);
    r->forgery(r->arg, a->index, pid);
}

static bool somebody_waits(const struct sa_router *r)
{
    for (const struct account *a = r->accounts; a; a = a->next)
        if (a->operations.under_way > 0)
            return true;
    return false;
}

/* Workers by the hundred, each with a message now and then: one wake-up for what some milliseconds
 * bring, and one write to the sink, cost a fraction of one for each. */
static void turn_end(void *arg)
{
    struct sa_router *r = arg;
    uint64_t now, before = r->received_ns;

    if (!r->received)
        return;
    r->received = false;
    r->received_ns = now = sa_mono_ns();
    if (now - before < 2 * GATHER && !somebody_waits(r))
        sa_loop_rest(r->loop, GATHER);
}

struct sa_router *sa_router_new(const struct sa_sink_ops *ops, const struct sa_sink_setup *setup,
                                const char *runtime_dir, sa_router_forgery *forgery, void *arg,
                                struct sa_err **err)
{
    struct sa_router *r = calloc(1, sizeof *r);

    if (!r) {
        sa_err_set(err, SA_EMEMORY, "no memory for the uplink");
        return NULL;
    }
    r->loop = setup->loop;
    r->slot = setup->slot;
    r->ops = ops;
    r->forgery = forgery;
    r->arg = arg;
    r->sink_events = (struct sa_sink_events){on_up,    on_down,      on_pressure,
                                             on_reply, on_operation, on_result_left};
    r->intake_events = (struct sa_intake_events){
        .bound = on_bound, .gone = on_gone, .message = on_message, .forgery = on_forgery};
    sa_loop_on_turn_end(r->loop, turn_end, r);
    r->intake = sa_intake_new(r->loop, runtime_dir, &r->intake_events, r, err);
    if (r->intake && ops->open(setup, &r->sink_events, r, &r->sink, err) == 0)
        return r;
    sa_intake_free(r->intake);
    sa_loop_on_turn_end(r->loop, NULL, NULL);
    free(r);
    return NULL;
}

static void free_account(struct sa_router *r, struct account *a)
{
    if (a->link)
        sa_intake_remove(r->intake, a->link);
    r->by_handle[a->handle] = NULL;
    free(a->name);
    free(a);
}

void sa_router_free(struct sa_router *r, unsigned ms)
{
    r->stopping = true;
    sa_intake_drain(r->intake);
    sa_timer_cancel(r->loop, &r->list_timer);
    r->ops->close(r->sink, ms);
    sa_timer_cancel(r->loop, &r->list_timer); /* orders came while it closed */
    r->up = false;
    while (r->accounts) {
        struct account *a = r->accounts;

        r->accounts = a->next;
        free_account(r, a);
    }
    sa_intake_free(r->intake);
    sa_loop_on_turn_end(r->loop, NULL, NULL);
    free(r->by_handle);
    free(r);
}

static void tell_list(void *arg)
{
    struct sa_router *r = arg;
    struct sa_sink_account *v;
    size_t n = 0;

    for (const struct account *a = r->accounts; a; a = a->next)
        n++;
    v = calloc(n + 1, sizeof *v);
    if (!v) {
        sa_log(SA_ERROR, "no memory for the list of accounts");
        return;
    }
    n = 0;
    for (const struct account *a = r->accounts; a; a = a->next)
        v[n++] = (struct sa_sink_account){a->handle, a->name};
    r->ops->accounts(r->sink, v, n);
    free(v);
}

static void list_changed(struct sa_router *r)
{
    if (r->complete && sa_timer_set(r->loop, &r->list_timer, 0, tell_list, r) < 0)
        tell_list(r);
}

void sa_router_complete(struct sa_router *r)
{
    r->complete = true;
    sa_timer_cancel(r->loop, &r->list_timer);
    tell_list(r);
}

static int give_handle(struct sa_router *r, struct account *a)
{
    struct account **v = realloc(r->by_handle, ((size_t)r->n_handles + 2) * sizeof(*v));

    if (!v)
        return -1;
    r->by_handle = v;
    v[0] = NULL;
    a->handle = ++r->n_handles;
    v[a->handle] = a;
    return 0;
}

int sa_router_add(struct sa_router *r, uint32_t index, const char *name, const uint8_t key[32],
                  struct sa_err **err)
{
    struct account *a = find(r, index);

    if (a && strcmp(a->name, name) == 0) {
        sa_intake_rekey(a->link, key);
        return 0;
    }
    if (a)
        sa_router_remove(r, index);
    a = calloc(1, sizeof *a);
    if (!a || !(a->name = strdup(name)) || give_handle(r, a) < 0) {
        if (a)
            free(a->name);
        free(a);
        return sa_err_set(err, SA_EMEMORY, "no memory for account %s", name);
    }
    a->r = r;
    a->index = index;
    a->link = sa_intake_add(r->intake, index, key, a, err);
    if (!a->link) {
        free_account(r, a);
        return sa_err_wrap(err, "account %s", name);
    }
    a->next = r->accounts;
    r->accounts = a;
    list_changed(r);
    return 0;
}

void sa_router_rekey(struct sa_router *r, uint32_t index, const uint8_t key[32])
{
    struct account *a = find(r, index);

    if (a)
        sa_intake_rekey(a->link, key);
}

void sa_router_remove(struct sa_router *r, uint32_t index)
{
    struct account **pp = &r->accounts;

    while (*pp && (*pp)->index != index)
        pp = &(*pp)->next;
    if (*pp) {
        struct account *a = *pp;

        *pp = a->next;
        free_account(r, a);
        list_changed(r);
    }
}

/* The first lists of all accounts pass within seconds, and queue up: what they needed is given back
 * when they are through. */
static void give_back(struct sa_router *r)
{
    bool flood = r->relayed >= FLOOD;

    r->relayed = 0;
    if (r->flooded && !flood)
        malloc_trim(0);
    r->flooded = flood;
}

void sa_router_tick(struct sa_router *r)
{
    uint64_t now = sa_mono_ns(), unacked = 0;

    for (struct account *a = r->accounts; a; a = a->next) {
        send_held(a, now);
        unacked += sa_relay_unacked(&a->relay);
    }
    if (r->slot)
        r->slot->unacked = unacked;
    give_back(r);
}
