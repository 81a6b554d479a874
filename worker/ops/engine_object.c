/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects that the API server returned: on their way to who asked, as kubectl prints them, and, if
 * they were changed, into Clouddriver's cache by the same way as all others (worker/intake.c).
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "worker/json.h"
#include "worker/ops/engine_internal.h"
#include "worker/scope.h"
#include "worker/session.h"

uint32_t sa_op_uid_hash(const char *uid)
{
    return sa_intake_uid_hash(uid);
}

/* The scope that follows the object, if the other side is told of it now. */
static struct sa_scope *scope_of(const struct sa_op *op, const struct sa_mapping *m,
                                 const char *namespace)
{
    struct sa_worker *w = op->w;
    struct sa_scope *s = sa_scope_find(w, m->group, m->plural, "");
    if (!s && *namespace)
        s = sa_scope_find(w, m->group, m->plural, namespace);
    if (!s || s->follow == SA_FOLLOW_OFF || s->kept || s->made_up || s->internal || s->evicted ||
        !sa_session_open(s))
        return NULL;
    return s;
}

/* Without credit its key waits among the dirty ones: nobody can tell how long. */
static void note_behind(struct sa_op_all *a, const struct sa_scope *s, const char *namespace,
                        const char *name)
{
    a->behind =
        a->behind || (s->dirty && sa_dirty_has(s->dirty, s->res.namespaced ? namespace : "", name));
}

void sa_op_cache(struct sa_op *op, const struct sa_mapping *m, const char *namespace,
                 const char *name, const char *json, size_t n)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    struct sa_scope *s = scope_of(op, m, namespace);
    if (!s)
        return;
    if (strcmp(s->res.version, m->version) != 0) { /* it is cached in another form */
        sa_op_reread(op);
        return;
    }
    sa_intake_stamp(op->w);
    if (sa_intake(s, json, n, SA_FROM_RESULT, false, &err))
        sa_log(SA_WARN, "what an operation returned can't be cached: %s", sa_err_msg(err));
    note_behind(sa_op_all(op), s, namespace, name);
}

void sa_op_note(struct sa_op *op, const char *uid, const char *resource_version)
{
    struct sa_op_all *a = sa_op_all(op);
    snprintf(a->uid, sizeof a->uid, "%s", uid ? uid : "");
    snprintf(a->resource_version, sizeof a->resource_version, "%s",
             resource_version ? resource_version : "");
}

void sa_op_reread(struct sa_op *op)
{
    struct sa_op_all *a = sa_op_all(op);
    a->changed = true;
    a->reread = true;
}

static bool withheld(const struct sa_op_all *a)
{
    return a->secret && a->op.w->account.secrets_never;
}

/* As it is, where it is no object with a name (a review that was created). */
static int unnamed(struct sa_op *op, const char *json, size_t n, bool body,
                   const struct sa_err *why)
{
    struct sa_op_all *a = sa_op_all(op);
    struct sa_json_fault fault;
    const char *end = json + n;
    const char *p = sa_json_skip(sa_json_space(json, end), end, 0, &fault);
    if (!p || sa_json_space(p, end) != end || withheld(a)) {
        sa_op_fail(op, a->changed ? SA_OP(UNKNOWN_OUTCOME) : SA_OP(FAILED),
                   "error: the API server's answer can't be read: %s", sa_err_msg(why));
        return -1;
    }
    return body ? sa_op_add(op, json, n) : 0;
}

int sa_op_object(struct sa_op *op, const char *json, size_t n, bool body)
{
    struct sa_op_all *a = sa_op_all(op);
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    char api_version[SA_MAP_NAME + SA_MAP_LABEL];
    struct sa_object o;
    sa_mapping_api_version(&op->map, api_version, sizeof api_version);
    const struct sa_scrub_options opt = {
        .api_version = api_version,
        .kind = op->map.kind,
        .redact = op->w->redact,
        .metadata_only = !body,
        .whole = !withheld(a),
    };
    size_t before = a->body.len;
    if (sa_scrub(json, n, &opt, body ? &a->body : NULL, &o, &err)) {
        if (err->code == SA_ELIMIT && body && !*o.name) {
            sa_op_fail(op, SA_OP(TOO_LARGE), "error: %s", sa_err_msg(err));
            return -1;
        }
        a->body.len = before;
        return unnamed(op, json, n, body, err);
    }
    sa_op_note(op, o.uid, o.resource_version);
    if (!*op->name)
        snprintf(op->name, sizeof op->name, "%s", o.name);
    if (!op->verb->reads)
        sa_op_cache(op, &op->map, op->namespace, o.name, json, n);
    return 0;
}

int sa_op_add_item(struct sa_op *op, const struct sa_mapping *m, const char *json, size_t n,
                   bool first)
{
    struct sa_op_all *a = sa_op_all(op);
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    char api_version[SA_MAP_NAME + SA_MAP_LABEL];
    struct sa_object o;
    sa_mapping_api_version(m, api_version, sizeof api_version);
    const struct sa_scrub_options opt = {
        .api_version = api_version, .kind = m->kind, .redact = op->w->redact, .whole = true};
    if (!first)
        sa_buf_addc(&a->body, ',');
    if (sa_scrub(json, n, &opt, &a->body, &o, &err) == 0)
        return 0;
    sa_op_fail(op, err->code == SA_ELIMIT ? SA_OP(TOO_LARGE) : SA_OP(FAILED),
               "error: an object of the list can't be taken: %s", sa_err_msg(err));
    return -1;
}

bool sa_op_may_show(struct sa_op *op, const struct sa_mapping *m)
{
    bool secrets = !*m->group && strcmp(m->plural, "secrets") == 0;
    if (!secrets || !op->w->account.secrets_never)
        return true;
    sa_op_fail(
        op, SA_OP(REFUSED),
        "error: the agent's configuration lets no Secret leave the cluster (secrets: never)");
    return false;
}

void sa_op_deleted(struct sa_op *op, const struct sa_mapping *m, const char *namespace,
                   const char *name, const char *uid)
{
    struct sa_op_all *a = sa_op_all(op);
    struct sa_scope *s = scope_of(op, m, m->namespaced ? namespace : "");
    a->changed = true;
    if (!s)
        return;
    struct sa_op_leaving gone = {
        .key = sa_table_key(s->id, m->namespaced ? namespace : "", name),
        .uid_hash = sa_op_uid_hash(uid),
    };
    sa_buf_add(&a->leaving, &gone, sizeof gone); /* without memory it is not waited for */
}

/* ---- before the answer ---- */

/* Is any of what was deleted still there? Deletions reach the table by the watch, which alone knows
 * their versions. */
static bool still_there(struct sa_op_all *a)
{
    while (a->leaving.len >= sizeof(struct sa_op_leaving)) {
        struct sa_op_leaving one;
        struct sa_known known;
        size_t at = a->leaving.len - sizeof one;
        memcpy(&one, a->leaving.data + at, sizeof one);
        if (sa_table_get(a->op.w->table, one.key, &known) && known.uid_hash == one.uid_hash)
            return true;
        a->leaving.len = at;
    }
    return false;
}

static void on_waited(void *arg)
{
    sa_op_complete(arg);
}

static void wait_a_little(struct sa_op_all *a)
{
    uint64_t left = sa_op_left_ns(&a->op);
    if (sa_timer_set(a->op.w->loop, &a->wait, left < SA_OP_SETTLE_NS ? left : SA_OP_SETTLE_NS,
                     on_waited, a))
        sa_op_complete(a);
}

void sa_ops_object_gone(struct sa_ops *o)
{
    struct sa_op_all *next;
    sa_ops_hold(o);
    for (struct sa_op_all *a = o->first; a; a = next) {
        next = a->next;
        if (a->phase == SA_OP_SETTLING && a->leaving.len && !a->req && !still_there(a))
            sa_timer_set(o->w->loop, &a->wait, 0, on_waited, a); /* when the delta is made */
    }
    sa_ops_release(o);
}

static void on_reread(void *arg, const struct sa_response *r)
{
    struct sa_op_all *a = arg;
    struct sa_scope *s = scope_of(&a->op, &a->op.map, a->op.namespace);
    a->req = NULL;
    if (s && r->status == 200 && !r->error) {
        sa_intake_stamp(a->op.w);
        sa_intake(s, r->body->data, r->body->len, SA_FROM_RESULT, false, NULL);
        note_behind(a, s, a->op.namespace, a->op.name);
    }
    sa_op_complete(a);
}

/* True: it is being read. */
static bool reread(struct sa_op_all *a)
{
    SA_CLEANUP(sa_buf_free) struct sa_buf path = {0};
    struct sa_worker *w = a->op.w;
    struct sa_scope *s = scope_of(&a->op, &a->op.map, a->op.namespace);
    uint64_t left = sa_op_left_ns(&a->op);
    if (!s || !left || !*a->op.name)
        return false;
    sa_buf_init(&path, 16384);
    if (sa_scope_path(s, a->op.namespace, a->op.name, &path))
        return false;
    const struct sa_request_options o = {
        .path = path.data,
        .max_body = SA_OP_BODY_MAX,
        .timeout_ns = left < SA_OP_SETTLE_NS ? left : SA_OP_SETTLE_NS,
        .urgent = true,
        .on_done = on_reread,
        .arg = a,
    };
    a->req = w->api.start(w->api.arg, &o, NULL);
    return a->req != NULL;
}

void sa_op_settle(struct sa_op_all *a)
{
    bool waits = a->limit_ns && (a->reread || still_there(a));
    a->phase = SA_OP_SETTLING;
    if (!waits)
        sa_op_complete(a);
    else if (!a->reread)
        wait_a_little(a);
    else if (!reread(a))
        sa_op_complete(a);
}
