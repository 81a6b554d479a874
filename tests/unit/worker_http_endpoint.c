/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/http_endpoint.h"
#include "worker_http_test.h"

static const struct {
    const char *server, *name, *proxy_url; /* in */
    const char *base, *connect_to, *host_header, *people, *proxy;
    uint16_t port, proxy_port;
} good[] = {
    {"https://h", NULL, NULL, "https://h:443", NULL, NULL, "h:443", NULL, 443, 0},
    {"https://h:6443/", NULL, NULL, "https://h:6443", NULL, NULL, "h:6443", NULL, 6443, 0},
    {"http://h", NULL, NULL, "http://h:80", NULL, NULL, "h:80", NULL, 80, 0},
    {"https://h/k8s/c-1/", NULL, NULL, "https://h:443/k8s/c-1", NULL, NULL, "h:443", NULL, 443, 0},
    {"https://[::1]:6443", NULL, NULL, "https://[::1]:6443", NULL, NULL, "[::1]:6443", NULL, 6443,
     0},
    {"https://10.0.0.1:6443/p", "kube.test", NULL, "https://kube.test:6443/p",
     "kube.test:6443:10.0.0.1:6443", "Host: 10.0.0.1:6443", "10.0.0.1:6443", NULL, 6443, 0},
    {"https://[fd00::1]:6443", "k", NULL, "https://k:6443", "k:6443:[fd00::1]:6443",
     "Host: [fd00::1]:6443", "[fd00::1]:6443", NULL, 6443, 0},
    {"https://h:1", "fd00::1", NULL, "https://[fd00::1]:1", "[fd00::1]:1:h:1", "Host: h:1", "h:1",
     NULL, 1, 0},
    {"https://h:1", "h", NULL, "https://h:1", NULL, NULL, "h:1", NULL, 1, 0},
    {"https://h:1", NULL, "http://p:3128", "https://h:1", NULL, NULL, "h:1", "http://p:3128", 1,
     3128},
    {"https://h:1", NULL, "http://p", "https://h:1", NULL, NULL, "h:1", "http://p:80", 1, 80},
    {"https://h:1", NULL, "https://u:pw@p/", "https://h:1", NULL, NULL, "h:1", "https://u:pw@p:443",
     1, 443},
    {"https://h:1", NULL, "socks5://[::1]", "https://h:1", NULL, NULL, "h:1",
     "socks5h://[::1]:1080", 1, 1080},
    {"https://h:1", NULL, "socks5://p:9", "https://h:1", NULL, NULL, "h:1", "socks5h://p:9", 1, 9},
};

static void equal(const char *a, const char *b)
{
    if (b == NULL)
        ck_assert_ptr_null(a);
    else
        ck_assert_str_eq(a, b);
}

START_TEST(test_good)
{
    struct sa_endpoint e;
    struct sa_err *err = NULL;
    int rc = sa_endpoint_make(good[_i].server, good[_i].name, good[_i].proxy_url, false, &e, &err);
    ck_assert_msg(rc == 0, "%s: %s", good[_i].server, sa_err_msg(err));
    equal(e.base, good[_i].base);
    equal(e.connect_to, good[_i].connect_to);
    equal(e.host_header, good[_i].host_header);
    equal(e.server, good[_i].people);
    equal(e.proxy, good[_i].proxy);
    ck_assert_uint_eq(e.port, good[_i].port);
    ck_assert_uint_eq(e.proxy_port, good[_i].proxy_port);
    sa_endpoint_free(&e);
}
END_TEST

static const struct {
    const char *server, *name, *proxy_url, *error;
} bad[] = {
    {"h:6443", NULL, NULL, "not a URL"},
    {"", NULL, NULL, "not a URL"},
    {"https://", NULL, NULL, "not a URL"},
    {"https://h:99999", NULL, NULL, "not a URL"},
    {"https://a b", NULL, NULL, "not a URL"},
    {"ftp://h", NULL, NULL, "the scheme \"ftp\", expected https"},
    {"https://user:hunter2@h", NULL, NULL, "holds a user name"},
    {"https://h", "a/b@c", NULL, "not a host name"},
    {"https://h", NULL, "gopher://hunter2@p", "the scheme \"gopher\""},
    {"https://h", NULL, "p:hunter2", "not a URL"},
};

START_TEST(test_bad)
{
    struct sa_endpoint e;
    struct sa_err *err = NULL;
    ck_assert_int_eq(
        sa_endpoint_make(bad[_i].server, bad[_i].name, bad[_i].proxy_url, false, &e, &err), -1);
    ASSERT_CONTAINS(err->msg, bad[_i].error);
    ck_assert_ptr_null(strstr(err->msg, "hunter2"));
    ck_assert_ptr_null(e.base);
    sa_err_free(&err);
}
END_TEST

/* The cases of golang.org/x/net/http/httpproxy, which kubectl goes by. */
static const struct {
    const char *list, *host;
    uint16_t port;
    bool direct;
} no_proxy[] = {
    {"", "a.com", 443, false},
    {"*", "a.com", 443, true},
    {"a.com", "a.com", 443, true},
    {"a.com", "A.COM", 443, true},
    {"a.com", "b.a.com", 443, true},
    {"a.com", "ba.com", 443, false},
    {".a.com", "a.com", 443, false},
    {".a.com", "b.a.com", 443, true},
    {"*.a.com", "b.a.com", 443, true},
    {"*.a.com", "a.com", 443, false},
    {"a.com:443", "a.com", 443, true},
    {"a.com:8443", "a.com", 443, false},
    {"x, a.com", "a.com", 443, true},
    {"10.0.0.0/8", "10.1.2.3", 443, true},
    {"10.0.0.0/8", "11.1.2.3", 443, false},
    {"10.0.0.0/8", "a.com", 443, false},
    {"192.168.1.128/25", "192.168.1.127", 443, false},
    {"192.168.1.128/25", "192.168.1.200", 443, true},
    {"10.0.0.0/33", "10.0.0.1", 443, false},
    {"10.0.0.0/", "10.0.0.1", 443, false},
    {"10.0.0.1", "10.0.0.1", 443, true},
    {"10.0.0.1:443", "10.0.0.1", 443, true},
    {"10.0.0.1", "10.0.0.10", 443, false},
    {"fd00::/8", "fd00::1", 443, true},
    {"fd00::1", "fd00:0::1", 443, true},
    {"[fd00::1]:443", "fd00::1", 443, true},
    {"[fd00::1", "fd00::1", 443, false},
};

START_TEST(test_no_proxy)
{
    ck_assert_msg(sa_no_proxy(no_proxy[_i].list, no_proxy[_i].host, no_proxy[_i].port) ==
                      no_proxy[_i].direct,
                  "%s for %s", no_proxy[_i].list, no_proxy[_i].host);
}
END_TEST

static const char *proxy_of(const char *server, bool use_env)
{
    static char out[128];
    struct sa_endpoint e;
    ck_assert_int_eq(sa_endpoint_make(server, NULL, NULL, use_env, &e, NULL), 0);
    snprintf(out, sizeof(out), "%s", e.proxy != NULL ? e.proxy : "none");
    sa_endpoint_free(&e);
    return out;
}

START_TEST(test_environment)
{
    setenv("HTTPS_PROXY", "secure:1", 1);
    setenv("http_proxy", "http://plain:2", 1);
    unsetenv("HTTP_PROXY");
    setenv("NO_PROXY", "direct.test,10.0.0.0/8", 1);
    ck_assert_str_eq(proxy_of("https://h", true), "http://secure:1");
    ck_assert_str_eq(proxy_of("http://h", true), "http://plain:2");
    ck_assert_str_eq(proxy_of("https://direct.test", true), "none");
    ck_assert_str_eq(proxy_of("https://10.2.3.4", true), "none");
    ck_assert_str_eq(proxy_of("https://127.0.0.1:6443", true), "none");
    ck_assert_str_eq(proxy_of("https://localhost", true), "none");
    ck_assert_str_eq(proxy_of("https://[::1]:6443", true), "none");
    ck_assert_str_eq(proxy_of("https://h", false), "none");
    unsetenv("HTTPS_PROXY");
    unsetenv("http_proxy");
    unsetenv("NO_PROXY");
}
END_TEST

TCase *worker_http_endpoint(void)
{
    TCase *t = tcase_create("endpoint");
    tcase_add_loop_test(t, test_good, 0, (int)(sizeof(good) / sizeof(good[0])));
    tcase_add_loop_test(t, test_bad, 0, (int)(sizeof(bad) / sizeof(bad[0])));
    tcase_add_loop_test(t, test_no_proxy, 0, (int)(sizeof(no_proxy) / sizeof(no_proxy[0])));
    tcase_add_test(t, test_environment);
    return t;
}
