/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages of keys and digests. The keys are those of a list of metadata only, the digests those of
 * the table: no object is read. One page is out at a time, so that what is wanted of it stays
 * bounded; an answer of a server that does not know `limit` makes several.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/points.h"
#include "worker/scope.h"
#include "worker/session.h"
#include "worker/step.h"

#define PAGE_KEYS   500u                  /* 172 kB at most: messages have 256 */
#define KEPT_BYTES  (64u * 1024u * 1024u) /* of one answer's keys */
#define KEEP_BYTES  (240u * 1024u)        /* between answers */
#define DIRTY_PAUSE 2048u                 /* so many wants must be served before the next page */
#define PAGE_OVER   64u                   /* of a message beside its entries */

void sa_snapshot_begin(struct sa_scope *s)
{
    struct sa_worker *w = s->w;
    Scaleagent__V1__AccountMessage m = SCALEAGENT__V1__ACCOUNT_MESSAGE__INIT;
    Scaleagent__V1__SnapshotBegin begin = SCALEAGENT__V1__SNAPSHOT_BEGIN__INIT;
    s->snap = (struct sa_snapshot){.number = ++w->last_snapshot};
    sa_buf_init(&s->snap.entries, KEPT_BYTES);
    sa_buf_init(&s->snap.keys, KEPT_BYTES);
    begin.scope = s->id;
    begin.snapshot = s->snap.number;
    m.body_case = SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_BEGIN;
    m.begin = &begin;
    sa_point("begin-before");
    if (sa_session_send(w, &m) == 0)
        return;
    sa_point("begin-after");
    w->slot->snapshots++;
    s->compare = SA_COMPARE_PAGES;
    s->known.untouched = false; /* its end may delete */
    w->pump = true;
}

static int add_entry(struct sa_scope *s, const char *namespace, const char *name,
                     const struct sa_digest *digest)
{
    struct sa_snapshot *p = &s->snap;
    Scaleagent__V1__SnapshotEntry e = SCALEAGENT__V1__SNAPSHOT_ENTRY__INIT;
    e.namespace_ = (char *)namespace;
    e.name = (char *)name;
    if (digest)
        e.digest = (ProtobufCBinaryData){SA_DIGEST_SIZE, (uint8_t *)digest->b};
    size_t size = scaleagent__v1__snapshot_entry__get_packed_size(&e);
    size_t ns = strlen(namespace) + 1, nm = strlen(name) + 1;
    /* field 4 of SnapshotPage, length-delimited; an entry has less than 16384 bytes */
    char head[3] = {4 << 3 | 2, (char)(size & 0x7f), (char)(size >> 7)};
    size_t n = size < 0x80 ? 2 : 3;
    if (n == 3)
        head[1] = (char)(head[1] | (char)0x80);
    if (sa_buf_reserve(&p->entries, n + size) || sa_buf_reserve(&p->keys, ns + nm))
        return -1;
    sa_buf_add(&p->entries, head, n);
    scaleagent__v1__snapshot_entry__pack(&e, (uint8_t *)p->entries.data + p->entries.len);
    p->entries.len += size;
    p->entries.data[p->entries.len] = '\0';
    sa_buf_add(&p->keys, namespace, ns);
    sa_buf_add(&p->keys, name, nm);
    return 0;
}

static int add_key(struct sa_scope *s, const struct sa_object *o, struct sa_err **err)
{
    struct sa_known known;
    bool there = sa_table_get(s->w->table, sa_table_key(s->id, o->namespace, o->name), &known);
    bool current = there && known.version >= o->version;
    if (add_entry(s, o->namespace, o->name, current ? &known.digest : NULL))
        return sa_err_set(err, SA_ELIMIT, "the keys of one answer grew past %u bytes", KEPT_BYTES);
    if (!current)
        sa_intake_dirty(s, o->namespace, o->name);
    return 0;
}

int sa_snapshot_item(struct sa_scope *s, const char *json, size_t n, struct sa_err **err)
{
    struct sa_object o;
    const struct sa_scrub_options opt = {.metadata_only = true};
    SA_CLEANUP(sa_err_free) struct sa_err *why = NULL;
    if (sa_scrub(json, n, &opt, NULL, &o, &why)) {
        if (why && why->code == SA_ELIMIT)
            return 0; /* left out wherever it is read */
        return sa_err_set(err, why ? why->code : SA_EMEMORY, "%s", sa_err_msg(why));
    }
    if (!*o.name)
        return sa_err_set(err, SA_EPROTOCOL, "an object has no name");
    return sa_intake_visible(s, &o) ? add_key(s, &o, err) : 0;
}

static void madeup_key(void *arg, const char *name, const char *json, size_t n)
{
    struct sa_scope *s = arg;
    struct sa_object o = {0};
    (void)json;
    (void)n;
    snprintf(o.name, sizeof o.name, "%s", name);
    if (add_key(s, &o, NULL))
        s->compare_needed = true;
}

void sa_snapshot_page_read(struct sa_scope *s, bool last)
{
    s->snap.page_ready = true;
    s->snap.listed = last;
}

/* The list broke: nothing that was sent of it counts. A new begin cancels it at the other side. */
void sa_snapshot_failed(struct sa_scope *s)
{
    if (s->compare != SA_COMPARE_PAGES)
        return;
    sa_compare_cancel(s);
    s->compare_needed = false;
    s->compare = SA_COMPARE_BEGIN;
}

static size_t put_varint(uint8_t *p, uint64_t v)
{
    size_t n = 0;
    for (; v >= 0x80; v >>= 7)
        p[n++] = (uint8_t)(v | 0x80);
    p[n++] = (uint8_t)v;
    return n;
}

/* Where the next page ends, in entries and in keys: both begin where the last one ended. */
static size_t page_end(const struct sa_snapshot *p, size_t *key_end)
{
    size_t end = p->sent;
    *key_end = p->key_end;
    for (unsigned i = 0; i < PAGE_KEYS && end < p->entries.len; i++) {
        const uint8_t *e = (const uint8_t *)p->entries.data + end; /* as add_entry() writes it */
        end += e[1] < 0x80 ? 2u + e[1] : 3u + (e[1] & 0x7fu) + ((size_t)e[2] << 7);
        *key_end += strlen(p->keys.data + *key_end) + 1;
        *key_end += strlen(p->keys.data + *key_end) + 1;
    }
    return end;
}

/* AccountMessage{epoch = 1, page = 6: SnapshotPage{scope = 1, snapshot = 2, page = 3, entries = 4}}
 */
static int make_page(struct sa_scope *s, size_t n_entries)
{
    struct sa_worker *w = s->w;
    struct sa_snapshot *p = &s->snap;
    uint8_t head[40], inner[40];
    size_t n_inner = 0, n = 0;
    const uint32_t fields[] = {s->id, p->number, p->page};
    for (unsigned i = 0; i < 3; i++) {
        inner[n_inner++] = (uint8_t)((i + 1) << 3);
        n_inner += put_varint(inner + n_inner, fields[i]);
    }
    head[n++] = 1 << 3;
    n += put_varint(head + n, w->epoch);
    head[n++] = 6 << 3 | 2;
    n += put_varint(head + n, n_inner + n_entries);
    sa_buf_reset(&w->message);
    sa_buf_add(&w->message, head, n);
    sa_buf_add(&w->message, inner, n_inner);
    if (n_entries)
        sa_buf_add(&w->message, p->entries.data + p->sent, n_entries);
    return w->message.failed ? -1 : 0;
}

static void send_page(struct sa_scope *s)
{
    struct sa_worker *w = s->w;
    struct sa_snapshot *p = &s->snap;
    size_t key_end, end = page_end(p, &key_end);
    if (end - p->sent + PAGE_OVER > sa_batch_room(w))
        return; /* credit will come */
    sa_batch_flush(w);
    if (w->session != SA_SESSION_CACHING || make_page(s, end - p->sent))
        return;
    sa_point("page-before");
    sa_batch_send_counted(w, 0, 0, w->message.data, w->message.len);
    sa_point("page-after");
    p->page++;
    p->wants_due = true;
    p->key = p->key_end;
    p->key_end = key_end;
    p->sent = end;
    p->page_ready = end < p->entries.len;
    if (!p->page_ready) {
        sa_buf_trim(&p->entries, KEEP_BYTES);
        p->sent = 0;
    }
    sa_buf_trim(&w->message, 128 * 1024);
}

void sa_snapshot_page_done(struct sa_scope *s)
{
    struct sa_snapshot *p = &s->snap;
    if (p->page_ready)
        return;
    sa_buf_trim(&p->keys, KEEP_BYTES);
    p->key = p->key_end = 0;
}

static void send_end(struct sa_scope *s)
{
    Scaleagent__V1__AccountMessage m = SCALEAGENT__V1__ACCOUNT_MESSAGE__INIT;
    Scaleagent__V1__SnapshotEnd end = SCALEAGENT__V1__SNAPSHOT_END__INIT;
    end.scope = s->id;
    end.snapshot = s->snap.number;
    end.pages = s->snap.page;
    m.body_case = SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_END;
    m.end = &end;
    sa_point("end-before");
    if (sa_session_send(s->w, &m))
        s->compare = SA_COMPARE_END;
    sa_point("end-after");
}

void sa_snapshot_step(struct sa_scope *s)
{
    struct sa_snapshot *p = &s->snap;
    bool few = !s->dirty || sa_dirty_count(s->dirty) < DIRTY_PAUSE;
    if (p->page_ready && p->entries.len == 0 && p->listed)
        p->page_ready = false;
    if (p->page_ready && !p->wants_due && (few || p->sent == 0))
        send_page(s);
    if (p->page_ready || p->wants_due)
        return;
    if (p->listed) {
        send_end(s);
    } else if (s->made_up) {
        sa_madeup_each(s, madeup_key, s);
        sa_snapshot_page_read(s, true);
        s->w->pump = true;
    } else if (few) {
        sa_list_step(&s->names);
    }
}
