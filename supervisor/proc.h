/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One child process as the supervisor sees it, whatever its role: its state, its control channel
 * and status slot, how it ended, when it is tried again. What is particular to a role is in the
 * owner's operations: account.c (workers and their credential helpers) and service.c (uplink,
 * exporter).
 *
 *        sa_proc_queue          sa_proc_start            READY
 *   idle ────────────▶ queued ────────────────▶ starting ──────▶ running
 *    ▲                   ▲ due                      │ end           │ end, sa_proc_stop
 *    │ asked for         └───── backoff, failed ◀───┴───────────────┤
 *    └────────────────────────────────────────────── stopping ◀─────┘
 */
#ifndef SA_SUPERVISOR_PROC_H
#define SA_SUPERVISOR_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/loop.h"
#include "config/reader.h"
#include "ipc/child.h"
#include "ipc/control.h"
#include "ipc/slot.h"
#include "supervisor/policy.h"

struct sa_supervisor;
struct sa_proc;

/* X(symbol, name as logged and in the process title) */
#define SA_ROLE_TABLE(X)                                                                           \
    X(SA_ROLE_WORKER, "worker")                                                                    \
    X(SA_ROLE_HELPER, "helper")                                                                    \
    X(SA_ROLE_UPLINK, "uplink")                                                                    \
    X(SA_ROLE_EXPORTER, "exporter")
enum sa_role {
#define X(sym, name) sym,
    SA_ROLE_TABLE(X)
#undef X
        SA_ROLE_COUNT
};
const char *sa_role_name(enum sa_role r);

/* X(symbol, name) */
#define SA_PROC_TABLE(X)                                                                           \
    X(SA_PROC_IDLE, "idle")         /* no process, and none is to be */                            \
    X(SA_PROC_QUEUED, "queued")     /* waits for its turn to start */                              \
    X(SA_PROC_STARTING, "starting") /* forked, has not said READY */                               \
    X(SA_PROC_RUNNING, "running")                                                                  \
    X(SA_PROC_STOPPING, "stopping") /* told to finish; killed when its time is over */             \
    X(SA_PROC_BACKOFF, "backoff")   /* ended; started again when the wait is over */               \
    X(SA_PROC_FAILED, "failed")     /* ended too often; tried again slowly */
enum sa_proc_state {
#define X(sym, name) sym,
    SA_PROC_TABLE(X)
#undef X
        SA_PROC_STATE_COUNT
};
const char *sa_proc_state_name(enum sa_proc_state s);

/* X(symbol, name in `status`). Why a process ended. */
#define SA_END_TABLE(X)                                                                            \
    X(SA_END_NONE, "none")                                                                         \
    X(SA_END_STOPPED, "stopped")   /* as asked */                                                  \
    X(SA_END_EXIT, "exit")         /* by itself */                                                 \
    X(SA_END_SIGNAL, "signal")     /* by a signal that was not ours */                             \
    X(SA_END_HUNG, "hung")         /* killed: no heartbeat */                                      \
    X(SA_END_MEMORY, "memory")     /* its memory limit */                                          \
    X(SA_END_SECCOMP, "seccomp")   /* a system call that is not allowed */                         \
    X(SA_END_PROTOCOL, "protocol") /* killed: malformed message, or channel closed */              \
    X(SA_END_FORGERY, "forgery")   /* killed: spoke for another account */                         \
    X(SA_END_HELPER, "helper")     /* killed: its credential helper ended */                       \
    X(SA_END_LATE, "late")         /* killed: did not finish in time when asked to */              \
    X(SA_END_SPAWN, "spawn")       /* could not be made */
enum sa_end {
#define X(sym, name) sym,
    SA_END_TABLE(X)
#undef X
        SA_END_COUNT
};
const char *sa_end_name(enum sa_end e);

struct sa_proc_ops {
    /* A message that is not common to all roles. -1: it is malformed, the process is ended. */
    int (*message)(struct sa_proc *p, uint8_t type, struct sa_rd *body);
    /* The process is gone, everything of it is closed, state is idle. asked: it had been told to
     * stop. */
    void (*ended)(struct sa_proc *p, bool asked);
    /* The wait after sa_proc_retry() is over; state is idle. */
    void (*due)(struct sa_proc *p);
    /* It said READY. May be NULL. */
    void (*ready)(struct sa_proc *p);
};

/* What the kernel says of a process, sampled every few seconds. */
struct sa_proc_usage {
    uint64_t rss, peak, virtual_size; /* bytes */
    uint64_t cpu_us;                  /* user and system time */
    uint64_t threads;
};

struct sa_proc {
    struct sa_supervisor *sup; /* borrowed */
    const struct sa_proc_ops *ops;
    void *owner;
    enum sa_role role;
    const char *account; /* borrowed from the owner; NULL where none */
    enum sa_proc_state state;

    pid_t pid;            /* 0: none, or reaped already */
    uid_t uid;            /* what it becomes, where it is root's to change that */
    struct sa_ctl *ctl;   /* NULL: none */
    struct sa_slot *slot; /* made at the first start, kept until sa_proc_free() */
    uint64_t started_ns, ready_ns, ended_ns; /* 0: not yet */
    uint64_t queued_ns, due_ns;              /* when it was queued; not to be started before */
    uint64_t memory_limit;                   /* bytes, 0 none */
    struct sa_proc_usage usage;

    struct sa_restart restart;
    uint64_t restarts; /* processes made after the first */
    uint64_t starts;
    uint64_t ends[SA_END_COUNT];   /* how often it ended, by reason */
    enum sa_end end;               /* of the last process */
    char last_exit[256];           /* in words; "" none */
    char last_error[SA_SLOT_TEXT]; /* from SA_CTL_FATAL or the end; "" none */
    uint64_t last_error_ns;

    struct sa_file_ref *files; /* credential files it reported, those it does not follow itself */
    size_t n_files;

    /* private to proc.c and messages.c */
    struct sa_timer timer, end_timer;
    bool exec_running; /* exec.c: holds a place to run a credential program */
    bool reaped, channel_ended;
    bool files_fresh; /* files are of the present process */
    bool fatal_said;  /* the present process said why it will exit */
    int wait_status;
    enum sa_end why;        /* why it is being ended by us */
    uint64_t log_tokens_ns; /* time up to which log records were paid for */
    uint64_t log_dropped;
};

/* What differs from child to child; the rest of sa_child_args comes from the supervisor. */
struct sa_proc_start {
    sa_child_main *run;
    uid_t uid;
    gid_t gid;
    uint32_t index;
    const uint8_t *key;   /* 32 bytes or NULL */
    const char *settings; /* JSON */
    int helper_fd;        /* stays the caller's, or -1 */
};

void sa_proc_init(struct sa_proc *p, struct sa_supervisor *sup, const struct sa_proc_ops *ops,
                  enum sa_role role, const char *account, void *owner);
/* Frees what p holds; the process must be gone. */
void sa_proc_free(struct sa_proc *p);

/* Marks it as waiting for its turn. */
void sa_proc_queue(struct sa_proc *p, uint64_t not_before_ns);
/* Forks it. If that fails, it is as if the process had ended at once: ops->ended follows, from the
 * loop. */
void sa_proc_start(struct sa_proc *p, const struct sa_proc_start *start);
/* Tells it to finish; it is killed after grace_ns. A process that waits to be started becomes idle
 * at once. Returns true if there is a process whose end will be told by ops->ended. */
bool sa_proc_stop(struct sa_proc *p, uint64_t grace_ns);
/* Ends it by SIGKILL. fmt says why, for last_exit. */
void sa_proc_kill(struct sa_proc *p, enum sa_end why, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* After ended(): waits by the restart policy, then due(). */
void sa_proc_retry(struct sa_proc *p);
/* waitpid() returned this process. */
void sa_proc_reaped(struct sa_proc *p, int wait_status);

bool sa_proc_alive(const struct sa_proc *p);   /* there is a process, or its end was not told yet */
bool sa_proc_waiting(const struct sa_proc *p); /* backoff or failed */
/* Sends without failing: what can't be sent ends the process, since it then lacks something. */
void sa_proc_send(struct sa_proc *p, uint8_t type, const struct sa_buf *body);

/* messages.c: the messages that every role may send. */
int sa_proc_message(void *arg, uint8_t type, struct sa_rd *body);
void sa_proc_set_error(struct sa_proc *p, const char *text);
void sa_proc_files_free(struct sa_proc *p);

/* spawn.c: the fork and what the child does before its entry point. Returns the child's pid, -1
 * with *err. Does not return in the child. */
pid_t sa_spawn(struct sa_proc *p, const struct sa_child_args *args, sa_child_main *run,
               struct sa_err **err);

#endif
