/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/grpc_call.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "uplink/grpc_queue.h"

#define CONNECT_SECONDS 20L /* as gRPC's own libraries */
#define UPLOAD_BUFFER   (256L * 1024L)

struct sa_call {
    struct sa_loop *loop;
    const struct sa_call_events *ev;
    void *arg;
    CURLM *multi;
    CURL *easy;
    struct curl_slist *headers, *connect_to;
    struct sa_timer timer; /* libcurl's */
    struct sa_timer kick;  /* resumes the upload, reports the end: never from within a callback */
    struct sa_grpc_queue queue;
    uint64_t received;
    struct sa_grpc_frames frames;
    struct sa_err *failure; /* found by us while libcurl was calling */
    long grpc_status;       /* -1: none was seen */
    char grpc_message[512];
    bool paused, finishing, grpc_content, over;
    bool tls, certificate; /* over TLS; with a certificate of ours */
    curl_socket_t fd;      /* the connection, while libcurl watches it; or bad */
    curl_socket_t sending; /* the same, while libcurl waits for room to send; or bad */
    unsigned waited;       /* turns since the status came */
    CURLcode result;
    char text[CURL_ERROR_SIZE];
};

/* How long libcurl has to end a call whose status came. */
#define STATUS_TURN_NS (10 * SA_NS_PER_MS)
#define STATUS_TURNS   50

static void drive(struct sa_call *c, curl_socket_t fd, int what);
static void on_kick(void *arg);

static void on_timer(void *arg)
{
    drive(arg, CURL_SOCKET_TIMEOUT, 0);
}

static int set_timer(CURLM *multi, long ms, void *arg)
{
    struct sa_call *c = arg;

    (void)multi;
    if (ms < 0) {
        sa_timer_cancel(c->loop, &c->timer);
        return 0;
    }
    return sa_timer_set(c->loop, &c->timer, (uint64_t)ms * SA_NS_PER_MS, on_timer, c);
}

static void on_fd(void *arg, int fd, uint32_t events)
{
    int what = (events & EPOLLIN ? CURL_CSELECT_IN : 0) |
               (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
               (events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);

    drive(arg, fd, what);
}

static int set_fd(CURL *easy, curl_socket_t fd, int what, void *arg, void *unused)
{
    struct sa_call *c = arg;
    uint32_t events = (what & CURL_POLL_IN ? (uint32_t)EPOLLIN : 0) |
                      (what & CURL_POLL_OUT ? (uint32_t)EPOLLOUT : 0);

    (void)easy;
    (void)unused;
    c->fd = what == CURL_POLL_REMOVE ? CURL_SOCKET_BAD : fd;
    c->sending = what != CURL_POLL_REMOVE && (what & CURL_POLL_OUT) ? fd : CURL_SOCKET_BAD;
    if (what == CURL_POLL_REMOVE) {
        sa_loop_fd_remove(c->loop, fd);
        /* While the upload pauses libcurl watches the socket for the answer alone. That it does so
         * no more means that the answer has ended, and that it would wait for the upload for ever.
         */
        if (c->paused)
            sa_call_finish(c);
        return 0;
    }
    return sa_loop_fd(c->loop, fd, events, on_fd, c, NULL);
}

/* libcurl wants bytes for the request's body. */
static size_t on_read(char *out, size_t size, size_t n, void *arg)
{
    struct sa_call *c = arg;
    size_t put = sa_grpc_queue_read(&c->queue, out, size * n, c->ev->left, c->arg);

    if (put > 0 || c->finishing)
        return put;
    c->paused = true;
    return CURL_READFUNC_PAUSE;
}

static size_t on_write(char *p, size_t size, size_t n, void *arg)
{
    struct sa_call *c = arg;

    c->received += size * n;
    if (c->failure ||
        sa_grpc_frames_feed(&c->frames, p, size * n, c->ev->message, c->arg, &c->failure) < 0)
        return 0;
    return size * n;
}

/* The value of a header "name: value", without white space around; NULL if it is another header. */
static const char *header_value(const char *p, size_t n, const char *name, size_t *len)
{
    size_t name_len = strlen(name);

    if (n <= name_len || strncasecmp(p, name, name_len) != 0 || p[name_len] != ':')
        return NULL;
    p += name_len + 1;
    n -= name_len + 1;
    while (n > 0 && (*p == ' ' || *p == '\t')) {
        p++;
        n--;
    }
    while (n > 0 && (p[n - 1] == '\n' || p[n - 1] == '\r' || p[n - 1] == ' '))
        n--;
    *len = n;
    return p;
}

/* Headers, and trailers after the body; an answer without a body has all in its headers. */
static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
    struct sa_call *c = arg;
    const char *v;
    size_t len;

    if ((v = header_value(p, size * n, "grpc-status", &len)) != NULL) {
        char digits[8] = "";
        char *end = NULL;

        if (len > 0 && len < sizeof digits) {
            memcpy(digits, v, len);
            digits[len] = '\0';
            c->grpc_status = strtol(digits, &end, 10);
        }
        if (!end || *end != '\0' || c->grpc_status < 0)
            c->grpc_status = 2; /* UNKNOWN, for what can't be read */
        /* The call is over; libcurl would go on waiting for the rest of the upload. */
        sa_call_finish(c);
    } else if ((v = header_value(p, size * n, "grpc-message", &len)) != NULL) {
        sa_grpc_decode_message(v, len, c->grpc_message, sizeof c->grpc_message);
    } else if ((v = header_value(p, size * n, "content-type", &len)) != NULL) {
        c->grpc_content = len >= 16 && strncasecmp(v, "application/grpc", 16) == 0;
    }
    return size * n;
}

static enum sa_code code_of_status(long status)
{
    switch (status) {
    case 7:
        return SA_EFORBIDDEN;
    case 8:
        return SA_ELIMIT;
    case 14:
        return SA_ENETWORK;
    case 16:
        return SA_EAUTH;
    case 9:
    case 10:
        return SA_EREFUSED;
    default:
        return SA_EPROTOCOL;
    }
}

static void status_error(const struct sa_call *c, struct sa_err **err)
{
    const char *name = sa_grpc_status_name(c->grpc_status);
    const char *hint = "";

    if (c->grpc_status == 12)
        hint = " (is this Clouddriver, with the plugin loaded?)";
    else if (c->grpc_status == 16)
        hint = " (see clouddriver.auth)";
    sa_err_set(err, code_of_status(c->grpc_status), "the other side ended the call: %s%s%s%s",
               name ? name : "unknown status", c->grpc_message[0] ? ": " : "", c->grpc_message,
               hint);
}

static void http_error(const struct sa_call *c, long status, struct sa_err **err)
{
    enum sa_code code = status == 401   ? SA_EAUTH
                        : status == 403 ? SA_EFORBIDDEN
                        : status == 404 ? SA_EPROTOCOL
                                        : SA_ENETWORK;

    if (status != 200)
        sa_err_set(err, code,
                   "HTTP status %ld: no gRPC server of ours answers there, or a proxy does",
                   status);
    else if (!c->grpc_content)
        sa_err_set(err, SA_EPROTOCOL, "the answer is no gRPC: is the port right?");
    else
        sa_err_set(err, SA_ENETWORK, "the stream ended without a status");
}

/* It closed the connection when it had seen our certificate, or that there is none, and our first
 * bytes came too late to hear why: libcurl's words for that are of no help. */
static bool closed_early(const struct sa_call *c)
{
    return c->received == 0 && (c->result == CURLE_SEND_ERROR || c->result == CURLE_RECV_ERROR);
}

static const char *closed_text(const struct sa_call *c)
{
    if (!c->tls)
        return "the other side closed the connection";
    return c->certificate
               ? "the other side closed the connection: does it accept the client certificate?"
               : "the other side closed the connection: does it want a client certificate "
                 "(clouddriver.tls.clientCertFile)?";
}

/* libcurl 8 hands on nghttp2's words for an answer that is no HTTP/2; with 7.88 it is no answer. */
static bool is_no_http2(const struct sa_call *c)
{
    return c->received == 0 && strstr(c->text, "expected SETTINGS frame") != NULL;
}

static void curl_error(const struct sa_call *c, struct sa_err **err)
{
    const char *text = c->text[0] ? c->text : curl_easy_strerror(c->result);
    enum sa_code code = SA_ENETWORK;

    switch (is_no_http2(c) ? CURLE_GOT_NOTHING : c->result) {
    case CURLE_GOT_NOTHING:
        text = "no answer came: does a gRPC server listen there?";
        break;
    case CURLE_PARTIAL_FILE:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        text = "the other side went away without ending the stream";
        break;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
        code = SA_ETLS;
        break;
    default:
        /* With TLS 1.3 the server judges our certificate after the handshake. */
        if (strstr(text, "alert") || (c->tls && closed_early(c)))
            code = SA_ETLS;
        if (closed_early(c) && !strstr(text, "alert"))
            text = closed_text(c);
        break;
    }
    sa_err_set(err, code, "%s", text);
}

static void report_end(struct sa_call *c)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    long http = 0;

    curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &http);
    if (c->failure) {
        err = c->failure;
        c->failure = NULL;
    } else if (c->grpc_status > 0) {
        status_error(c, &err);
    } else if (c->grpc_status < 0 && c->result != CURLE_OK) {
        curl_error(c, &err);
    } else if (c->grpc_status < 0) {
        http_error(c, http, &err);
    }
    c->ev->end(c->arg, err);
}

/* The status came, and with it the end of the answer. libcurl takes the call for ended once both
 * halves are, but finds that out when it next reads, and nothing more need come: grpc-java, for
 * one, sends no RST_STREAM. So it is made to read; and if it is still busy with the upload after a
 * while, that does not matter any more.
 */
static void end_after_status(struct sa_call *c)
{
    if (c->fd != CURL_SOCKET_BAD)
        drive(c, c->fd, CURL_CSELECT_IN);
    if (c->over)
        return;
    if (++c->waited > STATUS_TURNS) {
        c->over = true;
        c->result = CURLE_OK;
    }
    sa_timer_set(c->loop, &c->kick, c->over ? 0 : STATUS_TURN_NS, on_kick, c);
}

/* In a turn of its own, so that the owner may free the call or send more. */
static void on_kick(void *arg)
{
    struct sa_call *c = arg;

    if (c->over) {
        report_end(c);
        return;
    }
    if (c->paused && (c->queue.first || c->finishing)) {
        c->paused = false;
        curl_easy_pause(c->easy, CURLPAUSE_CONT);
        drive(c, CURL_SOCKET_TIMEOUT, 0);
    } else if (c->queue.first && c->received > 0 && c->sending != CURL_SOCKET_BAD) {
        /* Not paused: it would send in the next turn, which may come after a rest. */
        drive(c, c->sending, CURL_CSELECT_OUT);
    }
    if (!c->over && c->grpc_status >= 0)
        end_after_status(c);
}

static void kick(struct sa_call *c)
{
    if (!sa_timer_armed(&c->kick))
        sa_timer_set(c->loop, &c->kick, 0, on_kick, c);
}

static void drive(struct sa_call *c, curl_socket_t fd, int what)
{
    CURLMsg *m;
    int left = 0, running = 0;

    curl_multi_socket_action(c->multi, fd, what, &running);
    while ((m = curl_multi_info_read(c->multi, &left)) != NULL) {
        if (m->msg != CURLMSG_DONE || c->over)
            continue;
        c->over = true;
        c->result = m->data.result;
        kick(c);
    }
}

static int add_header(struct sa_call *c, const char *line)
{
    struct curl_slist *more = curl_slist_append(c->headers, line);

    if (!more)
        return -1;
    c->headers = more;
    return 0;
}

static int set_headers(struct sa_call *c, const struct sa_call_options *o)
{
    static const char *const lines[] = {"content-type: application/grpc", "te: trailers",
                                        "grpc-accept-encoding: identity", "accept:", "expect:"};
    SA_CLEANUP(sa_buf_free) struct sa_buf auth = {0};
    int rc = 0;

    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        if (add_header(c, lines[i]) < 0)
            return -1;
    if (o->token) {
        rc = sa_buf_addf(&auth, "authorization: Bearer %s", o->token) < 0 ||
                     add_header(c, auth.data) < 0
                 ? -1
                 : 0;
        sa_buf_wipe(&auth);
    }
    return rc;
}

/* The URL names whom we expect there (TLS, :authority); connect_to says where that is. */
static int set_target(struct sa_call *c, const struct sa_call_options *o)
{
    const char *name = o->server_name && *o->server_name ? o->server_name : o->host;
    const char *l = strchr(name, ':') ? "[" : "", *r = *l ? "]" : "";
    const char *hl = strchr(o->host, ':') ? "[" : "", *hr = *hl ? "]" : "";
    SA_CLEANUP(sa_buf_free) struct sa_buf b = {0};

    if (sa_buf_addf(&b, "%s://%s%s%s:%u%s", o->scheme, l, name, r, o->port, o->path) < 0 ||
        curl_easy_setopt(c->easy, CURLOPT_URL, b.data) != CURLE_OK)
        return -1;
    if (name == o->host)
        return 0;
    sa_buf_reset(&b);
    if (sa_buf_addf(&b, "::%s%s%s:%u", hl, o->host, hr, o->port) < 0 ||
        !(c->connect_to = curl_slist_append(NULL, b.data)))
        return -1;
    return curl_easy_setopt(c->easy, CURLOPT_CONNECT_TO, c->connect_to) == CURLE_OK ? 0 : -1;
}

static int set_blob(CURL *easy, CURLoption option, const char *p, size_t n)
{
    struct curl_blob blob = {.data = (void *)(uintptr_t)p, .len = n, .flags = CURL_BLOB_COPY};

    return !p || curl_easy_setopt(easy, option, &blob) == CURLE_OK ? 0 : -1;
}

static int set_tls(struct sa_call *c, const struct sa_call_options *o)
{
    CURL *e = c->easy;
    /* The key may stand in the certificate's file. */
    const char *key = o->key ? o->key : o->cert;
    size_t key_len = o->key ? o->key_len : o->cert_len;

    if (curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, o->skip_verify ? 0L : 1L) != CURLE_OK ||
        curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, o->skip_verify ? 0L : 2L) != CURLE_OK ||
        curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) != CURLE_OK)
        return -1;
    if (o->key_password && curl_easy_setopt(e, CURLOPT_KEYPASSWD, o->key_password) != CURLE_OK)
        return -1;
    return set_blob(e, CURLOPT_SSLCERT_BLOB, o->cert, o->cert_len) < 0 ||
                   set_blob(e, CURLOPT_SSLKEY_BLOB, key, key_len) < 0 ||
                   set_blob(e, CURLOPT_CAINFO_BLOB, o->ca, o->ca_len) < 0
               ? -1
               : 0;
}

static int set_transfer(struct sa_call *c, const struct sa_call_options *o)
{
    CURL *e = c->easy;
    bool tls = strcmp(o->scheme, "https") == 0;
    long version = tls ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE;

    return curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) != CURLE_OK ||
                   curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https") != CURLE_OK ||
                   curl_easy_setopt(e, CURLOPT_HTTP_VERSION, version) != CURLE_OK ||
                   curl_easy_setopt(e, CURLOPT_POST, 1L) != CURLE_OK ||
                   curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE,
                                    o->empty ? (curl_off_t)0 : (curl_off_t)-1) != CURLE_OK ||
                   curl_easy_setopt(e, CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BUFFER) != CURLE_OK ||
                   curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS) != CURLE_OK ||
                   curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L) != CURLE_OK ||
                   curl_easy_setopt(e, CURLOPT_USERAGENT, "scale-agent/" SA_VERSION) != CURLE_OK ||
                   curl_easy_setopt(e, CURLOPT_HTTPHEADER, c->headers) != CURLE_OK ||
                   curl_easy_setopt(e, CURLOPT_ERRORBUFFER, c->text) != CURLE_OK ||
                   curl_easy_setopt(e, CURLOPT_READFUNCTION, on_read) != CURLE_OK ||
                   curl_easy_setopt(e, CURLOPT_READDATA, c) != CURLE_OK ||
                   curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_write) != CURLE_OK ||
                   curl_easy_setopt(e, CURLOPT_WRITEDATA, c) != CURLE_OK ||
                   curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header) != CURLE_OK ||
                   curl_easy_setopt(e, CURLOPT_HEADERDATA, c) != CURLE_OK ||
                   /* a proxy must pass HTTP/2 through: always by CONNECT */
                   curl_easy_setopt(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L) != CURLE_OK ||
                   curl_easy_setopt(e, CURLOPT_HTTPPROXYTUNNEL, o->proxy ? 1L : 0L) != CURLE_OK ||
                   curl_easy_setopt(e, CURLOPT_PROXY, o->proxy ? o->proxy : "") != CURLE_OK
               ? -1
               : 0;
}

static int set_multi(struct sa_call *c)
{
    c->multi = curl_multi_init();
    return !c->multi || curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, set_fd) != CURLM_OK ||
                   curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c) != CURLM_OK ||
                   curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, set_timer) != CURLM_OK ||
                   curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c) != CURLM_OK ||
                   curl_multi_add_handle(c->multi, c->easy) != CURLM_OK
               ? -1
               : 0;
}

struct sa_call *sa_call_new(struct sa_loop *l, const struct sa_call_options *o,
                            const struct sa_call_events *ev, void *arg, struct sa_err **err)
{
    struct sa_call *c = calloc(1, sizeof *c);

    if (!c) {
        sa_err_set(err, SA_EMEMORY, "no memory for a call");
        return NULL;
    }
    c->loop = l;
    c->fd = c->sending = CURL_SOCKET_BAD;
    c->ev = ev;
    c->arg = arg;
    c->grpc_status = -1;
    sa_grpc_frames_init(&c->frames);
    c->easy = curl_easy_init();
    c->finishing = o->empty;
    c->tls = strcmp(o->scheme, "https") == 0;
    c->certificate = o->cert != NULL;
    if (c->easy && set_headers(c, o) == 0 && set_target(c, o) == 0 && set_tls(c, o) == 0 &&
        set_transfer(c, o) == 0 && set_multi(c) == 0)
        return c;
    sa_call_free(c);
    sa_err_set(err, SA_EINTERNAL, "libcurl does not take the options of the call");
    return NULL;
}

void sa_call_free(struct sa_call *c)
{
    if (!c)
        return;
    if (c->multi && c->easy)
        curl_multi_remove_handle(c->multi, c->easy);
    curl_easy_cleanup(c->easy);
    curl_multi_cleanup(c->multi);
    sa_timer_cancel(c->loop, &c->timer);
    sa_timer_cancel(c->loop, &c->kick);
    curl_slist_free_all(c->headers);
    curl_slist_free_all(c->connect_to);
    sa_grpc_frames_free(&c->frames);
    sa_err_free(&c->failure);
    sa_grpc_queue_free(&c->queue);
    free(c);
}

static int send_one(struct sa_call *c, uint32_t tag, bool urgent, struct sa_grpc_piece head,
                    struct sa_grpc_piece body, struct sa_err **err)
{
    size_t n = head.n + body.n;

    if (n > SA_GRPC_MAX)
        return sa_err_set(err, SA_ELIMIT, "a message of %zu bytes is longer than %u", n,
                          SA_GRPC_MAX);
    if (sa_grpc_queue_add(&c->queue, tag, urgent, head, body) < 0)
        return sa_err_set(err, SA_EMEMORY, "no memory for a message of %zu bytes", n);
    kick(c);
    return 0;
}

int sa_call_send(struct sa_call *c, uint32_t tag, const void *head, size_t head_len,
                 const void *body, size_t body_len, struct sa_err **err)
{
    return send_one(c, tag, false, (struct sa_grpc_piece){head, head_len},
                    (struct sa_grpc_piece){body, body_len}, err);
}

int sa_call_send_first(struct sa_call *c, uint32_t tag, const void *head, size_t head_len,
                       const void *body, size_t body_len, struct sa_err **err)
{
    return send_one(c, tag, true, (struct sa_grpc_piece){head, head_len},
                    (struct sa_grpc_piece){body, body_len}, err);
}

size_t sa_call_queued(const struct sa_call *c)
{
    return c->queue.bytes;
}

void sa_call_finish(struct sa_call *c)
{
    c->finishing = true;
    kick(c);
}

bool sa_call_lost_answer(const struct sa_call *c)
{
    return c->over && c->result == CURLE_GOT_NOTHING && c->grpc_status < 0 && !c->failure;
}

uint64_t sa_call_received(const struct sa_call *c)
{
    return c->received;
}
