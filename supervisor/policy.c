/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/policy.h"

#include <string.h>

#define JITTER 0.2
#define MOST   1000000

static uint64_t scaled(int64_t value, uint64_t unit_ns, uint64_t least)
{
    const uint64_t most = UINT64_C(30) * 24 * 3600 * SA_NS_PER_S;
    uint64_t v = value > 0 ? (uint64_t)value : 0;

    if (v > most / unit_ns)
        return most;
    return v * unit_ns < least ? least : v * unit_ns;
}

void sa_restart_policy_from(const struct sa_settings *s, struct sa_restart_policy *out)
{
    int64_t n = s->restart_intensity;

    out->base_ns = scaled(s->restart_base_ms, SA_NS_PER_MS, SA_NS_PER_MS);
    out->max_ns = scaled(s->restart_max_ms, SA_NS_PER_MS, out->base_ns);
    out->healthy_ns = scaled(s->restart_healthy_s, SA_NS_PER_S, 0);
    out->intensity = n < 1 ? 1 : n > MOST ? MOST : (unsigned)n;
    out->period_ns = scaled(s->restart_period_s, SA_NS_PER_S, SA_NS_PER_S);
    out->failed_retry_ns = scaled(s->failed_retry_s, SA_NS_PER_S, SA_NS_PER_S);
}

/* Ends within the period before now; moves the window on. */
static double recent(struct sa_restart *r, const struct sa_restart_policy *p, uint64_t now_ns)
{
    uint64_t passed = now_ns - r->window_ns;

    if (r->window_ns == 0 || passed >= 2 * p->period_ns) {
        r->window_ns = now_ns;
        r->ends = r->ends_before = 0;
    } else if (passed >= p->period_ns) {
        r->window_ns += p->period_ns;
        r->ends_before = r->ends;
        r->ends = 0;
    }
    passed = now_ns - r->window_ns;
    return r->ends + r->ends_before * (1.0 - (double)passed / (double)p->period_ns);
}

/* +- JITTER, so that many accounts that failed together are not tried together. */
static uint64_t jittered(uint64_t ns)
{
    uint64_t part = (uint64_t)((double)ns * JITTER);

    return ns - part + sa_random(2 * part + 1);
}

bool sa_restart_ended(struct sa_restart *r, const struct sa_restart_policy *p, uint64_t ran_ns,
                      uint64_t now_ns, bool hopeless, uint64_t *delay_ns)
{
    bool was_full;

    if (ran_ns >= p->healthy_ns) {
        sa_backoff_reset(&r->backoff);
        r->failed = false;
    }
    was_full = recent(r, p, now_ns) >= p->intensity;
    r->ends++;

    if (r->failed || hopeless || was_full) {
        r->failed = true;
        *delay_ns = jittered(p->failed_retry_ns);
        return true;
    }
    r->backoff.base_ns = p->base_ns;
    r->backoff.max_ns = p->max_ns;
    r->backoff.multiplier = 2.0;
    r->backoff.jitter = JITTER;
    *delay_ns = sa_backoff_next(&r->backoff);
    return false;
}

void sa_restart_reset(struct sa_restart *r)
{
    memset(r, 0, sizeof(*r));
}
