/* SPDX-License-Identifier: Apache-2.0 */
/* The status page: which rows a status changes, and who may see them. */
#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "exporter/guard.h"
#include "exporter/rows.h"

static struct sa_rows rows;
static struct sa_rows_change change;

static void set_up(void)
{
    rows = (struct sa_rows){0};
}

static void tear_down(void)
{
    sa_rows_change_free(&change);
    sa_rows_free(&rows);
}

static void update(const char *accounts)
{
    char text[512];
    cJSON *status;
    snprintf(text, sizeof(text), "{\"accounts\":[%s]}", accounts);
    status = cJSON_Parse(text);
    ck_assert_ptr_nonnull(status);
    sa_rows_change_free(&change);
    sa_rows_change_init(&change, 1u << 16);
    ck_assert_int_eq(sa_rows_update(&rows, status, &change), 0);
    cJSON_Delete(status);
}

#define ROW(name, state, objects)                                                                  \
    "[\"" name "\",\"" state "\"," objects ",0,0,0,0,0,0,\"\",\"\",\"\"]"
#define ACCOUNT(name, state, objects)                                                              \
    "{\"name\":\"" name "\",\"state\":\"" state "\",\"objects\":" objects "}"

START_TEST(only_what_changed_is_some)
{
    update(ACCOUNT("a", "streaming", "1") "," ACCOUNT("b", "failed", "2"));
    ck_assert(change.others);
    ck_assert_str_eq(change.all.data,
                     "[" ROW("a", "streaming", "1") "," ROW("b", "failed", "2") "]");
    update(ACCOUNT("a", "streaming", "1") "," ACCOUNT("b", "failed", "2"));
    ck_assert(!change.others);
    ck_assert_uint_eq(change.some.len, 0);
    update(ACCOUNT("a", "streaming", "1") "," ACCOUNT("b", "syncing", "3"));
    ck_assert(!change.others);
    ck_assert_str_eq(change.some.data, "[" ROW("b", "syncing", "3") "]");
}
END_TEST

START_TEST(other_accounts_are_told_as_such)
{
    update(ACCOUNT("a", "streaming", "1") "," ACCOUNT("b", "failed", "2"));
    update(ACCOUNT("a", "streaming", "1"));
    ck_assert(change.others);
    update(ACCOUNT("c", "streaming", "1"));
    ck_assert(change.others);
    update("");
    ck_assert(change.others);
    ck_assert_str_eq(change.all.data, "[]");
}
END_TEST

START_TEST(texts_are_escaped)
{
    update("{\"name\":\"<b>\\\"\\n\",\"state\":\"x\"}");
    ck_assert_ptr_nonnull(strstr(change.all.data, "\"<b>\\\"\\n\""));
    ck_assert_ptr_null(strchr(change.all.data, '\n'));
}
END_TEST

START_TEST(one_account_is_found_by_its_whole_name)
{
    cJSON *status =
        cJSON_Parse("{\"accounts\":[{\"name\":\"ab\"},{\"name\":\"a\",\"objects\":7}]}");
    struct sa_buf out;
    sa_buf_init(&out, 1000);
    ck_assert(sa_rows_account(status, "a", &out));
    ck_assert_str_eq(out.data, "{\"name\":\"a\",\"objects\":7}");
    ck_assert(!sa_rows_account(status, "", &out));
    sa_buf_free(&out);
    cJSON_Delete(status);
}
END_TEST

static bool local(int family, const char *text)
{
    struct sockaddr_in four = {.sin_family = AF_INET};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    if (family == AF_INET) {
        ck_assert_int_eq(inet_pton(AF_INET, text, &four.sin_addr), 1);
        return sa_guard_is_local((const struct sockaddr *)&four);
    }
    ck_assert_int_eq(inet_pton(AF_INET6, text, &six.sin6_addr), 1);
    return sa_guard_is_local((const struct sockaddr *)&six);
}

START_TEST(addresses_of_this_machine)
{
    ck_assert(local(AF_INET, "127.0.0.1"));
    ck_assert(local(AF_INET, "127.9.8.7"));
    ck_assert(!local(AF_INET, "0.0.0.0"));
    ck_assert(!local(AF_INET, "10.0.0.1"));
    ck_assert(local(AF_INET6, "::1"));
    ck_assert(!local(AF_INET6, "::"));
    ck_assert(!local(AF_INET6, "fe80::1"));
}
END_TEST

START_TEST(hosts_of_this_machine)
{
    static const char *const good[] = {"localhost", "LOCALHOST:8082", "127.0.0.1:1", "[::1]:8082"};
    static const char *const bad[] = {
        "",        "evil.example", "localhost.evil.example", "127.0.0.1.nip.io",
        "[::1].x", "10.0.0.1:8082"};
    ck_assert(sa_guard_host_is_local(NULL));
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        ck_assert_msg(sa_guard_host_is_local(good[i]), "%s", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!sa_guard_host_is_local(bad[i]), "%s", bad[i]);
}
END_TEST

/* printf %s opensesame | sha256sum */
#define HASH "d9fb92e3bbe65be1f1aad4a82eef4567f7a1ebe2cd110c8049b9698be7a70c88"

START_TEST(tokens)
{
    static const char *const bad[] = {
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        "Bearer opensesame2",
        "Basic",
        "Basic ====",
        "opensesame",
        "Digest opensesame",
        "Basic b3BlbnNlc2FtZQ==",
        "Basic dXNlcjp3cm9uZw==",
        "Bearer opensesame ",
    };
    const char *hash = HASH;
    ck_assert(sa_guard_authorized("Bearer opensesame", hash));
    ck_assert(sa_guard_authorized("bearer   opensesame", hash));
    ck_assert(sa_guard_authorized("Basic dXNlcjpvcGVuc2VzYW1l", hash));
    ck_assert(!sa_guard_authorized(NULL, hash));
    ck_assert(!sa_guard_authorized("Bearer opensesame", NULL));
    ck_assert(!sa_guard_authorized("Bearer opensesame", ""));
    ck_assert(!sa_guard_authorized("Bearer opensesame", "00"));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!sa_guard_authorized(bad[i], hash), "%s", bad[i]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("exporter_page");
    TCase *t = tcase_create("page");
    SRunner *r;
    int failed;
    sa_hash_init();
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, only_what_changed_is_some);
    tcase_add_test(t, other_accounts_are_told_as_such);
    tcase_add_test(t, texts_are_escaped);
    tcase_add_test(t, one_account_is_found_by_its_whole_name);
    tcase_add_test(t, addresses_of_this_machine);
    tcase_add_test(t, hosts_of_this_machine);
    tcase_add_test(t, tokens);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
