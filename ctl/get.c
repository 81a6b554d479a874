/* SPDX-License-Identifier: Apache-2.0 */
/* get: objects of the embedded cache, by the words of `kubectl get`. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "config/yaml_emit.h"
#include "ctl/cache.h"
#include "ctl/summary.h"

/* Short names of kubectl, of what Spinnaker shows. */
static const char *const short_names[][2] = {
    {"cj", "cronjobs"},
    {"cm", "configmaps"},
    {"crd", "customresourcedefinitions"},
    {"deploy", "deployments"},
    {"ds", "daemonsets"},
    {"hpa", "horizontalpodautoscalers"},
    {"ing", "ingresses"},
    {"netpol", "networkpolicies"},
    {"no", "nodes"},
    {"ns", "namespaces"},
    {"pdb", "poddisruptionbudgets"},
    {"po", "pods"},
    {"pv", "persistentvolumes"},
    {"pvc", "persistentvolumeclaims"},
    {"rs", "replicasets"},
    {"sa", "serviceaccounts"},
    {"sts", "statefulsets"},
    {"svc", "services"},
};

static const char *long_name(const char *word)
{
    for (size_t i = 0; i < sizeof short_names / sizeof short_names[0]; i++) {
        if (strcmp(short_names[i][0], word) == 0)
            return short_names[i][1];
    }
    return word;
}

/* A word means a kind, a resource, or either with its group, in any case; "all" means everything.
 */
#define OF_KIND                                                                                    \
    "(?1='all' OR lower(s.kind)=?1 OR s.resource=?1 OR"                                            \
    " (s.grp<>'' AND (lower(s.kind)||'.'||s.grp=?1 OR s.resource||'.'||s.grp=?1)))"
#define SELECT                                                                                     \
    "SELECT a.name,s.grp,s.resource,s.kind,o.namespace,o.name,o.object,o.updated_us"               \
    " FROM objects o JOIN scopes s ON s.id=o.scope JOIN accounts a ON a.id=s.account"              \
    " WHERE " OF_KIND " AND (?2 IS NULL OR o.name=?2) AND (?3 IS NULL OR o.namespace=?3)"          \
    " AND (?4 IS NULL OR a.name=?4)"                                                               \
    " ORDER BY a.name,s.kind,s.grp,o.namespace,o.name"

enum { ACCOUNT, GROUP, RESOURCE, KIND, NAMESPACE, NAME, OBJECT, UPDATED };

static void lower(const char *from, char *to, size_t n)
{
    size_t i = 0;
    for (; from[i] != '\0' && i + 1 < n; i++)
        to[i] = (char)tolower((unsigned char)from[i]);
    to[i] = '\0';
}

static void bind(sqlite3_stmt *st, int i, const char *text)
{
    if (text == NULL)
        sqlite3_bind_null(st, i);
    else
        sqlite3_bind_text(st, i, text, -1, SQLITE_TRANSIENT);
}

static int start(const struct sa_cli *c, sqlite3 *db, const char *word, sqlite3_stmt **st,
                 struct sa_err **err)
{
    if (sa_cache_prepare(db, SELECT, st, err) != 0)
        return -1;
    bind(*st, 1, word);
    bind(*st, 2, c->n_args > 1 ? c->args[1] : NULL);
    bind(*st, 3, c->namespace);
    bind(*st, 4, c->account);
    return 0;
}

/* With account for the tables, kind/name for scripts. */
static int print_names(sqlite3 *db, sqlite3_stmt *st, struct sa_buf *out, size_t *n,
                       struct sa_err **err)
{
    int r;
    while ((r = sa_cache_step(db, st, err)) == 1) {
        char kind[256];
        lower(sa_cache_text(st, KIND), kind, sizeof kind);
        const char *group = sa_cache_text(st, GROUP);
        sa_buf_addf(out, "%s%s%s/%s\n", kind, group[0] == '\0' ? "" : ".", group,
                    sa_cache_text(st, NAME));
        (*n)++;
    }
    return r;
}

static int print_table(const struct sa_cli *c, sqlite3 *db, sqlite3_stmt *st, struct sa_buf *out,
                       size_t *n, struct sa_err **err)
{
    static const char *const heads[] = {"ACCOUNT", "NAMESPACE", "KIND",    "NAME",
                                        "STATUS",  "AGE",       "CHANGED", "DETAIL"};
    bool wide = c->format == SA_FORMAT_WIDE;
    double now = (double)time(NULL);
    struct sa_grid t;
    int r;
    sa_grid_init(&t, heads, wide ? 8 : 6);
    while ((r = sa_cache_step(db, st, err)) == 1) {
        struct sa_summary s;
        char changed[32];
        cJSON *object = cJSON_Parse(sa_cache_text(st, OBJECT));
        const char *namespace = sa_cache_text(st, NAMESPACE);
        sa_summarise(object, now, &s);
        cJSON_Delete(object);
        sa_grid_cell(&t, SA_TONE_PLAIN, "%s", sa_cache_text(st, ACCOUNT));
        sa_grid_cell(&t, SA_TONE_PLAIN, "%s", namespace[0] == '\0' ? "-" : namespace);
        sa_grid_cell(&t, SA_TONE_PLAIN, "%s", sa_cache_text(st, KIND));
        sa_grid_cell(&t, SA_TONE_PLAIN, "%s", sa_cache_text(st, NAME));
        sa_grid_cell(&t, SA_TONE_PLAIN, "%s", s.status);
        sa_grid_cell(&t, SA_TONE_PLAIN, "%s", s.age);
        if (wide) {
            sa_format_age(now - (double)sqlite3_column_int64(st, UPDATED) / 1e6, changed,
                          sizeof changed);
            sa_grid_cell(&t, SA_TONE_PLAIN, "%s", changed);
            sa_grid_cell(&t, SA_TONE_PLAIN, "%s", s.detail);
        }
        (*n)++;
    }
    if (*n > 0)
        sa_grid_print(&t, c->colour, out);
    sa_grid_free(&t);
    return r;
}

/* As kubectl: a name that one object has gives the object, anything else a List. The objects are
 * printed as they are stored, byte by byte. */
static int print_json(const struct sa_cli *c, sqlite3 *db, sqlite3_stmt *st, struct sa_buf *out,
                      size_t *n, struct sa_err **err)
{
    struct sa_buf items;
    int r;
    sa_buf_init(&items, 0);
    while ((r = sa_cache_step(db, st, err)) == 1) {
        sa_buf_adds(&items, (*n)++ == 0 ? "" : ",\n");
        sa_buf_adds(&items, sa_cache_text(st, OBJECT));
    }
    bool single = c->n_args > 1 && *n == 1;
    if (!single)
        sa_buf_adds(out, "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[\n");
    sa_buf_add(out, items.data == NULL ? "" : items.data, items.len);
    sa_buf_adds(out, single ? "\n" : "\n]}\n");
    out->failed |= items.failed;
    sa_buf_free(&items);
    return r;
}

/* Documents one below the other. */
static int print_yaml(sqlite3 *db, sqlite3_stmt *st, struct sa_buf *out, size_t *n,
                      struct sa_err **err)
{
    int r;
    while ((r = sa_cache_step(db, st, err)) == 1) {
        cJSON *object = cJSON_Parse(sa_cache_text(st, OBJECT));
        sa_buf_adds(out, (*n)++ == 0 ? "" : "---\n");
        if (object == NULL)
            sa_buf_addf(out, "# %s: not JSON\n", sa_cache_text(st, NAME));
        else
            sa_yaml_emit(object, false, out);
        cJSON_Delete(object);
    }
    return r;
}

static int print(const struct sa_cli *c, sqlite3 *db, sqlite3_stmt *st, struct sa_buf *out,
                 size_t *n, struct sa_err **err)
{
    switch (c->format) {
    case SA_FORMAT_NAME:
        return print_names(db, st, out, n, err);
    case SA_FORMAT_JSON:
        return print_json(c, db, st, out, n, err);
    case SA_FORMAT_YAML:
        return print_yaml(db, st, out, n, err);
    default:
        return print_table(c, db, st, out, n, err);
    }
}

/* Nothing was found: is the kind unknown, the account, or is there just nothing? */
static int explain_nothing(const struct sa_cli *c, sqlite3 *db, const char *word)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    sqlite3_stmt *st = NULL;
    int kinds = 0, accounts = 0;
    if (sa_cache_prepare(db,
                         "SELECT (SELECT count(*) FROM scopes s WHERE " OF_KIND "),"
                         "(SELECT count(*) FROM accounts WHERE ?2 IS NULL OR name=?2)",
                         &st, &err) == 0) {
        bind(st, 1, word);
        bind(st, 2, c->account);
        if (sa_cache_step(db, st, &err) == 1) {
            kinds = sqlite3_column_int(st, 0);
            accounts = sqlite3_column_int(st, 1);
        }
    }
    sqlite3_finalize(st);
    if (err != NULL)
        return sa_cli_fail(err);
    if (accounts == 0 && c->account != NULL)
        fprintf(stderr, "scale-agentctl: the cache has no account %s\n", c->account);
    else if (kinds == 0)
        fprintf(stderr,
                "scale-agentctl: no account has the kind %s; `scale-agentctl get all -o name` "
                "lists what there is\n",
                c->args[0]);
    else if (c->n_args > 1)
        fprintf(stderr, "scale-agentctl: there is no %s %s\n", c->args[0], c->args[1]);
    else
        fputs("No objects found.\n", stderr);
    return (accounts == 0 && c->account != NULL) || kinds == 0 || c->n_args > 1 ? SA_EXIT_NO
                                                                                : SA_EXIT_OK;
}

static int run(const struct sa_cli *c, sqlite3 *db)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    sqlite3_stmt *st = NULL;
    struct sa_buf out;
    char word[256];
    size_t n = 0;
    lower(c->args[0], word, sizeof word);
    sa_buf_init(&out, 0);
    const char *wanted = long_name(word);
    int r = start(c, db, wanted, &st, &err);
    if (r == 0)
        r = print(c, db, st, &out, &n, &err);
    sqlite3_finalize(st);
    if (r != 0) {
        sa_buf_free(&out);
        return sa_cli_fail(err);
    }
    int written = sa_put(&out);
    return n == 0 ? explain_nothing(c, db, wanted) : written;
}

int sa_cmd_get(const struct sa_cli *c)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    sqlite3 *db;
    if (sa_cache_open(c, &db, &err) != 0)
        return sa_cli_fail(err);
    int r = run(c, db);
    sqlite3_close(db);
    return r;
}
