/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(crypto_generichash_state) <= sizeof(struct sa_digest_state),
               "libsodium's state fits");
_Static_assert(_Alignof(struct sa_digest_state) >= _Alignof(crypto_generichash_state),
               "and is aligned");

/* The key of this process's tables; set once by sa_hash_init. A child has its parent's or its own.
 */
static uint8_t table_key[crypto_shorthash_siphashx24_KEYBYTES];

void sa_hash_init(void)
{
    if (sodium_init() < 0) {
        fprintf(stderr, "scale-agent: libsodium can't be initialised: no source of randomness\n");
        abort();
    }
    randombytes_buf(table_key, sizeof(table_key));
}

static crypto_generichash_state *inner(struct sa_digest_state *s)
{
    return (crypto_generichash_state *)(void *)s->opaque;
}

void sa_digest_start(struct sa_digest_state *s)
{
    crypto_generichash_init(inner(s), NULL, 0, SA_DIGEST_SIZE);
}

void sa_digest_add(struct sa_digest_state *s, const void *p, size_t n)
{
    crypto_generichash_update(inner(s), p, n);
}

void sa_digest_end(struct sa_digest_state *s, struct sa_digest *out)
{
    crypto_generichash_final(inner(s), out->b, sizeof(out->b));
}

bool sa_digest_equal(const struct sa_digest *a, const struct sa_digest *b)
{
    return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

static uint64_t le64(const uint8_t *p)
{
    uint64_t v = 0;
    for (int i = 7; i >= 0; i--) {
        v = v << 8 | p[i];
    }
    return v;
}

static void put_le64(uint8_t *p, uint64_t v)
{
    for (int i = 0; i < 8; i++) {
        p[i] = (uint8_t)(v >> (8 * i));
    }
}

void sa_sum_add(struct sa_sum *s, const struct sa_digest *d)
{
    uint64_t lo = s->lo + le64(d->b);
    s->hi += le64(d->b + 8) + (lo < s->lo ? 1 : 0);
    s->lo = lo;
}

void sa_sum_sub(struct sa_sum *s, const struct sa_digest *d)
{
    uint64_t lo = le64(d->b);
    s->hi -= le64(d->b + 8) + (s->lo < lo ? 1 : 0);
    s->lo -= lo;
}

void sa_sum_bytes(const struct sa_sum *s, uint8_t out[16])
{
    put_le64(out, s->lo);
    put_le64(out + 8, s->hi);
}

struct sa_hash128 sa_hash128(const void *p, size_t n)
{
    uint8_t out[crypto_shorthash_siphashx24_BYTES];
    crypto_shorthash_siphashx24(out, p, n, table_key);
    return (struct sa_hash128){.a = le64(out), .b = le64(out + 8)};
}

void sa_fingerprint(const uint8_t key[32], const void *p, size_t n,
                    uint8_t out[SA_FINGERPRINT_SIZE])
{
    crypto_generichash(out, SA_FINGERPRINT_SIZE, p, n, key, 32);
}

void sa_hex(const void *p, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *b = p;
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[b[i] >> 4];
        out[2 * i + 1] = digits[b[i] & 15];
    }
    out[2 * n] = '\0';
}

void sa_random_bytes(void *p, size_t n)
{
    randombytes_buf(p, n);
}

bool sa_sha256_is(const char *text, const char *hex)
{
    uint8_t want[crypto_hash_sha256_BYTES], have[crypto_hash_sha256_BYTES];
    size_t n = 0;
    if (sodium_hex2bin(want, sizeof(want), hex, strlen(hex), NULL, &n, NULL) != 0 ||
        n != sizeof(want))
        return false;
    crypto_hash_sha256(have, (const unsigned char *)text, strlen(text));
    return sodium_memcmp(want, have, sizeof(want)) == 0;
}
