/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a child that ended is started again: one rule for all of them. Waits grow exponentially with
 * jitter and start anew after a run that lasted healthy_ns. More than `intensity` ends within
 * period_ns, or an end that only a new configuration can cure, make the child `failed`: it is then
 * tried once every failed_retry_ns, until a run is healthy. Pure: time comes from the caller.
 */
#ifndef SA_SUPERVISOR_POLICY_H
#define SA_SUPERVISOR_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "config/settings.h"

struct sa_restart_policy {
    uint64_t base_ns, max_ns, healthy_ns; /* backoff */
    unsigned intensity;                   /* ends within period_ns that are borne, at least 1 */
    uint64_t period_ns, failed_retry_ns;
};

/* From the keys of the configuration, brought into a range that makes sense. */
void sa_restart_policy_from(const struct sa_settings *s, struct sa_restart_policy *out);

/* The history of one child; zero-initialised. */
struct sa_restart {
    struct sa_backoff backoff;
    /* Ends in the present period and in the one before: a sliding window in constant memory, whose
     * count is exact while the one before has none, and else taken as evenly spread. */
    uint64_t window_ns; /* begin of the present period, 0 none */
    unsigned ends, ends_before;
    bool failed;
};

/* Notes that a child ended at now_ns after a run of ran_ns. hopeless: it said that it can't work as
 * it is configured. Returns true when the child counts as failed. *delay_ns is the wait before the
 * next try, in both cases. */
bool sa_restart_ended(struct sa_restart *r, const struct sa_restart_policy *p, uint64_t ran_ns,
                      uint64_t now_ns, bool hopeless, uint64_t *delay_ns);
/* Forgets everything: the configuration changed, or a person asked for the start. */
void sa_restart_reset(struct sa_restart *r);

#endif
