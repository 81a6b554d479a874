/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A watch may be silent for hours, and a peer that vanished is silent as well. libcurl's multi
 * interface sends no HTTP/2 PING, so a small request takes its place: it goes over the connection
 * that is there. TCP_USER_TIMEOUT and keepalive cover what it does not, a second connection of
 * HTTP/1.1.
 */
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "worker/http_internal.h"

#define QUIET  (30 * SA_NS_PER_S) /* nothing received for so long: ask */
#define WITHIN (10 * SA_NS_PER_S)

static void on_probe_timer(void *arg);

/* When the connection that was quiet longest will have been so for QUIET. */
static uint64_t next_look(const struct sa_http *h)
{
    uint64_t now = sa_mono_ns(), wait = QUIET;
    for (size_t i = 0; i < h->n_sockets; i++) {
        uint64_t due = h->sockets[i].received_ns + QUIET;
        if (h->sockets[i].tcp && due < now + wait)
            wait = due > now ? due - now : 0;
    }
    return wait;
}

void sa_http_probe_arm(struct sa_http *h)
{
    if (!sa_timer_armed(&h->probe_timer))
        (void)sa_timer_set(h->loop, &h->probe_timer, next_look(h), on_probe_timer, h);
}

void sa_http_close_connections(struct sa_http *h, uint64_t quiet_since_ns)
{
    size_t n = h->n_sockets;
    int fds[64];
    size_t count = 0;
    for (size_t i = 0; i < n && count < sizeof(fds) / sizeof(fds[0]); i++) {
        if (!h->sockets[i].tcp || h->sockets[i].received_ns > quiet_since_ns)
            continue;
        /* libcurl owns the descriptor: it is told by the end of the stream, and closes. */
        (void)shutdown(h->sockets[i].fd, SHUT_RDWR);
        fds[count++] = h->sockets[i].fd;
    }
    for (size_t i = 0; i < count && !h->freed; i++)
        sa_http_socket_action(h, fds[i], CURL_CSELECT_IN);
}

static void on_probe_done(void *arg, const struct sa_response *r)
{
    struct sa_http *h = arg;
    h->probe = NULL;
    if (r->error != NULL) {
        sa_log(SA_WARN, "the connection to the API server seems dead, it is closed: %s",
               sa_err_msg(r->error));
        sa_http_close_connections(h, h->probe_started_ns);
    } else {
        /* Others, which the probe did not go over, are left to TCP until the next look. */
        for (size_t i = 0; i < h->n_sockets; i++)
            h->sockets[i].received_ns = sa_mono_ns();
    }
    if (!h->freed && h->running.first != NULL)
        sa_http_probe_arm(h);
}

static void on_probe_timer(void *arg)
{
    struct sa_http *h = arg;
    if (h->running.first == NULL)
        return; /* the next request arms it again */
    if (h->probe == NULL && next_look(h) == 0) {
        const struct sa_request_options o = {
            .path = "/version",
            .timeout_ns = WITHIN,
            .urgent = true,
            .on_done = on_probe_done,
            .arg = h,
        };
        h->probe_started_ns = sa_mono_ns();
        h->probe = sa_http_start(h, &o, NULL);
        if (h->probe != NULL)
            return; /* armed again when it is done */
    }
    (void)sa_timer_set(h->loop, &h->probe_timer,
                       h->probe == NULL ? next_look(h) + SA_NS_PER_S : QUIET, on_probe_timer, h);
}
