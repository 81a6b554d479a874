/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a kubeconfig that is a reference (config/secret_ref.h) comes from, for the credential
 * helper alone. Made in two steps around the sandbox, as a credential is: open while files may be
 * opened, fetch when nothing else may be. An engine is a file of its own: secret_vault.c,
 * secret_kube.c, secret_aws.c, secret_gcp.c.
 */
#ifndef SA_WORKER_SECRET_STORE_H
#define SA_WORKER_SECRET_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/sandbox.h"
#include "config/settings.h"
#include "worker/credential.h"

struct sa_secret_store;

/* Names of the environment variables that the store of this reference looks up, NULL-terminated;
 * NULL: none, or the reference is malformed. */
const char *const *sa_secret_store_environment(const char *reference);

/* Both are borrowed for as long as the store is there. Reads tokens and certificates.
 * fingerprint_key: 32 bytes. */
int sa_secret_store_open(const struct sa_account *a, const uint8_t *fingerprint_key,
                         struct sa_secret_store **out, struct sa_err **err);
void sa_secret_store_free(struct sa_secret_store *s); /* wipes; NULL is allowed */

/* The files that were read, for the supervisor's watch. rereads: it is read again when it is
 * needed, as far as this process may, which is tried in the call: for after the sandbox. */
const struct sa_credential_file *sa_secret_store_files(struct sa_secret_store *s, size_t *n);
/* For the sandbox; valid as long as s. */
const struct sa_sandbox_path *sa_secret_store_paths(const struct sa_secret_store *s, size_t *n);
const uint16_t *sa_secret_store_ports(const struct sa_secret_store *s, size_t *n);

/* Logs in where it has to, renews what it logged in with, and reads the secret. Takes at most some
 * requests' time (secret_http.h); alive is called at least each second. */
int sa_secret_store_fetch(struct sa_secret_store *s, void (*alive)(void *arg), void *arg,
                          struct sa_secret *out, struct sa_err **err);
/* How long the store's own token may be left without a fetch, in seconds; INT64_MAX: for ever. */
int64_t sa_secret_store_renew_s(const struct sa_secret_store *s);

#endif
