/* SPDX-License-Identifier: Apache-2.0 */
/* The restart policy, with time made up. */
#include <check.h>
#include <stdlib.h>

#include "supervisor/policy.h"

#define S SA_NS_PER_S

static const struct sa_restart_policy policy = {
    .base_ns = S,
    .max_ns = 60 * S,
    .healthy_ns = 60 * S,
    .intensity = 10,
    .period_ns = 300 * S,
    .failed_retry_ns = 180 * S,
};

static void assert_about(uint64_t delay_ns, uint64_t expected_ns)
{
    ck_assert_uint_ge(delay_ns, expected_ns - expected_ns / 5 - 1);
    ck_assert_uint_le(delay_ns, expected_ns + expected_ns / 5 + 1);
}

START_TEST(waits_double_up_to_the_longest)
{
    static const uint64_t expected_s[] = {1, 2, 4, 8, 16, 32, 60, 60};
    struct sa_restart r = {0};
    uint64_t now = 1000 * S, delay;

    for (size_t i = 0; i < sizeof(expected_s) / sizeof(expected_s[0]); i++) {
        ck_assert(!sa_restart_ended(&r, &policy, 0, now, false, &delay));
        assert_about(delay, expected_s[i] * S);
        now += delay;
    }
}
END_TEST

START_TEST(jitter_spreads_the_waits)
{
    uint64_t least = UINT64_MAX, most = 0;

    for (int i = 0; i < 200; i++) {
        struct sa_restart r = {0};
        uint64_t delay;

        sa_restart_ended(&r, &policy, 0, 1000 * S, false, &delay);
        least = delay < least ? delay : least;
        most = delay > most ? delay : most;
    }
    ck_assert_uint_lt(least, S - S / 10);
    ck_assert_uint_gt(most, S + S / 10);
}
END_TEST

START_TEST(a_healthy_run_resets_the_backoff)
{
    struct sa_restart r = {0};
    uint64_t now = 1000 * S, delay;

    for (int i = 0; i < 5; i++)
        sa_restart_ended(&r, &policy, 0, now += 10 * S, false, &delay);
    ck_assert(!sa_restart_ended(&r, &policy, 59 * S, now += 10 * S, false, &delay));
    assert_about(delay, 32 * S);
    ck_assert(!sa_restart_ended(&r, &policy, 60 * S, now += 10 * S, false, &delay));
    assert_about(delay, 1 * S);
}
END_TEST

START_TEST(one_end_too_many_within_the_period_is_failed)
{
    struct sa_restart r = {0};
    uint64_t now = 1000 * S, delay;

    for (int i = 0; i < 10; i++)
        ck_assert(!sa_restart_ended(&r, &policy, 0, now += S, false, &delay));
    ck_assert(sa_restart_ended(&r, &policy, 0, now += S, false, &delay));
    assert_about(delay, 180 * S);
}
END_TEST

START_TEST(healthy_runs_do_not_excuse_too_many_ends)
{
    struct sa_restart_policy p = policy;
    struct sa_restart r = {0};
    uint64_t now = 1000 * S, delay;

    p.healthy_ns = 5 * S;
    for (int i = 0; i < 10; i++)
        ck_assert(!sa_restart_ended(&r, &p, 6 * S, now += 7 * S, false, &delay));
    ck_assert(sa_restart_ended(&r, &p, 6 * S, now += 7 * S, false, &delay));
}
END_TEST

START_TEST(ends_far_apart_never_fail)
{
    struct sa_restart r = {0};
    uint64_t now = 1000 * S, delay;

    for (int i = 0; i < 200; i++)
        ck_assert(!sa_restart_ended(&r, &policy, 0, now += 61 * S, false, &delay));
}
END_TEST

START_TEST(failed_stays_failed_until_a_healthy_run)
{
    struct sa_restart r = {0};
    uint64_t now = 1000 * S, delay;

    for (int i = 0; i < 11; i++)
        sa_restart_ended(&r, &policy, 0, now += S, false, &delay);
    /* Tried again much later, when no end is recent any more; ends soon: still failed. */
    ck_assert(sa_restart_ended(&r, &policy, S, now += 3600 * S, false, &delay));
    assert_about(delay, 180 * S);
    /* And after a healthy run the backoff counts from the start. */
    ck_assert(!sa_restart_ended(&r, &policy, 61 * S, now += 3600 * S, false, &delay));
    assert_about(delay, 1 * S);
}
END_TEST

START_TEST(a_wrong_configuration_is_failed_at_once)
{
    struct sa_restart r = {0};
    uint64_t delay;

    ck_assert(sa_restart_ended(&r, &policy, 0, 1000 * S, true, &delay));
    assert_about(delay, 180 * S);
    sa_restart_reset(&r);
    ck_assert(!sa_restart_ended(&r, &policy, 0, 1001 * S, false, &delay));
    assert_about(delay, 1 * S);
}
END_TEST

START_TEST(settings_out_of_range_are_brought_into_it)
{
    struct sa_settings s = {.restart_base_ms = -5,
                            .restart_max_ms = INT64_MAX,
                            .restart_intensity = 0,
                            .restart_period_s = INT64_MAX,
                            .failed_retry_s = 0};
    struct sa_restart_policy p;

    sa_restart_policy_from(&s, &p);
    ck_assert_uint_eq(p.base_ns, SA_NS_PER_MS);
    ck_assert_uint_eq(p.max_ns, UINT64_C(30) * 24 * 3600 * S);
    ck_assert_uint_eq(p.intensity, 1);
    ck_assert_uint_eq(p.period_ns, p.max_ns);
    ck_assert_uint_eq(p.failed_retry_ns, S);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("supervisor policy");
    TCase *tc = tcase_create("policy");
    SRunner *runner;
    int failed;

    tcase_add_test(tc, waits_double_up_to_the_longest);
    tcase_add_test(tc, jitter_spreads_the_waits);
    tcase_add_test(tc, a_healthy_run_resets_the_backoff);
    tcase_add_test(tc, one_end_too_many_within_the_period_is_failed);
    tcase_add_test(tc, healthy_runs_do_not_excuse_too_many_ends);
    tcase_add_test(tc, ends_far_apart_never_fail);
    tcase_add_test(tc, failed_stays_failed_until_a_healthy_run);
    tcase_add_test(tc, a_wrong_configuration_is_failed_at_once);
    tcase_add_test(tc, settings_out_of_range_are_brought_into_it);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
