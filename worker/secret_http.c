/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/secret_http.h"

#include <curl/curl.h>
#include <openssl/x509_vfy.h>
#include <string.h>

#include "base/buf.h"

#define CONNECT_S 5L

/* What comes in goes into pages of its own at once, which no core shows. */
struct sink {
    struct sa_secret *body;
    size_t n;
    bool too_long;
    void (*alive)(void *arg);
    void *arg;
};

static size_t on_bytes(char *p, size_t size, size_t count, void *arg)
{
    struct sink *s = arg;
    size_t n = size * count;
    if (n > s->body->n - s->n) {
        s->too_long = true;
        return CURL_WRITEFUNC_ERROR;
    }
    memcpy(s->body->p + s->n, p, n);
    s->n += n;
    return n;
}

static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    struct sink *s = arg;
    (void)a, (void)b, (void)c, (void)d;
    if (s->alive != NULL)
        s->alive(s->arg);
    return 0;
}

static int list_headers(const char *const *headers, struct curl_slist **out)
{
    for (; headers != NULL && *headers != NULL; headers++) {
        struct curl_slist *more = curl_slist_append(*out, *headers);
        if (more == NULL)
            return -1;
        *out = more;
    }
    return 0;
}

static void free_headers(struct curl_slist *l)
{
    for (struct curl_slist *i = l; i != NULL; i = i->next)
        explicit_bzero(i->data, strlen(i->data));
    curl_slist_free_all(l);
}

static bool set_security(CURL *e, const struct sa_secret_call *c)
{
    bool ok = curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
              curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK;
    if (c->ca != NULL && c->ca->n > 0) {
        struct curl_blob ca = {.data = c->ca->p, .len = c->ca->n, .flags = CURL_BLOB_NOCOPY};
        ok = ok && curl_easy_setopt(e, CURLOPT_CAINFO_BLOB, &ca) == CURLE_OK &&
             curl_easy_setopt(e, CURLOPT_CAPATH, NULL) == CURLE_OK;
    }
    if (c->sign != NULL)
        ok = ok && curl_easy_setopt(e, CURLOPT_AWS_SIGV4, c->sign) == CURLE_OK &&
             curl_easy_setopt(e, CURLOPT_USERNAME, c->user) == CURLE_OK &&
             curl_easy_setopt(e, CURLOPT_PASSWORD, c->password) == CURLE_OK;
    return ok && (!c->direct || curl_easy_setopt(e, CURLOPT_NOPROXY, "*") == CURLE_OK);
}

static bool set_request(CURL *e, const struct sa_secret_call *c, struct curl_slist *headers)
{
    bool ok = curl_easy_setopt(e, CURLOPT_URL, c->url) == CURLE_OK &&
              curl_easy_setopt(e, CURLOPT_HTTPHEADER, headers) == CURLE_OK;
    if (c->body != NULL)
        ok = ok && curl_easy_setopt(e, CURLOPT_POSTFIELDS, c->body) == CURLE_OK;
    if (c->method != NULL)
        ok = ok && curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, c->method) == CURLE_OK;
    return ok;
}

static bool set_bounds(CURL *e, struct sink *s, char *why)
{
    return curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT, CONNECT_S) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_TIMEOUT, (long)SA_SECRET_CALL_S) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_ERRORBUFFER, why) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_bytes) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_WRITEDATA, s) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_NOPROGRESS, 0L) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_XFERINFOFUNCTION, on_progress) == CURLE_OK &&
           curl_easy_setopt(e, CURLOPT_XFERINFODATA, s) == CURLE_OK;
}

/* Whether nobody that is trusted signed the server's certificate; it may be wrong otherwise. */
static bool unknown_issuer(CURL *e)
{
    long why = 0;
    (void)curl_easy_getinfo(e, CURLINFO_SSL_VERIFYRESULT, &why);
    return why == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT ||
           why == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
           why == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE ||
           why == X509_V_ERR_CERT_SIGNATURE_FAILURE ||
           why == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT ||
           why == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN;
}

static int failed(CURL *e, const struct sa_secret_call *c, CURLcode rc, const struct sink *s,
                  const char *why, struct sa_err **err)
{
    const char *method = c->method != NULL ? c->method : c->body != NULL ? "POST" : "GET";
    const char *text = why[0] != '\0' ? why : curl_easy_strerror(rc);
    if (s->too_long)
        return sa_err_set(err, SA_ELIMIT, "%s %s: the answer is longer than 1 MB", method, c->url);
    if (c->ca_key != NULL && rc == CURLE_PEER_FAILED_VERIFICATION && unknown_issuer(e))
        return sa_err_set(err, SA_ETLS, "%s %s: %s; is the CA of its certificate in %s?", method,
                          c->url, text, c->ca_key);
    if (c->ca_key != NULL && rc == CURLE_SSL_CACERT_BADFILE)
        return sa_err_set(err, SA_ETLS, "%s %s: %s holds no certificates (PEM)", method, c->url,
                          c->ca_key);
    bool tls = rc == CURLE_SSL_CONNECT_ERROR || rc == CURLE_PEER_FAILED_VERIFICATION ||
               rc == CURLE_SSL_CACERT_BADFILE || rc == CURLE_SSL_CERTPROBLEM;
    return sa_err_set(err, tls ? SA_ETLS : SA_ENETWORK, "%s %s: %s", method, c->url, text);
}

static int perform(CURL *e, const struct sa_secret_call *c, struct sink *s, long *status,
                   struct sa_err **err)
{
    char why[CURL_ERROR_SIZE] = "";
    struct curl_slist *headers = NULL;
    int rc = -1;
    if (list_headers(c->headers, &headers) != 0 || !set_request(e, c, headers) ||
        !set_security(e, c) || !set_bounds(e, s, why)) {
        sa_err_set(err, SA_EMEMORY, "request to %s", c->url);
    } else {
        CURLcode code = curl_easy_perform(e);
        rc = code == CURLE_OK ? 0 : failed(e, c, code, s, why, err);
        (void)curl_easy_getinfo(e, CURLINFO_RESPONSE_CODE, status);
    }
    free_headers(headers);
    return rc;
}

int sa_secret_call(const struct sa_secret_call *c, void (*alive)(void *arg), void *arg,
                   struct sa_secret_answer *out, struct sa_err **err)
{
    *out = (struct sa_secret_answer){0};
    struct sink s = {.body = &out->body, .alive = alive, .arg = arg};
    CURL *e = curl_easy_init();
    int rc = -1;
    if (e == NULL || sa_secret_new(&out->body, SA_SECRET_ANSWER_MAX) != 0)
        sa_err_set(err, SA_EMEMORY, "request to %s", c->url);
    else
        rc = perform(e, c, &s, &out->status, err);
    curl_easy_cleanup(e);
    if (rc != 0) {
        sa_secret_answer_free(out);
        return -1;
    }
    out->body.n = s.n;
    out->body.p[s.n] = '\0';
    return 0;
}

void sa_secret_answer_free(struct sa_secret_answer *a)
{
    sa_secret_free(&a->body);
    a->status = 0;
}

char *sa_secret_escape(const char *text, bool keep_slashes)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
    struct sa_buf b;
    sa_buf_init(&b, 3 * 65536);
    for (; *text != '\0'; text++) {
        if (strchr(plain, *text) != NULL || (keep_slashes && *text == '/'))
            sa_buf_addc(&b, *text);
        else
            sa_buf_addf(&b, "%%%02X", (unsigned)(unsigned char)*text);
    }
    if (b.len == 0)
        sa_buf_adds(&b, ""); /* an empty text is a text */
    if (b.failed)
        sa_buf_free(&b);
    return b.data;
}
