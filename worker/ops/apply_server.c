/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Server-side apply: kubectl's applyOneObject with ServerSideApply, the migration of what was
 * applied client-side before included. What fails of the migration is a warning: the object is
 * applied, and the next apply tries it again.
 */
#include <string.h>

#include "worker/ops/apply_internal.h"
#include "worker/ops/managed.h"
#include "worker/ops/schema.h"

#define APPLY "application/apply-patch+yaml"
#define JSON  "application/json-patch+json"

static const char review[] =
    "Please review the fields above--they currently have other managers. Here\n"
    "are the ways you can resolve this warning:\n"
    "* If you intend to manage all of these fields, please re-run the apply\n"
    "  command with the `--force-conflicts` flag.\n"
    "* If you do not intend to manage all of the fields, please edit your\n"
    "  manifest to remove references to the fields that should keep their\n"
    "  current managers.\n"
    "* You may co-own fields by updating your manifest to match the existing\n"
    "  value; in this case, you'll become the manager if the other manager(s)\n"
    "  stop managing the field (remove it from their configuration).\n"
    "See https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts";

static int send_manifest(struct sa_apply *a, enum sa_apply_phase phase, struct sa_err **err)
{
    sa_buf_reset(&a->body);
    sa_buf_add(&a->body, a->manifest.data, a->manifest.len);
    return sa_apply_patch(a, phase, APPLY, a->manager, a->force ? "true" : "false", err);
}

/* The first step that asks for something; what is sent is complete. */
static int begin(struct sa_apply *a, struct sa_err **err)
{
    return a->clear ? sa_apply_get(a, SA_AT_CLEAR_GET, 0) : send_manifest(a, SA_AT_APPLY, err);
}

static int print_manifest(struct sa_apply *a, const struct sa_val *manifest, struct sa_err **err)
{
    sa_buf_reset(&a->manifest);
    sa_val_print(manifest, &a->manifest);
    return a->manifest.failed ? sa_apply_no_memory(err) : 0;
}

int sa_apply_server_prepare(struct sa_apply *a, struct sa_arena *arena, struct sa_val *manifest,
                            struct sa_err **err)
{
    struct sa_val *metadata = sa_val_member(manifest, "metadata");
    if ((a->uid[0] != '\0' &&
         sa_val_set(arena, metadata, "uid", sa_val_text(arena, a->uid)) != 0) ||
        (a->version[0] != '\0' &&
         sa_val_set(arena, metadata, "resourceVersion", sa_val_text(arena, a->version)) != 0)) {
        return sa_apply_no_memory(err);
    }
    if (print_manifest(a, manifest, err) != 0) {
        return -1;
    }
    return a->defaults ? sa_apply_ask_schema(a, err) : begin(a, err);
}

int sa_apply_server_schema(struct sa_apply *a, const struct sa_schema *schema, struct sa_err **err)
{
    SA_CLEANUP(sa_arena_free) struct sa_arena arena = {0};
    sa_arena_init(&arena, SA_APPLY_MAX_MEMORY);
    if (a->phase != SA_AT_SCHEMA) {
        return sa_err_set(err, SA_EINTERNAL, "apply: a schema that nobody asked for");
    }
    if (schema != NULL) {
        struct sa_val *v =
            sa_val_parse_map(&arena, a->manifest.data, a->manifest.len, "the manifest", err);
        if (v == NULL || sa_schema_defaults(&arena, schema, v, err) != 0 ||
            print_manifest(a, v, err) != 0) {
            return -1;
        }
    }
    return begin(a, err);
}

/* The message of a Status. */
static void add_status(struct sa_buf *out, const char *body, size_t n)
{
    SA_CLEANUP(sa_arena_free) struct sa_arena arena = {0};
    sa_arena_init(&arena, SA_APPLY_MAX_MEMORY);
    const struct sa_val *v = sa_val_parse(&arena, body, n, "the answer", NULL);
    const char *message = sa_val_str(v, "message");
    sa_buf_adds(out, message[0] != '\0' ? message : "the server refused it");
}

static int done(struct sa_apply *a)
{
    return sa_apply_end(a, SA_APPLY_SERVER_SIDE);
}

static const char *warning_of(const struct sa_apply *a)
{
    switch (a->phase) {
    case SA_AT_SAVE:
        return "failed to migrate " SA_LAST_APPLIED " for Server-Side Apply";
    case SA_AT_REAPPLY:
        return "failed to re-apply configuration after performing Server-Side Apply migration";
    default:
        return "server rejected managed fields migration to Server-Side Apply";
    }
}

void sa_apply_no_answer(struct sa_apply *a, const char *why)
{
    sa_buf_addf(&a->warnings,
                "Warning: %s. This is non-fatal and will be retried next time you apply. Error: "
                "%s\n",
                warning_of(a), why);
    done(a);
}

static int warn(struct sa_apply *a, const char *body, size_t n)
{
    SA_CLEANUP(sa_buf_free) struct sa_buf why = {0};
    sa_buf_init(&why, 65536);
    add_status(&why, body, n);
    sa_apply_no_answer(a, why.data != NULL ? why.data : "");
    return 0;
}

/* Sends the JSON patch that gives fields to us; *sent is false where there is nothing to give. */
static int give(struct sa_apply *a, enum sa_apply_phase phase, bool *sent, struct sa_err **err)
{
    SA_CLEANUP(sa_arena_free) struct sa_arena arena = {0};
    struct sa_val *patch = NULL;
    sa_arena_init(&arena, SA_APPLY_MAX_MEMORY);
    const struct sa_val *v = sa_apply_current(a, &arena, err);
    if (v == NULL) {
        return -1;
    }
    int r = phase == SA_AT_CLEAR ? sa_managed_clear(&arena, v, a->manager, &patch, err)
                                 : sa_managed_upgrade(&arena, v, a->manager, &patch, err);
    *sent = r == 0 && patch != NULL;
    if (!*sent) {
        return r;
    }
    sa_buf_reset(&a->body);
    sa_val_print(patch, &a->body);
    return sa_apply_patch(a, phase, JSON, a->manager, NULL, err);
}

static int migrate(struct sa_apply *a, struct sa_err **err)
{
    bool sent = false;
    int r = give(a, SA_AT_MIGRATE, &sent, err);
    return r == 0 && !sent ? done(a) : r;
}

/* The annotation alone, for a manager that exists for its sake; NULL: no memory. */
static struct sa_val *just_annotation(const struct sa_apply *a, struct sa_arena *arena,
                                      struct sa_val *text)
{
    struct sa_val *v = sa_val_new(arena, SA_VAL_MAP);
    struct sa_val *metadata = v != NULL ? sa_val_submap(arena, v, "metadata") : NULL;
    struct sa_val *annotations =
        metadata != NULL ? sa_val_submap(arena, metadata, "annotations") : NULL;
    bool ok = annotations != NULL && sa_val_set(arena, annotations, SA_LAST_APPLIED, text) == 0 &&
              sa_val_set(arena, v, "apiVersion", sa_val_text(arena, a->api_version)) == 0 &&
              sa_val_set(arena, v, "kind", sa_val_text(arena, a->kind)) == 0 &&
              sa_val_set(arena, metadata, "name", sa_val_text(arena, a->name)) == 0 &&
              (a->namespace[0] == '\0' ||
               sa_val_set(arena, metadata, "namespace", sa_val_text(arena, a->namespace)) == 0);
    return ok ? v : NULL;
}

/* saveLastApplyAnnotationIfNecessary: server-side apply by another name than kubectl's would not
 * keep the annotation up to date, so it is left to go. */
static int save(struct sa_apply *a, struct sa_err **err)
{
    SA_CLEANUP(sa_arena_free) struct sa_arena arena = {0};
    sa_arena_init(&arena, SA_APPLY_MAX_MEMORY);
    const struct sa_val *v = sa_apply_current(a, &arena, err);
    if (v == NULL) {
        return -1;
    }
    struct sa_val *text =
        sa_val_member(sa_val_member(sa_val_member(v, "metadata"), "annotations"), SA_LAST_APPLIED);
    if (strcmp(a->manager, SA_MANAGER_SERVER_SIDE) != 0 || text == NULL ||
        sa_managed_owns_applied(v, "Apply")) {
        return migrate(a, err);
    }
    const struct sa_val *just = just_annotation(a, &arena, text);
    if (just == NULL) {
        return sa_apply_no_memory(err);
    }
    sa_buf_reset(&a->body);
    sa_val_print(just, &a->body);
    return sa_apply_patch(a, SA_AT_SAVE, APPLY, SA_MANAGER_LAST_APPLIED, NULL, err);
}

static int on_apply(struct sa_apply *a, int status, const char *body, size_t n, struct sa_err **err)
{
    if (sa_apply_ok(status)) {
        a->applied = true;
        a->tries = 0;
        return sa_apply_see(a, body, n, err) == 0 ? save(a, err) : -1;
    }
    if (status != 409 && status != 415) {
        return sa_apply_failed(a);
    }
    SA_CLEANUP(sa_buf_free) struct sa_buf why = {0};
    sa_buf_init(&why, 65536);
    add_status(&why, body, n);
    const char *text = why.data != NULL ? why.data : "";
    return status == 409
               ? sa_apply_refused(a, SA_APPLY_CONFLICT, "error: %s\n%s", text, review)
               : sa_apply_refused(a, SA_APPLY_INVALID,
                                  "error: Server-side apply not available on the server: (%s)",
                                  text);
}

/* What is not there has no managers. */
static int on_clear_get(struct sa_apply *a, int status, const char *body, size_t n,
                        struct sa_err **err)
{
    bool sent = false;
    if (status == 404) {
        return send_manifest(a, SA_AT_APPLY, err);
    }
    if (!sa_apply_ok(status)) {
        return sa_apply_failed(a);
    }
    int r = sa_apply_see(a, body, n, err) == 0 ? give(a, SA_AT_CLEAR, &sent, err) : -1;
    return r == 0 && !sent ? send_manifest(a, SA_AT_APPLY, err) : r;
}

/* True: the object has changed meanwhile, and is read again. */
static bool read_again(struct sa_apply *a, int status, enum sa_apply_phase phase)
{
    if (status != 409 || ++a->tries >= SA_APPLY_TRIES) {
        return false;
    }
    sa_apply_get(a, phase, 0);
    return true;
}

static int on_migrate(struct sa_apply *a, int status, const char *body, size_t n,
                      struct sa_err **err)
{
    if (sa_apply_ok(status)) {
        return sa_apply_see(a, body, n, err) == 0 ? send_manifest(a, SA_AT_REAPPLY, err) : -1;
    }
    return read_again(a, status, SA_AT_MIGRATE_GET) ? 0 : warn(a, body, n);
}

static int on_clear(struct sa_apply *a, int status, const char *body, size_t n, struct sa_err **err)
{
    if (sa_apply_ok(status)) {
        return sa_apply_see(a, body, n, err) == 0 ? send_manifest(a, SA_AT_APPLY, err) : -1;
    }
    return read_again(a, status, SA_AT_CLEAR_GET) ? 0 : sa_apply_failed(a);
}

/* Answers after the object was applied: a failure is a warning. */
static int after(struct sa_apply *a, int status, const char *body, size_t n, struct sa_err **err)
{
    if (a->phase == SA_AT_MIGRATE) {
        return on_migrate(a, status, body, n, err);
    }
    if (!sa_apply_ok(status)) {
        return warn(a, body, n);
    }
    if (sa_apply_see(a, body, n, err) != 0) {
        return -1;
    }
    return a->phase == SA_AT_REAPPLY ? done(a) : migrate(a, err);
}

int sa_apply_server_answer(struct sa_apply *a, int status, const char *body, size_t n,
                           struct sa_err **err)
{
    switch (a->phase) {
    case SA_AT_CLEAR_GET:
        return on_clear_get(a, status, body, n, err);
    case SA_AT_CLEAR:
        return on_clear(a, status, body, n, err);
    case SA_AT_APPLY:
        return on_apply(a, status, body, n, err);
    case SA_AT_SAVE:
    case SA_AT_MIGRATE:
    case SA_AT_MIGRATE_GET:
    case SA_AT_REAPPLY:
        return after(a, status, body, n, err);
    default:
        return sa_err_set(err, SA_EINTERNAL, "apply: an answer that nobody asked for");
    }
}
