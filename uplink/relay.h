/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the uplink does to an account's replies on their way to the worker: it holds
 * acknowledgements back, since each message wakes the worker up and an acknowledgement covers those
 * before it. One goes on when a quarter of the window was used since the last, or after two
 * seconds; at once to a worker that stops. Everything else goes on at once. Also counts what is not
 * acknowledged, for the status, and knows the worker's message that costs no credit but work.
 */
#ifndef SA_UPLINK_RELAY_H
#define SA_UPLINK_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"

#define SA_RELAY_HOLD    (2 * SA_NS_PER_S)
#define SA_RELAY_ACK_MAX 48u /* bytes of an encoded reply that can be held */

struct sa_relay {
    uint64_t epoch;    /* of the last Welcome, 0 before */
    uint64_t window;   /* bytes that Welcome granted */
    uint64_t credit;   /* as the worker knows it */
    uint64_t sent;     /* deltas that the worker sent in this epoch, by its own count */
    uint64_t sequence; /* acknowledged */
    bool prompt;       /* none is held */
    uint64_t due_ns;   /* when the held acknowledgement must go on; 0: none is held */
    size_t held_len;
    uint8_t held[SA_RELAY_ACK_MAX];
    uint64_t held_credit;
};

/* A worker (or the stream) has gone: nothing is held for the next one. */
void sa_relay_reset(struct sa_relay *r);
/* Deltas from the worker. */
void sa_relay_sent(struct sa_relay *r, uint32_t deltas);
/* Whether a worker's message holds an AccountOpen; what can't be understood may hold one. */
bool sa_relay_opens(const void *p, size_t n);
/* A reply for the worker. True: send it on now (it replaces a held acknowledgement, if it is one);
 * false: it is held. A reply that can't be understood goes on; its worker judges it. */
bool sa_relay_reply(struct sa_relay *r, const void *p, size_t n, uint64_t now_ns);
/* The worker stops as soon as all is acknowledged: nothing is held any longer, and what is held is
 * due, by sa_relay_due(). */
void sa_relay_prompt(struct sa_relay *r);
/* Takes the held acknowledgement if it is due (or in any case, if flush): it is in r->held, and its
 * length is returned; else 0. */
size_t sa_relay_due(struct sa_relay *r, uint64_t now_ns, bool flush);
uint64_t sa_relay_unacked(const struct sa_relay *r);

#endif
