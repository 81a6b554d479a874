/* SPDX-License-Identifier: Apache-2.0 */
/* Discovery documents into a list of resources. A cold path: cJSON's tree will do. */
#include "worker/discovery.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "worker/step.h"

#define MAX_RESOURCES 20000u

int sa_names_add(struct sa_strings *s, const char *v)
{
    char *copy = strdup(v);
    char **grown = copy ? reallocarray(s->v, s->n + 1, sizeof *s->v) : NULL;
    if (!grown) {
        free(copy);
        return -1;
    }
    s->v = grown;
    s->v[s->n++] = copy;
    return 0;
}

bool sa_names_has(const struct sa_strings *s, const char *v)
{
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->v[i], v) == 0)
            return true;
    return false;
}

void sa_names_clear(struct sa_strings *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->v[i]);
    free(s->v);
    *s = (struct sa_strings){0};
}

void sa_resource_clear(struct sa_resource *r)
{
    free(r->group);
    free(r->version);
    free(r->plural);
    free(r->kind);
    free(r->singular);
    sa_names_clear(&r->short_names);
    *r = (struct sa_resource){0};
}

void sa_resources_free(struct sa_resources *r)
{
    for (size_t i = 0; i < r->n; i++)
        sa_resource_clear(&r->v[i]);
    free(r->v);
    sa_names_clear(&r->unknown);
    sa_served_free(&r->served);
    *r = (struct sa_resources){0};
}

const struct sa_resource *sa_resources_find(const struct sa_resources *r, const char *group,
                                            const char *plural)
{
    for (size_t i = 0; i < r->n; i++)
        if (strcmp(r->v[i].plural, plural) == 0 && strcmp(r->v[i].group, group) == 0)
            return &r->v[i];
    return NULL;
}

static int resource_copy(struct sa_resource *to, const struct sa_resource *from)
{
    *to = (struct sa_resource){
        .group = strdup(from->group),
        .version = strdup(from->version),
        .plural = strdup(from->plural),
        .kind = strdup(from->kind),
        .singular = strdup(from->singular && *from->singular ? from->singular : from->kind),
        .namespaced = from->namespaced,
        .custom = from->custom,
    };
    bool ok = to->group && to->version && to->plural && to->kind && to->singular;
    for (size_t i = 0; ok && i < from->short_names.n; i++)
        ok = sa_names_add(&to->short_names, from->short_names.v[i]) == 0;
    if (ok)
        return 0;
    sa_resource_clear(to);
    return -1;
}

int sa_resources_add(struct sa_resources *r, const struct sa_resource *res, struct sa_err **err)
{
    if (sa_resources_find(r, res->group, res->plural))
        return 0;
    if (r->n >= MAX_RESOURCES)
        return sa_err_set(err, SA_ELIMIT, "the server names more than %u resources", MAX_RESOURCES);
    struct sa_resource *grown = reallocarray(r->v, r->n + 1, sizeof *r->v);
    if (grown)
        r->v = grown;
    if (!grown || resource_copy(&r->v[r->n], res))
        return sa_err_set(err, SA_EMEMORY, "no memory for the list of resources");
    r->n++;
    return 0;
}

int sa_resources_add_unknown(struct sa_resources *r, const char *group, struct sa_err **err)
{
    if (sa_names_has(&r->unknown, group) || sa_names_add(&r->unknown, group) == 0)
        return 0;
    return sa_err_set(err, SA_EMEMORY, "no memory for the list of groups");
}

bool sa_resources_unknown(const struct sa_resources *r, const char *group)
{
    return sa_names_has(&r->unknown, group);
}

/* Groups without a dot are Kubernetes' own; those of *.k8s.io are shared with projects around it,
 * so the ones that the API server itself serves are named. */
bool sa_group_native(const char *group)
{
    static const char *const own[] = {
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
        "apiregistration.k8s.io",
        "authentication.k8s.io",
        "authorization.k8s.io",
        "certificates.k8s.io",
        "coordination.k8s.io",
        "discovery.k8s.io",
        "events.k8s.io",
        "flowcontrol.apiserver.k8s.io",
        "internal.apiserver.k8s.io",
        "networking.k8s.io",
        "node.k8s.io",
        "rbac.authorization.k8s.io",
        "resource.k8s.io",
        "scheduling.k8s.io",
        "settings.k8s.io",
        "storage.k8s.io",
        "storagemigration.k8s.io",
        "auditregistration.k8s.io",
    };
    if (!strchr(group, '.'))
        return true;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (strcmp(group, own[i]) == 0)
            return true;
    return false;
}

size_t sa_resources_mark_custom(struct sa_resources *r, const struct sa_strings *names)
{
    size_t missing = 0;
    r->crds_known = names != NULL;
    if (!names) {
        for (size_t i = 0; i < r->n; i++)
            r->v[i].custom = !sa_group_native(r->v[i].group);
        return 0;
    }
    for (size_t i = 0; i < names->n; i++) {
        const char *dot = strchr(names->v[i], '.');
        size_t plural = dot ? (size_t)(dot - names->v[i]) : 0;
        bool found = false;
        for (size_t k = 0; dot && k < r->n && !found; k++)
            if (strlen(r->v[k].plural) == plural &&
                strncmp(r->v[k].plural, names->v[i], plural) == 0 &&
                strcmp(r->v[k].group, dot + 1) == 0)
                found = r->v[k].custom = true;
        if (dot && !found && sa_resources_add_unknown(r, dot + 1, NULL) == 0)
            missing++;
    }
    return missing;
}

void sa_group_versions_free(struct sa_group_versions *g)
{
    for (size_t i = 0; i < g->n; i++) {
        free(g->v[i].group);
        free(g->v[i].version);
    }
    free(g->v);
    *g = (struct sa_group_versions){0};
}

static int group_versions_add(struct sa_group_versions *g, const char *group, const char *version,
                              struct sa_err **err)
{
    for (size_t i = 0; i < g->n; i++)
        if (strcmp(g->v[i].group, group) == 0 && strcmp(g->v[i].version, version) == 0)
            return 0;
    struct sa_group_version *grown = reallocarray(g->v, g->n + 1, sizeof *g->v);
    if (grown)
        g->v = grown;
    struct sa_group_version gv = {strdup(group), strdup(version)};
    if (!grown || !gv.group || !gv.version) {
        free(gv.group);
        free(gv.version);
        return sa_err_set(err, SA_EMEMORY, "no memory for the list of groups");
    }
    g->v[g->n++] = gv;
    return 0;
}

static const char *text(const cJSON *o, const char *name)
{
    const char *s = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, name));
    return s ? s : "";
}

static bool has_string(const cJSON *array, const char *v)
{
    const cJSON *e;
    cJSON_ArrayForEach(e,
                       array) if (cJSON_IsString(e) && strcmp(e->valuestring, v) == 0) return true;
    return false;
}

/* What both forms spell alike: verbs and shortNames. Whatever has a name can be operated on; what
 * can be listed and watched can be followed. */
static int add_resource(struct sa_resources *out, const cJSON *json, struct sa_resource *r,
                        bool scales, bool preferred, struct sa_err **err)
{
    const cJSON *verbs = cJSON_GetObjectItemCaseSensitive(json, "verbs");
    bool lists = has_string(verbs, "list");
    if (!*r->plural || !*r->kind || strchr(r->plural, '/'))
        return 0;
    int rc = 0;
    const cJSON *e;
    cJSON_ArrayForEach(e, cJSON_GetObjectItemCaseSensitive(json, "shortNames"))
    {
        if (cJSON_IsString(e) && rc == 0)
            rc = sa_names_add(&r->short_names, e->valuestring);
    }
    const struct sa_served_resource served = {r->group,    r->version,      r->plural,     r->kind,
                                              r->singular, &r->short_names, r->namespaced, scales,
                                              lists,       preferred};
    if (rc)
        sa_err_set(err, SA_EMEMORY, "no memory for the list of resources");
    else
        rc = sa_served_add(&out->served, &served, err);
    if (rc == 0 && lists && has_string(verbs, "watch"))
        rc = sa_resources_add(out, r, err);
    sa_names_clear(&r->short_names);
    return rc;
}

static bool has_scale(const cJSON *resource)
{
    const cJSON *e;
    cJSON_ArrayForEach(e, cJSON_GetObjectItemCaseSensitive(resource, "subresources"))
    {
        if (strcmp(text(e, "subresource"), "scale") == 0)
            return true;
    }
    return false;
}

static int aggregated_version(const cJSON *version, char *group, bool preferred,
                              struct sa_resources *out, struct sa_err **err)
{
    if (strcmp(text(version, "freshness"), "Stale") == 0 &&
        sa_resources_add_unknown(out, group, err))
        return -1;
    const cJSON *res;
    cJSON_ArrayForEach(res, cJSON_GetObjectItemCaseSensitive(version, "resources"))
    {
        /* A resource may name another group in responseKind; its own is where its path is. */
        const cJSON *kind = cJSON_GetObjectItemCaseSensitive(res, "responseKind");
        struct sa_resource r = {
            .group = group,
            .version = (char *)text(version, "version"),
            .plural = (char *)text(res, "resource"),
            .kind = (char *)text(kind, "kind"),
            .singular = (char *)text(res, "singularResource"),
            .namespaced = strcmp(text(res, "scope"), "Namespaced") == 0,
        };
        if (add_resource(out, res, &r, has_scale(res), preferred, err))
            return -1;
    }
    return 0;
}

static int aggregated(const cJSON *doc, struct sa_resources *out, struct sa_err **err)
{
    const cJSON *group, *version;
    cJSON_ArrayForEach(group, cJSON_GetObjectItemCaseSensitive(doc, "items"))
    {
        const cJSON *meta = cJSON_GetObjectItemCaseSensitive(group, "metadata");
        bool first = true; /* versions come in the order of preference */
        cJSON_ArrayForEach(version, cJSON_GetObjectItemCaseSensitive(group, "versions"))
        {
            if (aggregated_version(version, (char *)text(meta, "name"), first, out, err))
                return -1;
            first = false;
        }
    }
    return 0;
}

static int old_groups(const cJSON *doc, struct sa_group_versions *more, struct sa_err **err)
{
    const cJSON *group, *version;
    cJSON_ArrayForEach(group, cJSON_GetObjectItemCaseSensitive(doc, "groups"))
    {
        const char *name = text(group, "name");
        const cJSON *best = cJSON_GetObjectItemCaseSensitive(group, "preferredVersion");
        if (*text(best, "version") && group_versions_add(more, name, text(best, "version"), err))
            return -1;
        cJSON_ArrayForEach(version, cJSON_GetObjectItemCaseSensitive(group, "versions"))
        {
            if (*text(version, "version") &&
                group_versions_add(more, name, text(version, "version"), err))
                return -1;
        }
    }
    return 0;
}

int sa_discovery_parse(const char *json, size_t n, struct sa_resources *resources,
                       struct sa_group_versions *more, struct sa_err **err)
{
    cJSON *doc = cJSON_ParseWithLength(json, n);
    if (!doc)
        return sa_err_set(err, SA_EPROTOCOL, "the discovery document is not JSON");
    int rc = 0;
    const char *kind = text(doc, "kind");
    if (strcmp(kind, "APIGroupDiscoveryList") == 0) {
        rc = aggregated(doc, resources, err);
    } else if (strcmp(kind, "APIGroupList") == 0) {
        rc = old_groups(doc, more, err);
    } else if (strcmp(kind, "APIVersions") == 0) {
        const cJSON *v;
        cJSON_ArrayForEach(v, cJSON_GetObjectItemCaseSensitive(doc, "versions"))
        {
            if (cJSON_IsString(v) && rc == 0)
                rc = group_versions_add(more, "", v->valuestring, err);
        }
    } else {
        rc = sa_err_set(err, SA_EPROTOCOL,
                        "the discovery document is of kind \"%.64s\", which is none of discovery's",
                        kind);
    }
    cJSON_Delete(doc);
    return rc;
}

/* "deployments/scale" */
static void scale_of(struct sa_served *s, const char *group, const char *version, const char *name)
{
    const char *slash = strchr(name, '/');
    char plural[SA_MAP_NAME];
    if (!slash || strcmp(slash, "/scale") != 0 || (size_t)(slash - name) >= sizeof plural)
        return;
    memcpy(plural, name, (size_t)(slash - name));
    plural[slash - name] = '\0';
    sa_served_scales(s, group, version, plural);
}

int sa_discovery_parse_version(const char *json, size_t n, const char *group, const char *version,
                               struct sa_resources *resources, struct sa_err **err)
{
    cJSON *doc = cJSON_ParseWithLength(json, n);
    if (!doc || strcmp(text(doc, "kind"), "APIResourceList") != 0) {
        cJSON_Delete(doc);
        return sa_err_set(err, SA_EPROTOCOL,
                          "%s/%s is described by something that is no APIResourceList", group,
                          version);
    }
    int rc = 0;
    bool preferred = !sa_served_knows(&resources->served, group); /* it is read first */
    const cJSON *res;
    cJSON_ArrayForEach(res, cJSON_GetObjectItemCaseSensitive(doc, "resources"))
    {
        struct sa_resource r = {
            .group = (char *)group,
            .version = (char *)version,
            .plural = (char *)text(res, "name"),
            .kind = (char *)text(res, "kind"),
            .singular = (char *)text(res, "singularName"),
            .namespaced = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(res, "namespaced")),
        };
        if (rc == 0)
            rc = add_resource(resources, res, &r, false, preferred, err);
        scale_of(&resources->served, group, version, r.plural);
    }
    cJSON_Delete(doc);
    return rc;
}
