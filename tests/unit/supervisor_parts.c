/* SPDX-License-Identifier: Apache-2.0 */
/* The supervisor's small parts: JSON, /proc, keys over fork, who the children become. */
#include <check.h>
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/hash.h"
#include "supervisor/health.h"
#include "supervisor/identity.h"
#include "supervisor/jsonw.h"
#include "supervisor/keys.h"
#include "supervisor/peer.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

START_TEST(json_puts_commas_where_they_belong)
{
    struct sa_buf b;
    struct sa_jsonw j = sa_jsonw(&b);

    sa_buf_init(&b, 1000);
    sa_jsonw_open(&j, NULL, '{');
    sa_jsonw_open(&j, "empty", '[');
    sa_jsonw_close(&j, ']');
    sa_jsonw_open(&j, "list", '[');
    sa_jsonw_number(&j, NULL, 1);
    sa_jsonw_text(&j, NULL, "a\"b");
    sa_jsonw_close(&j, ']');
    sa_jsonw_bool(&j, "yes", true);
    sa_jsonw_text(&j, "nothing", NULL);
    sa_jsonw_close(&j, '}');
    ck_assert_str_eq(b.data,
                     "{\"empty\":[],\"list\":[1,\"a\\\"b\"],\"yes\":true,\"nothing\":null}");
    sa_buf_free(&b);
}
END_TEST

START_TEST(usage_is_read_past_a_hostile_name)
{
    struct sa_proc_usage u = {.peak = 1};
    const char *stat = "42 (a) R 1 (b)) S 1 42 42 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 7 0 1000 "
                       "8192000 500 18446744073709551615 1 1 0 0 0 0 0";

    ck_assert_int_eq(sa_usage_parse(stat, &u), 0);
    ck_assert_uint_eq(u.cpu_us, 300 * 1000000 / (uint64_t)sysconf(_SC_CLK_TCK));
    ck_assert_uint_eq(u.threads, 7);
    ck_assert_uint_eq(u.virtual_size, 8192000);
    ck_assert_uint_eq(u.rss, 500 * (uint64_t)sysconf(_SC_PAGESIZE));
    ck_assert_uint_eq(u.peak, u.rss);
    ck_assert_int_eq(sa_usage_parse("42 (a) S 1 42", &u), -1);
    ck_assert_int_eq(sa_usage_parse("", &u), -1);
    ck_assert_int_eq(sa_usage_of(getpid(), &u), 0);
    ck_assert_uint_gt(u.rss, 0);
}
END_TEST

START_TEST(keys_are_fresh_and_kept_when_the_store_grows)
{
    struct sa_keys k = {0};
    uint8_t first[SA_KEY_SIZE];

    ck_assert_int_eq(sa_keys_renew(&k, 0, NULL), 0);
    memcpy(first, sa_keys_at(&k, 0), sizeof(first));
    for (uint32_t i = 1; i < 2000; i++)
        ck_assert_int_eq(sa_keys_renew(&k, i, NULL), 0);
    ck_assert_mem_eq(sa_keys_at(&k, 0), first, sizeof(first));
    ck_assert_int_eq(sa_keys_renew(&k, 0, NULL), 0);
    ck_assert_mem_ne(sa_keys_at(&k, 0), first, sizeof(first));
    sa_keys_free(&k);
}
END_TEST

START_TEST(a_child_does_not_inherit_the_keys)
{
    struct sa_keys k = {0};
    int status;
    pid_t pid;

    ck_assert_int_eq(sa_keys_renew(&k, 3, NULL), 0);
    pid = fork();
    if (pid == 0) {
        signal(SIGSEGV, SIG_DFL); /* a sanitizer's handler would make a report of it */
        _exit(*(volatile const uint8_t *)sa_keys_at(&k, 3) == 0 ? 0 : 1);
    }
    ck_assert_int_gt(pid, 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    sa_keys_free(&k);
}
END_TEST

START_TEST(descendants_are_told_from_others)
{
    int pair[2], status;
    pid_t pid;

    ck_assert(!sa_descends(getppid()));
    ck_assert(sa_descends(getpid()));
    ck_assert(sa_descends(INT_MAX)); /* there is none: not known */
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    pid = fork();
    if (pid == 0) {
        pid_t own = fork(); /* a grandchild */

        if (own == 0)
            pause();
        if (write(pair[1], &own, sizeof(own)) < 0)
            _exit(1);
        pause();
    }
    ck_assert(sa_descends(pid));
    ck_assert_int_eq(read(pair[0], &status, sizeof(status)), sizeof(status));
    ck_assert(sa_descends(status));
    ck_assert(!sa_peer_descends(pair[0], 0));
    kill(status, SIGKILL);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(pair[0]);
    close(pair[1]);
}
END_TEST

/* The number of one that is gone may be another's by now. */
START_TEST(a_peer_that_is_gone_is_not_trusted)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX, .sun_path = ""};
    socklen_t n = sizeof(addr);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0), fd, known;
    pid_t pid;

    snprintf(addr.sun_path + 1, sizeof(addr.sun_path) - 1, "scale-agent-peer-%d", (int)getpid());
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&addr, n), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    pid = fork();
    if (pid == 0) {
        fd = socket(AF_UNIX, SOCK_STREAM, 0);
        _exit(connect(fd, (struct sockaddr *)&addr, n));
    }
    fd = accept(listener, NULL, NULL);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &known, &n) == 0 || errno != ENOPROTOOPT)
        pid = getppid(); /* even if the number were a stranger's */
    ck_assert(sa_peer_descends(fd, pid));
    close(fd);
    close(listener);
}
END_TEST

START_TEST(a_missing_user_becomes_nobody_or_the_range)
{
    struct sa_settings s = {.user = (char[]){"no-such-user-here"}};
    struct sa_identity id;

    ck_assert_int_eq(sa_identity_resolve(&s, &id, NULL), 0);
    ck_assert_uint_eq(id.uid, geteuid() == 0 ? SA_NOBODY : 0);
    s.uid_range_first = 70000;
    s.uid_range_count = 3;
    ck_assert_int_eq(sa_identity_resolve(&s, &id, NULL), 0);
    if (geteuid() == 0) {
        ck_assert_uint_eq(id.uid, 70000);
        ck_assert_uint_eq(sa_identity_worker_uid(&id, 1), 70001);
        ck_assert_uint_eq(sa_identity_worker_uid(&id, 3), 70000);
    } else {
        ck_assert_uint_eq(sa_identity_worker_uid(&id, 1), 0);
    }
}
END_TEST

START_TEST(root_is_no_user_to_become)
{
    struct sa_settings s = {.user = (char[]){"root"}};
    struct sa_identity id;

    ck_assert_int_eq(sa_identity_resolve(&s, &id, NULL), 0);
    ck_assert_uint_eq(id.uid, geteuid() == 0 ? SA_NOBODY : 0);
}
END_TEST

START_TEST(a_missing_control_group_is_an_error)
{
    struct sa_settings s = {.control_group = (char[]){"no-such-group-here"}};
    struct sa_identity id;
    struct sa_err *err = NULL;

    ck_assert_int_eq(sa_identity_resolve(&s, &id, &err), -1);
    ck_assert(strstr(sa_err_msg(err), "no-such-group-here") != NULL);
    sa_err_free(&err);
}
END_TEST

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

START_TEST(a_second_daemon_is_kept_out)
{
    char dir[] = "/tmp/sa-identity-XXXXXX", run[64], state[64];
    struct sa_settings s = {0};
    struct sa_identity id;
    struct sa_err *err = NULL;
    int first = -1, second = -1;

    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(run, sizeof(run), "%s/a/run", dir);
    snprintf(state, sizeof(state), "%s/a/state", dir);
    ck_assert_int_eq(sa_identity_resolve(&s, &id, NULL), 0);
    ck_assert_int_eq(sa_identity_directories(&id, run, state, &first, NULL), 0);
    ck_assert_int_eq(sa_identity_directories(&id, run, state, &second, &err), -1);
    ck_assert_int_eq(err->code, SA_EREFUSED);
    sa_err_free(&err);
    sa_closep(&first);
    sa_closep(&second);
    nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("supervisor parts");
    TCase *tc = tcase_create("parts");
    SRunner *runner;
    int failed;

    sa_hash_init();
    tcase_add_test(tc, json_puts_commas_where_they_belong);
    tcase_add_test(tc, usage_is_read_past_a_hostile_name);
    tcase_add_test(tc, keys_are_fresh_and_kept_when_the_store_grows);
    tcase_add_test(tc, a_child_does_not_inherit_the_keys);
    tcase_add_test(tc, descendants_are_told_from_others);
    tcase_add_test(tc, a_peer_that_is_gone_is_not_trusted);
    tcase_add_test(tc, a_missing_user_becomes_nobody_or_the_range);
    tcase_add_test(tc, root_is_no_user_to_become);
    tcase_add_test(tc, a_missing_control_group_is_an_error);
    tcase_add_test(tc, a_second_daemon_is_kept_out);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
