/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "ops_merge_test.h"
#include "worker/ops/schema.h"

#define GVK(kind)                                                                                  \
    "\"x-kubernetes-group-version-kind\":{\"group\":\"example.com\",\"version\":\"v1\",\"kind\":"  \
    "\"" kind "\"}"
#define GVKS(kind)                                                                                 \
    "\"x-kubernetes-group-version-kind\":[{\"group\":\"example.com\",\"version\":\"v1\","          \
    "\"kind\":\"" kind "\"}]"
#define REF(name) "{\"allOf\":[{\"$ref\":\"#/components/schemas/com.example." name "\"}]}"
#define MERGED(key, items)                                                                         \
    "{\"type\":\"array\",\"items\":" items ",\"x-kubernetes-patch-merge-key\":\"" key "\","        \
    "\"x-kubernetes-patch-strategy\":\"merge\"}"

/* clang-format off */
#define STRATEGIC "\"application/strategic-merge-patch+json\""
#define PATHS                                                                                      \
    "\"paths\":{"                                                                                  \
    "\"/apis/example.com/v1/things/{name}\":{\"patch\":{\"requestBody\":{\"content\":{"            \
    "\"application/merge-patch+json\":{},\"application/strategic-merge-patch+json\":{}}},"         \
    GVK("Thing") "}},"                                                                             \
    "\"/apis/example.com/v1/customs/{name}\":{\"patch\":{\"requestBody\":{\"content\":{"           \
    "\"application/merge-patch+json\":{}}},"                                                       \
    GVK("Custom") "}}}"
#define COMPONENTS                                                                                 \
    "\"components\":{\"schemas\":{"                                                                \
    "\"com.example.Custom\":{\"properties\":{\"spec\":{}}," GVKS("Custom") "},"                    \
    "\"com.example.Thing\":{\"properties\":{\"metadata\":" REF("Meta") ",\"spec\":" REF("Spec") \
    ",\"apiVersion\":{\"type\":\"string\"},\"kind\":{\"type\":\"string\"}}," GVKS("Thing") "}," \
    "\"com.example.Meta\":{\"properties\":{\"name\":{},\"labels\":{\"additionalProperties\":{}}," \
    "\"annotations\":{\"additionalProperties\":{}},"                                               \
    "\"finalizers\":{\"type\":\"array\",\"items\":{},"                                             \
    "\"x-kubernetes-patch-strategy\":\"merge\"}}},"                                                \
    "\"com.example.Spec\":{\"properties\":{"                                                       \
    "\"items\":" MERGED("name", REF("Item")) ",\"ports\":" MERGED("port", REF("Port"))             \
    ",\"volumes\":{\"type\":\"array\",\"items\":" REF("Item")                                      \
    ",\"x-kubernetes-patch-merge-key\":\"name\",\"x-kubernetes-patch-strategy\":"                  \
    "\"merge,retainKeys\"}"                                                                        \
    ",\"strategy\":{\"allOf\":[{\"$ref\":\"#/components/schemas/com.example.Item\"}],"             \
    "\"x-kubernetes-patch-strategy\":\"retainKeys\"}"                                              \
    ",\"selector\":{\"properties\":{\"a\":{}},\"x-kubernetes-patch-strategy\":\"replace\"}"        \
    ",\"args\":{\"type\":\"array\",\"items\":{}},\"replicas\":{\"type\":\"integer\"}"              \
    ",\"gone\":" REF("Gone") "}},"                                                                 \
    "\"com.example.Item\":{\"properties\":{\"name\":{},\"value\":{},\"other\":{},"                 \
    "\"items\":" MERGED("name", REF("Item")) "}},"                                                 \
    "\"com.example.Port\":{\"properties\":{\"port\":{\"default\":0},\"protocol\":"                 \
    "{\"default\":\"TCP\"},\"name\":{\"default\":\"\"}}},"                                         \
    "\"com.example.Unused\":{\"properties\":{\"x\":" REF("Unused") "}}}}"
/* clang-format on */

const char ops_merge_document[] =
    "{\"openapi\":\"3.0.0\",\"info\":{\"title\":\"a \\\"}{\\\" b\",\"x\":[1,{}]}," PATHS
    "," COMPONENTS ",\"n\":-1.5e3,\"t\":true}\n";
static const char components_first[] = " { " COMPONENTS " , " PATHS " } ";

static struct sa_schema *read_all(const char *text, const char *kind, size_t piece, int *last)
{
    struct sa_err *err = NULL;
    struct sa_schema *s = NULL;
    size_t n = strlen(text);
    struct sa_openapi *o = sa_openapi_new("example.com/v1", kind, &err);
    *last = 0;
    for (size_t i = 0; i < n && *last == 0; i += piece) {
        *last = sa_openapi_feed(o, text + i, n - i < piece ? n - i : piece, &err);
    }
    if (*last >= 0 && sa_openapi_finish(o, &s, &err) != 0) {
        *last = -1;
    }
    sa_err_free(&err);
    sa_openapi_free(o);
    return s;
}

struct sa_schema *ops_merge_schema(size_t piece)
{
    int last;
    struct sa_schema *s = read_all(ops_merge_document, "Thing", piece, &last);
    ck_assert_ptr_nonnull(s);
    return s;
}

static void expect_thing(const struct sa_schema *s)
{
    struct sa_schema_at spec, sub;
    struct sa_patch_meta meta;
    ck_assert_int_eq(sa_schema_field(sa_schema_root(s), "spec", 4, false, &spec, &meta), 0);
    ck_assert_str_eq(sa_schema_name(spec), "Spec");
    ck_assert_int_eq(sa_schema_field(spec, "volumes", 7, true, &sub, &meta), 0);
    ck_assert_str_eq(sa_schema_name(sub), "Item");
    ck_assert_int_eq(meta.strategy, SA_STRATEGY_MERGE);
    ck_assert(meta.retain_keys);
    ck_assert_str_eq(meta.merge_key, "name");
    ck_assert_int_eq(sa_schema_field(spec, "strategy", 8, false, &sub, &meta), 0);
    ck_assert_int_eq(meta.strategy, SA_STRATEGY_NONE);
    ck_assert(meta.retain_keys);
    ck_assert_int_eq(sa_schema_field(spec, "selector", 8, false, &sub, &meta), 0);
    ck_assert_int_eq(meta.strategy, SA_STRATEGY_REPLACE);
    ck_assert_int_eq(sa_schema_field(sub, "a", 1, false, &sub, &meta), 0);
    ck_assert_int_eq(sa_schema_field(spec, "none", 4, false, &sub, &meta), -1);
    ck_assert_int_eq(sa_schema_field(spec, "gone", 4, false, &sub, &meta), -1);
    ck_assert_uint_lt(sa_schema_bytes(s), 4096);
}

START_TEST(test_pieces)
{
    struct sa_schema *s = ops_merge_schema((size_t)_i);
    expect_thing(s);
    sa_schema_free(s);
}
END_TEST

START_TEST(test_components_first)
{
    int last;
    struct sa_schema *s = read_all(components_first, "Thing", 11, &last);
    ck_assert_ptr_nonnull(s);
    expect_thing(s);
    sa_schema_free(s);
    ck_assert_ptr_null(read_all(components_first, "Custom", 11, &last));
    ck_assert_int_eq(last, 1);
}
END_TEST

START_TEST(test_no_strategic_merge)
{
    int last;
    ck_assert_ptr_null(read_all(ops_merge_document, "Custom", 5, &last));
    ck_assert_int_eq(last, 1); /* known before any schema was read */
    ck_assert_ptr_null(read_all(ops_merge_document, "Nothing", 5, &last));
    ck_assert_int_eq(last, 1);
    ck_assert_ptr_null(read_all("{}", "Thing", 1, &last));
    ck_assert_int_eq(last, 0);
}
END_TEST

START_TEST(test_malformed_documents)
{
    static const char *const bad[] = {"[]",
                                      "{",
                                      "{\"paths\":{\"/a\":{x}}}",
                                      "{\"a\" 1}",
                                      "{\"paths\":{\"/a\":}}",
                                      "<html>",
                                      "{\"components\":{\"schemas\":{\"a\":{\"b\":[}}}}",
                                      "{\"a\":1,}"};
    int last;
    ck_assert_ptr_null(read_all(bad[_i], "Thing", 3, &last));
    ck_assert_int_eq(last, -1);
}
END_TEST

START_TEST(test_paths)
{
    char path[64];
    ck_assert_int_eq(sa_openapi_path("v1", path, sizeof path), 0);
    ck_assert_str_eq(path, "/openapi/v3/api/v1");
    ck_assert_int_eq(sa_openapi_path("apps/v1", path, sizeof path), 0);
    ck_assert_str_eq(path, "/openapi/v3/apis/apps/v1");
    ck_assert_int_eq(sa_openapi_path("../v1", path, sizeof path), -1);
    ck_assert_int_eq(sa_openapi_path("a/b/c", path, sizeof path), -1);
    ck_assert_int_eq(sa_openapi_path("a?b", path, sizeof path), -1);
    ck_assert_int_eq(sa_openapi_path("", path, sizeof path), -1);
    ck_assert_int_eq(sa_openapi_path("apps/v1", path, 10), -1);
}
END_TEST

START_TEST(test_defaults)
{
    struct sa_arena a;
    struct sa_schema *s = ops_merge_schema(100);
    sa_arena_init(&a, 1 << 20);
    struct sa_val *v = ops_merge_parse(
        &a, "{\"spec\":{\"ports\":[{\"port\":1},{\"port\":2,\"protocol\":\"UDP\"}]}}");
    ck_assert_int_eq(sa_schema_defaults(&a, s, v, NULL), 0);
    ops_merge_expect(v, "{\"spec\":{\"ports\":[{\"port\":1,\"protocol\":\"TCP\"},"
                        "{\"port\":2,\"protocol\":\"UDP\"}]}}");
    sa_arena_free(&a);
    sa_schema_free(s);
}
END_TEST

/* The same of version 2: definitions, references to them, what a patch consumes. */
static const char version_2[] =
    "{\"swagger\":\"2.0\",\"paths\":{\"/a\":{\"patch\":{\"consumes\":[\"application/"
    "json\"," STRATEGIC
    "]," GVK("Thing") "}},\"/b\":{\"patch\":{\"consumes\":[\"application/json\"]," GVK(
        "Custom") "}}},"
                  "\"definitions\":{\"com.example.Thing\":{\"properties\":{\"items\":{\"type\":"
                  "\"array\",\"items\":{\"$ref\":\"#/definitions/com.example.Item\"},"
                  "\"x-kubernetes-patch-merge-key\":\"name\",\"x-kubernetes-patch-strategy\":"
                  "\"merge\"}}," GVKS(
                      "Thing") "},\"com.example.Item\":{\"properties\":{\"name\":{}}}}}";

START_TEST(test_version_2)
{
    int last;
    struct sa_schema_at item;
    struct sa_patch_meta meta;
    struct sa_schema *s = read_all(version_2, "Thing", 7, &last);
    ck_assert_ptr_nonnull(s);
    ck_assert_int_eq(sa_schema_field(sa_schema_root(s), "items", 5, true, &item, &meta), 0);
    ck_assert_str_eq(sa_schema_name(item), "Item");
    ck_assert_str_eq(meta.merge_key, "name");
    ck_assert_int_eq(sa_schema_field(item, "unknown", 7, false, &item, &meta), -1);
    sa_schema_free(s);
    ck_assert_ptr_null(read_all(version_2, "Custom", 7, &last));
    ck_assert_int_eq(last, 1);
}
END_TEST

/* Whether the document knows the kind tells "no strategic merge patch" from "ask elsewhere". */
START_TEST(test_knows)
{
    static const struct {
        const char *kind;
        bool knows;
    } kinds[] = {{"Thing", true}, {"Custom", true}, {"Nothing", false}};
    for (size_t i = 0; i < 3; i++) {
        struct sa_openapi *o = sa_openapi_new("example.com/v1", kinds[i].kind, NULL);
        ck_assert_int_ge(sa_openapi_feed(o, version_2, sizeof version_2 - 1, NULL), 0);
        ck_assert_int_eq(sa_openapi_knows(o), kinds[i].knows);
        sa_openapi_free(o);
    }
}
END_TEST

START_TEST(test_builtin)
{
    static const struct {
        const char *version, *kind, *path[6], *key;
    } lists[] = {
        {"v1", "Pod", {"spec", "containers", "env"}, "name"},
        {"v1", "ConfigMap", {"metadata", "ownerReferences"}, "uid"},
        {"apps/v1", "Deployment", {"spec", "template", "spec", "volumes"}, "name"},
        {"apps/v1beta1", "StatefulSet", {"spec", "template", "metadata", "finalizers"}, ""},
        {"batch/v1",
         "CronJob",
         {"spec", "jobTemplate", "spec", "template", "spec", "hostAliases"},
         "ip"},
        {"v1", "Service", {"spec", "ports"}, "port"},
    };
    struct sa_schema *s;
    struct sa_patch_meta meta = {0};
    ck_assert_int_eq(sa_schema_builtin(lists[_i].version, lists[_i].kind, &s, NULL), 0);
    struct sa_schema_at at = sa_schema_root(s);
    for (int i = 0; i < 6 && lists[_i].path[i] != NULL; i++) {
        const char *name = lists[_i].path[i];
        ck_assert_int_eq(sa_schema_field(at, name, strlen(name), true, &at, &meta), 0);
    }
    ck_assert_int_eq(meta.strategy, SA_STRATEGY_MERGE);
    ck_assert_str_eq(meta.merge_key, lists[_i].key);
    /* what it does not name may be there all the same */
    ck_assert_int_eq(sa_schema_field(at, "a", 1, true, &at, &meta), 0);
    ck_assert_int_eq(sa_schema_field(at, "b", 1, true, &at, &meta), 0);
    ck_assert_int_eq(meta.strategy, SA_STRATEGY_NONE);
    sa_schema_free(s);
}
END_TEST

START_TEST(test_not_builtin)
{
    static const char *const versions[] = {"example.com/v1", "snapshot.storage.k8s.io/v1",
                                           "apiextensions.k8s.io/v1", "app/v1", "appsx/v1"};
    struct sa_schema *s;
    ck_assert_int_eq(sa_schema_builtin(versions[_i], "Deployment", &s, NULL), 0);
    ck_assert_ptr_null(s);
}
END_TEST

TCase *ops_merge_openapi(void)
{
    TCase *tc = tcase_create("openapi");
    tcase_add_loop_test(tc, test_pieces, 1, 40);
    tcase_add_test(tc, test_components_first);
    tcase_add_test(tc, test_no_strategic_merge);
    tcase_add_loop_test(tc, test_malformed_documents, 0, 8);
    tcase_add_test(tc, test_paths);
    tcase_add_test(tc, test_defaults);
    tcase_add_test(tc, test_version_2);
    tcase_add_test(tc, test_knows);
    tcase_add_loop_test(tc, test_builtin, 0, 6);
    tcase_add_loop_test(tc, test_not_builtin, 0, 5);
    return tc;
}
