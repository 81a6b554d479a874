/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/secrets.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "ipc/msg.h"

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
    memset(s, 0, sizeof *s);
    if (read_pem(c->tls_client_cert_file, "clouddriver.tls.clientCertFile", &s->cert, &s->cert_len,
                 err) < 0 ||
        read_pem(c->tls_client_key_file, "clouddriver.tls.clientKeyFile", &s->key, &s->key_len,
                 err) < 0 ||
        read_pem(c->tls_cacert_file, "clouddriver.tls.cacertFile", &s->ca, &s->ca_len, err) < 0 ||
        (config_files && sa_sources_read_files(config_files, &s->sources, err) < 0)) {
        sa_secrets_free(s);
        return -1;
    }
    return 0;
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

int sa_secrets_parse(struct sa_uplink_secrets *s, struct sa_err **err)
{
    int rc = s->sources.n > 0 ? parse_sources(s, err) : 0;

    for (size_t i = 0; i < s->sources.n; i++)
        if (s->sources.v[i].bytes)
            sodium_memzero(s->sources.v[i].bytes, s->sources.v[i].n);
    sa_sources_free(&s->sources);
    memset(&s->sources, 0, sizeof s->sources);
    return rc;
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

static void put_file(struct sa_buf *body, const char *path, const char *p, size_t n,
                     const uint8_t key[32])
{
    uint8_t mark[SA_FINGERPRINT_SIZE];

    sa_fingerprint(key, p, n, mark);
    sa_wr_str(body, path);
    sa_buf_add(body, mark, sizeof mark);
    sa_wr_u8(body, 0);
}

void sa_secrets_files(const struct sa_uplink_secrets *s, const struct sa_clouddriver *c,
                      const uint8_t fingerprint_key[32], struct sa_buf *body)
{
    sa_wr_u32(body, (uint32_t)((s->cert != NULL) + (s->key != NULL) + (s->ca != NULL)));
    if (s->cert)
        put_file(body, c->tls_client_cert_file, s->cert, s->cert_len, fingerprint_key);
    if (s->key)
        put_file(body, c->tls_client_key_file, s->key, s->key_len, fingerprint_key);
    if (s->ca)
        put_file(body, c->tls_cacert_file, s->ca, s->ca_len, fingerprint_key);
}
