/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/table.h"

#include <stdlib.h>
#include <string.h>

#include "worker/table_slots.h"

#define SCOPE_MAX ((UINT32_C(1) << 20) - 1) /* numbers are dense and few; this bounds the array */

struct scope {
    uint64_t count;
    struct sa_sum sum;
    bool listing;
    bool mark; /* entries with this mark are not swept */
};

struct sa_table {
    struct sa_slots slots; /* entries, tombstones too */
    struct scope *scopes;  /* by number */
    size_t n_scopes;
    size_t count; /* entries without tombstones */
};

struct sa_table *sa_table_new(void)
{
    return calloc(1, sizeof(struct sa_table));
}

void sa_table_free(struct sa_table *t)
{
    if (t != NULL) {
        sa_slots_free(&t->slots);
        free(t->scopes);
        free(t);
    }
}

static size_t append(uint8_t *text, size_t at, const void *p, size_t n)
{
    memcpy(text + at, p, n);
    return at + n;
}

struct sa_hash128 sa_table_key(uint32_t scope, const char *namespace, const char *name)
{
    uint8_t text[sizeof(scope) + 64 + 254];
    size_t namespace_n = strlen(namespace) + 1, name_n = strlen(name);
    size_t n = append(text, 0, &scope, sizeof(scope));
    if (namespace_n + name_n <= sizeof(text) - n) {
        n = append(text, n, namespace, namespace_n); /* and its NUL, which parts the two */
        n = append(text, n, name, name_n);
        return sa_hash128(text, n);
    }
    /* Longer than names are; two hashes can't be taken for a name, which has no NUL in front. */
    struct sa_hash128 parts[] = {
        {0, 0}, sa_hash128(namespace, namespace_n), sa_hash128(name, name_n)};
    n = append(text, n, parts, sizeof(parts));
    return sa_hash128(text, n);
}

/* The scope's record; NULL for lack of memory. */
static struct scope *scope_of(struct sa_table *t, uint32_t scope)
{
    if (scope < t->n_scopes) {
        return &t->scopes[scope];
    }
    if (scope > SCOPE_MAX) {
        return NULL;
    }
    size_t n = (size_t)scope + 1;
    struct scope *scopes = realloc(t->scopes, n * sizeof(*scopes));
    if (scopes == NULL) {
        return NULL;
    }
    memset(scopes + t->n_scopes, 0, (n - t->n_scopes) * sizeof(*scopes));
    t->scopes = scopes;
    t->n_scopes = n;
    return &t->scopes[scope];
}

static void count_in(struct sa_table *t, struct scope *s, const struct sa_digest *d)
{
    sa_sum_add(&s->sum, d);
    s->count++;
    t->count++;
}

static void count_out(struct sa_table *t, struct scope *s, const struct sa_digest *d)
{
    sa_sum_sub(&s->sum, d);
    s->count--;
    t->count--;
}

static void fill(struct sa_entry *e, const struct scope *s, uint32_t uid_hash, uint64_t version,
                 const struct sa_digest *digest)
{
    e->uid_hash = uid_hash;
    e->version = version;
    e->digest = *digest;
    e->mark = s->mark;
}

/* Whether what is put comes from before the removal that left the tombstone e. */
static bool before_removal(const struct sa_entry *e, uint32_t uid_hash, uint64_t version)
{
    if (e->gone) {
        return uid_hash == e->uid_hash || version < e->version;
    }
    return version <= e->version;
}

static enum sa_put put_on_tomb(struct sa_table *t, struct scope *s, struct sa_entry *e,
                               uint32_t uid_hash, uint64_t version, const struct sa_digest *digest)
{
    if (before_removal(e, uid_hash, version)) {
        return SA_PUT_STALE;
    }
    e->tomb = 0;
    e->gone = 0;
    fill(e, s, uid_hash, version, digest);
    count_in(t, s, digest);
    return SA_PUT_NEW;
}

enum sa_put sa_table_put(struct sa_table *t, uint32_t scope, struct sa_hash128 key,
                         uint32_t uid_hash, uint64_t version, const struct sa_digest *digest)
{
    struct scope *s = scope_of(t, scope);
    if (s == NULL) {
        return SA_PUT_NO_MEMORY;
    }
    struct sa_entry *e = sa_slots_find(&t->slots, key);
    if (e == NULL) {
        e = sa_slots_insert(&t->slots, key);
        if (e == NULL) {
            return SA_PUT_NO_MEMORY;
        }
        e->scope = scope & SCOPE_MAX;
        fill(e, s, uid_hash, version, digest);
        count_in(t, s, digest);
        return SA_PUT_NEW;
    }
    if (e->tomb) {
        return put_on_tomb(t, s, e, uid_hash, version, digest);
    }
    e->mark = s->mark; /* a list that names it, in an older state too, proves that it is there */
    if (version < e->version) {
        return SA_PUT_STALE;
    }
    bool same = sa_digest_equal(&e->digest, digest);
    count_out(t, s, &e->digest);
    fill(e, s, uid_hash, version, digest);
    count_in(t, s, digest);
    return same ? SA_PUT_SAME : SA_PUT_CHANGED;
}

/* A removal of what is not known matters only to a list that is under way. */
static enum sa_removed remove_absent(struct sa_table *t, uint32_t scope, struct scope *s,
                                     struct sa_hash128 key, struct sa_entry *e, uint64_t version)
{
    if (e == NULL && s->listing && version != 0) {
        e = sa_slots_insert(&t->slots, key);
        if (e != NULL) { /* else the page brings it back, and the watch removes it again */
            e->scope = scope & SCOPE_MAX;
            e->tomb = 1;
        }
    }
    if (e != NULL && version >= e->version) {
        e->version = version;
        e->gone = 0;
    }
    return SA_REMOVED_ABSENT;
}

enum sa_removed sa_table_remove(struct sa_table *t, uint32_t scope, struct sa_hash128 key,
                                uint64_t version)
{
    struct scope *s = scope_of(t, scope);
    if (s == NULL) {
        return SA_REMOVED_ABSENT;
    }
    struct sa_entry *e = sa_slots_find(&t->slots, key);
    if (e == NULL || e->tomb) {
        return remove_absent(t, scope, s, key, e, version);
    }
    if (version != 0 && version < e->version) {
        return SA_REMOVED_STALE;
    }
    count_out(t, s, &e->digest);
    if (s->listing) {
        e->tomb = 1;
        e->gone = version == 0;
        e->version = version != 0 ? version : e->version;
    } else {
        sa_slots_remove(&t->slots, e);
        sa_slots_shrink(&t->slots);
    }
    return SA_REMOVED;
}

bool sa_table_get(const struct sa_table *t, struct sa_hash128 key, struct sa_known *out)
{
    const struct sa_entry *e = sa_slots_find(&t->slots, key);
    if (e == NULL || e->tomb) {
        return false;
    }
    *out = (struct sa_known){e->version, e->uid_hash, e->digest};
    return true;
}

/* What is done with all entries of a scope; its tombstones go each time. */
enum what { SWEEP, UNMARK, DROP, RESET };
struct visit {
    struct sa_table *t;
    struct scope *s;
    uint32_t scope;
    size_t removed;
    enum what what;
};

static bool visit(void *arg, struct sa_entry *e)
{
    struct visit *v = arg;
    if (e->scope != v->scope) {
        return true;
    }
    if (e->tomb) {
        return false;
    }
    if (v->what == DROP || (v->what == SWEEP && e->mark != v->s->mark)) {
        count_out(v->t, v->s, &e->digest);
        v->removed++;
        return false;
    }
    if (v->what == UNMARK) {
        e->mark = v->s->mark;
    } else if (v->what == RESET) {
        e->version = 0;
    }
    return true;
}

static size_t visit_scope(struct sa_table *t, uint32_t scope, enum what what)
{
    struct visit v = {.t = t, .s = &t->scopes[scope], .scope = scope, .what = what};
    sa_slots_filter(&t->slots, visit, &v);
    sa_slots_shrink(&t->slots);
    return v.removed;
}

void sa_table_list_begin(struct sa_table *t, uint32_t scope)
{
    struct scope *s = scope_of(t, scope);
    if (s == NULL) {
        return; /* then nothing can be put either */
    }
    sa_table_list_cancel(t, scope);
    s->listing = true;
    s->mark = !s->mark; /* all of them had it: now none has */
}

size_t sa_table_list_end(struct sa_table *t, uint32_t scope)
{
    if (scope >= t->n_scopes || !t->scopes[scope].listing) {
        return 0;
    }
    t->scopes[scope].listing = false;
    return visit_scope(t, scope, SWEEP);
}

void sa_table_list_cancel(struct sa_table *t, uint32_t scope)
{
    if (scope < t->n_scopes && t->scopes[scope].listing) {
        t->scopes[scope].listing = false;
        visit_scope(t, scope, UNMARK);
    }
}

void sa_table_drop_scope(struct sa_table *t, uint32_t scope)
{
    if (scope < t->n_scopes) {
        visit_scope(t, scope, DROP);
        t->scopes[scope] = (struct scope){0};
    }
}

void sa_table_reset_versions(struct sa_table *t, uint32_t scope)
{
    if (scope < t->n_scopes) {
        visit_scope(t, scope, RESET);
    }
}

struct sa_table_sum sa_table_scope_sum(const struct sa_table *t, uint32_t scope)
{
    if (scope >= t->n_scopes) {
        return (struct sa_table_sum){0};
    }
    return (struct sa_table_sum){t->scopes[scope].count, t->scopes[scope].sum};
}

size_t sa_table_count(const struct sa_table *t)
{
    return t->count;
}

size_t sa_table_memory(const struct sa_table *t)
{
    return sizeof(*t) + t->slots.total * sizeof(struct sa_entry) +
           t->n_scopes * sizeof(struct scope);
}
