/* SPDX-License-Identifier: Apache-2.0 */
/* The answer, in parts, and the line that tells of it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/points.h"
#include "ipc/slot.h"
#include "worker/ops/engine_internal.h"
#include "worker/session.h"

#define TAKE_NS (30 * SA_NS_PER_S) /* for who asked to take the answer */

const char *sa_op_code_name(sa_op_code code)
{
    const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(
        &scaleagent__v1__operation_result__code__descriptor, (int)code);
    return v ? v->name : "UNKNOWN";
}

/* ---- the audit line ---- */

/* A list names kinds, and no object. */
static void title_list(const Scaleagent__V1__ListOperation *l, char *out, size_t size)
{
    snprintf(out, size, "%.*s%s%s%s", SA_MAP_NAME, l->n_kinds > 0 ? l->kinds[0] : "",
             l->n_kinds > 1 ? " and others" : "", *l->namespace_ ? "/" : "", l->namespace_);
}

static void title(const struct sa_op_all *a, char *out, size_t size)
{
    char kind[SA_MAP_NAME + SA_MAP_NAME] = "";
    const struct sa_op *op = &a->op;
    if (op->msg->body_case == SCALEAGENT__V1__OPERATION__BODY_LIST) {
        title_list(op->msg->list, out, size);
        return;
    }
    if (*op->map.plural)
        sa_mapping_title(&op->map, kind, sizeof kind);
    snprintf(out, size, "%s%s%s%s%s", kind, *op->namespace ? "/" : "", op->namespace,
             *op->name ? "/" : "", op->name);
}

static void audit(const struct sa_op_all *a)
{
    char object[1024], id[2 * SA_OP_ID + 1], ms[24], server[24];
    const Scaleagent__V1__Operation *msg = a->op.msg;
    title(a, object, sizeof object);
    sa_hex(a->id, SA_OP_ID, id);
    snprintf(ms, sizeof ms, "%" PRIu64, (sa_mono_ns() - a->arrived_ns) / SA_NS_PER_MS);
    snprintf(server, sizeof server, "%" PRIu64, a->server_ns / SA_NS_PER_MS);
    const struct sa_field fields[] = {
        {"verb", a->op.verb ? a->op.verb->name : "unknown"},
        {"object", object},
        {"user", msg->user},
        {"by", a->asker && a->asker->who ? a->asker->who : ""},
        {"name", msg->name},
        {"result", sa_op_code_name(a->code)},
        {"ms", ms},
        {"server_ms", server},
        {"id", id},
    };
    sa_logf(SA_INFO, fields, sizeof fields / sizeof *fields,
            a->replayed ? "operation, answered again" : "operation");
}

_Static_assert((int)SA_RESULT_FAILED == (int)SA_OP(FAILED), "results are counted by their codes");

static void count(const struct sa_op_all *a)
{
    const char *verb = a->op.verb ? a->op.verb->name : "unknown";
    uint64_t us = (sa_mono_ns() - a->arrived_ns) / SA_NS_PER_US;
    char object[1024];
    sa_slot_operation(a->op.w->slot, sa_verb_find(verb), (enum sa_result)a->code, us);
    title(a, object, sizeof object);
    struct sa_slot_event *e = sa_slot_ring_add(&a->op.w->slot->operations, "%s", object);
    e->verb = (uint8_t)sa_verb_find(verb);
    e->result = (uint8_t)a->code;
    e->ms = (uint32_t)(us / 1000);
}

/* ---- parts ---- */

static void send(struct sa_op_all *a, const Scaleagent__V1__OperationResult *m)
{
    struct sa_buf *out = &a->op.ops->out;
    size_t n = scaleagent__v1__operation_result__get_packed_size(m);
    sa_buf_reset(out);
    if (sa_buf_reserve(out, n)) {
        sa_log(SA_ERROR, "no memory for the answer to an operation");
        return;
    }
    scaleagent__v1__operation_result__pack(m, (uint8_t *)out->data);
    a->asker->send(a->asker, out->data, n);
    if (a->secret)
        sa_buf_wipe(out);
}

static void send_part(struct sa_op_all *a, size_t n, bool last)
{
    Scaleagent__V1__OperationResult m = SCALEAGENT__V1__OPERATION_RESULT__INIT;
    m.id = (ProtobufCBinaryData){SA_OP_ID, a->id};
    if (n > 0)
        m.body = (ProtobufCBinaryData){n, (uint8_t *)a->body.data + a->left_n};
    m.offset = a->offset;
    if (last) {
        m.last = true;
        m.code = a->code;
        m.message = a->message.len ? a->message.data : (char *)"";
        m.uid = a->uid;
        m.resource_version = a->resource_version;
        m.epoch = a->epoch;
        m.sequence = a->sequence;
        m.retriable = a->retriable;
        m.server_ms = (uint32_t)(a->server_ns / SA_NS_PER_MS);
    }
    send(a, &m);
    a->offset += n;
    a->left_n += n;
    if (a->left_n > a->body.len / 2) { /* not for each: what is left is moved */
        sa_buf_drop(&a->body, a->left_n);
        a->left_n = 0;
    }
}

static size_t waits(const struct sa_op_all *a)
{
    return a->body.len - a->left_n;
}

static bool has_room(const struct sa_op_all *a)
{
    return !a->asker->room || a->asker->room(a->asker) > 0;
}

static void on_room(void *arg)
{
    struct sa_op_all *a = arg;
    sa_op_turn *turn = a->turn;
    a->turn = NULL;
    turn(&a->op);
}

void sa_op_send_parts(struct sa_op_all *a)
{
    while (a->asker && waits(a) >= SA_OPS_PART && has_room(a))
        send_part(a, SA_OPS_PART, false);
    if (a->wants_room && waits(a) < SA_OPS_PART) {
        a->wants_room = false;
        if (sa_timer_set(a->op.w->loop, &a->wait, 0, on_room, a))
            sa_op_fail(&a->op, SA_OP(FAILED), "error: no memory");
        return;
    }
    if (a->phase != SA_OP_SENDING || (a->asker && (waits(a) >= SA_OPS_PART || !has_room(a))))
        return;
    if (a->asker) {
        send_part(a, waits(a), true);
        sa_point("operation-told");
    }
    sa_op_free(a);
}

/* Buffers grow by doubling, and the watches live from what is left. */
static size_t waiting_max(const struct sa_worker *w)
{
    int64_t third = w->account.worker_memory_bytes / 3;
    return third > 0 && (uint64_t)third < SA_OPS_WAITING ? (size_t)third : SA_OPS_WAITING;
}

bool sa_op_crowded(const struct sa_op *op)
{
    size_t n = 0;
    for (const struct sa_op_all *a = op->ops->first; a; a = a->next)
        n += waits(a);
    return n > waiting_max(op->w);
}

int sa_op_add(struct sa_op *op, const void *p, size_t n)
{
    struct sa_op_all *a = sa_op_all(op);
    if (sa_buf_add(&a->body, p, n)) {
        sa_op_fail(op, SA_OP(TOO_LARGE),
                   "error: the result has more bytes than may wait for who asked (%zu), or the "
                   "worker's memory (limits.workerMemory) is used up",
                   SA_OP_RESULT_MAX);
        return -1;
    }
    if (waits(a) >= SA_OPS_PART)
        sa_op_send_parts(a);
    return 0;
}

void sa_op_when_room(struct sa_op *op, sa_op_turn *next)
{
    struct sa_op_all *a = sa_op_all(op);
    a->turn = next;
    a->wants_room = true;
    sa_op_send_parts(a);
}

/* ---- the end ---- */

/* What it changed is in what was sent up to now, unless its key is still to be read again. */
static void set_sequence(struct sa_op_all *a)
{
    struct sa_worker *w = a->op.w;
    if (a->replayed || !a->changed || a->behind || w->session != SA_SESSION_CACHING)
        return;
    sa_batch_flush(w);
    sa_batch_large_step(w);
    if (w->session != SA_SESSION_CACHING)
        return;
    a->sequence = sa_batch_last(w);
    a->epoch = a->sequence ? w->epoch : 0;
}

/* What was not begun may be asked for again under the same id. */
static bool begun(const struct sa_op_all *a)
{
    switch (a->code) {
    case SA_OP(UNAVAILABLE):
    case SA_OP(CANCELLED):
    case SA_OP(TIMED_OUT):
        return false;
    default:
        return a->limit_ns != 0; /* else it was not even accepted */
    }
}

static void remember(const struct sa_op_all *a)
{
    bool whole = a->offset == 0 && !a->secret && a->code == SA_OP(OK);
    const struct sa_outcome o = {
        .code = (int)a->code,
        .message = a->message.len ? a->message.data : "",
        .uid = a->uid,
        .resource_version = a->resource_version,
        .epoch = a->epoch,
        .sequence = a->sequence,
        .server_ms = (uint32_t)(a->server_ns / SA_NS_PER_MS),
        .retriable = a->retriable,
        .body = whole ? a->body.data : NULL,
        .body_n = whole ? a->body.len : 0,
    };
    if (a->replayed || !a->op.verb || a->op.verb->reads || !begun(a))
        return;
    if (sa_ids_add(a->op.ops->ids, a->id, &o, sa_mono_ns()))
        sa_log(SA_ERROR, "no memory to remember an operation");
}

/* What an API server, a proxy before it or a manifest says may be in any encoding, or cut amid a
 * character. A string of a protocol buffer is UTF-8: who is sent another ends the whole stream. */
static void mend(char *text)
{
    while (*text) {
        size_t n = sa_utf8_length(text);
        if (n == 0) {
            *text = '?';
            n = 1;
        }
        text += n;
    }
}

static void drop_body(struct sa_op_all *a)
{
    sa_buf_wipe(&a->body);
    a->left_n = 0;
}

void sa_op_complete(struct sa_op_all *a)
{
    struct sa_worker *w = a->op.w;
    sa_op_stop_request(a);
    set_sequence(a);
    if (a->code != SA_OP(OK))
        drop_body(a);
    if (a->message.len)
        mend(a->message.data);
    mend(a->uid);
    mend(a->resource_version);
    remember(a);
    audit(a);
    count(a);
    sa_point("operation-result");
    sa_op_unqueue(a);
    a->phase = SA_OP_SENDING;
    sa_timer_set(w->loop, &a->limit, TAKE_NS, sa_op_on_limit, a);
    sa_op_send_parts(a);
}
