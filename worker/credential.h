/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a worker proves who it is to its API server. Made in two steps around the sandbox: open while
 * files may be opened, parse when nothing else may be. kubeconfig by
 * https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/, exec plugins by
 * client.authentication.k8s.io.
 */
#ifndef SA_WORKER_CREDENTIAL_H
#define SA_WORKER_CREDENTIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/loop.h"
#include "base/sandbox.h"
#include "config/settings.h"
#include "worker/credential_secret.h"

struct sa_credential;

/* A file that the credential was made from, for the supervisor's watch. */
struct sa_credential_file {
    char *path;
    uint8_t fingerprint[32]; /* keyed */
    bool rereads;            /* the worker follows its changes itself (tokenFile) */
};

/* First step, with the privileges of the start: reads the account's kubeconfig (or service account)
 * and every file it names, into memory that is kept out of cores. Parsing of YAML happens in a
 * child with uid/gid (where uid != 0), which only answers which files are named.
 * fingerprint_key: 32 bytes. */
int sa_credential_open(const struct sa_account *a, const uint8_t *fingerprint_key, uid_t uid,
                       gid_t gid, struct sa_credential **out, struct sa_err **err);
/* The same where the kubeconfig is a reference to a store of secrets: its bytes are given, and stay
 * the caller's. It may name no files: whoever writes to the store has no business with those of
 * this machine. */
int sa_credential_open_fetched(const struct sa_account *a, const struct sa_secret *kubeconfig,
                               const uint8_t *fingerprint_key, uid_t uid, gid_t gid,
                               struct sa_credential **out, struct sa_err **err);
/* Whether the account's kubeconfig is such a reference, to be fetched by the helper. */
bool sa_credential_is_fetched(const struct sa_account *a);
/* Where that failed: the kubeconfig alone, whose change may mend it. The path is borrowed from a,
 * NULL if there is none; the fingerprint is 0 of what can't be read. */
void sa_credential_kubeconfig(const struct sa_account *a, const uint8_t *fingerprint_key,
                              struct sa_credential_file *out);
/* Second step, confined: parses and checks (certificate and key fit, dates, PEM). helper_fd: socket
 * to the credential helper for exec plugins, or -1; owned by the credential from here on. */
int sa_credential_parse(struct sa_credential *c, struct sa_loop *l, int helper_fd,
                        struct sa_err **err);
void sa_credential_free(struct sa_credential *c); /* wipes */

/* For the supervisor and the sandbox; valid as long as c. */
const struct sa_credential_file *sa_credential_files(const struct sa_credential *c, size_t *n);
/* Paths that must stay readable (tokens, resolver, CA store) and TCP ports that will be connected
 * to; usable after sa_credential_open(). */
const struct sa_sandbox_path *sa_credential_paths(const struct sa_credential *c, size_t *n);
const uint16_t *sa_credential_ports(const struct sa_credential *c, size_t *n);
bool sa_credential_needs_helper(const struct sa_credential *c);
/* After sa_credential_parse(): the namespace of what names none, as kubectl takes it from the
 * kubeconfig's context, or client-go in a pod from POD_NAMESPACE or the service account's own; "":
 * default. At most 63 bytes, a DNS label. */
const char *sa_credential_namespace(const struct sa_credential *c);

/* The helper's process: answers requests on helper_fd by running the account's exec plugin. */
struct sa_child_args;
int sa_helper_main(const struct sa_child_args *args);

#endif
