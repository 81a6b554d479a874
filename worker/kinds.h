/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of the server's resources an account follows.
 *
 * A kind is named in the configuration by its kind, plural, singular or a short name, whatever the
 * case, or as one of these, a dot and the group. Without a group the ones that Kubernetes itself
 * serves are meant where there are such (of these the one that Clouddriver means: apps before
 * extensions), as Clouddriver does; else every custom resource of that name, each for itself.
 */
#ifndef SA_WORKER_KINDS_H
#define SA_WORKER_KINDS_H

#include <stdbool.h>
#include <stddef.h>

#include "config/settings.h"
#include "worker/discovery.h"

/* Sets `wanted` of each resource. Returns how many of the account's `kinds` and
 * customResourceDefinitions no resource answers to (now). */
size_t sa_kinds_select(const struct sa_account *a, struct sa_resources *r);

/* Why a resource is not followed, in words; NULL if it is wanted. */
const char *sa_kinds_omitted(const struct sa_account *a, const struct sa_resource *r);

/* Would a resource of this group, of which discovery knows nothing now, be followed? It decides
 * what is kept of earlier times while the server can't say. */
bool sa_kinds_would_want(const struct sa_account *a, const char *group, const char *plural,
                         const char *kind, bool namespaced);

/* With onlyNamespacedResources, Namespace and CustomResourceDefinition objects are made up from the
 * configuration; is this such a resource? */
bool sa_kinds_made_up(const struct sa_account *a, const char *group, const char *plural);

/* Does the entry of a configuration name this resource, groups aside? Case-insensitive. */
bool sa_kinds_named(const char *entry, const struct sa_resource *r);

#endif
