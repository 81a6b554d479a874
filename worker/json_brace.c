/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/json_brace.h"

#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define BLOCK 64

/* Of a block of 64 bytes, a bit for each byte: which are what. */
struct masks {
    uint64_t quote, backslash, open, close;
};

#ifdef __SSE2__
static inline uint64_t equal16(__m128i v, char c)
{
    return (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8(c)));
}

static inline struct masks look(const char *p)
{
    struct masks m = {0};
    for (unsigned i = 0; i < BLOCK; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
        m.quote |= equal16(v, '"') << i;
        m.backslash |= equal16(v, '\\') << i;
        m.open |= equal16(v, '{') << i;
        m.close |= equal16(v, '}') << i;
    }
    return m;
}
#else
/* A bit for each of the eight bytes of v, the first the lowest, that is c. */
static inline uint64_t equal8(uint64_t v, char c)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), low7 = ones * 0x7f;
    uint64_t t = v ^ (ones * (unsigned char)c);
    uint64_t zero = ~(((t & low7) + low7) | t | low7) >> 7; /* 1 in the bytes of t that are 0 */
    return zero * UINT64_C(0x0102040810204080) >> 56;
}

static inline struct masks look(const char *p)
{
    struct masks m = {0};
    for (unsigned i = 0; i < BLOCK; i += 8) {
        uint64_t v;
        memcpy(&v, p + i, sizeof(v));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        v = __builtin_bswap64(v);
#endif
        m.quote |= equal8(v, '"') << i;
        m.backslash |= equal8(v, '\\') << i;
        m.open |= equal8(v, '{') << i;
        m.close |= equal8(v, '}') << i;
    }
    return m;
}
#endif

/* The bytes that a backslash stands before. */
static inline uint64_t escaped(struct sa_json_brace *b, uint64_t backslash)
{
    uint64_t out = b->escape;
    backslash &= ~out;
    b->escape = 0;
    while (backslash != 0) {
        uint64_t first = backslash & (0 - backslash);
        uint64_t next = first << 1;
        b->escape = next == 0;
        out |= next;
        backslash &= ~(first | next);
    }
    return out;
}

/* Bit i of the result: whether an odd number of bits up to and with i are set. */
static inline uint64_t parity(uint64_t v)
{
    v ^= v << 1;
    v ^= v << 2;
    v ^= v << 4;
    v ^= v << 8;
    v ^= v << 16;
    v ^= v << 32;
    return v;
}

/* As sa_json_brace, for one block. */
static inline size_t block(struct sa_json_brace *b, const char *p)
{
    struct masks m = look(p);
    uint64_t quote = m.quote;
    if ((m.backslash | b->escape) != 0) {
        quote &= ~escaped(b, m.backslash);
    }
    uint64_t string = parity(quote) ^ b->in_string;
    b->in_string = 0 - (string >> 63);
    uint64_t close = m.close & ~string;
    uint64_t both = (m.open & ~string) | close;
    while (both != 0) {
        uint64_t first = both & (0 - both);
        if ((close & first) == 0) {
            b->depth++;
        } else if (b->depth <= 1) {
            return (size_t)__builtin_ctzll(first) + 1;
        } else {
            b->depth--;
        }
        both ^= first;
    }
    return 0;
}

size_t sa_json_brace(struct sa_json_brace *b, const char *p, size_t n)
{
    size_t at = 0;
    while (n - at >= BLOCK) {
        size_t end = block(b, p + at);
        if (end != 0) {
            return at + end;
        }
        at += BLOCK;
    }
    if (at == n) {
        return 0;
    }
    /* The rest with spaces behind it; they change nothing but an escape that is still open. */
    char rest[BLOCK];
    size_t left = n - at;
    memset(rest, ' ', sizeof(rest));
    memcpy(rest, p + at, left);
    size_t backslashes = 0;
    while (backslashes < left && rest[left - 1 - backslashes] == '\\') {
        backslashes++;
    }
    uint64_t was = b->escape;
    size_t end = block(b, rest);
    /* An odd run of backslashes at the end escapes what comes; an escaped one begins no escape. */
    b->escape = (backslashes + (backslashes == left ? was : 0)) & 1;
    return end != 0 ? at + end : 0;
}
