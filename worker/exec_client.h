/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker's side of the socket to its credential helper, and the answer of an exec plugin
 * (ExecCredential of client.authentication.k8s.io v1 and v1beta1).
 *
 * On the socket (SOCK_SEQPACKET) the worker sends one byte. SA_EXEC_WANT asks for the plugin's
 * answer, SA_EXEC_FETCH, once and before all else, for the kubeconfig where that is in a store of
 * secrets. The helper answers with packets of a kind byte and up to SA_EXEC_PIECE bytes: any number
 * of DATA, then DONE; or ERROR with a byte (enum sa_code) and a text. SA_EXEC_REFUSED says that the
 * API server no longer takes what is in the kubeconfig; it has no answer. The worker cannot say
 * what is run or read: the helper knows that from the kubeconfig and the settings itself.
 */
#ifndef SA_WORKER_EXEC_CLIENT_H
#define SA_WORKER_EXEC_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"
#include "worker/credential_secret.h"

#define SA_EXEC_PIECE      (16u * 1024u)
#define SA_EXEC_OUTPUT_MAX (1024u * 1024u) /* bytes of a plugin's answer */

enum sa_exec_packet {
    SA_EXEC_WANT = 1,
    SA_EXEC_DATA,
    SA_EXEC_DONE,
    SA_EXEC_ERROR,
    SA_EXEC_FETCH,
    SA_EXEC_REFUSED,
};

/* The kubeconfig from the helper, waited for: before the worker has a loop. *heartbeat_ns is kept
 * fresh meanwhile. fd stays the caller's. */
int sa_exec_fetch(int fd, volatile uint64_t *heartbeat_ns, struct sa_secret *out,
                  struct sa_err **err);

struct sa_exec_client;
/* The answer (borrowed, wiped after the call), or NULL and the reason. */
typedef void sa_exec_answer_cb(void *arg, const void *json, size_t n, const struct sa_err *reason);

/* Takes fd over, also on failure. */
struct sa_exec_client *sa_exec_client_new(struct sa_loop *l, int fd, sa_exec_answer_cb *cb,
                                          void *arg, struct sa_err **err);
void sa_exec_client_free(struct sa_exec_client *c);
/* Asks; the answer comes by the callback, always, and never from within. No effect while one asks
 * already. */
void sa_exec_client_ask(struct sa_exec_client *c);
bool sa_exec_client_asking(const struct sa_exec_client *c);
/* Tells that the API server answered 401 to what is in the kubeconfig. */
void sa_exec_client_refused(const struct sa_exec_client *c);

struct sa_exec_credential {
    struct sa_secret token, cert, key; /* cert and key PEM; empty where not given */
    int64_t expires_s;                 /* seconds since the epoch; INT64_MAX: not given */
};
/* want_version: the apiVersion that was asked for. SA_ECREDENTIAL with what is wrong, never with a
 * value. */
int sa_exec_credential_parse(const void *json, size_t n, const char *want_version,
                             struct sa_exec_credential *out, struct sa_err **err);
void sa_exec_credential_free(struct sa_exec_credential *c); /* wipes */
/* RFC 3339; INT64_MIN if malformed. */
int64_t sa_exec_time(const char *text);

#endif
