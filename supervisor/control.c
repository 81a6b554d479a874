/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/control.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "ipc/plan.h"
#include "supervisor/jsonw.h"
#include "supervisor/peer.h"
#include "supervisor/root.h"
#include "supervisor/status.h"

#define REQUEST_MAX 4096u
#define CLIENTS_MAX 64u
#define PATIENCE_NS (30 * SA_NS_PER_S) /* without any progress */

struct sa_client {
    struct sa_control *control;
    struct sa_client *next;
    int fd;
    struct ucred peer;
    char in[REQUEST_MAX + 1];
    size_t n_in;
    struct sa_buf out;
    size_t sent;
    uint64_t await_run;                 /* reload that it waits for, 0 none */
    const struct sa_proc *await_worker; /* whose answer it waits for, NULL none */
    uint32_t await_id, rows;            /* its question, and how much of the answer came */
    bool input_ended, closing;
    struct sa_timer timer;
};

struct sa_control {
    struct sa_supervisor *sup;
    int fd;
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    struct sa_client *clients;
    size_t n_clients;
    uint64_t refusal_ns; /* when one was logged last */
};

static void client_free(struct sa_client *c)
{
    struct sa_control *control = c->control;

    for (struct sa_client **p = &control->clients; *p; p = &(*p)->next) {
        if (*p == c) {
            *p = c->next;
            break;
        }
    }
    control->n_clients--;
    sa_timer_cancel(control->sup->loop, &c->timer);
    sa_loop_fd_remove(control->sup->loop, c->fd);
    sa_closep(&c->fd);
    sa_buf_free(&c->out);
    free(c);
}

static void too_slow(void *arg)
{
    client_free(arg);
}

static void progress(struct sa_client *c)
{
    sa_timer_set(c->control->sup->loop, &c->timer, PATIENCE_NS, too_slow, c);
}

struct sa_buf *sa_client_out(struct sa_client *client)
{
    return &client->out;
}

void sa_client_ok(struct sa_client *client)
{
    if (client->out.failed) {
        sa_client_error(client, SA_EMEMORY, "the answer could not be made");
        return;
    }
    sa_buf_adds(&client->out, "OK\n");
}

void sa_client_error(struct sa_client *client, enum sa_code code, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20)
            *p = ' ';
    if (client->out.failed)
        sa_buf_reset(&client->out);
    sa_buf_addf(&client->out, "ERROR %s %s\n", sa_code_name(code), text);
}

const struct ucred *sa_client_peer(const struct sa_client *client)
{
    return &client->peer;
}

bool sa_client_is_owner(const struct sa_client *client)
{
    return client->peer.uid == 0 || client->peer.uid == geteuid();
}

bool sa_client_pass_fd(struct sa_client *client, const char *line, int fd)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec v = {(void *)(uintptr_t)line, strlen(line)};
    struct msghdr m = {.msg_iov = &v,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof(control.room)};
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);

    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(h), &fd, sizeof(int));
    return client->out.len == 0 &&
           sendmsg(client->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)v.iov_len;
}

void sa_client_await_reload(struct sa_client *client, uint64_t run)
{
    client->await_run = run;
}

void sa_client_await_plan(struct sa_client *client, const struct sa_proc *worker, uint32_t id)
{
    client->await_worker = worker;
    client->await_id = id;
    client->rows = 0;
}

bool sa_client_count_rows(struct sa_client *client, uint32_t n)
{
    client->rows += n;
    return client->rows <= SA_PLAN_ROWS;
}

static bool waits(const struct sa_client *c)
{
    return c->await_run != 0 || c->await_worker;
}

/* Sends what it can. False if the client is gone. */
static bool flush(struct sa_client *c)
{
    while (c->sent < c->out.len) {
        ssize_t n =
            send(c->fd, c->out.data + c->sent, c->out.len - c->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        c->sent += (size_t)n;
        progress(c);
    }
    sa_buf_trim(&c->out, 4096);
    c->sent = 0;
    return true;
}

/* Serves complete lines, one at a time: the next only when the answer before is on its way. */
static void serve(struct sa_client *c)
{
    while (c->out.len == 0 && !waits(c) && !c->closing) {
        char *end = memchr(c->in, '\n', c->n_in);
        size_t used;

        if (!end) {
            if (c->n_in == REQUEST_MAX) {
                sa_client_error(c, SA_ELIMIT, "a request is at most %u bytes", REQUEST_MAX);
                c->closing = true;
            }
            return;
        }
        used = (size_t)(end - c->in) + 1;
        *end = '\0';
        if (end > c->in && end[-1] == '\r')
            end[-1] = '\0';
        if (strlen(c->in) + 2 < used)
            sa_client_error(c, SA_EPROTOCOL, "a request is one line of text");
        else
            sa_verb_serve(c->control->sup, c, c->in);
        memmove(c->in, c->in + used, c->n_in - used);
        c->n_in -= used;
    }
}

static void on_client(void *arg, int fd, uint32_t events);

/* Goes on with a client after anything happened; frees it when all is said. */
static void advance(struct sa_client *c)
{
    uint32_t events = 0;

    do {
        serve(c);
        if (!flush(c)) {
            client_free(c);
            return;
        }
    } while (c->out.len == 0 && !waits(c) && !c->closing && memchr(c->in, '\n', c->n_in));

    if (c->out.len == 0 && !waits(c) && (c->closing || c->input_ended)) {
        client_free(c);
        return;
    }
    if (c->out.len > 0)
        events = EPOLLOUT;
    else if (!waits(c) && !c->input_ended)
        events = EPOLLIN;
    if (sa_loop_fd(c->control->sup->loop, c->fd, events, on_client, c, NULL) < 0)
        client_free(c);
}

static void on_client(void *arg, int fd, uint32_t events)
{
    struct sa_client *c = arg;

    if (events & EPOLLERR) {
        client_free(c);
        return;
    }
    if ((events & (EPOLLIN | EPOLLHUP)) && c->n_in < REQUEST_MAX) {
        ssize_t n = recv(fd, c->in + c->n_in, REQUEST_MAX - c->n_in, MSG_DONTWAIT);

        if (n > 0) {
            c->n_in += (size_t)n;
            progress(c);
        } else if (n == 0) {
            c->input_ended = true;
        }
    }
    if (events & EPOLLHUP) {
        client_free(c); /* nobody is left to read the answer */
        return;
    }
    advance(c);
}

static bool in_control_group(const struct sa_identity *id, int fd, const struct ucred *peer)
{
    gid_t groups[1024];
    socklen_t n = sizeof(groups);

    if (!id->control_group_set)
        return false;
    if (peer->gid == id->control_gid)
        return true;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &n) < 0)
        return false;
    for (size_t i = 0; i < n / sizeof(groups[0]); i++)
        if (groups[i] == id->control_gid)
            return true;
    return false;
}

/* At most one a second: who is refused may ask as often as it likes. */
static void log_refusal(struct sa_control *control, const struct ucred *peer, const char *who)
{
    uint64_t now = sa_mono_ns();

    if (control->refusal_ns != 0 && now - control->refusal_ns < SA_NS_PER_S)
        return;
    control->refusal_ns = now;
    sa_log(SA_WARN, "uid %u (pid %d%s) may not use the control socket", (unsigned)peer->uid,
           (int)peer->pid, who);
}

static bool allowed(struct sa_control *control, int fd, struct ucred *peer)
{
    socklen_t n = sizeof(*peer);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, peer, &n) < 0)
        return false;
    if (peer->uid == 0 || peer->uid == geteuid() ||
        in_control_group(&control->sup->identity, fd, peer)) {
        if (!sa_peer_descends(fd, peer->pid))
            return true;
        log_refusal(control, peer, ", a child of the agent or gone already");
        return false;
    }
    log_refusal(control, peer, "");
    return false;
}

static void on_connection(void *arg, int fd, uint32_t events)
{
    static const char full[] = "ERROR limit too many clients\n";
    static const char refused[] = "ERROR refused you may not use this socket\n";
    struct sa_control *control = arg;
    struct sa_client *c;
    int s = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)events;
    if (s < 0)
        return;
    c = control->n_clients < CLIENTS_MAX ? calloc(1, sizeof(*c)) : NULL;
    if (!c || !allowed(control, s, &c->peer)) {
        const char *answer = c ? refused : full;

        send(s, answer, strlen(answer), MSG_NOSIGNAL | MSG_DONTWAIT);
        close(s);
        free(c);
        return;
    }
    c->control = control;
    c->fd = s;
    c->next = control->clients;
    control->clients = c;
    control->n_clients++;
    sa_buf_init(&c->out, SA_STATUS_MAX);
    progress(c);
    advance(c);
}

/* Root without CAP_CHOWN may still give what is its own to a group that it is in. */
static int give_to_group(const char *path, gid_t gid)
{
    gid_t present = getegid();
    int rc;

    if (chown(path, (uid_t)-1, gid) == 0)
        return chmod(path, 0660);
    if (errno != EPERM || geteuid() != 0 || setegid(gid) < 0)
        return -1;
    rc = chown(path, (uid_t)-1, gid) == 0 ? chmod(path, 0660) : -1;
    return setegid(present) < 0 ? -1 : rc;
}

static int listen_at(struct sa_control *c, struct sa_err **err)
{
    const struct sa_identity *id = &c->sup->identity;
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    mode_t mask;
    int rc;

    memcpy(addr.sun_path, c->path, sizeof(c->path));
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->fd < 0)
        return sa_err_sys(err, errno, "control socket");
    unlink(c->path); /* the lock says that nobody else uses it */
    mask = umask(0177);
    rc = bind(c->fd, (struct sockaddr *)&addr, sizeof(addr));
    umask(mask);
    if (rc < 0)
        return sa_err_sys(err, errno, "cannot make the control socket %s", c->path);
    if (id->control_group_set && give_to_group(c->path, id->control_gid) < 0)
        return sa_err_sys(err, errno, "cannot give the control socket %s to its group", c->path);
    if (listen(c->fd, 64) < 0)
        return sa_err_sys(err, errno, "cannot listen at %s", c->path);
    return sa_loop_fd(c->sup->loop, c->fd, EPOLLIN, on_connection, c, err);
}

struct sa_control *sa_control_new(struct sa_supervisor *sup, struct sa_err **err)
{
    struct sa_control *c = calloc(1, sizeof(*c));
    int n;

    if (!c) {
        sa_err_set(err, SA_EMEMORY, "control socket");
        return NULL;
    }
    c->sup = sup;
    c->fd = -1;
    n = snprintf(c->path, sizeof(c->path), "%s/control.sock", sup->runtime_dir);
    if (n < 0 || (size_t)n >= sizeof(c->path))
        sa_err_set(err, SA_ECONFIG, "%s: the path of the control socket would be too long",
                   sup->runtime_dir);
    else if (listen_at(c, err) == 0)
        return c;
    sa_closep(&c->fd);
    free(c);
    return NULL;
}

void sa_control_free(struct sa_control *c)
{
    if (!c)
        return;
    while (c->clients) {
        flush(c->clients); /* the answer to `stop`, as far as it goes at once */
        client_free(c->clients);
    }
    sa_loop_fd_remove(c->sup->loop, c->fd);
    sa_closep(&c->fd);
    unlink(c->path);
    free(c);
}

static void answer_reload(struct sa_client *c, const struct sa_reload_result *r,
                          const struct sa_problems *problems)
{
    struct sa_jsonw j = sa_jsonw(&c->out);

    c->await_run = 0;
    sa_jsonw_open(&j, NULL, '{');
    sa_jsonw_bool(&j, "valid", r->valid);
    sa_jsonw_number(&j, "added", r->added);
    sa_jsonw_number(&j, "changed", r->changed);
    sa_jsonw_number(&j, "credentials", r->credentials);
    sa_jsonw_number(&j, "removed", r->removed);
    sa_jsonw_bool(&j, "settings", r->settings);
    sa_status_problems(&j, problems);
    sa_jsonw_close(&j, '}');
    sa_buf_addc(&c->out, '\n');
    if (r->valid)
        sa_client_ok(c);
    else
        sa_client_error(c, SA_ECONFIG, "the configuration is not valid; nothing was changed");
}

void sa_control_reload_done(struct sa_control *c, uint64_t run,
                            const struct sa_reload_result *result,
                            const struct sa_problems *problems)
{
    struct sa_client *next;

    for (struct sa_client *i = c ? c->clients : NULL; i; i = next) {
        next = i->next;
        if (i->await_run == 0 || i->await_run > run)
            continue;
        answer_reload(i, result, problems);
        advance(i);
    }
}

struct sa_client *sa_control_awaits_plan(struct sa_control *c, const struct sa_proc *worker,
                                         uint32_t id)
{
    for (struct sa_client *i = c ? c->clients : NULL; i; i = i->next)
        if (i->await_worker == worker && i->await_id == id)
            return i;
    return NULL;
}

void sa_client_goes_on(struct sa_client *client)
{
    client->await_worker = NULL;
    advance(client);
}

void sa_control_worker_ended(struct sa_control *c, const struct sa_proc *worker)
{
    struct sa_client *next;

    for (struct sa_client *i = c ? c->clients : NULL; i; i = next) {
        next = i->next;
        if (i->await_worker != worker)
            continue;
        sa_client_error(i, SA_EREFUSED, "the account's worker ended before it had answered");
        sa_client_goes_on(i);
    }
}
