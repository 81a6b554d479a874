/* SPDX-License-Identifier: Apache-2.0 */
/* How an epoch of an account begins: the account's row, its stored scopes, Welcome. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "uplink/reply.h"
#include "uplink/sqlite_cache.h"

#define ENTRY_OVER 6u /* bytes of an entry in a message, beside its own */

static int no_memory(struct sa_err **err)
{
    return sa_err_set(err, SA_EMEMORY, "no memory for the scopes of an account");
}

static int next_epoch(struct sa_cache *c, uint64_t *epoch, struct sa_err **err)
{
    sqlite3_stmt *st = sa_db_bind(&c->db, SA_DB_EPOCH_NEXT, "");
    int rc = sa_db_step(&c->db, SA_DB_EPOCH_NEXT, err);

    if (rc == 0)
        return sa_err_set(err, SA_EINTERNAL, "the cache has lost its counter of epochs");
    if (rc < 0)
        return -1;
    *epoch = (uint64_t)sqlite3_column_int64(st, 0);
    /* RETURNING: the change is complete when the statement is. */
    return sa_db_run(&c->db, SA_DB_EPOCH_NEXT, err);
}

/* Stores the account with its new epoch and gives its row. Rows of another cluster that had this
 * name are worth nothing, and their checkpoints would be wrong: they go. */
static int put_account(struct sa_cache *c, const struct sa_cache_account *a, uint64_t epoch,
                       const Scaleagent__V1__AccountOpen *m, int64_t *row, struct sa_err **err)
{
    sqlite3_stmt *st = sa_db_bind(&c->db, SA_DB_ACCOUNT_GET, "t", a->name);
    int rc = sa_db_step(&c->db, SA_DB_ACCOUNT_GET, err);
    enum sa_db_id put = rc > 0 ? SA_DB_ACCOUNT_SET : SA_DB_ACCOUNT_ADD;
    bool other = false;

    if (rc < 0)
        return -1;
    if (rc > 0) {
        const char *cluster = (const char *)sqlite3_column_text(st, 1);

        *row = sqlite3_column_int64(st, 0);
        other = cluster && *cluster && *m->cluster_id && strcmp(cluster, m->cluster_id) != 0;
        sa_db_reset(&c->db, SA_DB_ACCOUNT_GET);
    }
    if (other) {
        sa_log(SA_WARN, "account %s is another cluster now: its stored objects are dropped",
               a->name);
        if (sa_cache_drop_scopes(c, *row, err) < 0)
            return -1;
    }
    sa_db_bind(&c->db, put, "tittti", a->name, (int64_t)epoch, m->server, m->server_version,
               m->cluster_id, sa_real_us());
    if (sa_db_run(&c->db, put, err) < 0)
        return -1;
    if (put == SA_DB_ACCOUNT_ADD)
        *row = sqlite3_last_insert_rowid(c->db.h);
    return 0;
}

static uint64_t le64(const uint8_t *p)
{
    uint64_t v = 0;

    for (int i = 7; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

static char *column_dup(sqlite3_stmt *st, int i)
{
    const char *s = (const char *)sqlite3_column_text(st, i);

    return strdup(s ? s : "");
}

/* What is stored of a scope's checkpoint. */
struct checkpoint {
    char *version; /* owned; "" none */
    uint64_t age_ms;
    size_t fingerprint_n;
    uint8_t fingerprint[SA_CACHE_MAX_FINGERPRINT];
};

/* One row of SA_DB_SCOPE_LIST. */
static int read_scope(sqlite3_stmt *st, struct sa_cache_scope *s, struct checkpoint *p)
{
    const uint8_t *sum = sqlite3_column_blob(st, 10), *fingerprint = sqlite3_column_blob(st, 11);
    int64_t age = sa_real_us() - sqlite3_column_int64(st, 8);
    int n = sqlite3_column_bytes(st, 11);

    memset(s, 0, sizeof *s);
    s->row = sqlite3_column_int64(st, 0);
    s->group = column_dup(st, 1);
    s->resource = column_dup(st, 2);
    s->namespace = column_dup(st, 3);
    s->version = column_dup(st, 4);
    s->kind = column_dup(st, 5);
    s->namespaced = sqlite3_column_int(st, 6) != 0;
    memset(p, 0, sizeof *p);
    p->version = column_dup(st, 7);
    /* A clock that was set back makes a checkpoint neither young nor old: treat it as old. */
    p->age_ms = age < 0 ? UINT64_MAX : (uint64_t)age / 1000;
    if (fingerprint && n > 0 && (size_t)n <= sizeof p->fingerprint) {
        p->fingerprint_n = (size_t)n;
        memcpy(p->fingerprint, fingerprint, p->fingerprint_n);
    }
    s->count = (uint64_t)sqlite3_column_int64(st, 9);
    if (sum && sqlite3_column_bytes(st, 10) == 16) {
        s->sum.lo = le64(sum);
        s->sum.hi = le64(sum + 8);
    }
    if (s->group && s->resource && s->namespace && s->version && s->kind && p->version)
        return 0;
    sa_cache_free_scope(s);
    free(p->version);
    p->version = NULL;
    return -1;
}

/* What Welcome says of the stored scopes; the strings of names belong to the account's scopes. */
struct known {
    Scaleagent__V1__KnownScope *v;
    Scaleagent__V1__ScopeName *names;
    Scaleagent__V1__KnownScope **p;
    uint8_t (*sums)[16];
    struct checkpoint *checkpoints;
    size_t n;
};

static void free_known(struct known *k)
{
    for (size_t i = 0; i < k->n; i++)
        free(k->checkpoints[i].version);
    free(k->v);
    free(k->names);
    free(k->p);
    free(k->sums);
    free(k->checkpoints);
}

static int append_checkpoint(struct known *k, const struct checkpoint *p)
{
    struct checkpoint *more = k->checkpoints;

    if ((k->n & (k->n - 1)) == 0) /* it doubles */
        more = reallocarray(more, k->n ? 2 * k->n : 1, sizeof *more);
    if (!more)
        return -1;
    more[k->n++] = *p;
    k->checkpoints = more;
    return 0;
}

static int load_scopes(struct sa_cache *c, struct sa_cache_account *a, int64_t row, struct known *k,
                       struct sa_err **err)
{
    sqlite3_stmt *st = sa_db_bind(&c->db, SA_DB_SCOPE_LIST, "i", row);
    int rc;

    sa_cache_forget_scopes(a);
    while ((rc = sa_db_step(&c->db, SA_DB_SCOPE_LIST, err)) > 0) {
        struct sa_cache_scope s;
        struct checkpoint p;

        if (read_scope(st, &s, &p) < 0)
            break;
        if (sa_cache_append_scope(&a->scopes, &a->n_scopes, &s) < 0) {
            sa_cache_free_scope(&s);
            free(p.version);
            break;
        }
        if (append_checkpoint(k, &p) < 0) {
            free(p.version);
            break;
        }
    }
    if (rc > 0) {
        sa_db_reset(&c->db, SA_DB_SCOPE_LIST);
        return no_memory(err);
    }
    return rc;
}

static int fill_known(struct known *k, const struct sa_cache_account *a)
{
    k->v = calloc(k->n + 1, sizeof *k->v);
    k->names = calloc(k->n + 1, sizeof *k->names);
    k->p = calloc(k->n + 1, sizeof(*k->p));
    k->sums = calloc(k->n + 1, sizeof *k->sums);
    if (!k->v || !k->names || !k->p || !k->sums)
        return -1;
    for (size_t i = 0; i < k->n; i++) {
        const struct sa_cache_scope *s = &a->scopes[i];
        struct checkpoint *p = &k->checkpoints[i];

        scaleagent__v1__known_scope__init(&k->v[i]);
        scaleagent__v1__scope_name__init(&k->names[i]);
        k->names[i].group = s->group;
        k->names[i].resource = s->resource;
        k->names[i].namespace_ = s->namespace;
        k->v[i].name = &k->names[i];
        k->v[i].resource_version = p->version;
        k->v[i].age_ms = *p->version ? p->age_ms : 0;
        k->v[i].fingerprint = (ProtobufCBinaryData){p->fingerprint_n, p->fingerprint};
        k->v[i].count = s->count;
        sa_sum_bytes(&s->sum, k->sums[i]);
        k->v[i].sum.data = k->sums[i];
        k->v[i].sum.len = 16;
        k->v[i].kind = s->kind;
        k->v[i].version = s->version;
        k->v[i].namespaced = s->namespaced;
        k->p[i] = &k->v[i];
    }
    return 0;
}

/* In as many messages as it needs; one where nothing is stored. */
static int send_welcome(struct sa_cache *c, const struct sa_cache_account *a, struct known *k,
                        struct sa_err **err)
{
    size_t from = 0;

    if (fill_known(k, a) < 0)
        return no_memory(err);
    do {
        Scaleagent__V1__Welcome w = SCALEAGENT__V1__WELCOME__INIT;
        Scaleagent__V1__AccountReply r = SCALEAGENT__V1__ACCOUNT_REPLY__INIT;
        size_t bytes = 0, to = from;

        for (; to < k->n; to++) {
            bytes += scaleagent__v1__known_scope__get_packed_size(k->p[to]) + ENTRY_OVER;
            if (bytes > SA_DATA_PART && to > from)
                break;
        }
        w.role = SCALEAGENT__V1__WELCOME__ROLE__CACHING;
        w.n_scopes = to - from;
        w.scopes = k->p + from;
        w.credit = a->granted;
        w.more = to < k->n;
        r.epoch = a->epoch;
        r.body_case = SCALEAGENT__V1__ACCOUNT_REPLY__BODY_WELCOME;
        r.welcome = &w;
        if (sa_reply_pack(&r, &c->out) < 0)
            return no_memory(err);
        sa_cache_send(c, a);
        from = to;
    } while (from < k->n);
    return 0;
}

int sa_cache_on_open(struct sa_cache *c, struct sa_cache_account *a,
                     const Scaleagent__V1__AccountOpen *m, struct sa_err **err)
{
    SA_CLEANUP(free_known) struct known k = {0};
    int64_t row = 0;
    uint64_t epoch = 0;

    a->epoch = 0;
    /* What the epoch before has left in memory belongs to its rows: it is written first. */
    if (sa_cache_commit(c, err) < 0 || sa_db_begin(&c->db, err) < 0 ||
        next_epoch(c, &epoch, err) < 0 || put_account(c, a, epoch, m, &row, err) < 0 ||
        load_scopes(c, a, row, &k, err) < 0 || sa_db_commit(&c->db, err) < 0)
        return -1;
    sa_parts_reset(&a->parts);
    sa_cache_forget_list(a);
    a->row = row;
    a->epoch = epoch;
    a->sequence = a->acked = a->used = 0;
    a->granted = SA_CACHE_WINDOW;
    return send_welcome(c, a, &k, err);
}
