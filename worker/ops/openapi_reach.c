/* SPDX-License-Identifier: Apache-2.0 */
/* Of all schemas of a document those that the kind's own refers to, packed. */
#include <stdlib.h>
#include <string.h>

#include "worker/ops/openapi_internal.h"

struct reach {
    const struct sa_schema *from;
    struct sa_schema *to;
    uint32_t *map;   /* node in from -> node in to + 1; 0: not reached */
    uint32_t *queue; /* nodes of from in the order of to; its length is to->n_nodes */
};

static void see(struct reach *r, uint32_t node)
{
    if (node == SA_NODE_MISSING || r->map[node] != 0) {
        return;
    }
    r->queue[r->to->n_nodes] = node;
    r->map[node] = ++r->to->n_nodes;
}

/* Breadth first; counts fields and strings on the way. */
static void walk(struct reach *r)
{
    const struct sa_schema *s = r->from;
    r->to->n_strings = 1;
    see(r, SA_NODE_EMPTY);
    see(r, s->root);
    for (uint32_t i = 0; i < r->to->n_nodes; i++) {
        const struct sa_node *node = &s->nodes[r->queue[i]];
        r->to->n_strings += strlen(s->strings + node->name) + 1;
        r->to->n_fields += node->n;
        for (uint32_t k = 0; k < node->n; k++) {
            const struct sa_field *f = &s->fields[node->fields + k];
            r->to->n_strings +=
                f->name_n + strlen(s->strings + f->merge_key) + strlen(s->strings + f->preset) + 3;
            see(r, f->as_map);
            see(r, f->as_list);
        }
    }
}

static uint32_t string(struct reach *r, uint32_t at, size_t n)
{
    if (n == 0) {
        return 0;
    }
    size_t to = r->to->n_strings;
    memcpy(r->to->strings + to, r->from->strings + at, n + 1);
    r->to->n_strings += n + 1;
    return (uint32_t)to;
}

static uint32_t text(struct reach *r, uint32_t at)
{
    return string(r, at, strlen(r->from->strings + at));
}

/* A node whose schema never came is none. */
static uint32_t moved(const struct reach *r, uint32_t node)
{
    return node == SA_NODE_MISSING || r->from->nodes[node].fields == SA_NODE_MISSING
               ? SA_NODE_MISSING
               : r->map[node] - 1;
}

static void copy(struct reach *r)
{
    struct sa_schema *to = r->to;
    uint32_t fields = 0;
    to->strings[0] = '\0';
    to->n_strings = 1;
    for (uint32_t i = 0; i < to->n_nodes; i++) {
        const struct sa_node *node = &r->from->nodes[r->queue[i]];
        to->nodes[i] =
            (struct sa_node){.name = text(r, node->name), .fields = fields, .n = node->n};
        for (uint32_t k = 0; k < node->n; k++) {
            struct sa_field f = r->from->fields[node->fields + k];
            f.name = string(r, f.name, f.name_n);
            f.merge_key = text(r, f.merge_key);
            f.preset = text(r, f.preset);
            f.as_map = moved(r, f.as_map);
            f.as_list = moved(r, f.as_list);
            to->fields[fields++] = f;
        }
    }
    to->root = r->map[r->from->root] - 1;
}

int sa_compile_finish(struct sa_compile *c, struct sa_schema **out, struct sa_err **err)
{
    struct sa_schema *to = calloc(1, sizeof *to);
    SA_CLEANUP(sa_freep) uint32_t *map = calloc(c->s.n_nodes, sizeof *map);
    SA_CLEANUP(sa_freep) uint32_t *queue = calloc(c->s.n_nodes, sizeof *queue);
    *out = NULL;
    if (to != NULL && map != NULL && queue != NULL) {
        struct reach r = {.from = &c->s, .to = to, .map = map, .queue = queue};
        walk(&r);
        to->nodes = malloc((to->n_nodes + 1) * sizeof *to->nodes);
        to->fields = malloc((to->n_fields + 1) * sizeof *to->fields);
        to->strings = malloc(to->n_strings + 1);
        if (to->nodes != NULL && to->fields != NULL && to->strings != NULL) {
            copy(&r);
            *out = to;
            return 0;
        }
    }
    sa_schema_free(to);
    return sa_err_set(err, SA_EMEMORY, "the server's OpenAPI document: out of memory");
}
