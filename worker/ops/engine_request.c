/* SPDX-License-Identifier: Apache-2.0 */
/* An operation's requests: their time limits, and when one is sent again. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/points.h"
#include "worker/ops/engine_internal.h"
#include "worker/reach.h"

#define SERVER_TRIES 10u /* as client-go's, where the server says when to come again */

void sa_op_forget_request(struct sa_op_all *a)
{
    free(a->saved.text);
    a->saved = (struct sa_op_saved){0};
}

void sa_op_stop_request(struct sa_op_all *a)
{
    struct sa_worker *w = a->op.w;
    if (a->req)
        w->api.cancel(w->api.arg, a->req);
    a->req = NULL;
    a->turn = NULL;
    a->again = NULL;
    a->wants_room = false;
    sa_timer_cancel(w->loop, &a->wait);
}

uint64_t sa_op_left_ns(const struct sa_op *op)
{
    uint64_t now = sa_mono_ns(), limit = ((const struct sa_op_all *)op)->limit_ns;
    return limit > now ? limit - now : 0;
}

static bool changes(const struct sa_op_request *rq)
{
    return !rq->harmless && rq->method && strcmp(rq->method, "GET") != 0 &&
           strcmp(rq->method, "HEAD") != 0;
}

static void start(struct sa_op_all *a);

static void on_again(void *arg)
{
    start(arg);
}

static void again_in(struct sa_op_all *a, uint64_t ns)
{
    if (sa_timer_set(a->op.w->loop, &a->wait, ns, on_again, a))
        sa_op_fail(&a->op, SA_OP(FAILED), "error: no memory");
}

static bool contains(const char *text, const char *part)
{
    size_t n = strlen(part);
    for (; n && *text; text++)
        if (strncasecmp(text, part, n) == 0)
            return true;
    return false;
}

/* kubernetes.retries: what fails, and can't have been done, is tried again. An answer that tells
 * what is wrong with the request will be the same the next time. */
static bool worth_another(const struct sa_op_all *a, const struct sa_response *r)
{
    const struct sa_account *acc = &a->op.w->account;
    bool undone = !changes(&a->saved.rq) || (r->status == 0 && !r->sent) || r->status == 429 ||
                  r->status == 503;
    if (!acc->retries_enabled || !undone || a->cancelled || (int64_t)a->tries >= acc->max_retries ||
        (!r->error && r->status < 429))
        return false;
    if (acc->retry_any_error)
        return true;
    SA_CLEANUP(sa_buf_free) struct sa_buf words = {0};
    sa_buf_init(&words, 0);
    sa_op_status_words(r, NULL, &words);
    for (size_t i = 0; words.len && i < acc->retryable_errors.n; i++)
        if (contains(words.data, acc->retryable_errors.v[i]))
            return true;
    return false;
}

/* The server says when it wants to be asked again. With any other status than these two (a 504, or
 * an API server that waited in vain for its store) a change may have been made all the same. */
static bool asked_for_again(const struct sa_op_all *a, const struct sa_response *r)
{
    if (r->retry_after_ms < 0 || r->error || a->server_tries >= SERVER_TRIES || a->cancelled)
        return false;
    return !changes(&a->saved.rq) || r->status == 429 || r->status == 503;
}

/* True if the request is sent again later. */
static bool repeated(struct sa_op_all *a, const struct sa_response *r)
{
    uint64_t wait, left = sa_op_left_ns(&a->op);
    if (a->streamed) /* a part of the answer is on its way */
        return false;
    if (asked_for_again(a, r)) {
        wait = (uint64_t)r->retry_after_ms * SA_NS_PER_MS;
        if (wait >= left)
            return false;
        a->server_tries++;
    } else if (worth_another(a, r)) {
        int64_t ms = a->op.w->account.retry_backoff_ms;
        wait = (uint64_t)(ms > 0 ? ms : 0) * SA_NS_PER_MS;
        if (wait >= left)
            return false;
        a->tries++;
    } else {
        return false;
    }
    again_in(a, wait);
    return true;
}

/* What is no answer, in kubectl's words. */
static void no_answer(struct sa_op_all *a, const struct sa_response *r)
{
    SA_CLEANUP(sa_buf_free) struct sa_buf words = {0};
    sa_buf_init(&words, 0);
    sa_op_status_words(r, NULL, &words);
    const char *text = words.len ? words.data : "error: no answer";
    if (a->changed_code == SA_OP(OK))
        sa_op_fail(&a->op, a->changed_code, "%s", a->changed_message.data);
    else if (a->changed_code)
        sa_op_fail(&a->op, a->changed_code, "%s (%s)", a->changed_message.data, text);
    else if (changes(&a->saved.rq) && r->sent)
        sa_op_fail(&a->op, SA_OP(UNKNOWN_OUTCOME), "%s; whether it was done is not known", text);
    else if (a->changed)
        sa_op_fail(&a->op, SA_OP(UNKNOWN_OUTCOME), "%s; whether it was done whole is not known",
                   text);
    else if (r->error && (r->error->code == SA_ELIMIT || r->error->code == SA_EMEMORY))
        sa_op_fail(&a->op, SA_OP(TOO_LARGE), "error: %s", sa_err_msg(r->error));
    else
        sa_op_fail(&a->op, sa_op_left_ns(&a->op) ? SA_OP(UNAVAILABLE) : SA_OP(TIMED_OUT), "%s",
                   text);
}

/* An answer that says nothing about whether it was done: of a proxy, or of an API server that
 * waited in vain for its store. */
static bool doubtful(const struct sa_op_all *a, const struct sa_response *r)
{
    if (!changes(&a->saved.rq))
        return false;
    if (r->status == 502 || r->status == 504)
        return true;
    return r->status == 500 && r->body->len && strstr(r->body->data, "etcdserver:");
}

static void on_done(void *arg, const struct sa_response *r)
{
    struct sa_op_all *a = arg;
    sa_op_step *step = a->step;
    a->req = NULL;
    a->server_ns += sa_mono_ns() - a->asked_ns;
    sa_point("operation-answer");
    if (repeated(a, r))
        return;
    if (!r->error && r->status >= 200 && r->status < 300 && changes(&a->saved.rq))
        a->changed = true;
    if (a->any || (!r->error && r->status && !doubtful(a, r)))
        step(&a->op, r);
    else
        no_answer(a, r);
}

static int on_data(void *arg, const void *p, size_t n, struct sa_err **err)
{
    struct sa_op_all *a = arg;
    a->streamed = true;
    return a->saved.rq.on_data(&a->op, p, n, err);
}

static void start(struct sa_op_all *a)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    struct sa_worker *w = a->op.w;
    const struct sa_op_request *rq = &a->saved.rq;
    uint64_t left = sa_op_left_ns(&a->op);
    struct sa_request_options o = {
        .method = rq->method,
        .path = rq->path,
        .accept = rq->accept,
        .content_type = rq->content_type,
        .body = rq->body,
        .body_n = rq->body_n,
        .max_body = rq->max_body ? rq->max_body : SA_OP_BODY_MAX,
        .timeout_ns = rq->unlimited ? left : sa_reach_limit(w, left),
        .urgent = true,
        .on_data = rq->on_data ? on_data : NULL,
        .on_done = on_done,
        .arg = a,
    };
    if (!left)
        return; /* the limit's own timer is due */
    a->asked_ns = sa_mono_ns();
    sa_point(changes(rq) ? "operation-change" : "operation-read");
    a->req = w->api.start(w->api.arg, &o, &err);
    if (!a->req)
        sa_op_fail(&a->op, SA_OP(FAILED), "error: %s", sa_err_msg(err));
    else
        sa_point(changes(rq) ? "operation-changing" : "operation-reading");
}

static const char *keep(char **at, const char *text)
{
    char *to = *at;
    if (!text)
        return NULL;
    size_t n = strlen(text) + 1;
    memcpy(to, text, n);
    *at += n;
    return to;
}

static size_t text_size(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

static int save(struct sa_op_all *a, const struct sa_op_request *rq)
{
    size_t n = text_size(rq->method) + text_size(rq->path) + text_size(rq->accept) +
               text_size(rq->content_type) + rq->body_n + 1;
    char *text = malloc(n), *at = text;
    if (!text)
        return -1;
    struct sa_op_request copy = *rq;
    copy.method = keep(&at, rq->method);
    copy.path = keep(&at, rq->path);
    copy.accept = keep(&at, rq->accept);
    copy.content_type = keep(&at, rq->content_type);
    copy.body = NULL;
    if (rq->body_n) {
        memcpy(at, rq->body, rq->body_n);
        copy.body = at;
    }
    sa_op_forget_request(a); /* not before: rq may point into the one before */
    a->saved.rq = copy;
    a->saved.text = text;
    return 0;
}

static void ask(struct sa_op *op, const struct sa_op_request *rq, sa_op_step *next, bool any)
{
    struct sa_op_all *a = sa_op_all(op);
    if (a->cancelled && (!a->changed || a->changed_code) && a->phase == SA_OP_RUNNING) {
        sa_op_give_up(a, SA_OP(CANCELLED), "it was cancelled");
        return;
    }
    if (save(a, rq)) {
        sa_op_fail(op, SA_OP(FAILED), "error: no memory");
        return;
    }
    a->step = next;
    a->any = any;
    a->tries = a->server_tries = 0;
    a->streamed = false;
    start(a);
}

void sa_op_request(struct sa_op *op, const struct sa_op_request *rq, sa_op_step *next)
{
    ask(op, rq, next, false);
}

void sa_op_request_any(struct sa_op *op, const struct sa_op_request *rq, sa_op_step *next)
{
    ask(op, rq, next, true);
}

void sa_op_request_object(struct sa_op *op, const struct sa_op_request *rq, const char *sub,
                          sa_op_step *next)
{
    SA_CLEANUP(sa_buf_free) struct sa_buf path = {0};
    struct sa_op_request with_path = *rq;
    if (!*op->name) {
        sa_op_fail(op, SA_OP(INVALID), "error: resource name may not be empty");
        return;
    }
    sa_buf_init(&path, 16384);
    sa_mapping_path(&op->map, op->namespace, op->name, sub, &path);
    if (rq->path)
        sa_buf_adds(&path, rq->path);
    if (path.failed) {
        sa_op_fail(op, SA_OP(INVALID), "error: the name is too long");
        return;
    }
    with_path.path = path.data;
    ask(op, &with_path, next, false);
}

static void on_wait(void *arg)
{
    struct sa_op_all *a = arg;
    sa_op_turn *turn = a->turn;
    a->turn = NULL;
    turn(&a->op);
}

void sa_op_after(struct sa_op *op, uint64_t ns, sa_op_turn *next)
{
    struct sa_op_all *a = sa_op_all(op);
    a->turn = next;
    if (sa_timer_set(op->w->loop, &a->wait, ns, on_wait, a))
        sa_op_fail(op, SA_OP(FAILED), "error: no memory");
}
