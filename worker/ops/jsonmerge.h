/* SPDX-License-Identifier: Apache-2.0 */
/* JSON merge patch (RFC 7386), and kubectl's three-way one for what has no strategic merge. */
#ifndef SA_WORKER_OPS_JSONMERGE_H
#define SA_WORKER_OPS_JSONMERGE_H

#include "worker/ops/strategic.h"
#include "worker/ops/val.h"

/* RFC 7386, section 2: *target becomes what the patch makes of it, in place where it is a map. Both
 * are used up. -1 for lack of memory. */
int sa_json_merge(struct sa_arena *a, struct sa_val **target, struct sa_val *patch);

/* CreateThreeWayJSONMergePatch of apimachinery's jsonmergepatch, with kubectl's preconditions: what
 * modified changes or adds against current, and null for what it lacks of original. Lists are
 * replaced as a whole. Unlike kubectl, whole numbers are compared exactly, not as doubles. The
 * inputs are used up. -1 with *err: SA_EREFUSED, SA_EMEMORY, SA_ELIMIT. */
int sa_json_merge_create(struct sa_arena *a, const struct sa_merge_inputs *in,
                         struct sa_val **patch, struct sa_err **err);

#endif
