/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data channel between a worker and the uplink: one nng PAIR0 socket for each account at
 * ipc://RUNTIME_DIR/data/INDEX, the uplink listens, the worker dials (and dials again by itself).
 *
 * A message is a frame header and a payload:
 *     u8 kind | u8 flags (0) | u16 0 | u32 events | u64 oldest_ns | payload
 * events counts deltas in the payload, oldest_ns is sa_mono_ns() when the oldest was read from the
 * API server (0 if none). The first message from the worker is HELLO with the key that the
 * supervisor gave to both; nothing else is accepted before it, and a second or wrong one closes the
 * pipe.
 */
#ifndef SA_IPC_DATA_H
#define SA_IPC_DATA_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define SA_DATA_HEADER 16u
#define SA_DATA_MAX    (512u * 1024u) /* bytes of one message; payloads stay below 256 KB */
/* An operation brings a manifest: of one message towards the worker. */
#define SA_DATA_DOWN_MAX (4u * 1024u * 1024u + SA_DATA_HEADER)

/* What may be longer than a message goes in parts: the list of an account's scopes, both ways. Who
 * receives it bounds the whole. */
#define SA_DATA_PART        (192u * 1024u) /* bytes at which a part ends */
#define SA_SCOPES_MAX       20000u         /* scopes of one account */
#define SA_SCOPES_BYTES_MAX (16u << 20)    /* of all parts of a list */

enum sa_data_kind {
    SA_DATA_HELLO = 1, /* w->u: 32 bytes key */
    SA_DATA_ACCOUNT,   /* w->u: a scaleagent.v1.AccountMessage, relayed without being parsed */
    SA_DATA_UP,        /* u->w: the stream to the other side is up; send AccountOpen */
    SA_DATA_DOWN,      /* u->w: it is down; what was not acknowledged is dirty */
    SA_DATA_REPLY,     /* u->w: a scaleagent.v1.AccountReply */
    SA_DATA_LAST,      /* w->u: empty: the worker stops, and waits for its acknowledgements */
    SA_DATA_OPERATION, /* u->w: a scaleagent.v1.Operation */
    SA_DATA_CANCEL,    /* u->w: a scaleagent.v1.OperationCancel */
    SA_DATA_RESULT,    /* w->u: a scaleagent.v1.OperationResult, before what waits */
    SA_DATA_ROOM,      /* u->w: u64 bytes of RESULTs that the stream has taken since UP */
};

struct sa_data_header {
    uint8_t kind;
    uint32_t events;
    uint64_t oldest_ns;
};
void sa_data_put_header(uint8_t out[SA_DATA_HEADER], const struct sa_data_header *h);
/* -1 if n is too short or a reserved byte is not 0 or the kind is unknown. */
int sa_data_get_header(const void *p, size_t n, struct sa_data_header *h, struct sa_err **err);
/* "ipc://DIR/data/INDEX"; -1 if it does not fit. A Unix socket path has at most 107 bytes. */
int sa_data_url(char *out, size_t n, const char *runtime_dir, uint32_t index);

#endif
