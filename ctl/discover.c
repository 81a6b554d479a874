/* SPDX-License-Identifier: Apache-2.0 */
/*
 * discover KUBECONFIG: what a kubeconfig file offers, and an account for each of its contexts,
 * ready to be put into accounts.d. It reads the file alone: no cluster is asked, and no secret in
 * it is shown.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/seal.h"
#include "config/load.h"
#include "config/yaml.h"
#include "ctl/cli.h"

#define MAX_FILE ((size_t)4 << 20)

/* The member `inside` of the entry called name in a list of named entries. */
static const struct sa_yaml *named(const struct sa_yaml *root, const char *list, const char *name,
                                   const char *inside)
{
    const struct sa_yaml *entries = sa_yaml_get(root, list);
    for (size_t i = 0; entries != NULL && entries->kind == SA_YAML_SEQUENCE && i < entries->n;
         i++) {
        const char *n = sa_yaml_text(sa_yaml_get(entries->items[i], "name"));
        if (n != NULL && name != NULL && strcmp(n, name) == 0)
            return sa_yaml_get(entries->items[i], inside);
    }
    return NULL;
}

static const char *text_or(const struct sa_yaml *node, const char *otherwise)
{
    const char *s = sa_yaml_text(node);
    return s == NULL ? otherwise : s;
}

/* How the user of a context proves who it is; never with what. */
static const char *method_of(const struct sa_yaml *user)
{
    static const struct {
        const char *key, *method;
    } methods[] = {
        {"exec", "program (needs allowExec)"},
        {"auth-provider", "auth-provider (not supported)"},
        {"client-certificate", "certificate file"},
        {"client-certificate-data", "certificate"},
        {"tokenFile", "token file"},
        {"token", "token"},
        {"username", "password"},
    };
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (!sa_yaml_is_null(sa_yaml_get(user, methods[i].key)))
            return methods[i].method;
    }
    return "none";
}

struct context {
    const char *name, *server, *namespace, *method, *trust;
    bool current, exec;
};

static struct context read_context(const struct sa_yaml *root, const struct sa_yaml *entry)
{
    const struct sa_yaml *c = sa_yaml_get(entry, "context");
    const char *cluster_name = sa_yaml_text(sa_yaml_get(c, "cluster"));
    const char *user_name = sa_yaml_text(sa_yaml_get(c, "user"));
    const struct sa_yaml *cluster = named(root, "clusters", cluster_name, "cluster");
    const struct sa_yaml *user = named(root, "users", user_name, "user");
    struct context out = {
        .name = text_or(sa_yaml_get(entry, "name"), "?"),
        .server =
            text_or(sa_yaml_get(cluster, "server"), cluster == NULL ? "(no such cluster)" : "-"),
        .namespace = text_or(sa_yaml_get(c, "namespace"), "-"),
        .method = user == NULL ? "(no such user)" : method_of(user),
        .trust = "system's",
        .exec = sa_yaml_get(user, "exec") != NULL,
    };
    bool insecure = false;
    out.current = strcmp(out.name, text_or(sa_yaml_get(root, "current-context"), "")) == 0;
    if (sa_yaml_bool(sa_yaml_get(cluster, "insecure-skip-tls-verify"), &insecure) == 0 && insecure)
        out.trust = "any (insecure)";
    else if (sa_yaml_get(cluster, "certificate-authority") != NULL)
        out.trust = "CA file";
    else if (sa_yaml_get(cluster, "certificate-authority-data") != NULL)
        out.trust = "CA";
    return out;
}

static void print_json(const struct context *c, bool first, struct sa_buf *out)
{
    sa_buf_adds(out, first ? "\n{\"context\":" : ",\n{\"context\":");
    sa_buf_add_json(out, c->name);
    sa_buf_adds(out, ",\"server\":");
    sa_buf_add_json(out, c->server);
    sa_buf_addf(out, ",\"current\":%s,\"credential\":", c->current ? "true" : "false");
    sa_buf_add_json(out, c->method);
    sa_buf_adds(out, ",\"trust\":");
    sa_buf_add_json(out, c->trust);
    sa_buf_addc(out, '}');
}

static void print_account(const struct context *c, const char *file, struct sa_buf *out)
{
    sa_buf_adds(out, "- name: ");
    sa_buf_add_json(out, c->name);
    sa_buf_adds(out, "\n  kubeConfigFile: ");
    sa_buf_add_json(out, file);
    sa_buf_adds(out, "\n  context: ");
    sa_buf_add_json(out, c->name);
    sa_buf_adds(out, c->exec ? "\n  allowExec: true\n" : "\n");
}

static int print(const struct sa_cli *cli, const struct sa_yaml *root, const char *file)
{
    static const char *const heads[] = {"",      "CONTEXT",    "SERVER",
                                        "TRUST", "CREDENTIAL", "NAMESPACE"};
    const struct sa_yaml *contexts = sa_yaml_get(root, "contexts");
    struct sa_buf out, accounts;
    struct sa_grid t;
    size_t n = contexts != NULL && contexts->kind == SA_YAML_SEQUENCE ? contexts->n : 0;
    sa_buf_init(&out, 0);
    sa_buf_init(&accounts, 0);
    sa_grid_init(&t, heads, sizeof heads / sizeof heads[0]);
    if (sa_cli_data(cli))
        sa_buf_addc(&out, '[');
    for (size_t i = 0; i < n; i++) {
        const struct context c = read_context(root, contexts->items[i]);
        if (sa_cli_data(cli))
            print_json(&c, i == 0, &out);
        print_account(&c, file, &accounts);
        sa_grid_cell(&t, SA_TONE_GOOD, "%s", c.current ? "*" : "");
        sa_grid_cell(&t, SA_TONE_PLAIN, "%s", c.name);
        sa_grid_cell(&t, SA_TONE_PLAIN, "%s", c.server);
        sa_grid_cell(&t, SA_TONE_PLAIN, "%s", c.trust);
        sa_grid_cell(&t, SA_TONE_PLAIN, "%s", c.method);
        sa_grid_cell(&t, SA_TONE_PLAIN, "%s", c.namespace);
    }
    if (sa_cli_data(cli)) {
        sa_buf_adds(&out, "]\n");
    } else {
        sa_grid_print(&t, cli->colour, &out);
        sa_buf_adds(&out, "\nAs accounts, for a file in accounts.d:\n\n");
        sa_buf_add(&out, accounts.data == NULL ? "" : accounts.data, accounts.len);
        out.failed |= accounts.failed;
    }
    sa_grid_free(&t);
    sa_buf_free(&accounts);
    return sa_cli_data(cli) ? sa_cli_put(cli, &out) : sa_put(&out);
}

static int read_kubeconfig(const struct sa_cli *c)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    SA_CLEANUP(sa_yaml_freep) struct sa_yaml *root = NULL;
    SA_CLEANUP(sa_freep) char *path = realpath(c->args[0], NULL);
    char *bytes = NULL;
    size_t n = 0;
    if (path == NULL) {
        sa_err_sys(&err, errno, "%s", c->args[0]);
        return sa_cli_fail(err);
    }
    int r = sa_file_read(path, MAX_FILE, &bytes, &n, &err);
    if (r == 0 && sa_seal_is(bytes, n))
        r = sa_err_set(&err, SA_ECREDENTIAL, "%s is sealed: only the agent of its host can open it",
                       path);
    if (r == 0)
        r = sa_yaml_parse(bytes, n, path, NULL, &root, NULL, &err);
    if (bytes != NULL)
        explicit_bzero(bytes, n);
    free(bytes);
    if (r == 0 && sa_yaml_get(root, "contexts") == NULL)
        r = sa_err_set(&err, SA_ECREDENTIAL, "%s is no kubeconfig file: it has no contexts", path);
    return r == 0 ? print(c, root, path) : sa_cli_fail(err);
}

int sa_cmd_discover(const struct sa_cli *c)
{
    if ((c->account != NULL) == (c->n_args == 1)) {
        fprintf(stderr, "Usage: scale-agentctl discover KUBECONFIG | --account ACCOUNT\n");
        return SA_EXIT_USAGE;
    }
    return c->account != NULL ? sa_cmd_plan(c) : read_kubeconfig(c);
}
