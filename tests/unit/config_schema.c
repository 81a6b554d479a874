/* SPDX-License-Identifier: Apache-2.0 */
/* What is made from the table: the schema agrees with the loader, the documents are up to date. */
#include <check.h>
#include <cjson/cJSON.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/print.h"
#include "config/yaml.h"
#include "config_fixture.h"

/* A YAML tree as JSON, by the types that YAML's plain scalars have. */
static cJSON *as_json(const struct sa_yaml *y)
{
    int64_t i;
    bool b;
    char *end;
    cJSON *o;
    if (sa_yaml_is_null(y))
        return cJSON_CreateNull();
    switch (y->kind) {
    case SA_YAML_MAP:
        o = cJSON_CreateObject();
        for (size_t k = 0; k < y->n; k++)
            cJSON_AddItemToObject(o, y->keys[k]->text, as_json(y->items[k]));
        return o;
    case SA_YAML_SEQUENCE:
        o = cJSON_CreateArray();
        for (size_t k = 0; k < y->n; k++)
            cJSON_AddItemToArray(o, as_json(y->items[k]));
        return o;
    default:
        break;
    }
    if (sa_yaml_int(y, &i) == 0)
        return cJSON_CreateNumber((double)i);
    if (sa_yaml_bool(y, &b) == 0)
        return cJSON_CreateBool(b);
    double d = strtod(y->text, &end);
    if (!y->quoted && *end == '\0')
        return cJSON_CreateNumber(d);
    return cJSON_CreateString(y->text);
}

static const cJSON *get(const cJSON *o, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(o, name);
}

static bool has_type(const char *type, const cJSON *v)
{
    if (strcmp(type, "integer") == 0)
        return cJSON_IsNumber(v) && v->valuedouble == (double)(int64_t)v->valuedouble;
    return (strcmp(type, "object") == 0 && cJSON_IsObject(v)) ||
           (strcmp(type, "array") == 0 && cJSON_IsArray(v)) ||
           (strcmp(type, "string") == 0 && cJSON_IsString(v)) ||
           (strcmp(type, "number") == 0 && cJSON_IsNumber(v)) ||
           (strcmp(type, "boolean") == 0 && cJSON_IsBool(v)) ||
           (strcmp(type, "null") == 0 && cJSON_IsNull(v));
}

static bool type_fits(const cJSON *type, const cJSON *v)
{
    const cJSON *t;
    if (cJSON_IsString(type))
        return has_type(type->valuestring, v);
    cJSON_ArrayForEach(t, type)
    {
        if (has_type(t->valuestring, v))
            return true;
    }
    return false;
}

static bool matches(const char *pattern, const char *text)
{
    regex_t r;
    ck_assert_int_eq(regcomp(&r, pattern, REG_EXTENDED | REG_NOSUB), 0);
    bool m = regexec(&r, text, 0, NULL, 0) == 0;
    regfree(&r);
    return m;
}

/* The words of JSON Schema that ours uses; any other ends the test. */
static bool valid(const cJSON *schema, const cJSON *v)
{
    static const char *const silent[] = {"description", "$comment", "deprecated",
                                         "writeOnly",   "$schema",  "title"};
    const cJSON *word, *i;
    cJSON_ArrayForEach(word, schema)
    {
        const char *w = word->string;
        bool ok = true, found = false;
        if (strcmp(w, "type") == 0)
            ok = type_fits(word, v);
        else if (strcmp(w, "minimum") == 0)
            ok = !cJSON_IsNumber(v) || v->valuedouble >= word->valuedouble;
        else if (strcmp(w, "maximum") == 0)
            ok = !cJSON_IsNumber(v) || v->valuedouble <= word->valuedouble;
        else if (strcmp(w, "pattern") == 0)
            ok = !cJSON_IsString(v) || matches(word->valuestring, v->valuestring);
        else if (strcmp(w, "enum") == 0 || strcmp(w, "anyOf") == 0) {
            cJSON_ArrayForEach(i, word) found |=
                w[0] == 'e' ? cJSON_Compare(i, v, true) : valid(i, v);
            ok = found;
        } else if (strcmp(w, "required") == 0) {
            cJSON_ArrayForEach(i, word) ok &= !cJSON_IsObject(v) || get(v, i->valuestring) != NULL;
        } else if (strcmp(w, "items") == 0) {
            if (cJSON_IsArray(v))
                cJSON_ArrayForEach(i, v) ok &= valid(word, i);
        } else if (strcmp(w, "properties") == 0 || strcmp(w, "additionalProperties") == 0) {
            if (cJSON_IsObject(v))
                cJSON_ArrayForEach(i, v)
                {
                    const cJSON *own = get(get(schema, "properties"), i->string);
                    if (w[0] == 'p')
                        ok &= own == NULL || valid(own, i);
                    else
                        ok &= own != NULL || (!cJSON_IsFalse(word) && valid(word, i));
                }
        } else {
            for (size_t s = 0; s < sizeof silent / sizeof silent[0]; s++)
                found |= strcmp(silent[s], w) == 0;
            ck_assert_msg(found, "the schema uses %s, which this test does not know", w);
        }
        if (!ok)
            return false;
    }
    return true;
}

static cJSON *schema_of_the_table(void)
{
    struct sa_buf b;
    sa_buf_init(&b, 0);
    ck_assert_int_eq(sa_config_schema(&b, NULL), 0);
    cJSON *schema = cJSON_Parse(b.data);
    ck_assert_ptr_nonnull(schema);
    sa_buf_free(&b);
    return schema;
}

static bool fits(const cJSON *schema, const char *yaml)
{
    struct sa_yaml *root = NULL;
    ck_assert_int_eq(sa_yaml_parse(yaml, strlen(yaml), "t", NULL, &root, NULL, NULL), 0);
    cJSON *v = as_json(root);
    bool ok = valid(schema, v);
    cJSON_Delete(v);
    sa_yaml_free(root);
    return ok;
}

/* Each is judged by both. */
static const struct {
    const char *yaml;
    bool right;
} samples[] = {
    {"agentId: x\nzoneId: 7\n", true},
    {"agentId: [x]\n", false},
    {"sinks: grpc\n", false},
    {"sink: jsonl\n", true},
    {"sink: jsonx\n", false},
    {"flushMs: 25\n", true},
    {"flushMs: 1s\n", true},
    {"flushMs: ${X:30}\n", true},
    {"flushMs: 20000\n", false},
    {"flushMs: 1.5\n", false},
    {"flushMs: soon\n", false},
    {"limits: {workerMemory: 64Mi, objectSize: 1M}\n", true},
    {"limits: {workerMemory: 64MB}\n", false},
    {"clouddriver: {backoff: {multiplier: 1.7, jitter: 0.1}}\n", true},
    {"clouddriver: {backoff: {multiplier: 0.5}}\n", false},
    {"clouddriver: {insecure: '${X:false}'}\n", true},
    {"clouddriver: {insecure: maybe}\n", false},
    {"clouddriver: [a]\n", false},
    {"logging: {level: Warning, fields: {a: 1, b: true, c: }}\n", true},
    {"logging: {level: loud}\n", false},
    {"kubernetes:\n", true},
    {"kubernetes: {accounts: []}\n", true},
    {"kubernetes: {accounts: [{name: a, serviceAccount: true, kinds: [pod], permissions: {READ: "
     "[x]}}]}\n",
     true},
    {"kubernetes: {accounts: [{name: a, serviceAccount: true, kinds: pod, permissions: [{READ: "
     "[x]}]}]}\n",
     true},
    {"kubernetes: {accounts: [{name: a, kubeconfigFile: /dev/null, cacheThreads: 4}]}\n", true},
    {"kubernetes: {accounts: [{serviceAccount: true}]}\n", false},
    {"kubernetes: {accounts: [{name: a, serviceAccount: true, kindz: [pod]}]}\n", false},
    {"kubernetes: {accounts: [{name: a, serviceAccount: true, customResourceDefinitions: [{kind: "
     "A.b, scope: "
     "Cluster}]}]}\n",
     true},
    {"kubernetes: {accounts: [{name: a, serviceAccount: true, customResourceDefinitions: [{kind: "
     "A.b, scope: "
     "World}]}]}\n",
     false},
    {"kubernetes: {accounts: [{name: a, serviceAccount: true, kubeconfigContents: x}]}\n", false},
    {"secrets: {vault: {enabled: true, authMethod: TOKEN}}\n", true},
    {"secrets: {vault: {authMethod: USERPASS}}\n", false},
    {"secrets: {vault: {token: x}}\n", false},
    {"pprof: {enabled: true}\ndynamicAccounts: {enabled: true, namePatterns: [a]}\n", true},
    {"server: {ssl: {enabled: true, keyFile: x}}\n", true},
};

START_TEST(schema_and_loader_agree)
{
    cJSON *schema = schema_of_the_table();
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        struct fixture f;
        struct sa_settings s;
        char *problems;
        fixture_make(&f);
        fixture_write(&f, "main.yml", samples[i].yaml);
        int r = fixture_load(&f, &s, &problems);
        ck_assert_msg((r == 0) == samples[i].right, "loader: %s%s", samples[i].yaml, problems);
        if (r == 0)
            sa_settings_free(&s);
        free(problems);
        fixture_remove(&f);
        ck_assert_msg(fits(schema, samples[i].yaml) == samples[i].right, "schema: %s",
                      samples[i].yaml);
    }
    cJSON_Delete(schema);
}
END_TEST

START_TEST(what_is_printed_fits_the_schema)
{
    struct fixture f;
    struct sa_problems problems;
    struct sa_buf out;
    cJSON *schema = schema_of_the_table();
    fixture_make(&f);
    fixture_write(&f, "main.yml", "kubernetes: {accounts: [{name: a, serviceAccount: true}]}\n");
    sa_buf_init(&out, 0);
    ck_assert_int_eq(sa_config_print(&f.paths, &out, &problems, NULL), 0);
    ck_assert_msg(fits(schema, out.data), "%s", out.data);
    sa_buf_free(&out);
    sa_problems_free(&problems);
    fixture_remove(&f);
    cJSON_Delete(schema);
}
END_TEST

START_TEST(the_reference_is_up_to_date)
{
    struct sa_buf b;
    sa_buf_init(&b, 0);
    ck_assert_int_eq(sa_config_reference_markdown(&b, NULL), 0);
    FILE *file = fopen("../../docs/reference/configuration.md", "r");
    ck_assert_ptr_nonnull(file);
    char *text = calloc(1, b.len + 2);
    size_t n = fread(text, 1, b.len + 1, file);
    fclose(file);
    ck_assert_msg(n == b.len && memcmp(text, b.data, n) == 0,
                  "docs/reference/configuration.md is stale: build the target config-reference");
    free(text);
    sa_buf_reset(&b);
    ck_assert_int_eq(sa_config_reference_mdoc(&b, NULL), 0);
    ck_assert_ptr_nonnull(strstr(b.data, ".It Cm kubernetes.accounts[].kinds\n"));
    sa_buf_free(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("config_schema");
    TCase *t = tcase_create("schema");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, schema_and_loader_agree);
    tcase_add_test(t, what_is_printed_fits_the_schema);
    tcase_add_test(t, the_reference_is_up_to_date);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
