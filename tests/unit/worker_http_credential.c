/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker/credential_internal.h"
#include "worker_http_test.h"

static const uint8_t key[32] = {1};
static struct sa_loop *loop;

static void setup(void)
{
    loop = sa_loop_new(NULL);
    ck_assert_ptr_nonnull(loop);
}

static void teardown(void)
{
    sa_loop_free(loop);
}

/* "    key: DIR/name\n" */
static const char *file_line(const char *name, const char *file)
{
    static char lines[4][160];
    static unsigned next;
    char *p = lines[next++ % 4];
    snprintf(p, sizeof(lines[0]), "    %s: %s/%s\n", name, test_dir(), file);
    return p;
}

static const char *join2(const char *a, const char *b)
{
    static char out[2][512];
    static unsigned next;
    char *p = out[next++ % 2];
    snprintf(p, sizeof(out[0]), "%s%s", a, b);
    return p;
}

static int load(const struct sa_account *a, uid_t uid, struct sa_credential **out,
                struct sa_err **err)
{
    *out = NULL;
    if (sa_credential_open(a, key, uid, uid, out, err) != 0)
        return -1;
    if (sa_credential_parse(*out, loop, -1, err) == 0)
        return 0;
    sa_credential_free(*out);
    *out = NULL;
    return -1;
}

static struct sa_credential *must_load(const struct sa_account *a, uid_t uid)
{
    struct sa_credential *c;
    struct sa_err *e = NULL;
    int rc = load(a, uid, &c, &e);
    ck_assert_msg(rc == 0, "%s", sa_err_msg(e));
    return c;
}

static void must_fail(const struct sa_account *a, enum sa_code code, const char *part)
{
    struct sa_credential *c;
    struct sa_err *e = NULL;
    ck_assert_int_eq(load(a, 0, &c, &e), -1);
    ASSERT_CONTAINS(e->msg, part);
    ck_assert_str_eq(sa_code_name(e->code), sa_code_name(code));
    sa_err_free(&e);
}

/* The n-th header of the present identity; "" if there is none. */
static const char *header(struct sa_credential *c, int n)
{
    static char text[256];
    struct sa_identity *i = NULL;
    ck_assert_int_eq(sa_credential_identity(c, &i, NULL), SA_CREDENTIAL_READY);
    const struct curl_slist *l = i->headers;
    while (l != NULL && n-- > 0)
        l = l->next;
    snprintf(text, sizeof(text), "%s", l != NULL ? l->data : "");
    sa_identity_release(i);
    return text;
}

START_TEST(test_files)
{
    struct sa_account a =
        test_account("https://127.0.0.1:6443", file_line("certificate-authority", "ca.crt"),
                     join2(file_line("client-certificate", "client.crt"),
                           file_line("client-key", "client.key")));
    /* With a uid the YAML is read by a child. */
    struct sa_credential *c = must_load(&a, _i == 1 ? 65534 : 0);
    size_t n;
    const struct sa_credential_file *f = sa_credential_files(c, &n);
    ck_assert_uint_eq(n, 4);
    ck_assert_str_eq(f[1].path, test_path("ca.crt"));
    ck_assert(!f[1].rereads);
    ck_assert_mem_ne(f[1].fingerprint, f[2].fingerprint, 32);
    const uint16_t *ports = sa_credential_ports(c, &n);
    ck_assert_uint_eq(n, 1);
    ck_assert_uint_eq(ports[0], 6443);
    ck_assert(!sa_credential_needs_helper(c));
    (void)sa_credential_paths(c, &n);
    ck_assert_uint_eq(n, 0);
    ck_assert_str_eq(header(c, 0), "");
    ck_assert_ptr_nonnull(c->pem.cert);
    sa_credential_free(c);
}
END_TEST

START_TEST(test_child_says_why)
{
    struct sa_account a = test_account("https://h:6443", "", "    token: {a: b}\n");
    struct sa_credential *c = NULL;
    struct sa_err *e = NULL;
    ck_assert_int_eq(sa_credential_open(&a, key, 65534, 65534, &c, &e), -1);
    ASSERT_CONTAINS(e->msg, "token is a map, expected a string");
    ASSERT_CONTAINS(e->msg, a.kubeconfig_file);
    ck_assert_int_eq(e->code, SA_ECONFIG);
    sa_err_free(&e);
}
END_TEST

START_TEST(test_missing)
{
    struct sa_account a =
        test_account("https://h", file_line("certificate-authority", "no.crt"), "");
    must_fail(&a, SA_ESYSTEM, "certificate authority: ");
    a = test_account("https://h", "    certificate-authority: /dev/zero\n", "");
    must_fail(&a, SA_ECREDENTIAL, "is not a regular file");
    ck_assert_int_eq(mkfifo(test_path("fifo"), 0600), 0);
    a = test_account("https://h", "", file_line("tokenFile", "fifo"));
    must_fail(&a, SA_ECREDENTIAL, "is not a regular file");
    ck_assert_int_eq(truncate(test_path("kubeconfig"), 2 << 20), 0);
    must_fail(&a, SA_ELIMIT, "longer than 1 MB");
    static char no_file[] = "/nonexistent/kubeconfig";
    a.kubeconfig_file = no_file;
    must_fail(&a, SA_ESYSTEM, "/nonexistent/kubeconfig: No such file");
    a.kubeconfig_file = NULL;
    must_fail(&a, SA_ECONFIG, "neither kubeconfigFile nor serviceAccount");
}
END_TEST

static const struct {
    const char *ca, *cert, *key, *error;
} pairs[] = {
    {"server.key", "client.crt", "client.key", "holds no certificate in PEM form"},
    {"token", "client.crt", "client.key", "token is empty"},
    {"ca.crt", "client.key", "client.key", "holds no certificate"},
    {"ca.crt", "client.crt", "client.crt", "holds no private key"},
    {"ca.crt", "client.crt", "client2.key", "client2.key does not belong to"},
    {"ca.crt", "client.crt", "client-locked.key", "without a password"},
    {"ca.crt", "client-expired.crt", "client-expired.key",
     "the client certificate expired on 2020-02-01T00:00:00Z"},
    {"ca.crt", "client-early.crt", "client-early.key", NULL},
};

START_TEST(test_pairs)
{
    char user[512];
    test_write("token", "");
    snprintf(user, sizeof(user), "%s%s", file_line("client-certificate", pairs[_i].cert),
             file_line("client-key", pairs[_i].key));
    struct sa_account a =
        test_account("https://h", file_line("certificate-authority", pairs[_i].ca), user);
    if (pairs[_i].error != NULL)
        must_fail(&a, SA_ECREDENTIAL, pairs[_i].error);
    else
        sa_credential_free(must_load(&a, 0));
}
END_TEST

START_TEST(test_exec_is_off)
{
    struct sa_account a =
        test_account("https://h", "",
                     "    exec: {command: x, apiVersion: client.authentication.k8s.io/v1beta1}\n");
    must_fail(&a, SA_ECONFIG, "set allowExec of the account to true");
    struct sa_credential *c = NULL;
    ck_assert_int_eq(sa_credential_open(&a, key, 0, 0, &c, NULL), 0);
    ck_assert(sa_credential_needs_helper(c));
    sa_credential_free(c);
}
END_TEST

START_TEST(test_headers)
{
    struct sa_account a = test_account("https://h", "",
                                       "    token: abc\n    as: me\n    as-uid: '7'\n"
                                       "    as-groups: [g]\n    as-user-extra: {A/b: [v]}\n");
    struct sa_credential *c = must_load(&a, 0);
    ck_assert_str_eq(header(c, 0), "Authorization: Bearer abc");
    ck_assert_str_eq(header(c, 1), "Impersonate-User: me");
    ck_assert_str_eq(header(c, 2), "Impersonate-Uid: 7");
    ck_assert_str_eq(header(c, 3), "Impersonate-Group: g");
    ck_assert_str_eq(header(c, 4), "Impersonate-Extra-a%2Fb: v");
    ck_assert_str_eq(header(c, 5), "");
    sa_credential_free(c);

    a = test_account("https://h", "", "    username: Aladdin\n    password: open sesame\n");
    c = must_load(&a, 0);
    /* RFC 7617, section 2 */
    ck_assert_str_eq(header(c, 0), "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    sa_credential_free(c);

    /* client-go presents nothing over plain HTTP. */
    a = test_account("http://h", "", "    token: abc\n");
    c = must_load(&a, 0);
    ck_assert_str_eq(header(c, 0), "");
    sa_credential_free(c);

    a = test_account("https://h", "", "    as: \"me\\r\\nX-Evil: 1\"\n");
    c = must_load(&a, 0);
    struct sa_identity *i = NULL;
    ck_assert_int_eq(sa_credential_identity(c, &i, NULL), SA_CREDENTIAL_FAILED);
    sa_credential_free(c);

    a = test_account("https://h", "", "    token: \"a b\"\n");
    must_fail(&a, SA_ECREDENTIAL, "odd bytes");
}
END_TEST

START_TEST(test_token_file)
{
    test_write("token", " one\n");
    /* tokenFile goes before token. */
    struct sa_account a = test_account(
        "https://h", "", join2(file_line("tokenFile", "token"), "    token: static\n"));
    struct sa_credential *c = must_load(&a, 0);
    size_t n;
    const struct sa_credential_file *f = sa_credential_files(c, &n);
    ck_assert(n == 2 && f[1].rereads);
    (void)sa_credential_paths(c, &n);
    ck_assert_uint_gt(n, 0);
    ck_assert_str_eq(header(c, 0), "Authorization: Bearer one");

    struct sa_identity *i = NULL;
    ck_assert_int_eq(sa_credential_identity(c, &i, NULL), SA_CREDENTIAL_READY);
    ck_assert(!sa_credential_rejected(c, i)); /* the file has nothing else */
    test_write("token", "two");
    ck_assert_str_eq(header(c, 0), "Authorization: Bearer one"); /* younger than a minute */
    ck_assert(sa_credential_rejected(c, i));
    ck_assert_str_eq(header(c, 0), "Authorization: Bearer two");
    ck_assert(sa_credential_rejected(c, i)); /* that was the old one already */
    ck_assert_str_eq(i->headers->data, "Authorization: Bearer one");
    sa_identity_release(i);

    test_write("token", "three");
    c->token_read_ns = 0; /* a minute has gone by */
    ck_assert_str_eq(header(c, 0), "Authorization: Bearer three");
    ck_assert_int_eq(unlink(test_path("token")), 0);
    c->token_read_ns = 0;
    ck_assert_str_eq(header(c, 0), "Authorization: Bearer three");
    sa_credential_free(c);

    test_write("token", "\n");
    must_fail(&a, SA_ECREDENTIAL, "is empty");
}
END_TEST

START_TEST(test_unreadable_token_file)
{
    test_write("token", "one");
    struct sa_account a = test_account("https://h", "", file_line("tokenFile", "token"));
    struct sa_credential *c = NULL;
    ck_assert_int_eq(sa_credential_open(&a, key, 0, 0, &c, NULL), 0);
    ck_assert_int_eq(unlink(test_path("token")), 0);
    ck_assert_int_eq(sa_credential_parse(c, loop, -1, NULL), 0);
    size_t n;
    ck_assert(!sa_credential_files(c, &n)[1].rereads);
    c->token_read_ns = 0;
    ck_assert_str_eq(header(c, 0), "Authorization: Bearer one");
    sa_credential_free(c);
}
END_TEST

START_TEST(test_service_account)
{
    struct sa_account a = {.name = (char *)(size_t) "pod", .service_account = true};
    struct sa_credential *c = NULL;
    struct sa_err *e = NULL;
    unsetenv("KUBERNETES_SERVICE_HOST");
    ck_assert_int_eq(sa_credential_open_at(&a, test_dir(), key, 0, 0, &c, &e), -1);
    ASSERT_CONTAINS(e->msg, "this is no pod");
    sa_err_free(&e);
    setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
    setenv("KUBERNETES_SERVICE_PORT", "443", 1);
    ck_assert_int_eq(sa_credential_open_at(&a, test_path("none"), key, 0, 0, &c, NULL), -1);
    test_write("token", "pod-token");
    ck_assert_int_eq(sa_credential_open_at(&a, test_dir(), key, 0, 0, &c, NULL), 0);
    ck_assert_int_eq(sa_credential_parse(c, loop, -1, NULL), 0);
    ck_assert_str_eq(sa_credential_endpoint(c)->base, "https://[fd00::1]:443");
    ck_assert_str_eq(header(c, 0), "Authorization: Bearer pod-token");
    sa_credential_free(c);
}
END_TEST

START_TEST(test_namespace)
{
    struct sa_account a = test_account("https://127.0.0.1:6443", "", "");
    struct sa_credential *c = must_load(&a, 0);
    ck_assert_str_eq(sa_credential_namespace(c), "");
    sa_credential_free(c);
#define WITH_NAMESPACE(text)                                                                       \
    "current-context: c\ncontexts:\n- name: c\n  context: {cluster: k, user: u, namespace: " text  \
    "}\n- name: d\n  context: {cluster: k, user: u, namespace: of-d}\n"                            \
    "clusters:\n- name: k\n  cluster: {server: \"https://h\"}\nusers:\n- name: u\n  user: {x: "    \
    "null}\n"
    test_write("kubeconfig", WITH_NAMESPACE("team-1"));
    c = must_load(&a, 0);
    ck_assert_str_eq(sa_credential_namespace(c), "team-1");
    sa_credential_free(c);
    static char d[] = "d";
    a.context = d;
    c = must_load(&a, 0);
    ck_assert_str_eq(sa_credential_namespace(c), "of-d");
    sa_credential_free(c);
    a.context = NULL;
    test_write("kubeconfig", WITH_NAMESPACE("../kube-system"));
    must_fail(&a, SA_ECONFIG, "\"../kube-system\" is no name of a namespace");
    test_write("kubeconfig", WITH_NAMESPACE("a0123456789012345678901234567890123456789012345678901"
                                            "2345678901234"));
    must_fail(&a, SA_ECONFIG, "is no name of a namespace");
}
END_TEST

/* POD_NAMESPACE, then the file beside the token, then none. */
START_TEST(test_pod_namespace)
{
    static const struct {
        const char *variable, *file, *namespace;
    } cases[] = {{NULL, NULL, ""}, {NULL, "spin\n", "spin"}, {"other", "spin\n", "other"}};
    struct sa_account a = {.name = (char *)(size_t) "pod", .service_account = true};
    setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1", 1);
    setenv("KUBERNETES_SERVICE_PORT", "443", 1);
    test_write("token", "pod-token");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sa_credential *c = NULL;
        if (cases[i].file != NULL)
            test_write("namespace", cases[i].file);
        if (cases[i].variable != NULL)
            setenv("POD_NAMESPACE", cases[i].variable, 1);
        else
            unsetenv("POD_NAMESPACE");
        ck_assert_int_eq(sa_credential_open_at(&a, test_dir(), key, 0, 0, &c, NULL), 0);
        ck_assert_int_eq(sa_credential_parse(c, loop, -1, NULL), 0);
        ck_assert_str_eq(sa_credential_namespace(c), cases[i].namespace);
        sa_credential_free(c);
    }
}
END_TEST

START_TEST(test_secret)
{
    struct sa_secret s = {0}, t = {0};
    ck_assert_int_eq(sa_secret_set(&s, " \n ab c\r\n", 9), 0);
    sa_secret_trim(&s);
    ck_assert_str_eq(s.p, "ab c");
    ck_assert_uint_eq(s.n, 4);
    ck_assert(!sa_secret_equal(&s, &t));
    ck_assert_int_eq(sa_secret_set(&t, "ab c", 4), 0);
    ck_assert(sa_secret_equal(&s, &t));
    ck_assert_int_eq(sa_secret_set(&t, "   ", 3), 0);
    sa_secret_trim(&t);
    ck_assert_uint_eq(t.n, 0);
    ck_assert_int_eq(sa_secret_new(&t, SIZE_MAX), -1);
    ck_assert_ptr_null(t.p);
    sa_secret_free(&s);
}
END_TEST

TCase *worker_http_credential(void)
{
    TCase *t = tcase_create("credential");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, test_files, 0, geteuid() == 0 ? 2 : 1);
    if (geteuid() == 0)
        tcase_add_test(t, test_child_says_why);
    tcase_add_test(t, test_missing);
    tcase_add_loop_test(t, test_pairs, 0, (int)(sizeof(pairs) / sizeof(pairs[0])));
    tcase_add_test(t, test_exec_is_off);
    tcase_add_test(t, test_headers);
    tcase_add_test(t, test_token_file);
    tcase_add_test(t, test_unreadable_token_file);
    tcase_add_test(t, test_service_account);
    tcase_add_test(t, test_namespace);
    tcase_add_test(t, test_pod_namespace);
    tcase_add_test(t, test_secret);
    return t;
}
