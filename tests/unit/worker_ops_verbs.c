/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs: what they ask of the API server, and kubectl's words for what is wrong. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker_ops_test.h"

#define INVALID_HEAD "error: error validating \"STDIN\": error validating data: "
#define INVALID_TAIL                                                                               \
    "; if you choose to ignore these errors, turn validation off with --validate=false"

static ProtobufCBinaryData bytes_of(const char *text)
{
    return (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text};
}

static void ask_create(uint8_t id, const char *manifest)
{
    operation m = SCALEAGENT__V1__OPERATION__INIT;
    Scaleagent__V1__CreateOperation create = SCALEAGENT__V1__CREATE_OPERATION__INIT;
    create.manifest = bytes_of(manifest);
    m.body_case = SCALEAGENT__V1__OPERATION__BODY_CREATE;
    m.create = &create;
    ask(&m, id);
}

static void ask_replace(uint8_t id, const char *manifest)
{
    operation m = SCALEAGENT__V1__OPERATION__INIT;
    Scaleagent__V1__ReplaceOperation replace = SCALEAGENT__V1__REPLACE_OPERATION__INIT;
    replace.manifest = bytes_of(manifest);
    m.body_case = SCALEAGENT__V1__OPERATION__BODY_REPLACE;
    m.replace = &replace;
    ask(&m, id);
}

static Scaleagent__V1__ObjectName named(const char *kind, const char *name)
{
    Scaleagent__V1__ObjectName o = SCALEAGENT__V1__OBJECT_NAME__INIT;
    o.kind = (char *)(uintptr_t)kind;
    o.name = (char *)(uintptr_t)name;
    return o;
}

START_TEST(malformed_manifests_are_told_as_kubectl_tells_them)
{
    static const struct {
        const char *manifest;
        int code;
        const char *words;
    } cases[] = {
        {"", CODE(NO_OBJECTS), "error: no objects passed to create"},
        {" \n", CODE(NO_OBJECTS), "error: no objects passed to create"},
        {"[1]", CODE(INVALID), INVALID_HEAD "invalid object to validate" INVALID_TAIL},
        {"{}", CODE(INVALID), INVALID_HEAD "[apiVersion not set, kind not set]" INVALID_TAIL},
        {"{\"kind\":\"Pod\"}", CODE(INVALID), INVALID_HEAD "apiVersion not set" INVALID_TAIL},
        {"{\"apiVersion\":\"v1\"}", CODE(INVALID), INVALID_HEAD "kind not set" INVALID_TAIL},
        {"{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"../x\"}}", CODE(INVALID),
         "error: invalid resource name \"../x\": [may not contain '/']"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ask_create((uint8_t)i, cases[i].manifest);
        expect_message((uint8_t)i, cases[i].code, cases[i].words);
    }
    ck_assert_uint_eq(fake_pending(f, "pods?fieldManager"), 0);
}
END_TEST

/* Before anything is asked; the same for each verb that takes a manifest. */
START_TEST(a_manifest_that_is_too_large)
{
    static const char head[] = "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"";
    size_t n = ((size_t)3 << 20) + 1;
    char *text = malloc(n + 1);
    ck_assert_ptr_nonnull(text);
    memset(text, 'a', n);
    memcpy(text, head, sizeof head - 1);
    memcpy(text + n - 3, "\"}}", 4);
    ask_create(1, text);
    expect_message(1, CODE(TOO_LARGE), "error: the manifest is larger than 3 MB");
    ask_replace(2, text);
    expect_message(2, CODE(TOO_LARGE), "error: the manifest is larger than 3 MB");
    free(text);
}
END_TEST

/* A webhook may answer Invalid without saying of what. */
START_TEST(what_is_invalid_without_details)
{
    ask_create(1, "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"a\"}}");
    fake_answer(f, fake_request(f, "pods?fieldManager=kubectl-create"), 422,
                "{\"kind\":\"Status\",\"reason\":\"Invalid\",\"message\":\"denied\"}");
    expect_message(1, CODE(INVALID),
                   "The request is invalid: error when creating \"STDIN\": denied");
}
END_TEST

START_TEST(a_replacement_needs_a_name)
{
    ask_replace(1,
                "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"generateName\":\"a-\"}}");
    expect_message(1, CODE(INVALID),
                   "error: error when replacing \"STDIN\": resource name may not be empty");
}
END_TEST

/* A manifest that came out of a cluster has a last-applied annotation: of what is applied now. */
START_TEST(a_replacement_has_its_own_last_applied_annotation)
{
    ask_replace(
        1, "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"a\",\"annotations\":"
           "{\"kubectl.kubernetes.io/last-applied-configuration\":\"{}\"}},\"spec\":{}}");
    fake_answer(f, fake_request(f, "pods/a"), 200,
                "{\"metadata\":{\"name\":\"a\",\"uid\":\"u\",\"resourceVersion\":\"8\"}}");
    struct sa_request *r = fake_request(f, "pods/a?fieldManager=kubectl-replace");
    ck_assert_ptr_nonnull(r);
    ck_assert_str_eq(fake_method(r), "PUT");
    ck_assert_str_eq(fake_body(r),
                     "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"resourceVersion\":"
                     "\"8\",\"annotations\":"
                     "{\"kubectl.kubernetes.io/"
                     "last-applied-configuration\":\"{\\\"apiVersion\\\":\\\"v1\\\",\\\"kind\\\":"
                     "\\\"Pod\\\",\\\"metadata\\\":{\\\"annotations\\\":{},\\\"name\\\":\\\"a\\\","
                     "\\\"namespace\\\":"
                     "\\\"default\\\"},\\\"spec\\\":{}}\\n\"},\"name\":\"a\",\"namespace\":"
                     "\"default\"},\"spec\":{}}");
}
END_TEST

START_TEST(an_apply_that_is_refused)
{
    operation m = SCALEAGENT__V1__OPERATION__INIT;
    Scaleagent__V1__ApplyOperation apply = SCALEAGENT__V1__APPLY_OPERATION__INIT;
    apply.manifest =
        bytes_of("{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"a\"}}");
    m.body_case = SCALEAGENT__V1__OPERATION__BODY_APPLY;
    m.apply = &apply;
    ask(&m, 1);
    fake_answer(f, fake_request(f, "pods/a"), 404, "{\"kind\":\"Status\",\"reason\":\"NotFound\"}");
    fake_answer(f, fake_request(f, "pods?fieldManager"), 403,
                "{\"kind\":\"Status\",\"reason\":\"Forbidden\",\"message\":\"no\"}");
    expect_message(1, CODE(FORBIDDEN),
                   "Error from server (Forbidden): error when creating \"STDIN\": no");
}
END_TEST

START_TEST(what_names_no_namespace)
{
    static const char *const namespaces[] = {"", "placed"};
    static const char *const paths[] = {"/api/v1/namespaces/default/pods/a",
                                        "/api/v1/namespaces/placed/pods/a"};
    for (uint8_t i = 0; i < 2; i++) {
        operation m = SCALEAGENT__V1__OPERATION__INIT;
        Scaleagent__V1__GetOperation get = SCALEAGENT__V1__GET_OPERATION__INIT;
        Scaleagent__V1__ObjectName o = named("pod", "a");
        snprintf(f->w.namespace, sizeof f->w.namespace, "%s", namespaces[i]);
        get.object = &o;
        m.body_case = SCALEAGENT__V1__OPERATION__BODY_GET;
        m.get = &get;
        ask(&m, i);
        ck_assert_ptr_nonnull(fake_request(f, paths[i]));
    }
}
END_TEST

/* Selectors go into the path percent-encoded, whatever is in them; what the server says of them is
 * told with them. */
START_TEST(a_selector_that_does_not_parse)
{
    operation m = SCALEAGENT__V1__OPERATION__INIT;
    Scaleagent__V1__ListOperation list = SCALEAGENT__V1__LIST_OPERATION__INIT;
    static char kind[] = "pods", *kinds[] = {kind}, selector[] = "a=b\r\nX: y&watch=1#";
    list.kinds = kinds;
    list.n_kinds = 1;
    list.label_selector = selector;
    m.body_case = SCALEAGENT__V1__OPERATION__BODY_LIST;
    m.list = &list;
    ask(&m, 1);
    struct sa_request *r = fake_request(f, "labelSelector");
    ck_assert_ptr_nonnull(r);
    ck_assert_ptr_nonnull(
        strstr(fake_path(r), "?labelSelector=a%3Db%0D%0AX%3A%20y%26watch%3D1%23&"));
    fake_answer(f, r, 400,
                "{\"kind\":\"Status\",\"reason\":\"BadRequest\",\"message\":\"found 'X:'\"}");
    expect_message(
        1, CODE(INVALID),
        "Error from server (BadRequest): Unable to find \"/v1, Resource=pods\" that match "
        "label selector \"a=b\\r\\nX: y&watch=1#\", field selector \"\": found 'X:'");
}
END_TEST

/* The API server has no content for a pod without a node: that is an empty log. */
START_TEST(a_log_of_a_pod_that_does_not_run)
{
    operation m = SCALEAGENT__V1__OPERATION__INIT;
    Scaleagent__V1__LogsOperation logs = SCALEAGENT__V1__LOGS_OPERATION__INIT;
    Scaleagent__V1__ObjectName o = named("pod", "a");
    logs.object = &o;
    m.body_case = SCALEAGENT__V1__OPERATION__BODY_LOGS;
    m.logs = &logs;
    ask(&m, 1);
    fake_answer(f, fake_request(f, "pods/a"), 200,
                "{\"metadata\":{\"name\":\"a\",\"namespace\":\"default\"},"
                "\"spec\":{\"containers\":[{\"name\":\"c\"}]}}");
    fake_answer(f, fake_request(f, "pods/a/log"), 204, "");
    result *r = expect(1, CODE(OK));
    ck_assert_uint_eq(r->body.len, 0);
    scaleagent__v1__operation_result__free_unpacked(r, NULL);
}
END_TEST

/* What answers is no API server, or not quite: the operation ends in the midst of its answer. */
START_TEST(a_rollout_of_what_is_no_object)
{
    operation m = SCALEAGENT__V1__OPERATION__INIT;
    Scaleagent__V1__RolloutOperation rollout = SCALEAGENT__V1__ROLLOUT_OPERATION__INIT;
    Scaleagent__V1__ObjectName o = named("deployment", "a");
    rollout.verb = SCALEAGENT__V1__ROLLOUT_OPERATION__VERB__PAUSE;
    rollout.object = &o;
    m.body_case = SCALEAGENT__V1__OPERATION__BODY_ROLLOUT;
    m.rollout = &rollout;
    ask(&m, 1);
    fake_answer(f, fake_request(f, "deployments/a"), 200, "<html>");
    expect_message(1, CODE(FAILED),
                   "error: the API server's answer: byte 0: neither a value nor a number");
}
END_TEST

START_TEST(a_list_with_what_is_no_object)
{
    operation m = SCALEAGENT__V1__OPERATION__INIT;
    Scaleagent__V1__ListOperation list = SCALEAGENT__V1__LIST_OPERATION__INIT;
    char *kinds[] = {(char *)(uintptr_t) "pods"};
    list.kinds = kinds;
    list.n_kinds = 1;
    m.body_case = SCALEAGENT__V1__OPERATION__BODY_LIST;
    m.list = &list;
    ask(&m, 1);
    fake_answer(f, fake_request(f, "pods?limit"), 200,
                "{\"metadata\":{},\"items\":[{\"metadata\":{\"name\":\"a\"}},{\"a\":}]}");
    expect_message(1, CODE(FAILED),
                   "error: an object of the list can't be taken: an object is not valid JSON: byte "
                   "5: neither a value nor a number");
}
END_TEST

/* The text of a proxy is in whatever encoding it likes, and the result is sent as UTF-8. */
START_TEST(what_is_said_in_another_encoding)
{
    operation m = SCALEAGENT__V1__OPERATION__INIT;
    Scaleagent__V1__GetOperation get = SCALEAGENT__V1__GET_OPERATION__INIT;
    Scaleagent__V1__ObjectName o = named("pod", "a");
    get.object = &o;
    m.body_case = SCALEAGENT__V1__OPERATION__BODY_GET;
    m.get = &get;
    ask(&m, 1);
    fake_answer(f, fake_request(f, "pods/a"), 403,
                "{\"kind\":\"Status\",\"message\":\"d\xe9j\xc3\xa0 \xf0\x9f\x98\",\"reason\":"
                "\"Forbidden\"}");
    expect_message(1, CODE(FORBIDDEN), "Error from server (Forbidden): d?j\xc3\xa0 ???");
}
END_TEST

TCase *worker_ops_verbs_cases(void)
{
    TCase *t = tcase_create("verbs");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, malformed_manifests_are_told_as_kubectl_tells_them);
    tcase_add_test(t, a_manifest_that_is_too_large);
    tcase_add_test(t, what_is_invalid_without_details);
    tcase_add_test(t, a_replacement_needs_a_name);
    tcase_add_test(t, a_replacement_has_its_own_last_applied_annotation);
    tcase_add_test(t, an_apply_that_is_refused);
    tcase_add_test(t, what_names_no_namespace);
    tcase_add_test(t, a_selector_that_does_not_parse);
    tcase_add_test(t, a_log_of_a_pod_that_does_not_run);
    tcase_add_test(t, a_rollout_of_what_is_no_object);
    tcase_add_test(t, a_list_with_what_is_no_object);
    tcase_add_test(t, what_is_said_in_another_encoding);
    return t;
}
