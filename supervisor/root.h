/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor's root object: everything that it knows. Private to supervisor/. Each part of it
 * belongs to one file, which is named beside it.
 */
#ifndef SA_SUPERVISOR_ROOT_H
#define SA_SUPERVISOR_ROOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/loop.h"
#include "config/reader.h"
#include "ipc/child.h"
#include "supervisor/account.h"
#include "supervisor/identity.h"
#include "supervisor/keys.h"
#include "supervisor/policy.h"
#include "supervisor/proc.h"
#include "supervisor/supervisor.h"

/* The time that an orderly stop may take, and how the workers and then the uplink share it. */
#define SA_STOP_WORKERS_NS (3400 * SA_NS_PER_MS)
#define SA_STOP_UPLINK_NS  (1200 * SA_NS_PER_MS)

struct sa_watcher;
struct sa_reload;
struct sa_control;

struct sa_supervisor {
    const struct sa_supervisor_options *opt;
    const struct sa_child_mains *mains;
    struct sa_loop *loop;
    uint64_t started_ns;
    int64_t started_us; /* wall clock */
    int null_fd;
    uint8_t fingerprint_key[SA_FINGERPRINT_SIZE];

    /* supervisor.c: what is in force */
    bool configured, stopping, ready_told, reloading_told;
    int exit_code;
    struct sa_settings settings;
    char *settings_json;
    uint8_t settings_fingerprint[SA_FINGERPRINT_SIZE];
    uint8_t uplink_fingerprint[SA_FINGERPRINT_SIZE];
    char **config_files; /* NULL-terminated, in the order of merging */
    char **wide_files;   /* those of them that may hold agent-wide keys */
    char *runtime_dir, *state_dir, *agent_id;
    struct sa_restart_policy policy;
    struct sa_identity identity; /* identity.c */
    struct sa_timer uplink_stop;

    /* account.c */
    struct sa_acct **accounts; /* by name */
    size_t n_accounts;
    struct sa_keys keys; /* keys.c */
    struct sa_timer pump, sweep;
    struct sa_proc *exec_waiting[SA_EXEC_QUEUE]; /* exec.c */
    size_t n_exec_waiting, n_exec_running;

    /* service.c */
    struct sa_proc uplink, exporter;
    struct sa_buf status; /* what the exporter is being sent */
    size_t status_sent;
    uint32_t status_id; /* of the question that it answers */

    /* health.c */
    struct sa_timer tick;
    uint64_t tick_ns;       /* of the last tick */
    uint64_t hang_after_ns; /* no process is called hung before */
    size_t sample_next;
    struct sa_proc_usage usage; /* of the supervisor itself */

    struct sa_reload *reload;   /* reload.c */
    struct sa_watcher *watcher; /* watch.c */
    struct sa_control *control; /* control.c */
    uint32_t plan_id;           /* plan.c: of the last question */
    int lock_fd;
    uint64_t watchdog_ns; /* notify.c: interval of keep-alives, 0 none */
    struct sa_timer watchdog;
    char status_line[160];
};

/* The process whose number is pid, NULL if it is none of ours. */
struct sa_proc *sa_sup_find(struct sa_supervisor *sup, pid_t pid);
/* Calls f for each process record, running or not. */
void sa_sup_each(struct sa_supervisor *sup, void (*f)(struct sa_proc *p, void *arg), void *arg);
/* A child reported the credential files it was made from. */
void sa_sup_files_reported(struct sa_supervisor *sup);
/* Begins the orderly stop, once. */
void sa_sup_stop(struct sa_supervisor *sup);
/* A process ended during the stop: goes on with the next step. */
void sa_sup_stop_step(struct sa_supervisor *sup);
/* Sets the level here and in every child. */
void sa_sup_set_level(struct sa_supervisor *sup, enum sa_level level);

#endif
