/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kubectl apply -f -, client-side and server-side. What is asked of the API server and when is
 * worker/ops/apply.h's to say; here it is asked.
 */
#include <string.h>

#include "worker/ops/apply.h"
#include "worker/ops/apply_way.h"
#include "worker/ops/engine_internal.h"
#include "worker/ops/openapi.h"
#include "worker/ops/schemas.h"

struct applying {
    struct sa_apply *apply;
    struct sa_openapi *openapi; /* while the document comes */
    bool second;                /* it is that of version 2 */
};

static void go_on(struct sa_op *op, const struct sa_response *r);

static void clear(struct sa_op *op)
{
    struct applying *p = op->state;
    sa_apply_free(p->apply);
    sa_openapi_free(p->openapi);
}

/* What went wrong in here, with what is known of the outcome. */
static void fail(struct sa_op *op, const struct sa_err *err, bool sent)
{
    const char *why = sa_err_msg(err);
    if (sent) {
        sa_op_fail(op, SA_OP(UNKNOWN_OUTCOME), "error: %s; whether it was done is not known", why);
        return;
    }
    switch (err != NULL ? err->code : SA_EMEMORY) {
    case SA_ELIMIT:
        sa_op_fail(op, SA_OP(TOO_LARGE), "error: %s", why);
        break;
    case SA_EREFUSED:
    case SA_EPROTOCOL:
        sa_op_fail(op, SA_OP(INVALID), "error: %s", why);
        break;
    default:
        sa_op_fail(op, SA_OP(FAILED), "error: %s", why);
    }
}

static bool holds(const struct sa_response *r, const char *text)
{
    return r->body != NULL && r->body->len > 0 &&
           memmem(r->body->data, r->body->len, text, strlen(text)) != NULL;
}

/* What the API server says, and the way out of it where others' annotations fill the room that
 * the last-applied one needs. */
static void fail_answered(struct sa_op *op, const struct sa_response *r, const char *doing)
{
    SA_CLEANUP(sa_buf_free) struct sa_buf words = {0};
    if (r->status != 422 || !holds(r, "metadata.annotations") ||
        !holds(r, "Too long: may not be more than")) {
        sa_op_fail_response(op, r, doing);
        return;
    }
    sa_buf_init(&words, 16384);
    sa_op_status_words(r, doing, &words);
    sa_op_fail(op, SA_OP(INVALID),
               "%s (" SA_LAST_APPLIED " is one of them; use server-side apply, which needs none)",
               words.len > 0 ? words.data : "");
}

static void finish(struct sa_op *op, const struct sa_response *r)
{
    static const char *const done[] = {[SA_APPLY_CREATED] = "created",
                                       [SA_APPLY_CONFIGURED] = "configured",
                                       [SA_APPLY_UNCHANGED] = "unchanged",
                                       [SA_APPLY_SERVER_SIDE] = "serverside-applied"};
    const struct applying *p = op->state;
    const struct sa_apply_result *res = sa_apply_result(p->apply);
    char title[2 * SA_MAP_NAME];
    if (res->outcome == SA_APPLY_FAILED && r != NULL) {
        fail_answered(op, r, res->doing);
        return;
    }
    if (res->outcome > SA_APPLY_SERVER_SIDE) {
        sa_op_fail(op, res->outcome == SA_APPLY_CONFLICT ? SA_OP(CONFLICT) : SA_OP(INVALID), "%s",
                   res->message);
        return;
    }
    if (sa_op_object(op, res->object, res->object_n, true)) {
        return;
    }
    sa_op_title(op, title, sizeof title);
    size_t n = strlen(res->warnings);
    sa_op_ok(op, "%s %s%s%.*s", title, done[res->outcome], n > 0 ? "\n" : "",
             n > 0 ? (int)(n - 1) : 0, res->warnings);
}

/* ---- the schema ---- */

static int on_document(struct sa_op *op, const void *bytes, size_t n, struct sa_err **err)
{
    struct applying *p = op->state;
    return sa_openapi_feed(p->openapi, bytes, n, err) < 0 ? -1 : 0;
}

static void take_schema(struct sa_op *op, const struct sa_schema *schema)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    struct applying *p = op->state;
    if (sa_apply_schema(p->apply, schema, &err)) {
        fail(op, err, false);
    } else {
        go_on(op, NULL);
    }
}

/* Of documents that don't know the kind, or can't be had: what Kubernetes' own kinds are is known;
 * all others take no strategic merge patch. */
static void without_document(struct sa_op *op, struct sa_schema **schema, struct sa_err **err)
{
    const struct applying *p = op->state;
    sa_schema_builtin(sa_apply_api_version(p->apply), sa_apply_kind(p->apply), schema, err);
}

/* From now on the kind's schema is known, until it is forgotten. */
static void keep_schema(struct sa_op *op, struct sa_schema *schema)
{
    const struct applying *p = op->state;
    const struct sa_schema *kept = NULL;
    const char *version = sa_apply_api_version(p->apply), *kind = sa_apply_kind(p->apply);
    struct sa_schemas *known = op->ops->schemas;
    uint64_t now = sa_mono_ns();
    if (sa_schemas_put(known, version, kind, now, schema) ||
        !sa_schemas_find(known, version, kind, now, &kept)) {
        sa_op_fail(op, SA_OP(FAILED), "error: no memory");
        return;
    }
    take_schema(op, kept);
}

static void ask_document(struct sa_op *op, const char *path);

/* As kubectl goes about it: the document of version 3, else that of version 2, else what is known
 * without one. */
static void on_schema(struct sa_op *op, const struct sa_response *r)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    struct applying *p = op->state;
    struct sa_schema *schema = NULL;
    if (r->status == 0) {
        SA_CLEANUP(sa_buf_free) struct sa_buf words = {0};
        sa_buf_init(&words, 4096);
        sa_op_status_words(r, NULL, &words);
        sa_op_fail(op, sa_op_left_ns(op) > 0 ? SA_OP(UNAVAILABLE) : SA_OP(TIMED_OUT), "%s",
                   words.len > 0 ? words.data : "error: no answer");
        return;
    }
    bool read =
        r->error == NULL && r->status == 200 && sa_openapi_finish(p->openapi, &schema, &err) == 0;
    bool knows = read && sa_openapi_knows(p->openapi);
    sa_openapi_free(p->openapi);
    p->openapi = NULL;
    sa_err_free(&err);
    if (!knows && !p->second) {
        p->second = true;
        ask_document(op, SA_OPENAPI_V2);
        return;
    }
    if (!knows) {
        without_document(op, &schema, &err);
    }
    if (err != NULL) {
        fail(op, err, false);
    } else {
        keep_schema(op, schema);
    }
}

static void ask_document(struct sa_op *op, const char *path)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    struct applying *p = op->state;
    p->openapi = sa_openapi_new(sa_apply_api_version(p->apply), sa_apply_kind(p->apply), &err);
    if (p->openapi == NULL) {
        fail(op, err, false);
        return;
    }
    sa_op_request_any(op, &(struct sa_op_request){.path = path, .on_data = on_document}, on_schema);
}

static void ask_schema(struct sa_op *op, const struct sa_apply_step *step)
{
    struct applying *p = op->state;
    const struct sa_schema *known;
    if (sa_schemas_find(op->ops->schemas, sa_apply_api_version(p->apply), sa_apply_kind(p->apply),
                        sa_mono_ns(), &known)) {
        take_schema(op, known);
        return;
    }
    p->second = false;
    ask_document(op, step->path);
}

/* ---- the steps ---- */

static void on_answer(struct sa_op *op, const struct sa_response *r)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    struct applying *p = op->state;
    bool changes = sa_apply_step(p->apply)->changes && r->status >= 200 && r->status < 300;
    if (r->error != NULL || r->status == 0) { /* only what follows the apply itself comes so */
        sa_apply_no_answer(p->apply, sa_err_msg(r->error));
        go_on(op, NULL);
        return;
    }
    if (sa_apply_answer(p->apply, r->status, r->body->len ? r->body->data : "", r->body->len,
                        &err)) {
        fail(op, err, changes || sa_apply_changed(p->apply));
        return;
    }
    if (*sa_apply_uid(p->apply)) {
        sa_op_note(op, sa_apply_uid(p->apply), sa_apply_version(p->apply));
    }
    go_on(op, r);
}

static void ask(struct sa_op *op)
{
    const struct applying *p = op->state;
    const struct sa_apply_step *s = sa_apply_step(p->apply);
    SA_CLEANUP(sa_buf_free) struct sa_buf path = {0};
    sa_buf_init(&path, 16384);
    sa_mapping_path(&op->map, op->namespace, s->on == SA_APPLY_ON_OBJECT ? op->name : NULL, NULL,
                    &path);
    sa_buf_addf(&path, "%s%s", *s->query ? "?" : "", s->query);
    if (path.failed) {
        sa_op_fail(op, SA_OP(FAILED), "error: no memory");
        return;
    }
    const struct sa_op_request rq = {.method = s->method,
                                     .path = path.data,
                                     .content_type = s->content_type,
                                     .body = s->body,
                                     .body_n = s->body_n};
    if (sa_apply_changed(p->apply)) {
        sa_op_request_any(op, &rq, on_answer);
    } else {
        sa_op_request(op, &rq, on_answer);
    }
}

/* r: what the last step was answered, for messages; NULL where it was none. */
static void go_on(struct sa_op *op, const struct sa_response *r)
{
    const struct applying *p = op->state;
    const struct sa_apply_step *s = sa_apply_step(p->apply);
    switch (s->what) {
    case SA_APPLY_DONE:
        finish(op, r);
        break;
    case SA_APPLY_SCHEMA:
        ask_schema(op, s);
        break;
    case SA_APPLY_REQUEST:
        if (s->delay_ms > 0) {
            sa_op_after(op, s->delay_ms * SA_NS_PER_MS, ask);
        } else {
            ask(op);
        }
        break;
    }
}

static void begin(struct sa_op *op)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    const Scaleagent__V1__ApplyOperation *m = op->msg->apply;
    struct applying *p = op->state;
    if (!sa_op_selected(op, m->label_selector, &m->manifest, "apply")) {
        return;
    }
    struct sa_apply_options o = {
        .manifest = (const char *)m->manifest.data,
        .manifest_n = m->manifest.len,
        .server_side = m->server_side,
        .force_conflicts = m->force_conflicts,
        .field_manager = m->field_manager,
        .uid = m->precondition != NULL ? m->precondition->uid : NULL,
        .resource_version = m->precondition != NULL ? m->precondition->resource_version : NULL,
        .resource = op->map.plural,
        .namespace = op->map.namespaced ? op->namespace : NULL,
    };
    sa_apply_choose_way(&op->w->account, op->map.kind, op->map.group, &o);
    p->apply = sa_apply_new(&o, &err);
    if (p->apply == NULL) {
        fail(op, err, false);
        return;
    }
    go_on(op, NULL);
}

static const ProtobufCBinaryData *manifest(const struct sa_op *op)
{
    return &op->msg->apply->manifest;
}

const struct sa_op_verb sa_op_apply = {.name = "apply",
                                       .state = sizeof(struct applying),
                                       .manifest = manifest,
                                       .begin = begin,
                                       .clear = clear};
