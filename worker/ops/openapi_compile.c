/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One schema object (OpenAPI 3.0, 4.7.24) after the other becomes nodes and fields. References are
 * nodes without fields until their schema comes, by name. What the merge never looks at (types,
 * formats, descriptions) is dropped.
 */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "worker/ops/openapi_internal.h"

#define REF    "#/components/schemas/"
#define REF_V2 "#/definitions/"

static int short_of(struct sa_err **err)
{
    return sa_err_set(err, SA_EMEMORY, "the server's OpenAPI document: out of memory");
}

/* Room for more of size bytes behind n of cap. */
static int room(void **p, size_t n, size_t more, size_t *cap, size_t size, struct sa_err **err)
{
    if (n + more <= *cap) {
        return 0;
    }
    size_t want = *cap * 2 > n + more ? *cap * 2 : n + more + 64;
    if (want > SA_COMPILE_MAX / size) {
        return sa_err_set(err, SA_ELIMIT, "the server's OpenAPI document: it has too many schemas");
    }
    void *q = realloc(*p, want * size);
    if (q == NULL) {
        return short_of(err);
    }
    *p = q;
    *cap = want;
    return 0;
}

static int add_string(struct sa_compile *c, const char *s, size_t n, uint32_t *out,
                      struct sa_err **err)
{
    void *p = c->s.strings;
    if (n == 0) {
        *out = 0;
        return 0;
    }
    if (room(&p, c->s.n_strings, n + 1, &c->cap_strings, 1, err) != 0) {
        return -1;
    }
    c->s.strings = p;
    memcpy(c->s.strings + c->s.n_strings, s, n);
    c->s.strings[c->s.n_strings + n] = '\0';
    *out = (uint32_t)c->s.n_strings;
    c->s.n_strings += n + 1;
    return 0;
}

static int add_node(struct sa_compile *c, uint32_t *out, struct sa_err **err)
{
    void *nodes = c->s.nodes, *refs = c->refs;
    size_t cap = c->cap_nodes, cap_refs = c->cap_nodes;
    int r = room(&nodes, c->s.n_nodes, 1, &cap, sizeof *c->s.nodes, err);
    c->s.nodes = nodes;
    if (r != 0) {
        return -1;
    }
    r = room(&refs, c->s.n_nodes, 1, &cap_refs, sizeof *c->refs, err);
    c->refs = refs;
    if (r != 0) {
        return -1;
    }
    c->cap_nodes = (uint32_t)(cap < cap_refs ? cap : cap_refs);
    *out = c->s.n_nodes++;
    c->s.nodes[*out] = (struct sa_node){0};
    c->refs[*out] = 0;
    return 0;
}

static uint32_t *slot_of(const struct sa_compile *c, const char *name)
{
    uint32_t i = (uint32_t)sa_hash128(name, strlen(name)).a & c->mask;
    while (c->table[i] != 0 && strcmp(c->s.strings + c->refs[c->table[i]], name) != 0) {
        i = (i + 1) & c->mask;
    }
    return &c->table[i];
}

/* The table stays at most half full. */
static int grow_table(struct sa_compile *c, struct sa_err **err)
{
    if (c->table != NULL && c->named * 2 < c->mask) {
        return 0;
    }
    uint32_t mask = c->table != NULL ? c->mask * 2 + 1 : 511;
    uint32_t *table = calloc((size_t)mask + 1, sizeof *table);
    if (table == NULL) {
        return short_of(err);
    }
    free(c->table);
    c->table = table;
    c->mask = mask;
    for (uint32_t i = 1; i < c->s.n_nodes; i++) {
        if (c->refs[i] != 0) {
            *slot_of(c, c->s.strings + c->refs[i]) = i;
        }
    }
    return 0;
}

/* The node of components.schemas[name], made where it is not known yet. */
static int node_of(struct sa_compile *c, const char *name, uint32_t *out, struct sa_err **err)
{
    const char *dot = strrchr(name, '.');
    if (grow_table(c, err) != 0) {
        return -1;
    }
    uint32_t *slot = slot_of(c, name);
    *out = *slot;
    if (*slot != 0) {
        return 0;
    }
    if (add_node(c, out, err) != 0 || add_string(c, name, strlen(name), &c->refs[*out], err) != 0) {
        return -1;
    }
    *slot = *out;
    c->named++;
    /* the type's own name is the end of the full one */
    c->s.nodes[*out].name = c->refs[*out] + (dot != NULL ? (uint32_t)(dot + 1 - name) : 0);
    c->s.nodes[*out].fields = SA_NODE_MISSING; /* until its schema comes */
    return 0;
}

static int fields_of(struct sa_compile *c, uint32_t node, const struct sa_val *schema,
                     struct sa_err **err);

/* resolve() of apimachinery's PatchMetaFromOpenAPIV3: the first of allOf, then the reference. */
static int target(struct sa_compile *c, const struct sa_val *schema, uint32_t *out,
                  struct sa_err **err)
{
    const struct sa_val *all = sa_val_member(schema, "allOf");
    if (all != NULL && all->type == SA_VAL_LIST && all->n > 0) {
        schema = all->items[0];
    }
    const char *ref = sa_val_str(schema, "$ref");
    *out = SA_NODE_EMPTY;
    if (strncmp(ref, REF, sizeof REF - 1) == 0) {
        ref += sizeof REF - 1;
    } else if (strncmp(ref, REF_V2, sizeof REF_V2 - 1) == 0) {
        ref += sizeof REF_V2 - 1;
    }
    if (ref[0] != '\0') {
        return node_of(c, ref, out, err);
    }
    const struct sa_val *properties = sa_val_member(schema, "properties");
    if (properties == NULL || properties->type != SA_VAL_MAP || properties->n == 0) {
        return 0;
    }
    return add_node(c, out, err) == 0 ? fields_of(c, *out, schema, err) : -1;
}

static void strategy_of(const char *text, struct sa_field *f)
{
    const char *comma = strchr(text, ',');
    size_t n = comma != NULL ? (size_t)(comma - text) : strlen(text);
    const char *parts[] = {text, comma != NULL ? comma + 1 : ""};
    size_t lengths[] = {n, strlen(parts[1])};
    for (int i = 0; i < 2; i++) {
        if (lengths[i] == 5 && memcmp(parts[i], "merge", 5) == 0) {
            f->strategy = SA_STRATEGY_MERGE;
        } else if (lengths[i] == 7 && memcmp(parts[i], "replace", 7) == 0) {
            f->strategy = SA_STRATEGY_REPLACE;
        } else if (lengths[i] == 10 && memcmp(parts[i], "retainKeys", 10) == 0) {
            f->retain_keys = true;
        }
    }
}

/* A default that is not the zero of its type: those stand there for Go's sake alone. */
static int preset_of(struct sa_compile *c, const struct sa_val *v, uint32_t *out,
                     struct sa_err **err)
{
    SA_CLEANUP(sa_buf_free) struct sa_buf b = {0};
    sa_buf_init(&b, 4096);
    *out = 0;
    if (v == NULL || !((v->type == SA_VAL_STRING && v->n > 0) ||
                       (v->type == SA_VAL_INT && v->i != 0) || (v->type == SA_VAL_BOOL && v->b))) {
        return 0;
    }
    sa_val_print(v, &b);
    return b.failed ? 0 : add_string(c, b.data, b.len, out, err);
}

static int compile_field(struct sa_compile *c, const struct sa_pair *p, struct sa_field *f,
                         struct sa_err **err)
{
    const struct sa_val *items = sa_val_member(p->val, "items");
    const char *key = sa_val_str(p->val, "x-kubernetes-patch-merge-key");
    *f = (struct sa_field){.name_n = p->n};
    strategy_of(sa_val_str(p->val, "x-kubernetes-patch-strategy"), f);
    if (add_string(c, p->key, p->n, &f->name, err) != 0 ||
        add_string(c, key, strlen(key), &f->merge_key, err) != 0 ||
        preset_of(c, sa_val_member(p->val, "default"), &f->preset, err) != 0 ||
        target(c, p->val, &f->as_map, err) != 0) {
        return -1;
    }
    f->as_list = f->as_map;
    return items != NULL ? target(c, items, &f->as_list, err) : 0;
}

/* The fields of a node lie side by side: their places are taken before inline schemas below them
 * take theirs. Recurses as deep as the document is nested. */
static int fields_of(struct sa_compile *c, uint32_t node, const struct sa_val *schema,
                     struct sa_err **err)
{
    const struct sa_val *properties = sa_val_member(schema, "properties");
    uint32_t first = c->s.n_fields, n = 0;
    c->s.nodes[node].fields = first;
    if (properties == NULL || properties->type != SA_VAL_MAP) {
        return 0;
    }
    n = properties->n;
    void *p = c->s.fields;
    size_t cap = c->cap_fields;
    int r = room(&p, first, n, &cap, sizeof *c->s.fields, err);
    c->s.fields = p;
    c->cap_fields = (uint32_t)cap;
    if (r != 0) {
        return -1;
    }
    c->s.n_fields += n;
    c->s.nodes[node].n = n;
    if (n > 0) { /* else there may be none at all yet */
        memset(c->s.fields + first, 0, n * sizeof *c->s.fields);
    }
    for (uint32_t i = 0; i < n; i++) {
        struct sa_field f;
        if (compile_field(c, &properties->pairs[i], &f, err) != 0) {
            return -1;
        }
        c->s.fields[first + i] = f;
    }
    return 0;
}

int sa_compile_init(struct sa_compile *c, struct sa_err **err)
{
    uint32_t empty;
    *c = (struct sa_compile){0};
    void *p = NULL;
    int r = room(&p, 0, 1, &c->cap_strings, 1, err);
    c->s.strings = p;
    if (r != 0 || p == NULL) {
        return -1;
    }
    c->s.strings[0] = '\0';
    c->s.n_strings = 1;
    return add_node(c, &empty, err);
}

void sa_compile_free(struct sa_compile *c)
{
    free(c->s.nodes);
    free(c->s.fields);
    free(c->s.strings);
    free(c->refs);
    free(c->table);
    *c = (struct sa_compile){0};
}

int sa_compile_schema(struct sa_compile *c, const char *name, const struct sa_val *schema,
                      bool root, struct sa_err **err)
{
    uint32_t node;
    if (node_of(c, name, &node, err) != 0) {
        return -1;
    }
    if (root && !c->root_found) {
        c->root_found = true;
        c->s.root = node;
    }
    return c->s.nodes[node].fields == SA_NODE_MISSING ? fields_of(c, node, schema, err) : 0;
}
