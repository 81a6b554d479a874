/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop that every process but the short-lived ones runs: descriptors by epoll, timers,
 * signals. One thread calls everything here, except sa_wake_set().
 */
#ifndef SA_BASE_LOOP_H
#define SA_BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct sa_loop;
struct sa_err;

struct sa_loop *sa_loop_new(struct sa_err **err);
void sa_loop_free(struct sa_loop *l); /* NULL is allowed; watches and timers go with it */
/* Runs until sa_loop_stop(). Returns 0, or -1 when epoll itself failed. */
int sa_loop_run(struct sa_loop *l, struct sa_err **err);
/* One turn: waits at most timeout_ms (-1: until something happens) and dispatches. */
int sa_loop_turn(struct sa_loop *l, int timeout_ms, struct sa_err **err);
void sa_loop_stop(struct sa_loop *l);

/* Descriptors. events and the callback's events are EPOLLIN, EPOLLOUT, ... A callback may change or
 * remove any watch, its own included. The loop never closes fd. */
typedef void sa_fd_cb(void *arg, int fd, uint32_t events);
int sa_loop_fd(struct sa_loop *l, int fd, uint32_t events, sa_fd_cb *cb, void *arg,
               struct sa_err **err); /* adds, or changes what is watched on fd */
void sa_loop_fd_remove(struct sa_loop *l, int fd);

/* Timers: intrusive, zero-initialised by the owner, who keeps them alive while armed. */
typedef void sa_timer_cb(void *arg);
struct sa_timer {
    uint64_t due_ns; /* by sa_mono_ns(), 0 while not armed */
    uint32_t index;  /* private: place in the heap */
    sa_timer_cb *cb;
    void *arg;
};
/* Arms (or re-arms) t to fire once in delay_ns. Returns 0, or -1 for lack of memory. */
int sa_timer_set(struct sa_loop *l, struct sa_timer *t, uint64_t delay_ns, sa_timer_cb *cb,
                 void *arg);
void sa_timer_cancel(struct sa_loop *l, struct sa_timer *t);
bool sa_timer_armed(const struct sa_timer *t);
/* A timer is due: the next turn comes at once. */
bool sa_loop_due(const struct sa_loop *l);

/* Called at the end of every turn that dispatched something: the place to flush batches. */
void sa_loop_on_turn_end(struct sa_loop *l, sa_timer_cb *cb, void *arg);

/* Lets the loop sleep for so long before its next turn, so that more comes in between and is
 * handled together: being woken costs more than most of what one is woken for. Everything waits,
 * timers and signals too: for a few milliseconds, where there is steady load. */
void sa_loop_rest(struct sa_loop *l, uint64_t ns);

/* Signals by signalfd; blocks sig in the calling thread. One callback a signal. */
typedef void sa_signal_cb(void *arg, int sig);
int sa_loop_signal(struct sa_loop *l, int sig, sa_signal_cb *cb, void *arg, struct sa_err **err);

/* A wake-up from another thread (an eventfd). sa_wake_set may be called from any thread; the
 * callback runs in the loop's, once for any number of sets. */
struct sa_wake;
struct sa_wake *sa_wake_new(struct sa_loop *l, sa_timer_cb *cb, void *arg, struct sa_err **err);
void sa_wake_set(struct sa_wake *w);
void sa_wake_free(struct sa_wake *w);

#endif
