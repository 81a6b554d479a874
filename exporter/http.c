/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/http.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include <microhttpd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "exporter/metrics.h"

#define CONNECTIONS    64u
#define TIMEOUT_S      15u
#define CONNECTION_MEM (32u * 1024u)
#define BODY_MAX       ((size_t)256 << 20)

enum page { PAGE_METRICS, PAGE_HEALTH, PAGE_READY };

struct request {
    struct request *next;
    struct MHD_Connection *connection;
    enum page page;
    bool waiting;
    unsigned code;
    struct sa_buf body;
};

struct sa_exporter_http_server {
    struct sa_loop *loop;
    struct sa_exporter_http_options opt;
    struct MHD_Daemon *daemon;
    int epoll_fd;
    struct sa_timer timer;
    struct request *requests;
};

static void run(struct sa_exporter_http_server *s);

static void run_due(void *arg)
{
    run(arg);
}

static void on_ready(void *arg, int fd, uint32_t events)
{
    (void)fd;
    (void)events;
    run(arg);
}

static void run(struct sa_exporter_http_server *s)
{
    MHD_UNSIGNED_LONG_LONG wait_ms;

    MHD_run(s->daemon);
    if (MHD_get_timeout(s->daemon, &wait_ms) == MHD_YES)
        sa_timer_set(s->loop, &s->timer, wait_ms * SA_NS_PER_MS, run_due, s);
    else
        sa_timer_cancel(s->loop, &s->timer);
}

static enum MHD_Result reply(struct MHD_Connection *c, unsigned code, const char *type,
                             const void *body, size_t n)
{
    struct MHD_Response *r =
        MHD_create_response_from_buffer(n, (void *)(uintptr_t)body, MHD_RESPMEM_MUST_COPY);
    enum MHD_Result rc;

    if (!r)
        return MHD_NO;
    MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    rc = MHD_queue_response(c, code, r);
    MHD_destroy_response(r);
    return rc;
}

static enum MHD_Result refuse(struct MHD_Connection *c, unsigned code, const char *body)
{
    return reply(c, code, "text/plain; charset=utf-8", body, strlen(body));
}

static bool find_page(const struct sa_exporter_http_server *s, const char *url, enum page *page)
{
    static const struct {
        const char *url;
        enum page page;
    } pages[] = {{"/metrics", PAGE_METRICS},
                 {"/prometheus_metrics", PAGE_METRICS},
                 {"/health", PAGE_HEALTH},
                 {"/ready", PAGE_READY}};

    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        *page = pages[i].page;
        if (strcmp(url, pages[i].url) == 0)
            return (*page == PAGE_METRICS) == s->opt.metrics;
    }
    return false;
}

static enum MHD_Result suspend(struct sa_exporter_http_server *s, struct MHD_Connection *c,
                               enum page page, void **state)
{
    struct request *r = calloc(1, sizeof(*r));

    if (!r)
        return MHD_NO;
    r->connection = c;
    r->page = page;
    r->waiting = true;
    sa_buf_init(&r->body, BODY_MAX);
    r->next = s->requests;
    s->requests = r;
    *state = r;
    MHD_suspend_connection(c);
    s->opt.want(s->opt.arg);
    return MHD_YES;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *c, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **state)
{
    struct sa_exporter_http_server *s = arg;
    struct request *r = *state;
    enum page page;

    (void)version;
    (void)upload;
    if (*upload_size > 0) {
        *upload_size = 0;
        return MHD_NO;
    }
    if (r)
        return reply(c, r->code,
                     r->page == PAGE_METRICS && r->code == MHD_HTTP_OK
                         ? "text/plain; version=0.0.4; charset=utf-8"
                         : "application/json",
                     r->body.data ? r->body.data : "", r->body.len);
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return refuse(c, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET\n");
    if (!find_page(s, url, &page))
        return refuse(c, MHD_HTTP_NOT_FOUND,
                      s->opt.metrics ? "there is /metrics\n" : "there are /health and /ready\n");
    return suspend(s, c, page, state);
}

static void on_completed(void *arg, struct MHD_Connection *c, void **state,
                         enum MHD_RequestTerminationCode why)
{
    struct sa_exporter_http_server *s = arg;
    struct request *r = *state;

    (void)c;
    (void)why;
    if (!r)
        return;
    for (struct request **p = &s->requests; *p; p = &(*p)->next) {
        if (*p == r) {
            *p = r->next;
            break;
        }
    }
    sa_buf_free(&r->body);
    free(r);
    *state = NULL;
}

static void fill(struct request *r, const cJSON *status)
{
    const char *why = "the supervisor did not answer";
    bool ready = status && sa_metrics_ready(status, &why);

    r->code = status ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
    if (r->page == PAGE_METRICS && status) {
        sa_metrics_write(status, &r->body);
    } else if (r->page == PAGE_HEALTH && status) {
        sa_buf_adds(&r->body, "{\"status\":\"UP\"}\n");
    } else {
        r->code = ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
        sa_buf_addf(&r->body, "{\"status\":\"%s\",\"reason\":\"%s\"}\n", ready ? "UP" : "DOWN",
                    why);
    }
    if (r->body.failed) {
        sa_buf_reset(&r->body);
        r->code = MHD_HTTP_INTERNAL_SERVER_ERROR;
    }
}

void sa_exporter_http_status(struct sa_exporter_http_server *s, const cJSON *status)
{
    for (struct request *r = s->requests; r; r = r->next) {
        if (!r->waiting)
            continue;
        r->waiting = false;
        fill(r, status);
        MHD_resume_connection(r->connection);
    }
    run(s);
}

static bool is_any(const struct sockaddr *addr)
{
    struct sockaddr_in6 a;

    memcpy(&a, addr, sizeof(a));
    return IN6_IS_ADDR_UNSPECIFIED(&a.sin6_addr);
}

struct sa_exporter_http_server *
sa_exporter_http_listen(struct sa_loop *l, const struct sockaddr *addr, socklen_t addr_len,
                        const struct sa_exporter_http_options *opt, struct sa_err **err)
{
    struct sa_exporter_http_server *s = calloc(1, sizeof(*s));
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME;
    const union MHD_DaemonInfo *info;

    (void)addr_len;
    if (!s) {
        sa_err_set(err, SA_EMEMORY, "HTTP server");
        return NULL;
    }
    s->loop = l;
    s->opt = *opt;
    if (addr->sa_family == AF_INET6)
        flags |= is_any(addr) ? MHD_USE_DUAL_STACK : MHD_USE_IPv6;
    s->daemon =
        MHD_start_daemon(flags, 0, NULL, NULL, on_request, s, MHD_OPTION_SOCK_ADDR, addr,
                         MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
                         TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEM,
                         MHD_OPTION_NOTIFY_COMPLETED, on_completed, s, MHD_OPTION_END);
    if (!s->daemon) {
        sa_err_sys(err, errno, "cannot listen");
        free(s);
        return NULL;
    }
    info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    s->epoll_fd = info ? info->epoll_fd : -1;
    if (sa_loop_fd(l, s->epoll_fd, EPOLLIN, on_ready, s, err) < 0) {
        MHD_stop_daemon(s->daemon);
        free(s);
        return NULL;
    }
    return s;
}

void sa_exporter_http_free(struct sa_exporter_http_server *s)
{
    if (!s)
        return;
    for (struct request *r = s->requests; r; r = r->next)
        if (r->waiting)
            MHD_resume_connection(r->connection);
    sa_timer_cancel(s->loop, &s->timer);
    sa_loop_fd_remove(s->loop, s->epoll_fd);
    MHD_stop_daemon(s->daemon);
    free(s);
}
