/* SPDX-License-Identifier: Apache-2.0 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "worker/http_internal.h"

/* Descriptors */

static struct sa_http_socket *find(struct sa_http *h, int fd)
{
    for (size_t i = 0; i < h->n_sockets; i++) {
        if (h->sockets[i].fd == fd)
            return &h->sockets[i];
    }
    return NULL;
}

static struct sa_http_socket *add(struct sa_http *h, int fd)
{
    struct sa_http_socket *s = find(h, fd);
    if (s == NULL) {
        if (h->n_sockets == h->sockets_cap) {
            size_t cap = h->sockets_cap * 2 + 4;
            struct sa_http_socket *more = reallocarray(h->sockets, cap, sizeof(*more));
            if (more == NULL)
                return NULL;
            h->sockets = more;
            h->sockets_cap = cap;
        }
        s = &h->sockets[h->n_sockets++];
    }
    *s = (struct sa_http_socket){.fd = fd, .received_ns = sa_mono_ns()};
    return s;
}

static void drop(struct sa_http *h, int fd)
{
    struct sa_http_socket *s = find(h, fd);
    if (s != NULL)
        *s = h->sockets[--h->n_sockets];
}

static void on_fd(void *arg, int fd, uint32_t events)
{
    struct sa_http *h = arg;
    int mask = 0;
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        mask |= CURL_CSELECT_IN;
    if (events & EPOLLOUT)
        mask |= CURL_CSELECT_OUT;
    if (events & EPOLLERR)
        mask |= CURL_CSELECT_ERR;
    struct sa_http_socket *s = find(h, fd);
    if (s != NULL && (events & EPOLLIN))
        s->received_ns = sa_mono_ns();
    sa_http_socket_action(h, fd, mask);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *unused)
{
    struct sa_http *h = arg;
    (void)easy, (void)unused;
    if (what == CURL_POLL_REMOVE) {
        struct sa_http_socket *s = find(h, fd);
        sa_loop_fd_remove(h->loop, fd);
        if (s != NULL && !s->tcp)
            drop(h, fd);
        return 0;
    }
    uint32_t events = 0;
    if (what & CURL_POLL_IN)
        events |= EPOLLIN;
    if (what & CURL_POLL_OUT)
        events |= EPOLLOUT;
    if (find(h, fd) == NULL && add(h, fd) == NULL)
        return -1;
    return sa_loop_fd(h->loop, fd, events, on_fd, h, NULL);
}

/* A connection is being made. What libcurl has no option for is set here: how long sent bytes may
 * stay without an acknowledgement, and how many keepalive probes. */
int sa_http_on_open(void *request, curl_socket_t fd, curlsocktype purpose)
{
    struct sa_request *r = request;
    struct sa_http *h = r->http;
    unsigned timeout_ms = 30000;
    int count = 3;
    (void)purpose;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
    struct sa_http_socket *s = add(h, fd);
    if (s == NULL)
        return CURL_SOCKOPT_ERROR;
    s->tcp = true;
    r->opened = true;
    h->counters.connections++;
    return CURL_SOCKOPT_OK;
}

int sa_http_on_close(void *arg, curl_socket_t fd)
{
    struct sa_http *h = arg;
    sa_loop_fd_remove(h->loop, fd);
    drop(h, fd);
    return close(fd);
}

/* Results */

static void reap(struct sa_http *h)
{
    h->reap = false;
    for (struct sa_request *r = h->running.first, *next; r != NULL; r = next) {
        next = r->next;
        if (!r->cancelled)
            continue;
        sa_http_stop_running(h, r);
        sa_request_free(r);
    }
}

/* While a connection is being made, other requests wait in libcurl for whether it takes them too.
 * Since version 8 libcurl looks at them again only if it does (HTTP/2), or when some request ends:
 * behind a watch over HTTP/1.1 they would wait as long as that lasts. It looks whenever a handle
 * leaves. */
static void wake_those_in_libcurl(struct sa_http *h)
{
    h->connected = false;
    if (h->n_running < 2)
        return;
    CURL *c = h->n_pool > 0 ? h->pool[h->n_pool - 1] : curl_easy_init();
    if (c == NULL)
        return;
    if (curl_multi_add_handle(h->multi, c) == CURLM_OK)
        (void)curl_multi_remove_handle(h->multi, c);
    if (h->n_pool == 0)
        h->pool[h->n_pool++] = c;
}

void sa_http_socket_action(struct sa_http *h, int fd, int mask)
{
    int running, left;
    CURLMsg *m;
    h->depth++;
    h->in_curl = true;
    (void)curl_multi_socket_action(h->multi, fd, mask, &running);
    h->in_curl = false;
    if (h->reap && !h->freed)
        reap(h);
    if (h->connected && !h->freed)
        wake_those_in_libcurl(h);
    while (!h->freed && (m = curl_multi_info_read(h->multi, &left)) != NULL) {
        char *p = NULL;
        if (m->msg == CURLMSG_DONE &&
            curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &p) == CURLE_OK && p != NULL)
            sa_request_complete((struct sa_request *)(void *)p, m->data.result);
    }
    sa_http_leave(h);
}

static void on_timer(void *arg)
{
    sa_http_socket_action(arg, CURL_SOCKET_TIMEOUT, 0);
}

static int on_want_timer(CURLM *m, long ms, void *arg)
{
    struct sa_http *h = arg;
    (void)m;
    if (ms < 0)
        sa_timer_cancel(h->loop, &h->curl_timer);
    else if (sa_timer_set(h->loop, &h->curl_timer, (uint64_t)ms * SA_NS_PER_MS, on_timer, h) != 0)
        return -1;
    return 0;
}

int sa_http_multi_init(struct sa_http *h, struct sa_err **err)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return sa_err_set(err, SA_EINTERNAL, "libcurl could not be initialised");
    h->multi = curl_multi_init();
    if (h->multi == NULL)
        return sa_err_set(err, SA_EMEMORY, "HTTP client");
    if (h->endpoint->connect_to != NULL) {
        h->connect_to = curl_slist_append(NULL, h->endpoint->connect_to);
        if (h->connect_to == NULL)
            return sa_err_set(err, SA_EMEMORY, "HTTP client");
    }
    curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
    curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, on_want_timer);
    curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
    curl_multi_setopt(h->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
    /* The server's own limit counts (100 at a kube-apiserver); past it libcurl opens another one.
     */
    curl_multi_setopt(h->multi, CURLMOPT_MAX_CONCURRENT_STREAMS, 1000L);
    curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, 4L);
    return 0;
}

void sa_http_multi_free(struct sa_http *h)
{
    for (size_t i = 0; i < h->n_pool; i++)
        curl_easy_cleanup(h->pool[i]);
    if (h->multi != NULL)
        (void)curl_multi_cleanup(h->multi);
    for (size_t i = 0; i < h->n_sockets; i++)
        sa_loop_fd_remove(h->loop, h->sockets[i].fd);
    curl_slist_free_all(h->connect_to);
}
