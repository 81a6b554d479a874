/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accounts of thousands of scopes, from the worker's session over its socket through the router to
 * the embedded cache and back: the lists of scopes are longer than a message may be.
 */
#include <check.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "uplink/router.h"
#include "worker/link.h"
#include "worker/step.h"
#include "worker_fake.h"

#define LONG_NS (60 * SA_NS_PER_S)

static const uint8_t key[32] = "the key of this very connection";
static char dir[64], url[96];
static struct sa_loop *uplink;
static struct sa_router *router;
static struct fake *f;
static struct sa_link *link_;

static int on_message(void *arg, enum sa_data_kind kind, const void *p, size_t n,
                      struct sa_err **err)
{
    (void)arg;
    ck_assert_uint_lt(n, 256 * 1024);
    return sa_session_message(&f->w, kind, p, n, err);
}

static void on_down(void *arg)
{
    (void)arg;
    sa_session_down(&f->w);
}

static void on_drained(void *arg)
{
    (void)arg;
    f->w.pump = true;
}

static void out_send(void *arg, uint32_t events, uint64_t oldest_ns, const void *p, size_t n)
{
    (void)arg;
    ck_assert_uint_lt(n, 256 * 1024);
    sa_link_send(link_, events, oldest_ns, p, n);
}

static size_t out_queued(void *arg)
{
    (void)arg;
    return sa_link_queued(link_);
}

static void on_forgery(void *arg, uint32_t index, uint32_t pid)
{
    (void)arg;
    ck_abort_msg("worker %u, process %u has no key", index, pid);
}

/* Changes or counts in the cache's file, through a connection of its own. */
static int64_t sql(const char *text)
{
    char path[96];
    sqlite3 *h;
    sqlite3_stmt *st;
    int64_t v = -1;

    snprintf(path, sizeof path, "%s/cache.db", dir);
    ck_assert_int_eq(sqlite3_open(path, &h), SQLITE_OK);
    sqlite3_busy_timeout(h, 5000);
    ck_assert_int_eq(sqlite3_prepare_v2(h, text, -1, &st, NULL), SQLITE_OK);
    if (sqlite3_step(st) == SQLITE_ROW)
        v = sqlite3_column_int64(st, 0);
    ck_assert_int_eq(sqlite3_finalize(st), SQLITE_OK);
    sqlite3_close(h);
    return v;
}

static void start_uplink(void)
{
    static const struct sa_settings settings = {.state_dir = dir};
    const struct sa_sink_setup setup = {.settings = &settings, .loop = sa_loop_new(NULL)};
    struct sa_err *err = NULL;
    char data[96];

    sa_hash_init();
    sa_log_set_level(SA_FATAL);
    snprintf(dir, sizeof dir, "/tmp/sa-wide-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(data, sizeof data, "%s/data", dir);
    ck_assert_int_eq(mkdir(data, 0700), 0);
    ck_assert_int_eq(sa_data_url(url, sizeof url, dir, 1), 0);
    uplink = setup.loop;
    router = sa_router_new(&sa_sink_sqlite, &setup, dir, on_forgery, NULL, &err);
    ck_assert_msg(router != NULL, "%s", sa_err_msg(err));
    ck_assert_int_eq(sa_router_add(router, 1, "test", key, &err), 0);
    sa_router_complete(router);
}

static void stop_uplink(void)
{
    char cmd[128];

    sa_router_free(router, 100);
    sa_loop_free(uplink);
    snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
    ck_assert_int_eq(system(cmd), 0);
}

/* Pods and deployments in so many namespaces, none of which may be read as a whole. */
static void start_worker(unsigned namespaces)
{
    static const struct sa_link_events ev = {on_message, on_down, on_drained, NULL};
    struct sa_strings *ns;
    char name[64];

    f = fake_new();
    ns = &f->w.account.namespaces;
    sa_names_add(&f->w.account.kinds, "deployment");
    ns->v = calloc(namespaces, sizeof *ns->v);
    for (; ns->n < namespaces; ns->n++) {
        snprintf(name, sizeof name, "ns-%u", (unsigned)ns->n * 7919 % namespaces);
        ns->v[ns->n] = strdup(name);
    }
    sa_names_add(&f->w.narrow, "pods.");
    sa_names_add(&f->w.narrow, "deployments.apps");
    f->w.out = (struct sa_out){.send = out_send, .queued = out_queued};
    fake_start(f);
    ck_assert_uint_eq(f->w.n_scopes, 2 * namespaces);
    link_ = sa_link_new(f->w.loop, url, key, &ev, NULL);
    ck_assert_ptr_nonnull(link_);
}

static void stop_worker(void)
{
    sa_worker_clear(&f->w);
    sa_link_free(link_);
    sa_loop_free(f->w.loop);
    sa_account_free(&f->w.account);
    free(f);
}

static bool caching(void)
{
    return f->w.session == SA_SESSION_CACHING && !f->w.scopes_changed;
}

static bool refused(void)
{
    return f->w.session == SA_SESSION_REFUSED;
}

/* The uplink and the worker in turns. */
static void wait_for(bool (*what)(void))
{
    uint64_t end = sa_mono_ns() + LONG_NS;

    while (!what()) {
        ck_assert_uint_lt(sa_mono_ns(), end);
        ck_assert_int_eq(sa_loop_turn(uplink, 1, NULL), 0);
        ck_assert_int_eq(sa_loop_turn(f->w.loop, 1, NULL), 0);
    }
}

/* Until so many rows of the table scopes are as the condition says. */
static void wait_for_scopes(const char *condition, int64_t n)
{
    uint64_t end = sa_mono_ns() + LONG_NS;
    char text[128];

    snprintf(text, sizeof text, "SELECT count(*) FROM scopes WHERE %s", condition);
    while (sql(text) != n) {
        ck_assert_msg(sa_mono_ns() < end, "%s: %lld", text, (long long)sql(text));
        for (int i = 0; i < 20; i++) {
            ck_assert_int_eq(sa_loop_turn(uplink, 1, NULL), 0);
            ck_assert_int_eq(sa_loop_turn(f->w.loop, 1, NULL), 0);
        }
    }
}

START_TEST(ten_thousand_scopes_go_both_ways)
{
    start_worker(5000);
    wait_for(caching);
    wait_for_scopes("1", 10000);
    ck_assert_uint_gt(sa_lists_running(&f->w), 0);
    ck_assert_uint_le(sa_lists_running(&f->w), 50);
    stop_worker();
    /* all of it is known to the next worker, which has other settings */
    sql("UPDATE scopes SET checkpoint_version='77',checkpoint_time=1,fingerprint=x'01'");
    start_worker(5000);
    wait_for(caching);
    for (size_t i = 0; i < f->w.n_scopes; i++) {
        ck_assert_uint_eq(f->w.scopes[i]->high, 77);
        ck_assert(f->w.scopes[i]->announced);
    }
    wait_for_scopes("checkpoint_version=''", 10000);
    stop_worker();
}
END_TEST

START_TEST(more_than_anybody_means_are_refused)
{
    start_worker(SA_SCOPES_MAX / 2 + 1);
    wait_for(refused);
    ck_assert_ptr_nonnull(strstr(f->slot.last_error, "20002 scopes"));
    ck_assert_uint_gt(f->w.reopen_ns, sa_mono_ns() + 30 * SA_NS_PER_S);
    stop_worker();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("wide");
    TCase *t = tcase_create("wide");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(t, start_uplink, stop_uplink);
    tcase_set_timeout(t, 100);
    tcase_add_test(t, ten_thousand_scopes_go_both_ways);
    tcase_add_test(t, more_than_anybody_means_are_refused);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
