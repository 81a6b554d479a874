/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink_messages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/scale_agent.pb-c.h"

static char *text(const char *s)
{
    return (char *)(uintptr_t)s;
}

void fx_free(struct fx *m)
{
    free(m->p);
    m->p = NULL;
}

void fx_digest(const char *object, struct sa_digest *out)
{
    struct sa_digest_state s;

    sa_digest_start(&s);
    sa_digest_add(&s, object, strlen(object));
    sa_digest_end(&s, out);
}

static struct fx pack(const Scaleagent__V1__AccountMessage *m)
{
    struct fx out = {.n = scaleagent__v1__account_message__get_packed_size(m)};

    out.p = malloc(out.n + 1);
    if (!out.p)
        abort();
    scaleagent__v1__account_message__pack(m, out.p);
    return out;
}

static Scaleagent__V1__AccountMessage message(uint64_t epoch,
                                              Scaleagent__V1__AccountMessage__BodyCase body)
{
    Scaleagent__V1__AccountMessage m;

    scaleagent__v1__account_message__init(&m);
    m.epoch = epoch;
    m.body_case = body;
    return m;
}

struct fx fx_open(const char *cluster)
{
    Scaleagent__V1__AccountOpen open = SCALEAGENT__V1__ACCOUNT_OPEN__INIT;
    Scaleagent__V1__AccountMessage m = message(0, SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_OPEN);

    open.server = text("127.0.0.1:6443");
    open.server_version = text("v1.36.3");
    open.cluster_id = text(cluster);
    m.open = &open;
    return pack(&m);
}

static struct fx list_scopes(uint64_t epoch, const struct fx_scope *v, size_t n, bool more)
{
    Scaleagent__V1__Scopes scopes = SCALEAGENT__V1__SCOPES__INIT;
    Scaleagent__V1__AccountMessage m = message(epoch, SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_SCOPES);
    Scaleagent__V1__Scope *s = calloc(n + 1, sizeof *s);
    Scaleagent__V1__ScopeName *names = calloc(n + 1, sizeof *names);
    Scaleagent__V1__Scope **list = calloc(n + 1, sizeof(*list));
    struct fx out;

    if (!s || !names || !list)
        abort();
    for (size_t i = 0; i < n; i++) {
        scaleagent__v1__scope__init(&s[i]);
        scaleagent__v1__scope_name__init(&names[i]);
        names[i].resource = text(v[i].resource);
        names[i].namespace_ = text(v[i].namespace ? v[i].namespace : "");
        s[i].id = v[i].id;
        s[i].name = &names[i];
        s[i].version = text("v1");
        s[i].kind = text("Kind");
        s[i].namespaced = true;
        list[i] = &s[i];
    }
    scopes.scopes = list;
    scopes.n_scopes = n;
    scopes.more = more;
    m.scopes = &scopes;
    out = pack(&m);
    free(s);
    free(names);
    free(list);
    return out;
}

struct fx fx_scopes(uint64_t epoch, const struct fx_scope *v, size_t n)
{
    return list_scopes(epoch, v, n, false);
}

struct fx fx_scopes_more(uint64_t epoch, const struct fx_scope *v, size_t n)
{
    return list_scopes(epoch, v, n, true);
}

static void fill_delta(Scaleagent__V1__Delta *d, const struct fx_delta *v, struct sa_digest *digest)
{
    size_t n = v->object ? strlen(v->object) : 0;
    bool last = v->part_size == 0 || v->part_offset + v->part_size == n;

    scaleagent__v1__delta__init(d);
    d->scope = v->scope;
    d->namespace_ = text(v->namespace);
    d->name = text(v->name);
    d->uid = text("uid");
    d->resource_version = text("1");
    d->deleted = v->object == NULL;
    if (!v->object)
        return;
    fx_digest(v->object, digest);
    if (last) {
        d->digest.data = digest->b;
        d->digest.len = SA_DIGEST_SIZE;
    }
    d->object.data = (uint8_t *)text(v->object) + v->part_offset;
    d->object.len = v->part_size ? v->part_size : n;
    d->object_size = v->part_size ? n : 0;
    d->object_offset = v->part_offset;
}

struct fx fx_deltas(uint64_t epoch, uint64_t first, const struct fx_delta *v, size_t n)
{
    Scaleagent__V1__Deltas deltas = SCALEAGENT__V1__DELTAS__INIT;
    Scaleagent__V1__AccountMessage m = message(epoch, SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_DELTAS);
    Scaleagent__V1__Delta *d = calloc(n + 1, sizeof *d);
    Scaleagent__V1__Delta **list = calloc(n + 1, sizeof(*list));
    struct sa_digest *digests = calloc(n + 1, sizeof *digests);
    struct fx out;

    if (!d || !list || !digests)
        abort();
    for (size_t i = 0; i < n; i++) {
        fill_delta(&d[i], &v[i], &digests[i]);
        list[i] = &d[i];
    }
    deltas.first_sequence = first;
    deltas.deltas = list;
    deltas.n_deltas = n;
    m.deltas = &deltas;
    out = pack(&m);
    free(d);
    free(list);
    free(digests);
    return out;
}

struct fx fx_sums(uint64_t epoch, uint32_t scope, uint64_t count, const struct sa_sum *sum)
{
    Scaleagent__V1__Sums sums = SCALEAGENT__V1__SUMS__INIT;
    Scaleagent__V1__AccountMessage m = message(epoch, SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_SUMS);
    uint8_t bytes[16];

    sa_sum_bytes(sum, bytes);
    sums.scope = scope;
    sums.count = count;
    sums.sum.data = bytes;
    sums.sum.len = sizeof bytes;
    m.sums = &sums;
    return pack(&m);
}

struct fx fx_begin(uint64_t epoch, uint32_t scope, uint32_t snapshot)
{
    Scaleagent__V1__SnapshotBegin begin = SCALEAGENT__V1__SNAPSHOT_BEGIN__INIT;
    Scaleagent__V1__AccountMessage m = message(epoch, SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_BEGIN);

    begin.scope = scope;
    begin.snapshot = snapshot;
    m.begin = &begin;
    return pack(&m);
}

struct fx fx_page(uint64_t epoch, uint32_t scope, uint32_t snapshot, uint32_t page,
                  const struct fx_entry *v, size_t n)
{
    Scaleagent__V1__SnapshotPage body = SCALEAGENT__V1__SNAPSHOT_PAGE__INIT;
    Scaleagent__V1__AccountMessage m = message(epoch, SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_PAGE);
    Scaleagent__V1__SnapshotEntry *e = calloc(n + 1, sizeof *e);
    Scaleagent__V1__SnapshotEntry **list = calloc(n + 1, sizeof(*list));
    struct sa_digest *digests = calloc(n + 1, sizeof *digests);
    struct fx out;

    if (!e || !list || !digests)
        abort();
    for (size_t i = 0; i < n; i++) {
        scaleagent__v1__snapshot_entry__init(&e[i]);
        e[i].namespace_ = text(v[i].namespace);
        e[i].name = text(v[i].name);
        if (v[i].object) {
            fx_digest(v[i].object, &digests[i]);
            e[i].digest.data = digests[i].b;
            e[i].digest.len = SA_DIGEST_SIZE;
        }
        list[i] = &e[i];
    }
    body.scope = scope;
    body.snapshot = snapshot;
    body.page = page;
    body.entries = list;
    body.n_entries = n;
    m.page = &body;
    out = pack(&m);
    free(e);
    free(list);
    free(digests);
    return out;
}

struct fx fx_end(uint64_t epoch, uint32_t scope, uint32_t snapshot, uint32_t pages)
{
    Scaleagent__V1__SnapshotEnd end = SCALEAGENT__V1__SNAPSHOT_END__INIT;
    Scaleagent__V1__AccountMessage m = message(epoch, SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_END);

    end.scope = scope;
    end.snapshot = snapshot;
    end.pages = pages;
    m.end = &end;
    return pack(&m);
}

struct fx fx_checkpoint(uint64_t epoch, uint32_t scope, const char *version,
                        const char *fingerprint)
{
    Scaleagent__V1__Checkpoint c = SCALEAGENT__V1__CHECKPOINT__INIT;
    Scaleagent__V1__AccountMessage m =
        message(epoch, SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_CHECKPOINT);

    c.scope = scope;
    c.resource_version = text(version);
    c.fingerprint = (ProtobufCBinaryData){strlen(fingerprint), (uint8_t *)text(fingerprint)};
    m.checkpoint = &c;
    return pack(&m);
}
