/* SPDX-License-Identifier: Apache-2.0 */
/* Epochs, credit, acknowledgements, dirty keys, checkpoints. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker_fake.h"
#include "worker_test.h"

#define BODY(x) SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_##x

/* In step at version 100 with pods a and b, two deltas sent and acknowledged. */
static struct fake *in_step(uint64_t credit)
{
    struct fake *f = fake_new();
    fake_start(f);
    fake_welcome(f, NULL, credit);
    char *body = fake_pods(100, NULL, "a:5:1 b:6:1");
    fake_answer(f, fake_request(f, "pods?limit"), 200, body);
    free(body);
    fake_expect_deltas(f, "+a=1 +b=1");
    fake_drop(fake_expect(f, BODY(SUMS)));
    fake_sums(f, fake_scope(f)->id, true);
    fake_ack(f, 2, credit);
    ck_assert(fake_scope(f)->in_step);
    fake_none(f);
    return f;
}

static void answer_get(struct fake *f, const char *name, int version, const char *x)
{
    char path[64];
    snprintf(path, sizeof path, "/api/v1/namespaces/default/pods/%s", name);
    char *pod = x ? fake_pod(name, version, x) : NULL;
    fake_answer(f, fake_request(f, path), x ? 200 : 404, x ? pod : "");
    free(pod);
}

START_TEST(what_is_not_acknowledged_is_sent_again)
{
    struct fake *f = in_step(1 << 20);
    fake_event(f, "MODIFIED", "a", 101, "2");
    fake_event(f, "DELETED", "b", 102, "1");
    fake_event(f, "ADDED", "c", 103, "1");
    fake_expect_deltas(f, "+a=2 -b +c=1");
    fake_ack(f, 3, 0); /* a */
    ck_assert_uint_eq(f->w.unacked.n, 2);
    fake_down(f);
    ck_assert_uint_eq(sa_dirty_count(fake_scope(f)->dirty), 2);
    ck_assert_ptr_null(fake_request(f, "pods/")); /* there is no room now */
    fake_welcome(f, &(struct fake_known){.version = "", .count = 2}, 1 << 20);
    answer_get(f, "b", 0, NULL);
    answer_get(f, "c", 103, "1");
    fake_expect_deltas(f, "-b +c=1");
    fake_drop(fake_expect(f, BODY(SUMS)));
    fake_free(f);
}
END_TEST

START_TEST(sequences_count_within_the_epoch)
{
    struct fake *f = in_step(1 << 20);
    fake_event(f, "MODIFIED", "a", 101, "2");
    fake_flush(f);
    message *m = fake_expect(f, BODY(DELTAS));
    ck_assert_uint_eq(m->deltas->first_sequence, 3);
    ck_assert_int_gt(m->deltas->observed_us, 1600000000000000);
    fake_drop(m);
    fake_down(f);
    fake_welcome(f, NULL, 1 << 20);
    answer_get(f, "a", 101, "2");
    fake_flush(f);
    m = fake_expect(f, BODY(DELTAS));
    ck_assert_uint_eq(m->deltas->first_sequence, 1);
    fake_drop(m);
    fake_free(f);
}
END_TEST

START_TEST(acknowledging_what_was_not_sent_is_a_violation)
{
    struct fake *f = in_step(1 << 20);
    fake_event(f, "MODIFIED", "a", 101, "2"); /* still in the batch */
    Scaleagent__V1__AccountReply r = SCALEAGENT__V1__ACCOUNT_REPLY__INIT;
    Scaleagent__V1__Ack ack = SCALEAGENT__V1__ACK__INIT;
    uint8_t buf[64];
    struct sa_err *err = NULL;
    ack.sequence = 3;
    r.epoch = f->epoch;
    r.body_case = SCALEAGENT__V1__ACCOUNT_REPLY__BODY_ACK;
    r.ack = &ack;
    size_t n = scaleagent__v1__account_reply__pack(&r, buf);
    ck_assert_int_eq(sa_session_message(&f->w, SA_DATA_REPLY, buf, n, &err), -1);
    ck_assert_int_eq(err->code, SA_EPROTOCOL);
    sa_err_free(&err);
    /* of another epoch it is nothing at all */
    r.epoch = f->epoch - 1;
    n = scaleagent__v1__account_reply__pack(&r, buf);
    ck_assert_int_eq(sa_session_message(&f->w, SA_DATA_REPLY, buf, n, NULL), 0);
    ck_assert_int_eq(sa_session_message(&f->w, SA_DATA_REPLY, "\xff\xff", 2, &err), -1);
    sa_err_free(&err);
    fake_free(f);
}
END_TEST

/* fake.c checks at each message that credit is never overdrawn. */
START_TEST(without_credit_events_become_dirty_keys)
{
    struct fake *f = in_step(2000);
    char x[400];
    memset(x, 'x', sizeof x - 1);
    x[sizeof x - 1] = '\0';
    for (int i = 0; i < 20; i++) {
        char name[8];
        snprintf(name, sizeof name, "n%d", i % 10);
        fake_event(f, "MODIFIED", name, 101 + i, x);
    }
    fake_flush(f);
    struct sa_scope *s = fake_scope(f);
    ck_assert_uint_gt(sa_dirty_count(s->dirty), 5);
    ck_assert_uint_le(sa_dirty_count(s->dirty), 10); /* by object, not by event */
    ck_assert_uint_eq(f->w.credit, 2000);
    while (f->n_sent)
        fake_drop(fake_take(f));
    /* credit comes: the latest state is read */
    f->w.average = 500;
    fake_ack(f, 0, 1 << 20);
    ck_assert_ptr_nonnull(fake_request(f, "/pods/n"));
    for (struct sa_request *q; (q = fake_request(f, "/pods/n"));) {
        char *pod = fake_pod(strrchr(fake_path(q), '/') + 1, 500, "last");
        fake_answer(f, q, 200, pod);
        free(pod);
    }
    ck_assert_uint_eq(sa_dirty_count(s->dirty) + s->gets, 0);
    fake_free(f);
}
END_TEST

START_TEST(a_full_link_makes_dirty_keys_too)
{
    struct fake *f = in_step(64 << 20);
    f->queued = 4 << 20;
    fake_event(f, "MODIFIED", "a", 101, "2");
    fake_flush(f);
    fake_none(f);
    ck_assert(sa_dirty_has(fake_scope(f)->dirty, "default", "a"));
    /* its next event, with room again, is the latest state */
    f->queued = 0;
    fake_event(f, "MODIFIED", "a", 102, "3");
    ck_assert(!sa_dirty_has(fake_scope(f)->dirty, "default", "a"));
    fake_expect_deltas(f, "+a=3");
    fake_free(f);
}
END_TEST

START_TEST(a_read_that_was_overtaken_is_void)
{
    struct fake *f = in_step(1 << 20);
    sa_intake_dirty(fake_scope(f), "default", "a");
    fake_turn(f);
    ck_assert_ptr_nonnull(fake_request(f, "pods/a"));
    /* the events come first: deleted and created again */
    fake_event(f, "DELETED", "a", 110, "1");
    fake_event(f, "ADDED", "a", 111, "new");
    fake_expect_deltas(f, "-a +a=new");
    answer_get(f, "a", 0, NULL); /* as of between the two */
    fake_flush(f);
    fake_none(f);
    fake_free(f);
}
END_TEST

START_TEST(many_dirty_keys_are_read_by_one_list)
{
    struct fake *f = in_step(1 << 20);
    struct sa_scope *s = fake_scope(f);
    char name[16];
    for (int i = 0; i < 150; i++) {
        snprintf(name, sizeof name, "n%d", i);
        sa_intake_dirty(s, "default", name);
    }
    s->dirty_list_ns = 0;
    fake_turn(f);
    ck_assert_uint_eq(fake_pending(f, "/pods/"), 0);
    ck_assert_uint_eq(fake_pending(f, "pods?limit"), 1);
    ck_assert_uint_eq(fake_pending(f, "watch=1"), 1); /* beside the watch */
    char *body = fake_pods(200, NULL, "a:5:1 b:6:1 n3:150:1");
    fake_answer(f, fake_request(f, "pods?limit"), 200, body);
    free(body);
    fake_flush(f);
    ck_assert_uint_eq(sa_dirty_count(s->dirty), 0);
    /* what is dirty and there is sent, what is not there deleted; a and b are neither */
    ck_assert_uint_eq(fake_pending(f, "/pods/"), 0);
    size_t deleted = 0, sent = 0;
    for (message *m; (m = fake_take(f)); fake_drop(m))
        for (size_t i = 0; m->body_case == BODY(DELTAS) && i < m->deltas->n_deltas; i++) {
            deleted += m->deltas->deltas[i]->deleted ? 1u : 0u;
            sent += m->deltas->deltas[i]->deleted ? 0u : 1u;
        }
    ck_assert_uint_eq(deleted, 149);
    ck_assert_uint_eq(sent, 1);
    fake_free(f);
}
END_TEST

START_TEST(too_many_dirty_keys_collapse_into_a_comparison)
{
    struct fake *f = in_step(1 << 20);
    struct sa_scope *s = fake_scope(f);
    fake_down(f);
    char name[16];
    s->compare_needed = false;
    for (int i = 0; i < 5000; i++) {
        snprintf(name, sizeof name, "n%d", i);
        sa_intake_dirty(s, "default", name);
    }
    ck_assert(s->compare_needed);
    ck_assert_uint_lt(sa_dirty_count(s->dirty), 4096);
    fake_free(f);
}
END_TEST

START_TEST(large_objects_leave_in_parts)
{
    struct fake *f = in_step(1 << 20);
    size_t n = 450 * 1024;
    char *x = malloc(n + 1);
    memset(x, 'y', n);
    x[n] = '\0';
    fake_event(f, "MODIFIED", "b", 100, "2");
    fake_event(f, "ADDED", "big", 101, x);
    fake_event(f, "MODIFIED", "a", 102, "2");
    fake_expect_deltas(f, "+b=2");
    size_t offset = 0;
    for (int i = 0; i < 3; i++) {
        message *m = fake_expect(f, BODY(DELTAS));
        ck_assert_uint_eq(m->deltas->n_deltas, 1);
        const Scaleagent__V1__Delta *d = m->deltas->deltas[0];
        ck_assert_str_eq(d->name, "big");
        ck_assert_uint_eq(d->object_offset, offset);
        ck_assert_uint_gt(d->object_size, n);
        offset += d->object.len;
        ck_assert_uint_eq(d->digest.len, i == 2 ? 16 : 0);
        ck_assert_uint_eq(m->deltas->first_sequence, 4 + (unsigned)i);
        if (i == 2)
            ck_assert_uint_eq(offset, d->object_size);
        fake_drop(m);
    }
    fake_expect_deltas(f, "+a=2");
    fake_ack(f, 7, 0);
    ck_assert_uint_eq(f->w.unacked.n, 0);
    free(x);
    fake_free(f);
}
END_TEST

START_TEST(a_large_object_waits_for_credit_between_its_parts)
{
    struct fake *f = in_step(300 * 1024);
    size_t n = 450 * 1024;
    char *x = malloc(n + 1);
    memset(x, 'y', n);
    x[n] = '\0';
    fake_event(f, "ADDED", "big", 101, x);
    fake_drop(fake_expect(f, BODY(DELTAS)));
    fake_none(f);
    fake_event(f, "MODIFIED", "a", 102, "2"); /* may not come between the parts */
    ck_assert(sa_dirty_has(fake_scope(f)->dirty, "default", "a"));
    fake_ack(f, 0, 4 << 20);
    fake_drop(fake_expect(f, BODY(DELTAS)));
    fake_drop(fake_expect(f, BODY(DELTAS)));
    answer_get(f, "a", 102, "2");
    fake_expect_deltas(f, "+a=2");
    /* and in the middle of it the epoch ends */
    fake_event(f, "MODIFIED", "big", 103, x + 1);
    while (f->n_sent)
        fake_drop(fake_take(f));
    fake_down(f);
    ck_assert(sa_dirty_has(fake_scope(f)->dirty, "default", "big"));
    free(x);
    fake_free(f);
}
END_TEST

START_TEST(standby_is_silent_and_idle)
{
    struct fake *f = fake_new();
    fake_start(f);
    fake_up(f);
    fake_drop(fake_expect(f, BODY(OPEN)));
    fake_send_welcome(f, NULL, 1 << 20, true);
    fake_none(f);
    ck_assert_ptr_null(f->pending);
    fake_send_welcome(f, NULL, 1 << 20, false);
    fake_drop(fake_expect(f, BODY(SCOPES)));
    ck_assert_ptr_nonnull(fake_request(f, "pods?limit"));
    /* and back */
    fake_send_welcome(f, NULL, 1 << 20, true);
    ck_assert_ptr_null(f->pending);
    fake_free(f);
}
END_TEST

/* Goes to standby at version 100 and comes back to a checkpoint of somebody else. */
static void back_to(struct fake *f, const char *version, const char *rows)
{
    struct sa_table_sum sum;
    struct fake_known known = {.version = version, .age_ms = 1000};
    fake_send_welcome(f, NULL, 1 << 20, true);
    ck_assert_ptr_null(f->pending);
    sum = sa_table_scope_sum(f->w.table, fake_scope(f)->id);
    known.count = strlen(rows);
    if (known.count == sum.count)
        sa_sum_bytes(&sum.sum, known.sum);
    fake_send_welcome(f, &known, 1 << 20, false);
    fake_drop(fake_expect(f, BODY(SCOPES)));
}

START_TEST(who_was_passed_on_standby_lists_anew)
{
    struct fake *f = in_step(1 << 20);
    struct sa_scope *s = fake_scope(f);
    f->w.no_watch_list = true;
    back_to(f, "135", "a");
    /* c came at 120 and went at 130: an event of it now would stay for who resumes at 135 */
    ck_assert_ptr_null(fake_request(f, "watch=1"));
    ck_assert_int_eq(s->follow, SA_FOLLOW_LIST);
    ck_assert_uint_eq(s->high, 135);
    char *body = fake_pods(110, NULL, "a:5:1 b:6:1"); /* of a server that is behind */
    fake_answer(f, fake_request(f, "pods?limit"), 200, body);
    free(body);
    ck_assert_int_eq(s->follow, SA_FOLLOW_LIST);
    fake_skip_waits(f);
    body = fake_pods(140, NULL, "a:5:1");
    fake_answer(f, fake_request(f, "pods?limit"), 200, body);
    free(body);
    ck_assert_ptr_nonnull(fake_request(f, "watch=1&allowWatchBookmarks=true"));
    fake_drop(fake_expect(f, BODY(SUMS)));
    fake_free(f);
}
END_TEST

START_TEST(who_was_not_passed_on_standby_goes_on)
{
    struct fake *f = in_step(1 << 20);
    back_to(f, "90", "ab");
    ck_assert_ptr_nonnull(fake_request(f, "watch=1"));
    ck_assert_ptr_null(fake_request(f, "pods?limit"));
    ck_assert(fake_scope(f)->in_step);
    fake_free(f);
}
END_TEST

START_TEST(an_older_welcome_is_void)
{
    struct fake *f = in_step(1 << 20);
    uint64_t now = f->epoch;
    f->epoch = now - 2; /* the fake counts up to now - 1 */
    fake_send_welcome(f, NULL, 99, false);
    ck_assert_uint_eq(f->w.epoch, now);
    ck_assert_uint_eq(f->w.credit, 1 << 20);
    f->epoch = now;
    fake_free(f);
}
END_TEST

START_TEST(fenced_opens_again)
{
    struct fake *f = in_step(1 << 20);
    Scaleagent__V1__AccountReply r = SCALEAGENT__V1__ACCOUNT_REPLY__INIT;
    Scaleagent__V1__Refusal refusal = SCALEAGENT__V1__REFUSAL__INIT;
    uint8_t buf[64];
    refusal.code = SCALEAGENT__V1__REFUSAL__CODE__FENCED;
    r.epoch = f->epoch;
    r.body_case = SCALEAGENT__V1__ACCOUNT_REPLY__BODY_REFUSAL;
    r.refusal = &refusal;
    fake_event(f, "MODIFIED", "a", 101, "2");
    size_t n = scaleagent__v1__account_reply__pack(&r, buf);
    ck_assert_int_eq(sa_session_message(&f->w, SA_DATA_REPLY, buf, n, NULL), 0);
    ck_assert_int_eq(f->w.session, SA_SESSION_REFUSED);
    ck_assert_ptr_nonnull(strstr(f->w.slot->last_error, "assigned anew"));
    ck_assert(sa_dirty_has(fake_scope(f)->dirty, "default", "a"));
    fake_turn(f);
    fake_none(f);
    fake_skip_waits(f);
    fake_drop(fake_expect(f, BODY(OPEN)));
    fake_free(f);
}
END_TEST

START_TEST(checkpoints_only_when_nothing_is_open)
{
    struct fake *f = in_step(1 << 20);
    struct sa_scope *s = fake_scope(f);
    sa_checkpoint_step(s, false);
    message *m = fake_expect(f, BODY(CHECKPOINT));
    ck_assert_str_eq(m->checkpoint->resource_version, "100");
    fake_drop(m);
    /* not twice within the interval, not without news */
    fake_bookmark(f, 200, false);
    sa_checkpoint_step(s, false);
    fake_none(f);
    s->checkpoint_ns = sa_mono_ns() - 101 * SA_NS_PER_S;
    fake_event(f, "MODIFIED", "a", 210, "2");
    sa_checkpoint_step(s, false);
    fake_expect_deltas(f, "+a=2"); /* what is before it goes before it */
    m = fake_expect(f, BODY(CHECKPOINT));
    ck_assert_str_eq(m->checkpoint->resource_version, "210");
    fake_drop(m);
    /* a dirty key, or a read of one, forbids it */
    fake_bookmark(f, 300, false);
    sa_intake_dirty(s, "default", "a");
    sa_checkpoint_step(s, true);
    fake_none(f);
    fake_turn(f);
    ck_assert_uint_eq(s->gets, 1);
    sa_checkpoint_step(s, true);
    fake_none(f);
    answer_get(f, "a", 210, "2");
    sa_checkpoint_step(s, true);
    fake_expect_deltas(f, "+a=2");
    fake_drop(fake_expect(f, BODY(CHECKPOINT)));
    /* so does a comparison */
    fake_bookmark(f, 310, false);
    s->compare_needed = true;
    sa_checkpoint_step(s, true);
    fake_none(f);
    fake_free(f);
}
END_TEST

START_TEST(an_orderly_stop_leaves_checkpoints)
{
    struct fake *f = in_step(1 << 20);
    fake_event(f, "MODIFIED", "a", 101, "2");
    sa_worker_stop(&f->w);
    fake_expect_deltas(f, "+a=2");
    message *m = fake_expect(f, BODY(CHECKPOINT));
    ck_assert_str_eq(m->checkpoint->resource_version, "101");
    fake_drop(m);
    fake_free(f);
}
END_TEST

TCase *worker_session_cases(void)
{
    TCase *t = tcase_create("session");
    tcase_add_test(t, what_is_not_acknowledged_is_sent_again);
    tcase_add_test(t, sequences_count_within_the_epoch);
    tcase_add_test(t, acknowledging_what_was_not_sent_is_a_violation);
    tcase_add_test(t, without_credit_events_become_dirty_keys);
    tcase_add_test(t, a_full_link_makes_dirty_keys_too);
    tcase_add_test(t, a_read_that_was_overtaken_is_void);
    tcase_add_test(t, many_dirty_keys_are_read_by_one_list);
    tcase_add_test(t, too_many_dirty_keys_collapse_into_a_comparison);
    tcase_add_test(t, large_objects_leave_in_parts);
    tcase_add_test(t, a_large_object_waits_for_credit_between_its_parts);
    tcase_add_test(t, standby_is_silent_and_idle);
    tcase_add_test(t, who_was_passed_on_standby_lists_anew);
    tcase_add_test(t, who_was_not_passed_on_standby_goes_on);
    tcase_add_test(t, an_older_welcome_is_void);
    tcase_add_test(t, fenced_opens_again);
    tcase_add_test(t, checkpoints_only_when_nothing_is_open);
    tcase_add_test(t, an_orderly_stop_leaves_checkpoints);
    return t;
}
