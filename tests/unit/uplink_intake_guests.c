/* SPDX-License-Identifier: Apache-2.0 */
/* Workers and others at the uplink's socket, by our own end of the connection. */
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipc/sp.h"
#include "uplink_intake_rig.h"

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
    snprintf(sa.sun_path, sizeof sa.sun_path, "%s/data/%u", rig.dir, index);
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&sa, sizeof sa), 0);
    return fd;
}

static void plain_dial(struct plain *c, uint32_t index)
{
    static const struct sa_sp_limits limits = {SA_DATA_MAX, SA_DATA_MAX};

    c->messages = 0;
    c->sp = sa_sp_new(rig.loop, plain_socket(index), &limits, &plain_events, c, NULL);
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
        struct sa_link *k = rig_add(1, &a);
        struct plain c;

        plain_dial(&c, 1);
        plain_say(&c, SA_DATA_HELLO, rig_key, sizeof rig_key);
        if (i % 2)
            rig_wait_for(&seen.bound, seen.bound + 1);
        plain_say(&c, SA_DATA_ACCOUNT, "x", 1);
        plain_say(&c, SA_DATA_ACCOUNT, "x", 1);
        sa_intake_send(k, SA_DATA_UP, NULL, 0);
        if (i % 3)
            sa_loop_turn(rig.loop, 0, NULL);
        sa_intake_remove(rig.intake, k);
        sa_loop_turn(rig.loop, 1, NULL);
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

    rig_add(1, &a);
    for (size_t i = 0; i < 10; i++)
        plain_dial(&silent[i], 1);
    rig_turn_for(50);
    plain_dial(&worker, 1);
    plain_say(&worker, SA_DATA_HELLO, rig_key, sizeof rig_key);
    rig_wait_for(&seen.bound, 1);
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

    rig_add(1, &a);
    plain_dial(&worker, 1);
    plain_say(&worker, SA_DATA_HELLO, rig_key, sizeof rig_key);
    for (size_t i = 0; i < 20; i++)
        fds[i] = plain_socket(1);
    rig_wait_for(&seen.bound, 1);
    plain_say(&worker, SA_DATA_ACCOUNT, "x", 1);
    rig_wait_for(&seen.messages, 1);
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

    rig_add(1, &a);
    plain_dial(&worker, 1);
    rig_turn_for(20);
    pid = crowd(12, false);
    rig_wait_for(&seen.forgeries, 12 - 3);
    rig_turn_for(100);
    ck_assert_uint_eq(seen.forgeries, 12 - 3);
    ck_assert_uint_eq(seen.pid, (uint32_t)pid);
    plain_say(&worker, SA_DATA_HELLO, rig_key, sizeof rig_key);
    rig_wait_for(&seen.bound, 1);
    disperse(pid);
    sa_sp_free(worker.sp);
}
END_TEST

/* Coming and going fills the queue of connections as well; once is no crime. */
START_TEST(who_comes_and_goes_without_a_word_is_reported)
{
    char a;
    pid_t pid;

    rig_add(1, &a);
    pid = crowd(7, true);
    rig_turn_for(100);
    disperse(pid);
    ck_assert_uint_eq(seen.forgeries, 0);
    pid = crowd(8, true);
    rig_wait_for(&seen.forgeries, 1);
    disperse(pid);
    ck_assert_uint_eq(seen.pid, (uint32_t)pid);
}
END_TEST

/* What a worker's messages cost is its own time, in turns with the others. */
START_TEST(dear_messages_do_not_hold_the_others_up)
{
    struct plain slow, other;
    char a, b;

    rig_add(1, &a);
    rig_add(2, &b);
    plain_dial(&slow, 1);
    plain_dial(&other, 2);
    plain_say(&slow, SA_DATA_HELLO, rig_key, sizeof rig_key);
    plain_say(&other, SA_DATA_HELLO, rig_key, sizeof rig_key);
    rig_wait_for(&seen.bound, 2);
    seen.slow = &a;
    for (unsigned i = 0; i < 200; i++)
        plain_say(&slow, SA_DATA_ACCOUNT, "x", 1);
    sa_loop_turn(rig.loop, 0, NULL);
    ck_assert_uint_le(seen.slow_messages, 8); /* a turn has timers, too */
    plain_say(&other, SA_DATA_ACCOUNT, "x", 1);
    rig_wait_for(&seen.messages, 201); /* none is lost */
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

    rig_add(1, &a);
    plain_dial(&first, 1);
    plain_say(&first, SA_DATA_HELLO, rig_key, sizeof rig_key);
    rig_wait_for(&seen.bound, 1);
    plain_dial(&second, 1);
    plain_say(&second, SA_DATA_HELLO, rig_key, sizeof rig_key);
    rig_wait_for(&seen.bound, 2);
    ck_assert_uint_eq(seen.gone, 1);
    plain_say(&second, SA_DATA_ACCOUNT, "x", 1);
    rig_wait_for(&seen.messages, 1);
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

    rig_add(1, &a);
    for (int i = 0; i < 4; i++) {
        int fd = plain_socket(1);
        char c;

        ck_assert_int_eq(write(fd, i ? (const void *)greeting : "GET / HTTP/1.1", 8), 8);
        if (i)
            ck_assert_int_eq(write(fd, bad[i - 1], 9), 9);
        rig_turn_for(50);
        while (recv(fd, &c, 1, MSG_DONTWAIT) == 1)
            continue;
        ck_assert_int_eq(recv(fd, &c, 1, MSG_DONTWAIT), 0); /* closed */
        close(fd);
    }
    ck_assert_uint_eq(seen.forgeries, 4);
    ck_assert_uint_eq(seen.bound, 0);
}
END_TEST

TCase *intake_guests(void)
{
    TCase *t = tcase_create("guests");
    tcase_add_checked_fixture(t, rig_make, rig_remove);
    tcase_set_timeout(t, 30);
    tcase_add_test(t, links_can_be_removed_at_any_time);
    tcase_add_test(t, silent_guests_do_not_keep_the_worker_out);
    tcase_add_test(t, a_burst_of_guests_does_not_push_the_worker_out);
    tcase_add_test(t, a_process_can_not_take_the_places_of_others);
    tcase_add_test(t, who_comes_and_goes_without_a_word_is_reported);
    tcase_add_test(t, dear_messages_do_not_hold_the_others_up);
    tcase_add_test(t, the_last_to_show_the_key_is_the_worker);
    tcase_add_test(t, garbage_is_not_taken_for_a_worker);
    return t;
}
