/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kubectl patch KIND NAME --type T --patch P [--record]. As kubectl does, the object is read first:
 * so what has no effect is told, and what is known of it if the answer fails to come.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/ops/op.h"

#define QUERY "?fieldManager=kubectl-patch"

struct patching {
    char version[32]; /* before */
    bool same;        /* nothing was changed */
};

struct type {
    const char *name, *content_type;
};

static const struct type *type_of(const struct sa_op *op)
{
    static const struct type strategic = {"strategic", "application/strategic-merge-patch+json"},
                             merge = {"merge", "application/merge-patch+json"},
                             json = {"json", "application/json-patch+json"};
    switch (op->msg->patch->type) {
    case SCALEAGENT__V1__PATCH_OPERATION__TYPE__MERGE:
        return &merge;
    case SCALEAGENT__V1__PATCH_OPERATION__TYPE__JSON:
        return &json;
    default:
        return &strategic;
    }
}

static void send_patch(struct sa_op *op, const char *content_type, const void *body, size_t n,
                       sa_op_step *next)
{
    sa_op_request_object(op,
                         &(struct sa_op_request){.method = "PATCH",
                                                 .path = QUERY,
                                                 .content_type = content_type,
                                                 .body = body,
                                                 .body_n = n},
                         NULL, next);
}

static bool identify(const struct sa_response *r, struct sa_object *o)
{
    const struct sa_scrub_options opt = {.metadata_only = true};
    return r->body->len && sa_scrub(r->body->data, r->body->len, &opt, NULL, o, NULL) == 0;
}

static void end(struct sa_op *op, const struct sa_response *r)
{
    const struct patching *p = op->state;
    bool same = p->same;
    char title[2 * SA_MAP_NAME];
    if (sa_op_object(op, r->body->len ? r->body->data : "", r->body->len, true))
        return;
    sa_op_title(op, title, sizeof title);
    sa_op_ok(op, "%s patched%s", title, same ? " (no change)" : "");
}

/* What can't be recorded is not worth failing for: the patch itself is done. */
static void on_recorded(struct sa_op *op, const struct sa_response *r)
{
    char title[2 * SA_MAP_NAME];
    if (r->status == 200 && !r->error) {
        end(op, r);
        return;
    }
    sa_op_title(op, title, sizeof title);
    sa_op_ok(op, "%s patched", title);
}

/* kubernetes.io/change-cause, as kubectl writes its own command line. */
static int record(const struct sa_op *op, struct sa_buf *out)
{
    const Scaleagent__V1__PatchOperation *m = op->msg->patch;
    SA_CLEANUP(sa_buf_free) struct sa_buf cause = {0};
    sa_buf_init(&cause, 0);
    sa_buf_addf(&cause, "kubectl patch %s %s", m->object->kind, op->name);
    if (*op->namespace)
        sa_buf_addf(&cause, " --namespace=%s", op->namespace);
    sa_buf_addf(&cause, " --record=true --type=%s --patch=", type_of(op)->name);
    sa_buf_add(&cause, m->patch.data, m->patch.len);
    if (cause.failed)
        return -1;
    sa_buf_adds(out, "{\"metadata\":{\"annotations\":{\"kubernetes.io/change-cause\":");
    sa_buf_add_json(out, cause.data);
    sa_buf_adds(out, "}}}");
    return out->failed ? -1 : 0;
}

/* "application/strategic-merge-patch+json is not supported by example.com/v1, Kind=Widget: ..." */
static void not_supported(struct sa_op *op, const struct sa_response *r)
{
    SA_CLEANUP(sa_buf_free) struct sa_buf words = {0};
    char api_version[2 * SA_MAP_NAME];
    sa_buf_init(&words, 0);
    sa_op_status_words(r, NULL, &words);
    const char *message = words.len ? strstr(words.data, "): ") : NULL;
    sa_mapping_api_version(&op->map, api_version, sizeof api_version);
    sa_op_fail(op, SA_OP(INVALID), "error: %s is not supported by %s, Kind=%s: %s",
               type_of(op)->content_type, api_version, op->map.kind, message ? message + 3 : "");
}

static void on_patched(struct sa_op *op, const struct sa_response *r)
{
    struct patching *p = op->state;
    struct sa_object o;
    if (r->status == 415) {
        not_supported(op, r);
        return;
    }
    if (r->status != 200) {
        sa_op_fail_response(op, r, NULL);
        return;
    }
    p->same = identify(r, &o) && *p->version && strcmp(o.resource_version, p->version) == 0;
    SA_CLEANUP(sa_buf_free) struct sa_buf patch = {0};
    sa_buf_init(&patch, 0);
    if (!op->msg->patch->record) {
        end(op, r);
    } else if (record(op, &patch)) {
        sa_op_fail(op, SA_OP(UNKNOWN_OUTCOME), "error: no memory after the patch was done");
    } else {
        char title[2 * SA_MAP_NAME];
        sa_op_title(op, title, sizeof title);
        sa_op_changed(op, SA_OP(OK), "%s patched", title);
        sa_op_reread(op); /* whatever comes of the record */
        send_patch(op, "application/merge-patch+json", patch.data, patch.len, on_recorded);
    }
}

static void on_present(struct sa_op *op, const struct sa_response *r)
{
    struct patching *p = op->state;
    const Scaleagent__V1__PatchOperation *m = op->msg->patch;
    struct sa_object o;
    if (r->status != 200) {
        sa_op_fail_response(op, r, NULL);
        return;
    }
    if (identify(r, &o)) {
        memcpy(p->version, o.resource_version, sizeof p->version);
        sa_op_note(op, o.uid, o.resource_version);
    }
    send_patch(op, type_of(op)->content_type, m->patch.data, m->patch.len, on_patched);
}

static void begin(struct sa_op *op)
{
    if (op->msg->patch->patch.len == 0)
        sa_op_fail(op, SA_OP(INVALID),
                   "error: must specify --patch or --patch-file containing the "
                   "contents of the patch");
    else
        sa_op_request_object(op, &(struct sa_op_request){0}, NULL, on_present);
}

static const Scaleagent__V1__ObjectName *object(const struct sa_op *op)
{
    return op->msg->patch->object;
}

const struct sa_op_verb sa_op_patch = {
    .name = "patch", .state = sizeof(struct patching), .object = object, .begin = begin};
