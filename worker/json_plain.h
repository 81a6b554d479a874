/* SPDX-License-Identifier: Apache-2.0 */
/* The inner loop of reading JSON: over the bytes of a string that need no thought. */
#ifndef SA_WORKER_JSON_PLAIN_H
#define SA_WORKER_JSON_PLAIN_H

#include <stdint.h>
#include <string.h>

#include "worker/json.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define SA_LIKELY(x)   __builtin_expect(!!(x), 1)
#define SA_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* Eight bytes at a time: a byte of the result has its high bit set if the byte of v is a quote, a
 * backslash, a control character or not ASCII. A borrow can set bits too many, only above a byte
 * that is right: the lowest is exact. */
static inline uint64_t sa_json_special8(uint64_t v)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t quote = v ^ (ones * '"'), backslash = v ^ (ones * '\\');
    uint64_t hit = (quote - ones) | (backslash - ones) | (v - ones * 0x20) | v;
    return hit & (ones * 0x80);
}

#ifdef __SSE2__
/* A bit for each of the 16 bytes at p that is such a byte. */
static inline unsigned sa_json_special16(const char *p)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
    __m128i backslash = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));
    /* The comparison is signed, so what is above 0x7f counts as below 0x20. */
    __m128i control = _mm_cmplt_epi8(v, _mm_set1_epi8(0x20));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, backslash), control));
}
#endif

/* The first byte in [p, end) that is a quote, a backslash, below 0x20 or above 0x7f; or end. */
static inline const char *sa_json_plain(const char *p, const char *end)
{
#ifdef __SSE2__
    while (end - p >= 16) {
        unsigned hit = sa_json_special16(p);
        if (hit != 0) {
            return p + __builtin_ctz(hit);
        }
        p += 16;
    }
#endif
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    while (end - p >= 8) {
        uint64_t v;
        memcpy(&v, p, sizeof(v));
        v = sa_json_special8(v);
        if (v != 0) {
            return p + __builtin_ctzll(v) / 8;
        }
        p += 8;
    }
#endif
    while (p < end && *p != '"' && *p != '\\' && (unsigned char)*p >= 0x20 &&
           (unsigned char)*p < 0x80) {
        p++;
    }
    return p;
}

/* As sa_json_string, without a call for what most strings are: short and plain. */
static inline const char *sa_json_quick(const char *p, const char *end, bool *escaped,
                                        struct sa_json_fault *fault)
{
#ifdef __SSE2__
    if (SA_LIKELY(end - p >= 16)) {
        unsigned hit = sa_json_special16(p);
        if (SA_LIKELY(hit != 0 && p[__builtin_ctz(hit)] == '"')) {
            return p + __builtin_ctz(hit) + 1;
        }
    }
#endif
    return sa_json_string(p, end, escaped, fault);
}

#endif
