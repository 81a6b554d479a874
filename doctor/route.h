/* SPDX-License-Identifier: Apache-2.0 */
/* The way to a server, step by step: proxy, name, TCP, TLS. Nothing is sent to it but a handshake.
 */
#ifndef SA_DOCTOR_ROUTE_H
#define SA_DOCTOR_ROUTE_H

#include <curl/curl.h>
#include <openssl/x509.h>

#include "base/pem.h"
#include "doctor/exam.h"

struct sa_route {
    const char *host; /* what is connected to: a name or an address, without brackets */
    uint16_t port;
    const char *url;        /* of the server: "https://name:port" */
    const char *connect_to; /* for CURLOPT_CONNECT_TO, or NULL */
    const char *name;       /* that the certificate must be for */
    const char *proxy;      /* URL, may hold a password; NULL: none */
    bool tls, h2_needed;
    bool insecure;                     /* the certificate is not verified */
    X509_STORE *roots;                 /* borrowed */
    const struct sa_pem_identity *pem; /* our certificate, borrowed; NULL or empty: none */
    const char *trust_key;             /* where our CA comes from, in words */
    const char *port_key;              /* what names host and port, in words */
    const char *refused_fix;           /* what else a closed port may mean: " ...", or NULL */
    const char *plain_fix;             /* what to do where the other side speaks no TLS */
};

/* What the handshake showed. */
struct sa_route_tls {
    bool done;       /* handshake complete */
    bool wants_cert; /* the server asked for a certificate, and we had none */
    bool h2;
    char version[16];
};

/* Adds the findings proxy, dns, tcp and tls. False: the server can't be reached so; what comes
 * after makes no sense. */
bool sa_route_walk(struct sa_exam *x, const struct sa_route *r, struct sa_route_tls *tls);
extern const char *const sa_route_checks[]; /* their names, for those who skip them */

/* tls.c: the handshake, and its finding. */
bool sa_route_handshake(struct sa_exam *x, const struct sa_route *r, struct sa_route_tls *tls);
/* Where to, by which proxy; timeouts. */
void sa_route_set(const struct sa_route *r, CURL *c);
/* For CURLOPT_SSL_CTX_FUNCTION, with the route: its roots and certificate. */
CURLcode sa_route_context(CURL *c, void *ctx, void *route);
/* Does a server complete a TLS handshake there, whatever its certificate? */
bool sa_route_speaks_tls(const struct sa_route *r);

#endif
