/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A strategic merge patch is put into an object, or into another patch: mergeMap of apimachinery's
 * strategicpatch. What is there is changed in place. The functions recurse as deep as the values
 * are nested.
 */
#include <string.h>

#include "worker/ops/strategic_internal.h"

static bool begins_with(const struct sa_pair *p, const char *prefix, size_t n)
{
    return p->n >= n && memcmp(p->key, prefix, n) == 0;
}

struct sa_val *sa_without_directives(struct sa_val *v)
{
    uint32_t kept = 0;
    if (v->type == SA_VAL_LIST) {
        for (uint32_t i = 0; i < v->n; i++) {
            struct sa_val *item = sa_without_directives(v->items[i]);
            if (item != NULL) {
                v->items[kept++] = item;
            }
        }
        v->n = kept;
    }
    if (v->type != SA_VAL_MAP) {
        return v;
    }
    if (sa_has_directive(v)) {
        return NULL;
    }
    for (uint32_t i = 0; i < v->n; i++) {
        struct sa_val *val = sa_without_directives(v->pairs[i].val);
        if (val != NULL) {
            v->pairs[kept] = v->pairs[i];
            v->pairs[kept++].val = val;
        }
    }
    v->n = kept;
    return v;
}

/* {"$patch": ...} decides over the whole map. */
static int merge_directive(const struct sa_merging *m, const struct sa_val *directive,
                           struct sa_val *patch, struct sa_val **out)
{
    if (sa_val_is(directive, "replace")) {
        sa_val_remove(patch, DIRECTIVE, DIRECTIVE_N);
        *out = patch;
        return 0;
    }
    if (sa_val_is(directive, "delete")) {
        *out = sa_val_new(m->a, SA_VAL_MAP);
        return *out != NULL ? 0 : sa_merge_no_memory(m);
    }
    return sa_merge_refused(m, "unknown patch type in a map");
}

static int bad_retain_keys(const struct sa_merging *m)
{
    return sa_merge_refused(m, "invalid patch format of retainKeys");
}

static int retain(const struct sa_merging *m, struct sa_val *original, const struct sa_val *patch,
                  const struct sa_val *list)
{
    struct sa_keys keys;
    if (list->type != SA_VAL_LIST) {
        return bad_retain_keys(m);
    }
    if (sa_keys_of(m->a, &keys, list, "") != 0) {
        return sa_merge_no_memory(m);
    }
    for (uint32_t i = 0; i < patch->n; i++) {
        const struct sa_pair *p = &patch->pairs[i];
        struct sa_val name = {.type = SA_VAL_STRING, .n = p->n, .s = p->key};
        if (p->val->type != SA_VAL_NULL && !begins_with(p, DELETE_FROM, DELETE_FROM_N) &&
            !begins_with(p, SET_ORDER, SET_ORDER_N) && sa_keys_find(&keys, &name) == SA_NO_PLACE) {
            return bad_retain_keys(m);
        }
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < original->n; i++) {
        const struct sa_pair *p = &original->pairs[i];
        struct sa_val name = {.type = SA_VAL_STRING, .n = p->n, .s = p->key};
        if (sa_keys_find(&keys, &name) != SA_NO_PLACE) {
            original->pairs[kept++] = *p;
        }
    }
    original->n = kept;
    return 0;
}

/* applyRetainKeysDirective */
static int merge_retain_keys(const struct sa_merging *m, struct sa_val *original,
                             struct sa_val *patch, struct sa_merge_options o)
{
    struct sa_val *list = sa_val_member(patch, RETAIN_KEYS), *other;
    if (list == NULL) {
        return 0;
    }
    sa_val_remove(patch, RETAIN_KEYS, sizeof RETAIN_KEYS - 1);
    if (o.server) {
        return retain(m, original, patch, list);
    }
    other = sa_val_member(original, RETAIN_KEYS);
    if (other != NULL) {
        return sa_val_equal(other, list) ? 0 : bad_retain_keys(m);
    }
    return sa_val_set(m->a, original, RETAIN_KEYS, list) == 0 ? 0 : sa_merge_no_memory(m);
}

/* One member of the patch, on its way into original. */
struct entry {
    const char *key;
    uint32_t n;
    struct sa_val *val;
    bool deletes; /* it was a $deleteFromPrimitiveList/key */
};

static int take(const struct sa_merging *m, struct sa_val *original, const struct entry *e,
                struct sa_val *val)
{
    if (val == NULL) {
        sa_val_remove(original, e->key, e->n);
        return 0;
    }
    return sa_val_put(m->a, original, e->key, e->n, val) == 0 ? 0 : sa_merge_no_memory(m);
}

/* There is nothing to merge it with. */
static int take_whole(const struct sa_merging *m, struct sa_val *original, const struct entry *e,
                      struct sa_merge_options o)
{
    if (e->deletes) {
        return 0;
    }
    if (o.server) {
        sa_val_prune_nulls(e->val);
    }
    return take(m, original, e, sa_without_directives(e->val));
}

static int merge_containers(const struct sa_merging *m, struct sa_val *original,
                            const struct entry *e, struct sa_schema_at at,
                            struct sa_merge_options o)
{
    struct sa_val *old = sa_val_get(original, e->key, e->n), *new = NULL;
    struct sa_patch_meta meta;
    struct sa_schema_at sub;
    int r = 0;
    if (sa_schema_field(at, e->key, e->n, e->val->type == SA_VAL_LIST, &sub, &meta) != 0) {
        return sa_merge_refused(m,
                                "unable to find api field in struct %s for the json field \"%s\"",
                                sa_schema_name(at), e->key);
    }
    if (e->val->type == SA_VAL_LIST) {
        struct sa_list_merge l = {
            .original = old, .patch = e->val, .at = sub, .meta = &meta, .deletes = e->deletes};
        r = sa_merge_lists(m, &l, o, &new);
    } else if (meta.strategy == SA_STRATEGY_REPLACE) {
        new = e->val;
    } else {
        r = sa_merge_maps(m, old, e->val, sub, o, &new);
    }
    return r == 0 ? take(m, original, e, new) : -1;
}

static int merge_entry(const struct sa_merging *m, struct sa_val *original, const struct entry *e,
                       struct sa_schema_at at, struct sa_merge_options o)
{
    if (e->val->type == SA_VAL_NULL) {
        sa_val_remove(original, e->key, e->n);
        return o.server || e->deletes ? 0 : take(m, original, e, e->val);
    }
    struct sa_val *old = sa_val_get(original, e->key, e->n);
    if (old == NULL || old->type != e->val->type) {
        return take_whole(m, original, e, o);
    }
    if (e->val->type == SA_VAL_MAP || e->val->type == SA_VAL_LIST) {
        return merge_containers(m, original, e, at, o);
    }
    return take(m, original, e, e->val);
}

static int merge_pair(const struct sa_merging *m, struct sa_val *original, const struct sa_pair *p,
                      struct sa_schema_at at, struct sa_merge_options o)
{
    struct entry e = {.key = p->key, .n = p->n, .val = p->val};
    if (begins_with(p, DELETE_FROM, DELETE_FROM_N)) {
        if (!o.server) {
            return take(m, original, &e, p->val);
        }
        e.deletes = true;
        e.key = sa_directive_subject(p->key, p->n, DELETE_FROM, &e.n);
        if (e.key == NULL) {
            return sa_merge_refused(m, "invalid patch format of primitive list");
        }
    }
    return merge_entry(m, original, &e, at, o);
}

int sa_merge_maps(const struct sa_merging *m, struct sa_val *original, struct sa_val *patch,
                  struct sa_schema_at at, struct sa_merge_options o, struct sa_val **out)
{
    const struct sa_val *directive = sa_val_member(patch, DIRECTIVE);
    if (directive != NULL) {
        return merge_directive(m, directive, patch, out);
    }
    *out = original;
    if (merge_retain_keys(m, original, patch, o) != 0 ||
        sa_merge_ordered(m, original, patch, at, o) != 0) {
        return -1;
    }
    for (uint32_t i = 0; i < patch->n; i++) {
        if (merge_pair(m, original, &patch->pairs[i], at, o) != 0) {
            return -1;
        }
    }
    return 0;
}

int sa_strategic_create(struct sa_arena *a, const struct sa_merge_inputs *in,
                        const struct sa_schema *schema, struct sa_val **patch, struct sa_err **err)
{
    struct sa_merging m = {.a = a, .err = err};
    struct sa_schema_at at = sa_schema_root(schema);
    struct sa_val *changes = NULL, *deletions = NULL;
    struct sa_val *original = in->original != NULL ? in->original : sa_val_new(a, SA_VAL_MAP);
    if (original == NULL) {
        return sa_merge_no_memory(&m);
    }
    struct sa_diff_options changes_only = {.no_deletions = true};
    struct sa_diff_options deletions_only = {.no_changes = true};
    if (sa_diff_maps(&m, in->current, in->modified, at, changes_only, &changes) != 0 ||
        sa_diff_maps(&m, original, in->modified, at, deletions_only, &deletions) != 0) {
        return -1;
    }
    return sa_merge_maps(&m, deletions, changes, at, (struct sa_merge_options){0}, patch);
}

int sa_strategic_apply(struct sa_arena *a, struct sa_val *object, struct sa_val *patch,
                       const struct sa_schema *schema, struct sa_val **result, struct sa_err **err)
{
    struct sa_merging m = {.a = a, .err = err};
    return sa_merge_maps(&m, object, patch, sa_schema_root(schema),
                         (struct sa_merge_options){.server = true}, result);
}
