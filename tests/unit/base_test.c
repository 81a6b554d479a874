/* SPDX-License-Identifier: Apache-2.0 */
/* Errors and the clock; and the program that runs all of base's cases. */
#include "base_test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"

START_TEST(error_says_what_was_done_to_what)
{
    struct sa_err *err = NULL;
    ck_assert_int_eq(sa_err_sys(&err, ENOENT, "open %s", "/no/such"), -1);
    ck_assert_int_eq(sa_err_wrap(&err, "account %s", "prod"), -1);
    ck_assert_str_eq(sa_err_msg(err), "account prod: open /no/such: No such file or directory");
    ck_assert_int_eq(err->code, SA_ESYSTEM);
    ck_assert_int_eq(err->sys_errno, ENOENT);
    /* A new error may be made from the one that it replaces. */
    sa_err_set(&err, SA_ECONFIG, "again: %s", sa_err_msg(err));
    ck_assert_str_eq(sa_err_msg(err),
                     "again: account prod: open /no/such: No such file or directory");
    ck_assert_int_eq(err->code, SA_ECONFIG);
    sa_err_free(&err);
    ck_assert_ptr_null(err);
    sa_err_free(&err);
}
END_TEST

START_TEST(error_is_one_line)
{
    struct sa_err *err = NULL;
    sa_err_set(&err, SA_EPROTOCOL, "bad name \"%s\"", "a\nlevel=fatal \x1b[31mforged\x7f");
    for (const char *p = err->msg; *p != '\0'; p++) {
        ck_assert_msg((unsigned char)*p >= 0x20 && *p != 0x7f, "control character in %s", err->msg);
    }
    sa_err_free(&err);
}
END_TEST

START_TEST(error_may_be_unwanted)
{
    struct sa_err *none = NULL;
    ck_assert_int_eq(sa_err_set(NULL, SA_EINTERNAL, "x"), -1);
    ck_assert_int_eq(sa_err_sys(NULL, EIO, "x"), -1);
    ck_assert_int_eq(sa_err_wrap(NULL, "x"), -1);
    ck_assert_int_eq(sa_err_wrap(&none, "x"), -1);
    ck_assert_ptr_null(none);
    sa_err_free(NULL);
    ck_assert_str_eq(sa_err_msg(NULL), "unknown error");
}
END_TEST

START_TEST(error_codes_have_names)
{
    ck_assert_str_eq(sa_code_name(SA_OK), "ok");
    ck_assert_str_eq(sa_code_name(SA_ETLS), "tls");
    ck_assert_str_eq(sa_code_name(SA_EREFUSED), "refused");
    ck_assert_str_eq(sa_code_name((enum sa_code)4711), "unknown");
    struct sa_err *err = NULL;
    sa_err_sys(&err, ENOMEM, "map");
    ck_assert_int_eq(err->code, SA_EMEMORY);
    sa_err_free(&err);
}
END_TEST

START_TEST(backoff_grows_to_its_bound)
{
    struct sa_backoff b = {
        .base_ns = SA_NS_PER_S, .max_ns = 10 * SA_NS_PER_S, .multiplier = 2, .jitter = 0};
    const uint64_t want[] = {1, 2, 4, 8, 10, 10, 10};
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        ck_assert_uint_eq(sa_backoff_next(&b), want[i] * SA_NS_PER_S);
    }
    ck_assert_uint_eq(b.failures, 7);
    sa_backoff_reset(&b);
    ck_assert_uint_eq(sa_backoff_next(&b), SA_NS_PER_S);
}
END_TEST

START_TEST(backoff_jitter_stays_in_bounds_and_varies)
{
    struct sa_backoff b = {.base_ns = 1000000, .max_ns = 1000000, .multiplier = 1.6, .jitter = 0.2};
    uint64_t lowest = UINT64_MAX;
    uint64_t highest = 0;
    for (int i = 0; i < 2000; i++) {
        uint64_t d = sa_backoff_next(&b);
        ck_assert(d >= 800000 && d <= 1200000);
        lowest = d < lowest ? d : lowest;
        highest = d > highest ? d : highest;
    }
    ck_assert_uint_lt(lowest, 850000);
    ck_assert_uint_gt(highest, 1150000);
}
END_TEST

START_TEST(backoff_survives_odd_settings)
{
    struct sa_backoff huge = {
        .base_ns = UINT64_MAX, .max_ns = UINT64_MAX, .multiplier = 1e300, .jitter = 0.99};
    struct sa_backoff zero = {0};
    struct sa_backoff shrinking = {.base_ns = 5, .max_ns = 10, .multiplier = 0.5, .jitter = 0};
    for (int i = 0; i < 100; i++) {
        ck_assert_uint_gt(sa_backoff_next(&huge), 0);
        ck_assert_uint_eq(sa_backoff_next(&zero), 1); /* never a busy loop of length 0 */
        ck_assert_uint_le(sa_backoff_next(&shrinking), 5);
    }
    shrinking.failures = UINT32_MAX;
    sa_backoff_next(&shrinking);
    ck_assert_uint_eq(shrinking.failures, UINT32_MAX);
}
END_TEST

START_TEST(random_is_uniform_enough_and_bounded)
{
    unsigned seen[7] = {0};
    ck_assert_uint_eq(sa_random(0), 0);
    ck_assert_uint_eq(sa_random(1), 0);
    for (int i = 0; i < 7000; i++) {
        uint64_t v = sa_random(7);
        ck_assert_uint_lt(v, 7);
        seen[v]++;
    }
    for (int i = 0; i < 7; i++) {
        ck_assert_msg(seen[i] > 800 && seen[i] < 1200, "%d: %u", i, seen[i]);
    }
    ck_assert_uint_le(sa_random(UINT64_MAX), UINT64_MAX - 1);
}
END_TEST

START_TEST(clocks_run)
{
    uint64_t a = sa_mono_ns();
    ck_assert_uint_gt(a, 0);
    ck_assert_uint_ge(sa_mono_ns(), a);
    ck_assert_int_gt(sa_real_us(), INT64_C(1600000000000000));
}
END_TEST

int main(void)
{
    sa_hash_init();
    Suite *s = suite_create("base");
    TCase *t = tcase_create("err and clock");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, error_says_what_was_done_to_what);
    tcase_add_test(t, error_is_one_line);
    tcase_add_test(t, error_may_be_unwanted);
    tcase_add_test(t, error_codes_have_names);
    tcase_add_test(t, backoff_grows_to_its_bound);
    tcase_add_test(t, backoff_jitter_stays_in_bounds_and_varies);
    tcase_add_test(t, backoff_survives_odd_settings);
    tcase_add_test(t, random_is_uniform_enough_and_bounded);
    tcase_add_test(t, clocks_run);
    suite_add_tcase(s, t);
    suite_add_tcase(s, base_test_buf());
    suite_add_tcase(s, base_test_hash());
    suite_add_tcase(s, base_test_loop());
    suite_add_tcase(s, base_test_log());
    suite_add_tcase(s, base_test_process());
    suite_add_tcase(s, base_test_environment());
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
