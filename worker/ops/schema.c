/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ops/schema.h"

#include <stdlib.h>
#include <string.h>

#include "worker/ops/openapi_internal.h"

void sa_schema_free(struct sa_schema *s)
{
    if (s != NULL) {
        free(s->nodes);
        free(s->fields);
        free(s->strings);
        free(s);
    }
}

size_t sa_schema_bytes(const struct sa_schema *s)
{
    return sizeof *s + s->n_nodes * sizeof *s->nodes + s->n_fields * sizeof *s->fields +
           s->n_strings;
}

struct sa_schema_at sa_schema_root(const struct sa_schema *s)
{
    return (struct sa_schema_at){.s = s, .node = s->root};
}

const char *sa_schema_name(struct sa_schema_at at)
{
    return at.s->strings + at.s->nodes[at.node].name;
}

static const struct sa_field *find(struct sa_schema_at at, const char *key, size_t n)
{
    const struct sa_node *node = &at.s->nodes[at.node];
    uint32_t lo = 0, hi = node->n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        const struct sa_field *f = &at.s->fields[node->fields + mid];
        size_t less = f->name_n < n ? f->name_n : n;
        int c = less > 0 ? memcmp(at.s->strings + f->name, key, less) : 0;
        c = c != 0 ? c : (f->name_n > n) - (f->name_n < n);
        if (c == 0) {
            return f;
        }
        if (c < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return NULL;
}

int sa_schema_field(struct sa_schema_at at, const char *key, size_t n, bool elements,
                    struct sa_schema_at *sub, struct sa_patch_meta *meta)
{
    const struct sa_field *f = find(at, key, n);
    uint32_t node = f == NULL ? SA_NODE_MISSING : elements ? f->as_list : f->as_map;
    *sub = at;
    *meta = (struct sa_patch_meta){.merge_key = ""};
    if (f == NULL && at.s->partial) {
        sub->node = SA_NODE_EMPTY;
        return 0;
    }
    if (node == SA_NODE_MISSING) {
        return -1;
    }
    sub->node = node;
    meta->strategy = f->strategy;
    meta->retain_keys = f->retain_keys;
    meta->merge_key = at.s->strings + f->merge_key;
    return 0;
}

static int fill(struct sa_arena *a, struct sa_schema_at at, struct sa_val *map);

static int fill_value(struct sa_arena *a, const struct sa_schema *s, const struct sa_field *f,
                      struct sa_val *v)
{
    if (v->type == SA_VAL_MAP && f->as_map != SA_NODE_MISSING) {
        return fill(a, (struct sa_schema_at){.s = s, .node = f->as_map}, v);
    }
    for (uint32_t i = 0; v->type == SA_VAL_LIST && f->as_list != SA_NODE_MISSING && i < v->n; i++) {
        struct sa_schema_at at = {.s = s, .node = f->as_list};
        if (v->items[i]->type == SA_VAL_MAP && fill(a, at, v->items[i]) != 0) {
            return -1;
        }
    }
    return 0;
}

static int fill(struct sa_arena *a, struct sa_schema_at at, struct sa_val *map)
{
    const struct sa_node *node = &at.s->nodes[at.node];
    for (uint32_t i = 0; i < node->n; i++) {
        const struct sa_field *f = &at.s->fields[node->fields + i];
        const char *name = at.s->strings + f->name;
        struct sa_val *v = sa_val_get(map, name, f->name_n);
        if (v != NULL) {
            if (fill_value(a, at.s, f, v) != 0) {
                return -1;
            }
        } else if (f->preset != 0) {
            const char *json = at.s->strings + f->preset;
            char *key = sa_arena_copy(a, name, f->name_n);
            v = sa_val_parse(a, json, strlen(json), "the default of a field", NULL);
            if (key == NULL || sa_val_put(a, map, key, f->name_n, v) != 0) {
                return -1;
            }
        }
    }
    return 0;
}

int sa_schema_defaults(struct sa_arena *a, const struct sa_schema *s, struct sa_val *object,
                       struct sa_err **err)
{
    return fill(a, sa_schema_root(s), object) == 0 ? 0 : sa_val_no_memory(a, "the defaults", err);
}
