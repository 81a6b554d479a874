/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/operate.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/log.h"
#include "supervisor/control.h"
#include "supervisor/root.h"

void sa_operate(struct sa_supervisor *sup, struct sa_client *client, const char *account)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    SA_CLEANUP(sa_buf_free) struct sa_buf body = {0};
    const struct ucred *peer = sa_client_peer(client);
    struct sa_proc *worker;
    int ends[2];

    sa_buf_init(&body, 16);
    if (!sa_client_is_owner(client)) {
        sa_client_error(client, SA_EREFUSED,
                        "only root and the agent's own user may run operations: they are done with "
                        "the account's credential");
        return;
    }
    worker = sa_verb_worker(sup, client, account);
    if (!worker)
        return;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0) {
        sa_err_sys(&err, errno, "a channel to the worker");
        sa_client_error(client, SA_ESYSTEM, "%s", sa_err_msg(err));
        return;
    }
    SA_CLEANUP(sa_closep) int ours = ends[0], theirs = ends[1];
    sa_wr_u32(&body, (uint32_t)peer->uid);
    sa_wr_u32(&body, (uint32_t)peer->pid);
    if (sa_ctl_send_fd(worker->ctl, SA_CTL_OPERATE, &body, ours, &err) < 0) {
        sa_client_error(client, SA_ELIMIT, "the account's worker takes no channel now: %s",
                        sa_err_msg(err));
        return;
    }
    sa_log(SA_INFO, "uid %u (pid %d) opened a channel for operations to account %s",
           (unsigned)peer->uid, (int)peer->pid, worker->account);
    if (sa_client_pass_fd(client, "{\"channel\":1}\n", theirs))
        sa_client_ok(client);
    else
        sa_client_error(client, SA_ELIMIT, "the channel could not be passed on");
}
