/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/kinds.h"

#include <string.h>
#include <strings.h>

/* kubesvc.cache.cacheDefaults of the plugin: what Clouddriver caches by default. */
static const char *const default_kinds[] = {
    "ReplicaSet",  "Service", "Ingress", "DaemonSet", "Deployment",    "Pod",
    "StatefulSet", "Job",     "CronJob", "Namespace", "NetworkPolicy", "CustomResourceDefinition",
};

/* Native groups that serve kinds of equal names (Ingress, Event, ...): the one to take. */
static int group_rank(const char *group)
{
    static const char *const last[] = {"events.k8s.io", "extensions"};
    for (size_t i = 0; i < sizeof last / sizeof *last; i++)
        if (strcmp(group, last[i]) == 0)
            return (int)i + 1;
    return 0;
}

static bool same(const char *a, size_t n, const char *b)
{
    return strlen(b) == n && strncasecmp(a, b, n) == 0;
}

/* name[n] against each of a resource's names */
static bool answers_to(const struct sa_resource *r, const char *name, size_t n)
{
    if (same(name, n, r->kind) || same(name, n, r->plural) ||
        (r->singular && same(name, n, r->singular)))
        return true;
    for (size_t i = 0; i < r->short_names.n; i++)
        if (same(name, n, r->short_names.v[i]))
            return true;
    return false;
}

bool sa_kinds_named(const char *entry, const struct sa_resource *r)
{
    const char *dot = strchr(entry, '.');
    if (!answers_to(r, entry, dot ? (size_t)(dot - entry) : strlen(entry)))
        return false;
    return !dot || strcasecmp(dot + 1, r->group) == 0;
}

/* Calls mark for what the entry means; returns the number. */
static size_t resolve(struct sa_resources *r, const char *entry, bool want)
{
    struct sa_resource *native = NULL;
    size_t n = 0;
    bool grouped = strchr(entry, '.') != NULL;
    for (size_t i = 0; i < r->n && !grouped; i++)
        if (sa_kinds_named(entry, &r->v[i]) && sa_group_native(r->v[i].group) &&
            (!native || group_rank(r->v[i].group) < group_rank(native->group)))
            native = &r->v[i];
    if (native) {
        native->wanted = want;
        return 1;
    }
    for (size_t i = 0; i < r->n; i++)
        if (sa_kinds_named(entry, &r->v[i])) {
            r->v[i].wanted = want;
            n++;
        }
    return n;
}

bool sa_kinds_made_up(const struct sa_account *a, const char *group, const char *plural)
{
    if (!a->only_namespaced_resources)
        return false;
    return (strcmp(group, "") == 0 && strcmp(plural, "namespaces") == 0) ||
           (strcmp(group, "apiextensions.k8s.io") == 0 &&
            strcmp(plural, "customresourcedefinitions") == 0);
}

static const struct sa_crd_setting *crd_setting(const struct sa_account *a,
                                                const struct sa_resource *r)
{
    for (size_t i = 0; i < a->n_crds; i++)
        if (sa_kinds_named(a->crds[i].kind, r))
            return &a->crds[i];
    return NULL;
}

/* onlyNamespacedResources leaves out what is not in a namespace, but for a definition that the
 * configuration itself calls cluster-scoped and what is made up. */
static bool allowed(const struct sa_account *a, const struct sa_resource *r)
{
    if (!a->only_namespaced_resources || r->namespaced || sa_kinds_made_up(a, r->group, r->plural))
        return true;
    const struct sa_crd_setting *crd = crd_setting(a, r);
    return crd && crd->cluster_scoped;
}

size_t sa_kinds_select(const struct sa_account *a, struct sa_resources *r)
{
    size_t unresolved = 0;
    bool by_default = a->kinds.n == 0;
    /* Where the cluster's definitions may not be read, only those configured are followed. */
    bool every_custom = by_default && !a->only_namespaced_resources;
    for (size_t i = 0; i < r->n; i++)
        r->v[i].wanted = every_custom && r->v[i].custom;
    if (by_default)
        for (size_t i = 0; i < sizeof default_kinds / sizeof *default_kinds; i++)
            resolve(r, default_kinds[i], true);
    for (size_t i = 0; i < a->kinds.n; i++)
        unresolved += resolve(r, a->kinds.v[i], true) == 0;
    for (size_t i = 0; i < a->n_crds; i++)
        unresolved += resolve(r, a->crds[i].kind, true) == 0;
    for (size_t i = 0; i < a->omit_kinds.n; i++)
        resolve(r, a->omit_kinds.v[i], false);
    for (size_t i = 0; i < r->n; i++)
        r->v[i].wanted = r->v[i].wanted && allowed(a, &r->v[i]);
    return unresolved;
}

static bool named_by(const struct sa_strings *entries, const struct sa_resource *r)
{
    for (size_t i = 0; i < entries->n; i++)
        if (sa_kinds_named(entries->v[i], r))
            return true;
    return false;
}

static bool named_by_default(const struct sa_resource *r)
{
    for (size_t i = 0; i < sizeof default_kinds / sizeof *default_kinds; i++)
        if (sa_kinds_named(default_kinds[i], r))
            return true;
    return false;
}

const char *sa_kinds_omitted(const struct sa_account *a, const struct sa_resource *r)
{
    bool by_default = a->kinds.n == 0;
    if (r->wanted)
        return NULL;
    if (named_by(&a->omit_kinds, r))
        return "omitKinds names it";
    if (!allowed(a, r))
        return "onlyNamespacedResources, and it is not in a namespace";
    if (by_default ? named_by_default(r) : named_by(&a->kinds, r))
        return "a kind of this name in another group is meant";
    if (!by_default)
        return "kinds does not name it";
    return r->custom ? "customResourceDefinitions does not name it"
                     : "not among the kinds that are followed by default";
}

bool sa_kinds_would_want(const struct sa_account *a, const char *group, const char *plural,
                         const char *kind, bool namespaced)
{
    struct sa_resource one = {
        .group = (char *)group,
        .version = (char *)"",
        .plural = (char *)plural,
        .kind = (char *)kind,
        .singular = (char *)kind,
        .namespaced = namespaced,
        .custom = !sa_group_native(group),
    };
    struct sa_resources r = {.v = &one, .n = 1};
    sa_kinds_select(a, &r);
    return one.wanted;
}
