/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an account follows and what not, as its worker tells it when it is asked: rows of
 * SA_CTL_PLAN, for `scale-agentctl discover`. The texts come from an API server, so the supervisor
 * bounds and checks them as everything that a child sends.
 */
#ifndef SA_IPC_PLAN_H
#define SA_IPC_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "ipc/msg.h"

/* X(symbol, name as shown) */
#define SA_PLAN_STATE_TABLE(X)                                                                     \
    X(SA_PLAN_IN_STEP, "in step")       /* followed, and known to be equal on the other side */    \
    X(SA_PLAN_FOLLOWED, "followed")     /* watched, not compared with the other side (yet) */      \
    X(SA_PLAN_LISTING, "listing")       /* its list runs, or waits for its turn */                 \
    X(SA_PLAN_WAITING, "waiting")       /* not read now: the other side is away, or on standby */  \
    X(SA_PLAN_FAILING, "failing")       /* its last request failed */                              \
    X(SA_PLAN_FORBIDDEN, "forbidden")   /* the API server says 403 */                              \
    X(SA_PLAN_UNKNOWN, "unknown")       /* discovery can't say now; what is there stays */         \
    X(SA_PLAN_NOT_SERVED, "not served") /* configured, and the API server has no such kind */      \
    X(SA_PLAN_OMITTED, "omitted")       /* there, and not followed */
enum sa_plan_state {
#define X(sym, name) sym,
    SA_PLAN_STATE_TABLE(X)
#undef X
        SA_PLAN_STATE_COUNT
};
const char *sa_plan_state_name(enum sa_plan_state s); /* "unknown" past the table */

#define SA_PLAN_TEXT 256u  /* bytes of a text, with its NUL; longer ones are cut */
#define SA_PLAN_ROWS 2000u /* of one answer; the rest is counted */

struct sa_plan_row {
    char group[SA_PLAN_TEXT], version[SA_PLAN_TEXT], resource[SA_PLAN_TEXT], kind[SA_PLAN_TEXT];
    char namespace[SA_PLAN_TEXT]; /* "" for all, or for what is in none */
    char why[SA_PLAN_TEXT];       /* in words, "" where the state says it all */
    bool namespaced;
    enum sa_plan_state state;
    uint64_t objects;
};
void sa_plan_put(struct sa_buf *b, const struct sa_plan_row *row);
/* An error sticks in rd. */
void sa_plan_get(struct sa_rd *rd, struct sa_plan_row *row);

#endif
