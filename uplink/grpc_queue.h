/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that wait for the stream: in order, but that some go first. */
#ifndef SA_UPLINK_GRPC_QUEUE_H
#define SA_UPLINK_GRPC_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sa_grpc_chunk;

struct sa_grpc_queue {
    struct sa_grpc_chunk *first, *last;
    size_t bytes;
};

/* What a message is made of; borrowed. */
struct sa_grpc_piece {
    const void *p;
    size_t n;
};

/* Adds a message (with gRPC's prefix) of two pieces, copied; urgent: before all that waits but
 * others such, and what is half sent. -1: no memory. */
int sa_grpc_queue_add(struct sa_grpc_queue *q, uint32_t tag, bool urgent, struct sa_grpc_piece head,
                      struct sa_grpc_piece body);
/* Moves up to room bytes to out. What has left whole is told. */
typedef void sa_grpc_left(void *arg, uint32_t tag, size_t n);
size_t sa_grpc_queue_read(struct sa_grpc_queue *q, char *out, size_t room, sa_grpc_left *left,
                          void *arg);
void sa_grpc_queue_free(struct sa_grpc_queue *q);

#endif
