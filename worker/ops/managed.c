/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ops/managed.h"

#include <string.h>

#include "worker/ops/apply.h"

static const struct sa_val *managed_of(const struct sa_val *object)
{
    const struct sa_val *v = sa_val_member(sa_val_member(object, "metadata"), "managedFields");
    return v != NULL && v->type == SA_VAL_LIST ? v : NULL;
}

static bool by(const struct sa_val *entry, const char *manager, const char *operation)
{
    return strcmp(sa_val_str(entry, "operation"), operation) == 0 &&
           (manager == NULL || strcmp(sa_val_str(entry, "manager"), manager) == 0);
}

static bool whole_object(const struct sa_val *entry)
{
    return sa_val_str(entry, "subresource")[0] == '\0';
}

/* A name in FieldsV1 stands for a member of the set if nothing is below it, or "." is. */
static bool is_member(const struct sa_val *fields)
{
    return fields != NULL && fields->type == SA_VAL_MAP &&
           (fields->n == 0 || sa_val_member(fields, ".") != NULL);
}

static bool owns_applied(const struct sa_val *entry)
{
    const struct sa_val *annotations = sa_val_member(
        sa_val_member(sa_val_member(entry, "fieldsV1"), "f:metadata"), "f:annotations");
    return is_member(sa_val_member(annotations, "f:" SA_LAST_APPLIED));
}

bool sa_managed_owns_applied(const struct sa_val *object, const char *operation)
{
    const struct sa_val *managed = managed_of(object);
    for (uint32_t i = 0; managed != NULL && i < managed->n; i++) {
        if (by(managed->items[i], NULL, operation) && owns_applied(managed->items[i])) {
            return true;
        }
    }
    return false;
}

static struct sa_val *unite(struct sa_arena *a, const struct sa_val *x, const struct sa_val *y);

static int unite_pair(struct sa_arena *a, struct sa_val *into, const struct sa_pair *p,
                      const struct sa_val *other)
{
    struct sa_val *v = other != NULL ? unite(a, p->val, other) : sa_val_clone(a, p->val);
    return sa_val_put(a, into, p->key, p->n, v);
}

/* The union of two sets of fields below one name; NULL: no memory. As deep as they are nested. */
static struct sa_val *unite(struct sa_arena *a, const struct sa_val *x, const struct sa_val *y)
{
    struct sa_val *into = sa_val_new(a, SA_VAL_MAP);
    int r = into != NULL ? 0 : -1;
    for (uint32_t i = 0; r == 0 && x->type == SA_VAL_MAP && i < x->n; i++) {
        r = unite_pair(a, into, &x->pairs[i], sa_val_get(y, x->pairs[i].key, x->pairs[i].n));
    }
    for (uint32_t i = 0; r == 0 && y->type == SA_VAL_MAP && i < y->n; i++) {
        if (sa_val_get(x, y->pairs[i].key, y->pairs[i].n) == NULL) {
            r = unite_pair(a, into, &y->pairs[i], NULL);
        }
    }
    if (r == 0 && into->n > 0 && (is_member(x) || is_member(y)) &&
        sa_val_member(into, ".") == NULL) {
        r = sa_val_set(a, into, ".", sa_val_new(a, SA_VAL_MAP));
    }
    if (r == 0 && into->n == 1 && sa_val_member(into, ".") != NULL) {
        sa_val_remove(into, ".", 1);
    }
    return r == 0 ? into : NULL;
}

/* At the top of fieldsV1 {} is the empty set, no member. */
static struct sa_val *unite_sets(struct sa_arena *a, const struct sa_val *x, const struct sa_val *y)
{
    if (x == NULL || x->n == 0) {
        return y != NULL ? sa_val_clone(a, y) : sa_val_new(a, SA_VAL_MAP);
    }
    return y == NULL || y->n == 0 ? sa_val_clone(a, x) : unite(a, x, y);
}

static uint32_t find(const struct sa_val *list, const char *manager, const char *operation,
                     const char *version)
{
    for (uint32_t i = 0; i < list->n; i++) {
        const struct sa_val *e = list->items[i];
        if (by(e, manager, operation) && whole_object(e) &&
            (version == NULL || strcmp(sa_val_str(e, "apiVersion"), version) == 0)) {
            return i;
        }
    }
    return list->n;
}

/* upgradedManagedFields: the entries of csa, by Update, become part of manager's, by Apply. Entries
 * that change are copies. */
static int upgrade_one(struct sa_arena *a, struct sa_val *list, const char *csa,
                       const char *manager)
{
    uint32_t at = find(list, manager, "Apply", NULL);
    bool converted = at == list->n;
    if (converted) {
        at = find(list, csa, "Update", NULL);
        if (at == list->n) {
            return 0;
        }
    }
    struct sa_val *entry = list->items[at] = sa_val_clone(a, list->items[at]);
    if (entry == NULL) {
        return -1;
    }
    if (converted && (sa_val_set(a, entry, "operation", sa_val_text(a, "Apply")) != 0 ||
                      sa_val_set(a, entry, "manager", sa_val_text(a, manager)) != 0)) {
        return -1;
    }
    uint32_t other = find(list, csa, "Update", sa_val_str(entry, "apiVersion"));
    if (other < list->n) {
        struct sa_val *fields = unite_sets(a, sa_val_member(entry, "fieldsV1"),
                                           sa_val_member(list->items[other], "fieldsV1"));
        if (sa_val_set(a, entry, "fieldsV1", fields) != 0) {
            return -1;
        }
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < list->n; i++) {
        if (!by(list->items[i], csa, "Update") || !whole_object(list->items[i])) {
            list->items[kept++] = list->items[i];
        }
    }
    list->n = kept;
    return 0;
}

static struct sa_val *operation(struct sa_arena *a, const char *path, struct sa_val *value)
{
    struct sa_val *v = sa_val_new(a, SA_VAL_MAP);
    bool ok = v != NULL && sa_val_set(a, v, "op", sa_val_text(a, "replace")) == 0 &&
              sa_val_set(a, v, "path", sa_val_text(a, path)) == 0 &&
              sa_val_set(a, v, "value", value) == 0;
    return ok ? v : NULL;
}

/* The JSON patch (RFC 6902). The version is replaced, not tested: only so a mismatch is a 409. */
static int patch_of(struct sa_arena *a, const struct sa_val *object, struct sa_val *managed,
                    struct sa_val **patch, struct sa_err **err)
{
    const char *version = sa_val_str(sa_val_member(object, "metadata"), "resourceVersion");
    *patch = sa_val_new(a, SA_VAL_LIST);
    /* An empty list would be taken as "I do not know of it": an empty entry means none. */
    if (*patch == NULL ||
        (managed->n == 0 && sa_val_append(a, managed, sa_val_new(a, SA_VAL_MAP)) != 0) ||
        sa_val_append(a, *patch, operation(a, "/metadata/managedFields", managed)) != 0 ||
        sa_val_append(a, *patch,
                      operation(a, "/metadata/resourceVersion", sa_val_text(a, version))) != 0) {
        return sa_val_no_memory(a, "the managed fields", err);
    }
    return 0;
}

/* A copy of the list, with the same entries. */
static struct sa_val *entries_of(struct sa_arena *a, const struct sa_val *list)
{
    struct sa_val *to = sa_val_new(a, SA_VAL_LIST);
    for (uint32_t i = 0; to != NULL && i < list->n; i++) {
        if (sa_val_append(a, to, list->items[i]) != 0) {
            return NULL;
        }
    }
    return to;
}

/* Upgrades every manager that applied client-side. *changed: the list is not what it was. */
static int upgrade_all(struct sa_arena *a, const struct sa_val *managed, struct sa_val *list,
                       const char *manager, bool *changed)
{
    for (uint32_t i = 0; i < managed->n; i++) {
        const struct sa_val *e = managed->items[i];
        if (!by(e, NULL, "Update") || !owns_applied(e)) {
            continue;
        }
        if (upgrade_one(a, list, sa_val_str(e, "manager"), manager) != 0) {
            return -1;
        }
    }
    *changed = !sa_val_equal(list, managed);
    return 0;
}

int sa_managed_upgrade(struct sa_arena *a, const struct sa_val *object, const char *manager,
                       struct sa_val **patch, struct sa_err **err)
{
    const struct sa_val *managed = managed_of(object);
    bool changed = false;
    *patch = NULL;
    if (managed == NULL) {
        return 0;
    }
    struct sa_val *list = entries_of(a, managed);
    if (list == NULL || upgrade_all(a, managed, list, manager, &changed) != 0) {
        return sa_val_no_memory(a, "the managed fields", err);
    }
    return changed ? patch_of(a, object, list, patch, err) : 0;
}

/* manager's own entry by Apply, and those of subresources. */
static void keep_own(struct sa_val *list, const char *manager)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < list->n; i++) {
        if (!whole_object(list->items[i]) || by(list->items[i], manager, "Apply")) {
            list->items[kept++] = list->items[i];
        }
    }
    list->n = kept;
}

int sa_managed_clear(struct sa_arena *a, const struct sa_val *object, const char *manager,
                     struct sa_val **patch, struct sa_err **err)
{
    const struct sa_val *managed = managed_of(object);
    bool changed = false;
    *patch = NULL;
    if (managed == NULL) {
        return 0;
    }
    struct sa_val *list = entries_of(a, managed);
    if (list == NULL || upgrade_all(a, managed, list, manager, &changed) != 0 ||
        upgrade_one(a, list, SA_MANAGER_BEFORE, manager) != 0 ||
        upgrade_one(a, list, manager, manager) != 0) {
        return sa_val_no_memory(a, "the managed fields", err);
    }
    keep_own(list, manager);
    return sa_val_equal(list, managed) ? 0 : patch_of(a, object, list, patch, err);
}
