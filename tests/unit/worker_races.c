/* SPDX-License-Identifier: Apache-2.0 */
/* Orders of events in which a change could be lost, or an object outlive its deletion. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker_fake.h"
#include "worker_test.h"

#define BODY(x) SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_##x

static void answer_list(struct fake *f, int version, const char *token, const char *items)
{
    char *body = fake_pods(version, token, items);
    fake_answer(f, fake_request(f, "pods?limit"), 200, body);
    free(body);
}

static void answer_get(struct fake *f, const char *name, int version, const char *x)
{
    char path[64];
    snprintf(path, sizeof path, "/pods/%s", name);
    char *pod = fake_pod(name, version, x);
    fake_answer(f, fake_request(f, path), 200, pod);
    free(pod);
}

/* In step at version 100 with pods a and b, all acknowledged. */
static struct fake *in_step(void)
{
    struct fake *f = fake_new();
    f->w.no_watch_list = true;
    fake_start(f);
    fake_welcome(f, NULL, 1 << 20);
    answer_list(f, 100, NULL, "a:5:1 b:6:1");
    fake_expect_deltas(f, "+a=1 +b=1");
    fake_drop(fake_expect(f, BODY(SUMS)));
    fake_sums(f, fake_scope(f)->id, true);
    fake_ack(f, 2, 1 << 20);
    fake_none(f);
    return f;
}

static void dirty(struct fake *f, const char *name)
{
    sa_intake_dirty(fake_scope(f), "default", name);
    fake_turn(f);
}

static void reply(struct fake *f, const Scaleagent__V1__AccountReply *r)
{
    uint8_t buf[256];
    size_t n = scaleagent__v1__account_reply__pack(r, buf);
    ck_assert_int_eq(sa_session_message(&f->w, SA_DATA_REPLY, buf, n, NULL), 0);
    fake_turn(f);
}

START_TEST(an_event_without_news_overtakes_a_read)
{
    struct fake *f = in_step();
    dirty(f, "a");
    ck_assert_ptr_nonnull(fake_request(f, "/pods/a"));
    /* the same content again: but the other side does not have it yet */
    fake_event(f, "MODIFIED", "a", 101, "1");
    answer_get(f, "a", 5, "1");
    fake_expect_deltas(f, "+a=1");
    fake_none(f);
    fake_free(f);
}
END_TEST

START_TEST(a_deletion_overtakes_a_read)
{
    struct fake *f = in_step();
    dirty(f, "a");
    ck_assert_ptr_nonnull(fake_request(f, "/pods/a"));
    fake_event(f, "DELETED", "a", 110, "1");
    fake_expect_deltas(f, "-a");
    answer_get(f, "a", 5, "1"); /* as of before */
    fake_flush(f);
    fake_none(f);
    ck_assert_uint_eq(sa_table_count(f->w.table), 1);
    fake_answer(f, fake_request(f, "/pods/a"), 404, ""); /* it was read once more */
    ck_assert_uint_eq(sa_dirty_count(fake_scope(f)->dirty), 0);
    fake_free(f);
}
END_TEST

START_TEST(a_404_that_is_not_of_the_object_deletes_nothing)
{
    struct fake *f = in_step();
    dirty(f, "a");
    fake_answer(f, fake_request(f, "/pods/a"), 404, "404 page not found\n");
    fake_flush(f);
    fake_none(f);
    ck_assert(sa_dirty_has(fake_scope(f)->dirty, "default", "a"));
    ck_assert_uint_eq(sa_table_count(f->w.table), 2);
    fake_free(f);
}
END_TEST

START_TEST(no_checkpoint_amid_a_list_that_completes_the_table)
{
    struct fake *f = fake_new();
    fake_start(f);
    fake_welcome(f, &(struct fake_known){.version = "700", .age_ms = 1000, .count = 2}, 1 << 20);
    struct sa_scope *s = fake_scope(f);
    ck_assert(s->resumed && s->in_step);
    s->want_list = true;
    fake_turn(f);
    answer_list(f, 760, "t", "c:750:1"); /* ahead of the watch, and not sent */
    fake_event(f, "MODIFIED", "c", 750, "1");
    sa_checkpoint_step(s, true);
    fake_none(f);
    fake_free(f);
}
END_TEST

START_TEST(what_was_withdrawn_is_not_believed_to_be_there)
{
    struct fake *f = in_step();
    struct sa_scope *s = fake_scope(f);
    struct fake_known known = {.version = "", .count = 2};
    struct sa_table_sum sum = sa_table_scope_sum(f->w.table, s->id);
    sa_sum_bytes(&sum.sum, known.sum);
    fake_down(f);
    fake_welcome(f, &known, 1 << 20);
    ck_assert(s->in_step);
    s->forbidden_ns = sa_mono_ns() - 601 * SA_NS_PER_S;
    fake_answer(f, fake_request(f, "watch=1"), 403, "");
    ck_assert(s->evicted);
    message *m = fake_expect(f, BODY(SCOPES));
    ck_assert_uint_eq(m->scopes->n_scopes, 0);
    fake_drop(m);
    fake_skip_waits(f);
    answer_list(f, 200, NULL, "a:5:1 b:6:1");
    fake_drop(fake_expect(f, BODY(SCOPES)));
    fake_drop(fake_expect(f, BODY(SUMS)));
    ck_assert(!s->in_step);
    fake_free(f);
}
END_TEST

START_TEST(a_late_fence_does_not_stop_the_opening)
{
    struct fake *f = in_step();
    Scaleagent__V1__AccountReply r = SCALEAGENT__V1__ACCOUNT_REPLY__INIT;
    Scaleagent__V1__Refusal refusal = SCALEAGENT__V1__REFUSAL__INIT;
    refusal.code = SCALEAGENT__V1__REFUSAL__CODE__FENCED;
    r.epoch = f->epoch;
    r.body_case = SCALEAGENT__V1__ACCOUNT_REPLY__BODY_REFUSAL;
    r.refusal = &refusal;
    fake_down(f);
    fake_up(f);
    fake_drop(fake_expect(f, BODY(OPEN)));
    reply(f, &r); /* to what the last epoch had on its way */
    ck_assert_int_eq(f->w.session, SA_SESSION_OPENING);
    fake_send_welcome(f, NULL, 1 << 20, false);
    ck_assert_int_eq(f->w.session, SA_SESSION_CACHING);
    fake_free(f);
}
END_TEST

START_TEST(after_standby_all_goes_on)
{
    struct fake *f = fake_new();
    struct sa_resource crd = {.group = (char *)"apiextensions.k8s.io",
                              .version = (char *)"v1",
                              .plural = (char *)"customresourcedefinitions",
                              .kind = (char *)"CustomResourceDefinition"};
    fake_start(f);
    fake_welcome(f, &(struct fake_known){.version = "700", .age_ms = 1000, .count = 2}, 1 << 20);
    struct sa_scope *internal = sa_scope_new(&f->w, &crd, "", NULL);
    internal->internal = true;
    internal->follow = SA_FOLLOW_LIST;
    fake_turn(f);
    ck_assert_ptr_nonnull(fake_request(f, "definitions?limit"));
    fake_send_welcome(f, NULL, 1 << 20, true);
    ck_assert_ptr_null(f->pending);
    fake_send_welcome(f, &(struct fake_known){.version = "700", .age_ms = 2000, .count = 2},
                      1 << 20, false);
    ck_assert_ptr_nonnull(fake_request(f, "definitions?limit"));
    /* another has written meanwhile, up to a place that nobody knows */
    ck_assert(!fake_scope(f)->in_step);
    ck_assert_ptr_nonnull(fake_request(f, "pods?limit"));
    fake_free(f);
}
END_TEST

START_TEST(a_streamed_list_without_an_end_is_read_by_pages)
{
    struct fake *f = fake_new();
    fake_start(f);
    fake_welcome(f, &(struct fake_known){.version = "700", .age_ms = 400000, .count = 2}, 1 << 20);
    struct sa_request *q = fake_request(f, "sendInitialEvents=true");
    fake_event(f, "ADDED", "a", 5, "1");
    fake_bookmark(f, 800, false);
    fake_scope(f)->watch.opened_ns -= 301 * SA_NS_PER_S;
    fake_answer(f, q, 200, NULL);
    fake_skip_waits(f);
    ck_assert_ptr_nonnull(fake_request(f, "pods?limit"));
    fake_free(f);
}
END_TEST

START_TEST(an_answer_without_a_version_is_no_list)
{
    struct fake *f = fake_new();
    f->w.no_watch_list = true;
    fake_start(f);
    fake_welcome(f, NULL, 1 << 20);
    fake_answer(f, fake_request(f, "pods?limit"), 200,
                "{\"kind\":\"PodList\",\"metadata\":{},\"items\":[]}");
    ck_assert(!fake_scope(f)->complete);
    ck_assert_ptr_null(f->pending); /* a pause */
    fake_none(f);
    fake_free(f);
}
END_TEST

START_TEST(a_list_does_not_wait_for_an_outage_to_end)
{
    struct fake *f = in_step();
    struct sa_scope *s = fake_scope(f);
    s->want_list = true;
    fake_turn(f);
    fake_down(f);
    sa_intake_dirty(s, "default", "a");
    answer_list(f, 120, "t", "a:5:1");
    ck_assert(!s->list.active);
    for (int i = 0; i < 1000; i++) { /* come and gone: nothing of it is kept */
        fake_event(f, "ADDED", "n", 200 + 2 * i, "1");
        fake_event(f, "DELETED", "n", 201 + 2 * i, "1");
    }
    ck_assert_uint_eq(sa_table_count(f->w.table), 2);
    fake_welcome(f, &(struct fake_known){.version = "", .count = 2}, 1 << 20);
    ck_assert_ptr_nonnull(fake_request(f, "pods?limit"));
    fake_free(f);
}
END_TEST

START_TEST(an_object_without_a_name_is_refused)
{
    struct fake *f = in_step();
    fake_data(f, fake_request(f, "watch=1"),
              "{\"type\":\"DELETED\",\"object\":{\"kind\":\"Pod\",\"apiVersion\":\"v1\","
              "\"metadata\":{\"resourceVersion\":\"101\"}}}\n");
    ck_assert_ptr_null(fake_request(f, "watch=1"));
    ck_assert_ptr_nonnull(strstr(f->slot.last_error, "no name"));
    fake_flush(f);
    fake_none(f);
    fake_free(f);
}
END_TEST

START_TEST(a_watch_that_expires_takes_the_list_beside_it_along)
{
    struct fake *f = in_step();
    fake_scope(f)->want_list = true;
    fake_turn(f);
    answer_list(f, 120, "t", "a:5:1");
    fake_event(f, "ADDED", "n", 110, "1"); /* gone by 120, which this watch won't say any more */
    fake_expect_deltas(f, "+n=1");
    fake_answer(f, fake_request(f, "watch=1"), 410, "");
    ck_assert_ptr_null(fake_request(f, "continue=t"));
    answer_list(f, 130, NULL, "a:5:1 b:6:1");
    ck_assert_uint_eq(sa_table_count(f->w.table), 2);
    message *m = fake_expect(f, BODY(SUMS));
    ck_assert_uint_eq(m->sums->count, 2);
    fake_drop(m);
    fake_free(f);
}
END_TEST

START_TEST(a_read_from_before_a_list_does_not_outlive_it)
{
    struct fake *f = in_step();
    dirty(f, "a");
    ck_assert_ptr_nonnull(fake_request(f, "/pods/a"));
    fake_answer(f, fake_request(f, "watch=1"), 410, "");
    ck_assert_ptr_nonnull(fake_request(f, "pods?limit"));
    ck_assert_ptr_null(fake_request(f, "/pods/a"));
    ck_assert(sa_dirty_has(fake_scope(f)->dirty, "default", "a"));
    answer_list(f, 130, NULL, "b:6:1");
    ck_assert_uint_eq(sa_table_count(f->w.table), 1);
    fake_expect_deltas(f, "-a");
    fake_free(f);
}
END_TEST

START_TEST(an_object_that_is_too_large_is_left_out_alone)
{
    struct fake *f = fake_new();
    f->w.account.max_object_bytes = 1000;
    f->w.no_watch_list = true;
    fake_start(f);
    fake_welcome(f, NULL, 1 << 20);
    char x[2000], items[2100];
    memset(x, 'x', sizeof x - 1);
    x[sizeof x - 1] = '\0';
    snprintf(items, sizeof items, "a:5:1 big:6:%s b:7:1", x);
    answer_list(f, 100, NULL, items);
    ck_assert_ptr_nonnull(strstr(f->slot.last_error, "left out"));
    fake_expect_deltas(f, "+a=1 +b=1");
    fake_drop(fake_expect(f, BODY(SUMS)));
    fake_sums(f, fake_scope(f)->id, true);
    fake_event(f, "MODIFIED", "a", 101, x); /* grew past it */
    fake_event(f, "MODIFIED", "b", 102, "2");
    fake_expect_deltas(f, "+b=2");
    ck_assert_uint_lt(fake_scope(f)->audit_ns, sa_mono_ns() + 301 * SA_NS_PER_S);
    /* the list that follows takes the smaller one that was sent away */
    fake_scope(f)->want_list = true;
    fake_turn(f);
    snprintf(items, sizeof items, "a:101:%s b:102:2", x);
    answer_list(f, 110, NULL, items);
    message *m = fake_expect(f, BODY(SUMS));
    ck_assert_uint_eq(m->sums->count, 1);
    fake_drop(m);
    dirty(f, "a"); /* as a comparison does, which knows its name */
    struct sa_request *q = fake_request(f, "/pods/a");
    fake_break_with(f, q, 200, SA_ELIMIT, "{");
    fake_expect_deltas(f, "-a");
    fake_free(f);
}
END_TEST

/* What an API server may send and can't be represented here: 0 deep, 1 not valid inside, 2 a long
 * uid, 3 a long version, 4 a long name. */
static char *unfit(int how, const char *name, int version)
{
    char deep[1400], long_name[301], number[16], *out = NULL;
    memset(deep, '[', 600);
    memset(deep + 600, ']', 600);
    deep[1200] = '\0';
    memset(long_name, 'n', 300);
    long_name[300] = '\0';
    snprintf(number, sizeof number, "%d", version);
    ck_assert_int_gt(
        asprintf(&out,
                 "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"%s\","
                 "\"namespace\":\"default\",\"uid\":\"%s\",\"resourceVersion\":\"%s\","
                 "\"managedFields\":[%s]},\"spec\":{\"x\":%s}}",
                 how == 4 ? long_name : name, how == 2 ? long_name : "u",
                 how == 3 ? long_name : number, how == 0 ? deep : "",
                 how == 0   ? deep
                 : how == 1 ? "\"\xff\""
                            : "1"),
        0);
    return out;
}

static void answer_list_with(struct fake *f, char *item, int version)
{
    char *body = NULL, *pods = fake_pods(version, NULL, "b:6:1");
    ck_assert_int_gt(asprintf(&body, "%.*s,%s]}", (int)strlen(pods) - 2, pods, item), 0);
    fake_answer(f, fake_request(f, "pods?limit"), 200, body);
    free(body);
    free(pods);
    free(item);
}

static void event_of(struct fake *f, const char *type, char *object)
{
    char *event = NULL;
    ck_assert_int_gt(asprintf(&event, "{\"type\":\"%s\",\"object\":%s}\n", type, object), 0);
    fake_data(f, fake_request(f, "pods?watch=1"), event);
    free(event);
    free(object);
}

START_TEST(one_that_cannot_be_represented_is_left_out_alone)
{
    struct fake *f = fake_new();
    f->w.no_watch_list = true;
    fake_start(f);
    fake_welcome(f, NULL, 1 << 20);
    answer_list_with(f, unfit(_i, "a", 5), 100);
    fake_expect_deltas(f, "+b=1");
    ck_assert_ptr_nonnull(strstr(f->slot.last_error, "left out"));
    message *m = fake_expect(f, BODY(SUMS));
    ck_assert_uint_eq(m->sums->count, 1);
    fake_drop(m);
    fake_sums(f, fake_scope(f)->id, true);
    fake_event(f, "ADDED", "a", 101, "1");
    fake_expect_deltas(f, "+a=1");
    event_of(f, "MODIFIED", unfit(_i, "a", 102));
    if (_i < 4)
        fake_expect_deltas(f, "-a"); /* as one that stops matching */
    ck_assert_str_eq(fake_scope(f)->version, _i == 3 ? "101" : "102");
    event_of(f, "DELETED", unfit(_i, "a", 103));
    fake_event(f, "MODIFIED", "b", 104, "2");
    fake_expect_deltas(f, "+b=2");
    ck_assert(!fake_scope(f)->failing);
    fake_free(f);
}
END_TEST

START_TEST(neither_does_it_break_a_comparison)
{
    struct fake *f = in_step();
    struct sa_scope *s = fake_scope(f);
    s->want_list = true;
    fake_turn(f);
    answer_list_with(f, unfit(_i, "a", 7), 110);
    if (_i < 4)
        fake_expect_deltas(f, "-a");
    fake_drop(fake_expect(f, BODY(SUMS)));
    fake_sums(f, s->id, false);
    fake_drop(fake_expect(f, BODY(BEGIN)));
    answer_list_with(f, unfit(_i, "a", 7), 110);
    message *m = fake_expect(f, BODY(PAGE));
    ck_assert_uint_eq(m->page->n_entries, _i < 2 ? 2 : 1); /* metadata does not tell what is deep */
    ck_assert_str_eq(m->page->entries[0]->name, "b");
    fake_wants(f, m->page, "");
    fake_drop(m);
    if (_i < 2) {
        char *object = unfit(_i, "a", 7);
        fake_answer(f, fake_request(f, "/pods/a"), 200, object);
        free(object);
    }
    fake_drop(fake_expect(f, BODY(END)));
    if (_i < 2)
        fake_expect_deltas(f, "-a");
    ck_assert(!s->failing && s->gets_failed == 0);
    fake_free(f);
}
END_TEST

TCase *worker_races_cases(void)
{
    TCase *t = tcase_create("races");
    tcase_add_test(t, an_event_without_news_overtakes_a_read);
    tcase_add_test(t, a_deletion_overtakes_a_read);
    tcase_add_test(t, a_404_that_is_not_of_the_object_deletes_nothing);
    tcase_add_test(t, no_checkpoint_amid_a_list_that_completes_the_table);
    tcase_add_test(t, what_was_withdrawn_is_not_believed_to_be_there);
    tcase_add_test(t, a_late_fence_does_not_stop_the_opening);
    tcase_add_test(t, after_standby_all_goes_on);
    tcase_add_test(t, a_streamed_list_without_an_end_is_read_by_pages);
    tcase_add_test(t, an_answer_without_a_version_is_no_list);
    tcase_add_test(t, a_list_does_not_wait_for_an_outage_to_end);
    tcase_add_test(t, an_object_without_a_name_is_refused);
    tcase_add_test(t, a_watch_that_expires_takes_the_list_beside_it_along);
    tcase_add_test(t, a_read_from_before_a_list_does_not_outlive_it);
    tcase_add_test(t, an_object_that_is_too_large_is_left_out_alone);
    tcase_add_loop_test(t, one_that_cannot_be_represented_is_left_out_alone, 0, 5);
    tcase_add_loop_test(t, neither_does_it_break_a_comparison, 0, 5);
    return t;
}
