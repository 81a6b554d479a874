/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by the files of the HTTP client:
 *   http.c          the client and its queue: what may start when
 *   http_multi.c    libcurl's sockets and timers in the loop; results
 *   http_request.c  one request: options in, bytes out
 *   http_tls.c      trust, client certificate, the server's fingerprint
 *   http_probe.c    quiet connections, reconnecting
 *   http_status.c   statuses in words; Retry-After
 */
#ifndef SA_WORKER_HTTP_INTERNAL_H
#define SA_WORKER_HTTP_INTERNAL_H

#include <curl/curl.h>

#include "worker/credential_internal.h"
#include "worker/http.h"

#define SA_HTTP_POOL         4u            /* easy handles kept for the next request */
#define SA_HTTP_HEADERS_MAX  (64u * 1024u) /* bytes of a response's headers */
#define SA_HTTP_HEADER_COUNT 256u
#define SA_HTTP_ERROR_BODY   (64u * 1024u) /* bytes kept of a body of status >= 300 */
#define SA_HTTP_BODY         (4u * 1024u * 1024u)
#define SA_HTTP_STREAMS      90u /* of the 100 that a kube-apiserver allows a connection */

/* A descriptor that libcurl uses: a connection, or something of its own (resolver). */
struct sa_http_socket {
    int fd;
    bool tcp;
    uint64_t received_ns; /* when something came last, by sa_mono_ns() */
};

enum sa_request_state { SA_REQUEST_WAITING, SA_REQUEST_RUNNING, SA_REQUEST_DONE };

struct sa_request {
    struct sa_http *http;
    struct sa_request *prev, *next; /* in the queue or among the running */
    enum sa_request_state state;
    bool cancelled;  /* while libcurl was on the stack: to be removed when it has returned */
    bool retried;    /* 401 once */
    bool issued;     /* written to a connection once */
    bool opened;     /* a connection is being made for it */
    uint64_t number; /* in the order of starts */
    struct sa_request_options opt;
    char *method, *path, *body;       /* copies, in one piece of memory with the request */
    char *accept_line, *content_line; /* "Accept: ...", "Content-Type: ..." or NULL */
    struct curl_slist own[4];         /* headers; the last one leads to the identity's */
    struct sa_identity *identity;
    CURL *easy;
    char error_text[CURL_ERROR_SIZE];
    struct sa_err *err; /* what a callback of ours refused */
    /* response */
    int status;
    size_t header_bytes, header_count;
    int64_t retry_after_s, date_s; /* retry_after_s -1: none; date_s 0: none */
    bool retry_after_is_date;
    bool body_cut; /* the rest of an error's body was not wanted */
    char content_type[64];
    struct sa_buf received;
    uint64_t started_ns, received_ns;
    struct sa_timer timer;
};

struct sa_request_list {
    struct sa_request *first, *last;
};

struct sa_http {
    struct sa_loop *loop;
    struct sa_credential *cred;
    const struct sa_endpoint *endpoint;
    CURLM *multi;
    struct curl_slist *connect_to;
    CURL *pool[SA_HTTP_POOL];
    size_t n_pool;
    struct sa_http_socket *sockets;
    size_t n_sockets, sockets_cap;
    struct sa_request_list waiting, running;
    size_t n_running;
    size_t n_lasting;             /* of them, watches */
    size_t lasting_max;           /* at once, where each needs a connection of its own */
    bool http1;                   /* so it was with the last answer */
    size_t room;                  /* streams found to be had beyond SA_HTTP_STREAMS a connection */
    struct sa_request *pioneer;   /* started past the known room: others wait for how it fares */
    uint64_t pioneer_ns;          /* when it started */
    uint64_t pioneer_connections; /* that had been made before it started */
    struct sa_timer curl_timer, kick_timer, rate_timer, probe_timer;
    unsigned depth;    /* of our own callbacks and of libcurl on the stack */
    bool in_curl;      /* libcurl is on the stack: no handle may be added or removed */
    bool reap;         /* a running request was cancelled meanwhile */
    bool connected;    /* a connection was made: those that wait in libcurl are to be looked at */
    bool freed;        /* sa_http_free() was called from a callback */
    bool reconnecting; /* old connections are to be closed before anything starts */
    bool waits;        /* for the credential */
    double allowance, per_second, burst; /* requests that may start now; token bucket */
    uint64_t refilled_ns;
    uint64_t next_number;
    uint64_t tls; /* client certificate that the connections were made with */
    struct sa_request *probe;
    uint64_t probe_started_ns;
    uint64_t quiet_ns, probe_ns; /* so long without a byte: ask; and wait so long for the answer */
    bool has_fingerprint;
    uint8_t fingerprint[32];
    char tls_fault[256]; /* why the last server certificate was refused */
    struct sa_http_counters counters;
};

/* http.c */
void sa_http_kick(struct sa_http *h); /* looks at the queue in the loop's next turn */
void sa_http_enqueue(struct sa_http *h, struct sa_request *r);
void sa_http_settle(struct sa_http *h, const struct sa_request *r, bool good); /* pioneer's fate */
void sa_http_unlink(struct sa_request_list *l, struct sa_request *r);
void sa_http_stop_running(struct sa_http *h, struct sa_request *r); /* from list and libcurl */
void sa_http_leave(struct sa_http *h); /* end of a stretch with depth raised; may free h */

/* http_multi.c */
int sa_http_multi_init(struct sa_http *h, struct sa_err **err);
void sa_http_multi_free(struct sa_http *h);
void sa_http_socket_action(struct sa_http *h, int fd, int mask); /* and handles what is done */
int sa_http_on_open(void *request, curl_socket_t fd, curlsocktype purpose);
int sa_http_on_close(void *arg, curl_socket_t fd);

/* http_request.c */
struct sa_request *sa_request_new(struct sa_http *h, const struct sa_request_options *opt,
                                  struct sa_err **err);
void sa_request_free(struct sa_request *r);
/* Hands r to libcurl; takes the reference to i over. */
int sa_request_launch(struct sa_request *r, struct sa_identity *i, struct sa_err **err);
void sa_request_watch_time(struct sa_request *r); /* sets its timer by its limits and state */
void sa_request_detach(struct sa_request *r);     /* takes it from libcurl again */
/* The end: takes r out of everything, calls on_done, frees r. error: below HTTP, or NULL; owned by
 * the caller. */
void sa_request_finish(struct sa_request *r, const struct sa_err *error);
/* libcurl's result for r. */
void sa_request_complete(struct sa_request *r, CURLcode code);

/* http_tls.c */
CURLcode sa_http_on_tls_context(CURL *easy, void *ssl_ctx, void *arg);

/* http_probe.c */
void sa_http_probe_arm(struct sa_http *h);
void sa_http_close_connections(struct sa_http *h, uint64_t quiet_since_ns);

/* http_status.c */
enum sa_code sa_http_curl_code(CURLcode code);
int64_t sa_http_parse_retry_after(const char *value,
                                  bool *is_date); /* seconds or date; -1: neither */

#endif
