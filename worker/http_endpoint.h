/* SPDX-License-Identifier: Apache-2.0 */
/* Where requests go: the server of a cluster, and the proxy in front of it, in libcurl's terms. */
#ifndef SA_WORKER_HTTP_ENDPOINT_H
#define SA_WORKER_HTTP_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct sa_endpoint {
    bool https;
    char *base;        /* "https://name:port/prefix" without a slash at its end; name is what the
                          certificate must be for */
    char *connect_to;  /* entry for CURLOPT_CONNECT_TO where name is not the address, or NULL */
    char *host_header; /* "Host: address:port" that goes with it, or NULL */
    char *server;      /* "address:port", for people */
    uint16_t port;
    bool insecure; /* certificates are not verified; set by the credential */
    char *proxy;   /* URL for CURLOPT_PROXY, may hold a password; NULL: none */
    uint16_t proxy_port;
};

/*
 * server: http or https URL. tls_server_name: NULL or the name to verify and to ask for (SNI).
 * proxy_url: of the cluster, or NULL; then with use_env the environment's HTTPS_PROXY, HTTP_PROXY
 * and NO_PROXY count, by the rules of Go's httpproxy, as for kubectl.
 * Errors (SA_ECONFIG) quote neither URL, which may hold passwords.
 */
int sa_endpoint_make(const char *server, const char *tls_server_name, const char *proxy_url,
                     bool use_env, struct sa_endpoint *out, struct sa_err **err);
void sa_endpoint_free(struct sa_endpoint *e);

/* True if NO_PROXY (the list) says that host (lower case, no brackets) at port gets no proxy. */
bool sa_no_proxy(const char *list, const char *host, uint16_t port);

#endif
