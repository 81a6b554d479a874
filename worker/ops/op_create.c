/* SPDX-License-Identifier: Apache-2.0 */
/* kubectl create -f - and kubectl replace -f - */
#include <string.h>

#include "worker/ops/applied.h"
#include "worker/ops/manifest.h"
#include "worker/ops/op.h"

#define CREATE_QUERY  "fieldManager=kubectl-create&fieldValidation=Strict"
#define REPLACE_QUERY "?fieldManager=kubectl-replace&fieldValidation=Strict"

#define MEMORY_MAX ((size_t)128 << 20)

/* The manifest's own last-applied annotation, as it comes out of kubectl get -o yaml, is written
 * anew: of what is applied now. */
static int rewrite(struct sa_op *op, const ProtobufCBinaryData *m, struct sa_buf *out,
                   struct sa_err **err)
{
    SA_CLEANUP(sa_arena_free) struct sa_arena arena = {0};
    sa_arena_init(&arena, MEMORY_MAX);
    struct sa_val *object =
        sa_val_parse_map(&arena, (const char *)m->data, m->len, "the manifest", err);
    struct sa_val *metadata = object ? sa_val_submap(&arena, object, "metadata") : NULL;
    if (!metadata)
        return object ? sa_val_no_memory(&arena, "the manifest", err) : -1;
    if (!*op->namespace)
        sa_val_remove(metadata, "namespace", sizeof "namespace" - 1);
    else if (sa_val_set(&arena, metadata, "namespace", sa_val_text(&arena, op->namespace)))
        return sa_val_no_memory(&arena, "the manifest", err);
    if (sa_applied_set(&arena, object, err))
        return -1;
    sa_val_print(object, out);
    return 0;
}

/* What is sent of the manifest, but for its version. -1: the operation has ended. */
static int take_manifest(struct sa_op *op, const ProtobufCBinaryData *m, const char *doing,
                         struct sa_buf *out)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    int rc = 0;
    if (sa_manifest_was_applied((const char *)m->data, m->len))
        rc = rewrite(op, m, out, &err);
    else
        sa_buf_add(out, m->data, m->len);
    if (rc == 0 && !out->failed)
        return 0;
    sa_op_fail(op, err && err->code != SA_EMEMORY ? SA_OP(INVALID) : SA_OP(FAILED),
               "error: error when %s \"STDIN\": %s", doing, rc ? sa_err_msg(err) : "no memory");
    return -1;
}

/* ---- create ---- */

static void on_created(struct sa_op *op, const struct sa_response *r)
{
    char title[2 * SA_MAP_NAME];
    if (r->status < 200 || r->status > 299) {
        sa_op_fail_response(op, r, "creating");
        return;
    }
    if (sa_op_object(op, r->body->len ? r->body->data : "", r->body->len, true))
        return;
    sa_op_title(op, title, sizeof title);
    sa_op_ok(op, "%s created", title);
}

static void begin_create(struct sa_op *op)
{
    const Scaleagent__V1__CreateOperation *m = op->msg->create;
    SA_CLEANUP(sa_buf_free) struct sa_buf path = {0};
    SA_CLEANUP(sa_buf_free) struct sa_buf body = {0};
    SA_CLEANUP(sa_buf_free) struct sa_buf manifest = {0};
    sa_buf_init(&path, 16384);
    sa_buf_init(&body, 0);
    sa_buf_init(&manifest, 0);
    if (!sa_op_selected(op, m->label_selector, &m->manifest, "create") ||
        take_manifest(op, &m->manifest, "creating", &manifest))
        return;
    sa_mapping_path(&op->map, op->namespace, NULL, NULL, &path);
    sa_buf_adds(&path, "?" CREATE_QUERY);
    /* What is made has no version yet. */
    if (path.failed || sa_manifest_version(manifest.data, manifest.len, NULL, &body)) {
        sa_op_fail(op, SA_OP(FAILED), "error: no memory");
        return;
    }
    sa_op_request(op,
                  &(struct sa_op_request){.method = "POST",
                                          .path = path.data,
                                          .content_type = "application/json",
                                          .body = body.data,
                                          .body_n = body.len},
                  on_created);
}

static const ProtobufCBinaryData *create_manifest(const struct sa_op *op)
{
    return &op->msg->create->manifest;
}

const struct sa_op_verb sa_op_create = {
    .name = "create", .manifest = create_manifest, .begin = begin_create};

/* ---- replace ---- */

struct replacing {
    struct sa_buf manifest;
};

static void clear_replace(struct sa_op *op)
{
    struct sa_buf *manifest = &((struct replacing *)op->state)->manifest;
    sa_buf_wipe(manifest); /* perhaps a Secret */
    sa_buf_free(manifest);
}

static void on_replaced(struct sa_op *op, const struct sa_response *r)
{
    char title[2 * SA_MAP_NAME];
    if (r->status < 200 || r->status > 299) {
        sa_op_fail_response(op, r, "replacing");
        return;
    }
    if (sa_op_object(op, r->body->len ? r->body->data : "", r->body->len, true))
        return;
    sa_op_title(op, title, sizeof title);
    sa_op_ok(op, "%s replaced", title);
}

static void put(struct sa_op *op, const void *body, size_t n)
{
    sa_op_request_object(op,
                         &(struct sa_op_request){.method = "PUT",
                                                 .path = REPLACE_QUERY,
                                                 .content_type = "application/json",
                                                 .body = body,
                                                 .body_n = n},
                         NULL, on_replaced);
}

/* The manifest names no version: it replaces whichever there is. Where none can be read, the server
 * decides. */
static void on_present(struct sa_op *op, const struct sa_response *r)
{
    const struct sa_buf *manifest = &((const struct replacing *)op->state)->manifest;
    SA_CLEANUP(sa_buf_free) struct sa_buf body = {0};
    struct sa_object o;
    const struct sa_scrub_options opt = {.metadata_only = true};
    bool known = r->status == 200 && r->body->len &&
                 sa_scrub(r->body->data, r->body->len, &opt, NULL, &o, NULL) == 0;
    sa_buf_init(&body, 0);
    if (known)
        sa_op_note(op, o.uid, o.resource_version);
    if (sa_manifest_version(manifest->data, manifest->len, known ? o.resource_version : NULL,
                            &body))
        sa_op_fail(op, SA_OP(FAILED), "error: no memory");
    else
        put(op, body.data, body.len);
}

static void begin_replace(struct sa_op *op)
{
    struct sa_buf *manifest = &((struct replacing *)op->state)->manifest;
    sa_buf_init(manifest, 0);
    if (!*op->name)
        sa_op_fail(op, SA_OP(INVALID),
                   "error: error when replacing \"STDIN\": resource name may not be empty");
    else if (take_manifest(op, &op->msg->replace->manifest, "replacing", manifest))
        return;
    else if (sa_manifest_has_version(manifest->data, manifest->len))
        put(op, manifest->data, manifest->len);
    else
        sa_op_request_object(op, &(struct sa_op_request){0}, NULL, on_present);
}

static const ProtobufCBinaryData *replace_manifest(const struct sa_op *op)
{
    return &op->msg->replace->manifest;
}

const struct sa_op_verb sa_op_replace = {.name = "replace",
                                         .state = sizeof(struct replacing),
                                         .manifest = replace_manifest,
                                         .begin = begin_replace,
                                         .clear = clear_replace};
