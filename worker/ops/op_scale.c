/* SPDX-License-Identifier: Apache-2.0 */
/* kubectl scale KIND/NAME --replicas=N: by the subresource scale, whatever the kind. */
#include <stdio.h>

#include "worker/ops/op.h"

static void on_scaled(struct sa_op *op, const struct sa_response *r)
{
    char title[2 * SA_MAP_NAME];
    if (r->status != 200) {
        sa_op_fail_response(op, r, NULL);
        return;
    }
    sa_op_reread(op); /* the answer is a Scale, with the uid and version of its object */
    if (r->body->len) {
        struct sa_object o;
        const struct sa_scrub_options opt = {.metadata_only = true};
        if (sa_scrub(r->body->data, r->body->len, &opt, NULL, &o, NULL) == 0)
            sa_op_note(op, o.uid, o.resource_version);
    }
    sa_op_title(op, title, sizeof title);
    sa_op_ok(op, "%s scaled", title);
}

static void begin(struct sa_op *op)
{
    char patch[64];
    int n = snprintf(patch, sizeof patch, "{\"spec\":{\"replicas\":%d}}", op->msg->scale->replicas);
    if (op->msg->scale->replicas < 0) {
        sa_op_fail(op, SA_OP(INVALID),
                   "error: The --replicas=COUNT flag is required, and COUNT "
                   "must be greater than or equal to 0");
        return;
    }
    sa_op_request_object(op,
                         &(struct sa_op_request){.method = "PATCH",
                                                 .path = "?fieldManager=kubectl",
                                                 .content_type = "application/merge-patch+json",
                                                 .body = patch,
                                                 .body_n = (size_t)n},
                         "scale", on_scaled);
}

static const Scaleagent__V1__ObjectName *object(const struct sa_op *op)
{
    return op->msg->scale->object;
}

const struct sa_op_verb sa_op_scale = {.name = "scale", .object = object, .begin = begin};
