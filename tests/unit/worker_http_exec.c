/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/clock.h"
#include "worker/exec_client.h"
#include "worker/exec_run.h"
#include "worker_http_test.h"

#define V1     "client.authentication.k8s.io/v1"
#define ANSWER "{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1 "\",\"status\":"

static const struct {
    const char *json, *error;
} answers[] = {
    {ANSWER "{\"token\":\"t\"}}", NULL},
    {ANSWER "{\"token\":\" t\\n\",\"expirationTimestamp\":\"2030-01-01T00:00:00Z\"}}", NULL},
    {ANSWER "{\"clientCertificateData\":\"c\",\"clientKeyData\":\"k\",\"token\":\"t\"}}", NULL},
    {"", "is not JSON"},
    {"{", "is not JSON"},
    {"[]", "is not a JSON object"},
    {"{\"kind\":\"Pod\"}", "is not of kind ExecCredential"},
    {"{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1beta1\"}",
     "is not of apiVersion " V1},
    {ANSWER "3}", "has no status"},
    {ANSWER "{}}", "neither a token nor"},
    {ANSWER "{\"token\":7}}", "neither a token nor"},
    {ANSWER "{\"token\":\" \\r\\n\"}}", "neither a token nor"},
    {ANSWER "{\"token\":\"t\",\"clientKeyData\":\"k\"}}", "only one of"},
    {ANSWER "{\"token\":\"a\\r\\nb\"}}", "odd bytes"},
    {ANSWER "{\"token\":\"t\",\"expirationTimestamp\":\"soon\"}}", "not RFC 3339"},
};

START_TEST(test_answers)
{
    struct sa_exec_credential c;
    struct sa_err *e = NULL;
    int rc = sa_exec_credential_parse(answers[_i].json, strlen(answers[_i].json), V1, &c, &e);
    if (answers[_i].error == NULL) {
        ck_assert_msg(rc == 0, "%s", sa_err_msg(e));
        ck_assert_str_eq(c.token.p, "t");
        sa_exec_credential_free(&c);
    } else {
        ck_assert_int_eq(rc, -1);
        ASSERT_CONTAINS(e->msg, answers[_i].error);
        ck_assert_ptr_null(c.token.p);
    }
    sa_err_free(&e);
}
END_TEST

START_TEST(test_time)
{
    ck_assert_int_eq(sa_exec_time("1970-01-01T00:00:10Z"), 10);
    ck_assert_int_eq(sa_exec_time("1970-01-01T00:00:10.75Z"), 10);
    ck_assert_int_eq(sa_exec_time("1970-01-01T02:00:10+02:00"), 10);
    ck_assert_int_eq(sa_exec_time("1969-12-31T22:30:10-01:30"), 10);
    static const char *const bad[] = {"",
                                      "1970-01-01",
                                      "1970-01-01T00:00:10",
                                      "x",
                                      "1970-01-01T00:00:10.Z",
                                      "1970-01-01T00:00:10+0200",
                                      "1970-01-01T00:00:10+99:00",
                                      "1970-01-01T00:00:10Zx"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(sa_exec_time(bad[i]) == INT64_MIN, "%s", bad[i]);
}
END_TEST

static const struct {
    const char *complaint, *line;
} lines[] = {
    {"", ""},
    {"first\nlast\n", "last"},
    {"no such profile: prod\n\n", "no such profile: prod"},
    {"got eyJhbGciOiJSUzI1NiIsImtpZCI6IjEyMyJ9.eyJpc3MiOiJrdWJl back", "got *** back"},
    {"token=abc", "token=***"},
    {"Token: abc", "Token: ***"},
    {"Authorization: Bearer abc", "Authorization: Bearer ***"},
    {"the password \"hunter2\" is wrong", "the password \"***\" is wrong"},
    {"AKIAIOSFODNN7EXAMPLEKEY1 denied", "*** denied"},
    {"no /usr/local/share/something-long-enough here",
     "no /usr/local/share/something-long-enough here"},
    {"a\x1b[31mred", "a?[31mred"},
    {"a\xc3\xa9", "a??"},
};

START_TEST(test_last_line)
{
    char out[256];
    sa_exec_last_line(lines[_i].complaint, strlen(lines[_i].complaint), out, sizeof(out));
    ck_assert_str_eq(out, lines[_i].line);
}
END_TEST

START_TEST(test_last_line_is_short)
{
    char text[4096], out[256], tiny[8];
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = i % 5 == 4 ? ' ' : 'a';
    sa_exec_last_line(text, sizeof(text), out, sizeof(out));
    ck_assert_uint_le(strlen(out), 200);
    sa_exec_last_line(text, sizeof(text), tiny, sizeof(tiny));
    ck_assert_uint_eq(strlen(tiny), 7);
    sa_exec_last_line(NULL, 0, out, sizeof(out));
    ck_assert_str_eq(out, "");
}
END_TEST

/* Programs */

struct result {
    struct sa_loop *loop;
    char *out;
    size_t n;
    char error[512];
};

static void on_end(void *arg, const void *out, size_t n, const struct sa_err *reason)
{
    struct result *r = arg;
    if (out != NULL) {
        r->out = malloc(n + 1);
        ck_assert_ptr_nonnull(r->out);
        memcpy(r->out, out, n);
        r->out[n] = '\0';
        r->n = n;
    }
    snprintf(r->error, sizeof(r->error), "%s", reason != NULL ? reason->msg : "");
    sa_loop_stop(r->loop);
}

static char plugin[128];

static struct result run(const char *script, uint64_t timeout_ns)
{
    struct result r = {.loop = sa_loop_new(NULL)};
    struct sa_err *e = NULL;
    char *args[] = {(char *)(size_t) "one", (char *)(size_t) "two words"};
    struct sa_name_value env = {.name = (char *)(size_t) "GIVEN", .value = (char *)(size_t) "yes"};
    char *pass[] = {(char *)(size_t) "PASSED"};
    test_write("plugin", script);
    snprintf(plugin, sizeof(plugin), "%s", test_path("plugin"));
    ck_assert_int_eq(chmod(plugin, 0755), 0);
    setenv("PASSED", "too", 1);
    setenv("HIDDEN", "secret", 1);
    struct sa_exec_spec spec = {
        .command = plugin, .args = args, .n_args = 2, .env = &env, .n_env = 1};
    struct sa_strings names = {.v = pass, .n = 1};
    struct sa_exec_how how = {.spec = &spec,
                              .info = "{\"info\":1}",
                              .home = "/home/x",
                              .pass_env = &names,
                              .timeout_ns = timeout_ns};
    if (sa_exec_run_start(r.loop, &how, on_end, &r, &e) == NULL)
        snprintf(r.error, sizeof(r.error), "%s", sa_err_msg(e));
    else
        ck_assert_int_eq(sa_loop_run(r.loop, NULL), 0);
    sa_err_free(&e);
    sa_loop_free(r.loop);
    return r;
}

START_TEST(test_run)
{
    struct result r = run("#!/bin/sh\necho \"$1,$2,$GIVEN,$PASSED,$HIDDEN,$HOME,"
                          "$KUBERNETES_EXEC_INFO\"; cat; env | wc -l; pwd",
                          20 * SA_NS_PER_S);
    ck_assert_str_eq(r.error, "");
    /* PATH, HOME, GIVEN, PASSED, KUBERNETES_EXEC_INFO; sh adds PWD */
    ASSERT_CONTAINS(r.out, "one,two words,yes,too,,/home/x,{\"info\":1}\n6\n/\n");
    free(r.out);
}
END_TEST

START_TEST(test_run_fails)
{
    struct result r =
        run("#!/bin/sh\necho x; echo 'bad token=abcdef' >&2; exit 3", 20 * SA_NS_PER_S);
    ASSERT_CONTAINS(r.error, "exit 3");
    ASSERT_CONTAINS(r.error, "its last words: bad token=***");
    ck_assert_ptr_null(r.out);
    r = run("#!/bin/sh\nkill -9 $$", 20 * SA_NS_PER_S);
    ASSERT_CONTAINS(r.error, "KILL");
    r = run("#!/no/such/interpreter\n", 20 * SA_NS_PER_S);
    ASSERT_CONTAINS(r.error, "ended with exit 1");
}
END_TEST

START_TEST(test_run_hangs)
{
    uint64_t began = sa_mono_ns();
    /* The grandchild keeps the pipes open. */
    struct result r = run("#!/bin/sh\nsleep 60 & wait", 300 * SA_NS_PER_MS);
    ASSERT_CONTAINS(r.error, "took too long");
    r = run("#!/bin/sh\nsleep 60 & echo fine", 20 * SA_NS_PER_S);
    ck_assert_str_eq(r.error, "");
    ck_assert_str_eq(r.out, "fine\n");
    ck_assert_uint_lt(sa_mono_ns() - began, 15 * SA_NS_PER_S);
    free(r.out);
}
END_TEST

START_TEST(test_run_floods)
{
    struct result r = run("#!/bin/sh\nexec cat /dev/zero", 20 * SA_NS_PER_S);
    ASSERT_CONTAINS(r.error, "more than 1 MB");
    r = run("#!/bin/sh\nhead -c 10000000 /dev/zero >&2; echo fine", 20 * SA_NS_PER_S);
    ck_assert_str_eq(r.out, "fine\n");
    free(r.out);
    r = run("#!/bin/sh\nhead -c 1000000 /dev/zero", 20 * SA_NS_PER_S);
    ck_assert_str_eq(r.error, "");
    ck_assert_uint_eq(r.n, 1000000);
    free(r.out);
}
END_TEST

START_TEST(test_run_unknown)
{
    struct sa_loop *l = sa_loop_new(NULL);
    struct sa_err *e = NULL;
    struct sa_strings none = {0};
    struct sa_exec_spec spec = {.command = (char *)(size_t) "sa-no-such-plugin"};
    struct sa_exec_how how = {
        .spec = &spec, .info = "", .home = "/", .pass_env = &none, .timeout_ns = SA_NS_PER_S};
    ck_assert_ptr_null(sa_exec_run_start(l, &how, on_end, NULL, &e));
    ASSERT_CONTAINS(e->msg, "\"sa-no-such-plugin\" is not installed");
    sa_err_free(&e);
    spec.command = (char *)(size_t) "/dev/null";
    ck_assert_ptr_null(sa_exec_run_start(l, &how, on_end, NULL, &e));
    ASSERT_CONTAINS(e->msg, "/dev/null can't be run");
    sa_err_free(&e);
    sa_loop_free(l);
}
END_TEST

START_TEST(test_run_is_killed)
{
    struct sa_loop *l = sa_loop_new(NULL);
    struct sa_strings none = {0};
    char *args[] = {(char *)(size_t) "60"};
    struct sa_exec_spec spec = {.command = (char *)(size_t) "sleep", .args = args, .n_args = 1};
    struct sa_exec_how how = {
        .spec = &spec, .info = "", .home = "/", .pass_env = &none, .timeout_ns = 60 * SA_NS_PER_S};
    struct sa_exec_run *r = sa_exec_run_start(l, &how, on_end, NULL, NULL);
    ck_assert_ptr_nonnull(r);
    sa_exec_run_kill(r);
    sa_loop_free(l);
}
END_TEST

TCase *worker_http_exec(void)
{
    TCase *t = tcase_create("exec");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, test_answers, 0, (int)(sizeof(answers) / sizeof(answers[0])));
    tcase_add_test(t, test_time);
    tcase_add_loop_test(t, test_last_line, 0, (int)(sizeof(lines) / sizeof(lines[0])));
    tcase_add_test(t, test_last_line_is_short);
    tcase_add_test(t, test_run);
    tcase_add_test(t, test_run_fails);
    tcase_add_test(t, test_run_hangs);
    tcase_add_test(t, test_run_floods);
    tcase_add_test(t, test_run_unknown);
    tcase_add_test(t, test_run_is_killed);
    return t;
}
