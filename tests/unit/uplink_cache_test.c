/* SPDX-License-Identifier: Apache-2.0 */
/* The embedded other side: what it stores, answers and refuses, and that its sums are those of its
 * rows. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "uplink/sqlite_schema.h"
#include "uplink_cache_fixture.h"

START_TEST(acknowledges_after_the_commit)
{
    uint64_t epoch;

    accounts("a", NULL);
    epoch = open_account(1);
    commit();
    replies = 0;
    put(1, epoch, 1, "x", "{\"a\":1}");
    put(1, epoch, 2, "y", "{\"b\":1}");
    ck_assert_uint_eq(replies, 0);
    ck_assert_int_eq(query("SELECT count(*) FROM objects"), 0);
    commit();
    ck_assert_uint_eq(replies, 1);
    ck_assert_int_eq(last[1]->body_case, SCALEAGENT__V1__ACCOUNT_REPLY__BODY_ACK);
    ck_assert_uint_eq(last[1]->ack->sequence, 2);
    ck_assert_uint_gt(last[1]->ack->credit, SA_CACHE_WINDOW);
    ck_assert_int_eq(query("SELECT count(*) FROM objects"), 2);
    check_sums();
}
END_TEST

START_TEST(welcomes_with_what_is_stored)
{
    uint64_t epoch, again;

    accounts("a", NULL);
    epoch = open_account(1);
    put(1, epoch, 1, "x", "{\"a\":1}");
    ok(1, fx_checkpoint(epoch, 1, "77", "f"));
    commit();
    sa_cache_close(&cache);
    open_cache();
    accounts("a", NULL);
    ok(1, fx_open("cluster"));
    again = last[1]->epoch;
    ck_assert_uint_gt(again, epoch);
    ck_assert_uint_eq(last[1]->welcome->n_scopes, 2);
    ck_assert_str_eq(last[1]->welcome->scopes[0]->name->resource, "pods");
    ck_assert_str_eq(last[1]->welcome->scopes[0]->resource_version, "77");
    ck_assert_uint_lt(last[1]->welcome->scopes[0]->age_ms, 60000);
    ck_assert_uint_eq(last[1]->welcome->scopes[0]->count, 1);
    ck_assert_str_eq(last[1]->welcome->scopes[1]->resource_version, "");
    ck_assert_uint_eq(last[1]->welcome->scopes[1]->count, 0);
}
END_TEST

START_TEST(an_epoch_ends_the_one_before)
{
    uint64_t first, second;

    accounts("a", NULL);
    first = open_account(1);
    second = open_account(1);
    ck_assert_uint_gt(second, first);
    put(1, first, 1, "old", "{\"a\":1}");
    put(1, second, 1, "new", "{\"a\":1}");
    commit();
    ck_assert_int_eq(query("SELECT count(*) FROM objects WHERE name='old'"), 0);
    ck_assert_int_eq(query("SELECT count(*) FROM objects WHERE name='new'"), 1);
}
END_TEST

START_TEST(answers_sums)
{
    uint64_t epoch;

    accounts("a", NULL);
    epoch = open_account(1);
    ck_assert(in_step(epoch, 1, 0, NULL));
    put(1, epoch, 1, "x", "{\"a\":1}");
    put(1, epoch, 2, "y", "{\"b\":1}");
    ck_assert(in_step(epoch, 1, 2, (const char *[]){"{\"b\":1}", "{\"a\":1}"}));
    ck_assert(!in_step(epoch, 1, 1, (const char *[]){"{\"a\":1}"}));
    put(1, epoch, 3, "x", NULL);
    ck_assert(in_step(epoch, 1, 1, (const char *[]){"{\"b\":1}"}));
    put(1, epoch, 4, "y", "{\"c\":1}");
    ck_assert(in_step(epoch, 1, 1, (const char *[]){"{\"c\":1}"}));
    ck_assert(in_step(epoch, 2, 0, NULL));
}
END_TEST

START_TEST(compares_by_pages)
{
    uint64_t epoch;

    accounts("a", NULL);
    epoch = open_account(1);
    put(1, epoch, 1, "same", "{\"a\":1}");
    put(1, epoch, 2, "differs", "{\"b\":1}");
    put(1, epoch, 3, "ghost", "{\"c\":1}");
    put(1, epoch, 4, "coming", "{\"d\":1}");
    put(1, epoch, 5, "renewed", "{\"r\":1}");
    ok(1, fx_begin(epoch, 1, 1));
    ok(1, fx_page(epoch, 1, 1, 0,
                  (struct fx_entry[]){{"ns", "same", "{\"a\":1}"}, {"ns", "differs", "{\"b\":2}"}},
                  2));
    ck_assert_int_eq(last[1]->body_case, SCALEAGENT__V1__ACCOUNT_REPLY__BODY_WANTS);
    ck_assert_uint_eq(last[1]->wants->n_index, 1);
    ck_assert_uint_eq(last[1]->wants->index[0], 1);
    /* written since the begin, and named by no page */
    put(1, epoch, 6, "late", "{\"e\":1}");
    put(1, epoch, 7, "renewed", "{\"r\":2}");
    /* named by a page, deleted after it */
    put(1, epoch, 8, "same", NULL);
    ok(1, fx_page(epoch, 1, 1, 1,
                  (struct fx_entry[]){{"ns", "missing", "{\"f\":1}"}, {"ns", "coming", NULL}}, 2));
    ck_assert_uint_eq(last[1]->wants->n_index, 1);
    ck_assert_uint_eq(last[1]->wants->index[0], 0);
    ok(1, fx_end(epoch, 1, 1, 2));
    ck_assert_int_eq(last[1]->body_case, SCALEAGENT__V1__ACCOUNT_REPLY__BODY_DONE);
    ck_assert(last[1]->done->complete);
    ck_assert_uint_eq(last[1]->done->deleted, 1);
    commit();
    ck_assert_int_eq(query("SELECT count(*) FROM objects WHERE name='ghost'"), 0);
    ck_assert_int_eq(query("SELECT count(*) FROM objects WHERE name IN"
                           " ('differs','coming','late','renewed')"),
                     4);
    check_sums();
}
END_TEST

START_TEST(an_incomplete_snapshot_deletes_nothing)
{
    uint64_t epoch;

    accounts("a", NULL);
    epoch = open_account(1);
    put(1, epoch, 1, "x", "{\"a\":1}");
    /* no begin */
    ok(1, fx_end(epoch, 1, 1, 0));
    ck_assert(!last[1]->done->complete);
    /* a page is missing */
    ok(1, fx_begin(epoch, 1, 2));
    ok(1, fx_page(epoch, 1, 2, 1, NULL, 0));
    ok(1, fx_end(epoch, 1, 2, 2));
    ck_assert(!last[1]->done->complete);
    /* the last page is missing */
    ok(1, fx_begin(epoch, 1, 3));
    ok(1, fx_page(epoch, 1, 3, 0, NULL, 0));
    ok(1, fx_end(epoch, 1, 3, 2));
    ck_assert(!last[1]->done->complete);
    /* begun anew: what the pages before named does not count */
    ok(1, fx_begin(epoch, 1, 4));
    ok(1, fx_page(epoch, 1, 4, 0, (struct fx_entry[]){{"ns", "x", "{\"a\":1}"}}, 1));
    ok(1, fx_begin(epoch, 1, 5));
    ok(1, fx_end(epoch, 1, 4, 1));
    ck_assert(!last[1]->done->complete);
    /* begun in the epoch before */
    ok(1, fx_begin(epoch, 1, 6));
    epoch = open_account(1);
    ok(1, fx_end(epoch, 1, 6, 0));
    ck_assert(!last[1]->done->complete);
    commit();
    ck_assert_int_eq(query("SELECT count(*) FROM objects"), 1);
    /* and a whole one does */
    ok(1, fx_begin(epoch, 1, 7));
    ok(1, fx_end(epoch, 1, 7, 0));
    ck_assert(last[1]->done->complete);
    commit();
    ck_assert_int_eq(query("SELECT count(*) FROM objects"), 0);
    check_sums();
}
END_TEST

START_TEST(puts_parts_together)
{
    static const char object[] = "{\"spec\":\"0123456789\"}";
    struct fx_delta d = {1, "ns", "big", object, 0, 8};
    uint64_t epoch;

    accounts("a", NULL);
    epoch = open_account(1);
    put(1, epoch, 1, "x", "{\"a\":1}");
    ok(1, fx_deltas(epoch, 2, &d, 1));
    commit();
    /* nothing of it is stored, so it is not acknowledged */
    ck_assert_uint_eq(last[1]->ack->sequence, 1);
    d.part_offset = 8;
    d.part_size = sizeof object - 1 - 8;
    ok(1, fx_deltas(epoch, 3, &d, 1));
    commit();
    ck_assert_uint_eq(last[1]->ack->sequence, 3);
    ck_assert_int_eq(query("SELECT length(object) FROM objects WHERE name='big'"),
                     (int64_t)sizeof object - 1);
    check_sums();
}
END_TEST

START_TEST(a_part_must_follow_its_own)
{
    static const char object[] = "{\"spec\":\"0123456789\"}";
    struct fx_delta d = {1, "ns", "big", object, 0, 8}, x = {1, "ns", "x", "{}", 0, 0};
    uint64_t epoch;

    accounts("a", NULL);
    epoch = open_account(1);
    ok(1, fx_deltas(epoch, 1, &d, 1));
    ck_assert_int_eq(give(1, fx_deltas(epoch, 2, &x, 1)), SA_CACHE_REFUSED);
    epoch = open_account(1);
    ok(1, fx_deltas(epoch, 1, &d, 1));
    d.part_offset = 9;
    ck_assert_int_eq(give(1, fx_deltas(epoch, 2, &d, 1)), SA_CACHE_REFUSED);
    epoch = open_account(1);
    d.part_offset = 0;
    ok(1, fx_deltas(epoch, 1, &d, 1));
    x.object = NULL;
    ck_assert_int_eq(give(1, fx_deltas(epoch, 2, &x, 1)), SA_CACHE_REFUSED);
    commit();
    ck_assert_int_eq(query("SELECT count(*) FROM objects"), 0);
}
END_TEST

START_TEST(a_scope_that_goes_takes_an_object_under_way_along)
{
    static const struct fx_scope services = {2, "services", ""};
    struct fx_delta d = {1, "default", "a", "{\"name\":\"a\",\"v\":1}", 0, 8};
    uint64_t epoch;

    accounts("a", NULL);
    epoch = open_account(1);
    ok(1, fx_deltas(epoch, 1, &d, 1));
    ok(1, fx_scopes(epoch, &services, 1));
    d = (struct fx_delta){2, "default", "s", "{\"name\":\"s\"}", 0, 0};
    ok(1, fx_deltas(epoch, 2, &d, 1));
    commit();
    ck_assert_uint_eq(last[1]->ack->sequence, 2);
    ck_assert_int_eq(query("SELECT count(*) FROM objects"), 1);
}
END_TEST

START_TEST(scopes_that_go_take_their_rows_along)
{
    static const struct fx_scope one[] = {{2, "services", NULL}};
    static const struct fx_scope named[] = {{2, "services", NULL}, {3, "pods", "ns"}};
    uint64_t epoch;

    accounts("a", NULL);
    epoch = open_account(1);
    put(1, epoch, 1, "x", "{\"a\":1}");
    ok(1, fx_deltas(epoch, 2, (struct fx_delta[]){{2, "ns", "svc", "{\"s\":1}", 0, 0}}, 1));
    ok(1, fx_scopes(epoch, one, 1));
    commit();
    ck_assert_int_eq(query("SELECT count(*) FROM objects"), 1);
    ck_assert_int_eq(query("SELECT count(*) FROM scopes"), 1);
    ok(1, fx_scopes(epoch, named, 2));
    ok(1, fx_deltas(epoch, 3, (struct fx_delta[]){{3, "ns", "x", "{\"a\":1}", 0, 0}}, 1));
    commit();
    ck_assert_int_eq(query("SELECT count(*) FROM objects"), 2);
    ck_assert_int_eq(
        give(1, fx_deltas(epoch, 4, (struct fx_delta[]){{1, "ns", "x", "{}", 0, 0}}, 1)),
        SA_CACHE_REFUSED);
    check_sums();
}
END_TEST

START_TEST(accounts_that_go_take_their_rows_along)
{
    uint64_t a, b;

    accounts("a", "b");
    a = open_account(1);
    b = open_account(2);
    put(1, a, 1, "x", "{\"a\":1}");
    put(2, b, 1, "x", "{\"a\":1}");
    accounts("a", NULL);
    ck_assert_int_eq(query("SELECT count(*) FROM accounts"), 1);
    ck_assert_int_eq(query("SELECT count(*) FROM scopes"), 2);
    ck_assert_int_eq(query("SELECT count(*) FROM objects"), 1);
    /* the epoch of the one that stays goes on */
    put(1, a, 2, "y", "{\"a\":2}");
    commit();
    ck_assert_int_eq(query("SELECT count(*) FROM objects"), 2);
    accounts(NULL, NULL);
    ck_assert_int_eq(query("SELECT count(*) FROM objects"), 0);
    /* epochs are not given again when an account comes back */
    accounts("a", NULL);
    ck_assert_uint_gt(open_account(1), b);
}
END_TEST

START_TEST(another_cluster_of_the_same_name_starts_empty)
{
    uint64_t epoch;

    accounts("a", NULL);
    epoch = open_account(1);
    put(1, epoch, 1, "x", "{\"a\":1}");
    ok(1, fx_checkpoint(epoch, 1, "77", "f"));
    ok(1, fx_open(""));
    ck_assert_uint_eq(last[1]->welcome->n_scopes, 2);
    ok(1, fx_open("another"));
    ck_assert_uint_eq(last[1]->welcome->n_scopes, 0);
    ck_assert_int_eq(query("SELECT count(*) FROM objects"), 0);
}
END_TEST

/* Each of these ends the epoch with Refusal VIOLATION, and the next open heals it. */
START_TEST(refuses_what_the_protocol_forbids)
{
    struct fx_delta d = {1, "ns", "x", "{\"a\":1}", 0, 0}, nameless = {1, "ns", "", "{}", 0, 0};
    static const struct fx_scope twice[] = {{1, "pods", NULL}, {2, "pods", NULL}};
    static const struct fx_scope same_id[] = {{1, "pods", NULL}, {1, "services", NULL}};
    static const struct fx_scope renumbered[] = {{2, "pods", NULL}, {1, "services", NULL}};
    static const struct fx_scope no_id[] = {{0, "pods", NULL}};
    struct sa_sum sum = {0};

    accounts("a", NULL);
    for (int i = 0; i < 11; i++) {
        uint64_t epoch = open_account(1);
        struct fx m = {0};

        switch (i) {
        case 0:
            m = fx_deltas(epoch, 2, &d, 1);
            break;
        case 1:
            m = fx_deltas(epoch, 1, &nameless, 1);
            break;
        case 2:
            d.scope = 9;
            m = fx_deltas(epoch, 1, &d, 1);
            d.scope = 1;
            break;
        case 3:
            m = fx_sums(epoch, 9, 0, &sum);
            break;
        case 4:
            m = fx_begin(epoch, 1, 0);
            break;
        case 5:
            m = fx_page(epoch, 9, 1, 0, NULL, 0);
            break;
        case 6:
            m = fx_checkpoint(epoch, 0, "1", "f");
            break;
        case 7:
            m = fx_scopes(epoch, twice, 2);
            break;
        case 8:
            m = fx_scopes(epoch, same_id, 2);
            break;
        case 9:
            m = fx_scopes(epoch, renumbered, 2);
            break;
        default:
            m = fx_scopes(epoch, no_id, 1);
            break;
        }
        ck_assert_msg(give(1, m) == SA_CACHE_REFUSED, "case %d", i);
        ck_assert_int_eq(last[1]->body_case, SCALEAGENT__V1__ACCOUNT_REPLY__BODY_REFUSAL);
        ck_assert_int_eq(last[1]->refusal->code, SCALEAGENT__V1__REFUSAL__CODE__VIOLATION);
        ck_assert_uint_eq(last[1]->epoch, epoch);
        put(1, epoch, 1, "after", "{}"); /* the epoch is over: not stored */
    }
    commit();
    ck_assert_int_eq(query("SELECT count(*) FROM objects"), 0);
    check_sums();
}
END_TEST

START_TEST(holds_workers_to_their_credit)
{
    static char object[300 * 1024];
    struct fx_delta d = {1, "ns", "x", object, 0, 0};
    uint64_t epoch;

    memset(object, 'x', sizeof object - 1);
    accounts("a", NULL);
    epoch = open_account(1);
    ok(1, fx_deltas(epoch, 1, &d, 1));
    ok(1, fx_deltas(epoch, 2, &d, 1));
    ok(1, fx_deltas(epoch, 3, &d, 1));
    ck_assert_int_eq(give(1, fx_deltas(epoch, 4, &d, 1)), SA_CACHE_REFUSED);
    epoch = open_account(1);
    for (uint64_t i = 1; i < 10; i++) {
        ok(1, fx_deltas(epoch, i, &d, 1));
        commit();
    }
}
END_TEST

START_TEST(garbage_is_malformed)
{
    uint8_t garbage[] = {0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f};

    accounts("a", NULL);
    open_account(1);
    ck_assert_int_eq(sa_cache_message(&cache, 1, garbage, sizeof garbage, NULL),
                     SA_CACHE_MALFORMED);
    /* an account that is not there */
    ok(7, fx_open("cluster"));
}
END_TEST

START_TEST(unchanged_objects_write_nothing)
{
    uint64_t epoch;
    int64_t changes;

    accounts("a", NULL);
    epoch = open_account(1);
    put(1, epoch, 1, "x", "{\"a\":1}");
    commit();
    changes = query("SELECT max(seq)*1000000+updated_us%1000000 FROM changes,objects");
    put(1, epoch, 2, "x", "{\"a\":1}");
    commit();
    ck_assert_int_eq(query("SELECT max(seq)*1000000+updated_us%1000000 FROM changes,objects"),
                     changes);
    ck_assert_uint_eq(last[1]->ack->sequence, 2);
}
END_TEST

START_TEST(changes_are_a_ring)
{
    uint64_t epoch, sequence = 1;
    char object[32];

    accounts("a", NULL);
    epoch = open_account(1);
    for (unsigned i = 0; i < SA_SQLITE_CHANGES + 500; i++) {
        snprintf(object, sizeof object, "{\"a\":%u}", i);
        put(1, epoch, sequence++, "x", object);
        if (i % 100 == 0)
            commit();
    }
    commit();
    ck_assert_int_eq(query("SELECT count(*) FROM changes"), SA_SQLITE_CHANGES);
    ck_assert_int_eq(query("SELECT max(seq) FROM changes"), SA_SQLITE_CHANGES + 500);
    sa_cache_close(&cache);
    open_cache();
    ck_assert_uint_eq(cache.db.changes, SA_SQLITE_CHANGES + 500);
}
END_TEST

START_TEST(an_abort_goes_back_to_the_last_commit)
{
    uint64_t epoch;

    accounts("a", NULL);
    epoch = open_account(1);
    put(1, epoch, 1, "x", "{\"a\":1}");
    commit();
    put(1, epoch, 2, "y", "{\"a\":1}");
    sa_cache_abort(&cache);
    put(1, epoch, 3, "z", "{\"a\":1}"); /* the epoch is over */
    commit();
    ck_assert_int_eq(query("SELECT count(*) FROM objects"), 1);
    check_sums();
    epoch = open_account(1);
    put(1, epoch, 1, "y", "{\"a\":1}");
    commit();
    check_sums();
}
END_TEST

START_TEST(another_layout_is_refused)
{
    struct sa_err *err = NULL;
    sqlite3 *h;

    sa_cache_close(&cache);
    ck_assert_int_eq(sqlite3_open(path, &h), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(h, "PRAGMA user_version=99", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(h);
    ck_assert_int_eq(sa_cache_open(&cache, path, NULL, NULL, &err), -1);
    ck_assert_int_eq(err->code, SA_ECONFIG);
    ck_assert_ptr_nonnull(strstr(sa_err_msg(err), "layout 99"));
    sa_err_free(&err);
}
END_TEST

/* Random work against a model in memory: after each commit rows, counts and sums agree with it. */
#define NAMES 40
START_TEST(random_work_keeps_the_sums)
{
    char model[NAMES][16] = {{0}};
    uint64_t epoch, sequence = 0;
    uint32_t snapshot = 0;

    accounts("a", NULL);
    epoch = open_account(1);
    srand((unsigned)_i + 1);
    for (int step = 0; step < 600; step++) {
        int i = rand() % NAMES, what = rand() % 100;
        char name[16];

        snprintf(name, sizeof name, "n%d", i);
        if (what < 60) {
            snprintf(model[i], sizeof model[i], "{\"v\":%d}", rand() % 5);
            put(1, epoch, ++sequence, name, model[i]);
        } else if (what < 85) {
            model[i][0] = '\0';
            put(1, epoch, ++sequence, name, NULL);
        } else if (what < 90) { /* lose some keys, as a snapshot tells */
            ok(1, fx_begin(epoch, 1, ++snapshot));
            for (int k = 0; k < NAMES; k++)
                if (rand() % 10 == 0)
                    model[k][0] = '\0';
            for (int k = 0, page = 0; k < NAMES; k++) {
                struct fx_entry e = {"ns", name, model[k]};

                snprintf(name, sizeof name, "n%d", k);
                if (model[k][0])
                    ok(1, fx_page(epoch, 1, snapshot, (uint32_t)page++, &e, 1));
                if (k == NAMES - 1)
                    ok(1, fx_end(epoch, 1, snapshot, (uint32_t)page));
            }
            ck_assert(last[1]->done->complete);
        } else if (what < 93) {
            commit();
            epoch = open_account(1);
            sequence = 0;
            snapshot = 0;
        } else {
            const char *objects[NAMES];
            uint64_t n = 0;

            for (int k = 0; k < NAMES; k++)
                if (model[k][0])
                    objects[n++] = model[k];
            ck_assert(in_step(epoch, 1, n, objects));
            commit();
            check_sums();
        }
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("uplink_cache");
    TCase *t = tcase_create("cache");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, acknowledges_after_the_commit);
    tcase_add_test(t, welcomes_with_what_is_stored);
    tcase_add_test(t, an_epoch_ends_the_one_before);
    tcase_add_test(t, answers_sums);
    tcase_add_test(t, compares_by_pages);
    tcase_add_test(t, an_incomplete_snapshot_deletes_nothing);
    tcase_add_test(t, puts_parts_together);
    tcase_add_test(t, a_part_must_follow_its_own);
    tcase_add_test(t, a_scope_that_goes_takes_an_object_under_way_along);
    tcase_add_test(t, scopes_that_go_take_their_rows_along);
    tcase_add_test(t, accounts_that_go_take_their_rows_along);
    tcase_add_test(t, another_cluster_of_the_same_name_starts_empty);
    tcase_add_test(t, refuses_what_the_protocol_forbids);
    tcase_add_test(t, holds_workers_to_their_credit);
    tcase_add_test(t, garbage_is_malformed);
    tcase_add_test(t, unchanged_objects_write_nothing);
    tcase_add_test(t, changes_are_a_ring);
    tcase_add_test(t, an_abort_goes_back_to_the_last_commit);
    tcase_add_test(t, another_layout_is_refused);
    tcase_add_loop_test(t, random_work_keeps_the_sums, 0, 5);
    suite_add_tcase(s, t);
    suite_add_tcase(s, uplink_cache_scopes_cases());
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
