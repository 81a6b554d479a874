/* SPDX-License-Identifier: Apache-2.0 */
/*
 * With onlyNamespacedResources an account may not read what lies outside its namespaces; the
 * Namespace and CustomResourceDefinition objects that Spinnaker needs are made up from the
 * configuration.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "worker/kinds.h"
#include "worker/scope.h"

/* No such object has a version; all of them are of version 1 for ever. */
#define META_VERSION "\"resourceVersion\":\"1\""

static void namespaces(const struct sa_scope *s, sa_madeup_cb *cb, void *arg)
{
    const struct sa_account *a = &s->w->account;
    for (size_t i = 0; i < a->namespaces.n; i++) {
        SA_CLEANUP(sa_buf_free) struct sa_buf b = {0};
        sa_buf_init(&b, 8192);
        sa_buf_adds(&b, "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":");
        sa_buf_add_json(&b, a->namespaces.v[i]);
        sa_buf_adds(&b, "," META_VERSION "}}");
        if (!b.failed && strlen(a->namespaces.v[i]) < 64)
            cb(arg, a->namespaces.v[i], b.data, b.len);
    }
}

static const struct sa_resource *defined(const struct sa_scope *s, const char *kind)
{
    const struct sa_resources *r = &s->w->resources;
    for (size_t i = 0; i < r->n; i++)
        if (sa_kinds_named(kind, &r->v[i]))
            return &r->v[i];
    return NULL;
}

static void definition(const struct sa_crd_setting *crd, const struct sa_resource *r,
                       sa_madeup_cb *cb, void *arg)
{
    const char *dot = strchr(crd->kind, '.');
    char kind[64], plural[72], name[SA_NAME_MAX];
    if (!dot)
        return;
    snprintf(kind, sizeof kind, "%.*s", (int)(dot - crd->kind), crd->kind);
    snprintf(plural, sizeof plural, "%ss", kind); /* where the server does not tell */
    for (char *p = plural; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    const char *names = r ? r->plural : plural;
    if ((size_t)snprintf(name, sizeof name, "%s.%s", names, dot + 1) >= sizeof name)
        return;
    SA_CLEANUP(sa_buf_free) struct sa_buf b = {0};
    sa_buf_init(&b, 16384);
    sa_buf_adds(&b, "{\"apiVersion\":\"apiextensions.k8s.io/v1\",\"kind\":"
                    "\"CustomResourceDefinition\",\"metadata\":{\"name\":");
    sa_buf_add_json(&b, name);
    sa_buf_adds(&b, "," META_VERSION "},\"spec\":{\"group\":");
    sa_buf_add_json(&b, dot + 1);
    sa_buf_adds(&b, ",\"names\":{\"kind\":");
    sa_buf_add_json(&b, r ? r->kind : kind);
    sa_buf_adds(&b, ",\"plural\":");
    sa_buf_add_json(&b, names);
    sa_buf_addf(&b, "},\"scope\":\"%s\"}}", crd->cluster_scoped ? "Cluster" : "Namespaced");
    if (!b.failed)
        cb(arg, name, b.data, b.len);
}

void sa_madeup_each(const struct sa_scope *s, sa_madeup_cb *cb, void *arg)
{
    const struct sa_account *a = &s->w->account;
    if (*s->res.group == '\0') {
        namespaces(s, cb, arg);
        return;
    }
    for (size_t i = 0; i < a->n_crds; i++)
        definition(&a->crds[i], defined(s, a->crds[i].kind), cb, arg);
}
