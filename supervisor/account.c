/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/account.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/log.h"
#include "config/settings.h"
#include "supervisor/control.h"
#include "supervisor/plan.h"
#include "supervisor/root.h"

static const struct sa_proc_ops worker_ops, helper_ops;

static void free_ref(struct sa_account_ref *r)
{
    free(r->name);
    free(r->json);
    free(r->file);
    memset(r, 0, sizeof(*r));
}

static void acct_free(struct sa_acct *a)
{
    sa_proc_free(&a->worker);
    sa_proc_free(&a->helper);
    free_ref(&a->ref);
    free(a);
}

void sa_acct_free_all(struct sa_supervisor *sup)
{
    for (size_t i = 0; i < sup->n_accounts; i++)
        acct_free(sup->accounts[i]);
    free(sup->accounts);
    sup->accounts = NULL;
    sup->n_accounts = 0;
}

/* Index of the first account whose name is not below name. */
static size_t lower_bound(const struct sa_supervisor *sup, const char *name)
{
    size_t lo = 0, hi = sup->n_accounts;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (strcmp(sup->accounts[mid]->ref.name, name) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static struct sa_acct *find_any(const struct sa_supervisor *sup, const char *name)
{
    size_t i = lower_bound(sup, name);

    return i < sup->n_accounts && strcmp(sup->accounts[i]->ref.name, name) == 0 ? sup->accounts[i]
                                                                                : NULL;
}

struct sa_acct *sa_acct_find(struct sa_supervisor *sup, const char *name)
{
    struct sa_acct *a = find_any(sup, name);

    return a && !a->removing ? a : NULL;
}

/* The lowest index that no account has: sockets' names stay few, and uids of a range are used anew.
 */
static int free_index(const struct sa_supervisor *sup, uint32_t *out)
{
    bool *used = calloc(sup->n_accounts + 1, sizeof(*used));
    uint32_t i = 0;

    if (!used)
        return -1;
    for (size_t k = 0; k < sup->n_accounts; k++)
        if (sup->accounts[k]->index <= sup->n_accounts)
            used[sup->accounts[k]->index] = true;
    while (used[i])
        i++;
    free(used);
    *out = i;
    return 0;
}

static void tell_uplink(struct sa_acct *a, uint8_t type)
{
    struct sa_buf b;

    if (!sa_proc_alive(&a->sup->uplink))
        return;
    sa_buf_init(&b, SA_CTL_MAX - 1);
    /* At once: growing would leave a part of the key in freed memory, which children inherit. */
    sa_buf_reserve(&b, 2 * sizeof(uint32_t) + strlen(a->ref.name) + SA_KEY_SIZE);
    sa_wr_u32(&b, a->index);
    if (type == SA_CTL_ACCOUNT_ADD)
        sa_wr_str(&b, a->ref.name);
    if (type != SA_CTL_ACCOUNT_REMOVE)
        for (size_t i = 0; i < SA_KEY_SIZE; i++)
            sa_wr_u8(&b, sa_keys_at(&a->sup->keys, a->index)[i]);
    sa_proc_send(&a->sup->uplink, type, &b);
    sa_buf_wipe(&b);
    sa_buf_free(&b);
}

void sa_acct_send_key(struct sa_acct *a)
{
    tell_uplink(a, SA_CTL_ACCOUNT_KEY);
}

void sa_acct_announce(struct sa_supervisor *sup)
{
    for (size_t i = 0; i < sup->n_accounts; i++)
        if (!sup->accounts[i]->removing)
            tell_uplink(sup->accounts[i], SA_CTL_ACCOUNT_ADD);
    sa_proc_send(&sup->uplink, SA_CTL_ACCOUNTS_COMPLETE, NULL);
}

/* What the supervisor itself needs of an account's settings. */
static void take_settings(struct sa_acct *a)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    struct sa_account s = {0};

    if (sa_account_from_json(a->ref.json, &s, &err) < 0) {
        sa_log(SA_ERROR, "settings of account %s: %s", a->ref.name, sa_err_msg(err));
        return;
    }
    a->worker.memory_limit = s.worker_memory_bytes > 0 ? (uint64_t)s.worker_memory_bytes : 0;
    a->helper.memory_limit = a->worker.memory_limit;
    a->start_delay_ns = s.start_delay_ms > 0 ? (uint64_t)s.start_delay_ms * SA_NS_PER_MS : 0;
    sa_account_free(&s);
}

static int insert(struct sa_supervisor *sup, struct sa_acct *a)
{
    size_t at = lower_bound(sup, a->ref.name);
    struct sa_acct **v = reallocarray(sup->accounts, sup->n_accounts + 1, sizeof(struct sa_acct *));

    if (!v)
        return -1;
    memmove(v + at + 1, v + at, (sup->n_accounts - at) * sizeof(struct sa_acct *));
    v[at] = a;
    sup->accounts = v;
    sup->n_accounts++;
    return 0;
}

int sa_acct_add(struct sa_supervisor *sup, struct sa_account_ref *ref, bool first_load,
                struct sa_err **err)
{
    struct sa_acct *a = find_any(sup, ref->name);

    if (a) { /* was removed a moment ago and is still ending */
        a->removing = false;
        sa_acct_change(a, ref);
        return 0;
    }
    a = calloc(1, sizeof(*a));
    if (!a || free_index(sup, &a->index) < 0 || sa_keys_renew(&sup->keys, a->index, err) < 0) {
        free(a);
        return err && *err ? -1 : sa_err_set(err, SA_EMEMORY, "account %s", ref->name);
    }
    a->sup = sup;
    a->ref = *ref;
    sa_proc_init(&a->worker, sup, &worker_ops, SA_ROLE_WORKER, a->ref.name, a);
    sa_proc_init(&a->helper, sup, &helper_ops, SA_ROLE_HELPER, a->ref.name, a);
    if (insert(sup, a) < 0) {
        free(a);
        return sa_err_set(err, SA_EMEMORY, "account %s", ref->name);
    }
    memset(ref, 0, sizeof(*ref));
    take_settings(a);
    tell_uplink(a, SA_CTL_ACCOUNT_ADD);
    sa_proc_queue(&a->worker, first_load ? sa_mono_ns() + a->start_delay_ns : 0);
    sa_acct_pump(sup);
    return 0;
}

void sa_acct_change(struct sa_acct *a, struct sa_account_ref *ref)
{
    free_ref(&a->ref);
    a->ref = *ref;
    memset(ref, 0, sizeof(*ref));
    a->worker.account = a->helper.account = a->ref.name;
    take_settings(a);
    sa_acct_restart(a);
}

static bool gone(const struct sa_acct *a)
{
    return !sa_proc_alive(&a->worker) && !sa_proc_alive(&a->helper);
}

/* Frees accounts that are removed and gone, from the loop, when none of their callbacks runs. */
static void sweep(void *arg)
{
    struct sa_supervisor *sup = arg;
    size_t kept = 0;

    for (size_t i = 0; i < sup->n_accounts; i++) {
        struct sa_acct *a = sup->accounts[i];

        if (a->removing && gone(a)) {
            tell_uplink(a, SA_CTL_ACCOUNT_REMOVE);
            sa_log(SA_INFO, "account %s was removed", a->ref.name);
            acct_free(a);
        } else {
            sup->accounts[kept++] = a;
        }
    }
    sup->n_accounts = kept;
}

/* What next, when both processes are gone? at_once: by order, so without a wait. */
static void settle(struct sa_acct *a, bool at_once)
{
    if (!gone(a))
        return;
    if (a->sup->stopping) {
        sa_sup_stop_step(a->sup);
    } else if (a->removing) {
        sa_timer_set(a->sup->loop, &a->sup->sweep, 0, sweep, a->sup);
    } else if (a->paused) {
        a->again = false;
    } else if (a->again || at_once) {
        a->again = false;
        sa_restart_reset(&a->worker.restart);
        sa_proc_queue(&a->worker, 0);
    } else {
        sa_proc_retry(&a->worker);
    }
    sa_acct_pump(a->sup);
}

static void worker_ended(struct sa_proc *p, bool asked)
{
    struct sa_acct *a = p->owner;

    sa_control_worker_ended(a->sup->control, p);
    sa_proc_kill(&a->helper, SA_END_STOPPED, "ended with its worker");
    settle(a, asked);
}

static void helper_ended(struct sa_proc *p, bool asked)
{
    struct sa_acct *a = p->owner;

    /* A worker whose kubeconfig names no plugin hangs up on it. */
    bool needless = WIFEXITED(p->wait_status) && WEXITSTATUS(p->wait_status) == 0;

    sa_exec_forget(p);
    if (sa_proc_alive(&a->worker) && a->worker.state != SA_PROC_STOPPING && !asked && !needless)
        sa_proc_kill(&a->worker, SA_END_HELPER, "its credential helper ended: %s", p->last_exit);
    settle(a, false);
}

static void worker_due(struct sa_proc *p)
{
    sa_proc_queue(p, 0);
    sa_acct_pump(p->sup);
}

static void helper_due(struct sa_proc *p)
{
    (void)p; /* never retried by itself */
}

static void worker_ready(struct sa_proc *p)
{
    sa_acct_pump(p->sup);
}

static int worker_message(struct sa_proc *p, uint8_t type, struct sa_rd *body)
{
    return type == SA_CTL_PLAN ? sa_plan_message(p, body) : -1;
}

static const struct sa_proc_ops worker_ops = {worker_message, worker_ended, worker_due,
                                              worker_ready};
static const struct sa_proc_ops helper_ops = {sa_exec_message, helper_ended, helper_due, NULL};

/* Stops both processes; true if at least one has yet to end. */
static bool stop(struct sa_acct *a)
{
    bool worker = sa_proc_stop(&a->worker, SA_STOP_WORKERS_NS);

    /* Without a worker the helper has nothing to wait for; else it serves until the worker ends. */
    if (!worker)
        sa_proc_kill(&a->helper, SA_END_STOPPED, "ended with its worker");
    return worker || sa_proc_alive(&a->helper);
}

void sa_acct_remove(struct sa_acct *a)
{
    a->removing = true;
    a->paused = false;
    a->again = false;
    if (!stop(a))
        sa_timer_set(a->sup->loop, &a->sup->sweep, 0, sweep, a->sup);
}

void sa_acct_restart(struct sa_acct *a)
{
    if (a->paused)
        return;
    a->again = true;
    if (!stop(a))
        settle(a, true);
}

void sa_acct_pause(struct sa_acct *a)
{
    a->paused = true;
    a->again = false;
    stop(a);
}

void sa_acct_resume(struct sa_acct *a)
{
    if (!a->paused)
        return;
    a->paused = false;
    if (gone(a))
        settle(a, true);
    else
        a->again = true;
}

enum sa_state sa_acct_state(const struct sa_acct *a, const struct sa_slot *seen)
{
    switch (a->worker.state) {
    case SA_PROC_STARTING:
    case SA_PROC_RUNNING:
        return seen->state < SA_STATE_COUNT ? (enum sa_state)seen->state : SA_STATE_STARTING;
    case SA_PROC_STOPPING:
        return SA_STATE_STOPPING;
    case SA_PROC_BACKOFF:
        return SA_STATE_BACKOFF;
    case SA_PROC_FAILED:
        return SA_STATE_FAILED;
    default:
        return a->paused ? SA_STATE_PAUSED : SA_STATE_STARTING;
    }
}
