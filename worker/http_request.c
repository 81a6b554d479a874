/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "worker/http_internal.h"

#define USER_AGENT      "scale-agent/" SA_VERSION
#define CONNECT_WITHIN  10000L /* milliseconds, TLS included */
#define RECEIVE_BUFFER  16384L
#define KEEPALIVE_IDLE  30L /* seconds */
#define KEEPALIVE_EVERY 10L

/* Making one */

static bool plain(const char *s)
{
    for (; *s != '\0'; s++) {
        if ((unsigned char)*s <= ' ' || *s == 0x7f)
            return false;
    }
    return true;
}

static bool is_line(const char *s)
{
    return strpbrk(s, "\r\n") == NULL;
}

static char *put(char **at, const char *a, const char *b)
{
    char *begin = *at;
    size_t n = strlen(a), m = strlen(b);
    memcpy(begin, a, n); /* NOLINT(bugprone-not-null-terminated-result): the second piece ends it */
    memcpy(begin + n, b, m + 1);
    *at += n + m + 1;
    return begin;
}

static void link_headers(struct sa_request *r)
{
    static char no_expect[] = "Expect:"; /* no 100-continue round trip */
    size_t n = 0;
    r->own[n++].data = r->accept_line;
    if (r->content_line != NULL)
        r->own[n++].data = r->content_line;
    r->own[n++].data = no_expect;
    if (r->http->endpoint->host_header != NULL)
        r->own[n++].data = r->http->endpoint->host_header;
    for (size_t i = 0; i < n; i++)
        r->own[i].next = i + 1 < n ? &r->own[i + 1] : NULL;
}

/* The identity's headers follow the request's own. */
static void link_identity(struct sa_request *r)
{
    size_t last = 0;
    while (r->own[last].next != NULL && r->own[last].next == &r->own[last + 1])
        last++;
    r->own[last].next = r->identity != NULL ? r->identity->headers : NULL;
}

struct sa_request *sa_request_new(struct sa_http *h, const struct sa_request_options *opt,
                                  struct sa_err **err)
{
    const char *method = opt->method != NULL ? opt->method : "GET";
    const char *accept = opt->accept != NULL ? opt->accept : "application/json";
    const char *type = opt->content_type != NULL ? opt->content_type : "application/json";
    if (opt->path == NULL || opt->path[0] != '/' || !plain(opt->path) || !plain(method) ||
        !is_line(accept) || !is_line(type) || opt->on_done == NULL) {
        sa_err_set(err, SA_EINTERNAL, "a malformed request");
        return NULL;
    }
    size_t text = strlen(method) + strlen(opt->path) + strlen(accept) + strlen(type) + 64;
    struct sa_request *r =
        opt->body_n < SIZE_MAX / 2 ? calloc(1, sizeof(*r) + text + opt->body_n) : NULL;
    if (r == NULL) {
        sa_err_set(err, SA_EMEMORY, "a request");
        return NULL;
    }
    char *at = (char *)(r + 1);
    r->http = h;
    r->opt = *opt;
    r->method = put(&at, "", method);
    r->path = put(&at, "", opt->path);
    r->accept_line = put(&at, "Accept: ", accept);
    if (opt->body != NULL) {
        r->content_line = put(&at, "Content-Type: ", type);
        memcpy(at, opt->body, opt->body_n);
        r->body = at;
    }
    link_headers(r);
    r->started_ns = sa_mono_ns();
    sa_buf_init(&r->received, SA_HTTP_ERROR_BODY);
    return r;
}

void sa_request_free(struct sa_request *r)
{
    sa_timer_cancel(r->http->loop, &r->timer);
    if (r->http->probe == r)
        r->http->probe = NULL;
    sa_identity_release(r->identity);
    sa_buf_free(&r->received);
    sa_err_free(&r->err);
    free(r);
}

/* The path without its query: a continue token or selector makes no message better. */
static int path_length(const struct sa_request *r)
{
    return (int)strcspn(r->path, "?");
}

static void wrap(const struct sa_request *r, struct sa_err **err)
{
    sa_err_wrap(err, "%s %s%.*s", r->method, r->http->endpoint->server, path_length(r), r->path);
}

/* What libcurl calls */

static size_t refuse(struct sa_request *r, enum sa_code code, const char *text)
{
    if (r->err == NULL)
        sa_err_set(&r->err, code, "%s", text);
    return 0;
}

static void read_header(struct sa_request *r, const char *name, size_t name_n, const char *value)
{
    if (name_n == 12 && strncasecmp(name, "content-type", 12) == 0) {
        size_t n = strcspn(value, "\r\n");
        n = n < sizeof(r->content_type) ? n : sizeof(r->content_type) - 1;
        memcpy(r->content_type, value, n);
        r->content_type[n] = '\0';
    } else if (name_n == 11 && strncasecmp(name, "retry-after", 11) == 0) {
        r->retry_after_s = sa_http_parse_retry_after(value, &r->retry_after_is_date);
    } else if (name_n == 4 && strncasecmp(name, "date", 4) == 0) {
        time_t t = curl_getdate(value, NULL);
        r->date_s = t > 0 ? (int64_t)t : 0;
    }
}

static size_t on_header(char *p, size_t size, size_t count, void *arg)
{
    struct sa_request *r = arg;
    size_t n = size * count, end = n;
    char value[256];
    if (r->cancelled || r->http->freed)
        return 0;
    r->received_ns = sa_mono_ns();
    sa_http_settle(r->http, r, true);
    r->header_bytes += n;
    if (++r->header_count > SA_HTTP_HEADER_COUNT || r->header_bytes > SA_HTTP_HEADERS_MAX)
        return refuse(r, SA_ELIMIT, "the answer's headers are more than 256, or longer than 64 KB");
    const char *colon = memchr(p, ':', n);
    if (colon == NULL || colon == p)
        return n;
    size_t at = (size_t)(colon - p) + 1;
    while (at < n && (p[at] == ' ' || p[at] == '\t'))
        at++;
    while (end > at && (p[end - 1] == '\r' || p[end - 1] == '\n' || p[end - 1] == ' '))
        end--;
    if (end - at < sizeof(value)) {
        memcpy(value, p + at, end - at);
        value[end - at] = '\0';
        read_header(r, p, (size_t)(colon - p), value);
    }
    return n;
}

/* The first bytes of a body: the status is known. */
static void see_status(struct sa_request *r)
{
    long status = 0, version = 0;
    if (r->status != 0 || curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK)
        return;
    r->status = (int)status;
    if (status != 0 && curl_easy_getinfo(r->easy, CURLINFO_HTTP_VERSION, &version) == CURLE_OK)
        r->http->http1 = version == CURL_HTTP_VERSION_1_0 || version == CURL_HTTP_VERSION_1_1;
}

static size_t keep_error_body(struct sa_request *r, const char *p, size_t n)
{
    size_t room = SA_HTTP_ERROR_BODY - r->received.len;
    if (sa_buf_add(&r->received, p, n < room ? n : room) != 0)
        return refuse(r, SA_EMEMORY, "no memory for the answer");
    r->body_cut = n > room;
    return r->body_cut ? 0 : n;
}

static size_t on_body(char *p, size_t size, size_t count, void *arg)
{
    struct sa_request *r = arg;
    size_t n = size * count;
    if (r->cancelled || r->http->freed)
        return 0;
    see_status(r);
    r->received_ns = sa_mono_ns();
    r->http->counters.bytes += n;
    if (r->status >= 300)
        return keep_error_body(r, p, n);
    if (r->opt.on_data != NULL) {
        struct sa_err *e = NULL;
        if (r->opt.on_data(r->opt.arg, p, n, &e) == 0)
            return n;
        if (e == NULL)
            sa_err_set(&e, SA_EINTERNAL, "the reader of the answer gave up");
        sa_err_free(&r->err);
        r->err = e;
        return 0;
    }
    r->received.max = r->opt.max_body > 0 ? r->opt.max_body : SA_HTTP_BODY;
    if (n > r->received.max - r->received.len)
        return refuse(r, SA_ELIMIT, "the answer is longer than what is taken of it");
    if (sa_buf_add(&r->received, p, n) != 0)
        return refuse(r, SA_EMEMORY, "no memory for the answer");
    return n;
}

/* libcurl repeats by itself what a connection broke under before a byte came back. That is right
 * for what only reads; anything else may have been done already. */
static int on_issue(void *arg, char *remote, char *local, int remote_port, int local_port)
{
    struct sa_request *r = arg;
    bool again = r->issued;
    (void)remote, (void)local, (void)remote_port, (void)local_port;
    r->issued = true;
    if (r->opened)
        r->http->connected = true;
    r->opened = false;
    if (!again || strcmp(r->method, "GET") == 0 || strcmp(r->method, "HEAD") == 0)
        return CURL_PREREQFUNC_OK;
    (void)refuse(r, SA_ENETWORK,
                 "the connection broke before an answer; whether it was done is not known");
    return CURL_PREREQFUNC_ABORT;
}

/* Time */

static uint64_t due_in(const struct sa_request *r)
{
    uint64_t due = UINT64_MAX, now = sa_mono_ns();
    if (r->opt.timeout_ns > 0)
        due = r->started_ns + r->opt.timeout_ns;
    if (r->opt.idle_ns > 0 && r->state == SA_REQUEST_RUNNING &&
        r->received_ns + r->opt.idle_ns < due)
        due = r->received_ns + r->opt.idle_ns;
    return due == UINT64_MAX ? UINT64_MAX : due > now ? due - now : 0;
}

static void on_time(void *arg)
{
    struct sa_request *r = arg;
    struct sa_http *h = r->http;
    uint64_t left = due_in(r);
    if (left > 0) {
        (void)sa_timer_set(h->loop, &r->timer, left, on_time, r);
        return;
    }
    SA_CLEANUP(sa_err_free) struct sa_err *e = NULL;
    bool whole = r->opt.timeout_ns > 0 && sa_mono_ns() - r->started_ns >= r->opt.timeout_ns;
    sa_err_set(&e, SA_ENETWORK, "%s within %.0f s",
               whole ? "no complete answer" : "nothing was received",
               (double)(whole ? r->opt.timeout_ns : r->opt.idle_ns) / (double)SA_NS_PER_S);
    wrap(r, &e);
    h->depth++;
    sa_request_finish(r, e);
    sa_http_leave(h);
}

void sa_request_watch_time(struct sa_request *r)
{
    uint64_t due = due_in(r);
    sa_timer_cancel(r->http->loop, &r->timer);
    if (due != UINT64_MAX)
        (void)sa_timer_set(r->http->loop, &r->timer, due, on_time, r);
}

/* To libcurl and back */

static void set_tls(struct sa_request *r)
{
    const struct sa_endpoint *e = r->http->endpoint;
    long verify = e->insecure ? 0L : 1L;
    curl_easy_setopt(r->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(r->easy, CURLOPT_SSL_VERIFYPEER, verify);
    curl_easy_setopt(r->easy, CURLOPT_SSL_VERIFYHOST, 2 * verify);
    curl_easy_setopt(r->easy, CURLOPT_PROXY_SSL_VERIFYPEER, verify);
    curl_easy_setopt(r->easy, CURLOPT_PROXY_SSL_VERIFYHOST, 2 * verify);
    /* The anchors are set in the context: the system's bundle must not be read besides. */
    curl_easy_setopt(r->easy, CURLOPT_CAINFO, NULL);
    curl_easy_setopt(r->easy, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(r->easy, CURLOPT_PROXY_CAINFO, NULL);
    curl_easy_setopt(r->easy, CURLOPT_PROXY_CAPATH, NULL);
    curl_easy_setopt(r->easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
    curl_easy_setopt(r->easy, CURLOPT_SSL_CTX_FUNCTION, sa_http_on_tls_context);
    curl_easy_setopt(r->easy, CURLOPT_SSL_CTX_DATA, r);
}

static void set_connection(struct sa_request *r)
{
    const struct sa_endpoint *e = r->http->endpoint;
    CURL *c = r->easy;
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(c, CURLOPT_PIPEWAIT, 1L);
    curl_easy_setopt(c, CURLOPT_BUFFERSIZE, RECEIVE_BUFFER);
    curl_easy_setopt(c, CURLOPT_UPLOAD_BUFFERSIZE, RECEIVE_BUFFER);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_WITHIN);
    curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(c, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_IDLE);
    curl_easy_setopt(c, CURLOPT_TCP_KEEPINTVL, KEEPALIVE_EVERY);
    curl_easy_setopt(c, CURLOPT_SOCKOPTFUNCTION, sa_http_on_open);
    curl_easy_setopt(c, CURLOPT_SOCKOPTDATA, r);
    curl_easy_setopt(c, CURLOPT_CLOSESOCKETFUNCTION, sa_http_on_close);
    curl_easy_setopt(c, CURLOPT_CLOSESOCKETDATA, r->http);
    /* An empty string keeps libcurl from looking at the environment: that was decided already. */
    curl_easy_setopt(c, CURLOPT_PROXY, e->proxy != NULL ? e->proxy : "");
    curl_easy_setopt(c, CURLOPT_NOPROXY, "");
    curl_easy_setopt(c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    if (e->proxy != NULL && e->https)
        curl_easy_setopt(c, CURLOPT_HTTPPROXYTUNNEL, 1L);
    if (r->http->connect_to != NULL)
        curl_easy_setopt(c, CURLOPT_CONNECT_TO, r->http->connect_to);
    set_tls(r);
}

static int set_request(struct sa_request *r)
{
    CURL *c = r->easy;
    struct sa_buf url;
    sa_buf_init(&url, 0);
    sa_buf_adds(&url, r->http->endpoint->base);
    sa_buf_adds(&url, r->path);
    CURLcode rc = url.failed ? CURLE_OUT_OF_MEMORY : curl_easy_setopt(c, CURLOPT_URL, url.data);
    sa_buf_free(&url);
    if (rc != CURLE_OK)
        return -1;
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(c, CURLOPT_USERAGENT, USER_AGENT);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, r->own);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, r);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, r);
    curl_easy_setopt(c, CURLOPT_PREREQFUNCTION, on_issue);
    curl_easy_setopt(c, CURLOPT_PREREQDATA, r);
    curl_easy_setopt(c, CURLOPT_PRIVATE, r);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, r->error_text);
    if (r->body != NULL) {
        curl_easy_setopt(c, CURLOPT_POSTFIELDS, r->body);
        curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->opt.body_n);
    }
    if (strcmp(r->method, "HEAD") == 0)
        curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
    else if (strcmp(r->method, "GET") != 0 || r->body != NULL)
        curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, r->method);
    return 0;
}

int sa_request_launch(struct sa_request *r, struct sa_identity *i, struct sa_err **err)
{
    struct sa_http *h = r->http;
    sa_identity_release(r->identity);
    r->identity = i;
    link_identity(r);
    r->retry_after_s = -1;
    r->received_ns = sa_mono_ns();
    r->easy = h->n_pool > 0 ? h->pool[--h->n_pool] : curl_easy_init();
    if (r->easy == NULL)
        return sa_err_set(err, SA_EMEMORY, "a request");
    set_connection(r);
    if (set_request(r) != 0)
        return sa_err_set(err, SA_EMEMORY, "a request");
    sa_request_watch_time(r);
    h->counters.requests++;
    CURLMcode rc = curl_multi_add_handle(h->multi, r->easy);
    if (rc != CURLM_OK)
        return sa_err_set(err, SA_EINTERNAL, "libcurl: %s", curl_multi_strerror(rc));
    sa_http_probe_arm(h);
    return 0;
}

void sa_request_detach(struct sa_request *r)
{
    struct sa_http *h = r->http;
    if (r->easy == NULL)
        return;
    (void)curl_multi_remove_handle(h->multi, r->easy);
    if (h->n_pool < SA_HTTP_POOL && !h->freed) {
        curl_easy_reset(r->easy);
        h->pool[h->n_pool++] = r->easy;
    } else {
        curl_easy_cleanup(r->easy);
    }
    r->easy = NULL;
}

/* The end */

static int64_t retry_after_ms(const struct sa_request *r)
{
    int64_t s = r->retry_after_s;
    if (s < 0 || (r->status != 429 && r->status != 503))
        return -1;
    if (r->retry_after_is_date) {
        /* The server's own clock, if it told it: ours may differ. */
        int64_t now = r->date_s > 0 ? r->date_s : (int64_t)time(NULL);
        s = s > now ? s - now : 0;
        s = s < 3600 ? s : 3600;
    }
    return s * 1000;
}

void sa_request_finish(struct sa_request *r, const struct sa_err *error)
{
    struct sa_http *h = r->http;
    struct sa_response response = {
        .status = r->status,
        .sent = r->issued,
        .retry_after_ms = retry_after_ms(r),
        .error = error,
        .body = &r->received,
    };
    memcpy(response.content_type, r->content_type, sizeof(response.content_type));
    if (r->state == SA_REQUEST_RUNNING)
        sa_http_stop_running(h, r);
    else
        sa_http_unlink(&h->waiting, r);
    r->state = SA_REQUEST_DONE;
    sa_timer_cancel(h->loop, &r->timer);
    if (error != NULL || r->status >= 400)
        h->counters.errors++;
    h->depth++;
    r->opt.on_done(r->opt.arg, &response);
    sa_request_free(r);
    sa_http_leave(h);
}

/* Once more with a new credential: nothing of an error's body was handed on. */
static bool try_again(struct sa_request *r)
{
    struct sa_http *h = r->http;
    if (r->status != 401 || r->retried || !sa_credential_rejected(h->cred, r->identity))
        return false;
    sa_http_stop_running(h, r);
    r->retried = true;
    r->issued = false; /* a 401 was not done */
    r->status = 0;
    r->header_bytes = r->header_count = 0;
    r->date_s = 0;
    r->body_cut = false;
    r->content_type[0] = '\0';
    sa_buf_reset(&r->received);
    sa_http_enqueue(h, r);
    return true;
}

/* libcurl's words for HTTP/2 are not everybody's. */
static const char *in_plain_words(CURLcode code, const char *text)
{
    if (code == CURLE_HTTP2_STREAM || strstr(text, "not closed cleanly"))
        return "the server broke off its answer: ";
    return code == CURLE_HTTP2 ? "the server does not keep to HTTP/2: " : "";
}

/* libcurl's words for a header past its own bound, the second since its version 8.6. */
static bool is_long_header(const struct sa_request *r, CURLcode code)
{
    bool large = code == CURLE_OUT_OF_MEMORY;
#if LIBCURL_VERSION_NUM >= 0x080600
    large = large || code == CURLE_TOO_LARGE;
#endif
    return large && r->header_count > 0 && r->received.len == 0;
}

static void explain(struct sa_request *r, CURLcode code, struct sa_err **e)
{
    const char *text = r->error_text[0] != '\0' ? r->error_text : curl_easy_strerror(code);
    const char *fault = r->http->tls_fault;
    if (r->err != NULL) {
        *e = r->err;
        r->err = NULL;
    } else if (is_long_header(r, code)) {
        sa_err_set(e, SA_ELIMIT, "one of the answer's headers is longer than 100 KB");
    } else if (sa_http_curl_code(code) == SA_ETLS && fault[0] != '\0') {
        sa_err_set(e, SA_ETLS, "%s (%s)", text, fault);
    } else {
        sa_err_set(e, sa_http_curl_code(code), "%s%s", in_plain_words(code, text), text);
    }
}

void sa_request_complete(struct sa_request *r, CURLcode code)
{
    SA_CLEANUP(sa_err_free) struct sa_err *e = NULL;
    see_status(r);
    if (code == CURLE_OK || (r->body_cut && r->err == NULL)) {
        if (!try_again(r))
            sa_request_finish(r, NULL);
        return;
    }
    explain(r, code, &e);
    wrap(r, &e);
    sa_request_finish(r, e);
}
