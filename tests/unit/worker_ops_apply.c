/* SPDX-License-Identifier: Apache-2.0 */
/* Apply as a verb: which way is taken by settings and annotations, and what is asked of the server
 * where its OpenAPI documents can't be had. */
#include <stdlib.h>
#include <string.h>

#include "worker/ops/engine.h"
#include "worker_fake.h"

#include "base/hash.h"
#include "base/log.h"

#define STRATEGIC "application/strategic-merge-patch+json"
#define MERGE     "application/merge-patch+json"
#define APPLY     "application/apply-patch+yaml"
#define OBJECT    "/apis/apps/v1/namespaces/n/deployments/a"
#define DEPLOYMENT(metadata, containers)                                                           \
    "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"a\","            \
    "\"namespace\":\"n\"" metadata                                                                 \
    "},\"spec\":{\"template\":{\"spec\":{\"containers\":[" containers "]}}}}"
#define SIDECAR "{\"name\":\"theirs\",\"image\":\"b\"}"

static struct fake *f;

static void set_up(void)
{
    f = fake_new();
    fake_start(f);
}

static void tear_down(void)
{
    free(f->w.account.ssa_enabled);
    f->w.account.ssa_enabled = NULL;
    fake_free(f);
}

static void apply(const char *manifest)
{
    Scaleagent__V1__Operation m = SCALEAGENT__V1__OPERATION__INIT;
    Scaleagent__V1__ApplyOperation a = SCALEAGENT__V1__APPLY_OPERATION__INIT;
    static uint8_t id[16] = "apply";
    struct sa_err *err = NULL;
    a.manifest = (ProtobufCBinaryData){strlen(manifest), (uint8_t *)(uintptr_t)manifest};
    m.id = (ProtobufCBinaryData){16, id};
    m.timeout_ms = 60000;
    m.body_case = SCALEAGENT__V1__OPERATION__BODY_APPLY;
    m.apply = &a;
    size_t n = scaleagent__v1__operation__get_packed_size(&m);
    uint8_t *bytes = malloc(n);
    scaleagent__v1__operation__pack(&m, bytes);
    ck_assert_int_eq(sa_session_message(&f->w, SA_DATA_OPERATION, bytes, n, &err), 0);
    free(bytes);
}

static struct sa_request *expect(const char *method, const char *path)
{
    struct sa_request *r = fake_request(f, path);
    ck_assert_msg(r != NULL, "nothing asks for %s", path);
    ck_assert_str_eq(fake_method(r), method);
    return r;
}

static void expect_patch(const char *type, const char *in_body)
{
    struct sa_request *r = expect("PATCH", OBJECT);
    ck_assert_str_eq(fake_content_type(r), type);
    ck_assert_msg(strstr(fake_body(r), in_body) != NULL, "%s", fake_body(r));
}

/* Up to where the kind's schema is looked for. */
static void apply_over_a_sidecar(void)
{
    apply(DEPLOYMENT("", "{\"name\":\"main\",\"image\":\"a\"}"));
    fake_answer(f, expect("GET", OBJECT), 200,
                DEPLOYMENT(",\"uid\":\"u\",\"resourceVersion\":\"1\"",
                           "{\"name\":\"main\",\"image\":\"old\"}," SIDECAR));
}

/* With the kind's keys the patch names the changed container and their order, and leaves others
 * alone. */
#define BY_KEYS "\"containers\":[{\"image\":\"a\",\"name\":\"main\"}]"

static const struct {
    int status;
    const char *body;
} unfit[] = {{404, "{}"}, {403, "{}"}, {200, "{\"paths\":{}}"}, {200, "<html>"}, {500, ""}};

START_TEST(own_kinds_are_known_without_a_document)
{
    apply_over_a_sidecar();
    fake_answer(f, expect("GET", "/openapi/v3/apis/apps/v1"), unfit[_i].status, unfit[_i].body);
    fake_answer(f, expect("GET", "/openapi/v2"), unfit[_i].status, unfit[_i].body);
    expect_patch(STRATEGIC, BY_KEYS);
}
END_TEST

#define GVK(kind)                                                                                  \
    "\"x-kubernetes-group-version-kind\":{\"group\":\"apps\",\"version\":\"v1\",\"kind\":\"" kind  \
    "\"}"

/* The second document decides, where the first does not know the kind. */
START_TEST(the_document_of_version_2_is_asked)
{
    apply_over_a_sidecar();
    fake_answer(f, expect("GET", "/openapi/v3/apis/apps/v1"), 404, "{}");
    fake_answer(f, expect("GET", "/openapi/v2"), 200,
                "{\"swagger\":\"2.0\",\"paths\":{\"/a\":{\"patch\":{\"consumes\":[\"" MERGE
                "\"]," GVK("Deployment") "}}}}");
    expect_patch(MERGE, BY_KEYS);
}
END_TEST

/* A connection that is gone is no reason to guess. */
START_TEST(no_answer_ends_it)
{
    apply_over_a_sidecar();
    fake_break(f, expect("GET", "/openapi/v3/apis/apps/v1"));
    ck_assert_uint_eq(f->n_results, 1);
    ck_assert_int_eq(f->results[0]->code, SCALEAGENT__V1__OPERATION_RESULT__CODE__UNAVAILABLE);
}
END_TEST

#define TOO_LONG                                                                                   \
    "{\"kind\":\"Status\",\"reason\":\"Invalid\",\"details\":{\"kind\":\"Deployment\",\"name\":"   \
    "\"a\","                                                                                       \
    "\"causes\":[{\"field\":\"metadata.annotations\",\"message\":\"Too long: may not be more "     \
    "than "                                                                                        \
    "262144 bytes\"}]}}"
#define REFUSED "{\"kind\":\"Status\",\"reason\":\"Forbidden\",\"message\":\"no\",\"code\":403}"

/* The way out is named where others' annotations leave no room; other refusals are as they come. */
START_TEST(refusals_are_told)
{
    static const struct {
        int status;
        const char *body, *words;
    } cases[] = {
        {422, TOO_LONG, "server-side apply"},
        {403, REFUSED, "Error from server (Forbidden): error when creating \"STDIN\": no"}};
    apply(DEPLOYMENT("", ""));
    fake_answer(f, expect("GET", OBJECT), 404, "{}");
    fake_answer(f, expect("POST", "/deployments"), cases[_i].status, cases[_i].body);
    ck_assert_uint_eq(f->n_results, 1);
    ck_assert_msg(strstr(f->results[0]->message, cases[_i].words) != NULL, "%s",
                  f->results[0]->message);
}
END_TEST

static void set_mode(const char *mode)
{
    free(f->w.account.ssa_enabled);
    f->w.account.ssa_enabled = strdup(mode);
}

START_TEST(settings_choose_the_way)
{
    set_mode("always");
    apply(DEPLOYMENT("", ""));
    expect_patch(APPLY, "\"kind\":\"Deployment\"");
}
END_TEST

#define ASKED ",\"annotations\":{\"agent-k8s.armory.io/serverside-apply\":\"enabled\"}"

START_TEST(annotations_choose_the_way_where_settings_allow_it)
{
    set_mode(_i == 0 ? "allowed" : "never");
    apply(DEPLOYMENT(ASKED, ""));
    if (_i == 0) {
        expect_patch(APPLY, "serverside-apply");
    } else {
        expect("GET", OBJECT);
    }
}
END_TEST

START_TEST(kinds_have_a_way_of_their_own)
{
    static const char *const entries[] = {
        "Deployment always allowed allowed", "Deployment.apps always allowed allowed",
        "Deployment.other.test always allowed allowed", "Deploy always allowed allowed"};
    set_mode("allowed");
    ck_assert_int_eq(sa_names_add(&f->w.account.ssa_kinds, entries[_i]), 0);
    apply(DEPLOYMENT("", ""));
    if (_i < 2) {
        expect_patch(APPLY, "Deployment");
    } else {
        expect("GET", OBJECT);
    }
}
END_TEST

int main(void)
{
    sa_hash_init();
    sa_log_set_level(SA_FATAL);
    Suite *s = suite_create("worker_ops_apply");
    TCase *t = tcase_create("apply");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, own_kinds_are_known_without_a_document, 0, 5);
    tcase_add_test(t, the_document_of_version_2_is_asked);
    tcase_add_test(t, no_answer_ends_it);
    tcase_add_loop_test(t, refusals_are_told, 0, 2);
    tcase_add_test(t, settings_choose_the_way);
    tcase_add_loop_test(t, annotations_choose_the_way_where_settings_allow_it, 0, 2);
    tcase_add_loop_test(t, kinds_have_a_way_of_their_own, 0, 4);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? 0 : 1;
}
