/* SPDX-License-Identifier: Apache-2.0 */
/* The inner loop of reading JSON: over the bytes of a string that need no thought. */
#ifndef SA_WORKER_JSON_PLAIN_H
#define SA_WORKER_JSON_PLAIN_H

#include <stdint.h>
#include <string.h>

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

/* The first byte in [p, end) that is a quote, a backslash, below 0x20 or above 0x7f; or end. */
static inline const char *sa_json_plain(const char *p, const char *end)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
    const __m128i control = _mm_set1_epi8(0x20);
    while (end - p >= 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        /* The comparison is signed, so what is above 0x7f counts as below 0x20. */
        __m128i hit =
            _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash)),
                         _mm_cmplt_epi8(v, control));
        unsigned mask = (unsigned)_mm_movemask_epi8(hit);
        if (mask != 0) {
            return p + __builtin_ctz(mask);
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

#endif
