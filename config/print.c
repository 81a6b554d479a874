/* SPDX-License-Identifier: Apache-2.0 */
/* The effective configuration as YAML, and problems as lines. */
#include "config/print.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "config/json.h"
#include "config/load.h"
#include "config/outline.h"
#include "config/yaml_emit.h"

#define MASK     "********"
#define ACCOUNTS "kubernetes.accounts[]."

void sa_problems_print(const struct sa_problems *p, struct sa_buf *out)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct sa_problem *q = &p->v[i];
        sa_buf_adds(out, q->file);
        if (q->line > 0)
            sa_buf_addf(out, ":%u:%u", q->line, q->column);
        sa_buf_addf(out, ": %s: %s\n", q->warning ? "warning" : "error", q->text);
    }
}

/* A field as cJSON, NULL if it is not set or for lack of memory (then *failed). */
static cJSON *field_as_json(const struct sa_key *k, const void *field, bool *failed)
{
    struct sa_buf b;
    sa_buf_init(&b, 0);
    if (k->secret && *(char *const *)field != NULL)
        sa_buf_add_json(&b, MASK);
    else
        sa_value_to_json(k, field, &b);
    cJSON *v = b.failed ? NULL : cJSON_ParseWithLength(b.data, b.len);
    sa_buf_free(&b);
    if (v == NULL)
        *failed = true;
    if (!cJSON_IsNull(v))
        return v;
    cJSON_Delete(v);
    return NULL;
}

static bool add_field(cJSON *root, const struct sa_key *k, const char *path, const void *field)
{
    bool failed = false;
    cJSON *v = field_as_json(k, field, &failed);
    return v == NULL ? !failed : sa_outline_put(root, path, v);
}

static cJSON *account_tree(struct sa_account *a)
{
    cJSON *o = cJSON_CreateObject();
    bool ok = o != NULL;
    for (size_t i = 0; i < sa_n_keys && ok; i++) {
        const struct sa_key *k = &sa_keys[i];
        if (k->class == SA_KEY_HONOURED && k->home == SA_HOME_ACCOUNT)
            ok = add_field(o, k, k->path + strlen(ACCOUNTS), sa_key_field(k, a));
    }
    if (ok)
        return o;
    cJSON_Delete(o);
    return NULL;
}

static cJSON *whole_tree(struct sa_wide *w)
{
    cJSON *root = cJSON_CreateObject(), *list = cJSON_CreateArray();
    bool ok = root != NULL && list != NULL;
    for (size_t i = 0; i < sa_n_keys && ok; i++) {
        const struct sa_key *k = &sa_keys[i];
        if (k->class == SA_KEY_HONOURED && k->home == SA_HOME_WIDE)
            ok = add_field(root, k, k->path, sa_key_field(k, w));
    }
    for (size_t i = 0; i < w->settings.n_accounts && ok; i++) {
        cJSON *a = account_tree(&w->settings.accounts[i]);
        ok = a != NULL && cJSON_AddItemToArray(list, a);
    }
    if (ok && sa_outline_put(root, "kubernetes.accounts", list))
        return root;
    if (!ok)
        cJSON_Delete(list); /* else it went with the attempt to put it */
    cJSON_Delete(root);
    return NULL;
}

static int print_loaded(struct sa_loaded *l, struct sa_buf *out, struct sa_err **err)
{
    cJSON *tree = whole_tree(&l->wide);
    if (tree != NULL)
        sa_yaml_emit(tree, true, out);
    bool ok = tree != NULL && !out->failed;
    cJSON_Delete(tree);
    return ok ? 0 : sa_err_set(err, SA_EMEMORY, "no memory to print the configuration");
}

int sa_config_print(const struct sa_config_paths *paths, struct sa_buf *out,
                    struct sa_problems *problems, struct sa_err **err)
{
    struct sa_sources sources;
    struct sa_loaded loaded;
    struct sa_problem_list list = {0};
    *problems = (struct sa_problems){0};
    if (sa_sources_read(paths, &sources, err) != 0)
        return -1;
    int r = sa_load(&sources, &loaded, &list, err);
    *problems = list.p;
    if (r == 0) {
        r = print_loaded(&loaded, out, err);
        sa_loaded_free(&loaded);
    }
    sa_sources_free(&sources);
    return r;
}
