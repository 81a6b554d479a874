/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where deltas go. A sink plays the other side of the protocol (proto/PROTOCOL.md) to the accounts:
 * the gRPC sink relays it to the plugin, the SQLite sink is an embedded other side with its own
 * tables, the JSONL sink accepts everything and keeps nothing. All calls and callbacks are in the
 * uplink's loop.
 */
#ifndef SA_UPLINK_SINK_H
#define SA_UPLINK_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"
#include "config/settings.h"
#include "ipc/slot.h"

struct sa_sink_ops;
struct sa_uplink_secrets;
struct sa_token_helper;

/* What every sink begins with; the rest is its own. */
struct sa_sink {
    const struct sa_sink_ops *ops;
};

struct sa_sink_account {
    uint32_t handle; /* > 0, given by the uplink, never used again for another account */
    const char *name;
};

/* What a sink is opened with; all of it is borrowed and outlives the sink. */
struct sa_sink_setup {
    struct sa_loop *loop;
    const struct sa_settings *settings;
    const struct sa_uplink_secrets *secrets; /* the gRPC sink's */
    struct sa_token_helper *token;           /* not running where no token command is configured */
    struct sa_slot *slot;                    /* for the counters of the connection */
    const uint8_t *instance;                 /* 16 bytes, new with each start */
};

/* What a sink tells the uplink. */
struct sa_sink_events {
    void (*up)(void *arg); /* accounts may open */
    void (*down)(void *arg, const struct sa_err *why);
    /* true: the sink can't keep up, message() is not to be called until false comes. */
    void (*pressure)(void *arg, bool high);
    /* An encoded scaleagent.v1.AccountReply for one account; borrowed. */
    void (*reply)(void *arg, uint32_t handle, const void *p, size_t n);
    /* An encoded Operation, or (cancel) OperationCancel, for one account; borrowed. */
    void (*operation)(void *arg, uint32_t handle, bool cancel, const void *p, size_t n);
    /* n bytes of what result() took have left. */
    void (*result_left)(void *arg, uint32_t handle, size_t n);
};

struct sa_sink_ops {
    const char *name;
    /* *ev is borrowed as well. No event comes before the first call of accounts(). */
    int (*open)(const struct sa_sink_setup *setup, const struct sa_sink_events *ev, void *arg,
                struct sa_sink **out, struct sa_err **err);
    /* The complete list, at first and after each change; names are borrowed for the call. */
    void (*accounts)(struct sa_sink *s, const struct sa_sink_account *v, size_t n);
    /* An encoded scaleagent.v1.AccountMessage as the worker made it; borrowed. Its sender is known
     * to be the account's worker; nothing in it is believed beyond that. -1: the message is
     * malformed and the worker is to be cut off. */
    int (*message)(struct sa_sink *s, uint32_t handle, const void *p, size_t n, uint32_t events,
                   struct sa_err **err);
    /* An encoded OperationResult; borrowed. It goes before the messages that wait. NULL: there are
     * no operations. */
    int (*result)(struct sa_sink *s, uint32_t handle, const void *p, size_t n, struct sa_err **err);
    void (*account_gone)(struct sa_sink *s, uint32_t handle, const char *reason);
    /* Sends or commits what is left, turning the loop for at most ms milliseconds; then frees s.
     * Not to be called from within a callback of the loop. */
    void (*close)(struct sa_sink *s, unsigned ms);
};

extern const struct sa_sink_ops sa_sink_sqlite, sa_sink_jsonl, sa_sink_grpc;

#endif
