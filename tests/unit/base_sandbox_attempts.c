/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attempts to break out: each from the main thread, from one started before the seal and from one
 * started after it, in a child that was root and in one that never was. Each must fail, and in the
 * way that is written beside it: by an error, or by an end that names the system call.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base_sandbox_test.h"

#define HIGH_BITS (UINT64_C(1) << 32) /* which the kernel cuts off an int */

static int result(long r)
{
    return r >= 0 ? 0 : errno;
}

/* Files */

static int open_closed(void)
{
    return result(open(world.closed, O_RDONLY));
}

static int open_outside(void)
{
    return result(open(world.outside, O_RDONLY));
}

static int open_through_dots(void)
{
    char path[160];
    snprintf(path, sizeof(path), "%s/../outside", world.readable);
    return result(open(path, O_RDONLY));
}

static int list_outside(void)
{
    return result(open(world.dir, O_RDONLY | O_DIRECTORY));
}

static int write_readable(void)
{
    char path[160];
    snprintf(path, sizeof(path), "%s/file", world.readable);
    return result(open(path, O_WRONLY));
}

static int truncate_readable(void)
{
    char path[160];
    snprintf(path, sizeof(path), "%s/file", world.readable);
    return result(open(path, O_RDONLY | O_TRUNC));
}

static int create_in_readable(void)
{
    char path[160];
    snprintf(path, sizeof(path), "%s/new", world.readable);
    return result(open(path, O_WRONLY | O_CREAT, 0600));
}

static int remove_in_readable(void)
{
    char path[160];
    snprintf(path, sizeof(path), "%s/file", world.readable);
    return result(unlink(path));
}

static int move_out(void)
{
    char from[160];
    char to[160];
    snprintf(from, sizeof(from), "%s/file", world.writable);
    snprintf(to, sizeof(to), "%s/moved", world.readable);
    return result(rename(from, to));
}

static int open_listed(void)
{
    char path[160];
    snprintf(path, sizeof(path), "%s/file", world.readable);
    return result(open(path, O_RDONLY));
}

static int parents_environment(void)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/environ", (int)world.parent);
    return result(open(path, O_RDONLY));
}

static int own_memory(void)
{
    return result(open("/proc/self/mem", O_RDWR));
}

static int own_memory_by_task(void)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/task/%d/mem", (int)gettid());
    return result(open(path, O_RDWR));
}

/* Network */

static int connect_to(uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    a.sin_port = htons(port);
    return result(connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&a, sizeof(a)));
}

static int connect_closed(void)
{
    return connect_to(world.closed_port);
}

static int connect_open(void)
{
    return connect_to(world.open_port);
}

static int bind_tcp(void)
{
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    if (fd < 0) { /* a machine without IPv6 */
        struct sockaddr_in a4 = {.sin_family = AF_INET};
        return result(bind(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&a4, sizeof(a4)));
    }
    return result(bind(fd, (struct sockaddr *)&a, sizeof(a)));
}

static int listen_tcp(void)
{
    return result(listen(socket(AF_INET, SOCK_STREAM, 0), 1));
}

static int packet_socket(void)
{
    return result(socket(AF_PACKET, SOCK_RAW, 0));
}

static int packet_socket_by_high_bits(void)
{
    return result(syscall(SYS_socket, HIGH_BITS | AF_PACKET, SOCK_RAW, 0));
}

static int netlink_audit(void)
{
    return result(socket(AF_NETLINK, SOCK_RAW, 9 /* NETLINK_AUDIT */));
}

static int vsock(void)
{
    return result(socket(AF_VSOCK, SOCK_STREAM, 0));
}

static int abstract_socket(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    memcpy(a.sun_path + 1, world.abstract, strlen(world.abstract));
    socklen_t n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(world.abstract));
    return result(connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&a, n));
}

/* Other processes */

static int trace_parent(void)
{
    return result(ptrace(PTRACE_SEIZE, world.parent, NULL, NULL));
}

static int read_parent(void)
{
    char c;
    struct iovec v = {&c, 1};
    return result(process_vm_readv(world.parent, &v, 1, &v, 1, 0));
}

static int signal_init(void)
{
    return result(kill(1, 0));
}

static int signal_parent(void)
{
    return result(kill(world.parent, SIGCONT));
}

static int signal_parents_thread(void)
{
    return result(syscall(SYS_tgkill, world.parent, world.parent, SIGCONT));
}

static int signal_by_queue(void)
{
    return result(sigqueue(world.parent, SIGCONT, (union sigval){0}));
}

static int signal_by_owner(void)
{
    return result(fcntl(0, F_SETOWN, world.parent));
}

static int pidfd_of_parent(void)
{
    return result(syscall(SYS_pidfd_open, world.parent, 0));
}

static int execute(void)
{
    char *argv[] = {(char *)"/bin/true", NULL};
    char *env[] = {NULL};
    return result(execve(argv[0], argv, env));
}

static int execute_at(void)
{
    char *argv[] = {(char *)"/bin/true", NULL};
    return result(syscall(SYS_execveat, AT_FDCWD, argv[0], argv, argv + 1, 0));
}

static int fork_plain(void)
{
    return result(syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL));
}

static int fork_libc(void)
{
    return result(fork());
}

static int clone_hidden(void)
{
    struct clone_args a = {.exit_signal = SIGCHLD};
    return result(syscall(SYS_clone3, &a, sizeof(a)));
}

static int thread_in_new_namespace(void)
{
    return result(syscall(SYS_clone,
                          CLONE_VM | CLONE_THREAD | CLONE_SIGHAND | CLONE_NEWUSER | CLONE_NEWNET,
                          NULL, NULL, NULL, NULL));
}

static int process_in_namespace(unsigned long flag)
{
    long pid = syscall(SYS_clone, flag | SIGCHLD, NULL, NULL, NULL, NULL);
    if (pid == 0)
        _exit(0);
    return pid < 0 ? errno : result(waitpid((pid_t)pid, NULL, 0));
}

static int process_in_new_users(void)
{
    return process_in_namespace(CLONE_NEWUSER);
}

static int process_in_new_users_and_network(void)
{
    return process_in_namespace(CLONE_NEWUSER | CLONE_NEWNET);
}

static int process_in_new_mounts(void)
{
    return process_in_namespace(CLONE_NEWNS);
}

static int process_in_old_namespaces(void)
{
    return process_in_namespace(0);
}

static int process_of_libc(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return pid < 0 ? errno : result(waitpid(pid, NULL, 0));
}

/* Itself: privileges, code, the sandbox */

static int become_root(void)
{
    return result(setuid(0));
}

static int leave_namespace(void)
{
    return result(unshare(CLONE_NEWUSER));
}

static int be_dumpable(void)
{
    return result(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}

static int raise_limit(void)
{
    struct rlimit r = {1, 1};
    return result(setrlimit(RLIMIT_CORE, &r));
}

static int new_code(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return result(mprotect(p, 4096, PROT_READ | PROT_EXEC));
}

static int new_code_at_once(void)
{
    void *p =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? errno : 0;
}

static int code_of_a_file(void)
{
    char path[160];
    snprintf(path, sizeof(path), "%s/file", world.readable);
    void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, open(path, O_RDONLY), 0);
    return p == MAP_FAILED ? errno : 0;
}

static int code_by_key(void)
{
    return result(syscall(SYS_pkey_mprotect, NULL, 0, PROT_EXEC, -1));
}

static int code_by_personality(void)
{
    return result(syscall(SYS_personality, 0x0400000 /* READ_IMPLIES_EXEC */));
}

static int memory_file(void)
{
    return result(memfd_create("x", 0));
}

static void harmless(int sig)
{
    (void)sig;
}

static int other_handler(void)
{
    return signal(SIGSYS, harmless) == SIG_ERR ? errno : 0;
}

/* What the kernel itself reads, without the C library's own check of the number. */
struct kernel_sigaction {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)(void);
    unsigned long mask;
};

static int other_handler_by_high_bits(void)
{
    struct kernel_sigaction a = {.handler = harmless};
    return result(syscall(SYS_rt_sigaction, HIGH_BITS | SIGSYS, &a, NULL, 8));
}

static int other_handlers_are_free(void)
{
    struct kernel_sigaction old;
    for (int sig = 1; sig <= 64; sig++) {
        if (sig != SIGSYS && syscall(SYS_rt_sigaction, sig, NULL, &old, 8) != 0) {
            return errno;
        }
    }
    return 0;
}

static int blocked_sigsys(void)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    return result(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int looser_filter(void)
{
    return result(syscall(SYS_seccomp, 1 /* SECCOMP_SET_MODE_FILTER */, 0, NULL));
}

static int ring(void)
{
    return result(syscall(SYS_io_uring_setup, 8, NULL));
}

static int terminal_input(void)
{
    return result(ioctl(0, TIOCSTI, "x"));
}

static int other_abi(void)
{
#if defined(__x86_64__)
    return result(syscall(0x40000000 | SYS_getpid)); /* x32 */
#else
    return result(syscall(SYS_ptrace, 0, 0, 0, 0));
#endif
}

static int other_abi_32(void)
{
#if defined(__x86_64__)
    long r = 20; /* getpid of i386 */
    __asm__ __volatile__("int $0x80" : "+a"(r) : : "memory", "r8", "r9", "r10", "r11");
    return r > 0 ? 0 : (int)-r;
#else
    return result(syscall(SYS_ptrace, 0, 0, 0, 0));
#endif
}

#define ALLOWED        NULL, 0, 0
#define KILLED(nr)     nr, 0, 0
#define KILLED_AT(nr)  nr "?", 0, 0 /* or without a name: newer C libraries block signals for it */
#define KILLED_BARE    "", 0, 0     /* by the kernel itself: the call has no name */
#define REFUSED(e)     NULL, e, 0
#define LANDLOCK(v, e) NULL, e, v /* by this ABI or a later one */

static const struct attempt {
    enum sa_sandbox_profile profile;
    const char *name;
    int (*run)(void);
    const char *killed_for;
    int error, abi;
} attempts[] = {
#define TRY(profile, f, ...)                                                                       \
    {                                                                                              \
        SA_SANDBOX_##profile, #f, f, __VA_ARGS__                                                   \
    }
    TRY(WORKER, open_listed, ALLOWED),
    TRY(WORKER, open_closed, REFUSED(EACCES)),
    TRY(WORKER, open_outside, LANDLOCK(1, EACCES)),
    TRY(WORKER, open_through_dots, LANDLOCK(1, EACCES)),
    TRY(WORKER, list_outside, LANDLOCK(1, EACCES)),
    TRY(WORKER, write_readable, LANDLOCK(1, EACCES)),
    TRY(WORKER, truncate_readable, LANDLOCK(3, EACCES)),
    TRY(WORKER, create_in_readable, LANDLOCK(1, EACCES)),
    TRY(WORKER, remove_in_readable, KILLED("unlink")),
    TRY(UPLINK, remove_in_readable, LANDLOCK(1, EACCES)),
    TRY(UPLINK, move_out, LANDLOCK(2, EACCES)),
    TRY(UPLINK, open_outside, LANDLOCK(1, EACCES)),
    TRY(UPLINK, write_readable, LANDLOCK(1, EACCES)),
    TRY(WORKER, parents_environment, REFUSED(EACCES)),
    TRY(WORKER, own_memory, REFUSED(EACCES)),
    TRY(WORKER, own_memory_by_task, REFUSED(EACCES)),
    TRY(WORKER, connect_open, ALLOWED),
    TRY(WORKER, connect_closed, LANDLOCK(4, EACCES)),
    TRY(WORKER, bind_tcp, LANDLOCK(4, EACCES)),
    TRY(WORKER, listen_tcp, KILLED("listen")),
    TRY(WORKER, packet_socket, KILLED("socket")),
    TRY(WORKER, packet_socket_by_high_bits, KILLED("socket")),
    TRY(WORKER, netlink_audit, KILLED("socket")),
    TRY(WORKER, vsock, KILLED("socket")),
    TRY(WORKER, abstract_socket, LANDLOCK(6, EPERM)),
    TRY(WORKER, trace_parent, KILLED("ptrace")),
    TRY(WORKER, read_parent, KILLED("process_vm_readv")),
    TRY(WORKER, signal_init, KILLED("kill")),
    TRY(WORKER, signal_parent, KILLED("kill")),
    TRY(WORKER, signal_parents_thread, KILLED("tgkill")),
    TRY(WORKER, signal_by_queue, KILLED("rt_sigqueueinfo")),
    TRY(WORKER, signal_by_owner, KILLED("fcntl")),
    TRY(WORKER, pidfd_of_parent, KILLED("pidfd_open")),
    TRY(WORKER, execute, KILLED("execve")),
    TRY(WORKER, execute_at, KILLED("execveat")),
    TRY(WORKER, fork_plain, KILLED("clone")),
    TRY(WORKER, fork_libc, KILLED_AT("clone")),
    TRY(WORKER, clone_hidden, REFUSED(ENOSYS)),
    TRY(WORKER, thread_in_new_namespace, KILLED("clone")),
    TRY(WORKER, become_root, KILLED("setuid")),
    TRY(WORKER, leave_namespace, KILLED("unshare")),
    TRY(WORKER, be_dumpable, KILLED("prctl")),
    TRY(WORKER, raise_limit, KILLED("prlimit64")),
    TRY(WORKER, new_code, KILLED("mprotect")),
    TRY(WORKER, new_code_at_once, KILLED("mmap")),
    TRY(WORKER, code_of_a_file, REFUSED(EPERM)),
    TRY(WORKER, code_by_key, KILLED("pkey_mprotect")),
    TRY(WORKER, code_by_personality, KILLED("personality")),
    TRY(WORKER, memory_file, KILLED("memfd_create")),
    TRY(WORKER, other_handlers_are_free, ALLOWED),
    TRY(WORKER, other_handler, KILLED("rt_sigaction")),
    TRY(WORKER, other_handler_by_high_bits, KILLED("rt_sigaction")),
    TRY(WORKER, blocked_sigsys, KILLED_BARE),
    TRY(WORKER, looser_filter, KILLED("seccomp")),
    TRY(WORKER, ring, KILLED("io_uring_setup")),
    TRY(WORKER, terminal_input, KILLED("ioctl")),
    TRY(WORKER, other_abi, KILLED_BARE),
    TRY(WORKER, other_abi_32, KILLED_BARE),
    TRY(READER, open_listed, REFUSED(EACCES)),
    TRY(READER, connect_open, KILLED("socket")),
    TRY(READER, execute, KILLED("execve")),
    TRY(UPLINK, execute, KILLED("execve")),
    TRY(UPLINK, connect_closed, LANDLOCK(4, EACCES)),
    TRY(UPLINK, signal_parent, KILLED("kill")),
    TRY(EXPORTER, connect_closed, LANDLOCK(4, EACCES)),
    TRY(EXPORTER, bind_tcp, LANDLOCK(4, EACCES)),
    TRY(EXPORTER, open_outside, LANDLOCK(1, EACCES)),
    TRY(EXPORTER, trace_parent, KILLED("ptrace")),
    TRY(HELPER, execute, LANDLOCK(1, EACCES)), /* it is in no rule here */
    TRY(HELPER, open_outside, LANDLOCK(1, EACCES)),
    TRY(HELPER, connect_closed, LANDLOCK(4, EACCES)),
    TRY(HELPER, trace_parent, KILLED("ptrace")),
    TRY(HELPER, packet_socket, KILLED("socket")),
    TRY(HELPER, packet_socket_by_high_bits, KILLED("socket")),
    TRY(HELPER, signal_parent, LANDLOCK(6, EPERM)),
    TRY(HELPER, ring, REFUSED(EPERM)),
    TRY(HELPER, leave_namespace, KILLED("unshare")),
    TRY(HELPER, process_in_new_users, KILLED("clone")),
    TRY(HELPER, process_in_new_users_and_network, KILLED("clone")),
    TRY(HELPER, process_in_new_mounts, KILLED("clone")),
    TRY(HELPER, thread_in_new_namespace, KILLED("clone")),
    TRY(HELPER, clone_hidden, REFUSED(ENOSYS)),
    TRY(HELPER, process_in_old_namespaces, ALLOWED),
    TRY(HELPER, process_of_libc, ALLOWED),
    TRY(HELPER, abstract_socket, LANDLOCK(6, EPERM)),
#undef TRY
};

static void check_killed(const struct attempt *a, int status, const struct trace *t,
                         const char *context)
{
    char name[64] = "";
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS,
                  "%s: not killed: status %x, outcome %d", context, (unsigned)status, t->outcome);
    if (t->syscall_nr != 0)
        sa_syscall_name(t->syscall_nr - 1, name, sizeof(name));
    size_t n = strcspn(a->killed_for, "?");
    bool bare = name[0] == '\0' && (n == 0 || a->killed_for[n] == '?');
    ck_assert_msg(bare || (strlen(name) == n && strncmp(name, a->killed_for, n) == 0),
                  "%s: killed for \"%s\"", context, name);
    ck_assert_int_eq(t->outcome, OUTCOME_NONE);
}

START_TEST(attempt_fails)
{
    static const char *const threads[] = {"main", "early", "late"};
    const struct attempt *a = &attempts[_i];
    if (a->abi > landlock_abi()) {
        printf("%s: skipped: this kernel's Landlock has ABI %d of %d\n", a->name, landlock_abi(),
               a->abi);
        return;
    }
    for (int root = 0; root <= (is_root() ? 1 : 0); root++) {
        for (int where = 0; where < WHERE_COUNT; where++) {
            char context[200];
            const struct trace *t;
            struct sa_sandbox s = sandbox_of(a->profile, root == 1);
            snprintf(context, sizeof(context), "%s by the %s thread of a child %s", a->name,
                     threads[where], root == 1 ? "that was root" : "that never was root");
            int status = run_confined(&s, root == 1, (enum where)where, a->run, &t);
            ck_assert_msg(t->sealed, "%s: %s (%x)", context, t->error, (unsigned)status);
            if (a->killed_for != NULL) {
                check_killed(a, status, t, context);
                continue;
            }
            ck_assert_msg(status == 0, "%s: status %x, for %d", context, (unsigned)status,
                          t->syscall_nr - 1);
            ck_assert_msg(t->outcome == a->error, "%s: %s", context,
                          t->outcome == 0 ? "it succeeded" : strerror(t->outcome));
        }
    }
}
END_TEST

TCase *sandbox_attempts(void)
{
    TCase *t = tcase_create("attempts");
    tcase_add_checked_fixture(t, world_make, world_remove);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, attempt_fails, 0, (int)(sizeof(attempts) / sizeof(attempts[0])));
    return t;
}
