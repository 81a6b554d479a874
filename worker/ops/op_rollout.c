/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kubectl rollout history, undo, pause, resume, restart: the object is read, for the first two its
 * revisions as well, and rollout.c says what is to be sent, if anything.
 */
#include <stdio.h>
#include <string.h>

#include "worker/ops/op.h"
#include "worker/ops/rollout.h"

#define MEMORY_MAX ((size_t)64 << 20) /* of all that is read, taken apart */
#define PATCH_MAX  ((size_t)4 << 20)

typedef Scaleagent__V1__RolloutOperation Rollout;
#define VERB(name) SCALEAGENT__V1__ROLLOUT_OPERATION__VERB__##name

struct state {
    struct sa_arena arena;
    bool begun;
    const struct sa_val *object;
    enum sa_rollout_kind kind;
    struct sa_rollout out;
};

static struct state *state_of(struct sa_op *op)
{
    return op->state;
}

static void clear(struct sa_op *op)
{
    struct state *s = state_of(op);
    if (!s->begun)
        return;
    sa_arena_free(&s->arena);
    sa_buf_free(&s->out.text);
}

static const char *text_of(const struct state *s)
{
    return s->out.text.len ? s->out.text.data : "";
}

/* NULL: the operation has ended. */
static const struct sa_val *read_json(struct sa_op *op, const struct sa_response *r)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    const struct sa_val *v =
        sa_val_parse_map(&state_of(op)->arena, r->body->len ? r->body->data : "", r->body->len,
                         "the API server's answer", &err);
    if (!v)
        sa_op_fail(op, err && err->code == SA_ELIMIT ? SA_OP(TOO_LARGE) : SA_OP(FAILED),
                   "error: %s", sa_err_msg(err));
    return v;
}

/* The server's own message behind kubectl's of what it was doing, which is "error: ..." then. */
static void fail_doing(struct sa_op *op, const struct sa_response *r, const char *doing)
{
    SA_CLEANUP(sa_buf_free) struct sa_buf words = {0};
    struct state *s = state_of(op);
    const struct sa_val *status =
        sa_val_parse_map(&s->arena, r->body->len ? r->body->data : "", r->body->len, "", NULL);
    const char *message = sa_val_str(status, "message");
    sa_buf_init(&words, 0);
    if (!*message) {
        sa_op_status_words(r, NULL, &words);
        message = words.len ? words.data : "no answer";
    }
    sa_op_fail(op, sa_op_status_code(r->status, sa_val_str(status, "reason")), "error: %s: %s",
               doing, message);
}

/* ---- the answer ---- */

static const char *done_word(const struct sa_op *op)
{
    switch (op->msg->rollout->verb) {
    case VERB(PAUSE):
        return "paused";
    case VERB(RESUME):
        return "resumed";
    case VERB(RESTART):
        return "restarted";
    default:
        return "rolled back";
    }
}

static void on_patched(struct sa_op *op, const struct sa_response *r)
{
    char title[2 * SA_MAP_NAME], doing[64];
    const Rollout *m = op->msg->rollout;
    if (r->status != 200) {
        snprintf(doing, sizeof doing, "failed restoring revision %lld", (long long)m->revision);
        fail_doing(op, r, m->verb == VERB(UNDO) ? doing : "failed to patch");
        return;
    }
    if (sa_op_object(op, r->body->len ? r->body->data : "", r->body->len, true))
        return;
    sa_op_title(op, title, sizeof title);
    sa_op_ok(op, "%s %s", title, done_word(op));
}

static void refuse(struct sa_op *op, sa_op_code code)
{
    char resource[2 * SA_MAP_NAME];
    const struct state *s = state_of(op);
    if (op->msg->rollout->verb == VERB(UNDO)) {
        sa_op_fail(op, code, "error: %s", text_of(s));
        return;
    }
    sa_mapping_title(&op->map, resource, sizeof resource);
    sa_op_fail(op, code, "error: %s \"%s\" %s", resource, op->name, text_of(s));
}

static void nothing(struct sa_op *op)
{
    char title[2 * SA_MAP_NAME];
    const struct state *s = state_of(op);
    sa_op_title(op, title, sizeof title);
    if (op->msg->rollout->verb == VERB(RESTART))
        sa_op_fail(op, SA_OP(CONFLICT), "error: failed to create patch for %s: %s", op->name,
                   text_of(s));
    else if (op->msg->rollout->verb == VERB(UNDO))
        sa_op_ok(op, "%s %s", title, text_of(s));
    else if (sa_op_add(op, text_of(s), s->out.text.len) == 0) /* history */
        sa_op_ok(op, "%s", title);
}

static void go_on(struct sa_op *op)
{
    const struct state *s = state_of(op);
    bool undo = op->msg->rollout->verb == VERB(UNDO);
    switch (s->out.what) {
    case SA_ROLLOUT_PATCH:
        /* kubectl names no manager for undo, and the server takes its program's name. */
        sa_op_request_object(op,
                             &(struct sa_op_request){.method = "PATCH",
                                                     .path = undo ? "?fieldManager=kubectl"
                                                                  : "?fieldManager=kubectl-rollout",
                                                     .content_type = s->out.content_type,
                                                     .body = s->out.text.data,
                                                     .body_n = s->out.text.len},
                             NULL, on_patched);
        break;
    case SA_ROLLOUT_NOTHING:
        nothing(op);
        break;
    case SA_ROLLOUT_REFUSED:
        refuse(op, SA_OP(INVALID));
        break;
    case SA_ROLLOUT_NOT_FOUND:
        refuse(op, SA_OP(NOT_FOUND));
        break;
    default:
        sa_op_fail(op, SA_OP(TOO_LARGE), "error: the object and its revisions are too large");
        break;
    }
}

/* ---- revisions ---- */

static void on_revisions(struct sa_op *op, const struct sa_response *r)
{
    struct state *s = state_of(op);
    const Rollout *m = op->msg->rollout;
    char doing[2 * SA_MAP_NAME];
    if (r->status != 200) {
        if (s->kind == SA_ROLLOUT_DEPLOYMENT)
            snprintf(doing, sizeof doing, "failed to retrieve replica sets from deployment %s",
                     op->name);
        else
            snprintf(doing, sizeof doing, "unable to find history controlled by %s %s",
                     op->map.kind, op->name);
        fail_doing(op, r, doing);
        return;
    }
    const struct sa_val *list = read_json(op, r);
    if (!list)
        return;
    if (m->verb == VERB(UNDO))
        sa_rollout_undo(&s->arena, s->object, list, s->kind, m->revision, &s->out);
    else
        sa_rollout_history(&s->arena, s->object, list, s->kind, &s->out);
    go_on(op);
}

static void read_revisions(struct sa_op *op)
{
    static const struct sa_mapping replica_sets = {.group = "apps",
                                                   .version = "v1",
                                                   .plural = "replicasets",
                                                   .kind = "ReplicaSet",
                                                   .namespaced = true};
    static const struct sa_mapping revisions = {.group = "apps",
                                                .version = "v1",
                                                .plural = "controllerrevisions",
                                                .kind = "ControllerRevision",
                                                .namespaced = true};
    SA_CLEANUP(sa_buf_free) struct sa_buf selector = {0}, path = {0};
    struct state *s = state_of(op);
    sa_buf_init(&selector, 32768);
    sa_buf_init(&path, 131072);
    sa_rollout_selector(s->object, &selector);
    sa_mapping_path(s->kind == SA_ROLLOUT_DEPLOYMENT ? &replica_sets : &revisions, op->namespace,
                    NULL, NULL, &path);
    if (selector.len)
        sa_query_add(&path, "labelSelector", selector.data);
    if (selector.failed || path.failed)
        sa_op_fail(op, SA_OP(TOO_LARGE), "error: the object's selector is too long");
    else
        sa_op_request(op, &(struct sa_op_request){.path = path.data}, on_revisions);
}

/* ---- the object ---- */

/* In the words of kubectl's visitors: of the kinds that they know some have no such thing. */
static void unsupported(struct sa_op *op)
{
    static const char *const known[] = {"Job.batch", "Pod", "ReplicaSet.apps",
                                        "ReplicationController", "CronJob.batch"};
    const struct sa_mapping *m = &op->map;
    bool undo = op->msg->rollout->verb == VERB(UNDO);
    char full[SA_MAP_NAME + SA_MAP_LABEL];
    snprintf(full, sizeof full, "%s%s%s", m->kind, *m->group ? "." : "", m->group);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i], full) == 0) {
            sa_op_fail(op, SA_OP(INVALID), "error: no %s has been implemented for \"%s\"",
                       undo ? "rollbacker" : "history viewer", full);
            return;
        }
    }
    sa_op_fail(op, SA_OP(INVALID),
               "error: error retrieving %s \"%s\", no visitor method exists for {%s %s}",
               undo ? "rollbacker for" : "history for", full, m->group, m->kind);
}

static void on_object(struct sa_op *op, const struct sa_response *r)
{
    struct state *s = state_of(op);
    if (r->status != 200) {
        sa_op_fail_response(op, r, NULL);
        return;
    }
    const struct sa_val *object = read_json(op, r);
    if (!object) /* and s has gone with the operation */
        return;
    s->object = object;
    const struct sa_val *metadata = sa_val_member(s->object, "metadata");
    sa_op_note(op, sa_val_str(metadata, "uid"), sa_val_str(metadata, "resourceVersion"));
    s->kind = sa_rollout_kind(op->map.group, op->map.kind);
    switch (op->msg->rollout->verb) {
    case VERB(PAUSE):
    case VERB(RESUME):
        sa_rollout_pause(s->object, s->kind, op->msg->rollout->verb == VERB(PAUSE), &s->out);
        go_on(op);
        break;
    case VERB(RESTART):
        sa_rollout_restart(s->object, s->kind, time(NULL), &s->out);
        go_on(op);
        break;
    default:
        if (s->kind == SA_ROLLOUT_OTHER)
            unsupported(op);
        else
            read_revisions(op);
        break;
    }
}

static void begin(struct sa_op *op)
{
    struct state *s = state_of(op);
    sa_arena_init(&s->arena, MEMORY_MAX);
    sa_buf_init(&s->out.text, PATCH_MAX);
    s->begun = true;
    if (op->msg->rollout->verb < VERB(HISTORY) || op->msg->rollout->verb > VERB(RESTART))
        sa_op_fail(op, SA_OP(INVALID), "error: no such rollout command");
    else
        sa_op_request_object(op, &(struct sa_op_request){0}, NULL, on_object);
}

static const Scaleagent__V1__ObjectName *object(const struct sa_op *op)
{
    return op->msg->rollout->object;
}

const struct sa_op_verb sa_op_rollout = {.name = "rollout",
                                         .state = sizeof(struct state),
                                         .object = object,
                                         .begin = begin,
                                         .clear = clear};
const struct sa_op_verb sa_op_history = {.name = "rollout history",
                                         .reads = true,
                                         .state = sizeof(struct state),
                                         .object = object,
                                         .begin = begin,
                                         .clear = clear};
