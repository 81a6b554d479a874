/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trust anchors and client certificate were parsed once and are put into each connection's context
 * as they are, so no connection keeps a copy of them, and no key is ever PEM again.
 *
 * TLS sessions are not resumed (see http_request.c): a resumed session would go on with the client
 * certificate of the first one, and would not show the server's.
 */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>

#include "worker/http_internal.h"

/* Text of a name for people: printable bytes only. */
static void name_text(const X509_NAME *name, char *out, size_t n)
{
    char *line = X509_NAME_oneline(name, NULL, 0);
    snprintf(out, n, "%s", line != NULL ? line : "");
    OPENSSL_free(line);
    for (char *p = out; *p != '\0'; p++) {
        if (*p < ' ' || *p > '~')
            *p = '?';
    }
}

static void note_fault(struct sa_http *h, X509_STORE_CTX *x, X509 *cert)
{
    char subject[96] = "", issuer[96] = "", from[32] = "", to[32] = "";
    int code = X509_STORE_CTX_get_error(x);
    if (cert != NULL) {
        name_text(X509_get_subject_name(cert), subject, sizeof(subject));
        name_text(X509_get_issuer_name(cert), issuer, sizeof(issuer));
        sa_pem_date(sa_pem_time(X509_get0_notBefore(cert)), from);
        sa_pem_date(sa_pem_time(X509_get0_notAfter(cert)), to);
    }
    if (code == X509_V_ERR_CERT_HAS_EXPIRED || code == X509_V_ERR_CERT_NOT_YET_VALID)
        snprintf(h->tls_fault, sizeof(h->tls_fault), "certificate of %s is valid from %s to %s",
                 subject, from, to);
    else
        snprintf(h->tls_fault, sizeof(h->tls_fault),
                 "%s; certificate of %s, issued by %s: is it the CA of the kubeconfig?",
                 X509_verify_cert_error_string(code), subject, issuer);
}

/* For each certificate of the server's chain; depth 0 is its own. */
static int on_verify(int ok, X509_STORE_CTX *x)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(x, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct sa_http *h = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    X509 *cert = X509_STORE_CTX_get_current_cert(x);
    bool verifies = (SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER) != 0;
    if (!ok && verifies) {
        note_fault(h, x, cert);
        return 0;
    }
    unsigned n = 0;
    uint8_t sum[EVP_MAX_MD_SIZE];
    if (X509_STORE_CTX_get_error_depth(x) == 0 && cert != NULL &&
        X509_digest(cert, EVP_sha256(), sum, &n) == 1 && n == sizeof(h->fingerprint)) {
        memcpy(h->fingerprint, sum, sizeof(h->fingerprint));
        h->has_fingerprint = true;
    }
    return 1;
}

CURLcode sa_http_on_tls_context(CURL *easy, void *ssl_ctx, void *arg)
{
    struct sa_request *r = arg;
    struct sa_http *h = r->http;
    const struct sa_identity *i = r->identity;
    SSL_CTX *ctx = ssl_ctx;
    (void)easy;
    h->tls_fault[0] = '\0';
    SSL_CTX_set_app_data(ctx, h);
    SSL_CTX_set_verify(ctx, SSL_CTX_get_verify_mode(ctx), on_verify);
    /* A quiet connection gives its 34 KB of buffers back. */
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
    bool ok = true;
    if (i->roots != NULL)
        SSL_CTX_set1_cert_store(ctx, i->roots);
    if (i->pem.cert != NULL)
        ok = SSL_CTX_use_cert_and_key(ctx, i->pem.cert, i->pem.key, i->pem.chain, 1) == 1;
    ERR_clear_error();
    return ok ? CURLE_OK : CURLE_SSL_CERTPROBLEM;
}
