/* SPDX-License-Identifier: Apache-2.0 */
/* Tables, ages and numbers; the layout of the cache that the program expects is the uplink's. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/cache.h"
#include "ctl/cli.h"
#include "ctl/summary.h"
#include "uplink/sqlite_schema.h"

START_TEST(columns_line_up)
{
    static const char *const heads[] = {"A", "LONGER", "C"};
    struct sa_grid t;
    struct sa_buf b;
    sa_buf_init(&b, 0);
    sa_grid_init(&t, heads, 3);
    sa_grid_cell(&t, SA_TONE_PLAIN, "\xc3\xa9\xc3\xa9");
    sa_grid_cell(&t, SA_TONE_BAD, "%d", 5);
    sa_grid_cell(&t, SA_TONE_PLAIN, "a\033[31m\xc2\x9b\n\x7f!");
    sa_grid_print(&t, false, &b);
    ck_assert_str_eq(b.data, "A    LONGER   C\n\xc3\xa9\xc3\xa9   5        a [31m    !\n");
    sa_buf_reset(&b);
    sa_grid_print(&t, true, &b);
    ck_assert_ptr_nonnull(strstr(b.data, "\033[31m5\033[0m        "));
    sa_grid_free(&t);
    sa_buf_free(&b);
}
END_TEST

START_TEST(numbers_are_short)
{
    char s[32];
    static const struct {
        double v;
        const char *age, *lag, *count;
    } t[] = {
        {-5, "0s", "-0.0ms", "-5"},        {119, "119s", "0.1ms", "119"},
        {121, "2m", "0.1ms", "121"},       {9999, "3h", "10.0ms", "9999"},
        {200000, "2d", "200ms", "200.0k"}, {12000000, "139d", "12.0s", "12.0M"},
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        sa_format_age(t[i].v, s, sizeof s);
        ck_assert_str_eq(s, t[i].age);
        sa_format_lag(t[i].v, s, sizeof s);
        ck_assert_str_eq(s, t[i].lag);
        sa_format_count(t[i].v, s, sizeof s);
        ck_assert_str_eq(s, t[i].count);
    }
}
END_TEST

START_TEST(objects_are_summarised)
{
    static const struct {
        const char *json, *status, *age, *detail;
    } t[] = {
        {"{\"kind\":\"Pod\",\"metadata\":{\"deletionTimestamp\":\"x\",\"creationTimestamp\":\"2023-"
         "11-14T22:13:20Z\"}}",
         "Terminating", "100s", "-"},
        {"{\"kind\":\"DaemonSet\",\"status\":{\"numberReady\":1,\"desiredNumberScheduled\":4}}",
         "1/4", "-", "-"},
        {"{\"kind\":\"StatefulSet\",\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"image\":"
         "\"a\"},{\"image\":"
         "\"b\"}]}}}}",
         "0/1", "-", "a,b"},
        {"{\"kind\":\"Service\",\"spec\":{\"type\":\"ClusterIP\",\"clusterIP\":\"10.0.0.1\"}}",
         "ClusterIP", "-", "10.0.0.1"},
        {"{\"kind\":\"Job\",\"spec\":{\"completions\":5},\"status\":{\"succeeded\":2}}", "2/5", "-",
         "-"},
        {"{\"kind\":\"Namespace\",\"status\":{\"phase\":\"Active\"}}", "Active", "-", "-"},
        {"{\"kind\":7,\"status\":[],\"metadata\":\"x\"}", "-", "-", "-"},
        {"not json", "-", "-", "-"},
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        struct sa_summary s;
        cJSON *o = cJSON_Parse(t[i].json);
        sa_summarise(o, 1700000100, &s);
        cJSON_Delete(o);
        ck_assert_str_eq(s.status, t[i].status);
        ck_assert_str_eq(s.age, t[i].age);
        ck_assert_str_eq(s.detail, t[i].detail);
    }
}
END_TEST

START_TEST(layout_of_the_cache_is_the_uplinks)
{
    ck_assert_int_eq(SA_CACHE_LAYOUT, SA_SQLITE_VERSION);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ctl_output");
    TCase *t = tcase_create("output");
    tcase_add_test(t, columns_line_up);
    tcase_add_test(t, numbers_are_short);
    tcase_add_test(t, objects_are_summarised);
    tcase_add_test(t, layout_of_the_cache_is_the_uplinks);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
