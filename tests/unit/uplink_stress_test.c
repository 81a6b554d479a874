/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The router with workers that come, go, answer and lie, a stream that ends and comes back, and
 * accounts that are added and taken away, all in random order: for the sanitizers, and to see that
 * operations are never passed to another account's worker.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/log.h"
#include "ipc/data.h"
#include "ipc/sp.h"
#include "uplink/router.h"

#define ACCOUNTS 6u
#define STEPS    4000u
#define ROUNDS   6u
#define HANDLES  512u

struct played {
    uint32_t index;
    struct sa_sp *sp; /* NULL: it is not there */
};

static struct {
    struct sa_sink base;
    const struct sa_sink_events *ev;
    void *arg;
    bool up, fails;
    struct sa_sink_account known[ACCOUNTS];
    size_t n_known;
    uint64_t results, messages;
} sink;

static const uint8_t key[32] = "the key of this very connection";
static char dir[64];
static struct sa_loop *loop;
static struct sa_router *router;
static struct played played[ACCOUNTS];
static uint32_t name_of[ACCOUNTS]; /* number in the account's present name, 0: it is not there */
static uint64_t seed, operations;

/* xorshift64*: the same on every machine. */
static uint32_t any(uint32_t below)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return (uint32_t)((seed * 2685821657736338717u) >> 33) % below;
}

/* ---- the sink ---- */

static int sink_open(const struct sa_sink_setup *setup, const struct sa_sink_events *ev, void *arg,
                     struct sa_sink **out, struct sa_err **err)
{
    (void)setup;
    if (sink.fails)
        return sa_err_set(err, SA_EREFUSED, "made up");
    sink.ev = ev;
    sink.arg = arg;
    *out = &sink.base;
    return 0;
}

static void sink_accounts(struct sa_sink *s, const struct sa_sink_account *v, size_t n)
{
    (void)s;
    ck_assert_uint_le(n, ACCOUNTS);
    if (n > 0)
        memcpy(sink.known, v, n * sizeof *v);
    for (size_t i = 0; i < n; i++)
        sink.known[i].name = NULL; /* borrowed for the call */
    sink.n_known = n;
}

static int sink_message(struct sa_sink *s, uint32_t handle, const void *p, size_t n,
                        uint32_t events, struct sa_err **err)
{
    (void)s;
    (void)p;
    (void)n;
    (void)events;
    ck_assert(sink.up && handle > 0);
    sink.messages++;
    return any(50) ? 0 : sa_err_set(err, SA_ELIMIT, "made up");
}

static int sink_result(struct sa_sink *s, uint32_t handle, const void *p, size_t n,
                       struct sa_err **err)
{
    (void)s;
    (void)handle;
    (void)p;
    (void)n;
    sink.results++;
    return any(50) ? 0 : sa_err_set(err, SA_EMEMORY, "made up");
}

static void sink_gone(struct sa_sink *s, uint32_t handle, const char *reason)
{
    (void)s;
    (void)reason;
    ck_assert(sink.up && handle > 0);
}

/* Orders of the supervisor, and workers, go on while a sink finishes. */
static void sink_close(struct sa_sink *s, unsigned ms)
{
    (void)s;
    (void)ms;
    sa_router_remove(router, any(ACCOUNTS));
    for (unsigned i = 0; i < 3; i++)
        sa_loop_turn(loop, 0, NULL);
    sa_router_remove(router, any(ACCOUNTS));
}

static const struct sa_sink_ops random_sink = {.name = "random",
                                               .open = sink_open,
                                               .accounts = sink_accounts,
                                               .message = sink_message,
                                               .result = sink_result,
                                               .account_gone = sink_gone,
                                               .close = sink_close};

/* ---- the workers ---- */

static void on_message(void *arg, const uint8_t *p, size_t n)
{
    struct played *w = arg;
    struct sa_data_header h;

    ck_assert_int_eq(sa_data_get_header(p, n, &h, NULL), 0);
    if (h.kind == SA_DATA_OPERATION) {
        ck_assert_uint_ge(n, SA_DATA_HEADER + 19);
        ck_assert_uint_eq(p[SA_DATA_HEADER + 2], w->index);
    }
}

static void on_end(void *arg, const struct sa_err *why)
{
    struct played *w = arg;

    (void)why;
    sa_sp_free(w->sp);
    w->sp = NULL;
}

static const struct sa_sp_events events = {.message = on_message, .end = on_end};

static void say(struct played *w, unsigned kind, const void *p, size_t n)
{
    struct sa_data_header h = {.kind = (uint8_t)kind, .events = any(3)};
    uint8_t head[SA_DATA_HEADER];

    sa_data_put_header(head, &h);
    if (w->sp)
        sa_sp_send(w->sp, head, sizeof head, p, n, NULL);
}

static void dial(struct played *w)
{
    static const struct sa_sp_limits limits = {SA_DATA_MAX, SA_DATA_MAX};
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    snprintf(sa.sun_path, sizeof sa.sun_path, "%s/data/%u", dir, w->index);
    if (connect(fd, (const struct sockaddr *)&sa, sizeof sa) < 0) {
        close(fd);
        return;
    }
    w->sp = sa_sp_new(loop, fd, &limits, &events, w, NULL);
    ck_assert_ptr_nonnull(w->sp);
    say(w, SA_DATA_HELLO, any(10) ? key : (const uint8_t *)"another key, by who is no worker", 32);
}

static void worker_acts(struct played *w)
{
    static uint8_t part[200 * 1024] = "\x0a\x10"
                                      "0123456789abcdef"
                                      "\x22\xea\xbf\x0c"; /* a body of 204778 bytes */
    static const uint8_t last[] = "\x0a\x10"
                                  "0123456789abcdef"
                                  "\x30\x01";
    uint8_t bytes[40];

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)any(256);
    if (!w->sp) {
        dial(w);
        return;
    }
    switch (any(12)) {
    case 0:
        sa_sp_free(w->sp);
        w->sp = NULL;
        break;
    case 1:
        say(w, SA_DATA_LAST, NULL, 0);
        break;
    case 2:
        say(w, any(16), bytes, any(sizeof bytes));
        break;
    case 3:
        say(w, SA_DATA_RESULT, bytes, any(sizeof bytes));
        break;
    case 4:
        say(w, SA_DATA_RESULT, part, sizeof part);
        break;
    case 5:
    case 6:
        say(w, SA_DATA_ACCOUNT, bytes, any(sizeof bytes));
        break;
    default:
        say(w, SA_DATA_RESULT, last, sizeof last - 1);
        break;
    }
}

/* ---- the other side, and the supervisor ---- */

static void ask(void)
{
    uint8_t m[] = "\x0a\x10"
                  "0123456789abcdef"
                  "\x10\x05";
    uint32_t handle =
        any(8) || sink.n_known == 0 ? any(HANDLES) : sink.known[any((uint32_t)sink.n_known)].handle;
    bool cancel = any(4) == 0;

    m[2] = 255; /* what no worker may get */
    for (size_t i = 0; i < sink.n_known && !cancel; i++)
        if (any(2)) {
            handle = sink.known[i].handle;
            break;
        }
    /* Handles are given in turn, and the test remembers for whom. */
    for (uint32_t i = 0; i < ACCOUNTS; i++)
        if (name_of[i] == handle)
            m[2] = (uint8_t)i;
    operations++;
    sink.ev->operation(sink.arg, handle, cancel, m, sizeof m - 1);
}

static void stream_acts(void)
{
    SA_CLEANUP(sa_err_free) struct sa_err *why = NULL;
    uint8_t reply[16];

    for (size_t i = 0; i < sizeof reply; i++)
        reply[i] = (uint8_t)any(256);
    switch (any(20)) {
    case 0:
        sa_err_set(&why, SA_ENETWORK, "made up");
        sink.up = false;
        sink.ev->down(sink.arg, why);
        break;
    case 1:
    case 2:
        if (!sink.up) {
            sink.up = true;
            sink.ev->up(sink.arg);
        }
        break;
    case 3:
    case 4:
        if (sink.up)
            sink.ev->pressure(sink.arg, any(2) == 0);
        break;
    case 5:
    case 6:
    case 7:
        sink.ev->result_left(sink.arg, any(HANDLES), any(1 << 20));
        break;
    case 8:
    case 9:
        sink.ev->reply(sink.arg, any(HANDLES), reply, any(sizeof reply));
        break;
    default:
        if (sink.up)
            ask();
        break;
    }
}

static uint32_t given; /* handles so far, as the router counts them */

static void supervisor_acts(void)
{
    uint32_t i = any(ACCOUNTS);
    char name[32];

    switch (any(6)) {
    case 0:
        sa_router_remove(router, i);
        name_of[i] = 0;
        break;
    case 1:
        sa_router_rekey(router, i, key);
        break;
    case 2:
        sa_router_complete(router);
        break;
    case 3:
        sa_router_tick(router);
        break;
    default:
        if (name_of[i] && any(2)) {
            snprintf(name, sizeof name, "account %u", name_of[i]); /* known: a new key alone */
        } else if (given + 1 < HANDLES) {
            name_of[i] = ++given;
            snprintf(name, sizeof name, "account %u", given);
        } else {
            return;
        }
        ck_assert_int_eq(sa_router_add(router, i, name, key, NULL), 0);
        break;
    }
}

static void on_forgery(void *arg, uint32_t index, uint32_t pid)
{
    (void)arg;
    (void)pid;
    ck_assert_uint_lt(index, ACCOUNTS);
}

static void set_up(void)
{
    struct sa_sink_setup setup = {0};
    struct sa_err *err = NULL;
    char data[96];

    sa_hash_init();
    sa_log_set_level(SA_FATAL);
    snprintf(dir, sizeof dir, "/tmp/sa-stress-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(data, sizeof data, "%s/data", dir);
    ck_assert_int_eq(mkdir(data, 0700), 0);
    memset(&sink, 0, sizeof sink);
    memset(name_of, 0, sizeof name_of);
    given = 0;
    loop = setup.loop = sa_loop_new(NULL);
    router = sa_router_new(&random_sink, &setup, dir, on_forgery, NULL, &err);
    ck_assert_msg(router != NULL, "%s", sa_err_msg(err));
    for (uint32_t i = 0; i < ACCOUNTS; i++)
        played[i] = (struct played){.index = i};
}

static void tear_down(void)
{
    char cmd[128];

    for (uint32_t i = 0; i < ACCOUNTS; i++)
        sa_sp_free(played[i].sp);
    sa_loop_free(loop);
    snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
    ck_assert_int_eq(system(cmd), 0);
}

START_TEST(any_order_of_things)
{
    seed = 88172645463325252u + (uint64_t)_i;
    operations = 0;
    for (unsigned i = 0; i < STEPS; i++) {
        switch (any(8)) {
        case 0:
            supervisor_acts();
            break;
        case 1:
        case 2:
        case 3:
            worker_acts(&played[any(ACCOUNTS)]);
            break;
        case 4:
        case 5:
            stream_acts();
            break;
        default:
            sa_loop_turn(loop, 0, NULL);
            break;
        }
    }
    sink.up = true; /* whatever comes while it closes is taken */
    sa_router_free(router, 1);
    ck_assert_uint_gt(operations, 100);
    ck_assert_uint_gt(sink.results, 100);
    ck_assert_uint_gt(sink.messages, 10);
    for (unsigned i = 0; i < 3; i++)
        sa_loop_turn(loop, 0, NULL); /* nothing of the router is called any more */
}
END_TEST

static void on_nothing(void *arg)
{
    ++*(unsigned *)arg;
}

/* A sink that can't be opened: the loop that goes on does not call what was freed. */
START_TEST(a_router_that_did_not_come_to_be)
{
    struct sa_sink_setup setup = {.loop = loop};
    struct sa_timer timer = {0};
    unsigned fired = 0;

    sa_router_free(router, 0);
    sink.fails = true;
    ck_assert_ptr_null(sa_router_new(&random_sink, &setup, dir, on_forgery, NULL, NULL));
    sa_timer_set(loop, &timer, 0, on_nothing, &fired);
    while (fired == 0)
        sa_loop_turn(loop, 10, NULL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("uplink_stress");
    TCase *t = tcase_create("stress");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, any_order_of_things, 0, ROUNDS);
    tcase_add_test(t, a_router_that_did_not_come_to_be);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
