/* SPDX-License-Identifier: Apache-2.0 */
/* The lists of a strategic merge patch are put into those of an object: mergeSlice and
 * mergePatchIntoOriginal of apimachinery's strategicpatch. */
#include <string.h>

#include "worker/ops/strategic_internal.h"

/* The elements of list whose key is none of keys (or is one of them, if with). */
static struct sa_val *filter(const struct sa_merging *m, const struct sa_val *list,
                             const struct sa_keys *keys, const char *merge_key)
{
    struct sa_val *to = sa_val_new(m->a, SA_VAL_LIST);
    int r = to != NULL ? 0 : -1;
    for (uint32_t i = 0; r == 0 && i < list->n; i++) {
        if (sa_keys_find(keys, sa_key_of(list->items[i], merge_key)) == SA_NO_PLACE) {
            r = sa_val_append(m->a, to, list->items[i]);
        }
    }
    if (r != 0) {
        sa_merge_no_memory(m);
        return NULL;
    }
    return to;
}

/* Both lists, each element once. */
static struct sa_val *merge_scalars(const struct sa_merging *m, const struct sa_val *original,
                                    const struct sa_val *patch)
{
    struct sa_keys seen;
    const struct sa_val *lists[] = {original, patch};
    struct sa_val *to = sa_val_new(m->a, SA_VAL_LIST);
    int r = to == NULL ? -1 : sa_keys_init(m->a, &seen, original->n + patch->n);
    for (size_t k = 0; r == 0 && k < 2; k++) {
        for (uint32_t i = 0; r == 0 && i < lists[k]->n; i++) {
            struct sa_val *item = lists[k]->items[i];
            if (sa_keys_find(&seen, item) == SA_NO_PLACE) {
                sa_keys_add(&seen, item);
                r = sa_val_append(m->a, to, item);
            }
        }
    }
    if (r != 0) {
        sa_merge_no_memory(m);
        return NULL;
    }
    return to;
}

/* The patch's elements with $patch are done: deletions, or all is replaced by the others. */
struct special {
    struct sa_val *original, *patch;
    struct sa_keys deleted;
    bool replace;
};

static int special_element(const struct sa_merging *m, struct special *s, struct sa_val *item,
                           const char *merge_key)
{
    const struct sa_val *directive = sa_val_member(item, DIRECTIVE);
    const struct sa_val *key = sa_val_member(item, merge_key);
    if (directive == NULL) {
        return sa_val_append(m->a, s->patch, item) == 0 ? 0 : sa_merge_no_memory(m);
    }
    if (sa_val_is(directive, "replace")) {
        s->replace = true;
        return 0;
    }
    if (!sa_val_is(directive, "delete")) {
        return sa_merge_refused(m, sa_val_is(directive, "merge")
                                       ? "merging lists cannot yet be specified in the patch"
                                       : "unknown patch type in a list");
    }
    if (key == NULL) {
        return sa_merge_no_key(m, merge_key);
    }
    sa_keys_add(&s->deleted, key);
    return 0;
}

static int take_special(const struct sa_merging *m, struct special *s, struct sa_val *patch,
                        const char *merge_key)
{
    s->patch = sa_val_new(m->a, SA_VAL_LIST);
    if (s->patch == NULL || sa_keys_init(m->a, &s->deleted, patch->n) != 0) {
        return sa_merge_no_memory(m);
    }
    for (uint32_t i = 0; i < patch->n; i++) {
        if (special_element(m, s, patch->items[i], merge_key) != 0) {
            return -1;
        }
    }
    if (s->replace) {
        s->original = s->patch;
        s->patch = sa_val_new(m->a, SA_VAL_LIST);
        return s->patch != NULL ? 0 : sa_merge_no_memory(m);
    }
    if (s->deleted.n > 0) {
        s->original = filter(m, s->original, &s->deleted, merge_key);
    }
    return s->original != NULL ? 0 : -1;
}

/* Each element of the patch is merged with its like, or appended. */
static int merge_elements(const struct sa_merging *m, const struct special *s,
                          const struct sa_list_merge *l, struct sa_merge_options o,
                          struct sa_val *to)
{
    struct sa_keys keys;
    const char *merge_key = l->meta->merge_key;
    if (sa_keys_init(m->a, &keys, s->original->n + s->patch->n) != 0) {
        return sa_merge_no_memory(m);
    }
    for (uint32_t i = 0; i < s->original->n; i++) {
        sa_keys_add(&keys, sa_val_member(s->original->items[i], merge_key));
    }
    for (uint32_t i = 0; i < s->patch->n; i++) {
        struct sa_val *item = s->patch->items[i], *key = sa_val_member(item, merge_key);
        if (key == NULL) {
            return sa_merge_no_key(m, merge_key);
        }
        uint32_t place = sa_keys_find(&keys, key);
        if (place == SA_NO_PLACE) {
            sa_keys_add(&keys, key);
            if (sa_val_append(m->a, to, item) != 0) {
                return sa_merge_no_memory(m);
            }
        } else if (sa_merge_maps(m, to->items[place], item, l->at, o, &to->items[place]) != 0) {
            return -1;
        }
    }
    return 0;
}

static int merge_maps_list(const struct sa_merging *m, const struct sa_list_merge *l,
                           struct sa_merge_options o, struct sa_ordering *order,
                           struct sa_val **merged)
{
    struct special s = {.original = l->original};
    const char *merge_key = l->meta->merge_key;
    if (merge_key[0] == '\0') {
        return sa_merge_refused(m, "cannot merge lists without merge key for %s",
                                sa_schema_name(l->at));
    }
    if (take_special(m, &s, l->patch, merge_key) != 0) {
        return -1;
    }
    *merged = sa_list_copy(m, s.original);
    if (*merged == NULL || merge_elements(m, &s, l, o, *merged) != 0) {
        return -1;
    }
    order->patch_order = s.patch;
    order->server_order = s.original;
    return 0;
}

static int merge_slice(const struct sa_merging *m, const struct sa_list_merge *l,
                       struct sa_merge_options o, struct sa_val **out)
{
    struct sa_elements e;
    struct sa_val *merged = NULL;
    struct sa_ordering order = {.patch_order = l->patch, .server_order = l->original};
    *out = l->original;
    if (l->original->n == 0 && l->patch->n == 0) {
        return 0;
    }
    if (sa_element_type(m, l->original, l->patch, &e) != 0) {
        return -1;
    }
    order.maps = e.type == SA_VAL_MAP;
    order.merge_key = l->meta->merge_key;
    if (order.maps) {
        if (merge_maps_list(m, l, o, &order, &merged) != 0) {
            return -1;
        }
    } else if (o.server && l->deletes) {
        struct sa_keys keys;
        if (sa_keys_of(m->a, &keys, l->patch, "") != 0) {
            return sa_merge_no_memory(m);
        }
        *out = filter(m, l->original, &keys, "");
        return *out != NULL ? 0 : -1;
    } else {
        merged = merge_scalars(m, l->original, l->patch);
    }
    if (merged == NULL ||
        sa_partition(m, merged, order.patch_order, order.merge_key, &order) != 0) {
        return -1;
    }
    return sa_order_elements(m, &order, out);
}

int sa_merge_lists(const struct sa_merging *m, const struct sa_list_merge *l,
                   struct sa_merge_options o, struct sa_val **out)
{
    if (l->meta->strategy == SA_STRATEGY_MERGE || l->deletes) {
        return merge_slice(m, l, o, out);
    }
    *out = l->patch;
    return 0;
}

static int bad_order(const struct sa_merging *m)
{
    return sa_merge_refused(m, "invalid patch format of setElementOrder list");
}

/* The patch's elements are among those of the order, and in that order. */
static int check_order(const struct sa_merging *m, const struct sa_val *patch,
                       const struct sa_val *order, const char *merge_key)
{
    uint32_t i = 0, j = 0;
    if (patch == NULL || patch->n == 0 || order->n == 0) {
        return 0;
    }
    while (i < patch->n && j < order->n) {
        if (merge_key[0] != '\0' && sa_has_directive(patch->items[i])) {
            i++;
            continue;
        }
        const struct sa_val *x = sa_key_of(patch->items[i], merge_key);
        const struct sa_val *y = sa_key_of(order->items[j], merge_key);
        if (x == NULL || y == NULL) {
            return sa_merge_no_key(m, merge_key);
        }
        i += sa_val_same(x, y);
        j++;
    }
    while (i < patch->n && merge_key[0] != '\0' && sa_is_delete(patch->items[i])) {
        i++;
    }
    return i < patch->n
               ? sa_merge_refused(m, "the order in patch list doesn't match " SET_ORDER " list")
               : 0;
}

/* One $setElementOrder/key of a patch, with the lists that it is about. */
struct ordered {
    const char *key; /* of the list */
    uint32_t n;
    struct sa_val *order, *original, *patch; /* the latter two NULL where not there */
    struct sa_schema_at at;                  /* of the elements */
    struct sa_patch_meta meta;
};

static int ordered_lists(const struct sa_merging *m, struct ordered *d, struct sa_val *original,
                         struct sa_val *patch, struct sa_schema_at at)
{
    d->original = sa_val_get(original, d->key, d->n);
    d->patch = sa_val_get(patch, d->key, d->n);
    if (d->order->type != SA_VAL_LIST ||
        (d->original != NULL && d->original->type != SA_VAL_LIST) ||
        (d->patch != NULL && d->patch->type != SA_VAL_LIST)) {
        return sa_merge_refused(m, "expected a list at %s", d->key);
    }
    if (sa_schema_field(at, d->key, d->n, true, &d->at, &d->meta) != 0) {
        return sa_merge_refused(m,
                                "unable to find api field in struct %s for the json field \"%s\"",
                                sa_schema_name(at), d->key);
    }
    return check_order(m, d->patch, d->order, d->meta.merge_key);
}

static int merge_one_ordered(const struct sa_merging *m, const struct ordered *d,
                             struct sa_merge_options o, struct sa_val **out)
{
    struct sa_val *merged = d->original;
    struct sa_elements e;
    struct sa_val *none = sa_val_new(m->a, SA_VAL_LIST);
    if (none == NULL) {
        return sa_merge_no_memory(m);
    }
    if (sa_element_type(m, d->original, d->patch, &e) != 0) {
        return -1;
    }
    if (e.empty) {
        return sa_merge_refused(m, "no elements in any of the given slices");
    }
    if (d->original == NULL) {
        merged = sa_without_directives(d->patch);
    } else if (d->patch != NULL) {
        struct sa_list_merge l = {
            .original = d->original, .patch = d->patch, .at = d->at, .meta = &d->meta};
        if (sa_merge_lists(m, &l, o, &merged) != 0) {
            return -1;
        }
    }
    struct sa_ordering order = {
        .patch_order = d->order,
        .server_order = d->original != NULL ? d->original : none,
        .merge_key = d->meta.merge_key,
    };
    if (sa_partition(m, merged, d->order, d->meta.merge_key, &order) != 0) {
        return -1;
    }
    order.maps = e.type == SA_VAL_MAP;
    return sa_order_elements(m, &order, out);
}

static int merge_order_key(const struct sa_merging *m, const struct sa_pair *p,
                           struct sa_val *original, struct sa_val *patch, struct sa_schema_at at,
                           struct sa_merge_options o)
{
    struct ordered d = {.order = p->val};
    struct sa_val *merged = NULL;
    if (!o.server) {
        const struct sa_val *other = sa_val_get(original, p->key, p->n);
        if (other != NULL && !sa_val_equal(other, p->val)) {
            return bad_order(m);
        }
        if (other == NULL && sa_val_put(m->a, original, p->key, p->n, p->val) != 0) {
            return sa_merge_no_memory(m);
        }
    }
    sa_val_remove(patch, p->key, p->n);
    d.key = sa_directive_subject(p->key, p->n, SET_ORDER, &d.n);
    if (d.key == NULL) {
        return bad_order(m);
    }
    if (ordered_lists(m, &d, original, patch, at) != 0) {
        return -1;
    }
    if (d.original == NULL && d.patch == NULL) {
        return 0;
    }
    if (merge_one_ordered(m, &d, o, &merged) != 0) {
        return -1;
    }
    sa_val_remove(patch, d.key, d.n);
    return sa_val_put(m->a, original, d.key, d.n, merged) == 0 ? 0 : sa_merge_no_memory(m);
}

int sa_merge_ordered(const struct sa_merging *m, struct sa_val *original, struct sa_val *patch,
                     struct sa_schema_at at, struct sa_merge_options o)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < patch->n; i++) {
        n += strncmp(patch->pairs[i].key, SET_ORDER, SET_ORDER_N) == 0;
    }
    if (n == 0) {
        return 0;
    }
    /* What is merged is taken out of the patch: the pairs are kept aside. */
    struct sa_pair *pairs = sa_arena_alloc(m->a, n * sizeof *pairs);
    if (pairs == NULL) {
        return sa_merge_no_memory(m);
    }
    n = 0;
    for (uint32_t i = 0; i < patch->n; i++) {
        if (strncmp(patch->pairs[i].key, SET_ORDER, SET_ORDER_N) == 0) {
            pairs[n++] = patch->pairs[i];
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        if (merge_order_key(m, &pairs[i], original, patch, at, o) != 0) {
            return -1;
        }
    }
    return 0;
}
