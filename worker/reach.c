/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/reach.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "worker/scope.h"
#include "worker/session.h"
#include "worker/step.h"

#define ASK_TIMEOUT_NS (10 * SA_NS_PER_S)
#define LEAST_NS       (100 * SA_NS_PER_MS)
#define SPREAD_NS      SA_NS_PER_S

uint64_t sa_reach_limit(const struct sa_worker *w, uint64_t own_ns)
{
    int64_t s = w->account.timeout_seconds;
    return s > 0 && (uint64_t)s < own_ns / SA_NS_PER_S ? (uint64_t)s * SA_NS_PER_S : own_ns;
}

uint64_t sa_reach_longest_ns(const struct sa_worker *w)
{
    int64_t ms = w->account.reconnect_timeout_ms;
    double longest = ms > 0 ? (double)ms * (double)SA_NS_PER_MS / (1.0 + SA_REACH_JITTER) : 0;
    return longest > (double)LEAST_NS ? (uint64_t)longest : LEAST_NS;
}

bool sa_reach_failed(const struct sa_err *err)
{
    return err && (err->code == SA_ENETWORK || err->code == SA_ETLS);
}

static void ask_later(struct sa_worker *w)
{
    struct sa_reach *r = &w->reach;
    r->backoff.base_ns = SA_NS_PER_S;
    r->backoff.max_ns = sa_reach_longest_ns(w);
    r->backoff.multiplier = 1.6;
    r->backoff.jitter = SA_REACH_JITTER;
    r->next_ns = sa_mono_ns() + sa_backoff_next(&r->backoff);
    w->pump = true;
}

static void sooner(uint64_t *t, struct sa_backoff *b, uint64_t at_ns)
{
    if (*t > at_ns)
        *t = at_ns;
    sa_backoff_reset(b);
}

static void try_again(struct sa_worker *w)
{
    uint64_t now = sa_mono_ns();
    for (size_t i = 0; i < w->n_scopes; i++) {
        struct sa_scope *s = w->scopes[i];
        uint64_t at = now + sa_random(SPREAD_NS);
        if (!s->failing || s->forbidden_ns)
            continue; /* what is forbidden waits for something else */
        sooner(&s->list.not_before_ns, &s->list.backoff, at);
        sooner(&s->names.not_before_ns, &s->names.backoff, at);
        sooner(&s->watch.not_before_ns, &s->watch.backoff, at);
        sa_resolve_sooner(s, at);
    }
    sa_log(SA_INFO, "the API server answers again");
    w->pump = true;
}

/* Of the scopes that share the API server's etcd the one with the newest version: what is older
 * than that is of another history. Events may have an etcd of their own, aggregated APIs have any.
 */
static const struct sa_scope *newest(const struct sa_worker *w)
{
    const struct sa_scope *best = NULL;
    for (size_t i = 0; i < w->n_scopes; i++) {
        const struct sa_scope *s = w->scopes[i];
        if (s->high && !s->kept && !s->forbidden_ns && sa_group_native(s->res.group) &&
            strcmp(s->res.plural, "events") != 0 && (!best || s->high > best->high))
            best = s;
    }
    return best;
}

/* 0: none */
static uint64_t version_of(const struct sa_response *r)
{
    if (r->status != 200 || r->error || !r->body || !r->body->len)
        return 0;
    cJSON *doc = cJSON_ParseWithLength(r->body->data, r->body->len);
    const cJSON *meta = cJSON_GetObjectItemCaseSensitive(doc, "metadata");
    const char *v = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(meta, "resourceVersion"));
    uint64_t n = v ? strtoull(v, NULL, 10) : 0;
    cJSON_Delete(doc);
    return n;
}

static void on_done(void *arg, const struct sa_response *resp)
{
    struct sa_worker *w = arg;
    struct sa_reach *r = &w->reach;
    bool away = r->away;
    r->req = NULL;
    if (sa_reach_failed(resp->error) || resp->status >= 500) {
        r->away = true;
        ask_later(w);
        sa_log(SA_DEBUG, "the API server is away: %s; asked again in %.1f s",
               resp->error ? sa_err_msg(resp->error) : "HTTP 5xx",
               (double)(r->next_ns - sa_mono_ns()) / 1e9);
        return;
    }
    r->away = false;
    sa_backoff_reset(&r->backoff);
    uint64_t version = version_of(resp);
    if (version && version < r->high) {
        sa_log(SA_WARN,
               "the API server is at version %llu now and was at %llu: the cluster's etcd has been "
               "restored; everything is read again",
               (unsigned long long)version, (unsigned long long)r->high);
        sa_list_restored(w, NULL);
    }
    /* If it was never away, the scope's own request is what fails, and its own waits are right. */
    if (away && !resp->error)
        try_again(w);
}

void sa_reach_lost(struct sa_worker *w, const struct sa_err *err)
{
    if (sa_reach_failed(err) && !w->reach.req && !w->reach.next_ns)
        ask_later(w);
}

void sa_reach_step(struct sa_worker *w)
{
    struct sa_reach *r = &w->reach;
    struct sa_err *err = NULL;
    if (!r->next_ns || r->req || w->stopping)
        return;
    if (sa_mono_ns() < r->next_ns) {
        sa_worker_wake_at(w, r->next_ns);
        return;
    }
    const struct sa_scope *s = newest(w);
    SA_CLEANUP(sa_buf_free) struct sa_buf path = {0};
    sa_buf_init(&path, 8192);
    if (!s || sa_scope_path(s, NULL, NULL, &path) || sa_buf_adds(&path, "?limit=1")) {
        sa_buf_reset(&path);
        sa_buf_adds(&path, "/version");
    }
    const struct sa_request_options opt = {
        .path = path.data,
        .accept = s ? SA_ACCEPT_METADATA_LIST : NULL,
        .timeout_ns = sa_reach_limit(w, ASK_TIMEOUT_NS),
        .urgent = true,
        .on_done = on_done,
        .arg = w,
    };
    r->next_ns = 0;
    r->high = s ? s->high : 0;
    r->req = path.failed ? NULL : w->api.start(w->api.arg, &opt, &err);
    if (!r->req)
        ask_later(w);
    sa_err_free(&err);
}

void sa_reach_cancel(struct sa_worker *w)
{
    if (w->reach.req)
        w->api.cancel(w->api.arg, w->reach.req);
    w->reach.req = NULL;
    w->reach.next_ns = 0;
}

void sa_reach_crowded(struct sa_worker *w, size_t held)
{
    bool news = held && !w->told_held;
    w->told_held = held != 0;
    if (!news)
        return;
    sa_slot_error(
        w->slot,
        "the API server speaks HTTP/1.1 alone, each watch has a connection of its own, and "
        "there are too few file descriptors: %zu watches take turns with the others",
        held);
    sa_log(SA_WARN,
           "%s; what they watch comes minutes late. Let HTTP/2 through, or follow fewer kinds",
           w->slot->last_error);
    w->no_watch_list = true;
    for (size_t i = 0; i < w->n_scopes; i++)
        if (w->scopes[i]->follow == SA_FOLLOW_INITIAL)
            sa_scope_relist(w->scopes[i]);
}
