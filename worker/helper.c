/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The credential helper of one account: runs the kubeconfig's exec plugin when the worker asks, or
 * reads the kubeconfig itself from a store of secrets, and hands over what it got. It knows the
 * command from the kubeconfig and the store from the settings, so a worker that was taken over
 * can't choose what is run or read; it never is root; it holds no secret but an answer on its way,
 * and what it logs in to the store with. Where nothing may be run it is confined like a worker.
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

#include "base/clock.h"
#include "base/environment.h"
#include "base/hash.h"
#include "base/log.h"
#include "ipc/slot.h"
#include "worker/helper_internal.h"

#define HEARTBEAT    (SA_NS_PER_S / 2)
#define PLUGIN_LIMIT (60 * SA_NS_PER_S)

/* To the worker */

static void on_worker(void *arg, int fd, uint32_t events);

static void watch_worker(struct sa_helper *h)
{
    uint32_t events = EPOLLIN | (h->out.len > 0 ? (uint32_t)EPOLLOUT : 0);
    (void)sa_loop_fd(h->loop, h->fd, events, on_worker, h, NULL);
}

static void lose_worker(struct sa_helper *h)
{
    sa_loop_fd_remove(h->loop, h->fd);
    sa_closep(&h->fd);
    sa_exec_run_kill(h->run);
    h->run = NULL;
    sa_loop_stop(h->loop);
}

static void flush(struct sa_helper *h)
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

static void packet(struct sa_helper *h, uint8_t kind, const void *p, size_t n)
{
    uint32_t length = (uint32_t)(n + 1);
    sa_buf_add(&h->out, &length, sizeof(length));
    sa_buf_add(&h->out, &kind, 1);
    sa_buf_add(&h->out, p, n);
}

void sa_helper_answer(struct sa_helper *h, const char *bytes, size_t n, const struct sa_err *reason)
{
    char code[1] = {(char)(reason != NULL ? reason->code : SA_OK)};
    size_t packets = n / SA_EXEC_PIECE + 2;
    /* At once: growing would leave parts of a secret in freed memory. */
    sa_buf_reserve(&h->out, n + packets * (sizeof(uint32_t) + 1));
    for (size_t at = 0; reason == NULL && at < n; at += SA_EXEC_PIECE)
        packet(h, SA_EXEC_DATA, bytes + at, n - at < SA_EXEC_PIECE ? n - at : SA_EXEC_PIECE);
    if (reason == NULL) {
        packet(h, SA_EXEC_DONE, "", 0);
    } else {
        SA_CLEANUP(sa_buf_free) struct sa_buf text = {0};
        sa_buf_init(&text, 0);
        sa_buf_add(&text, code, sizeof(code));
        sa_buf_adds(&text, reason->msg);
        packet(h, SA_EXEC_ERROR, text.data != NULL ? text.data : "",
               text.len < SA_EXEC_PIECE ? text.len : SA_EXEC_PIECE);
    }
    if (h->out.failed) {
        h->broken = true;
        lose_worker(h);
        return;
    }
    flush(h);
}

/* What the plugin answered. */
static void answer(struct sa_helper *h, const char *json, size_t n, const struct sa_err *reason)
{
    h->wanted = false;
    sa_helper_answer(h, json, n, reason);
}

/* Running */

static void give_turn_back(struct sa_helper *h)
{
    h->turn = false;
    (void)sa_ctl_send(h->ctl, SA_CTL_EXEC_DONE, NULL, NULL);
    sa_helper_want_turn(h);
}

static void on_done(void *arg, const void *out, size_t n, const struct sa_err *reason)
{
    struct sa_helper *h = arg;
    h->run = NULL;
    if (h->fd >= 0)
        answer(h, out, n, reason);
    else
        h->wanted = false;
    give_turn_back(h);
}

/* Begins to run the plugin, which keeps the place until it is done. */
static void run_plugin(struct sa_helper *h)
{
    SA_CLEANUP(sa_err_free) struct sa_err *e = NULL;
    const struct sa_exec_how how = {
        .spec = sa_credential_exec(h->cred),
        .info = h->info,
        .home = h->home,
        .pass_env = &h->account.exec_env,
        .timeout_ns = PLUGIN_LIMIT,
    };
    h->run = sa_exec_run_start(h->loop, &how, on_done, h, &e);
    if (h->run == NULL)
        on_done(h, NULL, 0, e);
}

static void on_grant(struct sa_helper *h)
{
    if (!h->turn || h->run != NULL)
        return;
    if (h->store != NULL && (h->fetch || h->look))
        sa_helper_store_read(h);
    else if (h->wanted && h->fd >= 0 && h->unfit == NULL) {
        run_plugin(h);
        return;
    }
    give_turn_back(h);
}

void sa_helper_want_turn(struct sa_helper *h)
{
    SA_CLEANUP(sa_err_free) struct sa_err *e = NULL;
    if (h->turn || h->fd < 0 || !(h->wanted || h->fetch || h->look))
        return;
    h->turn = true;
    if (sa_ctl_send(h->ctl, SA_CTL_EXEC_WANT, NULL, &e) == 0)
        return;
    h->broken = true;
    lose_worker(h);
}

static void on_want(struct sa_helper *h)
{
    if (h->wanted)
        return;
    h->wanted = true;
    if (h->unfit != NULL)
        answer(h, NULL, 0, h->unfit);
    else
        sa_helper_want_turn(h);
}

/* -1: no worker would send it. */
static int on_packet(struct sa_helper *h, char kind)
{
    switch (kind) {
    case SA_EXEC_WANT:
        on_want(h);
        return 0;
    case SA_EXEC_FETCH:
        sa_helper_store_fetch(h);
        return 0;
    case SA_EXEC_REFUSED:
        sa_helper_store_refused(h);
        return 0;
    default:
        return -1;
    }
}

static void on_worker(void *arg, int fd, uint32_t events)
{
    struct sa_helper *h = arg;
    char kind;
    if (events & EPOLLOUT)
        flush(h);
    while (h->fd >= 0) {
        ssize_t n = recv(fd, &kind, 1, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0 || on_packet(h, kind) != 0) {
            h->broken = n > 0;
            lose_worker(h);
            return;
        }
    }
}

/* The supervisor */

static int on_control(void *arg, uint8_t type, struct sa_rd *body)
{
    struct sa_helper *h = arg;
    if (type == SA_CTL_EXEC_GRANT) {
        on_grant(h);
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
    struct sa_helper *h = arg;
    (void)reason;
    sa_exec_run_kill(h->run);
    _exit(0);
}

static void on_heartbeat(void *arg)
{
    struct sa_helper *h = arg;
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

/* Where programs may be run: they are others', so everything may be read that their user may. */
static int enter_for_programs(struct sa_helper *h, struct sa_sandbox *s,
                              struct sa_sandbox_report *rep, struct sa_err **err)
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
    s->profile = SA_SANDBOX_HELPER;
    s->paths = paths;
    s->n_paths = n;
    int rc = sa_sandbox_enter(s, rep, err);
    s->paths = NULL;
    s->n_paths = 0;
    return rc;
}

static int enter(struct sa_helper *h, struct sa_sandbox *s, struct sa_sandbox_report *rep,
                 struct sa_err **err)
{
    if (h->account.allow_exec)
        return enter_for_programs(h, s, rep, err);
    s->profile = SA_SANDBOX_WORKER;
    if (h->store != NULL) {
        s->paths = sa_secret_store_paths(h->store, &s->n_paths);
        s->tcp_connect = sa_secret_store_ports(h->store, &s->n_tcp_connect);
    }
    return sa_sandbox_enter(s, rep, err);
}

int sa_helper_learn(struct sa_helper *h, struct sa_err **err)
{
    free(h->info);
    h->info = NULL;
    if (sa_credential_read(h->cred, err) != 0)
        return -1;
    if (sa_credential_exec(h->cred) == NULL)
        return sa_err_set(err, SA_ECONFIG, "the kubeconfig's user has no exec plugin");
    return sa_credential_exec_info(h->cred, &h->info, err);
}

static size_t count(const char *const *names)
{
    size_t n = 0;
    while (names != NULL && names[n] != NULL)
        n++;
    return n;
}

/* What a program may be given, what the store looks up, and what names the API server inside a
 * cluster; no name in the settings stands for more than itself. */
static int keep_environment(const struct sa_account *a)
{
    const struct sa_strings *given = &a->exec_env;
    const char *const *stores =
        sa_credential_is_fetched(a) ? sa_secret_store_environment(a->kubeconfig_file) : NULL;
    size_t n = 0, n_stores = count(stores);
    SA_CLEANUP(sa_freep) const char **names = calloc(given->n + n_stores + 3, sizeof(*names));
    if (names == NULL)
        return -1;
    names[n++] = "KUBERNETES_SERVICE_HOST";
    names[n++] = "KUBERNETES_SERVICE_PORT";
    for (size_t i = 0; i < n_stores; i++)
        names[n++] = stores[i];
    for (size_t i = 0; a->allow_exec && i < given->n; i++)
        if (strchr(given->v[i], '*') == NULL)
            names[n++] = given->v[i];
    sa_env_keep(names);
    return 0;
}

/* While files may be opened. */
static void open_own(struct sa_helper *h)
{
    const struct sa_child_args *a = h->args;
    if (sa_credential_is_fetched(&h->account))
        sa_helper_store_open(h);
    else
        (void)sa_credential_open(&h->account, a->fingerprint_key, a->uid, a->gid, &h->cred,
                                 &h->unfit);
}

static int set_up(struct sa_helper *h, struct sa_err **err)
{
    const struct sa_child_args *a = h->args;
    struct sa_sandbox_report rep;
    if (sa_account_from_json(a->settings, &h->account, err) != 0)
        return -1;
    if (keep_environment(&h->account) != 0)
        return sa_err_set(err, SA_EMEMORY, "credential helper");
    struct sa_sandbox s = {
        .required = h->account.sandbox != NULL && strcmp(h->account.sandbox, "required") == 0,
        .off = h->account.sandbox != NULL && strcmp(h->account.sandbox, "off") == 0,
        .uid = a->uid,
        .gid = a->gid,
    };
    h->home = find_home(a->uid);
    h->loop = h->home != NULL ? sa_loop_new(err) : NULL;
    if (h->loop == NULL)
        return sa_err_set(err, SA_EMEMORY, "credential helper");
    open_own(h);
    if (enter(h, &s, &rep, err) != 0)
        return -1;
    if (h->unfit == NULL && h->cred != NULL)
        (void)sa_helper_learn(h, &h->unfit);
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
    if (sa_helper_store_tell(h, err) != 0)
        return -1;
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

static void tear_down(struct sa_helper *h)
{
    sa_exec_run_kill(h->run);
    sa_ctl_free(h->ctl);
    sa_closep(&h->fd);
    sa_loop_free(h->loop);
    sa_credential_free(h->cred);
    sa_secret_store_free(h->store);
    sa_account_free(&h->account);
    sa_buf_wipe(&h->out);
    sa_buf_free(&h->out);
    sa_err_free(&h->unfit);
    sa_err_free(&h->no_store);
    free(h->info);
    free(h->home);
}

int sa_helper_main(const struct sa_child_args *args)
{
    struct sa_helper h = {.args = args, .fd = args->helper_fd};
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
