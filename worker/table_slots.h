/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The slots of the table: entries in the order of their hashes, each at its home (hash scaled to
 * the number of homes) or as close behind as there is room. In this order, growing, shrinking and
 * sweeping need no second array: entries only ever move one way. Private to table.c.
 */
#ifndef SA_WORKER_TABLE_SLOTS_H
#define SA_WORKER_TABLE_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"

struct sa_entry {
    struct sa_hash128 key;
    struct sa_digest digest;
    uint64_t version;
    uint32_t uid_hash;
    uint32_t scope : 28;
    uint32_t used : 1;
    uint32_t mark : 1; /* equal to its scope's: named or written since the last list began */
    uint32_t tomb : 1; /* removed while a list is under way */
    uint32_t gone : 1; /* with tomb: this uid does not come back, whatever version it claims */
};
_Static_assert(sizeof(struct sa_entry) == 48, "an object costs 48 bytes");

struct sa_slots {
    struct sa_entry *v;
    size_t homes; /* 0 while there is nothing */
    size_t total; /* homes, and room behind the last one */
    size_t count; /* used ones */
};

void sa_slots_free(struct sa_slots *s);
/* The entry of a key, or NULL. */
struct sa_entry *sa_slots_find(const struct sa_slots *s, struct sa_hash128 key);
/* A new entry, zero but for key and used, for a key that is not there; NULL for lack of memory.
 * Moves others. */
struct sa_entry *sa_slots_insert(struct sa_slots *s, struct sa_hash128 key);
void sa_slots_remove(struct sa_slots *s, struct sa_entry *e);
/* Visits each entry once; keep may change all but its key. Those for which it says false are
 * removed. */
void sa_slots_filter(struct sa_slots *s, bool (*keep)(void *arg, struct sa_entry *e), void *arg);
/* Gives memory back if there is much to spare. */
void sa_slots_shrink(struct sa_slots *s);

#endif
