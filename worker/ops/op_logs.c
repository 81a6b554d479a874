/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kubectl logs POD, and KIND/NAME of what owns pods: the pod is found and read, its containers are
 * chosen (pods.c), and their logs leave as they come, one container after the other. A stream of
 * the shared connection can't be held back without holding back the others on it (libcurl, HTTP/2),
 * so what the asker does not take at once waits in memory, up to SA_LOGS_MAX of one operation and
 * SA_OPS_WAITING of all.
 */
#include <stdio.h>
#include <string.h>

#include "worker/ops/log_cut.h"
#include "worker/ops/op.h"
#include "worker/ops/pods.h"

#define MEMORY_MAX ((size_t)128 << 20)
#define PODS_MAX   ((size_t)32 << 20) /* bytes of a list of pods */
#define WAIT_NS    (20 * SA_NS_PER_S) /* for a first pod, as kubectl's --pod-running-timeout */
#define LOOK_NS    SA_NS_PER_S
#define PATIENCE   ((uint64_t)64 * 1024) /* bytes past the limit that are read and dropped */

struct state {
    struct sa_arena arena;
    bool begun;
    uint64_t began_ns;
    char pod[SA_MAP_NAME];
    struct sa_containers containers; /* in arena */
    size_t next;                     /* of them */
    struct sa_buf note;              /* kubectl's remarks on its choice, a line each */
    struct sa_log_cut cut;
};

static const struct sa_mapping pods = {
    .version = "v1", .plural = "pods", .kind = "Pod", .namespaced = true};

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
    sa_buf_free(&s->note);
}

static void note_line(struct state *s)
{
    if (s->note.len)
        sa_buf_addc(&s->note, '\n');
}

/* NULL: the operation has ended. What was read before is forgotten. */
static const struct sa_val *read_json(struct sa_op *op, const struct sa_response *r)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    struct state *s = state_of(op);
    sa_arena_free(&s->arena);
    sa_arena_init(&s->arena, MEMORY_MAX);
    const struct sa_val *v = sa_val_parse_map(&s->arena, r->body->len ? r->body->data : "",
                                              r->body->len, "the API server's answer", &err);
    if (!v)
        sa_op_fail(op, err && err->code == SA_ELIMIT ? SA_OP(TOO_LARGE) : SA_OP(FAILED),
                   "error: %s", sa_err_msg(err));
    return v;
}

/* kubectl logs has words of its own for what is not there. */
static void not_read(struct sa_op *op, const struct sa_response *r)
{
    struct state *s = state_of(op);
    const struct sa_val *status =
        sa_val_parse_map(&s->arena, r->body->len ? r->body->data : "", r->body->len, "", NULL);
    const char *message = sa_val_str(status, "message");
    if (r->status == 404 && *message)
        sa_op_fail(op, SA_OP(NOT_FOUND),
                   "error: error from server (NotFound): %s in namespace \"%s\"", message,
                   op->namespace);
    else
        sa_op_fail_response(op, r, NULL);
}

/* ---- the logs themselves ---- */

static void next_container(struct sa_op *op);

static int on_data(struct sa_op *op, const void *p, size_t n, struct sa_err **err)
{
    struct state *s = state_of(op);
    size_t take = sa_log_cut_take(&s->cut, p, n);
    if (take && sa_op_add(op, p, take)) /* which has ended the operation */
        return -1;
    if (take && sa_op_crowded(op)) {
        sa_op_fail(op, SA_OP(UNAVAILABLE),
                   "error: more logs of this account wait than fit into memory: who asked does not "
                   "take them fast enough");
        return -1;
    }
    if (s->cut.dropped > PATIENCE)
        return sa_err_set(err, SA_ELIMIT, "the log does not end where it was asked to");
    return 0;
}

static void on_logs(struct sa_op *op, const struct sa_response *r)
{
    struct state *s = state_of(op);
    char line[SA_LOG_CUT_LINE];
    bool cut = s->cut.dropped > 0;
    /* 204: of a pod that has no node yet. */
    if (!cut && (r->error || (r->status != 200 && r->status != 204))) {
        sa_op_fail_response(op, r, NULL);
        return;
    }
    size_t n = sa_log_cut_end(&s->cut, line);
    if (n && sa_op_add(op, line, n))
        return;
    next_container(op);
}

static void ask_for_logs(struct sa_op *op, const char *container)
{
    SA_CLEANUP(sa_buf_free) struct sa_buf path = {0};
    const Scaleagent__V1__LogsOperation *m = op->msg->logs;
    struct state *s = state_of(op);
    char number[32];
    sa_buf_init(&path, 16384);
    sa_mapping_path(&pods, op->namespace, s->pod, "log", &path);
    sa_query_add(&path, "container", container);
    if (m->previous)
        sa_query_add(&path, "previous", "true");
    if (m->since_seconds > 0) {
        snprintf(number, sizeof number, "%lld", (long long)m->since_seconds);
        sa_query_add(&path, "sinceSeconds", number);
    }
    if (m->tail_case == SCALEAGENT__V1__LOGS_OPERATION__TAIL_TAIL_LINES) {
        snprintf(number, sizeof number, "%lld", (long long)m->tail_lines);
        sa_query_add(&path, "tailLines", number);
    }
    /* One byte more tells whether there is more. */
    snprintf(number, sizeof number, "%llu", (unsigned long long)s->cut.limit + 1);
    sa_query_add(&path, "limitBytes", number);
    if (path.failed)
        sa_op_fail(op, SA_OP(INVALID), "error: the container's name is too long");
    else
        sa_op_request_any(
            op,
            &(struct sa_op_request){
                .path = path.data, .accept = "*/*", .unlimited = true, .on_data = on_data},
            on_logs);
}

static void next_container(struct sa_op *op)
{
    struct state *s = state_of(op);
    if (s->next == s->containers.n || !sa_log_cut_begin(&s->cut, op->msg->logs->limit_bytes))
        sa_op_ok(op, "%s", s->note.len ? s->note.data : "");
    else
        ask_for_logs(op, s->containers.v[s->next++]);
}

/* ---- the pod ---- */

static void on_pod(struct sa_op *op, const struct sa_response *r)
{
    const Scaleagent__V1__LogsOperation *m = op->msg->logs;
    struct state *s = state_of(op);
    if (r->status != 200) {
        not_read(op, r);
        return;
    }
    const struct sa_val *pod = read_json(op, r);
    if (!pod)
        return;
    if (sa_pod_containers(pod, m->container, m->all_containers, &s->containers, &s->note)) {
        sa_op_fail(op, SA_OP(INVALID), "error: %s", s->note.data);
        return;
    }
    sa_op_lasts(op);
    next_container(op);
}

static void read_pod(struct sa_op *op, const char *name)
{
    SA_CLEANUP(sa_buf_free) struct sa_buf path = {0};
    struct state *s = state_of(op);
    snprintf(s->pod, sizeof s->pod, "%s", name);
    sa_buf_init(&path, 16384);
    sa_mapping_path(&pods, op->namespace, s->pod, NULL, &path);
    if (path.failed)
        sa_op_fail(op, SA_OP(INVALID), "error: the pod's name is too long");
    else
        sa_op_request(op, &(struct sa_op_request){.path = path.data}, on_pod);
}

/* ---- what owns pods ---- */

static void read_owner(struct sa_op *op);

static void on_pods(struct sa_op *op, const struct sa_response *r)
{
    struct state *s = state_of(op);
    char name[SA_MAP_NAME];
    uint32_t n;
    if (r->status != 200) {
        sa_op_fail_response(op, r, NULL);
        return;
    }
    const struct sa_val *list = read_json(op, r);
    if (!list)
        return;
    const struct sa_val *best = sa_pods_best(list, &n);
    if (!best && sa_mono_ns() - s->began_ns < WAIT_NS) {
        sa_op_after(op, LOOK_NS, read_owner);
        return;
    }
    if (!best) {
        sa_op_fail(op, SA_OP(TIMED_OUT), "error: timed out waiting for the condition");
        return;
    }
    snprintf(name, sizeof name, "%s", sa_val_str(sa_val_member(best, "metadata"), "name"));
    if (n > 1) {
        note_line(s);
        sa_buf_addf(&s->note, "Found %u pods, using pod/%s", n, name);
    }
    read_pod(op, name);
}

static void on_owner(struct sa_op *op, const struct sa_response *r)
{
    SA_CLEANUP(sa_buf_free) struct sa_buf selector = {0}, path = {0};
    const char *why;
    if (r->status != 200) {
        not_read(op, r);
        return;
    }
    const struct sa_val *owner = read_json(op, r);
    if (!owner)
        return;
    sa_buf_init(&selector, 32768);
    sa_buf_init(&path, 131072);
    if (!sa_pods_selector(owner, op->map.group, op->map.kind, &selector, &why)) {
        sa_op_fail(op, SA_OP(INVALID), "error: cannot get the logs from %s/%s: %s", op->map.plural,
                   op->name, why);
        return;
    }
    sa_mapping_path(&pods, op->namespace, NULL, NULL, &path);
    if (selector.len)
        sa_query_add(&path, "labelSelector", selector.data);
    if (selector.failed || path.failed)
        sa_op_fail(op, SA_OP(TOO_LARGE), "error: the object's selector is too long");
    else
        sa_op_request(op, &(struct sa_op_request){.path = path.data, .max_body = PODS_MAX},
                      on_pods);
}

static void read_owner(struct sa_op *op)
{
    sa_op_request_object(op, &(struct sa_op_request){0}, NULL, on_owner);
}

/* ---- ---- */

static void begin(struct sa_op *op)
{
    struct state *s = state_of(op);
    const Scaleagent__V1__LogsOperation *m = op->msg->logs;
    bool pod = !*op->map.group && strcmp(op->map.kind, "Pod") == 0;
    sa_arena_init(&s->arena, MEMORY_MAX);
    sa_buf_init(&s->note, 65536);
    s->begun = true;
    s->began_ns = sa_mono_ns();
    if (m->all_containers && *m->container)
        sa_op_fail(op, SA_OP(INVALID),
                   "error: --all-containers=true should not be specified with container name %s",
                   m->container);
    else if (m->since_seconds < 0)
        sa_op_fail(op, SA_OP(INVALID), "error: --since must be greater than 0");
    else if (m->tail_case == SCALEAGENT__V1__LOGS_OPERATION__TAIL_TAIL_LINES && m->tail_lines < 0)
        sa_op_fail(op, SA_OP(INVALID), "error: --tail must be greater than or equal to -1");
    else if (pod && *op->name)
        read_pod(op, op->name);
    else
        read_owner(op);
}

static const Scaleagent__V1__ObjectName *object(const struct sa_op *op)
{
    return op->msg->logs->object;
}

const struct sa_op_verb sa_op_logs = {.name = "logs",
                                      .reads = true,
                                      .state = sizeof(struct state),
                                      .object = object,
                                      .begin = begin,
                                      .clear = clear};
