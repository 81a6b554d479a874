/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/health.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/asan.h"
#include "base/log.h"
#include "supervisor/notify.h"
#include "supervisor/root.h"

#define TICK_NS SA_NS_PER_S
/* Processes whose memory is looked at in one tick: all of them in ten ticks, but not more than
 * costs little. */
#define SAMPLES_LEAST 8u
#define SAMPLES_MOST  50u
/* After the machine or the whole group was stopped, everyone gets this long to show life again. */
#define FROZEN_NS       (3 * SA_NS_PER_S)
#define AFTER_FROZEN_NS (5 * SA_NS_PER_S)

/* AddressSanitizer's shadow, red zones and quarantine do not count. */
#define ASAN_BYTES (SA_ASAN ? (uint64_t)512 << 20 : 0)

/* Fields of /proc/PID/stat by their numbers in proc(5). */
enum { UTIME = 14, STIME = 15, THREADS = 20, VSIZE = 23, RSS = 24, N_FIELDS = 25 };

int sa_usage_parse(const char *stat, struct sa_proc_usage *u)
{
    /* The name in parentheses may hold anything; a letter, the state, and then numbers follow its
     * last one. */
    const char *p = strrchr(stat, ')');
    long hz = sysconf(_SC_CLK_TCK), page = sysconf(_SC_PAGESIZE);
    uint64_t v[N_FIELDS] = {0};

    if (!p || strlen(p) < 4 || hz <= 0 || page <= 0)
        return -1;
    p += 3;
    for (int i = 4; i < N_FIELDS; i++) {
        char *end;

        v[i] = strtoull(p, &end, 10);
        if (end == p)
            return -1;
        p = end;
    }
    u->cpu_us = (v[UTIME] + v[STIME]) * (UINT64_C(1000000) / (uint64_t)hz);
    u->threads = v[THREADS];
    u->virtual_size = v[VSIZE];
    u->rss = v[RSS] * (uint64_t)page;
    if (u->rss > u->peak)
        u->peak = u->rss;
    return 0;
}

int sa_usage_of(pid_t pid, struct sa_proc_usage *u)
{
    char path[32], text[1024];
    SA_CLEANUP(sa_closep) int fd = -1;
    ssize_t n;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (n <= 0)
        return -1;
    text[n] = '\0';
    return sa_usage_parse(text, u);
}

static void sample(struct sa_proc *p)
{
    if (!sa_proc_alive(p) || p->reaped || sa_usage_of(p->pid, &p->usage) < 0)
        return;
    if (p->memory_limit > 0 && p->usage.rss > p->memory_limit + ASAN_BYTES)
        sa_proc_kill(p, SA_END_MEMORY,
                     "memory limit of %" PRIu64 " MB reached (%" PRIu64 " MB), killed",
                     p->memory_limit >> 20, p->usage.rss >> 20);
}

static void sample_some(struct sa_supervisor *sup)
{
    size_t n = sup->n_accounts / 10;

    n = n < SAMPLES_LEAST ? SAMPLES_LEAST : n > SAMPLES_MOST ? SAMPLES_MOST : n;
    if (n > sup->n_accounts)
        n = sup->n_accounts;
    for (; n > 0; n--) {
        struct sa_acct *a = sup->accounts[sup->sample_next++ % sup->n_accounts];

        sample(&a->worker);
        sample(&a->helper);
    }
    sample(&sup->uplink);
    sample(&sup->exporter);
    sa_usage_of(getpid(), &sup->usage);
}

static void check_heartbeat(struct sa_proc *p, void *arg)
{
    uint64_t now = *(const uint64_t *)arg;
    uint64_t timeout = (uint64_t)p->sup->settings.heartbeat_timeout_s * SA_NS_PER_S;
    uint64_t beat;

    if (!sa_proc_alive(p) || p->reaped || p->sup->settings.heartbeat_timeout_s <= 0)
        return;
    beat = *(volatile const uint64_t *)&p->slot->heartbeat_ns;
    if (beat >= now || now - beat < timeout)
        return;
    sa_proc_kill(p, SA_END_HUNG, "hung: no heartbeat for %" PRIu64 " s, killed",
                 (now - beat) / SA_NS_PER_S);
}

static void tick(void *arg)
{
    struct sa_supervisor *sup = arg;
    uint64_t now = sa_mono_ns();

    if (sup->tick_ns > 0 && now - sup->tick_ns > FROZEN_NS) {
        sa_log(SA_WARN, "the supervisor itself did not run for %" PRIu64 " s",
               (now - sup->tick_ns) / SA_NS_PER_S);
        sup->hang_after_ns = now + AFTER_FROZEN_NS;
    }
    sup->tick_ns = now;
    if (now >= sup->hang_after_ns && !sup->stopping)
        sa_sup_each(sup, check_heartbeat, &now);
    sample_some(sup);
    sa_notify_state(sup);
    sa_timer_set(sup->loop, &sup->tick, TICK_NS, tick, sup);
}

void sa_health_start(struct sa_supervisor *sup)
{
    tick(sup);
}
