/* SPDX-License-Identifier: Apache-2.0 */
/* Nothing secret leaves: Secrets in every shape that an API server or a liar could send. */
#include "worker_bytes_test.h"

#include <string.h>

#include "worker/scrub.h"
#include "worker_bytes_oracle.h"

#define LAST "kubectl.kubernetes.io/last-applied-configuration"

static const struct sa_scrub_options secret = {.api_version = "v1", .kind = "Secret"};
static const struct sa_scrub_options config_map = {.api_version = "v1", .kind = "ConfigMap"};
static const struct sa_scrub_options nothing = {.api_version = "v1", .kind = NULL};

/* In none of these may TOPSECRET be left. */
static const struct {
    const struct sa_scrub_options *opt;
    const char *json;
    const char *result; /* after kind Secret and apiVersion v1 */
} cases[] = {
    {&secret, "{\"metadata\":{\"name\":\"x\"},\"data\":{\"a\":\"TOPSECRET\"},\"type\":\"Opaque\"}",
     "\"metadata\":{\"name\":\"x\"},\"type\":\"Opaque\"}"},
    {&secret, "{\"stringData\":{\"a\":\"TOPSECRET\"},\"metadata\":{\"name\":\"x\"}}",
     "\"metadata\":{\"name\":\"x\"}}"},
    {&secret,
     "{\"metadata\":{\"name\":\"x\",\"annotations\":{\"" LAST "\":\"TOPSECRET\",\"a\":\"b\"}}}",
     "\"metadata\":{\"name\":\"x\",\"annotations\":{\"a\":\"b\"}}}"},
    {&secret, "{\"metadata\":{\"annotations\":{\"" LAST "\":\"TOPSECRET\"},\"name\":\"x\"}}",
     "\"metadata\":{\"annotations\":{},\"name\":\"x\"}}"},
    /* names with escapes */
    {&secret, "{\"metadata\":{\"name\":\"x\"},\"d\\u0061ta\":{\"a\":\"TOPSECRET\"}}",
     "\"metadata\":{\"name\":\"x\"}}"},
    {&secret, "{\"metadata\":{\"name\":\"x\"},\"\\u0073tringData\":\"TOPSECRET\"}",
     "\"metadata\":{\"name\":\"x\"}}"},
    {&secret,
     "{\"metadat\\u0061\":{\"name\":\"x\",\"\\u0061nnotations\":{\"kubectl.kubernetes.io\\/"
     "last-applied-configuration\":\"TOPSECRET\"}}}",
     "\"metadat\\u0061\":{\"name\":\"x\",\"\\u0061nnotations\":{}}}"},
    /* the kind in the object alone: in front, behind the data, with escapes */
    {&config_map,
     "{\"kind\":\"Secret\",\"metadata\":{\"name\":\"x\"},\"data\":{\"a\":\"TOPSECRET\"}}",
     "\"metadata\":{\"name\":\"x\"}}"},
    {&config_map,
     "{\"data\":{\"a\":\"TOPSECRET\"},\"metadata\":{\"name\":\"x\",\"annotations\":{\"" LAST
     "\":\"TOPSECRET\"}},\"stringData\":[\"TOPSECRET\"],\"kind\":\"Secret\"}",
     "\"metadata\":{\"name\":\"x\",\"annotations\":{}}}"},
    {&config_map,
     "{\"data\":\"TOPSECRET\",\"metadata\":{\"name\":\"x\"},\"k\\u0069nd\":\"Se\\u0063ret\"}",
     NULL},
    {&nothing, "{\"data\":\"TOPSECRET\",\"metadata\":{\"name\":\"x\"},\"kind\":\"Secret\"}",
     "\"metadata\":{\"name\":\"x\"}}"},
    /* the kind of the scope alone: an object that calls itself something else is not believed */
    {&secret,
     "{\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"x\"},\"data\":{\"a\":\"TOPSECRET\"}}", NULL},
    {&secret,
     "{\"apiVersion\":\"example.com/"
     "v1\",\"stringData\":\"TOPSECRET\",\"metadata\":{\"name\":\"x\"}}",
     NULL},
    /* duplicates */
    {&secret,
     "{\"data\":\"TOPSECRET\",\"metadata\":{\"name\":\"x\"},\"data\":\"TOPSECRET\",\"data\":{}}",
     "\"metadata\":{\"name\":\"x\"}}"},
    {&config_map,
     "{\"kind\":\"ConfigMap\",\"data\":\"TOPSECRET\",\"metadata\":{\"name\":\"x\"},\"kind\":"
     "\"Secret\",\"data\":\"TOPSECRET\"}",
     "\"metadata\":{\"name\":\"x\"}}"},
    {&secret,
     "{\"metadata\":{\"name\":\"y\",\"annotations\":{\"" LAST "\":\"TOPSECRET\"}},\"metadata\":"
     "{\"name\":\"x\",\"annotations\":{\"" LAST "\":1,\"" LAST
     "\":\"TOPSECRET\"},\"managedFields\":"
     "\"TOPSECRET\"}}",
     "\"metadata\":{\"name\":\"x\",\"annotations\":{}}}"},
    {&secret,
     "{\"metadata\":{\"name\":\"x\",\"annotations\":{\"" LAST "\":\"TOPSECRET\"},\"annotations\":"
     "{\"a\":\"b\"}}}",
     "\"metadata\":{\"name\":\"x\",\"annotations\":{\"a\":\"b\"}}}"},
    /* managedFields hold no values, but might, and go in any case */
    {&secret,
     "{\"metadata\":{\"name\":\"x\",\"managedFields\":[\"TOPSECRET\"],\"managedFields\":1}}",
     "\"metadata\":{\"name\":\"x\"}}"},
};

START_TEST(nothing_secret_is_left)
{
    struct sa_buf out;
    struct sa_object o;
    struct sa_err *err = NULL;
    sa_buf_init(&out, 0);
    ck_assert_int_eq(sa_buf_reserve(&out, strlen(cases[_i].json) + 200), 0);
    memset(out.data, 0, out.cap);
    int r = sa_scrub(cases[_i].json, strlen(cases[_i].json), cases[_i].opt, &out, &o, &err);
    ck_assert_msg(r == 0, "%s: %s", cases[_i].json, sa_err_msg(err));
    ck_assert_msg(strstr(out.data, ORACLE_SECRET) == NULL, "%s", out.data);
    if (cases[_i].result != NULL) {
        static const char head[] = "{\"kind\":\"Secret\",\"apiVersion\":\"v1\",";
        ck_assert_int_eq(strncmp(out.data, head, sizeof(head) - 1), 0);
        ck_assert_str_eq(out.data + sizeof(head) - 1, cases[_i].result);
    }
    /* Not even in the memory behind the result. */
    ck_assert_ptr_null(memmem(out.data, out.cap, ORACLE_SECRET, strlen(ORACLE_SECRET)));
    sa_buf_free(&out);
}
END_TEST

START_TEST(what_is_no_secret_keeps_its_data)
{
    static const struct {
        const char *api_version, *kind, *json;
    } kept[] = {
        {"v1", "ConfigMap", "{\"metadata\":{\"name\":\"x\"},\"data\":\"TOPSECRET\"}"},
        {"example.com/v1", "Secret", "{\"metadata\":{\"name\":\"x\"},\"data\":\"TOPSECRET\"}"},
        {"v1", "ConfigMap",
         "{\"kind\":\"Secret\",\"apiVersion\":\"example.com/v1\",\"metadata\":{\"name\":\"x\"},"
         "\"data\":\"TOPSECRET\"}"},
        {"v1", "ConfigMap",
         "{\"kind\":\"Secret\",\"metadata\":{\"name\":\"x\"},\"kind\":\"ConfigMap\",\"data\":"
         "\"TOPSECRET\"}"},
        {"v1", "ConfigMap",
         "{\"metadata\":{\"name\":\"x\",\"annotations\":{\"" LAST "\":\"TOPSECRET\"}},"
         "\"spec\":{\"kind\":\"Secret\"}}"},
    };
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        struct sa_scrub_options opt = {.api_version = kept[i].api_version, .kind = kept[i].kind};
        struct sa_buf out;
        struct sa_object o;
        sa_buf_init(&out, 0);
        ck_assert_int_eq(sa_scrub(kept[i].json, strlen(kept[i].json), &opt, &out, &o, NULL), 0);
        ck_assert_msg(strstr(out.data, ORACLE_SECRET) != NULL, "%s", kept[i].json);
        sa_buf_free(&out);
    }
}
END_TEST

START_TEST(an_error_tells_nothing)
{
    static const char *const broken[] = {
        "{\"metadata\":{\"name\":\"x\"},\"data\":{\"TOPSECRET\":TOPSECRET}}",
        "{\"metadata\":{\"name\":\"x\"},\"data\":\"TOPSECRET",
        "{\"data\":\"TOPSECRET\",\"metadata\":{\"name\":[\"TOPSECRET\"]}}",
        "{\"data\":\"TOPSECRET\"} TOPSECRET",
    };
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        struct sa_buf out;
        struct sa_object o;
        struct sa_err *err = NULL;
        sa_buf_init(&out, 0);
        ck_assert_int_eq(sa_scrub(broken[i], strlen(broken[i]), &secret, &out, &o, &err), -1);
        ck_assert_ptr_null(strstr(sa_err_msg(err), ORACLE_SECRET));
        sa_err_free(&err);
        sa_buf_free(&out);
    }
}
END_TEST

/* Objects by chance; see the oracle. */
START_TEST(no_shape_of_a_secret_leaks)
{
    uint64_t state = UINT64_C(0x9e3779b97f4a7c15) * ((uint64_t)_i + 1);
    for (int round = 0; round < 3000; round++) {
        uint8_t seed[96];
        for (size_t i = 0; i < sizeof(seed); i++) {
            state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            seed[i] = (uint8_t)(state >> 56);
        }
        struct sa_buf json, out;
        struct sa_object o;
        struct sa_err *err = NULL;
        const struct sa_scrub_options *opt = seed[95] & 1 ? &secret : &config_map;
        sa_buf_init(&json, 0);
        sa_buf_init(&out, 0);
        oracle_secret_object(seed, sizeof(seed), &json);
        ck_assert_int_eq(sa_buf_reserve(&out, json.len + 200), 0);
        memset(out.data, 0, out.cap);
        int r = sa_scrub(json.data, json.len, opt, &out, &o, &err);
        ck_assert_msg(r == 0, "%s: %s", json.data, sa_err_msg(err));
        ck_assert_msg(memmem(out.data, out.cap, ORACLE_SECRET, strlen(ORACLE_SECRET)) == NULL, "%s",
                      json.data);
        const char *wrong = oracle_compare(json.data, json.len, opt, out.data, out.len);
        ck_assert_msg(wrong == NULL, "%s\n%s\n%s", wrong, json.data, out.data);
        sa_buf_free(&json);
        sa_buf_free(&out);
    }
}
END_TEST

TCase *worker_bytes_secret_cases(void)
{
    TCase *t = tcase_create("secret");
    tcase_set_timeout(t, 30);
    tcase_add_loop_test(t, nothing_secret_is_left, 0, sizeof(cases) / sizeof(cases[0]));
    tcase_add_test(t, what_is_no_secret_keeps_its_data);
    tcase_add_test(t, an_error_tells_nothing);
    tcase_add_loop_test(t, no_shape_of_a_secret_leaks, 0, 4);
    return t;
}
