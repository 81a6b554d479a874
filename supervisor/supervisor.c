/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/asan.h"
#include "base/log.h"
#include "base/process.h"
#include "supervisor/control.h"
#include "supervisor/health.h"
#include "supervisor/notify.h"
#include "supervisor/reload.h"
#include "supervisor/root.h"
#include "supervisor/service.h"
#include "supervisor/settings.h"
#include "supervisor/watch.h"

void sa_sup_each(struct sa_supervisor *sup, void (*f)(struct sa_proc *p, void *arg), void *arg)
{
    for (size_t i = 0; i < sup->n_accounts; i++) {
        f(&sup->accounts[i]->worker, arg);
        f(&sup->accounts[i]->helper, arg);
    }
    f(&sup->uplink, arg);
    f(&sup->exporter, arg);
}

struct search {
    pid_t pid;
    struct sa_proc *found;
};

static void match(struct sa_proc *p, void *arg)
{
    struct search *s = arg;

    if (p->pid == s->pid)
        s->found = p;
}

struct sa_proc *sa_sup_find(struct sa_supervisor *sup, pid_t pid)
{
    struct search s = {.pid = pid};

    sa_sup_each(sup, match, &s);
    return s.found;
}

void sa_sup_files_reported(struct sa_supervisor *sup)
{
    sa_reload_refresh_watch(sup->reload);
}

static void send_level(struct sa_proc *p, void *arg)
{
    if (p->state == SA_PROC_STARTING || p->state == SA_PROC_RUNNING)
        sa_proc_send(p, SA_CTL_LOG_LEVEL, arg);
}

void sa_sup_set_level(struct sa_supervisor *sup, enum sa_level level)
{
    struct sa_buf b;

    if (level == sa_log_get_level())
        return;
    sa_log_set_level(level);
    sa_buf_init(&b, 16);
    sa_wr_u8(&b, (uint8_t)level);
    sa_sup_each(sup, send_level, &b);
    sa_buf_free(&b);
    sa_log(SA_INFO, "log level is %s", sa_log_level_name(level));
}

/* Signals */

static void on_child(void *arg, int sig)
{
    struct sa_supervisor *sup = arg;
    int status;
    pid_t pid;

    (void)sig;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        struct sa_proc *p;

        if (sa_reload_reaped(sup->reload, pid, status))
            continue;
        p = sa_sup_find(sup, pid);
        if (p)
            sa_proc_reaped(p, status);
    }
}

static void on_stop(void *arg, int sig)
{
    sa_log(SA_INFO, "received signal %s", sigabbrev_np(sig));
    sa_sup_stop(arg);
}

static void on_hangup(void *arg, int sig)
{
    struct sa_supervisor *sup = arg;

    (void)sig;
    sa_reload_request(sup->reload, true);
}

static void on_reopen(void *arg, int sig)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;

    (void)arg;
    (void)sig;
    if (sa_log_reopen(&err) < 0)
        sa_log(SA_ERROR, "%s", sa_err_msg(err));
}

static int take_signals(struct sa_supervisor *sup, struct sa_err **err)
{
    signal(SIGPIPE, SIG_IGN);
    if (sa_loop_signal(sup->loop, SIGCHLD, on_child, sup, err) < 0 ||
        sa_loop_signal(sup->loop, SIGTERM, on_stop, sup, err) < 0 ||
        sa_loop_signal(sup->loop, SIGINT, on_stop, sup, err) < 0 ||
        sa_loop_signal(sup->loop, SIGHUP, on_hangup, sup, err) < 0 ||
        sa_loop_signal(sup->loop, SIGUSR1, on_reopen, sup, err) < 0)
        return -1;
    return 0;
}

/* The orderly stop: workers first, since the uplink is to deliver what they say last. */

static size_t accounts_alive(const struct sa_supervisor *sup)
{
    size_t n = 0;

    for (size_t i = 0; i < sup->n_accounts; i++)
        n += sa_proc_alive(&sup->accounts[i]->worker) || sa_proc_alive(&sup->accounts[i]->helper);
    return n;
}

void sa_sup_stop_step(struct sa_supervisor *sup)
{
    if (!sup->stopping || accounts_alive(sup) > 0)
        return;
    if (sup->uplink.state == SA_PROC_STARTING || sup->uplink.state == SA_PROC_RUNNING)
        sa_proc_stop(&sup->uplink, SA_STOP_UPLINK_NS);
    if (!sa_proc_alive(&sup->uplink) && !sa_proc_alive(&sup->exporter))
        sa_loop_stop(sup->loop);
}

static void stop_account(struct sa_acct *a)
{
    if (!sa_proc_stop(&a->worker, SA_STOP_WORKERS_NS))
        sa_proc_kill(&a->helper, SA_END_STOPPED, "ended with its worker");
}

void sa_sup_stop(struct sa_supervisor *sup)
{
    if (sup->stopping)
        return;
    sup->stopping = true;
    sa_notify_stopping();
    sa_log(SA_INFO, "stopping");
    for (size_t i = 0; i < sup->n_accounts; i++)
        stop_account(sup->accounts[i]);
    sa_proc_stop(&sup->exporter, SA_STOP_WORKERS_NS);
    if (!sa_proc_alive(&sup->uplink))
        sa_proc_stop(&sup->uplink, 0);
    sa_sup_stop_step(sup);
}

/* Start and end */

static void raise_file_limit(void)
{
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
        r.rlim_cur = r.rlim_max;
        setrlimit(RLIMIT_NOFILE, &r);
    }
}

/* Its memory has what ${VAR} stands for, the keys of all workers, and settings. Where it is root's
 * nobody else could look into it anyway; else its owner is left the means to debug it. Where a core
 * goes to a program, as to systemd-coredump(8), the limit alone is not kept by the kernel
 * (core(5)). A sanitizer's search for leaks needs to look. */
static void leave_no_core(void)
{
    struct rlimit none = {0, 0};

    setrlimit(RLIMIT_CORE, &none);
    if (geteuid() == 0 && !SA_ASAN)
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

static int prepare(struct sa_supervisor *sup, struct sa_err **err)
{
    sup->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (sup->null_fd < 0)
        return sa_err_sys(err, errno, "cannot open /dev/null");
    dup2(sup->null_fd, STDIN_FILENO);
    raise_file_limit();
    leave_no_core();
    /* What a credential program leaves behind stays a descendant: see peer.h. */
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    sa_random_bytes(sup->fingerprint_key, sizeof(sup->fingerprint_key));
    sup->started_ns = sa_mono_ns();
    sup->started_us = sa_real_us();
    sup->loop = sa_loop_new(err);
    if (!sup->loop || take_signals(sup, err) < 0)
        return -1;
    sa_identity_early(&sup->identity);
    sa_service_init(sup);
    /* What every child would do for itself is done once, so that its memory is shared. */
    if (sup->mains->prepare && sup->mains->prepare(err) < 0)
        return -1;
    sup->reload = sa_reload_new(sup, err);
    if (!sup->reload)
        return -1;
    sa_notify_init(sup);
    sa_reload_request(sup->reload, false);
    sa_health_start(sup);
    return 0;
}

static void release(struct sa_supervisor *sup)
{
    sa_control_free(sup->control);
    sa_reload_free(sup->reload);
    sa_acct_free_all(sup);
    if (sup->loop) {
        sa_proc_free(&sup->uplink);
        sa_proc_free(&sup->exporter);
    }
    sa_buf_free(&sup->status);
    sa_watcher_free(sup->watcher);
    sa_loop_free(sup->loop);
    sa_keys_free(&sup->keys);
    sa_settings_free(&sup->settings);
    sa_settings_free_list(sup->config_files);
    sa_settings_free_list(sup->wide_files);
    free(sup->settings_json);
    free(sup->agent_id);
    free(sup->runtime_dir);
    free(sup->state_dir);
    sa_closep(&sup->lock_fd);
    sa_closep(&sup->null_fd);
}

int sa_supervisor_run(const struct sa_child_mains *mains, const struct sa_supervisor_options *opt)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    struct sa_supervisor *sup = calloc(1, sizeof(*sup));
    int rc;

    if (!sup)
        return SA_EXIT_FAILED;
    sup->mains = mains;
    sup->opt = opt;
    sup->lock_fd = sup->null_fd = -1;
    sa_title_set("supervisor");
    if (prepare(sup, &err) < 0 || sa_loop_run(sup->loop, &err) < 0) {
        sa_log(SA_FATAL, "%s", sa_err_msg(err));
        sup->exit_code = SA_EXIT_FAILED;
    }
    rc = sup->exit_code;
    if (rc == 0)
        sa_log(SA_INFO, "stopped");
    release(sup);
    free(sup);
    return rc;
}
