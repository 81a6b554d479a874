/* SPDX-License-Identifier: Apache-2.0 */
/* The scanner: what is JSON and what is not; texts, numbers, equal names. */
#include "worker_bytes_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/json.h"
#include "worker/json_keys.h"
#include "worker/json_plain.h"

/* Scans a copy that ends with the text, so that a read past its end is seen by the sanitizers. */
static bool valid(const char *text, size_t n)
{
    char *copy = malloc(n + 1);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy + 1, text, n);
    struct sa_json_fault fault = {0};
    const char *p = copy + 1;
    const char *end = sa_json_skip(p, p + n, 0, &fault);
    bool ok = end == p + n;
    if (end == NULL) {
        ck_assert_ptr_nonnull(fault.what);
        ck_assert(fault.at >= p && fault.at <= p + n);
    }
    free(copy);
    return ok;
}

static const char *const good[] = {
    "{}",
    "[]",
    "{ }",
    "[ ]",
    "{\"a\":1}",
    "{\"a\" : [ 1 , 2 ] ,\t\"b\"\r\n: {}}",
    "\"\"",
    "\"abc\"",
    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\uabCD\"",
    "\"\\ud83d\\ude00\"",
    "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"",
    "\"\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf\"",
    "\"\x7f\"",
    "\"\\u0000\"",
    "0",
    "-0",
    "1",
    "10.5",
    "-1.25e10",
    "1E+5",
    "1e-5",
    "123456789012345678901234567890",
    "true",
    "false",
    "null",
    "{\"\":\"\"}",
    "[[[[1]]]]",
    "\"a string that is longer than sixteen bytes, and then some more of it\"",
};

static const char *const bad[] = {
    "",
    "{",
    "}",
    "[",
    "]",
    "{]",
    "[}",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1,}",
    "{,}",
    "{\"a\":1 \"b\":2}",
    "{a:1}",
    "{1:1}",
    "{\"a\"=1}",
    "[1,]",
    "[,1]",
    "[1 2]",
    "\"",
    "\"abc",
    "\"\\",
    "\"\\\"",
    "\"\\x\"",
    "\"\\u\"",
    "\"\\u12\"",
    "\"\\u12g4\"",
    "\"\\ud800\"",
    "\"\\udc00\"",
    "\"\\ud800\\u0041\"",
    "\"\\ud800\\ud800\"",
    "\"\\ud800x\"",
    "\"\t\"",
    "\"\n\"",
    "\"\x01\"",
    "\"\x80\"",
    "\"\xc3\"",
    "\"\xc0\x80\"",
    "\"\xc1\xbf\"",
    "\"\xe0\x9f\xbf\"",
    "\"\xed\xa0\x80\"",
    "\"\xf0\x8f\xbf\xbf\"",
    "\"\xf4\x90\x80\x80\"",
    "\"\xf5\x80\x80\x80\"",
    "\"\xe2\x82\"",
    "\"\xff\"",
    "01",
    "-",
    "+1",
    "1.",
    ".5",
    "1e",
    "1e+",
    "--1",
    "1.e5",
    "0x10",
    "NaN",
    "Infinity",
    "tru",
    "True",
    "truE",
    "nul",
    "fals",
    "'a'",
    "/**/1",
    "\xef\xbb\xbf{}",
};

START_TEST(takes_what_is_json)
{
    ck_assert_msg(valid(good[_i], strlen(good[_i])), "%s", good[_i]);
    /* The same where a string begins at each place of a block of sixteen bytes. */
    for (int pad = 0; pad < 40; pad++) {
        char text[200];
        int n = snprintf(text, sizeof(text), "[\"%.*s\",%s]", pad,
                         "0123456789012345678901234567890123456789", good[_i]);
        ck_assert_msg(valid(text, (size_t)n), "%s", text);
    }
}
END_TEST

START_TEST(refuses_what_is_not)
{
    ck_assert_msg(!valid(bad[_i], strlen(bad[_i])), "%s", bad[_i]);
    for (int pad = 0; pad < 40; pad++) {
        char text[200];
        int n = snprintf(text, sizeof(text), "[\"%.*s\",%s]", pad,
                         "0123456789012345678901234567890123456789", bad[_i]);
        ck_assert_msg(!valid(text, (size_t)n), "%s", text);
    }
}
END_TEST

START_TEST(a_raw_nul_is_no_character)
{
    ck_assert(!valid("\"a\0b\"", 5));
    ck_assert(!valid("{\0}", 3));
}
END_TEST

START_TEST(finds_each_special_byte_at_each_place)
{
    static const unsigned char special[] = {'"', '\\', 0, 1, 0x1f, 0x80, 0xc3, 0xff};
    char text[64];
    for (size_t len = 0; len <= 48; len++) {
        for (size_t at = 0; at <= len; at++) {
            for (size_t k = 0; k < sizeof(special); k++) {
                memset(text, (int)(0x20 + (at * 7 + k) % 0x60), sizeof(text));
                memset(text, 'x', len);
                for (size_t i = 0; i < len; i++) {
                    text[i] = "!#[]^~ \x7f"[(i + k) % 8];
                }
                if (at < len) {
                    text[at] = (char)special[k];
                }
                ck_assert_ptr_eq(sa_json_plain(text, text + len), text + at);
            }
        }
    }
}
END_TEST

START_TEST(swar_finds_the_first_special_byte)
{
    /* Every pair of neighbours: a borrow from one byte must not hide or move the first hit. */
    for (unsigned a = 0; a < 256; a++) {
        for (unsigned b = 0; b < 256; b++) {
            uint64_t v = UINT64_C(0x6161616161616161);
            v = (v & ~UINT64_C(0xffff00)) | (uint64_t)a << 8 | (uint64_t)b << 16;
            bool sa = a == '"' || a == '\\' || a < 0x20 || a >= 0x80;
            bool sb = b == '"' || b == '\\' || b < 0x20 || b >= 0x80;
            uint64_t hit = sa_json_special8(v);
            if (!sa && !sb) {
                ck_assert_uint_eq(hit, 0);
            } else {
                ck_assert_int_eq(__builtin_ctzll(hit) / 8, sa ? 1 : 2);
            }
        }
    }
}
END_TEST

START_TEST(nesting_is_bounded)
{
    char text[2 * SA_JSON_DEPTH + 4];
    for (size_t depth = SA_JSON_DEPTH; depth <= SA_JSON_DEPTH + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        ck_assert_int_eq(valid(text, 2 * depth), depth == SA_JSON_DEPTH);
    }
}
END_TEST

START_TEST(texts)
{
    static const struct {
        const char *value;
        enum sa_json_text result;
        const char *text; /* in 8 bytes */
    } cases[] = {
        {"\"abc\"", SA_JSON_TEXT, "abc"},
        {"\"1234567\"", SA_JSON_TEXT, "1234567"},
        {"\"12345678\"", SA_JSON_TOO_LONG, "1234567"},
        {"\"\"", SA_JSON_TEXT, ""},
        {"null", SA_JSON_NULL, ""},
        {"5", SA_JSON_NO_TEXT, ""},
        {"true", SA_JSON_NO_TEXT, ""},
        {"{}", SA_JSON_NO_TEXT, ""},
        {"\"a\\u0000b\"", SA_JSON_NO_TEXT, "a"},
        {"\"\\u0041\\n\\/\"", SA_JSON_TEXT, "A\n/"},
        {"\"\\u20ac\"", SA_JSON_TEXT, "\xe2\x82\xac"},
        {"\"\\u00e9\"", SA_JSON_TEXT, "\xc3\xa9"},
        {"\"\\ud83d\\ude00\"", SA_JSON_TEXT, "\xf0\x9f\x98\x80"},
        {"\"12345\xe2\x82\xac\"", SA_JSON_TOO_LONG, "12345"},
        {"\"12345\\u20ac\"", SA_JSON_TOO_LONG, "12345"},
        {"\"1234\xe2\x82\xac\"", SA_JSON_TEXT, "1234\xe2\x82\xac"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[8];
        enum sa_json_text t =
            sa_json_text(cases[i].value, strlen(cases[i].value), out, sizeof(out));
        ck_assert_msg(t == cases[i].result, "%s", cases[i].value);
        ck_assert_str_eq(out, cases[i].text);
    }
}
END_TEST

START_TEST(integers)
{
    static const struct {
        const char *value;
        bool ok;
        int64_t number;
    } cases[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"1.0", false, 0},
        {"1e3", false, 0},
        {"\"1\"", false, 0},
        {"", false, 0},
        {"-", false, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t v = 0;
        bool ok = sa_json_integer(cases[i].value, strlen(cases[i].value), &v);
        ck_assert_msg(ok == cases[i].ok, "%s", cases[i].value);
        ck_assert_int_eq(v, cases[i].number);
    }
}
END_TEST

START_TEST(equal_names)
{
    ck_assert(sa_json_equal("d\\u0061ta", 9, "data", 4));
    ck_assert(sa_json_equal("\\u00e9", 6, "\xc3\xa9", 2));
    ck_assert(!sa_json_equal("data", 4, "dat", 3));
    ck_assert(!sa_json_equal("dat", 3, "data", 4));
    ck_assert(sa_json_equal("a\\\\b", 4, "a\\u005cb", 8));
    ck_assert(sa_json_equal_text("a\\\\b", 4, "a\\b", 3));
    ck_assert(!sa_json_equal_text("a\\nb", 4, "a\\nb", 4));
}
END_TEST

static int add(struct sa_json_keys *k, struct sa_json_key_frame *f, const char *start, size_t n,
               bool escaped, const char **earlier)
{
    return sa_json_keys_add(k, f, start, n, escaped, start + n, earlier);
}

START_TEST(the_hash_of_a_name_does_not_know_what_follows)
{
    for (size_t n = 0; n < 20; n++) {
        char a[40], b[40];
        memset(a, 'x', sizeof(a));
        memset(b, 'y', sizeof(b));
        memset(b, 'x', n);
        ck_assert_uint_eq(sa_json_key_hash(a, n), sa_json_key_hash(b, n));
        for (size_t i = 0; i < n && (i < 8 || i + 8 >= n); i++) {
            b[i] = 'z';
            ck_assert_uint_ne(sa_json_key_hash(a, n), sa_json_key_hash(b, n));
            b[i] = 'x';
        }
        ck_assert_uint_ne(sa_json_key_hash(a, n), sa_json_key_hash(a, n + 1));
    }
}
END_TEST

/* Short names by the quick way and by the slow one, in front of the end of the text. */
START_TEST(both_ways_of_adding_agree)
{
    static const char text[] = "kindkind....";
    struct sa_json_keys k;
    struct sa_json_key_frame f;
    const char *earlier;
    for (int way = 0; way < 4; way++) {
        sa_json_keys_init(&k);
        sa_json_keys_open(&k, &f);
        const char *end_1 = text + (way & 1 ? 4 : 12), *end_2 = text + (way & 2 ? 8 : 12);
        ck_assert_int_eq(sa_json_keys_add(&k, &f, text, 4, false, end_1, &earlier), 0);
        ck_assert_int_eq(sa_json_keys_add(&k, &f, text + 4, 4, false, end_2, &earlier), 1);
        ck_assert_ptr_eq(earlier, text);
        ck_assert_int_eq(sa_json_keys_add(&k, &f, text + 4, 3, false, end_2, &earlier), 0);
        sa_json_keys_free(&k);
    }
}
END_TEST

/* Adds names to one object: the last is a duplicate of the one with number dup, or of none (-1). */
static void add_many(size_t n, long dup, bool escape)
{
    struct sa_json_keys k;
    struct sa_json_key_frame outer, f;
    char(*names)[32] = calloc(n + 1, sizeof(*names));
    const char *earlier = NULL;
    ck_assert_ptr_nonnull(names);
    sa_json_keys_init(&k);
    sa_json_keys_open(&k, &outer);
    ck_assert_int_eq(add(&k, &outer, "outer", 5, false, &earlier), 0);
    sa_json_keys_open(&k, &f);
    for (size_t i = 0; i < n; i++) {
        int len = snprintf(names[i], sizeof(names[i]), "a-rather-long-%zu", i);
        ck_assert_int_eq(add(&k, &f, names[i], (size_t)len, false, &earlier), 0);
    }
    if (dup >= 0) {
        int len = snprintf(names[n], sizeof(names[n]),
                           escape ? "a-r\\u0061ther-long-%ld" : "a-rather-long-%ld", dup);
        ck_assert_int_eq(add(&k, &f, names[n], (size_t)len, escape, &earlier), 1);
        ck_assert_ptr_eq(earlier, names[dup]);
        /* The new one took its place. */
        ck_assert_int_eq(add(&k, &f, names[dup], strlen(names[dup]), false, &earlier), 1);
        ck_assert_ptr_eq(earlier, names[n]);
    }
    sa_json_keys_close(&k, &f);
    ck_assert_int_eq(add(&k, &outer, "outer", 5, false, &earlier), 1);
    sa_json_keys_free(&k);
    free(names);
}

START_TEST(finds_duplicates_among_few_and_many)
{
    static const size_t sizes[] = {1, 2, 10, 63, 64, 65, 66, 200, 1000, 5000};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t n = sizes[i];
        add_many(n, -1, false);
        for (size_t dup = 0; dup < n; dup += 1 + n / 7) {
            add_many(n, (long)dup, false);
            add_many(n, (long)dup, true);
        }
        add_many(n, (long)n - 1, true);
    }
}
END_TEST

START_TEST(long_escaped_names_are_compared_whole)
{
    struct sa_json_keys k;
    struct sa_json_key_frame f;
    const char *earlier;
    char plain[400], escaped[405];
    memset(plain, 'n', sizeof(plain));
    memset(escaped, 'n', sizeof(escaped));
    for (int i = 0; i < 6; i++) {
        escaped[i] = "\\u006e"[i];
    }
    sa_json_keys_init(&k);
    sa_json_keys_open(&k, &f);
    ck_assert_int_eq(add(&k, &f, plain, sizeof(plain), false, &earlier), 0);
    ck_assert_int_eq(add(&k, &f, escaped, sizeof(escaped), true, &earlier), 1);
    ck_assert_ptr_eq(earlier, plain);
    sa_json_keys_free(&k);
}
END_TEST

/* Names that the quick hash can't tell apart: compared one by one they would take minutes. */
START_TEST(names_made_to_collide_cost_little)
{
    enum { N = 200000 };
    struct sa_json_keys k;
    struct sa_json_key_frame f;
    const char *earlier;
    char(*names)[32] = calloc(N, sizeof(*names));
    int sum = 0;
    ck_assert_ptr_nonnull(names);
    sa_json_keys_init(&k);
    sa_json_keys_open(&k, &f);
    for (int i = 0; i < N; i++) {
        snprintf(names[i], sizeof(names[i]), "same-end%08dsame-end", i);
        sum += add(&k, &f, names[i], 24, false, &earlier);
    }
    ck_assert_int_eq(sum, 0);
    ck_assert_int_eq(add(&k, &f, names[777], 24, false, &earlier), 1);
    sa_json_keys_free(&k);
    free(names);
}
END_TEST

TCase *worker_bytes_json_cases(void)
{
    TCase *t = tcase_create("json");
    tcase_add_loop_test(t, takes_what_is_json, 0, sizeof(good) / sizeof(good[0]));
    tcase_add_loop_test(t, refuses_what_is_not, 0, sizeof(bad) / sizeof(bad[0]));
    tcase_add_test(t, a_raw_nul_is_no_character);
    tcase_add_test(t, finds_each_special_byte_at_each_place);
    tcase_add_test(t, swar_finds_the_first_special_byte);
    tcase_add_test(t, nesting_is_bounded);
    tcase_add_test(t, texts);
    tcase_add_test(t, integers);
    tcase_add_test(t, equal_names);
    tcase_add_test(t, the_hash_of_a_name_does_not_know_what_follows);
    tcase_add_test(t, both_ways_of_adding_agree);
    tcase_add_test(t, finds_duplicates_among_few_and_many);
    tcase_add_test(t, long_escaped_names_are_compared_whole);
    tcase_add_test(t, names_made_to_collide_cost_little);
    return t;
}
