/* SPDX-License-Identifier: Apache-2.0 */
/* Fourth step: what no key can say alone, and what follows from several. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/load.h"
#include "config/secret_ref.h"

/* A path below the runtime directory must fit into sockaddr_un: "/data/4294967295" and its NUL. */
#define MAX_RUNTIME_DIR 90
#define MAX_NAME        127
#define MAX_LIST        10000
/* What an account tells the other side of itself is one message of the data channel, of 512 KB at
 * most (ipc/data.h); the rest is for what is not configured. */
#define MAX_TOLD (480u * 1024u)
#define TOLD_OF  8u /* bytes beside each text */

struct validate {
    struct sa_problem_list *problems;
    const struct sa_loaded *loaded;
};

/* Node of a key of the agent as a whole, by the key's path; the tree's root where it is not set. */
static const struct sa_yaml *node_of(const struct validate *v, const char *path)
{
    const struct sa_key *k = sa_key_find(path);
    const struct sa_yaml *node = k == NULL ? NULL : v->loaded->where[k - sa_keys];
    return node != NULL ? node : v->loaded->root;
}

#define WIDE_ERROR(v, path, ...)                                                                   \
    sa_problem_node((v)->problems, false, node_of(v, path), __VA_ARGS__)
#define WIDE_WARN(v, path, ...) sa_problem_node((v)->problems, true, node_of(v, path), __VA_ARGS__)

static bool has_control_characters(const char *s)
{
    for (; *s != '\0'; s++) {
        if (iscntrl((unsigned char)*s))
            return true;
    }
    return false;
}

static void check_text(struct sa_problem_list *problems, const struct sa_key *k, const char *text,
                       const struct sa_yaml *node)
{
    if (text[0] == '\0')
        sa_problem_node(problems, false, node,
                        "%s is empty; leave the key out where nothing is meant", k->path);
    else if (has_control_characters(text))
        sa_problem_node(problems, false, node, "%s holds a control character", k->path);
}

/* Every text that was set by a file. */
static void check_texts(struct sa_problem_list *problems, const struct sa_yaml *const *where,
                        void *base)
{
    for (size_t i = 0; i < sa_n_keys; i++) {
        const struct sa_key *k = &sa_keys[i];
        if (where[i] == NULL || k->home == SA_HOME_NONE)
            continue;
        void *field = sa_key_field(k, base);
        if (k->type == SA_KEY_STRING && *(char **)field != NULL)
            check_text(problems, k, *(char **)field, where[i]);
        if (k->type != SA_KEY_STRINGS)
            continue;
        const struct sa_strings *list = field;
        if (list->n > MAX_LIST)
            sa_problem_node(problems, false, where[i], "%s has more than %d entries", k->path,
                            MAX_LIST);
        for (size_t j = 0; j < list->n; j++)
            check_text(problems, k, list->v[j], where[i]);
    }
}

static bool is_host_port(const char *s)
{
    const char *colon = strrchr(s, ':');
    if (colon == NULL || colon == s || strchr(s, '/') != NULL)
        return false;
    if (s[0] != '[' && strchr(s, ':') != colon)
        return false; /* an IPv6 address needs brackets */
    char *end;
    unsigned long port = strtoul(colon + 1, &end, 10);
    return isdigit((unsigned char)colon[1]) && *end == '\0' && port > 0 && port < 65536;
}

static void check_clouddriver(const struct validate *v)
{
    const struct sa_clouddriver *c = &v->loaded->wide.settings.clouddriver;
    bool token = c->token != NULL || c->token_command != NULL;
    if (!is_host_port(c->grpc))
        WIDE_ERROR(v, "clouddriver.grpc",
                   "clouddriver.grpc: expected host:port, as spin-clouddriver-grpc:9091");
    if (c->token != NULL && c->token_command != NULL)
        WIDE_ERROR(v, "clouddriver.auth.token",
                   "clouddriver.auth: token and tokenCommand exclude each other");
    if (token && c->insecure && !c->allow_plaintext_token)
        WIDE_ERROR(v,
                   c->token != NULL ? "clouddriver.auth.token"
                                    : "clouddriver.auth.tokenCommand.command",
                   "a token would be sent without TLS, readable for whoever is on the way; set "
                   "clouddriver.insecure: false, or clouddriver.allowPlaintextToken: true if the "
                   "way is safe");
    if (c->token_command == NULL && c->token_args.n > 0)
        WIDE_ERROR(v, "clouddriver.auth.tokenCommand.args",
                   "clouddriver.auth.tokenCommand: command is missing");
    if (c->tls_client_key_file != NULL && c->tls_client_cert_file == NULL)
        WIDE_ERROR(v, "clouddriver.tls.clientKeyFile",
                   "clouddriver.tls: clientKeyFile needs clientCertFile");
    if (c->insecure && (c->tls_client_cert_file != NULL || c->tls_cacert_file != NULL ||
                        c->tls_server_name != NULL))
        WIDE_WARN(v, "clouddriver.insecure",
                  "clouddriver.tls has no effect while clouddriver.insecure is true, which is its "
                  "default");
    if (c->backoff_base_ns > c->backoff_max_ns)
        WIDE_ERROR(v, "clouddriver.backoff.baseDelay",
                   "clouddriver.backoff: baseDelay is above maxDelay");
}

static void check_absolute(const struct validate *v, const char *path, const char *value)
{
    if (value != NULL && value[0] != '/')
        WIDE_ERROR(v, path, "%s: expected an absolute path", path);
}

static void check_paths(const struct validate *v)
{
    const struct sa_settings *s = &v->loaded->wide.settings;
    check_absolute(v, "runtimeDir", s->runtime_dir);
    check_absolute(v, "stateDir", s->state_dir);
    check_absolute(v, "sqlite.file", s->sqlite_file);
    check_absolute(v, "logging.file", s->log_file);
    check_absolute(v, "clouddriver.auth.tokenCommand.command", s->clouddriver.token_command);
    check_absolute(v, "clouddriver.tls.clientCertFile", s->clouddriver.tls_client_cert_file);
    check_absolute(v, "clouddriver.tls.clientKeyFile", s->clouddriver.tls_client_key_file);
    check_absolute(v, "clouddriver.tls.cacertFile", s->clouddriver.tls_cacert_file);
    if (strcmp(s->jsonl_file, "-") != 0)
        check_absolute(v, "jsonl.file", s->jsonl_file);
    if (strlen(s->runtime_dir) > MAX_RUNTIME_DIR)
        WIDE_ERROR(v, "runtimeDir", "runtimeDir: longer than %d bytes, too long for sockets",
                   MAX_RUNTIME_DIR);
}

/* secrets.vault: what each way to log in needs. */
static void check_vault(const struct validate *v)
{
    const struct sa_account *c = &v->loaded->wide.common;
    const char *url = c->vault_url;
    check_absolute(v, "secrets.sealKeyFile", c->seal_key_file);
    check_absolute(v, "secrets.vault.tokenFile", c->vault_token_file);
    check_absolute(v, "secrets.vault.jwtFile", c->vault_jwt_file);
    check_absolute(v, "secrets.vault.roleIdFile", c->vault_role_id_file);
    check_absolute(v, "secrets.vault.secretIdFile", c->vault_secret_id_file);
    check_absolute(v, "secrets.vault.caFile", c->vault_ca_file);
    if (url == NULL || !c->vault_enabled)
        return;
    if (strncmp(url, "https://", 8) != 0 && strncmp(url, "http://", 7) != 0)
        WIDE_ERROR(v, "secrets.vault.url",
                   "secrets.vault.url: expected a URL, as https://vault.example:8200");
    else if (strpbrk(url, "?#@ ") != NULL)
        WIDE_ERROR(v, "secrets.vault.url",
                   "secrets.vault.url: user, query or blank have no place in it");
    else if (strncmp(url, "http://", 7) == 0)
        WIDE_WARN(v, "secrets.vault.url",
                  "secrets.vault.url: without TLS whoever is on the way can read every secret");
    if (strcmp(c->vault_auth_method, "KUBERNETES") == 0 && c->vault_role == NULL)
        WIDE_ERROR(v, "secrets.vault.url", "secrets.vault: authMethod KUBERNETES needs role");
    if (strcmp(c->vault_auth_method, "APPROLE") == 0 &&
        (c->vault_role_id_file == NULL || c->vault_secret_id_file == NULL))
        WIDE_ERROR(v, "secrets.vault.authMethod",
                   "secrets.vault: authMethod APPROLE needs roleIdFile and secretIdFile");
}

static void check_processes(const struct validate *v)
{
    const struct sa_settings *s = &v->loaded->wide.settings;
    int64_t object = v->loaded->wide.common.max_object_bytes;
    if (s->restart_base_ms > s->restart_max_ms)
        WIDE_ERROR(v, "restart.baseMs", "restart: baseMs is above maxMs");
    if (s->uid_range_count > 0 && s->uid_range_first == 0)
        WIDE_ERROR(v, "uidRange.count", "uidRange: first must not be 0, which is root");
    if (s->uid_range_count > 0 && s->uid_range_first + s->uid_range_count > INT64_C(4294967295))
        WIDE_ERROR(v, "uidRange.count", "uidRange: it ends past the last user id, 4294967294");
    if (s->uid_range_count > 0 && (uint64_t)s->uid_range_count < s->n_accounts)
        WIDE_WARN(v, "uidRange.count", "uidRange: fewer ids than accounts; some will share one");
    if (object > s->worker_memory_bytes / 4)
        WIDE_ERROR(v, "limits.objectSize", "limits: objectSize is above a quarter of workerMemory");
    if (s->server_token_sha256 && (strlen(s->server_token_sha256) != 64 ||
                                   strspn(s->server_token_sha256, "0123456789abcdefABCDEF") != 64))
        WIDE_ERROR(
            v, "server.tokenSha256",
            "server.tokenSha256: expected 64 hex digits, as of printf %%s TOKEN | sha256sum");
    if (s->prometheus_enabled && s->prometheus_port == s->server_port)
        WIDE_ERROR(v, "prometheus.port", "prometheus.port and server.port are the same");
}

/*
 * Accounts
 */

struct one {
    const struct validate *v;
    const struct sa_account *a;
    const struct sa_loaded_account *l;
};

/* Node of one of the account's keys; the account's where it is not set. */
static const struct sa_yaml *account_node(const struct one *o, const char *leaf)
{
    char path[128];
    snprintf(path, sizeof path, "kubernetes.accounts.%s", leaf);
    const struct sa_key *k = sa_key_find(path);
    const struct sa_yaml *node = k == NULL ? NULL : o->l->where[k - sa_keys];
    return node != NULL ? node : o->l->node;
}

#define ACCOUNT_ERROR(o, leaf, fmt, ...)                                                           \
    sa_problem_node((o)->v->problems, false, account_node(o, leaf), "account %s: " fmt,            \
                    (o)->a->name == NULL ? "without a name" : (o)->a->name, ##__VA_ARGS__)

static void check_name(const struct one *o)
{
    const char *name = o->a->name;
    if (name == NULL)
        ACCOUNT_ERROR(o, "name", "name is missing");
    else if (strlen(name) > MAX_NAME)
        ACCOUNT_ERROR(o, "name", "the name is longer than %d bytes", MAX_NAME);
    else if (name[0] == ' ' || (name[0] != '\0' && name[strlen(name) - 1] == ' '))
        ACCOUNT_ERROR(o, "name", "the name begins or ends with a blank");
}

/* A kubeconfig that is in a store of secrets. */
static void check_reference(const struct one *o)
{
    SA_CLEANUP(sa_err_free) struct sa_err *why = NULL;
    const struct sa_account *common = &o->v->loaded->wide.common;
    struct sa_secret_ref r;
    if (sa_secret_ref_parse(o->a->kubeconfig_file, &r, &why) != 0) {
        ACCOUNT_ERROR(o, "kubeConfigFile", "kubeConfigFile: %s", sa_err_msg(why));
        return;
    }
    if (r.engine == SA_SECRET_VAULT && (common->vault_url == NULL || !common->vault_enabled))
        ACCOUNT_ERROR(o, "kubeConfigFile",
                      "kubeConfigFile: it is in Vault, which needs secrets.vault.url, and "
                      "secrets.vault.enabled not to be false");
    sa_secret_ref_free(&r);
}

static void check_credentials(const struct one *o)
{
    const struct sa_account *a = o->a;
    if (a->kubeconfig_file != NULL && a->service_account)
        ACCOUNT_ERROR(o, "serviceAccount", "kubeConfigFile and serviceAccount exclude each other");
    else if (a->kubeconfig_file == NULL && !a->service_account)
        ACCOUNT_ERROR(o, "kubeConfigFile", "kubeConfigFile or serviceAccount: true is missing");
    if (a->kubeconfig_file != NULL && sa_secret_ref_is(a->kubeconfig_file))
        check_reference(o);
    else if (a->kubeconfig_file != NULL && a->kubeconfig_file[0] != '/')
        ACCOUNT_ERROR(o, "kubeConfigFile", "kubeConfigFile: expected an absolute path");
    if (a->context != NULL && a->kubeconfig_file == NULL)
        ACCOUNT_ERROR(o, "context", "context needs kubeConfigFile");
}

/* A kind, alone or with its group: letters, digits, "-" and "." */
static void check_kinds(const struct one *o, const struct sa_strings *kinds, const char *leaf)
{
    for (size_t i = 0; i < kinds->n; i++) {
        for (const char *s = kinds->v[i]; *s != '\0'; s++) {
            if (isalnum((unsigned char)*s) || *s == '.' || *s == '-')
                continue;
            ACCOUNT_ERROR(o, leaf, "%s: \"%.100s\" is no kind", leaf, kinds->v[i]);
            break;
        }
    }
}

/* By RFC 1123, as Kubernetes names namespaces. */
static void check_namespaces(const struct one *o, const struct sa_strings *list, const char *leaf)
{
    for (size_t i = 0; i < list->n; i++) {
        const char *s = list->v[i];
        size_t n = strlen(s);
        if (n == 0 || n > 63 || strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") != n ||
            s[0] == '-' || s[n - 1] == '-')
            ACCOUNT_ERROR(o, leaf, "%s: \"%.100s\" is no name of a namespace", leaf, s);
    }
}

static void check_filters(const struct one *o)
{
    const struct sa_account *a = o->a;
    check_kinds(o, &a->kinds, "kinds");
    check_kinds(o, &a->omit_kinds, "omitKinds");
    check_namespaces(o, &a->namespaces, "namespaces");
    check_namespaces(o, &a->omit_namespaces, "omitNamespaces");
    if (a->kinds.n > 0 && a->omit_kinds.n > 0)
        ACCOUNT_ERROR(o, "omitKinds", "kinds and omitKinds exclude each other");
    if (a->namespaces.n > 0 && a->omit_namespaces.n > 0)
        ACCOUNT_ERROR(o, "omitNamespaces", "namespaces and omitNamespaces exclude each other");
    if (a->only_namespaced_resources && a->namespaces.n == 0)
        ACCOUNT_ERROR(o, "onlyNamespacedResources", "onlyNamespacedResources needs namespaces");
    for (size_t i = 0; i < a->n_crds; i++) {
        const char *dot = strchr(a->crds[i].kind, '.');
        if (dot == NULL || dot == a->crds[i].kind || dot[1] == '\0')
            ACCOUNT_ERROR(o, "customResourceDefinitions",
                          "customResourceDefinitions: \"%.100s\" is not Kind.group",
                          a->crds[i].kind);
        else if (a->only_namespaced_resources && a->crds[i].cluster_scoped)
            ACCOUNT_ERROR(o, "customResourceDefinitions",
                          "customResourceDefinitions: %.100s is not in namespaces, but "
                          "onlyNamespacedResources is set",
                          a->crds[i].kind);
    }
}

static size_t told(const struct sa_strings *list)
{
    size_t bytes = 0;
    for (size_t i = 0; i < list->n; i++)
        bytes += strlen(list->v[i]) + TOLD_OF;
    return bytes;
}

static void check_told(const struct one *o)
{
    const struct sa_account *a = o->a;
    const struct {
        const char *leaf;
        size_t bytes;
    } lists[] = {{"kinds", told(&a->kinds)},
                 {"omitKinds", told(&a->omit_kinds)},
                 {"namespaces", told(&a->namespaces)},
                 {"omitNamespaces", told(&a->omit_namespaces)}};
    const char *leaf = "permissions";
    size_t most = 0, sum;
    for (size_t i = 0; i < a->n_permissions; i++)
        most += strlen(a->permissions[i].permission) + TOLD_OF + told(&a->permissions[i].roles);
    sum = most;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        sum += lists[i].bytes;
        if (lists[i].bytes > most) {
            most = lists[i].bytes;
            leaf = lists[i].leaf;
        }
    }
    if (sum > MAX_TOLD)
        ACCOUNT_ERROR(o, leaf,
                      "kinds, namespaces and permissions are %zu KB together, and may be %u: most "
                      "are of %s",
                      sum / 1024, MAX_TOLD / 1024, leaf);
}

static void check_account(const struct validate *v, size_t i)
{
    struct sa_account *a = &v->loaded->wide.settings.accounts[i];
    const struct one o = {v, a, &v->loaded->accounts[i]};
    check_texts(v->problems, o.l->where, a);
    check_name(&o);
    check_credentials(&o);
    check_filters(&o);
    check_told(&o);
}

struct named {
    const char *name;
    const struct sa_yaml *node;
    size_t order;
};

static int by_name(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    int c = strcmp(x->name, y->name);
    return c != 0 ? c : (x->order > y->order) - (x->order < y->order);
}

/* The same name twice, in whatever files. */
static void check_duplicates(const struct validate *v)
{
    const struct sa_settings *s = &v->loaded->wide.settings;
    struct named *names = calloc(s->n_accounts + 1, sizeof *names);
    size_t n = 0;
    if (names == NULL) {
        v->problems->no_memory = true;
        return;
    }
    for (size_t i = 0; i < s->n_accounts; i++) {
        const struct one o = {v, &s->accounts[i], &v->loaded->accounts[i]};
        if (s->accounts[i].name != NULL)
            names[n++] = (struct named){s->accounts[i].name, account_node(&o, "name"), i};
    }
    qsort(names, n, sizeof *names, by_name);
    for (size_t i = 1; i < n; i++) {
        const struct sa_yaml *first = names[i - 1].node;
        if (strcmp(names[i - 1].name, names[i].name) == 0)
            sa_problem_node(v->problems, false, names[i].node,
                            "account %s is there twice, the other one at %s:%u:%u", names[i].name,
                            first->name, first->line, first->column);
    }
    free(names);
}

void sa_validate(struct sa_loaded *l, struct sa_problem_list *problems)
{
    const struct validate v = {problems, l};
    if (l->root == NULL)
        return; /* nothing is set, and the defaults need no check */
    check_texts(problems, l->where, &l->wide);
    check_clouddriver(&v);
    check_paths(&v);
    check_vault(&v);
    check_processes(&v);
    for (size_t i = 0; i < l->wide.settings.n_accounts; i++)
        check_account(&v, i);
    check_duplicates(&v);
}

/*
 * What follows
 */

static int no_memory(struct sa_err **err)
{
    return sa_err_set(err, SA_EMEMORY, "no memory for the configuration");
}

static bool is_among(const struct sa_strings *list, const char *text)
{
    for (size_t i = 0; i < list->n; i++) {
        if (strcmp(list->v[i], text) == 0)
            return true;
    }
    return false;
}

static int derive_account(struct sa_loaded *l, size_t i, struct sa_err **err)
{
    const struct sa_settings *s = &l->wide.settings;
    const struct sa_strings *common = &l->wide.common.redact;
    struct sa_account *a = &s->accounts[i];
    int64_t group = l->wide.cache_group_size;
    a->worker_memory_bytes = s->worker_memory_bytes;
    a->start_delay_ms = group > 0 ? (int64_t)i / group * l->wide.cache_group_delay_ms : 0;
    a->sandbox = strdup(s->sandbox);
    if (a->sandbox == NULL)
        return no_memory(err);
    for (size_t j = 0; j < common->n; j++) {
        if (!is_among(&a->redact, common->v[j]) &&
            sa_strings_add(&a->redact, common->v[j], strlen(common->v[j])) != 0)
            return no_memory(err);
    }
    return 0;
}

/* Armory's names for severities that this program has by another name. */
static const char *level_name(const char *level)
{
    if (strcmp(level, "panic") == 0)
        return "fatal";
    return strcmp(level, "warning") == 0 ? "warn" : level;
}

/* The sink that is meant where none is named: whoever says where Clouddriver is wants to reach it.
 */
static void derive_sink(struct sa_loaded *l)
{
    const struct sa_key *sink = sa_key_find("sink");
    if (l->where[sink - sa_keys] != NULL)
        return;
    for (size_t i = 0; i < sa_n_keys; i++) {
        if (l->where[i] != NULL && strncmp(sa_keys[i].path, "clouddriver.", 12) == 0)
            l->wide.settings.sink = SA_SINK_GRPC;
    }
}

int sa_derive(struct sa_loaded *l, struct sa_err **err)
{
    struct sa_settings *s = &l->wide.settings;
    derive_sink(l);
    char *level = strdup(level_name(s->log_level));
    if (level == NULL)
        return no_memory(err);
    free(s->log_level);
    s->log_level = level;
    for (size_t i = 0; i < s->n_accounts; i++) {
        if (derive_account(l, i, err) != 0)
            return -1;
    }
    return 0;
}
