/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scopes of an account: the list that its worker gives, in parts, against those that are
 * stored. Nothing is changed before the last part is there and the whole of it is right.
 */
#include <stdlib.h>
#include <string.h>

#include "uplink/sqlite_cache.h"

static int no_memory(struct sa_err **err)
{
    return sa_err_set(err, SA_EMEMORY, "no memory for the scopes of an account");
}

void sa_cache_free_scope(struct sa_cache_scope *s)
{
    free(s->group);
    free(s->resource);
    free(s->namespace);
    free(s->version);
    free(s->kind);
    memset(s, 0, sizeof *s);
}

static void free_scopes(struct sa_cache_scope **v, size_t *n)
{
    for (size_t i = 0; i < *n; i++)
        sa_cache_free_scope(&(*v)[i]);
    free(*v);
    *v = NULL;
    *n = 0;
}

void sa_cache_forget_scopes(struct sa_cache_account *a)
{
    free_scopes(&a->scopes, &a->n_scopes);
}

void sa_cache_forget_list(struct sa_cache_account *a)
{
    free_scopes(&a->list, &a->n_list);
    a->list_bytes = 0;
    a->listing = false;
}

int sa_cache_append_scope(struct sa_cache_scope **v, size_t *n, const struct sa_cache_scope *s)
{
    struct sa_cache_scope *more = *v;

    if ((*n & (*n - 1)) == 0) /* 0, 1, 2, 4, 8: it doubles */
        more = reallocarray(*v, *n ? 2 * *n : 1, sizeof **v);
    if (!more)
        return -1;
    more[(*n)++] = *s;
    *v = more;
    return 0;
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

int sa_cache_drop_scopes(struct sa_cache *c, int64_t account, struct sa_err **err)
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
    if (sa_cache_drop_scopes(c, row, err) < 0)
        return -1;
    sa_db_bind(&c->db, SA_DB_ACCOUNT_DROP, "i", row);
    return sa_db_run(&c->db, SA_DB_ACCOUNT_DROP, err);
}

/* ---- the list ---- */

static int by_id(const void *a, const void *b)
{
    uint32_t x = ((const struct sa_cache_scope *)a)->id, y = ((const struct sa_cache_scope *)b)->id;

    return (x > y) - (x < y);
}

static int by_name(const void *a, const void *b)
{
    const struct sa_cache_scope *x = a, *y = b;
    int rc = strcmp(x->resource, y->resource);

    if (rc == 0)
        rc = strcmp(x->group, y->group);
    return rc ? rc : strcmp(x->namespace, y->namespace);
}

static void sort(struct sa_cache_scope *v, size_t n, int (*by)(const void *, const void *))
{
    if (n > 0)
        qsort(v, n, sizeof *v, by);
}

static int take_scope(struct sa_cache_account *a, const Scaleagent__V1__Scope *m,
                      struct sa_err **err)
{
    struct sa_cache_scope s = {0};

    if (m->id == 0 || !m->name || m->name->resource[0] == '\0')
        return sa_err_set(err, SA_EPROTOCOL, "a scope has no id or no name");
    s.id = m->id;
    s.namespaced = m->namespaced != 0;
    s.group = strdup(m->name->group);
    s.resource = strdup(m->name->resource);
    s.namespace = strdup(m->name->namespace_);
    s.version = strdup(m->version);
    s.kind = strdup(m->kind);
    if (s.group && s.resource && s.namespace && s.version && s.kind &&
        sa_cache_append_scope(&a->list, &a->n_list, &s) == 0)
        return 0;
    sa_cache_free_scope(&s);
    return no_memory(err);
}

static int take_part(struct sa_cache_account *a, const Scaleagent__V1__Scopes *m,
                     struct sa_err **err)
{
    a->list_bytes += scaleagent__v1__scopes__get_packed_size(m);
    if (m->more && m->n_scopes == 0)
        return sa_err_set(err, SA_EPROTOCOL, "a part of the list of scopes is empty");
    if (m->n_scopes > SA_SCOPES_MAX - a->n_list || a->list_bytes > SA_SCOPES_BYTES_MAX)
        return sa_err_set(err, SA_ELIMIT, "%zu scopes of %zu bytes are more than %u of %u",
                          a->n_list + m->n_scopes, a->list_bytes, SA_SCOPES_MAX,
                          SA_SCOPES_BYTES_MAX);
    for (size_t i = 0; i < m->n_scopes; i++)
        if (take_scope(a, m->scopes[i], err) < 0)
            return -1;
    a->listing = m->more;
    return 0;
}

/* Leaves both lists sorted by name. */
static int check(struct sa_cache_account *a, struct sa_err **err)
{
    size_t at = 0;

    sort(a->list, a->n_list, by_id);
    for (size_t i = 1; i < a->n_list; i++)
        if (a->list[i].id == a->list[i - 1].id)
            return sa_err_set(err, SA_EPROTOCOL, "scope id %u is used twice", a->list[i].id);
    sort(a->list, a->n_list, by_name);
    for (size_t i = 1; i < a->n_list; i++)
        if (by_name(&a->list[i], &a->list[i - 1]) == 0)
            return sa_err_set(err, SA_EPROTOCOL, "scope %s is named twice", a->list[i].resource);
    sort(a->scopes, a->n_scopes, by_name);
    for (size_t i = 0; i < a->n_list; i++) {
        const struct sa_cache_scope *now = &a->list[i], *s;

        while (at < a->n_scopes && by_name(&a->scopes[at], now) < 0)
            at++;
        s = at < a->n_scopes && by_name(&a->scopes[at], now) == 0 ? &a->scopes[at] : NULL;
        if (s && s->id != 0 && s->id != now->id)
            return sa_err_set(err, SA_EPROTOCOL, "scope %s was %u and is %u", s->resource, s->id,
                              now->id);
    }
    return 0;
}

static int add_scope(struct sa_cache *c, const struct sa_cache_account *a, struct sa_cache_scope *s,
                     struct sa_err **err)
{
    sa_db_bind(&c->db, SA_DB_SCOPE_ADD, "ittttti", a->row, s->group, s->resource, s->namespace,
               s->version, s->kind, (int64_t)s->namespaced);
    if (sa_db_run(&c->db, SA_DB_SCOPE_ADD, err) < 0)
        return -1;
    s->row = sqlite3_last_insert_rowid(c->db.h);
    return 0;
}

/* The stored scope becomes what the list says of it. */
static int set_scope(struct sa_cache *c, struct sa_cache_scope *s, struct sa_cache_scope *now,
                     struct sa_err **err)
{
    bool same = strcmp(s->version, now->version) == 0 && strcmp(s->kind, now->kind) == 0 &&
                s->namespaced == now->namespaced;
    char *version = s->version, *kind = s->kind;

    s->id = now->id;
    if (same)
        return 0;
    s->version = now->version;
    s->kind = now->kind;
    s->namespaced = now->namespaced;
    now->version = version;
    now->kind = kind;
    sa_db_bind(&c->db, SA_DB_SCOPE_SET, "itti", s->row, s->version, s->kind,
               (int64_t)s->namespaced);
    return sa_db_run(&c->db, SA_DB_SCOPE_SET, err);
}

/* Both lists are sorted by name. What fails here takes the transaction back, and all scopes are
 * read again. */
static int apply(struct sa_cache *c, struct sa_cache_account *a, struct sa_err **err)
{
    size_t at = 0;

    for (size_t i = 0; i < a->n_list; i++) {
        struct sa_cache_scope *now = &a->list[i], before;

        while (at < a->n_scopes && by_name(&a->scopes[at], now) < 0)
            if (drop_scope(c, a->scopes[at++].row, err) < 0)
                return -1;
        if (at == a->n_scopes || by_name(&a->scopes[at], now) != 0) {
            if (add_scope(c, a, now, err) < 0)
                return -1;
            continue;
        }
        if (set_scope(c, &a->scopes[at], now, err) < 0)
            return -1;
        before = a->scopes[at]; /* the list takes it over */
        a->scopes[at++] = *now;
        *now = before;
    }
    for (; at < a->n_scopes; at++)
        if (drop_scope(c, a->scopes[at].row, err) < 0)
            return -1;
    return 0;
}

int sa_cache_on_scopes(struct sa_cache *c, struct sa_cache_account *a,
                       const Scaleagent__V1__Scopes *m, struct sa_err **err)
{
    if (take_part(a, m, err) < 0)
        return -1;
    if (a->listing)
        return 0;
    if (sa_cache_begin(c, a, err) < 0 || check(a, err) < 0 || apply(c, a, err) < 0)
        return -1;
    sa_cache_forget_scopes(a);
    a->scopes = a->list;
    a->n_scopes = a->n_list;
    a->list = NULL;
    a->n_list = 0;
    sa_cache_forget_list(a);
    sort(a->scopes, a->n_scopes, by_id);
    /* An object whose scope leaves amid its parts has no further ones. */
    if (a->parts.size != 0 && !sa_cache_scope(a, a->parts.scope, NULL))
        sa_parts_reset(&a->parts);
    return 0;
}
