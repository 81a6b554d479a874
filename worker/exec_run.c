/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/exec_run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/process.h"
#include "worker/exec_client.h"

#define COMPLAINT_MAX 4096u /* bytes of standard error that are kept, the last ones */
#define POLL_EVERY    (50 * SA_NS_PER_MS)
#define DEFAULT_PATH  "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct sa_exec_run {
    struct sa_loop *loop;
    const struct sa_exec_spec *spec;
    sa_exec_run_cb *cb;
    void *arg;
    pid_t pid;
    int pid_fd, out_fd, err_fd; /* -1: closed */
    struct sa_timer poll;       /* where the kernel has no pidfd (Linux before 5.3) */
    struct sa_buf out, complaint;
    struct sa_timer timer;
    uint64_t timeout_ns;
    const char *killed; /* why we ended it; NULL: we did not */
};

/* What is run, and with what */

static char *find_program(const char *command, struct sa_err **err)
{
    const char *env = getenv("PATH");
    struct sa_buf b;
    if (strchr(command, '/') != NULL) {
        if (access(command, X_OK) == 0)
            return strdup(command);
        sa_err_sys(err, errno, "the exec plugin %s can't be run", command);
        return NULL;
    }
    SA_CLEANUP(sa_freep) char *path = strdup(env != NULL ? env : DEFAULT_PATH);
    char *save = NULL;
    for (char *d = path != NULL ? strtok_r(path, ":", &save) : NULL; d != NULL;
         d = strtok_r(NULL, ":", &save)) {
        sa_buf_init(&b, 4096);
        sa_buf_addf(&b, "%s/%s", d, command);
        if (!b.failed && d[0] == '/' && access(b.data, X_OK) == 0)
            return b.data;
        sa_buf_free(&b);
    }
    sa_err_set(err, SA_ECREDENTIAL,
               "the exec plugin \"%s\" is not installed: no program of that name in PATH (%s) that "
               "this user may run",
               command, env != NULL ? env : DEFAULT_PATH);
    return NULL;
}

struct vector {
    char **v;
    size_t n, cap;
};

static void vector_free(struct vector *v)
{
    for (size_t i = 0; i < v->n; i++)
        sa_secret_free_string(&v->v[i]);
    free(v->v);
    *v = (struct vector){0};
}

/* Appends name=value, in place of an earlier one of that name. */
static int set_env(struct vector *v, const char *name, const char *value)
{
    struct sa_buf b;
    size_t n = strlen(name);
    sa_buf_init(&b, SA_EXEC_OUTPUT_MAX);
    sa_buf_addf(&b, "%s=%s", name, value);
    if (b.failed) {
        sa_buf_free(&b);
        return -1;
    }
    for (size_t i = 0; i < v->n; i++) {
        if (strncmp(v->v[i], name, n) == 0 && v->v[i][n] == '=') {
            sa_secret_free_string(&v->v[i]);
            v->v[i] = b.data;
            return 0;
        }
    }
    if (v->n + 1 >= v->cap) {
        size_t cap = v->cap * 2 + 16;
        char **more = reallocarray(v->v, cap, sizeof(*more));
        if (more == NULL) {
            sa_buf_wipe(&b);
            sa_buf_free(&b);
            return -1;
        }
        v->v = more;
        v->cap = cap;
    }
    v->v[v->n++] = b.data;
    v->v[v->n] = NULL;
    return 0;
}

static int make_env(const struct sa_exec_how *how, struct vector *env)
{
    const char *path = getenv("PATH");
    int rc = set_env(env, "PATH", path != NULL ? path : DEFAULT_PATH);
    rc |= set_env(env, "HOME", how->home);
    for (size_t i = 0; i < how->pass_env->n; i++) {
        const char *value = getenv(how->pass_env->v[i]);
        if (value != NULL)
            rc |= set_env(env, how->pass_env->v[i], value);
    }
    for (size_t i = 0; i < how->spec->n_env; i++)
        rc |= set_env(env, how->spec->env[i].name, how->spec->env[i].value);
    return rc | set_env(env, "KUBERNETES_EXEC_INFO", how->info);
}

static _Noreturn void child(const char *program, char **argv, char **env, int out, int err,
                            pid_t parent)
{
    sigset_t none;
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    if (setpgid(0, 0) != 0 || sa_die_with_parent(parent, NULL) != 0 || null < 0 ||
        dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
        _exit(126);
    sa_close_others(NULL, 0);
    if (chdir("/") != 0)
        _exit(126);
    execve(program, argv, env);
    _exit(127);
}

/* Its end */

static void close_fd(struct sa_exec_run *r, int *fd)
{
    if (*fd >= 0)
        sa_loop_fd_remove(r->loop, *fd);
    sa_closep(fd);
}

static void release(struct sa_exec_run *r)
{
    close_fd(r, &r->out_fd);
    close_fd(r, &r->err_fd);
    close_fd(r, &r->pid_fd);
    sa_timer_cancel(r->loop, &r->timer);
    sa_timer_cancel(r->loop, &r->poll);
    sa_buf_wipe(&r->out);
    sa_buf_free(&r->out);
    sa_buf_wipe(&r->complaint);
    sa_buf_free(&r->complaint);
    free(r);
}

static void kill_group(struct sa_exec_run *r, const char *why)
{
    if (r->killed == NULL)
        r->killed = why;
    /* The group may not be there yet if the child has not come so far. */
    if (kill(-r->pid, SIGKILL) != 0)
        (void)kill(r->pid, SIGKILL);
}

static void say_why(struct sa_exec_run *r, int status, struct sa_err **err)
{
    char line[256], how[128];
    const char *name = r->spec->command;
    sa_exec_last_line(r->complaint.data, r->complaint.len, line, sizeof(line));
    const char *sep = line[0] != '\0' ? ", its last words: " : "";
    if (r->killed != NULL) {
        sa_err_set(err, SA_ELIMIT, "the exec plugin %s %s%s%s", name, r->killed, sep, line);
        return;
    }
    sa_exit_text(status, -1, how, sizeof(how));
    sa_err_set(err, SA_ECREDENTIAL, "the exec plugin %s ended with %s%s%s", name, how, sep, line);
}

/* What is in the pipe still; false when nothing more will come. */
static bool drain(struct sa_exec_run *r, int fd, bool output)
{
    char piece[16384];
    bool more = true;
    for (;;) {
        ssize_t n = read(fd, piece, sizeof(piece));
        if (n < 0 && errno == EINTR)
            continue;
        more = n > 0 || (n < 0 && errno == EAGAIN);
        if (n <= 0)
            break;
        if (output && sa_buf_add(&r->out, piece, (size_t)n) != 0) {
            kill_group(r, "wrote more than 1 MB and was ended");
            more = false;
            break;
        }
        if (!output) {
            if (r->complaint.len + (size_t)n > COMPLAINT_MAX + sizeof(piece))
                sa_buf_drop(&r->complaint, r->complaint.len);
            (void)sa_buf_add(&r->complaint, piece, (size_t)n);
        }
    }
    explicit_bzero(piece, sizeof(piece));
    return more;
}

static void on_pipe(void *arg, int fd, uint32_t events)
{
    struct sa_exec_run *r = arg;
    bool output = fd == r->out_fd;
    (void)events;
    if (!drain(r, fd, output))
        close_fd(r, output ? &r->out_fd : &r->err_fd);
}

static void look(void *arg)
{
    struct sa_exec_run *r = arg;
    SA_CLEANUP(sa_err_free) struct sa_err *e = NULL;
    siginfo_t si = {0};
    int status = 0;
    if (waitid(P_PID, (id_t)r->pid, &si, WEXITED | WNOHANG | WNOWAIT) == 0 && si.si_pid == 0) {
        if (r->pid_fd < 0)
            (void)sa_timer_set(r->loop, &r->poll, POLL_EVERY, look, r);
        return;
    }
    /* Children it left behind would hold the pipes open. While it is not reaped, the number of its
     * group can't belong to anybody else. */
    (void)kill(-r->pid, SIGKILL);
    (void)waitpid(r->pid, &status, 0);
    if (r->out_fd >= 0)
        (void)drain(r, r->out_fd, true);
    if (r->err_fd >= 0)
        (void)drain(r, r->err_fd, false);
    bool good = r->killed == NULL && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!good)
        say_why(r, status, &e);
    struct sa_buf out = r->out;
    sa_exec_run_cb *cb = r->cb;
    void *cb_arg = r->arg;
    sa_buf_init(&r->out, 0);
    release(r);
    cb(cb_arg, good ? (out.data != NULL ? out.data : "") : NULL, good ? out.len : 0, e);
    sa_buf_wipe(&out);
    sa_buf_free(&out);
}

static void on_exit_fd(void *arg, int fd, uint32_t events)
{
    (void)fd, (void)events;
    look(arg);
}

static void on_timeout(void *arg)
{
    kill_group(arg, "took too long and was ended");
}

/* Its start */

static int watch(struct sa_exec_run *r, uint64_t timeout_ns, struct sa_err **err)
{
    r->pid_fd = sa_pidfd_open(r->pid, NULL);
    if (r->pid_fd < 0 && sa_timer_set(r->loop, &r->poll, POLL_EVERY, look, r) != 0)
        return sa_err_set(err, SA_EMEMORY, "exec plugin");
    if ((r->pid_fd >= 0 && sa_loop_fd(r->loop, r->pid_fd, EPOLLIN, on_exit_fd, r, err) != 0) ||
        sa_loop_fd(r->loop, r->out_fd, EPOLLIN, on_pipe, r, err) != 0 ||
        sa_loop_fd(r->loop, r->err_fd, EPOLLIN, on_pipe, r, err) != 0)
        return -1;
    if (sa_timer_set(r->loop, &r->timer, timeout_ns, on_timeout, r) != 0)
        return sa_err_set(err, SA_EMEMORY, "exec plugin");
    return 0;
}

static int spawn(struct sa_exec_run *r, const struct sa_exec_how *how, struct sa_err **err)
{
    struct vector env = {0};
    int out[2] = {-1, -1}, complaint[2] = {-1, -1}, rc = -1;
    SA_CLEANUP(sa_freep) char *program = find_program(how->spec->command, err);
    SA_CLEANUP(sa_freep) char **argv = calloc(how->spec->n_args + 2, sizeof(*argv));
    if (program == NULL)
        return -1;
    if (argv == NULL || make_env(how, &env) != 0) {
        sa_err_set(err, SA_EMEMORY, "exec plugin");
        goto out;
    }
    argv[0] = how->spec->command;
    for (size_t i = 0; i < how->spec->n_args; i++)
        argv[i + 1] = how->spec->args[i];
    if (pipe2(out, O_CLOEXEC | O_NONBLOCK) != 0 || pipe2(complaint, O_CLOEXEC | O_NONBLOCK) != 0) {
        sa_err_sys(err, errno, "exec plugin: pipe");
        goto out;
    }
    /* Only our ends are read without waiting; the plugin must be able to wait for us. */
    (void)fcntl(out[1], F_SETFL, 0);
    (void)fcntl(complaint[1], F_SETFL, 0);
    pid_t parent = getpid();
    r->pid = fork();
    if (r->pid == 0)
        child(program, argv, env.v, out[1], complaint[1], parent);
    if (r->pid < 0) {
        sa_err_sys(err, errno, "exec plugin: fork");
        goto out;
    }
    r->out_fd = out[0];
    r->err_fd = complaint[0];
    out[0] = complaint[0] = -1;
    rc = 0;
out:
    sa_closep(&out[0]);
    sa_closep(&out[1]);
    sa_closep(&complaint[0]);
    sa_closep(&complaint[1]);
    vector_free(&env);
    return rc;
}

struct sa_exec_run *sa_exec_run_start(struct sa_loop *l, const struct sa_exec_how *how,
                                      sa_exec_run_cb *cb, void *arg, struct sa_err **err)
{
    struct sa_exec_run *r = calloc(1, sizeof(*r));
    if (r == NULL) {
        sa_err_set(err, SA_EMEMORY, "exec plugin");
        return NULL;
    }
    *r = (struct sa_exec_run){.loop = l,
                              .spec = how->spec,
                              .cb = cb,
                              .arg = arg,
                              .pid = -1,
                              .pid_fd = -1,
                              .out_fd = -1,
                              .err_fd = -1};
    sa_buf_init(&r->out, SA_EXEC_OUTPUT_MAX);
    sa_buf_init(&r->complaint, 0);
    if (spawn(r, how, err) != 0) {
        release(r);
        return NULL;
    }
    if (watch(r, how->timeout_ns, err) != 0) {
        sa_exec_run_kill(r);
        return NULL;
    }
    return r;
}

void sa_exec_run_kill(struct sa_exec_run *r)
{
    if (r == NULL)
        return;
    kill_group(r, "is not wanted any more");
    while (waitpid(r->pid, NULL, 0) < 0 && errno == EINTR) {
    }
    release(r);
}
