/* SPDX-License-Identifier: Apache-2.0 */
/* Discovery documents of both forms, as Kubernetes 1.36 and 1.20 send them, cut down. */
#include <stdlib.h>
#include <string.h>

#include "worker/discovery.h"
#include "worker_fake.h"
#include "worker_test.h"

static const char aggregated[] =
    "{\"kind\":\"APIGroupDiscoveryList\",\"apiVersion\":\"apidiscovery.k8s.io/v2\",\"metadata\":{},"
    "\"items\":["
    "{\"metadata\":{\"name\":\"batch\"},\"versions\":["
    " {\"version\":\"v1\",\"freshness\":\"Current\",\"resources\":["
    "  "
    "{\"resource\":\"cronjobs\",\"responseKind\":{\"group\":\"\",\"version\":\"\",\"kind\":"
    "\"CronJob\"},"
    "   \"scope\":\"Namespaced\",\"singularResource\":\"cronjob\",\"verbs\":[\"list\",\"watch\"],"
    "   \"shortNames\":[\"cj\"],\"subresources\":[{\"subresource\":\"status\"}]}]},"
    " {\"version\":\"v1beta1\",\"freshness\":\"Current\",\"resources\":["
    "  {\"resource\":\"cronjobs\",\"responseKind\":{\"kind\":\"CronJob\"},\"scope\":\"Namespaced\","
    "   \"verbs\":[\"list\",\"watch\"]},"
    "  {\"resource\":\"oldjobs\",\"responseKind\":{\"kind\":\"OldJob\"},\"scope\":\"Cluster\","
    "   \"verbs\":[\"list\",\"watch\"]},"
    "  {\"resource\":\"reviews\",\"responseKind\":{\"kind\":\"Review\"},\"scope\":\"Cluster\","
    "   \"verbs\":[\"create\"]}]}]},"
    "{\"metadata\":{\"name\":\"metrics.k8s.io\"},\"versions\":["
    " {\"version\":\"v1beta1\",\"freshness\":\"Stale\"}]}]}";

START_TEST(aggregated_form)
{
    struct sa_resources r = {0};
    struct sa_group_versions more = {0};
    ck_assert_int_eq(sa_discovery_parse(aggregated, strlen(aggregated), &r, &more, NULL), 0);
    ck_assert_uint_eq(more.n, 0);
    ck_assert_uint_eq(r.n, 2); /* what can't be listed and watched is left out */
    const struct sa_resource *cj = sa_resources_find(&r, "batch", "cronjobs");
    ck_assert_ptr_nonnull(cj);
    ck_assert_str_eq(cj->version, "v1"); /* the first that serves it */
    ck_assert_str_eq(cj->kind, "CronJob");
    ck_assert(cj->namespaced);
    ck_assert_uint_eq(cj->short_names.n, 1);
    ck_assert_str_eq(cj->short_names.v[0], "cj");
    const struct sa_resource *old = sa_resources_find(&r, "batch", "oldjobs");
    ck_assert_str_eq(old->version, "v1beta1"); /* served nowhere else */
    ck_assert(!old->namespaced);
    sa_resources_free(&r);
}
END_TEST

START_TEST(a_stale_group_is_unknown)
{
    struct sa_resources r = {0};
    struct sa_group_versions more = {0};
    sa_discovery_parse(aggregated, strlen(aggregated), &r, &more, NULL);
    ck_assert(sa_resources_unknown(&r, "metrics.k8s.io"));
    ck_assert(!sa_resources_unknown(&r, "batch"));
    ck_assert(!sa_resources_unknown(&r, "apps"));
    sa_resources_free(&r);
}
END_TEST

START_TEST(older_form)
{
    static const char versions[] = "{\"kind\":\"APIVersions\",\"versions\":[\"v1\"]}";
    static const char groups[] =
        "{\"kind\":\"APIGroupList\",\"groups\":[{\"name\":\"apps\",\"versions\":["
        "{\"groupVersion\":\"apps/v1beta1\",\"version\":\"v1beta1\"},"
        "{\"groupVersion\":\"apps/v1\",\"version\":\"v1\"}],"
        "\"preferredVersion\":{\"groupVersion\":\"apps/v1\",\"version\":\"v1\"}}]}";
    static const char list[] =
        "{\"kind\":\"APIResourceList\",\"groupVersion\":\"apps/v1\",\"resources\":["
        "{\"name\":\"deployments\",\"singularName\":\"deployment\",\"namespaced\":true,"
        "\"kind\":\"Deployment\",\"verbs\":[\"list\",\"watch\"],\"shortNames\":[\"deploy\"]},"
        "{\"name\":\"deployments/status\",\"singularName\":\"\",\"namespaced\":true,"
        "\"kind\":\"Deployment\",\"verbs\":[\"get\",\"list\",\"watch\"]}]}";
    struct sa_resources r = {0};
    struct sa_group_versions more = {0};
    ck_assert_int_eq(sa_discovery_parse(versions, strlen(versions), &r, &more, NULL), 0);
    ck_assert_int_eq(sa_discovery_parse(groups, strlen(groups), &r, &more, NULL), 0);
    ck_assert_uint_eq(more.n, 3);
    ck_assert_str_eq(more.v[0].group, "");
    ck_assert_str_eq(more.v[1].version, "v1"); /* the preferred first */
    ck_assert_str_eq(more.v[2].version, "v1beta1");
    ck_assert_int_eq(sa_discovery_parse_version(list, strlen(list), "apps", "v1", &r, NULL), 0);
    ck_assert_uint_eq(r.n, 1);
    ck_assert_str_eq(r.v[0].plural, "deployments");
    ck_assert(r.v[0].namespaced);
    sa_group_versions_free(&more);
    sa_resources_free(&r);
}
END_TEST

START_TEST(foreign_documents_are_refused)
{
    static const char *const bad[] = {
        "", "[", "null", "[]", "{\"kind\":\"Status\"}", "{\"kind\":7}", "{\"kind\":\"PodList\"}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct sa_resources r = {0};
        struct sa_group_versions more = {0};
        struct sa_err *err = NULL;
        ck_assert_int_eq(sa_discovery_parse(bad[i], strlen(bad[i]), &r, &more, &err), -1);
        ck_assert_int_eq(err->code, SA_EPROTOCOL);
        sa_err_free(&err);
        ck_assert_int_eq(sa_discovery_parse_version(bad[i], strlen(bad[i]), "g", "v", &r, NULL),
                         -1);
        ck_assert_uint_eq(r.n + more.n, 0);
    }
}
END_TEST

/* Wrong types inside must neither crash nor name a resource. */
START_TEST(wrong_types_are_passed_over)
{
    static const char odd[] =
        "{\"kind\":\"APIGroupDiscoveryList\",\"items\":[7,{\"metadata\":[],\"versions\":{}},"
        "{\"metadata\":{\"name\":\"g\"},\"versions\":[\"v\",{\"version\":1,\"resources\":[null,"
        "{\"resource\":\"x\",\"responseKind\":\"X\",\"verbs\":\"list,watch\"}]}]}]}";
    struct sa_resources r = {0};
    struct sa_group_versions more = {0};
    ck_assert_int_eq(sa_discovery_parse(odd, strlen(odd), &r, &more, NULL), 0);
    ck_assert_uint_eq(r.n, 0);
    sa_resources_free(&r);
}
END_TEST

START_TEST(definitions_tell_custom_resources)
{
    struct sa_resources r = {0};
    struct sa_strings names = {0};
    struct sa_resource gateway = {(char *)"gateway.networking.k8s.io",
                                  (char *)"v1",
                                  (char *)"gateways",
                                  (char *)"Gateway",
                                  (char *)"gateway",
                                  .namespaced = true};
    struct sa_resource nodes = {(char *)"metrics.k8s.io", (char *)"v1", (char *)"nodes",
                                (char *)"NodeMetrics",    (char *)"",   .namespaced = false};
    sa_resources_add(&r, &gateway, NULL);
    sa_resources_add(&r, &nodes, NULL);
    sa_names_add(&names, "gateways.gateway.networking.k8s.io");
    sa_names_add(&names, "widgets.example.com"); /* not served yet */
    ck_assert_uint_eq(sa_resources_mark_custom(&r, &names), 1);
    ck_assert(sa_resources_find(&r, "gateway.networking.k8s.io", "gateways")->custom);
    ck_assert(!sa_resources_find(&r, "metrics.k8s.io", "nodes")->custom);
    ck_assert(sa_resources_unknown(&r, "example.com"));
    ck_assert(r.crds_known);
    sa_names_clear(&names);
    sa_resources_free(&r);
}
END_TEST

/* The whole way over a server of the older form, with one group that fails. */
START_TEST(older_server)
{
    struct fake *f = fake_new();
    sa_names_clear(&f->w.account.kinds);
    sa_worker_start(&f->w);
    fake_turn(f);
    fake_answer(f, fake_request(f, "/version"), 403, "");
    fake_answer(f, fake_request(f, "kube-system"), 403, "");
    struct sa_request *q = fake_request(f, "/api");
    ck_assert_ptr_nonnull(strstr(fake_accept(q), "g=apidiscovery.k8s.io;v=v2;"));
    fake_answer(f, q, 200, "{\"kind\":\"APIVersions\",\"versions\":[\"v1\"]}");
    fake_answer(
        f, fake_request(f, "/apis"), 200,
        "{\"kind\":\"APIGroupList\",\"groups\":[{\"name\":\"apps\",\"versions\":[{\"version\":"
        "\"v1\"}]},{\"name\":\"broken.example.com\",\"versions\":[{\"version\":\"v1\"}]}]}");
    fake_answer(f, fake_request(f, "/api/v1"), 200,
                "{\"kind\":\"APIResourceList\",\"resources\":[{\"name\":\"pods\",\"kind\":\"Pod\","
                "\"namespaced\":true,\"verbs\":[\"list\",\"watch\"]}]}");
    fake_answer(f, fake_request(f, "/apis/apps/v1"), 200,
                "{\"kind\":\"APIResourceList\",\"resources\":[{\"name\":\"deployments\",\"kind\":"
                "\"Deployment\",\"namespaced\":true,\"verbs\":[\"list\",\"watch\"]}]}");
    fake_answer(f, fake_request(f, "/apis/broken.example.com/v1"), 503, "");
    ck_assert(f->w.planned);
    ck_assert_uint_eq(f->w.n_scopes, 2);
    ck_assert(sa_resources_unknown(&f->w.resources, "broken.example.com"));
    fake_free(f);
}
END_TEST

START_TEST(a_server_that_names_nothing_takes_nothing_away)
{
    static const char nothing[] = "{\"kind\":\"APIGroupDiscoveryList\",\"items\":[]}";
    struct fake *f = fake_new();
    fake_start(f);
    ck_assert_uint_eq(f->w.n_scopes, 1);
    f->w.rediscover_ns = 1;
    sa_worker_tick(&f->w);
    fake_answer(f, fake_request(f, "/api"), 200, nothing);
    fake_answer(f, fake_request(f, "/apis"), 200, nothing);
    ck_assert_uint_eq(f->w.n_scopes, 1);
    ck_assert_uint_lt(f->w.rediscover_ns, sa_mono_ns() + 10 * SA_NS_PER_S);
    fake_free(f);
}
END_TEST

TCase *worker_discovery_cases(void)
{
    TCase *t = tcase_create("discovery");
    tcase_add_test(t, aggregated_form);
    tcase_add_test(t, a_stale_group_is_unknown);
    tcase_add_test(t, older_form);
    tcase_add_test(t, foreign_documents_are_refused);
    tcase_add_test(t, wrong_types_are_passed_over);
    tcase_add_test(t, definitions_tell_custom_resources);
    tcase_add_test(t, older_server);
    tcase_add_test(t, a_server_that_names_nothing_takes_nothing_away);
    return t;
}
