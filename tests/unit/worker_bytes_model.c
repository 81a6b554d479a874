/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table beside a model so simple that it is plainly right: an array by number of key, marks and
 * tombstones as fields. Random operations on both must always tell the same.
 */
#include "worker_bytes_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/table.h"

/* An assertion of Check costs a system call each time it holds. */
#define MUST(x)                                                                                    \
    do {                                                                                           \
        if (!(x)) {                                                                                \
            ck_abort_msg("not so: %s", #x);                                                        \
        }                                                                                          \
    } while (0)

#define SCOPES 4
#define KEYS   700 /* a scope */
#define STEPS  100000

struct object {
    bool there, tomb, gone, marked;
    uint32_t uid;
    uint64_t version;
    struct sa_digest digest;
};

struct model {
    struct object objects[SCOPES][KEYS];
    bool listing[SCOPES];
};

static uint64_t chance;

static uint32_t pick(uint32_t n)
{
    chance = chance * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((chance >> 33) % n);
}

static enum sa_put model_put(struct object *o, uint32_t uid, uint64_t version,
                             const struct sa_digest *d)
{
    bool stale = version < o->version;
    if (o->there) {
        o->marked = true;
    } else if (o->tomb) {
        stale = o->gone ? stale || uid == o->uid : version <= o->version;
    } else {
        stale = false;
    }
    if (stale) {
        return SA_PUT_STALE;
    }
    enum sa_put r = SA_PUT_NEW;
    if (o->there) {
        r = memcmp(&o->digest, d, sizeof(*d)) == 0 ? SA_PUT_SAME : SA_PUT_CHANGED;
    }
    *o = (struct object){
        .there = true, .marked = true, .uid = uid, .version = version, .digest = *d};
    return r;
}

static enum sa_removed model_remove(struct object *o, bool listing, uint64_t version)
{
    if (o->there) {
        if (version != 0 && version < o->version) {
            return SA_REMOVED_STALE;
        }
        o->there = false;
        o->tomb = listing;
        o->gone = version == 0;
        o->version = version != 0 ? version : o->version;
        return SA_REMOVED;
    }
    if (o->tomb && version >= o->version) {
        o->version = version;
        o->gone = false;
    } else if (!o->tomb && listing && version != 0) {
        *o = (struct object){.tomb = true, .version = version};
    }
    return SA_REMOVED_ABSENT;
}

enum end { SWEEP, CANCEL, DROP, RESET };

static size_t model_end(struct model *m, uint32_t scope, enum end how)
{
    size_t swept = 0;
    for (size_t i = 0; i < KEYS; i++) {
        struct object *o = &m->objects[scope][i];
        bool was = o->there;
        o->there = was && how != DROP && (how != SWEEP || o->marked);
        o->tomb = false;
        swept += was && !o->there;
        if (how == RESET) {
            o->version = 0;
        }
    }
    if (how != RESET) {
        m->listing[scope] = false;
    }
    return swept;
}

static void model_begin(struct model *m, uint32_t scope)
{
    if (m->listing[scope]) {
        model_end(m, scope, CANCEL);
    }
    m->listing[scope] = true;
    for (size_t i = 0; i < KEYS; i++) {
        m->objects[scope][i].marked = false;
    }
}

static struct sa_hash128 key_of(uint32_t scope, uint32_t i)
{
    char name[16];
    snprintf(name, sizeof(name), "k%u", i);
    return sa_table_key(scope, "", name);
}

static void same_key(const struct sa_table *t, const struct object *o, struct sa_hash128 key)
{
    struct sa_known k;
    bool there = sa_table_get(t, key, &k);
    MUST(there == o->there);
    if (there) {
        MUST(k.version == o->version);
        MUST(k.uid_hash == o->uid);
        MUST(sa_digest_equal(&k.digest, &o->digest));
    }
}

static void same_all(const struct sa_table *t, const struct model *m)
{
    size_t all = 0;
    for (uint32_t s = 0; s < SCOPES; s++) {
        struct sa_table_sum want = {0}, got = sa_table_scope_sum(t, s);
        for (uint32_t i = 0; i < KEYS; i++) {
            const struct object *o = &m->objects[s][i];
            same_key(t, o, key_of(s, i));
            if (o->there) {
                want.count++;
                sa_sum_add(&want.sum, &o->digest);
            }
        }
        MUST(got.count == want.count);
        MUST(got.sum.lo == want.sum.lo);
        MUST(got.sum.hi == want.sum.hi);
        all += want.count;
    }
    MUST(sa_table_count(t) == all);
}

/* Something seldom, on a whole scope. */
static void scope_step(struct sa_table *t, struct model *m, uint32_t scope)
{
    uint32_t what = pick(100);
    if (what < 55) {
        sa_table_list_begin(t, scope);
        model_begin(m, scope);
    } else if (what < 85) {
        size_t want = m->listing[scope] ? model_end(m, scope, SWEEP) : 0;
        MUST(sa_table_list_end(t, scope) == want);
    } else if (what < 93) {
        if (m->listing[scope]) {
            model_end(m, scope, CANCEL);
        }
        sa_table_list_cancel(t, scope);
    } else if (what < 97) {
        model_end(m, scope, RESET);
        sa_table_reset_versions(t, scope);
    } else {
        model_end(m, scope, DROP);
        sa_table_drop_scope(t, scope);
    }
    same_all(t, m);
}

static void key_step(struct sa_table *t, struct model *m, uint32_t scope, uint64_t now,
                     uint32_t deletes)
{
    uint32_t i = pick(KEYS);
    struct object *o = &m->objects[scope][i];
    struct sa_hash128 key = key_of(scope, i);
    uint64_t version = now > 50 ? now - pick(50) : now;
    if (pick(40) == 0) {
        version = 0;
    }
    if (pick(100) < deletes) {
        enum sa_removed want = model_remove(o, m->listing[scope], version);
        MUST(sa_table_remove(t, scope, key, version) == want);
    } else {
        struct sa_digest d;
        memset(d.b, (int)pick(3), sizeof(d.b));
        d.b[3] = (uint8_t)i;
        d.b[15] = (uint8_t)pick(2) * 0xff;
        uint32_t uid = pick(4);
        enum sa_put want = model_put(o, uid, version, &d);
        MUST(sa_table_put(t, scope, key, uid, version, &d) == want);
    }
    same_key(t, o, key);
}

START_TEST(random_operations_agree_with_the_model)
{
    struct model *m = calloc(1, sizeof(*m));
    struct sa_table *t = sa_table_new();
    ck_assert_ptr_nonnull(m);
    ck_assert_ptr_nonnull(t);
    chance = (uint64_t)_i * 7919 + 17;
    for (uint64_t step = 1; step <= STEPS; step++) {
        uint32_t scope = pick(SCOPES);
        /* Times of growing and times of shrinking. */
        uint32_t deletes = step / 10000 % 2 ? 75 : 25;
        if (pick(500) == 0) {
            scope_step(t, m, scope);
        } else {
            key_step(t, m, scope, step / 20 + 1, deletes);
        }
    }
    same_all(t, m);
    sa_table_free(t);
    free(m);
}
END_TEST

TCase *worker_bytes_model_cases(void)
{
    TCase *c = tcase_create("model");
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, random_operations_agree_with_the_model, 0, 5);
    return c;
}
