/* SPDX-License-Identifier: Apache-2.0 */
/* Third step: from the tree to settings, by the table of keys. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/load.h"
#include "config/secret_ref.h"

#define MAX_PATH     256
#define MAX_ACCOUNTS 20000
#define MAX_TEXT     65536 /* of one value */
#define ACCOUNTS     "kubernetes.accounts"

#define SSA_KINDS "kubernetes.serverSideApply.kinds"

struct decode {
    struct sa_problem_list *problems;
    struct sa_loaded *out;
    const struct sa_sources *sources;
    size_t *seen;  /* for each key: how often it was met */
    size_t *first; /* for each key that is ignored: the problem that says so, plus 1 */
    struct sa_err **err;
};

static int no_memory(struct decode *d)
{
    return sa_err_set(d->err, SA_EMEMORY, "no memory for the configuration");
}

/* Text of a scalar with its variables put in; NULL after a problem was noted. */
static char *text_of(struct decode *d, const struct sa_key *k, const struct sa_yaml *node)
{
    SA_CLEANUP(sa_err_free) struct sa_err *why = NULL;
    char *text = NULL;
    if (node->kind != SA_YAML_SCALAR) {
        sa_problem_node(d->problems, false, node, "%s: expected a value, not %s", k->path,
                        sa_yaml_kind_name(node));
    } else if (node->length > MAX_TEXT) {
        sa_problem_node(d->problems, false, node, "%s: longer than %d bytes", k->path, MAX_TEXT);
    } else if (sa_substitute(node->text, &text, &why) != 0) {
        sa_problem_node(d->problems, false, node, "%s: %s", k->path, sa_err_msg(why));
    } else if (sa_secret_ref_is(text) && !k->reference) {
        sa_problem_node(d->problems, false, node,
                        "%s: a reference to a store of secrets is taken by kubeConfigFile alone; "
                        "use a file or an environment variable here",
                        k->path);
        sa_freep(&text);
    } else {
        return text;
    }
    return NULL;
}

static void decode_single(struct decode *d, const struct sa_key *k, const struct sa_yaml *node,
                          void *field)
{
    SA_CLEANUP(sa_err_free) struct sa_err *why = NULL;
    char *text = text_of(d, k, node);
    if (text == NULL)
        return;
    if (sa_value_parse(k, text, field, &why) != 0)
        sa_problem_node(d->problems, false, node, "%s: %s", k->path, sa_err_msg(why));
    explicit_bzero(text, strlen(text));
    free(text);
}

/* A list, or one text with commas. A list that is given, even an empty one, replaces the default.
 */
static int decode_strings(struct decode *d, const struct sa_key *k, const struct sa_yaml *node,
                          struct sa_strings *list)
{
    if (node->kind == SA_YAML_MAP) {
        sa_problem_node(d->problems, false, node, "%s: expected a list, not a map", k->path);
        return 0;
    }
    if (node->kind != SA_YAML_SEQUENCE) {
        decode_single(d, k, node, list);
        return 0;
    }
    sa_value_free(k, list);
    for (size_t i = 0; i < node->n; i++) {
        char *text = text_of(d, k, node->items[i]);
        if (text == NULL)
            continue;
        int r = sa_strings_add(list, text, strlen(text));
        free(text);
        if (r != 0)
            return no_memory(d);
    }
    return 0;
}

/* logging.fields: names of what is found out when nothing is said. */
static const char *found_out(const struct decode *d, const char *name)
{
    if (strcmp(name, "agentNamespace") == 0)
        return d->sources->namespace;
    if (strcmp(name, "agentCluster") == 0)
        return getenv("KUBERNETES_SERVICE_HOST");
    return "";
}

static int decode_pairs(struct decode *d, const struct sa_key *k, const struct sa_yaml *node,
                        struct sa_pairs *pairs)
{
    if (node->kind != SA_YAML_MAP) {
        sa_problem_node(d->problems, false, node, "%s: expected a map, not %s", k->path,
                        sa_yaml_kind_name(node));
        return 0;
    }
    for (size_t i = 0; i < node->n; i++) {
        const char *name = node->keys[i]->text;
        bool null = sa_yaml_is_null(node->items[i]);
        char *owned = null ? NULL : text_of(d, k, node->items[i]);
        const char *value = null ? found_out(d, name) : owned;
        int r = value == NULL ? 0 : sa_pairs_add(pairs, name, value);
        free(owned);
        if (r != 0)
            return no_memory(d);
    }
    return 0;
}

static const char *canonical_permission(const char *name)
{
    static const char *const known[] = {"READ", "WRITE", "EXECUTE"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcasecmp(name, known[i]) == 0)
            return known[i];
    }
    return NULL;
}

/* The entry for a permission, made if it is not there; NULL for lack of memory. */
static struct sa_permission *permission_of(struct sa_account *a, const char *name)
{
    for (size_t i = 0; i < a->n_permissions; i++) {
        if (strcmp(a->permissions[i].permission, name) == 0)
            return &a->permissions[i];
    }
    struct sa_permission *bigger =
        reallocarray(a->permissions, a->n_permissions + 1, sizeof *bigger);
    if (bigger == NULL)
        return NULL;
    a->permissions = bigger;
    bigger[a->n_permissions] = (struct sa_permission){.permission = strdup(name)};
    return bigger[a->n_permissions].permission == NULL ? NULL : &bigger[a->n_permissions++];
}

static int decode_roles(struct decode *d, const struct sa_key *k, const struct sa_yaml *map,
                        struct sa_account *a)
{
    struct sa_key list_key = *k; /* a list of roles is read like any other */
    list_key.type = SA_KEY_STRINGS;
    for (size_t i = 0; i < map->n; i++) {
        const char *name = canonical_permission(map->keys[i]->text);
        if (name == NULL) {
            sa_problem_node(d->problems, false, map->keys[i],
                            "%s: expected READ, WRITE or EXECUTE, not \"%.100s\"", k->path,
                            map->keys[i]->text);
            continue;
        }
        struct sa_permission *p = permission_of(a, name);
        if (p == NULL)
            return no_memory(d);
        struct sa_strings roles = {0};
        if (!sa_yaml_is_null(map->items[i]) &&
            decode_strings(d, &list_key, map->items[i], &roles) != 0)
            return -1;
        int r = 0;
        for (size_t j = 0; j < roles.n && r == 0; j++) {
            const char *role = roles.v[j] + strspn(roles.v[j], " \t");
            size_t n = strlen(role);
            while (n > 0 && (role[n - 1] == ' ' || role[n - 1] == '\t'))
                n--;
            r = n == 0 ? 0 : sa_strings_add(&p->roles, role, n);
        }
        sa_value_free(&list_key, &roles);
        if (r != 0)
            return no_memory(d);
    }
    return 0;
}

/* {READ: [a], WRITE: [b]}, as Clouddriver has it, or [{READ: [a]}, {WRITE: [b]}], as Armory has it.
 */
static int decode_permissions(struct decode *d, const struct sa_key *k, const struct sa_yaml *node,
                              struct sa_account *a)
{
    if (node->kind == SA_YAML_MAP)
        return decode_roles(d, k, node, a);
    bool right = node->kind == SA_YAML_SEQUENCE;
    for (size_t i = 0; i < node->n && right; i++)
        right = node->items[i]->kind == SA_YAML_MAP;
    if (!right)
        sa_problem_node(d->problems, false, node,
                        "%s: expected READ, WRITE and EXECUTE with lists of roles", k->path);
    for (size_t i = 0; i < node->n && right; i++) {
        if (decode_roles(d, k, node->items[i], a) != 0)
            return -1;
    }
    return 0;
}

/* One of customResourceDefinitions: {kind: Kind.group, scope: Cluster}, or the kind alone. */
static int decode_crd(struct decode *d, const struct sa_key *k, const struct sa_yaml *node,
                      struct sa_crd_setting *crd)
{
    static const char path[] = ACCOUNTS "[].customResourceDefinitions[].";
    if (node->kind == SA_YAML_SCALAR && !sa_yaml_is_null(node)) {
        crd->kind = text_of(d, k, node);
        return 0;
    }
    if (node->kind != SA_YAML_MAP) {
        sa_problem_node(d->problems, false, node,
                        "%s: expected {kind: Kind.group, scope: Namespaced}", k->path);
        return 0;
    }
    for (size_t i = 0; i < node->n; i++) {
        const char *name = node->keys[i]->text;
        char full[MAX_PATH] = "", *scope = NULL;
        if (strlen(name) < sizeof full - sizeof path) {
            memcpy(full, path, sizeof path - 1);
            memcpy(full + sizeof path - 1, name, strlen(name) + 1);
        }
        const struct sa_key *known = sa_key_find(full);
        if (known == NULL)
            sa_problem_node(d->problems, false, node->keys[i],
                            "%s%.100s is unknown here; kind and scope are", path, name);
        else if (strcmp(name, "kind") == 0)
            decode_single(d, known, node->items[i], &crd->kind);
        else
            decode_single(d, known, node->items[i], &scope);
        if (scope != NULL)
            crd->cluster_scoped = strcmp(scope, "Cluster") == 0;
        free(scope);
    }
    if (crd->kind == NULL)
        sa_problem_node(d->problems, false, node, "%s: kind is missing", k->path);
    return 0;
}

static int decode_crds(struct decode *d, const struct sa_key *k, const struct sa_yaml *node,
                       struct sa_account *a)
{
    if (node->kind != SA_YAML_SEQUENCE) {
        sa_problem_node(d->problems, false, node, "%s: expected a list, not %s", k->path,
                        sa_yaml_kind_name(node));
        return 0;
    }
    a->crds = calloc(node->n + 1, sizeof *a->crds);
    if (a->crds == NULL)
        return no_memory(d);
    for (size_t i = 0; i < node->n; i++) {
        struct sa_crd_setting *crd = &a->crds[a->n_crds];
        if (decode_crd(d, k, node->items[i], crd) != 0)
            return -1;
        a->n_crds += crd->kind != NULL;
    }
    return 0;
}

/* One member of an entry of kubernetes.serverSideApply.kinds, into its place of the four. */
static void decode_ssa_member(struct decode *d, const struct sa_yaml *key,
                              const struct sa_yaml *node, char *words[4])
{
    static const char *const names[] = {"kind", "enabled", "clearManagedFields",
                                        "manifestDefaults"};
    char full[MAX_PATH];
    for (size_t i = 0; i < 4; i++) {
        if (strcmp(key->text, names[i]) != 0)
            continue;
        snprintf(full, sizeof full, "%s%s", SSA_KINDS "[].", names[i]);
        decode_single(d, sa_key_find(full), node, &words[i]);
        return;
    }
    sa_problem_node(d->problems, false, key,
                    SSA_KINDS "[].%.100s is unknown here; kind, enabled, clearManagedFields and "
                              "manifestDefaults are",
                    key->text);
}

/* {kind: Deployment, enabled: always}: as "Deployment always allowed allowed". */
static int decode_ssa_kind(struct decode *d, const struct sa_yaml *node, struct sa_strings *out)
{
    char *words[4] = {0}, text[512];
    int r = 0;
    for (size_t i = 0; node->kind == SA_YAML_MAP && i < node->n; i++)
        decode_ssa_member(d, node->keys[i], node->items[i], words);
    if (words[0] == NULL || words[0][strcspn(words[0], " \t\n")] != '\0' || *words[0] == '\0' ||
        strlen(words[0]) > 400) {
        sa_problem_node(d->problems, false, node, SSA_KINDS ": kind is missing, or is none");
    } else {
        snprintf(text, sizeof text, "%s %s %s %s", words[0], words[1] ? words[1] : "allowed",
                 words[2] ? words[2] : "allowed", words[3] ? words[3] : "allowed");
        r = sa_strings_add(out, text, strlen(text)) != 0 ? no_memory(d) : 0;
    }
    for (size_t i = 0; i < 4; i++)
        free(words[i]);
    return r;
}

static int decode_ssa_kinds(struct decode *d, const struct sa_key *k, const struct sa_yaml *node,
                            struct sa_strings *out)
{
    if (node->kind != SA_YAML_SEQUENCE) {
        sa_problem_node(d->problems, false, node, "%s: expected a list, not %s", k->path,
                        sa_yaml_kind_name(node));
        return 0;
    }
    for (size_t i = 0; i < node->n; i++) {
        if (decode_ssa_kind(d, node->items[i], out) != 0)
            return -1;
    }
    return 0;
}

/* A key that is honoured, at its node. base is what its home names. */
static int decode_value(struct decode *d, const struct sa_key *k, const struct sa_yaml *node,
                        void *base)
{
    void *field = sa_key_field(k, base);
    switch (k->type) {
    case SA_KEY_STRINGS:
        return decode_strings(d, k, node, field);
    case SA_KEY_MAP:
        return decode_pairs(d, k, node, field);
    case SA_KEY_PERMISSIONS:
        return decode_permissions(d, k, node, base);
    case SA_KEY_CRDS:
        return decode_crds(d, k, node, base);
    case SA_KEY_SSA_KINDS:
        return decode_ssa_kinds(d, k, node, field);
    default:
        decode_single(d, k, node, field);
        return 0;
    }
}

/* One warning a key, however many accounts have it; the number is added at the end. */
static void note_ignored(struct decode *d, const struct sa_key *k, const struct sa_yaml *key)
{
    size_t i = (size_t)(k - sa_keys);
    if (d->seen[i]++ > 0)
        return;
    size_t before = d->problems->p.n;
    sa_problem_node(d->problems, true, key, "%s has no effect here. %s", k->path, k->help);
    d->first[i] = d->problems->p.n > before ? before + 1 : 0;
}

static void note_unknown(struct decode *d, const struct sa_yaml *key, const char *path)
{
    const struct sa_key *near = sa_key_nearest(path);
    if (near != NULL)
        sa_problem_node(d->problems, false, key, "%.200s is not a known key; did you mean %s?",
                        path, near->path);
    else
        sa_problem_node(d->problems, false, key, "%.200s is not a known key", path);
}

struct scope {
    const char *prefix; /* with its last dot */
    void *base;         /* struct sa_wide or struct sa_account */
    const struct sa_yaml **where;
};

static int decode_map(struct decode *d, const struct sa_yaml *map, const struct scope *s);

static int decode_known(struct decode *d, const struct sa_key *k, const struct sa_yaml *key,
                        const struct sa_yaml *value, const struct scope *s)
{
    size_t i = (size_t)(k - sa_keys);
    bool empty = sa_yaml_is_null(value) || (value->kind != SA_YAML_SCALAR && value->n == 0);
    switch (k->class) {
    case SA_KEY_IGNORED:
        note_ignored(d, k, key);
        return 0;
    case SA_KEY_REFUSED:
        if (!empty)
            sa_problem_node(d->problems, false, key, "%s is refused. %s", k->path, k->help);
        return 0;
    default:
        break;
    }
    if (sa_yaml_is_null(value))
        return 0; /* as if the line were not there */
    if (s->where[i] != NULL) {
        sa_problem_node(d->problems, false, key, "%s is there twice, first in line %u", k->path,
                        s->where[i]->line);
        return 0;
    }
    s->where[i] = value;
    return decode_value(d, k, value, s->base);
}

static int decode_map(struct decode *d, const struct sa_yaml *map, const struct scope *s)
{
    size_t p = strlen(s->prefix);
    for (size_t i = 0; i < map->n; i++) {
        const struct sa_yaml *key = map->keys[i], *value = map->items[i];
        char path[MAX_PATH];
        if (p + key->length + 2 > sizeof path) {
            sa_problem_node(d->problems, false, key, "%.100s... is not a known key", key->text);
            continue;
        }
        memcpy(path, s->prefix, p);
        memcpy(path + p, key->text, key->length + 1);
        const struct sa_key *k = strchr(key->text, '[') == NULL ? sa_key_covering(path) : NULL;
        if (k != NULL) {
            if (decode_known(d, k, key, value, s) != 0)
                return -1;
        } else if (strchr(key->text, '[') != NULL || !sa_key_is_group(path)) {
            note_unknown(d, key, path);
        } else if (value->kind == SA_YAML_MAP) {
            memcpy(path + p + key->length, ".", 2);
            if (decode_map(d, value, &(const struct scope){path, s->base, s->where}) != 0)
                return -1;
        } else if (!sa_yaml_is_null(value)) {
            sa_problem_node(d->problems, false, value, "%s: expected a map, not %s", path,
                            sa_yaml_kind_name(value));
        }
    }
    return 0;
}

/* What every account begins with: the agent-wide values, then the defaults of its own keys. */
static int start_account(struct decode *d, struct sa_account *a)
{
    struct sa_account *common = &d->out->wide.common;
    for (size_t i = 0; i < sa_n_keys; i++) {
        const struct sa_key *k = &sa_keys[i];
        if (sa_key_in_common(k)) {
            size_t offset = k->offset - offsetof(struct sa_wide, common);
            if (sa_value_copy(k, (const char *)common + offset, (char *)a + offset) != 0)
                return no_memory(d);
        } else if (k->home == SA_HOME_ACCOUNT &&
                   sa_value_preset(k, sa_key_field(k, a), d->err) != 0) {
            return -1;
        }
    }
    return 0;
}

/* The cluster that the agent runs in needs no name from anyone. */
static int name_by_cluster(struct decode *d, struct sa_account *a)
{
    if (!a->service_account || (a->name != NULL && *a->name) || d->sources->cluster == NULL)
        return 0;
    free(a->name);
    a->name = strdup(d->sources->cluster);
    return a->name == NULL ? no_memory(d) : 0;
}

static int decode_account(struct decode *d, const struct sa_yaml *node)
{
    struct sa_settings *s = &d->out->wide.settings;
    if (node->kind != SA_YAML_MAP) {
        sa_problem_node(d->problems, false, node, ACCOUNTS ": expected an account, not %s",
                        sa_yaml_kind_name(node));
        return 0;
    }
    const struct sa_yaml **where = calloc(sa_n_keys, sizeof(struct sa_yaml *));
    if (where == NULL)
        return no_memory(d);
    d->out->accounts[s->n_accounts] = (struct sa_loaded_account){node, where};
    struct sa_account *a = &s->accounts[s->n_accounts++];
    if (start_account(d, a) != 0 ||
        decode_map(d, node, &(const struct scope){ACCOUNTS "[].", a, where}) != 0)
        return -1;
    return name_by_cluster(d, a);
}

static int decode_accounts(struct decode *d, const struct sa_yaml *node)
{
    if (node->kind != SA_YAML_SEQUENCE) {
        sa_problem_node(d->problems, false, node, ACCOUNTS ": expected a list, not %s",
                        sa_yaml_kind_name(node));
        return 0;
    }
    if (node->n > MAX_ACCOUNTS) {
        sa_problem_node(d->problems, false, node, ACCOUNTS ": more than %d accounts", MAX_ACCOUNTS);
        return 0;
    }
    d->out->wide.settings.accounts = calloc(node->n + 1, sizeof(struct sa_account));
    d->out->accounts = calloc(node->n + 1, sizeof *d->out->accounts);
    if (d->out->wide.settings.accounts == NULL || d->out->accounts == NULL)
        return no_memory(d);
    for (size_t i = 0; i < node->n; i++) {
        if (decode_account(d, node->items[i]) != 0)
            return -1;
    }
    return 0;
}

/* "... (and 3 more times)" behind the warnings of keys that were met again. */
static void count_ignored(struct decode *d)
{
    for (size_t i = 0; i < sa_n_keys; i++) {
        if (d->first[i] == 0 || d->seen[i] < 2)
            continue;
        char **text = &d->problems->p.v[d->first[i] - 1].text, *longer = NULL;
        size_t more = d->seen[i] - 1;
        if (asprintf(&longer, "%s (and %zu more time%s)", *text, more, more == 1 ? "" : "s") < 0)
            continue; /* without the number, then */
        free(*text);
        *text = longer;
    }
}

/* Accounts begin with the agent-wide values, so these are read first wherever the lists stand. */
static int decode_tree(struct decode *d, struct sa_yaml *root)
{
    const struct scope all = {"", &d->out->wide, d->out->where};
    struct sa_yaml *kubernetes = sa_yaml_get(root, "kubernetes"), *accounts = NULL;
    for (size_t i = 0; kubernetes != NULL && i < kubernetes->n; i++) {
        if (kubernetes->kind == SA_YAML_MAP && strcmp(kubernetes->keys[i]->text, "accounts") == 0)
            accounts = sa_yaml_take(kubernetes, i--);
    }
    int r = root == NULL ? 0 : decode_map(d, root, &all);
    if (accounts == NULL)
        return r;
    if (r == 0 && !sa_yaml_is_null(accounts))
        r = decode_accounts(d, accounts);
    /* Back to the tree, which owns the nodes that d->out->where points to. */
    struct sa_yaml *key = sa_yaml_new_scalar(accounts, "accounts", strlen("accounts"));
    if (key == NULL) {
        sa_yaml_free(accounts);
        return no_memory(d);
    }
    return sa_yaml_put(kubernetes, key, accounts) == 0 ? r : no_memory(d);
}

int sa_decode(struct sa_yaml *root, const struct sa_sources *sources,
              struct sa_problem_list *problems, struct sa_loaded *out, struct sa_err **err)
{
    struct decode d = {.problems = problems, .out = out, .sources = sources, .err = err};
    d.seen = calloc(sa_n_keys, sizeof *d.seen);
    d.first = calloc(sa_n_keys, sizeof *d.first);
    out->where = calloc(sa_n_keys, sizeof(struct sa_yaml *));
    int r = -1;
    if (d.seen == NULL || d.first == NULL || out->where == NULL)
        no_memory(&d);
    else if (sa_wide_preset(&out->wide, err) == 0)
        r = decode_tree(&d, root);
    if (r == 0)
        count_ignored(&d);
    free(d.seen);
    free(d.first);
    return r;
}

void sa_loaded_free(struct sa_loaded *l)
{
    for (size_t i = 0; i < l->wide.settings.n_accounts; i++)
        free(l->accounts[i].where);
    free(l->accounts);
    free(l->where);
    sa_wide_free(&l->wide);
    sa_yaml_free(l->root);
    *l = (struct sa_loaded){0};
}
