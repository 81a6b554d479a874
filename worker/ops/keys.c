/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ops/keys.h"

#include <string.h>

#include "base/hash.h"

const struct sa_val *sa_key_of(const struct sa_val *e, const char *merge_key)
{
    return merge_key[0] == '\0' ? e : sa_val_member(e, merge_key);
}

int sa_keys_init(struct sa_arena *a, struct sa_keys *k, uint32_t cap)
{
    *k = (struct sa_keys){.cap = cap, .mask = 7};
    if (cap > UINT32_MAX / 16) {
        return -1;
    }
    while (k->mask < cap * 2) {
        k->mask = k->mask * 2 + 1;
    }
    k->slots = sa_arena_alloc(a, ((size_t)k->mask + 1) * sizeof *k->slots);
    k->hashes = sa_arena_alloc(a, (size_t)cap * sizeof *k->hashes);
    k->entries = sa_arena_alloc(a, (size_t)cap * sizeof *k->entries);
    if (k->slots == NULL || k->hashes == NULL || k->entries == NULL) {
        return -1;
    }
    memset(k->slots, 0, ((size_t)k->mask + 1) * sizeof *k->slots);
    return 0;
}

static bool hash(const struct sa_val *v, uint64_t *h)
{
    int64_t whole;
    double d;
    if (v == NULL || v->type == SA_VAL_MAP || v->type == SA_VAL_LIST) {
        return false;
    }
    switch (v->type) {
    case SA_VAL_STRING:
        *h = sa_hash128(v->s, v->n).a;
        return true;
    case SA_VAL_FLOAT:
        d = v->d == 0 ? 0 : v->d; /* -0 is 0 */
        *h = sa_hash128(&d, sizeof d).a;
        return true;
    case SA_VAL_INT:
        whole = v->i;
        break;
    default:
        whole = v->type == SA_VAL_BOOL && v->b ? -1 : -2;
    }
    *h = sa_hash128(&whole, sizeof whole).a;
    return true;
}

static uint32_t find(const struct sa_keys *k, const struct sa_val *key, uint64_t h, uint32_t *slot)
{
    uint32_t s = (uint32_t)h & k->mask;
    for (; k->slots[s] != 0; s = (s + 1) & k->mask) {
        uint32_t place = k->slots[s] - 1;
        if (k->hashes[place] == h && sa_val_same(k->entries[place], key)) {
            return place;
        }
    }
    *slot = s;
    return SA_NO_PLACE;
}

void sa_keys_add(struct sa_keys *k, const struct sa_val *key)
{
    uint64_t h;
    uint32_t slot;
    if (k->n == k->cap) {
        return;
    }
    if (hash(key, &h)) {
        k->hashes[k->n] = h;
        k->entries[k->n] = key;
        if (find(k, key, h, &slot) == SA_NO_PLACE) {
            k->slots[slot] = k->n + 1;
        }
    }
    k->n++;
}

int sa_keys_of(struct sa_arena *a, struct sa_keys *k, const struct sa_val *list,
               const char *merge_key)
{
    if (sa_keys_init(a, k, list->n) != 0) {
        return -1;
    }
    for (uint32_t i = 0; i < list->n; i++) {
        sa_keys_add(k, sa_key_of(list->items[i], merge_key));
    }
    return 0;
}

uint32_t sa_keys_find(const struct sa_keys *k, const struct sa_val *key)
{
    uint64_t h;
    uint32_t slot;
    return hash(key, &h) ? find(k, key, h, &slot) : SA_NO_PLACE;
}
