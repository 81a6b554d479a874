/* SPDX-License-Identifier: Apache-2.0 */
/* What a reload would touch. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/diff.h"

static struct sa_account_ref account(const char *name, uint8_t print)
{
    struct sa_account_ref r = {.name = (char *)(uintptr_t)name};

    memset(r.fingerprint, print, sizeof(r.fingerprint));
    return r;
}

static struct sa_file_ref file(const char *path, uint8_t print)
{
    struct sa_file_ref f = {.path = (char *)(uintptr_t)path};

    memset(f.fingerprint, print, sizeof(f.fingerprint));
    return f;
}

/* Writes "+a ~b =c -d" in the order of the calls. */
static void note(void *arg, enum sa_change change, struct sa_account_ref *was,
                 struct sa_account_ref *is)
{
    char *out = arg;
    size_t n = strlen(out);

    ck_assert((change == SA_CHANGE_ADDED) == !was);
    ck_assert((change == SA_CHANGE_REMOVED) == !is);
    snprintf(out + n, 256 - n, "%s%c%s", n ? " " : "", "=+~-"[change], is ? is->name : was->name);
}

START_TEST(each_kind_of_change_is_told_once)
{
    struct sa_account_ref old[] = {account("c", 1), account("a", 1), account("d", 1),
                                   account("b", 1)};
    struct sa_account_ref *was[] = {&old[0], &old[1], &old[2], &old[3]};
    struct sa_account_ref is[] = {account("e", 1), account("b", 2), account("a", 1),
                                  account("d", 1)};
    char got[256] = "";

    sa_diff_accounts(was, 4, is, 4, note, got);
    ck_assert_str_eq(got, "-c =a ~b =d +e");
}
END_TEST

START_TEST(from_nothing_and_to_nothing)
{
    struct sa_account_ref old[] = {account("a", 1), account("b", 1)};
    struct sa_account_ref *was[] = {&old[0], &old[1]};
    struct sa_account_ref is[] = {account("z", 1)};
    char got[256] = "";

    sa_diff_accounts(NULL, 0, is, 1, note, got);
    ck_assert_str_eq(got, "+z");
    got[0] = '\0';
    sa_diff_accounts(was, 2, NULL, 0, note, got);
    ck_assert_str_eq(got, "-a -b");
    got[0] = '\0';
    sa_diff_accounts(NULL, 0, NULL, 0, note, got);
    ck_assert_str_eq(got, "");
}
END_TEST

/* The callee takes structs over and empties them. */
static void empty(void *arg, enum sa_change change, struct sa_account_ref *was,
                  struct sa_account_ref *is)
{
    note(arg, change, was, is);
    if (change == SA_CHANGE_ADDED || change == SA_CHANGE_CHANGED)
        memset(is, 0, sizeof(*is));
}

START_TEST(what_was_taken_over_is_not_looked_at_again)
{
    struct sa_account_ref old[] = {account("b", 1), account("d", 1)};
    struct sa_account_ref *was[] = {&old[0], &old[1]};
    struct sa_account_ref is[] = {account("a", 1), account("b", 2), account("c", 1)};
    char got[256] = "";

    sa_diff_accounts(was, 2, is, 3, empty, got);
    ck_assert_str_eq(got, "-d +a ~b +c");
}
END_TEST

START_TEST(a_file_differs_only_by_readable_content)
{
    struct sa_file_ref known[] = {file("/k/b", 1), file("/k/a", 1)};
    struct sa_file_ref now[] = {file("/k/c", 9), file("/k/b", 1), file("/k/a", 1)};

    sa_files_sort(now, 3);
    ck_assert_str_eq(now[0].path, "/k/a");
    ck_assert(!sa_files_differ(known, 2, now, 3));
    memset(now[0].fingerprint, 0, 32); /* unreadable or gone */
    ck_assert(!sa_files_differ(known, 2, now, 3));
    memset(now[0].fingerprint, 2, 32);
    ck_assert(sa_files_differ(known, 2, now, 3));
    ck_assert(!sa_files_differ(known, 2, now + 1, 2)); /* nobody looked at /k/a */
    ck_assert(!sa_files_differ(known, 2, NULL, 0));
}
END_TEST

START_TEST(an_adopted_difference_is_told_once)
{
    struct sa_file_ref known[] = {file("/k/a", 1), file("/k/b", 1)};
    struct sa_file_ref now[] = {file("/k/a", 2), file("/k/b", 0)};

    ck_assert(sa_files_differ(known, 2, now, 2));
    sa_files_adopt(known, 2, now, 2);
    ck_assert(!sa_files_differ(known, 2, now, 2));
    ck_assert_uint_eq(known[0].fingerprint[5], 2);
    ck_assert_uint_eq(known[1].fingerprint[5], 1); /* what can't be read is not adopted */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("supervisor diff");
    TCase *tc = tcase_create("diff");
    SRunner *runner;
    int failed;

    tcase_add_test(tc, each_kind_of_change_is_told_once);
    tcase_add_test(tc, from_nothing_and_to_nothing);
    tcase_add_test(tc, what_was_taken_over_is_not_looked_at_again);
    tcase_add_test(tc, a_file_differs_only_by_readable_content);
    tcase_add_test(tc, an_adopted_difference_is_told_once);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
