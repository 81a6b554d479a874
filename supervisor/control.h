/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket RUNTIME_DIR/control.sock for scale-agentctl.
 *
 *     request:  VERB [ARGUMENT] LF                     at most 4096 bytes
 *     answer:   any number of lines, each a JSON value
 *               OK LF   or   ERROR CODE MESSAGE LF     CODE by base/err.h
 *
 * Several requests may follow one another on a connection. Who may connect is said by the socket's
 * mode and checked again by the peer's credentials: root, the daemon's own user, and the members of
 * the control group. `operate` is not for these: it gives what the account's credential gives. No
 * client can hold the supervisor up: everything is bounded, in size and in time.
 */
#ifndef SA_SUPERVISOR_CONTROL_H
#define SA_SUPERVISOR_CONTROL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/err.h"
#include "config/reader.h"
#include "supervisor/reload.h"

struct sa_supervisor;
struct sa_control;
struct sa_client;
struct sa_proc;

struct sa_control *sa_control_new(struct sa_supervisor *sup, struct sa_err **err);
void sa_control_free(struct sa_control *c); /* removes the socket */
/* A reload ended: answers those who wait for it. c may be NULL. */
void sa_control_reload_done(struct sa_control *c, uint64_t run,
                            const struct sa_reload_result *result,
                            const struct sa_problems *problems);

/* verbs.c: serves one request, whose line has no line end. */
void sa_verb_serve(struct sa_supervisor *sup, struct sa_client *client, char *line);
/* For verbs: where the answer's lines go, and how it ends. Each request is ended exactly once. */
struct sa_buf *sa_client_out(struct sa_client *client);
void sa_client_ok(struct sa_client *client);
void sa_client_error(struct sa_client *client, enum sa_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The running worker of an account; NULL where there is none, and the client is told why. */
struct sa_proc *sa_verb_worker(struct sa_supervisor *sup, struct sa_client *client,
                               const char *account);
/* Who it is, as the kernel says. */
const struct ucred *sa_client_peer(const struct sa_client *client);
/* Root or the daemon's own user: who may do what a member of the control group may not. */
bool sa_client_is_owner(const struct sa_client *client);
/* Sends line (with its end) and fd at once, before anything else of the answer; fd stays the
 * caller's. False: the client takes nothing. */
bool sa_client_pass_fd(struct sa_client *client, const char *line, int fd);
/* Ends it when the reload `run` is done. */
void sa_client_await_reload(struct sa_client *client, uint64_t run);
/* The answer comes from the worker, as that of the question id; if the worker ends before, the
 * client is told so. */
void sa_client_await_plan(struct sa_client *client, const struct sa_proc *worker, uint32_t id);
/* Who waits for it; NULL if nobody does any more. c may be NULL. */
struct sa_client *sa_control_awaits_plan(struct sa_control *c, const struct sa_proc *worker,
                                         uint32_t id);
/* So many rows more; false if it is more than an answer may have. */
bool sa_client_count_rows(struct sa_client *client, uint32_t n);
/* The answer is complete: sends it, and serves what comes next. The client may be gone after. */
void sa_client_goes_on(struct sa_client *client);
/* A worker ended: answers those who wait for it. c may be NULL. */
void sa_control_worker_ended(struct sa_control *c, const struct sa_proc *worker);

#endif
