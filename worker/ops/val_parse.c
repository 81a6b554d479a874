/* SPDX-License-Identifier: Apache-2.0 */
/* From text to values: worker/json.h scans, here the tree is made. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "worker/json.h"
#include "worker/ops/val.h"

struct parser {
    struct sa_arena *a;
    const char *end;
    struct sa_json_fault fault;
    bool no_memory;
};

static const char *value(struct parser *p, const char *at, unsigned depth, struct sa_val **out);

static const char *no_memory(struct parser *p)
{
    p->no_memory = true;
    return NULL;
}

/* The string whose content starts at at, behind the quote. */
static const char *string(struct parser *p, const char *at, const char **s, uint32_t *n)
{
    bool escaped = false;
    const char *end = sa_json_string(at, p->end, &escaped, &p->fault);
    if (end == NULL) {
        return NULL;
    }
    size_t raw = (size_t)(end - 1 - at);
    if (raw >= UINT32_MAX) {
        return sa_json_wrong(&p->fault, "the string is too long", at);
    }
    char *copy = escaped ? sa_arena_alloc(p->a, raw + 1) : sa_arena_copy(p->a, at, raw);
    if (copy == NULL) {
        return no_memory(p);
    }
    if (escaped) {
        raw = sa_json_unescape(at, raw, copy, raw);
        copy[raw] = '\0';
    }
    *s = copy;
    *n = (uint32_t)raw;
    return end;
}

/* sigs.k8s.io/json: without a point and within 64 bits it is whole, else a double. */
static const char *number(struct parser *p, const char *at, struct sa_val *v)
{
    const char *end = sa_json_scalar(at, p->end, &p->fault);
    if (end == NULL) {
        return NULL;
    }
    if (sa_json_integer(at, (size_t)(end - at), &v->i)) {
        v->type = SA_VAL_INT;
        return end;
    }
    /* The scanner has seen its end, but strtod looks for a NUL or a foreign byte: a copy has one.
     */
    char *copy = sa_arena_copy(p->a, at, (size_t)(end - at));
    if (copy == NULL) {
        return no_memory(p);
    }
    v->type = SA_VAL_FLOAT;
    v->d = strtod(copy, NULL);
    return isfinite(v->d) ? end : sa_json_wrong(&p->fault, "the number is too large", at);
}

static const char *list(struct parser *p, const char *at, unsigned depth, struct sa_val *v)
{
    v->type = SA_VAL_LIST;
    at = sa_json_space(at, p->end);
    if (at < p->end && *at == ']') {
        return at + 1;
    }
    for (;;) {
        struct sa_val *item = NULL;
        at = value(p, at, depth + 1, &item);
        if (at == NULL) {
            return NULL;
        }
        if (sa_val_append(p->a, v, item) != 0) {
            return no_memory(p);
        }
        at = sa_json_space(at, p->end);
        if (at < p->end && *at == ']') {
            return at + 1;
        }
        if (at == p->end || *at != ',') {
            return sa_json_wrong(&p->fault, "a comma or a closing bracket is missing", at);
        }
        at++;
    }
}

/* A pair and its place in the text. */
struct placed {
    struct sa_pair pair;
    uint32_t at;
};

static int compare(const struct sa_pair *a, const struct sa_pair *b)
{
    size_t n = a->n < b->n ? a->n : b->n;
    int c = n > 0 ? memcmp(a->key, b->key, n) : 0;
    return c != 0 ? c : (a->n > b->n) - (a->n < b->n);
}

static int by_key(const void *x, const void *y)
{
    const struct placed *a = x, *b = y;
    int c = compare(&a->pair, &b->pair);
    return c != 0 ? c : (a->at > b->at) - (a->at < b->at);
}

/* The pairs of v as they came become sorted; of equal names the last of the text stays. */
static int order(struct parser *p, struct sa_val *v)
{
    uint32_t i = 1;
    while (i < v->n && compare(&v->pairs[i - 1], &v->pairs[i]) < 0) {
        i++;
    }
    if (i >= v->n) {
        return 0;
    }
    struct placed *all = malloc(v->n * sizeof *all);
    if (all == NULL) {
        no_memory(p);
        return -1;
    }
    for (i = 0; i < v->n; i++) {
        all[i] = (struct placed){.pair = v->pairs[i], .at = i};
    }
    qsort(all, v->n, sizeof *all, by_key);
    uint32_t kept = 0;
    for (i = 0; i < v->n; i++) {
        if (i + 1 == v->n || compare(&all[i].pair, &all[i + 1].pair) != 0) {
            v->pairs[kept++] = all[i].pair;
        }
    }
    v->n = kept;
    free(all);
    return 0;
}

static const char *pair(struct parser *p, const char *at, unsigned depth, struct sa_val *v)
{
    struct sa_pair m;
    at = sa_json_space(at, p->end);
    if (at == p->end || *at != '"') {
        return sa_json_wrong(&p->fault, "the name of a member is missing", at);
    }
    at = string(p, at + 1, &m.key, &m.n);
    if (at == NULL) {
        return NULL;
    }
    at = sa_json_space(at, p->end);
    if (at == p->end || *at != ':') {
        return sa_json_wrong(&p->fault, "a colon is missing", at);
    }
    at = value(p, at + 1, depth + 1, &m.val);
    if (at == NULL) {
        return NULL;
    }
    return sa_val_add_pair(p->a, v, &m) == 0 ? at : no_memory(p);
}

static const char *map(struct parser *p, const char *at, unsigned depth, struct sa_val *v)
{
    v->type = SA_VAL_MAP;
    at = sa_json_space(at, p->end);
    if (at < p->end && *at == '}') {
        return at + 1;
    }
    for (;;) {
        at = pair(p, at, depth, v);
        if (at == NULL) {
            return NULL;
        }
        at = sa_json_space(at, p->end);
        if (at < p->end && *at == '}') {
            return order(p, v) == 0 ? at + 1 : NULL;
        }
        if (at == p->end || *at != ',') {
            return sa_json_wrong(&p->fault, "a comma or a closing bracket is missing", at);
        }
        at++;
    }
}

static const char *value(struct parser *p, const char *at, unsigned depth, struct sa_val **out)
{
    at = sa_json_space(at, p->end);
    if (at == p->end) {
        return sa_json_wrong(&p->fault, "a value is missing", at);
    }
    if (depth >= SA_JSON_DEPTH) {
        return sa_json_wrong(&p->fault, "it is nested too deep", at);
    }
    struct sa_val *v = *out = sa_val_new(p->a, SA_VAL_NULL);
    if (v == NULL) {
        return no_memory(p);
    }
    switch (*at) {
    case '{':
        return map(p, at + 1, depth, v);
    case '[':
        return list(p, at + 1, depth, v);
    case '"':
        v->type = SA_VAL_STRING;
        return string(p, at + 1, &v->s, &v->n);
    case 't':
    case 'f':
        v->type = SA_VAL_BOOL;
        v->b = *at == 't';
        return sa_json_scalar(at, p->end, &p->fault);
    case 'n':
        return sa_json_scalar(at, p->end, &p->fault);
    default:
        return number(p, at, v);
    }
}

struct sa_val *sa_val_parse(struct sa_arena *a, const char *json, size_t n, const char *what,
                            struct sa_err **err)
{
    struct parser p = {.a = a, .end = json + n};
    struct sa_val *v = NULL;
    const char *at = value(&p, json, 0, &v);
    if (at != NULL) {
        at = sa_json_space(at, p.end);
        if (at != p.end) {
            at = sa_json_wrong(&p.fault, "something follows the value", at);
        }
    }
    if (at == NULL) {
        (void)(p.no_memory ? sa_val_no_memory(a, what, err)
                           : sa_json_fault_err(err, what, &p.fault, json));
        return NULL;
    }
    return v;
}

struct sa_val *sa_val_parse_map(struct sa_arena *a, const char *json, size_t n, const char *what,
                                struct sa_err **err)
{
    struct sa_val *v = sa_val_parse(a, json, n, what, err);
    if (v != NULL && v->type != SA_VAL_MAP) {
        sa_err_set(err, SA_EPROTOCOL, "%s: it is no JSON object", what);
        return NULL;
    }
    return v;
}
