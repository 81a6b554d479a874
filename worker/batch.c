/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deltas on their way out. They gather for a short while, since a message costs about as much as
 * thirty kilobytes in it, and leave together as one AccountMessage. What is not acknowledged is
 * remembered by key alone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/points.h"
#include "worker/ops/engine.h"
#include "worker/scope.h"
#include "worker/session.h"
#include "worker/step.h"

#define BATCH_BYTES (64u * 1024u)        /* a batch that is so large leaves at once */
#define PART_BYTES  (200u * 1024u)       /* larger objects leave in parts */
#define QUEUE_BYTES (2u * 1024u * 1024u) /* that may wait for the uplink to take them */
#define FRAME_BYTES 64u                  /* of a message beside its deltas, at most */
#define REST_MAX_NS (50 * SA_NS_PER_MS)

size_t sa_batch_room(const struct sa_worker *w)
{
    if (w->session != SA_SESSION_CACHING || w->large.there ||
        w->out.queued(w->out.arg) >= QUEUE_BYTES)
        return 0;
    uint64_t used = w->spent + w->batch.entries.len + FRAME_BYTES;
    return used < w->credit ? (size_t)(w->credit - used) : 0;
}

/* ---- what is not acknowledged ---- */

static int remember(struct sa_worker *w, const struct sa_scope *s, const struct sa_object *o)
{
    struct sa_unacked *u = &w->unacked;
    uint8_t head[6];
    size_t ns = strlen(o->namespace), name = strlen(o->name);
    memcpy(head, &s->id, sizeof s->id);
    head[4] = (uint8_t)ns;
    head[5] = (uint8_t)name;
    if (u->head > 16384 && u->head > u->buf.len / 2) {
        sa_buf_drop(&u->buf, u->head);
        u->head = 0;
    }
    if (sa_buf_reserve(&u->buf, sizeof head + ns + name))
        return -1;
    sa_buf_add(&u->buf, head, sizeof head);
    sa_buf_add(&u->buf, o->namespace, ns);
    sa_buf_add(&u->buf, o->name, name);
    u->n++;
    return 0;
}

/* Takes the oldest record out; its key is marked dirty if so wished. */
static void forget_oldest(struct sa_worker *w, bool dirty)
{
    struct sa_unacked *u = &w->unacked;
    const uint8_t *p = (const uint8_t *)u->buf.data + u->head;
    uint32_t id;
    char namespace[64], name[256];
    memcpy(&id, p, sizeof id);
    snprintf(namespace, sizeof namespace, "%.*s", (int)p[4], (const char *)p + 6);
    snprintf(name, sizeof name, "%.*s", (int)p[5], (const char *)p + 6 + p[4]);
    u->head += 6u + p[4] + p[5];
    u->n--;
    struct sa_scope *s = dirty ? sa_scope_by_id(w, id) : NULL;
    if (s)
        sa_intake_dirty(s, namespace, name);
    if (u->n == 0) {
        sa_buf_trim(&u->buf, 16384);
        u->head = 0;
    }
}

int sa_batch_acked(struct sa_worker *w, uint64_t sequence)
{
    /* What is still in the batch was not sent: nobody can acknowledge it. */
    if (sequence >= w->sequence - w->batch.n)
        return -1;
    for (; w->acked < sequence; w->acked++)
        forget_oldest(w, false);
    return 0;
}

/* ---- encoding ---- */

static size_t put_varint(uint8_t *p, uint64_t v)
{
    size_t n = 0;
    for (; v >= 0x80; v >>= 7)
        p[n++] = (uint8_t)(v | 0x80);
    p[n++] = (uint8_t)v;
    return n;
}

static size_t put_field(uint8_t *p, unsigned tag, unsigned wire, uint64_t v)
{
    size_t n = put_varint(p, tag << 3 | wire);
    return n + put_varint(p + n, v);
}

/* AccountMessage{epoch = 1, deltas = 8: Deltas{first_sequence = 1, deltas = 2 (as encoded before),
 * observed_us = 3}}. Written by hand so that the deltas, encoded as they came, are not copied once
 * more through an array of pointers. */
static int make_deltas(struct sa_worker *w, const struct sa_buf *entries, uint64_t first,
                       int64_t observed_us)
{
    uint8_t epoch[24], seq[24], observed[24], body[24];
    size_t n_epoch = put_field(epoch, 1, 0, w->epoch);
    size_t n_seq = put_field(seq, 1, 0, first);
    size_t n_observed = put_field(observed, 3, 0, (uint64_t)observed_us);
    size_t n_body = put_field(body, 8, 2, n_seq + entries->len + n_observed);
    struct sa_buf *m = &w->message;
    sa_buf_reset(m);
    sa_buf_add(m, epoch, n_epoch);
    sa_buf_add(m, body, n_body);
    sa_buf_add(m, seq, n_seq);
    sa_buf_add(m, entries->data, entries->len);
    sa_buf_add(m, observed, n_observed);
    return m->failed ? -1 : 0;
}

static int add_entry(struct sa_buf *entries, const Scaleagent__V1__Delta *d, size_t size)
{
    uint8_t head[24];
    size_t n = put_field(head, 2, 2, size);
    if (sa_buf_reserve(entries, n + size))
        return -1;
    sa_buf_add(entries, head, n);
    scaleagent__v1__delta__pack(d, (uint8_t *)entries->data + entries->len);
    entries->len += size;
    entries->data[entries->len] = '\0';
    return 0;
}

static Scaleagent__V1__Delta make_delta(uint32_t scope, const struct sa_object *o)
{
    Scaleagent__V1__Delta d = SCALEAGENT__V1__DELTA__INIT;
    d.scope = scope;
    d.namespace_ = (char *)o->namespace;
    d.name = (char *)o->name;
    d.uid = (char *)o->uid;
    d.resource_version = (char *)o->resource_version;
    return d;
}

/* ---- the batch ---- */

void sa_batch_send_counted(struct sa_worker *w, uint32_t events, uint64_t oldest_ns, const void *p,
                           size_t n)
{
    w->spent += n;
    w->slot->messages++;
    w->out.send(w->out.arg, events, oldest_ns, p, n);
}

static void sent_deltas(struct sa_worker *w, uint32_t n, uint64_t oldest_ns)
{
    w->slot->deltas += n;
    w->slot->delta_bytes += w->message.len;
    w->slot->lag_us = (sa_mono_ns() - oldest_ns) / SA_NS_PER_US;
    sa_point("delta-before");
    sa_batch_send_counted(w, n, oldest_ns, w->message.data, w->message.len);
    sa_point("delta-after");
}

void sa_batch_discard(struct sa_worker *w)
{
    sa_timer_cancel(w->loop, &w->batch.timer);
    sa_buf_trim(&w->batch.entries, BATCH_BYTES);
    w->batch.n = 0;
    w->batch.at_turn_end = false;
    struct sa_scope *s = w->large.there ? sa_scope_by_id(w, w->large.scope) : NULL;
    if (s)
        sa_intake_dirty(s, w->large.o.namespace, w->large.o.name);
    w->large.there = false;
    sa_buf_free(&w->large.json);
    while (w->unacked.n)
        forget_oldest(w, true);
}

static uint64_t flush_ns(const struct sa_worker *w)
{
    return (uint64_t)(w->account.flush_ms > 0 ? w->account.flush_ms : 0) * SA_NS_PER_MS;
}

/* A batch has left. Where they follow each other closely, and are small, the loop rests: what comes
 * meanwhile is read at once, which saves not only messages but also most wake-ups and reads. */
static void pace(struct sa_worker *w, size_t bytes)
{
    uint64_t now = sa_mono_ns(), since = now - w->batch.flushed_ns;
    w->batch.flushed_ns = now;
    uint64_t rest = flush_ns(w) < REST_MAX_NS ? flush_ns(w) : REST_MAX_NS;
    if (since < 2 * rest && bytes < BATCH_BYTES / 2 && sa_lists_running(w) == 0 &&
        !sa_ops_waited_for(w->ops))
        sa_loop_rest(w->loop, rest);
}

void sa_batch_flush(struct sa_worker *w)
{
    struct sa_batch *b = &w->batch;
    if (b->n == 0)
        return;
    uint32_t n = b->n;
    sa_timer_cancel(w->loop, &b->timer);
    if (make_deltas(w, &b->entries, b->first, b->oldest_us)) {
        /* No memory: what the batch held is among the unacknowledged, a new epoch brings it. */
        sa_session_down(w);
        w->session = SA_SESSION_UP;
        return;
    }
    size_t len = b->entries.len;
    b->n = 0;
    b->at_turn_end = false;
    sa_buf_trim(&b->entries, 2 * BATCH_BYTES);
    sent_deltas(w, n, b->oldest_ns);
    pace(w, len);
}

uint64_t sa_batch_last(const struct sa_worker *w)
{
    size_t left = w->large.there ? w->large.json.len - w->large.offset : 0;
    return w->sequence - 1 + (left + PART_BYTES - 1) / PART_BYTES;
}

static void flush_timer(void *arg)
{
    sa_batch_flush(arg);
}

/* An event that comes alone leaves at the end of the turn, with whatever the same wake-up brought.
 * Only those that follow a message closely wait, until flush_ms after it: so a quiet account pays
 * for no timer, and a busy one sends a hundred messages a second at most. */
static void wait_for_others(struct sa_worker *w)
{
    struct sa_batch *b = &w->batch;
    uint64_t now = sa_mono_ns();
    uint64_t wait = flush_ns(w);
    b->at_turn_end = now - b->flushed_ns >= wait;
    if (!b->at_turn_end)
        sa_timer_set(w->loop, &b->timer, b->flushed_ns + wait - now, flush_timer, w);
}

static bool start_large(struct sa_scope *s, const struct sa_object *o, const struct sa_buf *json)
{
    struct sa_worker *w = s->w;
    struct sa_large *l = &w->large;
    sa_buf_free(&l->json);
    if (sa_buf_add(&l->json, json->data, json->len)) {
        sa_buf_reset(&l->json);
        return false;
    }
    l->there = true;
    l->scope = s->id;
    l->o = *o;
    l->offset = 0;
    l->read_ns = w->read_ns;
    l->read_us = w->read_us;
    w->pump = true;
    return true;
}

bool sa_batch_add(struct sa_scope *s, const struct sa_object *o, const struct sa_buf *json)
{
    struct sa_worker *w = s->w;
    struct sa_batch *b = &w->batch;
    if (!sa_session_open(s))
        return false;
    Scaleagent__V1__Delta d = make_delta(s->id, o);
    d.deleted = json == NULL;
    if (json) {
        d.digest = (ProtobufCBinaryData){SA_DIGEST_SIZE, (uint8_t *)o->digest.b};
        d.object = (ProtobufCBinaryData){json->len, (uint8_t *)json->data};
    }
    size_t size = scaleagent__v1__delta__get_packed_size(&d);
    bool large = json && json->len > PART_BYTES;
    if ((large ? PART_BYTES : size) + FRAME_BYTES > sa_batch_room(w))
        return false;
    if (large)
        return start_large(s, o, json);
    if (b->entries.len + size > PART_BYTES)
        sa_batch_flush(w);
    if (w->session != SA_SESSION_CACHING || remember(w, s, o))
        return false;
    if (add_entry(&b->entries, &d, size)) {
        /* Its record must stay, the sequence counts it: it goes out as the next epoch's dirty key.
         */
        sa_session_down(w);
        w->session = SA_SESSION_UP;
        return true;
    }
    if (b->n++ == 0) {
        b->first = w->sequence;
        b->oldest_ns = w->read_ns;
        b->oldest_us = w->read_us;
        wait_for_others(w);
    }
    w->sequence++;
    s->known.untouched = false;
    if (b->entries.len >= BATCH_BYTES)
        sa_batch_flush(w);
    return true;
}

/* The parts of one object follow each other: what the batch held goes before them, and nothing else
 * is taken until the last part has left. */
void sa_batch_large_step(struct sa_worker *w)
{
    struct sa_large *l = &w->large;
    while (l->there && w->session == SA_SESSION_CACHING &&
           w->out.queued(w->out.arg) < QUEUE_BYTES) {
        sa_batch_flush(w);
        struct sa_scope *s = sa_scope_by_id(w, l->scope);
        if (!s || !sa_session_open(s)) {
            l->there = false;
            break;
        }
        size_t left = l->json.len - l->offset;
        size_t n = left < PART_BYTES ? left : PART_BYTES;
        SA_CLEANUP(sa_buf_free) struct sa_buf entries = {0};
        sa_buf_init(&entries, 0);
        Scaleagent__V1__Delta d = make_delta(s->id, &l->o);
        d.object = (ProtobufCBinaryData){n, (uint8_t *)l->json.data + l->offset};
        d.object_size = l->json.len;
        d.object_offset = l->offset;
        if (n == left)
            d.digest = (ProtobufCBinaryData){SA_DIGEST_SIZE, l->o.digest.b};
        size_t size = scaleagent__v1__delta__get_packed_size(&d);
        if (w->spent + size + FRAME_BYTES > w->credit)
            return;
        if (remember(w, s, &l->o) || add_entry(&entries, &d, size) ||
            make_deltas(w, &entries, w->sequence, l->read_us)) {
            sa_session_down(w);
            w->session = SA_SESSION_UP;
            return;
        }
        w->sequence++;
        s->known.untouched = false;
        l->offset += n;
        sent_deltas(w, n == left ? 1 : 0, l->read_ns);
        l->there = n < left;
    }
    if (!l->there)
        sa_buf_free(&l->json);
}
