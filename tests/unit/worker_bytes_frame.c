/* SPDX-License-Identifier: Apache-2.0 */
/* Cutting streams: whatever the pieces, the same objects. */
#include "worker_bytes_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/frame.h"
#include "worker/json_brace.h"

/* What came out: items as "<item>", the rest of a list as "(<rest>)". */
struct seen {
    struct sa_buf text;
    int stop_at; /* the item at which the callback says stop; 0: none */
    int n;
};

static int on_item(void *arg, const char *json, size_t n, struct sa_err **err)
{
    struct seen *s = arg;
    sa_buf_addc(&s->text, '<');
    sa_buf_add(&s->text, json, n);
    sa_buf_addc(&s->text, '>');
    return ++s->n == s->stop_at ? sa_err_set(err, SA_EREFUSED, "stop") : 0;
}

static int on_meta(void *arg, const char *json, size_t n, struct sa_err **err)
{
    struct seen *s = arg;
    (void)err;
    sa_buf_addc(&s->text, '(');
    sa_buf_add(&s->text, json, n);
    sa_buf_addc(&s->text, ')');
    return 0;
}

/* Feeds pieces of size bytes, each a copy of its own. Returns what came of it. */
static enum sa_code feed(struct sa_frame *f, const char *bytes, size_t n, size_t size)
{
    struct sa_err *err = NULL;
    int r = 0;
    for (size_t at = 0; at < n && r == 0; at += size) {
        size_t k = n - at < size ? n - at : size;
        char *piece = malloc(k);
        ck_assert_ptr_nonnull(piece);
        memcpy(piece, bytes + at, k);
        r = sa_frame_add(f, piece, k, &err);
        free(piece);
        sa_frame_idle(f);
    }
    if (r == 0) {
        r = sa_frame_end(f, &err);
    } else {
        ck_assert_int_eq(sa_frame_add(f, "{}", 2, NULL), -1); /* dead */
    }
    enum sa_code code = r == 0 ? SA_OK : err->code;
    sa_err_free(&err);
    return code;
}

static const struct {
    bool list;
    const char *bytes;
    const char *seen; /* NULL: an error of the protocol */
} cases[] = {
    {false, "", ""},
    {false, " \n\n ", ""},
    {false, "{}", "<{}>"},
    {false, "{\"a\":1}\n{\"b\":2}\n", "<{\"a\":1}><{\"b\":2}>"},
    {false, "{\"a\":1}{\"b\":2}", "<{\"a\":1}><{\"b\":2}>"},
    {false, "\r\n{\"a\" :\n{ \"b\":[{}]} }\t\n", "<{\"a\" :\n{ \"b\":[{}]} }>"},
    {false, "{\"a\":\"}\"}{\"a\":\"\\\"}\"}{\"a\":\"\\\\\"}{\"{\":\"\\\\\\\"{\"}",
     "<{\"a\":\"}\"}><{\"a\":\"\\\"}\"}><{\"a\":\"\\\\\"}><{\"{\":\"\\\\\\\"{\"}>"},
    {false, "{", NULL},
    {false, "{\"a\":\"}", NULL},
    {false, "[]", NULL},
    {false, "{},{}", NULL},
    {false, "{}1", NULL},
    {true,
     "{\"kind\":\"L\",\"metadata\":{\"resourceVersion\":\"1\"},\"items\":[{\"a\":1},{\"b\":2}]}\n",
     "<{\"a\":1}><{\"b\":2}>({\"kind\":\"L\",\"metadata\":{\"resourceVersion\":\"1\"}})"},
    {true, "{\"items\":[{\"a\":\"]}\"}],\"metadata\":{},\"kind\":\"L\"}",
     "<{\"a\":\"]}\"}>({\"metadata\":{},\"kind\":\"L\"})"},
    {true, "{\"kind\":\"L\",\"items\":[{}],\"metadata\":{\"a\":[\"]\",\"}\\\"\"]}}",
     "<{}>({\"kind\":\"L\",\"metadata\":{\"a\":[\"]\",\"}\\\"\"]}})"},
    {true, " {\n\"items\" : [ {\"a\": 1 } ,\n { } ] , \"n\" : 5 , \"t\" : true } ",
     "<{\"a\": 1 }><{ }>({\"n\":5,\"t\":true})"},
    {true, "{\"items\":[]}", "({})"},
    {true, "{\"items\":null,\"metadata\":{}}", "({\"metadata\":{}})"},
    {true, "{\"metadata\":{}}", "({\"metadata\":{}})"},
    {true, "{}", "({})"},
    {true, "{\"it\\u0065ms\":[{}]}", "<{}>({})"},
    {true, "{\"a\":{\"items\":[{}]},\"items\":[ ]}", "({\"a\":{\"items\":[{}]}})"},
    {true, "{\"a\":1,\"items\":[],\"b\":\"x\\\"\",\"c\":-1.5e3}",
     "({\"a\":1,\"b\":\"x\\\"\",\"c\":-1.5e3})"},
    {true, "", NULL},
    {true, "[]", NULL},
    {true, "{", NULL},
    {true, "{\"items\":[{}]", NULL},
    {true, "{\"items\":[{}", NULL},
    {true, "{\"items\":[1]}", NULL},
    {true, "{\"items\":[[]]}", NULL},
    {true, "{\"items\":[\"a\"]}", NULL},
    {true, "{\"items\":[{},]}", NULL},
    {true, "{\"items\":[,{}]}", NULL},
    {true, "{\"items\":[{}{}]}", NULL},
    {true, "{\"items\":{}}", NULL},
    {true, "{\"items\":5}", NULL},
    {true, "{\"items\":nul}", NULL},
    {true, "{\"items\":nulll}", NULL},
    {true, "{\"items\":[],\"items\":[]}", NULL},
    {true, "{\"items\":null,\"items\":[]}", NULL},
    {true, "{\"items\":[],\"it\\u0065ms\":[]}", NULL},
    {true, "{\"a\":1,}", NULL},
    {true, "{\"items\":[],}", NULL},
    {true, "{,\"items\":[]}", NULL},
    {true, "{\"a\":}", NULL},
    {true, "{\"a\":[}]}", NULL},
    {true, "{\"a\":01}", NULL},
    {true, "{\"a\":\"\\x\"}", NULL},
    {true, "{\"\\q\":1}", NULL},
    {true, "{\"a\" 1}", NULL},
    {true, "{\"a\":1 2}", NULL},
    {true, "{}{}", NULL},
    {true, "{\"items\":[]} x", NULL},
};

START_TEST(pieces_of_any_size)
{
    const char *bytes = cases[_i].bytes;
    size_t n = strlen(bytes);
    for (size_t size = 1; size <= n + 1; size++) {
        struct seen s = {0};
        struct sa_frame *f = cases[_i].list ? sa_frame_list(1000, on_item, on_meta, &s)
                                            : sa_frame_watch(1000, on_item, &s);
        ck_assert_ptr_nonnull(f);
        enum sa_code code = feed(f, bytes, n, size);
        if (cases[_i].seen != NULL) {
            ck_assert_msg(code == SA_OK, "%s in pieces of %zu", bytes, size);
            ck_assert_str_eq(s.text.len > 0 ? s.text.data : "", cases[_i].seen);
        } else {
            ck_assert_msg(code == SA_EPROTOCOL, "%s in pieces of %zu", bytes, size);
        }
        sa_frame_free(f);
        sa_buf_free(&s.text);
    }
}
END_TEST

START_TEST(a_long_stream_in_odd_pieces)
{
    struct sa_buf stream, want;
    sa_buf_init(&stream, 0);
    sa_buf_init(&want, 0);
    uint64_t state = 1;
    for (int i = 0; i < 300; i++) {
        struct sa_buf o;
        sa_buf_init(&o, 0);
        sa_buf_adds(&o, "{\"k\":\"");
        for (int k = 0; k < i % 150; k++) {
            state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            static const char *const bits[] = {"\\\\", "\\\"", "}",        "{",
                                               "x",    "[",    "\xc3\xa9", "long"};
            sa_buf_adds(&o, bits[state >> 61]);
        }
        sa_buf_addf(&o, "\",\"n\":{\"a\":[%d,{}]}}", i);
        sa_buf_add(&stream, o.data, o.len);
        if (i % 3 == 0) {
            sa_buf_adds(&stream, "\n");
        }
        sa_buf_addf(&want, "<%s>", o.data);
        sa_buf_free(&o);
    }
    for (size_t size = 1; size < 700; size += 1 + size / 5) {
        struct seen s = {0};
        struct sa_frame *f = sa_frame_watch(2000, on_item, &s);
        ck_assert_int_eq(feed(f, stream.data, stream.len, size), SA_OK);
        ck_assert_str_eq(s.text.data, want.data);
        sa_frame_free(f);
        sa_buf_free(&s.text);
    }
    sa_buf_free(&stream);
    sa_buf_free(&want);
}
END_TEST

START_TEST(objects_are_bounded)
{
    static const char list[] = "{\"items\":[{\"a\":\"0123456789\"}]}";
    static const char watch[] = "{\"a\":\"0123456789\"}"; /* 18 bytes */
    static const char meta[] = "{\"metadata\":\"01234567890123456789\",\"items\":[{}]}";
    for (size_t size = 1; size <= sizeof(list); size++) {
        struct seen s = {0};
        for (size_t max = 17; max <= 18; max++) {
            enum sa_code want = max == 18 ? SA_OK : SA_ELIMIT;
            struct sa_frame *f = sa_frame_watch(max, on_item, &s);
            ck_assert_int_eq(feed(f, watch, sizeof(watch) - 1, size), want);
            sa_frame_free(f);
            f = sa_frame_list(max, on_item, on_meta, &s);
            ck_assert_int_eq(feed(f, list, sizeof(list) - 1, size), want);
            sa_frame_free(f);
            f = sa_frame_list(max, on_item, on_meta, &s);
            ck_assert_int_eq(feed(f, meta, sizeof(meta) - 1, size), SA_ELIMIT);
            sa_frame_free(f);
        }
        sa_buf_free(&s.text);
    }
}
END_TEST

static void on_large(void *arg, size_t n)
{
    struct seen *s = arg;
    char text[32];
    snprintf(text, sizeof text, "%zu!", n);
    sa_buf_adds(&s->text, text);
}

START_TEST(what_is_too_long_is_left_out)
{
    static const char watch[] = "{\"a\":\"01}3456789\"}{\"b\":1}{\"c\":\"0123456789\"}";
    static const char list[] = "{\"items\":[{\"a\":\"01}3456789\"},{\"b\":1}]}";
    for (size_t size = 1; size <= sizeof(watch); size++) {
        struct seen s = {0};
        struct sa_frame *f = sa_frame_watch(17, on_item, &s);
        sa_frame_leave_out(f, on_large);
        ck_assert_int_eq(feed(f, watch, sizeof(watch) - 1, size), SA_OK);
        ck_assert_str_eq(s.text.data, "18!<{\"b\":1}>18!");
        sa_frame_free(f);
        sa_buf_reset(&s.text);
        f = sa_frame_list(17, on_item, on_meta, &s);
        sa_frame_leave_out(f, on_large);
        ck_assert_int_eq(feed(f, list, sizeof(list) - 1, size), SA_OK);
        ck_assert_str_eq(s.text.data, "18!<{\"b\":1}>({})");
        sa_frame_free(f);
        sa_buf_free(&s.text);
    }
}
END_TEST

START_TEST(a_callback_stops_it)
{
    struct seen s = {.stop_at = 2};
    struct sa_frame *f = sa_frame_watch(100, on_item, &s);
    ck_assert_int_eq(feed(f, "{\"a\":1}{\"b\":1}{\"c\":1}", 21, 5), SA_EREFUSED);
    ck_assert_str_eq(s.text.data, "<{\"a\":1}><{\"b\":1}>");
    sa_frame_free(f);
    sa_buf_free(&s.text);
    sa_frame_free(NULL);
}
END_TEST

START_TEST(a_backslash_at_the_end_of_each_piece)
{
    /* Runs of backslashes across the blocks and the tails of the brace scanner. */
    for (size_t run = 0; run < 9; run++) {
        for (size_t pad = 50; pad < 72; pad++) {
            char text[200];
            size_t n = (size_t)snprintf(text, sizeof(text), "{\"%*s", (int)pad, "");
            for (size_t i = 0; i < run; i++) {
                text[n++] = '\\';
                text[n++] = i % 2 ? '"' : '\\';
            }
            n += (size_t)snprintf(text + n, sizeof(text) - n, "}\":{}}");
            for (size_t cut = 1; cut < n; cut++) {
                struct sa_json_brace b = {0};
                ck_assert_uint_eq(sa_json_brace(&b, text, cut), 0);
                ck_assert_uint_eq(sa_json_brace(&b, text + cut, n - cut), n - cut);
            }
        }
    }
}
END_TEST

TCase *worker_bytes_frame_cases(void)
{
    TCase *t = tcase_create("frame");
    tcase_set_timeout(t, 30);
    tcase_add_loop_test(t, pieces_of_any_size, 0, sizeof(cases) / sizeof(cases[0]));
    tcase_add_test(t, a_long_stream_in_odd_pieces);
    tcase_add_test(t, objects_are_bounded);
    tcase_add_test(t, what_is_too_long_is_left_out);
    tcase_add_test(t, a_callback_stops_it);
    tcase_add_test(t, a_backslash_at_the_end_of_each_piece);
    return t;
}
