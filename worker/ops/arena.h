/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that is freed as a whole, up to a bound: what the trees of one operation are made of. */
#ifndef SA_WORKER_OPS_ARENA_H
#define SA_WORKER_OPS_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct sa_arena_chunk;
struct sa_arena {
    struct sa_arena_chunk *chunks; /* owned, the newest first */
    size_t used, max;              /* bytes, of all chunks */
    bool full;                     /* the bound was reached, rather than memory short */
};

void sa_arena_init(struct sa_arena *a, size_t max);
void sa_arena_free(struct sa_arena *a); /* fit for SA_CLEANUP; init is needed before further use */
/* n bytes of undefined content, fit for any type; NULL past the bound or for lack of memory. */
void *sa_arena_alloc(struct sa_arena *a, size_t n);
/* A copy of s[0, n) with a NUL behind it. */
char *sa_arena_copy(struct sa_arena *a, const char *s, size_t n);

#endif
