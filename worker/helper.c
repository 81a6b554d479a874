/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The credential helper of one account: runs the kubeconfig's exec plugin when the worker asks, and
 * hands its answer over. It reads the command from the kubeconfig itself, so a worker that was
 * taken over can't choose what is run; it never is root; it holds no secret but an answer on its
 * way.
 *
 * It stays when it has nothing to run: its end would end the worker, which says itself what is
 * wrong.
 */
#include <errno.h>
#include <pwd.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/environment.h"
#include "base/hash.h"
#include "base/log.h"
#include "ipc/child.h"
#include "ipc/control.h"
#include "ipc/slot.h"
#include "worker/credential_internal.h"
#include "worker/exec_run.h"

#define HEARTBEAT    (SA_NS_PER_S / 2)
#define PLUGIN_LIMIT (60 * SA_NS_PER_S)

struct helper {
    const struct sa_child_args *args;
    struct sa_account account;
    struct sa_credential *cred;
    struct sa_loop *loop;
    struct sa_ctl *ctl;
    int fd; /* to the worker; -1: it has gone */
    char *info, *home;
    struct sa_err *unfit; /* why nothing can be run; NULL: something can */
    bool wanted;          /* the worker waits for an answer */
    bool broken;          /* the worker did not go by itself */
    struct sa_exec_run *run;
    struct sa_buf out; /* packets that the socket would not take: u32 length, bytes */
    struct sa_timer heartbeat;
};

/* To the worker */

static void on_worker(void *arg, int fd, uint32_t events);

static void watch_worker(struct helper *h)
{
    uint32_t events = EPOLLIN | (h->out.len > 0 ? (uint32_t)EPOLLOUT : 0);
    (void)sa_loop_fd(h->loop, h->fd, events, on_worker, h, NULL);
}

static void lose_worker(struct helper *h)
{
    sa_loop_fd_remove(h->loop, h->fd);
    sa_closep(&h->fd);
    sa_exec_run_kill(h->run);
    h->run = NULL;
    sa_loop_stop(h->loop);
}

static void flush(struct helper *h)
{
    uint32_t n;
    while (h->fd >= 0 && h->out.len >= sizeof(n)) {
        memcpy(&n, h->out.data, sizeof(n));
        ssize_t sent = send(h->fd, h->out.data + sizeof(n), n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (sent < 0) {
            lose_worker(h);
            return;
        }
        sa_buf_drop(&h->out, sizeof(n) + n);
    }
    if (h->out.len == 0) {
        sa_buf_wipe(&h->out);
        sa_buf_trim(&h->out, 0);
    }
    if (h->fd >= 0)
        watch_worker(h);
}

static void packet(struct helper *h, uint8_t kind, const void *p, size_t n)
{
    uint32_t length = (uint32_t)(n + 1);
    sa_buf_add(&h->out, &length, sizeof(length));
    sa_buf_add(&h->out, &kind, 1);
    sa_buf_add(&h->out, p, n);
}

static void answer(struct helper *h, const char *json, size_t n, const struct sa_err *reason)
{
    h->wanted = false;
    for (size_t at = 0; reason == NULL && at < n; at += SA_EXEC_PIECE)
        packet(h, SA_EXEC_DATA, json + at, n - at < SA_EXEC_PIECE ? n - at : SA_EXEC_PIECE);
    if (reason == NULL)
        packet(h, SA_EXEC_DONE, "", 0);
    else
        packet(h, SA_EXEC_ERROR, reason->msg,
               strlen(reason->msg) < SA_EXEC_PIECE ? strlen(reason->msg) : SA_EXEC_PIECE);
    if (h->out.failed) {
        h->broken = true;
        lose_worker(h);
        return;
    }
    flush(h);
}

/* Running */

static void on_done(void *arg, const void *out, size_t n, const struct sa_err *reason)
{
    struct helper *h = arg;
    h->run = NULL;
    (void)sa_ctl_send(h->ctl, SA_CTL_EXEC_DONE, NULL, NULL);
    if (h->fd >= 0)
        answer(h, out, n, reason);
}

static void start(struct helper *h)
{
    SA_CLEANUP(sa_err_free) struct sa_err *e = NULL;
    const struct sa_exec_how how = {
        .spec = sa_credential_exec(h->cred),
        .info = h->info,
        .home = h->home,
        .pass_env = &h->account.exec_env,
        .timeout_ns = PLUGIN_LIMIT,
    };
    if (!h->wanted || h->run != NULL || h->fd < 0) {
        (void)sa_ctl_send(h->ctl, SA_CTL_EXEC_DONE, NULL, NULL);
        return;
    }
    h->run = sa_exec_run_start(h->loop, &how, on_done, h, &e);
    if (h->run == NULL)
        on_done(h, NULL, 0, e);
}

static void on_want(struct helper *h)
{
    SA_CLEANUP(sa_err_free) struct sa_err *e = NULL;
    if (h->wanted)
        return;
    h->wanted = true;
    if (h->unfit != NULL)
        answer(h, NULL, 0, h->unfit);
    else if (sa_ctl_send(h->ctl, SA_CTL_EXEC_WANT, NULL, &e) != 0)
        answer(h, NULL, 0, e);
}

static void on_worker(void *arg, int fd, uint32_t events)
{
    struct helper *h = arg;
    char kind;
    if (events & EPOLLOUT)
        flush(h);
    while (h->fd >= 0) {
        ssize_t n = recv(fd, &kind, 1, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0 || kind != SA_EXEC_WANT) {
            h->broken = n > 0;
            lose_worker(h);
            return;
        }
        on_want(h);
    }
}

/* The supervisor */

static int on_control(void *arg, uint8_t type, struct sa_rd *body)
{
    struct helper *h = arg;
    if (type == SA_CTL_EXEC_GRANT) {
        start(h);
    } else if (type == SA_CTL_STOP) {
        sa_exec_run_kill(h->run);
        h->run = NULL;
        sa_loop_stop(h->loop);
    } else if (type == SA_CTL_LOG_LEVEL) {
        uint8_t level = sa_rd_u8(body);
        if (level <= SA_TRACE)
            sa_log_set_level((enum sa_level)level);
    }
    return 0;
}

static void on_control_end(void *arg, const struct sa_err *reason)
{
    struct helper *h = arg;
    (void)reason;
    sa_exec_run_kill(h->run);
    _exit(0);
}

static void on_heartbeat(void *arg)
{
    struct helper *h = arg;
    h->args->slot->heartbeat_ns = sa_mono_ns();
    (void)sa_timer_set(h->loop, &h->heartbeat, HEARTBEAT, on_heartbeat, h);
}

/* The start */

/* The user's own home, where a plugin looks for its configuration; without one the root directory.
 */
static char *find_home(uid_t uid)
{
    const char *env = getenv("HOME");
    if (uid == 0 && env != NULL)
        return strdup(env);
    const struct passwd *pw = getpwuid(uid != 0 ? uid : getuid());
    return strdup(pw != NULL ? pw->pw_dir : "/");
}

static int enter(struct helper *h, struct sa_sandbox *s, struct sa_sandbox_report *rep,
                 struct sa_err **err)
{
    static const struct sa_sandbox_path common[] = {
        {.path = "/", .exec = true},
        {.path = "/tmp", .write = true, .optional = true},
        {.path = "/dev/null", .write = true, .optional = true},
        {.path = "/dev/tty", .write = true, .optional = true},
    };
    struct sa_sandbox_path paths[5];
    size_t n = sizeof(common) / sizeof(common[0]);
    memcpy(paths, common, sizeof(common));
    if (strcmp(h->home, "/") != 0)
        paths[n++] = (struct sa_sandbox_path){.path = h->home, .write = true, .optional = true};
    s->paths = paths;
    s->n_paths = n;
    int rc = sa_sandbox_enter(s, rep, err);
    s->paths = NULL;
    s->n_paths = 0;
    return rc;
}

static int learn(struct helper *h, struct sa_err **err)
{
    if (sa_credential_read(h->cred, err) != 0)
        return -1;
    if (sa_credential_exec(h->cred) == NULL)
        return sa_err_set(err, SA_ECONFIG, "the kubeconfig's user has no exec plugin");
    return sa_credential_exec_info(h->cred, &h->info, err);
}

/* What a program may be given, and what names the API server inside a cluster; no name in the
 * settings stands for more than itself. */
static int keep_environment(const struct sa_strings *given)
{
    SA_CLEANUP(sa_freep) const char **names = calloc(given->n + 3, sizeof(*names));
    size_t n = 0;
    if (names == NULL)
        return -1;
    names[n++] = "KUBERNETES_SERVICE_HOST";
    names[n++] = "KUBERNETES_SERVICE_PORT";
    for (size_t i = 0; i < given->n; i++)
        if (strchr(given->v[i], '*') == NULL)
            names[n++] = given->v[i];
    sa_env_keep(names);
    return 0;
}

static int set_up(struct helper *h, struct sa_err **err)
{
    const struct sa_child_args *a = h->args;
    struct sa_sandbox_report rep;
    if (sa_account_from_json(a->settings, &h->account, err) != 0)
        return -1;
    if (keep_environment(&h->account.exec_env) != 0)
        return sa_err_set(err, SA_EMEMORY, "credential helper");
    struct sa_sandbox s = {
        .profile = SA_SANDBOX_HELPER,
        .required = h->account.sandbox != NULL && strcmp(h->account.sandbox, "required") == 0,
        .off = h->account.sandbox != NULL && strcmp(h->account.sandbox, "off") == 0,
        .uid = a->uid,
        .gid = a->gid,
    };
    h->home = find_home(a->uid);
    h->loop = h->home != NULL ? sa_loop_new(err) : NULL;
    if (h->loop == NULL)
        return sa_err_set(err, SA_EMEMORY, "credential helper");
    (void)sa_credential_open(&h->account, a->fingerprint_key, a->uid, a->gid, &h->cred, &h->unfit);
    if (enter(h, &s, &rep, err) != 0)
        return -1;
    if (h->unfit == NULL)
        (void)learn(h, &h->unfit);
    if (h->cred != NULL)
        sa_credential_forget(h->cred);
    sa_sandbox_report_syscall_to(&a->slot->seccomp_nr);
    if (sa_sandbox_seal(&s, &rep, err) != 0)
        return -1;
    h->ctl = sa_ctl_new(h->loop, a->control_fd, on_control, on_control_end, h, err);
    if (h->ctl == NULL)
        return -1;
    sa_ctl_log_sink(h->ctl);
    watch_worker(h);
    on_heartbeat(h);
    return sa_ctl_send(h->ctl, SA_CTL_READY, NULL, err);
}

static void say_fatal(const struct sa_child_args *args, const struct sa_err *e)
{
    struct sa_buf b;
    sa_buf_init(&b, SA_CTL_MAX);
    sa_wr_u32(&b, e != NULL ? (uint32_t)e->code : (uint32_t)SA_EINTERNAL);
    sa_wr_str(&b, sa_err_msg(e));
    (void)sa_ctl_send_now(args->control_fd, SA_CTL_FATAL, &b, NULL);
    sa_buf_free(&b);
}

static void tear_down(struct helper *h)
{
    sa_exec_run_kill(h->run);
    sa_ctl_free(h->ctl);
    sa_closep(&h->fd);
    sa_loop_free(h->loop);
    sa_credential_free(h->cred);
    sa_account_free(&h->account);
    sa_buf_wipe(&h->out);
    sa_buf_free(&h->out);
    sa_err_free(&h->unfit);
    free(h->info);
    free(h->home);
}

int sa_helper_main(const struct sa_child_args *args)
{
    struct helper h = {.args = args, .fd = args->helper_fd};
    struct sa_err *e = NULL;
    sa_hash_init();
    sa_log_set_identity("helper", args->account);
    sa_ctl_log_sink_fd(args->control_fd);
    sa_buf_init(&h.out, 2 * SA_EXEC_OUTPUT_MAX);
    args->slot->heartbeat_ns = sa_mono_ns();
    int rc = set_up(&h, &e);
    if (rc == 0)
        rc = sa_loop_run(h.loop, &e);
    if (rc == 0 && h.broken)
        rc = sa_err_set(&e, SA_EPROTOCOL, "the worker could not be answered");
    if (rc != 0)
        say_fatal(args, e);
    sa_err_free(&e);
    tear_down(&h);
    return rc == 0 ? 0 : SA_EXIT_FAILED;
}
