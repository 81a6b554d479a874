/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control channel: a socketpair (SOCK_SEQPACKET) between the supervisor and each child. One
 * datagram is one message: a type byte, then its fields by ipc/msg.h. The supervisor treats what a
 * child sends as foreign bytes; a malformed message ends that child.
 *
 * A descriptor may go with a message to a child (SCM_RIGHTS, unix(7)), never to the supervisor:
 * what a child attaches is closed by the kernel.
 */
#ifndef SA_IPC_CONTROL_H
#define SA_IPC_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/loop.h"
#include "ipc/msg.h"

#define SA_WANT_NAME 512u           /* bytes of the name in SA_CTL_STATUS_WANT, with its NUL */
#define SA_CTL_MAX   (192u * 1024u) /* bytes of one message */

/* X(symbol, direction, fields) d: to the child, u: to the supervisor. */
#define SA_CTL_TABLE(X)                                                                            \
    /* any child */                                                                                \
    X(SA_CTL_STOP, d, "") /* finish in order, then exit 0 */                                       \
    X(SA_CTL_LOG_LEVEL, d, "u8 level")                                                             \
    X(SA_CTL_LOG, u, "u8 level, str msg, u32 n, n * (str key, str value)")                         \
    X(SA_CTL_READY, u, "")                  /* sandboxed and working */                            \
    X(SA_CTL_FATAL, u, "u32 code, str msg") /* why it will exit */                                 \
    /* worker, and a credential helper that reads from a store of secrets */                       \
    /* once, before READY */                                                                       \
    X(SA_CTL_FILES, u, "u32 n, n * (str path, 32 bytes fingerprint, u8 rereads)")                  \
    X(SA_CTL_RECONNECT, d, "") /* drop connections to the API server and list anew */              \
    X(SA_CTL_PLAN_WANT, d, "u32 id")                                                               \
    X(SA_CTL_PLAN, u, "u32 id, u8 last, u32 left_off, u32 n, n * row of ipc/plan.h")               \
    /* with the descriptor of a channel to someone on this host who asks for operations */         \
    X(SA_CTL_OPERATE, d, "u32 uid, u32 pid")                                                       \
    /* credential helper (through the worker's supervisor) */                                      \
    X(SA_CTL_EXEC_WANT, u, "") /* asks for one of the bounded places to run a program */           \
    X(SA_CTL_EXEC_GRANT, d, "")                                                                    \
    X(SA_CTL_EXEC_DONE, u, "")                                                                     \
    /* the kubeconfig in its store of secrets is another one: the account is to start anew */      \
    X(SA_CTL_CREDENTIAL_CHANGED, u, "")                                                            \
    /* uplink */                                                                                   \
    X(SA_CTL_ACCOUNT_ADD, d, "u32 index, str name, 32 bytes key")                                  \
    X(SA_CTL_ACCOUNT_KEY, d, "u32 index, 32 bytes key") /* the worker was restarted */             \
    X(SA_CTL_ACCOUNT_REMOVE, d, "u32 index")            /* gone for good: retract its rows */      \
    X(SA_CTL_ACCOUNTS_COMPLETE, d, "")         /* what was added so far is the whole list */       \
    X(SA_CTL_FORGERY, u, "u32 index, u32 pid") /* a wrong key came on this socket */               \
    /* exporter */                                                                                 \
    X(SA_CTL_STATUS_WANT, u, "u32 id, str account") /* "" none: whose details */                   \
    X(SA_CTL_STATUS, d, "u32 id, u8 last, bytes json part")

enum sa_ctl_type {
    SA_CTL_NONE,
#define X(sym, dir, fields) sym,
    SA_CTL_TABLE(X)
#undef X
};
const char *sa_ctl_name(uint8_t type);

struct sa_ctl;

/* A pair of connected sockets, close-on-exec: [0] the supervisor's, [1] the child's. */
int sa_ctl_pair(int fds[2], struct sa_err **err);

/* body excludes the type byte and is borrowed. Return -1 to end the channel. */
typedef int sa_ctl_cb(void *arg, uint8_t type, struct sa_rd *body);
/* reason is NULL on a clean end of the other side. The channel is dead after it. */
typedef void sa_ctl_end_cb(void *arg, const struct sa_err *reason);

/* Takes fd over. Messages are dispatched by the loop. */
struct sa_ctl *sa_ctl_new(struct sa_loop *l, int fd, sa_ctl_cb *on_msg, sa_ctl_end_cb *on_end,
                          void *arg, struct sa_err **err);
void sa_ctl_free(struct sa_ctl *c); /* closes the descriptor; also from inside a callback */
int sa_ctl_fd(const struct sa_ctl *c);
/* Sends type and body (may be NULL). Never calls on_end: a broken channel is reported by the loop.
 * What the socket can't take at once is queued up to 4 MB, in memory that no forked child gets;
 * past that the message is refused with SA_ELIMIT (log records are dropped and counted instead). */
int sa_ctl_send(struct sa_ctl *c, uint8_t type, const struct sa_buf *body, struct sa_err **err);
/* The same with a descriptor, which stays the caller's: at once or not at all. SA_ELIMIT where
 * others wait to be sent before it, or the socket is full. */
int sa_ctl_send_fd(struct sa_ctl *c, uint8_t type, const struct sa_buf *body, int fd,
                   struct sa_err **err);
/* For a child: from now on a descriptor may come with a message. */
void sa_ctl_accept_fds(struct sa_ctl *c);
/* Within on_msg: the descriptor that came with the message, from now on the caller's; -1: none. One
 * that is not taken is closed. */
int sa_ctl_take_fd(struct sa_ctl *c);
/* Whether something is queued; and what is called, with the channel's arg, from the loop when all
 * of it has been sent: for what would be too long for the queue at once. */
bool sa_ctl_queued(const struct sa_ctl *c);
void sa_ctl_on_drained(struct sa_ctl *c, void (*on_drained)(void *arg));
/* For a child before it has a loop, and on its way out: waits until sent. */
int sa_ctl_send_now(int fd, uint8_t type, const struct sa_buf *body, struct sa_err **err);
/* For an orderly exit: waits at most ms milliseconds until what is queued is sent. */
int sa_ctl_drain(struct sa_ctl *c, unsigned ms, struct sa_err **err);
/* One entry of SA_CTL_FILES. The fingerprint is of 32 bytes (base/hash.h), 0 of what can't be read;
 * rereads: the child reads the file again by itself when it changes. */
void sa_ctl_put_file(struct sa_buf *body, const char *path, const uint8_t fingerprint[32],
                     bool rereads);
/* Makes c (or plain fd) the sink of this process's log. */
void sa_ctl_log_sink(struct sa_ctl *c);
void sa_ctl_log_sink_fd(int fd);

#endif
