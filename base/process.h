/* SPDX-License-Identifier: Apache-2.0 */
/* Processes: forking, titles, limits, dropping privileges, descriptors. */
#ifndef SA_BASE_PROCESS_H
#define SA_BASE_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct sa_err;

/* Takes the memory of argv and of the environment, which is moved (environment.h), for titles; call
 * first thing in main. */
void sa_title_init(int argc, char **argv);
/* Process title "scale-agent: <fmt...>" as ps(1) shows it, and the short name of the main thread.
 */
void sa_title_set(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* In a new child: SIGKILL when the parent dies; -1 if it is dead already. */
int sa_die_with_parent(pid_t parent, struct sa_err **err);

/* In a new child: every signal has its default action again and none is blocked, but for SIGPIPE,
 * which is ignored (a broken connection is an error code). Before exec, set SIGPIPE to its default.
 */
void sa_signals_reset(void);

/* Closes every descriptor >= 3 but those in keep[n] (any order, at most 64). */
void sa_close_others(const int *keep, size_t n);

/* No core, not dumpable, no new privileges. */
int sa_harden_self(struct sa_err **err);

/* open(2) to read, without a thread beside. Root without CAP_DAC_READ_SEARCH, which a service
 * manager may have taken from it, does it as who owns the file, or the directory that it may not
 * look into. */
int sa_open_readable(const char *path, int flags);

/* Sets groups, gid and uid for good (no way back is verified). uid 0 is refused. What
 * sa_die_with_parent() asked for is asked for again, since the change clears it; so is the process
 * dumpable again by some systems' settings: call sa_harden_self() after. */
int sa_drop_privileges(uid_t uid, gid_t gid, struct sa_err **err);

/* Lowers (never raises) soft and hard limit; value in the limit's own unit. */
int sa_limit(int resource, uint64_t value, struct sa_err **err);

/* pidfd of a child, close-on-exec; -1 with *err where the kernel has none. */
int sa_pidfd_open(pid_t pid, struct sa_err **err);

/* SIGKILL for a child that is not reaped yet and may have become uid since its fork. Works without
 * CAP_KILL, too: a process that becomes that user sends it. -1 with *err if it could not be sent.
 */
int sa_kill_child(pid_t pid, uid_t uid, struct sa_err **err);

/* VmRSS and VmHWM of pid, in bytes. */
int sa_memory_of(pid_t pid, uint64_t *rss, uint64_t *peak, struct sa_err **err);

/* A child's exit in words: "exit 1", "killed by signal 9 (KILL)", "system call ptrace was not
 * allowed (seccomp)" ... out is NUL-terminated within n. syscall_nr < 0 where unknown. */
void sa_exit_text(int wait_status, int syscall_nr, char *out, size_t n);

#endif
