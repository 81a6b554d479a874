/* SPDX-License-Identifier: Apache-2.0 */
/* The answer of an exec plugin: ExecCredential of client.authentication.k8s.io. */
#include <cjson/cJSON.h>
#include <sodium.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "worker/exec_client.h"

/* "+hh:mm" or "Z" in seconds east of UTC. */
static int zone(const char *p, int64_t *out)
{
    unsigned h, m;
    int used = 0;
    *out = 0;
    if (strcmp(p, "Z") == 0 || strcmp(p, "z") == 0)
        return 0;
    /* NOLINTNEXTLINE(cert-err34-c): two digits can't overflow */
    if ((p[0] != '+' && p[0] != '-') || sscanf(p + 1, "%2u:%2u%n", &h, &m, &used) != 2 ||
        used != 5 || p[6] != '\0' || h > 23 || m > 59)
        return -1;
    *out = (int64_t)(h * 3600 + m * 60) * (p[0] == '-' ? -1 : 1);
    return 0;
}

int64_t sa_exec_time(const char *text)
{
    struct tm tm = {0};
    int64_t east;
    const char *p = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (p == NULL || strlen(text) > 64)
        return INT64_MIN;
    if (*p == '.') {
        size_t digits = strspn(p + 1, "0123456789");
        if (digits == 0)
            return INT64_MIN;
        p += 1 + digits;
    }
    if (zone(p, &east) != 0)
        return INT64_MIN;
    return (int64_t)timegm(&tm) - east;
}

static const char *text_of(const cJSON *map, const char *key)
{
    const char *s = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(map, key));
    return s != NULL && s[0] != '\0' ? s : NULL;
}

static int bad(struct sa_err **err, const char *what)
{
    return sa_err_set(err, SA_ECREDENTIAL, "the exec plugin's answer %s", what);
}

static int copy(const cJSON *map, const char *key, struct sa_secret *out, struct sa_err **err)
{
    const char *s = text_of(map, key);
    if (s == NULL)
        return 0;
    if (sa_secret_set(out, s, strlen(s)) != 0)
        return sa_err_set(err, SA_EMEMORY, "the exec plugin's answer");
    return 0;
}

static int read_status(const cJSON *status, struct sa_exec_credential *out, struct sa_err **err)
{
    const char *expires = text_of(status, "expirationTimestamp");
    if (copy(status, "token", &out->token, err) != 0 ||
        copy(status, "clientCertificateData", &out->cert, err) != 0 ||
        copy(status, "clientKeyData", &out->key, err) != 0)
        return -1;
    sa_secret_trim(&out->token);
    if ((out->cert.n > 0) != (out->key.n > 0))
        return bad(err, "has only one of clientCertificateData and clientKeyData");
    if (out->token.n == 0 && out->cert.n == 0)
        return bad(err, "has neither a token nor a client certificate in its status");
    /* A line end in a token would end the header that it becomes part of. */
    for (size_t i = 0; i < out->token.n; i++) {
        if ((unsigned char)out->token.p[i] <= ' ' || (unsigned char)out->token.p[i] > '~')
            return bad(err, "has a token with white space or other odd bytes in it");
    }
    out->expires_s = expires != NULL ? sa_exec_time(expires) : INT64_MAX;
    if (out->expires_s == INT64_MIN)
        return bad(err, "has an expirationTimestamp that is not RFC 3339");
    return 0;
}

static int read_answer(const cJSON *root, const char *want_version, struct sa_exec_credential *out,
                       struct sa_err **err)
{
    const char *kind = text_of(root, "kind"), *version = text_of(root, "apiVersion");
    const cJSON *status = cJSON_GetObjectItemCaseSensitive(root, "status");
    if (!cJSON_IsObject(root))
        return bad(err, "is not a JSON object");
    if (kind == NULL || strcmp(kind, "ExecCredential") != 0)
        return bad(err, "is not of kind ExecCredential");
    if (version == NULL || strcmp(version, want_version) != 0)
        return sa_err_set(err, SA_ECREDENTIAL,
                          "the exec plugin's answer is not of apiVersion %s, which the kubeconfig "
                          "asks for",
                          want_version);
    if (!cJSON_IsObject(status))
        return bad(err, "has no status");
    return read_status(status, out, err);
}

/* cJSON frees strings without wiping them. */
static void wipe(cJSON *item)
{
    for (; item != NULL; item = item->next) {
        if (item->valuestring != NULL)
            sodium_memzero(item->valuestring, strlen(item->valuestring));
        wipe(item->child); /* as deep as cJSON reads: 1000 */
    }
}

int sa_exec_credential_parse(const void *json, size_t n, const char *want_version,
                             struct sa_exec_credential *out, struct sa_err **err)
{
    *out = (struct sa_exec_credential){.expires_s = INT64_MAX};
    cJSON *root = cJSON_ParseWithLength(json, n);
    if (root == NULL)
        return bad(err, "is not JSON");
    int rc = read_answer(root, want_version, out, err);
    wipe(root);
    cJSON_Delete(root);
    if (rc != 0)
        sa_exec_credential_free(out);
    return rc;
}

void sa_exec_credential_free(struct sa_exec_credential *c)
{
    sa_secret_free(&c->token);
    sa_secret_free(&c->cert);
    sa_secret_free(&c->key);
}
