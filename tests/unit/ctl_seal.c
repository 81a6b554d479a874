/* SPDX-License-Identifier: Apache-2.0 */
/* scale-agentctl seal as its users run it: keys, and what is refused. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/seal.h"
#include "ctl_fixture.h"

#define KUBECONFIG "users: [{name: u, user: {token: hunter2}}]\n"

static struct ctl_fixture f;

static const char *path_of(const char *name)
{
    static char path[2][128];
    static unsigned next;
    char *p = path[next++ % 2];
    snprintf(p, sizeof path[0], "%s/%s", f.dir, name);
    return p;
}

static void write_file(const char *name, const char *text)
{
    FILE *out = fopen(path_of(name), "w");
    ck_assert_ptr_nonnull(out);
    ck_assert_int_ge(fputs(text, out), 0);
    ck_assert_int_eq(fclose(out), 0);
}

static size_t read_file(const char *name, char *text, size_t room)
{
    FILE *in = fopen(path_of(name), "r");
    ck_assert_ptr_nonnull(in);
    size_t n = fread(text, 1, room, in);
    ck_assert_int_eq(fclose(in), 0);
    return n;
}

static mode_t mode_of(const char *name)
{
    struct stat st;
    ck_assert_int_eq(stat(path_of(name), &st), 0);
    return st.st_mode & 07777;
}

static void check_run(const char *args, int code, const char *want)
{
    char *out;
    int r = ctl_run(&f, args, &out);
    ck_assert_msg(r == code, "%s: exit code %d, not %d: %s", args, r, code, out);
    ck_assert_msg(strstr(out, want) != NULL, "%s brought:\n%s\nwanted: %s", args, out, want);
    ck_assert_msg(strstr(out, "hunter2") == NULL, "%s shows the secret", args);
    free(out);
}

static void setup(void)
{
    ctl_fixture_make(&f, NULL);
    write_file("kc", KUBECONFIG);
}

static void teardown(void)
{
    ctl_fixture_remove(&f);
}

START_TEST(a_key_is_made_once)
{
    char key[256], again[256];
    check_run("seal --init --key $DIR/seal.key", 0, "seal.key is this host's key");
    ck_assert_int_eq(mode_of("seal.key"), 0600);
    ck_assert_int_eq(mode_of("seal.pub"), 0644);
    size_t n = read_file("seal.key", key, sizeof key);
    check_run("seal --init --key $DIR/seal.key", 1, "seal.key is there");
    ck_assert_uint_eq(read_file("seal.key", again, sizeof again), n);
    ck_assert_mem_eq(key, again, n);
    check_run("seal --init --key $DIR/no/seal.key", 1, "No such file");
}
END_TEST

/* A public half that can't be written leaves no key behind. */
START_TEST(half_a_key_is_none)
{
    ck_assert_int_eq(mkdir(path_of("seal.pub"), 0700), 0);
    check_run("seal --init --key $DIR/seal.key", 1, "seal.pub");
    ck_assert_int_ne(access(path_of("seal.key"), F_OK), 0);
}
END_TEST

START_TEST(the_other_half_opens_what_was_sealed)
{
    char key[256], sealed[1024], plain[1024];
    size_t n = 0;
    check_run("seal --init --key $DIR/seal.key", 0, "");
    check_run("seal --public $DIR/seal.pub $DIR/kc >$DIR/sealed", 0, "");
    check_run("seal --public $DIR/seal.pub - <$DIR/kc >$DIR/piped", 0, "");
    size_t key_n = read_file("seal.key", key, sizeof key);
    const char *const files[] = {"sealed", "piped"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        size_t sealed_n = read_file(files[i], sealed, sizeof sealed);
        ck_assert_int_eq(sa_seal_open(key, key_n, sealed, sealed_n, plain, &n, NULL), 0);
        ck_assert_uint_eq(n, strlen(KUBECONFIG));
        ck_assert_mem_eq(plain, KUBECONFIG, n);
    }
    check_run("seal --public $DIR/seal.pub $DIR/sealed", 1, "is sealed already");
    check_run("discover $DIR/sealed", 1, "only the agent of its host can open it");
}
END_TEST

START_TEST(what_can_not_be_sealed_is_said)
{
    check_run("seal --public $DIR/seal.pub $DIR/kc", 1, "scale-agentctl seal --init");
    check_run("seal --init --key $DIR/seal.key", 0, "");
    check_run("seal --public $DIR/seal.key $DIR/kc", 1, "not the public half");
    check_run("seal --public $DIR/seal.pub $DIR/none", 1, "No such file");
    check_run("seal --public $DIR/seal.pub $DIR", 1, "reading");
    write_file("empty", "");
    check_run("seal --public $DIR/seal.pub $DIR/empty", 1, "is empty");
    check_run("seal --public $DIR/seal.pub - </dev/zero", 1, "longer than 768000 bytes");
}
END_TEST

START_TEST(command_lines_are_checked)
{
    check_run("seal --help", 0, "sudo scale-agentctl seal --init");
    check_run("seal", 2, "seal --help");
    check_run("seal a b", 2, "seal --help");
    check_run("seal --init a", 2, "seal --help");
    check_run("seal --init --public a", 2, "seal --help");
    check_run("seal --key a b", 2, "seal --help");
    check_run("seal --nonsense", 2, "seal --help");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ctl_seal");
    TCase *t = tcase_create("seal");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_key_is_made_once);
    tcase_add_test(t, half_a_key_is_none);
    tcase_add_test(t, the_other_half_opens_what_was_sealed);
    tcase_add_test(t, what_can_not_be_sealed_is_said);
    tcase_add_test(t, command_lines_are_checked);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
