/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/environment.h"
#include "base/log.h"
#include "base/process.h"
#include "base/sandbox.h"
#include "ipc/control.h"
#include "ipc/data.h"
#include "worker/credential.h"
#include "worker/describe.h"
#include "worker/exec_client.h"
#include "worker/link.h"
#include "worker/ops/engine.h"
#include "worker/ops/local.h"
#include "worker/scope.h"
#include "worker/session.h"
#include "worker/state.h"

/* Over HTTP/2 a few connections do. Where the server speaks HTTP/1.1 alone each watch has its own.
 */
#define MAX_FILES    4096u
#define STOP_POLL_NS (20 * SA_NS_PER_MS)
#define STOP_ACK_NS  (2 * SA_NS_PER_S) /* longest wait for acknowledgements */
#define DRAIN_MS     200u              /* for log records */

/* The process: the worker's state and what connects it to the world. */
struct process {
    const struct sa_child_args *args;
    struct sa_worker w;
    struct sa_ctl *ctl;
    struct sa_credential *cred;
    struct sa_link *link;
    struct sa_local *local;
    struct sa_sandbox_report sandbox;
    struct sa_timer stop;
    uint64_t stop_ns; /* when it began */
    bool told;        /* the supervisor knows the credential's files */
};

/* ---- what the worker's state calls ---- */

static struct sa_request *api_start(void *arg, const struct sa_request_options *opt,
                                    struct sa_err **err)
{
    return sa_http_start(((struct process *)arg)->w.http, opt, err);
}

static void api_cancel(void *arg, struct sa_request *r)
{
    sa_http_cancel(((struct process *)arg)->w.http, r);
}

static void out_send(void *arg, uint32_t events, uint64_t oldest_ns, const void *p, size_t n)
{
    sa_link_send(((struct process *)arg)->link, events, oldest_ns, p, n);
}

static size_t out_queued(void *arg)
{
    return sa_link_queued(((struct process *)arg)->link);
}

static void out_result(void *arg, const void *p, size_t n)
{
    sa_link_result(((struct process *)arg)->link, p, n);
}

/* ---- what calls the worker's state ---- */

static int link_message(void *arg, enum sa_data_kind kind, const void *p, size_t n,
                        struct sa_err **err)
{
    struct process *pr = arg;
    return sa_session_message(&pr->w, kind, p, n, err);
}

static void link_down(void *arg)
{
    struct process *pr = arg;
    sa_session_down(&pr->w);
    sa_ops_uplink_down(pr->w.ops);
}

static void link_drained(void *arg)
{
    struct process *pr = arg;
    pr->w.pump = true;
}

static void stop_poll(void *arg)
{
    struct process *pr = arg;
    struct sa_worker *w = &pr->w;
    bool acked = w->unacked.n == 0 || w->session != SA_SESSION_CACHING;
    bool quiet = sa_link_queued(pr->link) == 0 && acked && !sa_ops_busy(w->ops);
    bool late = sa_mono_ns() - pr->stop_ns >= STOP_ACK_NS;
    if (late)
        sa_ops_end(w->ops);
    if (quiet || late)
        sa_loop_stop(w->loop); /* what the socket has taken outlives the process */
    else
        sa_timer_set(w->loop, &pr->stop, STOP_POLL_NS, stop_poll, pr);
}

static void reconnect(struct sa_worker *w)
{
    sa_http_reconnect(w->http);
    for (size_t i = 0; i < w->n_scopes; i++)
        if (w->scopes[i]->follow != SA_FOLLOW_OFF)
            sa_scope_relist(w->scopes[i]);
}

static int tell_plan(void *arg, const struct sa_buf *body)
{
    struct process *pr = arg;
    return sa_ctl_send(pr->ctl, SA_CTL_PLAN, body, NULL);
}

/* Somebody on this host asks for operations. */
static int take_channel(struct process *pr, struct sa_rd *body)
{
    uint32_t uid = sa_rd_u32(body), pid = sa_rd_u32(body);
    int fd = sa_ctl_take_fd(pr->ctl);
    if (sa_rd_done(body) && fd >= 0) {
        sa_local_take(pr->local, fd, uid, pid);
        return 0;
    }
    sa_closep(&fd);
    return -1;
}

static int on_control(void *arg, uint8_t type, struct sa_rd *body)
{
    struct process *pr = arg;
    uint32_t id;
    switch (type) {
    case SA_CTL_STOP:
        if (pr->stop_ns)
            return 0;
        pr->stop_ns = sa_mono_ns();
        sa_worker_stop(&pr->w);
        sa_link_last(pr->link);
        stop_poll(pr);
        return 0;
    case SA_CTL_LOG_LEVEL:
        sa_log_set_level((enum sa_level)sa_rd_u8(body));
        return sa_rd_done(body) ? 0 : -1;
    case SA_CTL_RECONNECT:
        reconnect(&pr->w);
        return 0;
    case SA_CTL_PLAN_WANT:
        id = sa_rd_u32(body);
        if (!sa_rd_done(body))
            return -1;
        if (sa_describe(&pr->w, id, tell_plan, pr))
            sa_log(SA_WARN, "what is followed can't be told: no room on the control channel");
        return 0;
    case SA_CTL_OPERATE:
        return take_channel(pr, body);
    default:
        return 0;
    }
}

/* Without a supervisor there is nothing to do here. */
static void on_control_end(void *arg, const struct sa_err *reason)
{
    (void)arg;
    (void)reason;
    _exit(SA_EXIT_FAILED);
}

/* ---- start, in the order that the sandbox asks for ---- */

/* A kubeconfig in a store of secrets comes from the helper; it is read like a file, by the same
 * steps. */
static int open_credential(struct process *pr, struct sa_err **err)
{
    const struct sa_child_args *a = pr->args;
    const struct sa_account *acc = &pr->w.account;
    SA_CLEANUP(sa_secret_free) struct sa_secret fetched = {0};
    if (!sa_credential_is_fetched(acc))
        return sa_credential_open(acc, a->fingerprint_key, a->uid, a->gid, &pr->cred, err);
    if (sa_exec_fetch(a->helper_fd, &a->slot->heartbeat_ns, &fetched, err))
        return -1;
    return sa_credential_open_fetched(acc, &fetched, a->fingerprint_key, a->uid, a->gid, &pr->cred,
                                      err);
}

static int enter(struct process *pr, struct sa_sandbox *box, struct sa_err **err)
{
    const struct sa_child_args *a = pr->args;
    const struct sa_account *acc = &pr->w.account;
    if (open_credential(pr, err))
        return -1;
    *box = (struct sa_sandbox){
        .profile = SA_SANDBOX_WORKER,
        .required = acc->sandbox && strcmp(acc->sandbox, "required") == 0,
        .off = acc->sandbox && strcmp(acc->sandbox, "off") == 0,
        .uid = a->uid,
        .gid = a->gid,
        .max_memory = acc->worker_memory_bytes > 0 ? (uint64_t)acc->worker_memory_bytes : 0,
        .max_files = MAX_FILES,
    };
    box->paths = sa_credential_paths(pr->cred, &box->n_paths);
    box->tcp_connect = sa_credential_ports(pr->cred, &box->n_tcp_connect);
    if (sa_sandbox_enter(box, &pr->sandbox, err))
        return sa_err_wrap(err, "sandbox");
    /* A change of uid clears the signal that was asked for. */
    return sa_die_with_parent(getppid(), err);
}

static int connect_all(struct process *pr, struct sa_err **err)
{
    const struct sa_child_args *a = pr->args;
    struct sa_worker *w = &pr->w;
    char url[160];
    w->loop = sa_loop_new(err);
    if (!w->loop)
        return -1;
    pr->ctl = sa_ctl_new(w->loop, a->control_fd, on_control, on_control_end, pr, err);
    if (!pr->ctl)
        return -1;
    sa_ctl_log_sink(pr->ctl);
    sa_ctl_accept_fds(pr->ctl);
    if (sa_credential_parse(pr->cred, w->loop, a->helper_fd, err))
        return -1;
    snprintf(w->namespace, sizeof w->namespace, "%s", sa_credential_namespace(pr->cred));
    w->http = sa_http_new(w->loop, &w->account, pr->cred, err);
    if (!w->http)
        return -1;
    w->api = (struct sa_api){api_start, api_cancel, pr};
    w->out = (struct sa_out){out_send, out_queued, pr, out_result};
    const struct sa_link_events ev = {link_message, link_down, link_drained, pr};
    if (sa_data_url(url, sizeof url, a->runtime_dir, a->index))
        return sa_err_set(err, SA_ECONFIG, "the runtime directory's name is too long");
    pr->link = sa_link_new(w->loop, url, a->key, &ev, err);
    if (!pr->link || sa_worker_init(w, err))
        return -1;
    pr->local = sa_local_new(w->loop, w->ops);
    return pr->local ? 0 : sa_err_set(err, SA_EMEMORY, "no memory for those who ask on this host");
}

static void put_files(const struct sa_credential_file *f, size_t n, struct sa_buf *b)
{
    sa_wr_u32(b, (uint32_t)n);
    for (size_t i = 0; i < n; i++)
        sa_ctl_put_file(b, f[i].path, f[i].fingerprint, f[i].rereads);
}

static void tell_files(struct process *pr)
{
    size_t n;
    const struct sa_credential_file *f = sa_credential_files(pr->cred, &n);
    SA_CLEANUP(sa_buf_free) struct sa_buf b = {0};
    struct sa_err *err = NULL;
    sa_buf_init(&b, SA_CTL_MAX);
    put_files(f, n, &b);
    if (b.failed || sa_ctl_send(pr->ctl, SA_CTL_FILES, &b, &err))
        sa_log(SA_ERROR, "the supervisor can't be told of %zu credential files: %s", n,
               sa_err_msg(err));
    pr->told = true;
    sa_err_free(&err);
}

/* A worker that its credential keeps from starting is started again when the files change. */
static void tell_files_at_end(struct process *pr)
{
    const struct sa_child_args *a = pr->args;
    size_t n = 1;
    struct sa_credential_file one;
    const struct sa_credential_file *f = &one;
    SA_CLEANUP(sa_buf_free) struct sa_buf b = {0};
    if (pr->told)
        return;
    if (pr->cred)
        f = sa_credential_files(pr->cred, &n);
    else
        sa_credential_kubeconfig(&pr->w.account, a->fingerprint_key, &one);
    sa_buf_init(&b, SA_CTL_MAX);
    if (n && f->path)
        put_files(f, n, &b);
    if (b.len && !b.failed)
        sa_ctl_send_now(a->control_fd, SA_CTL_FILES, &b, NULL);
}

static void tell_sandbox(struct process *pr)
{
    const struct sa_sandbox_report *r = &pr->sandbox;
    struct sa_slot *slot = pr->w.slot;
    slot->sandbox = (r->no_new_privs ? SA_SLOT_NNP : 0) | (r->uid_dropped ? SA_SLOT_UID : 0) |
                    (r->landlock ? SA_SLOT_LANDLOCK : 0) | (r->landlock_tcp ? SA_SLOT_TCP : 0) |
                    (r->seccomp ? SA_SLOT_SECCOMP : 0);
    slot->landlock_abi = (uint32_t)(r->landlock_abi > 0 ? r->landlock_abi : 0);
    sa_slot_set_text(slot->sandbox_lacks, sizeof slot->sandbox_lacks, r->lacks);
}

static int begin(struct process *pr, struct sa_err **err)
{
    const struct sa_child_args *a = pr->args;
    struct sa_sandbox box;
    const int keep[] = {a->control_fd, a->helper_fd};
    if (sa_die_with_parent(getppid(), err))
        return -1;
    sa_close_others(keep, a->helper_fd >= 0 ? 2 : 1);
    if (sa_account_from_json(a->settings, &pr->w.account, err))
        return sa_err_wrap(err, "settings of account %s", a->account);
    if (enter(pr, &box, err) || connect_all(pr, err))
        return -1;
    if (sa_sandbox_seal(&box, &pr->sandbox, err))
        return sa_err_wrap(err, "sandbox");
    tell_sandbox(pr);
    tell_files(pr);
    return sa_ctl_send(pr->ctl, SA_CTL_READY, NULL, err);
}

static int fatal(struct process *pr, const struct sa_err *err)
{
    SA_CLEANUP(sa_buf_free) struct sa_buf b = {0};
    sa_buf_init(&b, 4096);
    sa_wr_u32(&b, (uint32_t)(err ? err->code : SA_EINTERNAL));
    sa_wr_str(&b, sa_err_msg(err));
    sa_slot_error(pr->w.slot, "%s", sa_err_msg(err));
    tell_files_at_end(pr);
    if (!b.failed)
        sa_ctl_send_now(pr->args->control_fd, SA_CTL_FATAL, &b, NULL);
    bool config = err && (err->code == SA_ECONFIG || err->code == SA_ECREDENTIAL);
    return config ? SA_EXIT_CONFIG : SA_EXIT_FAILED;
}

static void finish(struct process *pr)
{
    struct sa_worker *w = &pr->w;
    sa_local_free(pr->local);
    if (w->table)
        sa_worker_clear(w);
    sa_link_free(pr->link);
    sa_http_free(w->http);
    sa_credential_free(pr->cred);
    sa_loop_free(w->loop);
    sa_account_free(&w->account);
}

int sa_worker_main(const struct sa_child_args *args)
{
    static const char *const known[] = {SA_ENV_NETWORK, "KUBERNETES_SERVICE_HOST",
                                        "KUBERNETES_SERVICE_PORT", NULL};
    struct process *pr = calloc(1, sizeof *pr);
    struct sa_err *err = NULL;
    if (!pr)
        return SA_EXIT_FAILED;
    pr->args = args;
    pr->w.slot = args->slot;
    sa_env_keep(known);
    sa_hash_init();
    sa_title_set("worker %s", args->account);
    sa_log_set_identity("worker", args->account);
    sa_ctl_log_sink_fd(args->control_fd);
    sa_sandbox_report_syscall_to(&args->slot->seccomp_nr);
    if (begin(pr, &err) == 0) {
        sa_worker_start(&pr->w);
        sa_loop_run(pr->w.loop, &err);
    }
    int code = err ? fatal(pr, err) : 0;
    if (!code)
        sa_ctl_drain(pr->ctl, DRAIN_MS, NULL);
    sa_err_free(&err);
    finish(pr);
    free(pr);
    return code;
}
