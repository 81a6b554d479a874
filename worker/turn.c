/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker does at the end of a turn of its loop, each second, and when it stops. */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "worker/access.h"
#include "worker/open.h"
#include "worker/ops/engine.h"
#include "worker/reach.h"
#include "worker/report.h"
#include "worker/scope.h"
#include "worker/session.h"
#include "worker/step.h"

#define ROUNDS        8u /* of one turn; the rest waits for the next */
#define TICK_NS       SA_NS_PER_S
#define IDLE_NS       SA_NS_PER_S
#define TICK_EARLY_NS (TICK_NS / 8)
#define KEEP_BYTES    (8u * 1024u)

static void on_wake(void *arg)
{
    struct sa_worker *w = arg;
    w->pump = true;
}

void sa_worker_wake_at(struct sa_worker *w, uint64_t at_ns)
{
    uint64_t now = sa_mono_ns();
    if (sa_timer_armed(&w->wake) && w->wake.due_ns <= at_ns)
        return;
    sa_timer_set(w->loop, &w->wake, at_ns > now ? at_ns - now : 0, on_wake, w);
}

static void begin_round(struct sa_worker *w)
{
    w->lists_full = w->credit_full = w->comparisons_full = false;
}

void sa_worker_turn(struct sa_worker *w)
{
    for (unsigned round = 0; w->pump && round < ROUNDS; round++) {
        w->pump = false;
        if (w->restored)
            sa_list_restored(w, NULL);
        w->restored = false;
        begin_round(w);
        sa_open_step(w);
        sa_reach_step(w);
        sa_session_step(w);
        sa_batch_large_step(w);
        for (size_t i = 0; i < w->n_scopes; i++) {
            sa_scope_follow(w->scopes[i]);
            sa_resolve_step(w->scopes[i]);
            sa_compare_step(w->scopes[i]);
        }
        begin_round(w);
    }
    if (w->pump)
        sa_worker_wake_at(w, sa_mono_ns() + SA_NS_PER_MS);
}

static void on_tick(void *arg);

static void turn_end(void *arg)
{
    struct sa_worker *w = arg;
    /* A wake-up less: whoever is awake shortly before it is due ticks now. */
    if (sa_timer_armed(&w->tick) && w->tick.due_ns - TICK_EARLY_NS <= sa_mono_ns())
        on_tick(w);
    if (w->pump)
        sa_worker_turn(w);
    /* libcurl hands over some of what it has read only when its timer calls it again, at once. */
    if (w->batch.at_turn_end && !sa_loop_due(w->loop))
        sa_batch_flush(w);
}

/* Buffers that a burst has left, and after lists what the allocator keeps of them. */
static void give_back(struct sa_worker *w)
{
    if (sa_lists_running(w)) {
        w->bulk = true;
        return;
    }
    if (w->batch.n)
        return;
    sa_buf_trim(&w->scratch, KEEP_BYTES);
    sa_buf_trim(&w->message, KEEP_BYTES);
    sa_buf_trim(&w->batch.entries, KEEP_BYTES);
    if (w->bulk)
        malloc_trim(0);
    w->bulk = false;
}

void sa_worker_tick(struct sa_worker *w)
{
    uint64_t now = sa_mono_ns();
    if (!w->stopping && w->reached && w->rediscover_ns && now >= w->rediscover_ns &&
        !sa_discovery_running(w->discovery)) {
        w->rediscover_ns = UINT64_MAX;
        sa_discovery_start(w->discovery);
    }
    for (size_t i = 0; i < w->n_scopes; i++) {
        struct sa_scope *s = w->scopes[i];
        bool watching = s->follow == SA_FOLLOW_WATCH;
        if (watching && s->audit_ns && now >= s->audit_ns && !s->internal) {
            s->audit_ns = 0; /* set again when the list ends */
            s->want_list = w->pump = true;
        }
        if (s->watch.frame && now - s->watch.data_ns > IDLE_NS)
            sa_frame_idle(s->watch.frame);
        sa_checkpoint_step(s, false);
    }
    if (w->http)
        sa_reach_crowded(w, sa_http_held(w->http));
    give_back(w);
    sa_ops_tick(w->ops);
    w->pump = true; /* nothing that was overlooked waits longer than this */
    sa_worker_report(w);
}

static void on_tick(void *arg)
{
    struct sa_worker *w = arg;
    sa_timer_set(w->loop, &w->tick, TICK_NS, on_tick, w);
    sa_worker_tick(w);
}

int sa_worker_init(struct sa_worker *w, struct sa_err **err)
{
    const struct sa_account *a = &w->account;
    w->sequence = 1;
    w->average = 4096;
    w->open_backoff =
        (struct sa_backoff){.base_ns = SA_NS_PER_S, .multiplier = 1.6, .jitter = SA_REACH_JITTER};
    /* Two that take an account from each other do it ever more slowly. */
    w->fenced = (struct sa_backoff){
        .base_ns = SA_NS_PER_S / 2, .max_ns = 60 * SA_NS_PER_S, .multiplier = 2, .jitter = 0.4};
    sa_random_bytes(w->instance, sizeof w->instance);
    sa_buf_init(&w->scratch, 0);
    sa_buf_init(&w->message, 0);
    sa_buf_init(&w->batch.entries, 0);
    sa_buf_init(&w->unacked.buf, 0);
    sa_buf_init(&w->large.json, 0);
    w->table = sa_table_new();
    w->discovery = sa_discovery_new(w);
    w->ops = sa_ops_new(w);
    if (!w->table || !w->discovery || !w->ops)
        return sa_err_set(err, SA_EMEMORY, "no memory for the account's table");
    if (a->redact.n) {
        w->redact = sa_redact_new((const char *const *)a->redact.v, a->redact.n, err);
        if (!w->redact)
            return sa_err_wrap(err, "redact");
    }
    sa_loop_on_turn_end(w->loop, turn_end, w);
    return 0;
}

void sa_worker_clear(struct sa_worker *w)
{
    sa_timer_cancel(w->loop, &w->tick);
    sa_timer_cancel(w->loop, &w->wake);
    sa_timer_cancel(w->loop, &w->batch.timer);
    sa_ops_free(w->ops);
    w->ops = NULL;
    sa_open_cancel(w);
    sa_reach_cancel(w);
    sa_access_cancel(w);
    sa_discovery_free(w->discovery);
    while (w->n_scopes)
        sa_scope_free(w->scopes[w->n_scopes - 1]);
    free(w->scopes);
    free(w->by_name.slots);
    sa_resources_free(&w->resources);
    sa_names_clear(&w->cluster_wide);
    sa_names_clear(&w->narrow);
    sa_table_free(w->table);
    sa_redact_free(w->redact);
    sa_buf_free(&w->scratch);
    sa_buf_free(&w->message);
    sa_buf_free(&w->batch.entries);
    sa_buf_free(&w->unacked.buf);
    sa_buf_free(&w->large.json);
}

void sa_worker_start(struct sa_worker *w)
{
    uint64_t delay = (uint64_t)(w->account.start_delay_ms > 0 ? w->account.start_delay_ms : 0);
    w->open_ns = sa_mono_ns() + delay * SA_NS_PER_MS;
    w->rediscover_ns = UINT64_MAX;
    w->pump = true;
    sa_worker_wake_at(w, w->open_ns);
    on_tick(w);
}

void sa_worker_stop(struct sa_worker *w)
{
    w->stopping = true;
    sa_ops_stop(w->ops);
    sa_batch_flush(w);
    sa_batch_large_step(w);
    for (size_t i = 0; i < w->n_scopes; i++)
        sa_checkpoint_step(w->scopes[i], true);
    sa_worker_report(w);
}
