/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors: what was being done, to what, what was wrong.
 *
 * A function that can fail returns 0, or -1 and stores an error that the caller owns in *err. Every
 * such function accepts err == NULL (the caller does not want the reason). On the way up a caller
 * adds what it was doing with sa_err_wrap(). The codes are the programs' documented error codes:
 * this table is their only source.
 */
#ifndef SA_BASE_ERR_H
#define SA_BASE_ERR_H

#include <stdbool.h>

/* X(symbol, name as printed, meaning) */
#define SA_ERR_TABLE(X)                                                                            \
    X(SA_EINTERNAL, "internal", "a rule of the program itself was broken; please report it")       \
    X(SA_EMEMORY, "memory", "memory could not be had")                                             \
    X(SA_ESYSTEM, "system", "a system call failed")                                                \
    X(SA_ECONFIG, "config", "a configuration file or key is wrong")                                \
    X(SA_ECREDENTIAL, "credential", "a credential is missing, malformed or expired")               \
    X(SA_ENETWORK, "network", "a connection failed or broke")                                      \
    X(SA_ETLS, "tls", "a certificate was not accepted, by us or by the other side")                \
    X(SA_EAUTH, "auth", "the other side does not know who we are (401)")                           \
    X(SA_EFORBIDDEN, "forbidden", "the other side does not allow it (403)")                        \
    X(SA_ENOTFOUND, "notfound", "the thing asked for does not exist")                              \
    X(SA_EEXPIRED, "expired", "a resource version or continue token is too old (410)")             \
    X(SA_ELIMIT, "limit", "a bound of size, number or time was reached")                           \
    X(SA_EPROTOCOL, "protocol", "the other side sent what the protocol does not allow")            \
    X(SA_EREFUSED, "refused", "the request was understood and not done")

enum sa_code {
    SA_OK = 0,
#define X(sym, name, text) sym,
    SA_ERR_TABLE(X)
#undef X
};

struct sa_err {
    enum sa_code code;
    int sys_errno; /* the errno behind SA_ESYSTEM, else 0 */
    char *msg;     /* owned; never NULL, no line end, never a secret */
};

/* Name of a code as printed in logs and status ("config"); "ok" for SA_OK. */
const char *sa_code_name(enum sa_code code);

/* Stores a new error in *err (freeing one that was there). Always returns -1. */
int sa_err_set(struct sa_err **err, enum sa_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for a failed system call: ": " and the text of errnum are appended. Always returns -1.
 */
int sa_err_sys(struct sa_err **err, int errnum, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "<fmt>: " before the message of *err; nothing if err or *err is NULL. Always returns -1. */
int sa_err_wrap(struct sa_err **err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Message of e for people; "unknown error" if e is NULL. Valid as long as e. */
const char *sa_err_msg(const struct sa_err *e);

/* Frees *err and sets it to NULL. Fit for SA_CLEANUP. */
void sa_err_free(struct sa_err **err);

/* SA_CLEANUP(f) T *v = NULL;  calls f(&v) when v leaves scope: one exit path. The value is never
 * left out: a return before v had one would free what the stack held. */
#define SA_CLEANUP(f) __attribute__((cleanup(f)))
void sa_freep(void *pp); /* free(*pp), *pp = NULL */
void sa_closep(int *fd); /* close(*fd) if >= 0, *fd = -1 */

#ifdef __clang_analyzer__
#include "base/err_analyzer.h"
#endif

#endif
