/* SPDX-License-Identifier: Apache-2.0 */
/* The schema of a kind as the merge looks at it: a place in it, and the fields from there. */
#ifndef SA_WORKER_OPS_SCHEMA_H
#define SA_WORKER_OPS_SCHEMA_H

#include "worker/ops/openapi.h"
#include "worker/ops/val.h"

struct sa_schema_at {
    const struct sa_schema *s;
    uint32_t node;
};

enum sa_strategy { SA_STRATEGY_NONE, SA_STRATEGY_MERGE, SA_STRATEGY_REPLACE };

struct sa_patch_meta {
    enum sa_strategy strategy;
    bool retain_keys;
    const char *merge_key; /* "" none; of the schema */
};

struct sa_schema_at sa_schema_root(const struct sa_schema *s);
/* The type of the place: "PodSpec"; "" if it has none. For messages. */
const char *sa_schema_name(struct sa_schema_at at);
/* The field key[0, n) at this place: how it is merged, and the place of its value, or with elements
 * of a list of the list's elements. -1: there is no such field, or its type is not in the schema.
 */
int sa_schema_field(struct sa_schema_at at, const char *key, size_t n, bool elements,
                    struct sa_schema_at *sub, struct sa_patch_meta *meta);

/* Writes into object what the schema names as default and object does not have: scalars that are
 * not zero ("protocol": "TCP"), where the map that they belong to is there. */
int sa_schema_defaults(struct sa_arena *a, const struct sa_schema *s, struct sa_val *object,
                       struct sa_err **err);

#endif
