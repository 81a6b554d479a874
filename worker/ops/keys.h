/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The elements of a list by what tells them apart: the value of the merge key of an element that is
 * a map, the element itself otherwise. What looks up each element of one list in another stays
 * linear by it, whatever the lists hold.
 */
#ifndef SA_WORKER_OPS_KEYS_H
#define SA_WORKER_OPS_KEYS_H

#include <stddef.h>
#include <stdint.h>

#include "worker/ops/val.h"

#define SA_NO_PLACE UINT32_MAX

struct sa_keys {
    uint32_t *slots; /* place + 1 of an entry, 0: free; mask + 1 of them */
    uint64_t *hashes;
    const struct sa_val **entries; /* n, room for cap */
    uint32_t n, cap, mask;
};

/* What element e is known by: with a merge key "" itself, else its member of that name. NULL: it is
 * no map, or has none. */
const struct sa_val *sa_key_of(const struct sa_val *e, const char *merge_key);

/* Room for cap entries, none yet; -1 without memory. */
int sa_keys_init(struct sa_arena *a, struct sa_keys *k, uint32_t cap);
/* Those of a list, its i-th the i-th entry (NULL and containers are never found). */
int sa_keys_of(struct sa_arena *a, struct sa_keys *k, const struct sa_val *list,
               const char *merge_key);
void sa_keys_add(struct sa_keys *k, const struct sa_val *key); /* not past cap */
/* The place of the first entry that is the same scalar, or SA_NO_PLACE. */
uint32_t sa_keys_find(const struct sa_keys *k, const struct sa_val *key);

#endif
