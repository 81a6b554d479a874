/* SPDX-License-Identifier: Apache-2.0 */
/* Kubeconfig files that are sealed for this host. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/seal.h"
#include "worker/credential_internal.h"
#include "worker_http_test.h"

#define KEY "seal.key"

static const uint8_t fingerprint[32] = {1};
static struct sa_loop *loop;
static char key_file[128];
static struct sa_buf public;

/* The key of a host, as its file; its public half stays here. */
static void make_key(const char *name, mode_t mode)
{
    struct sa_buf secret;
    sa_buf_init(&secret, 0);
    sa_buf_reset(&public);
    ck_assert_int_eq(sa_seal_make_key(&secret, &public, NULL), 0);
    test_write(name, secret.data);
    ck_assert_int_eq(chmod(test_path(name), mode), 0);
    sa_buf_free(&secret);
}

static void setup(void)
{
    loop = sa_loop_new(NULL);
    ck_assert_ptr_nonnull(loop);
    sa_buf_init(&public, 0);
    snprintf(key_file, sizeof(key_file), "%s", test_path(KEY));
    make_key(KEY, 0600);
}

static void teardown(void)
{
    sa_loop_free(loop);
    sa_buf_free(&public);
    (void)unlink(key_file);
}

/* An account whose kubeconfig was sealed; its last byte is left out with `cut`. */
static struct sa_account sealed_account(bool cut)
{
    static char text[16384];
    struct sa_account a = test_account("https://h:6443", "", "    token: the-token\n");
    FILE *f = fopen(a.kubeconfig_file, "r");
    ck_assert_ptr_nonnull(f);
    size_t n = fread(text, 1, sizeof(text), f);
    ck_assert_int_eq(fclose(f), 0);
    SA_CLEANUP(sa_buf_free) struct sa_buf out = {0};
    sa_buf_init(&out, 0);
    ck_assert_int_eq(sa_seal(public.data, public.len, text, n, &out, NULL), 0);
    ck_assert_ptr_null(strstr(out.data, "the-token"));
    if (cut)
        out.data[out.len - 3] = '\0';
    test_write("kubeconfig", out.data);
    a.seal_key_file = key_file;
    return a;
}

static void must_fail(const struct sa_account *a, enum sa_code code, const char *part)
{
    SA_CLEANUP(sa_err_free) struct sa_err *e = NULL;
    struct sa_credential *c = NULL;
    ck_assert_int_eq(sa_credential_open(a, fingerprint, 0, 0, &c, &e), -1);
    ASSERT_CONTAINS(e->msg, part);
    ASSERT_CONTAINS(e->msg, "/kubeconfig: ");
    ck_assert_str_eq(sa_code_name(e->code), sa_code_name(code));
    ck_assert_ptr_null(strstr(e->msg, "the-token"));
}

START_TEST(test_opened)
{
    struct sa_account a = sealed_account(false);
    struct sa_credential *c = NULL;
    SA_CLEANUP(sa_err_free) struct sa_err *e = NULL;
    /* With a uid what was opened is parsed by a child. */
    uid_t uid = _i == 1 ? 65534 : 0;
    ck_assert_msg(sa_credential_open(&a, fingerprint, uid, uid, &c, &e) == 0, "%s", sa_err_msg(e));
    ck_assert_msg(sa_credential_parse(c, loop, -1, &e) == 0, "%s", sa_err_msg(e));
    ck_assert_str_eq(c->token.p, "the-token");
    /* What is watched is the sealed file, and the key stays nobody's business but root's. */
    size_t n = 0;
    const struct sa_credential_file *f = sa_credential_files(c, &n);
    ck_assert_uint_eq(n, 1);
    ck_assert_str_eq(f[0].path, a.kubeconfig_file);
    (void)sa_credential_paths(c, &n);
    for (size_t i = 0; i < n; i++)
        ck_assert_ptr_null(strstr(c->paths[i].path, test_dir()));
    sa_credential_free(c);
}
END_TEST

START_TEST(test_wrong_key)
{
    struct sa_account a = sealed_account(false);
    make_key(KEY, 0600);
    must_fail(&a, SA_ECREDENTIAL, "sealed for another key (");
}
END_TEST

START_TEST(test_no_key)
{
    struct sa_account a = sealed_account(false);
    ck_assert_int_eq(unlink(key_file), 0);
    must_fail(&a, SA_ESYSTEM, "seal --init");
    a.seal_key_file = NULL;
    must_fail(&a, SA_ECONFIG, "secrets.sealKeyFile is not set");
    test_write(KEY, "");
    ck_assert_int_eq(chmod(key_file, 0600), 0);
    a.seal_key_file = key_file;
    must_fail(&a, SA_ECREDENTIAL, "not one of seal --init");
}
END_TEST

static const struct {
    mode_t mode;
    bool taken;
} modes[] = {{0600, true},  {0400, true},  {0440, true},  {0640, true}, {0660, false},
             {0604, false}, {0644, false}, {0602, false}, {0601, false}};

START_TEST(test_modes)
{
    struct sa_account a = sealed_account(false);
    ck_assert_int_eq(chmod(key_file, modes[_i].mode), 0);
    if (!modes[_i].taken) {
        must_fail(&a, SA_ECREDENTIAL, "chmod 600");
        return;
    }
    struct sa_credential *c = NULL;
    ck_assert_int_eq(sa_credential_open(&a, fingerprint, 0, 0, &c, NULL), 0);
    sa_credential_free(c);
}
END_TEST

START_TEST(test_truncated)
{
    struct sa_account a = sealed_account(true);
    must_fail(&a, SA_ECREDENTIAL, "changed or is not whole");
    test_write("kubeconfig", SA_SEAL_MAGIC "\n");
    must_fail(&a, SA_ECREDENTIAL, "lost its first line");
}
END_TEST

START_TEST(test_not_from_a_store)
{
    struct sa_account a = sealed_account(false);
    struct sa_secret bytes = {0};
    SA_CLEANUP(sa_err_free) struct sa_err *e = NULL;
    struct sa_credential *c = NULL;
    ck_assert_int_eq(sa_credential_load(a.kubeconfig_file, &bytes, NULL), 0);
    ck_assert_int_eq(sa_credential_open_fetched(&a, &bytes, fingerprint, 0, 0, &c, &e), -1);
    ASSERT_CONTAINS(e->msg, "in a store of secrets it must be as kubectl reads it");
    sa_secret_free(&bytes);
}
END_TEST

TCase *worker_http_seal(void)
{
    TCase *t = tcase_create("seal");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, test_opened, 0, geteuid() == 0 ? 2 : 1);
    tcase_add_test(t, test_wrong_key);
    tcase_add_test(t, test_no_key);
    tcase_add_loop_test(t, test_modes, 0, (int)(sizeof(modes) / sizeof(modes[0])));
    tcase_add_test(t, test_truncated);
    tcase_add_test(t, test_not_from_a_store);
    return t;
}
