/* SPDX-License-Identifier: Apache-2.0 */
/* What the files strategic*.c share. */
#ifndef SA_WORKER_OPS_STRATEGIC_INTERNAL_H
#define SA_WORKER_OPS_STRATEGIC_INTERNAL_H

#include "worker/ops/keys.h"
#include "worker/ops/schema.h"
#include "worker/ops/strategic.h"

#define DIRECTIVE     "$patch"
#define RETAIN_KEYS   "$retainKeys"
#define SET_ORDER     "$setElementOrder"
#define DELETE_FROM   "$deleteFromPrimitiveList"
#define DIRECTIVE_N   (sizeof DIRECTIVE - 1)
#define SET_ORDER_N   (sizeof SET_ORDER - 1)
#define DELETE_FROM_N (sizeof DELETE_FROM - 1)

/* One call of the library. Functions return 0, or -1 with the error set. */
struct sa_merging {
    struct sa_arena *a;
    struct sa_err **err;
};

int sa_merge_no_memory(const struct sa_merging *m);
int sa_merge_refused(const struct sa_merging *m, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
int sa_merge_no_key(const struct sa_merging *m, const char *merge_key);

/* Lists of one type of elements that are no lists: SA_VAL_NULL with empty = true where there is no
 * element at all. */
struct sa_elements {
    enum sa_val_type type;
    bool empty;
};
int sa_element_type(const struct sa_merging *m, const struct sa_val *x, const struct sa_val *y,
                    struct sa_elements *out);

/* "$prefix/key" as a key of a patch; NULL: no memory. */
const char *sa_directive_key(const struct sa_merging *m, const char *prefix, const char *key,
                             uint32_t n, size_t *whole);
/* The key behind "prefix/", or NULL if there is none. */
const char *sa_directive_subject(const char *key, uint32_t n, const char *prefix, uint32_t *rest);

bool sa_has_directive(const struct sa_val *item);
bool sa_is_delete(const struct sa_val *item);

struct sa_val *sa_list_copy(const struct sa_merging *m, const struct sa_val *list);
int sa_list_append_all(const struct sa_merging *m, struct sa_val *to, const struct sa_val *list);

/* Sorts by the text of the merge key ("" of the elements themselves), in place, as Go does. */
int sa_sort_by_key(const struct sa_merging *m, struct sa_val *list, const char *merge_key);
/* normalizeSliceOrder: sorted by the places in order; deletions of maps go to the end. */
int sa_order_like(const struct sa_merging *m, struct sa_val **list, const struct sa_val *order,
                  const char *merge_key, bool maps);
/* normalizeElementOrder */
struct sa_ordering {
    struct sa_val *patch, *server_only;
    const struct sa_val *patch_order, *server_order;
    const char *merge_key;
    bool maps;
};
int sa_order_elements(const struct sa_merging *m, struct sa_ordering *o, struct sa_val **out);

/* Which of list's elements have their like in by, and which not. */
int sa_partition(const struct sa_merging *m, const struct sa_val *list, const struct sa_val *by,
                 const char *merge_key, struct sa_ordering *out);

/* diffMaps */
struct sa_diff_options {
    bool no_changes, no_deletions; /* of the patch */
    bool retain_keys;
};
int sa_diff_maps(const struct sa_merging *m, struct sa_val *original, struct sa_val *modified,
                 struct sa_schema_at at, struct sa_diff_options o, struct sa_val **patch);
struct sa_list_diff {
    struct sa_val *original, *modified; /* lists */
    struct sa_schema_at at;             /* of their elements */
    const char *merge_key;
    struct sa_diff_options o;
    struct sa_val *patch, *deletions, *order; /* out; NULL or empty: none */
};
int sa_diff_lists(const struct sa_merging *m, struct sa_list_diff *d);

/* mergeMap */
struct sa_merge_options {
    bool server; /* the patch is applied; else two patches are made one */
};
int sa_merge_maps(const struct sa_merging *m, struct sa_val *original, struct sa_val *patch,
                  struct sa_schema_at at, struct sa_merge_options o, struct sa_val **out);
struct sa_list_merge {
    struct sa_val *original, *patch; /* lists */
    struct sa_schema_at at;          /* of their elements */
    const struct sa_patch_meta *meta;
    bool deletes; /* patch is a $deleteFromPrimitiveList */
};
int sa_merge_lists(const struct sa_merging *m, const struct sa_list_merge *l,
                   struct sa_merge_options o, struct sa_val **out);
/* mergePatchIntoOriginal */
int sa_merge_ordered(const struct sa_merging *m, struct sa_val *original, struct sa_val *patch,
                     struct sa_schema_at at, struct sa_merge_options o);
/* removeDirectives: *v, or NULL if it is one itself. */
struct sa_val *sa_without_directives(struct sa_val *v);

#endif
