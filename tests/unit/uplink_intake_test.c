/* SPDX-License-Identifier: Apache-2.0 */
/* The workers' side of the uplink, with workers played by nng itself and by our own end. */
#include <check.h>
#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "ipc/sp.h"
#include "uplink/intake.h"

static char dir[64];
static struct sa_loop *loop;
static struct sa_intake *intake;
static const uint8_t key[32] = {1, 2, 3}, other_key[32] = {4, 5, 6};

static struct {
    unsigned bound, gone, messages, forgeries;
    size_t bytes;
    uint32_t pid;
    const void *account;
    int answer;             /* of message() */
    const void *slow;       /* an account whose messages take 2 ms */
    unsigned slow_messages; /* of it */
    unsigned others_after;  /* slow messages before the first one of another account */
} seen;

static void on_bound(void *arg, void *account)
{
    (void)arg;
    seen.bound++;
    seen.account = account;
}

static void on_gone(void *arg, void *account)
{
    (void)arg;
    (void)account;
    seen.gone++;
}

static int on_message(void *arg, void *account, const struct sa_data_header *h, const void *p,
                      size_t n, struct sa_err **err)
{
    (void)arg;
    (void)p;
    seen.account = account;
    seen.messages += h->events;
    seen.bytes += n;
    if (seen.slow && account == seen.slow) {
        seen.slow_messages++;
        usleep(2000);
    } else if (seen.others_after == 0) {
        seen.others_after = seen.slow_messages;
    }
    return seen.answer < 0 ? sa_err_set(err, SA_EPROTOCOL, "as the test wants") : 0;
}

static void on_forgery(void *arg, void *account, uint32_t pid)
{
    (void)arg;
    seen.account = account;
    seen.forgeries++;
    seen.pid = pid;
}

static const struct sa_intake_events events = {on_bound, on_gone, on_message, on_forgery};

static void set_up(void)
{
    char data[96];

    memset(&seen, 0, sizeof seen);
    snprintf(dir, sizeof dir, "/tmp/sa-intake-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(data, sizeof data, "%s/data", dir);
    ck_assert_int_eq(mkdir(data, 0755), 0);
    loop = sa_loop_new(NULL);
    ck_assert_ptr_nonnull(loop);
    intake = sa_intake_new(loop, dir, &events, NULL, NULL);
    ck_assert_ptr_nonnull(intake);
}

static void tear_down(void)
{
    char cmd[128];

    sa_intake_free(intake);
    sa_loop_free(loop);
    snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
    ck_assert_int_eq(system(cmd), 0);
}

/* Turns the loop until the counter has reached want; fails after 5 s. */
static void wait_for(const unsigned *counter, unsigned want)
{
    uint64_t end = sa_mono_ns() + 5 * SA_NS_PER_S;

    while (*counter < want && sa_mono_ns() < end)
        sa_loop_turn(loop, 20, NULL);
    ck_assert_uint_eq(*counter, want);
}

static void turn_for(unsigned ms)
{
    uint64_t end = sa_mono_ns() + ms * SA_NS_PER_MS;

    while (sa_mono_ns() < end)
        sa_loop_turn(loop, 10, NULL);
}

static nng_socket dial(uint32_t index)
{
    char url[128];
    nng_socket s;

    ck_assert_int_eq(sa_data_url(url, sizeof url, dir, index), 0);
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
        turn_for(5);
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
        turn_for(5);
    return rv;
}

static struct sa_link *add(uint32_t index, void *account)
{
    struct sa_err *err = NULL;
    struct sa_link *k = sa_intake_add(intake, index, key, account, &err);

    ck_assert_msg(k != NULL, "%s", sa_err_msg(err));
    return k;
}

START_TEST(takes_messages_after_the_key)
{
    char a;
    struct sa_link *k = add(3, &a);
    nng_socket w = dial(3);
    char *p;
    size_t n;

    say(w, SA_DATA_HELLO, 0, key, sizeof key);
    say(w, SA_DATA_ACCOUNT, 2, "payload", 7);
    say(w, SA_DATA_LAST, 1, NULL, 0);
    wait_for(&seen.messages, 3);
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
    wait_for(&seen.gone, 1);
    ck_assert_uint_eq(seen.forgeries, 0);
}
END_TEST

START_TEST(refuses_a_wrong_key_by_name)
{
    char a, b;
    nng_socket w;

    add(1, &a);
    add(2, &b);
    w = dial(2);
    say(w, SA_DATA_HELLO, 0, other_key, sizeof other_key);
    wait_for(&seen.forgeries, 1);
    ck_assert_ptr_eq(seen.account, &b);
    ck_assert_uint_eq(seen.pid, (uint32_t)getpid());
    ck_assert_uint_eq(seen.bound, 0);
    nng_close(w);
    /* the real one gets in afterwards */
    w = dial(2);
    say(w, SA_DATA_HELLO, 0, key, sizeof key);
    wait_for(&seen.bound, 1);
    nng_close(w);
}
END_TEST

START_TEST(takes_nothing_before_the_key)
{
    static const uint8_t prefix[31] = {1, 2, 3};
    char a;
    nng_socket w;

    add(1, &a);
    w = dial(1);
    say(w, SA_DATA_ACCOUNT, 1, "payload", 7);
    wait_for(&seen.forgeries, 1);
    nng_close(w);
    w = dial(1);
    say(w, SA_DATA_HELLO, 0, prefix, sizeof prefix);
    wait_for(&seen.forgeries, 2);
    nng_close(w);
    w = dial(1);
    say_bytes(w, "x", 1, 2000);
    wait_for(&seen.forgeries, 3);
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

    add(1, &a);
    w = dial(1);
    say(w, SA_DATA_HELLO, 0, key, sizeof key);
    wait_for(&seen.bound, 1);
    say(w, SA_DATA_HELLO, 0, key, sizeof key);
    wait_for(&seen.gone, 1);
    nng_close(w);
}
END_TEST

START_TEST(cuts_off_whom_the_sink_refuses)
{
    char a;
    nng_socket w;

    add(1, &a);
    seen.answer = -1;
    w = dial(1);
    say(w, SA_DATA_HELLO, 0, key, sizeof key);
    say(w, SA_DATA_ACCOUNT, 1, "payload", 7);
    wait_for(&seen.gone, 1);
    ck_assert_uint_eq(seen.messages, 1);
    nng_close(w);
}
END_TEST

START_TEST(closes_a_pipe_that_says_nothing)
{
    char a;
    nng_socket w;

    add(1, &a);
    w = dial(1);
    turn_for(4000);
    ck_assert_uint_eq(seen.forgeries, 0);
    wait_for(&seen.forgeries, 1);
    nng_close(w);
}
END_TEST

START_TEST(a_new_key_ends_the_old_worker)
{
    char a;
    struct sa_link *k = add(1, &a);
    nng_socket w = dial(1);

    say(w, SA_DATA_HELLO, 0, key, sizeof key);
    wait_for(&seen.bound, 1);
    sa_intake_rekey(k, key);
    turn_for(50);
    ck_assert_uint_eq(seen.gone, 0);
    sa_intake_rekey(k, other_key);
    ck_assert_uint_eq(seen.gone, 1);
    nng_close(w);
    w = dial(1);
    say(w, SA_DATA_HELLO, 0, other_key, sizeof other_key);
    wait_for(&seen.bound, 2);
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

    add(1, &a);
    w = dial(1);
    say(w, SA_DATA_HELLO, 0, key, sizeof key);
    wait_for(&seen.bound, 1);
    sa_intake_pause(intake, true);
    while (sent < 50 && say_for(w, SA_DATA_ACCOUNT, 1, payload, sizeof payload, 300) == 0)
        sent++;
    turn_for(50);
    ck_assert_uint_gt(sent, 1);
    ck_assert_uint_lt(sent, 10);
    ck_assert_uint_eq(seen.messages, 0);
    sa_intake_pause(intake, false);
    wait_for(&seen.messages, sent);
    ck_assert_int_eq(say(w, SA_DATA_ACCOUNT, 1, payload, sizeof payload), 0);
    wait_for(&seen.messages, sent + 1);
    nng_close(w);
}
END_TEST

/* Its key can't be heard meanwhile: that is not the guest's fault. */
START_TEST(a_pause_makes_no_forger_of_a_guest)
{
    char a;
    nng_socket w;

    add(1, &a);
    sa_intake_pause(intake, true);
    w = dial(1);
    say(w, SA_DATA_HELLO, 0, key, sizeof key);
    turn_for(6000);
    ck_assert_uint_eq(seen.forgeries, 0);
    sa_intake_pause(intake, false);
    wait_for(&seen.bound, 1);
    ck_assert_uint_eq(seen.forgeries, 0);
    nng_close(w);
}
END_TEST

START_TEST(a_drain_gives_what_has_come)
{
    char a;
    nng_socket w;

    add(1, &a);
    w = dial(1);
    say(w, SA_DATA_HELLO, 0, key, sizeof key);
    wait_for(&seen.bound, 1);
    sa_intake_pause(intake, true);
    for (int i = 0; i < 5; i++)
        say(w, SA_DATA_ACCOUNT, 1, "x", 1);
    usleep(100000); /* nng's threads write them */
    turn_for(20);
    ck_assert_uint_eq(seen.messages, 0);
    sa_intake_drain(intake);
    ck_assert_uint_eq(seen.messages, 5);
    nng_close(w);
}
END_TEST

START_TEST(a_worker_that_does_not_read_is_cut_off)
{
    static uint8_t payload[200 * 1024];
    char a;
    struct sa_link *k = add(1, &a);
    nng_socket w = dial(1);

    say(w, SA_DATA_HELLO, 0, key, sizeof key);
    wait_for(&seen.bound, 1);
    for (int i = 0; i < 100 && seen.gone == 0; i++)
        sa_intake_send(k, SA_DATA_REPLY, payload, sizeof payload);
    ck_assert_uint_eq(seen.gone, 1);
    nng_close(w);
}
END_TEST

/* A worker by our own end of the connection, for what must not wait for nng's threads. */
struct plain {
    struct sa_sp *sp;
    unsigned messages;
};

static void on_plain_message(void *arg, const uint8_t *p, size_t n)
{
    (void)p;
    (void)n;
    ((struct plain *)arg)->messages++;
}

static void on_plain_end(void *arg, const struct sa_err *why)
{
    struct plain *c = arg;

    (void)why;
    sa_sp_free(c->sp);
    c->sp = NULL;
}

static const struct sa_sp_events plain_events = {.message = on_plain_message, .end = on_plain_end};

static int plain_socket(uint32_t index)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_ge(fd, 0);
    snprintf(sa.sun_path, sizeof sa.sun_path, "%s/data/%u", dir, index);
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&sa, sizeof sa), 0);
    return fd;
}

static void plain_dial(struct plain *c, uint32_t index)
{
    static const struct sa_sp_limits limits = {SA_DATA_MAX, SA_DATA_MAX};

    c->messages = 0;
    c->sp = sa_sp_new(loop, plain_socket(index), &limits, &plain_events, c, NULL);
    ck_assert_ptr_nonnull(c->sp);
}

static void plain_say(struct plain *c, enum sa_data_kind kind, const void *p, size_t n)
{
    struct sa_data_header h = {.kind = (uint8_t)kind, .events = 1};
    uint8_t head[SA_DATA_HEADER];

    sa_data_put_header(head, &h);
    if (c->sp)
        ck_assert_int_eq(sa_sp_send(c->sp, head, sizeof head, p, n, NULL), 0);
}

/* Links come and go while their workers talk: no event of a link that is gone may arrive. */
START_TEST(links_can_be_removed_at_any_time)
{
    char a;

    for (unsigned i = 0; i < 200; i++) {
        struct sa_link *k = add(1, &a);
        struct plain c;

        plain_dial(&c, 1);
        plain_say(&c, SA_DATA_HELLO, key, sizeof key);
        if (i % 2)
            wait_for(&seen.bound, seen.bound + 1);
        plain_say(&c, SA_DATA_ACCOUNT, "x", 1);
        plain_say(&c, SA_DATA_ACCOUNT, "x", 1);
        sa_intake_send(k, SA_DATA_UP, NULL, 0);
        if (i % 3)
            sa_loop_turn(loop, 0, NULL);
        sa_intake_remove(intake, k);
        sa_loop_turn(loop, 1, NULL);
        sa_sp_free(c.sp);
    }
    ck_assert_uint_eq(seen.forgeries, 0);
    ck_assert_uint_ge(seen.bound, 100);
}
END_TEST

/* Silent connections do not keep the worker out: it shows its key and is in. */
START_TEST(silent_guests_do_not_keep_the_worker_out)
{
    struct plain silent[10], worker;
    char a;

    add(1, &a);
    for (size_t i = 0; i < 10; i++)
        plain_dial(&silent[i], 1);
    turn_for(50);
    plain_dial(&worker, 1);
    plain_say(&worker, SA_DATA_HELLO, key, sizeof key);
    wait_for(&seen.bound, 1);
    for (size_t i = 0; i < 10; i++)
        sa_sp_free(silent[i].sp);
    sa_sp_free(worker.sp);
}
END_TEST

/* The key is read when the connection is accepted, however many come after it in the same turn. */
START_TEST(a_burst_of_guests_does_not_push_the_worker_out)
{
    struct plain worker;
    char a;
    int fds[20];

    add(1, &a);
    plain_dial(&worker, 1);
    plain_say(&worker, SA_DATA_HELLO, key, sizeof key);
    for (size_t i = 0; i < 20; i++)
        fds[i] = plain_socket(1);
    wait_for(&seen.bound, 1);
    plain_say(&worker, SA_DATA_ACCOUNT, "x", 1);
    wait_for(&seen.messages, 1);
    ck_assert_uint_eq(seen.gone, 0);
    for (size_t i = 0; i < 20; i++)
        close(fds[i]);
    sa_sp_free(worker.sp);
}
END_TEST

/* A child that makes so many connections, and closes each if it is to. */
static pid_t crowd(unsigned n, bool leave)
{
    int go[2];
    pid_t pid;
    char c;

    ck_assert_int_eq(pipe(go), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        for (unsigned i = 0; i < n; i++) {
            int fd = plain_socket(1);

            if (leave)
                close(fd);
        }
        if (write(go[1], "x", 1) != 1)
            _exit(1);
        pause();
    }
    ck_assert_int_eq(read(go[0], &c, 1), 1);
    close(go[0]);
    close(go[1]);
    return pid;
}

static void disperse(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

/* Who takes many places makes room itself, and is reported; another's guest stays. */
START_TEST(a_process_can_not_take_the_places_of_others)
{
    struct plain worker;
    char a;
    pid_t pid;

    add(1, &a);
    plain_dial(&worker, 1);
    turn_for(20);
    pid = crowd(12, false);
    wait_for(&seen.forgeries, 12 - 3);
    turn_for(100);
    ck_assert_uint_eq(seen.forgeries, 12 - 3);
    ck_assert_uint_eq(seen.pid, (uint32_t)pid);
    plain_say(&worker, SA_DATA_HELLO, key, sizeof key);
    wait_for(&seen.bound, 1);
    disperse(pid);
    sa_sp_free(worker.sp);
}
END_TEST

/* Coming and going fills the queue of connections as well; once is no crime. */
START_TEST(who_comes_and_goes_without_a_word_is_reported)
{
    char a;
    pid_t pid;

    add(1, &a);
    pid = crowd(7, true);
    turn_for(100);
    disperse(pid);
    ck_assert_uint_eq(seen.forgeries, 0);
    pid = crowd(8, true);
    wait_for(&seen.forgeries, 1);
    disperse(pid);
    ck_assert_uint_eq(seen.pid, (uint32_t)pid);
}
END_TEST

/* What a worker's messages cost is its own time, in turns with the others. */
START_TEST(dear_messages_do_not_hold_the_others_up)
{
    struct plain slow, other;
    char a, b;

    add(1, &a);
    add(2, &b);
    plain_dial(&slow, 1);
    plain_dial(&other, 2);
    plain_say(&slow, SA_DATA_HELLO, key, sizeof key);
    plain_say(&other, SA_DATA_HELLO, key, sizeof key);
    wait_for(&seen.bound, 2);
    seen.slow = &a;
    for (unsigned i = 0; i < 200; i++)
        plain_say(&slow, SA_DATA_ACCOUNT, "x", 1);
    sa_loop_turn(loop, 0, NULL);
    ck_assert_uint_le(seen.slow_messages, 8); /* a turn has timers, too */
    plain_say(&other, SA_DATA_ACCOUNT, "x", 1);
    wait_for(&seen.messages, 201); /* none is lost */
    ck_assert_uint_le(seen.others_after, 16);
    sa_sp_free(slow.sp);
    sa_sp_free(other.sp);
}
END_TEST

/* A restarted worker need not wait until the end of the one before was noticed. */
START_TEST(the_last_to_show_the_key_is_the_worker)
{
    struct plain first, second;
    char a;

    add(1, &a);
    plain_dial(&first, 1);
    plain_say(&first, SA_DATA_HELLO, key, sizeof key);
    wait_for(&seen.bound, 1);
    plain_dial(&second, 1);
    plain_say(&second, SA_DATA_HELLO, key, sizeof key);
    wait_for(&seen.bound, 2);
    ck_assert_uint_eq(seen.gone, 1);
    plain_say(&second, SA_DATA_ACCOUNT, "x", 1);
    wait_for(&seen.messages, 1);
    sa_sp_free(first.sp);
    sa_sp_free(second.sp);
}
END_TEST

/* Bytes that are no SP: wrong greeting, wrong type, a length that is a lie. */
START_TEST(garbage_is_not_taken_for_a_worker)
{
    static const uint8_t greeting[] = {0, 'S', 'P', 0, 0, 16, 0, 0};
    static const uint8_t bad[][9] = {{1, 0xff, 0, 0, 0, 0, 0, 0, 1},
                                     {2, 0, 0, 0, 0, 0, 0, 0, 0},
                                     {1, 0, 0, 0, 0, 0, 0, 0, 49}}; /* longer than the key */
    char a;

    add(1, &a);
    for (int i = 0; i < 4; i++) {
        int fd = plain_socket(1);
        char c;

        ck_assert_int_eq(write(fd, i ? (const void *)greeting : "GET / HTTP/1.1", 8), 8);
        if (i)
            ck_assert_int_eq(write(fd, bad[i - 1], 9), 9);
        turn_for(50);
        while (recv(fd, &c, 1, MSG_DONTWAIT) == 1)
            continue;
        ck_assert_int_eq(recv(fd, &c, 1, MSG_DONTWAIT), 0); /* closed */
        close(fd);
    }
    ck_assert_uint_eq(seen.forgeries, 4);
    ck_assert_uint_eq(seen.bound, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("uplink_intake");
    TCase *t = tcase_create("intake");
    SRunner *r;
    int failed;

    sa_hash_init();
    tcase_add_checked_fixture(t, set_up, tear_down);
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
    tcase_add_test(t, links_can_be_removed_at_any_time);
    tcase_add_test(t, silent_guests_do_not_keep_the_worker_out);
    tcase_add_test(t, a_burst_of_guests_does_not_push_the_worker_out);
    tcase_add_test(t, a_process_can_not_take_the_places_of_others);
    tcase_add_test(t, who_comes_and_goes_without_a_word_is_reported);
    tcase_add_test(t, dear_messages_do_not_hold_the_others_up);
    tcase_add_test(t, the_last_to_show_the_key_is_the_worker);
    tcase_add_test(t, garbage_is_not_taken_for_a_worker);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
