/* SPDX-License-Identifier: Apache-2.0 */
/* The secrets that configuration files hold, for the one process that may know them. */
#include <stdlib.h>
#include <string.h>

#include "config/load.h"

static struct sa_yaml *descend(struct sa_yaml *root, const char *path)
{
    char part[64];
    for (;;) {
        size_t n = strcspn(path, ".");
        if (n >= sizeof part)
            return NULL;
        memcpy(part, path, n);
        part[n] = '\0';
        root = sa_yaml_get(root, part);
        if (path[n] == '\0')
            return root;
        path += n + 1;
    }
}

static int take_one(const struct sa_key *k, struct sa_yaml *root, struct sa_clouddriver *c,
                    struct sa_err **err)
{
    const char *text = sa_yaml_text(descend(root, k->path));
    if (text == NULL)
        return 0;
    char *value = NULL;
    if (sa_substitute(text, &value, err) != 0)
        return sa_err_wrap(err, "%s", k->path);
    /* Every secret is one of clouddriver's; the table's offsets count from struct sa_wide. */
    size_t offset = k->offset - offsetof(struct sa_wide, settings.clouddriver);
    char **field = (char **)(void *)((char *)c + offset);
    sa_value_free(k, field);
    *field = value;
    return 0;
}

int sa_sources_secrets(const struct sa_sources *sources, struct sa_clouddriver *c,
                       struct sa_err **err)
{
    struct sa_problem_list ignored = {0};
    SA_CLEANUP(sa_yaml_freep) struct sa_yaml *root = NULL;
    int r = sa_merge_sources(sources, &ignored, &root, err);
    for (size_t i = 0; i < sa_n_keys && r == 0; i++) {
        if (sa_keys[i].secret)
            r = take_one(&sa_keys[i], root, c, err);
    }
    sa_problem_list_free(&ignored);
    return r;
}
