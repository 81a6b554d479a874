/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker's end of the data channel (ipc/data.h): a PAIR0 connection that dials the uplink's.
 */
#ifndef SA_WORKER_LINK_H
#define SA_WORKER_LINK_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"
#include "ipc/data.h"

struct sa_link;

struct sa_link_events {
    /* A message of the uplink; borrowed. -1 (with *err) drops the connection; it is made again. */
    int (*message)(void *arg, enum sa_data_kind kind, const void *p, size_t n, struct sa_err **err);
    void (*down)(void *arg);    /* the connection is gone; what was queued is dropped */
    void (*drained)(void *arg); /* the last queued message was taken */
    void *arg;
};

/* Dials url, again and again, until sa_link_free(). key is 32 bytes,
 * copied, and is the first message of each connection. */
struct sa_link *sa_link_new(struct sa_loop *l, const char *url, const uint8_t key[32],
                            const struct sa_link_events *ev, struct sa_err **err);
void sa_link_free(struct sa_link *k);

/* Queues an AccountMessage (copied). Dropped while there is no connection: the session is down
 * then. */
void sa_link_send(struct sa_link *k, uint32_t events, uint64_t oldest_ns, const void *p, size_t n);
/* Queues an OperationResult before what waits. */
void sa_link_result(struct sa_link *k, const void *p, size_t n);
/* Says that nothing follows but what is sent up to now: acknowledgements come at once from here on.
 */
void sa_link_last(struct sa_link *k);
size_t sa_link_queued(const struct sa_link *k); /* bytes the socket has not taken yet */

#endif
