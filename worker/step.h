/* SPDX-License-Identifier: Apache-2.0 */
/* Small things that the steps of a worker share. */
#ifndef SA_WORKER_STEP_H
#define SA_WORKER_STEP_H

#include "worker/state.h"

/* Something may be done at this time, and not before: the loop is woken then. */
void sa_worker_wake_at(struct sa_worker *w, uint64_t at_ns);

/* Lists (and initial events of watches) that run now. */
size_t sa_lists_running(const struct sa_worker *w);
/* As many as the budget allows. In an account of thousands of scopes each of them asks in each
 * turn, so that the answer "yes" holds for the rest of a round: one that ended meanwhile leaves its
 * place to the next. */
bool sa_lists_full(struct sa_worker *w);

/* A list, or the initial events of a watch, brought every object of the scope as of version. */
void sa_list_completed(struct sa_scope *s, const char *version, uint64_t version_n);

/* The table's last list is older than what was seen: an old copy of the data, or a restored etcd.
 * Returns true if it is to be refused; after three of them it is taken for a restore and accepted.
 */
bool sa_list_too_old(struct sa_scope *s, uint64_t version_n);

/* An etcd was restored: versions that are known mean nothing any more, all is read again, but for
 * scope s (NULL: none), whose list is under way. */
void sa_list_restored(struct sa_worker *w, const struct sa_scope *s);

void sa_resource_clear(struct sa_resource *r);

/* Servers that know no metadata alone (some aggregated APIs) send whole objects, as they do to
 * client-go's metadata client: these serve as well. */
#define SA_ACCEPT_METADATA                                                                         \
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
#define SA_ACCEPT_METADATA_LIST                                                                    \
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"

#endif
