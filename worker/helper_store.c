/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The credential helper's other duty: a kubeconfig that is in a store of secrets. It is read when
 * the worker starts, then from time to time, and when the API server no longer takes it. One that
 * changed is not handed to a running worker: the account starts anew, as it does when a file
 * changes.
 */
#include <sodium.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "ipc/slot.h"
#include "worker/helper_internal.h"

#define LEAST_S    5                  /* between two readings */
#define AGAIN_S    30                 /* after one that failed */
#define REFUSED_NS (15 * SA_NS_PER_S) /* a 401 to what is younger is no reason to read it again */

void sa_helper_store_open(struct sa_helper *h)
{
    if (sa_credential_is_fetched(&h->account))
        (void)sa_secret_store_open(&h->account, h->args->fingerprint_key, &h->store, &h->no_store);
}

/* A file that is replaced and that this process can't read starts the account anew. */
int sa_helper_store_tell(struct sa_helper *h, struct sa_err **err)
{
    size_t n = 0;
    SA_CLEANUP(sa_buf_free) struct sa_buf b = {0};
    if (h->store == NULL)
        return 0;
    const struct sa_credential_file *f = sa_secret_store_files(h->store, &n);
    sa_buf_init(&b, SA_CTL_MAX);
    sa_wr_u32(&b, (uint32_t)n);
    for (size_t i = 0; i < n; i++)
        sa_ctl_put_file(&b, f[i].path, f[i].fingerprint, f[i].rereads);
    if (b.failed)
        return sa_err_set(err, SA_EMEMORY, "credential helper");
    return sa_ctl_send(h->ctl, SA_CTL_FILES, &b, err);
}

static void on_refresh(void *arg)
{
    struct sa_helper *h = arg;
    h->look = true;
    sa_helper_want_turn(h);
}

/* Random within a tenth, so that accounts which started together do not go on together. */
static void schedule(struct sa_helper *h, bool good)
{
    int64_t s = h->account.secrets_refresh_s, renew = sa_secret_store_renew_s(h->store);
    s = renew < s ? renew : s;
    s = !good && s > AGAIN_S ? AGAIN_S : s;
    s = s < LEAST_S ? LEAST_S : s;
    uint64_t tenth = (uint64_t)s * (SA_NS_PER_S / SA_NS_PER_MS) / 10;
    uint64_t ms = 9 * tenth + randombytes_uniform((uint32_t)(2 * tenth) + 1);
    (void)sa_timer_set(h->loop, &h->refresh, ms * SA_NS_PER_MS, on_refresh, h);
}

static void alive(void *arg)
{
    struct sa_helper *h = arg;
    h->args->slot->heartbeat_ns = sa_mono_ns();
}

/* What the fetched kubeconfig runs, where it may. */
static void learn(struct sa_helper *h, const struct sa_secret *kubeconfig)
{
    sa_credential_free(h->cred);
    h->cred = NULL;
    sa_err_free(&h->unfit);
    if (!h->account.allow_exec) {
        sa_err_set(&h->unfit, SA_ECONFIG, "allowExec is not set");
        return;
    }
    if (sa_credential_open_fetched(&h->account, kubeconfig, h->args->fingerprint_key, 0, 0,
                                   &h->cred, &h->unfit) == 0)
        (void)sa_helper_learn(h, &h->unfit);
    if (h->cred != NULL)
        sa_credential_forget(h->cred);
}

/* The worker's start: what it gets is what later ones are compared with. */
static void hand_over(struct sa_helper *h, const struct sa_secret *s, const struct sa_err *reason)
{
    h->fetch = false;
    h->known = reason == NULL;
    if (reason == NULL) {
        sa_fingerprint(h->args->fingerprint_key, s->p, s->n, h->mark);
        learn(h, s);
    }
    sa_helper_answer(h, s->p, s->n, reason);
}

static void compare(struct sa_helper *h, const struct sa_secret *s, const struct sa_err *reason)
{
    uint8_t mark[32];
    if (reason != NULL) {
        if (!h->complained)
            sa_log(SA_WARN, "the kubeconfig can't be read again, the last one stays: %s",
                   sa_err_msg(reason));
        h->complained = true;
        return;
    }
    if (h->complained)
        sa_log(SA_INFO, "the kubeconfig can be read again");
    h->complained = false;
    sa_fingerprint(h->args->fingerprint_key, s->p, s->n, mark);
    if (h->known && memcmp(mark, h->mark, sizeof(mark)) != 0)
        (void)sa_ctl_send(h->ctl, SA_CTL_CREDENTIAL_CHANGED, NULL, NULL);
}

void sa_helper_store_read(struct sa_helper *h)
{
    SA_CLEANUP(sa_secret_free) struct sa_secret s = {0};
    SA_CLEANUP(sa_err_free) struct sa_err *e = NULL;
    (void)sa_secret_store_fetch(h->store, alive, h, &s, &e);
    h->read_ns = sa_mono_ns();
    h->look = false;
    if (h->fetch)
        hand_over(h, &s, e);
    else
        compare(h, &s, e);
    schedule(h, e == NULL);
}

void sa_helper_store_fetch(struct sa_helper *h)
{
    SA_CLEANUP(sa_err_free) struct sa_err *e = NULL;
    h->fetch = true;
    if (h->store != NULL) {
        sa_helper_want_turn(h);
        return;
    }
    sa_err_set(&e, h->no_store != NULL ? h->no_store->code : SA_EINTERNAL, "%s",
               h->no_store != NULL ? h->no_store->msg : "the kubeconfig is in no store");
    hand_over(h, &(struct sa_secret){0}, e);
}

void sa_helper_store_refused(struct sa_helper *h)
{
    if (h->store == NULL || !h->known || sa_mono_ns() - h->read_ns < REFUSED_NS)
        return;
    h->look = true;
    sa_helper_want_turn(h);
}
