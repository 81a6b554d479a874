/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ops/applied.h"

#include <string.h>

#include "worker/ops/apply.h"

/* GetAnnotations and SetAnnotations in one: a map of strings is there afterwards. kubectl drops all
 * annotations in silence where one is no string. */
static struct sa_val *annotations_of(struct sa_arena *a, struct sa_val *object, struct sa_err **err)
{
    struct sa_val *metadata = sa_val_submap(a, object, "metadata");
    struct sa_val *old = metadata != NULL ? sa_val_member(metadata, "annotations") : NULL;
    if (old != NULL && old->type != SA_VAL_MAP && old->type != SA_VAL_NULL) {
        sa_err_set(err, SA_EREFUSED, "metadata.annotations is no object");
        return NULL;
    }
    struct sa_val *annotations =
        metadata != NULL ? sa_val_submap(a, metadata, "annotations") : NULL;
    for (uint32_t i = 0; annotations != NULL && i < annotations->n; i++) {
        struct sa_pair *p = &annotations->pairs[i];
        if (p->val->type == SA_VAL_NULL) {
            p->val = sa_val_text(a, "");
            annotations = p->val != NULL ? annotations : NULL;
        } else if (p->val->type != SA_VAL_STRING) {
            sa_err_set(err, SA_EREFUSED, "metadata.annotations: the value of %s is no string",
                       p->key);
            return NULL;
        }
    }
    if (annotations == NULL) {
        sa_val_no_memory(a, "the annotations of the manifest", err);
    }
    return annotations;
}

static size_t size_of(const struct sa_val *annotations)
{
    size_t sum = 0;
    for (uint32_t i = 0; i < annotations->n; i++) {
        sum += (size_t)annotations->pairs[i].n + annotations->pairs[i].val->n;
    }
    return sum;
}

int sa_applied_set(struct sa_arena *a, struct sa_val *object, struct sa_err **err)
{
    SA_CLEANUP(sa_buf_free) struct sa_buf text = {0};
    sa_buf_init(&text, a->max);
    struct sa_val *annotations = annotations_of(a, object, err);
    if (annotations == NULL) {
        return -1;
    }
    sa_val_remove(annotations, SA_LAST_APPLIED, sizeof SA_LAST_APPLIED - 1);
    sa_val_print(object, &text);
    sa_buf_addc(&text, '\n');
    if (text.failed ||
        sa_val_set(a, annotations, SA_LAST_APPLIED, sa_val_string(a, text.data, text.len)) != 0) {
        return sa_val_no_memory(a, "the annotation " SA_LAST_APPLIED, err);
    }
    size_t size = size_of(annotations);
    if (size > SA_APPLY_MAX_ANNOTATIONS) {
        return sa_err_set(err, SA_EREFUSED,
                          "metadata.annotations: Too long: may not be more than %zu bytes (they "
                          "are %zu with the annotation " SA_LAST_APPLIED
                          "; use server-side apply, which needs none)",
                          SA_APPLY_MAX_ANNOTATIONS, size);
    }
    return 0;
}

struct sa_val *sa_applied_get(struct sa_arena *a, const struct sa_val *object, struct sa_err **err)
{
    const struct sa_val *annotations =
        sa_val_member(sa_val_member(object, "metadata"), "annotations");
    const struct sa_val *text = sa_val_member(annotations, SA_LAST_APPLIED);
    if (text == NULL || text->type != SA_VAL_STRING || text->n == 0) {
        return NULL;
    }
    return sa_val_parse_map(a, text->s, text->n, "the annotation " SA_LAST_APPLIED, err);
}
