/* SPDX-License-Identifier: Apache-2.0 */
#include <nss.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "config/settings.h"
#include "worker/http_internal.h"

#define PIONEER_WAIT                                                                               \
    SA_NS_PER_S           /* a server may hold back a watch's headers until its first event */
#define DEFAULT_RATE 50.0 /* requests a second, where the settings say nothing */

#define FILES_KEPT 64u /* descriptors that are for something else than connections */
#define OTHERS_MAX 64u /* requests beside the watches, over HTTP/1.1 */

/* Lists of requests */

void sa_http_unlink(struct sa_request_list *l, struct sa_request *r)
{
    if (r->prev != NULL)
        r->prev->next = r->next;
    else
        l->first = r->next;
    if (r->next != NULL)
        r->next->prev = r->prev;
    else
        l->last = r->prev;
    r->prev = r->next = NULL;
}

void sa_http_stop_running(struct sa_http *h, struct sa_request *r)
{
    sa_http_unlink(&h->running, r);
    h->n_lasting -= r->opt.lasts;
    if (--h->n_running == 0)
        h->room = 0; /* the next connection may be to another server behind a balancer */
    if (h->http1 && h->waiting.first != NULL)
        sa_http_kick(h);
    sa_request_detach(r);
    sa_http_settle(h, r, false);
}

static void append(struct sa_request_list *l, struct sa_request *r)
{
    r->prev = l->last;
    r->next = NULL;
    if (l->last != NULL)
        l->last->next = r;
    else
        l->first = r;
    l->last = r;
}

void sa_http_enqueue(struct sa_http *h, struct sa_request *r)
{
    r->state = SA_REQUEST_WAITING;
    append(&h->waiting, r);
    sa_request_watch_time(r);
    sa_http_kick(h);
}

/* The queue */

static void refill(struct sa_http *h)
{
    uint64_t now = sa_mono_ns();
    h->allowance += (double)(now - h->refilled_ns) / (double)SA_NS_PER_S * h->per_second;
    h->refilled_ns = now;
    if (h->allowance > h->burst)
        h->allowance = h->burst;
}

static void on_kick(void *arg);

static void on_rate(void *arg)
{
    on_kick(arg);
}

/* libcurl opens a connection for every request that finds no free stream, also while another one is
 * being made for just that: a hundred requests too many would be a hundred connections. So past the
 * known room one request goes ahead, and shows whether there was a stream left or how much room its
 * new connection brings. */
static bool has_room(struct sa_http *h)
{
    size_t connections = 0;
    for (size_t i = 0; i < h->n_sockets; i++)
        connections += h->sockets[i].tcp;
    return h->n_running < SA_HTTP_STREAMS * (connections > 1 ? connections : 1) + h->room;
}

void sa_http_settle(struct sa_http *h, const struct sa_request *r, bool good)
{
    if (h->pioneer != r)
        return;
    h->pioneer = NULL;
    if (good && h->counters.connections == h->pioneer_connections)
        h->room++;
    sa_http_kick(h);
}

/* Without this, a connection would be tried for each, and the server be taken for away when the
 * descriptors are used up. */
static bool held(const struct sa_http *h, const struct sa_request *r)
{
    size_t others = h->n_running - h->n_lasting;
    return h->http1 && (r->opt.lasts ? h->n_lasting >= h->lasting_max : others >= OTHERS_MAX);
}

size_t sa_http_held(const struct sa_http *h)
{
    size_t n = 0;
    for (const struct sa_request *r = h->waiting.first; r != NULL; r = r->next)
        n += r->opt.lasts && held(h, r);
    return n;
}

static size_t lasting_max(void)
{
    struct rlimit l;
    size_t files = getrlimit(RLIMIT_NOFILE, &l) == 0 ? (size_t)l.rlim_cur : 0;
    return files > FILES_KEPT + OTHERS_MAX ? files - FILES_KEPT - OTHERS_MAX : 1;
}

/* True if r may start now; else the timer is set for when it may. */
static bool may_start(struct sa_http *h, const struct sa_request *r)
{
    if (r->opt.urgent || r->retried)
        return true;
    if (h->pioneer != NULL && sa_mono_ns() - h->pioneer_ns >= PIONEER_WAIT)
        h->pioneer = NULL;
    if (h->pioneer != NULL) {
        if (!sa_timer_armed(&h->rate_timer))
            (void)sa_timer_set(h->loop, &h->rate_timer, PIONEER_WAIT, on_rate, h);
        return false;
    }
    if (h->allowance >= 1.0) {
        h->allowance -= 1.0;
        return true;
    }
    if (!sa_timer_armed(&h->rate_timer)) {
        double wait = (1.0 - h->allowance) / h->per_second * (double)SA_NS_PER_S;
        (void)sa_timer_set(h->loop, &h->rate_timer, (uint64_t)wait + 1, on_rate, h);
    }
    return false;
}

/* A connection made with the earlier client certificate would go on speaking for it. */
static bool must_reconnect(struct sa_http *h, const struct sa_identity *i)
{
    bool other = h->tls != i->tls;
    h->tls = i->tls;
    return other && h->n_sockets > 0;
}

/* Starts one request of the queue, or ends it with the reason why not. False: no other can start
 * either. */
static bool start_one(struct sa_http *h, struct sa_request *r)
{
    SA_CLEANUP(sa_err_free) struct sa_err *e = NULL;
    struct sa_identity *i = NULL;
    switch (sa_credential_identity(h->cred, &i, &e)) {
    case SA_CREDENTIAL_WAIT:
        h->waits = true;
        return false;
    case SA_CREDENTIAL_FAILED:
        sa_request_finish(r, e);
        return true;
    case SA_CREDENTIAL_READY:
        break;
    }
    if (must_reconnect(h, i)) {
        sa_identity_release(i);
        sa_http_reconnect(h);
        return false;
    }
    if (!r->opt.urgent && !has_room(h)) {
        h->pioneer = r;
        h->pioneer_ns = sa_mono_ns();
        h->pioneer_connections = h->counters.connections;
    }
    sa_http_unlink(&h->waiting, r);
    append(&h->running, r);
    h->n_running++;
    h->n_lasting += r->opt.lasts;
    r->state = SA_REQUEST_RUNNING;
    if (sa_request_launch(r, i, &e) != 0)
        sa_request_finish(r, e);
    return true;
}

/* The next one that may start: urgent ones first. Requests that a callback adds meanwhile wait for
 * the next turn, so that a request that fails at once and is started anew does not spin here. */
static struct sa_request *pick(struct sa_http *h, uint64_t before)
{
    for (struct sa_request *r = h->waiting.first; r != NULL; r = r->next) {
        if (r->opt.urgent && r->number < before)
            return r;
    }
    struct sa_request *r = h->waiting.first;
    while (r != NULL && held(h, r))
        r = r->next;
    return r != NULL && r->number < before && may_start(h, r) ? r : NULL;
}

static void on_kick(void *arg)
{
    struct sa_http *h = arg;
    uint64_t before = h->next_number;
    struct sa_request *r;
    if (h->reconnecting) {
        /* libcurl gives them up in the next turn, before this is called again. */
        sa_http_close_connections(h, UINT64_MAX);
        h->reconnecting = false;
        sa_http_kick(h);
        return;
    }
    h->depth++;
    sa_timer_cancel(h->loop, &h->rate_timer); /* set again by whoever still has to wait */
    refill(h);
    h->waits = false;
    while (!h->freed && !h->reconnecting && (r = pick(h, before)) != NULL) {
        if (!start_one(h, r))
            break;
    }
    sa_http_leave(h);
}

void sa_http_kick(struct sa_http *h)
{
    if (!h->freed)
        (void)sa_timer_set(h->loop, &h->kick_timer, 0, on_kick, h);
}

static void on_credential(void *arg)
{
    struct sa_http *h = arg;
    if (h->waits)
        sa_http_kick(h);
}

void sa_http_reconnect(struct sa_http *h)
{
    h->reconnecting = true;
    sa_http_kick(h);
}

/* The client */

struct sa_http *sa_http_new(struct sa_loop *l, const struct sa_account *account,
                            struct sa_credential *cred, struct sa_err **err)
{
    struct sa_http *h = calloc(1, sizeof(*h));
    if (h == NULL) {
        sa_err_set(err, SA_EMEMORY, "HTTP client");
        return NULL;
    }
    h->loop = l;
    h->cred = cred;
    h->endpoint = sa_credential_endpoint(cred);
    h->per_second =
        account->requests_per_second > 0 ? (double)account->requests_per_second : DEFAULT_RATE;
    h->burst = 2 * h->per_second;
    h->allowance = h->burst;
    h->refilled_ns = sa_mono_ns();
    h->lasting_max = lasting_max();
    h->quiet_ns = 30 * SA_NS_PER_S;
    h->probe_ns = 10 * SA_NS_PER_S;
    /* What is built into glibc needs no dlopen(), which a sealed worker can't do. */
    (void)__nss_configure_lookup("hosts", "files dns");
    if (sa_http_multi_init(h, err) != 0) {
        sa_http_free(h);
        return NULL;
    }
    sa_credential_listen(cred, on_credential, h);
    return h;
}

static void destroy(struct sa_http *h)
{
    sa_timer_cancel(h->loop, &h->curl_timer);
    sa_timer_cancel(h->loop, &h->kick_timer);
    sa_timer_cancel(h->loop, &h->rate_timer);
    sa_timer_cancel(h->loop, &h->probe_timer);
    sa_http_multi_free(h);
    free(h->sockets);
    free(h);
}

static void forget_all(struct sa_http *h)
{
    while (h->waiting.first != NULL) {
        struct sa_request *r = h->waiting.first;
        sa_http_unlink(&h->waiting, r);
        sa_request_free(r);
    }
    while (h->running.first != NULL) {
        struct sa_request *r = h->running.first;
        sa_http_stop_running(h, r);
        sa_request_free(r);
    }
}

void sa_http_leave(struct sa_http *h)
{
    if (--h->depth > 0 || !h->freed)
        return;
    forget_all(h);
    destroy(h);
}

void sa_http_free(struct sa_http *h)
{
    if (h == NULL || h->freed)
        return;
    sa_credential_listen(h->cred, NULL, NULL);
    h->freed = true;
    for (struct sa_request *r = h->running.first; r != NULL; r = r->next)
        r->cancelled = true;
    h->depth++;
    sa_http_leave(h);
}

struct sa_request *sa_http_start(struct sa_http *h, const struct sa_request_options *opt,
                                 struct sa_err **err)
{
    struct sa_request *r = sa_request_new(h, opt, err);
    if (r == NULL)
        return NULL;
    r->number = h->next_number++;
    sa_http_enqueue(h, r);
    return r;
}

void sa_http_cancel(struct sa_http *h, struct sa_request *r)
{
    if (r->state == SA_REQUEST_DONE || r->cancelled)
        return;
    if (r->state == SA_REQUEST_RUNNING && h->in_curl) {
        r->cancelled = true;
        h->reap = true;
        return;
    }
    if (r->state == SA_REQUEST_RUNNING)
        sa_http_stop_running(h, r);
    else
        sa_http_unlink(&h->waiting, r);
    sa_request_free(r);
}

const char *sa_http_server(const struct sa_http *h)
{
    return h->endpoint->server;
}

const uint8_t *sa_http_certificate_sha256(const struct sa_http *h)
{
    return h->has_fingerprint ? h->fingerprint : NULL;
}

struct sa_http_counters sa_http_counters(const struct sa_http *h)
{
    return h->counters;
}
