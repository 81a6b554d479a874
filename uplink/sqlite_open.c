/* SPDX-License-Identifier: Apache-2.0 */
/* How an epoch of an account begins: the account's row, its stored scopes, Welcome, and then
 * Scopes. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "uplink/reply.h"
#include "uplink/sqlite_cache.h"

static int no_memory(struct sa_err **err)
{
    return sa_err_set(err, SA_EMEMORY, "no memory for the scopes of an account");
}

static void free_scope(struct sa_cache_scope *s)
{
    free(s->group);
    free(s->resource);
    free(s->namespace);
    free(s->version);
    free(s->kind);
    memset(s, 0, sizeof *s);
}

void sa_cache_forget_scopes(struct sa_cache_account *a)
{
    for (size_t i = 0; i < a->n_scopes; i++)
        free_scope(&a->scopes[i]);
    free(a->scopes);
    a->scopes = NULL;
    a->n_scopes = 0;
}

static int drop_scope(struct sa_cache *c, int64_t row, struct sa_err **err)
{
    static const enum sa_db_id steps[] = {SA_DB_OBJECTS_DROP, SA_DB_SEEN_CLEAR, SA_DB_SCOPE_DROP};

    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        sa_db_bind(&c->db, steps[i], "i", row);
        if (sa_db_run(&c->db, steps[i], err) < 0)
            return -1;
    }
    return 0;
}

/* Deletes the scopes of the account in this row, with their objects. */
static int drop_scopes(struct sa_cache *c, int64_t account, struct sa_err **err)
{
    for (;;) {
        sqlite3_stmt *st = sa_db_bind(&c->db, SA_DB_SCOPE_LIST, "i", account);
        int rc = sa_db_step(&c->db, SA_DB_SCOPE_LIST, err);
        int64_t row;

        if (rc <= 0)
            return rc;
        row = sqlite3_column_int64(st, 0);
        sa_db_reset(&c->db, SA_DB_SCOPE_LIST);
        if (drop_scope(c, row, err) < 0)
            return -1;
    }
}

int sa_cache_drop_account(struct sa_cache *c, int64_t row, struct sa_err **err)
{
    if (drop_scopes(c, row, err) < 0)
        return -1;
    sa_db_bind(&c->db, SA_DB_ACCOUNT_DROP, "i", row);
    return sa_db_run(&c->db, SA_DB_ACCOUNT_DROP, err);
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
        if (drop_scopes(c, *row, err) < 0)
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
    free_scope(s);
    free(p->version);
    p->version = NULL;
    return -1;
}

static int append_scope(struct sa_cache_scope **v, size_t *n, const struct sa_cache_scope *s)
{
    struct sa_cache_scope *more = realloc(*v, (*n + 1) * sizeof **v);

    if (!more)
        return -1;
    more[(*n)++] = *s;
    *v = more;
    return 0;
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
    struct checkpoint *more = realloc(k->checkpoints, (k->n + 1) * sizeof *more);

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
        if (append_scope(&a->scopes, &a->n_scopes, &s) < 0) {
            free_scope(&s);
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

static int send_welcome(struct sa_cache *c, const struct sa_cache_account *a, struct known *k,
                        struct sa_err **err)
{
    Scaleagent__V1__Welcome w = SCALEAGENT__V1__WELCOME__INIT;
    Scaleagent__V1__AccountReply r = SCALEAGENT__V1__ACCOUNT_REPLY__INIT;

    if (fill_known(k, a) < 0)
        return no_memory(err);
    w.role = SCALEAGENT__V1__WELCOME__ROLE__CACHING;
    w.n_scopes = k->n;
    w.scopes = k->p;
    w.credit = a->granted;
    r.epoch = a->epoch;
    r.body_case = SCALEAGENT__V1__ACCOUNT_REPLY__BODY_WELCOME;
    r.welcome = &w;
    if (sa_reply_pack(&r, &c->out) < 0)
        return no_memory(err);
    return sa_cache_send(c, a);
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
    a->row = row;
    a->epoch = epoch;
    a->sequence = a->acked = a->used = 0;
    a->granted = SA_CACHE_WINDOW;
    return send_welcome(c, a, &k, err);
}

static bool same_name(const struct sa_cache_scope *s, const Scaleagent__V1__ScopeName *n)
{
    return strcmp(s->resource, n->resource) == 0 && strcmp(s->group, n->group) == 0 &&
           strcmp(s->namespace, n->namespace_) == 0;
}

/* The list usually comes in the order in which it came before, so the search starts at a hint. */
static struct sa_cache_scope *find_name(struct sa_cache_account *a, size_t hint,
                                        const Scaleagent__V1__ScopeName *n)
{
    for (size_t i = 0; i < a->n_scopes; i++) {
        struct sa_cache_scope *s = &a->scopes[(hint + i) % a->n_scopes];

        if (same_name(s, n))
            return s;
    }
    return NULL;
}

static int add_scope(struct sa_cache *c, struct sa_cache_account *a, const Scaleagent__V1__Scope *m,
                     struct sa_err **err)
{
    struct sa_cache_scope s = {0};

    sa_db_bind(&c->db, SA_DB_SCOPE_ADD, "ittttti", a->row, m->name->group, m->name->resource,
               m->name->namespace_, m->version, m->kind, (int64_t)m->namespaced);
    if (sa_db_run(&c->db, SA_DB_SCOPE_ADD, err) < 0)
        return -1;
    s.row = sqlite3_last_insert_rowid(c->db.h);
    s.id = m->id;
    s.keep = true;
    s.namespaced = m->namespaced;
    s.group = strdup(m->name->group);
    s.resource = strdup(m->name->resource);
    s.namespace = strdup(m->name->namespace_);
    s.version = strdup(m->version);
    s.kind = strdup(m->kind);
    if (s.group && s.resource && s.namespace && s.version && s.kind &&
        append_scope(&a->scopes, &a->n_scopes, &s) == 0)
        return 0;
    free_scope(&s);
    return no_memory(err);
}

static int set_scope(struct sa_cache *c, struct sa_cache_scope *s, const Scaleagent__V1__Scope *m,
                     struct sa_err **err)
{
    char *version, *kind;

    if (s->keep || (s->id != 0 && s->id != m->id))
        return sa_err_set(err, SA_EPROTOCOL, "scope %s is named twice", s->resource);
    s->id = m->id;
    s->keep = true;
    if (strcmp(s->version, m->version) == 0 && strcmp(s->kind, m->kind) == 0 &&
        s->namespaced == (m->namespaced != 0))
        return 0;
    version = strdup(m->version);
    kind = strdup(m->kind);
    if (!version || !kind) {
        free(version);
        free(kind);
        return no_memory(err);
    }
    free(s->version);
    free(s->kind);
    s->version = version;
    s->kind = kind;
    s->namespaced = m->namespaced != 0;
    sa_db_bind(&c->db, SA_DB_SCOPE_SET, "itti", s->row, s->version, s->kind,
               (int64_t)s->namespaced);
    return sa_db_run(&c->db, SA_DB_SCOPE_SET, err);
}

/* Deletes the scopes that the new list does not name. */
static int drop_unnamed(struct sa_cache *c, struct sa_cache_account *a, struct sa_err **err)
{
    size_t kept = 0;

    for (size_t i = 0; i < a->n_scopes; i++) {
        struct sa_cache_scope *s = &a->scopes[i];

        if (!s->keep) {
            if (drop_scope(c, s->row, err) < 0)
                return -1;
            free_scope(s);
        } else if (kept++ != i) {
            a->scopes[kept - 1] = *s;
            memset(s, 0, sizeof *s);
        }
    }
    a->n_scopes = kept;
    return 0;
}

static int by_id(const void *a, const void *b)
{
    uint32_t x = ((const struct sa_cache_scope *)a)->id, y = ((const struct sa_cache_scope *)b)->id;

    return (x > y) - (x < y);
}

static int check_list(const Scaleagent__V1__Scopes *m, struct sa_err **err)
{
    if (m->n_scopes > SA_CACHE_MAX_SCOPES)
        return sa_err_set(err, SA_ELIMIT, "%zu scopes are more than %u", m->n_scopes,
                          SA_CACHE_MAX_SCOPES);
    for (size_t i = 0; i < m->n_scopes; i++)
        if (m->scopes[i]->id == 0 || !m->scopes[i]->name || m->scopes[i]->name->resource[0] == '\0')
            return sa_err_set(err, SA_EPROTOCOL, "a scope has no id or no name");
    return 0;
}

int sa_cache_on_scopes(struct sa_cache *c, struct sa_cache_account *a,
                       const Scaleagent__V1__Scopes *m, struct sa_err **err)
{
    if (check_list(m, err) < 0 || sa_cache_begin(c, a, err) < 0)
        return -1;
    for (size_t i = 0; i < a->n_scopes; i++)
        a->scopes[i].keep = false;
    for (size_t i = 0; i < m->n_scopes; i++) {
        struct sa_cache_scope *s = find_name(a, i, m->scopes[i]->name);

        if ((s ? set_scope(c, s, m->scopes[i], err) : add_scope(c, a, m->scopes[i], err)) < 0)
            return -1;
    }
    if (drop_unnamed(c, a, err) < 0)
        return -1;
    if (a->n_scopes > 0)
        qsort(a->scopes, a->n_scopes, sizeof *a->scopes, by_id);
    for (size_t i = 1; i < a->n_scopes; i++)
        if (a->scopes[i].id == a->scopes[i - 1].id)
            return sa_err_set(err, SA_EPROTOCOL, "scope id %u is used twice", a->scopes[i].id);
    /* An object whose scope leaves amid its parts has no further ones. */
    if (a->parts.size != 0 && !sa_cache_scope(a, a->parts.scope, NULL))
        sa_parts_reset(&a->parts);
    return 0;
}
