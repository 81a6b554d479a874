/* SPDX-License-Identifier: Apache-2.0 */
/* References to secrets in a store: each engine's form, and how each breach is told. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/secret_ref.h"

static struct sa_secret_ref good(const char *text)
{
    struct sa_secret_ref r;
    SA_CLEANUP(sa_err_free) struct sa_err *e = NULL;
    ck_assert(sa_secret_ref_is(text));
    ck_assert_msg(sa_secret_ref_parse(text, &r, &e) == 0, "%s: %s", text, sa_err_msg(e));
    return r;
}

START_TEST(each_engine_has_its_form)
{
    struct sa_secret_ref r = good("encryptedFile:k8s!n:kubeconfigs!k:prod.yml!ns:spinnaker");
    ck_assert_int_eq(r.engine, SA_SECRET_K8S);
    ck_assert_str_eq(r.name, "kubeconfigs");
    ck_assert_str_eq(r.key, "prod.yml");
    ck_assert_str_eq(r.namespace, "spinnaker");
    sa_secret_ref_free(&r);
    r = good("encryptedFile:vault!e:team/secret!p:spinnaker/kubernetes!k:config!b:true");
    ck_assert_int_eq(r.engine, SA_SECRET_VAULT);
    ck_assert_str_eq(r.mount, "team/secret");
    ck_assert_str_eq(r.name, "spinnaker/kubernetes");
    ck_assert_str_eq(r.key, "config");
    ck_assert(r.base64);
    sa_secret_ref_free(&r);
    r = good("encryptedFile:s3!r:us-west-2!b:my.bucket!f:clusters/a.yml");
    ck_assert_int_eq(r.engine, SA_SECRET_S3);
    ck_assert_str_eq(r.region, "us-west-2");
    ck_assert_str_eq(r.bucket, "my.bucket");
    ck_assert_str_eq(r.name, "clusters/a.yml");
    ck_assert_ptr_null(r.key);
    sa_secret_ref_free(&r);
    r = good("encryptedFile:gcs!b:bucket!f:secrets.yml!k:kube.prod");
    ck_assert_int_eq(r.engine, SA_SECRET_GCS);
    ck_assert_str_eq(r.key, "kube.prod");
    sa_secret_ref_free(&r);
    r = good(
        "encryptedFile:secrets-manager!r:eu-west-1!s:arn:aws:secretsmanager:eu-west-1:1:secret:a");
    ck_assert_int_eq(r.engine, SA_SECRET_AWS);
    ck_assert_str_eq(r.name, "arn:aws:secretsmanager:eu-west-1:1:secret:a");
    sa_secret_ref_free(&r);
}
END_TEST

/* As Spinnaker takes them. */
START_TEST(order_and_older_names_do_not_matter)
{
    struct sa_secret_ref r = good("encrypted:vault!k:config!n:a/b!e:secret!b:false");
    ck_assert_str_eq(r.name, "a/b");
    ck_assert_str_eq(r.mount, "secret");
    ck_assert(!r.base64);
    sa_secret_ref_free(&r);
    ck_assert(!sa_secret_ref_is("/etc/kubeconfig"));
    ck_assert(!sa_secret_ref_is("encrypted"));
}
END_TEST

static const struct {
    const char *text, *want;
} bad[] = {
    {"/etc/kubeconfig", "not a reference"},
    {"encryptedFile:", "no store that is known; expected one of k8s, vault, s3, gcs"},
    {"encryptedFile:vaults!e:a!p:b!k:c", "no store that is known"},
    {"encryptedFile:vault", "lacks e; expected vault!e:ENGINE!p:PATH!k:KEY"},
    {"encryptedFile:vault!e:a!p:b", "lacks k"},
    {"encryptedFile:vault!e:a!p:b!k:c!", "a part without \":\""},
    {"encryptedFile:vault!e:a!p:b!k:c!x:d", "does not belong"},
    {"encryptedFile:vault!e:a!p:b!k:c!p:d", "has twice p"},
    {"encryptedFile:vault!e:a!p:b!k:c!b:yes", "neither true nor false as b"},
    {"encryptedFile:vault!e:!p:b!k:c", "impossible value of e"},
    {"encryptedFile:vault!e:a!p:../sys!k:c", "impossible value of p"},
    {"encryptedFile:vault!e:a!p:/b!k:c", "impossible value of p"},
    {"encryptedFile:vault!e:a!p:b//c!k:c", "impossible value of p"},
    {"encryptedFile:vault!e:a!p:b\n!k:c", "impossible value of p"},
    {"encryptedFile:k8s!n:A!k:b", "impossible value of n"},
    {"encryptedFile:k8s!n:..!k:b", "impossible value of n"},
    {"encryptedFile:k8s!n:a!k:b!ns:c/d", "impossible value of ns"},
    {"encryptedFile:s3!b:a!f:b", "lacks r"},
    {"encryptedFile:s3!r:evil.example/!b:a!f:b", "impossible value of r"},
    {"encryptedFile:s3!r:a!b:a/b!f:b", "impossible value of b"},
    {"encryptedFile:gcs!b:a", "lacks f"},
    {"encryptedFile:secrets-manager!r:a", "lacks s"},
    {"encryptedFile:secrets-manager!r:a!s:a b", "impossible value of s"},
};

START_TEST(each_breach_is_told)
{
    char text[4096];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct sa_secret_ref r;
        SA_CLEANUP(sa_err_free) struct sa_err *e = NULL;
        ck_assert_int_eq(sa_secret_ref_parse(bad[i].text, &r, &e), -1);
        ck_assert_msg(strstr(sa_err_msg(e), bad[i].want) != NULL, "%s: %s", bad[i].text,
                      sa_err_msg(e));
        ck_assert_ptr_null(r.name);
        ck_assert_int_eq(sa_secret_ref_parse(bad[i].text, &r, NULL), -1);
    }
    memset(text, 'a', sizeof text);
    memcpy(text, "encrypted:vault!e:", 18);
    text[sizeof text - 1] = '\0';
    struct sa_secret_ref r;
    SA_CLEANUP(sa_err_free) struct sa_err *e = NULL;
    ck_assert_int_eq(sa_secret_ref_parse(text, &r, &e), -1);
    ck_assert_ptr_nonnull(strstr(sa_err_msg(e), "longer than 2048"));
}
END_TEST

START_TEST(engines_have_names)
{
    ck_assert_str_eq(sa_secret_engine_name(SA_SECRET_AWS), "secrets-manager");
    ck_assert_str_eq(sa_secret_engine_name(SA_SECRET_ENGINES), "unknown");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("config_secret_ref");
    TCase *t = tcase_create("references");
    tcase_add_test(t, each_engine_has_its_form);
    tcase_add_test(t, order_and_older_names_do_not_matter);
    tcase_add_test(t, each_breach_is_told);
    tcase_add_test(t, engines_have_names);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
