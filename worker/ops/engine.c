/* SPDX-License-Identifier: Apache-2.0 */
/* Who asks: an operation is accepted, cancelled, or left alone. */
#include "worker/ops/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/points.h"
#include "worker/ops/engine_internal.h"
#include "worker/ops/schemas.h"

#define TIMEOUT_MAX_MS (24u * 3600u * 1000u)

const struct sa_op_verb *sa_op_verb_of(const Scaleagent__V1__Operation *msg)
{
    switch (msg->body_case) {
    case SCALEAGENT__V1__OPERATION__BODY_GET:
        return &sa_op_get;
    case SCALEAGENT__V1__OPERATION__BODY_LIST:
        return &sa_op_list;
    case SCALEAGENT__V1__OPERATION__BODY_EVENTS:
        return &sa_op_events;
    case SCALEAGENT__V1__OPERATION__BODY_APPLY:
        return &sa_op_apply;
    case SCALEAGENT__V1__OPERATION__BODY_CREATE:
        return &sa_op_create;
    case SCALEAGENT__V1__OPERATION__BODY_REPLACE:
        return &sa_op_replace;
    case SCALEAGENT__V1__OPERATION__BODY_PATCH:
        return &sa_op_patch;
    case SCALEAGENT__V1__OPERATION__BODY_DELETE:
        return &sa_op_delete;
    case SCALEAGENT__V1__OPERATION__BODY_SCALE:
        return &sa_op_scale;
    case SCALEAGENT__V1__OPERATION__BODY_ROLLOUT:
        return msg->rollout->verb == SCALEAGENT__V1__ROLLOUT_OPERATION__VERB__HISTORY
                   ? &sa_op_history
                   : &sa_op_rollout;
    case SCALEAGENT__V1__OPERATION__BODY_LOGS:
        return &sa_op_logs;
    case SCALEAGENT__V1__OPERATION__BODY_TOP:
        return &sa_op_top;
    default:
        return NULL;
    }
}

struct sa_ops *sa_ops_new(struct sa_worker *w)
{
    struct sa_ops *o = calloc(1, sizeof *o);
    if (!o || !(o->ids = sa_ids_new()) || !(o->schemas = sa_schemas_new())) {
        if (o)
            sa_ids_free(o->ids);
        free(o);
        return NULL;
    }
    o->w = w;
    sa_buf_init(&o->out, 0);
    sa_ops_uplink_init(o);
    return o;
}

void sa_ops_free(struct sa_ops *o)
{
    if (!o)
        return;
    o->held++; /* nothing begins any more */
    sa_timer_cancel(o->w->loop, &o->discover);
    while (o->first)
        sa_op_free(o->first);
    sa_ids_free(o->ids);
    sa_schemas_free(o->schemas);
    sa_buf_free(&o->out);
    free(o);
}

static struct sa_op_all *find(const struct sa_ops *o, const uint8_t *id)
{
    for (struct sa_op_all *a = o->first; a; a = a->next)
        if (memcmp(a->id, id, SA_OP_ID) == 0 && a->phase != SA_OP_SENDING)
            return a;
    return NULL;
}

static void append(struct sa_ops *o, struct sa_op_all *a)
{
    a->prev = o->last;
    if (o->last)
        o->last->next = a;
    else
        o->first = a;
    o->last = a;
    o->n++;
    o->bytes += a->bytes;
}

static struct sa_op_all *make(struct sa_ops *o, struct sa_asker *asker,
                              Scaleagent__V1__Operation *msg, size_t bytes)
{
    struct sa_op_all *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    a->op.w = o->w;
    a->op.ops = o;
    a->op.msg = msg;
    a->op.verb = sa_op_verb_of(msg);
    a->asker = asker;
    a->bytes = bytes;
    a->arrived_ns = sa_mono_ns();
    if (msg->id.len > 0)
        memcpy(a->id, msg->id.data, msg->id.len < SA_OP_ID ? msg->id.len : SA_OP_ID);
    sa_buf_init(&a->message, 64 * 1024);
    sa_buf_init(&a->changed_message, 4096);
    sa_buf_init(&a->body, SA_OP_RESULT_MAX);
    sa_buf_init(&a->leaving, 0);
    append(o, a);
    return a;
}

/* It is done already: what came of it is said again. */
static void replay(struct sa_op_all *a, const struct sa_outcome *was)
{
    const struct sa_worker *w = a->op.w;
    a->replayed = true;
    a->code = (sa_op_code)was->code;
    sa_buf_adds(&a->message, was->message);
    snprintf(a->uid, sizeof a->uid, "%s", was->uid);
    snprintf(a->resource_version, sizeof a->resource_version, "%s", was->resource_version);
    if (was->epoch && was->epoch == w->epoch) {
        a->epoch = was->epoch;
        a->sequence = was->sequence;
    }
    a->retriable = was->retriable;
    a->server_ns = was->server_ms * SA_NS_PER_MS;
    if (was->body)
        sa_buf_add(&a->body, was->body, was->body_n);
    sa_op_complete(a);
}

void sa_op_on_limit(void *arg)
{
    struct sa_op_all *a = arg;
    char why[96];
    if (a->phase == SA_OP_SENDING) { /* nobody takes the answer */
        sa_op_free(a);
        return;
    }
    if (a->phase == SA_OP_SETTLING) {
        sa_op_complete(a);
        return;
    }
    snprintf(why, sizeof why, "the time limit of %u ms has passed", a->op.msg->timeout_ms);
    sa_op_give_up(a, SA_OP(TIMED_OUT), why);
}

/* Sent to another worker of the account: what that one did of it nobody knows here. */
static bool of_another(const struct sa_op_all *a)
{
    const ProtobufCBinaryData *instance = &a->op.msg->instance;
    const struct sa_worker *w = a->op.w;
    return instance->len > 0 && !a->op.verb->reads &&
           (instance->len != sizeof w->instance ||
            memcmp(instance->data, w->instance, sizeof w->instance) != 0);
}

static void accept(struct sa_op_all *a)
{
    struct sa_ops *o = a->op.ops;
    const Scaleagent__V1__Operation *msg = a->op.msg;
    struct sa_outcome was;
    sa_point("operation-received");
    if (msg->id.len != SA_OP_ID) {
        sa_op_fail(&a->op, SA_OP(INVALID), "error: an operation's id has %u bytes", SA_OP_ID);
    } else if (!a->op.verb) {
        sa_op_fail(&a->op, SA_OP(FAILED), "error: this agent does not know the operation%s%s",
                   *msg->name ? " " : "", msg->name);
    } else if (!a->op.verb->reads && sa_ids_find(o->ids, a->id, &was)) {
        replay(a, &was);
    } else if (of_another(a)) {
        sa_op_fail(&a->op, SA_OP(UNKNOWN_OUTCOME),
                   "error: the account's worker was started anew since this operation was sent: "
                   "whether it was done is not known");
    } else if (msg->timeout_ms == 0 || msg->timeout_ms > TIMEOUT_MAX_MS) {
        sa_op_fail(&a->op, SA_OP(INVALID), "error: a time limit of %u ms", msg->timeout_ms);
    } else if (o->stopping) {
        sa_op_fail(&a->op, SA_OP(UNAVAILABLE), "error: the agent stops: nothing was begun");
    } else if (o->n > SA_OPS_MAX || o->bytes > SA_OPS_BYTES) {
        sa_op_fail(&a->op, SA_OP(UNAVAILABLE),
                   "error: too many operations of the account wait: nothing was begun");
    } else {
        a->limit_ns = a->arrived_ns + msg->timeout_ms * SA_NS_PER_MS;
        if (sa_timer_set(o->w->loop, &a->limit, msg->timeout_ms * SA_NS_PER_MS, sa_op_on_limit, a))
            sa_op_fail(&a->op, SA_OP(FAILED), "error: no memory");
        else
            sa_op_resolve(&a->op);
    }
}

int sa_ops_ask(struct sa_ops *o, struct sa_asker *asker, const void *p, size_t n,
               struct sa_err **err)
{
    Scaleagent__V1__Operation *msg = scaleagent__v1__operation__unpack(NULL, n, p);
    if (!msg)
        return sa_err_set(err, SA_EPROTOCOL, "%zu bytes are no operation", n);
    struct sa_op_all *a = msg->id.len == SA_OP_ID ? find(o, msg->id.data) : NULL;
    if (a) { /* it is under way: its answer goes to who asked last */
        a->asker = asker;
        scaleagent__v1__operation__free_unpacked(msg, NULL);
        return 0;
    }
    a = make(o, asker, msg, n);
    if (!a) {
        scaleagent__v1__operation__free_unpacked(msg, NULL);
        return sa_err_set(err, SA_EMEMORY, "no memory for an operation");
    }
    accept(a);
    return 0;
}

int sa_ops_cancel(struct sa_ops *o, struct sa_asker *asker, const void *p, size_t n,
                  struct sa_err **err)
{
    Scaleagent__V1__OperationCancel *msg = scaleagent__v1__operation_cancel__unpack(NULL, n, p);
    if (!msg)
        return sa_err_set(err, SA_EPROTOCOL, "%zu bytes are no cancellation", n);
    struct sa_op_all *a = msg->id.len == SA_OP_ID ? find(o, msg->id.data) : NULL;
    scaleagent__v1__operation_cancel__free_unpacked(msg, NULL);
    if (!a || a->asker != asker || a->phase == SA_OP_SETTLING)
        return 0;
    a->cancelled = true;
    if (sa_op_is_safe(a))
        sa_op_give_up(a, SA_OP(CANCELLED), "it was cancelled");
    return 0;
}

void sa_ops_room(struct sa_ops *o, struct sa_asker *asker)
{
    struct sa_op_all *next;
    sa_ops_hold(o);
    for (struct sa_op_all *a = o->first; a; a = next) {
        next = a->next;
        if (a->asker != asker ||
            (a->body.len == a->left_n && a->phase != SA_OP_SENDING && !a->wants_room))
            continue;
        if (asker->room && asker->room(asker) == 0)
            break;
        sa_op_send_parts(a);
    }
    sa_ops_release(o);
}

void sa_ops_leave(struct sa_ops *o, struct sa_asker *asker)
{
    struct sa_op_all *next;
    sa_ops_hold(o);
    for (struct sa_op_all *a = o->first; a; a = next) {
        next = a->next;
        if (a->asker != asker)
            continue;
        a->asker = NULL;
        a->cancelled = true;
        if (a->phase == SA_OP_SENDING)
            sa_op_free(a);
        else if (a->phase != SA_OP_SETTLING && sa_op_is_safe(a))
            sa_op_give_up(a, SA_OP(CANCELLED), "who asked has gone");
    }
    sa_ops_release(o);
}

void sa_ops_stop(struct sa_ops *o)
{
    struct sa_op_all *next;
    o->stopping = true;
    sa_ops_hold(o);
    for (struct sa_op_all *a = o->first; a; a = next) {
        next = a->next;
        if (a->phase < SA_OP_SETTLING && sa_op_is_safe(a))
            sa_op_give_up(a, SA_OP(UNAVAILABLE), "the agent stops");
    }
    sa_ops_release(o);
}

bool sa_ops_busy(const struct sa_ops *o)
{
    return o->first != NULL;
}

void sa_ops_end(struct sa_ops *o)
{
    struct sa_op_all *next;
    sa_ops_hold(o);
    for (struct sa_op_all *a = o->first; a; a = next) {
        next = a->next;
        if (a->phase == SA_OP_SETTLING)
            sa_op_complete(a);
        else if (a->phase != SA_OP_SENDING)
            sa_op_give_up(a, SA_OP(UNAVAILABLE), "the agent stops");
    }
    sa_ops_release(o);
}

void sa_ops_tick(struct sa_ops *o)
{
    sa_ids_expire(o->ids, sa_mono_ns());
    sa_schemas_expire(o->schemas, sa_mono_ns());
    sa_buf_trim(&o->out, 8192);
}
