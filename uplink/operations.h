/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the uplink knows of an account's operations, without reading more of them than it must: how
 * many are under way, how much of their results the stream has not taken, and the answer where no
 * worker is there to give one.
 */
#ifndef SA_UPLINK_OPERATIONS_H
#define SA_UPLINK_OPERATIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define SA_OPERATIONS_WAITING (4u << 20) /* bytes for one worker past which none is passed on */
#define SA_OPERATIONS_RESULTS                                                                      \
    (4u << 20)                          /* bytes of one worker's results: it knows a lower bound   \
                                         */
#define SA_OPERATIONS_TELL (256u << 10) /* bytes taken of which the worker is told at once */

struct sa_operations {
    uint32_t under_way;
    uint64_t sent, left, told; /* bytes of results: of the worker, taken, and said to be */
};

/* A worker, or the stream, has come or gone. */
void sa_operations_reset(struct sa_operations *o);
void sa_operations_begin(struct sa_operations *o);
/* A part of a result. -1: there are more than the worker may send (SA_ELIMIT), or it is malformed.
 */
int sa_operations_result(struct sa_operations *o, const void *p, size_t n, struct sa_err **err);
/* n bytes of results have left. True: the worker is to be told o->left. */
bool sa_operations_left(struct sa_operations *o, size_t n);

/* The OperationResult for the Operation p[n] that was not begun: UNAVAILABLE, with its id. */
int sa_operations_refuse(const void *p, size_t n, const char *why, struct sa_buf *out);

#endif
