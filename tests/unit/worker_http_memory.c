/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints what the HTTP part of a worker costs: a process forked from one that did nothing, with 12
 * streams open on one connection. worker_http_memory KUBECONFIG [PATH]
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "config/settings.h"
#include "worker/credential.h"
#include "worker/http.h"

#define STREAMS 12

static size_t received;

static int on_data(void *arg, const void *p, size_t n, struct sa_err **err)
{
    (void)arg, (void)p, (void)err;
    received += n;
    return 0;
}

static void on_done(void *arg, const struct sa_response *r)
{
    (void)arg;
    printf("ended: %d %s\n", r->status, r->error != NULL ? r->error->msg : "");
}

static void print_memory(const char *what)
{
    char line[128];
    FILE *f = fopen("/proc/self/smaps_rollup", "r");
    unsigned long n, pss = 0, dirty = 0;
    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        if (sscanf(line, "Pss: %lu", &n) == 1)
            pss = n;
        if (sscanf(line, "Private_Dirty: %lu", &n) == 1)
            dirty = n;
    }
    if (f != NULL)
        fclose(f);
    printf("%s: pss_kb=%lu private_dirty_kb=%lu heap_kb=%zu\n", what, pss, dirty,
           mallinfo2().uordblks / 1024);
}

static int child(struct sa_account *a, const char *path)
{
    static const uint8_t key[32] = {1};
    struct sa_credential *c = NULL;
    struct sa_err *e = NULL;
    struct sa_loop *l = sa_loop_new(&e);
    print_memory("begin");
    if (l == NULL || sa_credential_open(a, key, 0, 0, &c, &e) != 0 ||
        sa_credential_parse(c, l, -1, &e) != 0)
        goto fail;
    print_memory("credential");
    struct sa_http *h = sa_http_new(l, a, c, &e);
    if (h == NULL)
        goto fail;
    struct sa_request_options o = {.path = path, .on_data = on_data, .on_done = on_done};
    for (int i = 0; i < STREAMS; i++) {
        if (sa_http_start(h, &o, &e) == NULL)
            goto fail;
    }
    uint64_t until = sa_mono_ns() + 3 * SA_NS_PER_S;
    while (sa_mono_ns() < until)
        (void)sa_loop_turn(l, 100, NULL);
    print_memory("streams");
    malloc_trim(0);
    print_memory("trimmed");
    printf("connections=%llu received=%zu\n", (unsigned long long)sa_http_counters(h).connections,
           received);
    fflush(stdout);
    return 0;
fail:
    fprintf(stderr, "%s\n", sa_err_msg(e));
    return 1;
}

int main(int argc, char **argv)
{
    static char name[] = "memory", sandbox[] = "off";
    if (argc < 2) {
        fprintf(stderr, "usage: %s KUBECONFIG [PATH]\n", argv[0]);
        return 2;
    }
    sa_hash_init();
    struct sa_account a = {.name = name, .kubeconfig_file = argv[1], .sandbox = sandbox};
    pid_t pid = fork();
    if (pid == 0)
        _exit(child(&a, argc > 2 ? argv[2] : "/stream"));
    int status = 0;
    (void)waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
