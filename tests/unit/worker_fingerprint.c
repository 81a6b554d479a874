/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints that were made under other settings. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker_fake.h"
#include "worker_test.h"

#define BODY(x) SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_##x

static const struct fake_known other = {
    .version = "700", .age_ms = 1000, .count = 2, .other_settings = true};

static bool changes(struct sa_scope *s, const struct sa_digest *before)
{
    struct sa_digest now;
    sa_scope_fingerprint(s, &now);
    return !sa_digest_equal(&now, before);
}

START_TEST(all_that_decides_a_row_is_in_it)
{
    struct fake *f = fake_new();
    struct sa_account *a = &f->w.account;
    struct sa_scope pods = {.w = &f->w,
                            .res = {.group = (char *)"",
                                    .version = (char *)"v1",
                                    .plural = (char *)"pods",
                                    .kind = (char *)"Pod",
                                    .namespaced = true}};
    struct sa_scope one = pods, nodes = pods, namespaces = pods, again = pods;
    struct sa_digest p, o, n, ns, two;
    snprintf(one.namespace, sizeof one.namespace, "a");
    nodes.res.plural = (char *)"nodes";
    nodes.res.namespaced = false;
    namespaces.res.plural = (char *)"namespaces";
    namespaces.res.namespaced = false;
    sa_scope_fingerprint(&pods, &p);
    again.res.version = (char *)"v2";
    ck_assert(changes(&again, &p));
    again = pods;
    again.res.kind = (char *)"Container";
    ck_assert(changes(&again, &p));
    again = pods;
    again.made_up = true;
    ck_assert(changes(&again, &p));
    a->only_spinnaker_managed = true;
    ck_assert(changes(&pods, &p));
    a->only_spinnaker_managed = false;
    a->max_object_bytes++;
    ck_assert(changes(&pods, &p));
    a->max_object_bytes--;
    ck_assert(!changes(&pods, &p));
    /* where namespaces decide, and where not */
    sa_scope_fingerprint(&one, &o);
    sa_scope_fingerprint(&nodes, &n);
    sa_scope_fingerprint(&namespaces, &ns);
    sa_names_add(&a->omit_namespaces, "x");
    ck_assert(changes(&pods, &p) && changes(&namespaces, &ns));
    ck_assert(!changes(&one, &o) && !changes(&nodes, &n));
    sa_scope_fingerprint(&pods, &p);
    sa_names_clear(&a->omit_namespaces);
    sa_names_add(&a->namespaces, "x");
    ck_assert(changes(&pods, &p));
    /* redact, in any order */
    sa_names_add(&a->redact, "spec.a");
    ck_assert(changes(&one, &o) && changes(&nodes, &n));
    sa_names_add(&a->redact, "spec.b");
    sa_scope_fingerprint(&pods, &two);
    sa_names_clear(&a->redact);
    sa_names_add(&a->redact, "spec.b");
    ck_assert(changes(&pods, &two));
    sa_names_add(&a->redact, "spec.a");
    ck_assert(!changes(&pods, &two));
    fake_free(f);
}
END_TEST

START_TEST(a_checkpoint_of_other_settings_is_not_resumed_from)
{
    struct fake *f = fake_new();
    f->w.no_watch_list = true;
    fake_start(f);
    fake_welcome(f, &other, 1 << 20);
    /* taken back before anything else of the scope */
    message *m = fake_expect(f, BODY(CHECKPOINT));
    ck_assert_str_eq(m->checkpoint->resource_version, "");
    ck_assert_uint_eq(m->checkpoint->fingerprint.len, 0);
    fake_drop(m);
    ck_assert_ptr_null(fake_request(f, "watch=1"));
    ck_assert_uint_eq(fake_scope(f)->high, 700); /* older lists are refused all the same */
    char *body = fake_pods(800, NULL, "a:5:1 b:6:1");
    fake_answer(f, fake_request(f, "pods?limit"), 200, body);
    free(body);
    /* the digests decide what is sent */
    fake_flush(f);
    m = fake_expect(f, BODY(SUMS));
    fake_drop(m);
    fake_sums(f, fake_scope(f)->id, true);
    sa_checkpoint_step(fake_scope(f), true);
    m = fake_expect(f, BODY(CHECKPOINT));
    struct sa_digest now;
    sa_scope_fingerprint(fake_scope(f), &now);
    ck_assert_str_eq(m->checkpoint->resource_version, "800");
    ck_assert_uint_eq(m->checkpoint->fingerprint.len, sizeof now.b);
    ck_assert_mem_eq(m->checkpoint->fingerprint.data, now.b, sizeof now.b);
    fake_drop(m);
    fake_none(f);
    fake_free(f);
}
END_TEST

START_TEST(a_peer_that_keeps_no_fingerprint_is_listed)
{
    struct fake *f = fake_new();
    fake_start(f);
    fake_up(f);
    fake_drop(fake_expect(f, BODY(OPEN)));
    struct fake_known known = {.version = "700", .age_ms = 1000, .no_fingerprint = true};
    fake_send_welcome(f, &known, 1 << 20, false);
    fake_drop(fake_expect(f, BODY(SCOPES)));
    fake_drop(fake_expect(f, BODY(CHECKPOINT)));
    ck_assert(!fake_scope(f)->resumed);
    fake_free(f);
}
END_TEST

/* Ours went to the other side, then another agent with other settings had the account, and its
 * checkpoint is of the same version. */
START_TEST(the_same_version_of_other_settings_is_not_ours)
{
    struct fake *f = fake_new();
    struct fake_known known = {.version = "700", .age_ms = 1000, .count = 2};
    fake_start(f);
    fake_welcome(f, &known, 1 << 20);
    ck_assert(fake_scope(f)->resumed);
    fake_down(f);
    fake_welcome(f, &known, 1 << 20);
    fake_none(f);
    ck_assert(fake_scope(f)->resumed && fake_scope(f)->in_step);
    fake_down(f);
    fake_welcome(f, &other, 1 << 20);
    message *m = fake_expect(f, BODY(CHECKPOINT));
    ck_assert_str_eq(m->checkpoint->resource_version, "");
    fake_drop(m);
    ck_assert(!fake_scope(f)->in_step);
    ck_assert_ptr_nonnull(fake_request(f, "pods?limit"));
    fake_free(f);
}
END_TEST

/* A guard: the bytes and the digest of one object that meets each rule. Who changes what comes out
 * counts SA_SCRUB_RULES up, or rows of the day before stay as they are until the next audit. */
START_TEST(the_rules_are_those_of_their_version)
{
    static const char in[] =
        "{ \"apiVersion\":\"v1\", \"kind\":\"Secret\", \"type\":\"Opaque\",\n"
        " \"metadata\":{\"name\":\"s\",\"namespace\":\"default\",\"uid\":\"u\","
        "\"resourceVersion\":\"7\",\"managedFields\":[{\"manager\":\"kubectl\"}],"
        "\"annotations\":{\"kubectl.kubernetes.io/last-applied-configuration\":"
        "\"{\\\"kind\\\":\\\"Secret\\\",\\\"data\\\":{\\\"p\\\":\\\"cGFzcw==\\\"}}\","
        "\"note\":\"\\u00e9\"}},"
        " \"data\":{\"p\":\"cGFzcw==\"}, \"stringData\":{\"q\":\"pass\"},"
        " \"spec\":{\"cut\":1,\"n\":1.50,\"keep\":[1, null, true]} }";
    static const char out[] =
        "{\"kind\":\"Secret\",\"apiVersion\":\"v1\",\"type\":\"Opaque\",\"metadata\":{\"name\":"
        "\"s\","
        "\"namespace\":\"default\",\"uid\":\"u\",\"resourceVersion\":\"7\",\"annotations\":{"
        "\"note\":\"\\u00e9\"}},\"spec\":{\"n\":1.50,\"keep\":[1,null,true]}}";
    static const char hex[] = "d43222b58086567e1b90cde8df7c0dbb";
    static const char *const cut[] = {"spec.cut"};
    struct sa_redact *redact = sa_redact_new(cut, 1, NULL);
    const struct sa_scrub_options opt = {.api_version = "v1", .kind = "Secret", .redact = redact};
    struct sa_object o;
    struct sa_buf b;
    char text[33];
    sa_buf_init(&b, 0);
    ck_assert_int_eq(sa_scrub(in, sizeof in - 1, &opt, &b, &o, NULL), 0);
    sa_hex(o.digest.b, sizeof o.digest.b, text);
    ck_assert_uint_eq(SA_SCRUB_RULES, 1);
    ck_assert_str_eq(b.data, out);
    ck_assert_str_eq(text, hex);
    sa_buf_free(&b);
    sa_redact_free(redact);
}
END_TEST

TCase *worker_fingerprint_cases(void)
{
    TCase *t = tcase_create("fingerprint");
    tcase_add_test(t, all_that_decides_a_row_is_in_it);
    tcase_add_test(t, a_checkpoint_of_other_settings_is_not_resumed_from);
    tcase_add_test(t, a_peer_that_keeps_no_fingerprint_is_listed);
    tcase_add_test(t, the_same_version_of_other_settings_is_not_ours);
    tcase_add_test(t, the_rules_are_those_of_their_version);
    return t;
}
