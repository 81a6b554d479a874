/* SPDX-License-Identifier: Apache-2.0 */
#include "config_fixture.h"

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/print.h"

void fixture_make(struct fixture *f)
{
    *f = (struct fixture){.dir = "/tmp/sa-config-XXXXXX"};
    ck_assert_ptr_nonnull(mkdtemp(f->dir));
    snprintf(f->main_file, sizeof f->main_file, "%s/main.yml", f->dir);
    snprintf(f->local_file, sizeof f->local_file, "%s/local.yml", f->dir);
    snprintf(f->drop_ins, sizeof f->drop_ins, "%s/drop", f->dir);
    snprintf(f->accounts, sizeof f->accounts, "%s/accounts", f->dir);
    ck_assert_int_eq(mkdir(f->drop_ins, 0755), 0);
    ck_assert_int_eq(mkdir(f->accounts, 0755), 0);
    f->main_files[0] = f->main_file;
    f->main_files[1] = f->local_file;
    f->drop_in_dirs[0] = f->drop_ins;
    f->account_dirs[0] = f->accounts;
    f->paths = (struct sa_config_paths){f->main_files, f->drop_in_dirs, f->account_dirs};
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void fixture_remove(struct fixture *f)
{
    nftw(f->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

void fixture_write(const struct fixture *f, const char *name, const char *text)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", f->dir, name);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(text, 1, strlen(text), file), strlen(text));
    ck_assert_int_eq(fclose(file), 0);
}

/* Removes every "DIR/" from text. */
static void cut(char *text, const char *dir)
{
    size_t n = strlen(dir);
    for (char *at; (at = strstr(text, dir)) != NULL;)
        memmove(at, at + n + 1, strlen(at + n + 1) + 1);
}

int fixture_load(const struct fixture *f, struct sa_settings *s, char **problems)
{
    struct sa_problems list;
    struct sa_buf b;
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    sa_buf_init(&b, 0);
    int r = sa_config_load(&f->paths, s, &list, &err);
    sa_problems_print(&list, &b);
    sa_problems_free(&list);
    *problems = b.data != NULL ? b.data : strdup("");
    cut(*problems, f->dir);
    if (r != 0)
        ck_assert_msg((*problems)[0] != '\0', "no problem, but: %s", sa_err_msg(err));
    return r;
}

static int load_text(const char *text, struct sa_settings *s, char **problems)
{
    struct fixture f;
    fixture_make(&f);
    fixture_write(&f, "main.yml", text);
    int r = fixture_load(&f, s, problems);
    fixture_remove(&f);
    return r;
}

void fixture_accepts(const char *text, struct sa_settings *s)
{
    char *problems;
    ck_assert_msg(load_text(text, s, &problems) == 0, "%s\nwas refused: %s", text, problems);
    ck_assert_msg(problems[0] == '\0', "%s\nbrought: %s", text, problems);
    free(problems);
}

void fixture_refuses(const char *text, const char *want)
{
    struct sa_settings s;
    char *problems;
    ck_assert_msg(load_text(text, &s, &problems) == -1, "%s\nwas taken", text);
    bool found = false;
    for (const char *line = problems; line != NULL && *line != '\0' && !found;) {
        found = strncmp(line, want, strlen(want)) == 0;
        line = strchr(line, '\n');
        line = line == NULL ? NULL : line + 1;
    }
    ck_assert_msg(found, "%s\nbrought:\n%swanted: %s", text, problems, want);
    free(problems);
}

void fixture_warns(const char *text, const char *want)
{
    struct sa_settings s;
    char *problems;
    ck_assert_msg(load_text(text, &s, &problems) == 0, "%s\nwas refused: %s", text, problems);
    ck_assert_msg(strstr(problems, want) != NULL, "%s\nbrought:\n%swanted: %s", text, problems,
                  want);
    ck_assert_ptr_nonnull(strstr(problems, ": warning: "));
    sa_settings_free(&s);
    free(problems);
}
