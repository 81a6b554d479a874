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

#define SA_JSON_KEYS_INLINE 160 /* open names that need no allocation: more than a pod ever has */
#define SA_JSON_KEY_MAX     INT32_MAX

struct sa_json_key {
    const char *start; /* content of the name, still escaped; borrowed */
    uint32_t n;
    uint32_t hash : 31;
    uint32_t escaped : 1;
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

/* Adds a name of n <= SA_JSON_KEY_MAX bytes to the innermost object, whose frame is f. 0: it is
 * new. 1: the object has it already; *earlier is where the former one starts, which the new one
 * replaces. -1: no memory. */
int sa_json_keys_add(struct sa_json_keys *k, struct sa_json_key_frame *f, const char *start,
                     size_t n, bool escaped, const char **earlier);

#endif
