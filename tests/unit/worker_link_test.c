/* SPDX-License-Identifier: Apache-2.0 */
/* The worker's end of the data channel, against a peer that is nng itself: what the connection says
 * first, messages both ways, a peer that comes late, goes and comes again, breaks the rules, or
 * does not read. */
#include <check.h>
#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "worker/link.h"

#define MS SA_NS_PER_MS

static char dir[64], url[96];
static struct sa_loop *loop;
static struct sa_link *link_;
static const uint8_t key[32] = "the key of this very connection";
static struct {
    unsigned messages, downs, drains;
    enum sa_data_kind kind;
    char text[64];
    bool refuse;
} seen;

static int on_message(void *arg, enum sa_data_kind kind, const void *p, size_t n,
                      struct sa_err **err)
{
    (void)arg;
    seen.messages++;
    seen.kind = kind;
    snprintf(seen.text, sizeof seen.text, "%.*s", (int)n, (const char *)p);
    return seen.refuse ? sa_err_set(err, SA_EPROTOCOL, "not this") : 0;
}

static void on_down(void *arg)
{
    (void)arg;
    seen.downs++;
}

static void on_drained(void *arg)
{
    (void)arg;
    seen.drains++;
}

static void set_up(void)
{
    static const struct sa_link_events ev = {on_message, on_down, on_drained, NULL};
    memset(&seen, 0, sizeof seen);
    sa_log_set_level(SA_FATAL);
    snprintf(dir, sizeof dir, "/tmp/sa-link-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(url, sizeof url, "ipc://%s/1", dir);
    loop = sa_loop_new(NULL);
    ck_assert_ptr_nonnull(loop);
    link_ = sa_link_new(loop, url, key, &ev, NULL);
    ck_assert_ptr_nonnull(link_);
}

static void tear_down(void)
{
    sa_link_free(link_);
    sa_loop_free(loop);
    unlink(url + strlen("ipc://"));
    ck_assert_int_eq(rmdir(dir), 0);
}

static nng_socket uplink(void)
{
    nng_socket s;
    ck_assert_int_eq(nng_pair0_open(&s), 0);
    ck_assert_int_eq(nng_listen(s, url, NULL, 0), 0);
    return s;
}

static void turn_until(const unsigned *counter, unsigned want)
{
    uint64_t end = sa_mono_ns() + 5000 * MS;
    while (*counter < want && sa_mono_ns() < end)
        sa_loop_turn(loop, 10, NULL);
    ck_assert_uint_eq(*counter, want);
}

/* The next message at the uplink; the loop turns meanwhile. */
static size_t hear(nng_socket s, struct sa_data_header *h, char *out, size_t room)
{
    uint64_t end = sa_mono_ns() + 5000 * MS;
    nng_msg *m = NULL;
    while (nng_recvmsg(s, &m, NNG_FLAG_NONBLOCK) != 0 && sa_mono_ns() < end)
        sa_loop_turn(loop, 10, NULL);
    ck_assert_ptr_nonnull(m);
    size_t n = nng_msg_len(m);
    ck_assert_int_eq(sa_data_get_header(nng_msg_body(m), n, h, NULL), 0);
    n -= SA_DATA_HEADER;
    ck_assert_uint_le(n, room);
    memcpy(out, (const char *)nng_msg_body(m) + SA_DATA_HEADER, n);
    nng_msg_free(m);
    return n;
}

static void hear_hello(nng_socket s)
{
    struct sa_data_header h;
    char text[64];
    ck_assert_uint_eq(hear(s, &h, text, sizeof text), sizeof key);
    ck_assert_int_eq(h.kind, SA_DATA_HELLO);
    ck_assert_mem_eq(text, key, sizeof key);
}

static void say(nng_socket s, enum sa_data_kind kind, const char *text)
{
    const struct sa_data_header h = {.kind = (uint8_t)kind};
    nng_msg *m;
    uint8_t head[SA_DATA_HEADER];
    sa_data_put_header(head, &h);
    ck_assert_int_eq(nng_msg_alloc(&m, 0), 0);
    ck_assert_int_eq(nng_msg_append(m, head, sizeof head), 0);
    ck_assert_int_eq(nng_msg_append(m, text, strlen(text)), 0);
    ck_assert_int_eq(nng_sendmsg(s, m, 0), 0);
}

START_TEST(messages_pass_both_ways)
{
    struct sa_data_header h;
    char text[64];
    nng_socket s = uplink();
    hear_hello(s);
    sa_link_send(link_, 3, 77, "deltas", 6);
    ck_assert_uint_eq(hear(s, &h, text, sizeof text), 6);
    ck_assert_int_eq(h.kind, SA_DATA_ACCOUNT);
    ck_assert_uint_eq(h.events, 3);
    ck_assert_uint_eq(h.oldest_ns, 77);
    ck_assert_mem_eq(text, "deltas", 6);
    sa_link_last(link_);
    ck_assert_uint_eq(hear(s, &h, text, sizeof text), 0);
    ck_assert_int_eq(h.kind, SA_DATA_LAST);
    say(s, SA_DATA_REPLY, "an answer");
    turn_until(&seen.messages, 1);
    ck_assert_int_eq(seen.kind, SA_DATA_REPLY);
    ck_assert_str_eq(seen.text, "an answer");
    ck_assert_uint_eq(seen.downs, 0);
    nng_close(s);
}
END_TEST

/* Nothing of the old connection comes by the new one, which begins with the key again. */
START_TEST(uplink_may_come_late_and_again)
{
    struct sa_data_header h;
    char text[64];
    sa_link_send(link_, 1, 0, "nobody", 6);
    for (int i = 0; i < 5; i++)
        sa_loop_turn(loop, 20, NULL);
    nng_socket s = uplink();
    hear_hello(s);
    nng_close(s);
    turn_until(&seen.downs, 1);
    sa_link_send(link_, 1, 0, "between", 7);
    s = uplink();
    hear_hello(s);
    sa_link_send(link_, 1, 0, "now", 3);
    ck_assert_uint_eq(hear(s, &h, text, sizeof text), 3);
    ck_assert_mem_eq(text, "now", 3);
    nng_close(s);
}
END_TEST

START_TEST(message_that_is_refused_ends_the_connection)
{
    nng_socket s = uplink();
    hear_hello(s);
    seen.refuse = true;
    say(s, SA_DATA_UP, "");
    turn_until(&seen.downs, 1);
    seen.refuse = false;
    hear_hello(s); /* by the next connection */
    say(s, SA_DATA_UP, "");
    turn_until(&seen.messages, 2);
    ck_assert_uint_eq(seen.downs, 1);
    nng_close(s);
}
END_TEST

/* What the uplink does not take is counted; its end is told once; past the bound the connection is
 * given up, but never from within the sending. */
START_TEST(uplink_that_does_not_read)
{
    enum { SIZE = 256 * 1024 };
    struct sa_data_header h;
    char *block = calloc(1, SIZE);
    nng_socket s = uplink();
    ck_assert_ptr_nonnull(block);
    hear_hello(s);
    for (int i = 0; i < 20; i++)
        sa_link_send(link_, 1, 0, block, SIZE);
    ck_assert_uint_gt(sa_link_queued(link_), SIZE);
    for (int i = 0; i < 20; i++)
        ck_assert_uint_eq(hear(s, &h, block, SIZE), SIZE);
    turn_until(&seen.drains, 1);
    ck_assert_uint_eq(sa_link_queued(link_), 0);
    for (int i = 0; i < 100; i++)
        sa_link_send(link_, 1, 0, block, SIZE);
    ck_assert_uint_eq(seen.downs, 0);
    turn_until(&seen.downs, 1);
    ck_assert_uint_eq(sa_link_queued(link_), 0);
    nng_close(s);
    free(block);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("worker_link");
    TCase *t = tcase_create("link");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_set_timeout(t, 30);
    tcase_add_test(t, messages_pass_both_ways);
    tcase_add_test(t, uplink_may_come_late_and_again);
    tcase_add_test(t, message_that_is_refused_ends_the_connection);
    tcase_add_test(t, uplink_that_does_not_read);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
