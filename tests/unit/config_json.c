/* SPDX-License-Identifier: Apache-2.0 */
/* Settings on their way to other processes: JSON both ways, the reader's answer, secrets, what is
 * printed. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/process.h"
#include "config/answer.h"
#include "config/print.h"
#include "config_fixture.h"

static const uint8_t key[32] = "0123456789abcdef0123456789abcde";

static const char full[] =
    "agentId: \"a \\\"quoted\\\" \xc3\xa9\"\nsink: jsonl\nuser: $$x\nsandbox: required\n"
    "clouddriver: {insecure: false, auth: {token: hunter2}, tls: {clientCertFile: /c, "
    "clientKeyFilePassword: "
    "pass1}, backoff: {multiplier: 2.25}}\n"
    "logging: {format: json, fields: {\"k 1\": v1, k2: ''}}\n"
    "kubernetes:\n  redact: [spec.a]\n"
    "  accounts:\n"
    "  - name: one\n    kubeConfigFile: /dev/null\n    context: c\n    kinds: [pod, Foo.bar.io]\n"
    "    permissions: {READ: [r1, r2], WRITE: []}\n"
    "    customResourceDefinitions: [{kind: A.b}, {kind: C.d, scope: Cluster}]\n"
    "    redact: [spec.b]\n"
    "  - {name: two, serviceAccount: true, noProxy: true}\n";

static void load_full(struct fixture *f, struct sa_settings *s)
{
    char *problems;
    fixture_make(f);
    fixture_write(f, "main.yml", full);
    ck_assert_msg(fixture_load(f, s, &problems) == 0, "%s", problems);
    ck_assert_str_eq(problems, "");
    free(problems);
}

START_TEST(settings_survive_json)
{
    struct fixture f;
    struct sa_settings s, again;
    char *json, *twice;
    load_full(&f, &s);
    ck_assert_int_eq(sa_settings_to_json(&s, &json, NULL), 0);
    ck_assert_ptr_null(strstr(json, "hunter2"));
    ck_assert_ptr_null(strstr(json, "pass1"));
    struct sa_err *err = NULL;
    ck_assert_msg(sa_settings_from_json(json, &again, &err) == 0, "%s", sa_err_msg(err));
    ck_assert_str_eq(again.agent_id, s.agent_id);
    ck_assert_int_eq(again.sink, SA_SINK_JSONL);
    ck_assert_str_eq(again.user, "$x");
    ck_assert_ptr_null(again.zone_id);
    ck_assert_ptr_null(again.clouddriver.token);
    ck_assert(again.clouddriver.backoff_multiplier > 2.24 &&
              again.clouddriver.backoff_multiplier < 2.26);
    ck_assert(again.log_json);
    ck_assert_uint_eq(again.n_log_fields, 2);
    ck_assert_int_eq(sa_settings_to_json(&again, &twice, NULL), 0);
    ck_assert_str_eq(json, twice);
    free(json);
    free(twice);
    sa_settings_free(&again);
    sa_settings_free(&s);
    fixture_remove(&f);
}
END_TEST

START_TEST(accounts_survive_json)
{
    struct fixture f;
    struct sa_settings s;
    load_full(&f, &s);
    for (size_t i = 0; i < s.n_accounts; i++) {
        struct sa_account again;
        struct sa_err *err = NULL;
        char *json, *twice;
        ck_assert_int_eq(sa_account_to_json(&s.accounts[i], &json, NULL), 0);
        ck_assert_msg(sa_account_from_json(json, &again, &err) == 0, "%s", sa_err_msg(err));
        ck_assert_str_eq(again.name, s.accounts[i].name);
        ck_assert_uint_eq(again.n_crds, s.accounts[i].n_crds);
        ck_assert_uint_eq(again.n_permissions, s.accounts[i].n_permissions);
        ck_assert_int_eq(again.worker_memory_bytes, s.worker_memory_bytes);
        ck_assert_str_eq(again.sandbox, "required");
        ck_assert_int_eq(again.no_proxy, i == 1);
        ck_assert_uint_gt(again.exec_env.n, 5);
        ck_assert_int_eq(sa_account_to_json(&again, &twice, NULL), 0);
        ck_assert_str_eq(json, twice);
        free(json);
        free(twice);
        sa_account_free(&again);
    }
    sa_settings_free(&s);
    fixture_remove(&f);
}
END_TEST

START_TEST(wrong_json_is_refused)
{
    struct fixture f;
    struct sa_settings s, out;
    struct sa_account account;
    char *json;
    load_full(&f, &s);
    ck_assert_int_eq(sa_settings_from_json("", &out, NULL), -1);
    ck_assert_int_eq(sa_settings_from_json("[]", &out, NULL), -1);
    ck_assert_int_eq(sa_settings_from_json("{}", &out, NULL), -1);
    ck_assert_int_eq(sa_account_from_json("{\"name\":3}", &account, NULL), -1);
    ck_assert_int_eq(sa_settings_to_json(&s, &json, NULL), 0);
    static const char *const breaks[][2] = {
        {"\"sink\":\"jsonl\"", "\"sink\":\"jsonx\""},
        {"\"sink\":\"jsonl\"", "\"sink\":1234567"},
        {"\"clouddriver.insecure\":false", "\"clouddriver.insecure\":\"abc\""},
        {"\"server.port\":8082", "\"server.port\":-802"},
        {"\"server.port\":8082", "\"server.port\":80.2"},
        {"\"k2\":\"\"", "\"k2\":77"},
    };
    for (size_t i = 0; i < sizeof breaks / sizeof breaks[0]; i++) {
        char *copy = strdup(json), *at = strstr(copy, breaks[i][0]);
        ck_assert_msg(at != NULL, "%s", breaks[i][0]);
        memcpy(at, breaks[i][1], strlen(breaks[i][1]));
        ck_assert_uint_eq(strlen(breaks[i][0]), strlen(breaks[i][1]));
        ck_assert_msg(sa_settings_from_json(copy, &out, NULL) == -1, "%s", breaks[i][1]);
        free(copy);
    }
    free(json);
    sa_settings_free(&s);
    fixture_remove(&f);
}
END_TEST

/* Answer for the files of f, made in this process. */
static void answer_of(const struct fixture *f, struct sa_config_answer *a)
{
    struct sa_sources sources;
    *a = (struct sa_config_answer){0};
    ck_assert_int_eq(sa_sources_read(&f->paths, &sources, NULL), 0);
    ck_assert_int_eq(sa_config_answer_make(&sources, key, a, NULL), 0);
    sa_sources_free(&sources);
}

START_TEST(fingerprints_follow_the_meaning)
{
    struct fixture f;
    struct sa_config_answer a, b;
    fixture_make(&f);
    fixture_write(&f, "main.yml",
                  "clouddriver: {insecure: false, auth: {token: t1}}\n"
                  "kubernetes.cacheGroupSize: 1\nkubernetes.cacheGroupDelayMs: 10\n");
    fixture_write(&f, "accounts/m.yml", "name: m\nserviceAccount: true\nkinds: [pod, job]\n");
    fixture_write(&f, "accounts/n.yml", "name: n\nserviceAccount: true\n");
    answer_of(&f, &a);
    ck_assert(a.valid);
    ck_assert_uint_eq(a.n_accounts, 2);
    ck_assert_uint_eq(a.n_files, 3);
    ck_assert_ptr_nonnull(strstr(a.accounts[0].file, "/accounts/m.yml"));
    ck_assert_ptr_null(strstr(a.settings_json, "t1"));

    /* the same in other words, and another account before it */
    fixture_write(&f, "accounts/a.yml", "name: a\nserviceAccount: true\n");
    fixture_write(&f, "accounts/m.yml",
                  "# comment\nkinds:\n  - pod\n  - \"job\"\nserviceAccount: yes\nname: m\n");
    answer_of(&f, &b);
    ck_assert_uint_eq(b.n_accounts, 3);
    ck_assert_mem_eq(a.accounts[0].fingerprint, b.accounts[1].fingerprint, 32);
    ck_assert_mem_eq(a.accounts[1].fingerprint, b.accounts[2].fingerprint, 32);
    ck_assert_mem_eq(a.settings_fingerprint, b.settings_fingerprint, 32);
    ck_assert_mem_ne(a.files[1].fingerprint, b.files[2].fingerprint, 32);
    sa_config_answer_free(&b);

    /* another kind: that account alone; another token: the agent, though it is in no JSON */
    fixture_write(&f, "accounts/m.yml", "name: m\nserviceAccount: true\nkinds: [pod]\n");
    fixture_write(&f, "main.yml",
                  "clouddriver: {insecure: false, auth: {token: t2}}\n"
                  "kubernetes.cacheGroupSize: 1\nkubernetes.cacheGroupDelayMs: 10\n");
    answer_of(&f, &b);
    ck_assert_mem_ne(a.accounts[0].fingerprint, b.accounts[1].fingerprint, 32);
    ck_assert_mem_eq(a.accounts[1].fingerprint, b.accounts[2].fingerprint, 32);
    ck_assert_mem_ne(a.settings_fingerprint, b.settings_fingerprint, 32);
    ck_assert_mem_ne(a.uplink_fingerprint, b.uplink_fingerprint, 32);
    ck_assert_str_eq(a.settings_json, b.settings_json);
    sa_config_answer_free(&b);

    /* another log level: the agent, but not its uplink */
    fixture_write(&f, "main.yml",
                  "clouddriver: {insecure: false, auth: {token: t1}}\nlogging.level: debug\n"
                  "kubernetes.cacheGroupSize: 1\nkubernetes.cacheGroupDelayMs: 10\n");
    answer_of(&f, &b);
    ck_assert(b.valid);
    ck_assert_mem_ne(a.settings_fingerprint, b.settings_fingerprint, 32);
    ck_assert_mem_eq(a.uplink_fingerprint, b.uplink_fingerprint, 32);
    sa_config_answer_free(&b);
    sa_config_answer_free(&a);
    fixture_remove(&f);
}
END_TEST

START_TEST(broken_files_make_an_invalid_answer)
{
    struct fixture f;
    struct sa_config_answer a, b;
    struct sa_buf bytes;
    fixture_make(&f);
    fixture_write(&f, "main.yml", "sinc: grpc\n");
    answer_of(&f, &a);
    ck_assert(!a.valid);
    ck_assert_ptr_null(a.settings_json);
    ck_assert_uint_eq(a.problems.n, 1);
    ck_assert_uint_eq(a.problems.v[0].line, 1);
    sa_buf_init(&bytes, 0);
    ck_assert_int_eq(sa_config_answer_encode(&a, &bytes, NULL), 0);
    ck_assert_int_eq(sa_config_answer_parse(bytes.data, bytes.len, &b, NULL), 0);
    ck_assert(!b.valid);
    ck_assert_str_eq(b.problems.v[0].text, a.problems.v[0].text);
    sa_config_answer_free(&b);
    sa_config_answer_free(&a);
    sa_buf_free(&bytes);
    fixture_remove(&f);
}
END_TEST

START_TEST(answers_are_read_as_foreign_bytes)
{
    struct fixture f;
    struct sa_settings s;
    struct sa_config_answer a, b;
    struct sa_buf bytes;
    load_full(&f, &s);
    sa_settings_free(&s);
    answer_of(&f, &a);
    sa_buf_init(&bytes, 0);
    ck_assert_int_eq(sa_config_answer_encode(&a, &bytes, NULL), 0);
    ck_assert_int_eq(sa_config_answer_parse(bytes.data, bytes.len, &b, NULL), 0);
    ck_assert(b.valid);
    ck_assert_str_eq(b.accounts[1].json, a.accounts[1].json);
    ck_assert_str_eq(b.accounts[1].name, "two");
    sa_config_answer_free(&b);
    for (size_t n = 0; n < bytes.len; n++) { /* cut anywhere */
        char *cut = malloc(n + 1);
        memcpy(cut, bytes.data, n);
        ck_assert_int_eq(sa_config_answer_parse(cut, n, &b, NULL), -1);
        free(cut);
    }
    for (size_t i = 0; i < bytes.len; i++) { /* any byte wrong: no crash, no leak */
        char old = bytes.data[i];
        bytes.data[i] = (char)0xff;
        if (sa_config_answer_parse(bytes.data, bytes.len, &b, NULL) == 0)
            sa_config_answer_free(&b);
        bytes.data[i] = old;
    }
    sa_buf_addc(&bytes, 0);
    ck_assert_int_eq(sa_config_answer_parse(bytes.data, bytes.len, &b, NULL), -1);
    sa_buf_free(&bytes);
    sa_config_answer_free(&a);
    fixture_remove(&f);
}
END_TEST

/* Runs the reader as the supervisor does, as an unprivileged user where we are root. */
static int run_reader(const struct fixture *f, const char *const *extra, size_t n,
                      struct sa_buf *out)
{
    int fds[2];
    ck_assert_int_eq(pipe(fds), 0);
    uid_t uid = getuid() == 0 ? 65534 : 0;
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        _exit(sa_config_reader_child(&f->paths, extra, n, key, uid, uid, fds[1]));
    close(fds[1]);
    char chunk[4096];
    for (ssize_t r; (r = read(fds[0], chunk, sizeof chunk)) != 0;) {
        ck_assert(r > 0 || errno == EINTR);
        if (r > 0)
            sa_buf_add(out, chunk, (size_t)r);
    }
    close(fds[0]);
    int status = 0;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status;
}

START_TEST(the_reader_answers_from_its_own_process)
{
    struct fixture f;
    struct sa_settings s;
    struct sa_config_answer a;
    struct sa_buf out;
    char credential[128], missing[128];
    const char *preload = getenv("LD_PRELOAD");
    if (preload != NULL && strstr(preload, "vgpreload") != NULL)
        return; /* valgrind does system calls of its own, which the sandbox ends the process for */
    load_full(&f, &s);
    sa_settings_free(&s);
    fixture_write(&f, "cred", "secret bytes");
    snprintf(credential, sizeof credential, "%s/cred", f.dir);
    snprintf(missing, sizeof missing, "%s/missing", f.dir);
    ck_assert_int_eq(chmod(credential, 0600), 0); /* readable before privileges are gone, alone */
    ck_assert_int_eq(chmod(f.main_file, 0600), 0);
    sa_buf_init(&out, 0);
    int status = run_reader(&f, (const char *const[]){credential, missing}, 2, &out);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", (unsigned)status);
    ck_assert_int_eq(sa_config_answer_parse(out.data, out.len, &a, NULL), 0);
    ck_assert_msg(a.valid, "%s", a.problems.n > 0 ? a.problems.v[0].text : "");
    ck_assert_uint_eq(a.n_accounts, 2);
    ck_assert_uint_eq(a.n_files, 3);
    static const uint8_t zero[32];
    uint8_t want[32];
    sa_fingerprint(key, "secret bytes", 12, want);
    for (size_t i = 0; i < a.n_files; i++) {
        if (strcmp(a.files[i].path, credential) == 0)
            ck_assert_mem_eq(a.files[i].fingerprint, want, 32);
        else if (strcmp(a.files[i].path, missing) == 0)
            ck_assert_mem_eq(a.files[i].fingerprint, zero, 32);
        else
            ck_assert_mem_ne(a.files[i].fingerprint, zero, 32);
    }
    ck_assert_ptr_null(memmem(out.data, out.len, "hunter2", 7));
    ck_assert_ptr_null(memmem(out.data, out.len, "secret bytes", 12));
    sa_config_answer_free(&a);
    sa_buf_free(&out);
    fixture_remove(&f);
}
END_TEST

START_TEST(secrets_are_found_by_those_who_need_them)
{
    struct fixture f;
    struct sa_sources files;
    struct sa_clouddriver c = {0};
    fixture_make(&f);
    setenv("SA_TEST_TOKEN", "from env", 1);
    fixture_write(&f, "main.yml",
                  "clouddriver: {auth: {token: first}, tls: {clientKeyFilePassword: p$$w}}\n");
    fixture_write(&f, "local.yml", "clouddriver.auth.token: ${SA_TEST_TOKEN}\n");
    fixture_write(&f, "accounts/a.yml", "- {name: x}\n- [\n");
    char account[128];
    snprintf(account, sizeof account, "%s/accounts/a.yml", f.dir);
    const char *const list[] = {f.main_file, f.local_file, account, "/nonexistent", NULL};
    ck_assert_int_eq(sa_sources_read_files(list, &files, NULL), 0);
    ck_assert_int_eq(sa_sources_secrets(&files, &c, NULL), 0);
    ck_assert_str_eq(c.token, "from env");
    ck_assert_str_eq(c.tls_client_key_password, "p$w");
    sa_sources_free(&files);
    free(c.token);
    free(c.tls_client_key_password);
    fixture_remove(&f);
}
END_TEST

static char *printed(const struct fixture *f)
{
    struct sa_buf out;
    struct sa_problems problems;
    sa_buf_init(&out, 0);
    ck_assert_int_eq(sa_config_print(&f->paths, &out, &problems, NULL), 0);
    sa_problems_free(&problems);
    return out.data;
}

START_TEST(what_is_printed_loads_again)
{
    struct fixture f;
    struct sa_settings s, again;
    char *problems, *before, *after;
    load_full(&f, &s);
    char *first = printed(&f);
    ck_assert_ptr_null(strstr(first, "hunter2"));
    ck_assert_ptr_null(strstr(first, "pass1"));
    ck_assert_ptr_nonnull(strstr(first, "token: \"********\"\n"));
    fixture_write(&f, "main.yml", first);
    ck_assert_msg(fixture_load(&f, &again, &problems) == 0, "%s\n%s", problems, first);
    ck_assert_str_eq(problems, "");
    free(problems);
    ck_assert_int_eq(sa_settings_to_json(&s, &before, NULL), 0);
    ck_assert_int_eq(sa_settings_to_json(&again, &after, NULL), 0);
    ck_assert_str_eq(before, after);
    free(before);
    free(after);
    for (size_t i = 0; i < s.n_accounts; i++) {
        ck_assert_int_eq(sa_account_to_json(&s.accounts[i], &before, NULL), 0);
        ck_assert_int_eq(sa_account_to_json(&again.accounts[i], &after, NULL), 0);
        ck_assert_str_eq(before, after);
        free(before);
        free(after);
    }
    char *second = printed(&f);
    ck_assert_str_eq(first, second);
    free(first);
    free(second);
    sa_settings_free(&again);
    sa_settings_free(&s);
    fixture_remove(&f);
}
END_TEST

int main(void)
{
    sa_hash_init();
    Suite *s = suite_create("config_json");
    TCase *t = tcase_create("json");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, settings_survive_json);
    tcase_add_test(t, accounts_survive_json);
    tcase_add_test(t, wrong_json_is_refused);
    tcase_add_test(t, fingerprints_follow_the_meaning);
    tcase_add_test(t, broken_files_make_an_invalid_answer);
    tcase_add_test(t, answers_are_read_as_foreign_bytes);
    tcase_add_test(t, the_reader_answers_from_its_own_process);
    tcase_add_test(t, secrets_are_found_by_those_who_need_them);
    tcase_add_test(t, what_is_printed_loads_again);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
