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

static void on_probe_timer(void *arg);

/* When the connection that was quiet longest will have been so for too long. */
static uint64_t next_look(const struct sa_http *h)
{
    uint64_t now = sa_mono_ns(), wait = h->quiet_ns;
    for (size_t i = 0; i < h->n_sockets; i++) {
        uint64_t due = h->sockets[i].received_ns + h->quiet_ns;
        if (h->sockets[i].tcp && due < now + wait)
            wait = due > now ? due - now : 0;
    }
    return wait;
}

void sa_http_probe_arm(struct sa_http *h)
{
    if (h->probe == NULL && !sa_timer_armed(&h->probe_timer))
        (void)sa_timer_set(h->loop, &h->probe_timer, next_look(h), on_probe_timer, h);
}

void sa_http_close_connections(struct sa_http *h, uint64_t quiet_since_ns)
{
    /* libcurl owns the descriptors: it is told by the end of the stream in the loop's next turn. */
    for (size_t i = 0; i < h->n_sockets; i++) {
        if (h->sockets[i].tcp && h->sockets[i].received_ns <= quiet_since_ns)
            (void)shutdown(h->sockets[i].fd, SHUT_RDWR);
    }
}

static void on_probe_done(void *arg, const struct sa_response *r)
{
    struct sa_http *h = arg;
    h->probe = NULL;
    if (r->error != NULL && !h->waits && r->error->code != SA_ECREDENTIAL) {
        sa_log(SA_WARN, "the connection to the API server seems dead, it is closed: %s",
               sa_err_msg(r->error));
        sa_http_close_connections(h, h->probe_started_ns);
    } else {
        /* Others, which the probe did not go over, are left to TCP until the next look. */
        for (size_t i = 0; i < h->n_sockets; i++)
            h->sockets[i].received_ns = sa_mono_ns();
    }
    if (h->running.first != NULL)
        sa_http_probe_arm(h);
}

static void on_probe_timer(void *arg)
{
    struct sa_http *h = arg;
    if (h->running.first == NULL || h->probe != NULL)
        return; /* the next request, or the probe's end, arms it again */
    if (next_look(h) > 0) {
        sa_http_probe_arm(h);
        return;
    }
    const struct sa_request_options o = {
        .path = "/version",
        .timeout_ns = h->probe_ns,
        .urgent = true,
        .on_done = on_probe_done,
        .arg = h,
    };
    h->probe_started_ns = sa_mono_ns();
    h->probe = sa_http_start(h, &o, NULL);
    if (h->probe == NULL)
        (void)sa_timer_set(h->loop, &h->probe_timer, SA_NS_PER_S, on_probe_timer, h);
}
