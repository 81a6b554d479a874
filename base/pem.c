/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pem.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <string.h>
#include <time.h>

static BIO *bio_of(const void *p, size_t n)
{
    return n > INT_MAX ? NULL : BIO_new_mem_buf(p, (int)n);
}

/* A key that wants a password gets none; without this OpenSSL would ask the terminal. */
static int no_password(char *buf, int size, int writing, void *arg)
{
    (void)buf, (void)size, (void)writing, (void)arg;
    return -1;
}

/* The innermost reason of OpenSSL's queue, which it empties. Reasons are fixed texts, never data.
 */
static const char *reason(void)
{
    unsigned long e = ERR_peek_last_error();
    const char *text = e != 0 ? ERR_reason_error_string(e) : NULL;
    ERR_clear_error();
    return text != NULL ? text : "not PEM";
}

/* True if reading stopped because no PEM block was left, which is how a bundle ends. */
static bool at_end(void)
{
    unsigned long e = ERR_peek_last_error();
    bool end = ERR_GET_LIB(e) == ERR_LIB_PEM && ERR_GET_REASON(e) == PEM_R_NO_START_LINE;
    if (end)
        ERR_clear_error();
    return end;
}

int64_t sa_pem_time(const ASN1_TIME *t)
{
    struct tm tm;
    if (t == NULL || ASN1_TIME_to_tm(t, &tm) != 1)
        return INT64_MAX;
    return (int64_t)timegm(&tm);
}

void sa_pem_date(int64_t seconds, char out[32])
{
    time_t t = (time_t)seconds;
    struct tm tm;
    if (gmtime_r(&t, &tm) == NULL || strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        out[0] = '\0';
}

int sa_pem_roots(const void *p, size_t n, const char *what, X509_STORE **out, struct sa_err **err)
{
    BIO *b = bio_of(p, n);
    X509_STORE *store = X509_STORE_new();
    unsigned count = 0;
    int rc = -1;
    if (b == NULL || store == NULL) {
        sa_err_set(err, SA_EMEMORY, "no memory for certificates");
        goto out;
    }
    ERR_clear_error();
    X509 *x;
    while ((x = PEM_read_bio_X509(b, NULL, no_password, NULL)) != NULL) {
        int added = X509_STORE_add_cert(store, x);
        X509_free(x);
        if (added != 1) {
            sa_err_set(err, SA_ECREDENTIAL, "%s: %s", what, reason());
            goto out;
        }
        count++;
    }
    if (!at_end()) {
        sa_err_set(err, SA_ECREDENTIAL, "%s: certificate %u is malformed: %s", what, count + 1,
                   reason());
        goto out;
    }
    if (count == 0) {
        sa_err_set(err, SA_ECREDENTIAL, "%s holds no certificate in PEM form", what);
        goto out;
    }
    X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST);
    *out = store;
    store = NULL;
    rc = 0;
out:
    X509_STORE_free(store);
    BIO_free(b);
    return rc;
}

int sa_pem_system_roots(X509_STORE **out, struct sa_err **err)
{
    X509_STORE *store = X509_STORE_new();
    if (store == NULL || X509_STORE_set_default_paths(store) != 1) {
        X509_STORE_free(store);
        return sa_err_set(err, SA_ECREDENTIAL, "the system's CA certificates: %s", reason());
    }
    *out = store;
    return 0;
}

static int read_chain(const void *p, size_t n, const char *what, struct sa_pem_identity *out,
                      struct sa_err **err)
{
    BIO *b = bio_of(p, n);
    int rc = -1;
    out->chain = sk_X509_new_null();
    if (b == NULL || out->chain == NULL) {
        sa_err_set(err, SA_EMEMORY, "no memory for certificates");
        goto out;
    }
    ERR_clear_error();
    out->cert = PEM_read_bio_X509(b, NULL, no_password, NULL);
    if (out->cert == NULL) {
        sa_err_set(err, SA_ECREDENTIAL, "%s holds no certificate in PEM form (%s)", what, reason());
        goto out;
    }
    X509 *x;
    while ((x = PEM_read_bio_X509(b, NULL, no_password, NULL)) != NULL) {
        if (sk_X509_push(out->chain, x) <= 0) {
            X509_free(x);
            sa_err_set(err, SA_EMEMORY, "no memory for certificates");
            goto out;
        }
    }
    if (!at_end()) {
        sa_err_set(err, SA_ECREDENTIAL, "%s: a certificate after the first is malformed: %s", what,
                   reason());
        goto out;
    }
    out->not_before = sa_pem_time(X509_get0_notBefore(out->cert));
    out->not_after = sa_pem_time(X509_get0_notAfter(out->cert));
    rc = 0;
out:
    BIO_free(b);
    return rc;
}

/* The password that was given. */
static int the_password(char *buf, int size, int writing, void *arg)
{
    size_t n = strlen(arg);
    (void)writing;
    if (size < 0 || n > (size_t)size)
        return -1;
    memcpy(buf, arg, n); /* NOLINT(bugprone-not-null-terminated-result): pem_password_cb(3) */
    return (int)n;
}

static int read_key(const void *p, size_t n, const char *what, const char *password,
                    struct sa_pem_identity *out, struct sa_err **err)
{
    BIO *b = bio_of(p, n);
    if (b == NULL)
        return sa_err_set(err, SA_EMEMORY, "no memory for a key");
    ERR_clear_error();
    out->key = PEM_read_bio_PrivateKey(b, NULL, password ? the_password : no_password,
                                       (void *)(uintptr_t)password);
    BIO_free(b);
    if (out->key == NULL)
        return sa_err_set(err, SA_ECREDENTIAL, "%s holds no private key in PEM form %s (%s)", what,
                          password ? "that the password opens" : "without a password", reason());
    return 0;
}

int sa_pem_identity(const void *cert, size_t cert_n, const char *cert_what, const void *key,
                    size_t key_n, const char *key_what, const char *password,
                    struct sa_pem_identity *out, struct sa_err **err)
{
    *out = (struct sa_pem_identity){0};
    if (read_chain(cert, cert_n, cert_what, out, err) != 0 ||
        read_key(key, key_n, key_what, password, out, err) != 0)
        goto fail;
    if (X509_check_private_key(out->cert, out->key) != 1) {
        ERR_clear_error();
        sa_err_set(err, SA_ECREDENTIAL, "%s does not belong to %s", key_what, cert_what);
        goto fail;
    }
    return 0;
fail:
    sa_pem_identity_free(out);
    return -1;
}

void sa_pem_identity_free(struct sa_pem_identity *i)
{
    X509_free(i->cert);
    sk_X509_pop_free(i->chain, X509_free);
    EVP_PKEY_free(i->key); /* OpenSSL wipes private parts */
    *i = (struct sa_pem_identity){0};
}
