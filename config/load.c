/* SPDX-License-Identifier: Apache-2.0 */
/* All steps from files to settings. */
#include "config/load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/secret_ref.h"

static size_t file_rank(const struct sa_sources *s, const char *file)
{
    for (size_t i = 0; i < s->n; i++) {
        if (strcmp(s->v[i].path, file) == 0)
            return i;
    }
    return s->n;
}

static int by_place(const void *a, const void *b, void *arg)
{
    const struct sa_problem *x = a, *y = b;
    size_t i = file_rank(arg, x->file), j = file_rank(arg, y->file);
    if (i != j)
        return i < j ? -1 : 1;
    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    if (x->column != y->column)
        return x->column < y->column ? -1 : 1;
    return strcmp(x->text, y->text);
}

static int run_steps(const struct sa_sources *sources, struct sa_loaded *out,
                     struct sa_problem_list *problems, struct sa_err **err)
{
    if (sa_merge_sources(sources, problems, &out->root, err) != 0 ||
        sa_decode(out->root, sources, problems, out, err) != 0)
        return -1;
    sa_validate(out, problems);
    if (problems->no_memory)
        return sa_err_set(err, SA_EMEMORY, "no memory for the list of problems");
    return problems->errors ? 0 : sa_derive(out, err);
}

static void sort_problems(struct sa_problem_list *l, const struct sa_sources *sources)
{
    if (l->dropped > 0) {
        struct sa_problem last = l->p.v[--l->p.n];
        sa_problem_at(l, last.warning, last.file, 0, 0, "%zu more problems are not shown",
                      l->dropped + 1);
        free(last.file);
        free(last.text);
        l->dropped = 0;
    }
    if (l->p.n > 1)
        qsort_r(l->p.v, l->p.n, sizeof *l->p.v, by_place, (void *)sources);
}

int sa_load(const struct sa_sources *sources, struct sa_loaded *out,
            struct sa_problem_list *problems, struct sa_err **err)
{
    *out = (struct sa_loaded){0};
    int r = run_steps(sources, out, problems, err);
    sort_problems(problems, sources);
    if (r == 0 && problems->errors)
        r = sa_err_set(err, SA_ECONFIG, "the configuration has errors");
    if (r != 0)
        sa_loaded_free(out);
    return r;
}

/* For those who look at a configuration where it will be used: a worker would find it out later. */
static void warn_missing_files(const struct sa_loaded *l, struct sa_problem_list *problems)
{
    const struct sa_key *k = sa_key_find("kubernetes.accounts.kubeConfigFile");
    for (size_t i = 0; i < l->wide.settings.n_accounts; i++) {
        const struct sa_account *a = &l->wide.settings.accounts[i];
        const struct sa_yaml *node = l->accounts[i].where[k - sa_keys];
        if (node != NULL && !sa_secret_ref_is(a->kubeconfig_file) &&
            access(a->kubeconfig_file, F_OK) != 0 && errno == ENOENT)
            sa_problem_node(problems, true, node, "account %s: %s does not exist", a->name,
                            a->kubeconfig_file);
    }
}

int sa_config_load(const struct sa_config_paths *paths, struct sa_settings *out,
                   struct sa_problems *problems, struct sa_err **err)
{
    struct sa_sources sources;
    struct sa_loaded loaded;
    struct sa_problem_list list = {0};
    *out = (struct sa_settings){0};
    *problems = (struct sa_problems){0};
    if (sa_sources_read(paths, &sources, err) != 0)
        return -1;
    int r = sa_load(&sources, &loaded, &list, err);
    if (r == 0) {
        warn_missing_files(&loaded, &list);
        sort_problems(&list, &sources);
        for (size_t i = 0; i < loaded.wide.settings.n_accounts; i++)
            free(loaded.accounts[i].where);
        free(loaded.accounts);
        loaded.accounts = NULL;
        *out = loaded.wide.settings;
        loaded.wide.settings = (struct sa_settings){0};
        sa_loaded_free(&loaded);
    }
    *problems = list.p;
    sa_sources_free(&sources);
    return r;
}
