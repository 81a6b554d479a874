/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "worker/kubeconfig.h"
#include "worker_http_test.h"

#define HEAD                                                                                       \
    "current-context: c\ncontexts:\n- name: c\n  context: {cluster: k, user: u}\n"                 \
    "- name: d\n  context: {cluster: k, user: u}\n"
#define CLUSTER          "clusters:\n- name: k\n  cluster: {server: \"https://h:1\"}\n"
#define USER             "users:\n- name: u\n  user: {token: t}\n"
#define USER_OF(body)    HEAD CLUSTER "users:\n- name: u\n  user:\n" body
#define EXEC(body)       USER_OF("    exec:\n      apiVersion: client.authentication.k8s.io/v1\n" body)
#define CLUSTER_OF(body) HEAD "clusters:\n- name: k\n  cluster:\n" body USER

static const struct {
    const char *yaml, *context, *error; /* error: part of the message, NULL: fine */
} cases[] = {
    {HEAD CLUSTER USER, NULL, NULL},
    {HEAD CLUSTER USER, "d", NULL},
    {"", NULL, "the kubeconfig is empty"},
    {"- a\n", NULL, "f:1:1: the kubeconfig is a list, expected a map"},
    {"a: [\n", NULL, "f:"},
    {HEAD CLUSTER USER, "e", "f:3:1: "},
    {HEAD CLUSTER USER, "e", "no entry \"e\" in contexts"},
    {CLUSTER USER, NULL, "no current-context"},
    {HEAD USER, NULL, "no entry \"k\" in clusters"},
    {HEAD CLUSTER, NULL, "no entry \"u\" in users"},
    {HEAD "clusters: 3\n" USER, NULL, "clusters is a value, expected a list"},
    {HEAD "clusters:\n- name: k\n" USER, NULL, "has no map \"cluster\""},
    {HEAD CLUSTER "- name: k\n  cluster: {server: \"https://other:1\"}\n" USER, NULL,
     "a second entry \"k\""},
    {"current-context: c\ncontexts:\n- name: c\n  context: {user: u}\n" CLUSTER USER, NULL,
     "the context has no cluster"},
    {"current-context: c\ncontexts:\n- name: c\n  context: {cluster: k}\n" CLUSTER USER, NULL,
     "the context has no user"},
    {CLUSTER_OF("    proxy-url: http://p\n"), NULL, "the cluster has no server"},
    {CLUSTER_OF("    server: [a]\n"), NULL, "server is a list, expected a string"},
    {CLUSTER_OF("    server: https://h\n    insecure-skip-tls-verify: maybe\n"), NULL,
     "expected true or false"},
    {CLUSTER_OF("    server: https://h\n    insecure-skip-tls-verify: true\n"
                "    certificate-authority: x\n"),
     NULL, "exclude each other"},
    {CLUSTER_OF("    server: https://h\n    certificate-authority-data: '%%%'\n"), NULL,
     "certificate-authority-data is not base64"},
    {USER_OF("    client-certificate: x\n"), NULL, "client-key"},
    {USER_OF("    client-key-data: eA==\n"), NULL, "client-certificate"},
    {USER_OF("    token: t\n    username: n\n"), NULL, "a token and a username"},
    {USER_OF("    token: {a: b}\n"), NULL, "token is a map"},
    {USER_OF("    auth-provider: {name: gcp}\n"), NULL, "auth-provider was removed"},
    {USER_OF("    as-groups: [a]\n"), NULL, "need `as`"},
    {USER_OF("    as: me\n    as-user-extra: {k: v}\n"), NULL, "as-user-extra"},
    {USER_OF("    exec: 3\n"), NULL, "exec: expected a map"},
    {USER_OF("    exec: {command: x, apiVersion: client.authentication.k8s.io/v1alpha1}\n"), NULL,
     "apiVersion must be"},
    {EXEC("      interactiveMode: Never\n"), NULL, "exec has no command"},
    {EXEC("      command: x\n"), NULL, "set Never"},
    {EXEC("      command: x\n      interactiveMode: Always\n"), NULL, "a daemon has none"},
    {EXEC("      command: x\n      interactiveMode: Often\n"), NULL, "none of Never"},
    {EXEC("      command: x\n      interactiveMode: Never\n    token: t\n"), NULL, "keep one"},
    {EXEC("      command: x\n      interactiveMode: Never\n      env: [{value: a}]\n"), NULL,
     "needs a name"},
    {USER_OF("    exec: {command: x, apiVersion: client.authentication.k8s.io/v1beta1}\n"), NULL,
     NULL},
};

START_TEST(test_cases)
{
    struct sa_kubeconfig k;
    struct sa_err *e = NULL;
    int rc =
        sa_kubeconfig_parse("f", cases[_i].yaml, strlen(cases[_i].yaml), cases[_i].context, &k, &e);
    if (cases[_i].error == NULL) {
        ck_assert_msg(rc == 0, "case %d: %s", _i, sa_err_msg(e));
        ck_assert_str_eq(k.server, "https://h:1");
        sa_kubeconfig_free(&k);
    } else {
        ck_assert_int_eq(rc, -1);
        ASSERT_CONTAINS(e->msg, cases[_i].error);
        ck_assert_int_eq(e->code, SA_ECONFIG);
        ck_assert_ptr_null(k.server);
    }
    sa_err_free(&e);
    /* Whoever does not want the reason gets the same result. */
    ck_assert_int_eq(sa_kubeconfig_parse("f", cases[_i].yaml, strlen(cases[_i].yaml),
                                         cases[_i].context, &k, NULL),
                     rc);
    if (rc == 0)
        sa_kubeconfig_free(&k);
}
END_TEST

START_TEST(test_everything)
{
    static const char yaml[] = HEAD
        "clusters:\n- name: k\n  cluster:\n    server: https://h:1\n"
        "    tls-server-name: n\n    proxy-url: http://p:2\n    certificate-authority: ca.crt\n"
        "    extensions:\n    - name: client.authentication.k8s.io/exec\n"
        "      extension: {a: [1, true, null, x, \"1\"]}\n"
        "users:\n- name: u\n  user:\n    client-certificate: /abs/c\n"
        "    client-key-data: |\n      YWJj\n      ZGVm\n"
        "    as: me\n    as-uid: '7'\n    as-groups: [g, h]\n    as-user-extra: {K: [v, w]}\n"
        "    exec:\n      apiVersion: client.authentication.k8s.io/v1\n"
        "      interactiveMode: IfAvailable\n      command: bin/plugin\n      args: [a, b]\n"
        "      env: [{name: N, value: V}, {name: E}]\n      provideClusterInfo: true\n";
    struct sa_kubeconfig k;
    struct sa_err *e = NULL;
    int rc = sa_kubeconfig_parse("/etc/x/config", yaml, strlen(yaml), NULL, &k, &e);
    ck_assert_msg(rc == 0, "%s", sa_err_msg(e));
    ck_assert_str_eq(k.context, "c");
    ck_assert_str_eq(k.tls_server_name, "n");
    ck_assert_str_eq(k.proxy_url, "http://p:2");
    ck_assert_str_eq(k.ca_file, "/etc/x/ca.crt");
    ck_assert_str_eq(k.cert_file, "/abs/c");
    ck_assert_uint_eq(k.key_data.n, 6);
    ck_assert_mem_eq(k.key_data.p, "abcdef", 6);
    ck_assert_str_eq(k.as, "me");
    ck_assert_str_eq(k.as_uid, "7");
    ck_assert_uint_eq(k.n_as_groups, 2);
    ck_assert_str_eq(k.as_groups[1], "h");
    ck_assert_uint_eq(k.n_as_extra, 2);
    ck_assert_str_eq(k.as_extra[1].name, "K");
    ck_assert_str_eq(k.as_extra[1].value, "w");
    ck_assert(k.has_exec && k.exec.provide_cluster_info);
    ck_assert_str_eq(k.exec.command, "/etc/x/bin/plugin");
    ck_assert_uint_eq(k.exec.n_args, 2);
    ck_assert_str_eq(k.exec.env[0].value, "V");
    ck_assert_str_eq(k.exec.env[1].value, "");
    ck_assert_str_eq(k.exec.cluster_config, "{\"a\":[1,true,null,\"x\",\"1\"]}");
    sa_kubeconfig_free(&k);
}
END_TEST

/* client-go: *-data overrides the file of the same thing. */
START_TEST(test_data_wins)
{
    static const char yaml[] =
        USER_OF("    client-certificate: /c\n    client-certificate-data: eA==\n"
                "    client-key: /k\n    client-key-data: eQ==\n    token: t\n    tokenFile: tf\n");
    struct sa_kubeconfig k;
    ck_assert_int_eq(sa_kubeconfig_parse("f", yaml, strlen(yaml), NULL, &k, NULL), 0);
    ck_assert_ptr_null(k.cert_file);
    ck_assert_ptr_null(k.key_file);
    ck_assert_str_eq(k.cert_data.p, "x");
    ck_assert_str_eq(k.token_file, "tf");
    ck_assert_str_eq(k.token.p, "t");
    sa_kubeconfig_free(&k);
}
END_TEST

/* Errors say where, never what: every value here is a secret. */
START_TEST(test_no_secret_in_errors)
{
    static const char *const yamls[] = {
        USER_OF("    token: hunter2\n    username: hunter2\n    password: hunter2\n"),
        USER_OF("    client-certificate-data: 'hunter2 %'\n"),
        USER_OF("    token: hunter2\n    exec: {env: [{name: 'a=', value: hunter2}], command: x,"
                " apiVersion: client.authentication.k8s.io/v1beta1}\n"),
        USER_OF("    token: hunter2\n    password: hunter2: 2\n"),
    };
    for (size_t i = 0; i < sizeof(yamls) / sizeof(yamls[0]); i++) {
        struct sa_kubeconfig k;
        struct sa_err *e = NULL;
        ck_assert_int_eq(sa_kubeconfig_parse("f", yamls[i], strlen(yamls[i]), NULL, &k, &e), -1);
        ck_assert_msg(strstr(e->msg, "hunter2") == NULL, "%s", e->msg);
        sa_err_free(&e);
    }
}
END_TEST

TCase *worker_http_kubeconfig(void)
{
    TCase *t = tcase_create("kubeconfig");
    tcase_add_loop_test(t, test_cases, 0, (int)(sizeof(cases) / sizeof(cases[0])));
    tcase_add_test(t, test_everything);
    tcase_add_test(t, test_data_wins);
    tcase_add_test(t, test_no_secret_in_errors);
    return t;
}
