/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sandbox.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <malloc.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "base/process.h"
#include "base/sandbox_parts.h"

/* The default of 8 MB would count against RLIMIT_DATA for each of nng's threads. */
#define THREAD_STACK (256u * 1024u)
#define MAX_THREADS  128 /* checked; nng starts 13 */

void sa_sandbox_lack(struct sa_sandbox_report *rep, const char *fmt, ...)
{
    size_t n = strlen(rep->lacks);
    va_list ap;
    if (n > 0 && n + 2 < sizeof(rep->lacks)) {
        memcpy(rep->lacks + n, ", ", 3);
        n += 2;
    }
    va_start(ap, fmt);
    vsnprintf(rep->lacks + n, sizeof(rep->lacks) - n, fmt, ap);
    va_end(ap);
}

/* Capabilities are gone with uid 0; a service manager may have given ambient ones to another uid.
 */
static void drop_capabilities(void)
{
    struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    syscall(SYS_capset, &h, none);
}

static int become(const struct sa_sandbox *s, struct sa_sandbox_report *rep, struct sa_err **err)
{
    if (s->uid != 0) {
        if (sa_drop_privileges(s->uid, s->gid, err) != 0) {
            return -1;
        }
        drop_capabilities();
        rep->uid_dropped = true;
    } else if (geteuid() == 0) {
        sa_sandbox_lack(rep, "uid (root is kept)");
    } else {
        drop_capabilities();
    }
    return 0;
}

static int set_limits(const struct sa_sandbox *s, struct sa_err **err)
{
    if (s->max_files != 0 && sa_limit(RLIMIT_NOFILE, s->max_files, err) != 0) {
        return -1;
    }
    /* AddressSanitizer's shadow memory is terabytes of it. */
    if (s->max_memory != 0 && !SA_ASAN && sa_limit(RLIMIT_DATA, s->max_memory, err) != 0) {
        return -1;
    }
    pthread_attr_t a;
    if (!SA_ASAN && pthread_attr_init(&a) == 0) {
        if (pthread_attr_setstacksize(&a, THREAD_STACK) == 0) {
            pthread_setattr_default_np(&a);
        }
        pthread_attr_destroy(&a);
    }
    return 0;
}

/* The status files of this process's threads, by proc(5). */
struct threads {
    int fd[MAX_THREADS];
    size_t n;
};

static void close_threads(struct threads *t)
{
    while (t->n > 0) {
        sa_closep(&t->fd[--t->n]);
    }
}

/* Opens them all; -1 when /proc can't be read. They tell what is so when they are read: opened
 * before the seal, which lets the config reader open nothing any more, and read after it. */
static int open_threads(struct threads *t)
{
    DIR *d = opendir("/proc/self/task");
    t->n = 0;
    if (d == NULL) {
        return -1;
    }
    for (struct dirent *e = readdir(d); e != NULL && t->n < MAX_THREADS; e = readdir(d)) {
        char path[300];
        if (e->d_name[0] == '.') {
            continue;
        }
        snprintf(path, sizeof(path), "%s/status", e->d_name);
        t->fd[t->n] = openat(dirfd(d), path, O_RDONLY | O_CLOEXEC);
        if (t->fd[t->n] >= 0) {
            t->n++;
        } else if (errno != ENOENT) { /* else it has ended */
            close_threads(t);
            break;
        }
    }
    closedir(d);
    return t->n > 0 ? 0 : -1;
}

static void note_resolver(struct sa_sandbox_report *rep)
{
    struct stat st;
    if (stat("/etc/resolv.conf", &st) == 0) {
        rep->resolver_dev = st.st_dev;
        rep->resolver_ino = st.st_ino;
    }
}

bool sa_sandbox_resolver_replaced(const struct sa_sandbox_report *rep)
{
    struct stat st;
    return stat("/etc/resolv.conf", &st) == 0 &&
           (st.st_dev != rep->resolver_dev || st.st_ino != rep->resolver_ino);
}

/* With `required`, what is lacking is an error. */
static int judge(const struct sa_sandbox *s, const struct sa_sandbox_report *rep,
                 struct sa_err **err)
{
    if (s->required && rep->lacks[0] != '\0') {
        return sa_err_set(err, SA_ECONFIG,
                          "the sandbox is required and this system lacks: %s; set sandbox to auto "
                          "to run without",
                          rep->lacks);
    }
    return 0;
}

int sa_sandbox_enter(const struct sa_sandbox *s, struct sa_sandbox_report *rep, struct sa_err **err)
{
    *rep = (struct sa_sandbox_report){0};
    struct threads now;
    open_threads(&now);
    size_t n_threads = now.n;
    close_threads(&now);
    if (n_threads > 1) {
        return sa_err_set(err, SA_EINTERNAL,
                          "sandbox: %zu threads run already, Landlock would bind one of them",
                          n_threads);
    }
    if (become(s, rep, err) != 0 || sa_harden_self(err) != 0 || set_limits(s, err) != 0) {
        return sa_err_wrap(err, "sandbox");
    }
    rep->no_new_privs = true;
    note_resolver(rep);
    if (s->off) {
        sa_sandbox_lack(rep, "landlock (sandbox is off)");
        return 0;
    }
    if (sa_sandbox_landlock(s, rep, err) != 0) {
        return sa_err_wrap(err, "sandbox");
    }
    return judge(s, rep, err);
}

/* Whether the thread is confined; one that has ended is. Seccomp 2 is a filter. */
static bool confined(int fd)
{
    char text[4096];
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
    if (n < 0) {
        return errno == ESRCH;
    }
    text[n] = '\0';
    return strstr(text, "\nSeccomp:\t2\n") != NULL && strstr(text, "\nNoNewPrivs:\t1\n") != NULL;
}

static int seal_threads(const struct sa_sandbox *s, const struct threads *t,
                        struct sa_sandbox_report *rep, struct sa_err **err)
{
    if (sa_sandbox_seccomp(s, rep, err) != 0) {
        return sa_err_wrap(err, "sandbox");
    }
    for (size_t i = 0; rep->seccomp && i < t->n; i++) {
        if (!confined(t->fd[i])) {
            return sa_err_set(err, SA_EINTERNAL, "sandbox: a thread is not confined");
        }
    }
    return 0;
}

int sa_sandbox_seal(const struct sa_sandbox *s, struct sa_sandbox_report *rep, struct sa_err **err)
{
    struct threads t;
    if (s->off) {
        sa_sandbox_lack(rep, "seccomp (sandbox is off)");
        return 0;
    }
    if (open_threads(&t) != 0) {
        sa_sandbox_lack(rep, "check of threads (/proc can't be read)");
    }
    int r = seal_threads(s, &t, rep, err);
    close_threads(&t);
    /* Making the filter took some hundred kilobytes, in pages that were shared with the parent. */
    malloc_trim(0);
    return r == 0 ? judge(s, rep, err) : r;
}
