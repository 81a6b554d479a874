/* SPDX-License-Identifier: Apache-2.0 */
/* What may leave the cluster, whatever way it was read. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker_fake.h"
#include "worker_test.h"

static struct sa_scope *scope(struct fake *f, const char *plural, bool namespaced)
{
    struct sa_resource r = {.group = (char *)"",
                            .version = (char *)"v1",
                            .plural = (char *)plural,
                            .kind = (char *)"K",
                            .namespaced = namespaced};
    return sa_scope_new(&f->w, &r, "", NULL);
}

static bool visible(const struct sa_scope *s, const char *namespace, const char *name,
                    bool application, bool ignored)
{
    struct sa_object o = {.has_application = application, .ignored = ignored};
    strncpy(o.namespace, namespace, sizeof o.namespace - 1);
    strncpy(o.name, name, sizeof o.name - 1);
    return sa_intake_visible(s, &o);
}

START_TEST(managed_by_spinnaker)
{
    struct fake *f = fake_new();
    struct sa_scope *s = scope(f, "pods", true);
    ck_assert(visible(s, "a", "x", false, false));
    ck_assert(visible(s, "a", "x", true, false));
    ck_assert(!visible(s, "a", "x", true, true)); /* caching is to ignore it: never */
    f->w.account.only_spinnaker_managed = true;
    ck_assert(!visible(s, "a", "x", false, false));
    ck_assert(visible(s, "a", "x", true, false));
    ck_assert(!visible(s, "a", "x", true, true));
    fake_free(f);
}
END_TEST

START_TEST(namespaces)
{
    struct fake *f = fake_new();
    struct sa_scope *pods = scope(f, "pods", true), *ns = scope(f, "namespaces", false),
                    *nodes = scope(f, "nodes", false);
    sa_names_add(&f->w.account.omit_namespaces, "kube-system");
    ck_assert(visible(pods, "a", "kube-system", false, false));
    ck_assert(!visible(pods, "kube-system", "x", false, false));
    ck_assert(visible(ns, "", "a", false, false));
    ck_assert(!visible(ns, "", "kube-system", false, false));
    ck_assert(visible(nodes, "", "kube-system", false, false));
    sa_names_add(&f->w.account.namespaces, "a");
    ck_assert(visible(pods, "a", "x", false, false));
    ck_assert(!visible(pods, "b", "x", false, false));
    ck_assert(!visible(ns, "", "b", false, false));
    ck_assert(visible(nodes, "", "n", false, false));
    fake_free(f);
}
END_TEST

/* An object that stops matching is sent as a delete, and comes back when it matches again. */
START_TEST(an_object_that_stops_matching_is_deleted)
{
    struct fake *f = fake_new();
    static const char with[] =
        "{\"type\":\"MODIFIED\",\"object\":{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{"
        "\"name\":\"p\",\"namespace\":\"default\",\"uid\":\"u\",\"resourceVersion\":\"%d\",%s},"
        "\"spec\":{\"x\":\"1\"}}}\n";
    static const char app[] = "\"annotations\":{\"moniker.spinnaker.io/application\":\"a\"}";
    char event[512];
    f->w.account.only_spinnaker_managed = true;
    fake_start(f);
    fake_welcome(f, NULL, 1 << 20);
    char *list = fake_pods(100, NULL, "q:5:unmanaged");
    fake_answer(f, fake_request(f, "pods?limit"), 200, list);
    free(list);
    fake_none(f);
    snprintf(event, sizeof event, with, 101, app);
    fake_data(f, fake_request(f, "pods?watch=1"), event);
    fake_expect_deltas(f, "+p=1");
    fake_drop(fake_expect(f, SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_SUMS));
    fake_sums(f, fake_scope(f)->id, true);
    snprintf(event, sizeof event, with, 102, "\"labels\":{}");
    fake_data(f, fake_request(f, "pods?watch=1"), event);
    fake_expect_deltas(f, "-p");
    snprintf(event, sizeof event, with, 103, "\"labels\":{}");
    fake_data(f, fake_request(f, "pods?watch=1"), event);
    fake_flush(f);
    fake_none(f);
    snprintf(event, sizeof event, with, 104, app);
    fake_data(f, fake_request(f, "pods?watch=1"), event);
    fake_expect_deltas(f, "+p=1");
    fake_free(f);
}
END_TEST

START_TEST(omitted_namespaces_are_selected_by_field)
{
    struct fake *f = fake_new();
    sa_names_add(&f->w.account.omit_namespaces, "a");
    sa_names_add(&f->w.account.omit_namespaces, "b");
    sa_names_add(&f->w.account.kinds, "namespace");
    fake_start(f);
    fake_welcome(f, NULL, 1 << 20);
    ck_assert_ptr_nonnull(
        strstr(fake_path(fake_request(f, "/api/v1/pods?limit")),
               "&fieldSelector=metadata.namespace%21%3Da%2Cmetadata.namespace%21%3Db"));
    ck_assert_ptr_null(strstr(fake_path(fake_request(f, "/api/v1/namespaces?limit")), "Selector"));
    fake_free(f);
}
END_TEST

TCase *worker_filter_cases(void)
{
    TCase *t = tcase_create("filter");
    tcase_add_test(t, managed_by_spinnaker);
    tcase_add_test(t, namespaces);
    tcase_add_test(t, an_object_that_stops_matching_is_deleted);
    tcase_add_test(t, omitted_namespaces_are_selected_by_field);
    return t;
}
