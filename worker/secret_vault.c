/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HashiCorp Vault and OpenBao: secrets of their KV engine, version 1 or 2
 * (https://openbao.org/api-docs/secret/kv/). Logged in by a service account's token, a token or an
 * AppRole; what was logged in with is renewed while it lasts.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "worker/secret_internal.h"

#define BODY_MAX  (128u * 1024u)
#define FORBIDDEN 403

static const char *const environment[] = {SA_SECRET_ENV_NETWORK, "VAULT_TOKEN", NULL};

enum method { BY_KUBERNETES, BY_TOKEN, BY_APPROLE };

static enum method method_of(const struct sa_secret_store *s)
{
    const char *m = s->account->vault_auth_method;
    return strcmp(m, "TOKEN") == 0     ? BY_TOKEN
           : strcmp(m, "APPROLE") == 0 ? BY_APPROLE
                                       : BY_KUBERNETES;
}

/* Before rights are given up */

static int read_token(struct sa_secret_store *s, struct sa_err **err)
{
    const char *file = s->account->vault_token_file, *env = getenv("VAULT_TOKEN");
    if (file != NULL) {
        sa_secret_allow_dir_of(s, file);
        return sa_secret_open_file(s, file, "secrets.vault.tokenFile", true, &s->token, err);
    }
    if (env == NULL || env[0] == '\0')
        return sa_err_set(err, SA_ECONFIG,
                          "there is no token for Vault: set secrets.vault.tokenFile, or the "
                          "environment variable VAULT_TOKEN");
    return sa_secret_set_text(&s->token, env, err);
}

static int open_store(struct sa_secret_store *s, struct sa_err **err)
{
    const struct sa_account *a = s->account;
    if (sa_secret_allow_url(s, a->vault_url, err) != 0)
        return -1;
    if (a->vault_ca_file != NULL &&
        sa_secret_open_file(s, a->vault_ca_file, "secrets.vault.caFile", false, &s->ca, err) != 0)
        return -1;
    switch (method_of(s)) {
    case BY_TOKEN:
        return read_token(s, err);
    case BY_APPROLE:
        sa_secret_allow_dir_of(s, a->vault_secret_id_file);
        if (sa_secret_open_file(s, a->vault_role_id_file, "secrets.vault.roleIdFile", false,
                                &s->role_id, err) != 0)
            return -1;
        return sa_secret_open_file(s, a->vault_secret_id_file, "secrets.vault.secretIdFile", true,
                                   &s->secret_id, err);
    default:
        sa_secret_allow_dir_of(s, a->vault_jwt_file);
        return sa_secret_open_file(s, a->vault_jwt_file, "secrets.vault.jwtFile", true, &s->jwt,
                                   err);
    }
}

/* Requests */

/* What Vault says was wrong: its errors are about policies and paths, never values. */
static void why(const struct sa_secret_answer *a, char *out, size_t n)
{
    cJSON *doc = cJSON_ParseWithLength(a->body.p, a->body.n);
    const char *text = cJSON_GetStringValue(
        cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(doc, "errors"), 0));
    snprintf(out, n, "%ld%s%.150s", a->status, text != NULL ? ": " : "", text != NULL ? text : "");
    for (char *p = out; *p != '\0'; p++) {
        if (*p < ' ' || *p > '~')
            *p = ' ';
    }
    sa_secret_json_free(doc);
}

/* path follows /v1/. With the token where there is one. */
static int ask(struct sa_secret_store *s, const char *path, const char *body,
               struct sa_secret_answer *out, struct sa_err **err)
{
    const struct sa_account *a = s->account;
    struct sa_buf url, token, space;
    size_t n = strlen(a->vault_url), at = 0;
    const char *headers[4] = {"X-Vault-Request: true"};
    sa_buf_init(&url, BODY_MAX);
    sa_buf_init(&token, BODY_MAX);
    sa_buf_init(&space, BODY_MAX);
    while (n > 0 && a->vault_url[n - 1] == '/')
        n--;
    sa_buf_addf(&url, "%.*s/v1/%s", (int)n, a->vault_url, path);
    sa_buf_reserve(&token, s->token.n + 32);
    sa_buf_addf(&token, "X-Vault-Token: %s", s->token.n > 0 ? s->token.p : "");
    sa_buf_addf(&space, "X-Vault-Namespace: %s", a->vault_namespace);
    if (s->token.n > 0)
        headers[++at] = token.data;
    if (a->vault_namespace != NULL)
        headers[++at] = space.data;
    const struct sa_secret_call c = {
        .url = url.data,
        .headers = headers,
        .body = body,
        .ca = &s->ca,
        .ca_key = "secrets.vault.caFile",
    };
    int rc = url.failed || token.failed || space.failed
                 ? sa_err_set(err, SA_EMEMORY, "request to Vault")
                 : sa_secret_ask(s, &c, out, err);
    sa_buf_wipe(&token);
    sa_buf_free(&token);
    sa_buf_free(&url);
    sa_buf_free(&space);
    if (rc == 0 && out->status / 100 == 3) {
        sa_secret_answer_free(out);
        return sa_err_set(err, SA_EREFUSED,
                          "Vault at %s answers that another address is meant; put that one into "
                          "secrets.vault.url",
                          a->vault_url);
    }
    return rc;
}

/* Logging in */

static int take_lease(struct sa_secret_store *s, const cJSON *from, const char *life)
{
    const cJSON *seconds = cJSON_GetObjectItemCaseSensitive(from, life);
    if (!cJSON_IsNumber(seconds))
        return -1;
    double v = seconds->valuedouble;
    /* 0: a root token, or one without end. */
    s->lease_s = v >= 1 && v < 1e9 ? (int64_t)v : INT64_MAX;
    s->renewable = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(from, "renewable"));
    s->token_ns = sa_mono_ns();
    return 0;
}

/* The answer to a login or a renewal. */
static int take_auth(struct sa_secret_store *s, const struct sa_secret_answer *a,
                     struct sa_err **err)
{
    cJSON *doc = sa_secret_json(&a->body, "login to Vault", err);
    const cJSON *auth = cJSON_GetObjectItemCaseSensitive(doc, "auth");
    const char *token = sa_secret_json_text(auth, "client_token");
    int rc = doc == NULL ? -1 : 0;
    if (rc == 0 && (token == NULL || strpbrk(token, "\r\n") != NULL ||
                    take_lease(s, auth, "lease_duration") != 0))
        rc = sa_err_set(err, SA_EPROTOCOL, "login to Vault: the answer has no token");
    if (rc == 0)
        rc = sa_secret_set_text(&s->token, token, err);
    sa_secret_json_free(doc);
    return rc;
}

static int post_login(struct sa_secret_store *s, const char *mount, const struct sa_buf *body,
                      struct sa_err **err)
{
    SA_CLEANUP(sa_secret_answer_free) struct sa_secret_answer a = {0};
    SA_CLEANUP(sa_freep) char *escaped = sa_secret_escape(mount, true);
    char path[512], text[200];
    int n = snprintf(path, sizeof(path), "auth/%s/login", escaped != NULL ? escaped : "");
    if (body->failed || escaped == NULL || n < 0 || (size_t)n >= sizeof(path))
        return sa_err_set(err, SA_EMEMORY, "login to Vault");
    if (ask(s, path, body->data, &a, err) != 0)
        return -1;
    if (a.status == 200)
        return take_auth(s, &a, err);
    why(&a, text, sizeof(text));
    return sa_err_set(err, a.status / 100 == 4 ? SA_EAUTH : SA_ENETWORK,
                      "Vault refused the login at auth/%s (%s): check secrets.vault.authMethod, "
                      "path, role and namespace, and the role in Vault",
                      mount, text);
}

/* Reads a file again that may have been rotated; what can't be read leaves the last one. */
static void reread(const char *file, struct sa_secret *keep)
{
    struct sa_secret now = {0};
    if (file == NULL || sa_secret_read_file(file, file, &now, NULL) != 0) {
        sa_secret_free(&now);
        return;
    }
    sa_secret_free(keep);
    *keep = now;
}

static int log_in(struct sa_secret_store *s, struct sa_err **err)
{
    const struct sa_account *a = s->account;
    struct sa_buf body;
    sa_secret_free(&s->token);
    s->token_ns = 0;
    sa_buf_init(&body, BODY_MAX);
    sa_buf_reserve(&body, 4096 + 2 * (s->jwt.n + s->role_id.n + s->secret_id.n));
    if (method_of(s) == BY_APPROLE) {
        reread(a->vault_secret_id_file, &s->secret_id);
        sa_buf_adds(&body, "{\"role_id\":");
        sa_buf_add_json(&body, s->role_id.p);
        sa_buf_adds(&body, ",\"secret_id\":");
        sa_buf_add_json(&body, s->secret_id.p);
    } else {
        reread(a->vault_jwt_file, &s->jwt);
        sa_buf_adds(&body, "{\"role\":");
        sa_buf_add_json(&body, a->vault_role);
        sa_buf_adds(&body, ",\"jwt\":");
        sa_buf_add_json(&body, s->jwt.p);
    }
    sa_buf_addc(&body, '}');
    const char *usual = method_of(s) == BY_APPROLE ? "approle" : "kubernetes";
    int rc = post_login(s, a->vault_path != NULL ? a->vault_path : usual, &body, err);
    sa_buf_wipe(&body);
    sa_buf_free(&body);
    return rc;
}

/* How long a token lasts that was given to us. What may not be asked is taken as endless. */
static void look_up(struct sa_secret_store *s)
{
    SA_CLEANUP(sa_secret_answer_free) struct sa_secret_answer a = {0};
    s->token_ns = sa_mono_ns();
    s->lease_s = INT64_MAX;
    if (ask(s, "auth/token/lookup-self", NULL, &a, NULL) != 0 || a.status != 200)
        return;
    cJSON *doc = cJSON_ParseWithLength(a.body.p, a.body.n);
    (void)take_lease(s, cJSON_GetObjectItemCaseSensitive(doc, "data"), "ttl");
    sa_secret_json_free(doc);
}

static bool past(const struct sa_secret_store *s, int64_t seconds)
{
    return s->lease_s != INT64_MAX && sa_mono_ns() - s->token_ns >= (uint64_t)seconds * SA_NS_PER_S;
}

static int renew(struct sa_secret_store *s)
{
    SA_CLEANUP(sa_secret_answer_free) struct sa_secret_answer a = {0};
    SA_CLEANUP(sa_err_free) struct sa_err *e = NULL;
    if (ask(s, "auth/token/renew-self", "{}", &a, &e) != 0 || a.status != 200 ||
        take_auth(s, &a, &e) != 0) {
        sa_log(SA_INFO, "Vault does not renew the token%s%s", e != NULL ? ": " : "",
               e != NULL ? sa_err_msg(e) : "");
        return -1;
    }
    return 0;
}

/* A token that is in force. */
static int have_token(struct sa_secret_store *s, struct sa_err **err)
{
    bool given = method_of(s) == BY_TOKEN;
    if (given && s->token_ns == 0)
        look_up(s);
    if (s->token_ns == 0)
        return log_in(s, err);
    if (!past(s, s->lease_s / 2))
        return 0;
    if (s->renewable && !past(s, s->lease_s) && renew(s) == 0)
        return 0;
    if (!given)
        return log_in(s, err);
    /* The last try: somebody may have put a new one into the file. */
    reread(s->account->vault_token_file, &s->token);
    look_up(s);
    return 0;
}

/* Reading */

static int take_value(const struct sa_secret_store *s, const cJSON *data, struct sa_secret *out,
                      struct sa_err **err)
{
    const char *text = sa_secret_json_text(data, s->ref.key);
    if (text == NULL)
        return sa_err_set(err, SA_ECREDENTIAL, "the secret has no text under k:%s", s->ref.key);
    return s->ref.base64 ? sa_secret_from_base64(text, out, err)
                         : sa_secret_set_text(out, text, err);
}

static int take_secret(const struct sa_secret_store *s, const struct sa_secret_answer *a,
                       bool versioned, struct sa_secret *out, struct sa_err **err)
{
    cJSON *doc = sa_secret_json(&a->body, "Vault", err);
    if (doc == NULL)
        return -1;
    const cJSON *data = cJSON_GetObjectItemCaseSensitive(doc, "data");
    if (versioned)
        data = cJSON_GetObjectItemCaseSensitive(data, "data");
    int rc = take_value(s, data, out, err);
    sa_secret_json_free(doc);
    return rc;
}

static int get(struct sa_secret_store *s, bool versioned, struct sa_secret_answer *a,
               struct sa_err **err)
{
    SA_CLEANUP(sa_freep) char *mount = sa_secret_escape(s->ref.mount, true);
    SA_CLEANUP(sa_freep) char *name = sa_secret_escape(s->ref.name, true);
    SA_CLEANUP(sa_buf_free) struct sa_buf path = {0};
    sa_buf_init(&path, BODY_MAX);
    if (mount == NULL || name == NULL ||
        sa_buf_addf(&path, "%s/%s%s", mount, versioned ? "data/" : "", name) != 0)
        return sa_err_set(err, SA_EMEMORY, "request to Vault");
    return ask(s, path.data, NULL, a, err);
}

/* Which version an engine has is not asked: who may read the secret need not be allowed to ask
 * that. *status: 200, or why there is nothing. */
static int read_secret(struct sa_secret_store *s, struct sa_secret *out, long *status, char *text,
                       size_t n, struct sa_err **err)
{
    *status = 404;
    for (int version = 2; version >= 1; version--) {
        SA_CLEANUP(sa_secret_answer_free) struct sa_secret_answer a = {0};
        if (get(s, version == 2, &a, err) != 0)
            return -1;
        if (a.status == 200) {
            *status = 200;
            return take_secret(s, &a, version == 2, out, err);
        }
        if (a.status != 404) {
            why(&a, text, n);
            *status = a.status;
        }
        if (a.status != 404 && a.status != FORBIDDEN)
            return 0;
    }
    return 0;
}

static int complain(const struct sa_secret_store *s, long status, const char *text,
                    struct sa_err **err)
{
    const struct sa_secret_ref *r = &s->ref;
    if (status == FORBIDDEN)
        return sa_err_set(err, SA_EFORBIDDEN,
                          "Vault does not let it be read (%s): allow read of %s/data/%s (KV "
                          "version 2) or of %s/%s (version 1) in the policy of the role or token",
                          text, r->mount, r->name, r->mount, r->name);
    if (status == 404)
        return sa_err_set(err, SA_ENOTFOUND, "Vault has no secret %s in the engine %s", r->name,
                          r->mount);
    return sa_err_set(err, SA_ENETWORK, "Vault answers %s", text);
}

static int fetch(struct sa_secret_store *s, struct sa_secret *out, struct sa_err **err)
{
    char text[200] = "";
    long status = 0;
    if (have_token(s, err) != 0)
        return -1;
    uint64_t had = s->token_ns;
    if (read_secret(s, out, &status, text, sizeof(text), err) != 0)
        return -1;
    /* A token that was revoked is answered in the same way as one that may not. */
    if (status == FORBIDDEN && sa_mono_ns() - had > SA_NS_PER_S) {
        if (method_of(s) == BY_TOKEN)
            reread(s->account->vault_token_file, &s->token);
        else if (log_in(s, err) != 0)
            return -1;
        if (read_secret(s, out, &status, text, sizeof(text), err) != 0)
            return -1;
    }
    return status == 200 ? 0 : complain(s, status, text, err);
}

const struct sa_secret_engine_ops sa_secret_vault = {environment, open_store, fetch};
