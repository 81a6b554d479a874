/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists by pages. resourceVersion is not set: the answer is then consistent, never older than the
 * moment of asking
 * (https://kubernetes.io/docs/reference/using-api/api-concepts/#semantics-for-get-and-list). A page
 * is handled as it comes and not kept; when its objects are sent, the next page waits for credit.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "worker/plan.h"
#include "worker/scope.h"
#include "worker/session.h"
#include "worker/step.h"

#define PAGE_OBJECTS     500u
#define PAGE_OBJECTS_MIN 50u
#define PAGE_IDLE_NS     (60 * SA_NS_PER_S)
#define REFUSALS_MAX     3u

size_t sa_lists_running(const struct sa_worker *w)
{
    size_t n = 0;
    for (size_t i = 0; i < w->n_scopes; i++)
        n += (w->scopes[i]->list.active ? 1u : 0u) + (w->scopes[i]->names.active ? 1u : 0u) +
             (w->scopes[i]->follow == SA_FOLLOW_INITIAL ? 1u : 0u);
    return n;
}

bool sa_lists_full(struct sa_worker *w)
{
    size_t budget = w->account.budget_per_account > 0 ? (size_t)w->account.budget_per_account : 50;
    if (!w->lists_full)
        w->lists_full = sa_lists_running(w) >= budget;
    return w->lists_full;
}

static uint64_t reserved(const struct sa_worker *w)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < w->n_scopes; i++)
        sum += w->scopes[i]->list.reserved;
    return sum;
}

static void forget(struct sa_list *l)
{
    sa_frame_free(l->frame);
    l->frame = NULL;
    l->req = NULL;
    l->reserved = 0;
}

void sa_list_cancel(struct sa_list *l)
{
    struct sa_worker *w = l->scope->w;
    if (l->req)
        w->api.cancel(w->api.arg, l->req);
    forget(l);
    free(l->token);
    l->token = NULL;
    if (l->active && !l->names)
        sa_table_list_cancel(w->table, l->scope->id);
    l->active = l->waiting = false;
}

void sa_list_restored(struct sa_worker *w, const struct sa_scope *s)
{
    for (size_t i = 0; i < w->n_scopes; i++) {
        struct sa_scope *o = w->scopes[i];
        sa_table_reset_versions(w->table, o->id);
        o->high = 0;
        o->compare_needed = true;
        if (o != s && (o->follow == SA_FOLLOW_WATCH || o->follow == SA_FOLLOW_PAUSE))
            sa_scope_relist(o);
    }
}

bool sa_list_too_old(struct sa_scope *s, uint64_t version_n)
{
    if (version_n >= s->high) {
        s->regress = 0;
        return false;
    }
    if (s->regress++ < REFUSALS_MAX)
        return true;
    char title[400];
    sa_scope_title(s, title, sizeof title);
    sa_log(SA_WARN,
           "%s is at version %llu now and was at %llu: the cluster's etcd has been restored; "
           "everything is read again",
           title, (unsigned long long)version_n, (unsigned long long)s->high);
    s->regress = 0;
    /* This list was held against the old versions: the next one counts. */
    sa_list_restored(s->w, s);
    return true;
}

/* A list names the newest state up to its version. One that has an object as it was before a
 * version that is known, and not newer than the list, is of another history: an etcd was restored,
 * and has overtaken what was seen of it. Aggregated APIs may count as they like. */
static void compare_histories(struct sa_scope *s, uint64_t version_n)
{
    struct sa_worker *w = s->w;
    if (!s->stale || s->stale > version_n || !(s->defined || sa_group_native(s->res.group)))
        return;
    char title[400];
    sa_scope_title(s, title, sizeof title);
    sa_log(SA_WARN,
           "%s of version %llu has an object as it was before version %llu: the cluster's etcd has "
           "been restored; everything is read again",
           title, (unsigned long long)version_n, (unsigned long long)s->stale);
    w->restored = true;
}

void sa_list_completed(struct sa_scope *s, const char *version, uint64_t version_n)
{
    struct sa_worker *w = s->w;
    uint64_t now = sa_mono_ns();
    size_t gone = sa_table_list_end(w->table, s->id);
    if (s->internal || (s->definitions && gone))
        sa_plan_definitions_changed(w); /* it may have been while nothing was watched */
    compare_histories(s, version_n);
    w->slot->lists++;
    w->bulk = true;
    if (s->complete && s->follow != SA_FOLLOW_WATCH && s->follow != SA_FOLLOW_PAUSE)
        w->slot->relists++;
    if (s->follow == SA_FOLLOW_LIST || s->follow == SA_FOLLOW_INITIAL) {
        snprintf(s->version, sizeof s->version, "%s", version);
        s->fresh_ns = now;
    }
    if (version_n > s->high)
        s->high = version_n;
    s->complete = true;
    s->resumed = s->direct = s->want_list = false;
    s->compare_needed = true; /* what the sweep removed, and what was not sent, has no name */
    sa_resolve_list_ended(s, version_n);
    uint64_t audit = (uint64_t)(w->account.audit_interval_s > 0 ? w->account.audit_interval_s : 0);
    audit *= SA_NS_PER_S;
    s->audit_ns = audit ? now + audit * 3 / 4 + sa_random(audit / 2) : 0;
    sa_scope_succeeded(s);
    if (s->evicted) {
        s->evicted = s->announced = false;
        w->scopes_changed = true;
    }
    w->pump = true;
}

static int on_item(void *arg, const char *json, size_t n, struct sa_err **err)
{
    struct sa_list *l = arg;
    if (l->scope->internal)
        return 0;
    if (l->names)
        return sa_snapshot_item(l->scope, json, n, err);
    l->scope->w->slot->list_objects++;
    return sa_intake(l->scope, json, n, SA_FROM_LIST, false, err);
}

static void on_large(void *arg, size_t n)
{
    sa_scope_left_out(((struct sa_list *)arg)->scope, "", n);
}

static int on_meta(void *arg, const char *json, size_t n, struct sa_err **err)
{
    struct sa_list *l = arg;
    struct sa_list_meta meta;
    if (sa_list_meta_parse(json, n, &meta, err))
        return -1;
    free(l->token);
    l->token = meta.continue_token;
    if (l->pages > 0)
        return 0;
    if (!*meta.resource_version) /* then it is no list, and nothing could be watched from it */
        return sa_err_set(err, SA_EPROTOCOL, "the answer has no resourceVersion");
    snprintf(l->version, sizeof l->version, "%s", meta.resource_version);
    errno = 0;
    l->version_n = strtoull(l->version, NULL, 10);
    if (errno) /* believed, it would be newer than everything that comes */
        return sa_err_set(err, SA_EPROTOCOL, "the list is of version %s, which can't be",
                          l->version);
    if (!l->names && sa_list_too_old(l->scope, l->version_n)) {
        return sa_err_set(err, SA_EEXPIRED,
                          "the list is as of version %s, older than what was seen before",
                          l->version);
    }
    return 0;
}

static int on_data(void *arg, const void *p, size_t n, struct sa_err **err)
{
    struct sa_list *l = arg;
    sa_intake_stamp(l->scope->w);
    return sa_frame_add(l->frame, p, n, err);
}

static void page_read(struct sa_list *l)
{
    struct sa_scope *s = l->scope;
    bool last = !l->token || s->internal;
    l->pages++;
    l->waiting = !last;
    s->w->pump = true;
    if (l->names) {
        if (last)
            l->active = false;
        sa_snapshot_page_read(s, last);
    } else if (last) {
        bool first = s->follow == SA_FOLLOW_LIST;
        l->active = false;
        sa_list_completed(s, l->version, l->version_n);
        if (first) {
            s->follow = SA_FOLLOW_PAUSE;
            s->watch.not_before_ns = 0;
        }
    } else {
        sa_scope_succeeded(s);
    }
    if (last) {
        sa_backoff_reset(&l->backoff);
        l->whole = false;
        free(l->token);
        l->token = NULL;
    }
}

static void page_failed(struct sa_list *l, const struct sa_response *r)
{
    struct sa_scope *s = l->scope;
    bool gone = r->status == 410 && l->pages > 0;
    sa_list_cancel(l);
    if (gone && l->backoff.failures == 0) {
        /* The token expired, the server compacted: a new list starts at once, but not for ever. */
        sa_backoff_next(&l->backoff);
        l->not_before_ns = 0;
    } else {
        l->whole = gone; /* as client-go does */
        l->not_before_ns = sa_mono_ns() + sa_scope_failed(s, r, &l->backoff, "listing");
    }
    if (l->names)
        sa_snapshot_failed(s);
    s->w->pump = true;
}

static void on_done(void *arg, const struct sa_response *r)
{
    struct sa_list *l = arg;
    struct sa_err *err = NULL;
    struct sa_response copy = *r;
    bool ok = r->status == 200 && !r->error;
    if (ok && sa_frame_end(l->frame, &err)) {
        ok = false;
        copy.error = err;
    }
    forget(l);
    if (ok)
        page_read(l);
    else
        page_failed(l, &copy);
    sa_err_free(&err);
}

/* Will objects of this list be sent as they are read? */
static bool sends(const struct sa_list *l)
{
    const struct sa_scope *s = l->scope;
    return !l->names && (s->direct || (s->dirty && sa_dirty_count(s->dirty) > 0));
}

/* Objects that a page may have: what credit allows to be sent at once. 0: wait. */
static unsigned page_limit(const struct sa_list *l)
{
    struct sa_worker *w = l->scope->w;
    if (l->scope->internal)
        return 1;
    if (!sends(l))
        return PAGE_OBJECTS;
    if (!sa_session_open(l->scope))
        return 0;
    size_t room = sa_batch_room(w), sharing = 0;
    uint64_t others = reserved(w);
    for (size_t i = 0; i < w->n_scopes; i++)
        sharing += sends(&w->scopes[i]->list) && !w->scopes[i]->list.req ? 1u : 0u;
    uint64_t fits = room > others ? (room - others) / w->average : 0;
    uint64_t share = fits / (sharing ? sharing : 1);
    if (share > PAGE_OBJECTS)
        return PAGE_OBJECTS;
    if (fits >= PAGE_OBJECTS_MIN)
        return share > PAGE_OBJECTS_MIN ? (unsigned)share : PAGE_OBJECTS_MIN;
    /* A grant smaller than the least page: better small pages than none. */
    if (w->unacked.n > 0 || others > 0 || room == 0)
        return 0;
    return fits ? (unsigned)fits : 1;
}

static int start_page(struct sa_list *l, unsigned limit, struct sa_err **err)
{
    struct sa_scope *s = l->scope;
    struct sa_worker *w = s->w;
    SA_CLEANUP(sa_buf_free) struct sa_buf path = {0};
    sa_buf_init(&path, 64 * 1024);
    sa_scope_path(s, NULL, NULL, &path);
    sa_buf_addf(&path, "?limit=%u", l->whole ? 0 : limit); /* 0: no limit */
    if (l->token) {
        sa_buf_adds(&path, "&continue=");
        sa_url_add(&path, l->token);
    }
    sa_scope_add_selector(s, &path);
    if (path.failed)
        return sa_err_set(err, SA_ELIMIT, "the path of the request is too long");
    l->frame = sa_frame_list((size_t)w->account.max_object_bytes, on_item, on_meta, l);
    if (!l->frame)
        return sa_err_set(err, SA_EMEMORY, "no memory for a list");
    /* In a list of names only where the server sends whole objects: then it is left out wherever it
     * is read, and goes at the other side. */
    sa_frame_leave_out(l->frame, on_large);
    struct sa_request_options opt = {
        .path = path.data,
        .accept = l->names || s->internal ? SA_ACCEPT_METADATA_LIST : NULL,
        .idle_ns = PAGE_IDLE_NS,
        .on_data = on_data,
        .on_done = on_done,
        .arg = l,
    };
    l->req = w->api.start(w->api.arg, &opt, err);
    return l->req ? 0 : -1;
}

void sa_list_step(struct sa_list *l)
{
    struct sa_scope *s = l->scope;
    struct sa_worker *w = s->w;
    if (l->active && !l->waiting)
        return;
    if (sa_mono_ns() < l->not_before_ns) {
        sa_worker_wake_at(w, l->not_before_ns);
        return;
    }
    bool begins = !l->active && sends(l);
    if (begins && (w->credit_full || !sa_session_open(s)))
        return;
    if (!l->active && sa_lists_full(w))
        return;
    unsigned limit = page_limit(l);
    if (!limit) {
        w->credit_full = w->credit_full || begins;
        /* While it waits, the table remembers what is deleted: not for as long as an outage. */
        if (l->waiting && !sa_session_open(s))
            sa_list_cancel(l);
        return;
    }
    if (!l->active) {
        l->pages = 0;
        if (!l->names && s->follow == SA_FOLLOW_LIST)
            sa_resolve_cancel(w, s); /* else what they bring counts as named by the list */
        if (!l->names) {
            sa_resolve_list_begins(s);
            sa_table_list_begin(w->table, s->id);
        }
    }
    l->active = true;
    l->waiting = false;
    l->reserved = sends(l) ? (uint64_t)limit * w->average : 0;
    struct sa_err *err = NULL;
    if (start_page(l, limit, &err)) {
        struct sa_response r = {.retry_after_ms = -1, .error = err};
        page_failed(l, &r);
    }
    sa_err_free(&err);
}
