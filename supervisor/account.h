/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The accounts: each has a worker and, where exec plugins are allowed, a credential helper beside
 * it. Worker and helper live and end together.
 */
#ifndef SA_SUPERVISOR_ACCOUNT_H
#define SA_SUPERVISOR_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "config/reader.h"
#include "ipc/slot.h"
#include "supervisor/proc.h"

#define SA_EXEC_QUEUE 4096u /* helpers that may wait for their turn */

struct sa_supervisor;

struct sa_acct {
    struct sa_supervisor *sup;
    struct sa_account_ref ref; /* owned */
    uint32_t index;            /* names its ipc socket; unique among those that exist */
    uint64_t start_delay_ns;   /* at the daemon's own start */
    bool paused;
    bool removing; /* leaves the table when its processes are gone */
    bool again;    /* is being stopped to be started anew */
    bool key_used; /* the present key was given to a worker */
    struct sa_proc worker, helper;
};

/* Takes over *ref (which is emptied). The worker is queued; the uplink is told. */
int sa_acct_add(struct sa_supervisor *sup, struct sa_account_ref *ref, bool first_load,
                struct sa_err **err);
/* New settings of an account that exists: takes over *ref and restarts the worker. */
void sa_acct_change(struct sa_acct *a, struct sa_account_ref *ref);
/* Stops the worker, then has the uplink retract the account's rows. */
void sa_acct_remove(struct sa_acct *a);
void sa_acct_restart(struct sa_acct *a);
void sa_acct_pause(struct sa_acct *a);
void sa_acct_resume(struct sa_acct *a);
/* NULL if there is none, or it is being removed. */
struct sa_acct *sa_acct_find(struct sa_supervisor *sup, const char *name);
/* What to show: the worker's own state, or the supervisor's where no worker runs. */
enum sa_state sa_acct_state(const struct sa_acct *a, const struct sa_slot *seen);
/* Sends the uplink the whole list, with the keys in use. */
void sa_acct_announce(struct sa_supervisor *sup);
/* Tells the uplink the account's new key. */
void sa_acct_send_key(struct sa_acct *a);
/* start.c: starts what is queued, as far as the bounds allow, soon. */
void sa_acct_pump(struct sa_supervisor *sup);
void sa_acct_free_all(struct sa_supervisor *sup);

/* exec.c: the bounded places to run credential programs. message() of helpers. */
int sa_exec_message(struct sa_proc *p, uint8_t type, struct sa_rd *body);
void sa_exec_forget(struct sa_proc *p); /* the helper ended */

#endif
