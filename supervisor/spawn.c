/* SPDX-License-Identifier: Apache-2.0 */
/* The fork, and what a child does before its own entry point. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/asan.h"
#include "base/log.h"
#include "base/process.h"
#include "supervisor/proc.h"
#include "supervisor/root.h"

/*
 * The order to stop comes by the control channel alone. A service manager or a terminal that
 * signals the whole group would otherwise end the uplink before the workers' last messages were
 * delivered.
 */
static void reset_signals(void)
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE};
    sigset_t none;

    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
        signal(ignored[i], SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The supervisor is the only writer of the log. Standard output belongs to the uplink, whose JSON
 * Lines sink may write there. Under AddressSanitizer its reports must come through. */
static void redirect_output(const struct sa_proc *p)
{
    if (p->role != SA_ROLE_UPLINK)
        dup2(p->sup->null_fd, STDOUT_FILENO);
    if (!SA_ASAN)
        dup2(p->sup->null_fd, STDERR_FILENO);
}

/* When memory is short the kernel takes a child before the supervisor. Only ever raised, so it
 * needs no privilege; where it can't be set nothing is lost. */
static void prefer_as_victim(void)
{
    static const char score[] = "200";
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    if (write(fd, score, sizeof(score) - 1) < 0)
        errno = 0;
    close(fd);
}

static int child_main(struct sa_proc *p, const struct sa_child_args *args, sa_child_main *run,
                      pid_t parent)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    int keep[2] = {args->control_fd, args->helper_fd};

    reset_signals();
    sa_log_set_sink(NULL, NULL);
    if (sa_die_with_parent(parent, &err) < 0)
        return SA_EXIT_FAILED;
    redirect_output(p);
    sa_close_others(keep, args->helper_fd >= 0 ? 2 : 1);
    /* Workers reach the uplink's sockets by their group; nobody else has business there. */
    umask(p->role == SA_ROLE_UPLINK ? 0007 : 0077);
    sa_log_set_identity(sa_role_name(p->role), args->account);
    if (args->account)
        sa_title_set("%s %s", sa_role_name(p->role), args->account);
    else
        sa_title_set("%s", sa_role_name(p->role));
    prefer_as_victim();
    return run(args);
}

pid_t sa_spawn(struct sa_proc *p, const struct sa_child_args *args, sa_child_main *run,
               struct sa_err **err)
{
    pid_t parent = getpid();
    pid_t pid = fork();

    if (pid < 0)
        return sa_err_sys(err, errno, "cannot fork the %s", sa_role_name(p->role));
    if (pid == 0)
        _exit(child_main(p, args, run, parent));
    return pid;
}
