/* SPDX-License-Identifier: Apache-2.0 */
/* The harness, and what the sandbox says of itself. */
#include "base_sandbox_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <seccomp.h>
#include <semaphore.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/asan.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/process.h"

#define CHILD_UID 4711
#define OTHER_UID 4712 /* of a daemon that was not started as root */

struct world world;

bool is_root(void)
{
    return geteuid() == 0;
}

int landlock_abi(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, 1u /* the version, please */);
    return abi > 0 ? (int)abi : 0;
}

/* The world */

static int tcp_listener(uint16_t *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    ck_assert_int_eq(listen(fd, 100), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    *port = ntohs(a.sin_port);
    return fd;
}

static int abstract_listener(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(world.abstract, sizeof(world.abstract), "sa-test-%d", (int)getpid());
    memcpy(a.sun_path + 1, world.abstract, strlen(world.abstract));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(world.abstract));
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, n), 0);
    ck_assert_int_eq(listen(fd, 100), 0);
    return fd;
}

static void make_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, "text\n", 5), 5);
    fchmod(fd, 0666);
    close(fd);
}

static void make_folder(char *out, size_t n, const char *name)
{
    char file[128];
    snprintf(out, n, "%.60s/%s", world.dir, name);
    ck_assert_int_eq(mkdir(out, 0777), 0);
    chmod(out, 0777);
    snprintf(file, sizeof(file), "%s/file", out);
    make_file(file);
}

void world_make(void)
{
    memset(&world, 0, sizeof(world));
    snprintf(world.dir, sizeof(world.dir), "/tmp/sa-box-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(world.dir));
    chmod(world.dir, 0755);
    snprintf(world.outside, sizeof(world.outside), "%s/outside", world.dir);
    make_file(world.outside);
    make_folder(world.readable, sizeof(world.readable), "readable");
    make_folder(world.writable, sizeof(world.writable), "writable");
    snprintf(world.closed, sizeof(world.closed), "%.60s/readable/closed", world.dir);
    make_file(world.closed);
    chmod(world.closed, 0);
    world.listeners[0] = tcp_listener(&world.open_port);
    world.listeners[1] = tcp_listener(&world.closed_port);
    world.listeners[2] = abstract_listener();
    world.parent = getpid();
    struct addrinfo *a = NULL;
    world.localhost = getaddrinfo("localhost", NULL, NULL, &a) == 0;
    if (world.localhost)
        freeaddrinfo(a);
}

void world_remove(void)
{
    char command[128];
    for (size_t i = 0; i < 3; i++) {
        close(world.listeners[i]);
    }
    snprintf(command, sizeof(command), "rm -rf %s", world.dir);
    ck_assert_int_eq(system(command), 0);
}

/* The child */

struct sa_sandbox sandbox_of(enum sa_sandbox_profile profile, bool from_root)
{
    static struct sa_sandbox_path paths[2];
    paths[0] = (struct sa_sandbox_path){.path = world.readable};
    paths[1] = (struct sa_sandbox_path){.path = world.writable, .write = true};
    return (struct sa_sandbox){
        .profile = profile,
        .required = landlock_abi() >= 6,
        .uid = from_root ? CHILD_UID : 0,
        .gid = from_root ? CHILD_UID : 0,
        .paths = paths,
        .n_paths = 2,
        .tcp_connect = &world.open_port,
        .n_tcp_connect = 1,
        .max_files = 128,
    };
}

static struct trace *trace;
static int (*the_attempt)(void);
static sem_t sealed, done;

static void *try_it(void *arg)
{
    (void)arg;
    trace->outcome = the_attempt();
    sem_post(&done);
    return NULL;
}

static void *wait_and_try(void *arg)
{
    sem_wait(&sealed);
    return try_it(arg);
}

static void fail_with(struct sa_err *err)
{
    snprintf(trace->error, sizeof(trace->error), "%s", sa_err_msg(err));
    _exit(98);
}

void start_without_root(void)
{
    struct sa_err *err = NULL;
    if (is_root() && sa_drop_privileges(OTHER_UID, OTHER_UID, &err) != 0) {
        fprintf(stderr, "%s\n", sa_err_msg(err));
        _exit(94);
    }
}

static void child(const struct sa_sandbox *s, bool from_root, enum where where)
{
    pthread_t t;
    struct sa_err *err = NULL;
    if (!from_root) {
        start_without_root();
    }
    if (sa_die_with_parent(world.parent, &err) != 0 ||
        sa_sandbox_enter(s, &trace->report, &err) != 0) {
        fail_with(err);
    }
    sem_init(&sealed, 0, 0);
    sem_init(&done, 0, 0);
    if (where == IN_EARLY && pthread_create(&t, NULL, wait_and_try, NULL) != 0) {
        _exit(97);
    }
    sa_sandbox_report_syscall_to(&trace->syscall_nr);
    if (sa_sandbox_seal(s, &trace->report, &err) != 0) {
        fail_with(err);
    }
    trace->sealed = true;
    sem_post(&sealed);
    if (where == IN_LATE && pthread_create(&t, NULL, try_it, NULL) != 0) {
        _exit(96);
    }
    if (where == IN_MAIN) {
        try_it(NULL);
    }
    sem_wait(&done);
    _exit(0);
}

int run_confined(const struct sa_sandbox *s, bool from_root, enum where where, int (*attempt)(void),
                 const struct trace **out)
{
    int status = 0;
    if (trace == NULL) {
        trace =
            mmap(NULL, sizeof(*trace), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        ck_assert_ptr_ne(trace, MAP_FAILED);
    }
    memset(trace, 0, sizeof(*trace));
    trace->outcome = OUTCOME_NONE;
    the_attempt = attempt;
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        child(s, from_root, where);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    *out = trace;
    return status;
}

/* What the sandbox says of itself */

static int nothing(void)
{
    return 0;
}

static int looks_confined(void)
{
    struct rlimit core;
    struct rlimit files;
    bool good = prctl(PR_GET_DUMPABLE) == 0 && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 &&
                getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0 &&
                getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_max == 128 && geteuid() != 0 &&
                getuid() != 0;
    return good ? 0 : 1;
}

START_TEST(everything_is_in_force)
{
    const struct trace *t;
    for (int root = 0; root <= (is_root() ? 1 : 0); root++) {
        for (int where = 0; where < WHERE_COUNT; where++) {
            struct sa_sandbox s = sandbox_of(SA_SANDBOX_WORKER, root == 1);
            int status = run_confined(&s, root == 1, (enum where)where, looks_confined, &t);
            ck_assert_msg(status == 0 && t->outcome == 0, "status %x outcome %d: %s", status,
                          t->outcome, t->error);
            ck_assert(t->report.no_new_privs && t->report.seccomp);
            ck_assert_int_eq(t->report.uid_dropped, root);
            ck_assert_int_eq(t->report.landlock_abi, landlock_abi());
            ck_assert_int_eq(t->report.landlock, landlock_abi() >= 1);
            ck_assert_int_eq(t->report.landlock_tcp, landlock_abi() >= 4);
            ck_assert_int_eq(t->report.lacks[0] == '\0', landlock_abi() >= 6);
        }
    }
}
END_TEST

static void *sleep_long(void *arg)
{
    pause();
    return arg;
}

static void enter_with_two_threads(void)
{
    pthread_t t;
    struct sa_err *err = NULL;
    struct sa_sandbox s = sandbox_of(SA_SANDBOX_WORKER, is_root());
    struct sa_sandbox_report rep;
    pthread_create(&t, NULL, sleep_long, NULL);
    _exit(sa_sandbox_enter(&s, &rep, &err) == -1 && err->code == SA_EINTERNAL ? 0 : 1);
}

/* Takes Landlock from the child as an old kernel lacks it, or one that has it switched off at boot.
 */
static void without_landlock(int error)
{
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
    int nr = seccomp_syscall_resolve_name("landlock_create_ruleset");
    if (seccomp_rule_add(f, SCMP_ACT_ERRNO((uint16_t)error), nr, 0) != 0 || seccomp_load(f) != 0) {
        _exit(95);
    }
    seccomp_release(f);
}

static void old_kernel(void)
{
    struct sa_err *err = NULL;
    struct sa_sandbox s = sandbox_of(SA_SANDBOX_WORKER, is_root());
    struct sa_sandbox_report rep;
    s.required = false;
    without_landlock(ENOSYS);
    if (sa_sandbox_enter(&s, &rep, &err) != 0 || rep.landlock || rep.landlock_abi != 0 ||
        strcmp(rep.lacks, "landlock (kernel too old)") != 0) {
        _exit(1);
    }
    if (sa_sandbox_seal(&s, &rep, &err) != 0 || !rep.seccomp ||
        strcmp(rep.lacks, "landlock (kernel too old)") != 0) {
        _exit(2);
    }
    _exit(0);
}

static void old_kernel_but_required(void)
{
    struct sa_err *err = NULL;
    struct sa_sandbox s = sandbox_of(SA_SANDBOX_WORKER, is_root());
    struct sa_sandbox_report rep;
    s.required = true;
    without_landlock(EOPNOTSUPP);
    _exit(sa_sandbox_enter(&s, &rep, &err) == -1 && err->code == SA_ECONFIG &&
                  strstr(err->msg, "landlock (not enabled at boot)") != NULL
              ? 0
              : 1);
}

static void missing_path(void)
{
    struct sa_err *err = NULL;
    struct sa_sandbox_path p[] = {{.path = "/nonexistent/a", .optional = true},
                                  {.path = "/nonexistent/b"}};
    struct sa_sandbox s = sandbox_of(SA_SANDBOX_WORKER, is_root());
    struct sa_sandbox_report rep;
    s.paths = p;
    _exit(sa_sandbox_enter(&s, &rep, &err) == -1 &&
                  strcmp(err->msg,
                         "sandbox: landlock: open /nonexistent/b: No such file or directory") == 0
              ? 0
              : 1);
}

static void switched_off(void)
{
    struct sa_err *err = NULL;
    struct sa_sandbox s = sandbox_of(SA_SANDBOX_WORKER, is_root());
    struct sa_sandbox_report rep;
    s.off = true;
    s.required = false;
    if (sa_sandbox_enter(&s, &rep, &err) != 0 || sa_sandbox_seal(&s, &rep, &err) != 0) {
        _exit(1);
    }
    int fd = open(world.outside, O_RDONLY);
    bool good = fd >= 0 && getuid() != 0 && rep.no_new_privs && !rep.landlock && !rep.seccomp &&
                strstr(rep.lacks, "landlock (sandbox is off)") != NULL &&
                strstr(rep.lacks, "seccomp (sandbox is off)") != NULL;
    _exit(good ? 0 : 2);
}

static void root_kept(void)
{
    struct sa_err *err = NULL;
    struct sa_sandbox s = sandbox_of(SA_SANDBOX_WORKER, false);
    struct sa_sandbox_report rep;
    s.required = is_root() || s.required;
    int r = sa_sandbox_enter(&s, &rep, &err);
    /* Only where the test is root is there anything to lack. */
    bool good =
        is_root() ? r == -1 && strstr(sa_err_msg(err), "uid (root is kept)") != NULL : r == 0;
    _exit(good ? 0 : 1);
}

static void little_memory(void)
{
    if (SA_ASAN)
        _exit(0);
    struct sa_err *err = NULL;
    struct sa_sandbox s = sandbox_of(SA_SANDBOX_WORKER, is_root());
    struct sa_sandbox_report rep;
    s.max_memory = 48u * 1024 * 1024;
    if (sa_sandbox_enter(&s, &rep, &err) != 0) {
        _exit(1);
    }
    /* Twenty threads, as nng has, fit; their stacks are small. */
    for (int i = 0; i < 20; i++) {
        pthread_t t;
        if (pthread_create(&t, NULL, sleep_long, NULL) != 0) {
            _exit(2);
        }
    }
    void *volatile small = malloc(16u * 1024 * 1024);
    void *volatile big = malloc(64u * 1024 * 1024);
    _exit(small != NULL && big == NULL ? 0 : 3);
}

static void (*const reports[])(void) = {
    enter_with_two_threads, old_kernel,   old_kernel_but_required,
    missing_path,           switched_off, root_kept,
    little_memory};

START_TEST(says_what_is_so)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        reports[_i]();
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}
END_TEST

static int ends_by_abort(void)
{
    abort();
}

/* A crash of the program's own must not look like a break-out. */
START_TEST(abort_is_no_violation)
{
    const struct trace *t;
    struct sa_sandbox s = sandbox_of(SA_SANDBOX_WORKER, is_root());
    int status = run_confined(&s, is_root(), IN_LATE, ends_by_abort, &t);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    ck_assert_int_eq(t->syscall_nr, 0);
    ck_assert_int_eq(run_confined(&s, is_root(), IN_MAIN, nothing, &t), 0);
    ck_assert_int_eq(t->outcome, 0);
}
END_TEST

START_TEST(resolver_file_replaced_is_noticed)
{
    struct sa_sandbox_report rep = {0};
    struct stat st;
    bool there = stat("/etc/resolv.conf", &st) == 0;
    ck_assert_int_eq(sa_sandbox_resolver_replaced(&rep), there);
    if (there) {
        rep.resolver_dev = st.st_dev;
        rep.resolver_ino = st.st_ino;
        ck_assert(!sa_sandbox_resolver_replaced(&rep));
    }
}
END_TEST

int main(void)
{
    const char *preload = getenv("LD_PRELOAD");
    if (preload != NULL && strstr(preload, "vgpreload") != NULL) {
        puts("sandbox: skipped: valgrind makes system calls of its own in the sandboxed process");
        return EXIT_SUCCESS;
    }
    sa_hash_init();
    Suite *suite = suite_create("sandbox");
    TCase *t = tcase_create("report");
    tcase_add_checked_fixture(t, world_make, world_remove);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, everything_is_in_force);
    tcase_add_loop_test(t, says_what_is_so, 0, (int)(sizeof(reports) / sizeof(reports[0])));
    tcase_add_test(t, abort_is_no_violation);
    tcase_add_test(t, resolver_file_replaced_is_noticed);
    suite_add_tcase(suite, t);
    suite_add_tcase(suite, sandbox_attempts());
    suite_add_tcase(suite, sandbox_works());
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
