/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of an apply: what is asked, given what was answered. */
#include <stdio.h>
#include <string.h>

#include "ops_merge_test.h"
#include "worker/ops/apply.h"

#define LAST "kubectl.kubernetes.io/last-applied-configuration"
#define THING(rest)                                                                                \
    "{\"apiVersion\":\"example.com/v1\",\"kind\":\"Thing\",\"metadata\":{\"name\":\"x\"" rest "}"
#define STATUS(code, reason)                                                                       \
    "{\"kind\":\"Status\",\"status\":\"Failure\",\"reason\":\"" reason "\",\"code\":" code         \
    ",\"message\":\"because\"}"

static struct sa_apply *start(const char *manifest, struct sa_apply_options o)
{
    struct sa_err *err = NULL;
    o.manifest = manifest;
    o.manifest_n = strlen(manifest);
    o.resource = "things";
    o.namespace = "ns";
    struct sa_apply *a = sa_apply_new(&o, &err);
    ck_assert_msg(a != NULL, "%s", sa_err_msg(err));
    return a;
}

static void answer(struct sa_apply *a, int status, const char *body)
{
    struct sa_err *err = NULL;
    int r = sa_apply_answer(a, status, body, strlen(body), &err);
    ck_assert_msg(r == 0, "%s", sa_err_msg(err));
}

static void expect(const struct sa_apply *a, const char *method, const char *in_query,
                   const char *in_body)
{
    const struct sa_apply_step *s = sa_apply_step(a);
    ck_assert_int_eq(s->what, SA_APPLY_REQUEST);
    ck_assert_str_eq(s->method, method);
    ck_assert_msg(strstr(s->query, in_query) != NULL, "%s", s->query);
    ck_assert_int_eq(s->changes, strcmp(method, "GET") != 0);
    ck_assert_msg(in_body[0] == '\0' || strstr(s->body, in_body) != NULL, "%s", s->body);
}

static void give_schema(struct sa_apply *a, const struct sa_schema *s)
{
    ck_assert_int_eq(sa_apply_step(a)->what, SA_APPLY_SCHEMA);
    ck_assert_str_eq(sa_apply_step(a)->path, "/openapi/v3/apis/example.com/v1");
    ck_assert_int_eq(sa_apply_schema(a, s, NULL), 0);
}

static const struct sa_apply_result *done(const struct sa_apply *a, enum sa_apply_outcome want)
{
    ck_assert_int_eq(sa_apply_step(a)->what, SA_APPLY_DONE);
    ck_assert_int_eq(sa_apply_result(a)->outcome, want);
    return sa_apply_result(a);
}

START_TEST(test_create)
{
    struct sa_apply *a =
        start(THING(",\"resourceVersion\":\"5\",\"labels\":null},\"spec\":{\"a\":null,\"b\":1}"),
              (struct sa_apply_options){0});
    ck_assert_str_eq(sa_apply_namespace(a), "ns");
    expect(a, "GET", "", "");
    answer(a, 404, STATUS("404", "NotFound"));
    expect(a, "POST", "fieldManager=kubectl-client-side-apply&fieldValidation=Strict",
           "\"spec\":{\"b\":1}");
    const char *body = sa_apply_step(a)->body;
    ck_assert_int_eq(sa_apply_step(a)->on, SA_APPLY_ON_COLLECTION);
    ck_assert_ptr_nonnull(strstr(body, "\"namespace\":\"ns\""));
    ck_assert_ptr_nonnull(strstr(body, "\\\"labels\\\":null")); /* the annotation is as written */
    ck_assert_ptr_null(strstr(body, "\"labels\":null"));
    ck_assert_ptr_null(strstr(body, "\"resourceVersion\":\"5\""));
    answer(a, 201, THING(",\"uid\":\"u\",\"resourceVersion\":\"9\"}"));
    ck_assert_ptr_nonnull(strstr(done(a, SA_APPLY_CREATED)->object, "\"uid\":\"u\""));
    ck_assert_str_eq(sa_apply_uid(a), "u");
    ck_assert_str_eq(sa_apply_version(a), "9");
    sa_apply_free(a);
}
END_TEST

START_TEST(test_create_refused)
{
    struct sa_apply *a = start(THING("}"), (struct sa_apply_options){0});
    answer(a, 404, "");
    answer(a, 409, STATUS("409", "AlreadyExists"));
    ck_assert_str_eq(done(a, SA_APPLY_FAILED)->doing, "creating");
    sa_apply_free(a);
}
END_TEST

/* The object as it is after this manifest was applied. */
static void unchanged_object(char *out, size_t n, const char *spec)
{
    snprintf(out, n,
             THING(",\"namespace\":\"ns\",\"resourceVersion\":\"1\",\"uid\":\"u\",\"annotations\":{"
                   "\"" LAST "\":\"{\\\"apiVersion\\\":\\\"example.com/v1\\\",\\\"kind\\\":"
                   "\\\"Thing\\\",\\\"metadata\\\":{\\\"annotations\\\":{},\\\"name\\\":\\\"x\\\","
                   "\\\"namespace\\\":\\\"ns\\\"},\\\"spec\\\":{\\\"replicas\\\":1}}\\n\"}},%s"),
             spec);
}

START_TEST(test_unchanged)
{
    char object[1024];
    struct sa_schema *s = ops_merge_schema(512);
    struct sa_apply *a = start(THING("},\"spec\":{\"replicas\":1}"), (struct sa_apply_options){0});
    unchanged_object(object, sizeof object, "\"spec\":{\"replicas\":1,\"args\":[]}");
    answer(a, 200, object);
    give_schema(a, s);
    ck_assert_str_eq(done(a, SA_APPLY_UNCHANGED)->object, object);
    sa_apply_free(a);
    sa_schema_free(s);
}
END_TEST

/* Five conflicts are five more tries; the patch is made of what was read last. */
START_TEST(test_conflicts)
{
    char object[1024], spec[64];
    struct sa_schema *s = ops_merge_schema(512);
    struct sa_apply *a = start(THING("},\"spec\":{\"replicas\":1}"), (struct sa_apply_options){0});
    for (int i = 0; i < 6; i++) {
        expect(a, "GET", "", "");
        ck_assert_uint_eq(sa_apply_step(a)->delay_ms, i > 1 ? 1000 : 0);
        snprintf(spec, sizeof spec, "\"spec\":{\"replicas\":%d,\"selector\":{\"a\":%d}}", i + 2, i);
        unchanged_object(object, sizeof object, spec);
        answer(a, 200, object);
        give_schema(a, s);
        expect(a, "PATCH", "fieldManager=kubectl-client-side-apply", "{\"spec\":{\"replicas\":1}}");
        ck_assert_str_eq(sa_apply_step(a)->content_type, "application/strategic-merge-patch+json");
        answer(a, 409, STATUS("409", "Conflict"));
    }
    const char *doing = done(a, SA_APPLY_FAILED)->doing;
    ck_assert_ptr_nonnull(strstr(doing, "error when patching"));
    ck_assert_ptr_nonnull(strstr(doing, "Resource: \"example.com/v1, Resource=things\""));
    sa_apply_free(a);
    sa_schema_free(s);
}
END_TEST

/* What has no namespace loses that of its manifest, in the annotation as well. */
START_TEST(test_no_namespace)
{
    struct sa_err *err = NULL;
    const char *manifest = THING(",\"namespace\":\"ns\"}");
    struct sa_apply *a = sa_apply_new(
        &(struct sa_apply_options){.manifest = manifest, .manifest_n = strlen(manifest)}, &err);
    ck_assert_str_eq(sa_apply_namespace(a), "");
    answer(a, 404, STATUS("404", "NotFound"));
    ck_assert_ptr_null(strstr(sa_apply_step(a)->body, "namespace"));
    sa_apply_free(a);
}
END_TEST

START_TEST(test_annotations_too_long)
{
    static char manifest[SA_APPLY_MAX_ANNOTATIONS + 1024];
    snprintf(manifest, sizeof manifest, THING("},\"spec\":\"%0*d\""), (int)SA_APPLY_MAX_ANNOTATIONS,
             0);
    struct sa_apply *a = start(manifest, (struct sa_apply_options){0});
    const char *message = done(a, SA_APPLY_INVALID)->message;
    ck_assert_ptr_eq(strstr(message, "The Thing \"x\" is invalid: metadata.annotations: Too long: "
                                     "may not be more than 262144 bytes (they are 262"),
                     message);
    ck_assert_ptr_nonnull(strstr(message, "use server-side apply"));
    sa_apply_free(a);
}
END_TEST

START_TEST(test_broken_annotation)
{
    struct sa_apply *a = start(THING("}"), (struct sa_apply_options){0});
    answer(a, 200, THING(",\"annotations\":{\"" LAST "\":\"{broken\"}}"));
    give_schema(a, NULL);
    ck_assert_str_eq(done(a, SA_APPLY_INVALID)->message,
                     "error: error when applying patch to:\nResource: \"example.com/v1, "
                     "Resource=things\", GroupVersionKind: \"example.com/v1, Kind=Thing\"\n"
                     "Name: \"x\", Namespace: \"ns\"\nfor: \"STDIN\": error when patching "
                     "\"STDIN\": creating patch for: invalid JSON document");
    sa_apply_free(a);
}
END_TEST

START_TEST(test_custom_resource)
{
    struct sa_apply *a = start(THING("},\"spec\":{\"l\":[1]}"), (struct sa_apply_options){0});
    answer(a, 200, THING(",\"resourceVersion\":\"1\"},\"spec\":{\"l\":[1,2]}"));
    give_schema(a, NULL);
    expect(a, "PATCH", "", "\"spec\":{\"l\":[1]}");
    ck_assert_str_eq(sa_apply_step(a)->content_type, "application/merge-patch+json");
    answer(a, 422, STATUS("422", "Invalid"));
    done(a, SA_APPLY_FAILED);
    sa_apply_free(a);
}
END_TEST

START_TEST(test_precondition)
{
    struct sa_apply *a = start(THING("}"), (struct sa_apply_options){.uid = "u"});
    answer(a, 200, THING(",\"uid\":\"other\"}"));
    done(a, SA_APPLY_CONFLICT);
    sa_apply_free(a);
    a = start(THING("}"), (struct sa_apply_options){.uid = "u"});
    answer(a, 404, "");
    done(a, SA_APPLY_CONFLICT);
    sa_apply_free(a);
    a = start(THING("},\"spec\":{\"b\":1}"),
              (struct sa_apply_options){.uid = "u", .resource_version = "3"});
    answer(a, 200, THING(",\"uid\":\"u\",\"resourceVersion\":\"3\"}"));
    give_schema(a, NULL);
    expect(a, "PATCH", "", "\"uid\":\"u\"");
    expect(a, "PATCH", "", "\"resourceVersion\":\"3\"");
    answer(a, 409, STATUS("409", "Conflict")); /* it would not be the same object again */
    done(a, SA_APPLY_FAILED);
    sa_apply_free(a);
}
END_TEST

START_TEST(test_no_secret_in_messages)
{
    struct sa_apply *a =
        start(THING("},\"spec\":{\"what\":{\"a\":\"hidden1\"}}"), (struct sa_apply_options){0});
    struct sa_schema *s = ops_merge_schema(512);
    answer(a, 200, THING(",\"resourceVersion\":\"1\"},\"spec\":{\"what\":{\"a\":\"hidden2\"}}"));
    give_schema(a, s);
    const char *message = done(a, SA_APPLY_INVALID)->message;
    ck_assert_ptr_nonnull(strstr(message, "unable to find api field in struct Spec"));
    ck_assert_ptr_null(strstr(message, "hidden"));
    sa_apply_free(a);
    sa_schema_free(s);
}
END_TEST

START_TEST(test_refused_at_once)
{
    static const struct {
        const char *manifest, *why;
    } bad[] = {
        {"{\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"x\"}}", "Object 'Kind' is missing"},
        {"{\"kind\":\"K\",\"metadata\":{\"name\":\"x\"}}", "apiVersion is missing"},
        {"{\"apiVersion\":\"v1\",\"kind\":\"K\",\"metadata\":{\"generateName\":\"x-\"}}",
         "cannot use generate name with apply"},
        {"{\"apiVersion\":\"v1\",\"kind\":\"K\"}", "resource name may not be empty"},
        {THING(",\"labels\":[1]}"), "json: cannot unmarshal array into Go struct field "
                                    "ObjectMeta.metadata.labels of type map[string]string"},
        {THING(",\"annotations\":{\"a\":\"b\",\"c\":null,\"d\":1.5}}"),
         "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.annotations of "
         "type string"},
        {"[]", "no JSON object"},
        {"{", "the manifest"},
    };
    struct sa_err *err = NULL;
    struct sa_apply_options o = {.manifest = bad[_i].manifest,
                                 .manifest_n = strlen(bad[_i].manifest)};
    ck_assert_ptr_null(sa_apply_new(&o, &err));
    ck_assert_msg(strstr(sa_err_msg(err), bad[_i].why) != NULL, "%s", sa_err_msg(err));
    sa_err_free(&err);
}
END_TEST

/* ---- server-side ---- */

static const struct sa_apply_options ssa = {.server_side = true};

START_TEST(test_server_side)
{
    struct sa_apply *a = start(THING("},\"b\":1"), ssa);
    expect(a, "PATCH", "fieldManager=kubectl&fieldValidation=Strict&force=false", "\"b\":1");
    ck_assert_str_eq(sa_apply_step(a)->content_type, "application/apply-patch+yaml");
    answer(a, 201, THING(",\"uid\":\"u\"}"));
    ck_assert_str_eq(done(a, SA_APPLY_SERVER_SIDE)->warnings, "");
    sa_apply_free(a);
}
END_TEST

#define MANAGED(manager, op)                                                                       \
    "{\"apiVersion\":\"v1\",\"manager\":\"" manager "\",\"operation\":\"" op "\",\"fieldsV1\":{"   \
    "\"f:metadata\":{\"f:annotations\":{\"f:" LAST "\":{}}}}}"
#define APPLIED(entries)                                                                           \
    THING(",\"resourceVersion\":\"4\",\"annotations\":{\"" LAST                                    \
          "\":\"{}\"},\"managedFields\":[" entries "]}")

/* The sidecar's way out: annotation kept, fields given over, manifest applied again. */
START_TEST(test_migration)
{
    struct sa_apply *a = start(THING("},\"b\":1"), ssa);
    answer(a, 200, APPLIED(MANAGED("kubectl-client-side-apply", "Update")));
    ck_assert(sa_apply_changed(a));
    expect(a, "PATCH", "fieldManager=kubectl-last-applied", LAST);
    ck_assert_ptr_null(strstr(sa_apply_step(a)->body, "\"b\":1"));
    ck_assert_ptr_null(strstr(sa_apply_step(a)->query, "force"));
    answer(a, 200,
           APPLIED(MANAGED("kubectl-last-applied", "Apply") "," MANAGED("kubectl-client-side-apply",
                                                                        "Update")));
    expect(a, "PATCH", "fieldManager=kubectl&", "\"operation\":\"Apply\"");
    ck_assert_str_eq(sa_apply_step(a)->content_type, "application/json-patch+json");
    answer(a, 409, STATUS("409", "Conflict"));
    expect(a, "GET", "", "");
    answer(a, 200,
           APPLIED(MANAGED("kubectl-last-applied", "Apply") "," MANAGED("kubectl-client-side-apply",
                                                                        "Update")));
    expect(a, "PATCH", "fieldManager=kubectl&", "/metadata/managedFields");
    answer(a, 200, APPLIED(""));
    expect(a, "PATCH", "force=false", "\"b\":1");
    answer(a, 200, THING("},\"last\":1"));
    ck_assert_str_eq(done(a, SA_APPLY_SERVER_SIDE)->object, THING("},\"last\":1"));
    sa_apply_free(a);
}
END_TEST

START_TEST(test_migration_fails)
{
    struct sa_apply *a = start(THING("}"), ssa);
    answer(a, 200, APPLIED(MANAGED("kubectl-client-side-apply", "Update")));
    if (_i == 0) {
        answer(a, 500, STATUS("500", "InternalError"));
    } else {
        sa_apply_no_answer(a, "because");
    }
    const char *w = done(a, SA_APPLY_SERVER_SIDE)->warnings;
    ck_assert_ptr_nonnull(strstr(w, "Warning: failed to migrate"));
    ck_assert_ptr_nonnull(strstr(w, "Error: because"));
    sa_apply_free(a);
}
END_TEST

START_TEST(test_server_side_conflict)
{
    struct sa_apply *a =
        start(THING("}"), (struct sa_apply_options){.server_side = true, .field_manager = "a b/c"});
    expect(a, "PATCH", "fieldManager=a%20b%2Fc&", "");
    answer(a, 409, STATUS("409", "Conflict"));
    const char *message = done(a, SA_APPLY_CONFLICT)->message;
    ck_assert_ptr_nonnull(strstr(message, "error: because\nPlease review the fields above"));
    sa_apply_free(a);
}
END_TEST

START_TEST(test_clear_and_defaults)
{
    struct sa_schema *s = ops_merge_schema(512);
    struct sa_apply *a = start(THING("},\"spec\":{\"ports\":[{\"port\":1}]}"),
                               (struct sa_apply_options){.server_side = true,
                                                         .force_conflicts = true,
                                                         .clear_managed_fields = true,
                                                         .manifest_defaults = true});
    give_schema(a, s);
    expect(a, "GET", "", "");
    answer(a, 200,
           APPLIED(MANAGED("kubectl-client-side-apply", "Update") "," MANAGED("x", "Apply")));
    expect(a, "PATCH", "", "\"manager\":\"kubectl\"");
    ck_assert_ptr_null(strstr(sa_apply_step(a)->body, "\"manager\":\"x\""));
    answer(a, 200, APPLIED(MANAGED("kubectl", "Apply")));
    expect(a, "PATCH", "force=true", "\"protocol\":\"TCP\"");
    answer(a, 200, APPLIED(MANAGED("kubectl", "Apply")));
    done(a, SA_APPLY_SERVER_SIDE);
    sa_apply_free(a);
    sa_schema_free(s);
}
END_TEST

TCase *ops_merge_apply_client(void)
{
    TCase *tc = tcase_create("client-side apply");
    tcase_add_test(tc, test_create);
    tcase_add_test(tc, test_create_refused);
    tcase_add_test(tc, test_unchanged);
    tcase_add_test(tc, test_conflicts);
    tcase_add_test(tc, test_no_namespace);
    tcase_add_test(tc, test_annotations_too_long);
    tcase_add_test(tc, test_broken_annotation);
    tcase_add_test(tc, test_custom_resource);
    tcase_add_test(tc, test_precondition);
    tcase_add_test(tc, test_no_secret_in_messages);
    tcase_add_loop_test(tc, test_refused_at_once, 0, 8);
    return tc;
}

TCase *ops_merge_apply_server(void)
{
    TCase *tc = tcase_create("server-side apply");
    tcase_add_test(tc, test_server_side);
    tcase_add_test(tc, test_migration);
    tcase_add_loop_test(tc, test_migration_fails, 0, 2);
    tcase_add_test(tc, test_server_side_conflict);
    tcase_add_test(tc, test_clear_and_defaults);
    return tc;
}
