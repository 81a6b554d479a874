/* SPDX-License-Identifier: Apache-2.0 */
/* How scopes come and go. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker_fake.h"
#include "worker_test.h"

#define BODY(x) SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_##x

/* Widgets are defined by a CustomResourceDefinition; defined: these can be read. */
static void found_with(struct fake *f, const char *resources, const char *unknown, bool defined)
{
    struct sa_resources r = {0};
    char *copy = strdup(resources), *save = NULL;
    for (char *t = strtok_r(copy, " ", &save); t; t = strtok_r(NULL, " ", &save)) {
        char *dot = strchr(t, '.'), *slash = strchr(dot, '/');
        char kind[64];
        *dot = *slash = '\0';
        snprintf(kind, sizeof kind, "%.*s", (int)strlen(t) - 1, t);
        kind[0] = (char)toupper((unsigned char)kind[0]);
        struct sa_resource res = {.group = dot + 1,
                                  .version = slash + 1,
                                  .plural = t,
                                  .kind = kind,
                                  .custom = strcmp(t, "widgets") == 0,
                                  .namespaced = strcmp(t, "namespaces") != 0};
        ck_assert_int_eq(sa_resources_add(&r, &res, NULL), 0);
    }
    free(copy);
    if (*unknown)
        sa_resources_add_unknown(&r, unknown, NULL);
    r.crds_known = defined;
    sa_plan_discovered(&f->w, &r, 0);
    sa_resources_free(&r);
    fake_turn(f);
}

static void found(struct fake *f, const char *resources, const char *unknown)
{
    found_with(f, resources, unknown, true);
}

static void expect_scopes(struct fake *f, const char *list)
{
    char got[1024] = "";
    size_t n = 0;
    message *m = fake_expect(f, BODY(SCOPES));
    for (size_t i = 0; i < m->scopes->n_scopes; i++) {
        const Scaleagent__V1__Scope *s = m->scopes->scopes[i];
        n += (size_t)snprintf(got + n, sizeof got - n, "%s%s.%s/%s:%s", n ? " " : "",
                              s->name->resource, s->name->group, s->version, s->name->namespace_);
    }
    ck_assert_str_eq(got, list);
    fake_drop(m);
}

static struct fake *started(const char *kinds)
{
    struct fake *f = fake_new();
    char *copy = strdup(kinds), *save = NULL;
    sa_names_clear(&f->w.account.kinds);
    for (char *t = strtok_r(copy, " ", &save); t; t = strtok_r(NULL, " ", &save))
        sa_names_add(&f->w.account.kinds, t);
    free(copy);
    return f;
}

static void open_session(struct fake *f)
{
    f->w.reached = true;
    fake_up(f);
    fake_drop(fake_expect(f, BODY(OPEN)));
    fake_send_welcome(f, NULL, 1 << 20, false);
}

START_TEST(scopes_follow_discovery)
{
    struct fake *f = started("pods widgets");
    found(f, "pods./v1", "");
    open_session(f);
    expect_scopes(f, "pods./v1:");
    found(f, "pods./v1 widgets.example.com/v1", "");
    expect_scopes(f, "pods./v1: widgets.example.com/v1:");
    found(f, "pods./v1 widgets.example.com/v1", "");
    fake_none(f); /* no news */
    found(f, "pods./v1 widgets.example.com/v2", "");
    expect_scopes(f, "pods./v1: widgets.example.com/v2:");
    found(f, "pods./v1", "");
    expect_scopes(f, "pods./v1:");
    fake_free(f);
}
END_TEST

/* A row says the version of the API that it was read by. */
START_TEST(another_version_of_the_api_takes_the_checkpoint_back)
{
    struct fake *f = started("pods");
    found(f, "pods./v1", "");
    open_session(f);
    expect_scopes(f, "pods./v1:");
    fake_answer(f, fake_request(f, "pods?limit"), 200,
                "{\"metadata\":{\"resourceVersion\":\"100\"},\"items\":[]}");
    sa_checkpoint_step(fake_scope(f), true);
    fake_drop(fake_expect(f, BODY(CHECKPOINT)));
    found(f, "pods./v2", "");
    message *m = fake_expect(f, BODY(CHECKPOINT));
    ck_assert_str_eq(m->checkpoint->resource_version, "");
    fake_drop(m);
    expect_scopes(f, "pods./v2:");
    ck_assert_ptr_nonnull(fake_request(f, "/api/v2/pods?watch=1&"));
    fake_free(f);
}
END_TEST

/* What was read in the old form proves nothing of rows in the new one, nor the other way round. */
START_TEST(another_version_of_the_api_during_standby_is_read_anew)
{
    struct fake *f = started("pods");
    found(f, "pods./v1", "");
    open_session(f);
    expect_scopes(f, "pods./v1:");
    fake_answer(f, fake_request(f, "pods?limit"), 200,
                "{\"metadata\":{\"resourceVersion\":\"100\"},\"items\":[]}");
    ck_assert(fake_scope(f)->complete);
    fake_send_welcome(f, NULL, 1 << 20, true);
    found(f, "pods./v2", "");
    fake_send_welcome(f, &(struct fake_known){.version = "100", .age_ms = 1}, 1 << 20, false);
    expect_scopes(f, "pods./v2:");
    fake_drop(fake_expect(f, BODY(CHECKPOINT)));
    ck_assert(!fake_scope(f)->complete);
    ck_assert_ptr_nonnull(fake_request(f, "/api/v2/pods?limit"));
    fake_free(f);
}
END_TEST

START_TEST(what_is_unknown_is_not_gone)
{
    struct fake *f = started("pods widgets");
    found(f, "pods./v1 widgets.example.com/v1", "");
    open_session(f);
    expect_scopes(f, "pods./v1: widgets.example.com/v1:");
    found(f, "pods./v1", "example.com");
    fake_none(f);
    ck_assert_uint_eq(f->w.n_scopes, 2);
    sa_plan_failed(&f->w);
    fake_turn(f);
    fake_none(f);
    found(f, "pods./v1", "");
    expect_scopes(f, "pods./v1:");
    fake_free(f);
}
END_TEST

/* The other side holds pods; the core group can't be read when the worker starts. */
START_TEST(what_the_other_side_holds_of_an_unknown_group_stays)
{
    struct fake *f = started("pods deployments");
    struct fake_known known = {.version = "70", .age_ms = 10, .count = 4};
    found(f, "deployments.apps/v1", "");
    fake_up(f);
    sa_resources_add_unknown(&f->w.resources, "", NULL);
    f->w.reached = true;
    fake_turn(f);
    fake_drop(fake_expect(f, BODY(OPEN)));
    fake_send_welcome(f, &known, 1 << 20, false);
    expect_scopes(f, "deployments.apps/v1: pods./v1:");
    ck_assert_ptr_null(fake_request(f, "pods"));
    /* the group can be read again: from the checkpoint */
    found(f, "deployments.apps/v1 pods./v1", "");
    ck_assert_ptr_nonnull(
        strstr(fake_path(fake_request(f, "/api/v1/pods?watch=1")), "resourceVersion=70"));
    fake_free(f);
}
END_TEST

START_TEST(a_scope_for_each_namespace)
{
    struct fake *f = started("pods namespaces");
    sa_names_add(&f->w.account.namespaces, "a");
    sa_names_add(&f->w.account.namespaces, "b");
    sa_names_add(&f->w.account.namespaces, "c");
    sa_names_add(&f->w.account.omit_namespaces, "c");
    found(f, "pods./v1 namespaces./v1", "");
    open_session(f);
    expect_scopes(f, "pods./v1:a pods./v1:b namespaces./v1:");
    ck_assert_ptr_nonnull(fake_request(f, "/api/v1/namespaces/a/pods?limit"));
    ck_assert_ptr_nonnull(fake_request(f, "/api/v1/namespaces?limit"));
    fake_free(f);
}
END_TEST

static const struct {
    int status;
    const char *body;
} stray[] = {
    {500, ""},
    {429, ""},
    {401, ""},
    {404, "404 page not found"},
    {302, ""},
    {200, "<html>please sign in</html>"},
    {201, "{"},
    {201, "{\"kind\":\"SelfSubjectAccessReview\",\"status\":{}}"},
    {201, "{\"status\":{\"allowed\":\"true\"}}"},
};

START_TEST(many_namespaces_are_one_scope_where_that_is_allowed)
{
    for (int allowed = 0; allowed < 3; allowed++) {
        struct fake *f = started("pods");
        for (const char *c = "abcd"; *c; c++)
            sa_names_add(&f->w.account.namespaces, (char[]){*c, '\0'});
        found(f, "pods./v1", "");
        ck_assert(!f->w.planned);
        struct sa_request *q = fake_request(f, "selfsubjectaccessreviews");
        /* No answer decides nothing: it is asked again with the discovery. */
        for (size_t i = 0; allowed == 2 && i < sizeof stray / sizeof *stray; i++) {
            fake_answer(f, q, stray[i].status, stray[i].body);
            ck_assert(!f->w.planned);
            ck_assert_uint_lt(f->w.rediscover_ns, sa_mono_ns() + 10 * SA_NS_PER_S);
            found(f, "pods./v1", "");
            q = fake_request(f, "selfsubjectaccessreviews");
        }
        fake_answer(f, q, allowed == 2 ? 403 : 201,
                    allowed == 1 ? "{\"status\":{\"allowed\":true}}"
                                 : "{\"status\":{\"allowed\":false}}");
        ck_assert(f->w.planned);
        open_session(f);
        expect_scopes(f,
                      allowed == 1 ? "pods./v1:" : "pods./v1:a pods./v1:b pods./v1:c pods./v1:d");
        /* asked once */
        found(f, "pods./v1", "");
        ck_assert_ptr_null(fake_request(f, "selfsubjectaccessreviews"));
        fake_free(f);
    }
}
END_TEST

START_TEST(an_answer_belongs_to_what_was_asked)
{
    struct fake *f = started("pods deployments");
    for (const char *c = "abcd"; *c; c++)
        sa_names_add(&f->w.account.namespaces, (char[]){*c, '\0'});
    found(f, "pods./v1", "");
    struct sa_request *q = fake_request(f, "selfsubjectaccessreviews");
    found(f, "deployments.apps/v1 pods./v1", ""); /* meanwhile */
    fake_answer(f, q, 201, "{\"status\":{\"allowed\":true}}");
    fake_answer(f, fake_request(f, "selfsubjectaccessreviews"), 201,
                "{\"status\":{\"allowed\":false}}");
    ck_assert(sa_names_has(&f->w.cluster_wide, "pods."));
    ck_assert(sa_names_has(&f->w.narrow, "deployments.apps"));
    fake_free(f);
}
END_TEST

START_TEST(namespaces_and_definitions_are_made_up)
{
    struct fake *f = fake_new();
    struct sa_crd_setting *crd = calloc(1, sizeof *crd);
    sa_names_clear(&f->w.account.kinds);
    sa_names_add(&f->w.account.namespaces, "team-a");
    f->w.account.only_namespaced_resources = true;
    crd->kind = strdup("Widget.example.com");
    f->w.account.crds = crd;
    f->w.account.n_crds = 1;
    found(f, "namespaces./v1 nodes./v1", "");
    open_session(f);
    expect_scopes(f, "namespaces./v1:");
    ck_assert_ptr_null(f->pending);
    fake_flush(f);
    message *m = fake_expect(f, BODY(DELTAS));
    ck_assert_uint_eq(m->deltas->n_deltas, 1);
    const Scaleagent__V1__Delta *d = m->deltas->deltas[0];
    ck_assert_str_eq(d->name, "team-a");
    ck_assert_ptr_nonnull(memmem(d->object.data, d->object.len, "\"kind\":\"Namespace\"", 18));
    fake_drop(m);
    m = fake_expect(f, BODY(SUMS));
    uint32_t scope = m->sums->scope;
    ck_assert_uint_eq(m->sums->count, 1);
    fake_drop(m);
    /* compared like any other, from the configuration */
    fake_sums(f, scope, false);
    fake_drop(fake_expect(f, BODY(BEGIN)));
    m = fake_expect(f, BODY(PAGE));
    ck_assert_uint_eq(m->page->n_entries, 1);
    ck_assert_uint_eq(m->page->entries[0]->digest.len, 16);
    fake_wants(f, m->page, "team-a");
    fake_drop(m);
    m = fake_expect(f, BODY(DELTAS));
    ck_assert_str_eq(m->deltas->deltas[0]->name, "team-a");
    fake_drop(m);
    fake_drop(fake_expect(f, BODY(END)));
    fake_free(f);
}
END_TEST

/* Without room, or with too little, nothing is tried again and again: fake_turn() would tell. */
START_TEST(what_is_made_up_waits_for_credit)
{
    struct fake *f = fake_new();
    sa_names_clear(&f->w.account.kinds);
    sa_names_add(&f->w.account.namespaces, "team-a");
    sa_names_add(&f->w.account.namespaces, "team-b");
    f->w.account.only_namespaced_resources = true;
    found(f, "namespaces./v1 nodes./v1", "");
    f->w.reached = true;
    fake_up(f);
    fake_drop(fake_expect(f, BODY(OPEN)));
    fake_send_welcome(f, NULL, _i ? 100 : 0, false);
    expect_scopes(f, "namespaces./v1:");
    fake_turn(f);
    fake_none(f);
    ck_assert_uint_eq(sa_dirty_count(f->w.scopes[0]->dirty), 2);
    fake_ack(f, 0, 1 << 20);
    fake_skip_waits(f);
    fake_flush(f);
    message *m = fake_expect(f, BODY(DELTAS));
    ck_assert_uint_eq(m->deltas->n_deltas, 2);
    fake_drop(m);
    fake_free(f);
}
END_TEST

START_TEST(a_changed_definition_asks_for_discovery)
{
    struct fake *f = started("customresourcedefinitions");
    found(f, "customresourcedefinitions.apiextensions.k8s.io/v1", "");
    open_session(f);
    expect_scopes(f, "customresourcedefinitions.apiextensions.k8s.io/v1:");
    fake_answer(f, fake_request(f, "?limit"), 200,
                "{\"metadata\":{\"resourceVersion\":\"100\"},\"items\":[]}");
    f->w.rediscover_ns = UINT64_MAX;
    fake_data(
        f, fake_request(f, "watch=1"),
        "{\"type\":\"ADDED\",\"object\":{\"kind\":\"CustomResourceDefinition\",\"apiVersion\":"
        "\"apiextensions.k8s.io/v1\",\"metadata\":{\"name\":\"w.example.com\",\"uid\":\"u\","
        "\"resourceVersion\":\"101\"}}}\n");
    ck_assert_uint_le(f->w.rediscover_ns, sa_mono_ns() + SA_NS_PER_S);
    f->w.rediscover_ns = 1;
    sa_worker_tick(&f->w);
    ck_assert_ptr_nonnull(fake_request(f, "/api"));
    fake_free(f);
}
END_TEST

#define CRD "customresourcedefinitions.apiextensions.k8s.io/v1"

static void answer_definitions(struct fake *f, int version, const char *name)
{
    char body[500];
    snprintf(body, sizeof body, "{\"metadata\":{\"resourceVersion\":\"%d\"},\"items\":[%s%s%s]}",
             version,
             *name ? "{\"metadata\":{\"resourceVersion\":\"90\",\"uid\":\"u\",\"name\":\"" : "",
             name, *name ? "\"}}" : "");
    fake_answer(f, fake_request(f, "customresourcedefinitions?limit"), 200, body);
}

/* Also where no watch told of it: before the first list, or between a watch and the list after it.
 */
START_TEST(a_definition_that_a_list_brings_or_lacks_asks_for_discovery)
{
    struct fake *f = started("customresourcedefinitions");
    f->w.no_watch_list = true;
    found(f, CRD " widgets.example.com/v1", "");
    open_session(f);
    f->w.rediscover_ns = UINT64_MAX;
    answer_definitions(f, 100, _i ? "gadgets.example.com" : "widgets.example.com");
    if (_i)
        ck_assert_uint_le(f->w.rediscover_ns, sa_mono_ns() + SA_NS_PER_S);
    else
        ck_assert_uint_eq(f->w.rediscover_ns, UINT64_MAX); /* discovered already */
    f->w.rediscover_ns = UINT64_MAX;
    fake_answer(f, fake_request(f, "watch=1"), 410, "");
    answer_definitions(f, 110, "");
    ck_assert_uint_le(f->w.rediscover_ns, sa_mono_ns() + SA_NS_PER_S);
    fake_free(f);
}
END_TEST

START_TEST(a_definition_that_changes_amid_discovery_asks_for_the_next)
{
    struct fake *f = started("customresourcedefinitions");
    found(f, CRD, "");
    f->w.reached = true;
    f->w.rediscover_ns = 1;
    sa_worker_tick(&f->w);
    ck_assert_ptr_nonnull(fake_request(f, "/api"));
    sa_plan_definitions_changed(&f->w);
    found(f, CRD, "");
    ck_assert_uint_le(f->w.rediscover_ns, sa_mono_ns() + SA_NS_PER_S);
    fake_free(f);
}
END_TEST

/* Pods alone are followed, but a definition that comes may answer to the other name. */
START_TEST(definitions_are_watched_for_ourselves)
{
    struct fake *f = started("pods widgets");
    struct sa_resources r = {0};
    struct sa_strings none = {0};
    struct sa_resource crd = {
        (char *)"apiextensions.k8s.io",     (char *)"v1", (char *)"customresourcedefinitions",
        (char *)"CustomResourceDefinition", (char *)"",   .namespaced = false};
    struct sa_resource pods = {(char *)"",    (char *)"v1", (char *)"pods",
                               (char *)"Pod", (char *)"",   .namespaced = true};
    sa_resources_add(&r, &crd, NULL);
    sa_resources_add(&r, &pods, NULL);
    sa_resources_mark_custom(&r, &none);
    sa_plan_discovered(&f->w, &r, 0);
    fake_turn(f);
    struct sa_request *q = fake_request(f, "customresourcedefinitions?limit=1");
    ck_assert_ptr_nonnull(q); /* metadata of one, for the version */
    ck_assert_ptr_nonnull(strstr(fake_accept(q), "PartialObjectMetadataList"));
    fake_answer(f, q, 200,
                "{\"metadata\":{\"resourceVersion\":\"50\",\"continue\":\"t\"},\"items\":[]}");
    q = fake_request(f, "customresourcedefinitions?watch=1");
    ck_assert_ptr_nonnull(strstr(fake_path(q), "resourceVersion=50"));
    ck_assert_uint_le(f->w.rediscover_ns, sa_mono_ns() + SA_NS_PER_S); /* some came before it? */
    open_session(f);
    expect_scopes(f, "pods./v1:"); /* ours, not theirs */
    f->w.rediscover_ns = UINT64_MAX;
    fake_data(f, q,
              "{\"type\":\"DELETED\",\"object\":{\"metadata\":{\"name\":\"w.example.com\","
              "\"resourceVersion\":\"51\"}}}\n");
    ck_assert_uint_le(f->w.rediscover_ns, sa_mono_ns() + SA_NS_PER_S);
    fake_free(f);
}
END_TEST

/* As if the ten minutes of what is missing were over. */
static void as_if_later(struct fake *f)
{
    for (size_t i = 0; i < f->w.n_scopes; i++)
        if (f->w.scopes[i]->gone_ns)
            f->w.scopes[i]->gone_ns = 1;
}

START_TEST(without_definitions_only_a_lasting_absence_is_proof)
{
    struct fake *f = started("pods widgets");
    found_with(f, "pods./v1 widgets.example.com/v1", "", false);
    open_session(f);
    expect_scopes(f, "pods./v1: widgets.example.com/v1:");
    for (int i = 0; i < 10; i++) { /* many, but all at once */
        found_with(f, "pods./v1", "", false);
        ck_assert_uint_lt(f->w.rediscover_ns, sa_mono_ns() + 200 * SA_NS_PER_S);
    }
    as_if_later(f);
    sa_plan_failed(&f->w); /* an outage: from the start */
    fake_turn(f);
    found_with(f, "pods./v1", "", false);
    as_if_later(f);
    found_with(f, "pods./v1", "", false);
    fake_none(f); /* two in a row */
    found_with(f, "pods./v1", "example.com", false);
    found_with(f, "pods./v1", "", false);
    as_if_later(f);
    found_with(f, "pods./v1", "", false);
    found_with(f, "pods./v1 widgets.example.com/v1", "", false); /* it was there all the time */
    found_with(f, "pods./v1", "", false);
    as_if_later(f);
    found_with(f, "pods./v1", "", false);
    fake_none(f);
    ck_assert_uint_eq(f->w.n_scopes, 2);
    found_with(f, "pods./v1", "", false);
    expect_scopes(f, "pods./v1:");
    fake_free(f);
}
END_TEST

START_TEST(a_watch_that_goes_on_proves_that_it_is_there)
{
    struct fake *f = started("pods widgets");
    found_with(f, "pods./v1 widgets.example.com/v1", "", false);
    open_session(f);
    expect_scopes(f, "pods./v1: widgets.example.com/v1:");
    fake_answer(f, fake_request(f, "widgets?limit"), 200,
                "{\"metadata\":{\"resourceVersion\":\"100\"},\"items\":[]}");
    struct sa_scope *s = sa_scope_find(&f->w, "example.com", "widgets", "");
    ck_assert_int_eq(s->follow, SA_FOLLOW_WATCH);
    for (int i = 0; i < 4; i++) {
        s->watch.opened_ns = sa_mono_ns() - 6 * SA_NS_PER_S;
        found_with(f, "pods./v1", "", false);
        as_if_later(f);
    }
    ck_assert_uint_eq(f->w.n_scopes, 2);
    fake_answer(f, fake_request(f, "widgets?watch"), 404, "404 page not found\n");
    for (int i = 0; i < 3; i++) {
        found_with(f, "pods./v1", "", false);
        as_if_later(f);
    }
    ck_assert_uint_eq(f->w.n_scopes, 1);
    fake_free(f);
}
END_TEST

/* Nor is a definition a proof for what none ever defined: the server's own and aggregated ones. */
START_TEST(a_definition_proves_only_what_it_defined)
{
    struct fake *f = started("pods deployments");
    found(f, "pods./v1 deployments.apps/v1", "");
    open_session(f);
    expect_scopes(f, "pods./v1: deployments.apps/v1:");
    found(f, "pods./v1", "");
    as_if_later(f);
    found(f, "pods./v1", "");
    fake_none(f);
    found(f, "pods./v1", "");
    expect_scopes(f, "pods./v1:");
    fake_free(f);
}
END_TEST

/* The other side holds pods; a server that just started does not name them. */
START_TEST(what_the_other_side_holds_is_kept_until_it_is_proven_gone)
{
    struct fake *f = started("pods deployments");
    struct fake_known known = {.version = "70", .age_ms = 10, .count = 4};
    found_with(f, "deployments.apps/v1", "", false);
    f->w.rediscover_ns = UINT64_MAX;
    f->w.reached = true;
    fake_up(f);
    fake_drop(fake_expect(f, BODY(OPEN)));
    fake_send_welcome(f, &known, 1 << 20, false);
    expect_scopes(f, "deployments.apps/v1: pods./v1:");
    ck_assert_uint_lt(f->w.rediscover_ns, sa_mono_ns() + 200 * SA_NS_PER_S);
    for (int i = 0; i < 3; i++) {
        fake_none(f);
        found_with(f, "deployments.apps/v1", "", false);
        as_if_later(f);
    }
    expect_scopes(f, "deployments.apps/v1:");
    fake_free(f);
}
END_TEST

TCase *worker_plan_cases(void)
{
    TCase *t = tcase_create("plan");
    tcase_add_test(t, scopes_follow_discovery);
    tcase_add_test(t, another_version_of_the_api_takes_the_checkpoint_back);
    tcase_add_test(t, another_version_of_the_api_during_standby_is_read_anew);
    tcase_add_test(t, what_is_unknown_is_not_gone);
    tcase_add_test(t, what_the_other_side_holds_of_an_unknown_group_stays);
    tcase_add_test(t, without_definitions_only_a_lasting_absence_is_proof);
    tcase_add_test(t, a_watch_that_goes_on_proves_that_it_is_there);
    tcase_add_test(t, a_definition_proves_only_what_it_defined);
    tcase_add_test(t, what_the_other_side_holds_is_kept_until_it_is_proven_gone);
    tcase_add_test(t, a_scope_for_each_namespace);
    tcase_add_test(t, many_namespaces_are_one_scope_where_that_is_allowed);
    tcase_add_test(t, an_answer_belongs_to_what_was_asked);
    tcase_add_test(t, namespaces_and_definitions_are_made_up);
    tcase_add_loop_test(t, what_is_made_up_waits_for_credit, 0, 2);
    tcase_add_test(t, a_changed_definition_asks_for_discovery);
    tcase_add_loop_test(t, a_definition_that_a_list_brings_or_lacks_asks_for_discovery, 0, 2);
    tcase_add_test(t, a_definition_that_changes_amid_discovery_asks_for_the_next);
    tcase_add_test(t, definitions_are_watched_for_ourselves);
    return t;
}
