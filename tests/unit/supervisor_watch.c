/* SPDX-License-Identifier: Apache-2.0 */
/* Which changes of files are noticed, and which are none of our business. */
#include <check.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "supervisor/watch.h"

static char dir[64];
static struct sa_loop *loop;
static struct sa_watcher *watcher;
static int told;

static const char *at(const char *name)
{
    static char paths[4][256];
    static int next;

    next = (next + 1) % 4;
    snprintf(paths[next], sizeof(paths[next]), "%s/%s", dir, name);
    return paths[next];
}

static void put(const char *name, const char *text)
{
    int fd = open(at(name), O_WRONLY | O_CREAT | O_TRUNC, 0644);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void on_changed(void *arg)
{
    (void)arg;
    told++;
}

static int rewatch(void)
{
    sa_watcher_begin(watcher);
    sa_watcher_add_file(watcher, at("etc/main.yml"));
    sa_watcher_add_directory(watcher, at("etc/accounts.d"));
    return sa_watcher_end(watcher);
}

static void set_up(void)
{
    snprintf(dir, sizeof(dir), "/tmp/sa-watch-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    ck_assert_int_eq(mkdir(at("etc"), 0755), 0);
    ck_assert_int_eq(mkdir(at("etc/accounts.d"), 0755), 0);
    put("etc/main.yml", "a: 1\n");
    put("etc/accounts.d/one.yml", "name: one\n");
    loop = sa_loop_new(NULL);
    ck_assert_ptr_nonnull(loop);
    watcher = sa_watcher_new(loop, on_changed, NULL, NULL);
    ck_assert_ptr_nonnull(watcher);
    told = 0;
    ck_assert_int_gt(rewatch(), 0);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void tear_down(void)
{
    sa_watcher_free(watcher);
    sa_loop_free(loop);
    nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Runs the loop until something was told or ms passed; then forgets it. */
static bool noticed_within(uint64_t ms)
{
    uint64_t end = sa_mono_ns() + ms * SA_NS_PER_MS;
    bool any;

    while (told == 0 && sa_mono_ns() < end)
        ck_assert_int_eq(sa_loop_turn(loop, 20, NULL), 0);
    any = told > 0;
    told = 0;
    return any;
}

START_TEST(writes_renames_and_removals_are_noticed)
{
    put("etc/main.yml", "a: 2\n");
    ck_assert(noticed_within(1500));
    put("etc/.main.yml.tmp", "a: 3\n");
    ck_assert_int_eq(rename(at("etc/.main.yml.tmp"), at("etc/main.yml")), 0);
    ck_assert(noticed_within(1500));
    put("etc/accounts.d/two.yml", "name: two\n");
    ck_assert(noticed_within(1500));
    ck_assert_int_eq(unlink(at("etc/accounts.d/one.yml")), 0);
    ck_assert(noticed_within(1500));
}
END_TEST

START_TEST(other_files_are_not_our_business)
{
    put("etc/other.conf", "x");
    put("etc/accounts.d/.two.yml.swp", "x");
    put("etc/accounts.d/notes.txt", "x");
    ck_assert(!noticed_within(600));
}
END_TEST

START_TEST(a_burst_is_told_once)
{
    uint64_t end = sa_mono_ns() + 900 * SA_NS_PER_MS;

    for (int i = 0; i < 20; i++)
        put("etc/main.yml", "a: 4\n");
    while (sa_mono_ns() < end)
        sa_loop_turn(loop, 20, NULL);
    ck_assert_int_eq(told, 1);
}
END_TEST

START_TEST(a_directory_made_anew_is_watched_again)
{
    ck_assert_int_eq(unlink(at("etc/accounts.d/one.yml")), 0);
    ck_assert_int_eq(rmdir(at("etc/accounts.d")), 0);
    ck_assert(noticed_within(1500));
    rewatch();
    ck_assert_int_eq(mkdir(at("etc/accounts.d"), 0755), 0);
    ck_assert(noticed_within(1500));
    ck_assert_int_gt(rewatch(), 0);
    put("etc/accounts.d/new.yml", "name: new\n");
    ck_assert(noticed_within(1500));
}
END_TEST

START_TEST(a_directory_that_is_not_there_yet_is_seen_coming)
{
    sa_watcher_begin(watcher);
    sa_watcher_add_directory(watcher, at("later/deep/accounts.d"));
    sa_watcher_end(watcher);
    ck_assert_int_eq(mkdir(at("later"), 0755), 0);
    ck_assert(noticed_within(1500));
}
END_TEST

/* As the kubelet does it: files are links into ..data, itself a link that is replaced by rename. */
START_TEST(the_swap_of_a_config_map_is_noticed)
{
    ck_assert_int_eq(mkdir(at("vol"), 0755), 0);
    ck_assert_int_eq(mkdir(at("vol/..1"), 0755), 0);
    put("vol/..1/a.yml", "name: a\n");
    ck_assert_int_eq(symlink("..1", at("vol/..data")), 0);
    ck_assert_int_eq(symlink("..data/a.yml", at("vol/a.yml")), 0);
    sa_watcher_begin(watcher);
    sa_watcher_add_directory(watcher, at("vol"));
    sa_watcher_add_file(watcher, at("vol/a.yml"));
    sa_watcher_end(watcher);
    ck_assert(!noticed_within(400));
    ck_assert_int_eq(mkdir(at("vol/..2"), 0755), 0);
    put("vol/..2/a.yml", "name: b\n");
    ck_assert_int_eq(symlink("..2", at("vol/..data_tmp")), 0);
    ck_assert(!noticed_within(400));
    ck_assert_int_eq(rename(at("vol/..data_tmp"), at("vol/..data")), 0);
    ck_assert(noticed_within(1500));
}
END_TEST

START_TEST(the_target_of_a_link_is_watched)
{
    ck_assert_int_eq(mkdir(at("elsewhere"), 0755), 0);
    put("elsewhere/real.yml", "a: 1\n");
    ck_assert_int_eq(symlink(at("elsewhere/real.yml"), at("etc/linked.yml")), 0);
    sa_watcher_begin(watcher);
    sa_watcher_add_file(watcher, at("etc/linked.yml"));
    sa_watcher_end(watcher);
    put("elsewhere/real.yml", "a: 2\n");
    ck_assert(noticed_within(1500));
    put("elsewhere/unrelated.yml", "a: 2\n");
    ck_assert(!noticed_within(400));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("supervisor watch");
    TCase *tc = tcase_create("watch");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tc, 20);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, writes_renames_and_removals_are_noticed);
    tcase_add_test(tc, other_files_are_not_our_business);
    tcase_add_test(tc, a_burst_is_told_once);
    tcase_add_test(tc, a_directory_made_anew_is_watched_again);
    tcase_add_test(tc, a_directory_that_is_not_there_yet_is_seen_coming);
    tcase_add_test(tc, the_swap_of_a_config_map_is_noticed);
    tcase_add_test(tc, the_target_of_a_link_is_watched);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
