/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to one API server, over as few HTTP/2 connections as its stream limit allows, by
 * libcurl's multi interface in the worker's loop. The client adds credentials, renews them, keeps a
 * dead connection from being waited for (protocol.md 7: TCP keepalive, TCP_USER_TIMEOUT, a small
 * GET with a timeout when a connection was quiet for 30 s), caps the rate, and bounds headers and
 * bodies.
 */
#ifndef SA_WORKER_HTTP_H
#define SA_WORKER_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/loop.h"

struct sa_http;
struct sa_credential; /* worker/credential.h */
struct sa_account;

/* The credential is borrowed and must outlive the client. */
struct sa_http *sa_http_new(struct sa_loop *l, const struct sa_account *account,
                            struct sa_credential *cred, struct sa_err **err);
void sa_http_free(struct sa_http *h); /* cancels what is under way, without callbacks */

struct sa_request;

struct sa_response {
    int status;             /* HTTP status, 0 if none came */
    bool sent;              /* at least a part of the request may have reached the server */
    int64_t retry_after_ms; /* Retry-After of a 429 or 503, else -1 */
    char content_type[64];
    const struct sa_err
        *error; /* what went wrong below HTTP or while reading, else NULL; borrowed */
    const struct sa_buf *body; /* when no on_data was given, and always for status >= 300 (the first
                                  64 KB); never NULL */
};

/* Turns what is not a 2xx answer into an error with the code that fits: SA_EAUTH (401),
 * SA_EFORBIDDEN, SA_ENOTFOUND, SA_EEXPIRED (410), SA_ELIMIT (429), SA_ENETWORK (5xx), SA_EREFUSED
 * (other 4xx), SA_EPROTOCOL (redirects, which are never followed), with the message of the server's
 * Status. what: what was being done. 0 for a 2xx. */
int sa_response_error(const struct sa_response *r, const char *what, struct sa_err **err);

struct sa_request_options {
    const char *method;       /* NULL: GET */
    const char *path;         /* with query, from '/', already percent-encoded; copied */
    const char *accept;       /* NULL: application/json */
    const char *content_type; /* of the body */
    const void *body;         /* copied */
    size_t body_n;
    uint64_t
        timeout_ns; /* of the whole, waiting for its turn included; 0: none. Ends in SA_ENETWORK */
    uint64_t idle_ns; /* longest silence once started; 0: none. Ends in SA_ENETWORK */
    size_t max_body;  /* without on_data; 0: 4 MB */
    bool urgent;      /* not subject to the rate cap */
    bool lasts;       /* a watch: see sa_http_held() */
    /* Body bytes of a 2xx response as they come. -1 with *err ends the request with that error. */
    int (*on_data)(void *arg, const void *p, size_t n, struct sa_err **err);
    /* Exactly once, unless cancelled; the request is gone after it. Starting and cancelling other
     * requests from here is allowed. */
    void (*on_done)(void *arg, const struct sa_response *r);
    void *arg;
};

/* NULL with *err only for lack of memory or a malformed option: all else comes by on_done. */
struct sa_request *sa_http_start(struct sa_http *h, const struct sa_request_options *opt,
                                 struct sa_err **err);
void sa_http_cancel(struct sa_http *h, struct sa_request *r); /* no callback follows */

/* Facts for AccountOpen and status; empty until the first connection. */
const char *sa_http_server(const struct sa_http *h);                /* host:port */
const uint8_t *sa_http_certificate_sha256(const struct sa_http *h); /* 32 bytes or NULL */

/* Closes every connection; the requests under way end with an error, but a GET that has received
 * nothing yet is repeated on a new one (as whenever a connection breaks; no other method is). After
 * a change of credential or on SA_CTL_RECONNECT. */
void sa_http_reconnect(struct sa_http *h);

/* Over HTTP/1.1 each request needs a connection of its own. As many watches as RLIMIT_NOFILE allows
 * beside the other requests run at once; the others wait, and take the place of one that ends. How
 * many wait for that now. */
size_t sa_http_held(const struct sa_http *h);

struct sa_http_counters {
    uint64_t requests, errors, connections, bytes;
};
struct sa_http_counters sa_http_counters(const struct sa_http *h);

#endif
