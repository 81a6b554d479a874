/* SPDX-License-Identifier: Apache-2.0 */
/* Dirty keys whose reads fail, or are refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker_fake.h"
#include "worker_test.h"

#define BODY(x) SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_##x

static void answer_list(struct fake *f, int version, const char *items)
{
    char *body = fake_pods(version, NULL, items);
    fake_answer(f, fake_request(f, "pods?limit"), 200, body);
    free(body);
}

static struct sa_request *get_of(struct fake *f, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/pods/%s", name);
    return fake_request(f, path);
}

static void answer_get(struct fake *f, const char *name, int version, const char *x)
{
    char *pod = fake_pod(name, version, x);
    fake_answer(f, get_of(f, name), 200, pod);
    free(pod);
}

/* In step at version 100 with pods a and b, all acknowledged. */
static struct fake *in_step(void)
{
    struct fake *f = fake_new();
    f->w.no_watch_list = true;
    fake_start(f);
    fake_welcome(f, NULL, 1 << 20);
    answer_list(f, 100, "a:5:1 b:6:1");
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

START_TEST(one_that_fails_does_not_hold_up_the_others)
{
    struct fake *f = in_step();
    struct sa_scope *s = fake_scope(f);
    dirty(f, "a");
    for (int i = 0; i < 5; i++) { /* its conversion fails, each time it is tried */
        fake_answer(f, get_of(f, "a"), 500, "");
        ck_assert_ptr_null(get_of(f, "a")); /* not at once */
        ck_assert_uint_eq(sa_dirty_count(s->dirty), 1);
        ck_assert_uint_gt(sa_dirty_due(s->dirty), sa_mono_ns() + SA_NS_PER_S / 2);
        dirty(f, "a"); /* nor when it changes */
        ck_assert_ptr_null(get_of(f, "a"));
        dirty(f, "b");
        answer_get(f, "b", 7, "2");
        fake_expect_deltas(f, "+b=2");
        sa_dirty_due_now(s->dirty);
        fake_turn(f);
    }
    /* its waits grow */
    fake_answer(f, get_of(f, "a"), 500, "");
    ck_assert_uint_gt(sa_dirty_due(s->dirty), sa_mono_ns() + 5 * SA_NS_PER_S);
    ck_assert_ptr_nonnull(strstr(f->slot.last_error, "default/a"));
    fake_skip_waits(f);
    answer_get(f, "a", 8, "2");
    fake_expect_deltas(f, "+a=2");
    fake_free(f);
}
END_TEST

START_TEST(several_that_fail_in_a_row_are_the_servers_fault)
{
    struct fake *f = in_step();
    struct sa_scope *s = fake_scope(f);
    char name[16];
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "n%d", i);
        sa_intake_dirty(s, "default", name);
    }
    fake_turn(f);
    unsigned n = 0;
    for (struct sa_request *q; (q = fake_request(f, "/pods/n")); n++)
        fake_break(f, q);
    ck_assert_uint_le(n, SA_GETS + 2); /* the others were not tried */
    ck_assert_uint_gt(s->gets_ns, sa_mono_ns() + SA_NS_PER_S / 2);
    ck_assert_uint_eq(s->list.not_before_ns, 0); /* a list need not wait for that */
    /* once it is known that the server is back, all of them go on */
    sa_resolve_sooner(s, 0);
    fake_turn(f);
    ck_assert_uint_eq(fake_pending(f, "/pods/n"), SA_GETS);
    for (struct sa_request *q; (q = fake_request(f, "/pods/n"));)
        fake_answer(f, q, 404, "");
    ck_assert_uint_eq(sa_dirty_count(s->dirty), 0);
    fake_free(f);
}
END_TEST

START_TEST(a_server_that_says_when_is_obeyed)
{
    struct fake *f = in_step();
    struct sa_scope *s = fake_scope(f);
    dirty(f, "a");
    dirty(f, "b");
    fake_answer(f, get_of(f, "a"), 429, "");
    fake_answer(f, get_of(f, "b"), 401, "");
    ck_assert_uint_eq(sa_dirty_due(s->dirty), UINT64_MAX); /* no fault of theirs */
    ck_assert_uint_gt(s->gets_ns, sa_mono_ns());
    dirty(f, "c");
    ck_assert_uint_eq(fake_pending(f, "/pods/"), 0);
    fake_skip_waits(f);
    ck_assert_uint_eq(fake_pending(f, "/pods/"), 3);
    fake_free(f);
}
END_TEST

/* A role with list and watch, without get. */
START_TEST(where_reads_are_refused_a_list_brings_it)
{
    for (int status = 403; status <= 405; status += 2) {
        struct fake *f = in_step();
        struct sa_scope *s = fake_scope(f);
        sa_intake_dirty(s, "default", "a");
        sa_intake_dirty(s, "default", "b");
        sa_intake_dirty(s, "default", "gone");
        fake_turn(f);
        ck_assert_uint_eq(fake_pending(f, "/pods/"), 3);
        s->dirty_list_ns = 0;
        fake_answer(f, get_of(f, "a"), status, "");
        ck_assert_uint_eq(fake_pending(f, "/pods/"), 0); /* the others are not waited for */
        ck_assert_uint_eq(fake_pending(f, "pods?limit"), 1);
        ck_assert_uint_eq(fake_pending(f, "watch=1"), 1);
        ck_assert_ptr_nonnull(strstr(f->slot.last_error, "verb get"));
        ck_assert_uint_eq(s->forbidden_ns, 0); /* it is not the scope that is forbidden */
        answer_list(f, 200, "a:150:2 b:6:1 c:7:1");
        fake_expect_deltas(f, "+a=2 +b=1 +c=1 -gone");
        ck_assert_uint_eq(sa_dirty_count(s->dirty), 0);
        fake_drop(fake_expect(f, BODY(SUMS)));
        fake_sums(f, s->id, true);
        ck_assert(s->in_step);
        fake_free(f);
    }
}
END_TEST

START_TEST(such_lists_get_rarer_and_the_permission_is_tried_again)
{
    struct fake *f = in_step();
    struct sa_scope *s = fake_scope(f);
    unsigned lists = 0;
    dirty(f, "a");
    fake_answer(f, get_of(f, "a"), 403, "");
    for (int i = 0; i < 12; i++) { /* there is never room for what is read */
        fake_skip_waits(f);
        ck_assert_uint_eq(fake_pending(f, "/pods/"), 0);
        f->queued = 64 << 20;
        answer_list(f, 200 + i, "a:150:2");
        f->queued = 0;
        fake_turn(f);
        ck_assert(sa_dirty_has(s->dirty, "default", "a")); /* it is there, so it is not deleted */
        ck_assert_uint_eq(fake_pending(f, "pods?limit"), 0);
        lists++;
    }
    ck_assert_uint_eq(s->dirty_lists, lists);
    ck_assert_uint_gt(s->dirty_list_ns, sa_mono_ns() + 30 * SA_NS_PER_S);
    ck_assert_uint_lt(s->dirty_list_ns, sa_mono_ns() + 90 * SA_NS_PER_S);
    s->no_get_ns = 1; /* ten minutes later */
    fake_turn(f);
    answer_get(f, "a", 150, "2");
    fake_expect_deltas(f, "+a=2");
    ck_assert_uint_eq(s->no_get_ns, 0);
    ck_assert_uint_eq(s->dirty_lists, 0);
    fake_free(f);
}
END_TEST

/* What the watch brought after the list began is not the list's to judge. */
START_TEST(a_list_proves_absence_only_of_what_was_dirty_before_it)
{
    struct fake *f = in_step();
    struct sa_scope *s = fake_scope(f);
    dirty(f, "a");
    fake_answer(f, get_of(f, "a"), 403, "");
    fake_skip_waits(f);
    ck_assert_uint_eq(fake_pending(f, "pods?limit"), 1);
    f->queued = 64 << 20;
    fake_event(f, "ADDED", "new", 210, "1"); /* no room for it */
    fake_event(f, "MODIFIED", "a", 211, "9");
    f->queued = 0;
    answer_list(f, 205, "b:6:1");
    fake_flush(f);
    fake_none(f);
    ck_assert(sa_dirty_has(s->dirty, "default", "new") && sa_dirty_has(s->dirty, "default", "a"));
    fake_skip_waits(f);
    answer_list(f, 220, "b:6:1 new:210:1 a:211:9");
    fake_expect_deltas(f, "+new=1 +a=9");
    fake_free(f);
}
END_TEST

/* With room for one list at a time, the others are waited for without turning round and round. */
START_TEST(a_list_that_may_not_begin_yet_is_waited_for)
{
    struct fake *f = in_step();
    struct sa_scope *s = fake_scope(f), other = {.list = {.active = true}};
    dirty(f, "a");
    s->dirty_list_ns = 0;
    f->w.account.budget_per_account = 1;
    f->w.scopes = realloc(f->w.scopes, 2 * sizeof *f->w.scopes);
    f->w.scopes[f->w.n_scopes++] = &other;
    other.w = &f->w;
    other.list.scope = other.names.scope = &other;
    other.made_up = true;
    fake_answer(f, get_of(f, "a"), 403, "");
    ck_assert(s->want_list); /* fake_turn() has seen that nothing more is to be done now */
    ck_assert_uint_eq(fake_pending(f, "pods?limit"), 0);
    other.list.active = false;
    fake_turn(f);
    ck_assert_uint_eq(fake_pending(f, "pods?limit"), 1);
    f->w.n_scopes--;
    fake_free(f);
}
END_TEST

TCase *worker_resolve_cases(void)
{
    TCase *t = tcase_create("resolve");
    tcase_add_test(t, one_that_fails_does_not_hold_up_the_others);
    tcase_add_test(t, several_that_fail_in_a_row_are_the_servers_fault);
    tcase_add_test(t, a_server_that_says_when_is_obeyed);
    tcase_add_test(t, where_reads_are_refused_a_list_brings_it);
    tcase_add_test(t, such_lists_get_rarer_and_the_permission_is_tried_again);
    tcase_add_test(t, a_list_proves_absence_only_of_what_was_dirty_before_it);
    tcase_add_test(t, a_list_that_may_not_begin_yet_is_waited_for);
    return t;
}
