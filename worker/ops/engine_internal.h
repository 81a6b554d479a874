/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by the files of the engine:
 *   engine.c         who asks: acceptance, cancelling, stopping
 *   engine_order.c   what may begin, and the end of each
 *   engine_request.c requests, time limits, retries
 *   engine_kinds.c   from names to resources, asking discovery once more
 *   engine_object.c  objects on their way to the asker and into the cache
 *   engine_result.c  the answer, in parts; the audit line
 *   engine_words.c   kubectl's words for what an API server says
 *   ids.c            what was done already
 */
#ifndef SA_WORKER_OPS_ENGINE_INTERNAL_H
#define SA_WORKER_OPS_ENGINE_INTERNAL_H

#include "worker/ops/engine.h"
#include "worker/ops/ids.h"
#include "worker/ops/op.h"

#define SA_OP_RESULT_MAX ((size_t)32 << 20) /* bytes of a result that wait to leave */
#define SA_OPS_WAITING                                                                             \
    ((size_t)64 << 20) /* of all of them, past which no stream is read; or a third                 \
                          of limits.workerMemory, if that is less */
#define SA_OP_SETTLE_NS (2 * SA_NS_PER_S) /* longest wait for the cache */

enum sa_op_phase {
    SA_OP_RESOLVING, /* its kind is not known: waits for discovery */
    SA_OP_QUEUED,    /* behind another of its object, or for a place */
    SA_OP_RUNNING,
    SA_OP_SETTLING, /* done; what it changed is on its way into the cache */
    SA_OP_SENDING,  /* the answer is complete, and leaves */
};

/* A request as it was asked for, to be repeated. */
struct sa_op_saved {
    struct sa_op_request rq; /* its texts point into here */
    char *text;              /* all of them in one piece; owned */
};

/* An object that was deleted and is still in the table. */
struct sa_op_leaving {
    struct sa_hash128 key;
    uint32_t uid_hash;
};

struct sa_op_all {
    struct sa_op op; /* first */
    struct sa_op_all *prev, *next;
    struct sa_asker *asker; /* NULL: it has gone */
    uint8_t id[SA_OP_ID];
    size_t bytes; /* of the message */
    enum sa_op_phase phase;
    bool replayed; /* answered from memory */
    bool place;    /* it takes one of the places of those that run */
    bool lasting;
    bool secret; /* its result is not kept */
    bool cancelled;
    uint64_t arrived_ns, limit_ns;
    struct sa_timer limit, wait; /* the time limit; sa_op_after() and retries */

    struct sa_hash128 key; /* of its object */
    bool keyed;
    struct sa_op_all *before; /* of the same object, to be ended first */

    sa_op_turn *turn;     /* of sa_op_after(), sa_op_when_room() */
    bool wants_room;      /* turn waits for room */
    sa_op_turn *again;    /* waits for discovery */
    unsigned discoveries; /* that still end before the kind counts as unknown */
    bool asked_kinds;     /* they have ended */

    struct sa_request *req;
    struct sa_op_saved saved;
    sa_op_step *step;
    bool streamed;                /* bytes of the answer were given to the verb as they came */
    bool any;                     /* step takes what is no answer as well */
    unsigned tries, server_tries; /* repeated by kubernetes.retries; as the server asked */
    uint64_t asked_ns, server_ns; /* when req was sent; spent waiting in all */
    bool changed;                 /* something was changed */
    sa_op_code changed_code;      /* what giving up then means, or 0: not known */
    struct sa_buf changed_message;

    bool reread;
    bool behind;           /* it can't be in the cache yet */
    struct sa_buf leaving; /* of struct sa_op_leaving */

    sa_op_code code;
    struct sa_buf message, body;
    uint64_t offset; /* of what leaves next, in the whole */
    size_t left_n;   /* bytes of body that have left */
    char uid[48], resource_version[32];
    uint64_t epoch, sequence;
    bool retriable;
};

struct sa_schemas;
struct sa_ops {
    struct sa_worker *w;
    struct sa_op_all *first, *last; /* in the order they came */
    size_t n, bytes;
    unsigned running[2]; /* places taken: by changes, by reads */
    unsigned lasting;
    unsigned held; /* sa_ops_hold() */
    bool stopping;
    struct sa_ids *ids;
    struct sa_schemas *schemas; /* of kinds that were applied (worker/ops/schemas.h) */
    struct sa_timer discover;
    uint64_t discovered_ns; /* when discovery was last asked for */
    struct sa_buf out;      /* the message being made */
    struct {
        struct sa_asker asker;
        uint64_t sent, left; /* bytes of results: given to the link, taken by the stream */
    } uplink;
};

static inline struct sa_op_all *sa_op_all(struct sa_op *op)
{
    return (struct sa_op_all *)op;
}

/* engine.c */
void sa_op_on_limit(void *op_all);
extern const struct sa_op_verb *sa_op_verb_of(const Scaleagent__V1__Operation *msg);

/* engine_order.c */
void sa_ops_pump(struct sa_ops *o);
void sa_ops_hold(struct sa_ops *o);
void sa_ops_release(struct sa_ops *o);   /* and begins what may begin */
void sa_op_enter(struct sa_op_all *a);   /* its object is known: into the queue */
void sa_op_unqueue(struct sa_op_all *a); /* it no longer holds place and object */
void sa_op_free(struct sa_op_all *a);
/* Ends it at once, whatever it does, as far as that is safe: by its time limit, by being cancelled,
 * by the worker's stop. unbegun: the code where nothing was changed. */
void sa_op_give_up(struct sa_op_all *a, sa_op_code unbegun, const char *why);
/* May it be given up without a doubt about what was done? */
bool sa_op_is_safe(const struct sa_op_all *a);

/* engine_request.c */
void sa_op_stop_request(struct sa_op_all *a); /* cancels request and timers */
void sa_op_forget_request(struct sa_op_all *a);

/* engine_kinds.c */
void sa_op_resolve(struct sa_op *op);

/* engine_object.c */
/* Takes care that what was changed is in the cache; ends in sa_op_complete(). */
void sa_op_settle(struct sa_op_all *a);
uint32_t sa_op_uid_hash(const char *uid);

/* engine_result.c */
void sa_op_complete(struct sa_op_all *a); /* code and message are set: answers */
void sa_op_send_parts(struct sa_op_all *a);
const char *sa_op_code_name(sa_op_code code);

/* relay.c */
void sa_ops_uplink_init(struct sa_ops *o);

#endif
