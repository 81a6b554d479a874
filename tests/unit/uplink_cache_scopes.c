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

/* In parts of `part` scopes: pods in n1, n2, ... */
static void name_scopes(uint64_t epoch, uint32_t n, uint32_t part)
{
    struct fx_scope v[1000];
    char(*names)[64] = calloc(n + 1, sizeof *names);

    for (uint32_t from = 0; from < n; from += part) {
        uint32_t k = n - from < part ? n - from : part;

        for (uint32_t i = 0; i < k; i++) {
            snprintf(names[from + i], sizeof *names, "a-namespace-with-a-long-name-%u", from + i);
            v[i] = (struct fx_scope){1 + from + i, "pods", names[from + i]};
        }
        ok(1, from + k < n ? fx_scopes_more(epoch, v, k) : fx_scopes(epoch, v, k));
    }
    free(names);
}

START_TEST(a_long_list_comes_and_goes_in_parts)
{
    uint64_t epoch;

    accounts("a", NULL);
    ok(1, fx_open("cluster"));
    epoch = last[1]->epoch;
    ck_assert_uint_eq(parts, 1);
    ck_assert_uint_eq(welcomed, 0);
    name_scopes(epoch, 10000, 1000);
    put(1, epoch, 1, "x", "{\"a\":1}");
    ok(1, fx_checkpoint(epoch, 9999, "5", "f"));
    commit();
    ck_assert_int_eq(query("SELECT count(*) FROM scopes"), 10000);
    ok(1, fx_open("cluster"));
    ck_assert_uint_eq(welcomed, 10000);
    ck_assert_uint_gt(parts, 3);
    ck_assert(!last[1]->welcome->more);
    ck_assert_uint_gt(last[1]->welcome->credit, 0);
    /* half of them stay, with what they have; others come */
    epoch = last[1]->epoch;
    name_scopes(epoch, 5000, 999);
    commit();
    ck_assert_int_eq(query("SELECT count(*) FROM scopes"), 5000);
    ck_assert_int_eq(query("SELECT count(*) FROM objects"), 1);
    name_scopes(epoch, 10000, 1000);
    commit();
    ck_assert_int_eq(query("SELECT count(*) FROM scopes WHERE checkpoint_version<>''"), 0);
    check_sums();
}
END_TEST

START_TEST(nothing_goes_before_the_last_part)
{
    static const struct fx_scope pods = {1, "pods", NULL}, services = {2, "services", NULL},
                                 nodes = {3, "nodes", NULL};
    uint64_t epoch;

    accounts("a", NULL);
    epoch = open_account(1); /* pods and services */
    put(1, epoch, 1, "x", "{\"a\":1}");
    ok(1, fx_scopes_more(epoch, &services, 1));
    commit();
    ck_assert_int_eq(query("SELECT count(*) FROM scopes"), 2);
    ck_assert_int_eq(query("SELECT count(*) FROM objects"), 1);
    /* a new epoch knows nothing of the part */
    ok(1, fx_open("cluster"));
    epoch = last[1]->epoch;
    ok(1, fx_scopes(epoch, (struct fx_scope[]){pods, nodes}, 2));
    commit();
    ck_assert_int_eq(query("SELECT count(*) FROM scopes WHERE resource='services'"), 0);
    ck_assert_int_eq(query("SELECT count(*) FROM objects"), 1);
    check_sums();
}
END_TEST

/* Each ends the epoch. */
START_TEST(a_list_without_an_end_is_refused)
{
    static const struct fx_scope pods = {1, "pods", NULL}, again = {9, "pods", NULL},
                                 id = {1, "nodes", NULL};
    struct fx_scope v[1000];
    uint64_t epoch;
    char ns[64];

    accounts("a", NULL);
    epoch = open_account(1);
    ok(1, fx_scopes_more(epoch, &pods, 1));
    ck_assert_int_eq(give(1, fx_sums(epoch, 1, 0, &(struct sa_sum){0})), SA_CACHE_REFUSED);
    epoch = open_account(1);
    ok(1, fx_scopes_more(epoch, &pods, 1));
    ck_assert_int_eq(give(1, fx_scopes_more(epoch, NULL, 0)), SA_CACHE_REFUSED);
    epoch = open_account(1);
    ok(1, fx_scopes_more(epoch, &pods, 1));
    ck_assert_int_eq(give(1, fx_scopes(epoch, &again, 1)), SA_CACHE_REFUSED);
    epoch = open_account(1);
    ok(1, fx_scopes_more(epoch, &pods, 1));
    ck_assert_int_eq(give(1, fx_scopes(epoch, &id, 1)), SA_CACHE_REFUSED);
    /* an id means one scope for the whole epoch */
    epoch = open_account(1);
    ck_assert_int_eq(give(1, fx_scopes(epoch, &again, 1)), SA_CACHE_REFUSED);
    epoch = open_account(1);
    for (uint32_t k = 0; k < SA_SCOPES_MAX / 1000; k++) {
        for (uint32_t i = 0; i < 1000; i++)
            v[i] = (struct fx_scope){1 + k * 1000 + i, "pods", ns};
        snprintf(ns, sizeof ns, "n%u", k);
        ok(1, fx_scopes_more(epoch, v, 1000));
    }
    ck_assert_int_eq(give(1, fx_scopes_more(epoch, &again, 1)), SA_CACHE_REFUSED);
    ck_assert_uint_eq(cache.accounts[0]->n_list, 0);
    commit();
    ck_assert_int_eq(query("SELECT count(*) FROM scopes"), 2);
    open_account(1);
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
    tcase_add_test(t, a_long_list_comes_and_goes_in_parts);
    tcase_add_test(t, nothing_goes_before_the_last_part);
    tcase_add_test(t, a_list_without_an_end_is_refused);
    return t;
}
