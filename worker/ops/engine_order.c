/* SPDX-License-Identifier: Apache-2.0 */
/* What may begin, and how each ends. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/points.h"
#include "worker/ops/engine_internal.h"

#define LASTING_MAX 256u /* that only wait beside those that have a place */

/* While it is held nothing begins, and so none but the one that is being ended goes. */
void sa_ops_hold(struct sa_ops *o)
{
    o->held++;
}

void sa_ops_release(struct sa_ops *o)
{
    o->held--;
    sa_ops_pump(o);
}

static bool may_begin(const struct sa_op_all *a)
{
    return a->phase == SA_OP_QUEUED && !a->before &&
           a->op.ops->running[a->op.verb->reads] < SA_OPS_RUNNING;
}

static void begin(struct sa_op_all *a)
{
    const struct sa_op_verb *verb = a->op.verb;
    a->phase = SA_OP_RUNNING;
    a->place = true;
    a->op.ops->running[verb->reads]++;
    sa_point("operation-begin");
    if (verb->state && !(a->op.state = calloc(1, verb->state)))
        sa_op_fail(&a->op, SA_OP(FAILED), "error: no memory");
    else
        verb->begin(&a->op);
}

void sa_ops_pump(struct sa_ops *o)
{
    if (o->held)
        return;
    o->held++;
    struct sa_op_all *a = o->first;
    while (a) {
        if (!may_begin(a)) {
            a = a->next;
            continue;
        }
        begin(a); /* which may have ended it, and others with it */
        a = o->first;
    }
    o->held--;
}

static void make_key(struct sa_op_all *a)
{
    SA_CLEANUP(sa_buf_free) struct sa_buf b = {0};
    const struct sa_op *op = &a->op;
    const char *texts[] = {op->map.group, op->map.plural, op->namespace, op->name};
    sa_buf_init(&b, 0);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        sa_buf_add(&b, texts[i], strlen(texts[i]) + 1);
    a->keyed = !b.failed && !op->verb->reads && *op->map.plural;
    if (a->keyed)
        a->key = sa_hash128(b.data, b.len);
}

void sa_op_enter(struct sa_op_all *a)
{
    make_key(a);
    a->before = NULL;
    for (struct sa_op_all *b = a->keyed ? a->prev : NULL; b && !a->before; b = b->prev)
        if (b->keyed && b->key.a == a->key.a && b->key.b == a->key.b &&
            (b->phase == SA_OP_QUEUED || b->phase == SA_OP_RUNNING || b->phase == SA_OP_SETTLING))
            a->before = b;
    a->phase = SA_OP_QUEUED;
    sa_ops_pump(a->op.ops);
}

static void leave_place(struct sa_op_all *a)
{
    if (a->place)
        a->op.ops->running[a->op.verb->reads]--;
    if (a->lasting)
        a->op.ops->lasting--;
    a->place = a->lasting = false;
}

void sa_op_lasts(struct sa_op *op)
{
    struct sa_op_all *a = sa_op_all(op);
    if (!a->place || op->ops->lasting >= LASTING_MAX)
        return;
    leave_place(a);
    a->lasting = true;
    op->ops->lasting++;
    sa_ops_pump(op->ops);
}

void sa_op_unqueue(struct sa_op_all *a)
{
    leave_place(a);
    for (struct sa_op_all *b = a->next; b && a->keyed; b = b->next)
        if (b->before == a)
            b->before = a->before; /* one that did not begin leaves its place in the row */
    a->keyed = false;
}

static void clear_state(struct sa_op_all *a)
{
    if (a->op.state && a->op.verb->clear)
        a->op.verb->clear(&a->op);
    free(a->op.state);
    a->op.state = NULL;
}

void sa_op_free(struct sa_op_all *a)
{
    struct sa_ops *o = a->op.ops;
    sa_op_stop_request(a);
    sa_op_unqueue(a);
    clear_state(a);
    sa_timer_cancel(o->w->loop, &a->limit);
    *(a->prev ? &a->prev->next : &o->first) = a->next;
    *(a->next ? &a->next->prev : &o->last) = a->prev;
    o->n--;
    o->bytes -= a->bytes;
    sa_op_forget_request(a);
    sa_buf_free(&a->message);
    sa_buf_free(&a->changed_message);
    sa_buf_wipe(&a->body); /* perhaps a Secret */
    sa_buf_free(&a->body);
    sa_buf_free(&a->leaving);
    scaleagent__v1__operation__free_unpacked(a->op.msg, NULL);
    free(a);
    sa_ops_pump(o);
}

/* ---- the end ---- */

/* The verb is through with it: only the cache and the answer are left. */
static void verb_ended(struct sa_op_all *a)
{
    sa_op_stop_request(a);
    clear_state(a);
}

__attribute__((format(printf, 2, 0))) static void set_message(struct sa_buf *b, const char *fmt,
                                                              va_list ap)
{
    sa_buf_reset(b);
    if (sa_buf_addv(b, fmt, ap)) {
        sa_buf_reset(b);
        sa_buf_adds(b, "error: the message is too long");
    }
}

void sa_op_ok(struct sa_op *op, const char *fmt, ...)
{
    struct sa_op_all *a = sa_op_all(op);
    va_list ap;
    va_start(ap, fmt);
    set_message(&a->message, fmt, ap);
    va_end(ap);
    a->code = SA_OP(OK);
    verb_ended(a);
    sa_op_settle(a);
}

void sa_op_fail(struct sa_op *op, sa_op_code code, const char *fmt, ...)
{
    struct sa_op_all *a = sa_op_all(op);
    va_list ap;
    va_start(ap, fmt);
    set_message(&a->message, fmt, ap);
    va_end(ap);
    a->code = code;
    a->retriable = a->retriable || code == SA_OP(UNAVAILABLE) || code == SA_OP(UNKNOWN_OUTCOME);
    verb_ended(a);
    sa_op_settle(a);
}

void sa_op_changed(struct sa_op *op, sa_op_code code, const char *fmt, ...)
{
    struct sa_op_all *a = sa_op_all(op);
    va_list ap;
    va_start(ap, fmt);
    set_message(&a->changed_message, fmt, ap);
    va_end(ap);
    a->changed = true;
    a->changed_code = code;
}

/* A request that may change something is on its way, and its answer tells whether it has. */
static bool in_doubt(const struct sa_op_all *a)
{
    const struct sa_op_request *rq = &a->saved.rq;
    return a->req && !rq->harmless && rq->method && strcmp(rq->method, "GET") != 0 &&
           strcmp(rq->method, "HEAD") != 0;
}

bool sa_op_is_safe(const struct sa_op_all *a)
{
    if (a->phase != SA_OP_RUNNING)
        return true;
    return a->changed_code || (!in_doubt(a) && !a->changed);
}

void sa_op_give_up(struct sa_op_all *a, sa_op_code unbegun, const char *why)
{
    if (a->changed_code)
        sa_op_fail(&a->op, a->changed_code, "%s", a->changed_message.data);
    else if (in_doubt(a) || a->changed)
        sa_op_fail(&a->op, SA_OP(UNKNOWN_OUTCOME),
                   "error: %s before the API server had answered: whether it was done is not known",
                   why);
    else
        sa_op_fail(&a->op, unbegun, "error: %s: nothing was changed", why);
}
