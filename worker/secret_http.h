/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One HTTP request to a store of secrets, by libcurl, waited for: a credential helper has nothing
 * else to do meanwhile. No redirect is followed, since headers with tokens would go along.
 */
#ifndef SA_WORKER_SECRET_HTTP_H
#define SA_WORKER_SECRET_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "worker/credential_secret.h"

#define SA_SECRET_ANSWER_MAX (1024u * 1024u) /* bytes of an answer, and of a secret */
#define SA_SECRET_CALL_S     15              /* a request takes no longer, connecting included */

struct sa_secret_call {
    const char *method;          /* NULL: GET */
    const char *url;             /* holds no secret: it is in errors */
    const char *const *headers;  /* "Name: value", NULL-terminated, or NULL */
    const char *body;            /* NULL: none */
    const struct sa_secret *ca;  /* trust anchors (PEM); NULL or empty: the system's */
    const char *ca_key;          /* the setting that names them, for errors; or NULL */
    const char *sign;            /* for CURLOPT_AWS_SIGV4, or NULL */
    const char *user, *password; /* what it is signed with */
    bool direct;                 /* whatever proxies the environment names */
};

struct sa_secret_answer {
    long status;
    struct sa_secret body; /* NUL-terminated */
};

/* alive is called at least each second while it waits; NULL: nobody asks. -1 where no answer came
 * or it is too long (SA_ENETWORK, SA_ETLS, SA_ELIMIT); any status is an answer. */
int sa_secret_call(const struct sa_secret_call *c, void (*alive)(void *arg), void *arg,
                   struct sa_secret_answer *out, struct sa_err **err);
void sa_secret_answer_free(struct sa_secret_answer *a); /* wipes; fit for SA_CLEANUP */

/* text percent-encoded for a URL (RFC 3986); slashes stay with keep_slashes. NULL: no memory. */
char *sa_secret_escape(const char *text, bool keep_slashes);

#endif
