/* SPDX-License-Identifier: Apache-2.0 */
/* What openapi.c (the document), openapi_compile.c (one schema) and schema.c (the result) share. */
#ifndef SA_WORKER_OPS_OPENAPI_INTERNAL_H
#define SA_WORKER_OPS_OPENAPI_INTERNAL_H

#include "worker/ops/schema.h"
#include "worker/ops/val.h"

/* A place without fields: scalars, and maps of them. */
#define SA_NODE_EMPTY 0u
/* A reference that the document does not resolve. */
#define SA_NODE_MISSING UINT32_MAX

struct sa_field {
    uint32_t name, name_n; /* in the strings */
    uint32_t merge_key;
    uint32_t as_map, as_list; /* nodes: of the value, of the elements of a list */
    uint32_t preset;          /* JSON of the default if it is a scalar and not zero; 0: none */
    enum sa_strategy strategy;
    bool retain_keys;
};
struct sa_node {
    uint32_t name;      /* in the strings */
    uint32_t fields, n; /* sorted by name */
};
struct sa_schema {
    struct sa_node *nodes; /* n_nodes; [0] is empty */
    struct sa_field *fields;
    char *strings; /* each with a NUL; [0] is the empty one */
    uint32_t n_nodes, n_fields, root;
    bool partial; /* it names but the fields that are merged in a way of their own */
    size_t n_strings;
};

/* Schemas on their way to a sa_schema: its three arrays while they grow, and references by name. */
struct sa_compile {
    struct sa_schema s;
    uint32_t cap_nodes, cap_fields;
    size_t cap_strings;
    /* what components.schemas names: node i has the full name refs[i], 0: it is an inline one; and
     * the nodes by the hash of that name: node or 0, mask + 1 slots */
    uint32_t *refs, *table;
    uint32_t named, mask;
    bool root_found;
};
/* Bound of each of the arrays, in bytes: an honest document needs below 1 MB. */
#define SA_COMPILE_MAX ((size_t)16 << 20)

int sa_compile_init(struct sa_compile *c, struct sa_err **err);
void sa_compile_free(struct sa_compile *c);
/* Takes components.schemas[name]. root: it is the kind's. */
int sa_compile_schema(struct sa_compile *c, const char *name, const struct sa_val *schema,
                      bool root, struct sa_err **err);
/* What can be reached from the root, as a schema of its own. */
int sa_compile_finish(struct sa_compile *c, struct sa_schema **out, struct sa_err **err);

#endif
