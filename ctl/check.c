/* SPDX-License-Identifier: Apache-2.0 */
/* check: the configuration, read in this process and by this user. */
#include "ctl/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/print.h"

static int add(const char **list, size_t *n, const char *path, struct sa_err **err)
{
    if (*n == SA_CHECK_PATHS)
        return sa_err_set(err, SA_ELIMIT, "more than %d paths", SA_CHECK_PATHS);
    list[(*n)++] = path;
    list[*n] = NULL;
    return 0;
}

/* DIR/NAME if it is there. Returns 1 and *out, 0 if not, -1 for lack of memory. */
static int child_of(struct sa_check_paths *p, const char *dir, const char *name, const char **out,
                    struct sa_err **err)
{
    char *path = NULL;
    if (p->n_owned == sizeof p->owned / sizeof p->owned[0] ||
        asprintf(&path, "%s/%s", dir, name) < 0)
        return sa_err_set(err, SA_EMEMORY, "no memory for a path");
    if (access(path, F_OK) != 0) {
        free(path);
        return 0;
    }
    p->owned[p->n_owned++] = path;
    *out = path;
    return 1;
}

static int add_directory(struct sa_check_paths *p, const char *dir, struct sa_err **err)
{
    const char *main_file = NULL, *drop_ins = NULL, *accounts = NULL;
    int m = child_of(p, dir, "scale-agent.yml", &main_file, err);
    int d = m < 0 ? -1 : child_of(p, dir, "scale-agent.d", &drop_ins, err);
    int a = d < 0 ? -1 : child_of(p, dir, "accounts.d", &accounts, err);
    if (a < 0)
        return -1;
    if (m + d + a == 0)
        return add(p->accounts, &p->n_accounts, dir, err);
    if ((m == 1 && add(p->files, &p->n_files, main_file, err) != 0) ||
        (d == 1 && add(p->drop_ins, &p->n_drop_ins, drop_ins, err) != 0) ||
        (a == 1 && add(p->accounts, &p->n_accounts, accounts, err) != 0))
        return -1;
    return 0;
}

int sa_check_find(const struct sa_cli *c, struct sa_check_paths *out, struct sa_err **err)
{
    *out = (struct sa_check_paths){.n_files = 0};
    out->paths = *sa_config_default_paths();
    if (c->n_args == 0)
        return 0;
    out->paths = (struct sa_config_paths){out->files, out->drop_ins, out->accounts};
    for (int i = 0; i < c->n_args; i++) {
        struct stat st;
        if (stat(c->args[i], &st) != 0)
            return sa_err_sys(err, errno, "%s", c->args[i]);
        int r = S_ISDIR(st.st_mode) ? add_directory(out, c->args[i], err)
                                    : add(out->files, &out->n_files, c->args[i], err);
        if (r != 0)
            return -1;
    }
    return 0;
}

void sa_check_free(struct sa_check_paths *p)
{
    for (size_t i = 0; i < p->n_owned; i++)
        free(p->owned[i]);
}

static void problems_json(const struct sa_problems *p, bool valid, struct sa_buf *out)
{
    sa_buf_addf(out, "{\"valid\":%s,\"problems\":[", valid ? "true" : "false");
    for (size_t i = 0; i < p->n; i++) {
        const struct sa_problem *q = &p->v[i];
        sa_buf_adds(out, i == 0 ? "\n{\"file\":" : ",\n{\"file\":");
        sa_buf_add_json(out, q->file);
        sa_buf_addf(out, ",\"line\":%u,\"column\":%u,\"warning\":%s,\"text\":", q->line, q->column,
                    q->warning ? "true" : "false");
        sa_buf_add_json(out, q->text);
        sa_buf_addc(out, '}');
    }
    sa_buf_adds(out, "]}\n");
}

static int check(const struct sa_cli *c, const struct sa_config_paths *paths)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    struct sa_settings settings;
    struct sa_problems problems;
    struct sa_buf out;
    sa_buf_init(&out, 0);
    int r = sa_config_load(paths, &settings, &problems, &err);
    if (sa_cli_data(c))
        problems_json(&problems, r == 0, &out);
    else
        sa_problems_print(&problems, &out);
    if (r != 0 && problems.n == 0)
        sa_cli_fail(err);
    if (r == 0 && !sa_cli_data(c))
        sa_buf_addf(&out, "The configuration is valid: %zu account%s.\n", settings.n_accounts,
                    settings.n_accounts == 1 ? "" : "s");
    if (r == 0)
        sa_settings_free(&settings);
    sa_problems_free(&problems);
    int written = sa_cli_data(c) ? sa_cli_put(c, &out) : sa_put(&out);
    return r != 0 ? SA_EXIT_NO : written;
}

int sa_cmd_check(const struct sa_cli *c)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    struct sa_check_paths paths;
    int r = sa_check_find(c, &paths, &err) == 0 ? check(c, &paths.paths) : sa_cli_fail(err);
    sa_check_free(&paths);
    return r;
}
