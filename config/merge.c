/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Second step: one tree of all files. Maps are merged key by key and the later file wins; lists are
 * replaced whole, but those of accounts are joined. A key without a value changes nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "config/load.h"

#define MAX_PATH 256
#define ACCOUNTS "kubernetes.accounts"

struct merge {
    struct sa_problem_list *problems;
    struct sa_err **err;
};

static int no_memory(const struct merge *m)
{
    return sa_err_set(m->err, SA_EMEMORY, "no memory to merge the configuration");
}

/* Joins prefix and n bytes of leaf; false if that is too long for a key. */
static bool join(char out[MAX_PATH], const char *prefix, const char *leaf, size_t n)
{
    size_t p = strlen(prefix);
    if (n > MAX_PATH || p + n + 2 > MAX_PATH)
        return false;
    memcpy(out, prefix, p);
    if (p > 0)
        out[p++] = '.';
    memcpy(out + p, leaf, n);
    out[p + n] = '\0';
    return true;
}

/* Below a key with a free map, as logging.fields, a dot is part of a name. */
static bool is_free_map(const char *path)
{
    const struct sa_key *k = sa_key_find(path);
    return k != NULL && k->type == SA_KEY_MAP;
}

/*
 * Dotted keys, as "logging.fields.agentNamespace:". First, what is joined.
 */

/* Moves what "more" holds to "there"; only maps go together. Takes over more. */
static int combine(struct merge *m, struct sa_yaml *there, struct sa_yaml *more, const char *name)
{
    int r = 0;
    if (there->kind != SA_YAML_MAP || more->kind != SA_YAML_MAP)
        sa_problem_node(m->problems, false, more,
                        "the key \"%.100s\" is there twice, first in line %u", name, there->line);
    for (size_t i = 0;
         i < more->n && r == 0 && more->kind == SA_YAML_MAP && there->kind == more->kind; i++) {
        struct sa_yaml *key = NULL, *value = sa_yaml_steal(more, i, &key);
        struct sa_yaml *old = sa_yaml_get(there, key->text);
        if (old == NULL) {
            r = sa_yaml_put(there, key, value) == 0 ? 0 : no_memory(m);
            continue;
        }
        r = combine(m, old, value, key->text);
        sa_yaml_free(key);
    }
    sa_yaml_free(more);
    return r;
}

/* Length of the part of a dotted key that is a name of its own below prefix. */
static size_t part_length(const char *prefix, const char *rest)
{
    char path[MAX_PATH];
    const char *dot = strchr(rest, '.');
    if (dot == NULL || is_free_map(prefix) || !join(path, prefix, rest, (size_t)(dot - rest)) ||
        (!sa_key_is_group(path) && !is_free_map(path)))
        return strlen(rest); /* not split: it is one name, or unknown and reported as it stands */
    return (size_t)(dot - rest);
}

/* {a: {b: value}} for "a.b". Takes over value; NULL for lack of memory. */
static struct sa_yaml *chain(const struct sa_yaml *place, const char *prefix, const char *rest,
                             struct sa_yaml *value)
{
    char path[MAX_PATH];
    size_t n = part_length(prefix, rest);
    if (rest[n] == '.' && join(path, prefix, rest, n))
        value = chain(place, path, rest + n + 1, value);
    struct sa_yaml *map = sa_yaml_new_map(place), *key = sa_yaml_new_scalar(place, rest, n);
    if (map == NULL || key == NULL || value == NULL) {
        sa_yaml_free(key);
        sa_yaml_free(value);
    } else if (sa_yaml_put(map, key, value) == 0) {
        return map;
    }
    sa_yaml_free(map);
    return NULL;
}

/* Replaces dotted keys in the map at prefix, and in the maps below it that are not free. */
static int expand(struct merge *m, struct sa_yaml *node, const char *prefix)
{
    char path[MAX_PATH];
    for (size_t i = 0; node->kind == SA_YAML_SEQUENCE && i < node->n; i++) {
        if (node->items[i]->kind == SA_YAML_MAP && expand(m, node->items[i], prefix) != 0)
            return -1;
    }
    if (node->kind != SA_YAML_MAP || is_free_map(prefix))
        return 0;
    for (size_t i = 0; i < node->n;) {
        const struct sa_yaml *key = node->keys[i];
        size_t n = part_length(prefix, key->text);
        if (key->text[n] == '.') {
            struct sa_yaml place = *key; /* the key goes when its value is taken */
            char *text = strdup(key->text);
            struct sa_yaml *value = sa_yaml_take(node, i);
            struct sa_yaml *made = NULL;
            if (text != NULL)
                made = chain(&place, prefix, text, value);
            else
                sa_yaml_free(value);
            free(text);
            if (made == NULL)
                return no_memory(m);
            if (combine(m, node, made, "") != 0)
                return -1;
            continue; /* what was added stands at the end and is looked at in its turn */
        }
        if (join(path, prefix, key->text, n) && sa_key_is_group(path) &&
            expand(m, node->items[i], path) != 0)
            return -1;
        i++;
    }
    return 0;
}

/*
 * Merging
 */

static int append_all(struct merge *m, struct sa_yaml *list, struct sa_yaml *more)
{
    int r = 0;
    for (size_t i = 0; i < more->n && r == 0; i++)
        r = sa_yaml_append(list, sa_yaml_steal(more, i, NULL)) == 0 ? 0 : no_memory(m);
    sa_yaml_free(more);
    return r;
}

/* Takes over "over"; base stays the caller's. */
static int merge_maps(struct merge *m, struct sa_yaml *base, struct sa_yaml *over,
                      const char *prefix)
{
    char path[MAX_PATH];
    int r = 0;
    for (size_t i = 0; i < over->n && r == 0; i++) {
        struct sa_yaml *key = NULL, *value = sa_yaml_steal(over, i, &key);
        struct sa_yaml *old = sa_yaml_get(base, key->text);
        bool known = join(path, prefix, key->text, key->length);
        if (old != NULL && sa_yaml_is_null(value)) {
            sa_yaml_free(value);
        } else if (old != NULL && known && old->kind == SA_YAML_MAP && value->kind == SA_YAML_MAP) {
            r = merge_maps(m, old, value, path);
        } else if (old != NULL && known && old->kind == SA_YAML_SEQUENCE &&
                   value->kind == SA_YAML_SEQUENCE && strcmp(path, ACCOUNTS) == 0) {
            r = append_all(m, old, value);
        } else {
            r = sa_yaml_put(base, key, value) == 0 ? 0 : no_memory(m);
            continue;
        }
        sa_yaml_free(key);
    }
    sa_yaml_free(over);
    return r;
}

/* {kubernetes: {accounts: list}}. Takes over list. */
static struct sa_yaml *wrap_accounts(struct sa_yaml *list)
{
    struct sa_yaml place = *list;
    return chain(&place, "", ACCOUNTS, list);
}

static bool looks_like_kubeconfig(const struct sa_yaml *root)
{
    return sa_yaml_get(root, "apiVersion") != NULL && sa_yaml_get(root, "clusters") != NULL;
}

static int put_text(struct sa_yaml *map, const char *key, const char *text, size_t n)
{
    struct sa_yaml *k = sa_yaml_new_scalar(map, key, strlen(key));
    struct sa_yaml *v = sa_yaml_new_scalar(map, text, n);
    if (k != NULL && v != NULL && sa_yaml_put(map, k, v) == 0)
        return 0;
    if (k == NULL || v == NULL) { /* else both went with the attempt */
        sa_yaml_free(k);
        sa_yaml_free(v);
    }
    return -1;
}

/* A kubeconfig file that was put where accounts are: its current context is an account with the
 * file's name. NULL for lack of memory. */
static struct sa_yaml *account_of_kubeconfig(const struct sa_yaml *root)
{
    const char *slash = strrchr(root->name, '/'), *name = slash != NULL ? slash + 1 : root->name;
    const char *dot = strrchr(name, '.');
    struct sa_yaml *account = sa_yaml_new_map(root);
    if (account != NULL &&
        put_text(account, "name", name, dot != NULL ? (size_t)(dot - name) : strlen(name)) == 0 &&
        put_text(account, "kubeConfigFile", root->name, strlen(root->name)) == 0)
        return account;
    sa_yaml_free(account);
    return NULL;
}

/* "kubernetes", or with the rest of a path behind a dot. */
static bool is_kubernetes(const char *key)
{
    size_t n = strlen("kubernetes");
    return strncmp(key, "kubernetes", n) == 0 && (key[n] == '\0' || key[n] == '.');
}

static bool is_document(const struct sa_yaml *root)
{
    for (size_t i = 0; i < root->n && root->kind == SA_YAML_MAP; i++) {
        if (is_kubernetes(root->keys[i]->text))
            return true;
    }
    return false;
}

/* What a file of accounts.d may hold, as a tree like that of a main file. Takes over *root, which
 * is NULL afterwards if nothing of it can be used. */
static int normalise_accounts(struct merge *m, struct sa_yaml **root)
{
    struct sa_yaml *r = *root;
    if (is_document(r)) {
        for (size_t i = 0; i < r->n; i++) {
            if (!is_kubernetes(r->keys[i]->text))
                sa_problem_node(m->problems, false, r->keys[i],
                                "%.100s: a file of accounts may hold kubernetes.accounts only",
                                r->keys[i]->text);
        }
        return 0;
    }
    *root = NULL;
    if (looks_like_kubeconfig(r)) {
        struct sa_yaml *account = account_of_kubeconfig(r);
        sa_yaml_free(r);
        r = account;
        if (r == NULL)
            return no_memory(m);
    }
    if (r->kind == SA_YAML_SCALAR) {
        sa_problem_node(m->problems, false, r,
                        "expected an account or a list of accounts, not a value");
        sa_yaml_free(r);
        return 0;
    }
    if (r->kind == SA_YAML_MAP) {
        struct sa_yaml *list = sa_yaml_new_sequence(r);
        if (list == NULL || sa_yaml_append(list, r) != 0) {
            sa_yaml_free(list == NULL ? r : list);
            return no_memory(m);
        }
        r = list;
    }
    *root = wrap_accounts(r);
    return *root == NULL ? no_memory(m) : 0;
}

/* Parses one source; *out is NULL if it says nothing or can't be used. */
static int read_source(struct merge *m, const struct sa_source *s, struct sa_yaml **out)
{
    SA_CLEANUP(sa_err_free) struct sa_err *why = NULL;
    struct sa_yaml_at at;
    *out = NULL;
    if (s->failure != NULL) {
        sa_problem_at(m->problems, false, s->path, 0, 0, "%s", s->failure);
        return 0;
    }
    if (sa_yaml_parse(s->bytes, s->n, s->path, NULL, out, &at, &why) != 0) {
        if (why != NULL && why->code == SA_EMEMORY)
            return no_memory(m);
        sa_problem_at(m->problems, false, s->path, at.line, at.column, "%s", sa_err_msg(why));
        return 0;
    }
    if (*out == NULL || sa_yaml_is_null(*out)) {
        sa_yaml_freep(out);
        return 0;
    }
    if (s->role == SA_SOURCE_ACCOUNT && normalise_accounts(m, out) != 0)
        return -1;
    if (*out != NULL && (*out)->kind != SA_YAML_MAP) {
        sa_problem_node(m->problems, false, *out, "expected a map of keys, not %s",
                        sa_yaml_kind_name(*out));
        sa_yaml_freep(out);
    }
    if (*out == NULL || expand(m, *out, "") == 0)
        return 0;
    sa_yaml_freep(out);
    return -1;
}

int sa_merge_sources(const struct sa_sources *sources, struct sa_problem_list *problems,
                     struct sa_yaml **root, struct sa_err **err)
{
    struct merge m = {problems, err};
    *root = NULL;
    for (size_t i = 0; i < sources->n; i++) {
        struct sa_yaml *tree;
        int r = read_source(&m, &sources->v[i], &tree);
        if (r == 0 && tree != NULL && *root != NULL)
            r = merge_maps(&m, *root, tree, "");
        else if (r == 0 && tree != NULL)
            *root = tree;
        if (r != 0) {
            sa_yaml_freep(root);
            return -1;
        }
    }
    return 0;
}
