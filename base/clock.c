/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <limits.h>
#include <time.h>

#include "base/hash.h"

uint64_t sa_mono_ns(void)
{
    struct timespec t = {0};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SA_NS_PER_S + (uint64_t)t.tv_nsec;
}

int64_t sa_real_us(void)
{
    struct timespec t = {0};
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + (int64_t)(t.tv_nsec / 1000);
}

uint64_t sa_random(uint64_t bound)
{
    if (bound == 0) {
        return 0;
    }
    /* Values below 2^64 mod bound would make the low results likelier: draw again. */
    uint64_t unfair = (UINT64_MAX - bound + 1) % bound;
    uint64_t v;
    do {
        sa_random_bytes(&v, sizeof(v));
    } while (v < unfair);
    return v % bound;
}

uint64_t sa_backoff_next(struct sa_backoff *b)
{
    double max = (double)b->max_ns;
    double delay = (double)b->base_ns;
    /* The second bound is for a multiplier that never gets there. */
    for (unsigned i = 0; i < b->failures && i < 1000 && delay < max; i++) {
        delay *= b->multiplier;
    }
    if (b->failures < UINT_MAX) {
        b->failures++;
    }
    if (delay > max) {
        delay = max;
    }
    /* Uniform in [-1, 1] from 53 random bits, which a double holds exactly. */
    double u = (double)sa_random(UINT64_C(1) << 53) / (double)(UINT64_C(1) << 52) - 1.0;
    delay *= 1.0 + b->jitter * u;
    return delay < 1.0 ? 1 : delay >= 9.2e18 ? UINT64_C(9200000000000000000) : (uint64_t)delay;
}

void sa_backoff_reset(struct sa_backoff *b)
{
    b->failures = 0;
}
