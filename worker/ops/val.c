/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ops/val.h"

#include <string.h>

int sa_val_no_memory(const struct sa_arena *a, const char *what, struct sa_err **err)
{
    return a->full ? sa_err_set(err, SA_ELIMIT, "%s: it needs more than %zu MB of memory", what,
                                a->max >> 20)
                   : sa_err_set(err, SA_EMEMORY, "%s: out of memory", what);
}

struct sa_val *sa_val_new(struct sa_arena *a, enum sa_val_type type)
{
    struct sa_val *v = sa_arena_alloc(a, sizeof *v);
    if (v != NULL) {
        *v = (struct sa_val){.type = type};
        if (type == SA_VAL_STRING) {
            v->s = "";
        }
    }
    return v;
}

struct sa_val *sa_val_string(struct sa_arena *a, const char *s, size_t n)
{
    struct sa_val *v = n < UINT32_MAX ? sa_val_new(a, SA_VAL_STRING) : NULL;
    if (v != NULL) {
        v->n = (uint32_t)n;
        v->s = sa_arena_copy(a, s, n);
    }
    return v != NULL && v->s != NULL ? v : NULL;
}

struct sa_val *sa_val_text(struct sa_arena *a, const char *s)
{
    return sa_val_string(a, s, strlen(s));
}

static int compare_keys(const char *a, size_t a_n, const char *b, size_t b_n)
{
    size_t n = a_n < b_n ? a_n : b_n;
    int c = n > 0 ? memcmp(a, b, n) : 0;
    return c != 0 ? c : (a_n > b_n) - (a_n < b_n);
}

/* Where key is in the map, or would be; *found says which. */
static uint32_t position(const struct sa_val *map, const char *key, size_t n, bool *found)
{
    uint32_t lo = 0, hi = map->n;
    *found = false;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        int c = compare_keys(map->pairs[mid].key, map->pairs[mid].n, key, n);
        if (c == 0) {
            *found = true;
            return mid;
        }
        if (c < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

struct sa_val *sa_val_get(const struct sa_val *map, const char *key, size_t n)
{
    bool found;
    if (map == NULL || map->type != SA_VAL_MAP) {
        return NULL;
    }
    uint32_t at = position(map, key, n, &found);
    return found ? map->pairs[at].val : NULL;
}

struct sa_val *sa_val_member(const struct sa_val *map, const char *key)
{
    return sa_val_get(map, key, strlen(key));
}

/* Room for one more. Memory of the smaller array stays in the arena. */
static void *grown(struct sa_arena *a, struct sa_val *v, void *old, size_t size)
{
    uint32_t cap = v->cap < 4 ? 4 : v->cap * 2;
    if (v->cap > UINT32_MAX / 64) {
        return NULL;
    }
    void *p = sa_arena_alloc(a, cap * size);
    if (p != NULL) {
        if (v->n > 0) {
            memcpy(p, old, v->n * size);
        }
        v->cap = cap;
    }
    return p;
}

static int room_for_pair(struct sa_arena *a, struct sa_val *map)
{
    if (map->n == map->cap) {
        struct sa_pair *pairs = grown(a, map, map->pairs, sizeof *pairs);
        if (pairs == NULL) {
            return -1;
        }
        map->pairs = pairs;
    }
    return 0;
}

int sa_val_add_pair(struct sa_arena *a, struct sa_val *map, const struct sa_pair *pair)
{
    if (room_for_pair(a, map) != 0) {
        return -1;
    }
    map->pairs[map->n++] = *pair;
    return 0;
}

int sa_val_put(struct sa_arena *a, struct sa_val *map, const char *key, size_t n,
               struct sa_val *val)
{
    bool found;
    if (val == NULL || n >= UINT32_MAX) {
        return -1;
    }
    uint32_t at = position(map, key, n, &found);
    if (found) {
        map->pairs[at].val = val;
        return 0;
    }
    if (room_for_pair(a, map) != 0) {
        return -1;
    }
    memmove(map->pairs + at + 1, map->pairs + at, (map->n - at) * sizeof *map->pairs);
    map->pairs[at] = (struct sa_pair){.key = key, .n = (uint32_t)n, .val = val};
    map->n++;
    return 0;
}

int sa_val_set(struct sa_arena *a, struct sa_val *map, const char *key, struct sa_val *val)
{
    return sa_val_put(a, map, key, strlen(key), val);
}

void sa_val_remove(struct sa_val *map, const char *key, size_t n)
{
    bool found;
    uint32_t at = position(map, key, n, &found);
    if (found) {
        map->n--;
        memmove(map->pairs + at, map->pairs + at + 1, (map->n - at) * sizeof *map->pairs);
    }
}

struct sa_val *sa_val_submap(struct sa_arena *a, struct sa_val *map, const char *key)
{
    struct sa_val *v = sa_val_member(map, key);
    if (v == NULL || v->type != SA_VAL_MAP) {
        v = sa_val_new(a, SA_VAL_MAP);
        if (sa_val_set(a, map, key, v) != 0) {
            return NULL;
        }
    }
    return v;
}

const char *sa_val_str(const struct sa_val *map, const char *key)
{
    const struct sa_val *v = sa_val_member(map, key);
    return v != NULL && v->type == SA_VAL_STRING && strlen(v->s) == v->n ? v->s : "";
}

int sa_val_append(struct sa_arena *a, struct sa_val *list, struct sa_val *item)
{
    if (item == NULL) {
        return -1;
    }
    if (list->n == list->cap) {
        struct sa_val **items = grown(a, list, list->items, sizeof(struct sa_val *));
        if (items == NULL) {
            return -1;
        }
        list->items = items;
    }
    list->items[list->n++] = item;
    return 0;
}

static int clone_into(struct sa_arena *a, struct sa_val *to, const struct sa_val *v)
{
    for (uint32_t i = 0; i < v->n; i++) {
        int r = v->type == SA_VAL_MAP ? sa_val_put(a, to, v->pairs[i].key, v->pairs[i].n,
                                                   sa_val_clone(a, v->pairs[i].val))
                                      : sa_val_append(a, to, sa_val_clone(a, v->items[i]));
        if (r != 0) {
            return -1;
        }
    }
    return 0;
}

struct sa_val *sa_val_clone(struct sa_arena *a, const struct sa_val *v)
{
    struct sa_val *to = sa_arena_alloc(a, sizeof *to);
    if (to == NULL) {
        return NULL;
    }
    *to = *v;
    if (v->type == SA_VAL_MAP || v->type == SA_VAL_LIST) {
        *to = (struct sa_val){.type = v->type};
        return clone_into(a, to, v) == 0 ? to : NULL;
    }
    return to;
}

bool sa_val_same(const struct sa_val *a, const struct sa_val *b)
{
    if (a->type != b->type) {
        return false;
    }
    switch (a->type) {
    case SA_VAL_NULL:
        return true;
    case SA_VAL_BOOL:
        return a->b == b->b;
    case SA_VAL_INT:
        return a->i == b->i;
    case SA_VAL_FLOAT:
        return a->d == b->d;
    case SA_VAL_STRING:
        return a->n == b->n && memcmp(a->s, b->s, a->n) == 0;
    default:
        return false;
    }
}

bool sa_val_equal(const struct sa_val *a, const struct sa_val *b)
{
    if (a == b) {
        return true;
    }
    if (a->type != b->type) {
        return false;
    }
    if (a->type != SA_VAL_MAP && a->type != SA_VAL_LIST) {
        return sa_val_same(a, b);
    }
    if (a->n != b->n) {
        return false;
    }
    for (uint32_t i = 0; i < a->n; i++) {
        bool equal = a->type == SA_VAL_LIST ? sa_val_equal(a->items[i], b->items[i])
                                            : compare_keys(a->pairs[i].key, a->pairs[i].n,
                                                           b->pairs[i].key, b->pairs[i].n) == 0 &&
                                                  sa_val_equal(a->pairs[i].val, b->pairs[i].val);
        if (!equal) {
            return false;
        }
    }
    return true;
}

bool sa_val_is(const struct sa_val *v, const char *text)
{
    return v != NULL && v->type == SA_VAL_STRING && v->n == strlen(text) &&
           memcmp(v->s, text, v->n) == 0;
}

void sa_val_prune_nulls(struct sa_val *v)
{
    if (v->type == SA_VAL_LIST) {
        for (uint32_t i = 0; i < v->n; i++) {
            sa_val_prune_nulls(v->items[i]);
        }
    }
    if (v->type != SA_VAL_MAP) {
        return;
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < v->n; i++) {
        if (v->pairs[i].val->type != SA_VAL_NULL) {
            sa_val_prune_nulls(v->pairs[i].val);
            v->pairs[kept++] = v->pairs[i];
        }
    }
    v->n = kept;
}
