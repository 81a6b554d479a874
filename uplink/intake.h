/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The workers' side of the uplink: one listening Unix socket for each account (ipc/data.h), on
 * which nng's PAIR0 is spoken (ipc/sp.h says why not by nng itself). A connection counts as the
 * account's worker once its first message has shown the key that the supervisor gave to both;
 * whatever else comes before is refused. Until then it is a guest, and has five seconds. An account
 * has few guests at once: who fills their places, or connects and closes again and again, is taken
 * for a forger, since that keeps the account's own worker out.
 *
 * Bounds: messages are handled as they are read, so nothing is queued here but the rest of one
 * message for each account; while the sink can't keep up nothing is read, and the workers wait.
 * Towards a worker at most 8 MB wait (the Welcome of the largest account has 4); one that does not
 * take its messages is cut off.
 */
#ifndef SA_UPLINK_INTAKE_H
#define SA_UPLINK_INTAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"
#include "ipc/data.h"

struct sa_intake;
struct sa_link; /* an account's listener and its worker, if one is there */

struct sa_intake_events {
    /* The worker has shown its key. */
    void (*bound)(void *arg, void *account);
    /* It has gone. */
    void (*gone)(void *arg, void *account);
    /* SA_DATA_ACCOUNT, SA_DATA_RESULT or SA_DATA_LAST; payload is borrowed. -1: cut the worker off
     * (err says why).
     */
    int (*message)(void *arg, void *account, const struct sa_data_header *h, const void *p,
                   size_t n, struct sa_err **err);
    /* This process (0 if unknown) showed a wrong key, no key at all, or stood in the worker's way.
     */
    void (*forgery)(void *arg, void *account, uint32_t pid);
};

/* ev is borrowed. */
struct sa_intake *sa_intake_new(struct sa_loop *l, const char *runtime_dir,
                                const struct sa_intake_events *ev, void *arg, struct sa_err **err);
/* Closes what is left without telling gone(); NULL is allowed. */
void sa_intake_free(struct sa_intake *in);

/* Listens for the worker of the account with this index. A socket file left behind is removed. */
struct sa_link *sa_intake_add(struct sa_intake *in, uint32_t index, const uint8_t key[32],
                              void *account, struct sa_err **err);
/* The worker was started again: only this key counts now; who holds another is cut off. */
void sa_intake_rekey(struct sa_link *k, const uint8_t key[32]);
/* Not from within message(). gone() is not called. */
void sa_intake_remove(struct sa_intake *in, struct sa_link *k);

/* Sends a message to the worker; dropped if none is bound. */
void sa_intake_send(struct sa_link *k, enum sa_data_kind kind, const void *p, size_t n);
/* The same, before what waits for it. False: too much waits already, and nothing was sent. */
bool sa_intake_send_first(struct sa_link *k, enum sa_data_kind kind, const void *p, size_t n,
                          size_t waiting_max);
/* This account's worker is read although the others pause: somebody waits for its answers. What it
 * may send is bounded by its credit. */
void sa_intake_except(struct sa_link *k, bool except);
/* While paused nothing is given to message(), and nothing is read. */
void sa_intake_pause(struct sa_intake *in, bool paused);
/* Gives what the sockets hold now to message(), paused or not. */
void sa_intake_drain(struct sa_intake *in);

#endif
