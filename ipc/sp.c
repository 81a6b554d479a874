/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/sp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

#define HEADER_SIZE 8u /* of the connection */
#define PREFIX_SIZE 9u /* of a message */
#define CHUNK       (64u * 1024u)
#define ROUNDS      8 /* chunks read for one connection before the others have their turn */
#define KEEP        (16u * 1024u)
/* For one connection's messages before the others have their turn: small ones may be dear. */
#define TURN_NS  (5 * SA_NS_PER_MS)
#define DRAIN_NS (500 * SA_NS_PER_MS)

static const uint8_t header[HEADER_SIZE] = {0, 'S', 'P', 0, 0, 16 /* PAIR, version 0 */, 0, 0};

struct sa_sp {
    struct sa_loop *loop;
    struct sa_sp_limits limits;
    const struct sa_sp_events *ev;
    void *arg;
    int fd;
    uint32_t watched; /* epoll events */
    uint8_t prefix[PREFIX_SIZE];
    size_t have;        /* bytes of the header or prefix */
    size_t want;        /* bytes of the message whose prefix is whole */
    struct sa_buf part; /* a message that comes in pieces */
    struct sa_buf rest; /* read, and not delivered because of a pause, or that its turn is over */
    struct sa_buf out;
    size_t out_done;  /* bytes of out that were sent */
    size_t out_mark;  /* where a message begins in out */
    size_t out_first; /* the end of those that go before the others; not behind out_done: none */
    struct sa_timer resume;
    uint64_t until_ns; /* the end of its turn */
    bool greeted;      /* the other side's header has come */
    bool spent;        /* its turn is over */
    bool paused, busy, doomed;
};

static int watch(struct sa_sp *c, struct sa_err **err);

static void destroy(struct sa_sp *c)
{
    sa_timer_cancel(c->loop, &c->resume);
    sa_buf_free(&c->part);
    sa_buf_free(&c->rest);
    sa_buf_free(&c->out);
    free(c);
}

void sa_sp_free(struct sa_sp *c)
{
    if (!c || c->doomed)
        return;
    c->doomed = true;
    sa_timer_cancel(c->loop, &c->resume);
    sa_loop_fd_remove(c->loop, c->fd);
    close(c->fd);
    if (!c->busy)
        destroy(c);
}

/* Reports the end; the owner frees c in it. */
static void end(struct sa_sp *c, const struct sa_err *why)
{
    if (!c->doomed)
        c->ev->end(c->arg, why);
}

static int check_header(struct sa_sp *c, struct sa_err **err)
{
    c->have = 0;
    c->greeted = true;
    if (memcmp(c->prefix, header, HEADER_SIZE) != 0)
        return sa_err_set(err, SA_EPROTOCOL, "the other side does not speak nng's PAIR0");
    return 0;
}

static int check_prefix(struct sa_sp *c, struct sa_err **err)
{
    uint64_t n = 0;

    for (size_t i = 1; i < PREFIX_SIZE; i++)
        n = n << 8 | c->prefix[i];
    if (c->prefix[0] != 1)
        return sa_err_set(err, SA_EPROTOCOL, "a message of type %u", c->prefix[0]);
    if (n > c->limits.message)
        return sa_err_set(err, SA_ELIMIT, "a message of %llu bytes is longer than %zu",
                          (unsigned long long)n, c->limits.message);
    c->want = (size_t)n;
    return 0;
}

/* Takes bytes towards the header or a prefix. 1: it is whole and good. */
static int take_prefix(struct sa_sp *c, const uint8_t **p, size_t *n, struct sa_err **err)
{
    size_t size = c->greeted ? PREFIX_SIZE : HEADER_SIZE;
    size_t more = size - c->have < *n ? size - c->have : *n;

    memcpy(c->prefix + c->have, *p, more);
    c->have += more;
    *p += more;
    *n -= more;
    if (c->have < size)
        return 0;
    if (!c->greeted)
        return check_header(c, err) < 0 ? -1 : 0;
    return check_prefix(c, err) < 0 ? -1 : 1;
}

/* At least one message is delivered in a turn, however long it takes. */
static void give(struct sa_sp *c, const uint8_t *p, size_t n)
{
    c->have = 0;
    c->ev->message(c->arg, p, n);
    c->spent = sa_mono_ns() >= c->until_ns;
}

/* Delivers the messages in p[n] as far as they go. What a pause, or the end of the turn, leaves
 * over is kept in c->rest. */
static int deliver(struct sa_sp *c, const uint8_t *p, size_t n, bool although_paused,
                   struct sa_err **err)
{
    while (!c->doomed) {
        if (c->greeted && c->have == PREFIX_SIZE && c->part.len == 0 && n >= c->want) {
            const uint8_t *message = p;

            if (c->spent || (c->paused && !although_paused))
                break;
            p += c->want;
            n -= c->want;
            give(c, message, c->want);
        } else if (c->greeted && c->have == PREFIX_SIZE) {
            size_t more = c->want - c->part.len < n ? c->want - c->part.len : n;

            if (sa_buf_add(&c->part, p, more) < 0)
                return sa_err_set(err, SA_EMEMORY, "no memory for a message of %zu bytes", c->want);
            p += more;
            n -= more;
            if (c->part.len < c->want)
                return 0;
            if (c->spent || (c->paused && !although_paused))
                break;
            give(c, (const uint8_t *)c->part.data, c->part.len);
            sa_buf_trim(&c->part, KEEP);
        } else {
            if (n == 0)
                return 0;
            if (take_prefix(c, &p, &n, err) < 0)
                return -1;
        }
    }
    if (!c->doomed && n > 0 && sa_buf_add(&c->rest, p, n) < 0)
        return sa_err_set(err, SA_EMEMORY, "no memory for %zu bytes", n);
    return 0;
}

/* What was kept comes first. */
static int deliver_rest(struct sa_sp *c, bool although_paused, struct sa_err **err)
{
    struct sa_buf old = c->rest;
    int rc;

    sa_buf_init(&c->rest, 0);
    rc = deliver(c, (const uint8_t *)(old.len ? old.data : ""), old.len, although_paused, err);
    sa_buf_free(&old);
    return rc;
}

static bool has_rest(const struct sa_sp *c)
{
    return c->rest.len > 0 || (c->have == PREFIX_SIZE && c->greeted && c->part.len == c->want);
}

/* Reads at most rounds chunks. 1: the other side has closed. */
static int read_some(struct sa_sp *c, int rounds, bool although_paused, struct sa_err **err)
{
    uint8_t chunk[CHUNK];

    for (int i = 0; i < rounds && !c->doomed && !c->spent && (!c->paused || although_paused); i++) {
        ssize_t n = recv(c->fd, chunk, sizeof chunk, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return 0;
        if (n < 0)
            return errno == ECONNRESET ? 1 : sa_err_sys(err, errno, "receive");
        if (n == 0)
            return 1;
        if (deliver(c, chunk, (size_t)n, although_paused, err) < 0)
            return -1;
        if ((size_t)n < sizeof chunk)
            return 0;
    }
    return 0;
}

static void on_resume(void *arg);

/* All reading passes here: callbacks may free c, which is then done at the end. Messages are
 * delivered for turn_ns, and the rest of those that were read in a turn to come. */
static void work(struct sa_sp *c, int rounds, uint64_t turn_ns, bool although_paused)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    int rc = 0;

    if (c->busy || c->doomed)
        return;
    c->busy = true;
    c->spent = false;
    c->until_ns = sa_mono_ns() + turn_ns;
    if (has_rest(c) && (!c->paused || although_paused))
        rc = deliver_rest(c, although_paused, &err);
    if (rc == 0 && !has_rest(c))
        rc = read_some(c, rounds, although_paused, &err);
    if (rc == 0 && !c->doomed && !c->paused && has_rest(c) &&
        sa_timer_set(c->loop, &c->resume, 0, on_resume, c) < 0)
        rc = sa_err_set(&err, SA_EMEMORY, "no memory for a timer");
    if (rc != 0)
        end(c, err);
    c->busy = false;
    if (c->doomed)
        destroy(c);
}

static void out_reset(struct sa_sp *c)
{
    sa_buf_reset(&c->out);
    c->out_done = c->out_mark = c->out_first = 0;
}

/* Moves the mark to the first message of which nothing was sent. */
static void out_walk(struct sa_sp *c)
{
    while (c->out_mark < c->out_done) {
        uint64_t n = 0;

        for (size_t i = 1; i < PREFIX_SIZE; i++)
            n = n << 8 | (uint8_t)c->out.data[c->out_mark + i];
        c->out_mark += PREFIX_SIZE + (size_t)n;
    }
}

static void out_drop(struct sa_sp *c)
{
    out_walk(c);
    sa_buf_drop(&c->out, c->out_done);
    c->out_mark -= c->out_done;
    c->out_first -= c->out_first < c->out_done ? c->out_first : c->out_done;
    c->out_done = 0;
}

/* Sends what is queued. -1: broken. */
static int flush(struct sa_sp *c, struct sa_err **err)
{
    while (c->out_done < c->out.len) {
        ssize_t n = send(c->fd, c->out.data + c->out_done, c->out.len - c->out_done, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        if (n < 0)
            return sa_err_sys(err, errno, "send");
        c->out_done += (size_t)n;
    }
    if (c->out_done == c->out.len) {
        sa_buf_trim(&c->out, KEEP);
        out_reset(c);
    } else if (c->out_done > c->out.len / 2) {
        out_drop(c);
    }
    return watch(c, err);
}

static void on_fd(void *arg, int fd, uint32_t events)
{
    struct sa_sp *c = arg;

    (void)fd;
    if (events & EPOLLOUT) {
        SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;

        if (flush(c, &err) < 0) {
            /* What it has sent before it went may still be read. */
            out_reset(c);
            watch(c, NULL);
            work(c, ROUNDS * 64, TURN_NS, false);
            return;
        }
        if (c->out.len == 0 && c->ev->drained)
            c->ev->drained(c->arg);
    }
    /* What is left of the last turn has a timer, and is the only turn in this turn of the loop. */
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && !sa_timer_armed(&c->resume))
        work(c, ROUNDS, TURN_NS, false);
}

static int watch(struct sa_sp *c, struct sa_err **err)
{
    uint32_t events =
        (c->paused ? 0 : (uint32_t)EPOLLIN) | (c->out_done < c->out.len ? (uint32_t)EPOLLOUT : 0);

    if (events == c->watched)
        return 0;
    c->watched = events;
    if (events == 0) { /* a closed socket would wake the loop up again and again */
        sa_loop_fd_remove(c->loop, c->fd);
        return 0;
    }
    return sa_loop_fd(c->loop, c->fd, events, on_fd, c, err);
}

struct sa_sp *sa_sp_new(struct sa_loop *l, int fd, const struct sa_sp_limits *limits,
                        const struct sa_sp_events *ev, void *arg, struct sa_err **err)
{
    struct sa_sp *c = calloc(1, sizeof *c);
    int flags = fcntl(fd, F_GETFL);

    if (!c || flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
        free(c);
        close(fd);
        sa_err_set(err, SA_EMEMORY, "no memory for a connection");
        return NULL;
    }
    c->loop = l;
    c->fd = fd;
    c->limits = *limits;
    c->ev = ev;
    c->arg = arg;
    c->watched = EPOLLIN;
    sa_buf_init(&c->part, limits->message);
    sa_buf_init(&c->rest, 0);
    sa_buf_init(&c->out, 0);
    if (sa_loop_fd(l, fd, EPOLLIN, on_fd, c, err) == 0 &&
        sa_buf_add(&c->out, header, sizeof header) == 0) {
        c->out_mark = sizeof header;
        flush(c, NULL); /* a broken connection is found by reading */
        return c;
    }
    sa_sp_free(c);
    sa_err_set(err, SA_EMEMORY, "no memory for a connection");
    return NULL;
}

/* Opens a gap of n bytes in what waits, behind what a part of has left and what went in so before.
 */
static char *out_gap(struct sa_sp *c, size_t n)
{
    out_walk(c);
    size_t at = c->out_first > c->out_mark ? c->out_first : c->out_mark;

    memmove(c->out.data + at + n, c->out.data + at, c->out.len - at);
    c->out.len += n;
    c->out.data[c->out.len] = '\0';
    c->out_first = at + n;
    return c->out.data + at;
}

static char *out_end(struct sa_sp *c, size_t n)
{
    char *at = c->out.data + c->out.len;

    c->out.len += n;
    c->out.data[c->out.len] = '\0';
    return at;
}

static int send_one(struct sa_sp *c, bool first, const void *head, size_t head_len,
                    const void *body, size_t body_len, struct sa_err **err)
{
    uint64_t n = (uint64_t)head_len + body_len;
    bool idle = c->out.len == 0;
    char *p;

    if (c->doomed)
        return 0;
    if (c->out.len - c->out_done + PREFIX_SIZE + n > c->limits.queue)
        return sa_err_set(err, SA_ELIMIT, "%zu bytes wait already", c->out.len - c->out_done);
    if (sa_buf_reserve(&c->out, PREFIX_SIZE + (size_t)n) < 0)
        return sa_err_set(err, SA_EMEMORY, "no memory for a message of %llu bytes",
                          (unsigned long long)n);
    p = first ? out_gap(c, PREFIX_SIZE + (size_t)n) : out_end(c, PREFIX_SIZE + (size_t)n);
    p[0] = 1;
    for (size_t i = 0; i < 8; i++)
        p[1 + i] = (char)(uint8_t)(n >> (56 - 8 * i));
    if (head_len > 0)
        memcpy(p + PREFIX_SIZE, head, head_len);
    if (body_len > 0)
        memcpy(p + PREFIX_SIZE + head_len, body, body_len);
    if (idle && flush(c, NULL) < 0) /* the connection is broken: reading finds its end */
        out_reset(c);
    return 0;
}

int sa_sp_send(struct sa_sp *c, const void *head, size_t head_len, const void *body,
               size_t body_len, struct sa_err **err)
{
    return send_one(c, false, head, head_len, body, body_len, err);
}

int sa_sp_send_first(struct sa_sp *c, const void *head, size_t head_len, const void *body,
                     size_t body_len, struct sa_err **err)
{
    return send_one(c, true, head, head_len, body, body_len, err);
}

size_t sa_sp_queued(const struct sa_sp *c)
{
    return c->out.len - c->out_done;
}

static void on_resume(void *arg)
{
    work(arg, ROUNDS, TURN_NS, false);
}

void sa_sp_pause(struct sa_sp *c, bool paused)
{
    if (c->paused == paused || c->doomed)
        return;
    c->paused = paused;
    if (watch(c, NULL) < 0 || (!paused && sa_timer_set(c->loop, &c->resume, 0, on_resume, c) < 0))
        c->paused = paused; /* no memory: the next event or pause tries again */
}

void sa_sp_drain(struct sa_sp *c)
{
    work(c, ROUNDS * 64, DRAIN_NS, true);
}

void sa_sp_first(struct sa_sp *c)
{
    work(c, 1, 0, true);
}

void sa_sp_limit(struct sa_sp *c, size_t message)
{
    c->limits.message = message;
    c->part.max = message;
}
