/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "worker/reach.h"
#include "worker_fake.h"
#include "worker_test.h"

static const struct fake_known resumable = {.version = "700", .age_ms = 1000, .count = 2};
static const struct fake_known aged = {.version = "700", .age_ms = 400000, .count = 2};

static struct fake *begun(const struct fake_known *known)
{
    struct fake *f = fake_new();
    fake_start(f);
    fake_welcome(f, known, 1 << 20);
    return f;
}

/* Watching from version 100 with a and b known. */
static struct fake *watching(void)
{
    struct fake *f = begun(NULL);
    char *body = fake_pods(100, NULL, "a:5:1 b:6:1");
    fake_answer(f, fake_request(f, "pods?limit"), 200, body);
    free(body);
    fake_expect_deltas(f, "+a=1 +b=1");
    fake_drop(fake_expect(f, SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_SUMS));
    fake_sums(f, fake_scope(f)->id, true);
    ck_assert_ptr_nonnull(fake_request(f, "watch=1"));
    return f;
}

START_TEST(events_become_deltas)
{
    struct fake *f = watching();
    fake_event(f, "ADDED", "c", 101, "1");
    fake_event(f, "MODIFIED", "a", 102, "2");
    fake_event(f, "DELETED", "b", 103, "1");
    fake_expect_deltas(f, "+c=1 +a=2 -b");
    /* only the version differs: nothing to say */
    fake_event(f, "MODIFIED", "a", 104, "2");
    fake_event(f, "DELETED", "nobody", 105, "1");
    fake_flush(f);
    fake_none(f);
    fake_free(f);
}
END_TEST

START_TEST(a_watch_goes_on_from_its_last_version)
{
    struct fake *f = watching();
    fake_event(f, "ADDED", "c", 101, "1");
    fake_bookmark(f, 150, false);
    fake_break(f, fake_request(f, "watch=1"));
    fake_skip_waits(f);
    ck_assert_ptr_nonnull(strstr(fake_path(fake_request(f, "watch=1")), "&resourceVersion=150"));
    ck_assert_ptr_null(fake_request(f, "limit"));
    fake_free(f);
}
END_TEST

static const char *const expired[] = {
    "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410,\"reason\":\"Expired\"}}\n",
    "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410,\"reason\":\"Gone\"}}\n",
};

START_TEST(a_server_that_is_away_is_asked_by_one_request)
{
    struct fake *f = watching();
    struct sa_watch *watch = &fake_scope(f)->watch;
    f->w.account.timeout_seconds = 3;
    fake_break(f, fake_request(f, "watch=1"));
    for (int i = 0; i < 20; i++) {
        uint64_t now = sa_mono_ns();
        ck_assert_uint_gt(f->w.reach.next_ns, now);
        ck_assert_uint_le(f->w.reach.next_ns, now + 5001 * SA_NS_PER_MS);
        watch->not_before_ns = now + 3600 * SA_NS_PER_S;
        f->w.reach.next_ns = 1;
        fake_turn(f);
        ck_assert_uint_eq(fake_pending(f, ""), 1);
        ck_assert_uint_eq(fake_timeout(fake_request(f, "pods?limit=1")), 3 * SA_NS_PER_S);
        if (i % 3 == 0)
            fake_break(f, fake_request(f, "pods?limit=1"));
        else if (i % 3 == 1)
            fake_break_with(f, fake_request(f, "pods?limit=1"), 0, SA_ETLS, NULL);
        else
            fake_answer(f, fake_request(f, "pods?limit=1"), 503, "");
    }
    f->w.reach.next_ns = 1;
    fake_turn(f);
    fake_answer(f, fake_request(f, "pods?limit=1"), 403, "");
    ck_assert_uint_le(watch->not_before_ns, sa_mono_ns() + SA_NS_PER_S);
    ck_assert_uint_eq(f->w.reach.next_ns, 0);
    ck_assert(!f->w.reach.away);
    fake_free(f);
}
END_TEST

START_TEST(a_server_that_answers_others_is_not_hurried)
{
    struct fake *f = watching();
    struct sa_watch *watch = &fake_scope(f)->watch;
    fake_break(f, fake_request(f, "watch=1"));
    uint64_t later = watch->not_before_ns = sa_mono_ns() + 3600 * SA_NS_PER_S;
    f->w.reach.next_ns = 1;
    fake_turn(f);
    fake_answer(f, fake_request(f, "pods?limit=1"), 200,
                "{}"); /* not what was asked for, but an answer */
    ck_assert_uint_eq(watch->not_before_ns, later);
    ck_assert_uint_eq(f->w.reach.next_ns, 0);
    fake_free(f);
}
END_TEST

/* The new history overtakes the old one before anything could be silent for two minutes. */
START_TEST(a_restored_etcd_is_known_by_its_first_answer)
{
    struct fake *f = watching();
    struct sa_scope *s = fake_scope(f);
    f->w.no_watch_list = true;
    fake_bookmark(f, 150, false);
    fake_break(f, fake_request(f, "watch=1"));
    fake_skip_waits(f);
    ck_assert_ptr_nonnull(strstr(fake_path(fake_request(f, "watch=1")), "&resourceVersion=150"));
    f->w.reach.next_ns = 1;
    fake_turn(f);
    struct sa_request *q = fake_request(f, "pods?limit=1");
    ck_assert_ptr_nonnull(strstr(fake_accept(q), "PartialObjectMetadataList"));
    char *body = fake_pods(149, "t", "a:5:1");
    fake_answer(f, q, 200, body);
    free(body);
    ck_assert_ptr_null(fake_request(f, "watch=1"));
    body = fake_pods(149, NULL, "a:4:0 b:6:1"); /* a is as it was before its last change */
    fake_answer(f, fake_request(f, "pods?limit"), 200, body);
    free(body);
    fake_expect_deltas(f, "+a=0");
    fake_drop(fake_expect(f, SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_SUMS));
    ck_assert_ptr_nonnull(strstr(fake_path(fake_request(f, "watch=1")), "&resourceVersion=149"));
    ck_assert_uint_eq(s->high, 149);
    fake_free(f);
}
END_TEST

/* Nor did the first answer come in time: the audit, or a list after silence, has an object as it
 * was before what was seen of it. */
START_TEST(a_restored_etcd_is_known_by_an_older_object_in_a_newer_list)
{
    for (int streamed = 0; streamed < 2; streamed++) {
        struct fake *f = watching();
        struct sa_scope *s = fake_scope(f);
        f->w.no_watch_list = !streamed;
        fake_event(f, "MODIFIED", "a", 120, "2");
        fake_expect_deltas(f, "+a=2");
        if (streamed) {
            fake_data(f, fake_request(f, "watch=1"), expired[0]);
            fake_event(f, "ADDED", "a", 5, "1");
            fake_event(f, "ADDED", "b", 6, "1");
            fake_bookmark(f, 200, true);
            ck_assert_ptr_nonnull(strstr(fake_path(fake_request(f, "watch=1")), "InitialEvents"));
            fake_event(f, "ADDED", "a", 5, "1");
            fake_expect_deltas(f, "+a=1");
            fake_event(f, "ADDED", "b", 6, "1");
            fake_bookmark(f, 201, true);
        } else {
            s->want_list = true; /* beside the watch */
            fake_turn(f);
            char *body = fake_pods(200, NULL, "a:5:1 b:6:1");
            fake_answer(f, fake_request(f, "pods?limit"), 200, body);
            ck_assert_ptr_null(fake_request(f, "watch=1"));
            fake_answer(f, fake_request(f, "pods?limit"), 200, body);
            free(body);
            fake_expect_deltas(f, "+a=1");
        }
        fake_drop(fake_expect(f, SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_SUMS));
        ck_assert_int_eq(s->follow, SA_FOLLOW_WATCH);
        fake_free(f);
    }
}
END_TEST

/* The watch is ahead of the list: that is no other history. */
START_TEST(a_list_behind_its_watch_is_no_restore)
{
    struct fake *f = watching();
    f->w.no_watch_list = true;
    fake_scope(f)->want_list = true;
    fake_turn(f);
    fake_event(f, "MODIFIED", "a", 120, "2");
    char *body = fake_pods(119, NULL, "a:5:1 b:6:1");
    fake_answer(f, fake_request(f, "pods?limit"), 200, body);
    free(body);
    ck_assert_ptr_nonnull(fake_request(f, "watch=1"));
    ck_assert_ptr_null(fake_request(f, "limit"));
    fake_expect_deltas(f, "+a=2");
    fake_free(f);
}
END_TEST

START_TEST(an_outage_without_a_restore_reads_nothing_again)
{
    struct fake *f = watching();
    fake_bookmark(f, 150, false);
    for (int version = 150; version <= 151; version++) {
        fake_break(f, fake_request(f, "watch=1"));
        fake_skip_waits(f);
        f->w.reach.next_ns = 1;
        fake_turn(f);
        char *body = fake_pods(version, "t", "a:5:1");
        fake_answer(f, fake_request(f, "pods?limit=1"), 200, body);
        free(body);
        ck_assert_ptr_nonnull(
            strstr(fake_path(fake_request(f, "watch=1")), "&resourceVersion=150"));
        ck_assert_ptr_null(fake_request(f, "limit"));
    }
    fake_free(f);
}
END_TEST

START_TEST(a_watch_cut_inside_an_event_is_an_error)
{
    struct fake *f = watching();
    struct sa_request *q = fake_request(f, "watch=1");
    fake_data(f, q, "{\"type\":\"DELETED\",\"object\":{\"metadata\":{\"name\":\"a\"");
    fake_answer(f, q, 200, NULL);
    ck_assert_ptr_nonnull(strstr(f->slot.last_error, "watching pods"));
    ck_assert_uint_eq(sa_table_count(f->w.table), 2);
    fake_skip_waits(f);
    ck_assert_ptr_nonnull(strstr(fake_path(fake_request(f, "watch=1")), "&resourceVersion=100"));
    fake_free(f);
}
END_TEST

START_TEST(gone_lists_anew_and_sends_the_differences)
{
    struct fake *f = watching();
    f->w.no_watch_list = true;
    fake_data(f, fake_request(f, "watch=1"), expired[_i]);
    ck_assert_ptr_null(fake_request(f, "watch=1"));
    char *body = fake_pods(200, NULL, "a:5:1 c:150:1");
    fake_answer(f, fake_request(f, "pods?limit"), 200, body);
    free(body);
    fake_expect_deltas(f, "+c=1");
    /* b's deletion was missed: it has no name here, the sums tell of it */
    message *m = fake_expect(f, SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_SUMS);
    ck_assert_uint_eq(m->sums->count, 2);
    fake_drop(m);
    fake_free(f);
}
END_TEST

START_TEST(gone_by_status_lists_anew_too)
{
    struct fake *f = watching();
    f->w.no_watch_list = true;
    fake_answer(f, fake_request(f, "watch=1"), 410, "");
    ck_assert_ptr_nonnull(fake_request(f, "pods?limit"));
    fake_free(f);
}
END_TEST

START_TEST(too_large_a_version_is_tried_again)
{
    struct fake *f = watching();
    fake_data(f, fake_request(f, "watch=1"),
              "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":504,\"message\":"
              "\"Too large resource version: 100, current: 90\"}}\n");
    ck_assert_ptr_null(fake_request(f, "limit"));
    ck_assert_ptr_null(fake_request(f, "watch=1"));
    fake_skip_waits(f);
    ck_assert_ptr_nonnull(fake_request(f, "watch=1"));
    fake_free(f);
}
END_TEST

START_TEST(silence_lists_anew)
{
    struct fake *f = watching();
    struct sa_scope *s = fake_scope(f);
    f->w.no_watch_list = true;
    s->watch.data_ns = s->watch.opened_ns = sa_mono_ns() - 121 * SA_NS_PER_S;
    fake_break(f, fake_request(f, "watch=1"));
    ck_assert_ptr_nonnull(fake_request(f, "pods?limit"));
    ck_assert_ptr_null(fake_request(f, "watch=1"));
    fake_free(f);
}
END_TEST

START_TEST(a_watch_that_goes_back_lists_anew)
{
    for (int i = 0; i < 2; i++) {
        struct fake *f = watching();
        f->w.no_watch_list = true;
        fake_bookmark(f, 150, false);
        fake_bookmark(f, 150, false); /* the same again is nothing */
        ck_assert_ptr_nonnull(fake_request(f, "watch=1"));
        if (i == 0)
            fake_bookmark(f, 149, false);
        else
            fake_event(f, "MODIFIED", "a", 120, "old");
        fake_flush(f);
        fake_none(f);
        ck_assert_ptr_null(fake_request(f, "watch=1"));
        ck_assert_ptr_nonnull(fake_request(f, "pods?limit"));
        ck_assert_str_eq(fake_scope(f)->version, "150");
        fake_free(f);
    }
}
END_TEST

START_TEST(a_watch_broken_for_too_long_lists_anew)
{
    struct fake *f = watching();
    f->w.no_watch_list = true;
    fake_break(f, fake_request(f, "watch=1"));
    fake_scope(f)->fresh_ns = sa_mono_ns() - 301 * SA_NS_PER_S;
    fake_skip_waits(f);
    ck_assert_ptr_null(fake_request(f, "watch=1"));
    ck_assert_ptr_nonnull(fake_request(f, "pods?limit"));
    fake_free(f);
}
END_TEST

START_TEST(a_list_is_watched_from_however_little_may_be_resumed)
{
    struct fake *f = fake_new();
    f->w.no_watch_list = true;
    f->w.account.max_resumable_resource_age_ms = 0;
    fake_start(f);
    fake_welcome(f, NULL, 1 << 20);
    char *body = fake_pods(100, NULL, "a:5:1");
    fake_answer(f, fake_request(f, "pods?limit"), 200, body);
    free(body);
    ck_assert_ptr_null(fake_request(f, "pods?limit"));
    ck_assert_ptr_nonnull(strstr(fake_path(fake_request(f, "watch=1")), "&resourceVersion=100"));
    fake_break(f, fake_request(f, "watch=1"));
    fake_scope(f)->fresh_ns = sa_mono_ns() - 61 * SA_NS_PER_S;
    fake_skip_waits(f);
    ck_assert_ptr_nonnull(fake_request(f, "pods?limit"));
    fake_free(f);
}
END_TEST

START_TEST(a_young_checkpoint_is_resumed_without_a_list)
{
    struct fake *f = begun(&resumable);
    ck_assert_ptr_null(fake_request(f, "limit"));
    ck_assert_ptr_nonnull(strstr(fake_path(fake_request(f, "watch=1")), "&resourceVersion=700"));
    fake_none(f);
    /* the table knows nothing: deletes of what it never saw are sent */
    fake_event(f, "DELETED", "a", 701, "1");
    fake_event(f, "MODIFIED", "b", 702, "2");
    fake_expect_deltas(f, "-a +b=2");
    /* audit: nothing is sent that the other side has */
    struct sa_scope *s = fake_scope(f);
    ck_assert_uint_gt(s->audit_ns, sa_mono_ns() + 299 * SA_NS_PER_S);
    s->audit_ns = 1;
    sa_worker_tick(&f->w);
    fake_turn(f);
    char *body = fake_pods(800, NULL, "b:702:2 c:600:1");
    fake_answer(f, fake_request(f, "pods?limit"), 200, body);
    free(body);
    message *m = fake_expect(f, SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_SUMS);
    ck_assert_uint_eq(m->sums->count, 2);
    fake_drop(m);
    fake_none(f);
    fake_free(f);
}
END_TEST

/* Over HTTP/1.1, with more watches than descriptors. */
START_TEST(a_list_does_not_wait_for_the_turn_of_its_watch)
{
    struct fake *f = fake_new();
    fake_start(f);
    fake_welcome(f, &(struct fake_known){.version = "", .count = 2}, 1 << 20);
    ck_assert_ptr_nonnull(fake_request(f, "sendInitialEvents=true"));
    sa_reach_crowded(&f->w, 0);
    ck_assert_str_eq(f->slot.last_error, "");
    sa_reach_crowded(&f->w, 7);
    fake_turn(f);
    ck_assert_ptr_nonnull(strstr(f->slot.last_error, "HTTP/1.1 alone"));
    ck_assert_ptr_nonnull(strstr(f->slot.last_error, ": 7 watches"));
    ck_assert_ptr_null(fake_request(f, "sendInitialEvents=true"));
    ck_assert_ptr_nonnull(fake_request(f, "pods?limit"));
    /* said once, until it is over */
    f->slot.last_error[0] = '\0';
    sa_reach_crowded(&f->w, 8);
    ck_assert_str_eq(f->slot.last_error, "");
    sa_reach_crowded(&f->w, 0);
    sa_reach_crowded(&f->w, 9);
    ck_assert_ptr_nonnull(strstr(f->slot.last_error, ": 9 watches"));
    fake_free(f);
}
END_TEST

START_TEST(an_old_checkpoint_is_not_resumed)
{
    struct fake *f = begun(&aged);
    struct sa_request *q = fake_request(f, "sendInitialEvents=true");
    ck_assert_ptr_nonnull(q);
    ck_assert_ptr_null(strstr(fake_path(q), "resourceVersion="));
    ck_assert_ptr_nonnull(strstr(fake_path(q), "resourceVersionMatch=NotOlderThan"));
    /* what the other side may have is not sent again */
    fake_event(f, "ADDED", "a", 5, "1");
    fake_event(f, "ADDED", "b", 6, "1");
    fake_bookmark(f, 750, false);
    fake_flush(f);
    fake_none(f);
    fake_bookmark(f, 800, true);
    message *m = fake_expect(f, SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_SUMS);
    ck_assert_uint_eq(m->sums->count, 2);
    fake_drop(m);
    /* and the same stream goes on */
    fake_event(f, "ADDED", "c", 801, "1");
    fake_expect_deltas(f, "+c=1");
    fake_free(f);
}
END_TEST

static const struct {
    int status;
    const char *body;
} no_watch_list[] = {
    {400, ""},
    {422, "{\"kind\":\"Status\",\"code\":422,\"reason\":\"Invalid\"}"},
    {200, "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":500,\"message\":\"etcd "
          "storage feature RequestWatchProgress is disabled\"}}\n"},
};

START_TEST(a_server_without_watch_list_is_listed_by_pages)
{
    struct fake *f = begun(&aged);
    struct sa_request *q = fake_request(f, "sendInitialEvents=true");
    if (no_watch_list[_i].status == 200)
        fake_data(f, q, no_watch_list[_i].body);
    else
        fake_answer(f, q, no_watch_list[_i].status, no_watch_list[_i].body);
    ck_assert(f->w.no_watch_list);
    ck_assert_ptr_nonnull(fake_request(f, "pods?limit")); /* at once */
    ck_assert_ptr_null(fake_request(f, "watch=1"));
    fake_free(f);
}
END_TEST

START_TEST(a_watch_list_that_breaks_begins_again)
{
    struct fake *f = begun(&aged);
    fake_event(f, "ADDED", "a", 5, "1");
    fake_break(f, fake_request(f, "sendInitialEvents=true"));
    ck_assert(!f->w.no_watch_list);
    ck_assert_uint_eq(sa_table_count(f->w.table), 1);
    ck_assert(!fake_scope(f)->complete);
    fake_skip_waits(f);
    ck_assert_ptr_nonnull(fake_request(f, "sendInitialEvents=true"));
    fake_free(f);
}
END_TEST

START_TEST(a_watch_list_of_the_past_is_refused)
{
    struct fake *f = begun(&aged);
    fake_event(f, "ADDED", "a", 5, "1");
    fake_bookmark(f, 600, true); /* the checkpoint was 700 */
    ck_assert(!fake_scope(f)->complete);
    ck_assert_ptr_null(fake_request(f, "watch=1"));
    fake_none(f);
    fake_free(f);
}
END_TEST

START_TEST(an_event_that_is_too_large_is_left_out_and_told_of)
{
    struct fake *f = fake_new();
    f->w.account.max_object_bytes = 1000;
    fake_start(f);
    fake_welcome(f, &resumable, 1 << 20);
    char big[1500];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    fake_event(f, "ADDED", "a", 701, big);
    ck_assert_ptr_nonnull(strstr(f->slot.last_error, "1000"));
    fake_event(f, "ADDED", "b", 702, "1");
    fake_expect_deltas(f, "+b=1");
    fake_free(f);
}
END_TEST

TCase *worker_watch_cases(void)
{
    TCase *t = tcase_create("watch");
    tcase_add_test(t, a_list_does_not_wait_for_the_turn_of_its_watch);
    tcase_add_test(t, events_become_deltas);
    tcase_add_test(t, a_watch_goes_on_from_its_last_version);
    tcase_add_test(t, a_server_that_is_away_is_asked_by_one_request);
    tcase_add_test(t, a_server_that_answers_others_is_not_hurried);
    tcase_add_test(t, a_restored_etcd_is_known_by_its_first_answer);
    tcase_add_test(t, a_restored_etcd_is_known_by_an_older_object_in_a_newer_list);
    tcase_add_test(t, a_list_behind_its_watch_is_no_restore);
    tcase_add_test(t, an_outage_without_a_restore_reads_nothing_again);
    tcase_add_test(t, a_watch_cut_inside_an_event_is_an_error);
    tcase_add_loop_test(t, gone_lists_anew_and_sends_the_differences, 0, 2);
    tcase_add_test(t, gone_by_status_lists_anew_too);
    tcase_add_test(t, too_large_a_version_is_tried_again);
    tcase_add_test(t, silence_lists_anew);
    tcase_add_test(t, a_watch_that_goes_back_lists_anew);
    tcase_add_test(t, a_watch_broken_for_too_long_lists_anew);
    tcase_add_test(t, a_list_is_watched_from_however_little_may_be_resumed);
    tcase_add_test(t, a_young_checkpoint_is_resumed_without_a_list);
    tcase_add_test(t, an_old_checkpoint_is_not_resumed);
    tcase_add_loop_test(t, a_server_without_watch_list_is_listed_by_pages, 0, 3);
    tcase_add_test(t, a_watch_list_that_breaks_begins_again);
    tcase_add_test(t, a_watch_list_of_the_past_is_refused);
    tcase_add_test(t, an_event_that_is_too_large_is_left_out_and_told_of);
    return t;
}
