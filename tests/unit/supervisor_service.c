/* SPDX-License-Identifier: Apache-2.0 */
/* The status that the exporter asks for, of a fleet whose status no channel could queue. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "supervisor/reload.h"
#include "supervisor/root.h"
#include "supervisor/service.h"
#include "supervisor/watch.h"

#define ACCOUNTS 3000u

static const char *const none[] = {NULL};
static const struct sa_config_paths paths = {none, none, none};
static const struct sa_supervisor_options options = {.paths = &paths};
static struct sa_supervisor sup;
static int exporter; /* its end of the channel */

static int on_message(void *arg, uint8_t type, struct sa_rd *body)
{
    (void)arg;
    (void)type;
    (void)body;
    return -1;
}

static void on_end(void *arg, const struct sa_err *reason)
{
    (void)arg;
    (void)reason;
}

static void set_up(void)
{
    int fds[2];

    memset(&sup, 0, sizeof(sup));
    sup.opt = &options;
    sup.loop = sa_loop_new(NULL);
    sup.agent_id = strdup("agent");
    sup.runtime_dir = strdup("/run/x");
    sup.state_dir = strdup("/var/x");
    sa_service_init(&sup);
    sup.reload = sa_reload_new(&sup, NULL);
    sup.accounts = calloc(ACCOUNTS, sizeof(struct sa_acct *));
    for (size_t i = 0; i < ACCOUNTS; i++) {
        struct sa_acct *a = calloc(1, sizeof(*a));
        char name[32], file[1024];

        snprintf(name, sizeof(name), "account-%04zu", i);
        snprintf(file, sizeof(file), "/etc/scale-agent/accounts.d/%0900zu.yml", i);
        a->sup = &sup;
        a->ref.name = strdup(name);
        a->ref.file = strdup(file);
        sa_proc_init(&a->worker, &sup, NULL, SA_ROLE_WORKER, a->ref.name, a);
        sa_proc_init(&a->helper, &sup, NULL, SA_ROLE_HELPER, a->ref.name, a);
        snprintf(a->worker.last_error, sizeof(a->worker.last_error), "%0200zu", i);
        sup.accounts[sup.n_accounts++] = a;
    }
    ck_assert_int_eq(sa_ctl_pair(fds, NULL), 0);
    exporter = fds[1];
    sup.exporter.state = SA_PROC_RUNNING;
    sup.exporter.ctl = sa_ctl_new(sup.loop, fds[0], on_message, on_end, &sup.exporter, NULL);
    ck_assert_ptr_nonnull(sup.exporter.ctl);
}

static void tear_down(void)
{
    sa_reload_free(sup.reload);
    sa_acct_free_all(&sup);
    sa_proc_free(&sup.uplink);
    sa_proc_free(&sup.exporter);
    sa_watcher_free(sup.watcher);
    sa_buf_free(&sup.status);
    sa_loop_free(sup.loop);
    free(sup.agent_id);
    free(sup.runtime_dir);
    free(sup.state_dir);
    close(exporter);
}

static void ask(uint32_t id)
{
    struct sa_buf body = {0};
    struct sa_rd rd;

    sa_wr_u32(&body, id);
    sa_wr_str(&body, "");
    sa_rd_init(&rd, body.data, body.len);
    ck_assert_int_eq(sup.exporter.ops->message(&sup.exporter, SA_CTL_STATUS_WANT, &rd), 0);
    sa_buf_free(&body);
}

/* Adds what has come of the answer to question id. True with its last part. */
static bool receive(uint32_t id, struct sa_buf *json)
{
    static uint8_t in[SA_CTL_MAX];
    ssize_t n;

    while ((n = recv(exporter, in, sizeof(in), MSG_DONTWAIT)) > 0) {
        struct sa_rd rd;
        size_t length;

        ck_assert_uint_eq(in[0], SA_CTL_STATUS);
        sa_rd_init(&rd, in + 1, (size_t)n - 1);
        uint32_t of = sa_rd_u32(&rd);
        bool last = sa_rd_u8(&rd) != 0;
        const uint8_t *part = sa_rd_bytes(&rd, &length);
        ck_assert(sa_rd_done(&rd));
        if (of != id)
            continue;
        sa_buf_add(json, part, length);
        if (last)
            return true;
    }
    return false;
}

static void get_answer(uint32_t id)
{
    struct sa_buf json = {0};
    bool done = false;

    for (int i = 0; i < 1000 && !(done = receive(id, &json)); i++)
        ck_assert_int_eq(sa_loop_turn(sup.loop, 1, NULL), 0);
    ck_assert(done);
    ck_assert_int_eq(sup.exporter.why, SA_END_NONE);
    ck_assert_uint_gt(json.len, (size_t)5 << 20);
    ck_assert_ptr_nonnull(strstr(json.data, "\"account-0000\""));
    ck_assert_ptr_nonnull(strstr(json.data, "\"account-2999\""));
    ck_assert_str_eq(json.data + json.len - 3, "}]}");
    ck_assert_uint_eq(sup.status.cap, 0); /* it is not kept */
    sa_buf_free(&json);
}

START_TEST(the_status_of_a_large_fleet_is_sent_as_the_exporter_reads_it)
{
    ask(1);
    get_answer(1);
    ask(2);
    get_answer(2);
}
END_TEST

START_TEST(a_question_that_was_given_up_is_not_answered_to_the_end)
{
    ask(1);
    ask(2);
    get_answer(2);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("supervisor service");
    TCase *tc = tcase_create("status");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, the_status_of_a_large_fleet_is_sent_as_the_exporter_reads_it);
    tcase_add_test(tc, a_question_that_was_given_up_is_not_answered_to_the_end);
    suite_add_tcase(s, tc);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
