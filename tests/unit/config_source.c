/* SPDX-License-Identifier: Apache-2.0 */
/* How files are read, whose paths may come from processes with fewer rights. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/load.h"

/* Opening a device or a FIFO is to act on it. Through a link as well; a link to a file is fine. */
START_TEST(only_regular_files_are_ever_opened)
{
    char dir[] = "/tmp/scale-agent-open-XXXXXX";
    char fifo[64], link[64], file[64], *bytes = NULL, event[512];
    size_t n = 0;
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(fifo, sizeof fifo, "%s/fifo", dir);
    snprintf(link, sizeof link, "%s/link", dir);
    snprintf(file, sizeof file, "%s/file", dir);
    ck_assert_int_eq(mkfifo(fifo, 0600), 0);
    ck_assert_int_eq(symlink("fifo", link), 0);
    int events = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    ck_assert_int_ge(inotify_add_watch(events, fifo, IN_OPEN), 0);
    for (int i = 0; i < 2; i++) {
        SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
        ck_assert_int_eq(sa_file_read(i == 0 ? fifo : link, 100, &bytes, &n, &err), -1);
        ck_assert_ptr_nonnull(strstr(sa_err_msg(err), "is not a regular file"));
        ck_assert_int_eq(read(events, event, sizeof event), -1); /* it was not opened */
    }
    FILE *f = fopen(file, "w");
    ck_assert_ptr_nonnull(f);
    fputs("content", f);
    fclose(f);
    unlink(link);
    ck_assert_int_eq(symlink("file", link), 0);
    ck_assert_int_eq(sa_file_read(link, 100, &bytes, &n, NULL), 0);
    ck_assert_str_eq(bytes, "content");
    free(bytes);
    close(events);
    unlink(link);
    unlink(fifo);
    unlink(file);
    rmdir(dir);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("config_source");
    TCase *t = tcase_create("source");
    SRunner *r;
    tcase_add_test(t, only_regular_files_are_ever_opened);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
