/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop: order of timers, removal from inside callbacks, signals, wake-ups. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/loop.h"
#include "base_test.h"

#define MS SA_NS_PER_MS

static struct sa_loop *loop;
static int calls, order[1024];

static void set_up(void)
{
    loop = sa_loop_new(NULL);
    ck_assert_ptr_nonnull(loop);
    calls = 0;
}

static void tear_down(void)
{
    sa_loop_free(loop);
}

struct numbered {
    struct sa_timer t;
    int number;
};

static void note(void *arg)
{
    order[calls++] = ((struct numbered *)arg)->number;
}

static void stop(void *arg)
{
    (void)arg;
    sa_loop_stop(loop);
}

/* 1,000 timers armed in random order, a third of them cancelled, a third armed anew: they fire by
 * their time. */
START_TEST(timers_fire_in_order)
{
    enum { N = 1000 };
    static struct numbered v[N];
    struct sa_timer end = {0};
    memset(v, 0, sizeof(v));
    for (int i = 0; i < N; i++) {
        v[i].number = i;
        ck_assert_int_eq(sa_timer_set(loop, &v[i].t, sa_random(50 * MS), note, &v[i]), 0);
    }
    int expected = N;
    for (int i = 0; i < N; i++) {
        if (i % 3 == 0) {
            sa_timer_cancel(loop, &v[i].t);
            ck_assert(!sa_timer_armed(&v[i].t));
            expected--;
        } else if (i % 3 == 1) {
            ck_assert_int_eq(sa_timer_set(loop, &v[i].t, sa_random(50 * MS), note, &v[i]), 0);
        }
    }
    uint64_t due[N];
    for (int i = 0; i < N; i++) {
        due[i] = v[i].t.due_ns;
    }
    ck_assert_int_eq(sa_timer_set(loop, &end, 60 * MS, stop, NULL), 0);
    ck_assert_int_eq(sa_loop_run(loop, NULL), 0);
    ck_assert_int_eq(calls, expected);
    for (int i = 1; i < calls; i++) {
        ck_assert_uint_le(due[order[i - 1]], due[order[i]]);
    }
    for (int i = 0; i < calls; i++) {
        ck_assert_int_ne(order[i] % 3, 0);
    }
}
END_TEST

static void cancel_others(void *arg)
{
    struct numbered *v = arg;
    note(&v[0]);
    sa_timer_cancel(loop, &v[1].t);
    sa_timer_cancel(loop, &v[0].t); /* not armed while it runs: nothing to do */
}

START_TEST(timer_cancelled_by_another_does_not_fire)
{
    static struct numbered v[3];
    memset(v, 0, sizeof(v));
    for (int i = 0; i < 3; i++) {
        v[i].number = i;
    }
    sa_timer_set(loop, &v[0].t, 0, cancel_others, v);
    sa_timer_set(loop, &v[1].t, 0, note, &v[1]);
    sa_timer_set(loop, &v[2].t, 0, note, &v[2]);
    usleep(1000);
    ck_assert_int_eq(sa_loop_turn(loop, 0, NULL), 0);
    ck_assert_int_eq(calls, 2);
    ck_assert_int_eq(order[0], 0);
    ck_assert_int_eq(order[1], 2);
}
END_TEST

static void again_at_once(void *arg)
{
    struct numbered *n = arg;
    note(n);
    sa_timer_set(loop, &n->t, 0, again_at_once, n);
}

/* Else a timer without a delay would keep every descriptor waiting for ever. */
START_TEST(timer_armed_in_its_callback_waits_for_the_next_turn)
{
    struct numbered n = {.number = 7};
    sa_timer_set(loop, &n.t, 0, again_at_once, &n);
    usleep(1000);
    ck_assert_int_eq(sa_loop_turn(loop, 0, NULL), 0);
    ck_assert_int_eq(calls, 1);
    ck_assert(sa_timer_armed(&n.t));
    usleep(1000);
    ck_assert_int_eq(sa_loop_turn(loop, 0, NULL), 0);
    ck_assert_int_eq(calls, 2);
    sa_loop_free(loop);
    loop = NULL;
    ck_assert(!sa_timer_armed(&n.t));
}
END_TEST

START_TEST(timer_far_away_does_not_overflow)
{
    struct numbered n = {0};
    ck_assert_int_eq(sa_timer_set(loop, &n.t, UINT64_MAX, note, &n), 0);
    ck_assert_uint_eq(n.t.due_ns, UINT64_MAX);
    ck_assert_int_eq(sa_loop_turn(loop, 5, NULL), 0);
    ck_assert_int_eq(calls, 0);
    sa_timer_cancel(loop, &n.t); /* the loop outlives it */
}
END_TEST

START_TEST(timer_is_never_early_and_the_wait_is_no_spin)
{
    struct numbered n = {0};
    uint64_t from = sa_mono_ns();
    sa_timer_set(loop, &n.t, 20 * MS + 300000, note, &n);
    int turns = 0;
    while (calls == 0) {
        sa_loop_turn(loop, -1, NULL);
        turns++;
    }
    ck_assert_uint_ge(sa_mono_ns() - from, 20 * MS + 300000);
    ck_assert_int_le(turns, 2);
}
END_TEST

/* Two descriptors are ready in the same turn; the callback of whichever comes first removes both
 * and gives the other's number to something else. Only one callback may run. */
static int pipes[2][2];

static void wrong_cb(void *arg, int fd, uint32_t events)
{
    (void)arg;
    (void)fd;
    (void)events;
    ck_abort_msg("an event of a removed watch reached its successor");
}

static void remove_both(void *arg, int fd, uint32_t events)
{
    (void)arg;
    (void)events;
    calls++;
    int other = fd == pipes[0][0] ? pipes[1][0] : pipes[0][0];
    sa_loop_fd_remove(loop, fd);
    sa_loop_fd_remove(loop, other);
    close(other);
    int quiet[2];
    ck_assert_int_eq(pipe(quiet), 0);
    ck_assert_int_eq(quiet[0], other); /* the lowest free number: the case that is meant */
    ck_assert_int_eq(sa_loop_fd(loop, other, EPOLLIN, wrong_cb, NULL, NULL), 0);
}

START_TEST(event_of_a_removed_watch_is_dropped)
{
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(pipe(pipes[i]), 0);
        ck_assert_int_eq(write(pipes[i][1], "x", 1), 1);
        ck_assert_int_eq(sa_loop_fd(loop, pipes[i][0], EPOLLIN, remove_both, NULL, NULL), 0);
    }
    ck_assert_int_eq(sa_loop_turn(loop, 1000, NULL), 0);
    ck_assert_int_eq(calls, 1);
    ck_assert_int_eq(sa_loop_turn(loop, 10, NULL), 0);
    ck_assert_int_eq(calls, 1);
}
END_TEST

static void count_fd(void *arg, int fd, uint32_t events)
{
    (void)fd;
    calls++;
    *(uint32_t *)arg = events;
}

START_TEST(descriptor_closed_without_removal_can_be_watched_again)
{
    uint32_t events = 0;
    int p[2];
    ck_assert_int_eq(pipe(p), 0);
    ck_assert_int_eq(sa_loop_fd(loop, p[0], EPOLLIN, wrong_cb, NULL, NULL), 0);
    close(p[0]);
    close(p[1]);
    ck_assert_int_eq(pipe(p), 0);
    ck_assert_int_eq(sa_loop_fd(loop, p[0], EPOLLIN, count_fd, &events, NULL), 0);
    ck_assert_int_eq(write(p[1], "x", 1), 1);
    ck_assert_int_eq(sa_loop_turn(loop, 1000, NULL), 0);
    ck_assert_int_eq(calls, 1);
    ck_assert_uint_eq(events, EPOLLIN);
    sa_loop_fd_remove(loop, p[0]);
    sa_loop_fd_remove(loop, p[0]);
    sa_loop_fd_remove(loop, 100000);
    sa_loop_fd_remove(loop, -1);
}
END_TEST

START_TEST(what_is_watched_can_be_changed)
{
    uint32_t events = 0;
    int s[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    ck_assert_int_eq(sa_loop_fd(loop, s[0], EPOLLIN, count_fd, &events, NULL), 0);
    sa_loop_turn(loop, 5, NULL);
    ck_assert_int_eq(calls, 0);
    ck_assert_int_eq(sa_loop_fd(loop, s[0], EPOLLIN | EPOLLOUT, count_fd, &events, NULL), 0);
    sa_loop_turn(loop, 1000, NULL);
    ck_assert_int_eq(calls, 1);
    ck_assert_uint_eq(events, EPOLLOUT);
    struct sa_err *err = NULL;
    ck_assert_int_eq(sa_loop_fd(loop, 900, EPOLLIN, count_fd, &events, &err), -1);
    ck_assert_str_eq(sa_err_msg(err), "event loop: watch of descriptor 900: Bad file descriptor");
    sa_err_free(&err);
}
END_TEST

static int turn_ends;
static void turn_end(void *arg)
{
    (void)arg;
    turn_ends++;
}

START_TEST(turn_end_follows_what_was_dispatched)
{
    uint32_t events = 0;
    int p[2];
    turn_ends = 0;
    sa_loop_on_turn_end(loop, turn_end, NULL);
    sa_loop_turn(loop, 1, NULL);
    ck_assert_int_eq(turn_ends, 0);
    ck_assert_int_eq(pipe(p), 0);
    sa_loop_fd(loop, p[0], EPOLLIN, count_fd, &events, NULL);
    ck_assert_int_eq(write(p[1], "x", 1), 1);
    sa_loop_turn(loop, 1000, NULL);
    ck_assert_int_eq(turn_ends, 1);
}
END_TEST

/* What comes during a rest waits for its end and is dispatched in one turn; the rest is for one
 * turn only. */
START_TEST(rest_lets_events_gather)
{
    struct numbered n = {.number = 1};
    uint32_t events = 0;
    int fd[2];
    ck_assert_int_eq(pipe2(fd, O_NONBLOCK | O_CLOEXEC), 0);
    ck_assert_int_eq(sa_loop_fd(loop, fd[0], EPOLLIN, count_fd, &events, NULL), 0);
    ck_assert_int_eq(sa_timer_set(loop, &n.t, 5 * MS, note, &n), 0);
    ck_assert_int_eq(write(fd[1], "x", 1), 1);
    sa_loop_rest(loop, 20 * MS);
    uint64_t began = sa_mono_ns();
    ck_assert_int_eq(sa_loop_turn(loop, -1, NULL), 0);
    ck_assert_uint_ge(sa_mono_ns() - began, 20 * MS);
    ck_assert_uint_eq(events, EPOLLIN);
    ck_assert_int_eq(calls, 2); /* the timer came due during the rest */
    sa_loop_fd_remove(loop, fd[0]);
    sa_loop_rest(loop, 20 * MS);
    ck_assert_int_eq(sa_timer_set(loop, &n.t, 0, note, &n), 0);
    ck_assert(sa_loop_due(loop));
    began = sa_mono_ns();
    ck_assert_int_eq(sa_loop_turn(loop, 0, NULL), 0);
    ck_assert_int_eq(calls, 3); /* it was due before the rest, which is yet to come */
    ck_assert(!sa_loop_due(loop));
    ck_assert_int_eq(sa_loop_turn(loop, 0, NULL), 0);
    ck_assert_uint_ge(sa_mono_ns() - began, 20 * MS);
    ck_assert_int_eq(sa_loop_fd(loop, fd[0], EPOLLIN, count_fd, &events, NULL), 0);
    began = sa_mono_ns();
    ck_assert_int_eq(sa_loop_turn(loop, 10000, NULL), 0);
    ck_assert_int_eq(calls, 4);
    ck_assert_uint_lt(sa_mono_ns() - began, 5000 * MS);
    sa_loop_fd_remove(loop, fd[0]);
    close(fd[0]);
    close(fd[1]);
}
END_TEST

static void on_signal(void *arg, int sig)
{
    ck_assert_ptr_eq(arg, &calls);
    order[calls++] = sig;
}

START_TEST(signals_arrive_in_the_loop)
{
    struct sa_err *err = NULL;
    ck_assert_int_eq(sa_loop_signal(loop, SIGUSR1, on_signal, &calls, NULL), 0);
    ck_assert_int_eq(sa_loop_signal(loop, SIGUSR2, on_signal, &calls, NULL), 0);
    raise(SIGUSR2);
    raise(SIGUSR1);
    raise(SIGUSR1); /* merged by the kernel */
    sa_loop_turn(loop, 1000, NULL);
    ck_assert_int_eq(calls, 2);
    ck_assert(order[0] + order[1] == SIGUSR1 + SIGUSR2 && order[0] != order[1]);
    ck_assert_int_eq(sa_loop_signal(loop, 0, on_signal, NULL, &err), -1);
    ck_assert_int_eq(sa_loop_signal(loop, 9999, on_signal, NULL, &err), -1);
    sa_err_free(&err);
}
END_TEST

static void *wake_often(void *arg)
{
    for (int i = 0; i < 1000; i++) {
        sa_wake_set(arg);
    }
    return NULL;
}

static void woken(void *arg)
{
    (void)arg;
    calls++;
}

START_TEST(wake_ups_come_from_other_threads)
{
    pthread_t t;
    struct sa_wake *w = sa_wake_new(loop, woken, NULL, NULL);
    ck_assert_ptr_nonnull(w);
    ck_assert_int_eq(pthread_create(&t, NULL, wake_often, w), 0);
    ck_assert_int_eq(sa_loop_turn(loop, 5000, NULL), 0);
    pthread_join(t, NULL);
    while (sa_loop_turn(loop, 0, NULL) == 0 && calls < 1) {
    }
    sa_loop_turn(loop, 0, NULL);
    int so_far = calls;
    ck_assert_int_ge(so_far, 1);
    ck_assert_int_lt(so_far, 1000);
    sa_loop_turn(loop, 0, NULL);
    ck_assert_int_eq(calls, so_far); /* nothing left over */
    sa_wake_free(w);
    sa_wake_free(NULL);
}
END_TEST

START_TEST(stop_before_run_ends_it)
{
    sa_loop_stop(loop);
    ck_assert_int_eq(sa_loop_run(loop, NULL), 0);
}
END_TEST

TCase *base_test_loop(void)
{
    TCase *t = tcase_create("loop");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_set_timeout(t, 20);
    tcase_add_test(t, timers_fire_in_order);
    tcase_add_test(t, timer_cancelled_by_another_does_not_fire);
    tcase_add_test(t, timer_armed_in_its_callback_waits_for_the_next_turn);
    tcase_add_test(t, timer_far_away_does_not_overflow);
    tcase_add_test(t, timer_is_never_early_and_the_wait_is_no_spin);
    tcase_add_test(t, event_of_a_removed_watch_is_dropped);
    tcase_add_test(t, descriptor_closed_without_removal_can_be_watched_again);
    tcase_add_test(t, what_is_watched_can_be_changed);
    tcase_add_test(t, turn_end_follows_what_was_dispatched);
    tcase_add_test(t, rest_lets_events_gather);
    tcase_add_test(t, signals_arrive_in_the_loop);
    tcase_add_test(t, wake_ups_come_from_other_threads);
    tcase_add_test(t, stop_before_run_ends_it);
    return t;
}
