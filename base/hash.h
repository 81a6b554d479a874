/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes, by libsodium. */
#ifndef SA_BASE_HASH_H
#define SA_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* BLAKE2b with 16 bytes of output (RFC 7693): the digest of an object, part of the wire protocol.
 */
#define SA_DIGEST_SIZE 16
struct sa_digest {
    uint8_t b[SA_DIGEST_SIZE];
};
struct sa_digest_state {
    _Alignas(64) unsigned char opaque[384];
};
void sa_digest_start(struct sa_digest_state *s);
void sa_digest_add(struct sa_digest_state *s, const void *p, size_t n);
void sa_digest_end(struct sa_digest_state *s, struct sa_digest *out);
bool sa_digest_equal(const struct sa_digest *a, const struct sa_digest *b);

/* Order-independent sum of digests: addition modulo 2^128, each digest a little-endian number. */
struct sa_sum {
    uint64_t lo, hi;
};
void sa_sum_add(struct sa_sum *s, const struct sa_digest *d);
void sa_sum_sub(struct sa_sum *s, const struct sa_digest *d);
void sa_sum_bytes(const struct sa_sum *s, uint8_t out[16]); /* little-endian, as on the wire */

/* 128-bit keyed hash (SipHash-2-4-128) for tables in memory; the key is random for each process, so
 * that nobody outside can make keys collide. Never sent. */
struct sa_hash128 {
    uint64_t a, b;
};
struct sa_hash128 sa_hash128(const void *p, size_t n);

/* Keyed BLAKE2b-256 of a file's or setting's bytes, to tell change from no change without giving
 * the content away. key is 32 bytes. */
#define SA_FINGERPRINT_SIZE 32
void sa_fingerprint(const uint8_t key[32], const void *p, size_t n,
                    uint8_t out[SA_FINGERPRINT_SIZE]);

/* Whether SHA-256 (FIPS 180-4) of the text is what hex (64 digits of either case) says; in a time
 * that does not depend on where they differ. */
bool sa_sha256_is(const char *text, const char *hex);

void sa_hex(const void *p, size_t n, char *out); /* 2n + 1 bytes */
void sa_random_bytes(void *p, size_t n);
/* Must be called once at the start of each process (initialises libsodium); aborts if it can't. */
void sa_hash_init(void);

#endif
