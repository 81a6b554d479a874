/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/intake.h"

#include <errno.h>
#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <pthread.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define KEY_SIZE   32u
#define LINK_MAX   ((size_t)SA_DATA_MAX)      /* bytes of one account in the queue */
#define TOTAL_MAX  ((size_t)64 * 1024 * 1024) /* bytes in the queue */
#define SEND_MAX   ((size_t)4 * 1024 * 1024)  /* bytes that wait for one worker */
#define HELLO_TIME (5 * SA_NS_PER_S)          /* within which a pipe must show its key */
/* Who may connect is decided by the key (and by the directory's mode, which is the supervisor's):
 * workers have uids of their own, and an unprivileged uplink can't give files away. */
#define SOCKET_MODE 0666

enum event_kind { EVENT_MESSAGE, EVENT_PIPE, EVENT_PIPE_GONE };

struct event {
    enum event_kind kind;
    uint32_t pipe;
    struct sa_link *link; /* NULL: it was removed */
    nng_msg *msg;
};

struct events {
    struct event *v;
    size_t n, cap;
};

struct outgoing {
    struct outgoing *next;
    nng_msg *msg;
};

struct sa_link {
    struct sa_intake *in;
    struct sa_link *next;
    void *account;
    uint32_t index;
    uint8_t key[KEY_SIZE];
    nng_socket sock;
    nng_aio *rx, *tx;
    /* pipes; the loop's thread only */
    uint32_t bound;     /* has shown the key */
    uint32_t guest;     /* has not yet */
    uint32_t gone;      /* the last that went: what comes late of it is dropped */
    uint64_t guest_due; /* when the guest's time is over */
    /* under in->lock */
    size_t queued; /* bytes in the queue */
    bool parked;   /* rx waits for room in the queue */
    bool sending;  /* tx is under way */
    size_t unsent; /* bytes in out */
    struct outgoing *out, **out_end;
};

struct sa_intake {
    struct sa_loop *loop;
    struct sa_wake *wake;
    const struct sa_intake_events *ev;
    void *arg;
    char *runtime_dir;
    struct sa_link *links;
    struct sa_timer guests;
    bool stopped, paused;
    struct events batch; /* being handled by the loop; in its thread only */
    size_t next_event;   /* of the batch: those before it are handled */
    pthread_mutex_t lock;
    struct events queue; /* under lock, as total */
    size_t total;
};

static int nng_failed(struct sa_err **err, int rv, const char *what, const char *url)
{
    return sa_err_set(err, rv == NNG_ENOMEM ? SA_EMEMORY : SA_ESYSTEM, "%s %s: %s", what, url,
                      nng_strerror(rv));
}

/* In any thread, lock held. */
static int push(struct sa_intake *in, struct event e)
{
    struct events *q = &in->queue;

    if (q->n == q->cap) {
        size_t cap = q->cap ? q->cap * 2 : 64;
        struct event *v = realloc(q->v, cap * sizeof *v);

        if (!v)
            return -1;
        q->v = v;
        q->cap = cap;
    }
    q->v[q->n++] = e;
    if (q->n == 1)
        sa_wake_set(in->wake);
    return 0;
}

/* nng's thread: a message has come. */
static void on_receive(void *arg)
{
    struct sa_link *k = arg;
    struct sa_intake *in = k->in;
    int rv = nng_aio_result(k->rx);
    nng_msg *msg = rv == 0 ? nng_aio_get_msg(k->rx) : NULL;
    nng_pipe pipe;
    bool again;

    if (rv == NNG_ECLOSED || rv == NNG_ECANCELED)
        return;
    nng_aio_set_msg(k->rx, NULL);
    pthread_mutex_lock(&in->lock);
    if (msg) {
        pipe = nng_msg_get_pipe(msg);
        if (push(in, (struct event){EVENT_MESSAGE, (uint32_t)nng_pipe_id(pipe), k, msg}) == 0) {
            k->queued += nng_msg_len(msg);
            in->total += nng_msg_len(msg);
        } else {
            /* Without this message the stream would have a gap; the worker starts anew. */
            nng_msg_free(msg);
            nng_pipe_close(pipe);
        }
    }
    again = k->queued < LINK_MAX && in->total < TOTAL_MAX;
    k->parked = !again;
    pthread_mutex_unlock(&in->lock);
    if (again)
        nng_recv_aio(k->sock, k->rx);
}

/* nng's thread: a pipe has come or gone. */
static void on_pipe(nng_pipe pipe, nng_pipe_ev what, void *arg)
{
    struct sa_link *k = arg;
    struct event e = {EVENT_PIPE, (uint32_t)nng_pipe_id(pipe), k, NULL};

    if (what == NNG_PIPE_EV_REM_POST)
        e.kind = EVENT_PIPE_GONE;
    pthread_mutex_lock(&k->in->lock);
    if (push(k->in, e) < 0 && e.kind == EVENT_PIPE)
        nng_pipe_close(pipe); /* its time could not be watched */
    pthread_mutex_unlock(&k->in->lock);
}

/* Lock held. The next message for the worker, or NULL. */
static nng_msg *pop_outgoing(struct sa_link *k)
{
    struct outgoing *o = k->out;
    nng_msg *msg;

    if (!o)
        return NULL;
    k->out = o->next;
    if (!k->out)
        k->out_end = &k->out;
    msg = o->msg;
    k->unsent -= nng_msg_len(msg);
    free(o);
    return msg;
}

/* nng's thread: a message was handed to the worker's pipe, or can't be. */
static void on_sent(void *arg)
{
    struct sa_link *k = arg;
    nng_msg *msg;

    if (nng_aio_result(k->tx) != 0) {
        nng_msg_free(nng_aio_get_msg(k->tx));
        nng_aio_set_msg(k->tx, NULL);
    }
    pthread_mutex_lock(&k->in->lock);
    msg = pop_outgoing(k);
    k->sending = msg != NULL;
    pthread_mutex_unlock(&k->in->lock);
    if (msg) {
        nng_aio_set_msg(k->tx, msg);
        nng_send_aio(k->sock, k->tx);
    }
}

/* What waits for a worker that has gone is not for the next one. */
static void drop_outgoing(struct sa_link *k)
{
    nng_msg *msg;

    pthread_mutex_lock(&k->in->lock);
    while ((msg = pop_outgoing(k)) != NULL)
        nng_msg_free(msg);
    pthread_mutex_unlock(&k->in->lock);
    nng_aio_abort(k->tx, NNG_ECANCELED);
}

static void unbind(struct sa_link *k)
{
    k->gone = k->bound;
    k->bound = 0;
    drop_outgoing(k);
    k->in->ev->gone(k->in->arg, k->account);
}

static void cut_off(struct sa_link *k)
{
    if (k->bound == 0)
        return;
    nng_pipe_close((nng_pipe){k->bound});
    unbind(k);
}

static void forged(struct sa_link *k, uint32_t pipe)
{
    uint64_t pid = 0;

    nng_pipe_get_uint64((nng_pipe){pipe}, NNG_OPT_IPC_PEER_PID, &pid);
    nng_pipe_close((nng_pipe){pipe});
    k->gone = pipe;
    k->guest = 0;
    k->in->ev->forgery(k->in->arg, k->account, (uint32_t)pid);
}

static void on_guests(void *arg);

static void watch_guests(struct sa_intake *in)
{
    if (!sa_timer_armed(&in->guests) &&
        sa_timer_set(in->loop, &in->guests, SA_NS_PER_S, on_guests, in) < 0)
        sa_log(SA_ERROR, "no memory for a timer");
}

/* A pipe that says nothing would keep the account's worker out. */
static void on_guests(void *arg)
{
    struct sa_intake *in = arg;
    uint64_t now = sa_mono_ns();
    bool more = false;

    for (struct sa_link *k = in->links; k; k = k->next) {
        if (k->guest != 0 && now >= k->guest_due)
            forged(k, k->guest);
        more = more || k->guest != 0;
    }
    if (more)
        watch_guests(in);
}

static void first_message(struct sa_link *k, uint32_t pipe, const struct sa_data_header *h,
                          const uint8_t *p, size_t n)
{
    if (pipe == k->gone)
        return;
    if (h->kind != SA_DATA_HELLO || n != KEY_SIZE || sodium_memcmp(p, k->key, KEY_SIZE) != 0) {
        forged(k, pipe);
        return;
    }
    if (k->bound != 0)
        unbind(k);
    k->bound = pipe;
    k->guest = 0;
    k->in->ev->bound(k->in->arg, k->account);
}

static void on_message(struct sa_link *k, uint32_t pipe, const uint8_t *p, size_t n)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    struct sa_data_header h = {0};
    int rc = sa_data_get_header(p, n, &h, &err);

    if (pipe != k->bound) {
        if (rc < 0)
            h.kind = 0;
        first_message(k, pipe, &h, rc < 0 ? NULL : p + SA_DATA_HEADER,
                      rc < 0 ? 0 : n - SA_DATA_HEADER);
        return;
    }
    if (rc == 0 && h.kind != SA_DATA_ACCOUNT)
        rc = sa_err_set(&err, SA_EPROTOCOL, "a message of kind %u", h.kind);
    if (rc == 0)
        rc = k->in->ev->message(k->in->arg, k->account, &h, p + SA_DATA_HEADER, n - SA_DATA_HEADER,
                                &err);
    if (rc < 0) {
        sa_log(SA_ERROR, "worker %u is cut off: %s", k->index, sa_err_msg(err));
        cut_off(k);
    }
}

static void on_event(const struct event *e)
{
    struct sa_link *k = e->link;

    switch (e->kind) {
    case EVENT_MESSAGE:
        on_message(k, e->pipe, nng_msg_body(e->msg), nng_msg_len(e->msg));
        break;
    case EVENT_PIPE:
        if (e->pipe == k->bound || e->pipe == k->gone)
            break;
        k->guest = e->pipe;
        k->guest_due = sa_mono_ns() + HELLO_TIME;
        watch_guests(k->in);
        break;
    case EVENT_PIPE_GONE:
        if (e->pipe == k->guest)
            k->guest = 0;
        if (e->pipe == k->bound)
            unbind(k);
        k->gone = e->pipe;
        break;
    }
}

/* Gives back the room that a message took. The link is looked at again: a handler may have removed
 * it. */
static void release(struct sa_intake *in, struct event *e)
{
    size_t n;

    if (!e->msg)
        return;
    n = nng_msg_len(e->msg);
    pthread_mutex_lock(&in->lock);
    in->total -= n;
    if (e->link)
        e->link->queued -= n;
    pthread_mutex_unlock(&in->lock);
    nng_msg_free(e->msg);
    e->msg = NULL;
}

/* Receives again for the links that waited for room. */
static void unpark(struct sa_intake *in)
{
    for (struct sa_link *k = in->links; k && !in->stopped; k = k->next) {
        bool go;

        pthread_mutex_lock(&in->lock);
        go = k->parked && k->queued < LINK_MAX && in->total < TOTAL_MAX;
        if (go)
            k->parked = false;
        pthread_mutex_unlock(&in->lock);
        if (go)
            nng_recv_aio(k->sock, k->rx);
    }
}

static void swap_queues(struct sa_intake *in)
{
    struct events empty;

    in->batch.n = 0;
    in->next_event = 0;
    pthread_mutex_lock(&in->lock);
    empty = in->batch;
    in->batch = in->queue;
    in->queue = empty;
    pthread_mutex_unlock(&in->lock);
}

static void run_batch(struct sa_intake *in)
{
    while (in->next_event < in->batch.n && (!in->paused || in->stopped)) {
        struct event *e = &in->batch.v[in->next_event++];

        if (e->link)
            on_event(e);
        release(in, e);
    }
}

void sa_intake_drain(struct sa_intake *in)
{
    run_batch(in); /* what a pause has left */
    if (in->next_event == in->batch.n) {
        swap_queues(in);
        run_batch(in);
    }
    unpark(in);
}

static void on_wake(void *arg)
{
    sa_intake_drain(arg);
}

struct sa_intake *sa_intake_new(struct sa_loop *l, const char *runtime_dir,
                                const struct sa_intake_events *ev, void *arg, struct sa_err **err)
{
    struct sa_intake *in = calloc(1, sizeof *in);
    nng_socket sock;
    int rv;

    if (!in || !(in->runtime_dir = strdup(runtime_dir))) {
        free(in);
        sa_err_set(err, SA_EMEMORY, "no memory for the data channels");
        return NULL;
    }
    in->loop = l;
    in->ev = ev;
    in->arg = arg;
    pthread_mutex_init(&in->lock, NULL);
    in->wake = sa_wake_new(l, on_wake, in, err);
    /* The first socket starts all of nng's threads, so that they are there to be confined. */
    rv = in->wake ? nng_pair0_open(&sock) : 0;
    if (in->wake && rv == 0) {
        nng_close(sock);
        return in;
    }
    if (rv != 0)
        nng_failed(err, rv, "start", "nng");
    sa_intake_free(in);
    return NULL;
}

/* When it returns, no callback of the link runs or will run. */
static void shut_link(struct sa_link *k)
{
    if (k->rx)
        nng_aio_stop(k->rx);
    nng_close(k->sock);
    if (k->tx)
        nng_aio_stop(k->tx);
}

static void free_link(struct sa_link *k)
{
    nng_msg *msg;

    if (k->rx)
        nng_aio_free(k->rx);
    if (k->tx)
        nng_aio_free(k->tx);
    while ((msg = pop_outgoing(k)) != NULL)
        nng_msg_free(msg);
    sodium_memzero(k->key, sizeof k->key);
    free(k);
}

static void forget_events(struct events *q, const struct sa_link *k)
{
    for (size_t i = 0; i < q->n; i++)
        if (q->v[i].link == k)
            q->v[i].link = NULL;
}

static void unlink_socket(struct sa_intake *in, uint32_t index)
{
    char url[128];

    if (sa_data_url(url, sizeof url, in->runtime_dir, index) == 0)
        unlink(url + strlen("ipc://"));
}

void sa_intake_remove(struct sa_intake *in, struct sa_link *k)
{
    struct sa_link **pp = &in->links;

    while (*pp && *pp != k)
        pp = &(*pp)->next;
    if (*pp)
        *pp = k->next;
    unlink_socket(in, k->index);
    shut_link(k);
    pthread_mutex_lock(&in->lock);
    forget_events(&in->queue, k);
    pthread_mutex_unlock(&in->lock);
    forget_events(&in->batch, k);
    free_link(k);
}

static void free_messages(struct events *q)
{
    for (size_t i = 0; i < q->n; i++)
        if (q->v[i].msg)
            nng_msg_free(q->v[i].msg);
    free(q->v);
}

void sa_intake_free(struct sa_intake *in)
{
    if (!in)
        return;
    sa_timer_cancel(in->loop, &in->guests);
    while (in->links)
        sa_intake_remove(in, in->links);
    free_messages(&in->queue);
    free_messages(&in->batch);
    if (in->wake)
        sa_wake_free(in->wake);
    pthread_mutex_destroy(&in->lock);
    free(in->runtime_dir);
    free(in);
}

static int set_up(struct sa_link *k, const char *url)
{
    nng_listener listener;
    int rv;

    if ((rv = nng_aio_alloc(&k->rx, on_receive, k)) != 0 ||
        (rv = nng_aio_alloc(&k->tx, on_sent, k)) != 0 ||
        (rv = nng_socket_set_size(k->sock, NNG_OPT_RECVMAXSZ, SA_DATA_MAX)) != 0 ||
        (rv = nng_socket_set_int(k->sock, NNG_OPT_RECVBUF, 0)) != 0 ||
        (rv = nng_socket_set_int(k->sock, NNG_OPT_SENDBUF, 0)) != 0 ||
        (rv = nng_pipe_notify(k->sock, NNG_PIPE_EV_ADD_POST, on_pipe, k)) != 0 ||
        (rv = nng_pipe_notify(k->sock, NNG_PIPE_EV_REM_POST, on_pipe, k)) != 0 ||
        (rv = nng_listener_create(&listener, k->sock, url)) != 0 ||
        (rv = nng_listener_set_int(listener, NNG_OPT_IPC_PERMISSIONS, SOCKET_MODE)) != 0)
        return rv;
    return nng_listener_start(listener, 0);
}

struct sa_link *sa_intake_add(struct sa_intake *in, uint32_t index, const uint8_t key[32],
                              void *account, struct sa_err **err)
{
    struct sa_link *k = calloc(1, sizeof *k);
    char url[128];
    int rv;

    if (!k) {
        sa_err_set(err, SA_EMEMORY, "no memory for a data channel");
        return NULL;
    }
    if (sa_data_url(url, sizeof url, in->runtime_dir, index) < 0) {
        free(k);
        sa_err_set(err, SA_ECONFIG, "the path of the data sockets below %s is too long",
                   in->runtime_dir);
        return NULL;
    }
    k->in = in;
    k->account = account;
    k->index = index;
    k->out_end = &k->out;
    memcpy(k->key, key, KEY_SIZE);
    if ((rv = nng_pair0_open(&k->sock)) != 0) {
        free(k);
        nng_failed(err, rv, "open", url);
        return NULL;
    }
    unlink_socket(in, index);
    if ((rv = set_up(k, url)) != 0) {
        shut_link(k);
        free_link(k);
        nng_failed(err, rv, "listen on", url);
        return NULL;
    }
    k->next = in->links;
    in->links = k;
    nng_recv_aio(k->sock, k->rx);
    return k;
}

void sa_intake_rekey(struct sa_link *k, const uint8_t key[32])
{
    if (sodium_memcmp(k->key, key, KEY_SIZE) == 0)
        return;
    memcpy(k->key, key, KEY_SIZE);
    cut_off(k);
}

void sa_intake_send(struct sa_link *k, enum sa_data_kind kind, const void *p, size_t n)
{
    const struct sa_data_header h = {.kind = (uint8_t)kind};
    struct outgoing *o = NULL;
    nng_msg *msg = NULL;
    bool now, full;

    if (k->bound == 0)
        return;
    if (nng_msg_alloc(&msg, SA_DATA_HEADER + n) != 0 || !(o = calloc(1, sizeof *o))) {
        if (msg)
            nng_msg_free(msg);
        sa_log(SA_ERROR, "no memory to answer worker %u", k->index);
        cut_off(k);
        return;
    }
    sa_data_put_header(nng_msg_body(msg), &h);
    if (n > 0)
        memcpy((uint8_t *)nng_msg_body(msg) + SA_DATA_HEADER, p, n);
    pthread_mutex_lock(&k->in->lock);
    now = !k->sending;
    full = k->unsent + SA_DATA_HEADER + n > SEND_MAX;
    if (now) {
        k->sending = true;
    } else if (!full) {
        o->msg = msg;
        *k->out_end = o;
        k->out_end = &o->next;
        k->unsent += SA_DATA_HEADER + n;
    }
    pthread_mutex_unlock(&k->in->lock);
    if (now) {
        free(o);
        nng_aio_set_msg(k->tx, msg);
        nng_send_aio(k->sock, k->tx);
    } else if (full) {
        free(o);
        nng_msg_free(msg);
        sa_log(SA_ERROR, "worker %u does not take its replies: it is cut off", k->index);
        cut_off(k);
    }
}

void sa_intake_pause(struct sa_intake *in, bool paused)
{
    bool resumed = in->paused && !paused;

    in->paused = paused;
    if (resumed)
        sa_wake_set(in->wake);
}

void sa_intake_stop(struct sa_intake *in)
{
    in->stopped = true;
    for (struct sa_link *k = in->links; k; k = k->next)
        nng_aio_stop(k->rx);
}
