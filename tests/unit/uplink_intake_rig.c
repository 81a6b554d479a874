/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink_intake_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

struct intake_rig rig;
struct intake_seen seen;
const uint8_t rig_key[32] = {1, 2, 3};

static void on_bound(void *arg, void *account)
{
    (void)arg;
    seen.bound++;
    seen.account = account;
}

static void on_gone(void *arg, void *account)
{
    (void)arg;
    (void)account;
    seen.gone++;
}

static int on_message(void *arg, void *account, const struct sa_data_header *h, const void *p,
                      size_t n, struct sa_err **err)
{
    (void)arg;
    (void)p;
    seen.account = account;
    seen.messages += h->events;
    seen.bytes += n;
    if (seen.slow && account == seen.slow) {
        seen.slow_messages++;
        usleep(2000);
    } else if (seen.others_after == 0) {
        seen.others_after = seen.slow_messages;
    }
    return seen.answer < 0 ? sa_err_set(err, SA_EPROTOCOL, "as the test wants") : 0;
}

static void on_forgery(void *arg, void *account, uint32_t pid)
{
    (void)arg;
    seen.account = account;
    seen.forgeries++;
    seen.pid = pid;
}

static const struct sa_intake_events events = {on_bound, on_gone, on_message, on_forgery};

void rig_make(void)
{
    char data[96];

    memset(&seen, 0, sizeof seen);
    snprintf(rig.dir, sizeof rig.dir, "/tmp/sa-intake-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(rig.dir));
    snprintf(data, sizeof data, "%s/data", rig.dir);
    ck_assert_int_eq(mkdir(data, 0755), 0);
    rig.loop = sa_loop_new(NULL);
    ck_assert_ptr_nonnull(rig.loop);
    rig.intake = sa_intake_new(rig.loop, rig.dir, &events, NULL, NULL);
    ck_assert_ptr_nonnull(rig.intake);
}

void rig_remove(void)
{
    char cmd[128];

    sa_intake_free(rig.intake);
    sa_loop_free(rig.loop);
    snprintf(cmd, sizeof cmd, "rm -rf %s", rig.dir);
    ck_assert_int_eq(system(cmd), 0);
}

void rig_wait_for(const unsigned *counter, unsigned want)
{
    uint64_t end = sa_mono_ns() + 5 * SA_NS_PER_S;

    while (*counter < want && sa_mono_ns() < end)
        sa_loop_turn(rig.loop, 20, NULL);
    ck_assert_uint_eq(*counter, want);
}

void rig_turn_for(unsigned ms)
{
    uint64_t end = sa_mono_ns() + ms * SA_NS_PER_MS;

    while (sa_mono_ns() < end)
        sa_loop_turn(rig.loop, 10, NULL);
}

struct sa_link *rig_add(uint32_t index, void *account)
{
    struct sa_err *err = NULL;
    struct sa_link *k = sa_intake_add(rig.intake, index, rig_key, account, &err);

    ck_assert_msg(k != NULL, "%s", sa_err_msg(err));
    return k;
}
