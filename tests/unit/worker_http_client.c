/* SPDX-License-Identifier: Apache-2.0 */
#include "worker_http_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct client the;

void client_setup(void)
{
    the = (struct client){.loop = sa_loop_new(NULL)};
    ck_assert_ptr_nonnull(the.loop);
}

void client_teardown(void)
{
    sa_http_free(the.http);
    sa_credential_free(the.cred);
    sa_loop_free(the.loop);
}

void client_start_with(const struct sa_account *account)
{
    static const uint8_t key[32] = {1};
    struct sa_err *e = NULL;
    int rc = sa_credential_open(account, key, 0, 0, &the.cred, &e);
    if (rc == 0)
        rc = sa_credential_parse(the.cred, the.loop, -1, &e);
    ck_assert_msg(rc == 0, "%s", sa_err_msg(e));
    the.http = sa_http_new(the.loop, account, the.cred, &e);
    ck_assert_msg(the.http != NULL, "%s", sa_err_msg(e));
}

void client_start(const char *scheme, const char *port_name, const char *cluster, const char *user)
{
    char server[64], more[512];
    snprintf(server, sizeof(server), "%s://127.0.0.1:%d", scheme, test_port(port_name));
    snprintf(more, sizeof(more), "    certificate-authority: %s\n%s", test_path("ca.crt"), cluster);
    struct sa_account a = test_account(server, more, user);
    client_start_with(&a);
}

void on_answer(void *arg, const struct sa_response *r)
{
    struct answer *a = arg;
    ck_assert(!a->came);
    a->came = true;
    a->status = r->status;
    a->retry_after_ms = r->retry_after_ms;
    snprintf(a->type, sizeof(a->type), "%s", r->content_type);
    snprintf(a->error, sizeof(a->error), "%s", r->error != NULL ? r->error->msg : "");
    a->code = r->error != NULL ? r->error->code : SA_OK;
    a->body_n = r->body->len;
    snprintf(a->body, sizeof(a->body), "%s", r->body->data != NULL ? r->body->data : "");
    the.done++;
}

int on_bytes(void *arg, const void *p, size_t n, struct sa_err **err)
{
    struct answer *a = arg;
    (void)p;
    (void)err;
    a->data_n += n;
    a->calls++;
    return 0;
}

struct sa_request *ask(struct answer *a, const struct sa_request_options *o)
{
    struct sa_request_options own = *o;
    struct sa_err *e = NULL;
    *a = (struct answer){.came = false};
    if (own.on_done == NULL)
        own.on_done = on_answer;
    if (own.arg == NULL)
        own.arg = a;
    struct sa_request *r = sa_http_start(the.http, &own, &e);
    ck_assert_msg(r != NULL, "%s", sa_err_msg(e));
    ck_assert(!a->came); /* never from within */
    return r;
}

void turn_until_done(unsigned count)
{
    uint64_t until = sa_mono_ns() + 40 * SA_NS_PER_S;
    while (the.done < count && sa_mono_ns() < until)
        ck_assert_int_eq(sa_loop_turn(the.loop, 100, NULL), 0);
    ck_assert_uint_ge(the.done, count);
}

const struct answer *get_with(const struct sa_request_options *o)
{
    static struct answer a;
    ask(&a, o);
    unsigned before = the.done;
    turn_until_done(before + 1);
    return &a;
}

const struct answer *get(const char *path)
{
    return get_with(&(struct sa_request_options){.path = path});
}

static bool all_have_data(const struct answer *a, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (a[i].data_n == 0)
            return false;
    }
    return true;
}

START_TEST(test_get)
{
    client_start("https", "tls", "", "    token: s3cret\n");
    ck_assert_ptr_null(sa_http_certificate_sha256(the.http));
    const struct answer *a = get("/echo?a=b%20c");
    ck_assert_int_eq(a->status, 200);
    ck_assert_str_eq(a->error, "");
    ck_assert_str_eq(a->type, "application/json");
    ASSERT_CONTAINS(a->body, "\"proto\":\"HTTP/2.0\"");
    ASSERT_CONTAINS(a->body, "\"path\":\"/echo?a=b%20c\"");
    ASSERT_CONTAINS(a->body, "\"Authorization\":[\"Bearer s3cret\"]");
    ASSERT_CONTAINS(a->body, "\"Accept\":[\"application/json\"]");
    ASSERT_CONTAINS(a->body, "\"User-Agent\":[\"scale-agent/");
    ck_assert_ptr_null(strstr(a->body, "Accept-Encoding"));
    ck_assert_ptr_nonnull(sa_http_certificate_sha256(the.http));
    char want[32];
    snprintf(want, sizeof(want), "127.0.0.1:%d", test_port("tls"));
    ck_assert_str_eq(sa_http_server(the.http), want);
    ck_assert_uint_eq(sa_http_counters(the.http).requests, 1);
    ck_assert_uint_eq(sa_http_counters(the.http).connections, 1);
}
END_TEST

START_TEST(test_fingerprint)
{
    char command[256], hex[80], have[65];
    client_start("https", "tls", "", "");
    (void)get("/version");
    snprintf(command, sizeof(command), "openssl x509 -in %s -outform DER | sha256sum",
             test_path("server.crt"));
    FILE *f = popen(command, "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_ptr_nonnull(fgets(hex, sizeof(hex), f));
    pclose(f);
    hex[64] = '\0';
    sa_hex(sa_http_certificate_sha256(the.http), 32, have);
    ck_assert_str_eq(have, hex);
}
END_TEST

START_TEST(test_methods)
{
    static const char *const ports[] = {"tls", "h1"};
    client_start("https", ports[_i], "", "");
    const struct answer *a =
        get_with(&(struct sa_request_options){.method = "PATCH",
                                              .path = "/echo",
                                              .content_type = "application/apply",
                                              .accept = "text/x",
                                              .body = "{\"p\":1}",
                                              .body_n = 7});
    ASSERT_CONTAINS(a->body, "\"method\":\"PATCH\"");
    ASSERT_CONTAINS(a->body, "\"body\":\"{\\\"p\\\":1}\"");
    ASSERT_CONTAINS(a->body, "\"Content-Type\":[\"application/apply\"]");
    ASSERT_CONTAINS(a->body, "\"Accept\":[\"text/x\"]");
    a = get_with(&(struct sa_request_options){.method = "DELETE", .path = "/echo"});
    ASSERT_CONTAINS(a->body, "\"method\":\"DELETE\"");
    ASSERT_CONTAINS(a->body, "\"body\":\"\"");
    a = get_with(
        &(struct sa_request_options){.method = "POST", .path = "/echo", .body = "", .body_n = 0});
    ASSERT_CONTAINS(a->body, "\"method\":\"POST\"");
    size_t n = 300000;
    char *big = malloc(n);
    ck_assert_ptr_nonnull(big);
    memset(big, 'x', n);
    a = get_with(
        &(struct sa_request_options){.method = "PUT", .path = "/echo", .body = big, .body_n = n});
    ck_assert_int_eq(a->status, 200);
    ck_assert_uint_gt(a->body_n, n);
    free(big);
    /* The handle went through all of these: nothing of them is left in a GET. */
    a = get("/echo");
    ASSERT_CONTAINS(a->body, "\"method\":\"GET\"");
    ck_assert_ptr_null(strstr(a->body, "Content-Type"));
}
END_TEST

START_TEST(test_multiplex)
{
    static struct answer a[20];
    client_start("https", "tls", "", "");
    for (size_t i = 0; i < 20; i++)
        ask(&a[i],
            &(struct sa_request_options){.path = "/lines?n=20&size=100", .on_data = on_bytes});
    turn_until_done(20);
    for (size_t i = 0; i < 20; i++) {
        ck_assert_int_eq(a[i].status, 200);
        ck_assert_uint_eq(a[i].data_n, 20 * 101);
    }
    ck_assert_uint_eq(sa_http_counters(the.http).connections, 1);
}
END_TEST

START_TEST(test_more_than_its_streams)
{
    static struct answer a[300];
    client_start("https", "tls", "", ""); /* Go's server allows 250 a connection */
    the.http->allowance = the.http->burst = 1000;
    for (size_t i = 0; i < 299; i++)
        ask(&a[i], &(struct sa_request_options){.path = "/stream", .on_data = on_bytes});
    uint64_t until = sa_mono_ns() + 40 * SA_NS_PER_S;
    while (!all_have_data(a, 299) && sa_mono_ns() < until)
        ck_assert_int_eq(sa_loop_turn(the.loop, 100, NULL), 0);
    ck_assert(all_have_data(a, 299));
    /* One more is answered although all of these are open. */
    ck_assert_int_eq(
        get_with(&(struct sa_request_options){.path = "/version", .urgent = true})->status, 200);
    ck_assert_uint_ge(sa_http_counters(the.http).connections, 2);
    ck_assert_uint_le(sa_http_counters(the.http).connections, 4);
}
END_TEST

/* A request that is never answered holds others up for a moment only. */
START_TEST(test_silent_pioneer)
{
    static struct answer a[100];
    client_start("https", "tls", "", "");
    the.http->allowance = the.http->burst = 1000;
    for (size_t i = 0; i < 92; i++)
        ask(&a[i], &(struct sa_request_options){.path = "/hang"});
    uint64_t began = sa_mono_ns();
    ck_assert_int_eq(get("/version")->status, 200);
    ck_assert_uint_lt(sa_mono_ns() - began, 10 * SA_NS_PER_S);
}
END_TEST

START_TEST(test_client_certificate)
{
    char user[300];
    snprintf(user, sizeof(user), "    client-certificate: %s\n    client-key: %s\n",
             test_path("client.crt"), test_path("client.key"));
    client_start("https", "tls", "", user);
    ASSERT_CONTAINS(get("/echo")->body, "\"client\":\"client-one\"");
}
END_TEST

/* A new certificate needs new connections: the earlier ones go on speaking for the old one. */
START_TEST(test_client_certificate_changes)
{
    char user[300];
    struct answer watch;
    struct sa_secret cert = {0}, key = {0};
    snprintf(user, sizeof(user), "    client-certificate: %s\n    client-key: %s\n",
             test_path("client.crt"), test_path("client.key"));
    client_start("https", "tls", "", user);
    ask(&watch, &(struct sa_request_options){.path = "/stream", .on_data = on_bytes});
    ASSERT_CONTAINS(get("/echo")->body, "\"client\":\"client-one\"");
    ck_assert_int_eq(sa_credential_load(test_path("client2.crt"), &cert, NULL), 0);
    ck_assert_int_eq(sa_credential_load(test_path("client2.key"), &key, NULL), 0);
    sa_pem_identity_free(&the.cred->pem);
    ck_assert_int_eq(
        sa_pem_identity(cert.p, cert.n, "c", key.p, key.n, "k", NULL, &the.cred->pem, NULL), 0);
    the.cred->tls++;
    sa_identity_release(the.cred->identity);
    the.cred->identity = NULL;
    sa_secret_free(&cert);
    sa_secret_free(&key);
    struct answer a;
    ask(&a, &(struct sa_request_options){.path = "/echo"});
    turn_until_done(3);
    ASSERT_CONTAINS(a.body, "\"client\":\"client-two\"");
    ck_assert(watch.came);
    ck_assert_int_eq(watch.code, SA_ENETWORK);
}
END_TEST

START_TEST(test_server_name)
{
    static const char *const ports[] = {"tls", "h1"};
    client_start("https", ports[_i], "    tls-server-name: kube.test\n", "");
    const struct answer *a = get("/echo");
    ck_assert_str_eq(a->error, "");
    char host[64];
    snprintf(host, sizeof(host), "\"host\":\"127.0.0.1:%d\"", test_port(ports[_i]));
    ASSERT_CONTAINS(a->body, host);
    ASSERT_CONTAINS(a->body, "\"sni\":\"kube.test\"");
    ASSERT_CONTAINS(a->body, _i == 0 ? "HTTP/2.0" : "HTTP/1.1");
}
END_TEST

START_TEST(test_prefix)
{
    char server[64];
    snprintf(server, sizeof(server), "http://127.0.0.1:%d/prefix/", test_port("plain"));
    struct sa_account a = test_account(server, "", "    token: s3cret\n");
    client_start_with(&a);
    const struct answer *r = get("/echo");
    ASSERT_CONTAINS(r->body, "\"path\":\"/prefix/echo\"");
    ASSERT_CONTAINS(r->body, "HTTP/1.1");
    ck_assert_ptr_null(strstr(r->body, "s3cret"));
    ck_assert_ptr_null(sa_http_certificate_sha256(the.http));
}
END_TEST

static void through(const char *url)
{
    char cluster[128];
    snprintf(cluster, sizeof(cluster), "    proxy-url: %s\n    tls-server-name: kube.test\n", url);
    client_start("https", "tls", cluster, "    token: s3cret\n");
    const struct answer *a = get("/echo");
    ck_assert_str_eq(a->error, "");
    ASSERT_CONTAINS(a->body, "HTTP/2.0");
    ASSERT_CONTAINS(a->body, "Bearer s3cret");
}

START_TEST(test_proxy)
{
    static const char *const ports[] = {"proxy", "tlsproxy", "socks"};
    static const char *const schemes[] = {"http", "https", "socks5"};
    char url[64], target[64];
    snprintf(url, sizeof(url), "%s://%s127.0.0.1:%d", schemes[_i], _i < 2 ? "user:pw@" : "",
             test_port(ports[_i]));
    through(url);
    const struct answer *a = get("/connects");
    ck_assert_int_gt(atoi(a->body), 0);
    if (_i == 2)
        return;
    /* By address, with the proxy's own password and not the cluster's token. */
    snprintf(target, sizeof(target), "127.0.0.1:%d Basic dXNlcjpwdw==", test_port("tls"));
    ASSERT_CONTAINS(a->body, target);
    ck_assert_ptr_null(strstr(a->body, "s3cret"));
}
END_TEST

START_TEST(test_proxy_is_down)
{
    client_start("https", "tls", "    proxy-url: http://user:hunter2@127.0.0.1:1\n", "");
    const struct answer *a = get("/version");
    ck_assert_int_eq(a->code, SA_ENETWORK);
    ck_assert_ptr_null(strstr(a->error, "hunter2"));
}
END_TEST

START_TEST(test_token_is_read_again)
{
    char user[128];
    test_write("token", "old");
    snprintf(user, sizeof(user), "    tokenFile: %s\n", test_path("token"));
    client_start("https", "tls", "", user);
    ck_assert_int_eq(get("/auth")->status, 200);
    /* The server is told, we find out by the 401. */
    test_write("token", "new");
    const struct answer *a = get("/auth");
    ck_assert_int_eq(a->status, 200);
    ASSERT_CONTAINS(a->body, "Bearer new");
    ck_assert_uint_eq(sa_http_counters(the.http).requests, 3);
    /* One that is wrong for good is not asked for ever. */
    test_write("token", "other\n");
    ck_assert_int_eq(sa_credential_rejected(the.cred, the.cred->identity), true);
    test_write("token", "yet another");
    the.cred->files[2].rereads = false;
    a = get("/auth");
    ck_assert_int_eq(a->status, 401);
    ASSERT_CONTAINS(a->body, "Unauthorized");
    ck_assert_uint_eq(sa_http_counters(the.http).requests, 4);
}
END_TEST

TCase *worker_http_client(void)
{
    TCase *t = tcase_create("client");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, client_setup, client_teardown);
    tcase_add_test(t, test_get);
    tcase_add_test(t, test_fingerprint);
    tcase_add_loop_test(t, test_methods, 0, 2);
    tcase_add_test(t, test_multiplex);
    tcase_add_test(t, test_more_than_its_streams);
    tcase_add_test(t, test_silent_pioneer);
    tcase_add_test(t, test_client_certificate);
    tcase_add_test(t, test_client_certificate_changes);
    tcase_add_loop_test(t, test_server_name, 0, 2);
    tcase_add_test(t, test_prefix);
    tcase_add_loop_test(t, test_proxy, 0, 3);
    tcase_add_test(t, test_proxy_is_down);
    tcase_add_test(t, test_token_is_read_again);
    return t;
}
