/* SPDX-License-Identifier: Apache-2.0 */
/* Names of kinds, ids, manifests: the parts of operations that need no worker. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/discovery.h"
#include "worker/ops/ids.h"
#include "worker/ops/manifest.h"
#include "worker/ops/mapping.h"
#include "worker/ops/op.h"

TCase *worker_ops_parts_cases(void);

static void serve(struct sa_served *s, const char *group, const char *version, const char *plural,
                  const char *kind, const char *short_name, bool preferred)
{
    struct sa_strings names = {0};
    if (short_name)
        ck_assert_int_eq(sa_names_add(&names, short_name), 0);
    const struct sa_served_resource r = {.group = group,
                                         .version = version,
                                         .plural = plural,
                                         .kind = kind,
                                         .singular = "",
                                         .short_names = &names,
                                         .namespaced = true,
                                         .lists = true,
                                         .preferred = preferred};
    ck_assert_int_eq(sa_served_add(s, &r, NULL), 0);
    sa_names_clear(&names);
}

static void found(const struct sa_served *s, const char *kind, const char *expected)
{
    struct sa_mapping m;
    char title[300], api_version[400], both[800];
    if (!expected) {
        ck_assert_msg(!sa_served_find(s, kind, &m), "%s was found", kind);
        return;
    }
    ck_assert_msg(sa_served_find(s, kind, &m), "%s was not found", kind);
    sa_mapping_title(&m, title, sizeof title);
    sa_mapping_api_version(&m, api_version, sizeof api_version);
    snprintf(both, sizeof both, "%s %s", title, api_version);
    ck_assert_str_eq(both, expected);
}

START_TEST(kinds_resolve_as_kubectl_resolves_them)
{
    struct sa_served s = {0};
    serve(&s, "", "v1", "events", "Event", "ev", true);
    serve(&s, "", "v1", "pods", "Pod", "po", true);
    serve(&s, "apps", "v1", "deployments", "Deployment", "deploy", true);
    serve(&s, "autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", "hpa",
          true);
    serve(&s, "autoscaling", "v1", "horizontalpodautoscalers", "HorizontalPodAutoscaler", "hpa",
          false);
    serve(&s, "events.k8s.io", "v1", "events", "Event", "ev", true);
    serve(&s, "example.com", "v1beta1", "olds", "Old", NULL, false);
    serve(&s, "example.com", "v1", "po", "Po", NULL, true);
    const char *const deployment = "deployments.apps apps/v1";
    const char *const names[] = {"deployment",    "Deployment",  "deploy",
                                 "DEPLOYMENTS",   "deploy.apps", "deployments.v1.apps",
                                 "Deployment.app"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        found(&s, names[i], deployment);
    found(&s, "event", "events v1");
    found(&s, "event.events.k8s.io", "events.events.k8s.io events.k8s.io/v1");
    found(&s, "hpa", "horizontalpodautoscalers.autoscaling autoscaling/v2");
    found(&s, "horizontalpodautoscalers.v1.autoscaling",
          "horizontalpodautoscalers.autoscaling autoscaling/v1");
    found(&s, "olds", "olds.example.com example.com/v1beta1"); /* in no preferred version */
    found(&s, "po", "po.example.com example.com/v1");          /* full names before short ones */
    found(&s, "pods.v1.", "pods v1");
    found(&s, "pods.apps", NULL);
    found(&s, "nothing", NULL);
    found(&s, "", NULL);
    found(&s, ".", NULL);
    found(&s, ".apps", NULL);
    found(&s, "deployments.v2.apps", NULL);
    sa_served_free(&s);
}
END_TEST

START_TEST(manifests_name_one_version)
{
    struct sa_served s = {0};
    struct sa_mapping m;
    serve(&s, "", "v1", "pods", "Pod", "po", true);
    serve(&s, "autoscaling", "v2", "hpas", "HPA", NULL, true);
    serve(&s, "autoscaling", "v1", "hpas", "HPA", NULL, false);
    ck_assert(sa_served_find_exactly(&s, "autoscaling/v1", "HPA", &m));
    ck_assert_str_eq(m.version, "v1");
    ck_assert(sa_served_find_exactly(&s, "v1", "Pod", &m));
    ck_assert(!sa_served_find_exactly(&s, "v1", "pod", &m));
    ck_assert(!sa_served_find_exactly(&s, "auto/v1", "HPA", &m));
    ck_assert(!sa_served_find_exactly(&s, "autoscaling/v3", "HPA", &m));
    ck_assert(!sa_served_find_exactly(&s, "", "Pod", &m));
    sa_served_free(&s);
}
END_TEST

START_TEST(paths_hold_nothing_but_segments)
{
    const struct sa_mapping m = {
        .group = "apps", .version = "v1", .plural = "deployments", .namespaced = true};
    struct sa_buf b;
    sa_buf_init(&b, 0);
    ck_assert_int_eq(sa_mapping_path(&m, "a b", "x/../y?z", "scale", &b), 0);
    ck_assert_str_eq(b.data, "/apis/apps/v1/namespaces/a%20b/deployments/x%2F..%2Fy%3Fz/scale");
    ck_assert_int_eq(sa_query_add(&b, "labelSelector", "a=b\r\nX: y&c"), 0);
    ck_assert_ptr_nonnull(strstr(b.data, "?labelSelector=a%3Db%0D%0AX%3A%20y%26c"));
    sa_buf_free(&b);
    ck_assert_str_eq(sa_segment_fault(".."), "may not be '..'");
    ck_assert_str_eq(sa_segment_fault("a/b"), "may not contain '/'");
    ck_assert_str_eq(sa_segment_fault("%2e%2e"), "may not contain '%'");
    ck_assert_ptr_null(sa_segment_fault("..."));
}
END_TEST

static void add(struct sa_ids *ids, uint32_t number, size_t body, uint64_t now)
{
    uint8_t id[SA_OP_ID] = {0};
    char *bytes = calloc(1, body + 1);
    memcpy(id, &number, sizeof number);
    const struct sa_outcome o = {.code = 1,
                                 .message = "done",
                                 .uid = "u",
                                 .resource_version = "5",
                                 .body = body ? bytes : NULL,
                                 .body_n = body};
    ck_assert_int_eq(sa_ids_add(ids, id, &o, now), 0);
    free(bytes);
}

static bool known(const struct sa_ids *ids, uint32_t number, struct sa_outcome *out)
{
    uint8_t id[SA_OP_ID] = {0};
    memcpy(id, &number, sizeof number);
    return sa_ids_find(ids, id, out);
}

START_TEST(outcomes_are_kept_within_bounds)
{
    struct sa_ids *ids = sa_ids_new();
    struct sa_outcome o;
    add(ids, 0, 100, 1);
    add(ids, 1, SA_IDS_BODY + 1, 1); /* too long to be kept */
    ck_assert(known(ids, 0, &o));
    ck_assert_uint_eq(o.body_n, 100);
    ck_assert_str_eq(o.message, "done");
    ck_assert_str_eq(o.resource_version, "5");
    ck_assert(known(ids, 1, &o));
    ck_assert_ptr_null(o.body);
    for (uint32_t i = 2; i < 200; i++)
        add(ids, i, 8000, 1);
    ck_assert_uint_le(sa_ids_memory(ids), SA_IDS_BYTES + 32768);
    ck_assert(known(ids, 0, &o)); /* the bodies go first */
    ck_assert_ptr_null(o.body);
    ck_assert(known(ids, 199, &o));
    ck_assert_uint_eq(o.body_n, 8000);
    for (uint32_t i = 200; i < 20000; i++)
        add(ids, i, 0, 2);
    ck_assert_uint_le(sa_ids_memory(ids), 2 * SA_IDS_BYTES);
    ck_assert(!known(ids, 5, &o));
    ck_assert(known(ids, 19999, &o));
    ck_assert_uint_ge(sa_ids_count(ids), 2000);
    sa_ids_expire(ids, 2 + SA_IDS_LIFE_NS);
    ck_assert_uint_eq(sa_ids_count(ids), 0);
    ck_assert(!known(ids, 19999, &o));
    sa_ids_free(ids);
}
END_TEST

static void versioned(const char *json, const char *version, const char *expected)
{
    struct sa_buf b;
    sa_buf_init(&b, 0);
    ck_assert_int_eq(sa_manifest_version(json, strlen(json), version, &b), 0);
    ck_assert_str_eq(b.data, expected);
    sa_buf_free(&b);
}

START_TEST(versions_are_put_in_and_taken_out)
{
    const char *with = "{\"a\": 1, \"metadata\": {\"resourceVersion\":\"3\",\"name\":\"x\"}}";
    const char *without = "{\"metadata\":{\"name\":\"x\"},\"b\":[{}]}";
    ck_assert(sa_manifest_has_version(with, strlen(with)));
    ck_assert(!sa_manifest_has_version(without, strlen(without)));
    versioned(with, NULL, "{\"a\":1,\"metadata\":{\"name\":\"x\"}}");
    versioned(with, "9", "{\"a\":1,\"metadata\":{\"resourceVersion\":\"9\",\"name\":\"x\"}}");
    versioned(without, "9", "{\"metadata\":{\"resourceVersion\":\"9\",\"name\":\"x\"},\"b\":[{}]}");
    struct sa_buf b;
    sa_buf_init(&b, 0);
    ck_assert_int_eq(sa_manifest_version("{\"metadata\":", 12, NULL, &b), -1);
    sa_buf_free(&b);
}
END_TEST

START_TEST(labels_are_selected_as_kubectl_selects_them)
{
    static const struct {
        const char *selector;
        int expected;
    } cases[] = {
        {"", 1},
        {"app=x", 1},
        {"app==x", 1},
        {"app=y", 0},
        {"app!=y", 1},
        {"app!=x", 0},
        {"app", 1},
        {"other", 0},
        {"!other", 1},
        {"!app", 0},
        {"app in (y, x)", 1},
        {"app in (y)", 0},
        {"app notin (y)", 1},
        {"app notin (x,y)", 0},
        {"none notin (x)", 1},
        {"none in (x)", 0},
        {"none!=x", 1},
        {"app=x,tier=1", 1},
        {"app=x,tier=2", 0},
        {" app = x , tier ", 1},
        {"a.b/c=d", 1},
        {"app=", 0},
        {"in=z", 0},
        {"app in x", -1},
        {"app in (x", -1},
        {"=x", -1},
        {"app=x,", -1},
        {"app x", -1},
        {"app>1", 0},
        {"tier>0", 1},
        {"tier>1", 0},
        {"tier<2", 1},
        {"none<2", 0},
        {"tier>x", -1},
        {"in in (in,notin)", 0},
        {"none notin ()", 1},
        {"app in (,x)", 1},
        {"app in (y,x,)", 1},
        {"\t", 1},
        {"app=x)", -1},
        {"!app=x", -1},
        {"a_/b=c", 0},
        {"a b/c", -1},
        {"a/-b", -1},
        {"app=-x", -1},
        {"app in (x,-x)", -1},
    };
    const char *json = "{\"metadata\":{\"labels\":{\"app\":\"x\",\"tier\":\"1\",\"a.b/c\":\"d\"}}}";
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_msg(sa_manifest_selected(json, strlen(json), cases[i].selector, NULL) ==
                          cases[i].expected,
                      "%s", cases[i].selector);
    ck_assert_int_eq(sa_manifest_selected("{}", 2, "a", NULL), 0);
}
END_TEST

START_TEST(malformed_selectors_are_told_as_kubectl_tells_them)
{
    static const struct {
        const char *selector, *why;
    } cases[] = {
        {"app in demo", "unable to parse requirement: found 'demo' expected: '('"},
        {"app in (x", "unable to parse requirement: found '', expected: ',' or ')'"},
        {"app in (x y)", "unable to parse requirement: found 'y', expected: ',' or ')'"},
        {"app in (,=)", "unable to parse requirement: found '=', expected: ',', or identifier"},
        {"app in (=", "unable to parse requirement: found '=', expected: ',', ')' or identifier"},
        {"app x", "unable to parse requirement: found 'x', expected: in, notin, =, ==, !=, gt, lt"},
        {"app==!", "unable to parse requirement: found '!', expected: identifier"},
        {"!", "unable to parse requirement: found '', expected: identifier"},
        {"=x", "found '=', expected: !, identifier, or 'end of string'"},
        {"app=x,", "found '', expected: identifier after ','"},
        {"app=x y", "found 'y', expected: ',' or 'end of string'"},
        {"tier>1.5",
         "unable to parse requirement: values[0]: Invalid value: \"1.5\": for 'Gt', 'Lt' "
         "operators, the value must be an integer"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sa_err *err = NULL;
        ck_assert_int_eq(sa_manifest_selected("{}", 2, cases[i].selector, &err), -1);
        ck_assert_str_eq(sa_err_msg(err), cases[i].why);
        sa_err_free(&err);
    }
}
END_TEST

#define CAUSE(message) "{\"field\":\"spec.a\",\"message\":\"" message "\"}"

/* One cause is told in the line, several as a list; what is told twice is told once. */
START_TEST(causes_are_told_as_kubectl_tells_them)
{
    static const struct {
        const char *causes, *words;
    } cases[] = {
        {"", "The K \"x\" is invalid"},
        {CAUSE("one"), "The K \"x\" is invalid: spec.a: one"},
        {CAUSE("one") "," CAUSE("one"), "The K \"x\" is invalid: spec.a: one"},
        {CAUSE("one") "," CAUSE("two") "," CAUSE("one"),
         "The K \"x\" is invalid: \n* spec.a: one\n* spec.a: two"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sa_buf body, words;
        sa_buf_init(&body, 0);
        sa_buf_init(&words, 0);
        sa_buf_addf(&body,
                    "{\"kind\":\"Status\",\"reason\":\"Invalid\",\"details\":{\"kind\":\"K\","
                    "\"name\":\"x\",\"causes\":[%s]}}",
                    cases[i].causes);
        sa_op_status_words(&(struct sa_response){.status = 422, .body = &body}, NULL, &words);
        ck_assert_str_eq(words.data, cases[i].words);
        sa_buf_free(&body);
        sa_buf_free(&words);
    }
}
END_TEST

TCase *worker_ops_parts_cases(void)
{
    TCase *t = tcase_create("parts");
    tcase_add_test(t, kinds_resolve_as_kubectl_resolves_them);
    tcase_add_test(t, manifests_name_one_version);
    tcase_add_test(t, paths_hold_nothing_but_segments);
    tcase_add_test(t, outcomes_are_kept_within_bounds);
    tcase_add_test(t, versions_are_put_in_and_taken_out);
    tcase_add_test(t, labels_are_selected_as_kubectl_selects_them);
    tcase_add_test(t, causes_are_told_as_kubectl_tells_them);
    tcase_add_test(t, malformed_selectors_are_told_as_kubectl_tells_them);
    return t;
}
