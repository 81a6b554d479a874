/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The embedded sink: the other side of the protocol in a local SQLite file. Messages are committed
 * together, at most 10 ms after the first of them or when many deltas are gathered.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "uplink/sqlite_cache.h"
#include "uplink/sqlite_schema.h"

#define COMMIT_DELAY  (10 * SA_NS_PER_MS)
#define COMMIT_DELTAS 1000

struct sqlite_sink {
    struct sa_sink base;
    struct sa_loop *loop;
    struct sa_slot *slot; /* may be NULL */
    const struct sa_sink_events *ev;
    void *arg;
    struct sa_cache cache;
    struct sa_timer commit, retry;
    struct sa_backoff backoff;
    struct sa_sink_account *accounts; /* the last list; names owned */
    size_t n_accounts;
    bool up;
};

static struct sqlite_sink *self(struct sa_sink *s)
{
    return (struct sqlite_sink *)s;
}

static void go_up(struct sqlite_sink *k)
{
    if (k->up)
        return;
    k->up = true;
    sa_backoff_reset(&k->backoff);
    if (k->slot) {
        k->slot->connected = 1;
        k->slot->connections++;
    }
    k->ev->up(k->arg);
}

static void on_retry(void *arg);

/* The database failed (a full disk, usually): all is as of the last commit, the epochs are over,
 * and it is tried again with growing pauses. */
static void go_down(struct sqlite_sink *k, const struct sa_err *why)
{
    bool was_up = k->up;
    uint64_t wait = sa_backoff_next(&k->backoff);

    sa_cache_abort(&k->cache);
    sa_timer_cancel(k->loop, &k->commit);
    k->up = false;
    if (k->slot) {
        k->slot->connected = 0;
        k->slot->disconnections += was_up;
    }
    if (sa_timer_set(k->loop, &k->retry, wait, on_retry, k) < 0)
        sa_log(SA_FATAL, "no memory for a timer");
    k->ev->down(k->arg, why);
}

/* (Re-)applies the list of accounts, which also shows whether the database can be written. */
static void apply_accounts(struct sqlite_sink *k)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;

    if (sa_cache_accounts(&k->cache, k->accounts, k->n_accounts, &err) == 0)
        go_up(k);
    else
        go_down(k, err);
}

static void on_retry(void *arg)
{
    apply_accounts(arg);
}

static void commit(struct sqlite_sink *k)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;

    sa_timer_cancel(k->loop, &k->commit);
    if (sa_cache_commit(&k->cache, &err) < 0)
        go_down(k, err);
}

static void on_commit(void *arg)
{
    commit(arg);
}

static void on_reply(void *arg, uint32_t handle, const void *p, size_t n)
{
    struct sqlite_sink *k = arg;

    k->ev->reply(k->arg, handle, p, n);
}

static void free_list(struct sa_sink_account *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sa_freep(&v[i].name);
    free(v);
}

static int sqlite_open(const struct sa_sink_setup *setup, const struct sa_sink_events *ev,
                       void *arg, struct sa_sink **out, struct sa_err **err)
{
    const struct sa_settings *s = setup->settings;
    SA_CLEANUP(sa_freep) struct sqlite_sink *k = calloc(1, sizeof *k);
    char path[4096];
    int n;

    if (!k)
        return sa_err_set(err, SA_EMEMORY, "no memory for the embedded cache");
    if (s->sqlite_file)
        n = snprintf(path, sizeof path, "%s", s->sqlite_file);
    else
        n = snprintf(path, sizeof path, "%s/%s", s->state_dir ? s->state_dir : ".", SA_SQLITE_FILE);
    if (n < 0 || (size_t)n >= sizeof path)
        return sa_err_set(err, SA_ECONFIG, "the path of the cache is too long");
    k->base.ops = &sa_sink_sqlite;
    k->loop = setup->loop;
    k->slot = setup->slot;
    k->ev = ev;
    k->arg = arg;
    k->backoff = (struct sa_backoff){SA_NS_PER_S, 30 * SA_NS_PER_S, 2.0, 0.2, 0};
    if (sa_cache_open(&k->cache, path, on_reply, k, err) < 0)
        return -1;
    if (k->slot) {
        sa_slot_set_text(k->slot->server, sizeof k->slot->server, path);
        sa_slot_set_text(k->slot->version, sizeof k->slot->version, "embedded");
    }
    *out = &k->base;
    k = NULL;
    return 0;
}

static void sqlite_accounts(struct sa_sink *sink, const struct sa_sink_account *v, size_t n)
{
    struct sqlite_sink *k = self(sink);
    struct sa_sink_account *list = calloc(n + 1, sizeof *list);
    size_t made = 0;

    while (list && made < n) {
        list[made].handle = v[made].handle;
        list[made].name = strdup(v[made].name);
        if (!list[made].name)
            break;
        made++;
    }
    if (!list || made < n) {
        free_list(list, made);
        sa_log(SA_ERROR, "no memory for the list of accounts: the one before stays in force");
        return;
    }
    free_list(k->accounts, k->n_accounts);
    k->accounts = list;
    k->n_accounts = n;
    if (!sa_timer_armed(&k->retry))
        apply_accounts(k);
}

static int sqlite_message(struct sa_sink *sink, uint32_t handle, const void *p, size_t n,
                          uint32_t events, struct sa_err **err)
{
    struct sqlite_sink *k = self(sink);
    SA_CLEANUP(sa_err_free) struct sa_err *why = NULL;

    (void)events;
    if (!k->up)
        return 0;
    switch (sa_cache_message(&k->cache, handle, p, n, &why)) {
    case SA_CACHE_OK:
        break;
    case SA_CACHE_MALFORMED:
        return sa_err_set(err, why->code, "%s", sa_err_msg(why));
    case SA_CACHE_REFUSED:
        sa_log(SA_WARN, "a worker broke the protocol: %s", sa_err_msg(why));
        break;
    case SA_CACHE_BROKEN:
        go_down(k, why);
        return 0;
    }
    if (k->cache.deltas >= COMMIT_DELTAS)
        commit(k);
    else if (!sa_timer_armed(&k->commit) &&
             sa_timer_set(k->loop, &k->commit, COMMIT_DELAY, on_commit, k) < 0)
        commit(k);
    return 0;
}

static void sqlite_account_gone(struct sa_sink *sink, uint32_t handle, const char *reason)
{
    (void)reason;
    sa_cache_gone(&self(sink)->cache, handle);
}

static void sqlite_close(struct sa_sink *sink, unsigned ms)
{
    struct sqlite_sink *k = self(sink);
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;

    (void)ms; /* a commit is all there is to wait for */
    if (k->up && sa_cache_commit(&k->cache, &err) < 0)
        sa_log(SA_ERROR, "the last changes could not be stored: %s", sa_err_msg(err));
    sa_timer_cancel(k->loop, &k->commit);
    sa_timer_cancel(k->loop, &k->retry);
    sa_cache_close(&k->cache);
    free_list(k->accounts, k->n_accounts);
    free(k);
}

const struct sa_sink_ops sa_sink_sqlite = {
    .name = "sqlite",
    .open = sqlite_open,
    .accounts = sqlite_accounts,
    .message = sqlite_message,
    .account_gone = sqlite_account_gone,
    .close = sqlite_close,
};
