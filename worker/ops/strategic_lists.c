/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of strategic merge patches: their elements' types, keys and orders. */
#include <stdarg.h>
#include <string.h>

#include "worker/ops/gosort.h"
#include "worker/ops/strategic_internal.h"

int sa_merge_no_memory(const struct sa_merging *m)
{
    return sa_val_no_memory(m->a, "the patch", m->err);
}

int sa_merge_refused(const struct sa_merging *m, const char *fmt, ...)
{
    SA_CLEANUP(sa_buf_free) struct sa_buf b = {0};
    va_list ap;
    sa_buf_init(&b, 4096);
    va_start(ap, fmt);
    sa_buf_addv(&b, fmt, ap);
    va_end(ap);
    return sa_err_set(m->err, SA_EREFUSED, "%s", b.data != NULL ? b.data : "it can't be merged");
}

int sa_merge_no_key(const struct sa_merging *m, const char *merge_key)
{
    return sa_merge_refused(m, "an element of a list does not contain the declared merge key: %s",
                            merge_key);
}

static int one_type(const struct sa_merging *m, const struct sa_val *list, struct sa_elements *out)
{
    for (uint32_t i = 0; list != NULL && i < list->n; i++) {
        enum sa_val_type type = list->items[i]->type;
        if (type == SA_VAL_LIST && out->empty) {
            return sa_merge_refused(m, "lists of lists are not supported");
        }
        if (type == SA_VAL_NULL || (!out->empty && type != out->type)) {
            return sa_merge_refused(m, "list element types are not identical");
        }
        *out = (struct sa_elements){.type = type};
    }
    return 0;
}

int sa_element_type(const struct sa_merging *m, const struct sa_val *x, const struct sa_val *y,
                    struct sa_elements *out)
{
    *out = (struct sa_elements){.empty = true};
    return one_type(m, x, out) == 0 ? one_type(m, y, out) : -1;
}

const char *sa_directive_key(const struct sa_merging *m, const char *prefix, const char *key,
                             uint32_t n, size_t *whole)
{
    size_t prefix_n = strlen(prefix);
    char *k = sa_arena_alloc(m->a, prefix_n + n + 2);
    if (k != NULL) {
        memcpy(k, prefix, prefix_n);
        k[prefix_n] = '/';
        memcpy(k + prefix_n + 1, key, n);
        *whole = prefix_n + 1 + n;
        k[*whole] = '\0';
    }
    return k;
}

const char *sa_directive_subject(const char *key, uint32_t n, const char *prefix, uint32_t *rest)
{
    uint32_t prefix_n = (uint32_t)strlen(prefix);
    if (n <= prefix_n || key[prefix_n] != '/') {
        return NULL;
    }
    *rest = n - prefix_n - 1;
    return key + prefix_n + 1;
}

bool sa_has_directive(const struct sa_val *item)
{
    return sa_val_member(item, DIRECTIVE) != NULL;
}

bool sa_is_delete(const struct sa_val *item)
{
    return sa_val_is(sa_val_member(item, DIRECTIVE), "delete");
}

int sa_list_append_all(const struct sa_merging *m, struct sa_val *to, const struct sa_val *list)
{
    for (uint32_t i = 0; list != NULL && i < list->n; i++) {
        if (sa_val_append(m->a, to, list->items[i]) != 0) {
            return sa_merge_no_memory(m);
        }
    }
    return 0;
}

struct sa_val *sa_list_copy(const struct sa_merging *m, const struct sa_val *list)
{
    struct sa_val *to = sa_val_new(m->a, SA_VAL_LIST);
    if (to == NULL) {
        sa_merge_no_memory(m);
        return NULL;
    }
    return sa_list_append_all(m, to, list) == 0 ? to : NULL;
}

/* An element and the text of its key. */
struct keyed {
    struct sa_val *item;
    size_t text, n; /* in the buffer of the whole sort */
};
struct by_text {
    struct keyed *v;
    const char *texts;
};

/* Less of SortableSliceOfMaps and SortableSliceOfScalars: "not greater". */
static bool text_less(void *arg, size_t i, size_t j)
{
    const struct by_text *b = arg;
    const struct keyed *x = &b->v[i], *y = &b->v[j];
    size_t n = x->n < y->n ? x->n : y->n;
    int c = n > 0 ? memcmp(b->texts + x->text, b->texts + y->text, n) : 0;
    return c != 0 ? c < 0 : x->n <= y->n;
}

static void text_swap(void *arg, size_t i, size_t j)
{
    struct keyed *v = ((struct by_text *)arg)->v, t = v[i];
    v[i] = v[j];
    v[j] = t;
}

int sa_sort_by_key(const struct sa_merging *m, struct sa_val *list, const char *merge_key)
{
    SA_CLEANUP(sa_buf_free) struct sa_buf texts = {0};
    struct keyed *v = sa_arena_alloc(m->a, (size_t)list->n * sizeof *v);
    sa_buf_init(&texts, m->a->max);
    if (v == NULL) {
        return sa_merge_no_memory(m);
    }
    for (uint32_t i = 0; i < list->n; i++) {
        const struct sa_val *key = sa_key_of(list->items[i], merge_key);
        if (key == NULL || key->type == SA_VAL_MAP || key->type == SA_VAL_LIST) {
            return sa_merge_no_key(m, merge_key);
        }
        v[i] = (struct keyed){.item = list->items[i], .text = texts.len};
        sa_val_format(key, &texts);
        v[i].n = texts.len - v[i].text;
    }
    if (texts.failed) {
        return sa_merge_no_memory(m);
    }
    struct by_text by = {.v = v, .texts = texts.data};
    sa_sort(&(struct sa_sort){.arg = &by, .less = text_less, .swap = text_swap}, list->n);
    for (uint32_t i = 0; i < list->n; i++) {
        list->items[i] = v[i].item;
    }
    return 0;
}

/* An element and its place in the order. */
struct placed {
    struct sa_val *item;
    uint32_t place;
};

/* Go's relation: what is not in the order is below everything, everything above it. */
static bool place_less(void *arg, size_t i, size_t j)
{
    const struct placed *v = arg;
    if (v[i].place != SA_NO_PLACE && v[j].place != SA_NO_PLACE) {
        return v[i].place < v[j].place;
    }
    return true;
}

static void place_swap(void *arg, size_t i, size_t j)
{
    struct placed *v = arg, t = v[i];
    v[i] = v[j];
    v[j] = t;
}

static int need_keys(const struct sa_merging *m, const struct sa_val *list, const char *merge_key)
{
    for (uint32_t i = 0; i < list->n; i++) {
        if (sa_val_member(list->items[i], merge_key) == NULL) {
            return sa_merge_no_key(m, merge_key);
        }
    }
    return 0;
}

int sa_order_like(const struct sa_merging *m, struct sa_val **list, const struct sa_val *order,
                  const char *merge_key, bool maps)
{
    struct sa_keys keys;
    struct sa_val *from = *list, *to = sa_val_new(m->a, SA_VAL_LIST);
    const char *by = maps ? merge_key : "";
    if (maps && (need_keys(m, from, merge_key) != 0 || need_keys(m, order, merge_key) != 0)) {
        return -1;
    }
    struct placed *v = sa_arena_alloc(m->a, (size_t)from->n * sizeof *v);
    if (to == NULL || v == NULL || sa_keys_of(m->a, &keys, order, by) != 0) {
        return sa_merge_no_memory(m);
    }
    uint32_t n = 0;
    for (uint32_t i = 0; i < from->n; i++) {
        if (!maps || !sa_is_delete(from->items[i])) {
            v[n++] = (struct placed){.item = from->items[i],
                                     .place = sa_keys_find(&keys, sa_key_of(from->items[i], by))};
        }
    }
    sa_sort_stable(&(struct sa_sort){.arg = v, .less = place_less, .swap = place_swap}, n);
    int r = 0;
    for (uint32_t i = 0; i < n; i++) {
        r |= sa_val_append(m->a, to, v[i].item);
    }
    for (uint32_t i = 0; maps && i < from->n; i++) {
        r |= sa_is_delete(from->items[i]) ? sa_val_append(m->a, to, from->items[i]) : 0;
    }
    *list = to;
    return r == 0 ? 0 : sa_merge_no_memory(m);
}

/* mergeSortedSlice: an element of the server's goes before the first of the patch's that the
 * server has behind it. */
static int interleave(const struct sa_merging *m, const struct sa_ordering *o, struct sa_val *to)
{
    struct sa_keys keys;
    const char *by = o->maps ? o->merge_key : "";
    const struct sa_val *left = o->server_only, *right = o->patch;
    uint32_t i = 0, j = 0;
    if (sa_keys_of(m->a, &keys, o->server_order, by) != 0) {
        return sa_merge_no_memory(m);
    }
    while (i < left->n || j < right->n) {
        bool take_left = j == right->n;
        if (i < left->n && j < right->n) {
            uint32_t l = sa_keys_find(&keys, sa_key_of(left->items[i], by));
            uint32_t r = sa_keys_find(&keys, sa_key_of(right->items[j], by));
            take_left = l != SA_NO_PLACE && r != SA_NO_PLACE && l < r;
        }
        if (sa_val_append(m->a, to, take_left ? left->items[i++] : right->items[j++]) != 0) {
            return sa_merge_no_memory(m);
        }
    }
    return 0;
}

int sa_order_elements(const struct sa_merging *m, struct sa_ordering *o, struct sa_val **out)
{
    *out = sa_val_new(m->a, SA_VAL_LIST);
    if (*out == NULL) {
        return sa_merge_no_memory(m);
    }
    if (sa_order_like(m, &o->patch, o->patch_order, o->merge_key, o->maps) != 0 ||
        sa_order_like(m, &o->server_only, o->server_order, o->merge_key, o->maps) != 0) {
        return -1;
    }
    return interleave(m, o, *out);
}

int sa_partition(const struct sa_merging *m, const struct sa_val *list, const struct sa_val *by,
                 const char *merge_key, struct sa_ordering *out)
{
    struct sa_keys keys;
    out->patch = sa_val_new(m->a, SA_VAL_LIST);
    out->server_only = sa_val_new(m->a, SA_VAL_LIST);
    if (out->patch == NULL || out->server_only == NULL ||
        sa_keys_of(m->a, &keys, by, merge_key) != 0) {
        return sa_merge_no_memory(m);
    }
    for (uint32_t i = 0; i < list->n; i++) {
        const struct sa_val *key = sa_key_of(list->items[i], merge_key);
        if (key == NULL) {
            return sa_merge_no_key(m, merge_key);
        }
        bool found = sa_keys_find(&keys, key) != SA_NO_PLACE;
        if (sa_val_append(m->a, found ? out->patch : out->server_only, list->items[i]) != 0) {
            return sa_merge_no_memory(m);
        }
    }
    return 0;
}
