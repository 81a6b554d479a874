/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One bidirectional gRPC call over libcurl's multi interface. The upload pauses while there is
 * nothing to send; the download never does, since libcurl 7.88 would buffer 32 MB of it. Callbacks
 * come from the loop.
 */
#ifndef SA_UPLINK_GRPC_CALL_H
#define SA_UPLINK_GRPC_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"
#include "uplink/grpc_frame.h"

struct sa_call;

/* Strings and bytes are borrowed while sa_call_new() runs; NULL or 0 where there is none. */
struct sa_call_options {
    const char *scheme, *host; /* host as in the URL: name, IPv4, or IPv6 without brackets */
    uint16_t port;
    const char *server_name;                    /* in place of host, for TLS and :authority */
    const char *path;                           /* "/package.Service/Method" */
    const char *proxy;                          /* URL; NULL: none at all */
    const char *token;                          /* bearer */
    const char *cert, *key, *ca, *key_password; /* PEM */
    size_t cert_len, key_len, ca_len;
    bool skip_verify;
    bool empty; /* the request ends with its headers: nothing can be sent */
};

struct sa_call_events {
    sa_grpc_message *message;
    /* n bytes that were sent with this tag left the queue. */
    void (*left)(void *arg, uint32_t tag, size_t n);
    /* The call is over; why is NULL if it ended with status OK. May free the call. */
    void (*end)(void *arg, const struct sa_err *why);
};

struct sa_call *sa_call_new(struct sa_loop *l, const struct sa_call_options *o,
                            const struct sa_call_events *ev, void *arg, struct sa_err **err);
/* Not from within message() or left(). NULL is allowed. */
void sa_call_free(struct sa_call *c);

/* Queues one message, made of head and body; both are copied. */
int sa_call_send(struct sa_call *c, uint32_t tag, const void *head, size_t head_len,
                 const void *body, size_t body_len, struct sa_err **err);
/* The same, before what waits; in order among themselves. */
int sa_call_send_first(struct sa_call *c, uint32_t tag, const void *head, size_t head_len,
                       const void *body, size_t body_len, struct sa_err **err);
size_t sa_call_queued(const struct sa_call *c); /* bytes */
/* Ends the upload after what is queued; the other side then ends the call. */
void sa_call_finish(struct sa_call *c);
/* In end(): the answer came and libcurl 7.88 has dropped it, as it does when headers that end the
 * stream and RST_STREAM arrive in one read (cf_h2_recv looks at the reset before the data). Servers
 * send RST_STREAM when they answer before the upload has ended: a call whose upload ends at once
 * gets the answer. */
bool sa_call_lost_answer(const struct sa_call *c);
/* Bytes received so far: a sign of life. */
uint64_t sa_call_received(const struct sa_call *c);

#endif
