/* SPDX-License-Identifier: Apache-2.0 */
/* Who answers: HTTP's version, the clock, whether it is Kubernetes, and whom it takes us for. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "doctor/account.h"

#define SKEW_SEEN  5  /* seconds; a Date header has no smaller unit */
#define SKEW_WRONG 60 /* tokens are refused, certificates seem not valid yet */
#define HEAD_MAX   (64L * 1024)

struct first {
    time_t date; /* 0: not said */
    long status;
};

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
    struct first *f = arg;
    char line[128];
    size_t all = size * n;
    if (all < sizeof line && all > 5 && strncasecmp(p, "date:", 5) == 0) {
        memcpy(line, p, all);
        line[all] = '\0';
        time_t t = curl_getdate(line + 5, NULL);
        f->date = t > 0 ? t : 0;
    }
    return all;
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
    size_t *seen = arg;
    (void)p;
    *seen += size * n;
    return *seen > (size_t)HEAD_MAX ? 0 : size * n;
}

/* Asks for /version without a credential: the answer's headers count, whatever it is. */
static CURLcode ask_first(const struct sa_patient *p, const struct sa_route *r, struct first *f,
                          char text[CURL_ERROR_SIZE])
{
    const struct sa_endpoint *e = sa_credential_endpoint(p->cred);
    struct curl_slist *to = r->connect_to != NULL ? curl_slist_append(NULL, r->connect_to) : NULL;
    struct curl_slist *head =
        e->host_header != NULL ? curl_slist_append(NULL, e->host_header) : NULL;
    char url[1024];
    size_t seen = 0;
    CURL *c = curl_easy_init();
    snprintf(url, sizeof url, "%s/version", r->url);
    text[0] = '\0';
    if (c == NULL)
        return CURLE_OUT_OF_MEMORY;
    sa_route_set(r, c);
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_CONNECT_TO, to);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, head);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, text);
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, r->insecure ? 0L : 1L);
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, r->insecure ? 0L : 2L);
    curl_easy_setopt(c, CURLOPT_CAINFO, NULL);
    curl_easy_setopt(c, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(c, CURLOPT_SSL_CTX_FUNCTION, sa_route_context);
    curl_easy_setopt(c, CURLOPT_SSL_CTX_DATA, r);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, f);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, &seen);
    CURLcode rc = curl_easy_perform(c);
    (void)curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &f->status);
    if (text[0] == '\0')
        snprintf(text, CURL_ERROR_SIZE, "%s", curl_easy_strerror(rc));
    curl_easy_cleanup(c);
    curl_slist_free_all(to);
    curl_slist_free_all(head);
    return rc;
}

static void exam_clock(struct sa_patient *p, const struct first *f)
{
    static const char fix[] =
        "Set the clock of the one that is wrong (timedatectl; chrony): tokens "
        "and certificates are judged by it.";
    if (f->date == 0) {
        sa_exam_skip(p->x, "clock", "the server does not say its time");
        return;
    }
    long long skew = (long long)(time(NULL) - f->date), off = skew < 0 ? -skew : skew;
    if (off < SKEW_SEEN)
        sa_exam_ok(p->x, "clock", "the server's clock and ours agree");
    else
        sa_exam_bad(p->x, off < SKEW_WRONG ? SA_HEALTH_WARNING : SA_HEALTH_ERROR, "clock", fix,
                    "our clock is %lld seconds %s the server's", off,
                    skew > 0 ? "ahead of" : "behind");
}

static bool exam_first(struct sa_patient *p, const struct sa_route *r,
                       const struct sa_route_tls *tls)
{
    struct first f = {0};
    char text[CURL_ERROR_SIZE];
    CURLcode rc = ask_first(p, r, &f, text);
    if (f.status == 0) {
        sa_exam_bad(p->x, SA_HEALTH_ERROR, "http",
                    tls->wants_cert ? "The server asks for a client certificate: does it let in "
                                      "nobody without?"
                                    : "Is it the right port? What is there speaks no HTTP.",
                    "%s gives no HTTP answer: %s", r->url, rc == CURLE_OK ? "nothing came" : text);
        return false;
    }
    if (tls->h2)
        sa_exam_ok(p->x, "http", "HTTP/2");
    else
        sa_exam_bad(p->x, SA_HEALTH_WARNING, "http",
                    "Let whatever stands before the API server (a load balancer, a proxy) pass TLS "
                    "through, or speak HTTP/2.",
                    "HTTP/1.1 only: each watch needs a connection of its own");
    exam_clock(p, &f);
    return true;
}

static const char *refused_fix(const struct sa_patient *p)
{
    if (p->cred->pem.cert != NULL && p->cred->token.n == 0)
        return "The certificate is not by the cluster's CA for clients, or of another cluster: "
               "take "
               "a new kubeconfig.";
    return "The token has expired, was revoked, is of another cluster, or its service account is "
           "gone: make a new one (kubectl create token ...).";
}

/* What /version says, or that it is no API server. */
static bool read_version(struct sa_patient *p, const struct sa_answer *a)
{
    cJSON *doc = cJSON_ParseWithLength(a->body.data, a->body.len);
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(doc, "gitVersion");
    if (cJSON_IsString(v))
        sa_exam_ok(p->x, "kubernetes", "it is Kubernetes %s, and knows our credential",
                   v->valuestring);
    else
        sa_exam_bad(p->x, SA_HEALTH_ERROR, "kubernetes",
                    "Is server of the kubeconfig's cluster right, its port and its path?",
                    "what answers there is no Kubernetes API server: /version is not its version");
    bool is = cJSON_IsString(v);
    cJSON_Delete(doc);
    return is;
}

static bool exam_version(struct sa_patient *p)
{
    struct sa_answer a;
    int rc = sa_ask(&p->asker, "/version", NULL, NULL, &a);
    bool ok = false;
    if (rc == 0)
        ok = read_version(p, &a);
    else if (a.err != NULL && a.err->code == SA_EAUTH)
        sa_exam_bad(p->x, SA_HEALTH_ERROR, "kubernetes", refused_fix(p),
                    "the API server does not take our credential: %s", sa_err_msg(a.err));
    else if (a.err != NULL && a.err->code == SA_EFORBIDDEN)
        ok = true; /* it knows us */
    else
        sa_exam_bad(p->x, SA_HEALTH_ERROR, "kubernetes",
                    a.err != NULL && a.err->code == SA_ECREDENTIAL
                        ? "Renew the credential."
                        : "Is server of the kubeconfig's cluster right, its port and its path?",
                    "no good answer from %s: %s", sa_http_server(p->asker.http), sa_err_msg(a.err));
    sa_answer_free(&a);
    return ok;
}

/* SelfSubjectReview (authentication.k8s.io/v1, Kubernetes 1.28). */
static void exam_user(struct sa_patient *p)
{
    struct sa_answer a;
    if (sa_ask(&p->asker, "/apis/authentication.k8s.io/v1/selfsubjectreviews", NULL,
               "{\"apiVersion\":\"authentication.k8s.io/v1\",\"kind\":\"SelfSubjectReview\"}",
               &a) == 0) {
        cJSON *doc = cJSON_ParseWithLength(a.body.data, a.body.len);
        const cJSON *status = cJSON_GetObjectItemCaseSensitive(doc, "status");
        const cJSON *user = cJSON_GetObjectItemCaseSensitive(status, "userInfo");
        const cJSON *name = cJSON_GetObjectItemCaseSensitive(user, "username");
        if (cJSON_IsString(name)) {
            snprintf(p->user, sizeof p->user, "%s", name->valuestring);
            sa_exam_ok(p->x, "user", "the API server takes us for %s", p->user);
        }
        cJSON_Delete(doc);
    }
    sa_answer_free(&a);
}

bool sa_exam_server(struct sa_patient *p, const struct sa_route *r, const struct sa_route_tls *tls)
{
    static const char *const rest[] = {"kubernetes", NULL};
    if (!exam_first(p, r, tls)) {
        sa_exam_skip_all(p->x, "without an HTTP answer nobody is asked", rest);
        return false;
    }
    if (!exam_version(p))
        return false;
    exam_user(p);
    return true;
}
