/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One end of an nng PAIR0 connection over a Unix stream socket, spoken directly in the event loop
 * (https://nng.nanomsg.org/RFC/sp-ipc-mapping-v1.html and sp-pair-v1): both sides send the header
 * 00 53 50 00 00 10 00 00, then each message has 01 and its length, 64 bits big-endian, before it.
 * A peer that uses nng sees no difference.
 *
 * Why not nng on the listening side: in nng 1.5.2 a pipe that is closed while the head of a message
 * is being read waits for ever for a read that never started (the receive callback starts the next
 * read on an aio that was stopped meanwhile, and nni_aio_begin() then fails without a callback).
 * The one thread that buries pipes then hangs, and no worker could connect again. It also needs no
 * threads and a tenth of the processor time a message.
 *
 * A connection's messages are delivered for some milliseconds in one turn of the loop, then the
 * others have theirs, whatever each of its messages costs.
 */
#ifndef SA_IPC_SP_H
#define SA_IPC_SP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"

struct sa_sp;

struct sa_sp_events {
    /* One message; p is borrowed. The connection may be freed in it. */
    void (*message)(void *arg, const uint8_t *p, size_t n);
    /* The other side has closed, or broke the rules (*why then says how; it is borrowed). Called
     * once, never after sa_sp_free(), and the callee frees the connection. */
    void (*end)(void *arg, const struct sa_err *why);
    /* What the socket did not take at once has been sent, all of it; the connection may not be
     * freed in it. NULL is allowed. */
    void (*drained)(void *arg);
};

struct sa_sp_limits {
    size_t message; /* bytes of one received message */
    size_t queue;   /* bytes that may wait to be sent */
};

/* Takes fd over (also when it fails), makes it non-blocking and sends the header. ev is borrowed.
 */
struct sa_sp *sa_sp_new(struct sa_loop *l, int fd, const struct sa_sp_limits *limits,
                        const struct sa_sp_events *ev, void *arg, struct sa_err **err);
/* Closes; also from within its own callbacks. NULL is allowed. */
void sa_sp_free(struct sa_sp *c);

/* Sends head and body as one message; what the socket does not take is queued. -1 with SA_ELIMIT
 * when the queue is full, and the message is not sent; other failures come by end(). */
int sa_sp_send(struct sa_sp *c, const void *head, size_t head_len, const void *body,
               size_t body_len, struct sa_err **err);
/* The same, before all that waits: the message of which a part has left is finished first. */
int sa_sp_send_first(struct sa_sp *c, const void *head, size_t head_len, const void *body,
                     size_t body_len, struct sa_err **err);
/* Bytes that the socket has not taken yet. */
size_t sa_sp_queued(const struct sa_sp *c);
/* While paused no message is delivered and nothing is read. */
void sa_sp_pause(struct sa_sp *c, bool paused);
/* Reads and delivers what the socket holds now, paused or not, for half a second at most. */
void sa_sp_drain(struct sa_sp *c);
/* Reads once and delivers at most one message, paused or not. */
void sa_sp_first(struct sa_sp *c);
/* From now on received messages may have so many bytes. */
void sa_sp_limit(struct sa_sp *c, size_t message);

#endif
