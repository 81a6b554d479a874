/* SPDX-License-Identifier: Apache-2.0 */
/* How an epoch begins where the Welcome comes in parts, and where it is refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker_fake.h"
#include "worker_test.h"

#define BODY(x)  SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_##x
#define REPLY(x) SCALEAGENT__V1__ACCOUNT_REPLY__BODY_##x

static struct fake *opened(void)
{
    struct fake *f = fake_new();
    fake_start(f);
    fake_up(f);
    fake_drop(fake_expect(f, BODY(OPEN)));
    return f;
}

/* A part of the Welcome of f->epoch that names one resource; NULL: nothing. */
static void part(struct fake *f, const char *resource, uint64_t count, bool more)
{
    Scaleagent__V1__AccountReply r = SCALEAGENT__V1__ACCOUNT_REPLY__INIT;
    Scaleagent__V1__Welcome welcome = SCALEAGENT__V1__WELCOME__INIT;
    Scaleagent__V1__KnownScope k = SCALEAGENT__V1__KNOWN_SCOPE__INIT, *list = &k;
    Scaleagent__V1__ScopeName name = SCALEAGENT__V1__SCOPE_NAME__INIT;
    name.resource = (char *)resource;
    k.name = &name;
    k.count = count;
    welcome.role = SCALEAGENT__V1__WELCOME__ROLE__CACHING;
    welcome.credit = 1 << 20;
    welcome.more = more;
    welcome.scopes = &list;
    welcome.n_scopes = resource ? 1 : 0;
    r.epoch = f->epoch;
    r.body_case = REPLY(WELCOME);
    r.welcome = &welcome;
    fake_reply(f, &r);
}

static void refuse(struct fake *f, uint64_t epoch, Scaleagent__V1__Refusal__Code code)
{
    Scaleagent__V1__AccountReply r = SCALEAGENT__V1__ACCOUNT_REPLY__INIT;
    Scaleagent__V1__Refusal refusal = SCALEAGENT__V1__REFUSAL__INIT;
    refusal.code = code;
    r.epoch = epoch;
    r.body_case = REPLY(REFUSAL);
    r.refusal = &refusal;
    fake_reply(f, &r);
}

START_TEST(the_last_part_opens)
{
    struct fake *f = opened();
    f->epoch = 7;
    part(f, "pods", 5, true);
    fake_none(f);
    ck_assert_int_eq(f->w.session, SA_SESSION_OPENING);
    ck_assert_ptr_null(fake_request(f, "pods"));
    part(f, "nodes", 1, true);
    fake_none(f);
    part(f, "services", 1, false);
    ck_assert_int_eq(f->w.session, SA_SESSION_CACHING);
    ck_assert_uint_eq(f->slot.epoch, 7);
    fake_drop(fake_expect(f, BODY(SCOPES)));
    ck_assert_uint_eq(fake_scope(f)->known.count, 5);
    ck_assert(!fake_scope(f)->direct);
    fake_free(f);
}
END_TEST

/* What was said for the worker before, or of an epoch that was given away meanwhile. */
START_TEST(a_newer_epoch_begins_anew)
{
    struct fake *f = opened();
    f->epoch = 7;
    part(f, "pods", 5, true);
    f->epoch = 9;
    part(f, "services", 1, true);
    f->epoch = 7;
    part(f, "nodes", 1, false); /* the end of the older one: void */
    fake_none(f);
    ck_assert_int_eq(f->w.session, SA_SESSION_OPENING);
    f->epoch = 9;
    part(f, "nodes", 1, false);
    fake_drop(fake_expect(f, BODY(SCOPES)));
    ck_assert_uint_eq(fake_scope(f)->known.count, 0);
    ck_assert(fake_scope(f)->direct);
    /* a further Welcome of an open epoch is none */
    part(f, "pods", 3, false);
    fake_none(f);
    /* while one of a later epoch ends this one with its first part */
    f->epoch = 12;
    part(f, "pods", 3, true);
    fake_none(f);
    ck_assert_int_eq(f->w.session, SA_SESSION_OPENING);
    ck_assert_uint_gt(f->w.reopen_ns, sa_mono_ns() + 50 * SA_NS_PER_S);
    fake_skip_waits(f); /* and if the rest never comes */
    f->epoch = 0;
    message *m = fake_expect(f, BODY(OPEN));
    ck_assert_uint_eq(m->epoch, 0);
    fake_drop(m);
    fake_free(f);
}
END_TEST

START_TEST(parts_end_with_the_stream)
{
    struct fake *f = opened();
    f->epoch = 7;
    part(f, "pods", 5, true);
    fake_down(f);
    part(f, "nodes", 1, false);
    ck_assert_int_eq(f->w.session, SA_SESSION_DOWN);
    fake_up(f);
    fake_drop(fake_expect(f, BODY(OPEN)));
    f->epoch = 8;
    part(f, "nodes", 1, false);
    fake_drop(fake_expect(f, BODY(SCOPES)));
    ck_assert_uint_eq(fake_scope(f)->known.count, 0);
    fake_free(f);
}
END_TEST

START_TEST(fenced_amid_the_parts)
{
    struct fake *f = opened();
    f->epoch = 7;
    refuse(f, 6, SCALEAGENT__V1__REFUSAL__CODE__FENCED); /* of the worker before */
    ck_assert_int_eq(f->w.session, SA_SESSION_OPENING);
    part(f, "pods", 5, true);
    refuse(f, 6, SCALEAGENT__V1__REFUSAL__CODE__FENCED);
    ck_assert_int_eq(f->w.session, SA_SESSION_OPENING);
    refuse(f, 7, SCALEAGENT__V1__REFUSAL__CODE__FENCED);
    ck_assert_int_eq(f->w.session, SA_SESSION_REFUSED);
    part(f, "nodes", 1, false);
    ck_assert_int_eq(f->w.session, SA_SESSION_REFUSED);
    fake_none(f);
    fake_free(f);
}
END_TEST

START_TEST(a_welcome_without_an_end_is_refused)
{
    struct fake *f = opened();
    f->epoch = 7;
    part(f, "pods", 5, true);
    part(f, NULL, 0, true);
    ck_assert_int_eq(f->w.session, SA_SESSION_REFUSED);
    ck_assert_uint_gt(f->w.reopen_ns, sa_mono_ns() + 50 * SA_NS_PER_S);
    ck_assert_ptr_nonnull(strstr(f->slot.last_error, "has no end"));
    fake_skip_waits(f);
    f->epoch = 0;
    fake_drop(fake_expect(f, BODY(OPEN)));
    f->epoch = 8;
    for (unsigned i = 0; i < SA_SCOPES_MAX; i++)
        part(f, "pods", 5, true);
    ck_assert_int_eq(f->w.session, SA_SESSION_OPENING);
    part(f, "pods", 5, true);
    ck_assert_int_eq(f->w.session, SA_SESSION_REFUSED);
    fake_free(f);
}
END_TEST

/* Two that take an account from each other do so ever more slowly. */
START_TEST(who_is_fenced_again_and_again_waits_longer)
{
    struct fake *f = opened();
    uint64_t least = SA_NS_PER_S / 4, wait = 0;
    for (int i = 0; i < 12; i++, least = least * 3 / 2) {
        f->epoch = 7 + (unsigned)i;
        part(f, "pods", 5, false);
        fake_drop(fake_expect(f, BODY(SCOPES)));
        refuse(f, f->epoch, SCALEAGENT__V1__REFUSAL__CODE__FENCED);
        wait = f->w.reopen_ns - sa_mono_ns();
        ck_assert_uint_gt(wait, least < 30 * SA_NS_PER_S ? least : 30 * SA_NS_PER_S);
        ck_assert_uint_lt(wait, 90 * SA_NS_PER_S);
        f->epoch = 0;
        fake_skip_waits(f);
        fake_drop(fake_expect(f, BODY(OPEN)));
    }
    ck_assert_uint_gt(wait, 30 * SA_NS_PER_S);
    /* an epoch that lasted was none of that */
    f->epoch = 99;
    part(f, "pods", 5, false);
    fake_drop(fake_expect(f, BODY(SCOPES)));
    f->w.welcome_ns -= 600 * SA_NS_PER_S;
    refuse(f, 99, SCALEAGENT__V1__REFUSAL__CODE__FENCED);
    ck_assert_uint_lt(f->w.reopen_ns, sa_mono_ns() + SA_NS_PER_S);
    fake_free(f);
}
END_TEST

TCase *worker_opening_cases(void)
{
    TCase *t = tcase_create("opening");
    tcase_add_test(t, the_last_part_opens);
    tcase_add_test(t, a_newer_epoch_begins_anew);
    tcase_add_test(t, parts_end_with_the_stream);
    tcase_add_test(t, fenced_amid_the_parts);
    tcase_add_test(t, a_welcome_without_an_end_is_refused);
    tcase_add_test(t, who_is_fenced_again_and_again_waits_longer);
    return t;
}
