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
#include "exporter/guard.h"
#include "exporter/metrics.h"
#include "exporter/rows.h"
#include "exporter/stream.h"

#define CONNECTIONS    64u
#define TIMEOUT_S      15u
#define CONNECTION_MEM (32u * 1024u)
#define BODY_MAX       ((size_t)256 << 20)

enum page {
    PAGE_METRICS,
    PAGE_HEALTH,
    PAGE_READY,
    PAGE_ACCOUNT, /* from here on what belongs to the status page */
    PAGE_EVENTS,
    PAGE_HTML,
    PAGE_STYLE,
    PAGE_SCRIPT,
};

/* Made from page/. */
extern const unsigned char sa_index_html[], sa_page_css[], sa_page_js[];
extern const size_t sa_index_html_size, sa_page_css_size, sa_page_js_size;

struct request {
    struct request *next;
    struct MHD_Connection *connection;
    enum page page;
    bool waiting;
    char *name; /* of PAGE_ACCOUNT */
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
    struct sa_streams *streams;
    bool local; /* the address is of this machine alone */
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
    MHD_add_response_header(r, "Content-Security-Policy",
                            "default-src 'none'; style-src 'self'; script-src 'self'; "
                            "connect-src 'self'; img-src data:; frame-ancestors 'none'");
    if (code == MHD_HTTP_UNAUTHORIZED)
        MHD_add_response_header(r, MHD_HTTP_HEADER_WWW_AUTHENTICATE,
                                "Basic realm=\"scale-agent\", charset=\"UTF-8\"");
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
    } pages[] = {{"/metrics", PAGE_METRICS}, {"/prometheus_metrics", PAGE_METRICS},
                 {"/health", PAGE_HEALTH},   {"/ready", PAGE_READY},
                 {"/account", PAGE_ACCOUNT}, {"/events", PAGE_EVENTS},
                 {"/", PAGE_HTML},           {"/page.css", PAGE_STYLE},
                 {"/page.js", PAGE_SCRIPT}};

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
    if (page == PAGE_ACCOUNT) {
        const char *name = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "name");

        r->name = strdup(name ? name : "");
        if (!r->name) {
            free(r);
            return MHD_NO;
        }
    }
    r->connection = c;
    r->page = page;
    r->waiting = true;
    sa_buf_init(&r->body, BODY_MAX);
    r->next = s->requests;
    s->requests = r;
    *state = r;
    MHD_suspend_connection(c);
    s->opt.want(s->opt.arg, r->name ? r->name : "");
    return MHD_YES;
}

/* NULL: the request may see the status page; else why not. */
static const char *closed(const struct sa_exporter_http_server *s, struct MHD_Connection *c,
                          unsigned *code)
{
    const char *token = s->opt.token_sha256 && *s->opt.token_sha256 ? s->opt.token_sha256 : NULL;

    *code = MHD_HTTP_FORBIDDEN;
    if (!token && !s->local)
        return "The status page is for this machine alone, unless server.tokenSha256 is set. There "
               "are /health and /ready.\n";
    if (!token)
        return sa_guard_host_is_local(
                   MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST))
                   ? NULL
                   : "Ask for localhost.\n";
    *code = MHD_HTTP_UNAUTHORIZED;
    return sa_guard_authorized(
               MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION),
               token)
               ? NULL
               : "The token is missing or wrong.\n";
}

static enum MHD_Result show(struct sa_exporter_http_server *s, struct MHD_Connection *c,
                            enum page page, void **state)
{
    unsigned code;
    const char *why = closed(s, c, &code);

    if (why)
        return refuse(c, code, why);
    switch (page) {
    case PAGE_HTML:
        return reply(c, MHD_HTTP_OK, "text/html; charset=utf-8", sa_index_html, sa_index_html_size);
    case PAGE_STYLE:
        return reply(c, MHD_HTTP_OK, "text/css; charset=utf-8", sa_page_css, sa_page_css_size);
    case PAGE_SCRIPT:
        return reply(c, MHD_HTTP_OK, "text/javascript; charset=utf-8", sa_page_js, sa_page_js_size);
    case PAGE_EVENTS:
        s->opt.want(s->opt.arg, "");
        return sa_streams_add(s->streams, c);
    default:
        return suspend(s, c, page, state);
    }
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
                      s->opt.metrics ? "there is /metrics\n" : "there are /, /health and /ready\n");
    return page >= PAGE_ACCOUNT ? show(s, c, page, state) : suspend(s, c, page, state);
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
    free(r->name);
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
    } else if (r->page == PAGE_ACCOUNT && status) {
        if (!sa_rows_account(status, r->name, &r->body)) {
            r->code = MHD_HTTP_NOT_FOUND;
            sa_buf_adds(&r->body, "{}\n");
        }
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
    sa_streams_status(s->streams, status);
    run(s);
}

bool sa_exporter_http_watched(const struct sa_exporter_http_server *s)
{
    return sa_streams_any(s->streams);
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
    s->local = sa_guard_is_local(addr);
    s->streams = sa_streams_new();
    if (!s->streams) {
        sa_err_set(err, SA_EMEMORY, "HTTP server");
        free(s);
        return NULL;
    }
    if (addr->sa_family == AF_INET6)
        flags |= is_any(addr) ? MHD_USE_DUAL_STACK : MHD_USE_IPv6;
    s->daemon =
        MHD_start_daemon(flags, 0, NULL, NULL, on_request, s, MHD_OPTION_SOCK_ADDR, addr,
                         MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
                         TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEM,
                         MHD_OPTION_NOTIFY_COMPLETED, on_completed, s, MHD_OPTION_END);
    if (!s->daemon) {
        sa_err_sys(err, errno, "cannot listen");
        sa_streams_free(s->streams);
        free(s);
        return NULL;
    }
    info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    s->epoll_fd = info ? info->epoll_fd : -1;
    if (sa_loop_fd(l, s->epoll_fd, EPOLLIN, on_ready, s, err) < 0) {
        MHD_stop_daemon(s->daemon);
        sa_streams_free(s->streams);
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
    sa_streams_free(s->streams);
    sa_timer_cancel(s->loop, &s->timer);
    sa_loop_fd_remove(s->loop, s->epoll_fd);
    MHD_stop_daemon(s->daemon);
    free(s);
}
