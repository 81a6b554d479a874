/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many workers start at once. A worker costs most while it sets itself up and while it reads
 * its first lists, so both are bounded; a cluster that can't be reached or is slow holds its place
 * for a while only.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "supervisor/root.h"

#define SETTING_UP_MAX 16u
#define SETTING_UP_NS  (5 * SA_NS_PER_S)
#define POLL_NS        (20 * SA_NS_PER_MS)
#define CONNECTING_NS  (2 * SA_NS_PER_S)
#define FIRST_LISTS_NS (30 * SA_NS_PER_S)

struct load {
    size_t setting_up, listing;
};

static void count(const struct sa_acct *a, uint64_t now, struct load *load)
{
    const struct sa_proc *p = &a->worker;
    uint32_t state;

    if (p->state == SA_PROC_STARTING && now - p->started_ns < SETTING_UP_NS)
        load->setting_up++;
    if (p->state != SA_PROC_STARTING && p->state != SA_PROC_RUNNING)
        return;
    if (now - p->started_ns > FIRST_LISTS_NS)
        return;
    state = *(volatile const uint32_t *)&p->slot->state;
    if (state == SA_STATE_CONNECTING && now - p->started_ns > CONNECTING_NS)
        return;
    if (state <= SA_STATE_SYNCING)
        load->listing++;
}

static int helper_pair(struct sa_acct *a, int fds[2])
{
    if (!a->ref.helper)
        return 0;
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds);
}

static void start_helper(struct sa_acct *a, int fd)
{
    struct sa_proc_start start = {
        .run = a->sup->mains->helper,
        .uid = sa_identity_worker_uid(&a->sup->identity, a->index),
        .gid = a->sup->identity.gid,
        .index = a->index,
        .settings = a->ref.json,
        .helper_fd = fd,
    };

    sa_proc_start(&a->helper, &start);
}

static void start_worker(struct sa_acct *a, int fd)
{
    uint8_t key[SA_KEY_SIZE];
    struct sa_proc_start start = {
        .run = a->sup->mains->worker,
        .uid = sa_identity_worker_uid(&a->sup->identity, a->index),
        .gid = a->sup->identity.gid,
        .index = a->index,
        .key = key,
        .settings = a->ref.json,
        .helper_fd = fd,
    };

    /* The child has this copy only: the store itself is not inherited. */
    memcpy(key, sa_keys_at(&a->sup->keys, a->index), sizeof(key));
    sa_proc_start(&a->worker, &start);
    explicit_bzero(key, sizeof(key));
}

static void start_account(struct sa_acct *a)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    int fds[2] = {-1, -1};

    /* Each worker has a key of its own, known to the uplink before the worker can use it. */
    if (a->key_used) {
        if (sa_keys_renew(&a->sup->keys, a->index, &err) < 0)
            sa_log(SA_ERROR, "account %s: %s", a->ref.name, sa_err_msg(err));
        sa_acct_send_key(a);
    }
    a->key_used = true;
    if (helper_pair(a, fds) < 0)
        sa_log(SA_ERROR, "account %s: no socket for its credential helper: %m", a->ref.name);
    if (fds[0] >= 0)
        start_helper(a, fds[1]);
    start_worker(a, fds[0]);
    sa_closep(&fds[0]);
    sa_closep(&fds[1]);
}

static void pump(void *arg)
{
    struct sa_supervisor *sup = arg;
    uint64_t now = sa_mono_ns();
    size_t limit =
        sup->settings.start_concurrency > 0 ? (size_t)sup->settings.start_concurrency : SIZE_MAX;
    struct load load = {0};
    bool queued = false;

    if (sup->stopping)
        return;
    for (size_t i = 0; i < sup->n_accounts; i++)
        count(sup->accounts[i], now, &load);
    for (size_t i = 0; i < sup->n_accounts; i++) {
        struct sa_acct *a = sup->accounts[i];

        if (a->worker.state != SA_PROC_QUEUED)
            continue;
        if (a->worker.due_ns > now || load.setting_up >= SETTING_UP_MAX || load.listing >= limit) {
            queued = true;
            continue;
        }
        start_account(a);
        load.setting_up++;
        load.listing++;
    }
    if (queued)
        sa_timer_set(sup->loop, &sup->pump, POLL_NS, pump, sup);
}

void sa_acct_pump(struct sa_supervisor *sup)
{
    sa_timer_set(sup->loop, &sup->pump, 0, pump, sup);
}
