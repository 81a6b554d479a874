/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strategic merge patch, as apimachinery's pkg/util/strategicpatch makes and applies it: lists
 * merged by keys, $patch, $setElementOrder, $deleteFromPrimitiveList, $retainKeys.
 */
#ifndef SA_WORKER_OPS_STRATEGIC_H
#define SA_WORKER_OPS_STRATEGIC_H

#include "worker/ops/openapi.h"
#include "worker/ops/val.h"

struct sa_merge_inputs {
    struct sa_val *original; /* the configuration that was applied last; NULL: none */
    struct sa_val *modified; /* the one to apply now */
    struct sa_val *current;  /* the object as it is */
};

/* CreateThreeWayMergePatch with overwrite: what modified changes or adds against current, and what
 * it lacks of original. The inputs (maps of arena a) are used up, the patch shares parts of them.
 * -1 with *err: SA_EREFUSED where the Go code gives an error, SA_EMEMORY, SA_ELIMIT. */
int sa_strategic_create(struct sa_arena *a, const struct sa_merge_inputs *in,
                        const struct sa_schema *schema, struct sa_val **patch, struct sa_err **err);

/* StrategicMergeMapPatch: the object with the patch applied, as the API server does it. Both are
 * used up. */
int sa_strategic_apply(struct sa_arena *a, struct sa_val *object, struct sa_val *patch,
                       const struct sa_schema *schema, struct sa_val **result, struct sa_err **err);

#endif
