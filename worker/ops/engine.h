/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations of one account: what Clouddriver, or somebody at the agent's host, wants done in the
 * cluster. This is the side of who asks; worker/ops/op.h is the side of the verbs.
 *
 * - Operations on one object (kind, namespace, name) are done in the order they came, different
 *   ones side by side, SA_OPS_RUNNING at once; what reads or waits delays nobody.
 * - Nothing is begun after an operation's time limit, and none outlives it.
 * - What has changed something is remembered by its id (worker/ops/ids.h): the same id again is
 *   answered again, not done again.
 * - Each leaves a line in the log: who, verb, object, result, time; never a content.
 */
#ifndef SA_WORKER_OPS_ENGINE_H
#define SA_WORKER_OPS_ENGINE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "ipc/data.h"

struct sa_worker;
struct sa_scope;
struct sa_ops;

#define SA_OPS_RUNNING 64u             /* that are done at once, of those that don't just wait */
#define SA_OPS_MAX     1024u           /* that are known at once; more are refused */
#define SA_OPS_BYTES   (32u << 20)     /* of their messages */
#define SA_OPS_PART    (192u * 1024u)  /* bytes of a body at which a part ends */
#define SA_OPS_WINDOW  (1024u * 1024u) /* of parts that an asker may have before it */

/* Who asks. Owned by its side, which tells the engine when it goes. */
struct sa_asker {
    /* An encoded OperationResult, one part of at most 256 KB; copied. */
    void (*send)(struct sa_asker *a, const void *p, size_t n);
    /* Bytes of parts that it takes now; a part goes if there is any room. When there is some again
     * it calls sa_ops_room(). NULL: always. */
    size_t (*room)(struct sa_asker *a);
    const char *who; /* for the audit line, where the operation names no user: "uplink", "ctl" */
};

struct sa_ops *sa_ops_new(struct sa_worker *w); /* NULL for lack of memory */
void sa_ops_free(struct sa_ops *o);             /* gives up what runs, answers nobody */

/* An encoded Operation, copied. The answers come by a->send, perhaps before this returns. -1: the
 * bytes are no operation (SA_EPROTOCOL), and nobody can be answered. */
int sa_ops_ask(struct sa_ops *o, struct sa_asker *a, const void *p, size_t n, struct sa_err **err);
/* An encoded OperationCancel. What it names is answered in any case; what is not known is passed
 * over. */
int sa_ops_cancel(struct sa_ops *o, struct sa_asker *a, const void *p, size_t n,
                  struct sa_err **err);
/* The asker takes parts again. */
void sa_ops_room(struct sa_ops *o, struct sa_asker *a);
/* The asker goes: what is not begun is forgotten, what reads is given up, a change that is under
 * way is finished and remembered. */
void sa_ops_leave(struct sa_ops *o, struct sa_asker *a);

/* The worker stops: nothing is begun any more. What is not begun, or reads, is answered UNAVAILABLE
 * now; sa_ops_busy() tells whether changes are still under way, and sa_ops_end() answers
 * UNKNOWN_OUTCOME for these. */
void sa_ops_stop(struct sa_ops *o);
bool sa_ops_busy(const struct sa_ops *o);
void sa_ops_end(struct sa_ops *o);

/* ---- the uplink as an asker (worker/ops/relay.c) ---- */

/* A message of kind OPERATION, CANCEL or ROOM (ipc/data.h). -1: the uplink broke the protocol. */
int sa_ops_uplink(struct sa_ops *o, enum sa_data_kind kind, const void *p, size_t n,
                  struct sa_err **err);
void sa_ops_uplink_down(struct sa_ops *o); /* the stream, or the way to it, has gone */

/* What the rest of the worker tells the engine. */
void sa_ops_discovered(struct sa_ops *o, bool failed); /* a discovery ended */
void sa_ops_object_gone(struct sa_ops *o);             /* an object left the table */
/* Does anybody wait for something now? */
static inline bool sa_ops_waited_for(const struct sa_ops *o)
{
    return o && sa_ops_busy(o);
}
void sa_ops_tick(struct sa_ops *o); /* each second: ids that are too old */

#endif
