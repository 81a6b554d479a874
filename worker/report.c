/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/report.h"

#include "base/clock.h"
#include "worker/describe.h"
#include "worker/scope.h"
#include "worker/session.h"

enum sa_state sa_report_state(const struct sa_worker *w)
{
    bool synced = true, ailing = false;
    if (w->stopping)
        return SA_STATE_STOPPING;
    if (!w->reached)
        return SA_STATE_CONNECTING;
    if (!w->planned)
        return SA_STATE_DISCOVERING;
    if (w->session == SA_SESSION_STANDBY)
        return SA_STATE_STANDBY;
    if (w->session != SA_SESSION_CACHING)
        return SA_STATE_WAITING;
    for (size_t i = 0; i < w->n_scopes; i++) {
        const struct sa_scope *s = w->scopes[i];
        if (s->failing || s->forbidden_ns || s->kept)
            ailing = true;
        else if (!s->internal && !s->in_step)
            synced = false;
    }
    if (!synced)
        return SA_STATE_SYNCING;
    return ailing ? SA_STATE_DEGRADED : SA_STATE_STREAMING;
}

void sa_report_change(struct sa_scope *s, const struct sa_object *o, bool deleted)
{
    struct sa_slot_event *e = sa_slot_ring_add(&s->w->slot->changes, "%s%s%s/%s", s->res.plural,
                                               *o->namespace ? "/" : "", o->namespace, o->name);
    e->result = deleted;
}

/* For people, so once a second is enough. */
static void show_scopes(struct sa_worker *w, uint64_t now)
{
    struct sa_slot *slot = w->slot;
    uint32_t n = 0;
    if (w->shown_ns != 0 && now - w->shown_ns < SA_NS_PER_S)
        return;
    w->shown_ns = now;
    for (size_t i = 0; i < w->n_scopes && n < SA_SLOT_WATCHES; i++) {
        const struct sa_scope *s = w->scopes[i];
        struct sa_slot_watch *to = &slot->watched[n];
        if (s->internal)
            continue;
        sa_scope_title(s, to->name, sizeof to->name);
        to->objects = (uint32_t)sa_table_scope_sum(w->table, s->id).count;
        to->state = (uint8_t)sa_describe_state(s);
        to->event_ns = s->event_ns;
        n++;
    }
    slot->n_watched = n;
}

void sa_worker_report(struct sa_worker *w)
{
    struct sa_slot *slot = w->slot;
    uint64_t watches = 0, scopes = 0, in_step = 0, dirty = 0;
    for (size_t i = 0; i < w->n_scopes; i++) {
        const struct sa_scope *s = w->scopes[i];
        watches += s->watch.req ? 1u : 0u;
        scopes += s->internal ? 0u : 1u;
        in_step += s->in_step ? 1u : 0u;
        dirty += (s->dirty ? sa_dirty_count(s->dirty) : 0) + s->gets;
    }
    slot->watches = watches;
    slot->scopes = scopes;
    slot->scopes_in_step = in_step;
    slot->objects = sa_table_count(w->table);
    slot->dirty = dirty;
    slot->unacked = w->unacked.n;
    slot->credit = w->credit > w->spent ? w->credit - w->spent : 0;
    if (w->http) {
        struct sa_http_counters c = sa_http_counters(w->http);
        slot->requests = c.requests;
        slot->request_errors = c.errors;
    }
    slot->state = (uint32_t)sa_report_state(w);
    slot->heartbeat_ns = sa_mono_ns();
    show_scopes(w, slot->heartbeat_ns);
}
