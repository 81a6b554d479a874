/* SPDX-License-Identifier: Apache-2.0 */
/* The credential helper as a process of its own, with the worker's side and a supervisor of one. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "config/reader.h"
#include "ipc/child.h"
#include "ipc/control.h"
#include "ipc/slot.h"
#include "worker/credential_internal.h"
#include "worker_http_test.h"

static const uint8_t key[32] = {1};

struct world {
    struct sa_loop *loop;
    struct sa_ctl *ctl;
    pid_t pid;
    int worker_fd;
    bool ready, grants, waiting;
    unsigned wants, dones, news;
    struct sa_slot *slot;
    struct sa_account account;
    struct sa_credential *cred;
};

static int on_message(void *arg, uint8_t type, struct sa_rd *body)
{
    struct world *w = arg;
    if (type == SA_CTL_FATAL) {
        char text[512];
        uint32_t code = sa_rd_u32(body);
        sa_rd_str(body, text, sizeof(text));
        ck_abort_msg("the helper says: %u %s", code, text);
    }
    w->ready = w->ready || type == SA_CTL_READY;
    w->dones += type == SA_CTL_EXEC_DONE;
    if (type == SA_CTL_EXEC_WANT) {
        w->wants++;
        if (w->grants)
            ck_assert_int_eq(sa_ctl_send(w->ctl, SA_CTL_EXEC_GRANT, NULL, NULL), 0);
    }
    return 0;
}

static void on_end(void *arg, const struct sa_err *reason)
{
    (void)arg;
    (void)reason;
}

static void on_news(void *arg)
{
    struct world *w = arg;
    w->news++;
}

/* The account as the supervisor hands it over, with the defaults of every other key. */
static char *settings(const struct sa_account *account)
{
    char text[512];
    char *json = NULL;
    snprintf(
        text, sizeof(text),
        "kubernetes:\n  accounts:\n  - name: test\n    kubeconfigFile: %s\n    allowExec: true\n",
        account->kubeconfig_file);
    test_write("scale-agent.yml", text);
    const char *const files[] = {test_path("scale-agent.yml"), NULL}, *const none[] = {NULL};
    const struct sa_config_paths paths = {files, none, none};
    struct sa_settings s;
    struct sa_problems problems = {0};
    struct sa_err *e = NULL;
    ck_assert_int_eq(sa_config_load(&paths, &s, &problems, &e), 0);
    ck_assert_uint_eq(s.n_accounts, 1);
    ck_assert_int_eq(sa_account_to_json(&s.accounts[0], &json, NULL), 0);
    sa_settings_free(&s);
    sa_problems_free(&problems);
    return json;
}

static void start(struct world *w, const char *plugin, const char *user_extra)
{
    char user[1024];
    char *json;
    int ctl[2], data[2];
    *w = (struct world){.loop = sa_loop_new(NULL), .grants = true, .slot = sa_slot_new(NULL)};
    test_write("plugin", plugin);
    ck_assert_int_eq(chmod(test_path("plugin"), 0755), 0);
    snprintf(user, sizeof(user),
             "    exec:\n      apiVersion: client.authentication.k8s.io/v1\n"
             "      interactiveMode: Never\n      command: %s\n      provideClusterInfo: true\n%s",
             test_path("plugin"), user_extra);
    w->account = test_account("https://h:1", "", user);
    w->account.allow_exec = true;
    ck_assert_int_eq(chmod(w->account.kubeconfig_file, 0600), 0);
    json = settings(&w->account);
    ck_assert_int_eq(sa_ctl_pair(ctl, NULL), 0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, data), 0);
    uid_t uid = geteuid() == 0 ? 65534 : 0;
    w->pid = fork();
    ck_assert_int_ge(w->pid, 0);
    if (w->pid == 0) {
        close(ctl[0]);
        close(data[0]);
        const struct sa_child_args args = {.control_fd = ctl[1],
                                           .slot = w->slot,
                                           .uid = uid,
                                           .gid = uid,
                                           .account = "test",
                                           .settings = json,
                                           .fingerprint_key = key,
                                           .helper_fd = data[1]};
        _exit(sa_helper_main(&args));
    }
    free(json);
    close(ctl[1]);
    close(data[1]);
    w->worker_fd = data[0];
    w->ctl = sa_ctl_new(w->loop, ctl[0], on_message, on_end, w, NULL);
    ck_assert_int_eq(sa_credential_open(&w->account, key, 0, 0, &w->cred, NULL), 0);
    ck_assert_int_eq(sa_credential_parse(w->cred, w->loop, w->worker_fd, NULL), 0);
    sa_credential_listen(w->cred, on_news, w);
}

static void turn_until(struct world *w, const unsigned *count, unsigned at_least)
{
    for (int i = 0; i < 300 && *count < at_least; i++)
        ck_assert_int_eq(sa_loop_turn(w->loop, 100, NULL), 0);
    ck_assert_uint_ge(*count, at_least);
}

static void finish(struct world *w)
{
    int status = 0;
    sa_credential_free(w->cred); /* closes its socket: the helper ends */
    ck_assert_int_eq(waitpid(w->pid, &status, 0), w->pid);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %#x", (unsigned)status);
    sa_ctl_free(w->ctl);
    sa_loop_free(w->loop);
    sa_slot_free(w->slot);
}

static void expect_token(struct world *w, const char *want)
{
    struct sa_identity *i = NULL;
    struct sa_err *e = NULL;
    enum sa_credential_state s = sa_credential_identity(w->cred, &i, &e);
    ck_assert_msg(s == SA_CREDENTIAL_READY, "%d: %s", (int)s, sa_err_msg(e));
    ck_assert_str_eq(i->headers->data, want);
    sa_identity_release(i);
}

static void expect_state(struct world *w, enum sa_credential_state want)
{
    struct sa_identity *i = NULL;
    ck_assert_int_eq(sa_credential_identity(w->cred, &i, NULL), want);
    sa_identity_release(i);
}

#define SAY(status)                                                                                \
    "#!/bin/sh\necho '{\"kind\":\"ExecCredential\","                                               \
    "\"apiVersion\":\"client.authentication.k8s.io/v1\",\"status\":" status "}'\n"

START_TEST(test_token)
{
    struct world w;
    start(&w, SAY("{\"token\":\"'$(id -u)'\"}"), "");
    expect_state(&w, SA_CREDENTIAL_WAIT);
    turn_until(&w, &w.news, 1);
    /* Never root, whoever started it. */
    char want[64];
    snprintf(want, sizeof(want), "Authorization: Bearer %u",
             geteuid() == 0 ? 65534u : (unsigned)geteuid());
    expect_token(&w, want);
    turn_until(&w, &w.dones, 1);
    ck_assert(w.ready);
    ck_assert_uint_eq(w.wants, 1);
    ck_assert_uint_gt(w.slot->heartbeat_ns, 0);

    /* A 401 to an answer just given is no reason to run the program again; later it is. */
    struct sa_identity *i = NULL;
    ck_assert_int_eq(sa_credential_identity(w.cred, &i, NULL), SA_CREDENTIAL_READY);
    ck_assert(!sa_credential_rejected(w.cred, i));
    w.cred->exec_answered_ns = 0;
    ck_assert(sa_credential_rejected(w.cred, i));
    sa_identity_release(i);
    expect_state(&w, SA_CREDENTIAL_WAIT);
    turn_until(&w, &w.news, 2);
    expect_token(&w, want);
    finish(&w);
}
END_TEST

START_TEST(test_expiry)
{
    struct world w;
    char script[512];
    char soon[32], past[32];
    time_t t = time(NULL) + 30;
    strftime(soon, sizeof(soon), "%Y-%m-%dT%H:%M:%SZ", gmtime(&t));
    t -= 60;
    strftime(past, sizeof(past), "%Y-%m-%dT%H:%M:%SZ", gmtime(&t));
    snprintf(script, sizeof(script), SAY("{\"token\":\"t\",\"expirationTimestamp\":\"%s\"}"), soon);
    start(&w, script, "");
    expect_state(&w, SA_CREDENTIAL_WAIT);
    turn_until(&w, &w.news, 1);
    /* Valid for half a minute: in use, and renewed behind it; but not with each request. */
    expect_token(&w, "Authorization: Bearer t");
    turn_until(&w, &w.dones, 1);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(sa_loop_turn(w.loop, 50, NULL), 0);
    ck_assert_uint_eq(w.wants, 1);
    w.cred->exec_answered_ns = 0;
    expect_token(&w, "Authorization: Bearer t");
    turn_until(&w, &w.news, 2);
    snprintf(script, sizeof(script), SAY("{\"token\":\"u\",\"expirationTimestamp\":\"%s\"}"), past);
    test_write("plugin", script);
    w.cred->exec_answered_ns = 0;
    expect_token(&w, "Authorization: Bearer t");
    turn_until(&w, &w.news, 3);
    /* Expired as it came: that is said, and the program not run again at once. */
    struct sa_identity *i = NULL;
    struct sa_err *e = NULL;
    ck_assert_int_eq(sa_credential_identity(w.cred, &i, &e), SA_CREDENTIAL_FAILED);
    ASSERT_CONTAINS(e->msg, "already expired, on 20");
    ASSERT_CONTAINS(e->msg, "check the clock");
    sa_err_free(&e);
    for (int n = 0; n < 5; n++) {
        expect_state(&w, SA_CREDENTIAL_FAILED);
        ck_assert_int_eq(sa_loop_turn(w.loop, 50, NULL), 0);
    }
    ck_assert_uint_eq(w.wants, 3);
    w.cred->exec_answered_ns = 0;
    expect_state(&w, SA_CREDENTIAL_WAIT);
    finish(&w);
}
END_TEST

/* A plugin that prints DIR/answer, and an answer with that certificate or, of "", a token. */
#define CAT "#!/bin/sh\ncat '%s'\n"

static void answer_with(const char *name)
{
    char path[160];
    struct sa_buf b;
    sa_buf_init(&b, 64 * 1024);
    sa_buf_adds(&b, "{\"kind\":\"ExecCredential\",\"apiVersion\":"
                    "\"client.authentication.k8s.io/v1\",\"status\":{");
    for (int k = 0; k < 2 && *name; k++) {
        snprintf(path, sizeof(path), "%s/%s.%s", test_dir(), name, k ? "key" : "crt");
        SA_CLEANUP(sa_secret_free) struct sa_secret pem = {0};
        ck_assert_int_eq(sa_credential_load(path, &pem, NULL), 0);
        sa_buf_adds(&b, k ? ",\"clientKeyData\":" : "\"clientCertificateData\":");
        sa_buf_add_json(&b, pem.p);
    }
    if (!*name)
        sa_buf_adds(&b, "\"token\":\"t\"");
    sa_buf_adds(&b, "}}");
    ck_assert(!b.failed);
    test_write("answer", b.data);
    ck_assert_int_eq(chmod(test_path("answer"), 0644), 0);
    sa_buf_free(&b);
}

START_TEST(test_certificate)
{
    struct world w;
    char script[256];
    snprintf(script, sizeof(script), CAT, test_path("answer"));
    answer_with("client");
    start(&w, script, "");
    expect_state(&w, SA_CREDENTIAL_WAIT);
    turn_until(&w, &w.news, 1);
    expect_state(&w, SA_CREDENTIAL_READY);
    ck_assert_int_eq(w.cred->exec_expires_s, w.cred->pem.not_after);
    uint64_t tls = w.cred->tls;

    /* It says nothing of when it ends, and a minute before it does there is the next one. */
    w.cred->exec_expires_s = w.cred->pem.not_after = (int64_t)time(NULL);
    w.cred->exec_answered_ns = 0;
    answer_with("client2");
    expect_state(&w, SA_CREDENTIAL_WAIT);
    turn_until(&w, &w.news, 2);
    expect_state(&w, SA_CREDENTIAL_READY);
    ck_assert_uint_eq(w.cred->tls, tls + 1);

    /* One that has a token instead: the certificate has no say any more. */
    w.cred->exec_expires_s = 0;
    w.cred->exec_answered_ns = 0;
    answer_with("");
    expect_state(&w, SA_CREDENTIAL_WAIT);
    turn_until(&w, &w.news, 3);
    expect_token(&w, "Authorization: Bearer t");
    ck_assert_ptr_null(w.cred->pem.cert);
    ck_assert_uint_eq(w.cred->tls, tls + 2);
    finish(&w);

    answer_with("client-expired");
    start(&w, script, "");
    expect_state(&w, SA_CREDENTIAL_WAIT);
    turn_until(&w, &w.news, 1);
    struct sa_identity *i = NULL;
    struct sa_err *e = NULL;
    ck_assert_int_eq(sa_credential_identity(w.cred, &i, &e), SA_CREDENTIAL_FAILED);
    ASSERT_CONTAINS(e->msg, "already expired, on 2020-02-01T00:00:00Z");
    sa_err_free(&e);
    finish(&w);
}
END_TEST

static void expect_failure(const char *plugin, const char *part)
{
    struct world w;
    struct sa_identity *i = NULL;
    struct sa_err *e = NULL;
    start(&w, plugin, "");
    expect_state(&w, SA_CREDENTIAL_WAIT);
    turn_until(&w, &w.news, 1);
    ck_assert_int_eq(sa_credential_identity(w.cred, &i, &e), SA_CREDENTIAL_FAILED);
    ASSERT_CONTAINS(e->msg, part);
    sa_err_free(&e);
    finish(&w);
}

START_TEST(test_failures)
{
    expect_failure("#!/bin/sh\necho no profile >&2; exit 7", "exit 7, its last words: no profile");
    expect_failure("#!/bin/sh\necho garbage", "is not JSON");
    expect_failure(SAY("{}"), "neither a token nor");
    expect_failure("#!/bin/sh\nhead -c 2000000 /dev/zero", "more than 1 MB");
    expect_failure(SAY("{\"clientCertificateData\":\"x\",\"clientKeyData\":\"y\"}"),
                   "holds no certificate in PEM form");
    /* Large, and whole: many packets. */
    expect_failure("#!/bin/sh\nhead -c 1000000 /dev/zero", "is not JSON");
}
END_TEST

START_TEST(test_waits_for_its_turn)
{
    struct world w;
    start(&w, SAY("{\"token\":\"t\"}"), "");
    w.grants = false;
    expect_state(&w, SA_CREDENTIAL_WAIT);
    turn_until(&w, &w.wants, 1);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(sa_loop_turn(w.loop, 50, NULL), 0);
    ck_assert_uint_eq(w.news, 0);
    ck_assert_int_eq(sa_ctl_send(w.ctl, SA_CTL_EXEC_GRANT, NULL, NULL), 0);
    turn_until(&w, &w.news, 1);
    expect_token(&w, "Authorization: Bearer t");
    finish(&w);
}
END_TEST

START_TEST(test_helper_dies)
{
    struct world w;
    struct sa_identity *i = NULL;
    struct sa_err *e = NULL;
    int status;
    start(&w, "#!/bin/sh\nsleep 60", "");
    expect_state(&w, SA_CREDENTIAL_WAIT);
    turn_until(&w, &w.wants, 1);
    ck_assert_int_eq(kill(w.pid, SIGKILL), 0);
    turn_until(&w, &w.news, 1);
    ck_assert_int_eq(sa_credential_identity(w.cred, &i, &e), SA_CREDENTIAL_FAILED);
    ASSERT_CONTAINS(e->msg, "helper has ended");
    sa_err_free(&e);
    ck_assert_int_eq(waitpid(w.pid, &status, 0), w.pid);
    sa_credential_free(w.cred);
    sa_ctl_free(w.ctl);
    sa_loop_free(w.loop);
    sa_slot_free(w.slot);
}
END_TEST

TCase *worker_http_helper(void)
{
    TCase *t = tcase_create("helper");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, test_token);
    tcase_add_test(t, test_expiry);
    tcase_add_test(t, test_certificate);
    tcase_add_test(t, test_failures);
    tcase_add_test(t, test_waits_for_its_turn);
    tcase_add_test(t, test_helper_dies);
    return t;
}
