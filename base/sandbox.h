/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sandbox of a child, in the order of the design: no_new_privs and not dumpable; uid; limits;
 * Landlock (which binds the calling thread and those it makes); then the child starts nng and curl;
 * then seccomp on every thread (TSYNC). One file a mechanism: sandbox_landlock.c,
 * sandbox_seccomp.c. What the kernel lacks is listed in the report; with required set, a lack is an
 * error.
 */
#ifndef SA_BASE_SANDBOX_H
#define SA_BASE_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct sa_err;

enum sa_sandbox_profile {
    SA_SANDBOX_READER,   /* config reader: no network, no file opened later */
    SA_SANDBOX_WORKER,   /* TCP to its API server or proxy, the ipc socket, files listed */
    SA_SANDBOX_HELPER,   /* may exec what the account names */
    SA_SANDBOX_UPLINK,   /* TCP to Clouddriver, its own state directory */
    SA_SANDBOX_EXPORTER, /* listens on one TCP port */
};

/* A path that stays usable after Landlock. The rule holds for the file that is there now: what is
 * replaced by renaming (a projected token, a sqlite journal) must be given by its folder. The files
 * that name resolution needs are added for profiles with a network. */
struct sa_sandbox_path {
    const char *path;
    bool write; /* read and write, make and remove below it; else read only */
    bool exec;
    bool optional; /* not an error if it does not exist */
};

struct sa_sandbox {
    enum sa_sandbox_profile profile;
    bool required; /* `sandbox: required`: refuse to run when a mechanism is missing */
    bool off;      /* `sandbox: off` (diagnosis only): no Landlock, no seccomp; the rest stays */
    uid_t uid;     /* 0: keep the present one (not started as root) */
    gid_t gid;
    const struct sa_sandbox_path *paths;
    size_t n_paths;
    /* Ports that may be connected to, with ABI 4 of Landlock; 53 is added for profiles with a
     * network. For a helper an empty list means any port: its programs choose their own. */
    const uint16_t *tcp_connect;
    size_t n_tcp_connect;
    const uint16_t *tcp_bind;
    size_t n_tcp_bind;
    uint64_t max_memory; /* bytes of data (RLIMIT_DATA; thread stacks count, too), 0: none */
    uint64_t max_files;  /* RLIMIT_NOFILE, 0: as inherited */
};

/* What is in force, for the log and `status`. */
struct sa_sandbox_report {
    bool no_new_privs, uid_dropped, landlock, landlock_tcp, seccomp;
    int landlock_abi;                    /* 0: none */
    char lacks[160];                     /* "landlock (kernel too old), ..." or "" */
    uint64_t resolver_dev, resolver_ino; /* of /etc/resolv.conf at sa_sandbox_enter */
};

/* First step, before any thread: everything but seccomp. A path that is missing and not optional is
 * an error, whatever `required` says. Afterwards the stacks of new threads have 256 KB. */
int sa_sandbox_enter(const struct sa_sandbox *s, struct sa_sandbox_report *rep,
                     struct sa_err **err);

/* Where the number (plus 1) of a system call goes that is about to end this process; NULL: nowhere.
 * Call before sa_sandbox_seal(); *field lives in memory shared with the parent (ipc/slot.h). */
void sa_sandbox_report_syscall_to(int32_t *field);

/* Second step, when all long-lived threads run: seccomp with TSYNC, deny by default with kill.
 * Checks by /proc/self/task that each thread is confined. Threads may still be made afterwards
 * (they inherit everything), processes only by a helper. Nothing may be loaded as code any more:
 * what is to be had by dlopen() must be there already. */
int sa_sandbox_seal(const struct sa_sandbox *s, struct sa_sandbox_report *rep, struct sa_err **err);

/* True when /etc/resolv.conf is not the file any more that was there at sa_sandbox_enter: names
 * can't be resolved by the new one; the process should end in order and be started anew. */
bool sa_sandbox_resolver_replaced(const struct sa_sandbox_report *rep);

/* Name of a system call by libseccomp, or "nr N". */
void sa_syscall_name(int nr, char *out, size_t n);

#endif
