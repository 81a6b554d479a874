/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Google Cloud Storage, by the JSON API. The token is that of the service account which the
 * metadata server has for this machine or pod, or of a key file (GOOGLE_APPLICATION_CREDENTIALS,
 * type service_account: RFC 7523, signed here).
 */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "worker/secret_internal.h"

#define TEXT_BYTES (64u * 1024u)
#define SCOPE      "https://www.googleapis.com/auth/devstorage.read_only"
#define TOKEN_WAY  "/computeMetadata/v1/instance/service-accounts/default/token"
#define TOKEN_URL  "https://oauth2.googleapis.com/token"
#define GRANT      "urn%%3Aietf%%3Aparams%%3Aoauth%%3Agrant-type%%3Ajwt-bearer" /* within a format */

static const char *const environment[] = {SA_SECRET_ENV_NETWORK, "GOOGLE_APPLICATION_CREDENTIALS",
                                          "GCE_METADATA_HOST", "STORAGE_EMULATOR_HOST", NULL};

static const char *env(const char *name)
{
    const char *v = getenv(name);
    return v != NULL && v[0] != '\0' ? v : NULL;
}

static const char *storage(void)
{
    const char *own = env("STORAGE_EMULATOR_HOST");
    return own != NULL ? own : "https://storage.googleapis.com";
}

static void metadata_url(char *out, size_t n)
{
    const char *own = env("GCE_METADATA_HOST");
    snprintf(out, n, "http://%s" TOKEN_WAY, own != NULL ? own : "metadata.google.internal");
}

/* The member of a key file; the caller frees. */
static int key_member(const struct sa_secret *file, const char *name, const char *preset,
                      struct sa_secret *out, struct sa_err **err)
{
    cJSON *doc = sa_secret_json(file, "GOOGLE_APPLICATION_CREDENTIALS", err);
    const char *text = sa_secret_json_text(doc, name);
    text = text != NULL ? text : preset;
    int rc = doc == NULL ? -1 : 0;
    if (rc == 0 && text == NULL)
        rc = sa_err_set(err, SA_ECREDENTIAL,
                        "GOOGLE_APPLICATION_CREDENTIALS: there is no %s; a key file of a service "
                        "account is expected",
                        name);
    if (rc == 0)
        rc = sa_secret_set_text(out, text, err);
    sa_secret_json_free(doc);
    return rc;
}

static int open_store(struct sa_secret_store *s, struct sa_err **err)
{
    const char *file = env("GOOGLE_APPLICATION_CREDENTIALS");
    struct sa_secret url = {0};
    char metadata[512];
    if (sa_secret_allow_url(s, storage(), err) != 0)
        return -1;
    if (file == NULL) {
        metadata_url(metadata, sizeof(metadata));
        return sa_secret_allow_url(s, metadata, err);
    }
    if (sa_secret_open_file(s, file, "GOOGLE_APPLICATION_CREDENTIALS", false, &s->secret_id, err) !=
            0 ||
        key_member(&s->secret_id, "token_uri", TOKEN_URL, &url, err) != 0)
        return -1;
    int rc = sa_secret_allow_url(s, url.p, err);
    sa_secret_free(&url);
    return rc;
}

/* A signed assertion */

static int add_base64url(struct sa_buf *b, const void *p, size_t n)
{
    size_t size = sodium_base64_encoded_len(n, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    char *text = malloc(size);
    if (text == NULL) {
        b->failed = true;
        return -1;
    }
    sodium_bin2base64(text, size, p, n, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    int rc = sa_buf_adds(b, text);
    free(text);
    return rc;
}

static int add_signature(struct sa_buf *b, const struct sa_secret *pem, struct sa_err **err)
{
    BIO *bio = BIO_new_mem_buf(pem->p, (int)pem->n);
    EVP_PKEY *key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned char sum[1024];
    size_t n = sizeof(sum), length = b->len;
    bool ok = key != NULL && ctx != NULL && EVP_PKEY_get_size(key) <= (int)sizeof(sum) &&
              EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
              EVP_DigestSign(ctx, sum, &n, (const unsigned char *)b->data, length) == 1;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    BIO_free(bio);
    if (!ok)
        return sa_err_set(err, SA_ECREDENTIAL,
                          "GOOGLE_APPLICATION_CREDENTIALS: nothing can be signed with private_key");
    return sa_buf_addc(b, '.') | add_base64url(b, sum, n);
}

static int make_assertion(const struct sa_secret *file, const char *audience, struct sa_buf *b,
                          struct sa_err **err)
{
    static const char head[] = "{\"alg\":\"RS256\",\"typ\":\"JWT\"}";
    SA_CLEANUP(sa_secret_free) struct sa_secret email = {0}, pem = {0};
    SA_CLEANUP(sa_buf_free) struct sa_buf claims = {0};
    long long now = (long long)time(NULL);
    sa_buf_init(&claims, TEXT_BYTES);
    if (key_member(file, "client_email", NULL, &email, err) != 0 ||
        key_member(file, "private_key", NULL, &pem, err) != 0)
        return -1;
    sa_buf_adds(&claims, "{\"scope\":\"" SCOPE "\",\"iss\":");
    sa_buf_add_json(&claims, email.p);
    sa_buf_adds(&claims, ",\"aud\":");
    sa_buf_add_json(&claims, audience);
    sa_buf_addf(&claims, ",\"iat\":%lld,\"exp\":%lld}", now, now + 600);
    if (claims.failed)
        return sa_err_set(err, SA_EMEMORY, "token of Google");
    add_base64url(b, head, sizeof(head) - 1);
    sa_buf_addc(b, '.');
    add_base64url(b, claims.data, claims.len);
    return b->failed ? sa_err_set(err, SA_EMEMORY, "token of Google") : add_signature(b, &pem, err);
}

/* Tokens */

static int take_token(const struct sa_secret_answer *a, const char *what, struct sa_secret *out,
                      struct sa_err **err)
{
    if (a->status != 200)
        return sa_err_set(err, SA_EAUTH, "%s answers %ld", what, a->status);
    cJSON *doc = sa_secret_json(&a->body, what, err);
    const char *token = sa_secret_json_text(doc, "access_token");
    int rc = doc == NULL ? -1
             : token == NULL || strpbrk(token, "\r\n") != NULL
                 ? sa_err_set(err, SA_EPROTOCOL, "%s: the answer has no token", what)
                 : sa_secret_set_text(out, token, err);
    sa_secret_json_free(doc);
    return rc;
}

static int token_of_machine(struct sa_secret_store *s, struct sa_secret *out, struct sa_err **err)
{
    static const char *const headers[] = {"Metadata-Flavor: Google", NULL};
    SA_CLEANUP(sa_secret_answer_free) struct sa_secret_answer a = {0};
    char url[512];
    metadata_url(url, sizeof(url));
    const struct sa_secret_call c = {.url = url, .headers = headers, .direct = true};
    if (sa_secret_ask(s, &c, &a, err) != 0)
        return sa_err_wrap(err, "GOOGLE_APPLICATION_CREDENTIALS is not set, and there is no "
                                "metadata server");
    return take_token(&a, "the metadata server", out, err);
}

static int token_of_key(struct sa_secret_store *s, struct sa_secret *out, struct sa_err **err)
{
    SA_CLEANUP(sa_secret_answer_free) struct sa_secret_answer a = {0};
    SA_CLEANUP(sa_secret_free) struct sa_secret url = {0};
    struct sa_buf body;
    struct sa_buf assertion;
    if (key_member(&s->secret_id, "token_uri", TOKEN_URL, &url, err) != 0)
        return -1;
    sa_buf_init(&body, TEXT_BYTES);
    sa_buf_init(&assertion, TEXT_BYTES);
    int rc = make_assertion(&s->secret_id, url.p, &assertion, err);
    if (rc == 0 && sa_buf_addf(&body, "grant_type=" GRANT "&assertion=%s", assertion.data) != 0)
        rc = sa_err_set(err, SA_EMEMORY, "token of Google");
    const struct sa_secret_call c = {.url = url.p, .body = body.data};
    if (rc == 0)
        rc = sa_secret_ask(s, &c, &a, err);
    sa_buf_wipe(&body);
    sa_buf_free(&body);
    sa_buf_wipe(&assertion);
    sa_buf_free(&assertion);
    return rc == 0 ? take_token(&a, "Google's token server", out, err) : -1;
}

/* Reading */

static int judge(const struct sa_secret_store *s, long status, struct sa_err **err)
{
    if (status == 200)
        return 0;
    if (status == 404)
        return sa_err_set(err, SA_ENOTFOUND,
                          "there is no %s in the bucket %s, or the service account may not know",
                          s->ref.name, s->ref.bucket);
    if (status == 401 || status == 403)
        return sa_err_set(
            err, SA_EFORBIDDEN,
            "Google Cloud Storage refuses it (%ld): give the service account the role "
            "roles/storage.objectViewer on the bucket %s",
            status, s->ref.bucket);
    return sa_err_set(err, SA_ENETWORK, "Google Cloud Storage answers %ld", status);
}

static int get(struct sa_secret_store *s, const struct sa_secret *token,
               struct sa_secret_answer *out, struct sa_err **err)
{
    SA_CLEANUP(sa_freep) char *name = sa_secret_escape(s->ref.name, false);
    SA_CLEANUP(sa_buf_free) struct sa_buf url = {0};
    struct sa_buf header;
    sa_buf_init(&url, TEXT_BYTES);
    sa_buf_init(&header, TEXT_BYTES);
    sa_buf_reserve(&header, token->n + 32);
    sa_buf_addf(&header, "Authorization: Bearer %s", token->p);
    sa_buf_addf(&url, "%s/storage/v1/b/%s/o/%s?alt=media", storage(), s->ref.bucket,
                name != NULL ? name : "");
    const char *const headers[] = {header.data, NULL};
    const struct sa_secret_call c = {.url = url.data, .headers = headers};
    int rc = name == NULL || url.failed || header.failed
                 ? sa_err_set(err, SA_EMEMORY, "request to Google Cloud Storage")
                 : sa_secret_ask(s, &c, out, err);
    sa_buf_wipe(&header);
    sa_buf_free(&header);
    return rc;
}

static int fetch(struct sa_secret_store *s, struct sa_secret *out, struct sa_err **err)
{
    SA_CLEANUP(sa_secret_answer_free) struct sa_secret_answer a = {0};
    SA_CLEANUP(sa_secret_free) struct sa_secret token = {0};
    int rc = s->secret_id.n > 0 ? token_of_key(s, &token, err) : token_of_machine(s, &token, err);
    if (rc != 0 || get(s, &token, &a, err) != 0 || judge(s, a.status, err) != 0)
        return -1;
    if (s->ref.key != NULL)
        return sa_secret_from_yaml(&a.body, s->ref.key, out, err);
    return sa_secret_set(out, a.body.p, a.body.n) == 0
               ? 0
               : sa_err_set(err, SA_EMEMORY, "Google Cloud Storage");
}

const struct sa_secret_engine_ops sa_secret_gcs = {environment, open_store, fetch};
