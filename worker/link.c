/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/link.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "ipc/sp.h"

#define SCHEME    "ipc://"
#define DIAL_NS   (100 * SA_NS_PER_MS)
#define REDIAL_NS (50 * SA_NS_PER_MS)
#define QUEUE_MAX ((size_t)16 * 1024 * 1024) /* bytes; deltas stop long before (batch.c) */

struct sa_link {
    struct sa_loop *loop;
    struct sa_link_events ev;
    struct sockaddr_un address;
    uint8_t key[32];
    struct sa_sp *sp; /* NULL: not connected */
    struct sa_timer redial;
};

static void dial(void *arg);

static void dial_in(struct sa_link *k, uint64_t delay_ns)
{
    if (sa_timer_set(k->loop, &k->redial, delay_ns, dial, k) != 0)
        sa_log(SA_ERROR, "no memory to connect to the uplink");
}

static void lost(struct sa_link *k)
{
    sa_sp_free(k->sp);
    k->sp = NULL;
    dial_in(k, REDIAL_NS);
    k->ev.down(k->ev.arg);
}

static void on_message(void *arg, const uint8_t *p, size_t n)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    struct sa_link *k = arg;
    struct sa_data_header h;
    if (sa_data_get_header(p, n, &h, &err) == 0 &&
        k->ev.message(k->ev.arg, (enum sa_data_kind)h.kind, p + SA_DATA_HEADER, n - SA_DATA_HEADER,
                      &err) == 0)
        return;
    sa_log(SA_ERROR, "the uplink: %s", sa_err_msg(err));
    lost(k);
}

static void on_end(void *arg, const struct sa_err *why)
{
    struct sa_link *k = arg;
    if (why)
        sa_log(SA_ERROR, "the uplink's connection: %s", sa_err_msg(why));
    lost(k);
}

static void on_drained(void *arg)
{
    struct sa_link *k = arg;
    k->ev.drained(k->ev.arg);
}

static const struct sa_sp_events sp_events = {on_message, on_end, on_drained};

static int send_message(struct sa_link *k, const struct sa_data_header *h, const void *p, size_t n,
                        bool first, struct sa_err **err)
{
    uint8_t head[SA_DATA_HEADER];
    sa_data_put_header(head, h);
    return first ? sa_sp_send_first(k->sp, head, sizeof head, p, n, err)
                 : sa_sp_send(k->sp, head, sizeof head, p, n, err);
}

/* A Unix socket's connect does not wait but where the listener's queue is full, and then a
 * non-blocking one says so (EAGAIN). */
static int open_socket(const struct sa_link *k)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    if (connect(fd, (const struct sockaddr *)&k->address, sizeof k->address) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void dial(void *arg)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    static const struct sa_sp_limits limits = {SA_DATA_DOWN_MAX, QUEUE_MAX};
    const struct sa_data_header hello = {.kind = SA_DATA_HELLO};
    struct sa_link *k = arg;
    int fd = open_socket(k);
    if (fd < 0) { /* the uplink is not there yet */
        dial_in(k, DIAL_NS);
        return;
    }
    k->sp = sa_sp_new(k->loop, fd, &limits, &sp_events, k, &err);
    if (k->sp && send_message(k, &hello, k->key, sizeof k->key, false, &err) == 0)
        return;
    sa_log(SA_ERROR, "the uplink: %s", sa_err_msg(err));
    sa_sp_free(k->sp);
    k->sp = NULL;
    dial_in(k, SA_NS_PER_S);
}

/* In a test build SCALE_AGENT_FORGE="URL URL2" makes a worker that speaks for another account, as
 * one that was taken over might: instead of its own socket, URL, it dials URL2, with its own key.
 */
static const char *dialled(const char *url)
{
#ifdef SA_TEST_POINTS
    const char *forge = getenv("SCALE_AGENT_FORGE");
    size_t n = strlen(url);
    if (forge && strncmp(forge, url, n) == 0 && forge[n] == ' ')
        return forge + n + 1;
#endif
    return url;
}

struct sa_link *sa_link_new(struct sa_loop *l, const char *url, const uint8_t key[32],
                            const struct sa_link_events *ev, struct sa_err **err)
{
    const char *path = dialled(url) + strlen(SCHEME);
    struct sa_link *k = calloc(1, sizeof *k);
    if (!k || strncmp(url, SCHEME, strlen(SCHEME)) != 0 ||
        strlen(path) >= sizeof k->address.sun_path) {
        free(k);
        sa_err_set(err, SA_EINTERNAL, "the data channel can't be at %s", url);
        return NULL;
    }
    k->loop = l;
    k->ev = *ev;
    k->address.sun_family = AF_UNIX;
    memcpy(k->address.sun_path, path, strlen(path) + 1);
    memcpy(k->key, key, sizeof k->key);
    dial(k);
    return k;
}

void sa_link_free(struct sa_link *k)
{
    if (!k)
        return;
    sa_timer_cancel(k->loop, &k->redial);
    sa_sp_free(k->sp);
    explicit_bzero(k->key, sizeof k->key);
    free(k);
}

static void on_broken(void *arg)
{
    lost(arg);
}

static void send_or_redial(struct sa_link *k, const struct sa_data_header *h, const void *p,
                           size_t n, bool first)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    if (!k->sp || sa_timer_armed(&k->redial) || send_message(k, h, p, n, first, &err) == 0)
        return;
    /* A message lost in the middle of a session: a new connection begins a new one. Not at once:
     * the caller is in the midst of that session. */
    sa_log(SA_ERROR, "a message to the uplink: %s", sa_err_msg(err));
    if (sa_timer_set(k->loop, &k->redial, 0, on_broken, k) != 0)
        sa_log(SA_ERROR, "no memory to connect to the uplink");
}

void sa_link_send(struct sa_link *k, uint32_t events, uint64_t oldest_ns, const void *p, size_t n)
{
    const struct sa_data_header h = {SA_DATA_ACCOUNT, events, oldest_ns};
    send_or_redial(k, &h, p, n, false);
}

void sa_link_result(struct sa_link *k, const void *p, size_t n)
{
    const struct sa_data_header h = {.kind = SA_DATA_RESULT};
    send_or_redial(k, &h, p, n, true);
}

void sa_link_last(struct sa_link *k)
{
    const struct sa_data_header h = {.kind = SA_DATA_LAST};
    send_or_redial(k, &h, "", 0, false);
}

size_t sa_link_queued(const struct sa_link *k)
{
    return k->sp ? sa_sp_queued(k->sp) : 0;
}
