/* SPDX-License-Identifier: Apache-2.0 */
/* Client-side apply: kubectl's applyOneObject without ServerSideApply, and its Patcher. */
#include <string.h>

#include "worker/ops/applied.h"
#include "worker/ops/apply_internal.h"
#include "worker/ops/jsonmerge.h"
#include "worker/ops/strategic.h"

#define STRATEGIC "application/strategic-merge-patch+json"
#define MERGE     "application/merge-patch+json"

int sa_apply_client_prepare(struct sa_apply *a, struct sa_arena *arena, struct sa_val *manifest,
                            struct sa_err **err)
{
    SA_CLEANUP(sa_err_free) struct sa_err *why = NULL;
    if (sa_applied_set(arena, manifest, &why) != 0) {
        return why->code == SA_EREFUSED
                   ? sa_apply_refused(a, SA_APPLY_INVALID, "The %s \"%s\" is invalid: %s", a->kind,
                                      a->name, sa_err_msg(why))
                   : sa_err_set(err, why->code, "%s", sa_err_msg(why));
    }
    sa_val_print(manifest, &a->manifest);
    /* What is created has no nulls, since an update would remove what is null; and no version. */
    sa_val_prune_nulls(manifest);
    sa_val_remove(sa_val_member(manifest, "metadata"), "resourceVersion",
                  sizeof "resourceVersion" - 1);
    sa_val_print(manifest, &a->create);
    if (a->manifest.failed || a->create.failed) {
        return sa_apply_no_memory(err);
    }
    return sa_apply_get(a, SA_AT_GET, 0);
}

static void applying(struct sa_apply *a, const char *then)
{
    sa_buf_reset(&a->doing);
    sa_buf_adds(&a->doing, "applying patch to:\n");
    sa_apply_name_object(a);
    sa_buf_addf(&a->doing, "\nfor:%s", then);
}

static int conflict(struct sa_apply *a, const char *what)
{
    return sa_apply_refused(a, SA_APPLY_CONFLICT,
                            "Error from server (Conflict): error when applying patch to %s "
                            "\"%s\": the object is not the one expected: its %s is another",
                            a->kind, a->name, what);
}

/* kubectl knows no preconditions; the server checks them again, since the patch names them. */
static int add_precondition(struct sa_apply *a, struct sa_arena *arena, struct sa_val *patch)
{
    struct sa_val *metadata;
    if (a->uid[0] == '\0' && a->version[0] == '\0') {
        return 0;
    }
    metadata = sa_val_submap(arena, patch, "metadata");
    if (metadata == NULL || (a->uid[0] != '\0' &&
                             sa_val_set(arena, metadata, "uid", sa_val_text(arena, a->uid)) != 0)) {
        return -1;
    }
    return a->version[0] == '\0'
               ? 0
               : sa_val_set(arena, metadata, "resourceVersion", sa_val_text(arena, a->version));
}

/* 0: *patch is it; 1: there can be none, and the apply is over. */
static int make_patch(struct sa_apply *a, struct sa_arena *arena, const struct sa_schema *schema,
                      struct sa_val **patch, struct sa_err **err)
{
    SA_CLEANUP(sa_err_free) struct sa_err *why = NULL;
    struct sa_merge_inputs in = {
        .modified =
            sa_val_parse_map(arena, a->manifest.data, a->manifest.len, "the manifest", err)};
    in.current = in.modified != NULL ? sa_apply_current(a, arena, err) : NULL;
    if (in.current == NULL) {
        return -1;
    }
    in.original = sa_applied_get(arena, in.current, &why);
    bool broken = why != NULL && why->code == SA_EPROTOCOL;
    int r = why != NULL      ? -1
            : schema != NULL ? sa_strategic_create(arena, &in, schema, patch, &why)
                             : sa_json_merge_create(arena, &in, patch, &why);
    if (r == 0) {
        return 0;
    }
    if (why->code == SA_EMEMORY || why->code == SA_ELIMIT) {
        return sa_err_set(err, why->code, "%s", sa_err_msg(why));
    }
    applying(a, "");
    sa_apply_refused(a, SA_APPLY_INVALID,
                     "error: error when %s \"STDIN\": error when patching \"STDIN\": creating "
                     "patch for: %s",
                     a->doing.data != NULL ? a->doing.data : "",
                     broken ? "invalid JSON document" : sa_err_msg(why));
    return 1;
}

static int compute(struct sa_apply *a, const struct sa_schema *schema, struct sa_err **err)
{
    SA_CLEANUP(sa_arena_free) struct sa_arena arena = {0};
    struct sa_val *patch = NULL;
    sa_arena_init(&arena, SA_APPLY_MAX_MEMORY);
    int r = make_patch(a, &arena, schema, &patch, err);
    if (r != 0) {
        return r > 0 ? 0 : -1;
    }
    if (patch->n == 0) {
        return sa_apply_end(a, SA_APPLY_UNCHANGED);
    }
    if (add_precondition(a, &arena, patch) != 0) {
        return sa_apply_no_memory(err);
    }
    sa_buf_reset(&a->body);
    sa_val_print(patch, &a->body);
    return sa_apply_patch(a, SA_AT_PATCH, schema != NULL ? STRATEGIC : MERGE, a->manager, NULL,
                          err);
}

static int present(struct sa_apply *a, const char *body, size_t n, struct sa_err **err)
{
    if (sa_apply_see(a, body, n, err) != 0) {
        return -1;
    }
    if (a->uid[0] != '\0' && strcmp(a->uid, a->seen_uid) != 0) {
        return conflict(a, "uid");
    }
    if (a->version[0] != '\0' && strcmp(a->version, a->seen_version) != 0) {
        return conflict(a, "resourceVersion");
    }
    return sa_apply_ask_schema(a, err);
}

static int on_get(struct sa_apply *a, int status, const char *body, size_t n, struct sa_err **err)
{
    if (sa_apply_ok(status)) {
        return present(a, body, n, err);
    }
    if (a->tries > 0) {
        applying(a, "");
        return sa_apply_failed(a);
    }
    if (status == 404) {
        return a->uid[0] != '\0' || a->version[0] != '\0' ? conflict(a, "uid")
                                                          : sa_apply_post(a, err);
    }
    sa_buf_adds(&a->doing, "retrieving current configuration of:\n");
    sa_apply_name_object(a);
    sa_buf_adds(&a->doing, "\nfrom server for:");
    return sa_apply_failed(a);
}

/* Patcher.Patch: a conflict makes it read and compute anew, with a pause from the second time on.
 */
static int on_patch(struct sa_apply *a, int status, const char *body, size_t n, struct sa_err **err)
{
    if (sa_apply_ok(status)) {
        return sa_apply_see(a, body, n, err) == 0 ? sa_apply_end(a, SA_APPLY_CONFIGURED) : -1;
    }
    if (status == 409 && a->tries < SA_APPLY_TRIES && a->version[0] == '\0') {
        a->tries++;
        return sa_apply_get(a, SA_AT_GET, a->tries > 1 ? 1000 : 0);
    }
    applying(a, " \"STDIN\": error when patching");
    return sa_apply_failed(a);
}

int sa_apply_client_answer(struct sa_apply *a, int status, const char *body, size_t n,
                           struct sa_err **err)
{
    switch (a->phase) {
    case SA_AT_GET:
        return on_get(a, status, body, n, err);
    case SA_AT_PATCH:
        return on_patch(a, status, body, n, err);
    case SA_AT_CREATE:
        if (sa_apply_ok(status)) {
            return sa_apply_see(a, body, n, err) == 0 ? sa_apply_end(a, SA_APPLY_CREATED) : -1;
        }
        sa_buf_adds(&a->doing, "creating");
        return sa_apply_failed(a);
    default:
        return sa_err_set(err, SA_EINTERNAL, "apply: an answer that nobody asked for");
    }
}

int sa_apply_client_schema(struct sa_apply *a, const struct sa_schema *schema, struct sa_err **err)
{
    if (a->phase != SA_AT_SCHEMA) {
        return sa_err_set(err, SA_EINTERNAL, "apply: a schema that nobody asked for");
    }
    return compute(a, schema, err);
}
