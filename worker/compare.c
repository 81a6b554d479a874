/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is the other side's copy of a scope equal to the cluster? Asked by count and sum of digests; only
 * where these differ by pages of keys and digests (worker/snapshot.c).
 */
#include <string.h>

#include "base/log.h"
#include "base/points.h"
#include "worker/scope.h"
#include "worker/session.h"
#include "worker/step.h"

#define SNAPSHOTS_MAX    4u /* comparisons by pages at once, in an account */
#define MISMATCHES_MAX   3u
#define MISMATCH_WAIT_NS (60 * SA_NS_PER_S)

void sa_compare_cancel(struct sa_scope *s)
{
    if (s->compare != SA_COMPARE_NONE)
        s->compare_needed = true;
    s->compare = SA_COMPARE_NONE;
    sa_list_cancel(&s->names);
    sa_buf_free(&s->snap.entries);
    sa_buf_free(&s->snap.keys);
    s->snap = (struct sa_snapshot){.number = s->snap.number};
}

static void in_step(struct sa_scope *s)
{
    s->compare = SA_COMPARE_NONE;
    s->mismatches = 0;
    s->in_step = true;
    s->by_welcome = false;
    s->w->pump = true;
}

static void send_sums(struct sa_scope *s)
{
    struct sa_table_sum sum = sa_table_scope_sum(s->w->table, s->id);
    uint8_t bytes[16];
    sa_sum_bytes(&sum.sum, bytes);
    s->compare_needed = false;
    if (s->known.there && s->known.untouched && s->known.count == sum.count &&
        memcmp(s->known.sum, bytes, sizeof bytes) == 0) {
        in_step(s); /* the Welcome's own words: no need to ask */
        s->by_welcome = true;
        return;
    }
    Scaleagent__V1__AccountMessage m = SCALEAGENT__V1__ACCOUNT_MESSAGE__INIT;
    Scaleagent__V1__Sums sums = SCALEAGENT__V1__SUMS__INIT;
    sums.scope = s->id;
    sums.count = sum.count;
    sums.sum = (ProtobufCBinaryData){sizeof bytes, bytes};
    m.body_case = SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_SUMS;
    m.sums = &sums;
    if (sa_session_send(s->w, &m))
        s->compare = SA_COMPARE_SUMS;
}

static size_t snapshots_running(const struct sa_worker *w)
{
    size_t n = 0;
    for (size_t i = 0; i < w->n_scopes; i++)
        n += w->scopes[i]->compare == SA_COMPARE_PAGES ? 1u : 0u;
    return n;
}

/* As sa_lists_full(). */
static bool full(struct sa_worker *w)
{
    if (!w->comparisons_full)
        w->comparisons_full = snapshots_running(w) >= SNAPSHOTS_MAX;
    return w->comparisons_full;
}

bool sa_compare_quiet(const struct sa_scope *s)
{
    const struct sa_worker *w = s->w;
    return (!s->dirty || sa_dirty_count(s->dirty) == 0) && s->gets == 0 &&
           !(w->large.there && w->large.scope == s->id);
}

bool sa_compare_unproven(const struct sa_scope *s)
{
    return s->by_welcome && !s->known.untouched;
}

void sa_compare_step(struct sa_scope *s)
{
    struct sa_worker *w = s->w;
    if (!sa_session_open(s) || s->internal || s->kept || w->stopping)
        return;
    switch (s->compare) {
    case SA_COMPARE_NONE:
        if (!s->compare_needed) {
            if (sa_compare_unproven(s) && s->complete && sa_compare_quiet(s))
                send_sums(s);
            break;
        }
        s->in_step = false;
        if (s->follow == SA_FOLLOW_LIST || s->follow == SA_FOLLOW_INITIAL)
            break; /* a list brings the table up to date first */
        if (!s->complete) {
            if (!s->want_list && (s->follow == SA_FOLLOW_WATCH || s->follow == SA_FOLLOW_PAUSE))
                s->want_list = w->pump = true;
            break;
        }
        if (sa_mono_ns() < s->compare_after_ns)
            sa_worker_wake_at(w, s->compare_after_ns);
        else if (sa_compare_quiet(s))
            send_sums(s);
        break;
    case SA_COMPARE_BEGIN:
        if (s->complete && !full(w))
            sa_snapshot_begin(s);
        break;
    case SA_COMPARE_PAGES:
        sa_snapshot_step(s);
        break;
    case SA_COMPARE_SUMS:
    case SA_COMPARE_END:
        break;
    }
}

void sa_compare_sums_answer(struct sa_scope *s, bool equal)
{
    if (s->compare != SA_COMPARE_SUMS)
        return;
    if (equal) {
        in_step(s);
        return;
    }
    s->in_step = false;
    if (++s->mismatches <= MISMATCHES_MAX) {
        s->compare = SA_COMPARE_BEGIN;
        return;
    }
    char title[400];
    sa_scope_title(s, title, sizeof title);
    sa_slot_error(s->w->slot, "%s differs from what the other side holds after %u comparisons",
                  title, MISMATCHES_MAX);
    sa_log(SA_ERROR, "%s; next try in a minute", s->w->slot->last_error);
    s->mismatches = 0;
    s->compare = SA_COMPARE_NONE;
    s->compare_needed = true;
    s->compare_after_ns = sa_mono_ns() + MISMATCH_WAIT_NS;
}

void sa_compare_wants(struct sa_scope *s, const Scaleagent__V1__Wants *wants)
{
    struct sa_snapshot *p = &s->snap;
    if (s->compare != SA_COMPARE_PAGES && s->compare != SA_COMPARE_END)
        return;
    if (wants->snapshot != p->number || !p->wants_due || wants->page + 1 != p->page)
        return; /* of a snapshot that was cancelled */
    const char *keys = p->keys.data;
    uint32_t at = 0;
    size_t key = p->key;
    for (size_t i = 0; i < wants->n_index; i++) {
        uint32_t want = wants->index[i];
        if (want < at) { /* not in order: from the start again */
            at = 0;
            key = p->key;
        }
        for (; at < want && key < p->key_end; at++) {
            key += strlen(keys + key) + 1;
            key += strlen(keys + key) + 1;
        }
        if (key >= p->key_end)
            continue;
        s->w->slot->wants++;
        sa_intake_dirty(s, keys + key, keys + key + strlen(keys + key) + 1);
    }
    p->wants_due = false;
    sa_snapshot_page_done(s);
}

void sa_compare_done(struct sa_scope *s, const Scaleagent__V1__SnapshotDone *done)
{
    if (s->compare != SA_COMPARE_END || done->snapshot != s->snap.number)
        return;
    bool collapsed = s->compare_needed;
    sa_compare_cancel(s); /* frees what the pages needed; compare_needed: verify by sums */
    if (!done->complete || collapsed)
        sa_log(SA_INFO, "a comparison was incomplete; it begins again");
}
