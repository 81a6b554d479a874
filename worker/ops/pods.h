/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose logs `kubectl logs` shows (1.36: k8s.io/kubectl pkg/polymorphichelpers/logsforobject.go,
 * pkg/util/podutils, pkg/cmd/util/podcmd): the pods of what owns pods, and the containers of a pod.
 */
#ifndef SA_WORKER_OPS_PODS_H
#define SA_WORKER_OPS_PODS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "worker/ops/val.h"

/* Which pods belong to an object of this kind, as the API's labelSelector. False: the kind has none
 * that kubectl looks for, or the object names none; *why (static) then is its reason. */
bool sa_pods_selector(const struct sa_val *object, const char *group, const char *kind,
                      struct sa_buf *out, const char **why);
/* The pod of a list whose logs tell most: one that runs, is ready, and has been for long; of others
 * the one that restarted most, the oldest. NULL: the list has none. *n: how many it has. */
const struct sa_val *sa_pods_best(const struct sa_val *list, uint32_t *n);

#define SA_POD_CONTAINERS 256u /* of one pod that are looked at */
struct sa_containers {
    const char *v[SA_POD_CONTAINERS]; /* names, borrowed from the pod */
    size_t n;
};
/* The containers whose logs are wanted: all (init containers first), the one that is named, or the
 * default one. note gets what kubectl says of its choice, a line each, none at the end. -1: there
 * is no such container, note says that. */
int sa_pod_containers(const struct sa_val *pod, const char *wanted, bool all,
                      struct sa_containers *out, struct sa_buf *note);

#endif
