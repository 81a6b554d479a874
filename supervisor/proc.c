/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/proc.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/process.h"
#include "supervisor/root.h"

/* How long the last messages of a dead child may take to be read. */
#define DRAIN_NS (SA_NS_PER_S / 2)
/* How long a child that closed its channel may take to end. */
#define CLOSED_NS (2 * SA_NS_PER_S)

const char *sa_role_name(enum sa_role r)
{
    static const char *const names[] = {
#define X(sym, name) [sym] = (name),
        SA_ROLE_TABLE(X)
#undef X
    };

    return r < SA_ROLE_COUNT ? names[r] : "unknown";
}

const char *sa_proc_state_name(enum sa_proc_state s)
{
    static const char *const names[] = {
#define X(sym, name) [sym] = (name),
        SA_PROC_TABLE(X)
#undef X
    };

    return s < SA_PROC_STATE_COUNT ? names[s] : "unknown";
}

const char *sa_end_name(enum sa_end e)
{
    static const char *const names[] = {
#define X(sym, name) [sym] = (name),
        SA_END_TABLE(X)
#undef X
    };

    return e < SA_END_COUNT ? names[e] : "unknown";
}

void sa_proc_init(struct sa_proc *p, struct sa_supervisor *sup, const struct sa_proc_ops *ops,
                  enum sa_role role, const char *account, void *owner)
{
    memset(p, 0, sizeof(*p));
    p->sup = sup;
    p->ops = ops;
    p->role = role;
    p->account = account;
    p->owner = owner;
}

void sa_proc_files_free(struct sa_proc *p)
{
    for (size_t i = 0; i < p->n_files; i++)
        free(p->files[i].path);
    free(p->files);
    p->files = NULL;
    p->n_files = 0;
}

void sa_proc_free(struct sa_proc *p)
{
    sa_timer_cancel(p->sup->loop, &p->timer);
    sa_timer_cancel(p->sup->loop, &p->end_timer);
    sa_ctl_free(p->ctl);
    p->ctl = NULL;
    sa_slot_free(p->slot);
    p->slot = NULL;
    sa_proc_files_free(p);
}

bool sa_proc_alive(const struct sa_proc *p)
{
    return p->state == SA_PROC_STARTING || p->state == SA_PROC_RUNNING ||
           p->state == SA_PROC_STOPPING;
}

bool sa_proc_waiting(const struct sa_proc *p)
{
    return p->state == SA_PROC_BACKOFF || p->state == SA_PROC_FAILED;
}

void sa_proc_set_error(struct sa_proc *p, const char *text)
{
    snprintf(p->last_error, sizeof(p->last_error), "%s", text);
    p->last_error_ns = sa_mono_ns();
}

/* How it ended, when nobody here ended it. */
static enum sa_end describe_end(struct sa_proc *p, bool asked)
{
    int status = p->wait_status, nr = -1;
    enum sa_end end = SA_END_EXIT;

    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) {
        struct sa_slot seen;

        sa_slot_read(p->slot, &seen);
        nr = seen.seccomp_nr > 0 ? seen.seccomp_nr - 1 : -1;
        end = SA_END_SECCOMP;
    } else if (WIFSIGNALED(status)) {
        end = SA_END_SIGNAL;
    } else if (WIFEXITED(status) && WEXITSTATUS(status) == SA_EXIT_MEMORY) {
        end = SA_END_MEMORY;
    } else if (asked && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        end = SA_END_STOPPED;
    }
    sa_exit_text(status, nr, p->last_exit, sizeof(p->last_exit));
    if (end == SA_END_MEMORY)
        snprintf(p->last_exit, sizeof(p->last_exit), "memory limit of %llu MB reached",
                 (unsigned long long)(p->memory_limit >> 20));
    return end;
}

static void log_end(const struct sa_proc *p)
{
    struct sa_field fields[] = {{"child", sa_role_name(p->role)},
                                {"reason", sa_end_name(p->end)},
                                {"of", p->account ? p->account : "-"}};

    sa_logf(p->end == SA_END_STOPPED ? SA_DEBUG : SA_WARN, fields, 3, "%s%s%s ended: %s",
            sa_role_name(p->role), p->account ? " of account " : "", p->account ? p->account : "",
            p->last_exit);
}

/* The process is reaped and its channel read to the end: closes the books and tells the owner. */
static void finish(struct sa_proc *p)
{
    bool asked = p->state == SA_PROC_STOPPING;

    sa_timer_cancel(p->sup->loop, &p->timer);
    sa_timer_cancel(p->sup->loop, &p->end_timer);
    sa_ctl_free(p->ctl);
    p->ctl = NULL;
    p->ended_ns = sa_mono_ns();
    if (p->why == SA_END_NONE)
        p->end = describe_end(p, asked);
    else
        p->end = p->why;
    p->ends[p->end]++;
    if (p->end != SA_END_STOPPED && p->last_error_ns < p->started_ns)
        sa_proc_set_error(p, p->last_exit);
    p->state = SA_PROC_IDLE;
    p->usage.rss = 0;
    p->usage.threads = 0;
    log_end(p);
    p->ops->ended(p, asked);
}

static void end_due(void *arg)
{
    struct sa_proc *p = arg;

    if (p->reaped)
        finish(p);
    else
        sa_proc_kill(p, SA_END_PROTOCOL, "closed its control channel without ending");
}

static void channel_end(void *arg, const struct sa_err *reason)
{
    struct sa_proc *p = arg;

    p->channel_ended = true;
    if (reason && !p->reaped && reason->code == SA_EPROTOCOL)
        sa_proc_kill(p, SA_END_PROTOCOL, "%s", sa_err_msg(reason));
    sa_timer_set(p->sup->loop, &p->end_timer, p->reaped ? 0 : CLOSED_NS, end_due, p);
}

void sa_proc_reaped(struct sa_proc *p, int wait_status)
{
    p->pid = 0;
    p->reaped = true;
    p->wait_status = wait_status;
    /* What it said last is still in the channel. */
    sa_timer_set(p->sup->loop, &p->end_timer, p->channel_ended ? 0 : DRAIN_NS, end_due, p);
}

void sa_proc_queue(struct sa_proc *p, uint64_t not_before_ns)
{
    sa_timer_cancel(p->sup->loop, &p->timer);
    p->state = SA_PROC_QUEUED;
    p->queued_ns = sa_mono_ns();
    p->due_ns = not_before_ns;
}

static void begin_run(struct sa_proc *p)
{
    p->state = SA_PROC_STARTING;
    p->started_ns = sa_mono_ns();
    p->ready_ns = 0;
    p->reaped = p->channel_ended = p->files_fresh = p->fatal_said = false;
    p->wait_status = 0;
    p->why = SA_END_NONE;
    p->log_tokens_ns = 0;
    memset(&p->usage, 0, sizeof(p->usage));
    if (p->starts++ > 0)
        p->restarts++;
}

static void close_pair(int (*fds)[2])
{
    sa_closep(&(*fds)[0]);
    sa_closep(&(*fds)[1]);
}

static int fork_it(struct sa_proc *p, const struct sa_proc_start *start, struct sa_err **err)
{
    SA_CLEANUP(close_pair) int fds[2] = {-1, -1};
    struct sa_child_args args = {
        .uid = start->uid,
        .gid = start->gid,
        .account = p->account,
        .index = start->index,
        .key = start->key,
        .settings = start->settings,
        .fingerprint_key = p->sup->fingerprint_key,
        .runtime_dir = p->sup->runtime_dir,
        .state_dir = p->sup->state_dir,
        .config_files = (const char *const *)p->sup->wide_files,
        .helper_fd = start->helper_fd,
    };

    p->uid = start->uid;
    if (!p->slot) {
        p->slot = sa_slot_new(err);
        if (!p->slot)
            return -1;
        /* A child sees its own slot only; and a fork need not copy those of all others. */
        madvise(p->slot, sizeof(*p->slot), MADV_DONTFORK);
    }
    memset(p->slot, 0, sizeof(*p->slot));
    p->slot->heartbeat_ns = p->started_ns;
    if (sa_ctl_pair(fds, err) < 0)
        return -1;
    p->ctl = sa_ctl_new(p->sup->loop, fds[0], sa_proc_message, channel_end, p, err);
    fds[0] = -1; /* taken over, even in failure */
    if (!p->ctl)
        return -1;
    args.control_fd = fds[1];
    args.slot = p->slot;
    madvise(p->slot, sizeof(*p->slot), MADV_DOFORK);
    p->pid = sa_spawn(p, &args, start->run, err);
    madvise(p->slot, sizeof(*p->slot), MADV_DONTFORK);
    if (p->pid < 0) {
        p->pid = 0;
        return -1;
    }
    return 0;
}

void sa_proc_start(struct sa_proc *p, const struct sa_proc_start *start)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;

    begin_run(p);
    if (fork_it(p, start, &err) == 0) {
        sa_log(SA_DEBUG, "%s%s%s started, pid %d", sa_role_name(p->role),
               p->account ? " of account " : "", p->account ? p->account : "", (int)p->pid);
        return;
    }
    p->why = SA_END_SPAWN;
    snprintf(p->last_exit, sizeof(p->last_exit), "could not be started: %s", sa_err_msg(err));
    p->reaped = p->channel_ended = true;
    sa_timer_set(p->sup->loop, &p->end_timer, 0, end_due, p);
}

static void stop_late(void *arg)
{
    struct sa_proc *p = arg;

    sa_proc_kill(p, SA_END_LATE, "did not finish in time when told to stop");
}

bool sa_proc_stop(struct sa_proc *p, uint64_t grace_ns)
{
    if (!sa_proc_alive(p)) {
        sa_timer_cancel(p->sup->loop, &p->timer);
        p->state = SA_PROC_IDLE;
        return false;
    }
    if (p->state != SA_PROC_STOPPING) {
        p->state = SA_PROC_STOPPING;
        if (!p->reaped)
            sa_proc_send(p, SA_CTL_STOP, NULL);
    } else if (sa_timer_armed(&p->timer) && p->timer.due_ns <= sa_mono_ns() + grace_ns) {
        return true;
    }
    sa_timer_set(p->sup->loop, &p->timer, grace_ns, stop_late, p);
    return true;
}

void sa_proc_kill(struct sa_proc *p, enum sa_end why, const char *fmt, ...)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    va_list ap;

    if (!sa_proc_alive(p) || p->reaped)
        return;
    if (p->why == SA_END_NONE) {
        p->why = why;
        va_start(ap, fmt);
        vsnprintf(p->last_exit, sizeof(p->last_exit), fmt, ap);
        va_end(ap);
    }
    /* Not reaped yet, so the number can't belong to another process. */
    if (p->pid > 0 && sa_kill_child(p->pid, p->uid, &err) < 0)
        sa_log(SA_ERROR, "%s", sa_err_msg(err));
}

static void retry_due(void *arg)
{
    struct sa_proc *p = arg;

    p->state = SA_PROC_IDLE;
    p->ops->due(p);
}

/* The part of the last run that counts as healthy: from READY on, and for a hung process up to its
 * last sign of life. */
static uint64_t healthy_time(const struct sa_proc *p)
{
    uint64_t end = p->ended_ns;

    if (!p->ready_ns)
        return 0;
    if (p->end == SA_END_HUNG) {
        struct sa_slot seen;

        sa_slot_read(p->slot, &seen);
        if (seen.heartbeat_ns < end)
            end = seen.heartbeat_ns;
    }
    return end > p->ready_ns ? end - p->ready_ns : 0;
}

void sa_proc_retry(struct sa_proc *p)
{
    bool hopeless = p->end == SA_END_EXIT && WIFEXITED(p->wait_status) &&
                    WEXITSTATUS(p->wait_status) == SA_EXIT_CONFIG;
    uint64_t delay_ns;
    bool failed = sa_restart_ended(&p->restart, &p->sup->policy, healthy_time(p), sa_mono_ns(),
                                   hopeless, &delay_ns);

    if (failed)
        sa_log(SA_ERROR, "%s%s%s has failed (%s); it is tried again in %llu s",
               sa_role_name(p->role), p->account ? " of account " : "",
               p->account ? p->account : "", p->last_exit,
               (unsigned long long)(delay_ns / SA_NS_PER_S));
    p->state = failed ? SA_PROC_FAILED : SA_PROC_BACKOFF;
    p->due_ns = sa_mono_ns() + delay_ns;
    sa_timer_set(p->sup->loop, &p->timer, delay_ns, retry_due, p);
}

void sa_proc_send(struct sa_proc *p, uint8_t type, const struct sa_buf *body)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;

    if (!p->ctl || p->reaped || p->channel_ended)
        return;
    if ((body && body->failed) || sa_ctl_send(p->ctl, type, body, &err) < 0)
        sa_proc_kill(p, SA_END_PROTOCOL, "could not be sent %s: %s", sa_ctl_name(type),
                     sa_err_msg(err));
}
