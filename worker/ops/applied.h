/* SPDX-License-Identifier: Apache-2.0 */
/* The annotation kubectl.kubernetes.io/last-applied-configuration, byte by byte as kubectl's
 * (k8s.io/kubectl pkg/util/apply.go). */
#ifndef SA_WORKER_OPS_APPLIED_H
#define SA_WORKER_OPS_APPLIED_H

#include "worker/ops/val.h"

/* Sets the annotation in object to the text of object without it: GetModifiedConfiguration and
 * CreateApplyAnnotation. The text has sorted names, "annotations":{} where there are none, and ends
 * in a line feed. -1 with *err: SA_EREFUSED an annotation is no string (null is ""), or all of them
 * together are larger than the API server takes; SA_ELIMIT, SA_EMEMORY. */
int sa_applied_set(struct sa_arena *a, struct sa_val *object, struct sa_err **err);

/* What was applied last, parsed: NULL without *err if there is no annotation or it is empty. */
struct sa_val *sa_applied_get(struct sa_arena *a, const struct sa_val *object, struct sa_err **err);

#endif
