/* SPDX-License-Identifier: Apache-2.0 */
#include "ops_merge_test.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "worker/json.h"
#include "worker/ops/gosort.h"

struct sa_val *ops_merge_parse(struct sa_arena *a, const char *json)
{
    struct sa_err *err = NULL;
    struct sa_val *v = sa_val_parse(a, json, strlen(json), "test", &err);
    ck_assert_msg(v != NULL, "%s: %s", json, sa_err_msg(err));
    return v;
}

void ops_merge_expect(const struct sa_val *v, const char *want)
{
    struct sa_buf b;
    sa_buf_init(&b, 0);
    sa_val_print(v, &b);
    ck_assert_str_eq(b.data, want);
    sa_buf_free(&b);
}

/* ---- values: in, and out as Go prints them ---- */

static const struct {
    const char *in, *out;
} texts[] = {
    {" null ", "null"},
    {"{\"b\":1,\"a\":2}", "{\"a\":2,\"b\":1}"},
    {"{\"a\":1,\"b\":2,\"a\":3}", "{\"a\":3,\"b\":2}"},
    {"{\"b\":1,\"a\":1,\"b\":2,\"a\":2,\"b\":3}", "{\"a\":2,\"b\":3}"},
    {"{\"aa\":1,\"a\":2,\"\":3}", "{\"\":3,\"a\":2,\"aa\":1}"},
    {"9223372036854775807", "9223372036854775807"},
    {"-9223372036854775808", "-9223372036854775808"},
    {"9223372036854775808", "9223372036854776000"}, /* a double, as short as can be */
    {"9007199254740993", "9007199254740993"},
    {"9007199254740993.0", "9007199254740992"},
    {"1.0", "1"},
    {"1e3", "1000"},
    {"-0", "0"},
    {"-0.0", "-0"},
    {"0.000001", "0.000001"},
    {"0.0000001", "1e-7"},
    {"1e20", "100000000000000000000"},
    {"1e21", "1e+21"},
    {"1.5e300", "1.5e+300"},
    {"123456.789", "123456.789"},
    {"5e-324", "5e-324"},
    {"5.075883674631299e-116", "5.075883674631299e-116"}, /* a power of two */
    {"\"<a>&'\\u2028\\u2029\\u007f\\b\\f\\n\\r\\t\\u0001\\\"\\\\/\"",
     "\"\\u003ca\\u003e\\u0026'\\u2028\\u2029\x7f\\b\\f\\n\\r\\t\\u0001\\\"\\\\/\""},
    {"\"\\ud83d\\ude00\\u0000\"", "\"\xf0\x9f\x98\x80\\u0000\""},
    {"[1, [], {} ,true,false]", "[1,[],{},true,false]"},
};

START_TEST(test_texts)
{
    struct sa_arena a;
    sa_arena_init(&a, 1 << 20);
    ops_merge_expect(ops_merge_parse(&a, texts[_i].in), texts[_i].out);
    sa_arena_free(&a);
}
END_TEST

START_TEST(test_malformed)
{
    static const char *const bad[] = {"",      "{",     "[1,]",     "{\"a\"}",    "{\"a\":1,}",
                                      "1 2",   "nul",   "\"\xff\"", "01",         "1e999",
                                      "{a:1}", "[1 2]", "\"a",      "\"\\ud800\""};
    struct sa_err *err = NULL;
    struct sa_arena a;
    sa_arena_init(&a, 1 << 20);
    ck_assert_ptr_null(sa_val_parse(&a, bad[_i], strlen(bad[_i]), "test", &err));
    ck_assert_int_eq(err->code, SA_EPROTOCOL);
    sa_err_free(&err);
    sa_arena_free(&a);
}
END_TEST

START_TEST(test_depth)
{
    struct sa_arena a;
    struct sa_err *err = NULL;
    char deep[2 * SA_JSON_DEPTH + 2];
    for (size_t n = SA_JSON_DEPTH - 1; n <= SA_JSON_DEPTH + 1; n++) {
        memset(deep, '[', n);
        memset(deep + n, ']', n);
        sa_arena_init(&a, 1 << 20);
        bool good = sa_val_parse(&a, deep, 2 * n, "test", &err) != NULL;
        ck_assert_int_eq(good, n <= SA_JSON_DEPTH);
        sa_err_free(&err);
        sa_arena_free(&a);
    }
}
END_TEST

START_TEST(test_bound_of_memory)
{
    struct sa_arena a;
    struct sa_err *err = NULL;
    char many[20001];
    for (size_t i = 0; i < sizeof many; i++) {
        many[i] = i % 2 == 1 ? '1' : ',';
    }
    many[0] = '[';
    many[sizeof many - 1] = ']';
    sa_arena_init(&a, 65536);
    ck_assert_ptr_null(sa_val_parse(&a, many, sizeof many, "test", &err));
    ck_assert_int_eq(err->code, SA_ELIMIT);
    sa_err_free(&err);
    sa_arena_free(&a);
}
END_TEST

START_TEST(test_equality)
{
    static const struct {
        const char *x, *y;
        bool equal;
    } pairs[] = {{"1", "1.0", false},
                 {"1.0", "1e0", true},
                 {"1.0", "1.00", true},
                 {"{\"a\":[1,{\"b\":null}]}", "{ \"a\" : [1, {\"b\":null}] }", true},
                 {"{\"a\":1}", "{\"b\":1}", false},
                 {"[1,2]", "[2,1]", false},
                 {"null", "false", false},
                 {"\"a\"", "\"\\u0061\"", true}};
    struct sa_arena a;
    sa_arena_init(&a, 1 << 20);
    ck_assert_int_eq(
        sa_val_equal(ops_merge_parse(&a, pairs[_i].x), ops_merge_parse(&a, pairs[_i].y)),
        pairs[_i].equal);
    sa_arena_free(&a);
}
END_TEST

START_TEST(test_maps)
{
    struct sa_arena a;
    sa_arena_init(&a, 1 << 20);
    struct sa_val *m =
        ops_merge_parse(&a, "{\"c\":null,\"a\":{\"x\":null,\"y\":[{\"z\":null},null]}}");
    sa_val_prune_nulls(m);
    ops_merge_expect(m, "{\"a\":{\"y\":[{},null]}}");
    ck_assert_int_eq(sa_val_set(&a, m, "b", sa_val_text(&a, "t")), 0);
    ck_assert_int_eq(sa_val_set(&a, m, "a", sa_val_new(&a, SA_VAL_LIST)), 0);
    ck_assert_str_eq(sa_val_str(m, "b"), "t");
    ck_assert_str_eq(sa_val_str(m, "a"), "");
    sa_val_remove(m, "b", 1);
    sa_val_remove(m, "zz", 2);
    ops_merge_expect(m, "{\"a\":[]}");
    sa_arena_free(&a);
}
END_TEST

/* ---- Go's sorts ---- */

static bool not_greater(void *arg, size_t i, size_t j)
{
    const int *v = arg;
    return v[i] / 100 <= v[j] / 100;
}

static bool less(void *arg, size_t i, size_t j)
{
    const int *v = arg;
    return v[i] / 100 < v[j] / 100;
}

static void swap(void *arg, size_t i, size_t j)
{
    int *v = arg, t = v[i];
    v[i] = v[j];
    v[j] = t;
}

/* By "not greater" insertion turns equals around, as sort.Sort does up to twelve. */
START_TEST(test_sort_turns_equals_around)
{
    int v[] = {301, 302, 101, 303, 102};
    const int want[] = {102, 101, 303, 302, 301};
    sa_sort(&(struct sa_sort){.arg = v, .less = not_greater, .swap = swap}, 5);
    ck_assert_mem_eq(v, want, sizeof v);
}
END_TEST

START_TEST(test_sorts_sort)
{
    static int v[4000];
    size_t n = (size_t)_i * 37 + 1;
    unsigned seed = (unsigned)_i;
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < n; i++) {
            seed = seed * 1103515245u + 12345u;
            v[i] = (int)(_i % 3 == 0 ? seed >> 16 : _i % 3 == 1 ? i : n - i) * 10 % 60000;
        }
        const struct sa_sort s = {.arg = v, .less = round ? less : not_greater, .swap = swap};
        if (round) {
            sa_sort_stable(&s, n);
        } else {
            sa_sort(&s, n);
        }
        for (size_t i = 1; i < n; i++) {
            ck_assert_int_le(v[i - 1] / 100, v[i] / 100);
        }
    }
}
END_TEST

TCase *ops_merge_values(void)
{
    TCase *tc = tcase_create("values");
    tcase_add_loop_test(tc, test_texts, 0, sizeof texts / sizeof *texts);
    tcase_add_loop_test(tc, test_malformed, 0, 14);
    tcase_add_test(tc, test_depth);
    tcase_add_test(tc, test_bound_of_memory);
    tcase_add_loop_test(tc, test_equality, 0, 8);
    tcase_add_test(tc, test_maps);
    tcase_add_test(tc, test_sort_turns_equals_around);
    tcase_add_loop_test(tc, test_sorts_sort, 0, 60);
    return tc;
}

int main(void)
{
    sa_hash_init();
    Suite *s = suite_create("ops_merge");
    suite_add_tcase(s, ops_merge_values());
    suite_add_tcase(s, ops_merge_openapi());
    suite_add_tcase(s, ops_merge_patches());
    suite_add_tcase(s, ops_merge_apply_client());
    suite_add_tcase(s, ops_merge_apply_server());
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}
