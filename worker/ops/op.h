/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a verb is written. An operation is a small machine over the worker's one API server: a step
 * sends a request and names the step that gets its answer, or it ends the operation. The engine
 * (worker/ops/engine.h) does the rest: order, time limit, cancellation, retries, the answer in
 * parts, the audit line. So a verb is its steps:
 *
 *     static void read(struct sa_op *op, const struct sa_response *r)
 *     {
 *         if (r->status != 200)
 *             sa_op_fail_response(op, r, NULL);
 *         else if (sa_op_object(op, r->body->data, r->body->len, true) == 0)
 *             sa_op_ok(op, "");
 *     }
 *     static void begin(struct sa_op *op)
 *     {
 *         sa_op_request_object(op, &(struct sa_op_request){0}, NULL, read);
 *     }
 *     const struct sa_op_verb sa_op_get = {.name = "get", .reads = true, .begin = begin, ...};
 *
 * A step ends by exactly one call of: sa_op_request, sa_op_request_object, sa_op_after,
 * sa_op_when_room, sa_op_ok, sa_op_fail, sa_op_fail_response; or returns after a function that
 * said that the operation has ended. After it the operation may be gone: a step touches nothing
 * more. Messages are kubectl's words, errors included ("Error from server (NotFound): ...").
 */
#ifndef SA_WORKER_OPS_OP_H
#define SA_WORKER_OPS_OP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/scale_agent.pb-c.h"
#include "worker/http.h"
#include "worker/ops/mapping.h"
#include "worker/state.h"

struct sa_ops;
struct sa_op;

/* Codes by their last names: SA_OP(NOT_FOUND). */
#define SA_OP(code) SCALEAGENT__V1__OPERATION_RESULT__CODE__##code
typedef Scaleagent__V1__OperationResult__Code sa_op_code;

typedef void sa_op_turn(struct sa_op *op);
typedef void sa_op_step(struct sa_op *op, const struct sa_response *r);

struct sa_op_verb {
    const char *name; /* "get": of the audit line */
    /* It changes nothing: it is not kept in order with others of the object, is given up at any
     * time, and the same id again is done again. */
    bool reads;
    size_t state; /* bytes of op->state, zeroed before begin() */
    /* What it is about; one of these two, or neither where the verb finds that out itself. The
     * engine then sets op->map, op->namespace and op->name before begin(), and keeps order by them.
     * The results belong to op->msg. */
    const Scaleagent__V1__ObjectName *(*object)(const struct sa_op *op);
    const ProtobufCBinaryData *(*manifest)(const struct sa_op *op);
    sa_op_turn *begin;
    sa_op_turn *clear; /* frees what state owns; may be NULL. No step follows it */
};

/* What a verb may look at; the rest of an operation is in worker/ops/engine_internal.h. */
struct sa_op {
    struct sa_worker *w;
    struct sa_ops *ops;
    const struct sa_op_verb *verb;
    Scaleagent__V1__Operation *msg; /* as it came */
    void *state;                    /* the verb's own */
    struct sa_mapping map;          /* of what object() or manifest() names */
    /* Of that object. namespace is the account's default where none was given; "" if the kind has
     * none. name is "" where the message has none (lists by labels, generateName). */
    char namespace[SA_MAP_LABEL], name[SA_MAP_NAME];
};

/* ---- requests: one at a time ---- */

struct sa_op_request {
    const char *method; /* NULL: GET. What is neither GET nor HEAD is taken for a change, and is
                           never repeated unless it is known not to have been done */
    const char *path;   /* with query, percent-encoded; copied */
    const char *accept; /* NULL: application/json */
    const char *content_type;
    const void *body; /* copied */
    size_t body_n;
    size_t max_body; /* of the answer; 0: SA_OP_BODY_MAX */
    bool harmless;   /* changes nothing, whatever its method (dryRun, a review) */
    bool unlimited;  /* by timeoutSeconds: a stream (logs, a watch); the operation's limit holds */
    /* Bytes of a 2xx answer as they come, instead of a body. -1 with *err ends the request. */
    int (*on_data)(struct sa_op *op, const void *p, size_t n, struct sa_err **err);
};
#define SA_OP_BODY_MAX ((size_t)16 * 1024 * 1024)
#define SA_OP_LIST_MAX ((size_t)32 * 1024 * 1024) /* of one page of a list */

/* next gets every answer that is one, good or bad. What is none (no connection, a time limit) ends
 * the operation by itself in the words of kubectl: UNAVAILABLE, TIMED_OUT, or UNKNOWN_OUTCOME where
 * something may have been changed. */
void sa_op_request(struct sa_op *op, const struct sa_op_request *rq, sa_op_step *next);
/* The same with the path of the operation's object; sub: a subresource or NULL. rq->path is what
 * follows it: NULL or a query ("?fieldManager=x"). */
void sa_op_request_object(struct sa_op *op, const struct sa_op_request *rq, const char *sub,
                          sa_op_step *next);
/* The same as sa_op_request, but what is no answer comes to next, too: r->status is 0, or r->error
 * is set. For a verb that knows what to do without one. */
void sa_op_request_any(struct sa_op *op, const struct sa_op_request *rq, sa_op_step *next);

/* Goes on in so long; then, or at the time limit, which ends it. */
void sa_op_after(struct sa_op *op, uint64_t ns, sa_op_turn *next);
uint64_t sa_op_left_ns(const struct sa_op *op); /* until the time limit; 0: it is over */
/* From now on the operation mostly waits: it no longer takes one of the places of those that run.
 * (For logs, and for waiting on finalizers; its object stays its own.) */
void sa_op_lasts(struct sa_op *op);
/* The verb has changed something, and the rest is waiting: cancelling it now ends it with this code
 * and message. */
void sa_op_changed(struct sa_op *op, sa_op_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- kinds ---- */

/* By what people write ("deploy.apps"), or exactly as in a manifest. True: *out is filled. False:
 * the step returns; `again` is called when discovery was asked once more, or the operation has
 * ended with NO_SUCH_KIND in kubectl's words. */
bool sa_op_map(struct sa_op *op, const char *kind, struct sa_mapping *out, sa_op_turn *again);
bool sa_op_map_exactly(struct sa_op *op, const char *api_version, const char *kind,
                       struct sa_mapping *out, sa_op_turn *again);
/* True if text may stand in a path; else the operation has ended (INVALID). what: "resource name",
 * "namespace". */
bool sa_op_segment(struct sa_op *op, const char *what, const char *text);

/* True if the manifest's labels match; else the operation has ended: NO_OBJECTS in kubectl's words,
 * "error: no objects passed to <command>". */
bool sa_op_selected(struct sa_op *op, const char *label_selector,
                    const ProtobufCBinaryData *manifest, const char *command);
/* "deployment.apps/nginx", as kubectl names the operation's object to people. */
void sa_op_title(const struct sa_op *op, char *out, size_t n);

/* ---- the end ---- */

/* kubectl's line for people, without line end; "" for none. */
void sa_op_ok(struct sa_op *op, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sa_op_fail(struct sa_op *op, sa_op_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* By what the server answered (status >= 300, or anything unexpected), with its code and kubectl's
 * words. doing: NULL, or what kubectl puts before it for a file: "creating" makes
 * `Error from server (AlreadyExists): error when creating "STDIN": ...`. */
void sa_op_fail_response(struct sa_op *op, const struct sa_response *r, const char *doing);
/* The same where a collection could not be listed; the selectors may be "". */
void sa_op_fail_list(struct sa_op *op, const struct sa_response *r, const struct sa_mapping *m,
                     const char *label_selector, const char *field_selector);
/* The code for an HTTP status and a Status' reason ("AlreadyExists"). */
sa_op_code sa_op_status_code(int status, const char *reason);
/* True where the answer is a Status of success; uid is that of the object it tells of ("": it tells
 * none). */
bool sa_op_status_uid(const struct sa_response *r, char *uid, size_t n);
/* The words alone; out is bounded by its owner. */
void sa_op_status_words(const struct sa_response *r, const char *doing, struct sa_buf *out);

/* ---- the result ---- */

/* The operation's object as the server returned it, whole JSON. Its uid and version are noted for
 * the answer, and after a change it is in Clouddriver's cache before the operation is answered.
 * body: it is the result's body as well, as kubectl -o json prints it. -1: it is no such object,
 * and the operation has ended. */
int sa_op_object(struct sa_op *op, const char *json, size_t n, bool body);
/* The operation has changed its object, and the answer did not hold it (a subresource): it is read
 * before the operation is answered, if it is in Clouddriver's cache at all. */
void sa_op_reread(struct sa_op *op);
/* The same for another object than the operation's: it is in the cache before the answer. */
void sa_op_cache(struct sa_op *op, const struct sa_mapping *m, const char *namespace,
                 const char *name, const char *json, size_t n);
/* What is known of the object so far, for an answer whose outcome is not known. */
void sa_op_note(struct sa_op *op, const char *uid, const char *resource_version);
/* The object with this uid is deleted: it leaves the cache before the operation is answered. */
void sa_op_deleted(struct sa_op *op, const struct sa_mapping *m, const char *namespace,
                   const char *name, const char *uid);

/* Appends to the result's body. Parts leave as they fill. -1: the body has grown past its bound, or
 * no memory, and the operation has ended. */
int sa_op_add(struct sa_op *op, const void *p, size_t n);
/* An object of a list as kubectl prints it: kind and apiVersion from m where it lacks them, without
 * managedFields and what `redact` names. Comma included, where it is not the first. */
int sa_op_add_item(struct sa_op *op, const struct sa_mapping *m, const char *json, size_t n,
                   bool first);
/* Results that wait to be taken fill the memory that all operations of the account may have: who
 * reads a stream, and so can't wait, ends. */
bool sa_op_crowded(const struct sa_op *op);
/* Goes on when the asker has taken most of what was added: between two pages. */
void sa_op_when_room(struct sa_op *op, sa_op_turn *next);
/* False: results may not hold this kind (secrets: never), and the operation has ended (REFUSED). */
bool sa_op_may_show(struct sa_op *op, const struct sa_mapping *m);

/* ---- the verbs; each in a file op_<name>.c ---- */
extern const struct sa_op_verb sa_op_get, sa_op_list, sa_op_events, sa_op_apply, sa_op_create,
    sa_op_replace, sa_op_patch, sa_op_delete, sa_op_scale, sa_op_rollout, sa_op_history, sa_op_logs,
    sa_op_top;

#endif
