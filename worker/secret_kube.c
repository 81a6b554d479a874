/* SPDX-License-Identifier: Apache-2.0 */
/* A Secret of the cluster around, read by the pod's service account
 * (https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/). */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "worker/secret_internal.h"

#define DIR      SA_SERVICE_ACCOUNT_DIR
#define TEXT_MAX (64u * 1024u)

static const char *const environment[] = {SA_SECRET_ENV_NETWORK, "KUBERNETES_SERVICE_HOST",
                                          "KUBERNETES_SERVICE_PORT", NULL};

static int find_namespace(struct sa_secret_store *s, struct sa_err **err)
{
    struct sa_secret own = {0};
    if (s->ref.namespace == NULL &&
        sa_secret_read_file(DIR "/namespace", "the reference has no ns", &own, err) != 0)
        return -1;
    const char *name = s->ref.namespace != NULL ? s->ref.namespace : own.p;
    s->namespace = sa_secret_escape(name, false);
    sa_secret_free(&own);
    return s->namespace != NULL ? 0 : sa_err_set(err, SA_EMEMORY, "store of secrets");
}

static int open_store(struct sa_secret_store *s, struct sa_err **err)
{
    const char *host = getenv("KUBERNETES_SERVICE_HOST"), *port = getenv("KUBERNETES_SERVICE_PORT");
    struct sa_buf url;
    if (host == NULL || port == NULL || host[0] == '\0')
        return sa_err_set(
            err, SA_ECONFIG,
            "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: this is "
            "no pod, and k8s means the cluster around");
    bool six = strchr(host, ':') != NULL;
    if (find_namespace(s, err) != 0)
        return -1;
    sa_buf_init(&url, TEXT_MAX);
    sa_buf_addf(&url, "https://%s%s%s:%s/api/v1/namespaces/%s/secrets/%s", six ? "[" : "", host,
                six ? "]" : "", port, s->namespace, s->ref.name);
    if (url.failed) {
        sa_buf_free(&url);
        return sa_err_set(err, SA_EMEMORY, "store of secrets");
    }
    s->url = url.data;
    sa_secret_allow_path(s, DIR);
    if (sa_secret_allow_url(s, s->url, err) != 0 ||
        sa_secret_open_file(s, DIR "/ca.crt", "the pod's service account", false, &s->ca, err) != 0)
        return -1;
    return sa_secret_open_file(s, DIR "/token", "the pod's service account", true, &s->token, err);
}

static int judge(const struct sa_secret_store *s, long status, struct sa_err **err)
{
    if (status == 200)
        return 0;
    if (status == 401)
        return sa_err_set(err, SA_EAUTH, "the API server does not know the pod's service account");
    if (status == 403)
        return sa_err_set(err, SA_EFORBIDDEN,
                          "the pod's service account may not: give it a Role in %s with the verb "
                          "get on secrets, resourceNames [%s]",
                          s->namespace, s->ref.name);
    if (status == 404)
        return sa_err_set(err, SA_ENOTFOUND, "there is no Secret %s in the namespace %s",
                          s->ref.name, s->namespace);
    return sa_err_set(err, SA_ENETWORK, "the API server answers %ld", status);
}

/* The kubelet replaces the token in time; one that can't be read again is used until it expires. */
static void renew_token(struct sa_secret_store *s)
{
    struct sa_secret now = {0};
    if (sa_secret_read_file(DIR "/token", "token", &now, NULL) == 0) {
        sa_secret_free(&s->token);
        s->token = now;
    } else {
        sa_secret_free(&now);
    }
}

static int fetch(struct sa_secret_store *s, struct sa_secret *out, struct sa_err **err)
{
    SA_CLEANUP(sa_secret_answer_free) struct sa_secret_answer a = {0};
    struct sa_buf token;
    renew_token(s);
    sa_buf_init(&token, TEXT_MAX);
    sa_buf_reserve(&token, s->token.n + 32);
    sa_buf_addf(&token, "Authorization: Bearer %s", s->token.p);
    const char *const headers[] = {token.data, "Accept: application/json", NULL};
    const struct sa_secret_call c = {
        .url = s->url, .headers = headers, .ca = &s->ca, .direct = s->account->no_proxy};
    int rc = token.failed ? sa_err_set(err, SA_EMEMORY, "request for a Secret")
                          : sa_secret_ask(s, &c, &a, err);
    sa_buf_wipe(&token);
    sa_buf_free(&token);
    if (rc != 0 || judge(s, a.status, err) != 0)
        return -1;
    cJSON *doc = sa_secret_json(&a.body, "the Secret", err);
    if (doc == NULL)
        return -1;
    const char *text =
        sa_secret_json_text(cJSON_GetObjectItemCaseSensitive(doc, "data"), s->ref.key);
    rc = text != NULL ? sa_secret_from_base64(text, out, err)
                      : sa_err_set(err, SA_ECREDENTIAL, "the Secret has no key %s", s->ref.key);
    sa_secret_json_free(doc);
    return rc;
}

const struct sa_secret_engine_ops sa_secret_kube = {environment, open_store, fetch};
