/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of patches. The suite merge compares many more with Kubernetes' own. */
#include <stdlib.h>
#include <string.h>

#include "ops_merge_test.h"
#include "worker/ops/applied.h"
#include "worker/ops/jsonmerge.h"
#include "worker/ops/managed.h"
#include "worker/ops/strategic.h"

#define SPEC(x) "{\"spec\":{" x "}}"

/* want NULL: refused */
struct row {
    const char *what, *original, *modified, *current, *want;
};

static const struct row strategic[] = {
    {"nothing changed", SPEC("\"replicas\":1"), SPEC("\"replicas\":1"),
     SPEC("\"replicas\":1,\"args\":[1]"), "{}"},
    {"drift is set back", SPEC("\"replicas\":1"), SPEC("\"replicas\":1"), SPEC("\"replicas\":7"),
     SPEC("\"replicas\":1")},
    {"what others added stays", SPEC(""), SPEC(""), SPEC("\"replicas\":7"), "{}"},
    {"dropped from the manifest", SPEC("\"replicas\":1,\"args\":[1]"), SPEC("\"replicas\":1"),
     SPEC("\"replicas\":1,\"args\":[1]"), SPEC("\"args\":null")},
    {"an atomic list is replaced", SPEC("\"args\":[1]"), SPEC("\"args\":[1,2]"),
     SPEC("\"args\":[1]"), SPEC("\"args\":[1,2]")},
    {"an element is added", SPEC("\"items\":[{\"name\":\"a\"}]"),
     SPEC("\"items\":[{\"name\":\"a\"},{\"name\":\"b\"}]"), SPEC("\"items\":[{\"name\":\"a\"}]"),
     SPEC("\"$setElementOrder/items\":[{\"name\":\"a\"},{\"name\":\"b\"}],"
          "\"items\":[{\"name\":\"b\"}]")},
    {"an element is removed, another's is left",
     SPEC("\"items\":[{\"name\":\"a\"},{\"name\":\"b\"}]"), SPEC("\"items\":[{\"name\":\"a\"}]"),
     SPEC("\"items\":[{\"name\":\"a\"},{\"name\":\"b\"},{\"name\":\"c\"}]"),
     SPEC("\"$setElementOrder/items\":[{\"name\":\"a\"}],"
          "\"items\":[{\"$patch\":\"delete\",\"name\":\"b\"}]")},
    {"only the order", SPEC("\"items\":[{\"name\":\"a\"},{\"name\":\"b\"}]"),
     SPEC("\"items\":[{\"name\":\"b\"},{\"name\":\"a\"}]"),
     SPEC("\"items\":[{\"name\":\"a\"},{\"name\":\"b\"}]"),
     SPEC("\"$setElementOrder/items\":[{\"name\":\"b\"},{\"name\":\"a\"}]")},
    {"a field of an element goes", SPEC("\"items\":[{\"name\":\"a\",\"value\":1}]"),
     SPEC("\"items\":[{\"name\":\"a\"}]"), SPEC("\"items\":[{\"name\":\"a\",\"value\":1}]"),
     SPEC("\"$setElementOrder/items\":[{\"name\":\"a\"}],"
          "\"items\":[{\"name\":\"a\",\"value\":null}]")},
    {"keys that are numbers stay exact", SPEC("\"ports\":[{\"port\":1}]"),
     SPEC("\"ports\":[{\"port\":9223372036854775807,\"name\":\"x\"}]"),
     SPEC("\"ports\":[{\"port\":9223372036854775807}]"),
     SPEC("\"$setElementOrder/ports\":[{\"port\":9223372036854775807}],"
          "\"ports\":[{\"name\":\"x\",\"port\":9223372036854775807},"
          "{\"$patch\":\"delete\",\"port\":1}]")},
    {"retainKeys of a map", SPEC("\"strategy\":{\"value\":1}"), SPEC("\"strategy\":{\"other\":1}"),
     SPEC("\"strategy\":{\"value\":1}"),
     SPEC("\"strategy\":{\"$retainKeys\":[\"other\"],\"other\":1,\"value\":null}")},
    {"a map that is replaced, even by its like", SPEC("\"selector\":{\"a\":1}"),
     SPEC("\"selector\":{\"a\":1}"), SPEC("\"selector\":{\"a\":1}"),
     SPEC("\"selector\":{\"a\":1}")},
    {"scalars that are merged", "{\"metadata\":{\"finalizers\":[\"a\",\"b\"]}}",
     "{\"metadata\":{\"finalizers\":[\"b\",\"c\"]}}",
     "{\"metadata\":{\"finalizers\":[\"a\",\"b\",\"x\"]}}",
     "{\"metadata\":{\"$deleteFromPrimitiveList/finalizers\":[\"a\"],"
     "\"$setElementOrder/finalizers\":[\"b\",\"c\"],\"finalizers\":[\"c\"]}}"},
    {"null in the manifest removes", SPEC("\"replicas\":1"), SPEC("\"replicas\":null"),
     SPEC("\"replicas\":1"), SPEC("\"replicas\":null")},
    {"an unknown field that differs", SPEC("\"what\":{\"a\":1}"), SPEC("\"what\":{\"a\":2}"), "{}",
     NULL},
    {"an unknown field that does not", SPEC("\"what\":{\"a\":1}"), SPEC("\"what\":{\"a\":1}"),
     "{\"spec\":{}}", SPEC("\"what\":{\"a\":1}")},
    {"an element without key", SPEC("\"items\":[{\"name\":\"a\"}]"),
     SPEC("\"items\":[{\"value\":\"a\"}]"), SPEC("\"items\":[{\"name\":\"a\"}]"), NULL},
    {"lists of lists", SPEC("\"items\":[[1]]"), SPEC("\"items\":[[2]]"), SPEC("\"items\":[[3]]"),
     NULL},
    {"mixed elements", SPEC("\"items\":[{\"name\":\"a\"}]"), SPEC("\"items\":[1]"),
     SPEC("\"items\":[{\"name\":\"a\"}]"), NULL},
};

static const struct row json[] = {
    {"added and changed", "{}", "{\"a\":1,\"b\":{\"c\":2}}", "{\"b\":{\"c\":1,\"d\":1}}",
     "{\"a\":1,\"b\":{\"c\":2}}"},
    {"dropped", "{\"a\":1,\"b\":{\"c\":1}}", "{\"b\":{}}", "{\"a\":1,\"b\":{\"c\":1}}",
     "{\"a\":null,\"b\":{\"c\":null}}"},
    {"lists as a whole", "{\"a\":[1]}", "{\"a\":[1,2]}", "{\"a\":[1]}", "{\"a\":[1,2]}"},
    {"1 is 1.0", "{}", "{\"a\":1}", "{\"a\":1.0}", "{}"},
    {"whole numbers past 2^53", "{}", "{\"a\":9007199254740993}", "{\"a\":9007199254740992}",
     "{\"a\":9007199254740993}"},
    {"an empty map is a value", "{}", "{\"a\":{}}", "{}", "{\"a\":{}}"},
    {"the name", "{}", "{\"metadata\":{\"name\":\"a\"}}", "{\"metadata\":{\"name\":\"b\"}}", NULL},
};

static void check_row(const struct row *r, const struct sa_schema *schema)
{
    struct sa_err *err = NULL;
    struct sa_arena a;
    struct sa_val *patch = NULL;
    sa_arena_init(&a, 4 << 20);
    struct sa_merge_inputs in = {.original = ops_merge_parse(&a, r->original),
                                 .modified = ops_merge_parse(&a, r->modified),
                                 .current = ops_merge_parse(&a, r->current)};
    int done = schema != NULL ? sa_strategic_create(&a, &in, schema, &patch, &err)
                              : sa_json_merge_create(&a, &in, &patch, &err);
    ck_assert_msg((done == 0) == (r->want != NULL), "%s: %s", r->what, sa_err_msg(err));
    if (r->want != NULL) {
        ops_merge_expect(patch, r->want);
    } else {
        ck_assert_int_eq(err->code, SA_EREFUSED);
    }
    sa_err_free(&err);
    sa_arena_free(&a);
}

START_TEST(test_strategic)
{
    struct sa_schema *s = ops_merge_schema(4096);
    check_row(&strategic[_i], s);
    sa_schema_free(s);
}
END_TEST

START_TEST(test_json)
{
    check_row(&json[_i], NULL);
}
END_TEST

/* current, patch, what becomes of it */
static const struct row applied[] = {
    {"order and deletion", "",
     SPEC("\"$setElementOrder/items\":[{\"name\":\"b\"},{\"name\":\"a\"}],"
          "\"items\":[{\"name\":\"b\"},{\"$patch\":\"delete\",\"name\":\"x\"}]"),
     SPEC("\"items\":[{\"name\":\"a\"},{\"name\":\"x\"},{\"name\":\"z\"}]"),
     SPEC("\"items\":[{\"name\":\"b\"},{\"name\":\"a\"},{\"name\":\"z\"}]")},
    {"replace", "", SPEC("\"items\":[{\"$patch\":\"replace\"},{\"name\":\"b\"}]"),
     SPEC("\"items\":[{\"name\":\"a\"}]"), SPEC("\"items\":[{\"name\":\"b\"}]")},
    {"retainKeys", "", SPEC("\"strategy\":{\"$retainKeys\":[\"other\"],\"other\":1}"),
     SPEC("\"strategy\":{\"value\":1}"), SPEC("\"strategy\":{\"other\":1}")},
    {"primitive list", "", "{\"metadata\":{\"$deleteFromPrimitiveList/finalizers\":[\"a\"]}}",
     "{\"metadata\":{\"finalizers\":[\"a\",\"b\"]}}", "{\"metadata\":{\"finalizers\":[\"b\"]}}"},
    {"a map is deleted", "", SPEC("\"strategy\":{\"$patch\":\"delete\"}"),
     SPEC("\"strategy\":{\"value\":1}"), SPEC("\"strategy\":{}")},
    {"unknown directive", "", SPEC("\"strategy\":{\"$patch\":\"x\"}"),
     SPEC("\"strategy\":{\"value\":1}"), NULL},
};

START_TEST(test_applied)
{
    const struct row *r = &applied[_i];
    struct sa_schema *s = ops_merge_schema(4096);
    struct sa_err *err = NULL;
    struct sa_arena a;
    struct sa_val *v = NULL;
    sa_arena_init(&a, 4 << 20);
    int done = sa_strategic_apply(&a, ops_merge_parse(&a, r->current),
                                  ops_merge_parse(&a, r->modified), s, &v, &err);
    ck_assert_int_eq(done == 0, r->want != NULL);
    if (r->want != NULL) {
        ops_merge_expect(v, r->want);
    }
    sa_err_free(&err);
    sa_arena_free(&a);
    sa_schema_free(s);
}
END_TEST

/* RFC 7386, appendix A */
static const char *const rfc[][3] = {
    {"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
    {"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
    {"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
    {"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
    {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
    {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}"},
    {"[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]"},
    {"{\"a\":\"foo\"}", "null", "null"},
    {"{\"e\":null}", "{\"a\":1}", "{\"a\":1,\"e\":null}"},
    {"[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}"},
    {"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
};

START_TEST(test_rfc)
{
    struct sa_arena a;
    sa_arena_init(&a, 1 << 20);
    struct sa_val *v = ops_merge_parse(&a, rfc[_i][0]);
    ck_assert_int_eq(sa_json_merge(&a, &v, ops_merge_parse(&a, rfc[_i][1])), 0);
    ops_merge_expect(v, rfc[_i][2]);
    sa_arena_free(&a);
}
END_TEST

START_TEST(test_annotation)
{
    struct sa_arena a;
    sa_arena_init(&a, 4 << 20);
    struct sa_val *v = ops_merge_parse(&a, "{\"kind\":\"K\",\"metadata\":{\"name\":\"<n>\"}}");
    ck_assert_int_eq(sa_applied_set(&a, v, NULL), 0);
    ops_merge_expect(v, "{\"kind\":\"K\",\"metadata\":{\"annotations\":{\"kubectl.kubernetes.io/"
                        "last-applied-configuration\":\"{\\\"kind\\\":\\\"K\\\",\\\"metadata\\\":{"
                        "\\\"annotations\\\":{},\\\"name\\\":\\\"\\\\u003cn\\\\u003e\\\"}}\\n\"},"
                        "\"name\":\"\\u003cn\\u003e\"}}");
    struct sa_val *before = sa_applied_get(&a, v, NULL);
    ops_merge_expect(
        before, "{\"kind\":\"K\",\"metadata\":{\"annotations\":{},\"name\":\"\\u003cn\\u003e\"}}");
    sa_arena_free(&a);
}
END_TEST

static struct sa_val *manifest_of(struct sa_arena *a, size_t data)
{
    struct sa_val *v = ops_merge_parse(a, "{\"metadata\":{\"name\":\"x\"}}");
    char *text = malloc(data);
    memset(text, 'x', data);
    ck_assert_int_eq(sa_val_set(a, v, "data", sa_val_string(a, text, data)), 0);
    free(text);
    return v;
}

/* {"data":"...","metadata":{"annotations":{},"name":"x"}} and a line feed are 53 bytes more, the
 * annotation's name is 48. */
START_TEST(test_annotation_limit)
{
    struct sa_err *err = NULL;
    struct sa_arena a;
    const size_t most = (256 << 10) - 48 - 53;
    sa_arena_init(&a, 8 << 20);
    ck_assert_int_eq(sa_applied_set(&a, manifest_of(&a, most), &err), 0);
    ck_assert_int_eq(sa_applied_set(&a, manifest_of(&a, most + 1), &err), -1);
    ck_assert_int_eq(err->code, SA_EREFUSED);
    ck_assert_ptr_nonnull(strstr(sa_err_msg(err), "server-side apply"));
    ck_assert_ptr_nonnull(strstr(sa_err_msg(err), "may not be more than 262144 bytes"));
    sa_err_free(&err);
    ck_assert_int_eq(
        sa_applied_set(&a, ops_merge_parse(&a, "{\"metadata\":{\"annotations\":{\"a\":1}}}"), &err),
        -1);
    ck_assert_int_eq(err->code, SA_EREFUSED);
    sa_err_free(&err);
    sa_arena_free(&a);
}
END_TEST

#define APPLIED      "\"f:metadata\":{\"f:annotations\":{\"f:" SA_TEST_LAST "\":{}}}"
#define SA_TEST_LAST "kubectl.kubernetes.io/last-applied-configuration"
#define ENTRY(manager, op, fields)                                                                 \
    "{\"apiVersion\":\"v1\",\"fieldsV1\":{" fields "},\"manager\":\"" manager                      \
    "\",\"operation\":\"" op "\"}"
#define OBJECT(entries) "{\"metadata\":{\"managedFields\":[" entries "],\"resourceVersion\":\"7\"}}"
#define PATCH(entries)                                                                             \
    "[{\"op\":\"replace\",\"path\":\"/metadata/managedFields\",\"value\":[" entries                \
    "]},{\"op\":\"replace\",\"path\":\"/metadata/resourceVersion\",\"value\":\"7\"}]"

/* original: which function; modified: object; want: the patch or null */
static const struct row managed[] = {
    {"nobody applied client-side", "upgrade", OBJECT(ENTRY("kubectl", "Apply", "\"f:a\":{}")), "",
     "null"},
    {"fields are united", "upgrade",
     OBJECT(ENTRY("kubectl", "Apply", "\"f:a\":{}") "," ENTRY("kubectl-client-side-apply", "Update",
                                                              "\"f:a\":{\"f:b\":{}}," APPLIED)),
     "", PATCH(ENTRY("kubectl", "Apply", "\"f:a\":{\".\":{},\"f:b\":{}}," APPLIED))},
    {"an entry becomes another's", "upgrade", OBJECT(ENTRY("other", "Update", APPLIED)), "",
     PATCH(ENTRY("kubectl", "Apply", APPLIED))},
    {"cleared: others go, what was before is ours", "clear",
     OBJECT(ENTRY("before-first-apply", "Update", "\"f:b\":{}") "," ENTRY(
         "hpa", "Update", "\"f:c\":{}") "," ENTRY("kubectl", "Apply", "\"f:a\":{}")),
     "", PATCH(ENTRY("kubectl", "Apply", "\"f:a\":{},\"f:b\":{}"))},
    {"cleared: we are alone already", "clear", OBJECT(ENTRY("kubectl", "Apply", "\"f:a\":{}")), "",
     "null"},
    {"cleared: nothing is ours", "clear", OBJECT(ENTRY("hpa", "Update", "\"f:c\":{}")), "",
     PATCH("{}")},
};

START_TEST(test_managed)
{
    const struct row *r = &managed[_i];
    struct sa_arena a;
    struct sa_val *patch = NULL;
    sa_arena_init(&a, 1 << 20);
    const struct sa_val *v = ops_merge_parse(&a, r->modified);
    int done = strcmp(r->original, "clear") == 0
                   ? sa_managed_clear(&a, v, "kubectl", &patch, NULL)
                   : sa_managed_upgrade(&a, v, "kubectl", &patch, NULL);
    ck_assert_int_eq(done, 0);
    ops_merge_expect(patch != NULL ? patch : sa_val_new(&a, SA_VAL_NULL), r->want);
    sa_arena_free(&a);
}
END_TEST

TCase *ops_merge_patches(void)
{
    TCase *tc = tcase_create("patches");
    tcase_add_loop_test(tc, test_strategic, 0, sizeof strategic / sizeof *strategic);
    tcase_add_loop_test(tc, test_json, 0, sizeof json / sizeof *json);
    tcase_add_loop_test(tc, test_applied, 0, sizeof applied / sizeof *applied);
    tcase_add_loop_test(tc, test_rfc, 0, sizeof rfc / sizeof *rfc);
    tcase_add_test(tc, test_annotation);
    tcase_add_test(tc, test_annotation_limit);
    tcase_add_loop_test(tc, test_managed, 0, sizeof managed / sizeof *managed);
    return tc;
}
