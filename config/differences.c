/* SPDX-License-Identifier: Apache-2.0 */
/* What differs from the defaults, and the place that says so. */
#include <string.h>

#include "config/json.h"
#include "config/load.h"
#include "config/print.h"

#define MASK     "\"********\""
#define ACCOUNTS "kubernetes.accounts[]"

struct writer {
    struct sa_buf *out;
    struct sa_err **err;
    size_t n;
};

static bool same(const struct sa_buf *a, const struct sa_buf *b)
{
    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

/* "kubernetes.accounts[prod].kinds" of an account's key, else the key itself */
static void add_path(struct writer *w, const struct sa_key *k, const char *account)
{
    struct sa_buf path;
    sa_buf_init(&path, 0);
    if (account != NULL)
        sa_buf_addf(&path, "kubernetes.accounts[%s]%s", account, k->path + strlen(ACCOUNTS));
    else
        sa_buf_adds(&path, k->path);
    sa_buf_addc(&path, '\0');
    if (path.failed)
        w->out->failed = true;
    else
        sa_buf_add_json(w->out, path.data);
    sa_buf_free(&path);
}

static void write_one(struct writer *w, const struct sa_key *k, const char *account,
                      const struct sa_yaml *where, const struct sa_buf *value,
                      const struct sa_buf *preset)
{
    sa_buf_adds(w->out, w->n++ == 0 ? "{\"key\":" : ",\n{\"key\":");
    add_path(w, k, account);
    sa_buf_adds(w->out, ",\"value\":");
    if (k->secret)
        sa_buf_adds(w->out, MASK);
    else
        sa_buf_add(w->out, value->data, value->len);
    sa_buf_adds(w->out, ",\"default\":");
    sa_buf_add(w->out, preset->data, preset->len);
    sa_buf_adds(w->out, ",\"file\":");
    sa_buf_add_json(w->out, where->name);
    sa_buf_addf(w->out, ",\"line\":%u}", where->line);
}

/* base and presets are structs of the key's home. */
static void compare(struct writer *w, const struct sa_key *k, const char *account,
                    const struct sa_yaml *where, void *base, void *presets)
{
    struct sa_buf value, preset;
    sa_buf_init(&value, 0);
    sa_buf_init(&preset, 0);
    sa_value_to_json(k, sa_key_field(k, base), &value);
    sa_value_to_json(k, sa_key_field(k, presets), &preset);
    if (value.failed || preset.failed)
        w->out->failed = true;
    else if (!same(&value, &preset))
        write_one(w, k, account, where, &value, &preset);
    if (value.data != NULL && k->secret)
        explicit_bzero(value.data, value.len);
    sa_buf_free(&value);
    sa_buf_free(&preset);
}

static bool is_shown(const struct sa_key *k, enum sa_key_home home)
{
    return k->class == SA_KEY_HONOURED && k->home == home;
}

static void compare_wide(struct writer *w, struct sa_loaded *l, struct sa_wide *presets)
{
    for (size_t i = 0; i < sa_n_keys; i++) {
        if (l->where[i] != NULL && is_shown(&sa_keys[i], SA_HOME_WIDE))
            compare(w, &sa_keys[i], NULL, l->where[i], &l->wide, presets);
    }
}

static void compare_account(struct writer *w, struct sa_account *a,
                            const struct sa_loaded_account *at, struct sa_account *presets)
{
    for (size_t i = 0; i < sa_n_keys; i++) {
        if (at->where[i] != NULL && is_shown(&sa_keys[i], SA_HOME_ACCOUNT))
            compare(w, &sa_keys[i], a->name, at->where[i], a, presets);
    }
}

static int preset_account(struct sa_account *a, struct sa_err **err)
{
    for (size_t i = 0; i < sa_n_keys; i++) {
        if (is_shown(&sa_keys[i], SA_HOME_ACCOUNT) &&
            sa_value_preset(&sa_keys[i], sa_key_field(&sa_keys[i], a), err) != 0)
            return -1;
    }
    return 0;
}

static int compare_all(struct writer *w, struct sa_loaded *l)
{
    struct sa_wide wide = {0};
    struct sa_account account = {0};
    struct sa_settings *s = &l->wide.settings;
    int r = sa_wide_preset(&wide, w->err) == 0 ? preset_account(&account, w->err) : -1;
    if (r == 0) {
        compare_wide(w, l, &wide);
        for (size_t i = 0; i < s->n_accounts; i++)
            compare_account(w, &s->accounts[i], &l->accounts[i], &account);
    }
    sa_wide_free(&wide);
    for (size_t i = 0; i < sa_n_keys; i++) {
        if (is_shown(&sa_keys[i], SA_HOME_ACCOUNT))
            sa_value_free(&sa_keys[i], sa_key_field(&sa_keys[i], &account));
    }
    return r;
}

int sa_config_differences(const struct sa_config_paths *paths, struct sa_buf *out,
                          struct sa_problems *problems, struct sa_err **err)
{
    struct sa_sources sources;
    struct sa_loaded loaded;
    struct sa_problem_list list = {0};
    struct writer w = {.out = out, .err = err};
    *problems = (struct sa_problems){0};
    if (sa_sources_read(paths, &sources, err) != 0)
        return -1;
    int r = sa_load(&sources, &loaded, &list, err);
    *problems = list.p;
    if (r == 0) {
        sa_buf_adds(out, "[");
        r = compare_all(&w, &loaded);
        sa_buf_adds(out, "]\n");
        sa_loaded_free(&loaded);
    }
    sa_sources_free(&sources);
    if (r == 0 && out->failed)
        r = sa_err_set(err, SA_EMEMORY, "no memory to compare the configuration");
    return r;
}
