/* SPDX-License-Identifier: Apache-2.0 */
/* Buffers and hashes. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "base_test.h"

START_TEST(buffer_is_always_terminated)
{
    struct sa_buf b = {0};
    ck_assert_int_eq(sa_buf_adds(&b, "abc"), 0);
    ck_assert_int_eq(sa_buf_addc(&b, 'd'), 0);
    ck_assert_int_eq(sa_buf_addf(&b, "-%d-%s", 42, "x"), 0);
    ck_assert_int_eq(sa_buf_add(&b, "y\0z", 3), 0);
    ck_assert_int_eq(sa_buf_add(&b, NULL, 0), 0);
    ck_assert_uint_eq(b.len, 12);
    ck_assert_mem_eq(b.data, "abcd-42-xy\0z", 13);
    sa_buf_drop(&b, 5);
    ck_assert_mem_eq(b.data, "42-xy\0z", 8);
    sa_buf_drop(&b, 7);
    ck_assert_uint_eq(b.len, 0);
    ck_assert_str_eq(b.data, "");
    sa_buf_free(&b);
    ck_assert_ptr_null(b.data);
}
END_TEST

/* Every length around the bound, by every way of appending: at most max bytes, content untouched.
 */
START_TEST(buffer_keeps_its_bound)
{
    char text[128];
    memset(text, 'x', sizeof(text));
    for (size_t max = 1; max < 100; max++) {
        struct sa_buf b;
        sa_buf_init(&b, max);
        ck_assert_int_eq(sa_buf_add(&b, text, max), 0);
        ck_assert_uint_eq(b.len, max);
        ck_assert(!b.failed);
        ck_assert_int_eq(sa_buf_addc(&b, 'y'), -1);
        ck_assert(b.failed);
        ck_assert_uint_eq(b.len, max);
        ck_assert_mem_eq(b.data, text, max);
        ck_assert_int_eq(b.data[max], '\0');
        ck_assert_uint_le(b.cap, max + 1 > 64 ? max + 1 : 64);
        sa_buf_reset(&b);
        ck_assert(!b.failed);
        ck_assert_int_eq(sa_buf_addf(&b, "%.*s", (int)max + 1, text), -1);
        ck_assert_uint_eq(b.len, 0);
        sa_buf_free(&b);
        ck_assert_uint_eq(b.max, max);
    }
}
END_TEST

START_TEST(buffer_grows_in_small_steps_to_its_bound)
{
    struct sa_buf b = {.max = 100000};
    for (size_t i = 0; i < 100000; i++) {
        ck_assert_int_eq(sa_buf_addc(&b, (char)('a' + i % 26)), 0);
    }
    ck_assert_int_eq(sa_buf_addc(&b, 'z'), -1);
    ck_assert_uint_le(b.cap, 100001);
    for (size_t i = 0; i < 100000; i++) {
        ck_assert_int_eq(b.data[i], (char)('a' + i % 26));
    }
    sa_buf_trim(&b, 1000);
    ck_assert_uint_eq(b.cap, 1000);
    ck_assert_uint_eq(b.len, 0);
    ck_assert(!b.failed);
    sa_buf_trim(&b, 0);
    ck_assert_ptr_null(b.data);
}
END_TEST

START_TEST(buffer_refuses_what_would_overflow)
{
    struct sa_buf b = {0};
    ck_assert_int_eq(sa_buf_adds(&b, "abc"), 0);
    ck_assert_int_eq(sa_buf_reserve(&b, SIZE_MAX), -1);
    ck_assert_int_eq(sa_buf_reserve(&b, SIZE_MAX - 3), -1);
    ck_assert_int_eq(sa_buf_reserve(&b, SIZE_MAX / 4), -1);
    ck_assert_str_eq(b.data, "abc");
    sa_buf_free(&b);
}
END_TEST

START_TEST(buffer_wipes_secrets)
{
    struct sa_buf b = {0};
    sa_buf_adds(&b, "hunter2-hunter2");
    sa_buf_wipe(&b);
    for (size_t i = 0; i < b.cap; i++) {
        ck_assert_int_eq(b.data[i], 0);
    }
    ck_assert_uint_eq(b.len, 0);
    sa_buf_free(&b);
}
END_TEST

static const struct {
    const char *in, *out;
} json_cases[] = {
    {"", "\"\""},
    {"plain", "\"plain\""},
    {"q\"b\\s/", "\"q\\\"b\\\\s/\""},
    {"\n\r\t\x01\x1f\x7f", "\"\\n\\r\\t\\u0001\\u001f\\u007f\""},
    {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\""},
    {"\xc2\x9b\xc2\xa0", "\"\\u009b\xc2\xa0\""},
    {"\xff", "\"\xef\xbf\xbd\""},
    {"\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\""},                                 /* overlong '/' */
    {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},                 /* a surrogate */
    {"\xf4\x90\x80\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}, /* > U+10FFFF */
    {"\xe2\x82", "\"\xef\xbf\xbd\xef\xbf\xbd\""},                                 /* cut off */
    {"\xf0\x9f\x98", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
};

START_TEST(json_strings_are_valid_whatever_comes)
{
    struct sa_buf b = {0};
    sa_buf_adds(&b,
                json_cases[_i].in); /* on the heap: reading past the end is seen by sanitizers */
    struct sa_buf out = {0};
    ck_assert_int_eq(sa_buf_add_json(&out, b.len > 0 ? b.data : ""), 0);
    ck_assert_str_eq(out.data, json_cases[_i].out);
    sa_buf_free(&b);
    sa_buf_free(&out);
}
END_TEST

START_TEST(json_string_is_added_whole_or_not_at_all)
{
    struct sa_buf b = {.max = 10};
    sa_buf_adds(&b, "abc");
    ck_assert_int_eq(sa_buf_add_json(&b, "123456"), -1);
    ck_assert_str_eq(b.data, "abc");
    ck_assert_uint_eq(b.len, 3);
    ck_assert(b.failed);
    sa_buf_reset(&b);
    ck_assert_int_eq(sa_buf_add_json(&b, "12345678"), 0);
    ck_assert_str_eq(b.data, "\"12345678\"");
    sa_buf_free(&b);
}
END_TEST

/* BLAKE2b with 16 bytes of output, from an independent implementation: python3 -c "import hashlib;
 * print(hashlib.blake2b(b'abc', digest_size=16).hexdigest())" */
START_TEST(digest_is_blake2b_of_16_bytes)
{
    struct sa_digest_state s;
    struct sa_digest d;
    char hex[33];
    sa_digest_start(&s);
    sa_digest_end(&s, &d);
    sa_hex(d.b, sizeof(d.b), hex);
    ck_assert_str_eq(hex, "cae66941d9efbd404e4d88758ea67670");
    sa_digest_start(&s);
    sa_digest_add(&s, "a", 1);
    sa_digest_add(&s, "", 0);
    sa_digest_add(&s, "bc", 2);
    sa_digest_end(&s, &d);
    sa_hex(d.b, sizeof(d.b), hex);
    ck_assert_str_eq(hex, "cf4ab791c62b8d2b2109c90275287816");
}
END_TEST

START_TEST(sum_does_not_depend_on_order_and_carries)
{
    struct sa_digest d[3];
    for (size_t i = 0; i < 3; i++) {
        memset(d[i].b, 0xff, sizeof(d[i].b));
        d[i].b[0] = (uint8_t)(0xfd + i);
    }
    struct sa_sum a = {0};
    struct sa_sum b = {0};
    for (size_t i = 0; i < 3; i++) {
        sa_sum_add(&a, &d[i]);
        sa_sum_add(&b, &d[2 - i]);
    }
    uint8_t x[16];
    uint8_t y[16];
    sa_sum_bytes(&a, x);
    sa_sum_bytes(&b, y);
    ck_assert_mem_eq(x, y, 16);
    /* (2^128 - 3) + (2^128 - 2) + (2^128 - 1) = 2^128 * 2 + (2^128 - 6) */
    uint8_t want[16];
    memset(want, 0xff, sizeof(want));
    want[0] = 0xfa;
    ck_assert_mem_eq(x, want, 16);
    sa_sum_sub(&a, &d[1]);
    sa_sum_sub(&a, &d[0]);
    sa_sum_sub(&a, &d[2]);
    ck_assert_uint_eq(a.lo, 0);
    ck_assert_uint_eq(a.hi, 0);
    /* Below zero it wraps, and comes back. */
    sa_sum_sub(&a, &d[2]);
    sa_sum_add(&a, &d[2]);
    ck_assert_uint_eq(a.lo | a.hi, 0);
}
END_TEST

START_TEST(table_hash_is_keyed_by_process)
{
    struct sa_hash128 a = sa_hash128("default/web", 11);
    struct sa_hash128 b = sa_hash128("default/web", 11);
    ck_assert(a.a == b.a && a.b == b.b);
    b = sa_hash128("default/wec", 11);
    ck_assert(a.a != b.a || a.b != b.b);
    sa_hash_init();
    b = sa_hash128("default/web", 11);
    ck_assert(a.a != b.a && a.b != b.b);
}
END_TEST

START_TEST(fingerprint_depends_on_key_and_content)
{
    uint8_t k[2][32] = {{1}, {2}};
    uint8_t f[4][SA_FINGERPRINT_SIZE];
    sa_fingerprint(k[0], "token", 5, f[0]);
    sa_fingerprint(k[0], "token", 5, f[1]);
    sa_fingerprint(k[1], "token", 5, f[2]);
    sa_fingerprint(k[0], "tokeN", 5, f[3]);
    ck_assert_mem_eq(f[0], f[1], SA_FINGERPRINT_SIZE);
    ck_assert_mem_ne(f[0], f[2], SA_FINGERPRINT_SIZE);
    ck_assert_mem_ne(f[0], f[3], SA_FINGERPRINT_SIZE);
    sa_fingerprint(k[0], NULL, 0, f[3]); /* an empty file has one, too */
}
END_TEST

TCase *base_test_buf(void)
{
    TCase *t = tcase_create("buf");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, buffer_is_always_terminated);
    tcase_add_test(t, buffer_keeps_its_bound);
    tcase_add_test(t, buffer_grows_in_small_steps_to_its_bound);
    tcase_add_test(t, buffer_refuses_what_would_overflow);
    tcase_add_test(t, buffer_wipes_secrets);
    tcase_add_loop_test(t, json_strings_are_valid_whatever_comes, 0,
                        (int)(sizeof(json_cases) / sizeof(json_cases[0])));
    tcase_add_test(t, json_string_is_added_whole_or_not_at_all);
    return t;
}

TCase *base_test_hash(void)
{
    TCase *t = tcase_create("hash");
    tcase_add_test(t, digest_is_blake2b_of_16_bytes);
    tcase_add_test(t, sum_does_not_depend_on_order_and_carries);
    tcase_add_test(t, table_hash_is_keyed_by_process);
    tcase_add_test(t, fingerprint_depends_on_key_and_content);
    return t;
}
