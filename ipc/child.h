/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the supervisor hands to a child it has just forked, and the child's entry points. The
 * supervisor calls run() in the new process; run never returns to it: its value is the exit code.
 */
#ifndef SA_IPC_CHILD_H
#define SA_IPC_CHILD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct sa_err;
struct sa_slot;

struct sa_child_args {
    int control_fd;       /* the child's end of the control channel */
    struct sa_slot *slot; /* shared page */
    uid_t uid;            /* to become; 0: stay as is (the daemon was not started as root) */
    gid_t gid;
    const char *account;  /* worker and helper: its name; else NULL */
    uint32_t index;       /* worker: its number, which names its ipc socket */
    const uint8_t *key;   /* worker: 32 bytes that bind it to its account at the uplink */
    const char *settings; /* JSON of this child's effective settings without secrets (config/) */
    const uint8_t *fingerprint_key;  /* 32 bytes for sa_fingerprint() of credential files */
    const char *runtime_dir;         /* "/run/scale-agent" */
    const char *state_dir;           /* "/var/lib/scale-agent" */
    const char *const *config_files; /* NULL-terminated, as read, without files of accounts; for a
                                        child with secrets of its own in them (the uplink) */
    int helper_fd; /* worker: socket to its credential helper, helper: to its worker; or -1 */
};

typedef int sa_child_main(const struct sa_child_args *args);

struct sa_child_mains {
    sa_child_main *worker, *helper, *uplink, *exporter;
    /* Called once in the supervisor before any fork, to initialise what every child needs (tables
     * of libraries) so that its pages are shared. No thread, no descriptor, no secret. May be NULL.
     */
    int (*prepare)(struct sa_err **err);
};

/* Exit codes of children, beyond 0. */
#define SA_EXIT_FAILED 1 /* said why by SA_CTL_FATAL; try again with backoff */
#define SA_EXIT_CONFIG 2 /* wrong until the configuration changes; still tried again slowly */
#define SA_EXIT_MEMORY 3 /* memory limit reached */

#endif
