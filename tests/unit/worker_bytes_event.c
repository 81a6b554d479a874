/* SPDX-License-Identifier: Apache-2.0 */
/* Events of a watch, Status, ListMeta. */
#include "worker_bytes_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/frame.h"
#include "worker/scrub.h"

START_TEST(events)
{
    static const struct {
        const char *json;
        enum sa_watch_type type;
        const char *object;
    } cases[] = {
        {"{\"type\":\"ADDED\",\"object\":{\"a\":1}}", SA_WATCH_ADDED, "{\"a\":1}"},
        {"{\"type\":\"MODIFIED\",\"object\":{\"a\":{\"b\":\"}\"}}}\n", SA_WATCH_MODIFIED,
         "{\"a\":{\"b\":\"}\"}}"},
        {"{\"type\":\"DELETED\",\"object\":{\"a\":\"\\\"}\"}}", SA_WATCH_DELETED,
         "{\"a\":\"\\\"}\"}"},
        {"{\"type\":\"BOOKMARK\",\"object\":{}}", SA_WATCH_BOOKMARK, "{}"},
        {"{\"type\":\"ERROR\",\"object\":{\"code\":410}}", SA_WATCH_ERROR, "{\"code\":410}"},
        {"{\"object\":{\"a\":1},\"type\":\"ADDED\"}", SA_WATCH_ADDED, "{\"a\":1}"},
        {" { \"type\" : \"ADDED\" , \"object\" : { \"a\":1 } } ", SA_WATCH_ADDED, "{ \"a\":1 }"},
        {"{\"ty\\u0070e\":\"AD\\u0044ED\",\"object\":{}}", SA_WATCH_ADDED, "{}"},
        {"{\"type\":\"ADDED\",\"object\":{\"a\":1},\"object\":{\"a\":2}}", SA_WATCH_ADDED,
         "{\"a\":2}"},
        {"{\"type\":\"ADDED\",\"object\":{\"a\":1},\"type\":\"DELETED\"}", SA_WATCH_DELETED,
         "{\"a\":1}"},
        {"{\"type\":\"ADDED\",\"object\":{\"a\":1},\"later\":{}}", SA_WATCH_ADDED, "{\"a\":1}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum sa_watch_type type;
        const char *object;
        size_t n;
        struct sa_err *err = NULL;
        int r = sa_watch_event(cases[i].json, strlen(cases[i].json), &type, &object, &n, &err);
        ck_assert_msg(r == 0, "%s: %s", cases[i].json, sa_err_msg(err));
        ck_assert_int_eq(type, cases[i].type);
        ck_assert_uint_eq(n, strlen(cases[i].object));
        ck_assert_int_eq(memcmp(object, cases[i].object, n), 0);
    }
}
END_TEST

START_TEST(no_events)
{
    static const char *const cases[] = {
        "",
        "[]",
        "{}",
        "{\"type\":\"ADDED\"}",
        "{\"object\":{}}",
        "{\"type\":\"ADDED\",\"object\":null}",
        "{\"type\":\"ADDED\",\"object\":[]}",
        "{\"type\":\"CHANGED\",\"object\":{}}",
        "{\"type\":\"added\",\"object\":{}}",
        "{\"type\":5,\"object\":{}}",
        "{\"type\":\"ADDED\",\"object\":{}",
        "{\"type\":\"ADDED\",\"object\":{}}}",
        "{\"type\":\"ADDED\",\"object\":{}}x",
        "{\"type\":\"ADDED\",\"object\":{},}",
        "{\"type\":\"ADDED\",\"object\":{\"a\":\"",
        "{\"type\":\"ADDEDADDEDADDEDADDEDADDED\",\"object\":{}}",
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum sa_watch_type type;
        const char *object;
        size_t n;
        struct sa_err *err = NULL;
        ck_assert_msg(sa_watch_event(cases[i], strlen(cases[i]), &type, &object, &n, &err) == -1,
                      "%s", cases[i]);
        ck_assert_int_eq(err->code, SA_EPROTOCOL);
        sa_err_free(&err);
    }
}
END_TEST

static struct sa_status status(const char *json)
{
    struct sa_status s;
    struct sa_err *err = NULL;
    ck_assert_msg(sa_status_parse(json, strlen(json), &s, &err) == 0, "%s", sa_err_msg(err));
    return s;
}

START_TEST(statuses)
{
    struct sa_status s = status(
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
        "\"message\":\"too old resource version: 1\\n(2)\",\"reason\":\"Expired\",\"details\":"
        "{\"retryAfterSeconds\":7},\"code\":410}");
    ck_assert_int_eq(s.code, 410);
    ck_assert_str_eq(s.reason, "Expired");
    ck_assert_str_eq(s.message, "too old resource version: 1 (2)");
    ck_assert_int_eq(s.retry_after_s, 7);
    s = status(
        "{\"code\":\"410\",\"reason\":5,\"message\":null,\"details\":{\"retryAfterSeconds\":-1}}");
    ck_assert_int_eq(s.code, 0);
    ck_assert_str_eq(s.reason, "");
    ck_assert_str_eq(s.message, "");
    ck_assert_int_eq(s.retry_after_s, 0);
    s = status("{\"code\":99999999999999999999,\"details\":[],\"code\":200,\"code\":503}");
    ck_assert_int_eq(s.code, 503);
    s = status("{}");
    ck_assert_int_eq(s.code, 0);
}
END_TEST

START_TEST(a_long_message_is_cut_between_characters)
{
    char json[1200];
    size_t n = (size_t)snprintf(json, sizeof(json), "{\"message\":\"");
    for (int i = 0; i < 300; i++) {
        n += (size_t)snprintf(json + n, sizeof(json) - n, "\xe2\x82\xac");
    }
    snprintf(json + n, sizeof(json) - n, "\"}");
    struct sa_status s = status(json);
    ck_assert_uint_eq(strlen(s.message), 510);
}
END_TEST

START_TEST(no_statuses)
{
    static const char *const cases[] = {"", "[]", "{", "{\"code\":}", "{\"code\":1}x", "null"};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sa_status s;
        ck_assert_msg(sa_status_parse(cases[i], strlen(cases[i]), &s, NULL) == -1, "%s", cases[i]);
    }
}
END_TEST

START_TEST(list_metas)
{
    static const struct {
        const char *json, *version, *token;
    } cases[] = {
        {"{\"metadata\":{\"resourceVersion\":\"12\",\"continue\":\"abc\",\"remainingItemCount\":5}"
         "}",
         "12", "abc"},
        {"{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"12\"}}", "12", NULL},
        {"{\"metadata\":{\"resourceVersion\":\"12\",\"continue\":\"\"}}", "12", NULL},
        {"{\"metadata\":{\"resourceVersion\":\"12\",\"continue\":null}}", "12", NULL},
        {"{\"metadata\":{}}", "", NULL},
        {"{\"metadata\":{\"resourceVersion\":\"1\"},\"metadata\":{\"resourceVersion\":\"2\","
         "\"continue\":\"x\\u0041\"}}",
         "2", "xA"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sa_list_meta m;
        struct sa_err *err = NULL;
        int r = sa_list_meta_parse(cases[i].json, strlen(cases[i].json), &m, &err);
        ck_assert_msg(r == 0, "%s: %s", cases[i].json, sa_err_msg(err));
        ck_assert_str_eq(m.resource_version, cases[i].version);
        ck_assert_pstr_eq(m.continue_token, cases[i].token);
        free(m.continue_token);
    }
    static const char *const wrong[] = {
        "",
        "{}",
        "{\"metadata\":[]}",
        "{\"metadata\":null}",
        "{\"metadata\":{\"resourceVersion\":12}}",
        "{\"metadata\":{\"continue\":12345}}",
        "{\"metadata\":{\"continue\":\"a\\u0000\"}}",
        "{\"metadata\":{\"resourceVersion\":\"0123456789012345678901234567890123456789\"}}",
        "{\"metadata\":{}",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct sa_list_meta m;
        ck_assert_msg(sa_list_meta_parse(wrong[i], strlen(wrong[i]), &m, NULL) == -1, "%s",
                      wrong[i]);
        ck_assert_ptr_null(m.continue_token);
    }
}
END_TEST

TCase *worker_bytes_event_cases(void)
{
    TCase *t = tcase_create("event");
    tcase_add_test(t, events);
    tcase_add_test(t, no_events);
    tcase_add_test(t, statuses);
    tcase_add_test(t, a_long_message_is_cut_between_characters);
    tcase_add_test(t, no_statuses);
    tcase_add_test(t, list_metas);
    return t;
}
