/* SPDX-License-Identifier: Apache-2.0 */
/* This machine: users, directories, limits, and what the kernel has for the sandbox. */
#include <errno.h>
#include <inttypes.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/log.h"
#include "doctor/exam.h"
#include "supervisor/identity.h"

/* What the supervisor and its children need of each, for an account and besides. */
#define FILES_PER_ACCOUNT 6u
#define FILES_BESIDES     256u
#define TASKS_PER_ACCOUNT 14u /* its worker and the threads that resolve names, the helper */
#define TASKS_BESIDES     64u

static void keep_quiet(void *arg, const struct sa_record *rec)
{
    (void)arg;
    (void)rec;
}

struct sa_exam_users sa_exam_users(const struct sa_settings *s)
{
    struct sa_identity id;
    sa_log_set_sink(keep_quiet, NULL);
    int rc = sa_identity_resolve(s, &id, NULL);
    sa_log_set_sink(NULL, NULL);
    if (rc != 0 || !id.root)
        return (struct sa_exam_users){0};
    /* The last of the range: not likely to be a running worker's. */
    uint32_t last = id.range_count > 0 ? id.range_count - 1 : 0;
    return (struct sa_exam_users){
        .worker = sa_identity_worker_uid(&id, last), .uplink = id.uid, .gid = id.gid};
}

static void note(void *arg, const struct sa_record *rec)
{
    char *out = arg;
    if (rec->level <= SA_WARN && out[0] == '\0')
        snprintf(out, 256, "%s", rec->msg);
}

static void exam_users(struct sa_exam *x, const struct sa_settings *s)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    struct sa_identity id;
    char said[256] = "";
    sa_log_set_sink(note, said);
    int rc = sa_identity_resolve(s, &id, &err);
    sa_log_set_sink(NULL, NULL);
    if (rc != 0)
        sa_exam_bad(x, SA_HEALTH_ERROR, "users",
                    "Make the group, or take the key controlGroup out.", "%s", sa_err_msg(err));
    else if (!id.root)
        sa_exam_bad(x, SA_HEALTH_WARNING, "users",
                    "If the daemon is started as root, run this as root, too: it then looks with "
                    "the eyes of the worker's user.",
                    "this is not root: files and networks are seen by uid %u", (unsigned)geteuid());
    else if (said[0] != '\0')
        sa_exam_bad(x, SA_HEALTH_WARNING, "users",
                    "Make the user (the packages do), or set the key user to one that is there.",
                    "%s", said);
    else if (id.range_count == 0)
        sa_exam_ok(x, "users", "all processes run as uid %u; with uidRange each worker has its own",
                   (unsigned)id.uid);
    else
        sa_exam_ok(x, "users", "workers run as uids from %u on, all else as uid %u",
                   (unsigned)sa_identity_worker_uid(&id, 0), (unsigned)id.uid);
}

static void exam_directory(struct sa_exam *x, const char *path, const char *what)
{
    struct stat st;
    if (stat(path, &st) != 0 && errno == ENOENT)
        sa_exam_ok(x, "directories", "%s %s is not there yet: the daemon makes it", what, path);
    else if (stat(path, &st) != 0)
        sa_exam_bad(x, SA_HEALTH_WARNING, "directories",
                    "Run this as the daemon's user or as root.", "%s %s can't be looked at: %s",
                    what, path, strerrordesc_np(errno));
    else if (!S_ISDIR(st.st_mode))
        sa_exam_bad(x, SA_HEALTH_ERROR, "directories", "Move it away: the daemon makes its own.",
                    "%s %s is no directory", what, path);
    else if ((st.st_mode & (S_IWOTH | S_ISVTX)) == S_IWOTH)
        sa_exam_bad(x, SA_HEALTH_ERROR, "directories", "chmod o-w it.",
                    "%s %s can be changed by everyone (mode %04o)", what, path,
                    (unsigned)(st.st_mode & 07777));
    else
        sa_exam_ok(x, "directories", "%s %s is there", what, path);
}

static void exam_paths(struct sa_exam *x, const struct sa_doctor_options *o,
                       const struct sa_settings *s)
{
    exam_directory(x, s->runtime_dir, "the runtime directory");
    exam_directory(x, s->state_dir, "the state directory");
    for (const char *const *p = o->paths->account_dirs; p != NULL && *p != NULL; p++)
        exam_directory(x, *p, "the directory of accounts");
    for (const char *const *p = o->paths->main_files; p != NULL && *p != NULL; p++) {
        if (access(*p, F_OK) == 0)
            (void)sa_exam_file(x, "files", "the configuration file", *p,
                               s->clouddriver.token != NULL);
    }
}

/* Kernel */

static void exam_landlock(struct sa_exam *x, enum sa_health lack)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi >= 4)
        sa_exam_ok(x, "landlock", "Landlock ABI %ld: files and TCP ports are confined", abi);
    else if (abi > 0)
        sa_exam_ok(x, "landlock",
                   "Landlock ABI %ld: files are confined; TCP ports are not before ABI 4 (Linux "
                   "6.7)",
                   abi);
    else
        sa_exam_bad(x, lack, "landlock",
                    errno == EOPNOTSUPP
                        ? "Put landlock into the kernel's list of security modules (lsm=landlock,"
                          "...), or leave it: the rest of the sandbox stays."
                        : "Use a kernel from 5.13 on; or leave it: the rest of the sandbox stays.",
                    "the kernel has no Landlock%s: workers are not kept from files by it",
                    errno == EOPNOTSUPP ? " switched on" : "");
}

static void exam_kernel(struct sa_exam *x, const struct sa_settings *s)
{
    struct utsname u = {0};
    uint32_t action = SECCOMP_RET_KILL_PROCESS;
    enum sa_health lack = s->sandbox != NULL && strcmp(s->sandbox, "required") == 0
                              ? SA_HEALTH_ERROR
                              : SA_HEALTH_WARNING;
    (void)uname(&u);
    sa_exam_ok(x, "kernel", "Linux %s; user namespaces are not needed", u.release);
    exam_landlock(x, lack);
    if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0)
        sa_exam_ok(x, "seccomp", "system calls are filtered (seccomp)");
    else
        sa_exam_bad(x, lack, "seccomp", "Use a kernel with CONFIG_SECCOMP_FILTER.",
                    "the kernel has no seccomp filters: %s", strerrordesc_np(errno));
}

/* Limits */

static void exam_files(struct sa_exam *x, const struct sa_doctor_options *o, size_t accounts)
{
    struct rlimit l = {0};
    uint64_t need = accounts * FILES_PER_ACCOUNT + FILES_BESIDES, have = o->max_files;
    const char *of = "the daemon";
    if (have == 0 && getrlimit(RLIMIT_NOFILE, &l) == 0) {
        have = l.rlim_max;
        of = "this shell (the daemon does not run)";
    }
    if (have >= need)
        sa_exam_ok(x, "nofile", "%s may open %" PRIu64 " files; %zu accounts need about %" PRIu64,
                   of, have, accounts, need);
    else
        sa_exam_bad(x, SA_HEALTH_ERROR, "nofile",
                    "Raise LimitNOFILE of the service (systemctl edit scale-agent), or ulimit -n.",
                    "%s may open %" PRIu64 " files; %zu accounts need about %" PRIu64, of, have,
                    accounts, need);
}

/* pids.max of the process's control group, or of the nearest above it that has one. 0: none. */
static uint64_t max_tasks(pid_t pid)
{
    char name[64], line[4096], path[4200], value[64];
    uint64_t least = 0;
    snprintf(name, sizeof name, "/proc/%d/cgroup", (int)pid);
    FILE *f = fopen(name, "re");
    bool found = false;
    while (f != NULL && !found && fgets(line, sizeof line, f) != NULL)
        found = strncmp(line, "0::/", 4) == 0;
    if (f != NULL)
        fclose(f);
    if (!found)
        return 0;
    line[strcspn(line, "\n")] = '\0';
    for (char *group = line + 3; group[0] != '\0'; *strrchr(group, '/') = '\0') {
        snprintf(path, sizeof path, "/sys/fs/cgroup%s/pids.max", group);
        f = fopen(path, "re");
        if (f != NULL && fgets(value, sizeof value, f) != NULL && strncmp(value, "max", 3) != 0) {
            uint64_t v = strtoull(value, NULL, 10);
            least = least == 0 || v < least ? v : least;
        }
        if (f != NULL)
            fclose(f);
    }
    return least;
}

static void exam_tasks(struct sa_exam *x, const struct sa_doctor_options *o, size_t accounts)
{
    uint64_t need = accounts * TASKS_PER_ACCOUNT + TASKS_BESIDES;
    uint64_t have = max_tasks(o->daemon > 0 ? o->daemon : getpid());
    const char *of = o->daemon > 0 ? "the daemon" : "this shell (the daemon does not run)";
    if (have == 0)
        sa_exam_ok(x, "tasks", "%s may have any number of processes and threads", of);
    else if (have >= need)
        sa_exam_ok(x, "tasks",
                   "%s may have %" PRIu64
                   " processes and threads; %zu accounts need at most %" PRIu64,
                   of, have, accounts, need);
    else
        sa_exam_bad(x, SA_HEALTH_WARNING, "tasks",
                    "Raise TasksMax of the service (systemctl edit scale-agent).",
                    "%s may have %" PRIu64 " processes and threads; %zu accounts may need %" PRIu64,
                    of, have, accounts, need);
}

void sa_exam_host(struct sa_exam *x, const struct sa_doctor_options *o, const struct sa_settings *s)
{
    exam_users(x, s);
    exam_paths(x, o, s);
    exam_kernel(x, s);
    exam_files(x, o, s->n_accounts);
    exam_tasks(x, o, s->n_accounts);
}
