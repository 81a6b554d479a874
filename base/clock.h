/* SPDX-License-Identifier: Apache-2.0 */
/* Time. Durations and deadlines use the monotonic clock, in nanoseconds; only what people or other
 * machines read uses the wall clock. */
#ifndef SA_BASE_CLOCK_H
#define SA_BASE_CLOCK_H

#include <stdint.h>

#define SA_NS_PER_US UINT64_C(1000)
#define SA_NS_PER_MS UINT64_C(1000000)
#define SA_NS_PER_S  UINT64_C(1000000000)

uint64_t sa_mono_ns(void); /* CLOCK_MONOTONIC */
int64_t sa_real_us(void);  /* microseconds since the epoch, CLOCK_REALTIME */
/* Uniform random in [0, bound); 0 if bound is 0. From the kernel's generator. */
uint64_t sa_random(uint64_t bound);

/* Exponential backoff with jitter, as gRPC's: delay(n) = min(base * multiplier^n, max) * (1 +-
 * jitter). */
struct sa_backoff {
    uint64_t base_ns, max_ns;
    double multiplier, jitter; /* jitter in [0, 1) */
    unsigned failures;         /* count since the last success */
};
uint64_t sa_backoff_next(struct sa_backoff *b); /* the wait before the next try; counts a failure */
void sa_backoff_reset(struct sa_backoff *b);

#endif
