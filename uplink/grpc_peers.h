/* SPDX-License-Identifier: Apache-2.0 */
/* The accounts of the gRPC sink, by their handles, and how much of each waits to be sent. */
#ifndef SA_UPLINK_GRPC_PEERS_H
#define SA_UPLINK_GRPC_PEERS_H

#include <stddef.h>
#include <stdint.h>

#include "uplink/sink.h"

struct sa_grpc_peers {
    struct sa_sink_account *v; /* sorted by handle; names owned */
    size_t *queued;            /* bytes, for each of v */
    size_t n;
};

/* Takes a new list; counts of the accounts that stay are kept. -1: no memory, the list stays. */
int sa_grpc_peers_set(struct sa_grpc_peers *p, const struct sa_sink_account *v, size_t n);
void sa_grpc_peers_free(struct sa_grpc_peers *p);
/* The count of an account; NULL if there is none of this handle. */
size_t *sa_grpc_peers_queued(const struct sa_grpc_peers *p, uint32_t handle);
/* n bytes of the account were sent; other handles are passed over. */
void sa_grpc_peers_left(const struct sa_grpc_peers *p, uint32_t handle, size_t n);
/* Nothing waits any more. */
void sa_grpc_peers_idle(const struct sa_grpc_peers *p);

#endif
