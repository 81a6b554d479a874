/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/kinds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker_fake.h"
#include "worker_test.h"

/* group, plural, kind, short name, namespaced, custom */
static const struct line {
    const char *group, *plural, *kind, *alias;
    bool namespaced, custom;
} server[] = {
    {"", "pods", "Pod", "po", true, false},
    {"", "services", "Service", "svc", true, false},
    {"", "events", "Event", "ev", true, false},
    {"", "namespaces", "Namespace", "ns", false, false},
    {"", "nodes", "Node", "no", false, false},
    {"apps", "deployments", "Deployment", "deploy", true, false},
    {"extensions", "ingresses", "Ingress", "ing", true, false},
    {"networking.k8s.io", "ingresses", "Ingress", "ing", true, false},
    {"events.k8s.io", "events", "Event", "ev", true, false},
    {"apiextensions.k8s.io", "customresourcedefinitions", "CustomResourceDefinition", "crd", false,
     false},
    {"config.openshift.io", "ingresses", "Ingress", "", false, true},
    {"serving.knative.dev", "services", "Service", "kservice", true, true},
    {"a.example.com", "widgets", "Widget", "", true, true},
    {"b.example.com", "widgets", "Widget", "", true, true},
    {"metrics.k8s.io", "pods", "PodMetrics", "", true, false},
};

static void serve(struct sa_resources *r)
{
    for (size_t i = 0; i < sizeof server / sizeof *server; i++) {
        const struct line *l = &server[i];
        struct sa_resource res = {
            .group = (char *)l->group,
            .version = (char *)"v1",
            .plural = (char *)l->plural,
            .kind = (char *)l->kind,
            .namespaced = l->namespaced,
            .custom = l->custom,
        };
        if (*l->alias)
            ck_assert_int_eq(sa_names_add(&res.short_names, l->alias), 0);
        ck_assert_int_eq(sa_resources_add(r, &res, NULL), 0);
        sa_names_clear(&res.short_names);
    }
}

static void split(struct sa_strings *out, const char *list)
{
    char *copy = strdup(list), *save = NULL;
    for (char *t = strtok_r(copy, " ", &save); t; t = strtok_r(NULL, " ", &save))
        ck_assert_int_eq(sa_names_add(out, t), 0);
    free(copy);
}

static const struct selection {
    const char *kinds, *omit, *crds;
    bool only_namespaced;
    const char *want; /* plural.group, in the server's order */
    size_t unresolved;
} selections[] = {
    /* by default: what Clouddriver caches, and every custom resource */
    {"", "", "", false,
     "pods. services. namespaces. deployments.apps ingresses.networking.k8s.io "
     "customresourcedefinitions.apiextensions.k8s.io ingresses.config.openshift.io "
     "services.serving.knative.dev widgets.a.example.com widgets.b.example.com",
     0},
    /* by any of its names, whatever the case */
    {"POD", "", "", false, "pods.", 0},
    {"pods", "", "", false, "pods.", 0},
    {"Po", "", "", false, "pods.", 0},
    {"replicaSet deployment", "", "", false, "deployments.apps", 1},
    /* native before custom, networking before extensions, core before events.k8s.io */
    {"ingress", "", "", false, "ingresses.networking.k8s.io", 0},
    {"service event", "", "", false, "services. events.", 0},
    /* with its group only that */
    {"Ingress.config.openshift.io", "", "", false, "ingresses.config.openshift.io", 0},
    {"ingresses.extensions", "", "", false, "ingresses.extensions", 0},
    {"service.serving.knative.dev", "", "", false, "services.serving.knative.dev", 0},
    /* no native one: all of that name */
    {"widget", "", "", false, "widgets.a.example.com widgets.b.example.com", 0},
    {"Widget.B.example.com", "", "", false, "widgets.b.example.com", 0},
    {"pods.metrics.k8s.io", "", "", false, "pods.metrics.k8s.io", 0},
    {"gadget Widget.c.example.com", "", "", false, "", 2},
    /* omitKinds by the same rule: the native one, not its namesake */
    {"", "ingress service widget crd ns", "", false,
     "pods. deployments.apps ingresses.config.openshift.io services.serving.knative.dev", 0},
    {"pod service", "svc", "", false, "pods.", 0},
    /* definitions named in the configuration are followed beside kinds */
    {"pod", "", "Widget.a.example.com", false, "pods. widgets.a.example.com", 0},
    /* onlyNamespacedResources: Namespace and definitions are made up, customs only as configured */
    {"", "", "Widget.a.example.com", true,
     "pods. services. namespaces. deployments.apps ingresses.networking.k8s.io "
     "customresourcedefinitions.apiextensions.k8s.io widgets.a.example.com",
     0},
    {"node pod", "", "", true, "pods.", 0},
    {"pod", "", "Ingress.config.openshift.io!", true, "pods. ingresses.config.openshift.io", 0},
};

START_TEST(selects)
{
    const struct selection *c = &selections[_i];
    struct sa_account a = {.only_namespaced_resources = c->only_namespaced};
    struct sa_resources r = {0};
    struct sa_crd_setting crd = {.kind = strdup(c->crds)};
    char got[2048] = "";
    size_t n = 0;
    serve(&r);
    split(&a.kinds, c->kinds);
    split(&a.omit_kinds, c->omit);
    if (*c->crds) {
        a.crds = &crd;
        a.n_crds = 1;
        char *bang = strchr(crd.kind, '!');
        crd.cluster_scoped = bang != NULL;
        if (bang)
            *bang = '\0';
    }
    ck_assert_uint_eq(sa_kinds_select(&a, &r), c->unresolved);
    for (size_t i = 0; i < r.n; i++)
        if (r.v[i].wanted)
            n += (size_t)snprintf(got + n, sizeof got - n, "%s%s.%s", n ? " " : "", r.v[i].plural,
                                  r.v[i].group);
    ck_assert_str_eq(got, c->want);
    sa_names_clear(&a.kinds);
    sa_names_clear(&a.omit_kinds);
    free(crd.kind);
    sa_resources_free(&r);
}
END_TEST

START_TEST(native_groups)
{
    static const char *const native[] = {
        "", "apps", "batch", "extensions", "networking.k8s.io", "rbac.authorization.k8s.io"};
    static const char *const custom[] = {"argoproj.io", "gateway.networking.k8s.io",
                                         "snapshot.storage.k8s.io"};
    for (size_t i = 0; i < sizeof native / sizeof *native; i++)
        ck_assert(sa_group_native(native[i]));
    for (size_t i = 0; i < sizeof custom / sizeof *custom; i++)
        ck_assert(!sa_group_native(custom[i]));
}
END_TEST

START_TEST(unknown_resources_are_judged_by_what_is_remembered)
{
    struct sa_account a = {0};
    ck_assert(sa_kinds_would_want(&a, "example.com", "widgets", "Widget", true));
    ck_assert(!sa_kinds_would_want(&a, "", "configmaps", "ConfigMap", true));
    split(&a.kinds, "configMap");
    ck_assert(sa_kinds_would_want(&a, "", "configmaps", "ConfigMap", true));
    ck_assert(!sa_kinds_would_want(&a, "example.com", "widgets", "Widget", true));
    sa_names_clear(&a.kinds);
}
END_TEST

TCase *worker_kinds_cases(void)
{
    TCase *t = tcase_create("kinds");
    tcase_add_loop_test(t, selects, 0, (int)(sizeof selections / sizeof *selections));
    tcase_add_test(t, native_groups);
    tcase_add_test(t, unknown_resources_are_judged_by_what_is_remembered);
    return t;
}
