/* SPDX-License-Identifier: Apache-2.0 */
/* Paths of `redact`. */
#include "worker_bytes_test.h"

#include <stdio.h>
#include <string.h>

#include "worker/scrub.h"

#define HEAD "{\"kind\":\"Pod\",\"apiVersion\":\"v1\","
#define META "\"metadata\":{\"name\":\"x\"}"

static const struct {
    const char *paths[4];
    const char *json, *result;
} cases[] = {
    {{"spec"}, "{" META ",\"spec\":{\"a\":1},\"b\":2}", HEAD META ",\"b\":2}"},
    {{"spec.a"}, "{" META ",\"spec\":{\"a\":1,\"b\":2}}", HEAD META ",\"spec\":{\"b\":2}}"},
    {{"spec.a"}, "{" META ",\"spec\":{\"a\":1}}", HEAD META ",\"spec\":{}}"},
    {{"spec.a"},
     "{" META ",\"spec\":[{\"a\":1}],\"a\":1}",
     HEAD META ",\"spec\":[{\"a\":1}],\"a\":1}"},
    {{"data.*"}, "{" META ",\"data\":{\"a\":1,\"b\":{\"c\":2}}}", HEAD META ",\"data\":{}}"},
    {{"c[].env[].value"},
     "{" META
     ",\"c\":[{\"env\":[{\"name\":\"a\",\"value\":\"v\"},{\"value\":\"w\"}]},{\"env\":1}]}",
     HEAD META ",\"c\":[{\"env\":[{\"name\":\"a\"},{}]},{\"env\":1}]}"},
    {{"c[]"}, "{" META ",\"c\":[{\"a\":1}, 2 ],\"d\":[1]}", HEAD META ",\"c\":[],\"d\":[1]}"},
    {{"c[]"}, "{" META ",\"c\":{\"a\":1}}", HEAD META ",\"c\":{\"a\":1}}"},
    {{"c[][].a"}, "{" META ",\"c\":[[{\"a\":1,\"b\":2}]]}", HEAD META ",\"c\":[[{\"b\":2}]]}"},
    {{"*.a"}, "{" META ",\"c\":{\"a\":1,\"b\":2}}", HEAD META ",\"c\":{\"b\":2}}"},
    {{"s.*.a", "s.c.b"},
     "{" META ",\"s\":{\"c\":{\"a\":1,\"b\":2,\"d\":3},\"e\":{\"a\":1,\"b\":2}}}",
     HEAD META ",\"s\":{\"c\":{\"d\":3},\"e\":{\"b\":2}}}"},
    {{"s.c", "s.c.b", "s.*.a"},
     "{" META ",\"s\":{\"c\":{\"a\":1},\"d\":{\"a\":1,\"b\":2}}}",
     HEAD META ",\"s\":{\"d\":{\"b\":2}}}"},
    {{"s\\.t.u"},
     "{" META ",\"s.t\":{\"u\":1},\"s\":{\"t\":{\"u\":1}}}",
     HEAD META ",\"s.t\":{},\"s\":{\"t\":{\"u\":1}}}"},
    {{"s.\\*"}, "{" META ",\"s\":{\"*\":1,\"a\":2}}", HEAD META ",\"s\":{\"a\":2}}"},
    {{"s.a"}, "{" META ",\"s\":{\"\\u0061\":1,\"b\":2}}", HEAD META ",\"s\":{\"b\":2}}"},
    {{"s.a"}, "{" META ",\"s\":{\"a\":1,\"b\":2,\"a\":3}}", HEAD META ",\"s\":{\"b\":2}}"},
    {{"s.a"}, "{" META ",\"s\":{\"a\":1},\"s\":{\"a\":{\"c\":1,\"c\":2}}}", HEAD META ",\"s\":{}}"},
    {{"s.a"}, "{" META " , \"s\" : { \"b\" : 1 , \"a\" : 1 } }", HEAD META ",\"s\":{\"b\":1}}"},
    {{"metadata.annotations.a\\.b/c"},
     "{\"metadata\":{\"name\":\"x\",\"annotations\":{\"a.b/c\":\"v\",\"d\":\"e\"}}}",
     HEAD "\"metadata\":{\"name\":\"x\",\"annotations\":{\"d\":\"e\"}}}"},
    {{"metadata.*.a"},
     "{\"metadata\":{\"name\":\"x\",\"labels\":{\"a\":\"v\",\"d\":\"e\"}}}",
     HEAD "\"metadata\":{\"name\":\"x\",\"labels\":{\"d\":\"e\"}}}"},
};

static struct sa_redact *redact_new(const char *const *paths)
{
    size_t n = 0;
    while (n < 4 && paths[n] != NULL) {
        n++;
    }
    struct sa_err *err = NULL;
    struct sa_redact *r = sa_redact_new(paths, n, &err);
    ck_assert_msg(r != NULL, "%s: %s", paths[0], sa_err_msg(err));
    return r;
}

START_TEST(cuts_the_paths)
{
    struct sa_scrub_options opt = {.api_version = "v1", .kind = "Pod"};
    struct sa_redact *redact = redact_new(cases[_i].paths);
    struct sa_buf out;
    struct sa_object o;
    struct sa_err *err = NULL;
    opt.redact = redact;
    sa_buf_init(&out, 0);
    int r = sa_scrub(cases[_i].json, strlen(cases[_i].json), &opt, &out, &o, &err);
    ck_assert_msg(r == 0, "%s: %s", cases[_i].json, sa_err_msg(err));
    ck_assert_str_eq(out.data, cases[_i].result);
    sa_buf_free(&out);
    sa_redact_free(redact);
}
END_TEST

START_TEST(the_worker_still_knows_annotations_that_are_cut)
{
    static const char json[] = "{\"metadata\":{\"a\":1,\"annotations\":{\"moniker.spinnaker.io/"
                               "application\":\"app\",\"x\":"
                               "{\"y\":1,\"y\":2}},\"name\":\"x\"},\"s\":1}";
    static const char *const paths[][2] = {
        {"metadata.annotations", HEAD "\"metadata\":{\"a\":1,\"name\":\"x\"},\"s\":1}"},
        {"metadata.annotations.*",
         HEAD "\"metadata\":{\"a\":1,\"annotations\":{},\"name\":\"x\"},\"s\":1}"},
    };
    for (int i = 0; i < 2; i++) {
        struct sa_redact *redact = sa_redact_new(&paths[i][0], 1, NULL);
        struct sa_scrub_options opt = {.api_version = "v1", .kind = "Pod", .redact = redact};
        struct sa_buf out;
        struct sa_object o;
        sa_buf_init(&out, 0);
        ck_assert_ptr_nonnull(redact);
        ck_assert_int_eq(sa_scrub(json, sizeof(json) - 1, &opt, &out, &o, NULL), 0);
        ck_assert(o.has_application);
        ck_assert_str_eq(out.data, paths[i][1]);
        sa_buf_free(&out);
        sa_redact_free(redact);
    }
}
END_TEST

START_TEST(a_secret_stays_one_under_redaction)
{
    const char *path = "metadata.annotations.note";
    struct sa_redact *redact = sa_redact_new(&path, 1, NULL);
    struct sa_scrub_options opt = {.api_version = "v1", .kind = "Secret", .redact = redact};
    static const char json[] = "{\"metadata\":{\"name\":\"x\",\"annotations\":{\"note\":\"S\","
                               "\"kubectl.kubernetes.io/last-"
                               "applied-configuration\":\"S\"}},\"data\":\"S\"}";
    struct sa_buf out;
    struct sa_object o;
    sa_buf_init(&out, 0);
    ck_assert_int_eq(sa_scrub(json, sizeof(json) - 1, &opt, &out, &o, NULL), 0);
    ck_assert_str_eq(out.data, "{\"kind\":\"Secret\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":"
                               "\"x\",\"annotations\":{}}}");
    sa_buf_free(&out);
    sa_redact_free(redact);
}
END_TEST

START_TEST(refuses_wrong_paths)
{
    static const char *const wrong[] = {
        "",
        ".",
        "a.",
        ".a",
        "a..b",
        "a[",
        "a[0]",
        "[]",
        "a[]b",
        "kind",
        "apiVersion",
        "metadata",
        "metadata.name",
        "metadata.*",
        "*",
        "metadata.uid",
        "metadata.resourceVersion",
        "metadata.namespace",
        "*.*",
        "*.name",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct sa_err *err = NULL;
        ck_assert_msg(sa_redact_new(&wrong[i], 1, &err) == NULL, "%s", wrong[i]);
        ck_assert_int_eq(err->code, SA_ECONFIG);
        sa_err_free(&err);
    }
    /* Many wildcards multiply; they end in an error, not in all the memory. */
    const char *many[40];
    char text[40][128];
    for (int i = 0; i < 40; i++) {
        size_t n = 0;
        for (int k = 0; k < 20; k++) {
            n += (size_t)snprintf(text[i] + n, sizeof(text[i]) - n, "%s%s", k > 0 ? "." : "",
                                  i >> k % 6 & 1 ? "ab" : "*");
        }
        many[i] = text[i];
    }
    struct sa_err *err = NULL;
    ck_assert_ptr_null(sa_redact_new(many, 40, &err));
    ck_assert_int_eq(err->code, SA_ECONFIG);
    sa_err_free(&err);
}
END_TEST

START_TEST(no_paths_cut_nothing)
{
    struct sa_redact *redact = sa_redact_new(NULL, 0, NULL);
    struct sa_scrub_options opt = {.api_version = "v1", .kind = "Pod", .redact = redact};
    struct sa_buf out;
    struct sa_object o;
    sa_buf_init(&out, 0);
    ck_assert_ptr_nonnull(redact);
    ck_assert_int_eq(sa_scrub("{" META "}", sizeof("{" META "}") - 1, &opt, &out, &o, NULL), 0);
    ck_assert_str_eq(out.data, HEAD META "}");
    sa_buf_free(&out);
    sa_redact_free(redact);
    sa_redact_free(NULL);
}
END_TEST

TCase *worker_bytes_redact_cases(void)
{
    TCase *t = tcase_create("redact");
    tcase_add_loop_test(t, cuts_the_paths, 0, sizeof(cases) / sizeof(cases[0]));
    tcase_add_test(t, the_worker_still_knows_annotations_that_are_cut);
    tcase_add_test(t, a_secret_stays_one_under_redaction);
    tcase_add_test(t, refuses_wrong_paths);
    tcase_add_test(t, no_paths_cut_nothing);
    return t;
}
