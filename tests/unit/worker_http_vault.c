/* SPDX-License-Identifier: Apache-2.0 */
/* A kubeconfig in Vault, over TLS: whom it trusts, what it asks by, and what it says. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "worker/secret_store.h"
#include "worker_http_test.h"

#define TOKEN "a-token-of-vault"

static const uint8_t key[32] = {1};
static char url[64], ca_file[128], token_file[128];
static char method[] = "TOKEN", reference[64];

static void setup(void)
{
    unsetenv("HTTPS_PROXY");
    unsetenv("https_proxy");
    unsetenv("ALL_PROXY");
    unsetenv("all_proxy");
    test_write("vault-token", TOKEN "\n");
    snprintf(token_file, sizeof(token_file), "%s", test_path("vault-token"));
}

/* An account whose secret is in the server of that port; ca: a file of the run's directory, or
 * NULL. */
static struct sa_account in_vault(const char *port, const char *name, const char *ca)
{
    struct sa_account a = test_account("https://h:1", "", "");
    snprintf(url, sizeof(url), "https://127.0.0.1:%d/", test_port(port));
    snprintf(reference, sizeof(reference), "encryptedFile:vault!e:kv!p:%s!k:kubeconfig", name);
    snprintf(ca_file, sizeof(ca_file), "%s", ca != NULL ? test_path(ca) : "");
    a.kubeconfig_file = reference;
    a.vault_url = url;
    a.vault_auth_method = method;
    a.vault_token_file = token_file;
    a.vault_ca_file = ca != NULL ? ca_file : NULL;
    return a;
}

static int fetch(const struct sa_account *a, struct sa_secret *out, struct sa_err **err)
{
    struct sa_secret_store *s = NULL;
    int rc = sa_secret_store_open(a, key, &s, err);
    if (rc == 0)
        rc = sa_secret_store_fetch(s, NULL, NULL, out, err);
    sa_secret_store_free(s);
    return rc;
}

static void must_say(const struct sa_account *a, enum sa_code code, const char *part,
                     const char *other)
{
    struct sa_secret out = {0};
    SA_CLEANUP(sa_err_free) struct sa_err *e = NULL;
    ck_assert_int_eq(fetch(a, &out, &e), -1);
    ASSERT_CONTAINS(e->msg, part);
    ASSERT_CONTAINS(e->msg, other);
    ck_assert_str_eq(sa_code_name(e->code), sa_code_name(code));
    ck_assert_ptr_null(strstr(e->msg, TOKEN));
    if (strstr(part, "expired") != NULL)
        ck_assert_ptr_null(strstr(e->msg, "is the CA of"));
    ck_assert_ptr_null(out.p);
}

static void must_get(const struct sa_account *a, const char *want)
{
    struct sa_secret out = {0};
    SA_CLEANUP(sa_err_free) struct sa_err *e = NULL;
    ck_assert_msg(fetch(a, &out, &e) == 0, "%s", sa_err_msg(e));
    ck_assert_str_eq(out.p, want);
    sa_secret_free(&out);
}

START_TEST(test_own_ca_and_namespace)
{
    char namespace[] = "team/eu";
    struct sa_account a = in_vault("tls", "prod", "ca.crt");
    must_get(&a, "of the namespace <>");
    a.vault_namespace = namespace;
    must_get(&a, "of the namespace <team/eu>");
    a = in_vault("h1", "prod", "ca.crt");
    must_get(&a, "of the namespace <>");
}
END_TEST

START_TEST(test_whom_it_does_not_trust)
{
    struct sa_account a = in_vault("tls", "prod", "other-ca.crt");
    must_say(&a, SA_ETLS, "certificate", "is the CA of its certificate in secrets.vault.caFile?");
    a = in_vault("tls", "prod", NULL); /* the system's */
    must_say(&a, SA_ETLS, "certificate", "is the CA of its certificate in secrets.vault.caFile?");
    a = in_vault("expired", "prod", "ca.crt");
    must_say(&a, SA_ETLS, "certificate has expired", "/v1/kv/data/prod");
    test_write("no-ca", "no certificate\n");
    a = in_vault("tls", "prod", "no-ca");
    must_say(&a, SA_ETLS, "secrets.vault.caFile holds no certificates", "");
    test_write("empty-ca", "");
    a = in_vault("tls", "prod", "empty-ca");
    must_say(&a, SA_ECREDENTIAL, "secrets.vault.caFile", "is empty");
    a = in_vault("tls", "prod", "absent-ca");
    must_say(&a, SA_ESYSTEM, "secrets.vault.caFile", "No such file");
}
END_TEST

START_TEST(test_what_vault_answers)
{
    struct sa_account a = in_vault("tls", "none", "ca.crt");
    must_say(&a, SA_ENOTFOUND, "Vault has no secret none in the engine kv", "");
    a = in_vault("tls", "moved", "ca.crt");
    must_say(&a, SA_EREFUSED, "another address is meant", "secrets.vault.url");
    a = in_vault("tls", "prod", "ca.crt");
    reference[strlen(reference) - 1] = 'x';
    must_say(&a, SA_ECREDENTIAL, "no text under k:kubeconfix", "");
    a = in_vault("tls", "prod", "ca.crt");
    snprintf(token_file, sizeof(token_file), "%s", test_path("wrong-token"));
    test_write("wrong-token", "another\n");
    must_say(&a, SA_EFORBIDDEN, "403: permission denied", "allow read of kv/data/prod");
    a = in_vault("plain", "prod", NULL); /* TLS where there is none */
    must_say(&a, SA_ETLS, "127.0.0.1", "");
}
END_TEST

TCase *worker_http_vault(void)
{
    TCase *t = tcase_create("vault");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, test_own_ca_and_namespace);
    tcase_add_test(t, test_whom_it_does_not_trust);
    tcase_add_test(t, test_what_vault_answers);
    return t;
}
