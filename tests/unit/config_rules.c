/* SPDX-License-Identifier: Apache-2.0 */
/* The rules that settings obey, and how each breach is told. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/load.h"
#include "config_fixture.h"

#define ACCOUNT "kubernetes: {accounts: [{name: a, serviceAccount: true"

START_TEST(rules_of_the_agent)
{
    fixture_refuses("clouddriver.grpc: http://x:1\n",
                    "main.yml:1:19: error: clouddriver.grpc: expected host:port");
    fixture_refuses("clouddriver.grpc: x\n",
                    "main.yml:1:19: error: clouddriver.grpc: expected host:port");
    fixture_refuses("clouddriver.grpc: x:65536\n",
                    "main.yml:1:19: error: clouddriver.grpc: expected host:port");
    fixture_refuses("clouddriver.grpc: ::1:9\n",
                    "main.yml:1:19: error: clouddriver.grpc: expected host:port");
    fixture_refuses("clouddriver.tls.clientKeyFile: /k\n",
                    "main.yml:1:32: error: clouddriver.tls: clientKeyFile needs");
    fixture_refuses("clouddriver.backoff: {baseDelay: 10s, maxDelay: 5s}\n",
                    "main.yml:1:34: error: clouddriver.backoff: baseDelay is above");
    fixture_refuses("stateDir: var\n", "main.yml:1:11: error: stateDir: expected an absolute path");
    fixture_refuses("jsonl.file: out\n",
                    "main.yml:1:13: error: jsonl.file: expected an absolute path");
    fixture_refuses("runtimeDir: "
                    "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                    "aaaaaaaaaaaaaaaaaaa\n",
                    "main.yml:1:13: error: runtimeDir: longer than 90 bytes");
    fixture_refuses("restart: {baseMs: 2000, maxMs: 1000}\n",
                    "main.yml:1:19: error: restart: baseMs is above maxMs");
    fixture_refuses("uidRange: {count: 5}\n",
                    "main.yml:1:19: error: uidRange: first must not be 0");
    fixture_refuses("uidRange: {first: 4294967290, count: 6}\n",
                    "main.yml:1:38: error: uidRange: it ends past");
    fixture_warns("uidRange: {first: 100000, count: 1}\n"
                  "kubernetes: {accounts: [{name: a, serviceAccount: true}, {name: b, "
                  "serviceAccount: true}]}\n",
                  "main.yml:1:34: warning: uidRange: fewer ids than accounts");
    fixture_refuses("limits.objectSize: 32Mi\n",
                    "main.yml:1:20: error: limits: objectSize is above a quarter");
    fixture_refuses("prometheus: {enabled: true, port: 8082}\n",
                    "main.yml:1:35: error: prometheus.port and server.port");
}
END_TEST

START_TEST(rules_of_accounts)
{
    struct sa_settings s;
    fixture_refuses("kubernetes: {accounts: [{serviceAccount: true}]}\n",
                    "main.yml:1:25: error: account without a name: name is missing");
    fixture_refuses("kubernetes: {accounts: [{name: a}]}\n",
                    "main.yml:1:25: error: account a: kubeConfigFile or serviceAccount");
    fixture_refuses(ACCOUNT ", kubeConfigFile: /x}]}\n",
                    "main.yml:1:51: error: account a: kubeConfigFile and serviceAccount exclude");
    fixture_refuses("kubernetes: {accounts: [{name: a, kubeConfigFile: x}]}\n",
                    "main.yml:1:51: error: account a: kubeConfigFile: expected an absolute");
    fixture_refuses("kubernetes: {accounts: [{name: a, kubeConfigFile: /x, kubeconfigFile: /y}]}\n",
                    "main.yml:1:55: error: kubernetes.accounts[].kubeConfigFile is there twice");
    fixture_refuses(ACCOUNT ", context: c}]}\n",
                    "main.yml:1:66: error: account a: context needs kubeConfigFile");
    fixture_refuses(ACCOUNT ", kinds: [a], omitKinds: [b]}]}\n",
                    "main.yml:1:80: error: account a: kinds and omitKinds exclude");
    fixture_refuses(ACCOUNT ", namespaces: [a], omitNamespaces: [b]}]}\n",
                    "main.yml:1:90: error: account a: namespaces and omitNamespaces");
    fixture_refuses(ACCOUNT ", kinds: ['a b']}]}\n",
                    "main.yml:1:64: error: account a: kinds: \"a b\" is no kind");
    fixture_refuses(ACCOUNT ", namespaces: [A]}]}\n",
                    "main.yml:1:69: error: account a: namespaces: \"A\" is no name");
    fixture_refuses(ACCOUNT ", onlyNamespacedResources: true}]}\n",
                    "main.yml:1:82: error: account a: onlyNamespacedResources needs namespaces");
    fixture_refuses(
        ACCOUNT ", customResourceDefinitions: [{kind: Foo}]}]}\n",
        "main.yml:1:84: error: account a: customResourceDefinitions: \"Foo\" is not Kind.group");
    fixture_refuses(
        ACCOUNT ", customResourceDefinitions: [{scope: Cluster}]}]}\n",
        "main.yml:1:85: error: kubernetes.accounts[].customResourceDefinitions: kind is missing");
    fixture_refuses(
        ACCOUNT ", customResourceDefinitions: [{kind: A.b, skope: x}]}]}\n",
        "main.yml:1:97: error: kubernetes.accounts[].customResourceDefinitions[].skope is unknown");
    fixture_refuses(
        ACCOUNT ", onlyNamespacedResources: true, namespaces: [x], customResourceDefinitions: "
                "[{kind: A.b, scope: Cluster}]}]}\n",
        "main.yml:1:132: error: account a: customResourceDefinitions: A.b is not in namespaces");
    fixture_refuses(ACCOUNT ", permissions: {ADMIN: [x]}}]}\n",
                    "main.yml:1:71: error: kubernetes.accounts[].permissions: expected READ, WRITE "
                    "or EXECUTE, not \"ADMIN\"");
    fixture_refuses(ACCOUNT ", permissions: [READ]}]}\n",
                    "main.yml:1:70: error: kubernetes.accounts[].permissions: expected READ, WRITE "
                    "and EXECUTE");
    fixture_refuses("kubernetes: {accounts: [{name: ' a', serviceAccount: true}]}\n",
                    "main.yml:1:32: error: account  a: the name begins or ends");
    fixture_refuses("kubernetes: {accounts: [{name: \"a\\tb\", serviceAccount: true}]}\n",
                    "main.yml:1:32: error: kubernetes.accounts[].name holds a control");
    fixture_accepts(ACCOUNT ", permissions: {read: [x, y], WRITE: z}}]}\n", &s);
    ck_assert_uint_eq(s.accounts[0].n_permissions, 2);
    ck_assert_str_eq(s.accounts[0].permissions[0].permission, "READ");
    ck_assert_str_eq(s.accounts[0].permissions[1].roles.v[0], "z");
    sa_settings_free(&s);
}
END_TEST

#define VAULT "secrets.vault: {url: 'https://v:8200', "
#define IN_VAULT                                                                                   \
    "kubernetes: {accounts: [{name: a, kubeconfigFile: 'encryptedFile:vault!e:s!p:a!k:k'}]}\n"

START_TEST(rules_of_stores_of_secrets)
{
    struct sa_settings s;
    fixture_refuses(
        "kubernetes: {accounts: [{name: a, kubeConfigFile: 'encryptedFile:vault!e:x'}]}\n",
        "main.yml:1:51: error: account a: kubeConfigFile: the reference lacks p; "
        "expected vault!e:ENGINE!p:PATH");
    fixture_refuses(IN_VAULT, "main.yml:1:51: error: account a: kubeConfigFile: it is in Vault");
    fixture_refuses(VAULT "role: r, enabled: false}\n" IN_VAULT,
                    "main.yml:2:51: error: account a: kubeConfigFile: it is in Vault");
    fixture_refuses("secrets.vault.url: v:8200\n",
                    "main.yml:1:20: error: secrets.vault.url: expected a URL");
    fixture_refuses("secrets.vault: {url: 'https://u:p@v', role: r}\n",
                    "main.yml:1:22: error: secrets.vault.url: user, query or blank");
    fixture_refuses(VAULT "namespace: n}\n",
                    "main.yml:1:22: error: secrets.vault: authMethod KUBERNETES needs role");
    fixture_refuses(VAULT "authMethod: APPROLE, roleIdFile: /r}\n",
                    "main.yml:1:52: error: secrets.vault: authMethod APPROLE needs roleIdFile");
    fixture_refuses(VAULT "role: r, jwtFile: jwt}\n",
                    "main.yml:1:58: error: secrets.vault.jwtFile: expected an absolute path");
    fixture_refuses("secrets.refreshSeconds: 1\n", "main.yml:1:25: error: secrets.refreshSeconds");
    fixture_warns("secrets.vault: {url: 'http://v:8200', authMethod: TOKEN}\n",
                  "main.yml:1:22: warning: secrets.vault.url: without TLS");
    fixture_accepts(VAULT "role: r}\n" IN_VAULT, &s);
    ck_assert_str_eq(s.accounts[0].vault_url, "https://v:8200");
    ck_assert_str_eq(s.accounts[0].vault_auth_method, "KUBERNETES");
    ck_assert_int_eq(s.accounts[0].secrets_refresh_s, 300);
    sa_settings_free(&s);
    fixture_accepts(
        "kubernetes: {accounts: [{name: a, kubeconfigFile: 'encrypted:k8s!n:a!k:b'}]}\n", &s);
    sa_settings_free(&s);
}
END_TEST

/* n names of 60 bytes. */
static void add_names(struct sa_buf *b, unsigned n)
{
    sa_buf_adds(b, ", namespaces: [");
    for (unsigned i = 0; i < n; i++)
        sa_buf_addf(b, "%sn%059u", i == 0 ? "" : ", ", i);
    sa_buf_adds(b, "]");
}

/* What AccountOpen carries of an account must not exceed what its worker may send at once. */
START_TEST(lists_fit_into_a_message)
{
    struct sa_settings s;
    struct sa_buf b;
    sa_buf_init(&b, 0);
    sa_buf_adds(&b, ACCOUNT);
    add_names(&b, 7200);
    sa_buf_adds(&b, "}]}\n");
    fixture_accepts(b.data, &s);
    ck_assert_uint_eq(s.accounts[0].namespaces.n, 7200);
    sa_settings_free(&s);
    sa_buf_reset(&b);
    sa_buf_adds(&b, ACCOUNT);
    add_names(&b, 7300);
    sa_buf_adds(&b, "}]}\n");
    fixture_refuses(b.data, "main.yml:1:69: error: account a: kinds, namespaces and permissions "
                            "are 484 KB together, and may be 480: most are of namespaces");
    sa_buf_reset(&b);
    sa_buf_adds(&b, ACCOUNT);
    add_names(&b, 7000);
    sa_buf_adds(&b, ", permissions: {READ: [");
    for (unsigned i = 0; i < 500; i++)
        sa_buf_addf(&b, "%sr%059u", i == 0 ? "" : ", ", i);
    sa_buf_adds(&b, "]}}]}\n");
    fixture_refuses(b.data, "main.yml:1:69: error: account a: kinds, namespaces and permissions");
    sa_buf_free(&b);
}
END_TEST

/* Loads one account as in the cluster "cluster-0f", or outside of all (NULL). */
static char *name_of_account(const char *account, const char *cluster)
{
    struct fixture f;
    struct sa_sources sources;
    struct sa_loaded loaded = {0};
    struct sa_problem_list problems = {0};
    char text[256], *name = NULL;
    fixture_make(&f);
    snprintf(text, sizeof text, "kubernetes: {accounts: [{%s}]}", account);
    fixture_write(&f, "main.yml", text);
    ck_assert_int_eq(sa_sources_read(&f.paths, &sources, NULL), 0);
    free(sources.cluster);
    sources.cluster = cluster ? strdup(cluster) : NULL;
    if (sa_load(&sources, &loaded, &problems, NULL) == 0)
        name = strdup(loaded.wide.settings.accounts[0].name);
    sa_loaded_free(&loaded);
    sa_problem_list_free(&problems);
    sa_sources_free(&sources);
    fixture_remove(&f);
    return name;
}

START_TEST(the_cluster_around_has_a_name)
{
    static const struct {
        const char *account, *cluster, *name;
    } cases[] = {
        {"serviceAccount: true", "cluster-0f", "cluster-0f"},
        {"serviceAccount: true, name: ''", "cluster-0f", "cluster-0f"},
        {"serviceAccount: true, name: '${SA_NOT_SET:}'", "cluster-0f", "cluster-0f"},
        {"serviceAccount: true, name: mine", "cluster-0f", "mine"},
        {"serviceAccount: true", NULL, NULL},
        {"kubeconfigFile: /k", "cluster-0f", NULL},
        {"kubeconfigFile: /k, name: ''", "cluster-0f", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *name = name_of_account(cases[i].account, cases[i].cluster);
        ck_assert_pstr_eq(name, cases[i].name);
        free(name);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("config_rules");
    TCase *t = tcase_create("rules");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, rules_of_the_agent);
    tcase_add_test(t, rules_of_accounts);
    tcase_add_test(t, rules_of_stores_of_secrets);
    tcase_add_test(t, the_cluster_around_has_a_name);
    tcase_add_test(t, lists_fit_into_a_message);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
