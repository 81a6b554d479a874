/* SPDX-License-Identifier: Apache-2.0 */
/* Credential programs of all accounts share a bounded number of places, first come, first served: a
 * hundred of them at once would starve what they are for. */
#include <string.h>

#include "base/log.h"
#include "supervisor/account.h"
#include "supervisor/root.h"

static void grant(struct sa_supervisor *sup)
{
    size_t most = sup->settings.exec_concurrency > 0 ? (size_t)sup->settings.exec_concurrency : 1;

    while (sup->n_exec_waiting > 0 && sup->n_exec_running < most) {
        struct sa_proc *p = sup->exec_waiting[0];

        sup->n_exec_waiting--;
        memmove(sup->exec_waiting, sup->exec_waiting + 1,
                sup->n_exec_waiting * sizeof(struct sa_proc *));
        p->exec_running = true;
        sup->n_exec_running++;
        sa_proc_send(p, SA_CTL_EXEC_GRANT, NULL);
    }
}

static void give_back(struct sa_proc *p)
{
    if (!p->exec_running)
        return;
    p->exec_running = false;
    p->sup->n_exec_running--;
}

void sa_exec_forget(struct sa_proc *p)
{
    struct sa_supervisor *sup = p->sup;
    size_t kept = 0;

    give_back(p);
    for (size_t i = 0; i < sup->n_exec_waiting; i++)
        if (sup->exec_waiting[i] != p)
            sup->exec_waiting[kept++] = sup->exec_waiting[i];
    sup->n_exec_waiting = kept;
    grant(sup);
}

static int want(struct sa_proc *p)
{
    struct sa_supervisor *sup = p->sup;

    if (p->exec_running)
        return -1;
    for (size_t i = 0; i < sup->n_exec_waiting; i++)
        if (sup->exec_waiting[i] == p)
            return -1;
    if (sup->n_exec_waiting == SA_EXEC_QUEUE) {
        sa_log(SA_ERROR, "account %s: more than %u credential helpers wait", p->account,
               SA_EXEC_QUEUE);
        return -1;
    }
    sup->exec_waiting[sup->n_exec_waiting++] = p;
    grant(sup);
    return 0;
}

int sa_exec_message(struct sa_proc *p, uint8_t type, struct sa_rd *body)
{
    if (!sa_rd_done(body))
        return -1;
    if (type == SA_CTL_EXEC_WANT)
        return want(p);
    if (type == SA_CTL_CREDENTIAL_CHANGED) {
        sa_log(SA_INFO, "account %s: its kubeconfig is another one now, its worker starts anew",
               p->account);
        sa_acct_restart(p->owner);
        return 0;
    }
    if (type != SA_CTL_EXEC_DONE || !p->exec_running)
        return -1;
    give_back(p);
    grant(p->sup);
    return 0;
}
