/* SPDX-License-Identifier: Apache-2.0 */
#include "base/seal.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define SECRET_WORD "scale-agent-seal-key-1 "
#define PUBLIC_WORD "scale-agent-seal-public-1 "
#define MARK        4u  /* bytes of the public key's hash */
#define LINE        76u /* characters of base64 */
#define VARIANT     sodium_base64_VARIANT_ORIGINAL

bool sa_seal_is(const void *p, size_t n)
{
    size_t length = strlen(SA_SEAL_MAGIC);
    return n > length && memcmp(p, SA_SEAL_MAGIC, length) == 0;
}

static void mark_of(const unsigned char *public, char out[2 * MARK + 1])
{
    unsigned char sum[crypto_generichash_BYTES];
    crypto_generichash(sum, sizeof(sum), public, crypto_box_PUBLICKEYBYTES, NULL, 0);
    sodium_bin2hex(out, 2 * MARK + 1, sum, MARK);
}

/* Keys in files */

static int add_key(struct sa_buf *b, const char *word, const unsigned char *key)
{
    char text[sodium_base64_ENCODED_LEN(crypto_box_SECRETKEYBYTES, VARIANT)];
    sodium_bin2base64(text, sizeof(text), key, crypto_box_SECRETKEYBYTES, VARIANT);
    sa_buf_reserve(b, 128); /* at once: growing would leave a copy */
    int rc = sa_buf_addf(b, "%s%s\n", word, text);
    sodium_memzero(text, sizeof(text));
    return rc;
}

int sa_seal_make_key(struct sa_buf *secret, struct sa_buf *public, struct sa_err **err)
{
    unsigned char pk[crypto_box_PUBLICKEYBYTES], sk[crypto_box_SECRETKEYBYTES];
    if (sodium_init() < 0 || crypto_box_keypair(pk, sk) != 0)
        return sa_err_set(err, SA_EINTERNAL, "libsodium makes no key");
    int rc = add_key(secret, SECRET_WORD, sk) | add_key(public, PUBLIC_WORD, pk);
    sodium_memzero(sk, sizeof(sk));
    return rc == 0 ? 0 : sa_err_set(err, SA_EMEMORY, "a new key");
}

static int read_key(const char *file, size_t n, const char *word, unsigned char *key)
{
    size_t length = strlen(word), got = 0;
    if (n < length || memcmp(file, word, length) != 0)
        return -1;
    if (sodium_base642bin(key, crypto_box_SECRETKEYBYTES, file + length, n - length, " \r\n", &got,
                          NULL, VARIANT) != 0)
        return -1;
    return got == crypto_box_SECRETKEYBYTES ? 0 : -1;
}

/* Sealing */

static int add_lines(struct sa_buf *out, const char *text)
{
    for (size_t n = strlen(text); n > 0;) {
        size_t part = n < LINE ? n : LINE;
        sa_buf_add(out, text, part);
        sa_buf_addc(out, '\n');
        text += part;
        n -= part;
    }
    return out->failed ? -1 : 0;
}

int sa_seal(const char *public, size_t public_n, const void *plain, size_t n, struct sa_buf *out,
            struct sa_err **err)
{
    unsigned char pk[crypto_box_PUBLICKEYBYTES];
    char mark[2 * MARK + 1];
    if (sodium_init() < 0)
        return sa_err_set(err, SA_EINTERNAL, "libsodium can't be used");
    if (read_key(public, public_n, PUBLIC_WORD, pk) != 0)
        return sa_err_set(err, SA_ECREDENTIAL, "it is not the public half of a key");
    if (n > SA_SEAL_PLAIN_MAX)
        return sa_err_set(err, SA_ELIMIT, "more than %u bytes can't be sealed", SA_SEAL_PLAIN_MAX);
    size_t size = n + crypto_box_SEALBYTES, coded = sodium_base64_encoded_len(size, VARIANT);
    SA_CLEANUP(sa_freep) unsigned char *box = malloc(size);
    SA_CLEANUP(sa_freep) char *text = malloc(coded);
    if (box == NULL || text == NULL || crypto_box_seal(box, plain, n, pk) != 0)
        return sa_err_set(err, SA_EMEMORY, "sealing");
    sodium_bin2base64(text, coded, box, size, VARIANT);
    mark_of(pk, mark);
    sa_buf_addf(out, SA_SEAL_MAGIC " %s\n", mark);
    return add_lines(out, text) == 0 ? 0 : sa_err_set(err, SA_EMEMORY, "sealing");
}

/* Opening */

/* Where the box begins, behind "MAGIC MARK\n"; NULL: it does not. */
static const char *body_of(const char *sealed, size_t n, char mark[2 * MARK + 1])
{
    size_t at = strlen(SA_SEAL_MAGIC) + 1;
    if (!sa_seal_is(sealed, n) || n <= at + 2 * MARK || sealed[at - 1] != ' ')
        return NULL;
    memcpy(mark, sealed + at, 2 * MARK);
    mark[2 * MARK] = '\0';
    at += 2 * MARK;
    return sealed[at] == '\n' || sealed[at] == '\r' ? sealed + at : NULL;
}

static int open_box(const unsigned char *pk, const unsigned char *sk, const char *body, size_t n,
                    void *out, size_t *out_n)
{
    size_t got = 0;
    SA_CLEANUP(sa_freep) unsigned char *box = malloc(n + 1);
    if (box == NULL || sodium_base642bin(box, n + 1, body, n, " \r\n", &got, NULL, VARIANT) != 0 ||
        got < crypto_box_SEALBYTES || crypto_box_seal_open(out, box, got, pk, sk) != 0)
        return -1;
    *out_n = got - crypto_box_SEALBYTES;
    return 0;
}

int sa_seal_open(const char *secret, size_t secret_n, const char *sealed, size_t n, void *out,
                 size_t *out_n, struct sa_err **err)
{
    unsigned char pk[crypto_box_PUBLICKEYBYTES], sk[crypto_box_SECRETKEYBYTES];
    char mark[2 * MARK + 1], own[2 * MARK + 1];
    const char *body = body_of(sealed, n, mark);
    if (sodium_init() < 0)
        return sa_err_set(err, SA_EINTERNAL, "libsodium can't be used");
    if (body == NULL)
        return sa_err_set(err, SA_ECREDENTIAL, "the sealed file has lost its first line");
    if (read_key(secret, secret_n, SECRET_WORD, sk) != 0) {
        sodium_memzero(sk, sizeof(sk));
        return sa_err_set(err, SA_ECREDENTIAL, "the key file is not one of seal --init");
    }
    crypto_scalarmult_base(pk, sk);
    mark_of(pk, own);
    int rc = open_box(pk, sk, body, n - (size_t)(body - sealed), out, out_n);
    sodium_memzero(sk, sizeof(sk));
    if (rc == 0)
        return 0;
    if (strcmp(mark, own) != 0)
        return sa_err_set(err, SA_ECREDENTIAL,
                          "it is sealed for another key (%s, the one here is %s); seal the "
                          "kubeconfig anew for this host",
                          mark, own);
    return sa_err_set(err, SA_ECREDENTIAL, "the sealed file was changed or is not whole");
}
