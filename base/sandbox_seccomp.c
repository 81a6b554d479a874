/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp(2) by libseccomp: what a profile does not name ends the process.
 *
 * The default action is TRAP, not KILL, for the sake of the name: the handler of SIGSYS leaves the
 * number of the call in the status slot, then makes the one call that is KILL_PROCESS. That is as
 * strict: the trapped call is never made, SIGSYS can't be given another handler (rt_sigaction traps
 * for it), and where it is blocked the kernel itself ends the process.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "base/sandbox_parts.h"

#define BIT(profile) (1u << (profile))
#define READER       BIT(SA_SANDBOX_READER)
#define WORKER       BIT(SA_SANDBOX_WORKER)
#define UPLINK       BIT(SA_SANDBOX_UPLINK)
#define EXPORTER     BIT(SA_SANDBOX_EXPORTER)
#define NETWORK      (WORKER | UPLINK | EXPORTER)
#define EVERY        (READER | NETWORK)

/* Refused to everyone and wanted by nobody: the handler's way to end the process. */
#define FATAL_SYSCALL SYS_vhangup

/* PR_SET_VMA of <linux/prctl.h>: newer C libraries name their memory with it. */
#define NAME_MEMORY 0x53564d41

/* What a signal handler may write to: it can't be handed anything. */
static int32_t *syscall_field;

void sa_sandbox_report_syscall_to(int32_t *field)
{
    syscall_field = field;
}

void sa_syscall_name(int nr, char *out, size_t n)
{
    char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);
    if (name != NULL) {
        snprintf(out, n, "%s", name);
    } else {
        snprintf(out, n, "nr %d", nr);
    }
    free(name);
}

/* Calls allowed whatever their arguments, by name: some exist on some architectures only. */
static const struct {
    unsigned profiles;
    const char *names; /* separated by blanks */
} allowed[] = {
    {EVERY, "read write readv writev pread64 pwrite64 preadv pwritev close close_range lseek fstat "
            "stat lstat newfstatat statx fstatfs dup dup2 dup3 pipe pipe2 access faccessat "
            "faccessat2 readlink readlinkat getcwd getdents64 getdents"},
    {EVERY, "brk munmap mremap madvise mincore mlock munlock msync"},
    {EVERY, "rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait rt_sigsuspend sigaltstack "
            "restart_syscall pause alarm setitimer"},
    {EVERY, "futex futex_waitv set_robust_list get_robust_list rseq sched_yield sched_getaffinity "
            "sched_getparam sched_getscheduler membarrier set_tid_address arch_prctl exit "
            "exit_group"},
    {EVERY, "gettid getpid getppid getuid geteuid getgid getegid getresuid getresgid getgroups "
            "getpgrp getsid umask uname sysinfo getrusage getrlimit getcpu times getrandom"},
    {EVERY, "clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time"},
    {EVERY,
     "poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait "
     "epoll_pwait2 eventfd eventfd2 signalfd signalfd4 timerfd_create timerfd_settime "
     "timerfd_gettime"},
    {EVERY, "sendto sendmsg sendmmsg recvfrom recvmsg recvmmsg shutdown getsockopt getsockname "
            "getpeername"},
    {NETWORK, "open openat connect bind setsockopt"},
    {UPLINK | EXPORTER, "listen accept accept4 sendfile"},
    {UPLINK, "ftruncate fsync fdatasync fallocate flock unlink unlinkat rename renameat renameat2 "
             "mkdir mkdirat rmdir fchmod fchmodat chmod fchown sync_file_range"},
};

static const unsigned fcntl_commands[] = {
    F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD,  F_SETFD,     F_GETFL,     F_SETFL,
    F_GETLK, F_SETLK,         F_SETLKW, F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW,
};
static const unsigned ioctl_requests[] = {FIONREAD, FIONBIO, FIOCLEX, TCGETS, TIOCGWINSZ};
static const unsigned prctl_options[] = {PR_SET_NAME,     PR_GET_NAME,    PR_GET_NO_NEW_PRIVS,
                                         PR_GET_DUMPABLE, PR_GET_SECCOMP, NAME_MEMORY};
static const int socket_families[] = {AF_UNIX, AF_INET, AF_INET6};

/* A helper runs programs of others, so for it the few calls are named that nothing run for a
 * credential needs. The first end it; programs are known to try the second for their speed. */
static const char helper_killed[] =
    "ptrace process_vm_readv process_vm_writev kcmp mount umount2 move_mount fsopen fsconfig "
    "fsmount "
    "fspick open_tree mount_setattr pivot_root chroot unshare setns init_module finit_module "
    "delete_module kexec_load kexec_file_load bpf reboot swapon swapoff settimeofday clock_settime "
    "acct quotactl iopl ioperm";
static const char helper_refused[] = "io_uring_setup io_uring_enter io_uring_register userfaultfd "
                                     "perf_event_open add_key request_key keyctl";

/* Adds one rule and keeps the first failure in *rc, so that a list of rules is checked once. */
static void rule(scmp_filter_ctx f, int *rc, uint32_t action, int nr, unsigned n,
                 const struct scmp_arg_cmp *args)
{
    if (*rc == 0) {
        *rc = seccomp_rule_add_array(f, action, nr, n, args);
    }
}

/* Conditions on the argument of that number, from 0. */
static struct scmp_arg_cmp equal(unsigned arg, uint64_t value)
{
    return (struct scmp_arg_cmp){.arg = arg, .op = SCMP_CMP_EQ, .datum_a = value};
}

static struct scmp_arg_cmp masked(unsigned arg, uint64_t mask, uint64_t value)
{
    return (struct scmp_arg_cmp){
        .arg = arg, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value};
}

/* One rule a value: the call is allowed where argument arg equals it. All 64 bits count, of which
 * the kernel may use 32: that errs on the safe side. */
static void allow_value(scmp_filter_ctx f, int *rc, int nr, unsigned arg, uint64_t value)
{
    struct scmp_arg_cmp c = equal(arg, value);
    rule(f, rc, SCMP_ACT_ALLOW, nr, 1, &c);
}

static void each_name(scmp_filter_ctx f, int *rc, uint32_t action, const char *names)
{
    char name[64];
    while (*names != '\0') {
        size_t n = strcspn(names, " ");
        snprintf(name, sizeof(name), "%.*s", (int)n, names);
        int nr = seccomp_syscall_resolve_name(name);
        if (nr != __NR_SCMP_ERROR && nr >= 0) {
            rule(f, rc, action, nr, 0, NULL);
        }
        names += n;
        names += strspn(names, " ");
    }
}

/* Memory may be data or code, never both, and no code is added. A shared library (a module of the
 * name service switch) is refused softly: its caller has a way without. */
static void memory_rules(scmp_filter_ctx f, int *rc)
{
    const struct scmp_arg_cmp data = masked(2, PROT_EXEC, 0);
    const struct scmp_arg_cmp library[] = {
        masked(2, PROT_EXEC, PROT_EXEC),
        masked(3, MAP_ANONYMOUS, 0),
    };
    rule(f, rc, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, &data);
    rule(f, rc, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(mmap), 2, library);
    rule(f, rc, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, &data);
}

/* Threads, not processes. clone3 hides its flags behind a pointer, so the C library is told that
 * there is none and takes clone. */
static void thread_rules(scmp_filter_ctx f, int *rc)
{
    const uint64_t must = CLONE_VM | CLONE_THREAD | CLONE_SIGHAND;
    const uint64_t mask = must | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                          CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP | CLONE_PTRACE;
    const struct scmp_arg_cmp thread = masked(0, mask, must);
    rule(f, rc, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, &thread);
    rule(f, rc, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0, NULL);
}

/* A helper's programs make processes and threads of their own, but no namespaces, in which they
 * would have rights again: bit by bit, since one is enough. clone3 as for threads. */
static void helper_clone_rules(scmp_filter_ctx f, int *rc)
{
    static const uint64_t namespaces[] = {CLONE_NEWNS,  CLONE_NEWUTS, CLONE_NEWIPC,   CLONE_NEWUSER,
                                          CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWCGROUP};
    for (size_t i = 0; i < sizeof(namespaces) / sizeof(namespaces[0]); i++) {
        const struct scmp_arg_cmp has = masked(0, namespaces[i], namespaces[i]);
        rule(f, rc, SCMP_ACT_TRAP, SCMP_SYS(clone), 1, &has);
    }
    rule(f, rc, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0, NULL);
}

/* Signals to itself only (abort, pthread_kill), and SIGSYS keeps the handler that it has. The
 * kernel looks at the low 32 bits of a signal's number and the filter at all 64, so "not SIGSYS" is
 * said bit by bit: a bit that SIGSYS has is missing, or one is there that it lacks. */
static void signal_rules(scmp_filter_ctx f, int *rc)
{
    for (unsigned bit = 0; bit < 7; bit++) {
        uint64_t mask = UINT64_C(1) << bit;
        const struct scmp_arg_cmp differs = masked(0, mask, ~(uint64_t)SIGSYS & mask);
        rule(f, rc, SCMP_ACT_ALLOW, SCMP_SYS(rt_sigaction), 1, &differs);
    }
    allow_value(f, rc, SCMP_SYS(tgkill), 0, (uint64_t)getpid());
}

static void value_rules(scmp_filter_ctx f, int *rc, unsigned profile)
{
    for (size_t i = 0; i < sizeof(fcntl_commands) / sizeof(fcntl_commands[0]); i++) {
        allow_value(f, rc, SCMP_SYS(fcntl), 1, fcntl_commands[i]);
    }
    for (size_t i = 0; i < sizeof(ioctl_requests) / sizeof(ioctl_requests[0]); i++) {
        allow_value(f, rc, SCMP_SYS(ioctl), 1, ioctl_requests[i]);
    }
    for (size_t i = 0; i < sizeof(prctl_options) / sizeof(prctl_options[0]); i++) {
        allow_value(f, rc, SCMP_SYS(prctl), 0, prctl_options[i]);
    }
    /* Limits may be read: the second pointer is the new value. */
    const struct scmp_arg_cmp no_new_limit = equal(2, 0);
    rule(f, rc, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1, &no_new_limit);
    if ((profile & NETWORK) == 0) {
        return;
    }
    for (size_t i = 0; i < sizeof(socket_families) / sizeof(socket_families[0]); i++) {
        allow_value(f, rc, SCMP_SYS(socket), 0, (uint64_t)socket_families[i]);
    }
    /* getaddrinfo asks the kernel for its addresses. */
    const struct scmp_arg_cmp route[] = {equal(0, AF_NETLINK), equal(2, 0 /* NETLINK_ROUTE */)};
    rule(f, rc, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2, route);
    allow_value(f, rc, SCMP_SYS(socketpair), 0, AF_UNIX);
}

static void profile_rules(scmp_filter_ctx f, int *rc, unsigned profile)
{
    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
        if ((allowed[i].profiles & profile) != 0) {
            each_name(f, rc, SCMP_ACT_ALLOW, allowed[i].names);
        }
    }
    if (profile == READER) {
        /* The C library opens files of its own accord (time zone, messages); it goes on without. */
        each_name(f, rc, SCMP_ACT_ERRNO(EACCES), "open openat");
    }
    if (SA_ASAN) {
        /* clang's reports start a symbolizer, and do without when that fails. The C library's fork
         * is a clone, which stays forbidden. */
        each_name(f, rc, SCMP_ACT_ERRNO(EPERM), "fork");
    }
    memory_rules(f, rc);
    thread_rules(f, rc);
    signal_rules(f, rc);
    value_rules(f, rc, profile);
}

static scmp_filter_ctx make_filter(const struct sa_sandbox *s, int *rc)
{
    bool helper = s->profile == SA_SANDBOX_HELPER;
    scmp_filter_ctx f = seccomp_init(helper ? SCMP_ACT_ALLOW : SCMP_ACT_TRAP);
    if (f == NULL) {
        *rc = -ENOMEM;
        return NULL;
    }
    *rc = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1);
    if (*rc == 0) {
        *rc = seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    }
    rule(f, rc, SCMP_ACT_KILL_PROCESS, FATAL_SYSCALL, 0, NULL);
    if (helper) {
        each_name(f, rc, SCMP_ACT_TRAP, helper_killed);
        each_name(f, rc, SCMP_ACT_ERRNO(EPERM), helper_refused);
        const struct scmp_arg_cmp packet = masked(0, UINT32_MAX, AF_PACKET);
        rule(f, rc, SCMP_ACT_TRAP, SCMP_SYS(socket), 1, &packet);
        helper_clone_rules(f, rc);
    } else {
        profile_rules(f, rc, BIT(s->profile));
    }
    return f;
}

static void on_sigsys(int sig, siginfo_t *si, void *context)
{
    (void)sig;
    (void)context;
    if (syscall_field != NULL) {
        *syscall_field = si->si_syscall + 1;
    }
    syscall(FATAL_SYSCALL);
    _exit(128 + SIGSYS); /* not reached under the filter */
}

#if SA_ASAN
/* The leak checker traces the process from a clone of itself: that is what the seal forbids. */
static bool sealed;
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
    return sealed;
}
#endif

int sa_sandbox_seccomp(const struct sa_sandbox *s, struct sa_sandbox_report *rep,
                       struct sa_err **err)
{
    if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0 && errno == EINVAL) {
        sa_sandbox_lack(rep, "seccomp (not in this kernel)");
        return 0;
    }
    struct sigaction a = {.sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO};
    sigfillset(&a.sa_mask);
    if (sigaction(SIGSYS, &a, NULL) != 0) {
        return sa_err_sys(err, errno, "seccomp: handler");
    }
    int rc = 0;
    scmp_filter_ctx f = make_filter(s, &rc);
    if (rc == 0) {
        rc = seccomp_load(f);
    }
    seccomp_release(f);
    if (rc != 0) {
        return sa_err_sys(err, -rc, "seccomp: put the filter in force on all threads");
    }
#if SA_ASAN
    sealed = true;
#endif
    rep->seccomp = true;
    return 0;
}
