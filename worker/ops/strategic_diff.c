/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What makes one value from another, as a strategic merge patch: diffMaps and diffLists of
 * apimachinery's strategicpatch. Both recurse as deep as the values are nested.
 */
#include <string.h>

#include "worker/ops/strategic_internal.h"

/* The pair that is being looked at, and where it goes. */
struct field {
    const char *key;
    uint32_t n;
    struct sa_val *original, *modified;
    struct sa_val *patch;
};

static int put(const struct sa_merging *m, const struct field *f, struct sa_val *v)
{
    return sa_val_put(m->a, f->patch, f->key, f->n, v) == 0 ? 0 : sa_merge_no_memory(m);
}

static int put_directive(const struct sa_merging *m, const struct field *f, const char *prefix,
                         struct sa_val *v)
{
    size_t n = 0;
    const char *key = sa_directive_key(m, prefix, f->key, f->n, &n);
    return key != NULL && sa_val_put(m->a, f->patch, key, n, v) == 0 ? 0 : sa_merge_no_memory(m);
}

static int replace_unless_equal(const struct sa_merging *m, const struct field *f,
                                const struct sa_diff_options *o)
{
    if (o->no_changes || sa_val_equal(f->original, f->modified)) {
        return 0;
    }
    return put(m, f, f->modified);
}

/* What the schema says of the field. 1: it does not know it, which does not matter, since nothing
 * has changed there. */
static int look_up(const struct sa_merging *m, const struct field *f, struct sa_schema_at at,
                   bool elements, struct sa_schema_at *sub, struct sa_patch_meta *meta)
{
    if (sa_schema_field(at, f->key, f->n, elements, sub, meta) == 0) {
        return 0;
    }
    if (sa_val_equal(f->original, f->modified)) {
        return 1;
    }
    return sa_merge_refused(m, "unable to find api field in struct %s for the json field \"%s\"",
                            sa_schema_name(at), f->key);
}

static int diff_map_field(const struct sa_merging *m, const struct field *f, struct sa_schema_at at,
                          struct sa_diff_options o)
{
    struct sa_schema_at sub;
    struct sa_patch_meta meta;
    struct sa_val *patch = NULL;
    int r = look_up(m, f, at, false, &sub, &meta);
    if (r != 0) {
        return r < 0 ? -1 : 0;
    }
    o.retain_keys = meta.retain_keys;
    if (meta.strategy == SA_STRATEGY_REPLACE) {
        return o.no_changes ? 0 : put(m, f, f->modified);
    }
    if (sa_diff_maps(m, f->original, f->modified, sub, o, &patch) != 0) {
        return -1;
    }
    return patch->n > 0 ? put(m, f, patch) : 0;
}

static int diff_list_field(const struct sa_merging *m, const struct field *f,
                           struct sa_schema_at at, struct sa_diff_options o)
{
    struct sa_patch_meta meta;
    struct sa_list_diff d = {.original = f->original, .modified = f->modified, .o = o};
    int r = look_up(m, f, at, true, &d.at, &meta);
    if (r != 0) {
        return r < 0 ? -1 : 0;
    }
    if (meta.strategy != SA_STRATEGY_MERGE) {
        return replace_unless_equal(m, f, &o);
    }
    d.o.retain_keys = meta.retain_keys;
    d.merge_key = meta.merge_key;
    if (sa_diff_lists(m, &d) != 0 ||
        (d.patch != NULL && d.patch->n > 0 && put(m, f, d.patch) != 0)) {
        return -1;
    }
    if (d.deletions != NULL && d.deletions->n > 0 &&
        put_directive(m, f, DELETE_FROM, d.deletions) != 0) {
        return -1;
    }
    return d.order != NULL && d.order->n > 0 ? put_directive(m, f, SET_ORDER, d.order) : 0;
}

static int diff_field(const struct sa_merging *m, const struct field *f, struct sa_schema_at at,
                      const struct sa_diff_options *o)
{
    if (f->n == DIRECTIVE_N && memcmp(f->key, DIRECTIVE, DIRECTIVE_N) == 0) {
        if (f->original->type != SA_VAL_STRING || f->modified->type != SA_VAL_STRING) {
            return sa_merge_refused(m, "invalid value for special key: " DIRECTIVE);
        }
        return sa_val_equal(f->original, f->modified) ? 0 : put(m, f, f->modified);
    }
    if (f->original->type != f->modified->type) {
        return o->no_changes ? 0 : put(m, f, f->modified);
    }
    switch (f->modified->type) {
    case SA_VAL_MAP:
        return diff_map_field(m, f, at, *o);
    case SA_VAL_LIST:
        return diff_list_field(m, f, at, *o);
    default:
        return replace_unless_equal(m, f, o);
    }
}

/* Null for what is gone. *fields: something that had a value is. */
static int diff_missing(const struct sa_merging *m, const struct sa_val *original,
                        const struct sa_val *modified, bool no_deletions, struct sa_val *patch,
                        bool *fields)
{
    for (uint32_t i = 0; i < original->n; i++) {
        const struct sa_pair *p = &original->pairs[i];
        if (sa_val_get(modified, p->key, p->n) != NULL) {
            continue;
        }
        *fields |= p->val->type != SA_VAL_NULL;
        if (!no_deletions &&
            sa_val_put(m->a, patch, p->key, p->n, sa_val_new(m->a, SA_VAL_NULL)) != 0) {
            return sa_merge_no_memory(m);
        }
    }
    return 0;
}

/* The names of all members that have a value; they are sorted already. */
static int put_retain_keys(const struct sa_merging *m, const struct sa_val *modified,
                           struct sa_val *patch)
{
    struct sa_val *keys = sa_val_new(m->a, SA_VAL_LIST);
    int r = keys != NULL ? 0 : -1;
    for (uint32_t i = 0; r == 0 && i < modified->n; i++) {
        const struct sa_pair *p = &modified->pairs[i];
        if (p->val->type != SA_VAL_NULL) {
            r = sa_val_append(m->a, keys, sa_val_string(m->a, p->key, p->n));
        }
    }
    if (r == 0 && keys->n > 0) {
        r = sa_val_set(m->a, patch, RETAIN_KEYS, keys);
    }
    return r == 0 ? 0 : sa_merge_no_memory(m);
}

int sa_diff_maps(const struct sa_merging *m, struct sa_val *original, struct sa_val *modified,
                 struct sa_schema_at at, struct sa_diff_options o, struct sa_val **out)
{
    bool gone = false;
    struct sa_val *patch = *out = sa_val_new(m->a, SA_VAL_MAP);
    if (patch == NULL) {
        return sa_merge_no_memory(m);
    }
    for (uint32_t i = 0; i < modified->n; i++) {
        const struct sa_pair *p = &modified->pairs[i];
        struct field f = {.key = p->key,
                          .n = p->n,
                          .modified = p->val,
                          .original = sa_val_get(original, p->key, p->n),
                          .patch = patch};
        int r;
        if (f.original == NULL) {
            r = o.no_changes ? 0 : put(m, &f, f.modified);
        } else {
            r = diff_field(m, &f, at, &o);
        }
        if (r != 0) {
            return -1;
        }
    }
    if (diff_missing(m, original, modified, o.no_deletions, patch, &gone) != 0) {
        return -1;
    }
    return o.retain_keys && (patch->n > 0 || gone) ? put_retain_keys(m, modified, patch) : 0;
}

/* -1, 0 or 1, by the texts of two scalars. */
static int compare_texts(const struct sa_merging *m, const struct sa_val *x, const struct sa_val *y,
                         int *c)
{
    if (x->type == SA_VAL_STRING && y->type == SA_VAL_STRING) {
        uint32_t n = x->n < y->n ? x->n : y->n;
        *c = n > 0 ? memcmp(x->s, y->s, n) : 0;
        *c = *c != 0 ? *c : (x->n > y->n) - (x->n < y->n);
        return 0;
    }
    SA_CLEANUP(sa_buf_free) struct sa_buf a = {0};
    SA_CLEANUP(sa_buf_free) struct sa_buf b = {0};
    sa_buf_init(&a, 0);
    sa_buf_init(&b, 0);
    sa_val_format(x, &a);
    sa_val_format(y, &b);
    if (a.failed || b.failed) {
        return sa_merge_no_memory(m);
    }
    size_t n = a.len < b.len ? a.len : b.len;
    *c = n > 0 ? memcmp(a.data, b.data, n) : 0;
    *c = *c != 0 ? *c : (a.len > b.len) - (a.len < b.len);
    return 0;
}

/* Walks over two lists that are sorted by key. */
struct walk {
    struct sa_val *original, *modified;
    const char *merge_key;
    uint32_t i, j;
    int side; /* < 0: only in original, > 0: only in modified, 0: in both */
};

/* 1: the walk is over. */
static int walk_compare(const struct sa_merging *m, struct walk *w)
{
    bool left = w->i < w->original->n, right = w->j < w->modified->n;
    if (!left || !right) {
        w->side = left ? -1 : 1;
        return !left && !right;
    }
    return compare_texts(m, sa_key_of(w->original->items[w->i], w->merge_key),
                         sa_key_of(w->modified->items[w->j], w->merge_key), &w->side);
}

static void walk_on(struct walk *w)
{
    w->i += w->side <= 0;
    w->j += w->side >= 0;
}

/* Removes what is there more than once, each time putting the last element in its place. */
static void deduplicate(struct sa_val *list)
{
    uint32_t n = list->n;
    for (uint32_t i = 0; i + 1 < n; i++) {
        for (uint32_t j = i + 1; j < n; j++) {
            if (sa_val_same(list->items[i], list->items[j])) {
                list->items[j--] = list->items[--n];
            }
        }
    }
    list->n = n;
}

static int diff_scalars(const struct sa_merging *m, struct sa_list_diff *d)
{
    struct walk w = {.original = d->original, .merge_key = ""};
    int r;
    d->patch = sa_val_new(m->a, SA_VAL_LIST);
    d->deletions = sa_val_new(m->a, SA_VAL_LIST);
    w.modified = sa_list_copy(m, d->modified);
    if (w.modified == NULL || d->patch == NULL || d->deletions == NULL) {
        return sa_merge_no_memory(m);
    }
    /* The original is sorted in place, and so compared with modified below: what is not in the
     * order of its bytes gets an order in the patch even where nothing changed, as with kubectl. */
    if (sa_sort_by_key(m, w.original, "") != 0 || sa_sort_by_key(m, w.modified, "") != 0) {
        return -1;
    }
    while ((r = walk_compare(m, &w)) == 0) {
        if (w.side < 0 && !d->o.no_deletions) {
            r = sa_val_append(m->a, d->deletions, w.original->items[w.i]);
        } else if (w.side > 0 && !d->o.no_changes) {
            r = sa_val_append(m->a, d->patch, w.modified->items[w.j]);
        }
        if (r != 0) {
            return sa_merge_no_memory(m);
        }
        walk_on(&w);
    }
    if (r < 0) {
        return -1;
    }
    deduplicate(d->deletions);
    if (sa_order_like(m, &d->patch, d->modified, "", false) != 0) {
        return -1;
    }
    if ((!d->o.no_deletions && d->deletions->n > 0) ||
        (!d->o.no_changes && !sa_val_equal(d->original, d->modified))) {
        d->order = d->modified;
    }
    return 0;
}

/* Sorted by key, the list itself left as it is. */
static struct sa_val *sorted(const struct sa_merging *m, const struct sa_val *list, const char *key)
{
    struct sa_val *copy = sa_list_copy(m, list);
    return copy != NULL && sa_sort_by_key(m, copy, key) == 0 ? copy : NULL;
}

/* {key: value, "$patch": "delete"} */
static struct sa_val *deletion(const struct sa_merging *m, const char *merge_key,
                               const struct sa_val *item)
{
    struct sa_val *v = sa_val_new(m->a, SA_VAL_MAP);
    if (v == NULL || sa_val_set(m->a, v, merge_key, sa_val_member(item, merge_key)) != 0 ||
        sa_val_set(m->a, v, DIRECTIVE, sa_val_text(m->a, "delete")) != 0) {
        sa_merge_no_memory(m);
        return NULL;
    }
    return v;
}

/* An element that is in both: only what differs, and the key. */
static int diff_elements(const struct sa_merging *m, struct sa_list_diff *d, const struct walk *w)
{
    struct sa_val *patch = NULL, *modified = w->modified->items[w->j];
    if (sa_diff_maps(m, w->original->items[w->i], modified, d->at, d->o, &patch) != 0) {
        return -1;
    }
    if (patch->n == 0) {
        return 0;
    }
    if (sa_val_set(m->a, patch, d->merge_key, sa_val_member(modified, d->merge_key)) != 0 ||
        sa_val_append(m->a, d->patch, patch) != 0) {
        return sa_merge_no_memory(m);
    }
    return 0;
}

static int walk_step(const struct sa_merging *m, struct sa_list_diff *d, const struct walk *w)
{
    if (w->side == 0) {
        return diff_elements(m, d, w);
    }
    if (w->side > 0 && !d->o.no_changes) {
        int r = sa_val_append(m->a, d->patch, w->modified->items[w->j]);
        return r == 0 ? 0 : sa_merge_no_memory(m);
    }
    if (w->side < 0 && !d->o.no_deletions) {
        struct sa_val *v = deletion(m, d->merge_key, w->original->items[w->i]);
        if (v == NULL) {
            return -1;
        }
        return sa_val_append(m->a, d->deletions, v) == 0 ? 0 : sa_merge_no_memory(m);
    }
    return 0;
}

/* isOrderSame */
static bool same_order(const struct sa_val *x, const struct sa_val *y, const char *merge_key)
{
    if (x->n != y->n) {
        return false;
    }
    for (uint32_t i = 0; i < x->n; i++) {
        if (!sa_val_same(sa_key_of(x->items[i], merge_key), sa_key_of(y->items[i], merge_key))) {
            return false;
        }
    }
    return true;
}

/* [{key: value}, ...] of all elements */
static struct sa_val *key_list(const struct sa_merging *m, const struct sa_val *list,
                               const char *merge_key)
{
    struct sa_val *keys = sa_val_new(m->a, SA_VAL_LIST);
    int r = keys != NULL ? 0 : -1;
    for (uint32_t i = 0; r == 0 && i < list->n; i++) {
        struct sa_val *v = sa_val_new(m->a, SA_VAL_MAP);
        r = v == NULL ? -1
                      : sa_val_set(m->a, v, merge_key, sa_val_member(list->items[i], merge_key));
        if (r == 0) {
            r = sa_val_append(m->a, keys, v);
        }
    }
    if (r != 0) {
        sa_merge_no_memory(m);
        return NULL;
    }
    return keys;
}

static int diff_list_of_maps(const struct sa_merging *m, struct sa_list_diff *d)
{
    struct walk w = {.original = sorted(m, d->original, d->merge_key), .merge_key = d->merge_key};
    int r;
    w.modified = w.original != NULL ? sorted(m, d->modified, d->merge_key) : NULL;
    if (w.modified == NULL) {
        return -1;
    }
    d->patch = sa_val_new(m->a, SA_VAL_LIST);
    d->deletions = sa_val_new(m->a, SA_VAL_LIST);
    if (d->patch == NULL || d->deletions == NULL) {
        return sa_merge_no_memory(m);
    }
    while ((r = walk_compare(m, &w)) == 0) {
        if (walk_step(m, d, &w) != 0) {
            return -1;
        }
        walk_on(&w);
    }
    if (r < 0 || sa_order_like(m, &d->patch, d->modified, d->merge_key, true) != 0 ||
        sa_list_append_all(m, d->patch, d->deletions) != 0) {
        return -1;
    }
    d->deletions = NULL;
    bool changes = d->patch->n > 0;
    if ((!d->o.no_changes && (changes || !same_order(d->original, d->modified, d->merge_key))) ||
        (!d->o.no_deletions && changes)) {
        d->order = key_list(m, d->modified, d->merge_key);
        return d->order != NULL ? 0 : -1;
    }
    return 0;
}

int sa_diff_lists(const struct sa_merging *m, struct sa_list_diff *d)
{
    struct sa_elements e;
    if (d->original->n == 0) {
        d->patch = d->o.no_changes ? NULL : d->modified;
        return 0;
    }
    if (sa_element_type(m, d->original, d->modified, &e) != 0) {
        return -1;
    }
    return e.type == SA_VAL_MAP ? diff_list_of_maps(m, d) : diff_scalars(m, d);
}
