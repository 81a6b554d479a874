/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "worker/secret_aws.h"

#define TEXT_BYTES   (64u * 1024u)
#define METADATA     "http://169.254.169.254"
#define CONTAINER    "http://169.254.170.2"
#define METADATA_WAY "/latest/meta-data/iam/security-credentials/"

static const char *env(const char *name)
{
    const char *v = getenv(name);
    return v != NULL && v[0] != '\0' ? v : NULL;
}

void sa_aws_credentials_free(struct sa_aws_credentials *c)
{
    sa_secret_free(&c->id);
    sa_secret_free(&c->key);
    sa_secret_free(&c->session);
}

static int set_all(struct sa_aws_credentials *out, const char *id, const char *key,
                   const char *session, const char *what, struct sa_err **err)
{
    if (id == NULL || key == NULL || id[0] == '\0' || key[0] == '\0')
        return sa_err_set(err, SA_ECREDENTIAL, "%s: there is no access key", what);
    /* The id is part of a header, and so is the session's token. */
    if (strpbrk(id, "\r\n") != NULL || (session != NULL && strpbrk(session, "\r\n") != NULL))
        return sa_err_set(err, SA_ECREDENTIAL, "%s: there is a line end in the access key", what);
    if (sa_secret_set_text(&out->id, id, err) != 0 || sa_secret_set_text(&out->key, key, err) != 0)
        return -1;
    return session == NULL || session[0] == '\0' ? 0
                                                 : sa_secret_set_text(&out->session, session, err);
}

/* Which of them there is */

enum source { FROM_ENVIRONMENT, FROM_WEB_IDENTITY, FROM_FILE, FROM_CONTAINER, FROM_INSTANCE };

static enum source find_source(void)
{
    if (env("AWS_ACCESS_KEY_ID") != NULL)
        return FROM_ENVIRONMENT;
    if (env("AWS_WEB_IDENTITY_TOKEN_FILE") != NULL && env("AWS_ROLE_ARN") != NULL)
        return FROM_WEB_IDENTITY;
    if (env("AWS_SHARED_CREDENTIALS_FILE") != NULL)
        return FROM_FILE;
    if (env("AWS_CONTAINER_CREDENTIALS_FULL_URI") != NULL ||
        env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") != NULL)
        return FROM_CONTAINER;
    return FROM_INSTANCE;
}

static void sts_url(const struct sa_secret_store *s, char *out, size_t n)
{
    const char *own = env("AWS_ENDPOINT_URL_STS");
    own = own != NULL ? own : env("AWS_ENDPOINT_URL");
    if (own != NULL)
        snprintf(out, n, "%s", own);
    else
        snprintf(out, n, "https://sts.%s.amazonaws.com/", s->ref.region);
}

static void container_url(char *out, size_t n)
{
    const char *full = env("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    if (full != NULL)
        snprintf(out, n, "%s", full);
    else
        snprintf(out, n, CONTAINER "%s", env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"));
}

static const char *metadata(void)
{
    const char *own = env("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    return own != NULL ? own : METADATA;
}

int sa_aws_open(struct sa_secret_store *s, struct sa_err **err)
{
    const char *ca = env("AWS_CA_BUNDLE"), *file;
    char url[1024];
    if (ca != NULL && sa_secret_open_file(s, ca, "AWS_CA_BUNDLE", false, &s->ca, err) != 0)
        return -1;
    switch (find_source()) {
    case FROM_WEB_IDENTITY:
        sts_url(s, url, sizeof(url));
        file = env("AWS_WEB_IDENTITY_TOKEN_FILE");
        sa_secret_allow_dir_of(s, file);
        if (sa_secret_allow_url(s, url, err) != 0)
            return -1;
        return sa_secret_open_file(s, file, "AWS_WEB_IDENTITY_TOKEN_FILE", true, &s->jwt, err);
    case FROM_FILE:
        file = env("AWS_SHARED_CREDENTIALS_FILE");
        return sa_secret_open_file(s, file, "AWS_SHARED_CREDENTIALS_FILE", false, &s->token, err);
    case FROM_CONTAINER:
        container_url(url, sizeof(url));
        file = env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
        if (file != NULL)
            sa_secret_allow_dir_of(s, file);
        if (file != NULL && sa_secret_open_file(s, file, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                                                true, &s->jwt, err) != 0)
            return -1;
        return sa_secret_allow_url(s, url, err);
    case FROM_INSTANCE:
        return sa_secret_allow_url(s, metadata(), err);
    default:
        return 0;
    }
}

/* A profile in a file */

/* The next line of n bytes without its white space; NULL at the end. */
static const char *next_line(const char **at, size_t *n)
{
    const char *p = *at;
    if (*p == '\0')
        return NULL;
    size_t length = strcspn(p, "\r\n");
    *at = p + length + (p[length] != '\0');
    while (length > 0 && (*p == ' ' || *p == '\t')) {
        p++;
        length--;
    }
    while (length > 0 && (p[length - 1] == ' ' || p[length - 1] == '\t'))
        length--;
    *n = length;
    return p;
}

static int take_line(const char *p, size_t n, struct sa_aws_credentials *out)
{
    static const char *const names[] = {"aws_access_key_id", "aws_secret_access_key",
                                        "aws_session_token"};
    struct sa_secret *const fields[] = {&out->id, &out->key, &out->session};
    const char *sign = memchr(p, '=', n);
    if (sign == NULL)
        return 0;
    size_t name = (size_t)(sign - p);
    while (name > 0 && (p[name - 1] == ' ' || p[name - 1] == '\t'))
        name--;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strlen(names[i]) != name || memcmp(names[i], p, name) != 0)
            continue;
        if (sa_secret_set(fields[i], sign + 1, n - (size_t)(sign - p) - 1) != 0)
            return -1;
        sa_secret_trim(fields[i]);
        fields[i]->p[fields[i]->n] = '\0';
    }
    return 0;
}

int sa_aws_profile(const struct sa_secret *file, const char *profile,
                   struct sa_aws_credentials *out, struct sa_err **err)
{
    const char *at = file->p, *line;
    size_t n, length = strlen(profile);
    bool inside = false;
    while ((line = next_line(&at, &n)) != NULL) {
        if (n >= 2 && line[0] == '[' && line[n - 1] == ']')
            inside = n == length + 2 && memcmp(line + 1, profile, length) == 0;
        else if (inside && n > 0 && line[0] != '#' && line[0] != ';' &&
                 take_line(line, n, out) != 0)
            return sa_err_set(err, SA_EMEMORY, "credentials of AWS");
    }
    if (out->id.n > 0 && out->key.n > 0)
        return 0;
    return sa_err_set(err, SA_ECREDENTIAL,
                      "AWS_SHARED_CREDENTIALS_FILE has no access key in the profile %s", profile);
}

/* Those that are asked for */

static int from_json(const struct sa_secret_answer *a, const char *what,
                     struct sa_aws_credentials *out, struct sa_err **err)
{
    if (a->status != 200)
        return sa_err_set(err, SA_ECREDENTIAL, "%s answers %ld", what, a->status);
    cJSON *doc = sa_secret_json(&a->body, what, err);
    if (doc == NULL)
        return -1;
    int rc = set_all(out, sa_secret_json_text(doc, "AccessKeyId"),
                     sa_secret_json_text(doc, "SecretAccessKey"), sa_secret_json_text(doc, "Token"),
                     what, err);
    sa_secret_json_free(doc);
    return rc;
}

static int from_container(struct sa_secret_store *s, struct sa_aws_credentials *out,
                          struct sa_err **err)
{
    SA_CLEANUP(sa_secret_answer_free) struct sa_secret_answer a = {0};
    const char *file = env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    const char *token = env("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    struct sa_secret now = {0};
    struct sa_buf header;
    char url[1024];
    container_url(url, sizeof(url));
    if (file != NULL && sa_secret_read_file(file, file, &now, NULL) == 0) {
        sa_secret_free(&s->jwt);
        s->jwt = now;
    }
    if (s->jwt.n > 0)
        token = s->jwt.p;
    sa_buf_init(&header, TEXT_BYTES);
    sa_buf_reserve(&header, TEXT_BYTES / 2);
    sa_buf_addf(&header, "Authorization: %s", token != NULL ? token : "");
    const char *const headers[] = {token != NULL ? header.data : NULL, NULL};
    const struct sa_secret_call c = {.url = url, .headers = headers, .direct = true};
    int rc = header.failed ? sa_err_set(err, SA_EMEMORY, "credentials of AWS")
                           : sa_secret_ask(s, &c, &a, err);
    sa_buf_wipe(&header);
    sa_buf_free(&header);
    return rc != 0 ? -1 : from_json(&a, "the container's endpoint for credentials", out, err);
}

/* The name of the instance's role, which becomes part of a URL. */
static int role_of(const struct sa_secret_answer *a, char *out, size_t n, struct sa_err **err)
{
    size_t length = strcspn(a->body.p, "\r\n");
    if (a->status != 200 || length == 0 || length >= n || memchr(a->body.p, '/', length) != NULL)
        return sa_err_set(
            err, SA_ECREDENTIAL,
            "there are no credentials of AWS in the environment, and this instance has "
            "no role (its metadata answer %ld)",
            a->status);
    memcpy(out, a->body.p, length);
    out[length] = '\0';
    return 0;
}

static int from_instance(struct sa_secret_store *s, struct sa_aws_credentials *out,
                         struct sa_err **err)
{
    SA_CLEANUP(sa_secret_answer_free) struct sa_secret_answer session = {0}, role = {0}, a = {0};
    char url[1400], header[512], name[128];
    static const char *const life[] = {"X-aws-ec2-metadata-token-ttl-seconds: 60", NULL};
    const char *const headers[] = {header, NULL};
    struct sa_secret_call c = {.method = "PUT", .url = url, .headers = life, .direct = true};
    if (env("AWS_EC2_METADATA_DISABLED") != NULL)
        return sa_err_set(err, SA_ECREDENTIAL,
                          "there are no credentials of AWS in the environment");
    snprintf(url, sizeof(url), "%s/latest/api/token", metadata());
    if (sa_secret_ask(s, &c, &session, err) != 0)
        return sa_err_wrap(err, "there are no credentials of AWS in the environment, and the "
                                "instance's metadata can't be had");
    if (session.status != 200 || session.body.n > 400 || strpbrk(session.body.p, "\r\n") != NULL)
        return sa_err_set(err, SA_ECREDENTIAL, "the instance's metadata answer %ld",
                          session.status);
    snprintf(header, sizeof(header), "X-aws-ec2-metadata-token: %s", session.body.p);
    c.method = NULL;
    c.headers = headers;
    snprintf(url, sizeof(url), "%s" METADATA_WAY, metadata());
    if (sa_secret_ask(s, &c, &role, err) != 0 || role_of(&role, name, sizeof(name), err) != 0)
        return -1;
    snprintf(url, sizeof(url), "%s" METADATA_WAY "%s", metadata(), name);
    if (sa_secret_ask(s, &c, &a, err) != 0)
        return -1;
    return from_json(&a, "the instance's metadata", out, err);
}

/* What stands between <name> and </name>. AWS writes nothing in these that XML would escape. */
static int element(const struct sa_secret *xml, const char *name, struct sa_secret *out)
{
    char open[64], close[64];
    snprintf(open, sizeof(open), "<%s>", name);
    snprintf(close, sizeof(close), "</%s>", name);
    const char *begin = strstr(xml->p, open);
    const char *end = begin != NULL ? strstr(begin, close) : NULL;
    if (end == NULL)
        return -1;
    begin += strlen(open);
    if (memchr(begin, '<', (size_t)(end - begin)) != NULL ||
        memchr(begin, '&', (size_t)(end - begin)) != NULL ||
        memchr(begin, '\n', (size_t)(end - begin)) != NULL || begin == end)
        return -1;
    return sa_secret_set(out, begin, (size_t)(end - begin));
}

int sa_aws_sts_answer(const struct sa_secret *xml, struct sa_aws_credentials *out,
                      struct sa_err **err)
{
    if (element(xml, "AccessKeyId", &out->id) == 0 &&
        element(xml, "SecretAccessKey", &out->key) == 0 &&
        element(xml, "SessionToken", &out->session) == 0)
        return 0;
    return sa_err_set(err, SA_EPROTOCOL, "AWS STS: the answer has no credentials");
}

static int from_web_identity(struct sa_secret_store *s, struct sa_aws_credentials *out,
                             struct sa_err **err)
{
    SA_CLEANUP(sa_secret_answer_free) struct sa_secret_answer a = {0};
    struct sa_secret now = {0};
    struct sa_buf body;
    char url[1024];
    const char *session = env("AWS_ROLE_SESSION_NAME");
    if (sa_secret_read_file(env("AWS_WEB_IDENTITY_TOKEN_FILE"), "token", &now, NULL) == 0) {
        sa_secret_free(&s->jwt);
        s->jwt = now;
    }
    SA_CLEANUP(sa_freep) char *role = sa_secret_escape(env("AWS_ROLE_ARN"), false);
    SA_CLEANUP(sa_freep) char *name = sa_secret_escape(session ? session : "scale-agent", false);
    char *token = sa_secret_escape(s->jwt.p, false);
    sts_url(s, url, sizeof(url));
    sa_buf_init(&body, TEXT_BYTES);
    sa_buf_reserve(&body, TEXT_BYTES / 2);
    sa_buf_addf(&body,
                "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=%s&RoleSessionName=%s"
                "&WebIdentityToken=%s",
                role ? role : "", name ? name : "", token ? token : "");
    const struct sa_secret_call c = {
        .url = url, .body = body.data, .ca = &s->ca, .ca_key = "AWS_CA_BUNDLE"};
    int rc = body.failed || !role || !name || !token
                 ? sa_err_set(err, SA_EMEMORY, "credentials of AWS")
                 : sa_secret_ask(s, &c, &a, err);
    sa_buf_wipe(&body);
    sa_buf_free(&body);
    sa_secret_free_string(&token);
    if (rc != 0)
        return -1;
    if (a.status != 200)
        return sa_err_set(err, SA_EAUTH,
                          "AWS STS does not let the web identity have the role %s (%ld): check the "
                          "role's trust policy",
                          env("AWS_ROLE_ARN"), a.status);
    return sa_aws_sts_answer(&a.body, out, err);
}

int sa_aws_credentials(struct sa_secret_store *s, struct sa_aws_credentials *out,
                       struct sa_err **err)
{
    const char *profile = env("AWS_PROFILE");
    switch (find_source()) {
    case FROM_ENVIRONMENT:
        return set_all(out, env("AWS_ACCESS_KEY_ID"), env("AWS_SECRET_ACCESS_KEY"),
                       env("AWS_SESSION_TOKEN"), "the environment", err);
    case FROM_WEB_IDENTITY:
        return from_web_identity(s, out, err);
    case FROM_FILE:
        return sa_aws_profile(&s->token, profile != NULL ? profile : "default", out, err);
    case FROM_CONTAINER:
        return from_container(s, out, err);
    default:
        return from_instance(s, out, err);
    }
}
