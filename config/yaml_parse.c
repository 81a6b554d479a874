/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From bytes to a tree, by the events of libyaml. The bounds are checked at each event, so that a
 * hostile file costs no more than a large honest one.
 */
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "config/yaml_node.h"

#define MAX_DEPTH   256 /* of any limits; sizes the stack of open nodes */
#define MAX_ANCHORS 1000

const struct sa_yaml_limits sa_yaml_limits_default = {
    .max_bytes = (size_t)4 << 20,
    .max_text = (size_t)16 << 20,
    .max_nodes = 200000,
    .max_depth = 64,
};

struct anchor {
    char *name;
    const struct sa_yaml *node; /* complete; owned by the tree */
};

struct open_node {
    struct sa_yaml *node; /* a map or sequence; owned here until it is closed */
    struct sa_yaml *key;  /* of a map: the key that waits for its value; owned */
    char *anchor;         /* owned, or NULL */
};

struct builder {
    const char *name;
    struct sa_yaml_limits limits;
    size_t nodes, text;
    struct open_node stack[MAX_DEPTH];
    unsigned depth;
    struct sa_yaml *root;
    struct anchor anchors[MAX_ANCHORS];
    size_t n_anchors;
    struct sa_yaml_at at; /* of the error */
    struct sa_err **err;
};

static int fail(struct builder *b, enum sa_code code, unsigned line, unsigned column,
                const char *text)
{
    b->at = (struct sa_yaml_at){line, column};
    return sa_err_set(b->err, code, "%s", text);
}

static int fail_memory(struct builder *b)
{
    b->at = (struct sa_yaml_at){0, 0};
    return sa_err_set(b->err, SA_EMEMORY, "no memory for the file's content");
}

static unsigned mark_number(size_t v)
{
    return v >= UINT32_MAX ? UINT32_MAX : (unsigned)v + 1;
}

/* Counts a node and its text towards the bounds. */
static int charge(struct builder *b, size_t text, unsigned line, unsigned column)
{
    b->nodes++;
    b->text += text; /* each is below max_bytes, and the sum is checked each time */
    if (b->nodes > b->limits.max_nodes)
        return fail(b, SA_ELIMIT, line, column,
                    "the file holds too many values (are aliases nested?)");
    if (b->text > b->limits.max_text)
        return fail(b, SA_ELIMIT, line, column,
                    "the file's values are too long in all (are aliases nested?)");
    return 0;
}

static struct sa_yaml *start_node(struct builder *b, enum sa_yaml_kind kind, const yaml_event_t *e)
{
    unsigned line = mark_number(e->start_mark.line), column = mark_number(e->start_mark.column);
    size_t text = kind == SA_YAML_SCALAR ? e->data.scalar.length : 0;
    if (charge(b, text, line, column) != 0)
        return NULL;
    struct sa_yaml *y = sa_yaml_node(kind, b->name, line, column);
    if (y == NULL)
        fail_memory(b);
    return y;
}

static int remember_anchor(struct builder *b, char *name, const struct sa_yaml *node)
{
    if (b->n_anchors == MAX_ANCHORS) {
        free(name);
        return fail(b, SA_ELIMIT, node->line, node->column, "the file has more than 1000 anchors");
    }
    b->anchors[b->n_anchors++] = (struct anchor){name, node};
    return 0;
}

/* Puts a complete node where it belongs. Takes over node, and anchor (may be NULL). */
static int place(struct builder *b, struct sa_yaml *node, char *anchor)
{
    if (anchor != NULL && remember_anchor(b, anchor, node) != 0) {
        sa_yaml_free(node);
        return -1;
    }
    if (b->depth == 0) {
        b->root = node;
        return 0;
    }
    struct open_node *top = &b->stack[b->depth - 1];
    if (top->node->kind == SA_YAML_SEQUENCE)
        return sa_yaml_append(top->node, node) == 0 ? 0 : fail_memory(b);
    if (top->key == NULL) {
        if (node->kind == SA_YAML_SCALAR) {
            top->key = node;
            return 0;
        }
        fail(b, SA_ECONFIG, node->line, node->column, "a key must be a word, not a map or list");
        sa_yaml_free(node);
        return -1;
    }
    struct sa_yaml *key = top->key;
    top->key = NULL;
    return sa_yaml_add_pair(top->node, key, node) == 0 ? 0 : fail_memory(b);
}

/* The name of the anchor of an event, copied; *out is NULL where there is none. */
static int copy_anchor(struct builder *b, const yaml_char_t *name, char **out)
{
    *out = NULL;
    if (name == NULL)
        return 0;
    *out = strdup((const char *)name);
    return *out == NULL ? fail_memory(b) : 0;
}

static int on_scalar(struct builder *b, const yaml_event_t *e)
{
    struct sa_yaml *y = start_node(b, SA_YAML_SCALAR, e);
    if (y == NULL)
        return -1;
    const char *tag = (const char *)e->data.scalar.tag;
    y->quoted = e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE ||
                (tag != NULL && (strcmp(tag, YAML_STR_TAG) == 0 || strcmp(tag, "!") == 0));
    char *anchor = NULL;
    if (memchr(e->data.scalar.value, '\0', e->data.scalar.length) != NULL)
        fail(b, SA_ECONFIG, y->line, y->column, "a value holds a NUL character");
    else if (sa_yaml_set_text(y, (const char *)e->data.scalar.value, e->data.scalar.length) != 0)
        fail_memory(b);
    else if (copy_anchor(b, e->data.scalar.anchor, &anchor) == 0)
        return place(b, y, anchor);
    sa_yaml_free(y);
    return -1;
}

static int on_open(struct builder *b, const yaml_event_t *e, enum sa_yaml_kind kind,
                   const yaml_char_t *anchor_name)
{
    struct sa_yaml *y = start_node(b, kind, e);
    if (y == NULL)
        return -1;
    char *anchor = NULL;
    if (b->depth >= b->limits.max_depth) {
        fail(b, SA_ELIMIT, y->line, y->column, "maps and lists are nested too deeply");
        sa_yaml_free(y);
        return -1;
    }
    if (copy_anchor(b, anchor_name, &anchor) != 0) {
        sa_yaml_free(y);
        return -1;
    }
    b->stack[b->depth++] = (struct open_node){.node = y, .anchor = anchor};
    return 0;
}

static struct sa_yaml *copy_tree(struct builder *b, const struct sa_yaml *from, unsigned depth,
                                 const struct sa_yaml_at *at)
{
    if (charge(b, from->length, at->line, at->column) != 0)
        return NULL;
    if (depth > b->limits.max_depth) {
        fail(b, SA_ELIMIT, at->line, at->column, "aliases are nested too deeply");
        return NULL;
    }
    struct sa_yaml *y = sa_yaml_node(from->kind, from->name, from->line, from->column);
    if (y == NULL || (from->text != NULL && sa_yaml_set_text(y, from->text, from->length) != 0)) {
        fail_memory(b);
        goto failed;
    }
    y->quoted = from->quoted;
    for (size_t i = 0; i < from->n; i++) {
        struct sa_yaml *key = NULL, *item = copy_tree(b, from->items[i], depth + 1, at);
        if (item == NULL)
            goto failed;
        if (from->kind == SA_YAML_SEQUENCE) {
            if (sa_yaml_append(y, item) == 0)
                continue;
            fail_memory(b);
            goto failed;
        }
        key = copy_tree(b, from->keys[i], depth + 1, at);
        if (key == NULL) {
            sa_yaml_free(item);
            goto failed;
        }
        if (sa_yaml_add_pair(y, key, item) != 0) {
            fail_memory(b);
            goto failed;
        }
        y->sorted[i] = from->sorted[i];
    }
    return y;
failed:
    sa_yaml_free(y);
    return NULL;
}

static int on_alias(struct builder *b, const yaml_event_t *e)
{
    const char *name = (const char *)e->data.alias.anchor;
    struct sa_yaml_at at = {mark_number(e->start_mark.line), mark_number(e->start_mark.column)};
    for (size_t i = b->n_anchors; i > 0; i--) {
        if (strcmp(b->anchors[i - 1].name, name) != 0)
            continue;
        struct sa_yaml *copy = copy_tree(b, b->anchors[i - 1].node, b->depth + 1, &at);
        return copy == NULL ? -1 : place(b, copy, NULL);
    }
    return fail(b, SA_ECONFIG, at.line, at.column,
                "an alias names an anchor that is not complete before it");
}

static int compare_keys(const void *a, const void *b, void *arg)
{
    const struct sa_yaml *map = arg;
    const size_t *x = a, *y = b;
    int c = strcmp(map->keys[*x]->text, map->keys[*y]->text);
    return c != 0 ? c : (*x > *y) - (*x < *y);
}

/* Sorts the keys of a map that is complete, and finds those that are there twice. */
static int close_map(struct builder *b, struct sa_yaml *map)
{
    if (map->n < 2)
        return 0;
    qsort_r(map->sorted, map->n, sizeof(size_t), compare_keys, map);
    for (size_t i = 1; i < map->n; i++) {
        const struct sa_yaml *first = map->keys[map->sorted[i - 1]], *k = map->keys[map->sorted[i]];
        if (strcmp(first->text, k->text) != 0)
            continue;
        b->at = (struct sa_yaml_at){k->line, k->column};
        return sa_err_set(b->err, SA_ECONFIG, "the key \"%.100s\" is there twice, first in line %u",
                          k->text, first->line);
    }
    return 0;
}

/* Moves to map those pairs of source that it lacks. */
static int merge_pairs(struct builder *b, struct sa_yaml *map, const struct sa_yaml *source,
                       const struct sa_yaml_at *at)
{
    if (source->kind != SA_YAML_MAP)
        return fail(b, SA_ECONFIG, at->line, at->column,
                    "a merge key (<<) needs a map, or a list of maps");
    for (size_t i = 0; i < source->n; i++) {
        if (sa_yaml_get(map, source->keys[i]->text) != NULL)
            continue;
        struct sa_yaml *key = copy_tree(b, source->keys[i], b->depth, at);
        struct sa_yaml *item = key == NULL ? NULL : copy_tree(b, source->items[i], b->depth, at);
        if (item == NULL) {
            sa_yaml_free(key);
            return -1;
        }
        if (sa_yaml_put(map, key, item) != 0)
            return fail_memory(b);
    }
    return 0;
}

/* The merge key of YAML 1.1 (https://yaml.org/type/merge.html): own keys win, then the earlier map.
 */
static int apply_merge_key(struct builder *b, struct sa_yaml *map)
{
    size_t i = 0;
    while (i < map->n && (map->keys[i]->quoted || strcmp(map->keys[i]->text, "<<") != 0))
        i++;
    if (i == map->n)
        return 0;
    struct sa_yaml_at at = {map->keys[i]->line, map->keys[i]->column};
    /* The nodes below may carry anchors: they must live as long as the document is read. */
    const struct sa_yaml *source = map->items[i];
    if (source->kind != SA_YAML_SEQUENCE)
        return merge_pairs(b, map, source, &at);
    for (size_t k = 0; k < source->n; k++) {
        if (merge_pairs(b, map, source->items[k], &at) != 0)
            return -1;
    }
    return 0;
}

/* After the document: merge keys have done their work, and no anchor points into them any more. */
static void drop_merge_keys(struct sa_yaml *y)
{
    for (size_t i = 0; i < y->n;) {
        if (y->kind == SA_YAML_MAP && !y->keys[i]->quoted && strcmp(y->keys[i]->text, "<<") == 0) {
            sa_yaml_free(sa_yaml_take(y, i));
            continue;
        }
        drop_merge_keys(y->items[i]);
        i++;
    }
}

static int on_close(struct builder *b)
{
    struct open_node *top = &b->stack[b->depth - 1];
    if (top->node == NULL)
        return sa_err_set(b->err, SA_EINTERNAL, "an end without a beginning");
    if (top->node->kind == SA_YAML_MAP &&
        (close_map(b, top->node) != 0 || apply_merge_key(b, top->node) != 0))
        return -1;
    struct sa_yaml *node = top->node;
    char *anchor = top->anchor;
    *top = (struct open_node){0};
    b->depth--;
    return place(b, node, anchor);
}

static int on_event(struct builder *b, const yaml_event_t *e)
{
    switch (e->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (b->root == NULL)
            return 0;
        return fail(b, SA_ECONFIG, mark_number(e->start_mark.line),
                    mark_number(e->start_mark.column),
                    "a second document begins here; write one document a file");
    case YAML_SCALAR_EVENT:
        return on_scalar(b, e);
    case YAML_SEQUENCE_START_EVENT:
        return on_open(b, e, SA_YAML_SEQUENCE, e->data.sequence_start.anchor);
    case YAML_MAPPING_START_EVENT:
        return on_open(b, e, SA_YAML_MAP, e->data.mapping_start.anchor);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return on_close(b);
    case YAML_ALIAS_EVENT:
        return on_alias(b, e);
    default:
        return 0;
    }
}

/* libyaml's own words, which quote nothing of the file. */
static int parser_error(struct builder *b, const yaml_parser_t *p, const char *bytes, size_t n)
{
    const char *text = p->problem != NULL ? p->problem : "not readable as YAML";
    if (p->error == YAML_MEMORY_ERROR)
        return fail_memory(b);
    if (p->error == YAML_READER_ERROR) {
        unsigned line = 1, column = 1;
        for (size_t i = 0; i < p->problem_offset && i < n; i++) {
            column++;
            if (bytes[i] == '\n') {
                line++;
                column = 1;
            }
        }
        return fail(b, SA_ECONFIG, line, column, text);
    }
    b->at =
        (struct sa_yaml_at){mark_number(p->problem_mark.line), mark_number(p->problem_mark.column)};
    if (p->context != NULL)
        return sa_err_set(b->err, SA_ECONFIG, "not YAML: %s %s", text, p->context);
    return sa_err_set(b->err, SA_ECONFIG, "not YAML: %s", text);
}

static int run_parser(struct builder *b, const char *bytes, size_t n)
{
    yaml_parser_t parser;
    if (yaml_parser_initialize(&parser) == 0)
        return fail_memory(b);
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)bytes, n);
    int r = 0;
    bool more = true;
    while (more && r == 0) {
        yaml_event_t event;
        if (yaml_parser_parse(&parser, &event) == 0) {
            r = parser_error(b, &parser, bytes, n);
            break;
        }
        more = event.type != YAML_STREAM_END_EVENT;
        r = on_event(b, &event);
        if (event.type == YAML_SCALAR_EVENT)
            explicit_bzero(event.data.scalar.value, event.data.scalar.length);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return r;
}

static void builder_free(struct builder *b)
{
    for (unsigned i = 0; i < b->depth; i++) {
        sa_yaml_free(b->stack[i].node);
        sa_yaml_free(b->stack[i].key);
        free(b->stack[i].anchor);
    }
    for (size_t i = 0; i < b->n_anchors; i++)
        free(b->anchors[i].name);
    sa_yaml_free(b->root);
    free(b);
}

int sa_yaml_parse(const void *p, size_t n, const char *name, const struct sa_yaml_limits *limits,
                  struct sa_yaml **root, struct sa_yaml_at *at, struct sa_err **err)
{
    static const char bom[] = "\xef\xbb\xbf";
    const char *bytes = p;
    *root = NULL;
    struct builder *b = calloc(1, sizeof *b);
    if (b == NULL)
        return sa_err_set(err, SA_EMEMORY, "no memory to read %s", name);
    b->name = name;
    b->limits = limits != NULL ? *limits : sa_yaml_limits_default;
    if (b->limits.max_depth > MAX_DEPTH)
        b->limits.max_depth = MAX_DEPTH;
    b->err = err;
    if (n >= 3 && memcmp(bytes, bom, 3) == 0) {
        bytes += 3;
        n -= 3;
    }
    int r;
    if (n > b->limits.max_bytes)
        r = fail(b, SA_ELIMIT, 0, 0, "the file is too large");
    else
        r = n == 0 ? 0 : run_parser(b, bytes, n);
    if (r == 0 && b->root != NULL) {
        drop_merge_keys(b->root);
        *root = b->root;
        b->root = NULL;
    }
    if (at != NULL)
        *at = b->at;
    else if (r != 0)
        sa_err_wrap(err, "%s:%u:%u", name, b->at.line, b->at.column);
    builder_free(b);
    return r;
}
