/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/control.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "ipc/queue.h"

/* Messages handled before other descriptors get their turn. */
#define MESSAGES_A_TURN 64
/* The kernel's default of 208 KB for both directions leaves no room for one largest message and its
 * bookkeeping; asking for more than net.core.wmem_max is cut to that in silence. */
#define SOCKET_BUFFER (512 * 1024)
/* Longest that a child on its way out waits for a supervisor that doesn't read. */
#define SEND_NOW_MS 2000

struct sa_ctl {
    struct sa_loop *loop;
    int fd;
    sa_ctl_cb *on_msg;
    sa_ctl_end_cb *on_end;
    void (*on_drained)(void *arg);
    void *arg;
    bool log_sink; /* records of this process's log go here */
    bool dead;     /* the end was reported; nothing is sent or received any more */
    bool in_call;  /* a callback runs: freeing waits for it */
    bool free_me;
    bool accepts_fds;
    int came_fd;               /* with the message that is being handled; -1 none */
    struct sa_ctl_queue queue; /* what the socket would not take */
    uint64_t logs_dropped;
};

const char *sa_ctl_name(uint8_t type)
{
    switch ((enum sa_ctl_type)type) {
    case SA_CTL_NONE:
        break;
#define X(sym, dir, fields)                                                                        \
    case sym:                                                                                      \
        return #sym;
        SA_CTL_TABLE(X)
#undef X
    }
    return "unknown";
}

int sa_ctl_pair(int fds[2], struct sa_err **err)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0) {
        return sa_err_sys(err, errno, "control channel: socketpair");
    }
    for (int i = 0; i < 2; i++) {
        int size = SOCKET_BUFFER;
        /* By force where root allows it; else as much as the system's limit gives. */
        if (setsockopt(fds[i], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) != 0) {
            setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
        }
    }
    return 0;
}

/* Reports the end once. reason is taken over. */
static void end_channel(struct sa_ctl *c, struct sa_err *reason)
{
    if (!c->dead) {
        c->dead = true;
        sa_loop_fd_remove(c->loop, c->fd);
        if (c->on_end != NULL) {
            c->on_end(c->arg, reason);
        }
    }
    sa_err_free(&reason);
}

static bool would_block(int e)
{
    return e == EAGAIN || e == EWOULDBLOCK || e == EINTR || e == ENOBUFS;
}

static bool other_side_gone(int e)
{
    return e == EPIPE || e == ECONNRESET || e == ENOTCONN;
}

/* Room for one descriptor beside a message, aligned as sendmsg(2) wants it. */
union one_fd {
    struct cmsghdr align;
    char room[CMSG_SPACE(sizeof(int))];
};

/* Sends one datagram, with a descriptor if that is not -1; never a signal. Returns as sendmsg does.
 */
static ssize_t send_parts(int fd, uint8_t type, const void *body, size_t n, int attached)
{
    struct iovec v[2] = {{&type, 1}, {(void *)(uintptr_t)body, n}};
    struct msghdr m = {.msg_iov = v, .msg_iovlen = n > 0 ? 2 : 1};
    union one_fd control = {0};
    if (attached >= 0) {
        m.msg_control = &control;
        m.msg_controllen = sizeof(control.room);
        struct cmsghdr *h = CMSG_FIRSTHDR(&m);
        h->cmsg_level = SOL_SOCKET;
        h->cmsg_type = SCM_RIGHTS;
        h->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(h), &attached, sizeof(int));
    }
    return sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Receives one datagram, and the descriptor that came with it where c accepts such: the room is for
 * one alone, more are closed by the kernel. Returns as recv does. */
static ssize_t receive_parts(struct sa_ctl *c, void *in, size_t size)
{
    if (!c->accepts_fds) {
        return recv(c->fd, in, size, MSG_DONTWAIT);
    }
    union one_fd control = {0};
    struct iovec v = {in, size};
    struct msghdr m = {.msg_iov = &v,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = CMSG_LEN(sizeof(int))};
    ssize_t n = recvmsg(c->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    struct cmsghdr *h = n >= 0 ? CMSG_FIRSTHDR(&m) : NULL;
    if (h != NULL && h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS &&
        h->cmsg_len == CMSG_LEN(sizeof(int))) {
        memcpy(&c->came_fd, CMSG_DATA(h), sizeof(int));
    }
    return n;
}

bool sa_ctl_queued(const struct sa_ctl *c)
{
    return sa_ctl_queue_bytes(&c->queue) > 0;
}

static void flush_queue(struct sa_ctl *c)
{
    const uint8_t *message;
    size_t len;
    while (!c->dead && (message = sa_ctl_queue_first(&c->queue, &len)) != NULL) {
        if (send_parts(c->fd, message[0], message + 1, len - 1, -1) < 0) {
            int e = errno;
            if (would_block(e)) {
                return;
            }
            struct sa_err *why = NULL;
            if (!other_side_gone(e)) {
                sa_err_sys(&why, e, "control channel: send");
            }
            end_channel(c, why);
            return;
        }
        sa_ctl_queue_drop_first(&c->queue);
    }
}

/* One message. Returns false when there is none left or the channel ended. */
static bool receive_one(struct sa_ctl *c)
{
    struct sa_err *why = NULL;
    /* One more byte shows a message that is too long. On the stack, of which only what a message
     * fills is touched: a buffer for each of a thousand channels would cost every forked child page
     * tables. */
    uint8_t in[SA_CTL_MAX + 1];
    ssize_t n = receive_parts(c, in, sizeof in);
    if (n < 0 && errno == ECONNRESET) {
        /* The other side closed with messages of ours unread. Linux says so once, before what it
         * sent is read: its last words are still there. */
        n = receive_parts(c, in, sizeof in);
    }
    if (n < 0 && would_block(errno)) {
        return false;
    }
    if (n < 0 && !other_side_gone(errno)) {
        sa_err_sys(&why, errno, "control channel: receive");
    } else if (n > (ssize_t)SA_CTL_MAX) {
        sa_err_set(&why, SA_EPROTOCOL, "control channel: message of more than %u bytes",
                   SA_CTL_MAX);
    }
    if (n <= 0 || why != NULL) {
        sa_closep(&c->came_fd);
        end_channel(c, why);
        return false;
    }
    struct sa_rd body;
    sa_rd_init(&body, in + 1, (size_t)n - 1);
    int accepted = c->on_msg(c->arg, in[0], &body);
    sa_closep(&c->came_fd);
    if (accepted != 0) {
        sa_err_set(&why, SA_EPROTOCOL, "control channel: message %s was not accepted",
                   sa_ctl_name(in[0]));
        end_channel(c, why);
        return false;
    }
    return !c->dead && !c->free_me;
}

static void on_ready(void *arg, int fd, uint32_t events)
{
    struct sa_ctl *c = arg;
    (void)fd;
    c->in_call = true;
    if ((events & EPOLLOUT) != 0) {
        flush_queue(c);
        if (!sa_ctl_queued(c) && !c->dead &&
            sa_loop_fd(c->loop, c->fd, EPOLLIN, on_ready, c, NULL) != 0) {
            end_channel(c, NULL);
        }
        if (!sa_ctl_queued(c) && !c->dead && c->on_drained != NULL) {
            c->on_drained(c->arg);
        }
    }
    if ((events & ~(uint32_t)EPOLLOUT) != 0) {
        for (int i = 0; i < MESSAGES_A_TURN && !c->dead && receive_one(c); i++) {
        }
    }
    c->in_call = false;
    if (c->free_me) {
        sa_ctl_free(c);
    }
}

struct sa_ctl *sa_ctl_new(struct sa_loop *l, int fd, sa_ctl_cb *on_msg, sa_ctl_end_cb *on_end,
                          void *arg, struct sa_err **err)
{
    struct sa_ctl *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        sa_err_set(err, SA_EMEMORY, "control channel");
    } else {
        *c = (struct sa_ctl){
            .loop = l, .fd = fd, .on_msg = on_msg, .on_end = on_end, .arg = arg, .came_fd = -1};
        if (sa_loop_fd(l, fd, EPOLLIN, on_ready, c, err) == 0) {
            return c;
        }
    }
    free(c);
    close(fd);
    return NULL;
}

void sa_ctl_free(struct sa_ctl *c)
{
    if (c == NULL) {
        return;
    }
    if (c->log_sink) {
        c->log_sink = false;
        sa_log_set_sink(NULL, NULL);
    }
    c->dead = true;
    sa_loop_fd_remove(c->loop, c->fd);
    sa_closep(&c->fd);
    if (c->in_call) {
        c->free_me = true; /* on_ready is on the stack and comes back here */
        return;
    }
    sa_ctl_queue_free(&c->queue);
    free(c);
}

void sa_ctl_on_drained(struct sa_ctl *c, void (*on_drained)(void *arg))
{
    c->on_drained = on_drained;
}

int sa_ctl_fd(const struct sa_ctl *c)
{
    return c->fd;
}

void sa_ctl_accept_fds(struct sa_ctl *c)
{
    c->accepts_fds = true;
}

int sa_ctl_take_fd(struct sa_ctl *c)
{
    int fd = c->came_fd;
    c->came_fd = -1;
    return fd;
}

static int enqueue(struct sa_ctl *c, uint8_t type, const struct sa_buf *body, struct sa_err **err)
{
    bool was_queued = sa_ctl_queued(c);
    if (sa_ctl_queue_add(&c->queue, type, body != NULL ? body->data : NULL,
                         body != NULL ? body->len : 0, err) != 0) {
        return -1;
    }
    if (!was_queued && sa_loop_fd(c->loop, c->fd, EPOLLIN | EPOLLOUT, on_ready, c, err) != 0) {
        sa_ctl_queue_free(&c->queue);
        return -1;
    }
    return 0;
}

static int check_body(uint8_t type, const struct sa_buf *body, struct sa_err **err)
{
    if (body != NULL && (body->failed || body->len > SA_CTL_MAX - 1)) {
        return sa_err_set(err, SA_ELIMIT, "control channel: message %s is too long",
                          sa_ctl_name(type));
    }
    return 0;
}

int sa_ctl_send(struct sa_ctl *c, uint8_t type, const struct sa_buf *body, struct sa_err **err)
{
    if (check_body(type, body, err) != 0) {
        return -1;
    }
    if (c->dead) {
        return sa_err_set(err, SA_ENETWORK, "control channel: it has ended (%s)",
                          sa_ctl_name(type));
    }
    if (!sa_ctl_queued(c)) {
        if (send_parts(c->fd, type, body != NULL ? body->data : NULL, body != NULL ? body->len : 0,
                       -1) >= 0) {
            return 0;
        }
        if (!would_block(errno)) {
            /* The loop meets the end of the channel too, and reports it from there: not from inside
             * a caller that is about to use what the report may free. */
            return sa_err_sys(err, errno, "control channel: send %s", sa_ctl_name(type));
        }
    }
    return enqueue(c, type, body, err);
}

int sa_ctl_send_fd(struct sa_ctl *c, uint8_t type, const struct sa_buf *body, int fd,
                   struct sa_err **err)
{
    if (check_body(type, body, err) != 0) {
        return -1;
    }
    if (c->dead) {
        return sa_err_set(err, SA_ENETWORK, "control channel: it has ended (%s)",
                          sa_ctl_name(type));
    }
    if (sa_ctl_queued(c)) {
        return sa_err_set(err, SA_ELIMIT, "control channel: others wait to be sent before %s",
                          sa_ctl_name(type));
    }
    if (send_parts(c->fd, type, body != NULL ? body->data : NULL, body != NULL ? body->len : 0,
                   fd) >= 0) {
        return 0;
    }
    if (would_block(errno)) {
        return sa_err_set(err, SA_ELIMIT, "control channel: no room for %s", sa_ctl_name(type));
    }
    return sa_err_sys(err, errno, "control channel: send %s", sa_ctl_name(type));
}

int sa_ctl_send_now(int fd, uint8_t type, const struct sa_buf *body, struct sa_err **err)
{
    if (check_body(type, body, err) != 0) {
        return -1;
    }
    for (;;) {
        if (send_parts(fd, type, body != NULL ? body->data : NULL, body != NULL ? body->len : 0,
                       -1) >= 0) {
            return 0;
        }
        if (!would_block(errno)) {
            return sa_err_sys(err, errno, "control channel: send %s", sa_ctl_name(type));
        }
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        if (poll(&p, 1, SEND_NOW_MS) == 0) {
            return sa_err_set(err, SA_ELIMIT, "control channel: the other side does not read (%s)",
                              sa_ctl_name(type));
        }
    }
}

int sa_ctl_drain(struct sa_ctl *c, unsigned ms, struct sa_err **err)
{
    uint64_t end = sa_mono_ns() + ms * SA_NS_PER_MS;
    bool nested = c->in_call;
    int r = 0;
    c->in_call = true;
    while (r == 0 && sa_ctl_queued(c) && !c->dead) {
        uint64_t now = sa_mono_ns();
        struct pollfd p = {.fd = c->fd, .events = POLLOUT};
        if (now >= end || poll(&p, 1, (int)((end - now) / SA_NS_PER_MS) + 1) == 0) {
            r = sa_err_set(err, SA_ELIMIT, "control channel: the other side does not read");
        } else {
            flush_queue(c);
        }
    }
    c->in_call = nested;
    if (c->free_me && !nested) {
        sa_ctl_free(c);
    }
    return r;
}

/* Log records */

/* Level, text and fields of a record: role and account are the supervisor's to add. */
static void write_record(struct sa_buf *b, const struct sa_record *rec, uint64_t dropped)
{
    char number[32];
    sa_wr_u8(b, (uint8_t)rec->level);
    sa_wr_str(b, rec->msg);
    sa_wr_u32(b, (uint32_t)rec->n_fields + (dropped > 0 ? 1 : 0));
    for (size_t i = 0; i < rec->n_fields; i++) {
        sa_wr_str(b, rec->fields[i].key);
        sa_wr_str(b, rec->fields[i].value);
    }
    if (dropped > 0) {
        snprintf(number, sizeof(number), "%" PRIu64, dropped);
        sa_wr_str(b, "dropped_before");
        sa_wr_str(b, number);
    }
}

static void sink_to_channel(void *arg, const struct sa_record *rec)
{
    struct sa_ctl *c = arg;
    SA_CLEANUP(sa_buf_free) struct sa_buf b = {.max = SA_CTL_MAX - 1};
    write_record(&b, rec, c->logs_dropped);
    /* Half of the queue is kept for what matters more. */
    if (sa_ctl_queue_bytes(&c->queue) > SA_CTL_QUEUE_MAX / 2 ||
        sa_ctl_send(c, SA_CTL_LOG, &b, NULL) != 0) {
        c->logs_dropped++;
    } else {
        c->logs_dropped = 0;
    }
}

static void sink_to_fd(void *arg, const struct sa_record *rec)
{
    SA_CLEANUP(sa_buf_free) struct sa_buf b = {.max = SA_CTL_MAX - 1};
    write_record(&b, rec, 0);
    sa_ctl_send_now((int)(intptr_t)arg, SA_CTL_LOG, &b, NULL);
}

void sa_ctl_put_file(struct sa_buf *body, const char *path, const uint8_t fingerprint[32],
                     bool rereads)
{
    sa_wr_str(body, path);
    sa_buf_add(body, fingerprint, SA_FINGERPRINT_SIZE);
    sa_wr_u8(body, rereads);
}

void sa_ctl_log_sink(struct sa_ctl *c)
{
    c->log_sink = true;
    sa_log_set_sink(sink_to_channel, c);
}

void sa_ctl_log_sink_fd(int fd)
{
    sa_log_set_sink(sink_to_fd, (void *)(intptr_t)fd);
}
