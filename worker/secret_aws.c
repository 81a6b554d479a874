/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Amazon S3 (or what speaks like it: AWS_ENDPOINT_URL_S3) and AWS Secrets Manager. Requests are
 * signed by libcurl (AWS Signature Version 4).
 */
#include "worker/secret_aws.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

#define TEXT_BYTES (64u * 1024u)
/* SHA-256 of nothing, the body of a GET: S3 wants it as a header. */
#define NO_BODY                                                                                    \
    "X-Amz-Content-Sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static const char *const environment[] = {SA_SECRET_ENV_NETWORK, SA_AWS_ENV, NULL};

/* Where a service is, without a slash at the end. */
static int endpoint(const struct sa_secret_store *s, const char *variable, const char *service,
                    char *out, size_t n)
{
    const char *own = getenv(variable);
    own = own != NULL && own[0] != '\0' ? own : getenv("AWS_ENDPOINT_URL");
    int used = own != NULL && own[0] != '\0'
                   ? snprintf(out, n, "%s", own)
                   : snprintf(out, n, "https://%s.%s.amazonaws.com", service, s->ref.region);
    if (used <= 0 || (size_t)used >= n)
        return -1;
    if (out[used - 1] == '/')
        out[used - 1] = '\0';
    return 0;
}

static int open_service(struct sa_secret_store *s, const char *variable, const char *service,
                        struct sa_err **err)
{
    char url[1024];
    if (endpoint(s, variable, service, url, sizeof(url)) != 0)
        return sa_err_set(err, SA_ECONFIG, "%s is too long", variable);
    return sa_secret_allow_url(s, url, err) != 0 ? -1 : sa_aws_open(s, err);
}

/* Signs what is asked, whose headers are more. */
static int ask(struct sa_secret_store *s, const char *service, const struct sa_secret_call *what,
               const char *const *more, struct sa_secret_answer *out, struct sa_err **err)
{
    struct sa_secret_call c = *what;
    SA_CLEANUP(sa_aws_credentials_free) struct sa_aws_credentials k = {0};
    char sign[128];
    const char *headers[5] = {NULL};
    size_t n = 0;
    struct sa_buf session;
    if (sa_aws_credentials(s, &k, err) != 0)
        return -1;
    snprintf(sign, sizeof(sign), "aws:amz:%s:%s", s->ref.region, service);
    sa_buf_init(&session, TEXT_BYTES);
    sa_buf_reserve(&session, k.session.n + 64);
    sa_buf_addf(&session, "X-Amz-Security-Token: %s", k.session.n > 0 ? k.session.p : "");
    for (; *more != NULL && n < 3; more++)
        headers[n++] = *more;
    if (k.session.n > 0)
        headers[n++] = session.data;
    c.headers = headers;
    c.sign = sign;
    c.user = k.id.p;
    c.password = k.key.p;
    c.ca = &s->ca;
    c.ca_key = "AWS_CA_BUNDLE";
    int rc = session.failed ? sa_err_set(err, SA_EMEMORY, "request to AWS")
                            : sa_secret_ask(s, &c, out, err);
    sa_buf_wipe(&session);
    sa_buf_free(&session);
    return rc;
}

/* S3 */

static int open_s3(struct sa_secret_store *s, struct sa_err **err)
{
    return open_service(s, "AWS_ENDPOINT_URL_S3", "s3", err);
}

static int judge_s3(const struct sa_secret_store *s, long status, struct sa_err **err)
{
    const struct sa_secret_ref *r = &s->ref;
    if (status == 200)
        return 0;
    if (status == 403)
        return sa_err_set(err, SA_EFORBIDDEN,
                          "S3 refuses it (403): allow s3:GetObject on arn:aws:s3:::%s/%s, and "
                          "kms:Decrypt of its key if it is encrypted by one; it is answered for a "
                          "wrong clock as well",
                          r->bucket, r->name);
    if (status == 404)
        return sa_err_set(err, SA_ENOTFOUND, "there is no %s in the bucket %s", r->name, r->bucket);
    if (status / 100 == 3)
        return sa_err_set(err, SA_ECONFIG, "the bucket %s is not in the region %s", r->bucket,
                          r->region);
    return sa_err_set(err, SA_ENETWORK, "S3 answers %ld", status);
}

static int fetch_s3(struct sa_secret_store *s, struct sa_secret *out, struct sa_err **err)
{
    static const char *const more[] = {NO_BODY, NULL};
    SA_CLEANUP(sa_secret_answer_free) struct sa_secret_answer a = {0};
    SA_CLEANUP(sa_freep) char *name = sa_secret_escape(s->ref.name, true);
    SA_CLEANUP(sa_buf_free) struct sa_buf url = {0};
    char base[1024];
    sa_buf_init(&url, TEXT_BYTES);
    /* The bucket in the path, not in the host's name: one with dots would fit no certificate. */
    if (name == NULL || endpoint(s, "AWS_ENDPOINT_URL_S3", "s3", base, sizeof(base)) != 0 ||
        sa_buf_addf(&url, "%s/%s/%s", base, s->ref.bucket, name) != 0)
        return sa_err_set(err, SA_EMEMORY, "request to S3");
    const struct sa_secret_call c = {.url = url.data};
    if (ask(s, "s3", &c, more, &a, err) != 0 || judge_s3(s, a.status, err) != 0)
        return -1;
    if (s->ref.key != NULL)
        return sa_secret_from_yaml(&a.body, s->ref.key, out, err);
    return sa_secret_set(out, a.body.p, a.body.n) == 0 ? 0 : sa_err_set(err, SA_EMEMORY, "S3");
}

const struct sa_secret_engine_ops sa_secret_s3 = {environment, open_s3, fetch_s3};

/* Secrets Manager */

static int open_manager(struct sa_secret_store *s, struct sa_err **err)
{
    return open_service(s, "AWS_ENDPOINT_URL_SECRETS_MANAGER", "secretsmanager", err);
}

/* Errors are {"__type": "...#AccessDeniedException", "message": ...}. */
static int refuse_manager(const struct sa_secret_store *s, const struct sa_secret_answer *a,
                          struct sa_err **err)
{
    cJSON *doc = cJSON_ParseWithLength(a->body.p, a->body.n);
    const char *type = sa_secret_json_text(doc, "__type");
    type = type != NULL ? type : "";
    int rc;
    if (strstr(type, "ResourceNotFound") != NULL)
        rc = sa_err_set(err, SA_ENOTFOUND, "Secrets Manager in %s has no secret %s", s->ref.region,
                        s->ref.name);
    else if (strstr(type, "AccessDenied") != NULL)
        rc =
            sa_err_set(err, SA_EFORBIDDEN,
                       "Secrets Manager refuses it: allow secretsmanager:GetSecretValue on %s, and "
                       "kms:Decrypt of its key if it has one of its own",
                       s->ref.name);
    else if (a->status / 100 == 4)
        rc = sa_err_set(err, SA_EAUTH,
                        "Secrets Manager answers %ld: check the access key and the clock",
                        a->status);
    else
        rc = sa_err_set(err, SA_ENETWORK, "Secrets Manager answers %ld", a->status);
    sa_secret_json_free(doc);
    return rc;
}

static int take_value(const struct sa_secret_store *s, const cJSON *doc, struct sa_secret *out,
                      struct sa_err **err)
{
    const char *text = sa_secret_json_text(doc, "SecretString");
    const char *binary = sa_secret_json_text(doc, "SecretBinary");
    struct sa_secret whole = {0};
    if (text == NULL && binary == NULL)
        return sa_err_set(err, SA_EPROTOCOL, "Secrets Manager: the answer has no secret");
    if (text == NULL ? sa_secret_from_base64(binary, &whole, err) != 0
                     : sa_secret_set_text(&whole, text, err) != 0)
        return -1;
    if (s->ref.key == NULL) {
        *out = whole;
        return 0;
    }
    /* The key of an object, as the console makes them; a dot in it is part of it. */
    cJSON *map = sa_secret_json(&whole, "the secret has no keys", err);
    const char *value = sa_secret_json_text(map, s->ref.key);
    int rc = map == NULL ? -1
             : value == NULL
                 ? sa_err_set(err, SA_ECREDENTIAL, "the secret has no text under k:%s", s->ref.key)
                 : sa_secret_set_text(out, value, err);
    sa_secret_json_free(map);
    sa_secret_free(&whole);
    return rc;
}

static int fetch_manager(struct sa_secret_store *s, struct sa_secret *out, struct sa_err **err)
{
    static const char *const more[] = {"X-Amz-Target: secretsmanager.GetSecretValue",
                                       "Content-Type: application/x-amz-json-1.1", NULL};
    SA_CLEANUP(sa_secret_answer_free) struct sa_secret_answer a = {0};
    SA_CLEANUP(sa_buf_free) struct sa_buf body = {0};
    char base[1024], url[1032];
    sa_buf_init(&body, TEXT_BYTES);
    sa_buf_adds(&body, "{\"SecretId\":");
    sa_buf_add_json(&body, s->ref.name);
    if (sa_buf_addc(&body, '}') != 0 || body.failed ||
        endpoint(s, "AWS_ENDPOINT_URL_SECRETS_MANAGER", "secretsmanager", base, sizeof(base)) != 0)
        return sa_err_set(err, SA_EMEMORY, "request to Secrets Manager");
    snprintf(url, sizeof(url), "%s/", base);
    const struct sa_secret_call c = {.url = url, .body = body.data};
    if (ask(s, "secretsmanager", &c, more, &a, err) != 0)
        return -1;
    if (a.status != 200)
        return refuse_manager(s, &a, err);
    cJSON *doc = sa_secret_json(&a.body, "Secrets Manager", err);
    int rc = doc != NULL ? take_value(s, doc, out, err) : -1;
    sa_secret_json_free(doc);
    return rc;
}

const struct sa_secret_engine_ops sa_secret_manager = {environment, open_manager, fetch_manager};
