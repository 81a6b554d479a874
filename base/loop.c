/* SPDX-License-Identifier: Apache-2.0 */
#include "base/loop.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"

#define EVENTS_A_TURN 64

/* One watched descriptor. The generation goes along with the kernel's event, so that an event that
 * was fetched before its watch was removed (and perhaps the number used again) is known to be
 * stale. */
struct watch {
    sa_fd_cb *cb; /* NULL: not watched */
    void *arg;
    uint32_t events;
    uint32_t generation;
};

struct signal_watch {
    sa_signal_cb *cb;
    void *arg;
};

struct sa_loop {
    int epoll_fd, signal_fd;
    bool stopped;
    uint64_t rest_ns;      /* to sleep before the next turn */
    struct watch *watches; /* by descriptor */
    size_t n_watches;
    struct sa_timer **heap; /* binary heap by due_ns */
    size_t n_timers, heap_cap;
    sa_timer_cb *turn_end;
    void *turn_end_arg;
    sigset_t mask;
    struct signal_watch signals[NSIG];
};

struct sa_loop *sa_loop_new(struct sa_err **err)
{
    struct sa_loop *l = calloc(1, sizeof(*l));
    if (l == NULL) {
        sa_err_set(err, SA_EMEMORY, "event loop");
        return NULL;
    }
    l->signal_fd = -1;
    sigemptyset(&l->mask);
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (l->epoll_fd < 0) {
        sa_err_sys(err, errno, "event loop: epoll");
        free(l);
        return NULL;
    }
    return l;
}

void sa_loop_free(struct sa_loop *l)
{
    if (l == NULL) {
        return;
    }
    for (size_t i = 0; i < l->n_timers; i++) {
        l->heap[i]->due_ns = 0;
    }
    sa_closep(&l->signal_fd);
    sa_closep(&l->epoll_fd);
    free(l->heap);
    free(l->watches);
    free(l);
}

void sa_loop_stop(struct sa_loop *l)
{
    l->stopped = true;
}

/* Descriptors */

static int grow_watches(struct sa_loop *l, size_t fd, struct sa_err **err)
{
    if (fd < l->n_watches) {
        return 0;
    }
    size_t n = l->n_watches + l->n_watches / 2;
    if (n <= fd) {
        n = fd + 16;
    }
    struct watch *w = reallocarray(l->watches, n, sizeof(*w));
    if (w == NULL) {
        return sa_err_set(err, SA_EMEMORY, "event loop: watch of descriptor %zu", fd);
    }
    memset(w + l->n_watches, 0, (n - l->n_watches) * sizeof(*w));
    l->watches = w;
    l->n_watches = n;
    return 0;
}

/* Who closes a watched descriptor before removing the watch leaves the kernel's list and ours
 * apart: try the other operation before giving up. */
static int control(struct sa_loop *l, int fd, struct epoll_event *ev, bool known)
{
    int first = known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (epoll_ctl(l->epoll_fd, first, fd, ev) == 0) {
        return 0;
    }
    if (known && errno == ENOENT) {
        return epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, ev);
    }
    if (!known && errno == EEXIST) {
        return epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, fd, ev);
    }
    return -1;
}

int sa_loop_fd(struct sa_loop *l, int fd, uint32_t events, sa_fd_cb *cb, void *arg,
               struct sa_err **err)
{
    if (fd < 0 || cb == NULL) {
        return sa_err_set(err, SA_EINTERNAL, "event loop: watch of descriptor %d", fd);
    }
    if (grow_watches(l, (size_t)fd, err) != 0) {
        return -1;
    }
    struct watch *w = &l->watches[fd];
    bool known = w->cb != NULL;
    uint32_t generation = known ? w->generation : w->generation + 1;
    struct epoll_event ev = {.events = events};
    ev.data.u64 = (uint64_t)generation << 32 | (uint32_t)fd;
    if (control(l, fd, &ev, known) != 0) {
        return sa_err_sys(err, errno, "event loop: watch of descriptor %d", fd);
    }
    *w = (struct watch){.cb = cb, .arg = arg, .events = events, .generation = generation};
    return 0;
}

void sa_loop_fd_remove(struct sa_loop *l, int fd)
{
    if (fd < 0 || (size_t)fd >= l->n_watches || l->watches[fd].cb == NULL) {
        return;
    }
    l->watches[fd].cb = NULL;
    l->watches[fd].arg = NULL;
    /* Fails where fd was closed before, which is no matter. */
    epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

static void dispatch_fd(struct sa_loop *l, const struct epoll_event *ev)
{
    uint32_t fd = (uint32_t)ev->data.u64;
    uint32_t generation = (uint32_t)(ev->data.u64 >> 32);
    if (fd < l->n_watches && l->watches[fd].cb != NULL && l->watches[fd].generation == generation) {
        struct watch w = l->watches[fd]; /* a copy: the callback may move the table */
        w.cb(w.arg, (int)fd, ev->events);
    }
}

/* Timers */

static void place(struct sa_loop *l, struct sa_timer *t, size_t i)
{
    l->heap[i] = t;
    t->index = (uint32_t)i;
}

static void sift_up(struct sa_loop *l, struct sa_timer *t, size_t i)
{
    while (i > 0 && l->heap[(i - 1) / 2]->due_ns > t->due_ns) {
        place(l, l->heap[(i - 1) / 2], i);
        i = (i - 1) / 2;
    }
    place(l, t, i);
}

static void sift_down(struct sa_loop *l, struct sa_timer *t, size_t i)
{
    for (size_t child = 2 * i + 1; child < l->n_timers; child = 2 * i + 1) {
        if (child + 1 < l->n_timers && l->heap[child + 1]->due_ns < l->heap[child]->due_ns) {
            child++;
        }
        if (l->heap[child]->due_ns >= t->due_ns) {
            break;
        }
        place(l, l->heap[child], i);
        i = child;
    }
    place(l, t, i);
}

int sa_timer_set(struct sa_loop *l, struct sa_timer *t, uint64_t delay_ns, sa_timer_cb *cb,
                 void *arg)
{
    sa_timer_cancel(l, t);
    if (l->n_timers == l->heap_cap) {
        size_t cap = l->heap_cap + l->heap_cap / 2 + 16;
        struct sa_timer **heap =
            cap <= UINT32_MAX ? reallocarray(l->heap, cap, sizeof(struct sa_timer *)) : NULL;
        if (heap == NULL) {
            return -1;
        }
        l->heap = heap;
        l->heap_cap = cap;
    }
    uint64_t now = sa_mono_ns();
    t->due_ns = delay_ns > UINT64_MAX - now ? UINT64_MAX : now + delay_ns;
    t->cb = cb;
    t->arg = arg;
    sift_up(l, t, l->n_timers++);
    return 0;
}

void sa_timer_cancel(struct sa_loop *l, struct sa_timer *t)
{
    if (t->due_ns == 0) {
        return;
    }
    size_t i = t->index;
    t->due_ns = 0;
    struct sa_timer *last = l->heap[--l->n_timers];
    if (last == t) {
        return;
    }
    if (i > 0 && l->heap[(i - 1) / 2]->due_ns > last->due_ns) {
        sift_up(l, last, i);
    } else {
        sift_down(l, last, i);
    }
}

bool sa_timer_armed(const struct sa_timer *t)
{
    return t->due_ns != 0;
}

/* Fires what was due when the turn began: a timer that its callback arms again waits for the next
 * turn, so that descriptors get their share. */
static bool dispatch_timers(struct sa_loop *l)
{
    bool any = false;
    uint64_t now = sa_mono_ns();
    while (l->n_timers > 0 && l->heap[0]->due_ns <= now) {
        struct sa_timer *t = l->heap[0];
        sa_timer_cancel(l, t);
        t->cb(t->arg);
        any = true;
    }
    return any;
}

/* The shorter of the caller's wait and the time to the next timer, rounded up to whole
 * milliseconds: a wait rounded down would spin for the rest. */
static int wait_ms(const struct sa_loop *l, int timeout_ms)
{
    if (l->n_timers == 0) {
        return timeout_ms;
    }
    uint64_t now = sa_mono_ns();
    uint64_t due = l->heap[0]->due_ns;
    uint64_t left = due <= now ? 0 : (due - now) / SA_NS_PER_MS + 1;
    int ms = left > INT_MAX ? INT_MAX : (int)left;
    return timeout_ms < 0 || ms < timeout_ms ? ms : timeout_ms;
}

void sa_loop_on_turn_end(struct sa_loop *l, sa_timer_cb *cb, void *arg)
{
    l->turn_end = cb;
    l->turn_end_arg = arg;
}

bool sa_loop_due(const struct sa_loop *l)
{
    return l->n_timers > 0 && l->heap[0]->due_ns <= sa_mono_ns();
}

void sa_loop_rest(struct sa_loop *l, uint64_t ns)
{
    l->rest_ns = ns;
}

/* A signal may end it early, which is no matter. */
static void rest(struct sa_loop *l)
{
    struct timespec t = {.tv_sec = (time_t)(l->rest_ns / SA_NS_PER_S),
                         .tv_nsec = (long)(l->rest_ns % SA_NS_PER_S)};
    l->rest_ns = 0;
    nanosleep(&t, NULL);
}

int sa_loop_turn(struct sa_loop *l, int timeout_ms, struct sa_err **err)
{
    struct epoll_event events[EVENTS_A_TURN];
    if (l->rest_ns > 0 && !l->stopped && !sa_loop_due(l)) {
        rest(l);
    }
    int n = epoll_wait(l->epoll_fd, events, EVENTS_A_TURN, wait_ms(l, timeout_ms));
    if (n < 0) {
        if (errno != EINTR) {
            return sa_err_sys(err, errno, "event loop: wait");
        }
        n = 0;
    }
    for (int i = 0; i < n; i++) {
        dispatch_fd(l, &events[i]);
    }
    bool any = dispatch_timers(l) || n > 0;
    if (any && l->turn_end != NULL) {
        l->turn_end(l->turn_end_arg);
    }
    return 0;
}

int sa_loop_run(struct sa_loop *l, struct sa_err **err)
{
    while (!l->stopped) {
        if (sa_loop_turn(l, -1, err) != 0) {
            return -1;
        }
    }
    l->stopped = false;
    return 0;
}

/* Signals */

static void on_signal_fd(void *arg, int fd, uint32_t events)
{
    struct sa_loop *l = arg;
    struct signalfd_siginfo si;
    (void)events;
    while (read(fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
        if (si.ssi_signo < NSIG && l->signals[si.ssi_signo].cb != NULL) {
            l->signals[si.ssi_signo].cb(l->signals[si.ssi_signo].arg, (int)si.ssi_signo);
        }
    }
}

int sa_loop_signal(struct sa_loop *l, int sig, sa_signal_cb *cb, void *arg, struct sa_err **err)
{
    sigset_t one;
    sigemptyset(&one);
    if (sig <= 0 || sig >= NSIG || sigaddset(&one, sig) != 0) {
        return sa_err_set(err, SA_EINTERNAL, "event loop: there is no signal %d", sig);
    }
    sigaddset(&l->mask, sig);
    int rc = pthread_sigmask(SIG_BLOCK, &one, NULL);
    if (rc != 0) {
        return sa_err_sys(err, rc, "event loop: block signal %d", sig);
    }
    int fd = signalfd(l->signal_fd, &l->mask, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0) {
        return sa_err_sys(err, errno, "event loop: signalfd");
    }
    l->signal_fd = fd;
    l->signals[sig] = (struct signal_watch){.cb = cb, .arg = arg};
    return sa_loop_fd(l, fd, EPOLLIN, on_signal_fd, l, err);
}

/* Wake-ups from other threads */

struct sa_wake {
    struct sa_loop *loop;
    int fd;
    sa_timer_cb *cb;
    void *arg;
};

static void on_wake_fd(void *arg, int fd, uint32_t events)
{
    struct sa_wake *w = arg;
    uint64_t n;
    (void)events;
    /* Read before the callback: what is set while it runs wakes again. */
    if (read(fd, &n, sizeof(n)) == (ssize_t)sizeof(n)) {
        w->cb(w->arg);
    }
}

struct sa_wake *sa_wake_new(struct sa_loop *l, sa_timer_cb *cb, void *arg, struct sa_err **err)
{
    struct sa_wake *w = calloc(1, sizeof(*w));
    if (w == NULL) {
        sa_err_set(err, SA_EMEMORY, "event loop: wake-up");
        return NULL;
    }
    *w = (struct sa_wake){.loop = l, .cb = cb, .arg = arg};
    w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w->fd < 0) {
        sa_err_sys(err, errno, "event loop: eventfd");
    } else if (sa_loop_fd(l, w->fd, EPOLLIN, on_wake_fd, w, err) == 0) {
        return w;
    }
    sa_closep(&w->fd);
    free(w);
    return NULL;
}

void sa_wake_set(struct sa_wake *w)
{
    uint64_t one = 1;
    /* Fails only where the counter is full, and then the loop is woken already. */
    ssize_t n = write(w->fd, &one, sizeof(one));
    (void)n;
}

void sa_wake_free(struct sa_wake *w)
{
    if (w == NULL) {
        return;
    }
    sa_loop_fd_remove(w->loop, w->fd);
    sa_closep(&w->fd);
    free(w);
}
