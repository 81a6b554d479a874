/* SPDX-License-Identifier: Apache-2.0 */
/* Titles, descriptors, limits, uid, words for an exit. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/process.h"
#include "base_test.h"

/* Runs body in a child, whose exit code must be 0. */
static int status_of(void (*body)(void))
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        body();
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status;
}

#define NEED(c)                                                                                    \
    do {                                                                                           \
        if (!(c)) {                                                                                \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #c);                                \
            _exit(99);                                                                             \
        }                                                                                          \
    } while (0)

/* Which is a machine of its own: without pidfds, with other limits and another command line. */
static bool under_valgrind(void)
{
    const char *preload = getenv("LD_PRELOAD");
    return preload != NULL && strstr(preload, "vgpreload") != NULL;
}

static size_t read_file(const char *path, char *out, size_t max)
{
    int fd = open(path, O_RDONLY);
    ssize_t n = read(fd, out, max - 1);
    close(fd);
    n = n < 0 ? 0 : n;
    out[n] = '\0';
    return (size_t)n;
}

static void change_title(void)
{
    char text[4096];
    setenv("SA_TEST", "still here", 1);
    sa_title_set("worker %s", "prod-eu-1-with-a-rather-long-name");
    read_file("/proc/self/cmdline", text, sizeof(text));
    NEED(strcmp(text, "scale-agent: worker prod-eu-1-with-a-rather-long-name") == 0);
    read_file("/proc/self/comm", text, sizeof(text));
    NEED(strcmp(text, "worker prod-eu-\n") == 0);
    NEED(strcmp(getenv("SA_TEST"), "still here") == 0);
    NEED(getenv("PATH") != NULL);
    sa_title_set("x");
    size_t n = read_file("/proc/self/cmdline", text, sizeof(text));
    NEED(strcmp(text, "scale-agent: x") == 0);
    for (size_t i = strlen(text); i < n; i++) {
        NEED(text[i] == '\0'); /* nothing of the longer one is left */
    }
}

/* program_invocation_name is main's argv[0]. */

START_TEST(title_is_seen_after_fork)
{
    char *argv[] = {program_invocation_name, NULL};
    sa_title_init(1, argv);
    ck_assert_int_eq(status_of(change_title), 0);
}
END_TEST

static void close_but_two(void)
{
    int fds[20];
    for (int i = 0; i < 20; i++) {
        fds[i] = open("/dev/null", O_RDONLY);
    }
    int keep[] = {fds[13], 1, fds[5], fds[5], -1};
    sa_close_others(keep, 5);
    for (int fd = 0; fd < 200; fd++) {
        bool open_now = fcntl(fd, F_GETFD) >= 0;
        NEED(open_now == (fd < 3 || fd == fds[13] || fd == fds[5]) || fd < 3);
    }
    sa_close_others(NULL, 0);
    NEED(fcntl(fds[5], F_GETFD) < 0);
}

START_TEST(other_descriptors_are_closed)
{
    ck_assert_int_eq(status_of(close_but_two), 0);
}
END_TEST

static void lower_limits(void)
{
    struct rlimit r;
    NEED(sa_limit(RLIMIT_NOFILE, 64, NULL) == 0);
    NEED(getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur == 64 && r.rlim_max == 64);
    NEED(sa_limit(RLIMIT_NOFILE, 128, NULL) == 0); /* never raises, and that is no error */
    NEED(getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur == 64 && r.rlim_max == 64);
    NEED(sa_harden_self(NULL) == 0);
    NEED(getrlimit(RLIMIT_CORE, &r) == 0 && r.rlim_max == 0);
    NEED(prctl(PR_GET_DUMPABLE) == 0);
    NEED(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
}

START_TEST(limits_are_lowered_only)
{
    ck_assert_int_eq(status_of(lower_limits), 0);
}
END_TEST

static void become_another(void)
{
    int sig = 0;
    struct sa_err *err = NULL;
    NEED(sa_drop_privileges(0, 0, &err) == -1 && err->code == SA_ECONFIG);
    NEED(sa_drop_privileges(4711, 0, &err) == -1);
    sa_err_free(&err);
    NEED(sa_die_with_parent(getppid(), &err) == 0);
    NEED(sa_drop_privileges(4711, 4712, &err) == 0);
    NEED(getuid() == 4711 && getegid() == 4712 && getgroups(0, NULL) == 0);
    NEED(setuid(0) == -1 && seteuid(0) == -1 && setgid(0) == -1);
    NEED(prctl(PR_GET_PDEATHSIG, &sig) == 0 && sig == SIGKILL);
}

START_TEST(privileges_go_for_good)
{
    if (geteuid() == 0) {
        ck_assert_int_eq(status_of(become_another), 0);
    } else {
        struct sa_err *err = NULL;
        ck_assert_int_eq(sa_drop_privileges(4711, 4712, &err), -1);
        ck_assert_int_eq(err->code, SA_ESYSTEM);
        sa_err_free(&err);
    }
}
END_TEST

static void not_my_parent(void)
{
    struct sa_err *err = NULL;
    NEED(sa_die_with_parent(getpid(), &err) == -1);
    NEED(strstr(sa_err_msg(err), "is gone") != NULL);
    sa_err_free(&err);
}

START_TEST(parent_gone_already_is_noticed)
{
    ck_assert_int_eq(status_of(not_my_parent), 0);
}
END_TEST

static void ignore(int sig)
{
    (void)sig;
}

static void reset_signals(void)
{
    sigset_t all;
    struct sigaction a;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    signal(SIGTERM, ignore);
    signal(SIGHUP, SIG_IGN);
    sa_signals_reset();
    NEED(sigaction(SIGTERM, NULL, &a) == 0 && a.sa_handler == SIG_DFL);
    NEED(sigaction(SIGHUP, NULL, &a) == 0 && a.sa_handler == SIG_DFL);
    NEED(sigaction(SIGPIPE, NULL, &a) == 0 && a.sa_handler == SIG_IGN);
    NEED(sigprocmask(SIG_BLOCK, NULL, &all) == 0 && sigismember(&all, SIGTERM) == 0);
}

START_TEST(signals_are_reset)
{
    ck_assert_int_eq(status_of(reset_signals), 0);
}
END_TEST

START_TEST(pidfd_tells_the_end)
{
    struct sa_err *err = NULL;
    pid_t pid = fork();
    if (pid == 0) {
        usleep(20000);
        _exit(0);
    }
    int fd = sa_pidfd_open(pid, &err);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    ck_assert_int_eq(poll(&p, 1, 5000), 1);
    waitpid(pid, NULL, 0);
    close(fd);
    ck_assert_int_eq(sa_pidfd_open(pid, &err), -1);
    ck_assert_int_eq(err->sys_errno, ESRCH);
    sa_err_free(&err);
}
END_TEST

START_TEST(memory_is_read)
{
    uint64_t rss = 0;
    uint64_t peak = 0;
    struct sa_err *err = NULL;
    ck_assert_int_eq(sa_memory_of(getpid(), &rss, &peak, NULL), 0);
    ck_assert_uint_gt(rss, 100000);
    ck_assert_uint_ge(peak, rss);
    ck_assert_int_eq(sa_memory_of(0x7ffffff0, &rss, &peak, &err), -1);
    sa_err_free(&err);
}
END_TEST

static void end_by_kill(void)
{
    raise(SIGKILL);
}

static void end_by_code(void)
{
    _exit(3);
}

START_TEST(exits_are_put_into_words)
{
    char text[128];
    sa_exit_text(status_of(end_by_code), -1, text, sizeof(text));
    ck_assert_str_eq(text, "exit 3");
    sa_exit_text(status_of(end_by_kill), -1, text, sizeof(text));
    ck_assert_str_eq(text, "killed by signal 9 (KILL)");
    sa_exit_text(SIGSYS, SYS_ptrace, text, sizeof(text));
    ck_assert_str_eq(text, "system call ptrace was not allowed (seccomp)");
    sa_exit_text(SIGSYS, 99999, text, sizeof(text));
    ck_assert_str_eq(text, "system call nr 99999 was not allowed (seccomp)");
    sa_exit_text(SIGSYS, -1, text, sizeof(text));
    ck_assert_str_eq(text, "killed by signal 31 (SYS)");
    sa_exit_text(SIGSYS, -1, text, 8);
    ck_assert_str_eq(text, "killed ");
}
END_TEST

/* Root as a service manager may leave it: with the right to change users and no other. */
static void keep_setuid_alone(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};
    data[0].permitted = data[0].effective = 1u << CAP_SETUID | 1u << CAP_SETGID;
    NEED(syscall(SYS_capset, &head, data) == 0);
}

static void read_what_is_anothers(void)
{
    char dir[] = "/tmp/sa-readable-XXXXXX", path[64], text[8];
    int death_signal = 0;
    NEED(mkdtemp(dir) != NULL);
    snprintf(path, sizeof(path), "%s/secret", dir);
    int fd = open(path, O_WRONLY | O_CREAT, 0400);
    NEED(fd >= 0 && write(fd, "hush", 4) == 4 && close(fd) == 0);
    NEED(chown(path, 65534, 65534) == 0 && chown(dir, 65534, 65534) == 0);
    NEED(prctl(PR_SET_PDEATHSIG, SIGTERM) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        NEED(prctl(PR_SET_PDEATHSIG, SIGTERM) == 0);
        keep_setuid_alone();
        NEED(open(path, O_RDONLY) < 0 && errno == EACCES);
        fd = sa_open_readable(path, O_RDONLY);
        NEED(fd >= 0 && read(fd, text, sizeof(text)) == 4);
        NEED(geteuid() == 0);
        prctl(PR_GET_PDEATHSIG, &death_signal, 0, 0, 0);
        NEED(death_signal == SIGTERM);
        NEED(sa_open_readable("/tmp/sa-there-is-none", O_RDONLY) < 0 && errno == ENOENT);
        _exit(0);
    }
    int status;
    NEED(waitpid(pid, &status, 0) == pid);
    unlink(path);
    rmdir(dir);
    NEED(status == 0);
}

static void end_what_is_anothers(void)
{
    struct sa_err *err = NULL;
    int ready[2], status;
    char c;
    NEED(pipe(ready) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        NEED(setresuid(65534, 65534, 65534) == 0 && write(ready[1], "", 1) == 1);
        pause();
        _exit(0);
    }
    NEED(read(ready[0], &c, 1) == 1);
    keep_setuid_alone();
    NEED(kill(pid, SIGKILL) < 0 && errno == EPERM);
    NEED(sa_kill_child(pid, 65534, &err) == 0);
    NEED(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

START_TEST(root_without_rights_reads_and_ends_what_is_anothers)
{
    if (geteuid() != 0)
        return;
    ck_assert_int_eq(status_of(read_what_is_anothers), 0);
    ck_assert_int_eq(status_of(end_what_is_anothers), 0);
}
END_TEST

TCase *base_test_process(void)
{
    TCase *t = tcase_create("process");
    tcase_set_timeout(t, 20);
    if (!under_valgrind()) {
        tcase_add_test(t, title_is_seen_after_fork);
        tcase_add_test(t, limits_are_lowered_only);
        tcase_add_test(t, pidfd_tells_the_end);
        tcase_add_test(t, root_without_rights_reads_and_ends_what_is_anothers);
    }
    tcase_add_test(t, other_descriptors_are_closed);
    tcase_add_test(t, privileges_go_for_good);
    tcase_add_test(t, parent_gone_already_is_noticed);
    tcase_add_test(t, signals_are_reset);
    tcase_add_test(t, memory_is_read);
    tcase_add_test(t, exits_are_put_into_words);
    return t;
}
