/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by helper.c (the process and the exec plugin) and helper_store.c (stores of secrets). */
#ifndef SA_WORKER_HELPER_INTERNAL_H
#define SA_WORKER_HELPER_INTERNAL_H

#include "base/buf.h"
#include "ipc/child.h"
#include "ipc/control.h"
#include "worker/credential_internal.h"
#include "worker/exec_run.h"
#include "worker/secret_store.h"

struct sa_helper {
    const struct sa_child_args *args;
    struct sa_account account;
    struct sa_loop *loop;
    struct sa_ctl *ctl;
    int fd;            /* to the worker; -1: it has gone */
    bool broken;       /* the worker did not go by itself */
    bool turn;         /* one of the bounded places is held, or asked for */
    struct sa_buf out; /* packets that the socket would not take: u32 length, bytes */
    struct sa_timer heartbeat;
    /* exec plugin */
    struct sa_credential *cred;
    char *info, *home;
    struct sa_err *unfit; /* why nothing can be run; NULL: something can */
    bool wanted;          /* the worker waits for an answer */
    struct sa_exec_run *run;
    /* the store that the kubeconfig is in */
    struct sa_secret_store *store; /* NULL: it is a file, or the store can't be read */
    struct sa_err *no_store;       /* why */
    bool fetch;                    /* the worker waits for it */
    bool look;                     /* it is to be read again, to see whether it is another one */
    bool known;                    /* mark is that of what the worker has */
    bool complained;               /* that it can't be read again was said */
    uint8_t mark[32];
    uint64_t read_ns; /* when it was read, or tried, last */
    struct sa_timer refresh;
};

/* helper.c */
/* Bytes, or the reason why there are none, to the worker. */
void sa_helper_answer(struct sa_helper *h, const char *bytes, size_t n,
                      const struct sa_err *reason);
/* Asks for a place to do what is wanted, unless that is done already. */
void sa_helper_want_turn(struct sa_helper *h);
/* What is run by the kubeconfig that h->cred was made of. */
int sa_helper_learn(struct sa_helper *h, struct sa_err **err);

/* helper_store.c */
void sa_helper_store_open(struct sa_helper *h);
int sa_helper_store_tell(struct sa_helper *h, struct sa_err **err); /* its files */
/* In a place of ours: reads the kubeconfig for the worker, or to compare. */
void sa_helper_store_read(struct sa_helper *h);
void sa_helper_store_fetch(struct sa_helper *h);   /* the worker asks for it */
void sa_helper_store_refused(struct sa_helper *h); /* the API server answered 401 */

#endif
