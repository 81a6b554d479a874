/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/exec_client.h"

#include <errno.h>
#include <poll.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

/* The plugin has 60 s, and may have to wait for its turn before that. */
#define ANSWER_WITHIN (180 * SA_NS_PER_S)

struct sa_exec_client {
    struct sa_loop *loop;
    int fd; /* -1: the helper has gone */
    bool asking;
    struct sa_buf answer;
    struct sa_timer timer;
    sa_exec_answer_cb *cb;
    void *arg;
};

static void finish(struct sa_exec_client *c, bool good, struct sa_err **reason)
{
    c->asking = false;
    sa_timer_cancel(c->loop, &c->timer);
    /* The callback may free the client: nothing of it is used afterwards. */
    struct sa_buf answer = c->answer;
    sa_buf_init(&c->answer, SA_EXEC_OUTPUT_MAX);
    if (good)
        c->cb(c->arg, answer.data != NULL ? answer.data : "", answer.len, NULL);
    else
        c->cb(c->arg, NULL, 0, *reason);
    sa_buf_wipe(&answer);
    sa_buf_free(&answer);
    sa_err_free(reason);
}

static void fail(struct sa_exec_client *c, enum sa_code code, const char *text)
{
    SA_CLEANUP(sa_err_free) struct sa_err *e = NULL;
    sa_err_set(&e, code, "%s", text);
    finish(c, false, &e);
}

static void hang_up(struct sa_exec_client *c)
{
    sa_loop_fd_remove(c->loop, c->fd);
    sa_closep(&c->fd);
    if (c->asking)
        fail(c, SA_ESYSTEM, "the account's credential helper has ended");
}

/* The helper is another process: what it calls an error is one, whatever its number. */
static int take_error(const char *p, size_t n, struct sa_err **err)
{
    unsigned code = n > 1 ? (unsigned char)p[1] : 0;
    bool known = code != SA_OK && code <= SA_EREFUSED;
    return sa_err_set(err, known ? (enum sa_code)code : SA_ECREDENTIAL, "%.*s",
                      n > 2 ? (int)(n - 2) : 0, n > 2 ? p + 2 : "");
}

/* Returns false when the client may be gone. */
static bool on_packet(struct sa_exec_client *c, const char *p, size_t n)
{
    SA_CLEANUP(sa_err_free) struct sa_err *e = NULL;
    if (!c->asking)
        return true; /* an answer that came after its time */
    switch (p[0]) {
    case SA_EXEC_DATA:
        if (sa_buf_add(&c->answer, p + 1, n - 1) == 0)
            return true;
        fail(c, SA_ELIMIT, "the exec plugin's answer is longer than 1 MB");
        return false;
    case SA_EXEC_DONE:
        finish(c, true, &e);
        return false;
    case SA_EXEC_ERROR:
        take_error(p, n, &e);
        finish(c, false, &e);
        return false;
    default:
        fail(c, SA_EPROTOCOL, "the account's credential helper sent an unknown packet");
        return false;
    }
}

static void on_readable(void *arg, int fd, uint32_t events)
{
    struct sa_exec_client *c = arg;
    char packet[SA_EXEC_PIECE + 1];
    bool again = true;
    (void)events;
    while (again) {
        ssize_t n = recv(fd, packet, sizeof(packet), MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (n <= 0) {
            hang_up(c);
            break;
        }
        again = on_packet(c, packet, (size_t)n);
    }
    sodium_memzero(packet, sizeof(packet));
}

static void on_timeout(void *arg)
{
    fail(arg, SA_ELIMIT, "the exec plugin gave no answer within 180 s");
}

static void on_broken(void *arg)
{
    fail(arg, SA_ESYSTEM, "the account's credential helper has ended");
}

struct sa_exec_client *sa_exec_client_new(struct sa_loop *l, int fd, sa_exec_answer_cb *cb,
                                          void *arg, struct sa_err **err)
{
    struct sa_exec_client *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        sa_err_set(err, SA_EMEMORY, "credential helper");
        sa_closep(&fd);
        return NULL;
    }
    *c = (struct sa_exec_client){.loop = l, .fd = fd, .cb = cb, .arg = arg};
    sa_buf_init(&c->answer, SA_EXEC_OUTPUT_MAX);
    if (sa_loop_fd(l, fd, EPOLLIN, on_readable, c, err) != 0) {
        sa_exec_client_free(c);
        return NULL;
    }
    return c;
}

void sa_exec_client_free(struct sa_exec_client *c)
{
    if (c == NULL)
        return;
    if (c->fd >= 0)
        sa_loop_fd_remove(c->loop, c->fd);
    sa_closep(&c->fd);
    sa_timer_cancel(c->loop, &c->timer);
    sa_buf_wipe(&c->answer);
    sa_buf_free(&c->answer);
    free(c);
}

void sa_exec_client_ask(struct sa_exec_client *c)
{
    static const char want = SA_EXEC_WANT;
    if (c->asking)
        return;
    c->asking = true;
    sa_buf_wipe(&c->answer);
    bool sent = c->fd >= 0 && send(c->fd, &want, 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1;
    /* Without a timer nothing would end the wait, so its failure is the one case left to chance:
     * memory for one entry of the loop's heap. */
    (void)sa_timer_set(c->loop, &c->timer, sent ? ANSWER_WITHIN : 0, sent ? on_timeout : on_broken,
                       c);
}

void sa_exec_client_refused(const struct sa_exec_client *c)
{
    static const char refused = SA_EXEC_REFUSED;
    if (c->fd >= 0)
        (void)send(c->fd, &refused, 1, MSG_NOSIGNAL | MSG_DONTWAIT); /* a full socket knows it */
}

bool sa_exec_client_asking(const struct sa_exec_client *c)
{
    return c->asking;
}

/* Waiting for the kubeconfig */

/* 1: there is a packet of *n bytes, 0: not yet. */
static int wait_packet(int fd, char *packet, size_t size, size_t *n, struct sa_err **err)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int ready = poll(&p, 1, 500);
    if (ready == 0 || (ready < 0 && errno == EINTR))
        return 0;
    ssize_t got = ready > 0 ? recv(fd, packet, size, MSG_DONTWAIT) : -1;
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (got <= 0)
        return sa_err_set(err, SA_ESYSTEM, "the account's credential helper has ended");
    *n = (size_t)got;
    return 1;
}

/* 1: that was the last one, 0: more will come. */
static int take_packet(const char *p, size_t n, struct sa_secret *out, struct sa_err **err)
{
    switch (p[0]) {
    case SA_EXEC_DATA:
        if (n - 1 > SA_EXEC_OUTPUT_MAX - out->n)
            return sa_err_set(err, SA_ELIMIT, "the kubeconfig is longer than 1 MB");
        memcpy(out->p + out->n, p + 1, n - 1);
        out->n += n - 1;
        return 0;
    case SA_EXEC_DONE:
        return 1;
    case SA_EXEC_ERROR:
        return take_error(p, n, err);
    default:
        return sa_err_set(err, SA_EPROTOCOL,
                          "the account's credential helper sent an unknown packet");
    }
}

int sa_exec_fetch(int fd, volatile uint64_t *heartbeat_ns, struct sa_secret *out,
                  struct sa_err **err)
{
    static const char fetch = SA_EXEC_FETCH;
    char packet[SA_EXEC_PIECE + 1];
    uint64_t until = sa_mono_ns() + ANSWER_WITHIN;
    int rc = 0;
    if (fd < 0 || send(fd, &fetch, 1, MSG_NOSIGNAL) != 1)
        return sa_err_set(err, SA_ESYSTEM, "there is no credential helper for the kubeconfig");
    if (sa_secret_new(out, SA_EXEC_OUTPUT_MAX) != 0)
        return sa_err_set(err, SA_EMEMORY, "kubeconfig");
    out->n = 0;
    while (rc == 0) {
        size_t n = 0;
        *heartbeat_ns = sa_mono_ns();
        rc = wait_packet(fd, packet, sizeof(packet), &n, err);
        if (rc == 1)
            rc = take_packet(packet, n, out, err);
        else if (rc == 0 && sa_mono_ns() >= until)
            rc = sa_err_set(err, SA_ELIMIT, "the kubeconfig did not come within 180 s");
    }
    sodium_memzero(packet, sizeof(packet));
    out->p[out->n] = '\0';
    if (rc < 0)
        sa_secret_free(out);
    return rc < 0 ? -1 : 0;
}
