/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watches, and the WatchList form of the first list (KEP-3157): sendInitialEvents with bookmarks,
 * whose end is a bookmark annotated k8s.io/initial-events-end.
 *
 * A watch that is at a version which the server does not have (an etcd was restored) is answered
 * 200 and stays silent. Servers send a bookmark a minute, so two minutes without one, or an event,
 * mean a new list; where there never were bookmarks the patience doubles each time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "worker/plan.h"
#include "worker/scope.h"
#include "worker/session.h"
#include "worker/step.h"

#define SILENCE_NS     (120 * SA_NS_PER_S)
#define SILENCE_MAX_NS (600 * SA_NS_PER_S)
#define LARGE_AUDIT_NS (300 * SA_NS_PER_S)
#define SETTLED_NS     (5 * SA_NS_PER_S) /* a watch that lived so long was a good one */
#define VERSION_TRIES  3u
/* A version that was current so short a time ago serves whatever maxResumableResourceAgeMs is: else
 * a list whose watch opens a moment later would be followed by the next list. */
#define FRESH_NS (60 * SA_NS_PER_S)

static uint64_t silence_limit(const struct sa_scope *s)
{
    uint64_t ns = SILENCE_NS << (s->watch.silences < 3 ? s->watch.silences : 3);
    return ns < SILENCE_MAX_NS ? ns : SILENCE_MAX_NS;
}

static void forget(struct sa_watch *t)
{
    sa_frame_free(t->frame);
    t->frame = NULL;
    t->req = NULL;
}

void sa_watch_close(struct sa_scope *s)
{
    struct sa_worker *w = s->w;
    if (s->watch.req) {
        w->api.cancel(w->api.arg, s->watch.req);
        s->fresh_ns = sa_mono_ns();
    }
    forget(&s->watch);
    if (s->follow == SA_FOLLOW_INITIAL) {
        sa_table_list_cancel(w->table, s->id);
        s->follow = SA_FOLLOW_LIST;
    } else if (s->follow == SA_FOLLOW_WATCH) {
        s->follow = SA_FOLLOW_PAUSE;
    }
}

static int bookmark(struct sa_scope *s, const char *json, size_t n, struct sa_err **err)
{
    struct sa_object o;
    const struct sa_scrub_options opt = {.metadata_only = true};
    if (sa_scrub(json, n, &opt, NULL, &o, err))
        return sa_err_wrap(err, "a bookmark");
    s->watch.bookmarks = true;
    s->watch.silences = 0;
    if (s->follow == SA_FOLLOW_INITIAL) {
        if (!o.initial_events_end)
            return 0;
        if (sa_list_too_old(s, o.version)) {
            s->watch.verdict = SA_WATCH_FAILED;
            return sa_err_set(err, SA_EEXPIRED,
                              "the objects are as of version %s, older than what was seen before",
                              o.resource_version);
        }
        sa_list_completed(s, o.resource_version, o.version);
        s->follow = SA_FOLLOW_WATCH;
    }
    return sa_intake_version(s, o.resource_version, o.version, err);
}

/* A Status in place of an object ends the watch; it says why. */
static int refused(struct sa_scope *s, const char *json, size_t n, struct sa_err **err)
{
    struct sa_status st;
    if (sa_status_parse(json, n, &st, err))
        return -1;
    bool initial = s->follow == SA_FOLLOW_INITIAL;
    if (st.code == 410 || strcmp(st.reason, "Expired") == 0 || strcmp(st.reason, "Gone") == 0)
        s->watch.verdict = SA_WATCH_EXPIRED;
    else if (initial && st.code != 429 && st.code != 503 && st.code != 504)
        s->watch.verdict = SA_WATCH_NO_INITIAL; /* an etcd without progress requests says 500 */
    else
        s->watch.verdict = SA_WATCH_FAILED;
    if (!st.code && !*st.message)
        return sa_err_set(err, SA_EPROTOCOL, "the server ended the watch and did not say why");
    return sa_err_set(err, SA_EREFUSED, "the server ended the watch: %d %s: %.200s", st.code,
                      st.reason, st.message);
}

static int take_event(struct sa_scope *s, const char *json, size_t n, struct sa_err **err)
{
    enum sa_watch_type type;
    const char *object;
    size_t object_n;
    if (sa_watch_event(json, n, &type, &object, &object_n, err))
        return -1;
    if (type == SA_WATCH_BOOKMARK)
        return bookmark(s, object, object_n, err);
    if (type == SA_WATCH_ERROR)
        return refused(s, object, object_n, err);
    s->watch.silences = 0;
    if (s->internal) {
        if (s->follow == SA_FOLLOW_WATCH)
            sa_plan_definitions_changed(s->w);
        struct sa_object o;
        const struct sa_scrub_options opt = {.metadata_only = true};
        if (sa_scrub(object, object_n, &opt, NULL, &o, err))
            return -1;
        return sa_intake_version(s, o.resource_version, o.version, err);
    }
    bool listed = s->follow == SA_FOLLOW_INITIAL && type == SA_WATCH_ADDED;
    if (listed)
        s->w->slot->list_objects++;
    else
        s->w->slot->events++;
    s->event_ns = sa_mono_ns();
    return sa_intake(s, object, object_n, listed ? SA_FROM_LIST : SA_FROM_WATCH,
                     type == SA_WATCH_DELETED, err);
}

/* The other side may hold it as it was, when it was smaller: the next list tells. */
static void on_large(void *arg, size_t n)
{
    struct sa_scope *s = arg;
    uint64_t soon = sa_mono_ns() + LARGE_AUDIT_NS;
    sa_scope_left_out(s, "", n);
    if (!s->audit_ns || s->audit_ns > soon)
        s->audit_ns = soon;
}

static int on_event(void *arg, const char *json, size_t n, struct sa_err **err)
{
    struct sa_scope *s = arg;
    if (take_event(s, json, n, err))
        return -1;
    if (s->failing || s->forbidden_ns)
        sa_scope_succeeded(s);
    return 0;
}

static int on_data(void *arg, const void *p, size_t n, struct sa_err **err)
{
    struct sa_scope *s = arg;
    sa_intake_stamp(s->w);
    s->watch.data_ns = s->w->read_ns;
    return sa_frame_add(s->watch.frame, p, n, err);
}

/* It may be the version that the server does not take, as one that a list made up; the real one
 * says 500. */
static bool refuses(const struct sa_response *r)
{
    return !r->error && (r->status == 400 || r->status == 422 || r->status == 500);
}

/* After how long, and from where, the scope goes on. */
static void ended(struct sa_scope *s, const struct sa_response *r)
{
    struct sa_watch *t = &s->watch;
    struct sa_worker *w = s->w;
    uint64_t now = sa_mono_ns();
    bool initial = s->follow == SA_FOLLOW_INITIAL;
    bool silent = r->error && now - t->data_ns >= silence_limit(s) - SA_NS_PER_S;
    bool settled = r->status == 200 && now - t->opened_ns >= SETTLED_NS;

    if (initial)
        sa_table_list_cancel(w->table, s->id);
    s->follow = initial ? SA_FOLLOW_LIST : SA_FOLLOW_PAUSE;
    if (r->status == 200)
        s->fresh_ns = now;
    if (t->verdict == SA_WATCH_NO_INITIAL || (initial && (r->status == 400 || r->status == 422))) {
        if (!w->no_watch_list)
            sa_log(SA_INFO, "the server does not stream lists (WatchList); they are read by pages");
        w->no_watch_list = true;
        return;
    }
    if (initial && r->status == 200 && t->verdict == SA_WATCH_GOES_ON && (settled || silent) &&
        (silent || !r->error)) {
        /* It takes the parameters for something else, and would stream for ever. */
        sa_log(SA_INFO,
               "the server did not end the list that it streamed; lists are read by pages");
        w->no_watch_list = true;
        return;
    }
    if (settled)
        sa_backoff_reset(&t->backoff);
    t->not_before_ns = now;
    if (t->verdict == SA_WATCH_EXPIRED || r->status == 410) {
        /* At once, unless the list's own version is too old each time. */
        s->follow = SA_FOLLOW_LIST;
        t->not_before_ns = t->backoff.failures++ < 2 ? now : now + sa_backoff_next(&t->backoff);
        s->list.not_before_ns = t->not_before_ns;
    } else if (silent && !initial) {
        char title[400];
        sa_scope_title(s, title, sizeof title);
        sa_log(SA_INFO, "%s: no event and no bookmark for %llu s, it is listed anew", title,
               (unsigned long long)((now - t->data_ns) / SA_NS_PER_S));
        t->silences++;
        s->follow = SA_FOLLOW_LIST;
    } else if (!(r->status == 200 && !r->error && settled)) {
        if (r->status == 200 && !r->error)
            t->not_before_ns += sa_backoff_next(&t->backoff);
        else
            t->not_before_ns += sa_scope_failed(s, r, &t->backoff, "watching");
        if (!initial && refuses(r) && t->backoff.failures >= VERSION_TRIES)
            s->follow = SA_FOLLOW_LIST;
    }
    /* What the watch brought while a list beside it ran counts as named by that list, also what was
     * gone by the list's version: no base to go on from. */
    if (s->follow == SA_FOLLOW_LIST)
        sa_list_cancel(&s->list);
    if (s->follow == SA_FOLLOW_LIST && s->list.not_before_ns < t->not_before_ns)
        s->list.not_before_ns = t->not_before_ns;
}

static void on_done(void *arg, const struct sa_response *r)
{
    struct sa_scope *s = arg;
    struct sa_err *err = NULL;
    struct sa_response copy = *r;
    if (r->status == 200 && !r->error && sa_frame_end(s->watch.frame, &err))
        copy.error = err; /* cut in the middle of an event */
    forget(&s->watch);
    ended(s, &copy);
    s->w->pump = true;
    sa_err_free(&err);
}

static int start(struct sa_scope *s, bool initial, struct sa_err **err)
{
    struct sa_worker *w = s->w;
    SA_CLEANUP(sa_buf_free) struct sa_buf path = {0};
    sa_buf_init(&path, 64 * 1024);
    sa_scope_path(s, NULL, NULL, &path);
    sa_buf_addf(&path, "?watch=1&allowWatchBookmarks=true&timeoutSeconds=%u",
                (unsigned)(300 + sa_random(301)));
    if (initial) {
        sa_buf_adds(&path, "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan");
    } else {
        sa_buf_adds(&path, "&resourceVersion=");
        sa_url_add(&path, s->version);
    }
    sa_scope_add_selector(s, &path);
    if (path.failed)
        return sa_err_set(err, SA_ELIMIT, "the path of the request is too long");
    s->watch.frame = sa_frame_watch((size_t)w->account.max_object_bytes, on_event, s);
    if (!s->watch.frame)
        return sa_err_set(err, SA_EMEMORY, "no memory for a watch");
    sa_frame_leave_out(s->watch.frame, on_large);
    struct sa_request_options opt = {
        .path = path.data,
        .accept = s->internal ? SA_ACCEPT_METADATA : NULL,
        .idle_ns = silence_limit(s),
        .lasts = true,
        .on_data = on_data,
        .on_done = on_done,
        .arg = s,
    };
    s->watch.req = w->api.start(w->api.arg, &opt, err);
    return s->watch.req ? 0 : -1;
}

void sa_watch_open(struct sa_scope *s)
{
    struct sa_worker *w = s->w;
    struct sa_watch *t = &s->watch;
    bool initial = s->follow == SA_FOLLOW_LIST;
    uint64_t now = sa_mono_ns();
    uint64_t from = initial ? s->list.not_before_ns : t->not_before_ns;
    if (t->req)
        return;
    if (now < from) {
        sa_worker_wake_at(w, from);
        return;
    }
    uint64_t oldest = (uint64_t)w->account.max_resumable_resource_age_ms * SA_NS_PER_MS;
    if (oldest < FRESH_NS)
        oldest = FRESH_NS;
    if (!initial && (!s->version[0] || now - s->fresh_ns > oldest)) {
        sa_scope_relist(s);
        return;
    }
    if (initial) {
        if (sa_lists_full(w))
            return;
        sa_resolve_cancel(w, s); /* else what they bring counts as named by the list */
        sa_resolve_list_begins(s);
        sa_table_list_begin(w->table, s->id);
    }
    s->follow = initial ? SA_FOLLOW_INITIAL : SA_FOLLOW_WATCH;
    t->opened_ns = t->data_ns = now;
    t->verdict = SA_WATCH_GOES_ON;
    struct sa_err *err = NULL;
    if (start(s, initial, &err)) {
        struct sa_response r = {.retry_after_ms = -1, .error = err};
        forget(t);
        ended(s, &r);
    }
    sa_err_free(&err);
}
