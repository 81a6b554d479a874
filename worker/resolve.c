/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dirty keys are read again, when there is room to send what is read: few by themselves, many by
 * one list of the scope, which sends those of its objects that are dirty, and proves that the
 * others are not there. Where single objects may not be read (a role with `list` and `watch` and no
 * `get`), it is that list for few as well.
 *
 * A key that can't be read waits by itself, the others go on: one object may have a conversion that
 * fails. Where several fail in a row it is taken for the server's fault, and all of them wait.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "worker/reach.h"
#include "worker/scope.h"
#include "worker/session.h"
#include "worker/step.h"

#define MANY          100u
#define LIST_EVERY_NS (2 * SA_NS_PER_S)
#define LIST_MAX_NS   (60 * SA_NS_PER_S)
#define GET_TIMEOUT   (30 * SA_NS_PER_S)
#define GET_RETRY_NS  SA_NS_PER_S
#define IN_A_ROW      3u
#define NO_GET_NS     (600 * SA_NS_PER_S)

static void release(struct sa_get *g)
{
    struct sa_scope *s = sa_scope_by_id(g->w, g->scope);
    g->req = NULL;
    if (s)
        s->gets--;
}

void sa_resolve_cancel(struct sa_worker *w, const struct sa_scope *s)
{
    for (unsigned i = 0; i < SA_GETS; i++) {
        struct sa_get *g = &w->gets[i];
        if (!g->req || (s && g->scope != s->id))
            continue;
        w->api.cancel(w->api.arg, g->req);
        struct sa_scope *of = sa_scope_by_id(w, g->scope);
        release(g);
        if (of)
            sa_intake_dirty(of, g->namespace, g->name);
    }
}

struct sa_get *sa_resolve_reading(const struct sa_scope *s, const char *namespace, const char *name)
{
    for (unsigned i = 0; s->gets && i < SA_GETS; i++) {
        struct sa_get *g = &s->w->gets[i];
        if (g->req && g->scope == s->id && strcmp(g->name, name) == 0 &&
            strcmp(g->namespace, namespace) == 0)
            return g;
    }
    return NULL;
}

/* The object was deleted after it was read: the answer would bring it back. */
static bool void_by_now(const struct sa_get *g, const struct sa_scope *s)
{
    struct sa_known known;
    return g->overtaken &&
           !sa_table_get(s->w->table, sa_table_key(s->id, g->namespace, g->name), &known);
}

/* An object's absence, as the API server tells it. A 404 of a proxy, or for the whole path while a
 * resource is not served, says nothing of the object. */
static bool not_found(const struct sa_response *r)
{
    struct sa_status st;
    return r->status == 404 && !r->error && r->body && r->body->len &&
           sa_status_parse(r->body->data, r->body->len, &st, NULL) == 0 &&
           strcmp(st.reason, "NotFound") == 0;
}

/* `get` is not among the verbs that the account, or the server, has for this resource. That is no
 * reason to withdraw the scope: it is listed and watched. */
static void refused(struct sa_scope *s, const struct sa_response *r)
{
    char title[400];
    uint64_t now = sa_mono_ns();
    bool news = s->no_get_ns == 0;
    sa_scope_title(s, title, sizeof title);
    s->no_get_ns = now + NO_GET_NS + sa_random(NO_GET_NS / 4);
    sa_slot_error(
        s->w->slot,
        "%s: no permission for the verb get (HTTP %d), only list and watch; what can't be "
        "sent at once waits for a list of all",
        title, r->status);
    sa_log(news ? SA_WARN : SA_DEBUG, "%s", s->w->slot->last_error);
    sa_resolve_cancel(s->w, s); /* the others would be answered the same */
}

static void failed(const struct sa_get *g, struct sa_scope *s, const struct sa_response *r)
{
    if (!r->error && (r->status == 403 || r->status == 405)) {
        refused(s, r);
        return;
    }
    char doing[SA_NAME_MAX + 80];
    struct sa_backoff own = s->gets_backoff;
    uint64_t now = sa_mono_ns();
    bool server = r->status == 401 || r->status == 429 || r->retry_after_ms >= 0;
    own.failures = server ? s->gets_backoff.failures : g->tries;
    snprintf(doing, sizeof doing, "reading %s%s%s of", g->namespace, *g->namespace ? "/" : "",
             g->name);
    uint64_t wait = sa_scope_failed(s, r, &own, doing);
    if (!server && s->dirty)
        sa_dirty_put_off(s->dirty, g->namespace, g->name, now + wait, g->tries + 1);
    if (server) {
        s->gets_backoff = own;
        s->gets_ns = now + wait;
    } else if (++s->gets_failed >= IN_A_ROW) {
        s->gets_ns = now + sa_backoff_next(&s->gets_backoff);
    }
}

static void succeeded(struct sa_scope *s)
{
    s->gets_failed = 0;
    s->no_get_ns = 0;
    sa_backoff_reset(&s->gets_backoff);
}

static void on_done(void *arg, const struct sa_response *r)
{
    struct sa_get *g = arg;
    struct sa_worker *w = g->w;
    struct sa_scope *s = sa_scope_by_id(w, g->scope);
    struct sa_err *err = NULL;
    struct sa_response copy = *r;
    bool ok = r->status == 200 && !r->error && r->body;
    w->pump = true;
    release(g);
    if (!s)
        return;
    sa_intake_stamp(w);
    bool large =
        r->status == 200 && r->error && r->error->code == SA_ELIMIT && r->body && r->body->len;
    if (large)
        sa_scope_left_out(s, g->name, (size_t)w->account.max_object_bytes + 1);
    if (not_found(r) || large) {
        /* A version seen after the read began belongs to a newer object of this name. */
        struct sa_object o = {0};
        snprintf(o.namespace, sizeof o.namespace, "%s", g->namespace);
        snprintf(o.name, sizeof o.name, "%s", g->name);
        succeeded(s);
        sa_intake_gone(s, &o, g->high, SA_FROM_GET);
        return;
    }
    if (ok && void_by_now(g, s)) {
        succeeded(s);
        sa_intake_dirty(s, g->namespace, g->name);
        return;
    }
    if (ok && sa_intake(s, r->body->data ? r->body->data : "", r->body->len, SA_FROM_GET, false,
                        &err) == 0) {
        succeeded(s);
        if (s->dirty && sa_dirty_has(s->dirty, g->namespace, g->name))
            s->gets_ns = sa_mono_ns() + GET_RETRY_NS; /* no room for it after all */
        return;
    }
    if (ok)
        copy.error = err;
    sa_intake_dirty(s, g->namespace, g->name);
    failed(g, s, &copy);
    sa_err_free(&err);
}

static int start_get(struct sa_get *g, struct sa_scope *s, struct sa_err **err)
{
    struct sa_worker *w = s->w;
    SA_CLEANUP(sa_buf_free) struct sa_buf path = {0};
    sa_buf_init(&path, 8192);
    if (sa_scope_path(s, g->namespace, g->name, &path))
        return sa_err_set(err, SA_EMEMORY, "no memory for a request");
    struct sa_request_options opt = {
        .path = path.data,
        .timeout_ns = sa_reach_limit(w, GET_TIMEOUT),
        .max_body = (size_t)w->account.max_object_bytes,
        .on_done = on_done,
        .arg = g,
    };
    g->w = w;
    g->scope = s->id;
    g->high = s->high;
    g->overtaken = false;
    g->req = w->api.start(w->api.arg, &opt, err);
    if (!g->req)
        return -1;
    s->gets++;
    return 0;
}

struct made_up {
    struct sa_scope *s;
    const char *name;
    bool found;
};

static void madeup_read(void *arg, const char *name, const char *json, size_t n)
{
    struct made_up *m = arg;
    if (strcmp(name, m->name) == 0) {
        m->found = true;
        sa_intake(m->s, json, n, SA_FROM_GET, false, NULL);
    }
}

/* What finds no room is dirty again, and waits as a read would. */
static void resolve_made_up(struct sa_scope *s)
{
    char namespace[64], name[SA_NAME_MAX];
    unsigned tries;
    size_t n = sa_dirty_count(s->dirty);
    if (sa_batch_room(s->w) == 0)
        return; /* credit will come */
    if (sa_mono_ns() < s->gets_ns) {
        sa_worker_wake_at(s->w, s->gets_ns);
        return;
    }
    sa_intake_stamp(s->w);
    for (; n > 0 && sa_dirty_pop(s->dirty, sa_mono_ns(), namespace, name, &tries); n--) {
        struct made_up m = {s, name, false};
        sa_madeup_each(s, madeup_read, &m);
        if (!m.found) {
            struct sa_object o = {0};
            snprintf(o.name, sizeof o.name, "%s", name);
            sa_intake_gone(s, &o, 0, SA_FROM_GET);
        }
        if (sa_dirty_has(s->dirty, "", name)) {
            s->gets_ns = sa_mono_ns() + GET_RETRY_NS;
            return;
        }
    }
}

static unsigned gets_running(const struct sa_worker *w)
{
    unsigned n = 0;
    for (unsigned i = 0; i < SA_GETS; i++)
        n += w->gets[i].req != NULL;
    return n;
}

static void read_some(struct sa_scope *s, uint64_t now)
{
    struct sa_worker *w = s->w;
    if (now < s->gets_ns) {
        sa_worker_wake_at(w, s->gets_ns);
        return;
    }
    for (unsigned i = 0; i < SA_GETS && sa_dirty_count(s->dirty); i++) {
        struct sa_get *g = &w->gets[i];
        struct sa_err *err = NULL;
        if (g->req)
            continue;
        unsigned running = gets_running(w);
        bool first = running == 0 && w->unacked.n == 0; /* however small the grant is */
        if (sa_batch_room(w) < (first ? 1 : (running + 1) * w->average))
            return;
        if (!sa_dirty_pop(s->dirty, now, g->namespace, g->name, &g->tries))
            break;
        if (start_get(g, s, &err)) {
            sa_intake_dirty(s, g->namespace, g->name);
            s->gets_ns = now + GET_RETRY_NS;
            sa_err_free(&err);
            return;
        }
    }
    if (sa_dirty_due(s->dirty) != UINT64_MAX)
        sa_worker_wake_at(w, sa_dirty_due(s->dirty));
}

void sa_resolve_step(struct sa_scope *s)
{
    struct sa_worker *w = s->w;
    size_t n = s->dirty ? sa_dirty_count(s->dirty) : 0;
    if (n == 0 && s->gets == 0)
        s->dirty_lists = 0;
    if (n == 0 || !sa_session_open(s) || s->kept || w->stopping)
        return;
    if (s->made_up) {
        resolve_made_up(s);
        return;
    }
    uint64_t now = sa_mono_ns();
    bool watching = s->follow == SA_FOLLOW_WATCH || s->follow == SA_FOLLOW_PAUSE;
    bool wanting = s->compare == SA_COMPARE_PAGES && !s->snap.listed && n < 2048;
    bool readable = now >= s->no_get_ns;
    if (s->list.active || !watching || sa_batch_room(w) == 0)
        return; /* a list comes by the dirty keys anyway */
    if (readable && n <= MANY) {
        read_some(s, now);
        return;
    }
    if (wanting)
        return; /* more are about to be wanted: one list for all of them */
    uint64_t at =
        s->dirty_list_ns > s->list.not_before_ns ? s->dirty_list_ns : s->list.not_before_ns;
    if (now >= at) {
        w->pump = w->pump || !s->want_list;
        s->want_list = true;
        return;
    }
    if (readable)
        read_some(s, now);
    sa_worker_wake_at(w, at);
}

void sa_resolve_list_begins(struct sa_scope *s)
{
    s->stale = 0;
    if (s->dirty)
        sa_dirty_mark(s->dirty);
}

/* A list of all for a few keys is dear: where it is the only way, it gets rarer. */
static uint64_t list_wait(struct sa_scope *s, uint64_t now)
{
    struct sa_backoff b = {
        .base_ns = LIST_EVERY_NS,
        .max_ns = LIST_MAX_NS,
        .multiplier = 1.6,
        .jitter = 0.3,
        .failures = s->dirty_lists,
    };
    if (now >= s->no_get_ns)
        return LIST_EVERY_NS;
    s->dirty_lists++;
    return sa_backoff_next(&b);
}

void sa_resolve_list_ended(struct sa_scope *s, uint64_t version)
{
    uint64_t now = sa_mono_ns();
    struct sa_object o = {0};
    struct sa_known known;
    s->dirty_list_ns = now + list_wait(s, now);
    while (s->dirty && sa_dirty_pop_marked(s->dirty, o.namespace, o.name)) {
        bool newer = sa_table_get(s->w->table, sa_table_key(s->id, o.namespace, o.name), &known) &&
                     version && known.version > version;
        if (newer) /* seen since, and not sent */
            sa_intake_dirty(s, o.namespace, o.name);
        else
            sa_intake_gone(s, &o, version, SA_FROM_GET);
    }
}

void sa_resolve_sooner(struct sa_scope *s, uint64_t at_ns)
{
    if (s->gets_ns > at_ns)
        s->gets_ns = at_ns;
    sa_backoff_reset(&s->gets_backoff);
    if (s->dirty)
        sa_dirty_due_now(s->dirty);
}
