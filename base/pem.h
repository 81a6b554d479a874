/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates and keys in PEM (RFC 7468), by OpenSSL, with errors that people understand. */
#ifndef SA_BASE_PEM_H
#define SA_BASE_PEM_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* what: names the source in errors ("certificate-authority-data of cluster x"); never the content.
 */

/* All certificates of a bundle as trust anchors; an intermediate counts as one too, as in Go. */
int sa_pem_roots(const void *p, size_t n, const char *what, X509_STORE **out, struct sa_err **err);
/* The system's own trust anchors, looked up when needed. */
int sa_pem_system_roots(X509_STORE **out, struct sa_err **err);

struct sa_pem_identity {
    X509 *cert;
    STACK_OF(X509) * chain; /* what followed the certificate; may be empty */
    EVP_PKEY *key;
    int64_t not_before, not_after; /* seconds since the epoch */
};
/* Certificate and key must fit. password: of an encrypted key; where it is NULL, such a key is an
 * error: nobody is there to be asked. Dates are returned, not judged. */
int sa_pem_identity(const void *cert, size_t cert_n, const char *cert_what, const void *key,
                    size_t key_n, const char *key_what, const char *password,
                    struct sa_pem_identity *out, struct sa_err **err);
void sa_pem_identity_free(struct sa_pem_identity *i);

/* "2026-01-02T03:04:05Z" */
void sa_pem_date(int64_t seconds, char out[32]);
/* Seconds since the epoch of an ASN.1 time; INT64_MAX if it makes no sense. */
int64_t sa_pem_time(const ASN1_TIME *t);

#endif
