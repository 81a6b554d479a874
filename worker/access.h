/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where `namespaces` are many, one scope over all of them is cheaper, if the account may list the
 * resource cluster-wide. The server is asked (SelfSubjectAccessReview, authorization.k8s.io/v1),
 * once for each resource in the life of the worker, so that the scopes do not change with each
 * passing error.
 */
#ifndef SA_WORKER_ACCESS_H
#define SA_WORKER_ACCESS_H

#include <stdbool.h>

#include "worker/state.h"

/* Asks what was not asked yet; then, or at once, sa_plan_ready() is called. */
void sa_access_ask(struct sa_worker *w);
void sa_access_cancel(struct sa_worker *w);
/* The answer for one resource; false while unknown. */
bool sa_access_cluster_wide(const struct sa_worker *w, const struct sa_resource *r);

void sa_plan_ready(struct sa_worker *w);

#endif
