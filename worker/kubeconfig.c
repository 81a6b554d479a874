/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/kubeconfig.h"

#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/yaml.h"
#include "worker/kubeconfig_internal.h"

int sa_kube_at(const struct sa_yaml *node, struct sa_err **err, const char *text)
{
    return sa_err_set(err, SA_ECONFIG, "%s:%u:%u: %s", node->name, node->line, node->column, text);
}

static int lacks(const struct sa_yaml *node, struct sa_err **err, const char *what, const char *key)
{
    return sa_err_set(err, SA_ECONFIG, "%s:%u:%u: %s has no %s", node->name, node->line,
                      node->column, what, key);
}

int sa_kube_string(const struct sa_yaml *map, const char *key, char **out, struct sa_err **err)
{
    const struct sa_yaml *v = sa_yaml_get(map, key);
    if (sa_yaml_is_null(v) || (v->kind == SA_YAML_SCALAR && v->length == 0))
        return 0;
    if (v->kind != SA_YAML_SCALAR)
        return sa_err_set(err, SA_ECONFIG, "%s:%u:%u: %s is %s, expected a string", v->name,
                          v->line, v->column, key, sa_yaml_kind_name(v));
    *out = strdup(v->text);
    return *out != NULL ? 0 : sa_err_set(err, SA_EMEMORY, "kubeconfig %s", v->name);
}

/* A file name; relative ones count from the kubeconfig's directory, as kubectl reads them. */
static int get_path(const struct sa_yaml *map, const char *key, char **out, struct sa_err **err)
{
    SA_CLEANUP(sa_freep) char *path = NULL;
    if (sa_kube_string(map, key, &path, err) != 0)
        return -1;
    if (path == NULL)
        return 0;
    *out = sa_kube_resolve(map->name, path);
    return *out != NULL ? 0 : sa_err_set(err, SA_EMEMORY, "kubeconfig %s", map->name);
}

char *sa_kube_resolve(const char *file, const char *path)
{
    const char *slash = strrchr(file, '/');
    if (path[0] == '/' || slash == NULL)
        return strdup(path);
    size_t dir = (size_t)(slash - file) + 1, n = strlen(path);
    char *out = malloc(dir + n + 1);
    if (out == NULL)
        return NULL;
    memcpy(out, file, dir);
    memcpy(out + dir, path, n + 1);
    return out;
}

static int get_secret(const struct sa_yaml *map, const char *key, struct sa_secret *out,
                      struct sa_err **err)
{
    const struct sa_yaml *v = sa_yaml_get(map, key);
    if (sa_yaml_is_null(v) || (v->kind == SA_YAML_SCALAR && v->length == 0))
        return 0;
    if (v->kind != SA_YAML_SCALAR)
        return sa_err_set(err, SA_ECONFIG, "%s:%u:%u: %s is %s, expected a string", v->name,
                          v->line, v->column, key, sa_yaml_kind_name(v));
    if (sa_secret_set(out, v->text, v->length) != 0)
        return sa_err_set(err, SA_EMEMORY, "kubeconfig %s", v->name);
    return 0;
}

/* Base64 with line breaks, as in a block scalar. */
static int get_data(const struct sa_yaml *map, const char *key, struct sa_secret *out,
                    struct sa_err **err)
{
    struct sa_secret text = {0};
    if (get_secret(map, key, &text, err) != 0)
        return -1;
    if (text.n == 0)
        return 0;
    const struct sa_yaml *v = sa_yaml_get(map, key);
    size_t n = 0;
    int rc = -1;
    if (sa_secret_new(out, text.n / 4 * 3 + 3) != 0)
        sa_err_set(err, SA_EMEMORY, "kubeconfig %s", map->name);
    else if (sodium_base642bin((unsigned char *)out->p, out->n, text.p, text.n, " \t\r\n", &n, NULL,
                               sodium_base64_VARIANT_ORIGINAL) != 0)
        sa_err_set(err, SA_ECONFIG, "%s:%u:%u: %s is not base64", v->name, v->line, v->column, key);
    else
        rc = 0;
    out->n = rc == 0 ? n : out->n;
    sa_secret_free(&text);
    return rc;
}

int sa_kube_bool(const struct sa_yaml *map, const char *key, bool *out, struct sa_err **err)
{
    const struct sa_yaml *v = sa_yaml_get(map, key);
    if (sa_yaml_is_null(v) || sa_yaml_bool(v, out) == 0)
        return 0;
    return sa_err_set(err, SA_ECONFIG, "%s:%u:%u: %s is %s, expected true or false", v->name,
                      v->line, v->column, key, sa_yaml_kind_name(v));
}

int sa_kube_strings(const struct sa_yaml *map, const char *key, char ***out, size_t *n,
                    struct sa_err **err)
{
    const struct sa_yaml *v = sa_yaml_get(map, key);
    if (sa_yaml_is_null(v) || (v->kind == SA_YAML_SEQUENCE && v->n == 0))
        return 0;
    if (v->kind != SA_YAML_SEQUENCE)
        return sa_err_set(err, SA_ECONFIG, "%s:%u:%u: %s is %s, expected a list", v->name, v->line,
                          v->column, key, sa_yaml_kind_name(v));
    *out = calloc(v->n, sizeof(**out));
    if (*out == NULL)
        return sa_err_set(err, SA_EMEMORY, "kubeconfig %s", v->name);
    for (size_t i = 0; i < v->n; i++) {
        if (v->items[i]->kind != SA_YAML_SCALAR)
            return sa_kube_at(v->items[i], err, "expected a string");
        (*out)[i] = strdup(v->items[i]->text);
        if ((*out)[i] == NULL)
            return sa_err_set(err, SA_EMEMORY, "kubeconfig %s", v->name);
        *n = i + 1;
    }
    return 0;
}

/* The map under `inner` of the one entry of root[list] that has this name. */
static int find_named(const struct sa_yaml *root, const char *list, const char *inner,
                      const char *name, const struct sa_yaml **out, struct sa_err **err)
{
    const struct sa_yaml *l = sa_yaml_get(root, list), *found = NULL;
    if (!sa_yaml_is_null(l) && l->kind != SA_YAML_SEQUENCE)
        return sa_err_set(err, SA_ECONFIG, "%s:%u:%u: %s is %s, expected a list", l->name, l->line,
                          l->column, list, sa_yaml_kind_name(l));
    for (size_t i = 0; !sa_yaml_is_null(l) && i < l->n; i++) {
        const char *have = sa_yaml_text(sa_yaml_get(l->items[i], "name"));
        if (have == NULL || strcmp(have, name) != 0)
            continue;
        if (found != NULL)
            return sa_err_set(err, SA_ECONFIG, "%s:%u:%u: a second entry \"%s\" in %s", l->name,
                              l->items[i]->line, l->items[i]->column, name, list);
        found = l->items[i];
    }
    if (found == NULL) {
        const struct sa_yaml *at = l != NULL ? l : root;
        return sa_err_set(err, SA_ECONFIG, "%s:%u:%u: there is no entry \"%s\" in %s", at->name,
                          at->line, at->column, name, list);
    }
    *out = sa_yaml_get(found, inner);
    if (sa_yaml_is_null(*out) || (*out)->kind != SA_YAML_MAP)
        return sa_err_set(err, SA_ECONFIG, "%s:%u:%u: \"%s\" in %s has no map \"%s\"", found->name,
                          found->line, found->column, name, list, inner);
    return 0;
}

static int choose_context(const struct sa_yaml *root, const char *context,
                          struct sa_kubeconfig *out, struct sa_err **err)
{
    const struct sa_yaml *c;
    if (context != NULL)
        out->context = strdup(context);
    else if (sa_kube_string(root, "current-context", &out->context, err) != 0)
        return -1;
    if (out->context == NULL && context != NULL)
        return sa_err_set(err, SA_EMEMORY, "kubeconfig %s", root->name);
    if (out->context == NULL)
        return sa_kube_at(root, err,
                          "has no current-context, and the account's `context` is not set");
    if (find_named(root, "contexts", "context", out->context, &c, err) != 0 ||
        sa_kube_string(c, "cluster", &out->cluster, err) != 0 ||
        sa_kube_string(c, "namespace", &out->namespace, err) != 0 ||
        sa_kube_string(c, "user", &out->user, err) != 0)
        return -1;
    if (out->cluster == NULL)
        return lacks(c, err, "the context", "cluster");
    if (out->user == NULL)
        return lacks(c, err, "the context", "user");
    return 0;
}

static int read_cluster(const struct sa_yaml *root, const struct sa_yaml **cluster,
                        struct sa_kubeconfig *out, struct sa_err **err)
{
    const struct sa_yaml *c;
    if (find_named(root, "clusters", "cluster", out->cluster, cluster, err) != 0)
        return -1;
    c = *cluster;
    if (sa_kube_string(c, "server", &out->server, err) != 0 ||
        sa_kube_string(c, "tls-server-name", &out->tls_server_name, err) != 0 ||
        sa_kube_string(c, "proxy-url", &out->proxy_url, err) != 0 ||
        sa_kube_bool(c, "insecure-skip-tls-verify", &out->insecure, err) != 0 ||
        get_data(c, "certificate-authority-data", &out->ca_data, err) != 0)
        return -1;
    if (out->server == NULL)
        return lacks(c, err, "the cluster", "server");
    out->server_line = sa_yaml_get(c, "server")->line;
    out->server_column = sa_yaml_get(c, "server")->column;
    if (out->ca_data.n == 0 && get_path(c, "certificate-authority", &out->ca_file, err) != 0)
        return -1;
    if (out->insecure && (out->ca_data.n > 0 || out->ca_file != NULL))
        return sa_kube_at(sa_yaml_get(c, "insecure-skip-tls-verify"), err,
                          "insecure-skip-tls-verify and a certificate-authority exclude each "
                          "other; remove one of them");
    return 0;
}

static int read_certificate(const struct sa_yaml *u, struct sa_kubeconfig *out, struct sa_err **err)
{
    if (get_data(u, "client-certificate-data", &out->cert_data, err) != 0 ||
        get_data(u, "client-key-data", &out->key_data, err) != 0)
        return -1;
    if (out->cert_data.n == 0 && get_path(u, "client-certificate", &out->cert_file, err) != 0)
        return -1;
    if (out->key_data.n == 0 && get_path(u, "client-key", &out->key_file, err) != 0)
        return -1;
    bool cert = out->cert_data.n > 0 || out->cert_file != NULL;
    bool key = out->key_data.n > 0 || out->key_file != NULL;
    if (cert && !key)
        return lacks(u, err, "the user has a client-certificate but",
                     "client-key or client-key-data");
    if (key && !cert)
        return lacks(u, err, "the user has a client-key but",
                     "client-certificate or client-certificate-data");
    return 0;
}

static int read_user(const struct sa_yaml *root, const struct sa_yaml *cluster,
                     struct sa_kubeconfig *out, struct sa_err **err)
{
    const struct sa_yaml *u;
    if (find_named(root, "users", "user", out->user, &u, err) != 0)
        return -1;
    if (!sa_yaml_is_null(sa_yaml_get(u, "auth-provider")))
        return sa_kube_at(sa_yaml_get(u, "auth-provider"), err,
                          "auth-provider was removed from Kubernetes 1.26; use an exec plugin");
    if (read_certificate(u, out, err) != 0 || get_secret(u, "token", &out->token, err) != 0 ||
        get_path(u, "tokenFile", &out->token_file, err) != 0 ||
        get_secret(u, "username", &out->username, err) != 0 ||
        get_secret(u, "password", &out->password, err) != 0 ||
        sa_kube_read_impersonation(u, out, err) != 0 ||
        sa_kube_read_exec(u, cluster, out, err) != 0)
        return -1;
    bool token = out->token.n > 0 || out->token_file != NULL;
    bool basic = out->username.n > 0 || out->password.n > 0;
    if (token && basic)
        return sa_kube_at(u, err, "the user has a token and a username or password; keep one");
    if (out->has_exec && (token || basic))
        return sa_kube_at(u, err, "the user has an exec plugin and a token or password; keep one");
    return 0;
}

int sa_kubeconfig_parse(const char *file, const void *p, size_t n, const char *context,
                        struct sa_kubeconfig *out, struct sa_err **err)
{
    SA_CLEANUP(sa_yaml_freep) struct sa_yaml *root = NULL;
    const struct sa_yaml *cluster = NULL;
    *out = (struct sa_kubeconfig){0};
    if (sa_yaml_parse(p, n, file, NULL, &root, NULL, err) != 0)
        return -1;
    if (root == NULL)
        return sa_err_set(err, SA_ECONFIG, "%s: the kubeconfig is empty", file);
    if (root->kind != SA_YAML_MAP)
        return sa_err_set(err, SA_ECONFIG, "%s:%u:%u: the kubeconfig is %s, expected a map", file,
                          root->line, root->column, sa_yaml_kind_name(root));
    if (choose_context(root, context, out, err) != 0 ||
        read_cluster(root, &cluster, out, err) != 0 || read_user(root, cluster, out, err) != 0) {
        sa_kubeconfig_free(out);
        return -1;
    }
    return 0;
}

static void free_strings(char **v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(v[i]);
    free(v);
}

static void free_pairs(struct sa_name_value *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(v[i].name);
        sa_secret_free_string(&v[i].value);
    }
    free(v);
}

void sa_exec_spec_free(struct sa_exec_spec *s)
{
    free(s->api_version);
    free(s->command);
    free(s->cluster_config);
    free_strings(s->args, s->n_args);
    free_pairs(s->env, s->n_env);
    *s = (struct sa_exec_spec){0};
}

void sa_kubeconfig_free(struct sa_kubeconfig *k)
{
    char *plain[] = {k->context,  k->cluster,         k->user,    k->namespace,
                     k->server,   k->tls_server_name, k->ca_file, k->cert_file,
                     k->key_file, k->token_file,      k->as,      k->as_uid};
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
        free(plain[i]);
    sa_secret_free_string(&k->proxy_url); /* may hold a password */
    sa_secret_free(&k->ca_data);
    sa_secret_free(&k->cert_data);
    sa_secret_free(&k->key_data);
    sa_secret_free(&k->token);
    sa_secret_free(&k->username);
    sa_secret_free(&k->password);
    free_strings(k->as_groups, k->n_as_groups);
    free_pairs(k->as_extra, k->n_as_extra);
    sa_exec_spec_free(&k->exec);
    *k = (struct sa_kubeconfig){0};
}
