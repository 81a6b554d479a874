/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/secrets.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/pem.h"
#include "ipc/control.h"
#include "ipc/msg.h"

#define CERT_KEY "clouddriver.tls.clientCertFile"
#define KEY_KEY  "clouddriver.tls.clientKeyFile"
#define CA_KEY   "clouddriver.tls.cacertFile"
#define WHAT_MAX 512
#define FILE_MAX ((size_t)4 * 1024 * 1024) /* bytes; a bundle of CAs is the largest */

static int read_pem(const char *path, const char *what, char **out, size_t *n, struct sa_err **err)
{
    if (!path || !*path)
        return 0;
    if (sa_file_read(path, FILE_MAX, out, n, err) < 0)
        return sa_err_wrap(err, "%s", what);
    return 0;
}

int sa_secrets_read(struct sa_uplink_secrets *s, const struct sa_clouddriver *c,
                    const char *const *config_files, struct sa_err **err)
{
    const struct {
        const char *path, *what;
        char **out;
        size_t *n;
    } files[] = {
        {c->tls_client_cert_file, CERT_KEY, &s->cert, &s->cert_len},
        {c->tls_client_key_file, KEY_KEY, &s->key, &s->key_len},
        {c->tls_cacert_file, CA_KEY, &s->ca, &s->ca_len},
    };
    int rc = 0;

    memset(s, 0, sizeof *s);
    /* All of them, so that the change of any is seen; the first error counts. */
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        if (read_pem(files[i].path, files[i].what, files[i].out, files[i].n, rc == 0 ? err : NULL) <
            0)
            rc = -1;
    if (rc == 0 && config_files)
        rc = sa_sources_read_files(config_files, &s->sources, err);
    return rc;
}

static int check_identity(struct sa_uplink_secrets *s, const struct sa_clouddriver *c,
                          struct sa_err **err)
{
    char cert_what[WHAT_MAX], key_what[WHAT_MAX];
    struct sa_pem_identity id;

    if (!s->cert && s->key)
        return sa_err_set(err, SA_ECREDENTIAL, KEY_KEY " is set and " CERT_KEY " is not");
    if (!s->cert)
        return 0;
    snprintf(cert_what, sizeof cert_what, CERT_KEY " (%s)", c->tls_client_cert_file);
    /* The key may stand in the certificate's file. */
    if (s->key)
        snprintf(key_what, sizeof key_what, KEY_KEY " (%s)", c->tls_client_key_file);
    else
        snprintf(key_what, sizeof key_what, "%s", cert_what);
    if (sa_pem_identity(s->cert, s->cert_len, cert_what, s->key ? s->key : s->cert,
                        s->key ? s->key_len : s->cert_len, key_what, s->key_password, &id, err) < 0)
        return -1;
    s->not_before = id.not_before;
    s->not_after = id.not_after;
    sa_pem_identity_free(&id);
    return 0;
}

static int check_ca(const struct sa_uplink_secrets *s, const struct sa_clouddriver *c,
                    struct sa_err **err)
{
    char what[WHAT_MAX];
    X509_STORE *store;

    if (!s->ca)
        return 0;
    snprintf(what, sizeof what, CA_KEY " (%s)", c->tls_cacert_file);
    if (sa_pem_roots(s->ca, s->ca_len, what, &store, err) < 0)
        return -1;
    X509_STORE_free(store);
    return 0;
}

bool sa_secrets_outdated(const struct sa_uplink_secrets *s, const struct sa_clouddriver *c,
                         char *out, size_t n)
{
    int64_t now = sa_real_us() / 1000000;
    char date[32];

    if (!s->cert || (now < s->not_after && now >= s->not_before))
        return false;
    sa_pem_date(now < s->not_before ? s->not_before : s->not_after, date);
    snprintf(out, n, CERT_KEY " (%s): the client certificate %s %s", c->tls_client_cert_file,
             now < s->not_before ? "is not valid before" : "expired on", date);
    return true;
}

/* Files that have become invalid since the supervisor accepted them are not our affair. */
static int parse_sources(struct sa_uplink_secrets *s, struct sa_err **err)
{
    struct sa_clouddriver found = {0};
    int rc = sa_sources_secrets(&s->sources, &found, err);

    s->token = found.token;
    s->key_password = found.tls_client_key_password;
    return rc;
}

int sa_secrets_parse(struct sa_uplink_secrets *s, const struct sa_clouddriver *c,
                     struct sa_err **err)
{
    int rc = s->sources.n > 0 ? parse_sources(s, err) : 0;

    for (size_t i = 0; i < s->sources.n; i++)
        if (s->sources.v[i].bytes)
            sodium_memzero(s->sources.v[i].bytes, s->sources.v[i].n);
    sa_sources_free(&s->sources);
    memset(&s->sources, 0, sizeof s->sources);
    return rc < 0 || check_identity(s, c, err) < 0 || check_ca(s, c, err) < 0 ? -1 : 0;
}

static void wipe(char **p, size_t n)
{
    if (*p)
        sodium_memzero(*p, n);
    free(*p);
    *p = NULL;
}

void sa_secrets_free(struct sa_uplink_secrets *s)
{
    wipe(&s->cert, s->cert_len);
    wipe(&s->key, s->key_len);
    wipe(&s->ca, s->ca_len);
    wipe(&s->token, s->token ? strlen(s->token) : 0);
    wipe(&s->key_password, s->key_password ? strlen(s->key_password) : 0);
    sa_sources_free(&s->sources);
    memset(s, 0, sizeof *s);
}

/* The fingerprint is 0 of what could not be read. */
static void put_file(struct sa_buf *body, const char *path, const char *p, size_t n,
                     const uint8_t key[32])
{
    uint8_t mark[SA_FINGERPRINT_SIZE] = {0};

    if (p)
        sa_fingerprint(key, p, n, mark);
    sa_ctl_put_file(body, path, mark, false);
}

void sa_secrets_files(const struct sa_uplink_secrets *s, const struct sa_clouddriver *c,
                      const uint8_t fingerprint_key[32], struct sa_buf *body)
{
    const struct {
        const char *path, *p;
        size_t n;
    } files[] = {
        {c->tls_client_cert_file, s->cert, s->cert_len},
        {c->tls_client_key_file, s->key, s->key_len},
        {c->tls_cacert_file, s->ca, s->ca_len},
    };
    uint32_t n = 0;

    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        n += files[i].path && *files[i].path;
    sa_wr_u32(body, n);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        if (files[i].path && *files[i].path)
            put_file(body, files[i].path, files[i].p, files[i].n, fingerprint_key);
}

bool sa_secrets_blamed(const struct sa_uplink_secrets *s, const struct sa_clouddriver *c,
                       const struct sa_err *why, struct sa_err **err)
{
    char text[700];

    if (why->code != SA_ETLS || !sa_secrets_outdated(s, c, text, sizeof text))
        return false;
    sa_err_set(err, SA_ECREDENTIAL, "%s (%s)", text, sa_err_msg(why));
    return true;
}
