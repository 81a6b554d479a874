/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that one host alone can open: libsodium's sealed boxes (X25519, XSalsa20, Poly1305;
 * crypto_box_seal(3)). Whoever has the host's public key can seal; only the secret key opens.
 *
 * All three kinds of file are text. A key file is a word and base64; a sealed file begins with
 * SA_SEAL_MAGIC and the first bytes of the public key's hash, so that the wrong key is named.
 */
#ifndef SA_BASE_SEAL_H
#define SA_BASE_SEAL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

#define SA_SEAL_MAGIC "scale-agent-sealed-1"
/* Bytes that are sealed at once: what comes of them is below the 1 MB of a credential's file. */
#define SA_SEAL_PLAIN_MAX 768000u

/* Whether p[n] is a sealed file. */
bool sa_seal_is(const void *p, size_t n);
/* A new pair, as the contents of its two files. *secret is to be wiped. */
int sa_seal_make_key(struct sa_buf *secret, struct sa_buf *public, struct sa_err **err);
/* Seals plain[n] for the key in the file public[public_n]; appends the sealed file to *out. */
int sa_seal(const char *public, size_t public_n, const void *plain, size_t n, struct sa_buf *out,
            struct sa_err **err);
/* Opens sealed[n] with the key in the file secret[secret_n]. out has room for n bytes; *out_n is
 * what was used. SA_ECREDENTIAL where the key is another one, or the file was changed; nothing is
 * in out then. */
int sa_seal_open(const char *secret, size_t secret_n, const char *sealed, size_t n, void *out,
                 size_t *out_n, struct sa_err **err);

#endif
