/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a user that are more than one value: the exec plugin and impersonation. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "worker/kubeconfig_internal.h"

#define GROUP "client.authentication.k8s.io/"

static int count_values(const struct sa_yaml *map, size_t *n, struct sa_err **err)
{
    for (size_t i = 0; i < map->n; i++) {
        const struct sa_yaml *list = map->items[i];
        if (list->kind != SA_YAML_SEQUENCE)
            return sa_kube_at(list, err, "as-user-extra: expected a list of strings");
        for (size_t j = 0; j < list->n; j++) {
            if (list->items[j]->kind != SA_YAML_SCALAR)
                return sa_kube_at(list->items[j], err, "as-user-extra: expected a string");
        }
        *n += list->n;
    }
    return 0;
}

static int read_extra(const struct sa_yaml *user, struct sa_kubeconfig *out, struct sa_err **err)
{
    const struct sa_yaml *map = sa_yaml_get(user, "as-user-extra");
    size_t n = 0;
    if (sa_yaml_is_null(map))
        return 0;
    if (map->kind != SA_YAML_MAP)
        return sa_kube_at(map, err, "as-user-extra: expected a map of lists");
    if (count_values(map, &n, err) != 0)
        return -1;
    if (n == 0)
        return 0;
    out->as_extra = calloc(n, sizeof(*out->as_extra));
    if (out->as_extra == NULL)
        return sa_err_set(err, SA_EMEMORY, "kubeconfig %s", user->name);
    for (size_t i = 0; i < map->n; i++) {
        for (size_t j = 0; j < map->items[i]->n; j++) {
            struct sa_name_value *e = &out->as_extra[out->n_as_extra++];
            e->name = strdup(map->keys[i]->text);
            e->value = strdup(map->items[i]->items[j]->text);
            if (e->name == NULL || e->value == NULL)
                return sa_err_set(err, SA_EMEMORY, "kubeconfig %s", user->name);
        }
    }
    return 0;
}

int sa_kube_read_impersonation(const struct sa_yaml *user, struct sa_kubeconfig *out,
                               struct sa_err **err)
{
    if (sa_kube_string(user, "as", &out->as, err) != 0 ||
        sa_kube_string(user, "as-uid", &out->as_uid, err) != 0 ||
        sa_kube_strings(user, "as-groups", &out->as_groups, &out->n_as_groups, err) != 0 ||
        read_extra(user, out, err) != 0)
        return -1;
    if (out->as == NULL && (out->as_uid != NULL || out->n_as_groups > 0 || out->n_as_extra > 0))
        return sa_kube_at(user, err, "as-uid, as-groups and as-user-extra need `as`");
    return 0;
}

static int read_env(const struct sa_yaml *exec, struct sa_exec_spec *s, struct sa_err **err)
{
    const struct sa_yaml *env = sa_yaml_get(exec, "env");
    if (sa_yaml_is_null(env) || (env->kind == SA_YAML_SEQUENCE && env->n == 0))
        return 0;
    if (env->kind != SA_YAML_SEQUENCE)
        return sa_kube_at(env, err, "env: expected a list of name and value");
    s->env = calloc(env->n, sizeof(*s->env));
    if (s->env == NULL)
        return sa_err_set(err, SA_EMEMORY, "kubeconfig %s", exec->name);
    for (size_t i = 0; i < env->n; i++) {
        struct sa_name_value *e = &s->env[s->n_env++];
        if (sa_kube_string(env->items[i], "name", &e->name, err) != 0 ||
            sa_kube_string(env->items[i], "value", &e->value, err) != 0)
            return -1;
        if (e->name == NULL || strchr(e->name, '=') != NULL)
            return sa_kube_at(env->items[i], err, "env: an entry needs a name without '='");
        if (e->value == NULL && (e->value = strdup("")) == NULL)
            return sa_err_set(err, SA_EMEMORY, "kubeconfig %s", exec->name);
    }
    return 0;
}

static int check_mode(const struct sa_yaml *exec, const struct sa_exec_spec *s, struct sa_err **err)
{
    SA_CLEANUP(sa_freep) char *mode = NULL;
    if (sa_kube_string(exec, "interactiveMode", &mode, err) != 0)
        return -1;
    if (mode == NULL && strcmp(s->api_version, GROUP "v1") == 0)
        return sa_kube_at(exec, err,
                          "exec has no interactiveMode, which " GROUP "v1 requires: set Never");
    if (mode == NULL || strcmp(mode, "Never") == 0 || strcmp(mode, "IfAvailable") == 0)
        return 0;
    if (strcmp(mode, "Always") == 0)
        return sa_kube_at(sa_yaml_get(exec, "interactiveMode"), err,
                          "interactiveMode Always needs somebody at a terminal; a daemon has none");
    return sa_kube_at(sa_yaml_get(exec, "interactiveMode"), err,
                      "interactiveMode is none of Never, IfAvailable, Always");
}

/* YAML to JSON for the plugin's cluster.config. Plain scalars keep the type that YAML gives them.
 */
static void put_json(struct sa_buf *b, const struct sa_yaml *node)
{
    bool flag;
    int64_t number;
    if (node->kind == SA_YAML_SCALAR) {
        if (sa_yaml_is_null(node))
            sa_buf_adds(b, "null");
        else if (sa_yaml_bool(node, &flag) == 0)
            sa_buf_adds(b, flag ? "true" : "false");
        else if (sa_yaml_int(node, &number) == 0)
            sa_buf_addf(b, "%lld", (long long)number);
        else
            sa_buf_add_json(b, node->text);
        return;
    }
    bool map = node->kind == SA_YAML_MAP;
    sa_buf_addc(b, map ? '{' : '[');
    for (size_t i = 0; i < node->n; i++) {
        if (i > 0)
            sa_buf_addc(b, ',');
        if (map) {
            sa_buf_add_json(b, node->keys[i]->text);
            sa_buf_addc(b, ':');
        }
        put_json(b, node->items[i]); /* as deep as the YAML reader allows: 64 */
    }
    sa_buf_addc(b, map ? '}' : ']');
}

static int read_cluster_config(const struct sa_yaml *cluster, struct sa_exec_spec *s,
                               struct sa_err **err)
{
    const struct sa_yaml *list = sa_yaml_get(cluster, "extensions");
    for (size_t i = 0; list != NULL && list->kind == SA_YAML_SEQUENCE && i < list->n; i++) {
        const char *name = sa_yaml_text(sa_yaml_get(list->items[i], "name"));
        const struct sa_yaml *extension = sa_yaml_get(list->items[i], "extension");
        if (name == NULL || strcmp(name, GROUP "exec") != 0 || extension == NULL)
            continue;
        struct sa_buf b;
        sa_buf_init(&b, 256 * 1024);
        put_json(&b, extension);
        if (b.failed) {
            sa_buf_free(&b);
            return sa_kube_at(extension, err, "the extension " GROUP "exec is longer than 256 KB");
        }
        s->cluster_config = b.data; /* the buffer's memory changes hands */
        return 0;
    }
    return 0;
}

int sa_kube_read_exec(const struct sa_yaml *user, const struct sa_yaml *cluster,
                      struct sa_kubeconfig *out, struct sa_err **err)
{
    const struct sa_yaml *exec = sa_yaml_get(user, "exec");
    struct sa_exec_spec *s = &out->exec;
    SA_CLEANUP(sa_freep) char *command = NULL;
    if (sa_yaml_is_null(exec))
        return 0;
    if (exec->kind != SA_YAML_MAP)
        return sa_kube_at(exec, err, "exec: expected a map");
    if (sa_kube_string(exec, "apiVersion", &s->api_version, err) != 0 ||
        sa_kube_string(exec, "command", &command, err) != 0)
        return -1;
    if (command == NULL)
        return sa_kube_at(exec, err, "exec has no command");
    if (s->api_version == NULL ||
        (strcmp(s->api_version, GROUP "v1") != 0 && strcmp(s->api_version, GROUP "v1beta1") != 0))
        return sa_kube_at(exec, err, "exec: apiVersion must be " GROUP "v1 or " GROUP "v1beta1");
    s->command =
        strchr(command, '/') != NULL ? sa_kube_resolve(exec->name, command) : strdup(command);
    if (s->command == NULL)
        return sa_err_set(err, SA_EMEMORY, "kubeconfig %s", exec->name);
    out->has_exec = true;
    if (check_mode(exec, s, err) != 0 ||
        sa_kube_strings(exec, "args", &s->args, &s->n_args, err) != 0 ||
        read_env(exec, s, err) != 0 ||
        sa_kube_bool(exec, "provideClusterInfo", &s->provide_cluster_info, err) != 0)
        return -1;
    return s->provide_cluster_info ? read_cluster_config(cluster, s, err) : 0;
}
