/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "worker_fake.h"
#include "worker_test.h"

static void page(struct fake *f, int version, const char *token, const char *items)
{
    char *body = fake_pods(version, token, items);
    fake_answer(f, fake_request(f, "pods?limit"), 200, body);
    free(body);
}

static struct fake *begun(const struct fake_known *known)
{
    struct fake *f = fake_new();
    fake_start(f);
    fake_welcome(f, known, 1 << 20);
    return f;
}

START_TEST(nothing_is_listed_before_the_welcome)
{
    struct fake *f = fake_new();
    fake_start(f);
    ck_assert_ptr_null(f->pending);
    fake_up(f);
    ck_assert_ptr_null(f->pending);
    fake_free(f);
}
END_TEST

START_TEST(an_unknown_scope_is_sent_page_by_page)
{
    struct fake *f = begun(NULL);
    ck_assert_ptr_null(strstr(fake_path(fake_request(f, "pods?")), "resourceVersion"));
    page(f, 100, "next page/1", "a:5:1 b:6:1");
    fake_expect_deltas(f, "+a=1 +b=1");
    ck_assert_ptr_nonnull(fake_request(f, "&continue=next%20page%2F1"));
    page(f, 100, NULL, "c:7:1");
    fake_expect_deltas(f, "+c=1");
    fake_drop(fake_expect(f, SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_SUMS));
    ck_assert_ptr_nonnull(strstr(fake_path(fake_request(f, "watch=1")), "&resourceVersion=100"));
    fake_none(f);
    fake_free(f);
}
END_TEST

START_TEST(an_expired_token_starts_anew_and_sends_nothing_twice)
{
    struct fake *f = begun(NULL);
    page(f, 100, "t", "a:5:1 b:6:1");
    fake_expect_deltas(f, "+a=1 +b=1");
    fake_answer(f, fake_request(f, "&continue=t"), 410, "{\"kind\":\"Status\",\"code\":410}");
    ck_assert_ptr_null(strstr(fake_path(fake_request(f, "pods?limit")), "continue"));
    page(f, 120, NULL, "b:110:2 c:112:1"); /* a was deleted in between */
    fake_expect_deltas(f, "+b=2 +c=1");
    message *m = fake_expect(f, SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_SUMS);
    ck_assert_uint_eq(m->sums->count, 2); /* a is gone from the table: sums tell the other side */
    fake_drop(m);
    fake_free(f);
}
END_TEST

/* The token expires each time: no more than one new list at once. */
START_TEST(a_token_that_always_expires_backs_off)
{
    struct fake *f = begun(NULL);
    page(f, 100, "t", "a:5:1");
    fake_answer(f, fake_request(f, "&continue=t"), 410, "");
    page(f, 101, "t", "a:5:1");
    ck_assert_ptr_nonnull(fake_request(f, "&continue=t"));
    /* that a page was read in between is no success: the list was not */
    fake_answer(f, fake_request(f, "&continue=t"), 410, "");
    ck_assert_ptr_null(fake_request(f, "pods?limit"));
    fake_skip_waits(f);
    ck_assert_ptr_nonnull(strstr(fake_path(fake_request(f, "pods?limit")), "limit=0"));
    page(f, 102, NULL, "a:5:1 b:6:1");
    ck_assert(fake_scope(f)->complete);
    f->w.no_watch_list = true;
    sa_scope_relist(fake_scope(f)); /* the next is read by pages again, and may fail once */
    fake_turn(f);
    ck_assert_ptr_null(fake_request(f, "limit=0"));
    page(f, 103, "t", "a:5:1");
    fake_answer(f, fake_request(f, "&continue=t"), 410, "");
    ck_assert_ptr_nonnull(fake_request(f, "pods?limit"));
    fake_free(f);
}
END_TEST

START_TEST(errors_back_off_and_leave_the_table_alone)
{
    static const char cut[] =
        "{\"kind\":\"PodList\",\"metadata\":{},\"items\":[{\"metadata\":{\"na";
    struct fake *f = begun(NULL);
    page(f, 100, NULL, "a:5:1 b:6:1");
    fake_expect_deltas(f, "+a=1 +b=1");
    fake_drop(fake_expect(f, SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_SUMS));
    struct sa_scope *s = fake_scope(f);
    fake_sums(f, s->id, true);
    sa_scope_relist(s);
    f->w.no_watch_list = true;
    for (int i = 0; i < 4; i++) {
        fake_turn(f);
        struct sa_request *q = fake_request(f, "pods?limit");
        ck_assert_ptr_nonnull(q);
        if (i == 0)
            fake_answer(f, q, 200, cut);
        else if (i == 1)
            fake_answer(f, q, 503, "");
        else if (i == 2)
            fake_break(f, q);
        else
            fake_answer(f, q, 200, "<html>");
        ck_assert_ptr_null(fake_request(f, "pods?limit"));
        ck_assert_uint_eq(sa_table_count(f->w.table), 2);
        ck_assert_ptr_nonnull(strstr(f->slot.last_error, "listing pods"));
        fake_skip_waits(f);
    }
    page(f, 130, NULL, "a:5:1 b:6:1");
    fake_drop(fake_expect(f, SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_SUMS));
    fake_none(f);
    fake_free(f);
}
END_TEST

START_TEST(forbidden_is_evicted_after_its_time_and_alone)
{
    struct fake *f = fake_new();
    sa_names_add(&f->w.account.kinds, "deployment");
    fake_start(f);
    fake_welcome(f, NULL, 1 << 20);
    fake_answer(f, fake_request(f, "pods?limit"), 403,
                "{\"kind\":\"Status\",\"code\":403,\"message\":\"pods is forbidden\"}");
    struct sa_scope *s = fake_scope(f);
    ck_assert_uint_ne(s->forbidden_ns, 0);
    ck_assert(!s->evicted);
    ck_assert_uint_gt(s->list.not_before_ns, sa_mono_ns() + 50 * SA_NS_PER_S);
    ck_assert_ptr_nonnull(strstr(f->slot.last_error, "403"));
    ck_assert_ptr_nonnull(fake_request(f, "deployments?limit"));
    fake_none(f);
    /* it lasts */
    f->w.account.forbidden_evict_s = 0;
    fake_skip_waits(f);
    fake_answer(f, fake_request(f, "pods?limit"), 403, "");
    ck_assert(s->evicted);
    message *m = fake_expect(f, SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_SCOPES);
    ck_assert_uint_eq(m->scopes->n_scopes, 1);
    ck_assert_str_eq(m->scopes->scopes[0]->name->resource, "deployments");
    fake_drop(m);
    /* and ends */
    fake_skip_waits(f);
    char *body = fake_pods(200, NULL, "a:5:1");
    struct sa_request *q = fake_request(f, "pods?limit");
    if (!q) {
        fake_data(f, fake_request(f, "pods?watch=1"), "");
        fake_event(f, "ADDED", "a", 5, "1");
        fake_bookmark(f, 200, true);
    } else {
        fake_answer(f, q, 200, body);
    }
    free(body);
    ck_assert(!s->evicted);
    m = fake_expect(f, SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_SCOPES);
    ck_assert_uint_eq(m->scopes->n_scopes, 2);
    fake_drop(m);
    fake_drop(fake_expect(f, SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_SUMS));
    fake_free(f);
}
END_TEST

START_TEST(a_list_of_the_past_is_refused_until_it_must_be_a_restore)
{
    struct fake *f = begun(NULL);
    page(f, 1000, NULL, "a:900:1 b:910:1");
    fake_expect_deltas(f, "+a=1 +b=1");
    fake_drop(fake_expect(f, SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_SUMS));
    struct sa_scope *s = fake_scope(f);
    fake_sums(f, s->id, true);
    f->w.no_watch_list = true;
    sa_scope_relist(s);
    fake_turn(f);
    for (int i = 0; i < 3; i++) {
        page(f, 500, NULL, "a:400:0");
        ck_assert_ptr_null(fake_request(f, "watch=1"));
        fake_flush(f);
        fake_none(f);
        ck_assert_uint_eq(sa_table_count(f->w.table), 2);
        fake_skip_waits(f);
    }
    /* It must be a restore. That list too was held against the old versions: the next one counts.
     */
    page(f, 500, NULL, "a:400:0");
    fake_skip_waits(f);
    page(f, 500, NULL, "a:400:0");
    fake_expect_deltas(f, "+a=0");
    message *m = fake_expect(f, SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_SUMS);
    ck_assert_uint_eq(m->sums->count, 1); /* b did not exist then */
    fake_drop(m);
    ck_assert_ptr_nonnull(strstr(fake_path(fake_request(f, "watch=1")), "resourceVersion=500"));
    fake_event(f, "MODIFIED", "a", 510, "2");
    fake_expect_deltas(f, "+a=2");
    fake_free(f);
}
END_TEST

START_TEST(credit_bounds_the_pages)
{
    struct fake *f = fake_new();
    fake_start(f);
    fake_welcome(f, NULL, 300 * 1024);
    struct sa_request *q = fake_request(f, "pods?limit");
    unsigned limit = (unsigned)atoi(strstr(fake_path(q), "limit=") + 6);
    ck_assert_uint_ge(limit, 50);
    ck_assert_uint_lt(limit, 100); /* of objects of 4 KB, to begin with */
    fake_free(f);
    /* A grant below the least page: as many as fit. */
    f = fake_new();
    fake_start(f);
    fake_welcome(f, NULL, 20 * 1024);
    ck_assert_ptr_nonnull(fake_request(f, "pods?limit=4"));
    fake_free(f);
    /* None: wait. */
    f = fake_new();
    fake_start(f);
    fake_welcome(f, NULL, 0);
    ck_assert_ptr_null(f->pending);
    fake_ack(f, 0, 1 << 20);
    ck_assert_ptr_nonnull(fake_request(f, "pods?limit"));
    fake_free(f);
}
END_TEST

START_TEST(lists_at_once_are_bounded)
{
    struct fake *f = fake_new();
    sa_names_add(&f->w.account.kinds, "deployment");
    sa_names_add(&f->w.account.kinds, "namespace");
    f->w.account.budget_per_account = 2;
    fake_start(f);
    fake_welcome(f, NULL, 1 << 20);
    ck_assert_uint_eq(fake_pending(f, "?limit"), 2);
    char *body = fake_pods(5, NULL, "");
    fake_answer(f, fake_request(f, "?limit"), 200, body);
    free(body);
    ck_assert_uint_eq(fake_pending(f, "?limit"), 2);
    fake_free(f);
}
END_TEST

TCase *worker_list_cases(void)
{
    TCase *t = tcase_create("list");
    tcase_add_test(t, nothing_is_listed_before_the_welcome);
    tcase_add_test(t, an_unknown_scope_is_sent_page_by_page);
    tcase_add_test(t, an_expired_token_starts_anew_and_sends_nothing_twice);
    tcase_add_test(t, a_token_that_always_expires_backs_off);
    tcase_add_test(t, errors_back_off_and_leave_the_table_alone);
    tcase_add_test(t, forbidden_is_evicted_after_its_time_and_alone);
    tcase_add_test(t, a_list_of_the_past_is_refused_until_it_must_be_a_restore);
    tcase_add_test(t, credit_bounds_the_pages);
    tcase_add_test(t, lists_at_once_are_bounded);
    return t;
}
