/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/link.h"

#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef SA_NNG_INIT_PARAMETERS
#include <nng/supplemental/util/platform.h>
#endif

#include "base/clock.h"
#include "base/log.h"

#define INBOX_MAX  64u    /* messages; the uplink waits while it is full */
#define OUTBOX_MAX 65536u /* messages; their bytes are bounded by who sends them */
#define DIAL_MS    100
#define NEVER_MS   3600000
#define REDIAL_NS  (50 * SA_NS_PER_MS)

struct sa_link {
    struct sa_loop *loop;
    struct sa_link_events ev;
    char url[160];
    uint8_t key[32];
    struct sa_wake *wake;
    struct sa_timer redial;

    /* the loop's thread only */
    nng_socket sock;
    nng_dialer dialer;
    bool open;            /* sock is one */
    bool connected;       /* HELLO was queued */
    unsigned lost_before; /* pipes that had come and gone when this connection began */
    nng_aio *send, *recv;
    nng_msg **out; /* ring of out_cap */
    size_t out_cap, out_head, out_n, out_bytes;
    bool sending;

    /* shared with nng's threads */
    pthread_mutex_t lock;
    unsigned added, removed; /* pipes of this socket, so far */
    bool broken, sent, send_failed, receiving;
    nng_msg *in[INBOX_MAX];
    size_t in_n;
};

/* ---- nng's threads ---- */

static void on_pipe(nng_pipe p, nng_pipe_ev what, void *arg)
{
    struct sa_link *k = arg;
    (void)p;
    pthread_mutex_lock(&k->lock);
    if (what == NNG_PIPE_EV_ADD_POST)
        k->added++;
    else
        k->removed++;
    pthread_mutex_unlock(&k->lock);
    sa_wake_set(k->wake);
}

static void on_sent(void *arg)
{
    struct sa_link *k = arg;
    int rc = nng_aio_result(k->send);
    if (rc)
        nng_msg_free(nng_aio_get_msg(k->send));
    pthread_mutex_lock(&k->lock);
    k->sent = true;
    k->send_failed = k->send_failed || rc;
    pthread_mutex_unlock(&k->lock);
    sa_wake_set(k->wake);
}

static void on_received(void *arg)
{
    struct sa_link *k = arg;
    bool more = false;
    pthread_mutex_lock(&k->lock);
    k->receiving = false;
    if (nng_aio_result(k->recv) == 0) {
        k->in[k->in_n++] = nng_aio_get_msg(k->recv);
        more = k->receiving = k->in_n < INBOX_MAX;
    }
    pthread_mutex_unlock(&k->lock);
    if (more)
        nng_recv_aio(k->sock, k->recv);
    sa_wake_set(k->wake);
}

/* ---- the loop's thread ---- */

static void receive(struct sa_link *k)
{
    pthread_mutex_lock(&k->lock);
    bool start = !k->receiving && k->in_n < INBOX_MAX;
    k->receiving = k->receiving || start;
    pthread_mutex_unlock(&k->lock);
    if (start)
        nng_recv_aio(k->sock, k->recv);
}

/* A message that nng can take at once costs one wake-up of its threads less than an asynchronous
 * one, whose completion would have to come back here. */
static void send_next(struct sa_link *k)
{
    while (!k->sending && k->connected && k->out_n > 0) {
        nng_msg *m = k->out[k->out_head];
        k->out_head = (k->out_head + 1) % k->out_cap;
        k->out_n--;
        k->out_bytes -= nng_msg_len(m);
        if (nng_sendmsg(k->sock, m, NNG_FLAG_NONBLOCK) == 0)
            continue;
        k->sending = true;
        nng_aio_set_msg(k->send, m);
        nng_send_aio(k->sock, k->send);
    }
}

static int grow(struct sa_link *k)
{
    size_t cap = k->out_cap ? 2 * k->out_cap : 64;
    nng_msg **out = cap <= OUTBOX_MAX ? calloc(cap, sizeof(nng_msg *)) : NULL;
    if (!out)
        return -1;
    for (size_t i = 0; i < k->out_n; i++)
        out[i] = k->out[(k->out_head + i) % k->out_cap];
    free(k->out);
    k->out = out;
    k->out_cap = cap;
    k->out_head = 0;
    return 0;
}

static int put(struct sa_link *k, const struct sa_data_header *h, const void *p, size_t n)
{
    uint8_t head[SA_DATA_HEADER];
    nng_msg *m;
    if (k->out_n == k->out_cap && grow(k))
        return -1;
    if (nng_msg_alloc(&m, sizeof head + n))
        return -1;
    sa_data_put_header(head, h);
    memcpy(nng_msg_body(m), head, sizeof head);
    memcpy((char *)nng_msg_body(m) + sizeof head, p, n);
    k->out[(k->out_head + k->out_n++) % k->out_cap] = m;
    k->out_bytes += sizeof head + n;
    return 0;
}

/* A new socket for each connection: nothing that was queued for one can leak into the next before
 * its HELLO. */
static void close_socket(struct sa_link *k)
{
    if (!k->open)
        return;
    nng_close(k->sock);
    nng_aio_stop(k->send);
    nng_aio_stop(k->recv);
    k->open = k->connected = k->sending = false;
    for (; k->out_n; k->out_n--) {
        nng_msg_free(k->out[k->out_head]);
        k->out_head = (k->out_head + 1) % k->out_cap;
    }
    k->out_bytes = 0;
    pthread_mutex_lock(&k->lock);
    for (size_t i = 0; i < k->in_n; i++)
        nng_msg_free(k->in[i]);
    k->in_n = 0;
    k->added = k->removed = 0;
    k->broken = k->sent = k->send_failed = k->receiving = false;
    pthread_mutex_unlock(&k->lock);
    nng_aio_free(k->send);
    nng_aio_free(k->recv);
    k->send = k->recv = NULL;
}

static int open_socket(struct sa_link *k, struct sa_err **err)
{
    int rc = nng_pair0_open(&k->sock);
    if (rc)
        return sa_err_set(err, SA_ESYSTEM, "nng socket: %s", nng_strerror(rc));
    k->open = true;
    if ((rc = nng_aio_alloc(&k->send, on_sent, k)) ||
        (rc = nng_aio_alloc(&k->recv, on_received, k)) ||
        (rc = nng_socket_set_size(k->sock, NNG_OPT_RECVMAXSZ, SA_DATA_MAX)) ||
        (rc = nng_pipe_notify(k->sock, NNG_PIPE_EV_ADD_POST, on_pipe, k)) ||
        (rc = nng_pipe_notify(k->sock, NNG_PIPE_EV_REM_POST, on_pipe, k)) ||
        (rc = nng_dialer_create(&k->dialer, k->sock, k->url)) ||
        (rc = nng_dialer_set_ms(k->dialer, NNG_OPT_RECONNMINT, DIAL_MS)) ||
        (rc = nng_dialer_set_ms(k->dialer, NNG_OPT_RECONNMAXT, DIAL_MS)) ||
        (rc = nng_dialer_start(k->dialer, NNG_FLAG_NONBLOCK))) {
        close_socket(k);
        return sa_err_set(err, SA_ESYSTEM, "nng can't dial %s: %s", k->url, nng_strerror(rc));
    }
    return 0;
}

static void reopen(void *arg)
{
    struct sa_link *k = arg;
    struct sa_err *err = NULL;
    if (open_socket(k, &err)) {
        sa_log(SA_ERROR, "%s", sa_err_msg(err));
        sa_err_free(&err);
        sa_timer_set(k->loop, &k->redial, SA_NS_PER_S, reopen, k);
    }
}

static void lost(struct sa_link *k)
{
    bool was = k->connected;
    close_socket(k);
    sa_timer_set(k->loop, &k->redial, REDIAL_NS, reopen, k);
    if (was)
        k->ev.down(k->ev.arg);
}

static void connected(struct sa_link *k)
{
    const struct sa_data_header h = {.kind = SA_DATA_HELLO};
    nng_dialer_set_ms(k->dialer, NNG_OPT_RECONNMINT, NEVER_MS);
    nng_dialer_set_ms(k->dialer, NNG_OPT_RECONNMAXT, NEVER_MS);
    k->connected = true;
    if (put(k, &h, k->key, sizeof k->key))
        lost(k);
    else
        receive(k);
}

static int deliver(struct sa_link *k, nng_msg *m, struct sa_err **err)
{
    struct sa_data_header h;
    const char *p = nng_msg_body(m);
    size_t n = nng_msg_len(m);
    if (sa_data_get_header(p, n, &h, err))
        return -1;
    return k->ev.message(k->ev.arg, (enum sa_data_kind)h.kind, p + SA_DATA_HEADER,
                         n - SA_DATA_HEADER, err);
}

static void deliver_all(struct sa_link *k)
{
    nng_msg *in[INBOX_MAX];
    struct sa_err *err = NULL;
    pthread_mutex_lock(&k->lock);
    size_t n = k->in_n;
    memcpy(in, k->in, n * sizeof *in);
    k->in_n = 0;
    pthread_mutex_unlock(&k->lock);
    for (size_t i = 0; i < n; i++) {
        if (!err && deliver(k, in[i], &err))
            sa_log(SA_ERROR, "the uplink: %s", sa_err_msg(err));
        nng_msg_free(in[i]);
    }
    if (err)
        lost(k);
    else if (k->connected)
        receive(k);
    sa_err_free(&err);
}

static void on_wake(void *arg)
{
    struct sa_link *k = arg;
    pthread_mutex_lock(&k->lock);
    unsigned added = k->added, removed = k->removed;
    bool sent = k->sent, failed = k->send_failed || k->broken;
    k->sent = false;
    pthread_mutex_unlock(&k->lock);
    if (!k->open)
        return;
    if (sent)
        k->sending = false;
    if (!k->connected && added > removed) {
        k->lost_before = removed;
        connected(k);
    }
    if (!k->connected)
        return; /* the dialer goes on by itself */
    deliver_all(k);
    if (k->connected && (removed > k->lost_before || failed))
        lost(k);
    send_next(k);
    if (sent && k->connected && k->out_n == 0 && !k->sending)
        k->ev.drained(k->ev.arg);
}

struct sa_link *sa_link_new(struct sa_loop *l, const char *url, const uint8_t key[32],
                            const struct sa_link_events *ev, struct sa_err **err)
{
#ifdef SA_NNG_INIT_PARAMETERS
    /* Newer nng starts a thread a processor, several times over, unless it is told otherwise. */
    nng_init_set_parameter(NNG_INIT_NUM_TASK_THREADS, 2);
    nng_init_set_parameter(NNG_INIT_MAX_TASK_THREADS, 2);
    nng_init_set_parameter(NNG_INIT_NUM_EXPIRE_THREADS, 1);
    nng_init_set_parameter(NNG_INIT_MAX_EXPIRE_THREADS, 1);
    nng_init_set_parameter(NNG_INIT_NUM_POLLER_THREADS, 1);
    nng_init_set_parameter(NNG_INIT_MAX_POLLER_THREADS, 1);
    nng_init_set_parameter(NNG_INIT_NUM_RESOLVER_THREADS, 1);
#endif
    struct sa_link *k = calloc(1, sizeof *k);
    if (!k || strlen(url) >= sizeof k->url) {
        free(k);
        sa_err_set(err, SA_EMEMORY, "no memory for the data channel");
        return NULL;
    }
    k->loop = l;
    k->ev = *ev;
    snprintf(k->url, sizeof k->url, "%s", url);
    memcpy(k->key, key, sizeof k->key);
    pthread_mutex_init(&k->lock, NULL);
    k->wake = sa_wake_new(l, on_wake, k, err);
    if (!k->wake || open_socket(k, err)) {
        sa_link_free(k);
        return NULL;
    }
    return k;
}

void sa_link_free(struct sa_link *k)
{
    if (!k)
        return;
    sa_timer_cancel(k->loop, &k->redial);
    close_socket(k);
    sa_wake_free(k->wake);
    pthread_mutex_destroy(&k->lock);
    explicit_bzero(k->key, sizeof k->key);
    free(k->out);
    free(k);
}

void sa_link_send(struct sa_link *k, uint32_t events, uint64_t oldest_ns, const void *p, size_t n)
{
    const struct sa_data_header h = {SA_DATA_ACCOUNT, events, oldest_ns};
    if (!k->connected)
        return;
    if (put(k, &h, p, n)) {
        /* A message lost in the middle of a session: a new connection begins a new one. */
        sa_log(SA_ERROR, "no memory for a message of %zu bytes to the uplink", n);
        pthread_mutex_lock(&k->lock);
        k->broken = true;
        pthread_mutex_unlock(&k->lock);
        sa_wake_set(k->wake);
        return;
    }
    send_next(k);
}

size_t sa_link_queued(const struct sa_link *k)
{
    return k->out_bytes;
}
