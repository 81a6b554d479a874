/* SPDX-License-Identifier: Apache-2.0 */
/* All functions that recurse do so as deep as the values are nested. */
#include "worker/ops/jsonmerge.h"

int sa_json_merge(struct sa_arena *a, struct sa_val **target, struct sa_val *patch)
{
    if (patch->type != SA_VAL_MAP) {
        *target = patch;
        return 0;
    }
    if (*target == NULL || (*target)->type != SA_VAL_MAP) {
        *target = sa_val_new(a, SA_VAL_MAP);
        if (*target == NULL) {
            return -1;
        }
    }
    for (uint32_t i = 0; i < patch->n; i++) {
        const struct sa_pair *p = &patch->pairs[i];
        if (p->val->type == SA_VAL_NULL) {
            sa_val_remove(*target, p->key, p->n);
            continue;
        }
        struct sa_val *v = sa_val_get(*target, p->key, p->n);
        if (sa_json_merge(a, &v, p->val) != 0 || sa_val_put(a, *target, p->key, p->n, v) != 0) {
            return -1;
        }
    }
    return 0;
}

static bool is_number(const struct sa_val *v)
{
    return v->type == SA_VAL_INT || v->type == SA_VAL_FLOAT;
}

static double as_double(const struct sa_val *v)
{
    return v->type == SA_VAL_INT ? (double)v->i : v->d;
}

/* matchesValue of evanphx/json-patch, for which all numbers are doubles: 1 is 1.0. */
static bool matches(const struct sa_val *x, const struct sa_val *y)
{
    if (x->type != y->type) {
        return is_number(x) && is_number(y) && as_double(x) == as_double(y);
    }
    if (x->type != SA_VAL_MAP && x->type != SA_VAL_LIST) {
        return sa_val_same(x, y);
    }
    if (x->n != y->n) {
        return false;
    }
    for (uint32_t i = 0; i < x->n; i++) {
        const struct sa_val *other =
            x->type == SA_VAL_LIST ? y->items[i] : sa_val_get(y, x->pairs[i].key, x->pairs[i].n);
        if (other == NULL ||
            !matches(x->type == SA_VAL_LIST ? x->items[i] : x->pairs[i].val, other)) {
            return false;
        }
    }
    return true;
}

static struct sa_val *diff(struct sa_arena *a, const struct sa_val *from, const struct sa_val *to);

static int diff_pair(struct sa_arena *a, struct sa_val *into, const struct sa_val *from,
                     const struct sa_pair *p)
{
    const struct sa_val *old = sa_val_get(from, p->key, p->n);
    if (old != NULL && old->type == SA_VAL_MAP && p->val->type == SA_VAL_MAP) {
        struct sa_val *d = diff(a, old, p->val);
        return d == NULL ? -1 : d->n == 0 ? 0 : sa_val_put(a, into, p->key, p->n, d);
    }
    if (old != NULL && matches(old, p->val)) {
        return 0;
    }
    return sa_val_put(a, into, p->key, p->n, p->val);
}

/* getDiff: the merge patch that makes to of from, or NULL. */
static struct sa_val *diff(struct sa_arena *a, const struct sa_val *from, const struct sa_val *to)
{
    struct sa_val *into = sa_val_new(a, SA_VAL_MAP);
    for (uint32_t i = 0; into != NULL && i < to->n; i++) {
        if (diff_pair(a, into, from, &to->pairs[i]) != 0) {
            return NULL;
        }
    }
    for (uint32_t i = 0; into != NULL && i < from->n; i++) {
        const struct sa_pair *p = &from->pairs[i];
        if (sa_val_get(to, p->key, p->n) == NULL &&
            sa_val_put(a, into, p->key, p->n, sa_val_new(a, SA_VAL_NULL)) != 0) {
            return NULL;
        }
    }
    return into;
}

/* keepOrDeleteNullInObj: only the nulls of a patch, or all but them. Of maps those that become
 * empty are left out, those that are empty are values. */
static struct sa_val *only(struct sa_arena *a, const struct sa_val *patch, bool nulls)
{
    struct sa_val *into = sa_val_new(a, SA_VAL_MAP);
    for (uint32_t i = 0; into != NULL && i < patch->n; i++) {
        const struct sa_pair *p = &patch->pairs[i];
        struct sa_val *keep = (p->val->type == SA_VAL_NULL) == nulls ? p->val : NULL;
        if (p->val->type == SA_VAL_MAP && p->val->n > 0) {
            keep = only(a, p->val, nulls);
            if (keep == NULL) {
                return NULL;
            }
            keep = keep->n > 0 ? keep : NULL;
        }
        if (keep != NULL && sa_val_put(a, into, p->key, p->n, keep) != 0) {
            return NULL;
        }
    }
    return into;
}

/* HasConflicts of apimachinery's mergepatch. */
static bool conflict(const struct sa_val *x, const struct sa_val *y)
{
    if (x->type != y->type || (x->type == SA_VAL_LIST && x->n != y->n)) {
        return true;
    }
    for (uint32_t i = 0; x->type == SA_VAL_MAP && i < x->n; i++) {
        const struct sa_val *other = sa_val_get(y, x->pairs[i].key, x->pairs[i].n);
        if (other != NULL && conflict(x->pairs[i].val, other)) {
            return true;
        }
    }
    for (uint32_t i = 0; x->type == SA_VAL_LIST && i < x->n; i++) {
        if (conflict(x->items[i], y->items[i])) {
            return true;
        }
    }
    return x->type != SA_VAL_MAP && x->type != SA_VAL_LIST && !sa_val_same(x, y);
}

/* mergeDocs of evanphx/json-patch: the patch is applied to another one, whose nulls it keeps. */
static int combine(struct sa_arena *a, struct sa_val *doc, struct sa_val *patch)
{
    for (uint32_t i = 0; i < patch->n; i++) {
        const struct sa_pair *p = &patch->pairs[i];
        struct sa_val *old = sa_val_get(doc, p->key, p->n);
        if (p->val->type == SA_VAL_NULL) {
            sa_val_remove(doc, p->key, p->n);
            continue;
        }
        if (old != NULL && old->type == SA_VAL_MAP && p->val->type == SA_VAL_MAP) {
            if (combine(a, old, p->val) != 0) {
                return -1;
            }
            continue;
        }
        if (old == NULL || old->type != SA_VAL_MAP) {
            sa_val_prune_nulls(p->val);
        }
        if (sa_val_put(a, doc, p->key, p->n, p->val) != 0) {
            return -1;
        }
    }
    return 0;
}

int sa_json_merge_create(struct sa_arena *a, const struct sa_merge_inputs *in,
                         struct sa_val **patch, struct sa_err **err)
{
    static const char what[] = "the patch";
    struct sa_val *original = in->original != NULL ? in->original : sa_val_new(a, SA_VAL_MAP);
    struct sa_val *changes = diff(a, in->current, in->modified);
    struct sa_val *deletions = original != NULL ? diff(a, original, in->modified) : NULL;
    changes = changes != NULL ? only(a, changes, false) : NULL;
    deletions = deletions != NULL ? only(a, deletions, true) : NULL;
    if (changes == NULL || deletions == NULL) {
        return sa_val_no_memory(a, what, err);
    }
    if (conflict(changes, deletions)) {
        return sa_err_set(err, SA_EREFUSED, "the patch conflicts with itself");
    }
    if (combine(a, deletions, changes) != 0) {
        return sa_val_no_memory(a, what, err);
    }
    *patch = deletions;
    if (sa_val_member(*patch, "apiVersion") != NULL || sa_val_member(*patch, "kind") != NULL ||
        sa_val_member(sa_val_member(*patch, "metadata"), "name") != NULL) {
        return sa_err_set(err, SA_EREFUSED,
                          "At least one of apiVersion, kind and name was changed");
    }
    return 0;
}
