/* SPDX-License-Identifier: Apache-2.0 */
/* A kubeconfig of any bytes: as parsed, and as the places it names. The first byte chooses what
 * part of the rest is read how. */
#include <stdlib.h>
#include <string.h>

#include "base/pem.h"
#include "worker/http_endpoint.h"
#include "worker/http_internal.h"
#include "worker/kubeconfig.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void check(const struct sa_err *e, int rc)
{
    if ((rc != 0) != (e != NULL))
        abort(); /* an error has a reason, and only an error */
}

static void endpoint(const char *server, const char *name, const char *proxy)
{
    struct sa_endpoint e;
    struct sa_err *err = NULL;
    int rc = sa_endpoint_make(server, name, proxy, false, &e, &err);
    check(err, rc);
    if (rc == 0 && (strncmp(e.base, "http", 4) != 0 || e.port == 0))
        abort();
    if (rc == 0)
        sa_endpoint_free(&e);
    sa_err_free(&err);
}

static void kubeconfig(const uint8_t *p, size_t n)
{
    struct sa_kubeconfig k;
    struct sa_err *err = NULL;
    int rc = sa_kubeconfig_parse("f", p, n, NULL, &k, &err);
    check(err, rc);
    if (rc == 0) {
        endpoint(k.server, k.tls_server_name, k.proxy_url);
        sa_kubeconfig_free(&k);
    }
    sa_err_free(&err);
}

static void texts(char *text, uint8_t what)
{
    bool date;
    X509_STORE *store = NULL;
    struct sa_err *err = NULL;
    if (what == 1) {
        endpoint(text, NULL, NULL);
        endpoint("https://h", text, NULL);
        endpoint("https://h", NULL, text);
    } else if (what == 2) {
        (void)sa_no_proxy(text, "10.1.2.3", 443);
        (void)sa_no_proxy(text, "a.b.test", 443);
        (void)sa_no_proxy("10.0.0.0/8,a.test,[::1]:3", text, 443);
        (void)sa_http_parse_retry_after(text, &date);
    } else {
        int rc = sa_pem_roots(text, strlen(text), "x", &store, &err);
        check(err, rc);
        X509_STORE_free(store);
        sa_err_free(&err);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n == 0)
        return 0;
    if (p[0] % 4 == 0) {
        kubeconfig(p + 1, n - 1);
        return 0;
    }
    char *text = malloc(n);
    if (text == NULL)
        return 0;
    memcpy(text, p + 1, n - 1);
    text[n - 1] = '\0';
    texts(text, p[0] % 4);
    free(text);
    return 0;
}
