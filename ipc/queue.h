/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages of a control channel that its socket would not take, first in, first out. They lie
 * in memory that a forked child does not get (madvise(2), MADV_DONTFORK) and no core shows: the
 * uplink's hold the keys of all workers, and any worker may be forked while they wait. The memory
 * is there from the first message until the last has left.
 */
#ifndef SA_IPC_QUEUE_H
#define SA_IPC_QUEUE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define SA_CTL_QUEUE_MAX ((size_t)4 << 20) /* bytes, each message's length included */

struct sa_ctl_queue {
    uint8_t *base;     /* NULL while it is empty */
    size_t head, tail; /* what is in use of it */
};

/* Copies type and body (n bytes). -1 with SA_ELIMIT past the bound, or without memory; the queue is
 * then as it was. */
int sa_ctl_queue_add(struct sa_ctl_queue *q, uint8_t type, const void *body, size_t n,
                     struct sa_err **err);
/* The first message: its type, then its body; *len counts both. NULL if there is none. Valid until
 * the next call. */
const uint8_t *sa_ctl_queue_first(const struct sa_ctl_queue *q, size_t *len);
void sa_ctl_queue_drop_first(struct sa_ctl_queue *q);
size_t sa_ctl_queue_bytes(const struct sa_ctl_queue *q);
void sa_ctl_queue_free(struct sa_ctl_queue *q);

#endif
