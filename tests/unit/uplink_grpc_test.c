/* SPDX-License-Identifier: Apache-2.0 */
/* The gRPC sink against a gRPC server that is not ours: Python's grpcio, with the model of the
 * plugin. */
#include <arpa/inet.h>
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "uplink_grpc_fixture.h"
#include "uplink_messages.h"

#define OBJECT "{\"metadata\":{\"name\":\"x\",\"namespace\":\"ns\",\"uid\":\"uid\"}}"

static const struct fx_delta delta = {1, "ns", "x", OBJECT, 0, 0};

static bool in_step(uint64_t epoch, uint64_t count)
{
    struct sa_sum sum = {0};
    struct sa_digest d;
    unsigned replies = gx.replies;

    fx_digest(OBJECT, &d);
    if (count)
        sa_sum_add(&sum, &d);
    ck_assert_int_eq(gx_say(fx_sums(epoch, 1, count, &sum), NULL), 0);
    do
        gx_wait(&gx.replies, ++replies);
    while (gx.last->body_case != SCALEAGENT__V1__ACCOUNT_REPLY__BODY_SUMS);
    return gx.last->sums->in_step;
}

START_TEST(streams_and_is_acknowledged)
{
    uint64_t epoch;

    gx_peer(NULL);
    gx_open();
    gx_wait(&gx.ups, 1);
    epoch = gx_account();
    ck_assert_int_eq(gx_say(fx_deltas(epoch, 1, &delta, 1), NULL), 0);
    gx_wait_acked(1);
    ck_assert(in_step(epoch, 1));
    ck_assert(!in_step(epoch, 0));
    kill(gx.peer, SIGUSR1);
    gx_turn(300);
    ck_assert(gx_file_has("dump", "\"name\": \"x\""));
    ck_assert_uint_eq(gx.downs, 0);
    gx_close(3000);
    ck_assert_int_eq(gx_peer_end(SIGTERM), 0); /* no violation */
}
END_TEST

/* What was sent last is committed before an orderly end. */
START_TEST(an_orderly_end_loses_nothing)
{
    static char db[96];
    uint64_t epoch, before;

    snprintf(db, sizeof db, "%s/db", gx.dir);
    gx_peer((const char *const[]){"--db", db, "--commit-delay", "500", NULL});
    gx_open();
    gx_wait(&gx.ups, 1);
    epoch = gx_account();
    ck_assert_int_eq(gx_say(fx_deltas(epoch, 1, &delta, 1), NULL), 0);
    before = sa_mono_ns();
    gx_close(3000);
    ck_assert_uint_lt(sa_mono_ns() - before, 2500 * SA_NS_PER_MS);
    ck_assert_uint_eq(gx.acked, 1);
    gx_peer_end(SIGKILL);
    gx_peer((const char *const[]){"--db", db, NULL});
    kill(gx.peer, SIGUSR1);
    gx_turn(500);
    ck_assert(gx_file_has("dump", "\"name\": \"x\""));
}
END_TEST

START_TEST(connects_again_and_keeps_epochs_growing)
{
    static char db[96];
    uint64_t first;

    snprintf(db, sizeof db, "%s/db", gx.dir);
    gx_open();
    gx_wait(&gx.downs, 2); /* nobody is there yet */
    ck_assert_int_eq(gx.code, SA_ENETWORK);
    ck_assert_ptr_nonnull(strstr(gx.why, gx.address));
    gx_peer((const char *const[]){"--db", db, NULL});
    gx_wait(&gx.ups, 1);
    first = gx_account();
    ck_assert_int_eq(gx_say(fx_deltas(first, 1, &delta, 1), NULL), 0);
    gx_wait_acked(1);
    gx.downs = 0;
    gx_peer_end(SIGKILL);
    gx_wait(&gx.downs, 1);
    gx_peer((const char *const[]){"--db", db, NULL});
    gx_wait(&gx.ups, 2);
    ck_assert_uint_gt(gx_account(), first);
    ck_assert_uint_eq(gx.last->welcome->n_scopes, 1);
    ck_assert_uint_eq(gx.last->welcome->scopes[0]->count, 1);
}
END_TEST

/* A peer that stands still is noticed by its silence. */
START_TEST(heartbeats_find_a_silent_peer)
{
    uint64_t before;

    gx.settings.clouddriver.heartbeat_s = 1;
    gx.settings.clouddriver.timeout_s = 2;
    gx_peer(NULL);
    gx_open();
    gx_wait(&gx.ups, 1);
    gx_turn(3500); /* heartbeats are answered: it stays up */
    ck_assert_uint_eq(gx.downs, 0);
    before = sa_mono_ns();
    kill(gx.peer, SIGSTOP);
    gx_wait(&gx.downs, 1);
    ck_assert_uint_lt(sa_mono_ns() - before, 5 * SA_NS_PER_S);
    ck_assert_ptr_nonnull(strstr(gx.why, "no answer for 2 s"));
    kill(gx.peer, SIGCONT);
    gx_wait(&gx.ups, 2);
}
END_TEST

START_TEST(the_plugins_wish_for_heartbeats_counts)
{
    gx.settings.clouddriver.heartbeat_s = 60;
    gx.settings.clouddriver.timeout_s = 2;
    gx_peer((const char *const[]){"--heartbeat", "1", NULL});
    gx_open();
    gx_wait(&gx.ups, 1);
    kill(gx.peer, SIGSTOP);
    gx_wait(&gx.downs, 1);
}
END_TEST

START_TEST(another_protocol_is_refused_in_one_line)
{
    gx_peer((const char *const[]){"--protocol", "99", NULL});
    gx_open();
    gx_wait(&gx.downs, 1);
    ck_assert_int_eq(gx.code, SA_EREFUSED);
    ck_assert_ptr_nonnull(strstr(gx.why, "plugin peer speaks protocol 99"));
    ck_assert_uint_eq(gx.ups, 0);
}
END_TEST

START_TEST(a_goodbye_says_why)
{
    gx_peer((const char *const[]){"--goodbye", "REFUSED", NULL});
    gx_open();
    gx_wait(&gx.downs, 1);
    ck_assert_int_eq(gx.code, SA_EFORBIDDEN);
    ck_assert_ptr_nonnull(strstr(gx.why, "may not connect: as told"));
}
END_TEST

START_TEST(tokens_are_sent_and_refused)
{
    char wrong[] = "wrong", right[] = "right";

    gx_peer((const char *const[]){"--token", "right", NULL});
    gx.settings.clouddriver.allow_plaintext_token = true;
    gx.secrets.token = wrong;
    gx_open();
    gx_wait(&gx.downs, 1);
    ck_assert_msg(gx.code == SA_EAUTH, "%s", gx.why);
    ck_assert_ptr_nonnull(
        strstr(gx.why, "UNAUTHENTICATED: the token is missing or wrong: 100% sure"));
    gx_close(0);
    gx.secrets.token = right;
    gx_open();
    gx_wait(&gx.ups, 1);
}
END_TEST

START_TEST(a_token_needs_tls)
{
    static const uint8_t instance[16];
    char token[] = "secret";
    struct sa_sink_setup setup = {.loop = gx.loop,
                                  .settings = &gx.settings,
                                  .secrets = &gx.secrets,
                                  .token = &gx.token,
                                  .instance = instance};
    struct sa_err *err = NULL;

    gx.secrets.token = token;
    ck_assert_int_eq(sa_sink_grpc.open(&setup, NULL, NULL, &gx.sink, &err), -1);
    ck_assert_int_eq(err->code, SA_ECONFIG);
    ck_assert_ptr_null(strstr(sa_err_msg(err), "secret"));
    sa_err_free(&err);
    gx.sink = NULL;
}
END_TEST

/* The first answer of the command is wrong, those after it are right. */
static void start_helper(void)
{
    static char script[128], count[128];
    static char *argv[] = {count};
    struct sa_child_args args = {0};
    char text[512];
    FILE *f;

    snprintf(script, sizeof script, "%s/token", gx.dir);
    snprintf(count, sizeof count, "%s/count", gx.dir);
    f = fopen(script, "w");
    ck_assert_ptr_nonnull(f);
    /* what has closed its output need not have ended */
    fputs("#!/bin/sh\necho x >>$1\nif [ $(wc -l <$1) -eq 1 ]; then t=wrong; else t=right; fi\n"
          "echo \"{\\\"token\\\":\\\"$t\\\"}\"\nexec >&-\nsleep 0.1\n",
          f);
    fclose(f);
    snprintf(text, sizeof text, "chmod +x %s", script);
    ck_assert_int_eq(system(text), 0);
    gx.settings.clouddriver.token_command = script;
    gx.settings.clouddriver.token_args.v = argv;
    gx.settings.clouddriver.token_args.n = 1;
    gx.settings.clouddriver.token_refresh_s = 3600;
    gx.settings.clouddriver.allow_plaintext_token = true;
    ck_assert_int_eq(sa_token_helper_start(&gx.token, &gx.settings, &args, NULL), 0);
}

START_TEST(a_command_gives_the_token)
{
    start_helper();
    gx_peer((const char *const[]){"--token", "right", NULL});
    gx_open();
    gx_wait(&gx.downs, 1);
    ck_assert_msg(gx.code == SA_EAUTH, "%s", gx.why);
    gx_wait(&gx.ups, 1);
}
END_TEST

static void too_late(void *arg)
{
    *(bool *)arg = true;
    sa_loop_stop(gx.loop);
}

/* None can be forked any more: the uplink's loop ends, so that it is started again. */
START_TEST(without_its_token_helper_the_uplink_ends)
{
    struct sa_timer t = {0};
    bool late = false;
    int fds[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
    gx.token.fd = fds[0];
    if (_i == 0)
        close(fds[1]); /* before it is asked */
    gx_open();
    if (_i == 1)
        close(fds[1]); /* instead of an answer */
    ck_assert_int_eq(sa_timer_set(gx.loop, &t, 5 * SA_NS_PER_S, too_late, &late), 0);
    ck_assert_int_eq(sa_loop_run(gx.loop, NULL), 0);
    sa_timer_cancel(gx.loop, &t);
    ck_assert(!late);
    ck_assert_uint_eq(gx.downs, 1);
    ck_assert_ptr_nonnull(strstr(gx.why, "token helper"));
}
END_TEST

static void load(const char *name, char **out, size_t *n)
{
    char path[128];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", gx.dir, name);
    f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    *out = calloc(1, 65536);
    *n = fread(*out, 1, 65535, f);
    fclose(f);
}

/* A CA, a server's certificate for "plugin.test", and a client's with an encrypted key. */
static void make_certificates(void)
{
    char cmd[2048];

    snprintf(
        cmd, sizeof cmd,
        "cd %s && exec 2>/dev/null && openssl req -x509 -newkey rsa:2048 -nodes -days 2 -keyout "
        "ca.key "
        "-out ca.crt -subj /CN=ca -addext basicConstraints=critical,CA:TRUE && "
        "for n in server client; do openssl req -newkey rsa:2048 -nodes -keyout $n.key -out $n.csr "
        "-subj /CN=$n && printf 'subjectAltName=DNS:plugin.test' >ext && openssl x509 -req -in "
        "$n.csr "
        "-CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out $n.crt; done && "
        "openssl rsa -aes256 -passout pass:word -in client.key -out client.enc",
        gx.dir);
    ck_assert_int_eq(system(cmd), 0);
}

static void free_certificates(void)
{
    free(gx.secrets.ca);
    free(gx.secrets.cert);
    free(gx.secrets.key);
    memset(&gx.secrets, 0, sizeof gx.secrets);
}

START_TEST(speaks_mutual_tls)
{
    static char cert[96], key[96], ca[96];
    char server[] = "plugin.test", other[] = "other.test", password[] = "word", token[] = "right";

    make_certificates();
    snprintf(cert, sizeof cert, "%s/server.crt", gx.dir);
    snprintf(key, sizeof key, "%s/server.key", gx.dir);
    snprintf(ca, sizeof ca, "%s/ca.crt", gx.dir);
    gx_peer((const char *const[]){"--tls-cert", cert, "--tls-key", key, "--tls-ca", ca, "--token",
                                  "right", NULL});
    gx.settings.clouddriver.insecure = false;
    /* a CA that we don't know */
    gx_open();
    gx_wait(&gx.downs, 1);
    ck_assert_msg(gx.code == SA_ETLS, "%s", gx.why);
    gx_close(0);
    /* a name that is not the certificate's */
    load("ca.crt", &gx.secrets.ca, &gx.secrets.ca_len);
    gx.settings.clouddriver.tls_server_name = other;
    gx_open();
    gx_wait(&gx.downs, 2);
    ck_assert_msg(gx.code == SA_ETLS, "%s", gx.why);
    gx_close(0);
    /* no certificate of ours */
    gx.settings.clouddriver.tls_server_name = server;
    gx_open();
    gx_wait(&gx.downs, 3);
    ck_assert_msg(gx.code == SA_ETLS || gx.code == SA_ENETWORK, "%s", gx.why);
    gx_close(0);
    ck_assert_uint_eq(gx.ups, 0);
    /* all of it, with a password and a token */
    load("client.crt", &gx.secrets.cert, &gx.secrets.cert_len);
    load("client.enc", &gx.secrets.key, &gx.secrets.key_len);
    gx.secrets.key_password = password;
    gx.secrets.token = token;
    gx_open();
    gx_wait(&gx.ups, 1);
    gx_close(0);
    /* checks switched off */
    free(gx.secrets.ca);
    gx.secrets.ca = NULL;
    gx.secrets.ca_len = 0;
    gx.settings.clouddriver.tls_server_name = other;
    gx.settings.clouddriver.tls_insecure_skip_verify = true;
    gx_open();
    gx_wait(&gx.ups, 2);
    gx_close(0);
    free_certificates();
}
END_TEST

/* A proxy by CONNECT for one connection; it writes down what was asked for. */
static const char proxy_program[] =
    "import socket,sys,threading\n"
    "s=socket.create_server(('127.0.0.1',0))\n"
    "print(s.getsockname()[1],flush=True)\n"
    "def pump(a,b):\n"
    "    try:\n"
    "        while (d:=a.recv(65536)): b.sendall(d)\n"
    "    except OSError: pass\n"
    "    try: b.shutdown(2)\n"
    "    except OSError: pass\n"
    "c,_=s.accept()\n"
    "h=b''\n"
    "while b'\\r\\n\\r\\n' not in h: h+=c.recv(4096)\n"
    "open(sys.argv[1],'ab').write(h)\n"
    "t=socket.create_connection(h.split()[1].decode().rsplit(':',1))\n"
    "c.sendall(b'HTTP/1.1 200 OK\\r\\n\\r\\n')\n"
    "for x in ((c,t),(t,c)): threading.Thread(target=pump,args=x).start()\n";

START_TEST(goes_through_a_proxy_unless_told_not_to)
{
    char command[4096], url[64], connect[96];
    unsigned port = 0;
    FILE *f;

    snprintf(command, sizeof command, "exec timeout 30 /usr/bin/python3 -c \"%s\" %s/proxy",
             proxy_program, gx.dir);
    f = popen(command, "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fscanf(f, "%u", &port), 1);
    snprintf(url, sizeof url, "http://user:word@127.0.0.1:%u", port);
    setenv("HTTPS_PROXY", url, 1);
    gx_peer(NULL);
    gx_open();
    gx_wait(&gx.ups, 1);
    snprintf(connect, sizeof connect, "CONNECT %s ", gx.address);
    ck_assert(gx_file_has("proxy", connect));
    ck_assert(gx_file_has("proxy", "Proxy-Authorization: Basic dXNlcjp3b3Jk"));
    gx_close(0);
    snprintf(command, sizeof command, "%s/proxy", gx.dir);
    ck_assert_int_eq(unlink(command), 0);
    gx.settings.clouddriver.no_proxy = true;
    gx_open();
    gx_wait(&gx.ups, 2);
    ck_assert(!gx_file_has("proxy", connect));
    gx_close(0);
    ck_assert_int_eq(pclose(f), 0); /* it has ended with its only connection */
}
END_TEST

/* A web server, or anything else that is no gRPC. */
START_TEST(says_that_no_grpc_is_there)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    static const char answer[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;

    sa.sin_port = htons(gx.port);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    gx_open();
    /* A second connection is to hear what the first may have lost; newer libcurl loses nothing. */
    for (int i = 0, calls = 0; i < 100 && gx.downs == 0; i++) {
        int c = accept(fd, NULL, NULL);

        if (c >= 0) {
            ck_assert_int_le(++calls, 2);
            ck_assert_int_eq(write(c, answer, sizeof answer - 1), sizeof answer - 1);
        }
        gx_turn(100);
        if (c >= 0)
            close(c);
    }
    ck_assert_int_eq(gx.downs, 1);
    ck_assert_int_eq(gx.code, SA_ENETWORK);
    ck_assert_msg(strstr(gx.why, "does a gRPC server listen there?") != NULL, "%s", gx.why);
    close(fd);
}
END_TEST

/* The peer stands still: what is queued is bounded, for one account by cutting it off. */
START_TEST(a_peer_that_does_not_read_costs_bounded_memory)
{
    static char object[200 * 1024];
    struct fx_delta d = {1, "ns", "x", object, 0, 0};
    struct sa_err *err = NULL;
    unsigned sent = 0;

    memset(object, 'x', sizeof object - 1);
    gx_peer(NULL);
    gx_open();
    gx_wait(&gx.ups, 1);
    kill(gx.peer, SIGSTOP);
    while (sent < 1000 && gx_say(fx_deltas(1, sent + 1, &d, 1), &err) == 0) {
        sent++;
        sa_loop_turn(gx.loop, 0, NULL);
    }
    ck_assert_uint_lt(sent, 200);
    ck_assert_uint_gt(sent, 20);
    ck_assert_int_eq(err->code, SA_ELIMIT);
    sa_err_free(&err);
}
END_TEST

/* Many messages, so that HTTP/2's windows close and open again. */
START_TEST(carries_much_in_order)
{
    static char object[100 * 1024];
    struct fx_delta d = {1, "ns", "x", object, 0, 0};
    uint64_t epoch, sent = 0;
    int head = snprintf(object, sizeof object,
                        "{\"metadata\":{\"name\":\"x\",\"namespace\":\"ns\","
                        "\"uid\":\"uid\"},\"data\":\"");

    memset(object + head, 'y', sizeof object - 1 - (size_t)head);
    memcpy(object + sizeof object - 3, "\"}", 2);
    gx_peer((const char *const[]){"--credit", "2000000", NULL});
    gx_open();
    gx_wait(&gx.ups, 1);
    epoch = gx_account();
    for (uint64_t used = 0, i = 0; i < 300; i++) {
        while (used + sizeof object + 100 > (gx.credit ? gx.credit : 2000000))
            sa_loop_turn(gx.loop, 20, NULL);
        used += sizeof object + 60;
        ck_assert_int_eq(gx_say(fx_deltas(epoch, ++sent, &d, 1), NULL), 0);
    }
    gx_wait_acked(sent);
    gx_close(3000);
    ck_assert_int_eq(gx_peer_end(SIGTERM), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("uplink_grpc");
    TCase *t = tcase_create("grpc");
    SRunner *r;
    int failed;

    gx_require_peer();
    sa_hash_init();
    signal(SIGPIPE, SIG_IGN);
    tcase_add_checked_fixture(t, gx_set_up, gx_tear_down);
    tcase_set_timeout(t, 40);
    tcase_add_test(t, streams_and_is_acknowledged);
    tcase_add_test(t, an_orderly_end_loses_nothing);
    tcase_add_test(t, connects_again_and_keeps_epochs_growing);
    tcase_add_test(t, heartbeats_find_a_silent_peer);
    tcase_add_test(t, the_plugins_wish_for_heartbeats_counts);
    tcase_add_test(t, another_protocol_is_refused_in_one_line);
    tcase_add_test(t, a_goodbye_says_why);
    tcase_add_test(t, tokens_are_sent_and_refused);
    tcase_add_test(t, a_token_needs_tls);
    tcase_add_test(t, a_command_gives_the_token);
    tcase_add_loop_test(t, without_its_token_helper_the_uplink_ends, 0, 2);
    tcase_add_test(t, speaks_mutual_tls);
    tcase_add_test(t, goes_through_a_proxy_unless_told_not_to);
    tcase_add_test(t, says_that_no_grpc_is_there);
    tcase_add_test(t, a_peer_that_does_not_read_costs_bounded_memory);
    tcase_add_test(t, carries_much_in_order);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
