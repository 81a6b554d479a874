/* SPDX-License-Identifier: Apache-2.0 */
/* Messages, data headers and status slots; and the program that runs all of ipc's cases. */
#include "ipc_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "ipc/data.h"
#include "ipc/msg.h"
#include "ipc/slot.h"

static void write_sample(struct sa_buf *b)
{
    sa_wr_u8(b, 0xfe);
    sa_wr_u32(b, 0xdeadbeef);
    sa_wr_u64(b, UINT64_C(0x0123456789abcdef));
    sa_wr_str(b, "pröd");
    sa_wr_bytes(b, "\0\1\2", 3);
    sa_wr_str(b, "");
}

/* Reads what write_sample wrote; out is 8 bytes. */
static bool read_sample(struct sa_rd *r, size_t *n_bytes, char *out)
{
    size_t n;
    bool good = sa_rd_u8(r) == 0xfe;
    good = sa_rd_u32(r) == 0xdeadbeef && good;
    good = sa_rd_u64(r) == UINT64_C(0x0123456789abcdef) && good;
    sa_rd_str(r, out, 8);
    sa_rd_bytes(r, n_bytes);
    sa_rd_bytes(r, &n);
    return good;
}

START_TEST(message_is_read_as_written)
{
    struct sa_buf b = {0};
    struct sa_rd r;
    char text[8];
    size_t n = 0;
    write_sample(&b);
    ck_assert_uint_eq(b.len, 1 + 4 + 8 + 4 + 5 + 4 + 3 + 4);
    ck_assert_mem_eq(b.data, "\xfe\xef\xbe\xad\xde\xef\xcd\xab\x89\x67\x45\x23\x01\x05\0\0\0", 17);
    sa_rd_init(&r, b.data, b.len);
    ck_assert(read_sample(&r, &n, text));
    ck_assert_str_eq(text, "pröd");
    ck_assert_uint_eq(n, 3);
    ck_assert(sa_rd_done(&r));
    sa_buf_free(&b);
}
END_TEST

/* Cut at every byte, each in memory of exactly that size, so that a sanitizer sees any read past
 * it. */
START_TEST(truncated_message_is_an_error_everywhere)
{
    struct sa_buf b = {0};
    write_sample(&b);
    for (size_t cut = 0; cut < b.len; cut++) {
        uint8_t *part = malloc(cut > 0 ? cut : 1);
        memcpy(part, b.data, cut);
        struct sa_rd r;
        char text[8];
        size_t n;
        sa_rd_init(&r, part, cut);
        read_sample(&r, &n, text);
        ck_assert_msg(r.failed, "cut at %zu", cut);
        ck_assert(!sa_rd_done(&r));
        ck_assert_uint_eq(sa_rd_u64(&r), 0);
        ck_assert_ptr_null(sa_rd_bytes(&r, &n));
        ck_assert_uint_eq(n, 0);
        free(part);
    }
    sa_buf_free(&b);
}
END_TEST

START_TEST(lengths_that_lie_are_errors)
{
    static const char huge[] = "\xff\xff\xff\xff"
                               "abc";
    struct sa_rd r;
    char text[4];
    size_t n = 1;
    sa_rd_init(&r, huge, 7);
    ck_assert_ptr_null(sa_rd_bytes(&r, &n));
    ck_assert_uint_eq(n, 0);
    ck_assert(r.failed);
    /* A string that does not fit, that just fits, and one with a NUL inside. */
    sa_rd_init(&r, "\4\0\0\0abcd", 8);
    sa_rd_str(&r, text, sizeof(text));
    ck_assert(r.failed);
    ck_assert_str_eq(text, "");
    sa_rd_init(&r, "\3\0\0\0abcd", 8);
    sa_rd_str(&r, text, sizeof(text));
    ck_assert_str_eq(text, "abc");
    ck_assert(!r.failed && !sa_rd_done(&r));
    ck_assert_mem_eq(sa_rd_raw(&r, 1), "d", 1);
    ck_assert(sa_rd_done(&r));
    ck_assert_ptr_null(sa_rd_raw(&r, 1));
    sa_rd_init(&r, "\3\0\0\0a\0b", 7);
    sa_rd_str(&r, text, sizeof(text));
    ck_assert(r.failed);
    sa_rd_init(&r, NULL, 0);
    ck_assert(sa_rd_done(&r));
    ck_assert_uint_eq(sa_rd_u8(&r), 0);
    ck_assert(r.failed);
}
END_TEST

START_TEST(writer_fails_at_its_bound)
{
    struct sa_buf b = {.max = 5};
    sa_wr_str(&b, "ab");
    ck_assert(b.failed);
    sa_buf_free(&b);
}
END_TEST

START_TEST(data_header_goes_both_ways)
{
    uint8_t h[SA_DATA_HEADER];
    struct sa_data_header in = {
        .kind = SA_DATA_ACCOUNT, .events = 0x01020304, .oldest_ns = UINT64_C(0x1122334455667788)};
    struct sa_data_header out;
    sa_data_put_header(h, &in);
    ck_assert_mem_eq(h, "\x02\0\0\0\4\3\2\1\x88\x77\x66\x55\x44\x33\x22\x11", SA_DATA_HEADER);
    ck_assert_int_eq(sa_data_get_header(h, sizeof(h), &out, NULL), 0);
    ck_assert_uint_eq(out.kind, in.kind);
    ck_assert_uint_eq(out.events, in.events);
    ck_assert_uint_eq(out.oldest_ns, in.oldest_ns);
}
END_TEST

START_TEST(bad_data_headers_are_refused)
{
    uint8_t h[SA_DATA_HEADER];
    struct sa_data_header good = {.kind = SA_DATA_HELLO};
    struct sa_data_header out;
    struct sa_err *err = NULL;
    for (size_t n = 0; n < SA_DATA_HEADER; n++) {
        sa_data_put_header(h, &good);
        ck_assert_int_eq(sa_data_get_header(h, n, &out, &err), -1);
        ck_assert_int_eq(err->code, SA_EPROTOCOL);
    }
    for (int kind = 0; kind < 256; kind++) {
        h[0] = (uint8_t)kind;
        bool known = kind >= SA_DATA_HELLO && kind <= SA_DATA_ROOM;
        ck_assert_int_eq(sa_data_get_header(h, sizeof(h), &out, &err), known ? 0 : -1);
    }
    for (size_t i = 1; i < 4; i++) {
        sa_data_put_header(h, &good);
        h[i] = 1;
        ck_assert_int_eq(sa_data_get_header(h, sizeof(h), &out, &err), -1);
        ck_assert_uint_eq(out.kind, 0);
    }
    sa_err_free(&err);
}
END_TEST

START_TEST(data_url_fits_or_fails)
{
    char url[40];
    ck_assert_int_eq(sa_data_url(url, sizeof(url), "/run/scale-agent", 4294967295u), 0);
    ck_assert_str_eq(url, "ipc:///run/scale-agent/data/4294967295");
    ck_assert_int_eq(sa_data_url(url, 38, "/run/scale-agent", 4294967295u), -1);
}
END_TEST

START_TEST(slot_is_shared_with_children)
{
    struct sa_slot *s = sa_slot_new(NULL);
    struct sa_slot copy;
    ck_assert_ptr_nonnull(s);
    pid_t pid = fork();
    if (pid == 0) {
        s->state = SA_STATE_STREAMING;
        s->events = 42;
        s->heartbeat_ns = sa_mono_ns();
        sa_slot_set_text(s->version, sizeof(s->version), "v1.36.3");
        sa_slot_error(s, "no route to %s", "10.0.0.1");
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    sa_slot_read(s, &copy);
    ck_assert_int_eq(copy.state, SA_STATE_STREAMING);
    ck_assert_uint_eq(copy.events, 42);
    ck_assert_uint_gt(copy.heartbeat_ns, 0);
    ck_assert_str_eq(copy.version, "v1.36.3");
    ck_assert_str_eq(copy.last_error, "no route to 10.0.0.1");
    ck_assert_uint_gt(copy.last_error_ns, 0);
    sa_slot_free(s);
    sa_slot_free(NULL);
}
END_TEST

static void check_text(const char *text, size_t size)
{
    const char *end = memchr(text, '\0', size);
    ck_assert_ptr_nonnull(end);
    for (const char *p = text; p < end; p++) {
        ck_assert((unsigned char)*p >= 0x20 && *p != 0x7f);
        ck_assert(strncmp(p, "\xc2\x9b", 2) != 0);
    }
}

/* A child that was taken over writes what it likes. */
START_TEST(hostile_slot_is_tamed)
{
    struct sa_slot *s = sa_slot_new(NULL);
    struct sa_slot copy;
    memset(s, 0xff, sizeof(*s));
    sa_slot_read(s, &copy);
    check_text(copy.version, sizeof(copy.version));
    check_text(copy.cluster, sizeof(copy.cluster));
    check_text(copy.server, sizeof(copy.server));
    check_text(copy.last_error, sizeof(copy.last_error));
    check_text(copy.sandbox_lacks, sizeof(copy.sandbox_lacks));
    ck_assert_str_eq(sa_state_name((enum sa_state)copy.state), "unknown");
    for (int round = 0; round < 2000; round++) {
        sa_random_bytes(s, sizeof(*s));
        sa_slot_read(s, &copy);
        check_text(copy.version, sizeof(copy.version));
        check_text(copy.last_error, sizeof(copy.last_error));
        sa_state_name((enum sa_state)copy.state);
    }
    /* Cut inside of a character: what is left of it is no character. */
    memset(s, 0, sizeof(*s));
    memset(s->version, 'x', sizeof(s->version));
    memcpy(s->version + sizeof(s->version) - 2, "\xe2\x82", 2);
    memcpy(s->server,
           "a\x1b[2J\nb\xc2\x9b"
           "c\xc3\xa4",
           12);
    sa_slot_read(s, &copy);
    ck_assert_str_eq(copy.version, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx ");
    ck_assert_str_eq(copy.server, "a [2J b  c\xc3\xa4");
    sa_slot_free(s);
}
END_TEST

START_TEST(slot_texts_are_cut_to_their_fields)
{
    struct sa_slot *s = sa_slot_new(NULL);
    char big[1000];
    memset(big, 'y', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    sa_slot_error(s, "%s", big);
    ck_assert_uint_eq(strlen(s->last_error), SA_SLOT_TEXT - 1);
    sa_slot_set_text(s->cluster, sizeof(s->cluster), big);
    ck_assert_uint_eq(strlen(s->cluster), sizeof(s->cluster) - 1);
    ck_assert_str_eq(s->server, "");
    sa_slot_free(s);
}
END_TEST

START_TEST(operations_are_counted_by_verb_result_and_time)
{
    struct sa_slot *s = sa_slot_new(NULL);
    ck_assert_ptr_nonnull(s);
    sa_slot_operation(s, SA_VERB_APPLY, SA_RESULT_OK, 25000);
    sa_slot_operation(s, SA_VERB_APPLY, SA_RESULT_OK, 25001);
    sa_slot_operation(s, SA_VERB_APPLY, SA_RESULT_CONFLICT, 400000000);
    sa_slot_operation(s, (enum sa_verb)4711, (enum sa_result)4711, 1);
    const struct sa_slot_verb *v = &s->verbs[SA_VERB_APPLY];
    ck_assert_uint_eq(v->results[SA_RESULT_OK], 2);
    ck_assert_uint_eq(v->results[SA_RESULT_CONFLICT], 1);
    ck_assert_uint_eq(v->within[0], 1);
    ck_assert_uint_eq(v->within[1], 1);
    ck_assert_uint_eq(v->within[SA_DURATION_COUNT - 1], 0);
    ck_assert_uint_eq(v->sum_us, 400050001);
    ck_assert_uint_eq(s->verbs[SA_VERB_UNKNOWN].results[SA_RESULT_UNSPECIFIED], 1);
    ck_assert_str_eq(sa_verb_name(sa_verb_find("rollout history")), "rollout history");
    ck_assert_int_eq(sa_verb_find("dance"), SA_VERB_UNKNOWN);
    ck_assert_str_eq(sa_result_name(SA_RESULT_TIMED_OUT), "timed_out");
    sa_slot_free(s);
}
END_TEST

START_TEST(states_have_names)
{
    for (int i = 0; i < SA_STATE_COUNT; i++) {
        ck_assert_str_ne(sa_state_name((enum sa_state)i), "unknown");
    }
    ck_assert_str_eq(sa_state_name(SA_STATE_STANDBY), "standby");
    ck_assert_str_eq(sa_state_name(SA_STATE_COUNT), "unknown");
}
END_TEST

int main(void)
{
    sa_hash_init();
    Suite *s = suite_create("ipc");
    TCase *t = tcase_create("msg, data and slot");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, message_is_read_as_written);
    tcase_add_test(t, truncated_message_is_an_error_everywhere);
    tcase_add_test(t, lengths_that_lie_are_errors);
    tcase_add_test(t, writer_fails_at_its_bound);
    tcase_add_test(t, data_header_goes_both_ways);
    tcase_add_test(t, bad_data_headers_are_refused);
    tcase_add_test(t, data_url_fits_or_fails);
    tcase_add_test(t, slot_is_shared_with_children);
    tcase_add_test(t, hostile_slot_is_tamed);
    tcase_add_test(t, slot_texts_are_cut_to_their_fields);
    tcase_add_test(t, operations_are_counted_by_verb_result_and_time);
    tcase_add_test(t, states_have_names);
    suite_add_tcase(s, t);
    suite_add_tcase(s, ipc_test_control());
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
