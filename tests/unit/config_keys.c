/* SPDX-License-Identifier: Apache-2.0 */
/* The table of keys: complete, consistent, and searchable. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "config/keys.h"
#include "config_armory_keys.h"

START_TEST(every_key_of_armory_is_there)
{
    for (size_t i = 0; i < sizeof armory_keys / sizeof armory_keys[0]; i++) {
        const struct sa_key *k = sa_key_covering(armory_keys[i].path);
        ck_assert_msg(k != NULL, "%s is missing", armory_keys[i].path);
        ck_assert_msg(k->class == armory_keys[i].class, "%s is in class %d", armory_keys[i].path,
                      k->class);
    }
}
END_TEST

START_TEST(keys_of_clouddriver_are_ignored)
{
    static const char *const names[] = {"providerVersion",
                                        "requiredGroupMembership",
                                        "cacheThreads",
                                        "cacheIntervalSeconds",
                                        "checkPermissionsOnStartup",
                                        "configureImagePullSecrets",
                                        "dockerRegistries",
                                        "cachingPolicies",
                                        "rawResourcesEndpointConfig",
                                        "spinnakerKindMap",
                                        "environment"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[128] = "kubernetes.accounts[].";
        strncat(path, names[i], sizeof path - strlen(path) - 1);
        const struct sa_key *k = sa_key_find(path);
        ck_assert_msg(k != NULL && k->class == SA_KEY_IGNORED, "%s", names[i]);
    }
}
END_TEST

START_TEST(entries_are_complete)
{
    for (size_t i = 0; i < sa_n_keys; i++) {
        const struct sa_key *k = &sa_keys[i];
        ck_assert_ptr_nonnull(k->path);
        if (k->class == SA_KEY_DERIVED)
            continue;
        ck_assert_msg(k->help != NULL && strlen(k->help) > 8, "%s has no help", k->path);
        ck_assert_msg(k->help[strlen(k->help) - 1] == '.', "%s: help is no sentence", k->path);
        ck_assert_msg(sa_key_find(k->path) == k, "%s is found elsewhere", k->path);
        if (k->type == SA_KEY_INT || k->type == SA_KEY_BYTES || k->type == SA_KEY_FLOAT)
            ck_assert_msg(k->max > k->min, "%s has no range", k->path);
        if (k->class != SA_KEY_HONOURED)
            ck_assert_msg(k->home == SA_HOME_NONE, "%s has a field and no effect", k->path);
    }
}
END_TEST

START_TEST(defaults_are_valid_and_in_range)
{
    union {
        bool b;
        int64_t i;
        double f;
        char *s;
        unsigned u;
        struct sa_strings list;
    } field;
    for (size_t i = 0; i < sa_n_keys; i++) {
        const struct sa_key *k = &sa_keys[i];
        SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
        memset(&field, 0, sizeof field);
        if (k->preset == NULL)
            continue;
        ck_assert_msg(sa_value_preset(k, &field, &err) == 0, "%s: %s", k->path, sa_err_msg(err));
        sa_value_free(k, &field);
    }
}
END_TEST

START_TEST(no_field_has_two_keys)
{
    for (size_t i = 0; i < sa_n_keys; i++) {
        for (size_t j = 0; j < i; j++)
            ck_assert_msg(sa_keys[i].home == SA_HOME_NONE || sa_keys[i].home != sa_keys[j].home ||
                              sa_keys[i].offset != sa_keys[j].offset,
                          "%s and %s share a field", sa_keys[i].path, sa_keys[j].path);
    }
}
END_TEST

START_TEST(paths_are_found)
{
    ck_assert_ptr_nonnull(sa_key_find("kubernetes.accounts.kinds"));
    ck_assert_ptr_eq(sa_key_find("kubernetes.accounts[].kubeconfigFile"),
                     sa_key_find("kubernetes.accounts[].kubeConfigFile"));
    ck_assert_ptr_null(sa_key_find("kubernetes"));
    ck_assert_ptr_null(sa_key_find("sinks"));
    ck_assert_ptr_null(sa_key_find("account.sandbox")); /* derived */
    ck_assert(sa_key_is_group("kubernetes"));
    ck_assert(sa_key_is_group("clouddriver.auth"));
    ck_assert(!sa_key_is_group("clouddriver.au"));
    ck_assert(!sa_key_is_group("sink"));
    ck_assert_ptr_nonnull(sa_key_covering("server.ssl.keyFile"));
    ck_assert_ptr_null(sa_key_covering("server.sslx"));
}
END_TEST

START_TEST(nearest_key_is_named)
{
    static const struct {
        const char *wrong, *right;
    } t[] = {
        {"kubernets.noProxy", "kubernetes.noProxy"},
        {"clouddriver.Grpc", "clouddriver.grpc"},
        {"clouddriver.grcp", "clouddriver.grpc"},
        {"kubernetes.accounts[].kind", "kubernetes.accounts[].kinds"},
        {"kubernetes.accounts[].onlyNamespacedResource",
         "kubernetes.accounts[].onlyNamespacedResources"},
        {"logging.maxSizeMB", "logging.maxSizeMb"},
        {"kinds", "kubernetes.accounts[].kinds"},
        {"clouddriver.token", "clouddriver.auth.token"},
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        const struct sa_key *k = sa_key_nearest(t[i].wrong);
        ck_assert_msg(k != NULL, "%s: none", t[i].wrong);
        ck_assert_str_eq(k->path, t[i].right);
    }
    ck_assert_ptr_null(sa_key_nearest("entirelyDifferent.thing"));
    ck_assert_ptr_null(sa_key_nearest("kubernetes.accounts[].x"));
    char *long_path = calloc(1, 5000);
    memset(long_path, 'k', 4999);
    ck_assert_ptr_null(sa_key_nearest(long_path));
    free(long_path);
}
END_TEST

START_TEST(values_are_read_by_type_and_unit)
{
    static const struct {
        const char *path, *text;
        int64_t want; /* -1: refused */
    } t[] = {
        {"flushMs", "25", 25},
        {"flushMs", "2s", 2000},
        {"flushMs", "0.5s", 500},
        {"flushMs", "100us", -1}, /* not whole milliseconds */
        {"flushMs", "10001", -1},
        {"flushMs", "-1", -1},
        {"flushMs", "1e3", -1},
        {"flushMs", "0x10", -1},
        {"flushMs", " 10", -1},
        {"flushMs", "ten", -1},
        {"kubernetes.auditSeconds", "2h", 7200},
        {"kubernetes.auditSeconds", "59s", -1},
        {"clouddriver.backoff.baseDelay", "2s", 2000000000},
        {"limits.workerMemory", "64Mi", 67108864},
        {"limits.workerMemory", "1G", 1000000000},
        {"limits.workerMemory", "64MB", -1},
        {"limits.workerMemory", "7M", -1},
        {"server.port", "80s", -1}, /* no unit of time */
        {"server.port", "65536", -1},
        {"server.port", "999999999999999999999999999999", -1},
        {"server.port", "9999999999999999999999999999999999999999", -1},
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        int64_t v = -7;
        SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
        int r = sa_value_parse(sa_key_find(t[i].path), t[i].text, &v, &err);
        ck_assert_msg(r == (t[i].want < 0 ? -1 : 0), "%s: %s", t[i].path, t[i].text);
        if (r == 0)
            ck_assert_int_eq(v, t[i].want);
        else
            ck_assert_int_eq(v, -7);
    }
}
END_TEST

START_TEST(secrets_are_never_quoted)
{
    struct sa_key k = *sa_key_find("flushMs");
    k.secret = true;
    int64_t v;
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    ck_assert_int_eq(sa_value_parse(&k, "hunter2", &v, &err), -1);
    ck_assert_ptr_null(strstr(sa_err_msg(err), "hunter2"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("config_keys");
    TCase *t = tcase_create("keys");
    tcase_add_test(t, every_key_of_armory_is_there);
    tcase_add_test(t, keys_of_clouddriver_are_ignored);
    tcase_add_test(t, entries_are_complete);
    tcase_add_test(t, defaults_are_valid_and_in_range);
    tcase_add_test(t, no_field_has_two_keys);
    tcase_add_test(t, paths_are_found);
    tcase_add_test(t, nearest_key_is_named);
    tcase_add_test(t, values_are_read_by_type_and_unit);
    tcase_add_test(t, secrets_are_never_quoted);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
