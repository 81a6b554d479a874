/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TLS handshake. It is carried to its end whatever the certificates are, so that it can be said
 * which of them is wrong and why; nothing is sent over a connection that was made so.
 */
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "doctor/route.h"

#define WITHIN_MS 10000L
#define SOON      (7 * 86400) /* seconds before a certificate ends that are worth a word */
#define CERTS     10
#define TEXT      160

struct seen {
    const struct sa_route *route;
    struct sa_route_tls *tls;
    int fault, depth; /* the first that was wrong; X509_V_OK: none */
    char subject[TEXT], issuer[TEXT];
    int64_t not_before, not_after;
    bool is_named;    /* the server's own is for the name */
    char names[TEXT]; /* that it is for */
    int64_t ends;     /* the first of the chain that does */
    char ends_of[TEXT];
    int n;
};

static void name_text(const X509_NAME *name, char out[TEXT])
{
    char *line = X509_NAME_oneline(name, NULL, 0);
    snprintf(out, TEXT, "%s", line != NULL ? line : "?");
    OPENSSL_free(line);
    for (char *p = out; *p != '\0'; p++) {
        if (*p < ' ' || *p > '~')
            *p = '?';
    }
}

static int on_verify(int ok, X509_STORE_CTX *x)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(x, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct seen *s = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    X509 *cert = X509_STORE_CTX_get_current_cert(x);
    if (ok || s->fault != X509_V_OK)
        return 1;
    s->fault = X509_STORE_CTX_get_error(x);
    s->depth = X509_STORE_CTX_get_error_depth(x);
    if (cert != NULL) {
        name_text(X509_get_subject_name(cert), s->subject);
        name_text(X509_get_issuer_name(cert), s->issuer);
        s->not_before = sa_pem_time(X509_get0_notBefore(cert));
        s->not_after = sa_pem_time(X509_get0_notAfter(cert));
    }
    return 1;
}

static int on_wants_cert(SSL *ssl, X509 **cert, EVP_PKEY **key)
{
    struct seen *s = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    (void)cert;
    (void)key;
    s->tls->wants_cert = true;
    return 0;
}

/* The names of a certificate's subjectAltName, as far as there is room. */
static void list_names(const X509 *cert, char out[TEXT])
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    size_t at = 0;
    out[0] = '\0';
    for (int i = 0; names != NULL && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);
        char one[96] = "";
        if (g->type == GEN_DNS)
            snprintf(one, sizeof one, "%.*s", ASN1_STRING_length(g->d.dNSName),
                     (const char *)ASN1_STRING_get0_data(g->d.dNSName));
        else if (g->type == GEN_IPADD)
            (void)inet_ntop(ASN1_STRING_length(g->d.iPAddress) == 4 ? AF_INET : AF_INET6,
                            ASN1_STRING_get0_data(g->d.iPAddress), one, sizeof one);
        if (one[0] == '\0' || at + strlen(one) + 3 > TEXT)
            continue;
        at += (size_t)snprintf(out + at, TEXT - at, "%s%s", at > 0 ? ", " : "", one);
    }
    GENERAL_NAMES_free(names);
    for (char *p = out; *p != '\0'; p++) {
        if (*p < ' ' || *p > '~')
            *p = '?';
    }
}

static bool is_for(X509 *cert, const char *name)
{
    unsigned char bytes[16];
    bool address = inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
    return address ? X509_check_ip_asc(cert, name, 0) == 1
                   : X509_check_host(cert, name, 0, 0, NULL) == 1;
}

static void look_at_chain(struct seen *s, const SSL *ssl)
{
    STACK_OF(X509) *chain = SSL_get_peer_cert_chain(ssl);
    s->n = chain != NULL ? sk_X509_num(chain) : 0;
    for (int i = 0; i < s->n && i < CERTS; i++) {
        X509 *cert = sk_X509_value(chain, i);
        int64_t ends = sa_pem_time(X509_get0_notAfter(cert));
        if (i == 0) {
            s->is_named = is_for(cert, s->route->name);
            list_names(cert, s->names);
        }
        if (i == 0 || ends < s->ends) {
            s->ends = ends;
            name_text(X509_get_subject_name(cert), s->ends_of);
        }
    }
}

static void on_info(const SSL *ssl, int where, int ret)
{
    struct seen *s = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    const unsigned char *proto = NULL;
    unsigned n = 0;
    (void)ret;
    if ((where & SSL_CB_HANDSHAKE_DONE) == 0 || s->tls->done)
        return;
    s->tls->done = true;
    SSL_get0_alpn_selected(ssl, &proto, &n);
    s->tls->h2 = n == 2 && memcmp(proto, "h2", 2) == 0;
    snprintf(s->tls->version, sizeof s->tls->version, "%s", SSL_get_version(ssl));
    look_at_chain(s, ssl);
}

CURLcode sa_route_context(CURL *c, void *ctx, void *route)
{
    const struct sa_route *r = route;
    bool ok = true;
    (void)c;
    if (r->roots != NULL)
        SSL_CTX_set1_cert_store(ctx, r->roots);
    if (r->pem != NULL && r->pem->cert != NULL)
        ok = SSL_CTX_use_cert_and_key(ctx, r->pem->cert, r->pem->key, r->pem->chain, 1) == 1;
    ERR_clear_error();
    return ok ? CURLE_OK : CURLE_SSL_CERTPROBLEM;
}

static CURLcode on_context(CURL *c, void *ctx, void *arg)
{
    struct seen *s = arg;
    SSL_CTX_set_app_data(ctx, s);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, on_verify);
    SSL_CTX_set_info_callback(ctx, on_info);
    if (s->route->pem == NULL || s->route->pem->cert == NULL)
        SSL_CTX_set_client_cert_cb(ctx, on_wants_cert);
    return sa_route_context(c, ctx, (void *)(uintptr_t)s->route);
}

void sa_route_set(const struct sa_route *r, CURL *c)
{
    curl_easy_setopt(c, CURLOPT_URL, r->url);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, WITHIN_MS);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, WITHIN_MS);
    curl_easy_setopt(c, CURLOPT_PROXY, r->proxy != NULL ? r->proxy : "");
    curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    if (r->proxy != NULL)
        curl_easy_setopt(c, CURLOPT_HTTPPROXYTUNNEL, 1L);
}

static CURLcode shake(struct seen *s, char text[CURL_ERROR_SIZE])
{
    struct curl_slist *to =
        s->route->connect_to != NULL ? curl_slist_append(NULL, s->route->connect_to) : NULL;
    CURL *c = curl_easy_init();
    CURLcode rc = CURLE_OUT_OF_MEMORY;
    text[0] = '\0';
    if (c != NULL) {
        sa_route_set(s->route, c);
        if (to != NULL)
            curl_easy_setopt(c, CURLOPT_CONNECT_TO, to);
        curl_easy_setopt(c, CURLOPT_ERRORBUFFER, text);
        curl_easy_setopt(c, CURLOPT_CONNECT_ONLY, 1L);
        curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L);
        curl_easy_setopt(c, CURLOPT_SSL_CTX_FUNCTION, on_context);
        curl_easy_setopt(c, CURLOPT_SSL_CTX_DATA, s);
        rc = curl_easy_perform(c);
    }
    if (text[0] == '\0')
        snprintf(text, CURL_ERROR_SIZE, "%s", curl_easy_strerror(rc));
    curl_easy_cleanup(c);
    curl_slist_free_all(to);
    return rc;
}

bool sa_route_speaks_tls(const struct sa_route *r)
{
    char text[CURL_ERROR_SIZE], url[512];
    struct sa_route_tls tls = {0};
    struct sa_route encrypted = *r;
    struct seen s = {.route = &encrypted, .tls = &tls};
    const char *rest = strstr(r->url, "://");
    snprintf(url, sizeof url, "https%s", rest != NULL ? rest : "");
    encrypted.url = url;
    return shake(&s, text) == CURLE_OK && tls.done;
}

/* Which certificate fails, why, and what to do. */
static void say_fault(struct sa_exam *x, const struct sa_route *r, const struct seen *s)
{
    char from[32], to[32], fix[600], which[64];
    if (s->depth == 0)
        snprintf(which, sizeof which, "the server's certificate");
    else
        snprintf(which, sizeof which, "certificate %d of the server's chain", s->depth + 1);
    sa_pem_date(s->not_before, from);
    sa_pem_date(s->not_after, to);
    if (s->fault == X509_V_ERR_CERT_HAS_EXPIRED) {
        sa_exam_bad(x, SA_HEALTH_ERROR, "tls",
                    "Renew it at the server (kubeadm: kubeadm certs renew all); if the date looks "
                    "right, this machine's clock is wrong.",
                    "%s, %s, expired on %s", which, s->subject, to);
    } else if (s->fault == X509_V_ERR_CERT_NOT_YET_VALID) {
        sa_exam_bad(x, SA_HEALTH_ERROR, "tls",
                    "Set this machine's clock, or the server's that made the certificate.",
                    "%s, %s, is not valid before %s", which, s->subject, from);
    } else {
        snprintf(fix, sizeof fix,
                 "Put the certificate of %s into %s: it is not the one that is there now. Is it "
                 "the right server, with no proxy that breaks TLS open before it?",
                 s->issuer, r->trust_key);
        sa_exam_bad(x, SA_HEALTH_ERROR, "tls", fix,
                    "%s, %s, was issued by %s, which is not trusted: %s", which, s->subject,
                    s->issuer, X509_verify_cert_error_string(s->fault));
    }
}

static void say_failure(struct sa_exam *x, const struct sa_route *r, CURLcode rc, const char *text)
{
    bool plain = strstr(text, "wrong version number") != NULL ||
                 strstr(text, "packet length too long") != NULL;
    const char *fix = "Is it a TLS server? Try openssl s_client -connect with its host and port.";
    if (rc == CURLE_COULDNT_CONNECT || rc == CURLE_RECV_ERROR || rc == CURLE_COULDNT_RESOLVE_HOST) {
        fix = r->proxy != NULL ? "The proxy does not let us through: may it connect to this host "
                                 "and port, and does it want a password?"
                               : fix;
    } else if (plain) {
        fix = r->plain_fix;
    } else if (rc == CURLE_OPERATION_TIMEDOUT) {
        fix =
            "The port is open and the server says nothing: is it the right port, does it hang, or "
            "does it wait for us to speak without TLS?";
    }
    sa_exam_bad(x, SA_HEALTH_ERROR, "tls", fix, "no TLS handshake with %s: %s%s", r->url,
                plain ? "the server speaks without TLS: " : "", text);
}

static void say_good(struct sa_exam *x, const struct sa_route *r, const struct seen *s)
{
    char date[32];
    sa_pem_date(s->ends, date);
    if (r->insecure)
        sa_exam_bad(x, SA_HEALTH_WARNING, "tls",
                    "Anyone in between can read the credential: give the CA instead.",
                    "%s, but the server's certificate is not verified (insecure)", s->tls->version);
    else if (s->ends < (int64_t)time(NULL) + SOON)
        sa_exam_bad(x, SA_HEALTH_WARNING, "tls", "Renew it at the server before that.",
                    "%s; the certificate of %s expires soon, on %s", s->tls->version, s->ends_of,
                    date);
    else
        sa_exam_ok(x, "tls", "%s; the certificate is trusted, for %s, and the chain valid until %s",
                   s->tls->version, r->name, date);
}

bool sa_route_handshake(struct sa_exam *x, const struct sa_route *r, struct sa_route_tls *tls)
{
    char text[CURL_ERROR_SIZE], fix[400];
    struct seen s = {.route = r, .tls = tls, .fault = X509_V_OK};
    if (!r->tls) {
        sa_exam_skip(x, "tls", "it is plain HTTP by configuration");
        return true;
    }
    CURLcode rc = shake(&s, text);
    if (rc != CURLE_OK || !tls->done) {
        say_failure(x, r, rc, text);
        return false;
    }
    if (s.fault != X509_V_OK && !r->insecure) {
        say_fault(x, r, &s);
        return false;
    }
    if (!s.is_named && !r->insecure) {
        snprintf(
            fix, sizeof fix,
            "Use one of the names that it is for in %s, or set tls-server-name (tls.serverName "
            "for Clouddriver) to one.",
            r->port_key);
        sa_exam_bad(x, SA_HEALTH_ERROR, "tls", fix,
                    "the server's certificate is not for %s; it is for %s", r->name,
                    s.names[0] != '\0' ? s.names : "no name at all");
        return false;
    }
    say_good(x, r, &s);
    return true;
}
