/* SPDX-License-Identifier: Apache-2.0 */
/* kubectl top pod --containers, by metrics.k8s.io; where the cluster has none, nothing. */
#include <string.h>

#include "worker/ops/op.h"
#include "worker/ops/usage.h"

#define MEMORY_MAX ((size_t)128 << 20)

static void answer(struct sa_op *op, const struct sa_val *metrics, struct sa_arena *arena)
{
    SA_CLEANUP(sa_buf_free) struct sa_buf out = {0};
    sa_buf_init(&out, SA_OP_BODY_MAX);
    if (sa_usage_print(arena, metrics, &out) != 0 || out.failed)
        sa_op_fail(op, SA_OP(TOO_LARGE), "error: the metrics of all these pods are too large");
    else if (sa_op_add(op, out.data, out.len) == 0)
        sa_op_ok(op, "%s", "");
}

/* The server knows no such API at all, rather than no such pod: it then says so in a text. */
static bool is_absent(const struct sa_response *r)
{
    return r->status == 404 && (r->body->len == 0 || r->body->data[0] != '{');
}

static void on_metrics(struct sa_op *op, const struct sa_response *r)
{
    SA_CLEANUP(sa_arena_free) struct sa_arena arena = {0};
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    sa_arena_init(&arena, MEMORY_MAX);
    if (is_absent(r)) {
        if (sa_op_add(op, "[]", 2) == 0)
            sa_op_ok(op, "Metrics API not available");
        return;
    }
    if (r->status != 200) {
        sa_op_fail_response(op, r, NULL);
        return;
    }
    const struct sa_val *metrics =
        sa_val_parse_map(&arena, r->body->len ? r->body->data : "", r->body->len, "metrics", &err);
    if (metrics)
        answer(op, metrics, &arena);
    else
        sa_op_fail(op, SA_OP(FAILED), "error: %s", sa_err_msg(err));
}

static void begin(struct sa_op *op)
{
    static const struct sa_mapping pod_metrics = {.group = "metrics.k8s.io",
                                                  .version = "v1beta1",
                                                  .plural = "pods",
                                                  .kind = "PodMetrics",
                                                  .namespaced = true};
    SA_CLEANUP(sa_buf_free) struct sa_buf path = {0};
    const Scaleagent__V1__TopOperation *m = op->msg->top;
    const char *namespace = m->namespace_;
    if (!*namespace && *m->pod)
    namespace = *op->w->namespace ? op->w->namespace : "default";
    if ((*namespace && !sa_op_segment(op, "namespace", namespace)) ||
        (*m->pod && !sa_op_segment(op, "resource name", m->pod)))
        return;
    sa_buf_init(&path, 131072);
    sa_mapping_path(&pod_metrics, namespace, *m->pod ? m->pod : NULL, NULL, &path);
    if (*m->label_selector)
        sa_query_add(&path, "labelSelector", m->label_selector);
    if (path.failed)
        sa_op_fail(op, SA_OP(INVALID), "error: the name or the selector is too long");
    else
        sa_op_request(op, &(struct sa_op_request){.path = path.data}, on_metrics);
}

const struct sa_op_verb sa_op_top = {.name = "top", .reads = true, .begin = begin};
