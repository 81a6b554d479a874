/* SPDX-License-Identifier: Apache-2.0 */
/* From files to settings: merging, variables, every rule, and how problems are told. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config_fixture.h"

#define ACCOUNT "kubernetes: {accounts: [{name: a, serviceAccount: true"

START_TEST(nothing_configured_gives_defaults)
{
    struct fixture f;
    struct sa_settings s;
    char *problems;
    fixture_make(&f);
    ck_assert_int_eq(fixture_load(&f, &s, &problems), 0);
    ck_assert_str_eq(problems, "");
    ck_assert_int_eq(s.sink, SA_SINK_SQLITE);
    ck_assert_ptr_null(s.sqlite_file); /* below the state directory, wherever that is */
    ck_assert_str_eq(s.runtime_dir, "/run/scale-agent");
    ck_assert_str_eq(s.clouddriver.grpc, "spin-clouddriver-grpc:9091");
    ck_assert(s.clouddriver.insecure);
    ck_assert_int_eq(s.worker_memory_bytes, 64 << 20);
    ck_assert_int_eq(s.heartbeat_timeout_s, 20);
    ck_assert_int_eq(s.restart_base_ms, 1000);
    ck_assert_int_eq(s.failed_retry_s, 180);
    ck_assert_str_eq(s.log_level, "info");
    ck_assert_uint_eq(s.n_accounts, 0);
    free(problems);
    sa_settings_free(&s);
    fixture_remove(&f);
}
END_TEST

/* The form of the example that comes with Armory's agent. */
static const char armory[] = "# server:\n#   host: localhost\n"
                             "clouddriver:\n"
                             "  grpc: spin-clouddriver:9091\n"
                             "  insecure: true\n"
                             "  keepAliveHeartbeatSeconds: 30\n"
                             "  responseRetries: {enabled: true, maxRetries: 5, backOffMs: 100}\n"
                             "kubernetes:\n"
                             "  reconnectTimeoutMs: 5000\n"
                             "  retries:\n"
                             "    enabled: true\n"
                             "    retryableErrors:\n"
                             "      - timeout\n"
                             "      - deadline exceeded\n"
                             "      - connection reset\n"
                             "  accounts:\n"
                             "  - kubeconfigFile: /kubeconfigfiles/kubeconfig.yml\n"
                             "    name: account01\n"
                             "    namespaces: []\n"
                             "    kinds: []\n"
                             "    omitKinds: []\n"
                             "    context: ctx\n"
                             "    permissions:\n"
                             "      - READ: ['role1', ' role2 ']\n"
                             "      - WRITE: ['role1']\n"
                             "  - name: account02\n"
                             "    serviceAccount: true\n"
                             "    insecure: true\n"
                             "    onlyNamespacedResources: true\n"
                             "    namespaces: [ns1, ns2]\n"
                             "    customResourceDefinitions:\n"
                             "      - kind: ServiceMonitor.monitoring.coreos.com\n"
                             "        scope: Namespaced\n"
                             "    maxResumableResourceAgeMs: 60000\n"
                             "logging:\n"
                             "  level: WARNING\n"
                             "  format: json\n"
                             "logging.fields.agentNamespace: test\n"
                             "prometheus:\n"
                             "  enabled: true\n"
                             "timeoutSeconds: 30\n"
                             "tasks:\n"
                             "  totalBudget: 100\n"
                             "  budgetPerAccount: 10\n";

START_TEST(armory_files_load_unchanged)
{
    struct fixture f;
    struct sa_settings s;
    char *problems;
    fixture_make(&f);
    fixture_write(&f, "main.yml", armory);
    ck_assert_msg(fixture_load(&f, &s, &problems) == 0, "%s", problems);
    /* keys without effect, and a kubeconfig file on another machine: that is all there is to say */
#define NO_EFFECT                                                                                  \
    " has no effect here. A result that could not be sent is not sent again by itself: "           \
    "Clouddriver's side asks for it again, by the operation's id, as soon as there is a stream, "  \
    "and for ten minutes the agent knows what it did.\n"
    ck_assert_str_eq(problems,
                     "main.yml:7:21: warning: clouddriver.responseRetries.enabled" NO_EFFECT
                     "main.yml:7:36: warning: clouddriver.responseRetries.maxRetries" NO_EFFECT
                     "main.yml:7:51: warning: clouddriver.responseRetries.backOffMs" NO_EFFECT
                     "main.yml:17:21: warning: account account01: "
                     "/kubeconfigfiles/kubeconfig.yml does not exist\n");
    ck_assert_int_eq(s.sink, SA_SINK_GRPC);
    ck_assert_int_eq(s.clouddriver.heartbeat_s, 30);
    ck_assert_str_eq(s.log_level, "warn");
    ck_assert(s.log_json && s.prometheus_enabled);
    ck_assert_uint_eq(s.n_log_fields, 1);
    ck_assert_str_eq(s.log_field_values[0], "test");
    ck_assert_int_eq(s.start_concurrency, 100);
    ck_assert_uint_eq(s.n_accounts, 2);
    const struct sa_account *a = &s.accounts[0], *b = &s.accounts[1];
    ck_assert_str_eq(a->kubeconfig_file, "/kubeconfigfiles/kubeconfig.yml");
    ck_assert_str_eq(a->context, "ctx");
    ck_assert_uint_eq(a->n_permissions, 2);
    ck_assert_str_eq(a->permissions[0].permission, "READ");
    ck_assert_str_eq(a->permissions[0].roles.v[1], "role2");
    ck_assert_int_eq(a->timeout_seconds, 30);
    ck_assert_int_eq(a->budget_per_account, 10);
    ck_assert_int_eq(a->reconnect_timeout_ms, 5000);
    ck_assert_int_eq(a->max_resumable_resource_age_ms, 300000);
    ck_assert(b->service_account && b->insecure && b->only_namespaced_resources);
    ck_assert_uint_eq(b->n_crds, 1);
    ck_assert(!b->crds[0].cluster_scoped);
    ck_assert_int_eq(b->max_resumable_resource_age_ms, 60000);
    free(problems);
    sa_settings_free(&s);
    fixture_remove(&f);
}
END_TEST

START_TEST(files_are_merged_in_order)
{
    struct fixture f;
    struct sa_settings s;
    char *problems;
    fixture_make(&f);
    fixture_write(&f, "main.yml",
                  "agentId: one\nlogging: {level: debug, fields: {x: 1, y: 2}}\n"
                  "exec: {env: [A, B]}\n" ACCOUNT "}]}\n");
    fixture_write(&f, "local.yml", "agentId: two\nlogging: {format: json, fields: {y: 3}}\n");
    fixture_write(&f, "drop/20.yml", "agentId: four\nzoneId: z\n");
    fixture_write(&f, "drop/10.yml", "agentId: three\nexec: {env: [C]}\nzoneId: not this\n");
    fixture_write(&f, "drop/.hidden.yml", "agentId: hidden\n");
    fixture_write(&f, "drop/readme.txt", "agentId: [not read\n");
    fixture_write(&f, "drop/30.yaml",
                  "agentId:\nkubernetes:\n  accounts:\n  - {name: b, serviceAccount: true}\n");
    fixture_write(&f, "accounts/c.yml", "name: c\nserviceAccount: true\n");
    fixture_write(&f, "accounts/d.yml",
                  "- {name: d1, serviceAccount: true}\n- {name: d2, serviceAccount: true}\n");
    fixture_write(&f, "accounts/e.yml",
                  "kubernetes.accounts:\n- {name: e, serviceAccount: true}\n");
    fixture_write(&f, "accounts/f.yml", "# nothing yet\n");
    ck_assert_msg(fixture_load(&f, &s, &problems) == 0, "%s", problems);
    ck_assert_str_eq(problems, "");
    ck_assert_str_eq(s.agent_id, "four");
    ck_assert_str_eq(s.zone_id, "z");
    ck_assert_str_eq(s.log_level, "debug");
    ck_assert(s.log_json);
    ck_assert_uint_eq(s.n_log_fields, 2);
    ck_assert_str_eq(s.log_field_values[1], "3");
    static const char *const names[] = {"a", "b", "c", "d1", "d2", "e"};
    ck_assert_uint_eq(s.n_accounts, 6);
    for (size_t i = 0; i < 6; i++)
        ck_assert_str_eq(s.accounts[i].name, names[i]);
    ck_assert_uint_eq(s.accounts[0].exec_env.n, 1);
    ck_assert_str_eq(s.accounts[0].exec_env.v[0], "C");
    free(problems);
    sa_settings_free(&s);
    fixture_remove(&f);
}
END_TEST

START_TEST(a_kubeconfig_file_among_accounts_is_one)
{
    struct fixture f;
    struct sa_settings s;
    char *problems;
    fixture_make(&f);
    fixture_write(&f, "accounts/prod.eu-1.yml", "apiVersion: v1\nkind: Config\nclusters: []\n");
    ck_assert_int_eq(fixture_load(&f, &s, &problems), 0);
    ck_assert_str_eq(problems, "");
    ck_assert_uint_eq(s.n_accounts, 1);
    ck_assert_str_eq(s.accounts[0].name, "prod.eu-1");
    ck_assert_ptr_nonnull(strstr(s.accounts[0].kubeconfig_file, "/accounts/prod.eu-1.yml"));
    free(problems);
    sa_settings_free(&s);
    fixture_remove(&f);
}
END_TEST

START_TEST(all_problems_are_told_in_order)
{
    struct fixture f;
    struct sa_settings s;
    char *problems;
    fixture_make(&f);
    fixture_write(&f, "main.yml", "flushMs: soon\nclouddriver:\n  grcp: x:1\n" ACCOUNT "}]}\n");
    fixture_write(&f, "drop/10.yml", "a: [1\n");
    fixture_write(&f, "accounts/b.yml", "name: a\nserviceAccount: true\nkindz: [pod]\n");
    fixture_write(&f, "accounts/c.yml",
                  "clouddriver: {insecure: false}\nkubernetes: {accounts: []}\n");
    fixture_write(&f, "accounts/e.yml", "just words\n");
    ck_assert_int_eq(fixture_load(&f, &s, &problems), -1);
    ck_assert_str_eq(
        problems,
        "main.yml:1:10: error: flushMs: expected a whole number, or a time as 500ms, 30s, 5m or "
        "1h, not "
        "\"soon\"\n"
        "main.yml:3:3: error: clouddriver.grcp is not a known key; did you mean clouddriver.grpc?\n"
        "drop/10.yml:2:1: error: not YAML: did not find expected ',' or ']' while parsing a flow "
        "sequence\n"
        "accounts/b.yml:1:7: error: account a is there twice, the other one at main.yml:4:32\n"
        "accounts/b.yml:3:1: error: kubernetes.accounts[].kindz is not a known key; did you mean "
        "kubernetes.accounts[].kinds?\n"
        "accounts/c.yml:1:1: error: clouddriver: a file of accounts may hold kubernetes.accounts "
        "only\n"
        "accounts/e.yml:1:1: error: expected an account or a list of accounts, not a value\n");
    free(problems);
    fixture_remove(&f);
}
END_TEST

START_TEST(unreadable_files_are_told)
{
    struct fixture f;
    struct sa_settings s;
    char *problems;
    fixture_make(&f);
    fixture_write(&f, "main.yml", "agentId: x\n");
    char path[128];
    snprintf(path, sizeof path, "%s/drop/10.yml", f.dir);
    ck_assert_int_eq(mkfifo(path, 0644), 0);
    snprintf(path, sizeof path, "%s/drop/20.yml", f.dir);
    ck_assert_int_eq(mkdir(path, 0755), 0);
    snprintf(path, sizeof path, "%s/accounts/gone.yml", f.dir);
    ck_assert_int_eq(symlink("nowhere", path), 0);
    ck_assert_int_eq(fixture_load(&f, &s, &problems), -1);
    ck_assert_str_eq(problems, "drop/10.yml: error: drop/10.yml is not a regular file\n"
                               "drop/20.yml: error: drop/20.yml is not a regular file\n"
                               "accounts/gone.yml: error: opening accounts/gone.yml: No such file "
                               "or directory\n");
    free(problems);
    fixture_remove(&f);
}
END_TEST

START_TEST(variables_are_put_in)
{
    struct sa_settings s;
    setenv("SA_TEST_NAME", "from env", 1);
    setenv("SA_TEST_PORT", "9999", 1);
    setenv("SA_TEST_EMPTY", "", 1);
    unsetenv("SA_TEST_UNSET");
    fixture_accepts(
        "agentId: \"x ${SA_TEST_NAME} y\"\nzoneId: ${SA_TEST_UNSET:fall:back}\n"
        "server.port: ${SA_TEST_PORT}\nuser: a$b$$c$\nlogging.fields: {e: \"${SA_TEST_EMPTY}\"}\n",
        &s);
    ck_assert_str_eq(s.agent_id, "x from env y");
    ck_assert_str_eq(s.zone_id, "fall:back");
    ck_assert_int_eq(s.server_port, 9999);
    ck_assert_str_eq(s.user, "a$b$c$");
    ck_assert_str_eq(s.log_field_values[0], "");
    sa_settings_free(&s);
    fixture_refuses(
        "\nagentId: ${SA_TEST_UNSET}\n",
        "main.yml:2:10: error: agentId: the environment variable SA_TEST_UNSET is not set");
    fixture_refuses("agentId: ${open\n", "main.yml:1:10: error: agentId: \"${\" without \"}\"");
    fixture_refuses("agentId: ${services.x.y:z}\n",
                    "main.yml:1:10: error: agentId: ${services.x.y} names no");
    fixture_refuses("agentId: ${}\n", "main.yml:1:10: error: agentId: ${} names no");
    fixture_refuses("server.port: ${SA_TEST_NAME}\n",
                    "main.yml:1:14: error: server.port: expected a whole");
}
END_TEST

START_TEST(dotted_keys_are_maps)
{
    struct sa_settings s;
    fixture_accepts("logging.level: debug\nlogging: {format: json}\n"
                    "logging.fields.app.kubernetes.io/name: x\n"
                    "clouddriver.tls: {serverName: h}\nclouddriver: {insecure: false}\n"
                    "clouddriver.backoff.jitter: 0.5\nkubernetes.auditSeconds: 90\n" ACCOUNT
                    "}]}\n",
                    &s);
    ck_assert_str_eq(s.log_level, "debug");
    ck_assert(s.log_json);
    ck_assert_str_eq(s.log_field_keys[0], "app.kubernetes.io/name");
    ck_assert_str_eq(s.clouddriver.tls_server_name, "h");
    ck_assert(s.clouddriver.backoff_jitter > 0.49 && s.clouddriver.backoff_jitter < 0.51);
    ck_assert_int_eq(s.accounts[0].audit_interval_s, 90);
    sa_settings_free(&s);
    fixture_refuses("logging: {level: info}\nlogging.level: debug\n",
                    "main.yml:2:16: error: the key \"level\" is there twice, first in line 1");
    fixture_refuses("logging.level.x: debug\n",
                    "main.yml:1:1: error: logging.level.x is not a known key");
}
END_TEST

START_TEST(values_of_wrong_kinds)
{
    fixture_refuses("clouddriver: [x]\n",
                    "main.yml:1:14: error: clouddriver: expected a map, not a list");
    fixture_refuses("clouddriver: x\n",
                    "main.yml:1:14: error: clouddriver: expected a map, not a value");
    fixture_refuses("agentId: [x]\n",
                    "main.yml:1:10: error: agentId: expected a value, not a list");
    fixture_refuses("- a\n", "main.yml:1:1: error: expected a map of keys, not a list");
    fixture_refuses("logging.fields: [a]\n",
                    "main.yml:1:17: error: logging.fields: expected a map");
    fixture_refuses("kubernetes: {accounts: {a: b}}\n",
                    "main.yml:1:24: error: kubernetes.accounts: expected a list, not a map");
    fixture_refuses("kubernetes: {accounts: [x]}\n",
                    "main.yml:1:25: error: kubernetes.accounts: expected an account, not a value");
    fixture_refuses(
        "sink: files\n",
        "main.yml:1:7: error: sink: expected one of sqlite, grpc, jsonl, not \"files\"");
    fixture_refuses("clouddriver.insecure: 1\n",
                    "main.yml:1:23: error: clouddriver.insecure: expected true or false");
    fixture_refuses("agentId: ''\n", "main.yml:1:10: error: agentId is empty");
    fixture_refuses("agentId: \"a\\nb\"\n",
                    "main.yml:1:10: error: agentId holds a control character");
    fixture_refuses("server: {\"[]port\": 3}\n",
                    "main.yml:1:10: error: server.[]port is not a known key");
    fixture_refuses(
        ACCOUNT ", kinds: {a: b}}]}\n",
        "main.yml:1:64: error: kubernetes.accounts[].kinds: expected a list, not a map");
}
END_TEST

START_TEST(lists_may_be_text)
{
    struct sa_settings s;
    fixture_accepts(ACCOUNT ", kinds: 'deployment, pod ,', namespaces: one}]}\nexec.env: []\n", &s);
    ck_assert_uint_eq(s.accounts[0].kinds.n, 2);
    ck_assert_str_eq(s.accounts[0].kinds.v[1], "pod");
    ck_assert_str_eq(s.accounts[0].namespaces.v[0], "one");
    ck_assert_uint_eq(s.accounts[0].exec_env.n, 0);
    sa_settings_free(&s);
}
END_TEST

START_TEST(ignored_keys_warn_once)
{
    struct fixture f;
    struct sa_settings s;
    char *problems;
    fixture_make(&f);
    fixture_write(&f, "main.yml",
                  "pprof: {enabled: true}\nserver: {ssl: {enabled: true, x: {y: z}}}\n");
    fixture_write(&f, "accounts/a.yml",
                  "- {name: a, serviceAccount: true, providerVersion: V2, cacheThreads: 1}\n"
                  "- {name: b, serviceAccount: true, providerVersion: V2}\n"
                  "- {name: c, serviceAccount: true, providerVersion: V2}\n");
    ck_assert_msg(fixture_load(&f, &s, &problems) == 0, "%s", problems);
    unsigned lines = 0;
    for (const char *p = problems; (p = strchr(p, '\n')) != NULL; p++)
        lines++;
    ck_assert_uint_eq(lines, 4);
    ck_assert_ptr_nonnull(
        strstr(problems, "main.yml:1:9: warning: pprof.enabled has no effect here. "));
    ck_assert_ptr_nonnull(
        strstr(problems, "main.yml:2:10: warning: server.ssl has no effect here. "));
    ck_assert_ptr_nonnull(
        strstr(problems, "accounts/a.yml:1:35: warning: kubernetes.accounts[].providerVersion "
                         "has no effect here. Clouddriver itself no longer uses it. (and 2 "
                         "more times)"));
    free(problems);
    sa_settings_free(&s);
    fixture_remove(&f);
}
END_TEST

START_TEST(unsafe_keys_are_refused)
{
    struct sa_settings s;
    fixture_refuses("secrets: {vault: {token: hvs.x}}\n",
                    "main.yml:1:19: error: secrets.vault.token is refused. A secret does not");
    fixture_refuses(ACCOUNT ", kubeconfigContents: x}]}\n",
                    "main.yml:1:57: error: kubernetes.accounts[].kubeconfigContents is refused");
    fixture_refuses(
        "clouddriver: {insecure: false, auth: {token: 'encrypted:vault!e:x'}}\n",
        "main.yml:1:46: error: clouddriver.auth.token: a reference to a store of secrets is taken");
    fixture_accepts("secrets:\n", &s);
    sa_settings_free(&s);
}
END_TEST

START_TEST(tokens_need_tls)
{
    struct sa_settings s;
    fixture_refuses("clouddriver: {auth: {token: hunter2}}\n",
                    "main.yml:1:29: error: a token would be sent without TLS");
    fixture_refuses("clouddriver.auth.tokenCommand.command: /bin/x\n",
                    "main.yml:1:40: error: a token would be sent without TLS");
    fixture_accepts("clouddriver: {insecure: false, auth: {token: hunter2}}\n", &s);
    ck_assert_str_eq(s.clouddriver.token, "hunter2");
    sa_settings_free(&s);
    fixture_accepts("clouddriver: {allowPlaintextToken: true, auth: {token: hunter2}}\n", &s);
    sa_settings_free(&s);
    fixture_refuses(
        "clouddriver: {insecure: false, auth: {token: a, tokenCommand: {command: /b}}}\n",
        "main.yml:1:46: error: clouddriver.auth: token and tokenCommand exclude each other");
    fixture_refuses("clouddriver.auth.tokenCommand.args: [a]\n",
                    "main.yml:1:37: error: clouddriver.auth.tokenCommand: command is missing");
    fixture_warns("clouddriver.tls.cacertFile: /ca.pem\n", "clouddriver.tls has no effect while");
}
END_TEST

START_TEST(accounts_inherit)
{
    struct sa_settings s;
    fixture_accepts("kubernetes:\n  noProxy: true\n  allowExec: true\n  redact: [spec.x, spec.y]\n"
                    "  cacheGroupSize: 1\n  cacheGroupDelayMs: 500\n"
                    "  accounts:\n  - {name: a, serviceAccount: true, noProxy: false, redact: "
                    "[spec.y, spec.z]}\n"
                    "  - {name: b, serviceAccount: true}\n"
                    "sandbox: required\nlimits.workerMemory: 100Mi\n",
                    &s);
    const struct sa_account *a = &s.accounts[0], *b = &s.accounts[1];
    ck_assert(!a->no_proxy && b->no_proxy && a->allow_exec && b->allow_exec);
    ck_assert_uint_eq(a->redact.n,
                      3); /* what the agent as a whole hides can't be shown by an account */
    ck_assert_uint_eq(b->redact.n, 2);
    ck_assert_int_eq(a->start_delay_ms, 0);
    ck_assert_int_eq(b->start_delay_ms, 500);
    ck_assert_str_eq(a->sandbox, "required");
    ck_assert_int_eq(b->worker_memory_bytes, 100 << 20);
    sa_settings_free(&s);
}
END_TEST

START_TEST(sink_follows_clouddriver)
{
    struct sa_settings s;
    fixture_accepts("clouddriver.insecure: true\n", &s);
    ck_assert_int_eq(s.sink, SA_SINK_GRPC);
    sa_settings_free(&s);
    fixture_accepts("clouddriver.insecure: true\nsink: jsonl\n", &s);
    ck_assert_int_eq(s.sink, SA_SINK_JSONL);
    sa_settings_free(&s);
    fixture_accepts("stateDir: /x\n", &s);
    ck_assert_int_eq(s.sink, SA_SINK_SQLITE);
    ck_assert_str_eq(s.state_dir, "/x");
    sa_settings_free(&s);
}
END_TEST

START_TEST(problems_are_bounded)
{
    struct fixture f;
    struct sa_settings s;
    char *problems, *text = calloc(1, 200000);
    size_t n = 0;
    fixture_make(&f);
    for (int i = 0; i < 9000; i++)
        n += (size_t)snprintf(text + n, 200000 - n, "qqqq%d: 1\n", i);
    fixture_write(&f, "main.yml", text);
    ck_assert_int_eq(fixture_load(&f, &s, &problems), -1);
    ck_assert_ptr_nonnull(strstr(problems, "7001 more problems are not shown"));
    free(problems);
    free(text);
    fixture_remove(&f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("config_load");
    TCase *t = tcase_create("load");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, nothing_configured_gives_defaults);
    tcase_add_test(t, armory_files_load_unchanged);
    tcase_add_test(t, files_are_merged_in_order);
    tcase_add_test(t, a_kubeconfig_file_among_accounts_is_one);
    tcase_add_test(t, all_problems_are_told_in_order);
    tcase_add_test(t, unreadable_files_are_told);
    tcase_add_test(t, variables_are_put_in);
    tcase_add_test(t, dotted_keys_are_maps);
    tcase_add_test(t, values_of_wrong_kinds);
    tcase_add_test(t, lists_may_be_text);
    tcase_add_test(t, ignored_keys_warn_once);
    tcase_add_test(t, unsafe_keys_are_refused);
    tcase_add_test(t, tokens_need_tls);
    tcase_add_test(t, accounts_inherit);
    tcase_add_test(t, sink_follows_clouddriver);
    tcase_add_test(t, problems_are_bounded);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
