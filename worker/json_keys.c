/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/json_keys.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "worker/json.h"

#define ESCAPED UINT32_C(0x80000000) /* in a key's hash */

/* Open addressing, at most half full; slot 0 is empty, else the index of a name in keys.v plus one.
 */
struct sa_json_key_set {
    struct sa_json_key_set *outer;
    size_t mask, n;
    struct {
        uint64_t hash;
        size_t name;
    } slots[];
};

void sa_json_keys_init(struct sa_json_keys *k)
{
    k->v = k->few;
    k->n = 0;
    k->cap = SA_JSON_KEYS_INLINE;
    k->sets = NULL;
}

void sa_json_keys_free(struct sa_json_keys *k)
{
    while (k->sets != NULL) {
        struct sa_json_key_set *outer = k->sets->outer;
        free(k->sets);
        k->sets = outer;
    }
    if (k->v != k->few) {
        free(k->v);
    }
    sa_json_keys_init(k);
}

void sa_json_keys_close_set(struct sa_json_keys *k, struct sa_json_key_frame *f)
{
    k->sets = f->set->outer;
    free(f->set);
    f->set = NULL;
}

/* The hash of the unescaped name, as if it had been written plainly. -1 for lack of memory. */
static int hash_of(const char *p, size_t n, bool escaped, uint32_t *out)
{
    if (!escaped && n >= 8) {
        *out = sa_json_key_hash(p, n);
        return 0;
    }
    char few[256];
    char *name = n + 8 <= sizeof(few) ? few : malloc(n + 8);
    if (name == NULL) {
        return -1;
    }
    memset(name, 0, 8);
    if (escaped) {
        n = sa_json_unescape(p, n, name, n);
    } else {
        memcpy(name, p, n);
    }
    *out = sa_json_key_hash(name, n);
    if (name != few) {
        free(name);
    }
    return 0;
}

static bool escapes(const struct sa_json_key *key)
{
    return (key->hash & ESCAPED) != 0;
}

static bool same(const struct sa_json_key *a, const struct sa_json_key *b)
{
    if (!escapes(a) && !escapes(b)) {
        return a->n == b->n && memcmp(a->start, b->start, a->n) == 0;
    }
    return sa_json_equal(a->start, a->n, b->start, b->n);
}

static int grow(struct sa_json_keys *k)
{
    size_t cap = k->cap * 2;
    bool first = k->v == k->few;
    struct sa_json_key *v = first ? calloc(cap, sizeof(*v)) : realloc(k->v, cap * sizeof(*v));
    if (v == NULL) {
        return -1;
    }
    if (first) {
        memcpy(v, k->few, sizeof(k->few));
    }
    k->v = v;
    k->cap = cap;
    return 0;
}

/* The hash that a set goes by. Returns -1 for lack of memory. */
static int keyed_hash(const struct sa_json_key *key, uint64_t *out)
{
    if (!escapes(key)) {
        *out = sa_hash128(key->start, key->n).a;
        return 0;
    }
    char *name = malloc((size_t)key->n + 1);
    if (name == NULL) {
        return -1;
    }
    size_t n = sa_json_unescape(key->start, key->n, name, key->n);
    *out = sa_hash128(name, n).a;
    free(name);
    return 0;
}

/* The slot of a name, or the empty one where it belongs. */
static size_t find(const struct sa_json_keys *k, const struct sa_json_key_set *s, uint64_t hash,
                   const struct sa_json_key *key)
{
    size_t i = (size_t)hash & s->mask;
    while (s->slots[i].name != 0 &&
           (s->slots[i].hash != hash || !same(&k->v[s->slots[i].name - 1], key))) {
        i = (i + 1) & s->mask;
    }
    return i;
}

/* A set twice as large as old (which goes), or the first one of an object. */
static struct sa_json_key_set *larger(struct sa_json_key_set *old)
{
    size_t slots = old != NULL ? (old->mask + 1) * 2 : (size_t)SA_JSON_KEYS_MANY * 4;
    struct sa_json_key_set *s = calloc(1, sizeof(*s) + slots * sizeof(s->slots[0]));
    if (s == NULL) {
        return NULL;
    }
    s->mask = slots - 1;
    if (old == NULL) {
        return s;
    }
    s->outer = old->outer;
    s->n = old->n;
    for (size_t i = 0; i <= old->mask; i++) {
        if (old->slots[i].name != 0) {
            size_t at = (size_t)old->slots[i].hash & s->mask;
            while (s->slots[at].name != 0) {
                at = (at + 1) & s->mask;
            }
            s->slots[at] = old->slots[i];
        }
    }
    free(old);
    return s;
}

/* Room for one more in the frame's set; at first with all names that the object has so far. */
static int make_room(struct sa_json_keys *k, struct sa_json_key_frame *f)
{
    bool first = f->set == NULL;
    if (!first && f->set->n < (f->set->mask + 1) / 2) {
        return 0;
    }
    struct sa_json_key_set *s = larger(f->set);
    if (s == NULL) {
        return -1;
    }
    if (first) {
        s->outer = k->sets;
    }
    f->set = k->sets = s;
    for (size_t i = f->base; first && i < k->n; i++) {
        uint64_t hash;
        if (keyed_hash(&k->v[i], &hash) != 0) {
            return -1;
        }
        size_t at = find(k, s, hash, &k->v[i]);
        s->slots[at].hash = hash;
        s->slots[at].name = i + 1;
        s->n++;
    }
    return 0;
}

static int replace(struct sa_json_key *old, const struct sa_json_key *key, const char **earlier)
{
    *earlier = old->start;
    *old = *key;
    return 1;
}

static int add_to_set(struct sa_json_keys *k, struct sa_json_key_frame *f,
                      const struct sa_json_key *key, const char **earlier)
{
    uint64_t hash;
    if (make_room(k, f) != 0 || keyed_hash(key, &hash) != 0) {
        return -1;
    }
    size_t at = find(k, f->set, hash, key);
    if (f->set->slots[at].name != 0) {
        return replace(&k->v[f->set->slots[at].name - 1], key, earlier);
    }
    f->set->slots[at].hash = hash;
    f->set->slots[at].name = k->n + 1;
    f->set->n++;
    k->v[k->n++] = *key;
    return 0;
}

int sa_json_keys_add_slow(struct sa_json_keys *k, struct sa_json_key_frame *f, const char *start,
                          size_t n, bool escaped, const char **earlier)
{
    uint32_t hash;
    if ((k->n == k->cap && grow(k) != 0) || hash_of(start, n, escaped, &hash) != 0) {
        return -1;
    }
    struct sa_json_key key = {
        .start = start, .n = (uint32_t)n, .hash = hash | (escaped ? ESCAPED : 0)};
    if (k->n - f->base >= SA_JSON_KEYS_MANY) {
        return add_to_set(k, f, &key, earlier);
    }
    for (size_t i = f->base; i < k->n; i++) {
        if (((k->v[i].hash ^ hash) & ~ESCAPED) == 0 && same(&k->v[i], &key)) {
            return replace(&k->v[i], &key, earlier);
        }
    }
    f->seen |= UINT64_C(1) << (hash & 63);
    k->v[k->n++] = key;
    return 0;
}
