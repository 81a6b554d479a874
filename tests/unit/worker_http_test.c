/* SPDX-License-Identifier: Apache-2.0 */
#include "worker_http_test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/log.h"

static char dir[] = "/tmp/sa-http-XXXXXX";
static char ports[512]; /* "tls=1234 h1=..." */
static int server_stdin = -1;

const char *test_dir(void)
{
    return dir;
}

const char *test_path(const char *name)
{
    static char paths[8][128];
    static unsigned next;
    char *p = paths[next++ % 8];
    snprintf(p, sizeof(paths[0]), "%s/%s", dir, name);
    return p;
}

void test_write(const char *name, const char *text)
{
    FILE *f = fopen(test_path(name), "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(text, f), 0);
    ck_assert_int_eq(fclose(f), 0);
}

bool test_under_valgrind(void)
{
    const char *preload = getenv("LD_PRELOAD");
    return preload != NULL && strstr(preload, "vgpreload") != NULL;
}

int test_port(const char *name)
{
    char want[32];
    snprintf(want, sizeof(want), " %s=", name);
    const char *p = strstr(ports, want);
    return p != NULL ? atoi(p + strlen(want)) : 0;
}

struct sa_account test_account(const char *server, const char *cluster, const char *user)
{
    static char text[16384], file[128];
    snprintf(text, sizeof(text),
             "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
             "contexts:\n- name: c\n  context: {cluster: k, user: u}\n"
             "clusters:\n- name: k\n  cluster:\n    server: %s\n%s"
             "users:\n- name: u\n  user:\n    x: null\n%s",
             server, cluster, user);
    test_write("kubeconfig", text);
    snprintf(file, sizeof(file), "%s", test_path("kubeconfig"));
    static char name[] = "test", sandbox[] = "off";
    return (struct sa_account){.name = name, .kubeconfig_file = file, .sandbox = sandbox};
}

static int run(const char *command)
{
    int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void start_server(void)
{
    int in[2], out[2];
    if (access(SA_H2ECHO, X_OK) != 0) {
        printf("SKIP: cases against a server: %s was not built (go is not installed)\n", SA_H2ECHO);
        return;
    }
    if (pipe(in) != 0 || pipe(out) != 0)
        return;
    if (fork() == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(in[0], 0);
        dup2(out[1], 1);
        close(in[1]);
        close(out[0]);
        execl(SA_H2ECHO, "h2echo", dir, (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    server_stdin = in[1];
    ports[0] = ' ';
    size_t n = 1;
    for (ssize_t got; n + 1 < sizeof(ports) && strchr(ports, '\n') == NULL; n += (size_t)got) {
        got = read(out[0], ports + n, sizeof(ports) - 1 - n);
        if (got <= 0)
            break;
    }
}

/* What the code under test logs is no part of a test's output. */
static void swallow(void *arg, const struct sa_record *rec)
{
    (void)arg;
    (void)rec;
}

int main(void)
{
    char command[256];
    sa_hash_init();
    sa_log_set_sink(swallow, NULL);
    if (mkdtemp(dir) == NULL)
        return 1;
    snprintf(command, sizeof(command), "%s %s >/dev/null 2>%s/certs.log", SA_CERTS_SCRIPT, dir,
             dir);
    if (run(command) != 0) {
        fprintf(stderr, "no certificates: see %s/certs.log\n", dir);
        return 1;
    }
    (void)chmod(dir, 0755);
    start_server();
    Suite *s = suite_create("worker_http");
    suite_add_tcase(s, worker_http_kubeconfig());
    suite_add_tcase(s, worker_http_endpoint());
    suite_add_tcase(s, worker_http_credential());
    suite_add_tcase(s, worker_http_seal());
    suite_add_tcase(s, worker_http_exec());
    if (test_under_valgrind())
        puts("SKIP: cases of sandboxed processes, which valgrind can't run");
    else
        suite_add_tcase(s, worker_http_helper());
    if (test_port("tls") != 0) {
        suite_add_tcase(s, worker_http_client());
        suite_add_tcase(s, worker_http_faults());
        suite_add_tcase(s, worker_http_vault());
    }
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    (void)run(command);
    return failed == 0 ? 0 : 1;
}
