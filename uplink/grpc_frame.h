/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gRPC's framing over HTTP/2 (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md): each
 * message has five bytes before it, a compressed flag and its length; and the percent-encoding of
 * grpc-message.
 */
#ifndef SA_UPLINK_GRPC_FRAME_H
#define SA_UPLINK_GRPC_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define SA_GRPC_PREFIX 5u
#define SA_GRPC_MAX    (4u * 1024u * 1024u) /* bytes of one message, as gRPC's libraries have it */

/* p is borrowed. -1 ends the stream. */
typedef int sa_grpc_message(void *arg, const uint8_t *p, size_t n, struct sa_err **err);

struct sa_grpc_frames {
    uint8_t prefix[SA_GRPC_PREFIX];
    size_t have;        /* bytes of prefix */
    size_t want;        /* bytes of the message, once the prefix is whole */
    struct sa_buf part; /* a message that comes in pieces */
};

void sa_grpc_frames_init(struct sa_grpc_frames *f);
void sa_grpc_frames_free(struct sa_grpc_frames *f);
/* Takes n bytes as they come and calls cb for each message that is whole. -1: malformed, too long,
 * compressed, or cb said so. */
int sa_grpc_frames_feed(struct sa_grpc_frames *f, const void *p, size_t n, sa_grpc_message *cb,
                        void *arg, struct sa_err **err);

void sa_grpc_prefix(uint8_t out[SA_GRPC_PREFIX], size_t n); /* n <= UINT32_MAX */

/* Decodes n bytes of a grpc-message header; control characters become spaces. */
void sa_grpc_decode_message(const char *p, size_t n, char *out, size_t out_size);
/* Name of a status code, "UNAVAILABLE"; "status N" is not made: NULL for unknown codes. */
const char *sa_grpc_status_name(long status);

#endif
