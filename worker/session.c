/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/session.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/points.h"
#include "worker/ops/engine.h"
#include "worker/scope.h"
#include "worker/step.h"

/* An epoch that lasted so long has nothing to do with how the one before it ended. */
#define CALM_NS           (300 * SA_NS_PER_S)
#define REOPEN_REFUSED_NS (60 * SA_NS_PER_S)
#define ENTRY_OVER        6u /* bytes of an entry in a message, beside its own */

size_t sa_session_send(struct sa_worker *w, Scaleagent__V1__AccountMessage *m)
{
    sa_batch_flush(w);
    m->epoch = w->epoch;
    size_t n = scaleagent__v1__account_message__get_packed_size(m);
    sa_buf_reset(&w->message);
    if (sa_buf_reserve(&w->message, n)) {
        sa_log(SA_ERROR, "no memory for a message of %zu bytes", n);
        sa_session_down(w);
        w->session = SA_SESSION_UP;
        return 0;
    }
    scaleagent__v1__account_message__pack(m, (uint8_t *)w->message.data);
    w->slot->messages++;
    w->out.send(w->out.arg, 0, 0, w->message.data, n);
    sa_buf_trim(&w->message, 128 * 1024);
    return n;
}

static void send_open(struct sa_worker *w)
{
    const struct sa_account *a = &w->account;
    Scaleagent__V1__AccountMessage m = SCALEAGENT__V1__ACCOUNT_MESSAGE__INIT;
    Scaleagent__V1__AccountOpen open = SCALEAGENT__V1__ACCOUNT_OPEN__INIT;
    Scaleagent__V1__Permission *perms = calloc(a->n_permissions + 1, sizeof *perms);
    Scaleagent__V1__Permission **list = calloc(a->n_permissions + 1, sizeof *list);
    if (!perms || !list)
        goto out; /* tried again at the next turn */
    for (size_t i = 0; i < a->n_permissions; i++) {
        scaleagent__v1__permission__init(&perms[i]);
        perms[i].permission = a->permissions[i].permission;
        perms[i].roles = a->permissions[i].roles.v;
        perms[i].n_roles = a->permissions[i].roles.n;
        list[i] = &perms[i];
    }
    const uint8_t *cert = w->http ? sa_http_certificate_sha256(w->http) : NULL;
    open.instance = (ProtobufCBinaryData){sizeof w->instance, w->instance};
    open.server = (char *)(w->http ? sa_http_server(w->http) : "");
    open.certificate_sha256 = (ProtobufCBinaryData){cert ? 32 : 0, (uint8_t *)cert};
    open.server_version = w->version;
    open.cluster_id = w->cluster;
    open.permissions = list;
    open.n_permissions = a->n_permissions;
    open.kinds = a->kinds.v;
    open.n_kinds = a->kinds.n;
    open.omit_kinds = a->omit_kinds.v;
    open.n_omit_kinds = a->omit_kinds.n;
    open.namespaces = a->namespaces.v;
    open.n_namespaces = a->namespaces.n;
    open.omit_namespaces = a->omit_namespaces.v;
    open.n_omit_namespaces = a->omit_namespaces.n;
    open.only_spinnaker_managed = a->only_spinnaker_managed;
    open.only_namespaced_resources = a->only_namespaced_resources;
    open.max_resumable_resource_age_ms = a->max_resumable_resource_age_ms;
    m.body_case = SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_OPEN;
    m.open = &open;
    w->epoch = 0;
    w->session = SA_SESSION_OPENING;
    w->reopen_ns = sa_mono_ns() + SA_REOPEN_NS + sa_random(SA_REOPEN_NS / 4);
    sa_session_send(w, &m);
out:
    free(perms);
    free(list);
}

struct scope_entry {
    Scaleagent__V1__Scope scope;
    Scaleagent__V1__ScopeName name;
};

static size_t fill_entries(const struct sa_worker *w, struct scope_entry *entries,
                           Scaleagent__V1__Scope **list)
{
    size_t n = 0;
    for (size_t i = 0; i < w->n_scopes; i++) {
        const struct sa_scope *s = w->scopes[i];
        if (s->internal || s->evicted)
            continue;
        struct scope_entry *e = &entries[n];
        scaleagent__v1__scope__init(&e->scope);
        scaleagent__v1__scope_name__init(&e->name);
        e->name.group = s->res.group;
        e->name.resource = s->res.plural;
        e->name.namespace_ = (char *)s->namespace;
        e->scope.id = s->id;
        e->scope.name = &e->name;
        e->scope.version = s->res.version;
        e->scope.kind = s->res.kind;
        e->scope.namespaced = s->res.namespaced;
        list[n++] = &e->scope;
    }
    return n;
}

/* In as many messages as it needs; one of an empty list. -1: the session is opened anew. */
static int send_list(struct sa_worker *w, Scaleagent__V1__Scope **list, size_t n)
{
    size_t from = 0;
    do {
        Scaleagent__V1__AccountMessage m = SCALEAGENT__V1__ACCOUNT_MESSAGE__INIT;
        Scaleagent__V1__Scopes scopes = SCALEAGENT__V1__SCOPES__INIT;
        size_t bytes = 0, to = from;
        for (; to < n; to++) {
            bytes += scaleagent__v1__scope__get_packed_size(list[to]) + ENTRY_OVER;
            if (bytes > SA_DATA_PART && to > from)
                break;
        }
        scopes.scopes = list + from;
        scopes.n_scopes = to - from;
        scopes.more = to < n;
        m.body_case = SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_SCOPES;
        m.scopes = &scopes;
        if (sa_session_send(w, &m) == 0)
            return -1;
        from = to;
    } while (from < n);
    return 0;
}

static void announce(struct sa_scope *s)
{
    bool now = !s->internal && !s->evicted;
    bool begins = now && !s->announced;
    s->announced = now;
    if (!now) /* the other side deletes what it has of it */
        s->known = (struct sa_known_scope){0};
    if (begins)
        sa_session_begin_scope(s);
}

static void send_scopes(struct sa_worker *w)
{
    struct scope_entry *entries = calloc(w->n_scopes + 1, sizeof *entries);
    Scaleagent__V1__Scope **list = calloc(w->n_scopes + 1, sizeof(Scaleagent__V1__Scope *));
    if (entries && list) { /* else it is tried again at the next turn */
        size_t n = fill_entries(w, entries, list);
        w->scopes_changed = false;
        if (send_list(w, list, n) == 0)
            for (size_t i = 0; i < w->n_scopes; i++)
                announce(w->scopes[i]);
    }
    free(entries);
    free(list);
}

void sa_session_step(struct sa_worker *w)
{
    uint64_t now = sa_mono_ns();
    if (w->stopping)
        return;
    bool again = w->reopen_ns && now >= w->reopen_ns &&
                 (w->session == SA_SESSION_OPENING || w->session == SA_SESSION_REFUSED);
    if ((w->session == SA_SESSION_UP || again) && w->reached && w->planned)
        send_open(w);
    if (w->session == SA_SESSION_CACHING && w->scopes_changed)
        send_scopes(w);
    if (w->reopen_ns && now < w->reopen_ns &&
        (w->session == SA_SESSION_OPENING || w->session == SA_SESSION_REFUSED))
        sa_worker_wake_at(w, w->reopen_ns);
}

void sa_session_down(struct sa_worker *w)
{
    if (w->session == SA_SESSION_DOWN)
        return;
    sa_session_end_epoch(w);
    w->session = SA_SESSION_DOWN;
    w->epoch = 0;
    w->reopen_ns = 0;
    w->slot->connected = 0;
    w->slot->disconnections++;
    w->pump = true;
}

static void refused(struct sa_worker *w, const Scaleagent__V1__Refusal *r)
{
    static const char *const why[] = {
        [SCALEAGENT__V1__REFUSAL__CODE__UNSPECIFIED] = "refused",
        [SCALEAGENT__V1__REFUSAL__CODE__NAME_IN_USE] = "the name stands for another cluster",
        [SCALEAGENT__V1__REFUSAL__CODE__NOT_ALLOWED] = "this agent may not bring this account",
        [SCALEAGENT__V1__REFUSAL__CODE__FENCED] = "the account was assigned anew",
        [SCALEAGENT__V1__REFUSAL__CODE__VIOLATION] = "the protocol was broken",
    };
    bool fenced = r->code == SCALEAGENT__V1__REFUSAL__CODE__FENCED;
    uint64_t now = sa_mono_ns();
    if (w->session != SA_SESSION_OPENING && now - w->welcome_ns >= CALM_NS)
        sa_backoff_reset(&w->fenced);
    const char *text = (size_t)r->code < sizeof why / sizeof *why ? why[r->code] : "refused";
    sa_session_end_epoch(w);
    w->session = SA_SESSION_REFUSED;
    w->epoch = 0;
    w->reopen_ns = now + (fenced ? sa_backoff_next(&w->fenced)
                                 : REOPEN_REFUSED_NS + sa_random(REOPEN_REFUSED_NS));
    /* Fenced is who was silent for too long: what it lost is said, and what it does about it. */
    sa_slot_error(w->slot, "%s: %s%s%.150s",
                  fenced ? "Spinnaker ended the epoch" : "Spinnaker does not take the account",
                  text, *r->reason ? ": " : "", r->reason);
    sa_log(fenced ? SA_WARN : SA_ERROR, "%s%s", w->slot->last_error,
           fenced ? "; it is opened again" : "");
}

static int body(struct sa_worker *w, const Scaleagent__V1__AccountReply *r, struct sa_err **err)
{
    struct sa_scope *s;
    switch (r->body_case) {
    case SCALEAGENT__V1__ACCOUNT_REPLY__BODY_ACK:
        if (sa_batch_acked(w, r->ack->sequence))
            return sa_err_set(err, SA_EPROTOCOL,
                              "delta %" PRIu64 " was acknowledged and never sent",
                              r->ack->sequence);
        sa_point("ack");
        if (r->ack->credit > w->credit)
            w->credit = r->ack->credit;
        break;
    case SCALEAGENT__V1__ACCOUNT_REPLY__BODY_SUMS:
        if ((s = sa_scope_by_id(w, r->sums->scope)))
            sa_compare_sums_answer(s, r->sums->in_step);
        break;
    case SCALEAGENT__V1__ACCOUNT_REPLY__BODY_WANTS:
        if ((s = sa_scope_by_id(w, r->wants->scope)))
            sa_compare_wants(s, r->wants);
        break;
    case SCALEAGENT__V1__ACCOUNT_REPLY__BODY_DONE:
        if ((s = sa_scope_by_id(w, r->done->scope)))
            sa_compare_done(s, r->done);
        break;
    default:
        break; /* of a later version */
    }
    w->pump = true;
    return 0;
}

static void welcome(struct sa_worker *w, const Scaleagent__V1__AccountReply *r)
{
    bool opening = w->session == SA_SESSION_OPENING;
    bool further = opening && w->epoch && r->epoch == w->epoch;
    if (!further && (r->epoch <= w->epoch || (!opening && !w->epoch)))
        return;
    if (sa_session_welcome(w, r->epoch, r->welcome) == 0)
        return;
    Scaleagent__V1__Refusal why = SCALEAGENT__V1__REFUSAL__INIT;
    why.code = SCALEAGENT__V1__REFUSAL__CODE__VIOLATION;
    why.reason = (char *)"its Welcome has no end";
    refused(w, &why);
}

/* Else it is of an epoch that we know to be over. */
static bool refuses_us(const struct sa_worker *w, const Scaleagent__V1__AccountReply *r)
{
    bool fenced = r->refusal->code == SCALEAGENT__V1__REFUSAL__CODE__FENCED;
    if (w->epoch && r->epoch == w->epoch)
        return true;
    return w->session == SA_SESSION_OPENING && (r->epoch == 0 || !fenced);
}

static int reply(struct sa_worker *w, const Scaleagent__V1__AccountReply *r, struct sa_err **err)
{
    switch (r->body_case) {
    case SCALEAGENT__V1__ACCOUNT_REPLY__BODY_WELCOME:
        welcome(w, r);
        return 0;
    case SCALEAGENT__V1__ACCOUNT_REPLY__BODY_REFUSAL:
        if (refuses_us(w, r))
            refused(w, r->refusal);
        return 0;
    default:
        /* Of another epoch: late, and void. */
        return r->epoch == w->epoch && w->session == SA_SESSION_CACHING ? body(w, r, err) : 0;
    }
}

int sa_session_message(struct sa_worker *w, enum sa_data_kind kind, const void *p, size_t n,
                       struct sa_err **err)
{
    w->pump = true;
    w->slot->bytes_received += n;
    switch (kind) {
    case SA_DATA_UP:
        sa_session_down(w);
        sa_ops_uplink_down(w->ops); /* of the stream before */
        w->session = SA_SESSION_UP;
        w->slot->connected = 1;
        w->slot->connections++;
        return 0;
    case SA_DATA_DOWN:
        sa_session_down(w);
        sa_ops_uplink_down(w->ops);
        return 0;
    case SA_DATA_OPERATION:
    case SA_DATA_CANCEL:
    case SA_DATA_ROOM:
        return sa_ops_uplink(w->ops, kind, p, n, err);
    case SA_DATA_REPLY: {
        Scaleagent__V1__AccountReply *r = scaleagent__v1__account_reply__unpack(NULL, n, p);
        if (!r)
            return sa_err_set(err, SA_EPROTOCOL, "a reply of %zu bytes can't be decoded", n);
        int rc = reply(w, r, err);
        scaleagent__v1__account_reply__free_unpacked(r, NULL);
        return rc;
    }
    default:
        return sa_err_set(err, SA_EPROTOCOL, "a message of kind %d came from the uplink", kind);
    }
}
