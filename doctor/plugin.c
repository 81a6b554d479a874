/* SPDX-License-Identifier: Apache-2.0 */
/* The credential helper's part (worker/helper.c), played within this process. */
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "doctor/account.h"

#define PLUGIN_LIMIT (30 * SA_NS_PER_S)
#define WAIT_LIMIT   (40 * SA_NS_PER_S)

static void packet(struct sa_patient *p, uint8_t kind, const void *text, size_t n)
{
    char piece[SA_EXEC_PIECE + 1];
    piece[0] = (char)kind;
    if (n > 0)
        memcpy(piece + 1, text, n);
    (void)send(p->plugin_fd, piece, n + 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    explicit_bzero(piece, sizeof piece);
}

static size_t piece_of(size_t n)
{
    return n < SA_EXEC_PIECE ? n : SA_EXEC_PIECE;
}

static void on_done(void *arg, const void *out, size_t n, const struct sa_err *reason)
{
    struct sa_patient *p = arg;
    p->run = NULL;
    for (size_t at = 0; reason == NULL && at < n; at += SA_EXEC_PIECE)
        packet(p, SA_EXEC_DATA, (const char *)out + at, piece_of(n - at));
    if (reason == NULL)
        packet(p, SA_EXEC_DONE, "", 0);
    else
        packet(p, SA_EXEC_ERROR, reason->msg, piece_of(strlen(reason->msg)));
}

static void on_want(void *arg, int fd, uint32_t events)
{
    struct sa_patient *p = arg;
    SA_CLEANUP(sa_err_free) struct sa_err *e = NULL;
    char kind;
    const struct passwd *pw = getpwuid(geteuid());
    (void)events;
    if (recv(fd, &kind, 1, MSG_DONTWAIT) != 1 || p->run != NULL)
        return;
    if (p->info == NULL && sa_credential_exec_info(p->cred, &p->info, &e) != 0) {
        on_done(p, NULL, 0, e);
        return;
    }
    const struct sa_exec_how how = {
        .spec = sa_credential_exec(p->cred),
        .info = p->info,
        .home = pw != NULL ? pw->pw_dir : "/",
        .pass_env = &p->account->exec_env,
        .timeout_ns = PLUGIN_LIMIT,
    };
    p->run = sa_exec_run_start(p->loop, &how, on_done, p, &e);
    if (p->run == NULL)
        on_done(p, NULL, 0, e);
}

int sa_patient_plugin(struct sa_patient *p, struct sa_err **err)
{
    int fds[2], room = (int)SA_EXEC_OUTPUT_MAX;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0) {
        sa_err_sys(err, errno, "socketpair");
        return -1;
    }
    (void)setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    p->plugin_fd = fds[0];
    if (sa_loop_fd(p->loop, p->plugin_fd, EPOLLIN, on_want, p, err) == 0)
        return fds[1];
    close(fds[1]);
    return -1;
}

bool sa_exam_plugin(struct sa_patient *p)
{
    const struct sa_exec_spec *spec = sa_credential_exec(p->cred);
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    struct sa_identity *i = NULL;
    enum sa_credential_state s = SA_CREDENTIAL_WAIT;
    uint64_t begun = sa_mono_ns();
    if (spec == NULL)
        return true;
    while (s == SA_CREDENTIAL_WAIT && sa_mono_ns() - begun < WAIT_LIMIT) {
        s = sa_credential_identity(p->cred, &i, &err);
        if (s == SA_CREDENTIAL_WAIT && sa_loop_turn(p->loop, 1000, NULL) != 0)
            break;
    }
    if (s == SA_CREDENTIAL_READY) {
        sa_identity_release(i);
        sa_exam_ok(p->x, "exec", "%s gave a credential (%.1f s)", spec->command,
                   (double)(sa_mono_ns() - begun) / (double)SA_NS_PER_S);
        return true;
    }
    sa_exam_bad(p->x, SA_HEALTH_ERROR, "exec",
                "Install the program where the agent runs, for the worker's user: it gets PATH, "
                "HOME, what the kubeconfig's env gives, and what execEnv lets through. Log it in "
                "if it keeps a login of its own.",
                "the exec plugin %s gives no credential: %s", spec->command,
                err != NULL ? sa_err_msg(err) : "it does not end");
    return false;
}

void sa_patient_plugin_end(struct sa_patient *p)
{
    sa_exec_run_kill(p->run);
    if (p->plugin_fd >= 0)
        sa_loop_fd_remove(p->loop, p->plugin_fd);
    sa_closep(&p->plugin_fd);
    free(p->info);
}
