/* SPDX-License-Identifier: Apache-2.0 */
/* What changes rows and compares them: deltas, sums, snapshots, checkpoints. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/points.h"
#include "uplink/reply.h"
#include "uplink/sqlite_cache.h"
#include "uplink/sqlite_schema.h"

static int no_memory(struct sa_err **err)
{
    return sa_err_set(err, SA_EMEMORY, "no memory to answer a worker");
}

/* A row of the ring of changes. */
static int log_change(struct sa_cache *c, const struct sa_cache_account *a,
                      const struct sa_cache_scope *s, const char *namespace, const char *name,
                      const char *verb, size_t bytes, struct sa_err **err)
{
    sa_db_bind(&c->db, SA_DB_CHANGE_ADD, "iittttti", (int64_t)(c->db.changes + 1), sa_real_us(),
               a->name, s->kind, namespace, name, verb, (int64_t)bytes);
    if (sa_db_run(&c->db, SA_DB_CHANGE_ADD, err) < 0)
        return -1;
    c->db.changes++;
    return 0;
}

struct stored {
    int64_t id; /* 0: no such row */
    struct sa_digest digest;
    bool same_version;
};

static int get_object(struct sa_cache *c, const struct sa_cache_scope *s, const char *namespace,
                      const char *name, const char *version, struct stored *out,
                      struct sa_err **err)
{
    sqlite3_stmt *st = sa_db_bind(&c->db, SA_DB_OBJECT_GET, "itt", s->row, namespace, name);
    int rc = sa_db_step(&c->db, SA_DB_OBJECT_GET, err);
    const void *digest;

    memset(out, 0, sizeof *out);
    if (rc <= 0)
        return rc;
    out->id = sqlite3_column_int64(st, 0);
    digest = sqlite3_column_blob(st, 1);
    if (digest && sqlite3_column_bytes(st, 1) == SA_DIGEST_SIZE)
        memcpy(out->digest.b, digest, SA_DIGEST_SIZE);
    out->same_version = version && strcmp((const char *)sqlite3_column_text(st, 2), version) == 0;
    sa_db_reset(&c->db, SA_DB_OBJECT_GET);
    return 0;
}

/* A snapshot under way spares what is named by a page or written meanwhile. */
static int mark(struct sa_cache *c, const struct sa_cache_scope *s, int64_t id, struct sa_err **err)
{
    if (s->snapshot == 0)
        return 0;
    sa_db_bind(&c->db, SA_DB_SEEN_ADD, "ii", s->row, id);
    return sa_db_run(&c->db, SA_DB_SEEN_ADD, err);
}

static int drop_object(struct sa_cache *c, const struct sa_cache_account *a,
                       struct sa_cache_scope *s, const struct stored *o, const char *namespace,
                       const char *name, struct sa_err **err)
{
    sa_db_bind(&c->db, SA_DB_OBJECT_DROP, "i", o->id);
    if (sa_db_run(&c->db, SA_DB_OBJECT_DROP, err) < 0)
        return -1;
    sa_sum_sub(&s->sum, &o->digest);
    s->count--;
    s->changed = true;
    return log_change(c, a, s, namespace, name, "deleted", 0, err);
}

static int add_object(struct sa_cache *c, const struct sa_cache_account *a,
                      struct sa_cache_scope *s, const Scaleagent__V1__Delta *d, const void *object,
                      size_t n, struct sa_err **err)
{
    struct sa_digest digest;

    memcpy(digest.b, d->digest.data, SA_DIGEST_SIZE);
    sa_db_bind(&c->db, SA_DB_OBJECT_ADD, "ittttbis", s->row, d->namespace_, d->name, d->uid,
               d->resource_version, d->digest.data, d->digest.len, sa_real_us(), object, n);
    if (sa_db_run(&c->db, SA_DB_OBJECT_ADD, err) < 0 ||
        mark(c, s, sqlite3_last_insert_rowid(c->db.h), err) < 0)
        return -1;
    sa_sum_add(&s->sum, &digest);
    s->count++;
    s->changed = true;
    return log_change(c, a, s, d->namespace_, d->name, "added", n, err);
}

static int set_object(struct sa_cache *c, const struct sa_cache_account *a,
                      struct sa_cache_scope *s, const Scaleagent__V1__Delta *d, const void *object,
                      size_t n, struct sa_err **err)
{
    struct stored old;
    struct sa_digest digest;

    memcpy(digest.b, d->digest.data, SA_DIGEST_SIZE);
    if (get_object(c, s, d->namespace_, d->name, d->resource_version, &old, err) < 0)
        return -1;
    if (old.id == 0)
        return add_object(c, a, s, d, object, n, err);
    if (mark(c, s, old.id, err) < 0)
        return -1;
    if (sa_digest_equal(&old.digest, &digest)) {
        if (old.same_version)
            return 0;
        sa_db_bind(&c->db, SA_DB_OBJECT_VERSION, "it", old.id, d->resource_version);
        return sa_db_run(&c->db, SA_DB_OBJECT_VERSION, err);
    }
    sa_db_bind(&c->db, SA_DB_OBJECT_SET, "ittbis", old.id, d->uid, d->resource_version, digest.b,
               sizeof digest.b, sa_real_us(), object, n);
    if (sa_db_run(&c->db, SA_DB_OBJECT_SET, err) < 0)
        return -1;
    sa_sum_sub(&s->sum, &old.digest);
    sa_sum_add(&s->sum, &digest);
    s->changed = true;
    return log_change(c, a, s, d->namespace_, d->name, "modified", n, err);
}

static int delete_object(struct sa_cache *c, const struct sa_cache_account *a,
                         struct sa_cache_scope *s, const Scaleagent__V1__Delta *d,
                         struct sa_err **err)
{
    struct stored old;

    if (a->parts.size != 0)
        return sa_err_set(err, SA_EPROTOCOL, "a delete came between the parts of an object");
    if (get_object(c, s, d->namespace_, d->name, NULL, &old, err) < 0)
        return -1;
    if (old.id == 0)
        return 0;
    return drop_object(c, a, s, &old, d->namespace_, d->name, err);
}

static int on_delta(struct sa_cache *c, struct sa_cache_account *a, const Scaleagent__V1__Delta *d,
                    struct sa_err **err)
{
    struct sa_cache_scope *s = sa_cache_scope(a, d->scope, err);
    const void *object = NULL;
    size_t n = 0;
    int rc;

    if (!s)
        return -1;
    if (d->name[0] == '\0')
        return sa_err_set(err, SA_EPROTOCOL, "a delta has no name");
    if (d->deleted)
        return delete_object(c, a, s, d, err);
    rc = sa_parts_take(&a->parts, d, a->sequence, &object, &n, err);
    if (rc <= 0)
        return rc;
    if (d->digest.len != SA_DIGEST_SIZE || n == 0)
        return sa_err_set(err, SA_EPROTOCOL, "object %s/%s has no digest or no content",
                          d->namespace_, d->name);
    sa_point("uplink-row-before");
    rc = set_object(c, a, s, d, object, n, err);
    sa_point("uplink-row-after");
    if (a->parts.size == 0 && a->parts.buf.len > 0)
        sa_parts_reset(&a->parts);
    return rc;
}

int sa_cache_on_deltas(struct sa_cache *c, struct sa_cache_account *a,
                       const Scaleagent__V1__Deltas *m, struct sa_err **err)
{
    if (m->first_sequence != a->sequence + 1)
        return sa_err_set(err, SA_EPROTOCOL, "deltas begin at %llu, after %llu",
                          (unsigned long long)m->first_sequence, (unsigned long long)a->sequence);
    if (sa_cache_begin(c, a, err) < 0)
        return -1;
    for (size_t i = 0; i < m->n_deltas; i++) {
        a->sequence++;
        if (on_delta(c, a, m->deltas[i], err) < 0)
            return -1;
    }
    c->deltas += m->n_deltas;
    return 0;
}

int sa_cache_on_sums(struct sa_cache *c, struct sa_cache_account *a, const Scaleagent__V1__Sums *m,
                     struct sa_err **err)
{
    struct sa_cache_scope *s = sa_cache_scope(a, m->scope, err);
    uint8_t sum[16];
    bool in_step;

    if (!s)
        return -1;
    sa_sum_bytes(&s->sum, sum);
    in_step = m->count == s->count && m->sum.len == sizeof sum &&
              memcmp(m->sum.data, sum, sizeof sum) == 0;
    if (sa_reply_sums(a->epoch, m->scope, in_step, &c->out) < 0)
        return no_memory(err);
    return sa_cache_send(c, a);
}

static int forget_marks(struct sa_cache *c, struct sa_cache_scope *s, struct sa_err **err)
{
    s->snapshot = 0;
    s->next_page = 0;
    sa_db_bind(&c->db, SA_DB_SEEN_CLEAR, "i", s->row);
    return sa_db_run(&c->db, SA_DB_SEEN_CLEAR, err);
}

int sa_cache_on_begin(struct sa_cache *c, struct sa_cache_account *a,
                      const Scaleagent__V1__SnapshotBegin *m, struct sa_err **err)
{
    struct sa_cache_scope *s = sa_cache_scope(a, m->scope, err);

    if (!s)
        return -1;
    if (m->snapshot <= s->last_snapshot)
        return sa_err_set(err, SA_EPROTOCOL, "snapshot %u began after %u", m->snapshot,
                          s->last_snapshot);
    if (sa_cache_begin(c, a, err) < 0 || forget_marks(c, s, err) < 0)
        return -1;
    s->snapshot = m->snapshot;
    s->last_snapshot = m->snapshot;
    return 0;
}

/* Marks the entries of a page that are stored; index[] gets those that are wanted. */
static int compare_page(struct sa_cache *c, struct sa_cache_scope *s,
                        const Scaleagent__V1__SnapshotPage *m, uint32_t *index, size_t *n,
                        struct sa_err **err)
{
    for (size_t i = 0; i < m->n_entries; i++) {
        const Scaleagent__V1__SnapshotEntry *e = m->entries[i];
        struct stored old;

        if (e->digest.len != 0 && e->digest.len != SA_DIGEST_SIZE)
            return sa_err_set(err, SA_EPROTOCOL, "a digest of %zu bytes", e->digest.len);
        if (get_object(c, s, e->namespace_, e->name, NULL, &old, err) < 0 ||
            (old.id != 0 && mark(c, s, old.id, err) < 0))
            return -1;
        if (e->digest.len != 0 &&
            (old.id == 0 || memcmp(old.digest.b, e->digest.data, SA_DIGEST_SIZE) != 0))
            index[(*n)++] = (uint32_t)i;
    }
    return 0;
}

int sa_cache_on_page(struct sa_cache *c, struct sa_cache_account *a,
                     const Scaleagent__V1__SnapshotPage *m, struct sa_err **err)
{
    struct sa_cache_scope *s = sa_cache_scope(a, m->scope, err);
    SA_CLEANUP(sa_freep) uint32_t *index = NULL;
    size_t n = 0;

    if (!s || sa_cache_begin(c, a, err) < 0)
        return -1;
    index = calloc(m->n_entries + 1, sizeof *index);
    if (!index)
        return no_memory(err);
    if (s->snapshot != m->snapshot || s->next_page != m->page) {
        /* Its begin, or a page before it, was not seen: the end will not count. */
        if (forget_marks(c, s, err) < 0)
            return -1;
    } else {
        s->next_page++;
        if (compare_page(c, s, m, index, &n, err) < 0)
            return -1;
    }
    if (sa_reply_wants(a->epoch, m, index, n, &c->out) < 0)
        return no_memory(err);
    return sa_cache_send(c, a);
}

/* Deletes what no page named and no delta wrote since the snapshot began. */
static int sweep(struct sa_cache *c, const struct sa_cache_account *a, struct sa_cache_scope *s,
                 uint64_t *deleted, struct sa_err **err)
{
    SA_CLEANUP(sa_buf_free) struct sa_buf namespace = {0};
    SA_CLEANUP(sa_buf_free) struct sa_buf name = {0};

    for (;;) {
        struct stored o = {0};
        const void *digest;
        sqlite3_stmt *st =
            sa_db_bind(&c->db, SA_DB_UNSEEN, "itt", s->row, namespace.len ? namespace.data : "",
                       name.len ? name.data : "");
        int rc = sa_db_step(&c->db, SA_DB_UNSEEN, err);

        if (rc <= 0)
            return rc;
        o.id = sqlite3_column_int64(st, 0);
        digest = sqlite3_column_blob(st, 1);
        if (digest && sqlite3_column_bytes(st, 1) == SA_DIGEST_SIZE)
            memcpy(o.digest.b, digest, SA_DIGEST_SIZE);
        sa_buf_reset(&namespace);
        sa_buf_reset(&name);
        rc = sa_buf_adds(&namespace, (const char *)sqlite3_column_text(st, 2)) |
             sa_buf_adds(&name, (const char *)sqlite3_column_text(st, 3));
        sa_db_reset(&c->db, SA_DB_UNSEEN);
        if (rc < 0)
            return no_memory(err);
        if (drop_object(c, a, s, &o, namespace.len ? namespace.data : "", name.data, err) < 0)
            return -1;
        (*deleted)++;
    }
}

int sa_cache_on_end(struct sa_cache *c, struct sa_cache_account *a,
                    const Scaleagent__V1__SnapshotEnd *m, struct sa_err **err)
{
    struct sa_cache_scope *s = sa_cache_scope(a, m->scope, err);
    uint64_t deleted = 0;
    bool complete;

    if (!s || sa_cache_begin(c, a, err) < 0)
        return -1;
    sa_point("uplink-end");
    complete = s->snapshot != 0 && s->snapshot == m->snapshot && s->next_page == m->pages;
    if (complete && sweep(c, a, s, &deleted, err) < 0)
        return -1;
    if (forget_marks(c, s, err) < 0)
        return -1;
    if (sa_reply_done(a->epoch, m, complete, deleted, &c->out) < 0)
        return no_memory(err);
    return sa_cache_send(c, a);
}

int sa_cache_on_checkpoint(struct sa_cache *c, struct sa_cache_account *a,
                           const Scaleagent__V1__Checkpoint *m, struct sa_err **err)
{
    struct sa_cache_scope *s = sa_cache_scope(a, m->scope, err);
    bool there =
        m->resource_version[0] != '\0'; /* else what was there is taken back, at any time */

    if (!s || sa_cache_begin(c, a, err) < 0)
        return -1;
    if (there && (s->snapshot != 0 || (a->parts.size != 0 && a->parts.scope == m->scope)))
        return sa_err_set(err, SA_EPROTOCOL, "a checkpoint of %s came amid a snapshot or object",
                          s->resource);
    if (m->fingerprint.len > SA_CACHE_MAX_FINGERPRINT)
        return sa_err_set(err, SA_EPROTOCOL, "a fingerprint of %zu bytes", m->fingerprint.len);
    sa_db_bind(&c->db, SA_DB_SCOPE_CHECKPOINT, "itib", s->row, m->resource_version,
               there ? sa_real_us() : (int64_t)0, m->fingerprint.data,
               there ? m->fingerprint.len : (size_t)0);
    return sa_db_run(&c->db, SA_DB_SCOPE_CHECKPOINT, err);
}
