/* SPDX-License-Identifier: Apache-2.0 */
/* How a worker's process ends that can't begin: with its exit code, whatever it has told the
 * supervisor by then. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "config_fixture.h"
#include "ipc/control.h"
#include "ipc/slot.h"
#include "worker/worker.h"

static const char kubeconfig[] = "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
                                 "clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\n"
                                 "users: [{name: u, user: {token: t}}]\n"
                                 "contexts: [{name: c, context: {cluster: c, user: u}}]\n";

static struct fixture fixture;
static struct sa_settings settings;
static struct sa_slot *slot;

static void make(void)
{
    char text[256], *problems = NULL;
    sa_log_set_level(SA_FATAL);
    fixture_make(&fixture);
    fixture_write(&fixture, "kubeconfig", kubeconfig);
    snprintf(text, sizeof text,
             "sandbox: 'off'\nsink: jsonl\nkubernetes: {accounts: [{name: test, kubeconfigFile: "
             "%s/kubeconfig}]}\n",
             fixture.dir);
    fixture_write(&fixture, "main.yml", text);
    ck_assert_msg(fixture_load(&fixture, &settings, &problems) == 0, "%s", problems);
    free(problems);
    slot = sa_slot_new(NULL);
    ck_assert_ptr_nonnull(slot);
}

static void unmake(void)
{
    sa_slot_free(slot);
    sa_settings_free(&settings);
    fixture_remove(&fixture);
}

/* The stack of a process that has done much is not empty. */
__attribute__((noinline)) static void soil_the_stack(void)
{
    volatile unsigned char bytes[128 * 1024];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = 1;
}

static int run(int control_fd)
{
    static const uint8_t key[32] = "the key of this very connection";
    char *json = NULL;
    if (sa_account_to_json(&settings.accounts[0], &json, NULL) != 0)
        return 99;
    const struct sa_child_args args = {.control_fd = control_fd,
                                       .slot = slot,
                                       .account = "test",
                                       .key = key,
                                       .settings = json,
                                       .fingerprint_key = key,
                                       .runtime_dir = fixture.dir,
                                       .state_dir = fixture.dir,
                                       .helper_fd = -1};
    soil_the_stack();
    return sa_worker_main(&args);
}

/* The wait status of a worker; the supervisor has closed its end if it is -1. */
static int ended(int control_fd, int supervisor_fd)
{
    int status = 0;
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        if (supervisor_fd >= 0)
            close(supervisor_fd);
        _exit(run(control_fd));
    }
    close(control_fd);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status;
}

/* It has told of its files, as far as it knows, and READY finds nobody. */
START_TEST(the_supervisor_is_gone)
{
    int ends[2];
    make();
    ck_assert_int_eq(sa_ctl_pair(ends, NULL), 0);
    close(ends[1]);
    int status = ended(ends[0], -1);
    ck_assert_msg(WIFEXITED(status), "signal %d: %s", WTERMSIG(status), slot->last_error);
    ck_assert_msg(WEXITSTATUS(status) == SA_EXIT_FAILED, "%s", slot->last_error);
    ck_assert_msg(strstr(slot->last_error, "SA_CTL_READY") != NULL, "%s", slot->last_error);
    unmake();
}
END_TEST

/* Its kubeconfig can't be read: which file that is comes before why it ends. */
START_TEST(the_credential_is_gone)
{
    uint8_t seen[8], in[4096];
    size_t n = 0;
    int ends[2];
    make();
    fixture_remove(&fixture);
    ck_assert_int_eq(sa_ctl_pair(ends, NULL), 0);
    int status = ended(ends[0], ends[1]);
    ck_assert_msg(WIFEXITED(status), "signal %d: %s", WTERMSIG(status), slot->last_error);
    ck_assert_msg(WEXITSTATUS(status) == SA_EXIT_FAILED, "%s", slot->last_error);
    while (recv(ends[1], in, sizeof in, MSG_DONTWAIT) > 0)
        if (in[0] != SA_CTL_LOG && n < sizeof seen)
            seen[n++] = in[0];
    ck_assert_uint_eq(n, 2);
    ck_assert_uint_eq(seen[0], SA_CTL_FILES);
    ck_assert_uint_eq(seen[1], SA_CTL_FATAL);
    close(ends[1]);
    unmake();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("worker process");
    TCase *t = tcase_create("process");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, the_supervisor_is_gone);
    tcase_add_test(t, the_credential_is_gone);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
