/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink_grpc_fixture.h"

#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "uplink_messages.h"

#define PYTHON "/usr/bin/python3"
#define PEER   "../rig/peer/peer.py"

struct gx gx;

void gx_require_peer(void)
{
    if (access(PEER, R_OK) == 0 &&
        system(PYTHON " -c 'import grpc.aio, google.protobuf' 2>/dev/null") == 0 &&
        system("protoc --version >/dev/null 2>&1") == 0)
        return;
    puts("skipped: " PYTHON " has no grpcio and protobuf, or protoc is missing "
         "(python3-grpcio, python3-protobuf, protobuf-compiler)");
    exit(77);
}

static uint16_t free_port(void)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof sa;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sa, &n), 0);
    close(fd);
    return ntohs(sa.sin_port);
}

void gx_set_up(void)
{
    memset(&gx, 0, sizeof gx);
    unsetenv("HTTPS_PROXY");
    unsetenv("https_proxy");
    snprintf(gx.dir, sizeof gx.dir, "/tmp/sa-grpc-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(gx.dir));
    gx.port = free_port();
    snprintf(gx.address, sizeof gx.address, "127.0.0.1:%u", gx.port);
    gx.settings.clouddriver.grpc = gx.address;
    gx.settings.clouddriver.insecure = true;
    gx.settings.clouddriver.backoff_base_ns = 50000000;
    gx.settings.clouddriver.backoff_max_ns = 200000000;
    gx.settings.clouddriver.backoff_multiplier = 1.6;
    gx.settings.clouddriver.backoff_jitter = 0.2;
    gx.loop = sa_loop_new(NULL);
    ck_assert_ptr_nonnull(gx.loop);
}

void gx_tear_down(void)
{
    char cmd[128];

    gx_close(0);
    if (gx.peer > 0)
        gx_peer_end(SIGKILL);
    sa_token_helper_stop(&gx.token);
    if (gx.last)
        scaleagent__v1__account_reply__free_unpacked(gx.last, NULL);
    sa_loop_free(gx.loop);
    snprintf(cmd, sizeof cmd, "rm -rf %s", gx.dir);
    ck_assert_int_eq(system(cmd), 0);
}

void gx_peer(const char *const *options)
{
    const char *argv[32] = {PYTHON, PEER, "--listen", gx.address, "--dump", NULL};
    char dump[96], line[64] = "";
    int fds[2];
    FILE *f;
    size_t n = 5;

    snprintf(dump, sizeof dump, "%s/dump", gx.dir);
    argv[n++] = dump;
    for (; options && *options; options++)
        argv[n++] = *options;
    ck_assert_int_eq(pipe(fds), 0);
    gx.peer = fork();
    if (gx.peer == 0) {
        sigset_t none;

        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        dup2(fds[1], 1);
        execv(PYTHON, (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    close(fds[1]);
    f = fdopen(fds[0], "r");
    ck_assert_ptr_nonnull(fgets(line, sizeof line, f));
    ck_assert_ptr_nonnull(strstr(line, "listening"));
    fclose(f);
}

int gx_peer_end(int sig)
{
    int status = -1;

    kill(gx.peer, sig);
    kill(gx.peer, SIGCONT);
    ck_assert_int_eq(waitpid(gx.peer, &status, 0), gx.peer);
    gx.peer = 0;
    return status;
}

static void on_up(void *arg)
{
    (void)arg;
    gx.ups++;
}

static void on_down(void *arg, const struct sa_err *why)
{
    (void)arg;
    gx.downs++;
    gx.code = why->code;
    snprintf(gx.why, sizeof gx.why, "%s", sa_err_msg(why));
}

static void on_pressure(void *arg, bool high)
{
    (void)arg;
    gx.press++;
    gx.high = high;
}

static void on_reply(void *arg, uint32_t handle, const void *p, size_t n)
{
    (void)arg;
    ck_assert_uint_eq(handle, 1);
    if (gx.last)
        scaleagent__v1__account_reply__free_unpacked(gx.last, NULL);
    gx.last = scaleagent__v1__account_reply__unpack(NULL, n, p);
    ck_assert_ptr_nonnull(gx.last);
    gx.replies++;
    if (gx.last->body_case == SCALEAGENT__V1__ACCOUNT_REPLY__BODY_ACK) {
        gx.acked = gx.last->ack->sequence;
        gx.credit = gx.last->ack->credit;
    }
}

static const struct sa_sink_events events = {
    .up = on_up, .down = on_down, .pressure = on_pressure, .reply = on_reply};

void gx_open(void)
{
    static const uint8_t instance[16] = {1};
    static const struct sa_sink_account account = {1, "a"};
    struct sa_sink_setup setup = {.loop = gx.loop,
                                  .settings = &gx.settings,
                                  .secrets = &gx.secrets,
                                  .token = &gx.token,
                                  .instance = instance};
    struct sa_err *err = NULL;

    ck_assert_msg(sa_sink_grpc.open(&setup, &events, NULL, &gx.sink, &err) == 0, "%s",
                  sa_err_msg(err));
    sa_sink_grpc.accounts(gx.sink, &account, 1);
}

void gx_close(unsigned ms)
{
    if (gx.sink)
        sa_sink_grpc.close(gx.sink, ms);
    gx.sink = NULL;
}

void gx_wait(const unsigned *counter, unsigned want)
{
    uint64_t end = sa_mono_ns() + 10 * SA_NS_PER_S;

    while (*counter < want && sa_mono_ns() < end)
        sa_loop_turn(gx.loop, 20, NULL);
    ck_assert_msg(*counter >= want, "waited in vain; last reason: %s", gx.why);
}

void gx_wait_acked(uint64_t sequence)
{
    uint64_t end = sa_mono_ns() + 10 * SA_NS_PER_S;

    while (gx.acked < sequence && sa_mono_ns() < end)
        sa_loop_turn(gx.loop, 20, NULL);
    ck_assert_uint_eq(gx.acked, sequence);
}

void gx_turn(unsigned ms)
{
    uint64_t end = sa_mono_ns() + ms * SA_NS_PER_MS;

    while (sa_mono_ns() < end)
        sa_loop_turn(gx.loop, 10, NULL);
}

int gx_say(struct fx m, struct sa_err **err)
{
    int rc = sa_sink_grpc.message(gx.sink, 1, m.p, m.n, 0, err);

    fx_free(&m);
    return rc;
}

uint64_t gx_account(void)
{
    static const struct fx_scope scope = {1, "pods", NULL};
    unsigned replies = gx.replies;

    gx.acked = 0;
    ck_assert_int_eq(gx_say(fx_open("cluster"), NULL), 0);
    gx_wait(&gx.replies, replies + 1);
    ck_assert_int_eq(gx.last->body_case, SCALEAGENT__V1__ACCOUNT_REPLY__BODY_WELCOME);
    ck_assert_int_eq(gx_say(fx_scopes(gx.last->epoch, &scope, 1), NULL), 0);
    return gx.last->epoch;
}

bool gx_file_has(const char *name, const char *text)
{
    char path[128], line[4096];
    bool found = false;
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", gx.dir, name);
    f = fopen(path, "r");
    while (f && !found && fgets(line, sizeof line, f))
        found = strstr(line, text) != NULL;
    if (f)
        fclose(f);
    return found;
}
