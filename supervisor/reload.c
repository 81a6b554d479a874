/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/reload.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/process.h"
#include "supervisor/control.h"
#include "supervisor/notify.h"
#include "supervisor/places.h"
#include "supervisor/root.h"
#include "supervisor/watch.h"

#define ANSWER_MAX     ((size_t)64 << 20)
#define TIMEOUT_NS     (30 * SA_NS_PER_S)
#define REFRESH_NS     (500 * SA_NS_PER_MS)
#define BLIND_RESCAN_S 10

struct sa_reload {
    struct sa_supervisor *sup;
    pid_t pid; /* of the reader, 0 none or reaped */
    int fd;    /* its answer, -1 none or read to the end */
    bool running, explicit, again, again_explicit;
    bool blind; /* some directory can't be watched */
    uint64_t run;
    int wait_status;
    struct sa_buf answer;
    char **extra; /* paths asked for in this run; owned */
    size_t n_extra;
    struct sa_timer timeout, rescan, refresh;

    uint64_t places; /* that were there when a configuration was valid */
    bool valid;
    struct sa_problems problems;
    int64_t loaded_us;
    uint64_t failures;
};

static void start(struct sa_reload *r);
static void refresh(void *arg);

static void rescan_due(void *arg)
{
    sa_reload_request(arg, false);
}

static void arm_rescan(struct sa_reload *r)
{
    int64_t s = r->sup->settings.rescan_s;

    if (r->blind && (s <= 0 || s > BLIND_RESCAN_S))
        s = BLIND_RESCAN_S;
    if (s > 0)
        sa_timer_set(r->sup->loop, &r->rescan, (uint64_t)s * SA_NS_PER_S, rescan_due, r);
}

static void changed(void *arg)
{
    struct sa_supervisor *sup = arg;

    sa_reload_request(sup->reload, false);
}

struct sa_reload *sa_reload_new(struct sa_supervisor *sup, struct sa_err **err)
{
    struct sa_reload *r = calloc(1, sizeof(*r));

    if (!r) {
        sa_err_set(err, SA_EMEMORY, "reload");
        return NULL;
    }
    r->sup = sup;
    r->fd = -1;
    sa_buf_init(&r->answer, ANSWER_MAX);
    sup->watcher = sa_watcher_new(sup->loop, changed, sup, err);
    if (!sup->watcher) {
        sa_log(SA_WARN, "%s; files are looked at every %d s instead", sa_err_msg(err ? *err : NULL),
               BLIND_RESCAN_S);
        sa_err_free(err);
        r->blind = true;
    }
    refresh(r); /* before the first reading, so that no change falls between */
    return r;
}

static void forget_asked(struct sa_reload *r)
{
    for (size_t i = 0; i < r->n_extra; i++)
        free(r->extra[i]);
    r->n_extra = 0;
}

/* It may be reaped already, while its answer is still being read. */
static void end_reader(const struct sa_reload *r)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;

    if (r->pid > 0 && sa_kill_child(r->pid, r->sup->identity.uid, &err) < 0)
        sa_log(SA_ERROR, "%s", sa_err_msg(err));
}

void sa_reload_free(struct sa_reload *r)
{
    if (!r)
        return;
    sa_timer_cancel(r->sup->loop, &r->timeout);
    sa_timer_cancel(r->sup->loop, &r->rescan);
    sa_timer_cancel(r->sup->loop, &r->refresh);
    end_reader(r);
    if (r->fd >= 0) {
        sa_loop_fd_remove(r->sup->loop, r->fd);
        sa_closep(&r->fd);
    }
    sa_buf_free(&r->answer);
    sa_problems_free(&r->problems);
    forget_asked(r);
    free(r->extra);
    free(r);
}

bool sa_reload_valid(const struct sa_reload *r)
{
    return r->valid;
}

const struct sa_problems *sa_reload_problems(const struct sa_reload *r)
{
    return &r->problems;
}

int64_t sa_reload_loaded_us(const struct sa_reload *r)
{
    return r->loaded_us;
}

uint64_t sa_reload_failures(const struct sa_reload *r)
{
    return r->failures;
}

/* What is watched */

static void watch_files(struct sa_proc *p, void *arg)
{
    for (size_t i = 0; i < p->n_files; i++)
        sa_watcher_add_file(arg, p->files[i].path);
}

static void refresh(void *arg)
{
    struct sa_reload *r = arg;
    struct sa_supervisor *sup = r->sup;
    const struct sa_config_paths *paths = sup->opt->paths;
    int fresh;

    if (!sup->watcher)
        return;
    sa_watcher_begin(sup->watcher);
    for (const char *const *p = paths->main_files; *p; p++)
        sa_watcher_add_file(sup->watcher, *p);
    for (const char *const *p = paths->drop_in_dirs; *p; p++)
        sa_watcher_add_directory(sup->watcher, *p);
    for (const char *const *p = paths->account_dirs; *p; p++)
        sa_watcher_add_directory(sup->watcher, *p);
    for (char **p = sup->config_files; p && *p; p++)
        sa_watcher_add_file(sup->watcher, *p);
    sa_sup_each(sup, watch_files, sup->watcher);
    fresh = sa_watcher_end(sup->watcher);
    if (fresh < 0 && !r->blind)
        sa_log(SA_WARN,
               "not every directory can be watched (fs.inotify.max_user_watches); files are "
               "looked at every %d s as well",
               BLIND_RESCAN_S);
    r->blind = fresh < 0;
    /* What changed in a directory before it was watched was not seen. */
    if (fresh > 0 && sup->configured)
        sa_reload_request(r, false);
    arm_rescan(r);
}

void sa_reload_refresh_watch(struct sa_reload *r)
{
    if (!sa_timer_armed(&r->refresh))
        sa_timer_set(r->sup->loop, &r->refresh, REFRESH_NS, refresh, r);
}

/* The answer */

static bool same_problems(const struct sa_problems *a, const struct sa_problems *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (a->v[i].line != b->v[i].line || strcmp(a->v[i].file, b->v[i].file) != 0 ||
            strcmp(a->v[i].text, b->v[i].text) != 0)
            return false;
    return true;
}

static void log_problems(const struct sa_problems *p)
{
    for (size_t i = 0; i < p->n; i++)
        sa_log(p->v[i].warning ? SA_WARN : SA_ERROR, "%s:%u:%u: %s", p->v[i].file, p->v[i].line,
               p->v[i].column, p->v[i].text);
}

/* A reader that did not answer is a problem of its own. */
static void add_problem(struct sa_config_answer *a, const char *file, const char *text)
{
    struct sa_problem *p = calloc(1, sizeof(*p));

    sa_config_answer_free(a);
    memset(a, 0, sizeof(*a));
    if (!p)
        return;
    p->file = strdup(file);
    p->text = strdup(text);
    if (!p->file || !p->text) {
        free(p->file);
        free(p->text);
        free(p);
        return;
    }
    a->problems.v = p;
    a->problems.n = 1;
}

static void parse_answer(struct sa_reload *r, struct sa_config_answer *a)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    char text[256];

    memset(a, 0, sizeof(*a));
    if (WIFSIGNALED(r->wait_status) || r->answer.failed) {
        sa_exit_text(r->wait_status, -1, text, sizeof(text));
        add_problem(a, "config reader",
                    r->answer.failed ? "its answer is larger than 64 MB" : text);
    } else if (sa_config_answer_parse(r->answer.data, r->answer.len, a, &err) < 0) {
        add_problem(a, "config reader", sa_err_msg(err));
    }
}

/* A place that vanished makes the answer invalid; see places.h. */
static void check_places(struct sa_reload *r, struct sa_config_answer *a)
{
    uint64_t now = sa_places_present(r->sup->opt->paths);
    const char *lost = sa_places_lost(r->sup->opt->paths, r->places, now);

    if (a->valid && lost)
        add_problem(a, lost, "is gone; what it configured stays as it was until it is there again");
    else if (a->valid)
        r->places = now;
}

static void keep_problems(struct sa_reload *r, struct sa_config_answer *a, bool log)
{
    if (log || !same_problems(&r->problems, &a->problems))
        log_problems(&a->problems);
    sa_problems_free(&r->problems);
    r->problems = a->problems;
    memset(&a->problems, 0, sizeof(a->problems));
}

/* Valid, but it could not be put in force. What runs goes on; without anything that runs there is
 * nothing to go on with. */
static void take_failed(struct sa_reload *r, const struct sa_err *err)
{
    struct sa_config_answer why = {0};

    add_problem(&why, "configuration", sa_err_msg(err));
    sa_problems_free(&r->problems);
    r->problems = why.problems;
    r->valid = false;
    r->failures++;
    if (r->sup->configured) {
        sa_log(SA_ERROR, "the configuration could not be put in force: %s", sa_err_msg(err));
        return;
    }
    sa_log(SA_FATAL, "%s", sa_err_msg(err));
    r->sup->exit_code = SA_EXIT_FAILED;
    sa_loop_stop(r->sup->loop);
}

static void take_valid(struct sa_reload *r, struct sa_config_answer *a,
                       struct sa_reload_result *result)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;

    if (sa_apply(r->sup, a, r->n_extra, result, &err) < 0) {
        result->valid = false;
        take_failed(r, err);
        return;
    }
    if (result->settings || result->added || result->changed || result->removed ||
        r->loaded_us == 0)
        r->loaded_us = sa_real_us();
    if (result->added || result->changed || result->removed || result->credentials || r->explicit)
        sa_log(SA_INFO,
               "configuration is in force: %u accounts added, %u changed, %u with new credentials, "
               "%u removed",
               result->added, result->changed, result->credentials, result->removed);
}

static void take_invalid(struct sa_reload *r)
{
    r->failures++;
    if (r->sup->configured) {
        sa_log(SA_ERROR, "the configuration is not valid; nothing was changed");
        return;
    }
    sa_log(SA_FATAL, "the configuration is not valid; see scale-agentd --check");
    r->sup->exit_code = SA_EXIT_CONFIG;
    sa_loop_stop(r->sup->loop);
}

static void finish(void *arg)
{
    struct sa_reload *r = arg;
    struct sa_config_answer a;
    struct sa_reload_result result = {0};
    bool was_valid = r->valid, news;

    sa_timer_cancel(r->sup->loop, &r->timeout);
    parse_answer(r, &a);
    check_places(r, &a);
    sa_buf_trim(&r->answer, 0);
    result.valid = r->valid = a.valid;
    news = !same_problems(&r->problems, &a.problems);
    keep_problems(r, &a, r->explicit);
    if (a.valid)
        take_valid(r, &a, &result);
    else if (news || was_valid || r->explicit)
        take_invalid(r);
    else
        r->failures++;
    sa_config_answer_free(&a);
    r->running = false;
    if (!r->again) /* which may follow an order, though nobody ordered it */
        sa_notify_reloaded(r->sup);
    sa_control_reload_done(r->sup->control, r->run, &result, &r->problems);
    sa_notify_state(r->sup);
    sa_reload_refresh_watch(r);
    if (r->again)
        start(r);
    else
        arm_rescan(r);
}

static void step(struct sa_reload *r)
{
    if (r->running && r->fd < 0 && r->pid == 0)
        finish(r);
}

static void on_answer(void *arg, int fd, uint32_t events)
{
    struct sa_reload *r = arg;
    char buf[65536];
    ssize_t n;

    (void)events;
    while ((n = read(fd, buf, sizeof(buf))) > 0) {
        if (sa_buf_add(&r->answer, buf, (size_t)n) < 0) {
            end_reader(r);
            break;
        }
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    sa_loop_fd_remove(r->sup->loop, fd);
    sa_closep(&r->fd);
    step(r);
}

bool sa_reload_reaped(struct sa_reload *r, pid_t pid, int wait_status)
{
    if (!r || r->pid != pid)
        return false;
    r->pid = 0;
    r->wait_status = wait_status;
    step(r);
    return true;
}

/* The reader */

static void too_long(void *arg)
{
    struct sa_reload *r = arg;

    sa_log(SA_ERROR, "the config reader did not answer within 30 s and is ended");
    end_reader(r);
}

static void collect(struct sa_proc *p, void *arg)
{
    struct sa_reload *r = arg;
    char **v;

    if (p->n_files == 0)
        return;
    v = reallocarray(r->extra, r->n_extra + p->n_files, sizeof(*v));
    if (!v)
        return;
    r->extra = v;
    for (size_t i = 0; i < p->n_files; i++) {
        v[r->n_extra] = strdup(p->files[i].path);
        if (v[r->n_extra])
            r->n_extra++;
    }
}

static int read_config(struct sa_reload *r, int out_fd, pid_t parent)
{
    struct sa_supervisor *sup = r->sup;

    sa_log_set_sink(NULL, NULL);
    sa_signals_reset();
    if (sa_die_with_parent(parent, NULL) < 0)
        return SA_EXIT_FAILED;
    sa_close_others(&out_fd, 1);
    sa_title_set("config reader");
    return sa_config_reader_child(sup->opt->paths, (const char *const *)r->extra, r->n_extra,
                                  sup->fingerprint_key, sup->identity.uid, sup->identity.gid,
                                  out_fd);
}

static int fork_reader(struct sa_reload *r, struct sa_err **err)
{
    int fds[2];
    pid_t parent = getpid();

    if (pipe2(fds, O_CLOEXEC) < 0)
        return sa_err_sys(err, errno, "pipe");
    r->pid = fork();
    if (r->pid == 0)
        _exit(read_config(r, fds[1], parent));
    close(fds[1]);
    r->fd = fds[0];
    if (r->pid < 0) {
        int e = errno;

        r->pid = 0;
        sa_closep(&r->fd);
        return sa_err_sys(err, e, "fork");
    }
    fcntl(r->fd, F_SETFL, O_NONBLOCK);
    if (sa_loop_fd(r->sup->loop, r->fd, EPOLLIN, on_answer, r, err) < 0) {
        end_reader(r);
        sa_closep(&r->fd);
    }
    return 0;
}

static void start(struct sa_reload *r)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;

    r->running = true;
    r->explicit = r->again_explicit;
    r->again = r->again_explicit = false;
    r->run++;
    forget_asked(r);
    sa_buf_reset(&r->answer);
    sa_sup_each(r->sup, collect, r);
    if (fork_reader(r, &err) < 0) {
        sa_log(SA_ERROR, "the config reader can't be started: %s", sa_err_msg(err));
        r->wait_status = SIGKILL; /* as if it had been ended: no answer */
        sa_timer_set(r->sup->loop, &r->timeout, 0, finish, r);
        return;
    }
    sa_timer_set(r->sup->loop, &r->timeout, TIMEOUT_NS, too_long, r);
}

uint64_t sa_reload_request(struct sa_reload *r, bool explicit)
{
    if (r->sup->stopping)
        return r->run;
    if (explicit)
        sa_notify_reloading(r->sup);
    r->again_explicit = r->again_explicit || explicit;
    if (r->running) {
        r->again = true;
        return r->run + 1;
    }
    sa_timer_cancel(r->sup->loop, &r->rescan);
    start(r);
    return r->run;
}
