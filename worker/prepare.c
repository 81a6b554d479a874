/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all workers need alike is made once, before the first of them is forked, so that they share
 * its pages: libcurl's tables, and the algorithms that OpenSSL looks up and keeps when they are
 * first used (some 400 KB). To have it look up those of a TLS connection, one is made here, from
 * memory to memory.
 */
#include <curl/curl.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "worker/worker.h"

#define HANDSHAKE_STEPS 20

static X509 *own_certificate(EVP_PKEY *key)
{
    X509 *x = X509_new();
    if (!x)
        return NULL;
    X509_NAME *name = X509_get_subject_name(x);
    if (!ASN1_INTEGER_set(X509_get_serialNumber(x), 1) ||
        !X509_gmtime_adj(X509_getm_notBefore(x), 0) ||
        !X509_gmtime_adj(X509_getm_notAfter(x), 60) || !X509_set_pubkey(x, key) ||
        !X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"x", 1, -1,
                                    0) ||
        !X509_set_issuer_name(x, name) || !X509_sign(x, key, EVP_sha256())) {
        X509_free(x);
        return NULL;
    }
    return x;
}

static void shake_hands(SSL_CTX *client, SSL_CTX *server)
{
    SSL *c = SSL_new(client), *s = SSL_new(server);
    BIO *cb = NULL, *sb = NULL;
    if (c && s && BIO_new_bio_pair(&cb, 0, &sb, 0)) {
        SSL_set_bio(c, cb, cb); /* each owns its end from here on */
        SSL_set_bio(s, sb, sb);
        SSL_set_connect_state(c);
        SSL_set_accept_state(s);
        for (int i = 0; i < HANDSHAKE_STEPS; i++) {
            int done = SSL_do_handshake(c);
            if (SSL_do_handshake(s) == 1 && done == 1)
                break;
        }
        char byte;
        if (SSL_write(c, "", 1) == 1)
            SSL_read(s, &byte, 1);
    }
    SSL_free(c);
    SSL_free(s);
}

/* Only memory is at stake: what fails here is looked up by each worker again. */
static void warm_tls(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = key ? own_certificate(key) : NULL;
    SSL_CTX *client = SSL_CTX_new(TLS_client_method());
    SSL_CTX *server = SSL_CTX_new(TLS_server_method());
    if (cert && client && server && SSL_CTX_use_certificate(server, cert) == 1 &&
        SSL_CTX_use_PrivateKey(server, key) == 1) {
        SSL_CTX_set_verify(client, SSL_VERIFY_NONE, NULL);
        shake_hands(client, server);
    }
    SSL_CTX_free(client);
    SSL_CTX_free(server);
    X509_free(cert);
    EVP_PKEY_free(key);
}

int sa_worker_prepare(struct sa_err **err)
{
    CURLcode rc = curl_global_init(CURL_GLOBAL_DEFAULT);
    if (rc != CURLE_OK)
        return sa_err_set(err, SA_EINTERNAL, "libcurl: %s", curl_easy_strerror(rc));
    warm_tls();
    return 0;
}
