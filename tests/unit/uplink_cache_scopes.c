/* SPDX-License-Identifier: Apache-2.0 */
/* What the embedded other side keeps of scopes, and how it says so. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "uplink/sqlite_schema.h"
#include "uplink_cache_fixture.h"

static const Scaleagent__V1__KnownScope *reopen(void)
{
    commit();
    sa_cache_close(&cache);
    open_cache();
    accounts("a", NULL);
    ok(1, fx_open("cluster"));
    ck_assert_uint_eq(last[1]->welcome->n_scopes, 2);
    return last[1]->welcome->scopes[0];
}

START_TEST(a_fingerprint_comes_back_as_it_was)
{
    const Scaleagent__V1__KnownScope *k;
    uint64_t epoch;

    accounts("a", NULL);
    epoch = open_account(1);
    ok(1, fx_checkpoint(epoch, 1, "77", "of today"));
    k = reopen();
    ck_assert_str_eq(k->resource_version, "77");
    ck_assert_uint_eq(k->fingerprint.len, 8);
    ck_assert_mem_eq(k->fingerprint.data, "of today", 8);
    ck_assert_uint_eq(last[1]->welcome->scopes[1]->fingerprint.len, 0);
}
END_TEST

START_TEST(a_checkpoint_can_be_taken_back)
{
    const Scaleagent__V1__KnownScope *k;
    uint64_t epoch;

    accounts("a", NULL);
    epoch = open_account(1);
    ok(1, fx_checkpoint(epoch, 1, "77", "f"));
    /* amid a snapshot too, where no checkpoint may come */
    ok(1, fx_begin(epoch, 1, 1));
    ok(1, fx_checkpoint(epoch, 1, "", ""));
    ck_assert_int_eq(give(1, fx_checkpoint(epoch, 1, "78", "f")), SA_CACHE_REFUSED);
    k = reopen();
    ck_assert_str_eq(k->resource_version, "");
    ck_assert_uint_eq(k->fingerprint.len, 0);
    ck_assert_uint_eq(k->age_ms, 0);
}
END_TEST

START_TEST(a_fingerprint_is_short)
{
    char text[SA_CACHE_MAX_FINGERPRINT + 2];
    uint64_t epoch;

    memset(text, 'f', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    accounts("a", NULL);
    epoch = open_account(1);
    ok(1, fx_checkpoint(epoch, 1, "77", text + 1));
    ck_assert_int_eq(give(1, fx_checkpoint(epoch, 1, "77", text)), SA_CACHE_REFUSED);
}
END_TEST

START_TEST(the_first_layout_is_brought_up)
{
    const Scaleagent__V1__KnownScope *k;
    uint64_t epoch;
    sqlite3 *h;

    accounts("a", NULL);
    epoch = open_account(1);
    put(1, epoch, 1, "x", "{\"a\":1}");
    ok(1, fx_checkpoint(epoch, 1, "77", "f"));
    commit();
    sa_cache_close(&cache);
    ck_assert_int_eq(sqlite3_open(path, &h), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(h,
                                  "ALTER TABLE scopes DROP COLUMN fingerprint;"
                                  "PRAGMA user_version=1",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(h);
    open_cache();
    ck_assert_int_eq(query("PRAGMA user_version"), SA_SQLITE_VERSION);
    ck_assert_int_eq(query("SELECT count(*) FROM objects"), 1);
    accounts("a", NULL);
    k = reopen();
    ck_assert_str_eq(k->resource_version, "77");
    ck_assert_uint_eq(k->fingerprint.len, 0); /* no worker takes it for its own */
    ck_assert_uint_eq(k->count, 1);
    ok(1, fx_scopes(last[1]->epoch, (struct fx_scope[]){{1, "pods", NULL}}, 1));
    ok(1, fx_checkpoint(last[1]->epoch, 1, "78", "f"));
    commit();
    check_sums();
}
END_TEST

TCase *uplink_cache_scopes_cases(void)
{
    TCase *t = tcase_create("scopes");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_fingerprint_comes_back_as_it_was);
    tcase_add_test(t, a_checkpoint_can_be_taken_back);
    tcase_add_test(t, a_fingerprint_is_short);
    tcase_add_test(t, the_first_layout_is_brought_up);
    return t;
}
