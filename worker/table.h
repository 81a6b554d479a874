/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a worker knows of its cluster: for each object a hash of its key, version and digest; no
 * object, no name. One table an account; an entry is 48 bytes. Every write of a key, from whatever
 * source, passes sa_table_put() or sa_table_remove(): there the merge rules are.
 *
 *  - Within a scope a lower version of the same uid never replaces a higher one.
 *  - A removal during a list leaves a tombstone until the list ends, so that an earlier page cannot
 *    bring the object back.
 *  - mark and sweep: entries that a complete list neither named nor that were written since it
 * began are gone from the cluster.
 */
#ifndef SA_WORKER_TABLE_H
#define SA_WORKER_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"

struct sa_table;

/* Scopes are numbered from 0, densely: there is an array of them. */
struct sa_table *sa_table_new(void); /* NULL for lack of memory */
void sa_table_free(struct sa_table *t);

/* Hash of (scope, namespace, name). scope is the worker's number of the scope. */
struct sa_hash128 sa_table_key(uint32_t scope, const char *namespace, const char *name);

enum sa_put {
    SA_PUT_NEW,     /* was not known */
    SA_PUT_CHANGED, /* other digest */
    SA_PUT_SAME,    /* same digest (version may be newer): nothing to send */
    SA_PUT_STALE,   /* older than what is known, or deleted since: ignored */
    SA_PUT_NO_MEMORY,
};
/* uid_hash: any 32-bit hash of the uid; a different uid always replaces if version is not lower. */
enum sa_put sa_table_put(struct sa_table *t, uint32_t scope, struct sa_hash128 key,
                         uint32_t uid_hash, uint64_t version, const struct sa_digest *digest);

enum sa_removed {
    SA_REMOVED,        /* was there */
    SA_REMOVED_ABSENT, /* was not known: the delete is sent all the same if the scope is incomplete
                        */
    SA_REMOVED_STALE,  /* a newer version (or the same key re-created) is known: ignored */
};
/* version: of the deletion, 0 if unknown (then always taken). */
enum sa_removed sa_table_remove(struct sa_table *t, uint32_t scope, struct sa_hash128 key,
                                uint64_t version);

/* What is known of a key; false if nothing (a tombstone is nothing). */
struct sa_known {
    uint64_t version;
    uint32_t uid_hash;
    struct sa_digest digest;
};
bool sa_table_get(const struct sa_table *t, struct sa_hash128 key, struct sa_known *out);

/* Lists. Only one list a scope at a time; begin again cancels. put/remove mark as they go. */
void sa_table_list_begin(struct sa_table *t, uint32_t scope);
/* Completed: sweeps. Returns the number of entries removed, whose names nobody knows: the caller
 * then compares by pages. Tombstones of the scope go. */
size_t sa_table_list_end(struct sa_table *t, uint32_t scope);
/* Broken off: nothing is swept; tombstones go. */
void sa_table_list_cancel(struct sa_table *t, uint32_t scope);

/* Forgets all of a scope (it is gone from the configuration or cluster). */
void sa_table_drop_scope(struct sa_table *t, uint32_t scope);
/* After a restore of etcd versions start lower: sets every version of the scope to 0. */
void sa_table_reset_versions(struct sa_table *t, uint32_t scope);

struct sa_table_sum {
    uint64_t count;
    struct sa_sum sum;
};
struct sa_table_sum sa_table_scope_sum(const struct sa_table *t, uint32_t scope);
size_t sa_table_count(const struct sa_table *t);
size_t sa_table_memory(const struct sa_table *t); /* bytes */

#endif
