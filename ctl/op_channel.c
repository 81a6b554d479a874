/* SPDX-License-Identifier: Apache-2.0 */
/* op: the conversation with the worker: one request, the parts of its result, the next request. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/loop.h"
#include "ctl/op.h"
#include "ipc/operate.h"
#include "ipc/sp.h"

#define QUEUE_MAX (SA_OPERATE_ASK_MAX + 4096u)

struct sa_cli_op_channel {
    struct sa_loop *loop;
    struct sa_sp *sp; /* NULL: it has ended */
    /* the request under way */
    const struct sa_cli_op_request *request;
    sa_cli_op_part *on_part;
    void *arg;
    bool done, failed;
    struct sa_err *err; /* why it failed */
};

static void fail(struct sa_cli_op_channel *c, struct sa_err *err)
{
    sa_err_free(&c->err);
    c->err = err;
    c->failed = true;
}

static void on_end(void *arg, const struct sa_err *why)
{
    struct sa_cli_op_channel *c = arg;
    struct sa_err *err = NULL;
    sa_sp_free(c->sp);
    c->sp = NULL;
    if (why != NULL)
        sa_err_set(&err, why->code, "the account's worker: %s", sa_err_msg(why));
    else
        sa_err_set(&err, SA_EREFUSED,
                   "the account's worker ended the conversation, so what came of it is not known; "
                   "its log and `scale-agentctl status` may say why");
    fail(c, err);
}

/* A late part of one that was given up is not. */
static bool is_ours(const struct sa_cli_op_channel *c, const Scaleagent__V1__OperationResult *part)
{
    return c->request != NULL && part->id.len == sizeof c->request->id &&
           memcmp(part->id.data, c->request->id, sizeof c->request->id) == 0;
}

static void on_message(void *arg, const uint8_t *p, size_t n)
{
    struct sa_cli_op_channel *c = arg;
    struct sa_err *err = NULL;
    Scaleagent__V1__OperationResult *part = scaleagent__v1__operation_result__unpack(NULL, n, p);
    if (part == NULL) {
        sa_err_set(&err, SA_EPROTOCOL,
                   "the account's worker answers what is no result; do versions differ?");
        fail(c, err);
        return;
    }
    if (is_ours(c, part)) {
        if (c->on_part(c->arg, part, &err) != 0)
            fail(c, err);
        else
            c->done = part->last;
    }
    scaleagent__v1__operation_result__free_unpacked(part, NULL);
}

static const struct sa_sp_events events = {on_message, on_end, NULL};

struct sa_cli_op_channel *sa_cli_op_channel_open(const char *socket, const char *account,
                                                 struct sa_err **err)
{
    static const struct sa_sp_limits limits = {SA_OPERATE_RESULT_MAX, QUEUE_MAX};
    int fd = sa_cli_operate(socket, account, err);
    if (fd < 0)
        return NULL;
    struct sa_cli_op_channel *c = calloc(1, sizeof *c);
    if (c != NULL)
        c->loop = sa_loop_new(err);
    if (c == NULL || c->loop == NULL) {
        sa_closep(&fd);
        free(c);
        if (err == NULL || *err == NULL)
            sa_err_set(err, SA_EMEMORY, "no memory for a channel");
        return NULL;
    }
    c->sp = sa_sp_new(c->loop, fd, &limits, &events, c, err);
    if (c->sp != NULL)
        return c;
    sa_cli_op_channel_free(c);
    return NULL;
}

void sa_cli_op_channel_free(struct sa_cli_op_channel *c)
{
    if (c == NULL)
        return;
    sa_sp_free(c->sp);
    sa_loop_free(c->loop);
    sa_err_free(&c->err);
    free(c);
}

int sa_cli_op_channel_ask(struct sa_cli_op_channel *c, const struct sa_cli_op_request *r,
                          uint64_t timeout_ms, sa_cli_op_part *on_part, void *arg,
                          struct sa_err **err)
{
    uint64_t end = sa_mono_ns() + timeout_ms * SA_NS_PER_MS;
    c->request = r;
    c->on_part = on_part;
    c->arg = arg;
    c->done = false;
    if (c->sp != NULL && sa_sp_send(c->sp, r->packed, r->n, NULL, 0, err) != 0)
        return -1;
    while (!c->done && !c->failed) {
        uint64_t now = sa_mono_ns();
        if (now >= end)
            return sa_err_set(err, SA_EREFUSED,
                              "the account's worker has not answered in time; what came of it is "
                              "not known");
        uint64_t left_ms = (end - now) / SA_NS_PER_MS + 1;
        if (sa_loop_turn(c->loop, left_ms > 60000 ? 60000 : (int)left_ms, err) != 0)
            return -1;
    }
    c->request = NULL;
    if (!c->failed)
        return 0;
    return sa_err_set(err, c->err == NULL ? SA_EREFUSED : c->err->code, "%s", sa_err_msg(c->err));
}
