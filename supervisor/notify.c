/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/notify.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "base/log.h"
#include "supervisor/reload.h"
#include "supervisor/root.h"

/* So long the start of the service waits for an uplink that does not get ready. */
#define UPLINK_PATIENCE_NS (20 * SA_NS_PER_S)

static void keep_alive(void *arg)
{
    struct sa_supervisor *sup = arg;

    sd_notify(0, "WATCHDOG=1");
    sa_timer_set(sup->loop, &sup->watchdog, sup->watchdog_ns, keep_alive, sup);
}

void sa_notify_init(struct sa_supervisor *sup)
{
    uint64_t usec = 0;

    if (sd_watchdog_enabled(0, &usec) > 0 && usec > 0) {
        sup->watchdog_ns = usec * SA_NS_PER_US / 2;
        keep_alive(sup);
    }
}

static void describe(struct sa_supervisor *sup, char *out, size_t n)
{
    size_t running = 0, failed = 0;
    const char *config =
        sa_reload_valid(sup->reload) ? "" : "; the configuration on disk is not valid";

    for (size_t i = 0; i < sup->n_accounts; i++) {
        running += sup->accounts[i]->worker.state == SA_PROC_RUNNING;
        failed += sa_proc_waiting(&sup->accounts[i]->worker);
    }
    snprintf(out, n, "%zu accounts, %zu running, %zu failing; uplink %s%s", sup->n_accounts,
             running, failed, sa_proc_state_name(sup->uplink.state), config);
}

void sa_notify_state(struct sa_supervisor *sup)
{
    char line[sizeof(sup->status_line)];

    if (!sup->configured || sup->stopping)
        return;
    if (!sup->ready_told && (sup->uplink.state == SA_PROC_RUNNING ||
                             sa_mono_ns() - sup->started_ns > UPLINK_PATIENCE_NS)) {
        sup->ready_told = true;
        sd_notify(0, "READY=1");
        sa_log(SA_INFO, "ready: %zu accounts", sup->n_accounts);
    }
    describe(sup, line, sizeof(line));
    if (strcmp(line, sup->status_line) == 0)
        return;
    memcpy(sup->status_line, line, sizeof(line));
    sd_notifyf(0, "STATUS=%s", line);
}

void sa_notify_reloading(struct sa_supervisor *sup)
{
    if (!sup->ready_told || sup->stopping)
        return;
    sup->reloading_told = true;
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, sa_mono_ns() / SA_NS_PER_US);
}

void sa_notify_reloaded(struct sa_supervisor *sup)
{
    if (sup->reloading_told && !sup->stopping)
        sd_notify(0, "READY=1");
    sup->reloading_told = false;
    sa_notify_state(sup);
}

void sa_notify_stopping(void)
{
    sd_notify(0, "STOPPING=1\nSTATUS=stopping");
}
