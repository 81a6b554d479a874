/* SPDX-License-Identifier: Apache-2.0 */
/*
 * References to a secret in a store, by Spinnaker's grammar
 * (https://spinnaker.io/docs/reference/secrets/):
 *
 *     encrypted:ENGINE!KEY:VALUE!KEY:VALUE...      a value
 *     encryptedFile:ENGINE!KEY:VALUE!...           a file's content
 *
 * Keys come in any order; a value may hold ":" but no "!". A reference is no secret itself: it is
 * checked by the config reader, travels in the settings, and may be logged. Nothing is fetched
 * here.
 */
#ifndef SA_CONFIG_SECRET_REF_H
#define SA_CONFIG_SECRET_REF_H

#include <stdbool.h>

#include "base/err.h"

enum sa_secret_engine {
    SA_SECRET_K8S,   /* k8s!n:SECRET!k:KEY[!ns:NAMESPACE] */
    SA_SECRET_VAULT, /* vault!e:ENGINE!p:PATH!k:KEY[!b:true] */
    SA_SECRET_S3,    /* s3!r:REGION!b:BUCKET!f:FILE[!k:KEY] */
    SA_SECRET_GCS,   /* gcs!b:BUCKET!f:FILE[!k:KEY] */
    SA_SECRET_AWS,   /* secrets-manager!r:REGION!s:SECRET[!k:KEY] */
    SA_SECRET_ENGINES
};

struct sa_secret_ref {
    enum sa_secret_engine engine;
    /* NULL where not given. All are bounded, of printable ASCII, and fit for what they name: no
     * region can end a host name early, no path leads upwards. */
    char *name; /* Secret, path in the engine, file in the bucket, secret's name or ARN */
    char *key;
    char *namespace; /* k8s */
    char *mount;     /* vault: the engine's path */
    char *region, *bucket;
    bool base64; /* vault: the value is base64 of what is meant */
};

/* Whether text is meant as a reference; it may still be malformed. */
bool sa_secret_ref_is(const char *text);
/* *out is filled or empty. SA_ECONFIG with what is wrong and what is expected; text is quoted in
 * parts, never beyond what it names. */
int sa_secret_ref_parse(const char *text, struct sa_secret_ref *out, struct sa_err **err);
void sa_secret_ref_free(struct sa_secret_ref *r);
const char *sa_secret_engine_name(enum sa_secret_engine e); /* "vault" */

#endif
