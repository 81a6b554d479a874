/* SPDX-License-Identifier: Apache-2.0 */
/* The router between a worker, played by the test, and a sink that counts. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "ipc/data.h"
#include "ipc/sp.h"
#include "proto/scale_agent.pb-c.h"
#include "uplink/router.h"
#include "uplink_messages.h"

static const uint8_t key[32] = "the key of this very connection";
static char dir[64];
static struct sa_loop *loop;
static struct sa_router *router;

static struct {
    struct sa_sink base;
    const struct sa_sink_events *ev;
    void *arg;
    unsigned messages, gone, results;
    uint32_t result_handle;
    Scaleagent__V1__OperationResult *result; /* the last one */
} sink;

/* What came to the worker last. */
static struct {
    unsigned n, kinds[16];
    uint8_t kind;
    uint8_t body[64];
    size_t body_n;
} told;

static int sink_open(const struct sa_sink_setup *setup, const struct sa_sink_events *ev, void *arg,
                     struct sa_sink **out, struct sa_err **err)
{
    (void)setup;
    (void)err;
    sink.ev = ev;
    sink.arg = arg;
    *out = &sink.base;
    return 0;
}

static void sink_accounts(struct sa_sink *s, const struct sa_sink_account *v, size_t n)
{
    (void)s;
    (void)v;
    (void)n;
    sink.ev->up(sink.arg);
}

static int sink_message(struct sa_sink *s, uint32_t handle, const void *p, size_t n,
                        uint32_t events, struct sa_err **err)
{
    (void)s;
    (void)handle;
    (void)p;
    (void)n;
    (void)events;
    (void)err;
    sink.messages++;
    return 0;
}

static void sink_gone(struct sa_sink *s, uint32_t handle, const char *reason)
{
    (void)s;
    (void)handle;
    (void)reason;
    sink.gone++;
}

static void sink_close(struct sa_sink *s, unsigned ms)
{
    (void)s;
    (void)ms;
}

static int sink_result(struct sa_sink *s, uint32_t handle, const void *p, size_t n,
                       struct sa_err **err)
{
    (void)s;
    (void)err;
    sink.results++;
    sink.result_handle = handle;
    if (sink.result)
        scaleagent__v1__operation_result__free_unpacked(sink.result, NULL);
    sink.result = scaleagent__v1__operation_result__unpack(NULL, n, p);
    ck_assert_ptr_nonnull(sink.result);
    return 0;
}

static const struct sa_sink_ops counting = {.name = "counting",
                                            .open = sink_open,
                                            .accounts = sink_accounts,
                                            .message = sink_message,
                                            .result = sink_result,
                                            .account_gone = sink_gone,
                                            .close = sink_close};

static void on_forgery(void *arg, uint32_t index, uint32_t pid)
{
    (void)arg;
    ck_abort_msg("worker %u, process %u has no key", index, pid);
}

static void set_up(void)
{
    struct sa_sink_setup setup = {0};
    struct sa_err *err = NULL;
    char data[96];

    sa_hash_init();
    sa_log_set_level(SA_FATAL);
    memset(&sink, 0, sizeof sink);
    memset(&told, 0, sizeof told);
    snprintf(dir, sizeof dir, "/tmp/sa-router-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(data, sizeof data, "%s/data", dir);
    ck_assert_int_eq(mkdir(data, 0700), 0);
    loop = setup.loop = sa_loop_new(NULL);
    router = sa_router_new(&counting, &setup, dir, on_forgery, NULL, &err);
    ck_assert_msg(router != NULL, "%s", sa_err_msg(err));
    ck_assert_int_eq(sa_router_add(router, 1, "test", key, &err), 0);
    sa_router_complete(router);
}

static void tear_down(void)
{
    char cmd[128];

    sa_router_free(router, 0);
    sa_loop_free(loop);
    snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
    ck_assert_int_eq(system(cmd), 0);
}

static void turn_for(unsigned ms)
{
    uint64_t end = sa_mono_ns() + ms * SA_NS_PER_MS;

    while (sa_mono_ns() < end)
        sa_loop_turn(loop, 10, NULL);
}

static struct sa_sp *worker; /* NULL: cut off */

static void until_cut_off(void)
{
    uint64_t end = sa_mono_ns() + 10 * SA_NS_PER_S;

    while (worker && sa_mono_ns() < end)
        sa_loop_turn(loop, 10, NULL);
    ck_assert_ptr_null(worker);
}

static void on_message(void *arg, const uint8_t *p, size_t n)
{
    struct sa_data_header h;

    (void)arg;
    ck_assert_int_eq(sa_data_get_header(p, n, &h, NULL), 0);
    told.n++;
    told.kinds[h.kind]++;
    told.kind = h.kind;
    told.body_n = n - SA_DATA_HEADER;
    memcpy(told.body, p + SA_DATA_HEADER, told.body_n < 64 ? told.body_n : 64);
}

static void on_end(void *arg, const struct sa_err *why)
{
    (void)arg;
    (void)why;
    sa_sp_free(worker);
    worker = NULL;
}

static const struct sa_sp_events events = {.message = on_message, .end = on_end};

static void say(enum sa_data_kind kind, const void *p, size_t n)
{
    struct sa_data_header h = {.kind = (uint8_t)kind};
    uint8_t head[SA_DATA_HEADER];

    sa_data_put_header(head, &h);
    if (worker)
        ck_assert_int_eq(sa_sp_send(worker, head, sizeof head, p, n, NULL), 0);
}

static void dial(void)
{
    static const struct sa_sp_limits limits = {SA_DATA_MAX, SA_DATA_MAX};
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(sa.sun_path, sizeof sa.sun_path, "%s/data/1", dir);
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&sa, sizeof sa), 0);
    worker = sa_sp_new(loop, fd, &limits, &events, NULL, NULL);
    ck_assert_ptr_nonnull(worker);
    say(SA_DATA_HELLO, key, sizeof key);
    turn_for(50);
}

/* Turns until the sink has so many messages. */
static void until_messages(unsigned n)
{
    uint64_t end = sa_mono_ns() + 10 * SA_NS_PER_S;

    while (sink.messages < n && sa_mono_ns() < end)
        sa_loop_turn(loop, 10, NULL);
    ck_assert_uint_eq(sink.messages, n);
}

static void say_open(unsigned times)
{
    struct fx m = fx_open("cluster");

    for (unsigned i = 0; i < times; i++)
        say(SA_DATA_ACCOUNT, m.p, m.n);
    fx_free(&m);
}

/* Who begins epoch after epoch is cut off, on a new connection as well; other messages are free. */
START_TEST(epochs_are_not_begun_without_end)
{
    static const struct fx_scope scope = {1, "pods", NULL};
    struct fx m = fx_scopes(1, &scope, 1);

    dial();
    say_open(10);
    until_messages(10);
    for (unsigned i = 0; i < 100; i++)
        say(SA_DATA_ACCOUNT, m.p, m.n);
    fx_free(&m);
    until_messages(110);
    ck_assert_ptr_nonnull(worker);
    say_open(1000);
    until_cut_off();
    ck_assert_uint_eq(sink.gone, 1);
    ck_assert_uint_le(sink.messages, 115);
    for (unsigned i = 0; i < 4; i++) {
        dial();
        say_open(20);
        until_cut_off();
    }
    ck_assert_uint_le(sink.messages, 120); /* one a second */
    sink.messages = 0;
    /* The sink was down: that all begin anew is not their fault. */
    sink.ev->up(sink.arg);
    dial();
    say_open(10);
    until_messages(10);
    ck_assert_ptr_nonnull(worker);
    sa_sp_free(worker);
}
END_TEST

/* What the other side might read as an AccountOpen counts as one. */
START_TEST(what_is_malformed_counts_as_well)
{
    static const uint8_t group[] = {0x7b, 0x7c, 0x12, 0x00};

    dial();
    for (unsigned i = 0; i < 50; i++)
        say(SA_DATA_ACCOUNT, group, sizeof group);
    until_cut_off();
    ck_assert_uint_le(sink.messages, 15);
}
END_TEST

static const uint8_t operation[] = "\x0a\x10"
                                   "0123456789abcdef"
                                   "\x10\x05";
#define OPERATION_N (sizeof operation - 1)

static void forget_result(void)
{
    if (sink.result)
        scaleagent__v1__operation_result__free_unpacked(sink.result, NULL);
    sink.result = NULL;
}

static void until_results(unsigned n)
{
    uint64_t end = sa_mono_ns() + 10 * SA_NS_PER_S;

    while (sink.results < n && sa_mono_ns() < end)
        sa_loop_turn(loop, 10, NULL);
    ck_assert_uint_eq(sink.results, n);
}

/* Where no worker is there the uplink answers, of which it reads the id alone. */
START_TEST(what_no_worker_takes_is_answered)
{
    sink.ev->operation(sink.arg, 1, false, operation, OPERATION_N);
    ck_assert_uint_eq(sink.results, 1);
    ck_assert_uint_eq(sink.result_handle, 1);
    ck_assert_int_eq(sink.result->code, SCALEAGENT__V1__OPERATION_RESULT__CODE__UNAVAILABLE);
    ck_assert(sink.result->last && sink.result->retriable);
    ck_assert_uint_eq(sink.result->id.len, 16);
    ck_assert_mem_eq(sink.result->id.data, "0123456789abcdef", 16);
    forget_result();
    /* Handles that were never given are answered too, and nothing else happens to them. */
    sink.ev->operation(sink.arg, 0, false, operation, OPERATION_N);
    sink.ev->operation(sink.arg, 99, false, operation, OPERATION_N);
    sink.ev->operation(sink.arg, 99, true, operation, OPERATION_N);
    ck_assert_uint_eq(sink.results, 3);
    forget_result();
}
END_TEST

START_TEST(a_worker_gets_its_operations_and_answers_for_itself)
{
    /* id, last, and a handle (field 15) that it may claim as much as it likes */
    static const uint8_t result[] = "\x0a\x10"
                                    "0123456789abcdef"
                                    "\x30\x01\x78\x07";

    dial();
    sink.ev->operation(sink.arg, 1, false, operation, OPERATION_N);
    sink.ev->operation(sink.arg, 1, true, operation, OPERATION_N);
    turn_for(50);
    ck_assert_uint_eq(sink.results, 0);
    ck_assert_uint_eq(told.kinds[SA_DATA_OPERATION], 1);
    ck_assert_uint_eq(told.kinds[SA_DATA_CANCEL], 1);
    say(SA_DATA_RESULT, result, sizeof result - 1);
    until_results(1);
    ck_assert_uint_eq(sink.result_handle, 1);
    forget_result();
    sa_sp_free(worker);
}
END_TEST

/* A worker waits until its results have left; who does not is cut off. */
START_TEST(results_are_bounded)
{
    uint8_t *part = calloc(1, 200 * 1024);
    unsigned sent = 0;

    memcpy(part,
           "\x0a\x10"
           "0123456789abcdef"
           "\x22\xea\xbf\x0c",
           22); /* a body of 204778 */
    dial();
    while (worker && sent < 64) {
        say(SA_DATA_RESULT, part, 200 * 1024);
        turn_for(20);
        forget_result();
        sent++;
        if (sent == 2) {
            sink.ev->result_left(sink.arg, 1, 400 * 1024);
            turn_for(50);
            ck_assert_uint_eq(told.kind, SA_DATA_ROOM);
            ck_assert_uint_eq(told.body_n, 8);
            ck_assert_uint_eq((unsigned)told.body[1] | (unsigned)told.body[2] << 8,
                              400 * 1024 / 256);
        }
    }
    ck_assert_ptr_null(worker);
    ck_assert_uint_ge(sent, 20);
    ck_assert_uint_le(sent, 24);
    free(part);
}
END_TEST

/* While the sink can't keep up nothing is read, but for who has somebody waiting. */
START_TEST(answers_come_under_pressure)
{
    static const uint8_t result[] = "\x0a\x10"
                                    "0123456789abcdef"
                                    "\x30\x01";

    dial();
    sink.ev->pressure(sink.arg, true);
    say(SA_DATA_RESULT, result, sizeof result - 1);
    turn_for(100);
    ck_assert_uint_eq(sink.results, 0);
    sink.ev->operation(sink.arg, 1, false, operation, OPERATION_N);
    until_results(1);
    forget_result();
    say(SA_DATA_RESULT, result, sizeof result - 1);
    turn_for(100);
    ck_assert_uint_eq(sink.results, 1); /* nobody waits any more */
    sink.ev->pressure(sink.arg, false);
    until_results(2);
    forget_result();
    sa_sp_free(worker);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("uplink_router");
    TCase *t = tcase_create("router");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_set_timeout(t, 30);
    tcase_add_test(t, epochs_are_not_begun_without_end);
    tcase_add_test(t, what_is_malformed_counts_as_well);
    tcase_add_test(t, what_no_worker_takes_is_answered);
    tcase_add_test(t, a_worker_gets_its_operations_and_answers_for_itself);
    tcase_add_test(t, results_are_bounded);
    tcase_add_test(t, answers_come_under_pressure);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
