/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds duplicate members in the objects of a JSON text while it is read, at a few nanoseconds a
 * member: a stack of the names of the objects that are open. Most names are new by one look at a
 * 64-bit filter; an object with many members gets a hash table whose hash nobody outside can aim
 * at.
 */
#ifndef SA_WORKER_JSON_KEYS_H
#define SA_WORKER_JSON_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "worker/json_plain.h"

#define SA_JSON_KEYS_INLINE 160 /* open names that need no allocation: more than a pod ever has */
#define SA_JSON_KEY_MAX     INT32_MAX

struct sa_json_key {
    const char *start; /* content of the name, still escaped; borrowed */
    uint32_t n;        /* its bytes */
    uint32_t hash;     /* the top bit: there are escapes in it */
};

struct sa_json_key_set;

struct sa_json_keys {
    struct sa_json_key *v; /* n of them are open */
    size_t n, cap;
    struct sa_json_key_set *sets; /* of the open objects with many members, innermost first */
    struct sa_json_key few[SA_JSON_KEYS_INLINE];
};

/* One open object. */
struct sa_json_key_frame {
    size_t base; /* its first name */
    uint64_t seen;
    struct sa_json_key_set *set;
};

void sa_json_keys_init(struct sa_json_keys *k);
void sa_json_keys_free(struct sa_json_keys *k);

static inline void sa_json_keys_open(struct sa_json_keys *k, struct sa_json_key_frame *f)
{
    f->base = k->n;
    f->seen = 0;
    f->set = NULL;
}

void sa_json_keys_close_set(struct sa_json_keys *k, struct sa_json_key_frame *f);

static inline void sa_json_keys_close(struct sa_json_keys *k, struct sa_json_key_frame *f)
{
    k->n = f->base;
    if (f->set != NULL) {
        sa_json_keys_close_set(k, f);
    }
}

#define SA_JSON_KEYS_MANY 64 /* members from which an object has a set */

/* Quick, and good enough for a few names: their ends and their length. Eight bytes can be read at
 * p. */
static inline uint32_t sa_json_key_hash(const char *p, size_t n)
{
    uint64_t a, b;
    uint64_t mask = n < 8 ? (UINT64_C(1) << (8 * n)) - 1 : UINT64_MAX;
    memcpy(&a, p, 8);
    memcpy(&b, p + (n < 8 ? 0 : n - 8), 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    a = __builtin_bswap64(a);
    b = __builtin_bswap64(b);
#endif
    a = ((a & mask) ^ n) * UINT64_C(0x9e3779b97f4a7c15);
    b = (b & mask) * UINT64_C(0xd6e8feb86659fd93);
    return (uint32_t)((a ^ (b >> 7) ^ b) >> 33);
}

/* What sa_json_keys_add does where the first look does not do. */
int sa_json_keys_add_slow(struct sa_json_keys *k, struct sa_json_key_frame *f, const char *start,
                          size_t n, bool escaped, const char **earlier);

/* Adds a name of n <= SA_JSON_KEY_MAX bytes, which lies in a text that goes to end, to the
 * innermost object, whose frame is f. 0: it is new. 1: the object has it already; *earlier is where
 * the former one starts, which the new one replaces. -1: no memory. */
static inline int sa_json_keys_add(struct sa_json_keys *k, struct sa_json_key_frame *f,
                                   const char *start, size_t n, bool escaped, const char *end,
                                   const char **earlier)
{
    if (SA_LIKELY(end - start >= 8 && !escaped && k->n < k->cap &&
                  k->n - f->base < SA_JSON_KEYS_MANY)) {
        uint32_t hash = sa_json_key_hash(start, n);
        uint64_t bit = UINT64_C(1) << (hash & 63);
        if (SA_LIKELY((f->seen & bit) == 0)) {
            f->seen |= bit;
            k->v[k->n++] = (struct sa_json_key){start, (uint32_t)n, hash};
            return 0;
        }
    }
    return sa_json_keys_add_slow(k, f, start, n, escaped, earlier);
}

#endif
