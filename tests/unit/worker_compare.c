/* SPDX-License-Identifier: Apache-2.0 */
/* Sums, pages, wants, and what is done when they do not agree. */
#include <stdlib.h>
#include <string.h>

#include "worker_fake.h"
#include "worker_test.h"

#define BODY(x) SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_##x

/* The other side holds something of pods; the first list has brought a, b and c. */
static struct fake *listed(void)
{
    struct fake *f = fake_new();
    f->w.no_watch_list = true;
    fake_start(f);
    fake_welcome(f, &(struct fake_known){.version = "", .count = 9}, 1 << 20);
    char *body = fake_pods(100, NULL, "a:5:1 b:6:1 c:7:1");
    fake_answer(f, fake_request(f, "pods?limit"), 200, body);
    free(body);
    return f;
}

static uint32_t take_sums(struct fake *f, uint64_t count)
{
    message *m = fake_expect(f, BODY(SUMS));
    uint32_t scope = m->sums->scope;
    ck_assert_uint_eq(m->sums->count, count);
    ck_assert_uint_eq(m->sums->sum.len, 16);
    fake_drop(m);
    return scope;
}

static uint32_t take_begin(struct fake *f)
{
    message *m = fake_expect(f, BODY(BEGIN));
    uint32_t n = m->begin->snapshot;
    fake_drop(m);
    return n;
}

static void names(struct fake *f, int version, const char *token, const char *items)
{
    struct sa_request *q = fake_request(f, "pods?limit");
    ck_assert_ptr_nonnull(q);
    ck_assert_ptr_nonnull(strstr(fake_accept(q), "PartialObjectMetadataList"));
    char *body = fake_pods(version, token, items);
    fake_answer(f, q, 200, body);
    free(body);
}

START_TEST(equal_sums)
{
    struct fake *f = listed();
    uint32_t scope = take_sums(f, 3);
    ck_assert(!fake_scope(f)->in_step);
    fake_sums(f, scope, true);
    ck_assert(fake_scope(f)->in_step);
    fake_none(f);
    fake_free(f);
}
END_TEST

START_TEST(the_welcome_itself_may_say_that_all_is_equal)
{
    struct fake *f = listed();
    uint32_t scope = take_sums(f, 3);
    fake_sums(f, scope, true);
    struct fake_known known = {.version = "", .count = 3};
    struct sa_table_sum sum = sa_table_scope_sum(f->w.table, scope);
    sa_sum_bytes(&sum.sum, known.sum);
    fake_down(f);
    ck_assert(!fake_scope(f)->in_step);
    fake_welcome(f, &known, 1 << 20);
    ck_assert(fake_scope(f)->in_step);
    fake_none(f);
    ck_assert_ptr_null(fake_request(f, "limit")); /* and no list either */
    fake_free(f);
}
END_TEST

START_TEST(what_the_welcome_settled_is_proven_before_a_checkpoint)
{
    struct fake *f = listed();
    struct sa_scope *s = fake_scope(f);
    uint32_t scope = take_sums(f, 3);
    fake_sums(f, scope, true);
    struct fake_known known = {.version = "", .count = 3};
    struct sa_table_sum sum = sa_table_scope_sum(f->w.table, scope);
    sa_sum_bytes(&sum.sum, known.sum);
    fake_down(f);
    fake_welcome(f, &known, 1 << 20);
    ck_assert(s->in_step && s->by_welcome);
    fake_turn(f);
    fake_none(f);
    fake_event(f, "MODIFIED", "a", 110, "2");
    sa_checkpoint_step(s, true);
    ck_assert(s->in_step);
    fake_expect_deltas(f, "+a=2");
    take_sums(f, 3);
    fake_none(f);
    sa_checkpoint_step(s, true); /* not before the answer */
    fake_none(f);
    fake_sums(f, scope, true);
    sa_checkpoint_step(s, true);
    fake_drop(fake_expect(f, BODY(CHECKPOINT)));
    fake_none(f);
    fake_free(f);
}
END_TEST

START_TEST(pages_wants_end_and_verification)
{
    struct fake *f = listed();
    uint32_t scope = take_sums(f, 3);
    fake_sums(f, scope, false);
    uint32_t snapshot = take_begin(f);
    names(f, 110, "t", "a:5: b:6:");
    message *page = fake_expect(f, BODY(PAGE));
    ck_assert_uint_eq(page->page->snapshot, snapshot);
    ck_assert_uint_eq(page->page->page, 0);
    ck_assert_uint_eq(page->page->n_entries, 2);
    ck_assert_str_eq(page->page->entries[1]->name, "b");
    ck_assert_str_eq(page->page->entries[1]->namespace_, "default");
    ck_assert_uint_eq(page->page->entries[1]->digest.len, 16);
    ck_assert_ptr_null(fake_request(f, "limit")); /* the next page waits for the wants of this */
    fake_wants(f, page->page, "b");
    fake_drop(page);
    ck_assert_ptr_nonnull(fake_request(f, "pods/b"));
    names(f, 110, NULL, "c:7:");
    page = fake_expect(f, BODY(PAGE));
    ck_assert_uint_eq(page->page->page, 1);
    fake_none(f);
    fake_wants(f, page->page, "");
    fake_drop(page);
    message *end = fake_expect(f, BODY(END));
    ck_assert_uint_eq(end->end->pages, 2);
    ck_assert_uint_eq(end->end->snapshot, snapshot);
    fake_drop(end);
    fake_done(f, scope, snapshot, true);
    fake_none(f); /* b is still being read */
    char *pod = fake_pod("b", 6, "1");
    fake_answer(f, fake_request(f, "pods/b"), 200, pod);
    free(pod);
    fake_expect_deltas(f, "+b=1");
    take_sums(f, 3);
    fake_sums(f, scope, true);
    ck_assert(fake_scope(f)->in_step);
    ck_assert_uint_eq(f->slot.wants, 1);
    ck_assert_uint_eq(f->slot.snapshots, 1);
    fake_free(f);
}
END_TEST

START_TEST(what_the_table_does_not_know_is_promised)
{
    struct fake *f = listed();
    uint32_t scope = take_sums(f, 3);
    fake_sums(f, scope, false);
    take_begin(f);
    names(f, 110, NULL, "a:105: b:6: d:106:"); /* a is newer than the table, d unknown to it */
    message *page = fake_expect(f, BODY(PAGE));
    ck_assert_uint_eq(page->page->entries[0]->digest.len, 0);
    ck_assert_uint_eq(page->page->entries[1]->digest.len, 16);
    ck_assert_uint_eq(page->page->entries[2]->digest.len, 0);
    fake_drop(page);
    ck_assert_ptr_nonnull(fake_request(f, "pods/a"));
    ck_assert_ptr_nonnull(fake_request(f, "pods/d"));
    fake_answer(f, fake_request(f, "pods/d"), 404, "");
    fake_expect_deltas(f, "-d"); /* it was named: so it must be unnamed */
    fake_free(f);
}
END_TEST

/* One answer for all, of whole objects: what a server does that knows neither limit nor metadata.
 */
START_TEST(a_long_answer_is_compared_page_by_page)
{
    struct fake *f = listed();
    uint32_t scope = take_sums(f, 3);
    fake_sums(f, scope, false);
    uint32_t snapshot = take_begin(f);
    struct sa_request *q = fake_request(f, "pods?limit");
    ck_assert_ptr_nonnull(strstr(fake_accept(q), ",application/json"));
    struct sa_buf body;
    sa_buf_init(&body, 0);
    sa_buf_adds(&body, "{\"metadata\":{\"resourceVersion\":\"110\"},\"items\":[");
    for (unsigned i = 0; i < 1100; i++) /* names of any length, of which the table knows none */
        sa_buf_addf(&body,
                    "{\"metadata\":{\"name\":\"p%04u%0*u\",\"namespace\":\"default\","
                    "\"resourceVersion\":\"5\"},\"spec\":{\"x\":[1]}},",
                    i, (int)(i % 249), 0);
    sa_buf_adds(&body, "{\"metadata\":{\"name\":\"c\",\"namespace\":\"default\","
                       "\"resourceVersion\":\"7\"}}]}");
    fake_answer(f, q, 200, body.data);
    sa_buf_free(&body);
    static const unsigned entries[] = {500, 500, 101};
    size_t wanted = 0;
    for (unsigned i = 0; i < 3; i++) {
        message *m = fake_expect(f, BODY(PAGE));
        ck_assert_uint_eq(m->page->page, i);
        ck_assert_uint_eq(m->page->n_entries, entries[i]);
        fake_none(f); /* before the wants of this */
        const char *last = m->page->entries[entries[i] - 1]->name;
        ck_assert_int_eq(memcmp(last,
                                i == 0   ? "p0499"
                                : i == 1 ? "p0999"
                                         : "c",
                                i == 2 ? 2 : 5),
                         0);
        sa_dirty_clear(fake_scope(f)->dirty);
        fake_wants(f, m->page, last);
        wanted += sa_dirty_has(fake_scope(f)->dirty, "default", last) ||
                  sa_resolve_reading(fake_scope(f), "default", last);
        fake_drop(m);
    }
    ck_assert_uint_eq(wanted, 3);
    message *end = fake_expect(f, BODY(END));
    ck_assert_uint_eq(end->end->pages, 3);
    ck_assert_uint_eq(end->end->snapshot, snapshot);
    fake_drop(end);
    fake_free(f);
}
END_TEST

START_TEST(a_whole_object_that_is_too_large_is_left_out)
{
    struct fake *f = listed();
    uint32_t scope = take_sums(f, 3);
    char items[2100];
    memset(items, 'x', sizeof items);
    memcpy(items, "b:6:1 c:7:1 a:5:", 16);
    items[sizeof items - 1] = '\0';
    f->w.account.max_object_bytes = 1000;
    fake_sums(f, scope, false);
    take_begin(f);
    names(f, 110, NULL, items);
    message *m = fake_expect(f, BODY(PAGE));
    ck_assert_uint_eq(m->page->n_entries, 2);
    fake_drop(m);
    fake_free(f);
}
END_TEST

START_TEST(an_empty_scope_ends_without_a_page)
{
    struct fake *f = listed();
    uint32_t scope = take_sums(f, 3);
    fake_sums(f, scope, false);
    take_begin(f);
    names(f, 110, NULL, "");
    message *end = fake_expect(f, BODY(END));
    ck_assert_uint_eq(end->end->pages, 0);
    fake_drop(end);
    fake_free(f);
}
END_TEST

START_TEST(a_broken_list_of_names_begins_again)
{
    struct fake *f = listed();
    uint32_t scope = take_sums(f, 3);
    fake_sums(f, scope, false);
    uint32_t first = take_begin(f);
    names(f, 110, "t", "a:5:");
    message *page = fake_expect(f, BODY(PAGE));
    fake_wants(f, page->page, "");
    fake_answer(f, fake_request(f, "continue=t"), 410, "");
    uint32_t second = take_begin(f);
    ck_assert_uint_gt(second, first);
    /* late answers to the first are void */
    fake_wants(f, page->page, "a");
    fake_done(f, scope, first, true);
    ck_assert_ptr_null(fake_request(f, "pods/a"));
    ck_assert_int_eq(fake_scope(f)->compare, SA_COMPARE_PAGES);
    fake_drop(page);
    fake_free(f);
}
END_TEST

START_TEST(an_incomplete_snapshot_is_verified_by_sums)
{
    struct fake *f = listed();
    uint32_t scope = take_sums(f, 3);
    fake_sums(f, scope, false);
    uint32_t n = take_begin(f);
    names(f, 110, NULL, "");
    fake_drop(fake_expect(f, BODY(END)));
    fake_done(f, scope, n, false);
    take_sums(f, 3);
    fake_sums(f, scope, false);
    ck_assert_uint_gt(take_begin(f), n);
    fake_free(f);
}
END_TEST

START_TEST(a_new_epoch_cancels)
{
    struct fake *f = listed();
    uint32_t scope = take_sums(f, 3);
    fake_sums(f, scope, false);
    take_begin(f);
    ck_assert_ptr_nonnull(fake_request(f, "limit"));
    fake_down(f);
    ck_assert_ptr_null(fake_request(f, "limit"));
    ck_assert_int_eq(fake_scope(f)->compare, SA_COMPARE_NONE);
    fake_welcome(f, &(struct fake_known){.version = "", .count = 9}, 1 << 20);
    take_sums(f, 3);
    fake_free(f);
}
END_TEST

START_TEST(pages_wait_for_credit)
{
    struct fake *f = fake_new();
    f->w.no_watch_list = true;
    fake_start(f);
    fake_welcome(f, &(struct fake_known){.version = "", .count = 9}, 0);
    char *body = fake_pods(100, NULL, "a:5:1"); /* read, but not sent: needs none */
    fake_answer(f, fake_request(f, "pods?limit"), 200, body);
    free(body);
    uint32_t scope = take_sums(f, 1);
    fake_sums(f, scope, false);
    take_begin(f);
    names(f, 100, NULL, "a:5:");
    fake_none(f);
    fake_ack(f, 0, 10000);
    fake_drop(fake_expect(f, BODY(PAGE)));
    fake_free(f);
}
END_TEST

START_TEST(sums_wait_for_dirty_keys)
{
    struct fake *f = listed();
    uint32_t scope = take_sums(f, 3);
    fake_sums(f, scope, true);
    struct sa_scope *s = fake_scope(f);
    sa_intake_dirty(s, "default", "a");
    s->compare_needed = true;
    fake_turn(f);
    fake_none(f);
    fake_answer(f, fake_request(f, "pods/a"), 404, "");
    fake_expect_deltas(f, "-a");
    take_sums(f, 2);
    fake_free(f);
}
END_TEST

START_TEST(three_mismatches_are_an_error_and_a_pause)
{
    struct fake *f = listed();
    struct sa_scope *s = fake_scope(f);
    for (int i = 0; i < 4; i++) {
        uint32_t scope = take_sums(f, 3);
        fake_sums(f, scope, false);
        if (i == 3)
            break;
        uint32_t n = take_begin(f);
        names(f, 110, NULL, "");
        fake_drop(fake_expect(f, BODY(END)));
        fake_done(f, scope, n, true);
    }
    fake_none(f);
    ck_assert_ptr_nonnull(strstr(f->slot.last_error, "differs"));
    ck_assert_uint_gt(s->compare_after_ns, sa_mono_ns() + 50 * SA_NS_PER_S);
    fake_skip_waits(f);
    take_sums(f, 3);
    fake_free(f);
}
END_TEST

TCase *worker_compare_cases(void)
{
    TCase *t = tcase_create("compare");
    tcase_add_test(t, equal_sums);
    tcase_add_test(t, the_welcome_itself_may_say_that_all_is_equal);
    tcase_add_test(t, what_the_welcome_settled_is_proven_before_a_checkpoint);
    tcase_add_test(t, pages_wants_end_and_verification);
    tcase_add_test(t, what_the_table_does_not_know_is_promised);
    tcase_add_test(t, a_long_answer_is_compared_page_by_page);
    tcase_add_test(t, a_whole_object_that_is_too_large_is_left_out);
    tcase_add_test(t, an_empty_scope_ends_without_a_page);
    tcase_add_test(t, a_broken_list_of_names_begins_again);
    tcase_add_test(t, an_incomplete_snapshot_is_verified_by_sums);
    tcase_add_test(t, a_new_epoch_cancels);
    tcase_add_test(t, pages_wait_for_credit);
    tcase_add_test(t, sums_wait_for_dirty_keys);
    tcase_add_test(t, three_mismatches_are_an_error_and_a_pause);
    return t;
}
