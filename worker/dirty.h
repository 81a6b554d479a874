/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dirty keys: objects whose latest state is still to be sent. A set, so its size is bounded by
 * objects and not by time; past a bound of keys a scope's set collapses: the keys are dropped and
 * the scope as a whole is to be compared again. A key whose read failed waits by itself: the others
 * go on.
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
 * A key that was there counts as added now, and waits no less than it did. */
enum sa_dirty_add sa_dirty_add(struct sa_dirty *d, const char *namespace, const char *name);
bool sa_dirty_remove(struct sa_dirty *d, const char *namespace, const char *name);
bool sa_dirty_has(const struct sa_dirty *d, const char *namespace, const char *name);
size_t sa_dirty_count(const struct sa_dirty *d);
void sa_dirty_clear(struct sa_dirty *d);

/* Takes the key that was added first of those that need not wait out of the set; false if there is
 * none. Both strings are copied. tries: how often it was put off. */
bool sa_dirty_pop(struct sa_dirty *d, uint64_t now_ns, char namespace[64], char name[254],
                  unsigned *tries);
/* A key of the set is not to be popped before due_ns. tries: up to 255 are kept. */
void sa_dirty_put_off(struct sa_dirty *d, const char *namespace, const char *name, uint64_t due_ns,
                      unsigned tries);
/* When the next of those that wait may be popped; UINT64_MAX if none waits. */
uint64_t sa_dirty_due(const struct sa_dirty *d);
void sa_dirty_due_now(struct sa_dirty *d); /* none waits any longer */

/* What is in the set now is marked; what is added from now on, again too, is not. */
void sa_dirty_mark(struct sa_dirty *d);
/* Takes out a marked key, whether it waits or not; false if there is none. */
bool sa_dirty_pop_marked(struct sa_dirty *d, char namespace[64], char name[254]);

#endif
