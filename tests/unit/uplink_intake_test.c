/* SPDX-License-Identifier: Apache-2.0 */
/* The workers' side of the uplink, with workers played by nng itself and by our own end. */
#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "uplink_intake_rig.h"

static const uint8_t other_key[32] = {4, 5, 6};

static nng_socket dial(uint32_t index)
{
    char url[128];
    nng_socket s;

    ck_assert_int_eq(sa_data_url(url, sizeof url, rig.dir, index), 0);
    ck_assert_int_eq(nng_pair0_open(&s), 0);
    nng_socket_set_ms(s, NNG_OPT_RECONNMINT, 20);
    ck_assert_int_eq(nng_dial(s, url, NULL, NNG_FLAG_NONBLOCK), 0);
    return s;
}

/* Sends bytes, turning the loop while nng can't take them; for ms milliseconds at most. */
static int say_bytes(nng_socket s, const void *p, size_t n, unsigned ms)
{
    uint64_t end = sa_mono_ns() + ms * SA_NS_PER_MS;
    int rv;

    while ((rv = nng_send(s, (void *)(uintptr_t)p, n, NNG_FLAG_NONBLOCK)) == NNG_EAGAIN &&
           sa_mono_ns() < end)
        rig_turn_for(5);
    return rv;
}

static int say_for(nng_socket s, enum sa_data_kind kind, uint32_t n_events, const void *p, size_t n,
                   unsigned ms)
{
    struct sa_data_header h = {.kind = (uint8_t)kind, .events = n_events};
    uint8_t *b = malloc(SA_DATA_HEADER + n);
    int rv;

    ck_assert_ptr_nonnull(b);
    sa_data_put_header(b, &h);
    if (n > 0)
        memcpy(b + SA_DATA_HEADER, p, n);
    rv = say_bytes(s, b, SA_DATA_HEADER + n, ms);
    free(b);
    return rv;
}

static int say(nng_socket s, enum sa_data_kind kind, uint32_t n_events, const void *p, size_t n)
{
    return say_for(s, kind, n_events, p, n, 2000);
}

static int hear(nng_socket s, char **p, size_t *n)
{
    uint64_t end = sa_mono_ns() + 2 * SA_NS_PER_S;
    int rv;

    while ((rv = nng_recv(s, p, n, NNG_FLAG_ALLOC | NNG_FLAG_NONBLOCK)) == NNG_EAGAIN &&
           sa_mono_ns() < end)
        rig_turn_for(5);
    return rv;
}

START_TEST(takes_messages_after_the_key)
{
    char a;
    struct sa_link *k = rig_add(3, &a);
    nng_socket w = dial(3);
    char *p;
    size_t n;

    say(w, SA_DATA_HELLO, 0, rig_key, sizeof rig_key);
    say(w, SA_DATA_ACCOUNT, 2, "payload", 7);
    say(w, SA_DATA_LAST, 1, NULL, 0);
    rig_wait_for(&seen.messages, 3);
    ck_assert_uint_eq(seen.bound, 1);
    ck_assert_uint_eq(seen.bytes, 7);
    ck_assert_ptr_eq(seen.account, &a);
    sa_intake_send(k, SA_DATA_UP, NULL, 0);
    sa_intake_send(k, SA_DATA_REPLY, "answer", 6);
    ck_assert_int_eq(hear(w, &p, &n), 0);
    ck_assert_uint_eq(n, SA_DATA_HEADER);
    ck_assert_int_eq(p[0], SA_DATA_UP);
    nng_free(p, n);
    ck_assert_int_eq(hear(w, &p, &n), 0);
    ck_assert_mem_eq(p + SA_DATA_HEADER, "answer", 6);
    nng_free(p, n);
    nng_close(w);
    rig_wait_for(&seen.gone, 1);
    ck_assert_uint_eq(seen.forgeries, 0);
}
END_TEST

START_TEST(refuses_a_wrong_key_by_name)
{
    char a, b;
    nng_socket w;

    rig_add(1, &a);
    rig_add(2, &b);
    w = dial(2);
    say(w, SA_DATA_HELLO, 0, other_key, sizeof other_key);
    rig_wait_for(&seen.forgeries, 1);
    ck_assert_ptr_eq(seen.account, &b);
    ck_assert_uint_eq(seen.pid, (uint32_t)getpid());
    ck_assert_uint_eq(seen.bound, 0);
    nng_close(w);
    /* the real one gets in afterwards */
    w = dial(2);
    say(w, SA_DATA_HELLO, 0, rig_key, sizeof rig_key);
    rig_wait_for(&seen.bound, 1);
    nng_close(w);
}
END_TEST

START_TEST(takes_nothing_before_the_key)
{
    static const uint8_t prefix[31] = {1, 2, 3};
    char a;
    nng_socket w;

    rig_add(1, &a);
    w = dial(1);
    say(w, SA_DATA_ACCOUNT, 1, "payload", 7);
    rig_wait_for(&seen.forgeries, 1);
    nng_close(w);
    w = dial(1);
    say(w, SA_DATA_HELLO, 0, prefix, sizeof prefix);
    rig_wait_for(&seen.forgeries, 2);
    nng_close(w);
    w = dial(1);
    say_bytes(w, "x", 1, 2000);
    rig_wait_for(&seen.forgeries, 3);
    nng_close(w);
    ck_assert_uint_eq(seen.messages, 0);
    ck_assert_uint_eq(seen.bound, 0);
}
END_TEST

/* After the key a worker may say nothing but ACCOUNT; a second HELLO is one of the others. */
START_TEST(cuts_off_a_second_hello)
{
    char a;
    nng_socket w;

    rig_add(1, &a);
    w = dial(1);
    say(w, SA_DATA_HELLO, 0, rig_key, sizeof rig_key);
    rig_wait_for(&seen.bound, 1);
    say(w, SA_DATA_HELLO, 0, rig_key, sizeof rig_key);
    rig_wait_for(&seen.gone, 1);
    nng_close(w);
}
END_TEST

START_TEST(cuts_off_whom_the_sink_refuses)
{
    char a;
    nng_socket w;

    rig_add(1, &a);
    seen.answer = -1;
    w = dial(1);
    say(w, SA_DATA_HELLO, 0, rig_key, sizeof rig_key);
    say(w, SA_DATA_ACCOUNT, 1, "payload", 7);
    rig_wait_for(&seen.gone, 1);
    ck_assert_uint_eq(seen.messages, 1);
    nng_close(w);
}
END_TEST

START_TEST(closes_a_pipe_that_says_nothing)
{
    char a;
    nng_socket w;

    rig_add(1, &a);
    w = dial(1);
    rig_turn_for(4000);
    ck_assert_uint_eq(seen.forgeries, 0);
    rig_wait_for(&seen.forgeries, 1);
    nng_close(w);
}
END_TEST

START_TEST(a_new_key_ends_the_old_worker)
{
    char a;
    struct sa_link *k = rig_add(1, &a);
    nng_socket w = dial(1);

    say(w, SA_DATA_HELLO, 0, rig_key, sizeof rig_key);
    rig_wait_for(&seen.bound, 1);
    sa_intake_rekey(k, rig_key);
    rig_turn_for(50);
    ck_assert_uint_eq(seen.gone, 0);
    sa_intake_rekey(k, other_key);
    ck_assert_uint_eq(seen.gone, 1);
    nng_close(w);
    w = dial(1);
    say(w, SA_DATA_HELLO, 0, other_key, sizeof other_key);
    rig_wait_for(&seen.bound, 2);
    ck_assert_uint_eq(seen.forgeries, 0);
    nng_close(w);
}
END_TEST

/* While paused the queue stays within its bound, and the worker is made to wait. */
START_TEST(a_pause_makes_workers_wait)
{
    static uint8_t payload[200 * 1024];
    char a;
    nng_socket w;
    unsigned sent = 0;

    rig_add(1, &a);
    w = dial(1);
    say(w, SA_DATA_HELLO, 0, rig_key, sizeof rig_key);
    rig_wait_for(&seen.bound, 1);
    sa_intake_pause(rig.intake, true);
    while (sent < 50 && say_for(w, SA_DATA_ACCOUNT, 1, payload, sizeof payload, 300) == 0)
        sent++;
    rig_turn_for(50);
    ck_assert_uint_gt(sent, 1);
    ck_assert_uint_lt(sent, 10);
    ck_assert_uint_eq(seen.messages, 0);
    sa_intake_pause(rig.intake, false);
    rig_wait_for(&seen.messages, sent);
    ck_assert_int_eq(say(w, SA_DATA_ACCOUNT, 1, payload, sizeof payload), 0);
    rig_wait_for(&seen.messages, sent + 1);
    nng_close(w);
}
END_TEST

/* Its key can't be heard meanwhile: that is not the guest's fault. */
START_TEST(a_pause_makes_no_forger_of_a_guest)
{
    char a;
    nng_socket w;

    rig_add(1, &a);
    sa_intake_pause(rig.intake, true);
    w = dial(1);
    say(w, SA_DATA_HELLO, 0, rig_key, sizeof rig_key);
    rig_turn_for(6000);
    ck_assert_uint_eq(seen.forgeries, 0);
    sa_intake_pause(rig.intake, false);
    rig_wait_for(&seen.bound, 1);
    ck_assert_uint_eq(seen.forgeries, 0);
    nng_close(w);
}
END_TEST

START_TEST(a_drain_gives_what_has_come)
{
    char a;
    nng_socket w;

    rig_add(1, &a);
    w = dial(1);
    say(w, SA_DATA_HELLO, 0, rig_key, sizeof rig_key);
    rig_wait_for(&seen.bound, 1);
    sa_intake_pause(rig.intake, true);
    for (int i = 0; i < 5; i++)
        say(w, SA_DATA_ACCOUNT, 1, "x", 1);
    usleep(100000); /* nng's threads write them */
    rig_turn_for(20);
    ck_assert_uint_eq(seen.messages, 0);
    sa_intake_drain(rig.intake);
    ck_assert_uint_eq(seen.messages, 5);
    nng_close(w);
}
END_TEST

START_TEST(a_worker_that_does_not_read_is_cut_off)
{
    static uint8_t payload[200 * 1024];
    char a;
    struct sa_link *k = rig_add(1, &a);
    nng_socket w = dial(1);

    say(w, SA_DATA_HELLO, 0, rig_key, sizeof rig_key);
    rig_wait_for(&seen.bound, 1);
    for (int i = 0; i < 100 && seen.gone == 0; i++)
        sa_intake_send(k, SA_DATA_REPLY, payload, sizeof payload);
    ck_assert_uint_eq(seen.gone, 1);
    nng_close(w);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("uplink_intake");
    TCase *t = tcase_create("intake");
    SRunner *r;
    int failed;

    sa_hash_init();
    tcase_add_checked_fixture(t, rig_make, rig_remove);
    tcase_set_timeout(t, 30);
    tcase_add_test(t, takes_messages_after_the_key);
    tcase_add_test(t, refuses_a_wrong_key_by_name);
    tcase_add_test(t, takes_nothing_before_the_key);
    tcase_add_test(t, cuts_off_a_second_hello);
    tcase_add_test(t, cuts_off_whom_the_sink_refuses);
    tcase_add_test(t, closes_a_pipe_that_says_nothing);
    tcase_add_test(t, a_new_key_ends_the_old_worker);
    tcase_add_test(t, a_pause_makes_workers_wait);
    tcase_add_test(t, a_pause_makes_no_forger_of_a_guest);
    tcase_add_test(t, a_drain_gives_what_has_come);
    tcase_add_test(t, a_worker_that_does_not_read_is_cut_off);
    suite_add_tcase(s, t);
    suite_add_tcase(s, intake_guests());
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
