/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The uplink's own secrets: the token and the key's password from the configuration files, the
 * client's certificate and key and the CA. Their files may be readable by root alone, and their
 * content is parsed only after root is given up: sa_secrets_read() before the uid is dropped takes
 * bytes, sa_secrets_parse() after it looks at them.
 */
#ifndef SA_UPLINK_SECRETS_H
#define SA_UPLINK_SECRETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "config/load.h"
#include "config/settings.h"

struct sa_uplink_secrets {
    char *cert, *key, *ca; /* PEM, NULL where not configured */
    size_t cert_len, key_len, ca_len;
    int64_t not_before, not_after; /* of the certificate, seconds since the epoch; 0 without one */
    char *key_password, *token;    /* NULL where not configured */
    struct sa_sources sources;     /* the configuration files, until they are parsed */
};

/* Where it fails, *s holds what could be read nevertheless. */
int sa_secrets_read(struct sa_uplink_secrets *s, const struct sa_clouddriver *c,
                    const char *const *config_files, struct sa_err **err);
/* Certificate and key must fit, the CA must be one. */
int sa_secrets_parse(struct sa_uplink_secrets *s, const struct sa_clouddriver *c,
                     struct sa_err **err);
void sa_secrets_free(struct sa_uplink_secrets *s);
/* If the certificate is not valid now, a line that says so: the likely reason why a server that
 * closes the connection did. False if nothing is wrong with it. */
bool sa_secrets_outdated(const struct sa_uplink_secrets *s, const struct sa_clouddriver *c,
                         char *out, size_t n);

/* The body of SA_CTL_FILES: all that is configured, so that the supervisor watches it, and starts
 * the uplink again when what kept it from starting has changed. */
void sa_secrets_files(const struct sa_uplink_secrets *s, const struct sa_clouddriver *c,
                      const uint8_t fingerprint_key[32], struct sa_buf *body);

/* Servers end the connection without a word to who shows a certificate that is not valid: then it
 * is ours that is named in *err. It is tried nevertheless, since our clock may be the one that is
 * wrong. */
bool sa_secrets_blamed(const struct sa_uplink_secrets *s, const struct sa_clouddriver *c,
                       const struct sa_err *why, struct sa_err **err);

#endif
