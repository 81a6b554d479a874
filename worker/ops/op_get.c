/* SPDX-License-Identifier: Apache-2.0 */
/* kubectl get KIND NAME -o json */
#include "worker/ops/op.h"

static void on_object(struct sa_op *op, const struct sa_response *r)
{
    if (r->status != 200)
        sa_op_fail_response(op, r, NULL);
    else if (sa_op_object(op, r->body->len ? r->body->data : "", r->body->len, true) == 0)
        sa_op_ok(op, "%s", "");
}

static void begin(struct sa_op *op)
{
    if (sa_op_may_show(op, &op->map))
        sa_op_request_object(op, &(struct sa_op_request){0}, NULL, on_object);
}

static const Scaleagent__V1__ObjectName *object(const struct sa_op *op)
{
    return op->msg->get->object;
}

const struct sa_op_verb sa_op_get = {
    .name = "get", .reads = true, .object = object, .begin = begin};
