/* SPDX-License-Identifier: Apache-2.0 */
/* The order of things, and the processes. */
#include "doctor/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/process.h"
#include "doctor/exam.h"

#define AT_ONCE    8
#define ANSWER_MAX ((size_t)4 << 20)   /* bytes of one process's findings */
#define PATIENCE   (120 * SA_NS_PER_S) /* for one process; each check is bounded on its own */
#define TURN_MS    200

/* One process that looks at one thing. */
struct job {
    const struct sa_account *account; /* NULL: Clouddriver */
    pid_t pid;
    int fd; /* -1: not started, or ended */
    bool started, ended;
    uint64_t until_ns;
    struct sa_buf answer;
    struct sa_findings found;
};

struct round {
    const struct sa_settings *settings;
    struct sa_exam_users users;
    struct job *v;
    size_t n;
};

static struct sa_exam exam_of(const struct job *j, struct sa_findings *out)
{
    return (struct sa_exam){
        .out = out,
        .about = j->account != NULL ? "account" : "clouddriver",
        .account = j->account != NULL ? j->account->name : NULL,
    };
}

static _Noreturn void child(const struct round *r, const struct job *j, int fd, pid_t parent)
{
    struct sa_findings found = {0};
    struct sa_exam x = exam_of(j, &found);
    struct sa_buf b;
    sa_buf_init(&b, ANSWER_MAX);
    sa_close_others(&fd, 1);
    sa_signals_reset();
    if (sa_die_with_parent(parent, NULL) != 0)
        _exit(1);
    if (j->account != NULL)
        sa_exam_account(&x, j->account, &r->users);
    else
        sa_exam_clouddriver(&x, r->settings, &r->users);
    sa_findings_encode(&found, &b);
    for (size_t done = 0; !b.failed && done < b.len;) {
        ssize_t n = write(fd, b.data + done, b.len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            _exit(1);
        done += (size_t)n;
    }
    _exit(b.failed ? 1 : 0);
}

static int start(const struct round *r, struct job *j, struct sa_err **err)
{
    int fds[2];
    pid_t parent = getpid();
    if (pipe2(fds, O_CLOEXEC) != 0)
        return sa_err_sys(err, errno, "pipe");
    fflush(NULL);
    j->pid = fork();
    if (j->pid == 0)
        child(r, j, fds[1], parent);
    close(fds[1]);
    if (j->pid < 0) {
        close(fds[0]);
        return sa_err_sys(err, errno, "fork");
    }
    j->fd = fds[0];
    j->started = true;
    j->until_ns = sa_mono_ns() + PATIENCE;
    sa_buf_init(&j->answer, ANSWER_MAX);
    return 0;
}

/* Its process has ended, or is ended because it takes too long. */
static void end(struct job *j, bool late)
{
    int status = 0;
    char how[128];
    if (late)
        kill(j->pid, SIGKILL);
    while (waitpid(j->pid, &status, 0) < 0 && errno == EINTR) {
    }
    sa_closep(&j->fd);
    j->ended = true;
    if (late || sa_findings_decode(j->answer.data, j->answer.len, &j->found) != 0) {
        struct sa_exam x = exam_of(j, &j->found);
        sa_exit_text(status, -1, how, sizeof how);
        sa_exam_bad(&x, SA_HEALTH_ERROR, "doctor",
                    late ? "Try again; is the machine overloaded?" : "",
                    "the examination did not come to an end: %s",
                    late ? "it took longer than two minutes" : how);
    }
    sa_buf_free(&j->answer);
}

static void take(struct job *j)
{
    char piece[16384];
    ssize_t n = read(j->fd, piece, sizeof piece);
    if (n < 0 && errno == EINTR)
        return;
    if (n > 0 && sa_buf_add(&j->answer, piece, (size_t)n) == 0)
        return;
    end(j, n > 0);
}

/* Waits for those that run. */
static void turn(struct round *r)
{
    struct pollfd p[AT_ONCE];
    struct job *of[AT_ONCE];
    nfds_t n = 0;
    for (size_t i = 0; i < r->n && n < AT_ONCE; i++) {
        if (!r->v[i].started || r->v[i].ended)
            continue;
        of[n] = &r->v[i];
        p[n++] = (struct pollfd){.fd = r->v[i].fd, .events = POLLIN};
    }
    (void)poll(p, n, TURN_MS);
    for (nfds_t i = 0; i < n; i++) {
        if (p[i].revents != 0)
            take(of[i]);
        else if (sa_mono_ns() > of[i]->until_ns)
            end(of[i], true);
    }
}

static int examine_all(const struct sa_doctor_options *o, struct round *r, struct sa_err **err)
{
    size_t next = 0, ended = 0;
    while (ended < r->n) {
        size_t running = 0;
        ended = 0;
        for (size_t i = 0; i < next; i++) {
            running += !r->v[i].ended;
            ended += r->v[i].ended;
        }
        for (; running < AT_ONCE && next < r->n; running++) {
            if (start(r, &r->v[next], err) != 0)
                return -1;
            next++;
        }
        if (o->progress != NULL)
            o->progress(o->arg, ended, r->n);
        if (running > 0)
            turn(r);
    }
    return 0;
}

static void abandon(struct round *r)
{
    for (size_t i = 0; i < r->n; i++) {
        if (r->v[i].started && !r->v[i].ended)
            end(&r->v[i], true);
        sa_findings_free(&r->v[i].found);
    }
    free(r->v);
}

/* A job for Clouddriver and for each account that is asked for. */
static int plan(const struct sa_doctor_options *o, const struct sa_settings *s, struct round *r,
                struct sa_err **err)
{
    r->v = calloc(s->n_accounts + 1, sizeof *r->v);
    if (r->v == NULL)
        return sa_err_set(err, SA_EMEMORY, "no memory");
    for (size_t i = 0; i < s->n_accounts; i++) {
        if (o->account == NULL || strcmp(s->accounts[i].name, o->account) == 0)
            r->v[r->n++] = (struct job){.account = &s->accounts[i], .fd = -1};
    }
    if (o->account != NULL && r->n == 0)
        return sa_err_set(err, SA_ENOTFOUND, "no account %s is configured", o->account);
    if (s->sink == SA_SINK_GRPC)
        r->v[r->n++] = (struct job){.fd = -1};
    return 0;
}

static int examine(const struct sa_doctor_options *o, const struct sa_settings *s,
                   struct sa_findings *out, struct sa_err **err)
{
    struct sa_exam x = {.out = out, .about = "host"};
    struct round r = {.settings = s, .users = sa_exam_users(s)};
    sa_exam_host(&x, o, s);
    int rc = plan(o, s, &r, err) == 0 && examine_all(o, &r, err) == 0 ? 0 : -1;
    for (size_t i = 0; rc == 0 && i < r.n; i++)
        sa_findings_move(out, &r.v[i].found);
    abandon(&r);
    if (rc == 0 && s->sink != SA_SINK_GRPC) {
        x.about = "clouddriver";
        sa_exam_skip(&x, "connection", "the sink is not grpc: no Clouddriver is connected to");
    }
    return rc;
}

/* Each problem of the files as a finding. */
static void add_problems(struct sa_exam *x, const struct sa_problems *p)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct sa_problem *q = &p->v[i];
        enum sa_health h = q->warning ? SA_HEALTH_WARNING : SA_HEALTH_ERROR;
        const char *fix = q->warning ? "Correct the file, or leave it: it is taken as it is."
                                     : "Correct the file: until then the daemon keeps what it had.";
        if (q->line > 0)
            sa_exam_bad(x, h, "configuration", fix, "%s:%u:%u: %s", q->file, q->line, q->column,
                        q->text);
        else
            sa_exam_bad(x, h, "configuration", fix, "%s: %s", q->file, q->text);
    }
}

int sa_doctor(const struct sa_doctor_options *o, struct sa_findings *out, struct sa_err **err)
{
    struct sa_exam x = {.out = out, .about = "host"};
    struct sa_settings settings;
    struct sa_problems problems;
    SA_CLEANUP(sa_err_free) struct sa_err *why = NULL;
    *out = (struct sa_findings){0};
    sa_hash_init();
    int rc = sa_config_load(o->paths, &settings, &problems, &why);
    add_problems(&x, &problems);
    if (rc != 0) {
        if (problems.n == 0)
            sa_exam_bad(&x, SA_HEALTH_ERROR, "configuration", NULL, "%s", sa_err_msg(why));
        sa_exam_skip(&x, "accounts", "no account is known while the configuration has errors");
        rc = 0;
    } else {
        sa_exam_ok(&x, "configuration", "the files are valid: %zu account%s", settings.n_accounts,
                   settings.n_accounts == 1 ? "" : "s");
        rc = examine(o, &settings, out, err);
        sa_settings_free(&settings);
    }
    sa_problems_free(&problems);
    if (rc == 0 && out->failed)
        rc = sa_err_set(err, SA_EMEMORY, "no memory for what was found");
    if (rc != 0)
        sa_findings_free(out);
    return rc;
}
