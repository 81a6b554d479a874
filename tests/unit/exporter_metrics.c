/* SPDX-License-Identifier: Apache-2.0 */
/* The pages that are made from a status. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exporter/metrics.h"

static const char status[] =
    "{\"agent\":{\"version\":\"0.1.0\",\"agent_id\":\"a\\\"b\",\"sink\":\"grpc\",\"stopping\":"
    "false,"
    "\"cpu_us\":2500000,\"memory_bytes\":1000,\"virtual_bytes\":5,\"open_files\":9,"
    "\"max_files\":1024,\"max_virtual_bytes\":1000000,\"started_at\":1700000000,"
    "\"config\":{\"valid\":false,\"failed_reloads\":3,\"loaded_at\":1700000001},"
    "\"uplink\":{\"process\":\"running\",\"connected\":1,\"connections_total\":4,"
    "\"disconnections_total\":3,\"restarts\":2,\"memory_bytes\":77,\"ends\":{\"hung\":1}}},"
    "\"accounts\":[{\"name\":\"one\",\"state\":\"streaming\",\"watches\":12,\"deltas_total\":100,"
    "\"delta_bytes_total\":5000,\"memory_bytes\":30,\"restarts\":1,"
    "\"operations\":{\"apply\":{\"results\":{\"ok\":5,\"conflict\":1},\"within\":[1,2,0,1,0,0,0],"
    "\"sum_us\":2500000}},"
    "\"ends\":{\"memory\":2,\"exit\":1}},"
    "{\"name\":\"t\\\\w\\no\",\"state\":\"failed\",\"watches\":3,\"deltas_total\":7,"
    "\"delta_bytes_total\":50,\"memory_bytes\":40,\"ends\":{}}]}";

static cJSON *parsed;
static struct sa_buf page;

static void set_up(void)
{
    parsed = cJSON_Parse(status);
    ck_assert_ptr_nonnull(parsed);
    sa_buf_init(&page, 1u << 20);
    sa_metrics_write(parsed, &page);
    ck_assert(!page.failed);
}

static void tear_down(void)
{
    cJSON_Delete(parsed);
    sa_buf_free(&page);
}

static void assert_line(const char *line)
{
    char wanted[300];

    snprintf(wanted, sizeof(wanted), "\n%s\n", line);
    ck_assert_msg(strstr(page.data, wanted) != NULL, "no line %s", line);
}

START_TEST(accounts_are_labelled_and_escaped)
{
    assert_line("scale_agent_watches{account=\"one\"} 12");
    assert_line("scale_agent_watches{account=\"t\\\\w\\no\"} 3");
    assert_line("scale_agent_account_state{account=\"one\",state=\"streaming\"} 1");
    assert_line(
        "scale_agent_process_ends_total{role=\"worker\",account=\"one\",reason=\"memory\"} 2");
    assert_line("scale_agent_restarts_total{role=\"uplink\",account=\"\"} 2");
    assert_line("# TYPE scale_agent_deltas_total counter");
    assert_line("# TYPE scale_agent_watches gauge");
}
END_TEST

/* Every metric of Armory's agent but those of the Go runtime, with its type. */
START_TEST(operations_are_counted_and_timed)
{
#define APPLY "{account=\"one\",verb=\"apply\""
    assert_line("scale_agent_operations_total" APPLY ",result=\"ok\"} 5");
    assert_line("scale_agent_operations_total" APPLY ",result=\"conflict\"} 1");
    assert_line("# TYPE scale_agent_operation_duration_seconds histogram");
    assert_line("scale_agent_operation_duration_seconds_bucket" APPLY ",le=\"0.025\"} 1");
    assert_line("scale_agent_operation_duration_seconds_bucket" APPLY ",le=\"0.1\"} 3");
    assert_line("scale_agent_operation_duration_seconds_bucket" APPLY ",le=\"0.25\"} 3");
    assert_line("scale_agent_operation_duration_seconds_bucket" APPLY ",le=\"300\"} 4");
    assert_line("scale_agent_operation_duration_seconds_bucket" APPLY ",le=\"+Inf\"} 6");
    assert_line("scale_agent_operation_duration_seconds_sum" APPLY "} 2.5");
    assert_line("scale_agent_operation_duration_seconds_count" APPLY "} 6");
    ck_assert_ptr_null(strstr(page.data, "verb=\"delete\""));
#undef APPLY
}
END_TEST

START_TEST(armory_metrics_are_there_by_type)
{
    static const char *const types[] = {
        "kubesvc_connection_count counter",
        "kubesvc_disconnection_total counter",
        "kubesvc_events_bytes_sent_total counter",
        "kubesvc_events_sent_total counter",
        "kubesvc_resource_agent_total counter",
        "process_cpu_seconds_total counter",
        "process_max_fds gauge",
        "process_open_fds gauge",
        "process_resident_memory_bytes gauge",
        "process_start_time_seconds gauge",
        "process_virtual_memory_bytes gauge",
        "process_virtual_memory_max_bytes gauge",
    };
    char line[100];

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        snprintf(line, sizeof(line), "# TYPE %s", types[i]);
        assert_line(line);
    }
    assert_line("process_virtual_memory_max_bytes 1000000");
}
END_TEST

START_TEST(armory_names_are_served)
{
    assert_line("kubesvc_connection_count 4");
    assert_line("kubesvc_disconnection_total 3");
    assert_line("kubesvc_events_sent_total 107");
    assert_line("kubesvc_events_bytes_sent_total 5050");
    assert_line("kubesvc_resource_agent_total 15");
}
END_TEST

START_TEST(the_agent_itself_is_served)
{
    assert_line("scale_agent_config_valid 0");
    assert_line("scale_agent_config_failed_reloads_total 3");
    assert_line("process_cpu_seconds_total{role=\"supervisor\"} 2.5");
    assert_line("process_resident_memory_bytes{role=\"worker\"} 70");
    assert_line("process_open_fds 9");
}
END_TEST

/* Prometheus rejects a page that describes a metric twice. */
START_TEST(each_metric_is_described_once)
{
    for (const char *p = page.data; (p = strstr(p, "# TYPE ")) != NULL; p += 7) {
        char type[200];
        size_t n = strcspn(p, "\n");

        ck_assert_uint_lt(n, sizeof(type));
        n = strcspn(p + 7, " ") + 8;
        memcpy(type, p, n);
        type[n] = '\0';
        ck_assert_msg(strstr(p + n, type) == NULL, "%s twice", type);
    }
}
END_TEST

START_TEST(ready_says_why_not)
{
    cJSON *agent = cJSON_GetObjectItem(parsed, "agent"),
          *uplink = cJSON_GetObjectItem(agent, "uplink");
    const char *why;

    ck_assert(sa_metrics_ready(parsed, &why));
    cJSON_SetNumberValue(cJSON_GetObjectItem(uplink, "connected"), 0);
    ck_assert(!sa_metrics_ready(parsed, &why));
    ck_assert_str_eq(why, "not connected to Spinnaker");
    cJSON_ReplaceItemInObject(agent, "sink", cJSON_CreateString("sqlite"));
    ck_assert(sa_metrics_ready(parsed, &why));
    cJSON_ReplaceItemInObject(uplink, "process", cJSON_CreateString("backoff"));
    ck_assert(!sa_metrics_ready(parsed, &why));
}
END_TEST

START_TEST(an_empty_status_is_survived)
{
    cJSON *empty = cJSON_Parse("{}");
    const char *why;
    struct sa_buf b;

    sa_buf_init(&b, 1u << 20);
    sa_metrics_write(empty, &b);
    ck_assert(!b.failed);
    ck_assert(!sa_metrics_ready(empty, &why));
    sa_buf_free(&b);
    cJSON_Delete(empty);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("exporter metrics");
    TCase *tc = tcase_create("metrics");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, accounts_are_labelled_and_escaped);
    tcase_add_test(tc, operations_are_counted_and_timed);
    tcase_add_test(tc, armory_metrics_are_there_by_type);
    tcase_add_test(tc, armory_names_are_served);
    tcase_add_test(tc, the_agent_itself_is_served);
    tcase_add_test(tc, each_metric_is_described_once);
    tcase_add_test(tc, ready_says_why_not);
    tcase_add_test(tc, an_empty_status_is_survived);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
