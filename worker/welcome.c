/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The beginning and the end of an epoch: what the other side said of each scope decides whether it
 * is listed, resumed from its checkpoint, or only compared.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "worker/plan.h"
#include "worker/scope.h"
#include "worker/session.h"

#define FIRST_AUDIT_NS (300 * SA_NS_PER_S) /* of a scope that was resumed without a list */

void sa_session_end_epoch(struct sa_worker *w)
{
    sa_batch_discard(w);
    for (size_t i = 0; i < w->n_scopes; i++) {
        struct sa_scope *s = w->scopes[i];
        sa_compare_cancel(s);
        s->announced = false;
        s->in_step = s->by_welcome = false;
        s->known = (struct sa_known_scope){0};
        s->mismatches = 0;
        s->compare_after_ns = 0;
    }
    w->credit = w->spent = 0;
    w->sequence = 1;
    w->acked = 0;
}

static void note_known(struct sa_worker *w, const Scaleagent__V1__KnownScope *k)
{
    if (!k->name)
        return;
    struct sa_scope *s = sa_scope_find(w, k->name->group, k->name->resource, k->name->namespace_);
    if (!s)
        s = sa_plan_keep(w, k);
    if (!s)
        return; /* not in our Scopes: the other side deletes it */
    s->known.there = true;
    s->known.untouched = true;
    s->known.count = k->count;
    if (k->sum.len == sizeof s->known.sum)
        memcpy(s->known.sum, k->sum.data, sizeof s->known.sum);
    snprintf(s->known.version, sizeof s->known.version, "%s", k->resource_version);
    if (k->fingerprint.len == sizeof s->known.fingerprint.b)
        memcpy(s->known.fingerprint.b, k->fingerprint.data, sizeof s->known.fingerprint.b);
    s->known.age_ms = k->age_ms;
}

static void stand_by(struct sa_worker *w)
{
    sa_log(SA_INFO, "another agent streams this account; standing by");
    w->session = SA_SESSION_STANDBY;
    for (size_t i = 0; i < w->n_scopes; i++) {
        if (w->scopes[i]->follow != SA_FOLLOW_OFF)
            sa_scope_suspend(w->scopes[i]);
        if (w->scopes[i]->dirty) /* what the other agent sends is not ours to repeat */
            sa_dirty_clear(w->scopes[i]->dirty);
        w->scopes[i]->compare_needed = true; /* and what it wrote last is not known */
    }
}

static void begin_epoch(struct sa_worker *w, uint64_t epoch)
{
    if (w->session != SA_SESSION_OPENING || !w->reopen_ns) /* it was not asked for */
        w->reopen_ns = sa_mono_ns() + SA_REOPEN_NS;
    sa_session_end_epoch(w);
    w->session = SA_SESSION_OPENING;
    w->epoch = epoch;
    w->welcomed = 0;
}

int sa_session_welcome(struct sa_worker *w, uint64_t epoch, const Scaleagent__V1__Welcome *welcome)
{
    bool caching = welcome->role == SCALEAGENT__V1__WELCOME__ROLE__CACHING;
    if (w->session != SA_SESSION_OPENING || epoch != w->epoch)
        begin_epoch(w, epoch);
    w->welcomed += welcome->n_scopes;
    if (w->welcomed > SA_SCOPES_MAX || (welcome->more && welcome->n_scopes == 0))
        return -1;
    for (size_t i = 0; caching && i < welcome->n_scopes; i++)
        note_known(w, welcome->scopes[i]);
    if (welcome->more)
        return 0;
    w->welcome_ns = sa_mono_ns();
    w->slot->epoch = epoch;
    w->credit = welcome->credit;
    w->reopen_ns = 0;
    if (!caching) {
        stand_by(w);
        return 0;
    }
    w->session = SA_SESSION_CACHING;
    for (size_t i = 0; i < w->n_scopes; i++) /* the one that Scopes does not name */
        if (w->scopes[i]->internal && w->scopes[i]->follow == SA_FOLLOW_OFF)
            w->scopes[i]->follow = SA_FOLLOW_LIST;
    w->scopes_changed = true; /* Scopes comes first in an epoch, and begins each scope */
    return 0;
}

/* The rows of the checkpoint are cut and chosen as those that we would send. */
static bool checkpoint_fits(const struct sa_scope *s)
{
    struct sa_digest now;
    sa_scope_fingerprint(s, &now);
    return sa_digest_equal(&now, &s->known.fingerprint);
}

/* Nobody but us wrote the scope since it was resumed. */
static bool checkpoint_is_ours(const struct sa_scope *s)
{
    return s->known.version[0] && (strcmp(s->known.version, s->checkpoint[0]) == 0 ||
                                   strcmp(s->known.version, s->checkpoint[1]) == 0);
}

/* floor: the version of the checkpoint, be it resumed from or not. */
static void begin_fresh(struct sa_scope *s, uint64_t floor)
{
    const struct sa_account *a = &s->w->account;
    uint64_t now = sa_mono_ns();
    bool resumable = s->known.version[0] && a->max_resumable_resource_age_ms > 0 &&
                     s->known.age_ms < (uint64_t)a->max_resumable_resource_age_ms;
    s->high = floor; /* never a list older than the checkpoint */
    if (resumable) {
        /* What a list brought that standby cut off is not what the rows are. */
        if (sa_table_scope_sum(s->w->table, s->id).count)
            sa_table_drop_scope(s->w->table, s->id);
        snprintf(s->version, sizeof s->version, "%s", s->known.version);
        snprintf(s->checkpoint[0], sizeof s->checkpoint[0], "%s", s->known.version);
        s->checkpoint_ns = now;
        s->fresh_ns = now;
        s->resumed = s->in_step = true;
        s->follow = SA_FOLLOW_PAUSE; /* the watch opens at the next turn */
        s->watch.not_before_ns = 0;
        s->compare_needed = false;
        s->audit_ns = now + FIRST_AUDIT_NS + sa_random(FIRST_AUDIT_NS);
        return;
    }
    s->direct = s->known.count == 0;
    s->follow = SA_FOLLOW_LIST;
}

/* Another agent has been further than we are. What we would send from here on are states before its
 * checkpoint, and whoever resumes from that would not hear how they ended. */
static bool is_behind(const struct sa_scope *s, uint64_t floor)
{
    return s->known.version[0] && !checkpoint_is_ours(s) &&
           (floor == 0 || floor > strtoull(s->version, NULL, 10));
}

static void begin_again(struct sa_scope *s, uint64_t floor)
{
    if (s->follow == SA_FOLLOW_OFF) /* back from standby */
        s->follow = s->version[0] ? SA_FOLLOW_PAUSE : SA_FOLLOW_LIST;
    s->watch.not_before_ns = 0;
    bool behind = is_behind(s, floor);
    if (behind && floor > s->high)
        s->high = floor;
    if (behind || s->follow == SA_FOLLOW_LIST || s->follow == SA_FOLLOW_INITIAL) {
        /* What a list under way brought was sent to an epoch that is over. */
        sa_scope_relist(s);
        s->direct = !s->complete && s->known.count == 0;
        s->compare_needed = true;
        return;
    }
    /* A resumed scope goes on as it was if nothing was forgotten meanwhile; what was sent and not
     * acknowledged is dirty. Any other is compared, for which its table must be complete. */
    if (s->resumed && !s->compare_needed && checkpoint_is_ours(s)) {
        s->in_step = true;
        return;
    }
    s->compare_needed = true;
    s->resumed = false;
}

static void made_up_object(void *arg, const char *name, const char *json, size_t n)
{
    (void)name;
    sa_intake(arg, json, n, SA_FROM_LIST, false, NULL);
}

static void begin_made_up(struct sa_scope *s)
{
    s->direct = s->known.count == 0;
    sa_intake_stamp(s->w);
    sa_table_list_begin(s->w->table, s->id);
    sa_madeup_each(s, made_up_object, s);
    sa_table_list_end(s->w->table, s->id);
    s->direct = false;
    s->complete = s->compare_needed = true;
}

void sa_session_begin_scope(struct sa_scope *s)
{
    uint64_t floor = strtoull(s->known.version, NULL, 10);
    s->w->pump = true;
    if (!s->known.there) /* the other side has nothing of it: a count of 0 */
        s->known.there = s->known.untouched = true;
    if (s->kept) {
        s->in_step = true; /* nothing can be said of it now */
        return;
    }
    /* Before a row changes: whoever has the other settings would else resume from it, over rows
     * that are not all his. */
    if (s->known.version[0] && !checkpoint_fits(s))
        sa_checkpoint_void(s);
    if (s->made_up) {
        begin_made_up(s);
        return;
    }
    bool fresh = s->follow == SA_FOLLOW_OFF && !s->complete && !s->version[0];
    if (fresh)
        begin_fresh(s, floor);
    else
        begin_again(s, floor);
}
