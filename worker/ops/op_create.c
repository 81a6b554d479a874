/* SPDX-License-Identifier: Apache-2.0 */
/* kubectl create -f - and kubectl replace -f - */
#include <string.h>

#include "worker/ops/manifest.h"
#include "worker/ops/op.h"

#define CREATE_QUERY  "fieldManager=kubectl-create&fieldValidation=Strict"
#define REPLACE_QUERY "?fieldManager=kubectl-replace&fieldValidation=Strict"

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
    if (!sa_op_selected(op, m->label_selector, &m->manifest, "create"))
        return;
    sa_buf_init(&path, 16384);
    sa_buf_init(&body, 0);
    sa_mapping_path(&op->map, op->namespace, NULL, NULL, &path);
    sa_buf_adds(&path, "?" CREATE_QUERY);
    /* What is made has no version yet. */
    if (path.failed ||
        sa_manifest_version((const char *)m->manifest.data, m->manifest.len, NULL, &body)) {
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
    const ProtobufCBinaryData *m = &op->msg->replace->manifest;
    SA_CLEANUP(sa_buf_free) struct sa_buf body = {0};
    struct sa_object o;
    const struct sa_scrub_options opt = {.metadata_only = true};
    bool known = r->status == 200 && r->body->len &&
                 sa_scrub(r->body->data, r->body->len, &opt, NULL, &o, NULL) == 0;
    sa_buf_init(&body, 0);
    if (known)
        sa_op_note(op, o.uid, o.resource_version);
    if (sa_manifest_version((const char *)m->data, m->len, known ? o.resource_version : NULL,
                            &body))
        sa_op_fail(op, SA_OP(FAILED), "error: no memory");
    else
        put(op, body.data, body.len);
}

static void begin_replace(struct sa_op *op)
{
    const ProtobufCBinaryData *m = &op->msg->replace->manifest;
    if (sa_manifest_has_version((const char *)m->data, m->len))
        put(op, m->data, m->len);
    else
        sa_op_request_object(op, &(struct sa_op_request){0}, NULL, on_present);
}

static const ProtobufCBinaryData *replace_manifest(const struct sa_op *op)
{
    return &op->msg->replace->manifest;
}

const struct sa_op_verb sa_op_replace = {
    .name = "replace", .manifest = replace_manifest, .begin = begin_replace};
