/* SPDX-License-Identifier: Apache-2.0 */
/* What an API server, the network or the caller itself can do to the client. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker_http_client.h"

static void expect_error(const struct answer *a, enum sa_code code, const char *part)
{
    ck_assert_msg(a->code == code, "%s: %s", sa_code_name(a->code), a->error);
    ASSERT_CONTAINS(a->error, part);
}

START_TEST(test_wrong_ca)
{
    char server[64], cluster[128];
    snprintf(server, sizeof(server), "https://127.0.0.1:%d", test_port("tls"));
    snprintf(cluster, sizeof(cluster), "    certificate-authority: %s\n",
             test_path("other-ca.crt"));
    struct sa_account account = test_account(server, cluster, "    token: s3cret\n");
    client_start_with(&account);
    const struct answer *a = get("/echo");
    expect_error(a, SA_ETLS, "GET 127.0.0.1:");
    ASSERT_CONTAINS(a->error, "issued by /CN=test-ca: is it the CA of the kubeconfig?");
    ck_assert_ptr_null(sa_http_certificate_sha256(the.http));
}
END_TEST

START_TEST(test_no_ca)
{
    char server[64];
    snprintf(server, sizeof(server), "https://127.0.0.1:%d", test_port("tls"));
    struct sa_account account = test_account(server, "", "");
    client_start_with(&account);
    expect_error(get("/echo"), SA_ETLS, "");
}
END_TEST

START_TEST(test_expired_server)
{
    client_start("https", "expired", "", "");
    expect_error(get("/echo"), SA_ETLS, "valid from 2020-01-01T00:00:00Z to 2020-02-01T00:00:00Z");
}
END_TEST

START_TEST(test_wrong_name)
{
    client_start("https", "tls", "    tls-server-name: other.test\n", "");
    expect_error(get("/echo"), SA_ETLS, "other.test");
}
END_TEST

START_TEST(test_insecure)
{
    char server[64];
    snprintf(server, sizeof(server), "https://127.0.0.1:%d", test_port("expired"));
    struct sa_account account =
        test_account(server, _i == 0 ? "    insecure-skip-tls-verify: true\n" : "", "");
    account.insecure = _i == 1;
    client_start_with(&account);
    ck_assert_int_eq(get("/echo")->status, 200);
    ck_assert_ptr_nonnull(sa_http_certificate_sha256(the.http));
}
END_TEST

START_TEST(test_nobody_there)
{
    struct sa_account account = test_account("https://127.0.0.1:1", "", "");
    client_start_with(&account);
    expect_error(get("/echo?continue=x"), SA_ENETWORK, "GET 127.0.0.1:1/echo: ");
    ck_assert_uint_eq(sa_http_counters(the.http).errors, 1);
}
END_TEST

START_TEST(test_cut)
{
    static const char *const ports[] = {"tls", "h1"};
    client_start("https", ports[_i], "", "");
    const struct answer *a = get("/cut");
    expect_error(a, SA_ENETWORK, "/cut: ");
    ck_assert_int_eq(a->status, 200);
}
END_TEST

START_TEST(test_raw)
{
    static const struct {
        const char *path;
        enum sa_code code;
    } cases[] = {{"/headers", SA_ELIMIT},
                 {"/header", SA_ELIMIT},
                 {"/garbage", SA_EPROTOCOL},
                 {"/continue", SA_ELIMIT},
                 {"/nothing", SA_ENETWORK}};
    client_start("http", "raw", "", "");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect_error(get(cases[i].path), cases[i].code, cases[i].path);
}
END_TEST

START_TEST(test_many_headers)
{
    client_start("https", "tls", "", "");
    ck_assert_int_eq(get("/headers?n=100")->status, 200);
    expect_error(get("/headers?n=400"), SA_ELIMIT, "more than 256");
    /* The connection is still good for others. */
    ck_assert_int_eq(get("/version")->status, 200);
    ck_assert_uint_eq(sa_http_counters(the.http).connections, 1);
}
END_TEST

START_TEST(test_long_headers)
{
    client_start("https", "h1", "", "");
    expect_error(get("/headers?n=100&size=1000"), SA_ELIMIT, "64 KB");
    ck_assert_int_eq(get("/version")->status, 200);
}
END_TEST

START_TEST(test_long_bodies)
{
    client_start("https", "tls", "", "");
    expect_error(get("/endless"), SA_ELIMIT, "longer than what is taken");
    expect_error(get_with(&(struct sa_request_options){.path = "/echo", .max_body = 10}), SA_ELIMIT,
                 "longer than what is taken");
    /* Of an error the first 64 KB do, and it stays what the server said. */
    const struct answer *a = get("/endless?code=500");
    ck_assert_str_eq(a->error, "");
    ck_assert_int_eq(a->status, 500);
    ck_assert_uint_eq(a->body_n, 65536);
}
END_TEST

static const struct {
    const char *path;
    int status;
    int64_t retry_ms;
    enum sa_code code;
    const char *text;
} statuses[] = {
    {"/version", 200, -1, SA_OK, NULL},
    {"/status?code=429&after=3", 429, 3000, SA_ELIMIT, "x: the API server answers 429: told to"},
    {"/status?code=503&after=0", 503, 0, SA_ENETWORK, "503"},
    {"/status?code=429&after=99999999999999999999", 429, 3600000, SA_ELIMIT, "429"},
    {"/status?code=429&after=-1", 429, -1, SA_ELIMIT, "429"},
    {"/status?code=429&after=soon", 429, -1, SA_ELIMIT, "429"},
    {"/status?code=500&after=3", 500, -1, SA_ENETWORK, "500"},
    {"/status?code=401", 401, -1, SA_EAUTH, "401"},
    {"/status?code=403", 403, -1, SA_EFORBIDDEN, "403: told to"},
    {"/status?code=404", 404, -1, SA_ENOTFOUND, "404"},
    {"/status?code=410", 410, -1, SA_EEXPIRED, "410"},
    {"/status?code=409", 409, -1, SA_EREFUSED, "409"},
    {"/status?code=302&to=/echo", 302, -1, SA_EPROTOCOL, "not followed"},
    {"/nowhere", 404, -1, SA_ENOTFOUND, "404"},
};

static enum sa_code seen_code;
static char seen_text[512];

static void on_status(void *arg, const struct sa_response *r)
{
    struct sa_err *e = NULL;
    int rc = sa_response_error(r, "x", &e);
    ck_assert_int_eq(rc, e != NULL ? -1 : 0);
    seen_code = e != NULL ? e->code : SA_OK;
    snprintf(seen_text, sizeof(seen_text), "%s", sa_err_msg(e));
    sa_err_free(&e);
    on_answer(arg, r);
}

START_TEST(test_statuses)
{
    client_start("https", "tls", "", "    token: t\n");
    const struct answer *a = get_with(&(struct sa_request_options){
        .path = statuses[_i].path, .on_data = on_bytes, .on_done = on_status});
    ck_assert_int_eq(a->status, statuses[_i].status);
    ck_assert_int_eq(a->retry_after_ms, statuses[_i].retry_ms);
    ck_assert_str_eq(sa_code_name(seen_code), sa_code_name(statuses[_i].code));
    if (statuses[_i].text != NULL) {
        ASSERT_CONTAINS(seen_text, statuses[_i].text);
        ck_assert_uint_eq(a->data_n, 0);
        ck_assert_uint_gt(a->body_n, 0);
    }
}
END_TEST

START_TEST(test_retry_after_date)
{
    client_start("https", "tls", "", "");
    int64_t ms = get("/status?code=429&date=20")->retry_after_ms;
    ck_assert(ms >= 19000 && ms <= 21000);
    ck_assert_int_eq(get("/status?code=429&date=-20")->retry_after_ms, 0);
    ck_assert_int_eq(get("/status?code=429&date=86400")->retry_after_ms, 3600000);
}
END_TEST

START_TEST(test_timeouts)
{
    client_start("https", "tls", "", "");
    uint64_t began = sa_mono_ns();
    expect_error(
        get_with(&(struct sa_request_options){.path = "/hang", .timeout_ns = 300 * SA_NS_PER_MS}),
        SA_ENETWORK, "no complete answer within");
    struct sa_request_options o = {
        .path = "/stream", .idle_ns = 300 * SA_NS_PER_MS, .on_data = on_bytes};
    const struct answer *a = get_with(&o);
    expect_error(a, SA_ENETWORK, "nothing was received within");
    ck_assert_uint_gt(a->data_n, 0);
    ck_assert_uint_lt(sa_mono_ns() - began, 5 * SA_NS_PER_S);
    ck_assert_int_eq(get("/version")->status, 200);
    ck_assert_uint_eq(sa_http_counters(the.http).connections, 1);
}
END_TEST

/* Callbacks */

static struct sa_request *victim;

static int cancel_itself(void *arg, const void *p, size_t n, struct sa_err **err)
{
    (void)arg, (void)p, (void)n, (void)err;
    sa_http_cancel(the.http, victim);
    the.done++;
    return 0;
}

static void never(void *arg, const struct sa_response *r)
{
    (void)arg, (void)r;
    ck_abort_msg("a cancelled request was answered");
}

START_TEST(test_cancel)
{
    struct answer a, b, c;
    client_start("https", "tls", "", "");
    /* before it started */
    sa_http_cancel(the.http,
                   ask(&a, &(struct sa_request_options){.path = "/version", .on_done = never}));
    /* in its own data */
    victim = ask(&a, &(struct sa_request_options){
                         .path = "/stream", .on_data = cancel_itself, .on_done = never});
    turn_until_done(1);
    /* by another's data, with data of its own under way */
    victim = ask(&b, &(struct sa_request_options){
                         .path = "/endless", .on_data = on_bytes, .on_done = never});
    ask(&c, &(struct sa_request_options){
                .path = "/stream", .on_data = cancel_itself, .on_done = never});
    turn_until_done(2);
    ck_assert_int_eq(get("/version")->status, 200);
    ck_assert_uint_eq(sa_http_counters(the.http).connections, 1);
}
END_TEST

static void start_another(void *arg, const struct sa_response *r)
{
    static struct answer next;
    on_answer(arg, r);
    ask(&next, &(struct sa_request_options){.path = "/version"});
}

static int start_from_data(void *arg, const void *p, size_t n, struct sa_err **err)
{
    static struct answer next;
    (void)p, (void)n, (void)err;
    if (((struct answer *)arg)->calls++ == 0)
        ask(&next, &(struct sa_request_options){.path = "/version", .on_done = start_another});
    return 0;
}

START_TEST(test_start_in_callbacks)
{
    struct answer a;
    client_start("https", "tls", "", "");
    ask(&a, &(struct sa_request_options){.path = "/lines?n=3", .on_data = start_from_data});
    turn_until_done(3);
}
END_TEST

static int refuse_data(void *arg, const void *p, size_t n, struct sa_err **err)
{
    (void)arg, (void)p, (void)n;
    return sa_err_set(err, SA_EEXPIRED, "too old");
}

START_TEST(test_refused_data)
{
    client_start("https", "tls", "", "");
    expect_error(get_with(&(struct sa_request_options){.path = "/stream", .on_data = refuse_data}),
                 SA_EEXPIRED, "/stream: too old");
    ck_assert_int_eq(get("/version")->status, 200);
}
END_TEST

static void free_all(void *arg, const struct sa_response *r)
{
    on_answer(arg, r);
    sa_http_free(the.http);
    the.http = NULL;
}

static int free_in_data(void *arg, const void *p, size_t n, struct sa_err **err)
{
    (void)arg, (void)p, (void)n, (void)err;
    if (the.http != NULL)
        sa_http_free(the.http);
    the.http = NULL;
    the.done++;
    return 0;
}

START_TEST(test_free_in_callbacks)
{
    struct answer a, b, c;
    client_start("https", "tls", "", "");
    ask(&a, &(struct sa_request_options){.path = "/stream", .on_data = on_bytes, .on_done = never});
    if (_i == 0)
        ask(&b, &(struct sa_request_options){.path = "/version", .on_done = free_all});
    else
        ask(&b, &(struct sa_request_options){
                    .path = "/stream", .on_data = free_in_data, .on_done = never});
    ask(&c, &(struct sa_request_options){.path = "/hang", .on_done = never});
    turn_until_done(1);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(sa_loop_turn(the.loop, 20, NULL), 0);
}
END_TEST

/* Connections */

/* What starts while the first connection is being made does not wait for the watch on it, whether
 * the server takes many requests a connection or one. */
START_TEST(test_behind_a_watch)
{
    static const char *const ports[] = {"tls", "h1"};
    static struct answer a[10];
    struct answer watch;
    client_start("https", ports[_i], "", "");
    for (int again = 0; again < 2; again++) {
        uint64_t began = sa_mono_ns();
        the.done = 0;
        ask(&watch, &(struct sa_request_options){.path = "/stream", .on_data = on_bytes});
        for (size_t i = 0; i < 10; i++)
            ask(&a[i], &(struct sa_request_options){.path = "/version"});
        turn_until_done(10);
        for (size_t i = 0; i < 10; i++)
            ck_assert_msg(a[i].status == 200, "%s", a[i].error);
        ck_assert_uint_lt(sa_mono_ns() - began, 5 * SA_NS_PER_S);
        while (watch.data_n == 0)
            ck_assert_int_eq(sa_loop_turn(the.loop, 100, NULL), 0);
        sa_http_reconnect(the.http);
        turn_until_done(11);
        expect_error(&watch, SA_ENETWORK, "/stream");
    }
}
END_TEST

/* A watch that finds no descriptor waits for another to end, where it needs a connection of its
 * own; what ends by itself does not wait for watches. */
START_TEST(test_more_watches_than_connections)
{
    static const char *const ports[] = {"tls", "h1"};
    static struct answer a[5], b[150];
    struct sa_request *r[5];
    bool shared = _i == 0;
    client_start("https", ports[_i], "", "");
    ck_assert_uint_gt(the.http->lasting_max, 0);
    ck_assert_int_eq(get("/version")->status, 200);
    the.http->lasting_max = 3;
    for (size_t i = 0; i < 5; i++)
        r[i] = ask(&a[i], &(struct sa_request_options){
                              .path = "/stream", .on_data = on_bytes, .lasts = true});
    while (a[2].data_n == 0 || (shared && a[4].data_n == 0))
        ck_assert_int_eq(sa_loop_turn(the.loop, 100, NULL), 0);
    the.done = 0;
    for (size_t i = 0; i < 150; i++)
        ask(&b[i], &(struct sa_request_options){.path = "/version"});
    turn_until_done(150);
    for (size_t i = 0; i < 150; i++)
        ck_assert_msg(b[i].status == 200, "%s", b[i].error);
    ck_assert_uint_eq(sa_http_held(the.http), shared ? 0 : 2);
    ck_assert_uint_eq(a[3].data_n != 0, shared);
    sa_http_cancel(the.http, r[1]);
    while (a[3].data_n == 0)
        ck_assert_int_eq(sa_loop_turn(the.loop, 100, NULL), 0);
    ck_assert_uint_eq(sa_http_held(the.http), shared ? 0 : 1);
    ck_assert_uint_eq(the.http->n_lasting, shared ? 4 : 3);
}
END_TEST

START_TEST(test_reconnect)
{
    static const char *const ports[] = {"tls", "h1"};
    struct answer a, b, c;
    client_start("https", ports[_i], "", "");
    ask(&a, &(struct sa_request_options){.path = "/stream", .on_data = on_bytes});
    /* What may have been done is not done twice. */
    ask(&b,
        &(struct sa_request_options){.path = "/hang", .method = "POST", .body = "", .body_n = 0});
    ck_assert_int_eq(get("/version")->status, 200);
    uint64_t before = sa_http_counters(the.http).connections;
    sa_http_reconnect(the.http);
    ask(&c, &(struct sa_request_options){.path = "/version"});
    turn_until_done(4);
    expect_error(&a, SA_ENETWORK, "/stream");
    expect_error(&b, SA_ENETWORK, "POST 127.0.0.1");
    ck_assert_int_eq(c.status, 200);
    /* libcurl makes one for the POST before it is told not to repeat it. */
    ck_assert_uint_le(sa_http_counters(the.http).connections, before + 2);
}
END_TEST

START_TEST(test_dead_peer)
{
    struct answer a, b;
    client_start("https", "tls", "", "");
    the.http->quiet_ns = 400 * SA_NS_PER_MS;
    the.http->probe_ns = 400 * SA_NS_PER_MS;
    ask(&a, &(struct sa_request_options){.path = "/stream", .on_data = on_bytes});
    /* A quiet watch on a live connection is left alone: it was asked several times. */
    uint64_t until = sa_mono_ns() + 20 * SA_NS_PER_S;
    while (sa_http_counters(the.http).requests < 3 && sa_mono_ns() < until)
        ck_assert_int_eq(sa_loop_turn(the.loop, 50, NULL), 0);
    ck_assert(!a.came);
    ck_assert_uint_ge(sa_http_counters(the.http).requests, 3);
    /* Then the peer vanishes without a word. */
    ck_assert_int_eq(get("/freeze")->status, 200);
    uint64_t began = sa_mono_ns();
    turn_until_done(2);
    ck_assert(a.came);
    expect_error(&a, SA_ENETWORK, "/stream");
    ck_assert_uint_lt(sa_mono_ns() - began, 5 * SA_NS_PER_S);
    ask(&b, &(struct sa_request_options){.path = "/version"});
    turn_until_done(3);
    ck_assert_int_eq(b.status, 200);
    ck_assert_uint_eq(sa_http_counters(the.http).connections, 2);
}
END_TEST

START_TEST(test_rate)
{
    static struct answer a[60];
    char server[64], cluster[128];
    snprintf(server, sizeof(server), "https://127.0.0.1:%d", test_port("tls"));
    snprintf(cluster, sizeof(cluster), "    certificate-authority: %s\n", test_path("ca.crt"));
    struct sa_account account = test_account(server, cluster, "");
    account.requests_per_second = 20;
    client_start_with(&account);
    ck_assert_int_eq(get("/version")->status, 200);
    unsigned before = the.done;
    uint64_t began = sa_mono_ns();
    /* 40 at once, then 20 a second: the last comes after a second. */
    for (size_t i = 0; i < 60; i++)
        ask(&a[i], &(struct sa_request_options){.path = "/version"});
    struct answer urgent;
    ask(&urgent, &(struct sa_request_options){.path = "/version", .urgent = true});
    while (!urgent.came)
        ck_assert_int_eq(sa_loop_turn(the.loop, 100, NULL), 0);
    ck_assert_uint_lt(the.done - before, 60);
    turn_until_done(before + 61);
    uint64_t took = sa_mono_ns() - began;
    ck_assert_uint_gt(took, 850 * SA_NS_PER_MS);
    ck_assert_uint_lt(took, 6 * SA_NS_PER_S);
}
END_TEST

START_TEST(test_malformed)
{
    static const struct sa_request_options bad[] = {
        {.path = NULL, .on_done = never},
        {.path = "version", .on_done = never},
        {.path = "/a b", .on_done = never},
        {.path = "/a\r\nX: y", .on_done = never},
        {.path = "/", .method = "GET /x", .on_done = never},
        {.path = "/", .accept = "a\nb", .on_done = never},
        {.path = "/", .content_type = "a\rb", .on_done = never},
        {.path = "/"},
    };
    client_start("https", "tls", "", "");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct sa_err *e = NULL;
        ck_assert_ptr_null(sa_http_start(the.http, &bad[i], &e));
        ck_assert_int_eq(e->code, SA_EINTERNAL);
        sa_err_free(&e);
    }
}
END_TEST

/* All of it inside the worker's sandbox, in the order of a worker: open, enter, parse, client,
 * seal. */
static int sandboxed(void)
{
    static const uint8_t key[32] = {1};
    char server[64], cluster[200], user[300];
    struct sa_sandbox_report rep;
    struct sa_err *e = NULL;
    struct answer a;
    snprintf(server, sizeof(server), "https://localhost:%d", test_port("tls"));
    snprintf(cluster, sizeof(cluster),
             "    certificate-authority: %s\n    tls-server-name: kube.test\n",
             test_path("ca.crt"));
    snprintf(user, sizeof(user), "    tokenFile: %s\n", test_path("token"));
    test_write("token", "t");
    struct sa_account account = test_account(server, cluster, user);
    uid_t uid = geteuid() == 0 ? 65534 : 0;
    if (sa_credential_open(&account, key, uid, uid, &the.cred, &e) != 0)
        goto fail;
    struct sa_sandbox s = {.profile = SA_SANDBOX_WORKER, .uid = uid, .gid = uid};
    s.paths = sa_credential_paths(the.cred, &s.n_paths);
    s.tcp_connect = sa_credential_ports(the.cred, &s.n_tcp_connect);
    if (sa_sandbox_enter(&s, &rep, &e) != 0 || sa_credential_parse(the.cred, the.loop, -1, &e) != 0)
        goto fail;
    the.http = sa_http_new(the.loop, &account, the.cred, &e);
    if (the.http == NULL || sa_sandbox_seal(&s, &rep, &e) != 0)
        goto fail;
    struct sa_request_options o = {.path = "/echo", .on_done = on_answer, .arg = &a};
    a = (struct answer){.came = false};
    (void)sa_http_start(the.http, &o, &e);
    for (int i = 0; i < 100 && !a.came; i++)
        (void)sa_loop_turn(the.loop, 100, NULL);
    if (a.status == 200)
        return 0;
    fprintf(stderr, "status %d %s\n", a.status, a.error);
    return 1;
fail:
    fprintf(stderr, "%s\n", sa_err_msg(e));
    return 2;
}

START_TEST(test_sandboxed)
{
    int status = 0;
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        _exit(sandboxed());
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %#x", (unsigned)status);
}
END_TEST

TCase *worker_http_faults(void)
{
    TCase *t = tcase_create("faults");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, client_setup, client_teardown);
    tcase_add_test(t, test_wrong_ca);
    tcase_add_test(t, test_no_ca);
    tcase_add_test(t, test_expired_server);
    tcase_add_test(t, test_wrong_name);
    tcase_add_loop_test(t, test_insecure, 0, 2);
    tcase_add_test(t, test_nobody_there);
    tcase_add_loop_test(t, test_cut, 0, 2);
    tcase_add_test(t, test_raw);
    tcase_add_test(t, test_many_headers);
    tcase_add_test(t, test_long_headers);
    tcase_add_test(t, test_long_bodies);
    tcase_add_loop_test(t, test_statuses, 0, (int)(sizeof(statuses) / sizeof(statuses[0])));
    tcase_add_test(t, test_retry_after_date);
    tcase_add_test(t, test_timeouts);
    tcase_add_test(t, test_cancel);
    tcase_add_test(t, test_start_in_callbacks);
    tcase_add_test(t, test_refused_data);
    tcase_add_loop_test(t, test_free_in_callbacks, 0, 2);
    tcase_add_loop_test(t, test_more_watches_than_connections, 0, 2);
    tcase_add_loop_test(t, test_behind_a_watch, 0, 2);
    tcase_add_loop_test(t, test_reconnect, 0, 2);
    tcase_add_test(t, test_dead_peer);
    tcase_add_test(t, test_rate);
    tcase_add_test(t, test_malformed);
    if (!test_under_valgrind())
        tcase_add_test(t, test_sandboxed);
    return t;
}
