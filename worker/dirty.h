/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dirty keys: objects whose latest state is still to be sent. A set, so its size is bounded by
 * objects and not by time; past a bound of bytes a scope's set collapses: the keys are dropped and
 * the scope as a whole is to be compared again.
 */
#ifndef SA_WORKER_DIRTY_H
#define SA_WORKER_DIRTY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sa_dirty;
struct sa_dirty *sa_dirty_new(size_t max_keys); /* a scope's bound; NULL for lack of memory */
void sa_dirty_free(struct sa_dirty *d);

enum sa_dirty_add { SA_DIRTY_ADDED, SA_DIRTY_WAS_THERE, SA_DIRTY_COLLAPSED };
/* COLLAPSED (the bound, or no memory): the scope's keys are gone from the set; compare the scope.
 */
enum sa_dirty_add sa_dirty_add(struct sa_dirty *d, const char *namespace, const char *name);
bool sa_dirty_remove(struct sa_dirty *d, const char *namespace, const char *name);
bool sa_dirty_has(const struct sa_dirty *d, const char *namespace, const char *name);
size_t sa_dirty_count(const struct sa_dirty *d);
void sa_dirty_clear(struct sa_dirty *d);

/* Takes the key that was added first out of the set; false if empty. Both strings are copied. */
bool sa_dirty_pop(struct sa_dirty *d, char namespace[64], char name[254]);

#endif
