/* SPDX-License-Identifier: Apache-2.0 */
#include "base/process.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/environment.h"
#include "base/err.h"
#include "base/sandbox.h"

/* Where ps(1) reads the command line: the bytes of argv and, once moved away, of the environment,
 * which the kernel shows as well when argv's last NUL is overwritten (fs/proc/base.c,
 * get_mm_cmdline). */
static struct {
    char *start;
    size_t size;
} title;

/* The end of the strings that follow one another from end on. */
static char *end_of_strings(char *end, char *const *v, size_t n)
{
    for (size_t i = 0; i < n && v[i] != NULL; i++) {
        if (v[i] == end) {
            end += strlen(end) + 1;
        }
    }
    return end;
}

void sa_title_init(int argc, char **argv)
{
    if (title.start != NULL || argc < 1) {
        return;
    }
    char *end = end_of_strings(argv[0], argv, (size_t)argc);
    char *end_of_environment = environ != NULL ? end_of_strings(end, environ, SIZE_MAX) : end;
    if (sa_env_move() == 0) {
        end = end_of_environment;
    }
    title.start = argv[0];
    title.size = (size_t)(end - argv[0]);
}

void sa_title_set(const char *fmt, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    char name[16]; /* TASK_COMM_LEN of the kernel */
    snprintf(name, sizeof(name), "%.15s", text);
    prctl(PR_SET_NAME, name, 0, 0, 0);
    if (title.size > 1) {
        memset(title.start, 0, title.size);
        snprintf(title.start, title.size, "scale-agent: %s", text);
    }
}

int sa_die_with_parent(pid_t parent, struct sa_err **err)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) {
        return sa_err_sys(err, errno, "ask to be ended with the parent process");
    }
    /* It may have ended before the request. */
    if (getppid() != parent) {
        return sa_err_set(err, SA_ESYSTEM, "the parent process %d is gone", (int)parent);
    }
    return 0;
}

void sa_signals_reset(void)
{
    sigset_t none;
    sigemptyset(&none);
    for (int sig = 1; sig < NSIG; sig++) {
        /* Refused for KILL, STOP and the C library's own, which need no reset. */
        signal(sig, sig == SIGPIPE ? SIG_IGN : SIG_DFL);
    }
    pthread_sigmask(SIG_SETMASK, &none, NULL);
}

static int by_value(const void *a, const void *b)
{
    int x = *(const int *)a;
    int y = *(const int *)b;
    return x < y ? -1 : x > y;
}

static void close_span(unsigned first, unsigned last)
{
    if (first > last || syscall(SYS_close_range, first, last, 0) == 0) {
        return;
    }
    /* Kernels before 5.9. */
    struct rlimit r = {.rlim_cur = 65536};
    getrlimit(RLIMIT_NOFILE, &r);
    for (unsigned fd = first; fd <= last && fd < r.rlim_cur; fd++) {
        close((int)fd);
    }
}

void sa_close_others(const int *keep, size_t n)
{
    int sorted[64];
    if (n > sizeof(sorted) / sizeof(sorted[0])) {
        abort(); /* no caller keeps nearly as many */
    }
    if (n > 0) {
        memcpy(sorted, keep, n * sizeof(*keep));
        qsort(sorted, n, sizeof(*sorted), by_value);
    }
    unsigned next = 3;
    for (size_t i = 0; i < n; i++) {
        if (sorted[i] < (int)next) {
            continue;
        }
        if (sorted[i] > (int)next) {
            close_span(next, (unsigned)sorted[i] - 1);
        }
        next = (unsigned)sorted[i] + 1;
    }
    close_span(next, UINT_MAX);
}

int sa_harden_self(struct sa_err **err)
{
    struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) != 0) {
        return sa_err_sys(err, errno, "forbid core files");
    }
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
        return sa_err_sys(err, errno, "make the process not dumpable");
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return sa_err_sys(err, errno, "forbid new privileges");
    }
    return 0;
}

/* Of the file; where that can't be told, of its directory. */
static int owner_of(const char *path, uid_t *uid)
{
    char dir[PATH_MAX];
    struct stat st;
    const char *slash = strrchr(path, '/');
    if (stat(path, &st) != 0) {
        size_t n = slash != NULL ? (size_t)(slash - path) : 0;
        if (errno != EACCES || n == 0 || n >= sizeof(dir)) {
            return -1;
        }
        memcpy(dir, path, n);
        dir[n] = '\0';
        if (stat(dir, &st) != 0) {
            return -1;
        }
    }
    *uid = st.st_uid;
    return 0;
}

int sa_open_readable(const char *path, int flags)
{
    int fd = open(path, flags), death_signal = 0;
    uid_t owner;
    if (fd >= 0 || errno != EACCES || geteuid() != 0) {
        return fd;
    }
    if (owner_of(path, &owner) != 0 || owner == 0) {
        errno = EACCES;
        return -1;
    }
    prctl(PR_GET_PDEATHSIG, &death_signal, 0, 0, 0);
    if (seteuid(owner) != 0) {
        errno = EACCES;
        return -1;
    }
    fd = open(path, flags);
    int why = errno;
    if (seteuid(0) != 0) {
        abort(); /* nothing else may go on as somebody else */
    }
    /* A change of credentials clears it: prctl(2). */
    prctl(PR_SET_PDEATHSIG, (unsigned long)death_signal, 0, 0, 0);
    errno = why;
    return fd;
}

/* Whether all three uids and gids are these, and there is no way back. */
static bool dropped(uid_t uid, gid_t gid)
{
    uid_t r, e, s;
    gid_t rg, eg, sg;
    return getresuid(&r, &e, &s) == 0 && getresgid(&rg, &eg, &sg) == 0 && r == uid && e == uid &&
           s == uid && rg == gid && eg == gid && sg == gid && setresuid(0, 0, 0) != 0 &&
           setresgid(0, 0, 0) != 0;
}

int sa_drop_privileges(uid_t uid, gid_t gid, struct sa_err **err)
{
    int death_signal = 0;
    pid_t parent = getppid();
    if (uid == 0 || gid == 0) {
        return sa_err_set(err, SA_ECONFIG, "a child process must not keep uid 0 or gid 0");
    }
    prctl(PR_GET_PDEATHSIG, &death_signal, 0, 0, 0);
    /* Groups first: without uid 0 they can't be given up any more. */
    if (setgroups(0, NULL) != 0) {
        return sa_err_sys(err, errno, "give up supplementary groups");
    }
    if (setresgid(gid, gid, gid) != 0) {
        return sa_err_sys(err, errno, "change to gid %u", (unsigned)gid);
    }
    if (setresuid(uid, uid, uid) != 0) {
        return sa_err_sys(err, errno, "change to uid %u", (unsigned)uid);
    }
    if (!dropped(uid, gid)) {
        return sa_err_set(err, SA_EINTERNAL, "privileges were not given up for good");
    }
    /* A change of credentials clears it: prctl(2). */
    return death_signal != 0 ? sa_die_with_parent(parent, err) : 0;
}

int sa_limit(int resource, uint64_t value, struct sa_err **err)
{
    struct rlimit r;
    if (prlimit(0, (__rlimit_resource_t)resource, NULL, &r) != 0) {
        return sa_err_sys(err, errno, "read limit %d", resource);
    }
    if (r.rlim_max > value) {
        r.rlim_max = value;
    }
    if (r.rlim_cur > value) {
        r.rlim_cur = value;
    }
    if (prlimit(0, (__rlimit_resource_t)resource, &r, NULL) != 0) {
        return sa_err_sys(err, errno, "lower limit %d to %" PRIu64, resource, value);
    }
    return 0;
}

int sa_pidfd_open(pid_t pid, struct sa_err **err)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0) {
        return sa_err_sys(err, errno, "open a descriptor of process %d", (int)pid);
    }
    return fd;
}

/* In a process that is made for this: a pidfd means the same process until it is closed. */
static int kill_as(int pidfd, uid_t uid)
{
    return setresuid(uid, uid, uid) != 0 ||
           syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) != 0;
}

int sa_kill_child(pid_t pid, uid_t uid, struct sa_err **err)
{
    if (kill(pid, SIGKILL) == 0 || errno == ESRCH) {
        return 0;
    }
    if (errno != EPERM || geteuid() != 0 || uid == 0) {
        return sa_err_sys(err, errno, "kill process %d", (int)pid);
    }
    SA_CLEANUP(sa_closep) int pidfd = sa_pidfd_open(pid, err);
    if (pidfd < 0) {
        return -1;
    }
    pid_t killer = fork();
    if (killer < 0) {
        return sa_err_sys(err, errno, "fork to kill process %d", (int)pid);
    }
    if (killer == 0) {
        _exit(kill_as(pidfd, uid));
    }
    return 0;
}

/* Value of "<name>:   N kB" in the text of /proc/PID/status, in bytes; 0 where it is missing. */
static uint64_t status_kb(const char *text, const char *name)
{
    const char *p = strstr(text, name);
    return p != NULL ? strtoull(p + strlen(name), NULL, 10) * 1024 : 0;
}

int sa_memory_of(pid_t pid, uint64_t *rss, uint64_t *peak, struct sa_err **err)
{
    char path[64];
    char text[4096];
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    SA_CLEANUP(sa_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
    if (n < 0) {
        return sa_err_sys(err, errno, "read %s", path);
    }
    text[n] = '\0';
    *rss = status_kb(text, "\nVmRSS:");
    *peak = status_kb(text, "\nVmHWM:");
    return 0;
}

void sa_exit_text(int wait_status, int syscall_nr, char *out, size_t n)
{
    if (WIFEXITED(wait_status)) {
        snprintf(out, n, "exit %d", WEXITSTATUS(wait_status));
    } else if (!WIFSIGNALED(wait_status)) {
        snprintf(out, n, "wait status 0x%x", (unsigned)wait_status);
    } else if (WTERMSIG(wait_status) == SIGSYS && syscall_nr >= 0) {
        char name[64];
        sa_syscall_name(syscall_nr, name, sizeof(name));
        snprintf(out, n, "system call %s was not allowed (seccomp)", name);
    } else {
        const char *name = sigabbrev_np(WTERMSIG(wait_status));
        snprintf(out, n, "killed by signal %d (%s)", WTERMSIG(wait_status),
                 name != NULL ? name : "real-time");
    }
}
