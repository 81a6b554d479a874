/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "worker/access.h"
#include "worker/kinds.h"
#include "worker/ops/engine.h"
#include "worker/scope.h"
#include "worker/session.h"

#define REDISCOVER_NS (600 * SA_NS_PER_S)
#define UNRESOLVED_NS (60 * SA_NS_PER_S)
#define FAILED_NS     (5 * SA_NS_PER_S)
#define DEBOUNCE_NS   SA_NS_PER_S
#define MISSING_TRIES 6u
/* What is taken for gone though no definition proves it: so many complete discoveries in a row lack
 * it, over so long a time. An API server that starts, or one of several that is upgraded, serves a
 * part of the resources for a while, and calls nothing stale. */
#define ABSENCES       3u
#define ABSENT_NS      (600 * SA_NS_PER_S)
#define ABSENT_LOOK_NS (150 * SA_NS_PER_S)
#define WATCHED_NS     (5 * SA_NS_PER_S) /* an answer 404 does not take so long */
/* With more namespaces than this, one scope for all of them, filtered here, costs the server less.
 */
#define NAMESPACES_APART 3u

static void due(struct sa_worker *w, uint64_t in_ns)
{
    w->rediscover_ns = sa_mono_ns() + in_ns + sa_random(in_ns / 8);
}

static void no_later(struct sa_worker *w, uint64_t in_ns)
{
    uint64_t at = sa_mono_ns() + in_ns;
    if (w->rediscover_ns > at)
        w->rediscover_ns = at;
}

static void is_there(struct sa_scope *s)
{
    s->gone_ns = 0;
    s->absences = 0;
}

void sa_plan_failed(struct sa_worker *w)
{
    for (size_t i = 0; i < w->n_scopes; i++) /* what comes after an outage proves little */
        is_there(w->scopes[i]);
    due(w, FAILED_NS);
    w->pump = true;
    sa_ops_discovered(w->ops, true);
}

void sa_plan_definitions_changed(struct sa_worker *w)
{
    w->crd_missing_tries = 0;
    w->definitions_changed = true;
    no_later(w, DEBOUNCE_NS);
}

void sa_plan_definition_listed(struct sa_worker *w, const char *name)
{
    char plural[SA_NAME_MAX];
    const char *dot = strchr(name, '.');
    snprintf(plural, sizeof plural, "%.*s", (int)strcspn(name, "."), name);
    if (!dot || !sa_resources_find(&w->resources, dot + 1, plural))
        sa_plan_definitions_changed(w);
}

static bool is_definitions(const struct sa_resource *r)
{
    return strcmp(r->group, "apiextensions.k8s.io") == 0 &&
           strcmp(r->plural, "customresourcedefinitions") == 0;
}

/* The scope was there under another version or kind of the API, or its resource was unknown. */
static void refresh(struct sa_scope *s, const struct sa_resource *r)
{
    struct sa_worker *w = s->w;
    bool same = strcmp(s->res.version, r->version) == 0 && strcmp(s->res.kind, r->kind) == 0 &&
                s->res.namespaced == r->namespaced;
    if (!same) {
        char *version = strdup(r->version), *kind = strdup(r->kind);
        if (!version || !kind) {
            free(version);
            free(kind);
            return; /* as it was; discovery comes again */
        }
        free(s->res.version);
        free(s->res.kind);
        s->res.version = version;
        s->res.kind = kind;
        s->res.namespaced = r->namespaced;
        w->scopes_changed = true;
        sa_checkpoint_void(s); /* its rows change their form */
        if (s->follow != SA_FOLLOW_OFF) {
            sa_scope_relist(s);
        } else if (!s->made_up) { /* on standby: what the table has is of the form before */
            s->version[0] = '\0';
            s->complete = s->resumed = false;
        }
    }
    if (s->kept) {
        s->kept = false;
        if (s->announced)
            sa_session_begin_scope(s);
    }
}

static void want(struct sa_worker *w, const struct sa_resource *r, const char *namespace,
                 bool *keep, size_t n_keep)
{
    struct sa_err *err = NULL;
    struct sa_scope *s = sa_scope_find(w, r->group, r->plural, namespace);
    for (size_t i = 0; s && i < n_keep; i++)
        if (w->scopes[i] == s)
            keep[i] = true;
    if (s) {
        if (w->resources.crds_known)
            s->defined = r->custom;
        is_there(s);
        refresh(s, r);
        return;
    }
    s = sa_scope_new(w, r, namespace, &err);
    if (!s) {
        sa_log(SA_ERROR, "%s", sa_err_msg(err));
        sa_err_free(&err);
        return;
    }
    s->made_up = sa_kinds_made_up(&w->account, r->group, r->plural);
    s->definitions = is_definitions(r) && !s->made_up;
    s->defined = w->resources.crds_known && r->custom;
    w->scopes_changed = true;
}

static void want_resource(struct sa_worker *w, const struct sa_resource *r, bool *keep,
                          size_t n_keep)
{
    const struct sa_strings *ns = &w->account.namespaces;
    if (!r->namespaced || ns->n == 0 || sa_access_cluster_wide(w, r)) {
        want(w, r, "", keep, n_keep);
        return;
    }
    for (size_t i = 0; i < ns->n; i++)
        if (!sa_names_has(&w->account.omit_namespaces, ns->v[i]))
            want(w, r, ns->v[i], keep, n_keep);
}

/* Definitions that are not followed as a scope are watched all the same where they could bring or
 * take something that is followed. */
static void watch_definitions(struct sa_worker *w, const struct sa_resources *found,
                              size_t unresolved)
{
    const struct sa_resource *crd =
        sa_resources_find(found, "apiextensions.k8s.io", "customresourcedefinitions");
    bool needed = found->crds_known && crd && (w->account.kinds.n == 0 || unresolved);
    for (size_t i = 0; i < found->n && !needed; i++)
        needed = found->crds_known && crd && found->v[i].wanted && found->v[i].custom;
    struct sa_scope *internal = NULL;
    for (size_t i = 0; i < w->n_scopes; i++) {
        if (w->scopes[i]->internal)
            internal = w->scopes[i];
        else if (w->scopes[i]->definitions)
            needed = false;
    }
    if (internal && !needed) {
        sa_scope_free(internal);
    } else if (!internal && needed) {
        internal = sa_scope_new(w, crd, "", NULL);
        if (internal) {
            internal->internal = true;
            internal->follow = SA_FOLLOW_LIST;
        }
    }
}

static void schedule(struct sa_worker *w, size_t missing, size_t unresolved)
{
    if (missing && w->crd_missing_tries < MISSING_TRIES)
        due(w, SA_NS_PER_S << w->crd_missing_tries++);
    else
        due(w, unresolved ? UNRESOLVED_NS : REDISCOVER_NS);
    if (w->definitions_changed) /* perhaps after this discovery had read them */
        no_later(w, DEBOUNCE_NS);
}

/* A scope that is not wanted now: is its resource known to be gone, or does nobody ask for it? */
static bool proven_gone(struct sa_scope *s, const struct sa_resources *found)
{
    uint64_t now = sa_mono_ns();
    bool watched = s->follow == SA_FOLLOW_WATCH && now - s->watch.opened_ns >= WATCHED_NS;
    bool unknown = sa_resources_unknown(found, s->res.group);
    if (!unknown && sa_resources_find(found, s->res.group, s->res.plural))
        return true; /* there, and not wanted any more */
    if (!unknown && s->defined && found->crds_known)
        return true; /* its definition is gone */
    if (unknown || watched) {
        is_there(s);
        return false;
    }
    if (!s->gone_ns)
        s->gone_ns = now + ABSENT_NS;
    s->absences++;
    return s->absences >= ABSENCES && now >= s->gone_ns;
}

static void apply(struct sa_worker *w, size_t unresolved)
{
    struct sa_resources *found = &w->resources;
    size_t n = w->n_scopes;
    struct sa_scope **before = calloc(n + 1, sizeof(struct sa_scope *));
    bool *keep = calloc(n + 1, sizeof *keep);
    if (!keep || !before) {
        free(keep);
        free(before);
        sa_plan_failed(w);
        return;
    }
    if (n)
        memcpy(before, w->scopes, n * sizeof(struct sa_scope *));
    for (size_t i = 0; i < found->n; i++)
        if (found->v[i].wanted)
            want_resource(w, &found->v[i], keep, n);
    for (size_t i = 0; i < n; i++) {
        struct sa_scope *s = before[i];
        if (keep[i] || s->internal)
            continue;
        char title[400];
        sa_scope_title(s, title, sizeof title);
        if (!proven_gone(s, found)) {
            if (s->absences == 1)
                sa_log(SA_INFO, "%s is not among the server's resources; it is kept for a while",
                       title);
            if (s->absences)
                no_later(w, ABSENT_LOOK_NS + sa_random(ABSENT_LOOK_NS / 8));
            continue;
        }
        sa_log(SA_INFO, "%s is gone from the cluster", title);
        sa_scope_free(s);
        w->scopes_changed = true;
    }
    free(keep);
    free(before);
    watch_definitions(w, found, unresolved);
    w->planned = true;
    w->pump = true;
}

void sa_plan_ready(struct sa_worker *w)
{
    size_t unresolved = sa_kinds_select(&w->account, &w->resources);
    apply(w, unresolved);
}

void sa_plan_discovered(struct sa_worker *w, struct sa_resources *found, size_t missing)
{
    sa_resources_free(&w->resources);
    w->resources = *found;
    *found = (struct sa_resources){0};
    size_t unresolved = sa_kinds_select(&w->account, &w->resources);
    schedule(w, missing, unresolved);
    if (!w->planned) {
        sa_log(SA_INFO, "discovered %zu resources%s%s", w->resources.n,
               w->resources.unknown.n ? ", not all groups could be read" : "",
               unresolved ? "; some configured kinds are not served" : "");
    }
    if (w->account.namespaces.n > NAMESPACES_APART)
        sa_access_ask(w); /* ends in sa_plan_ready() */
    else
        apply(w, unresolved);
    sa_ops_discovered(w->ops, false);
}

struct sa_scope *sa_plan_keep(struct sa_worker *w, const Scaleagent__V1__KnownScope *k)
{
    const Scaleagent__V1__ScopeName *name = k->name;
    const struct sa_strings *ns = &w->account.namespaces;
    /* What is there and not wanted, or defined by nothing that there is, is not kept. */
    bool gone = sa_resources_find(&w->resources, name->group, name->resource) ||
                (w->resources.crds_known && !sa_group_native(name->group));
    if ((gone && !sa_resources_unknown(&w->resources, name->group)) ||
        !sa_kinds_would_want(&w->account, name->group, name->resource, k->kind, k->namespaced))
        return NULL;
    bool apart = k->namespaced && ns->n > 0 && ns->n <= NAMESPACES_APART;
    if (*name->namespace_ ? !sa_names_has(ns, name->namespace_) : apart)
        return NULL;
    struct sa_resource r = {
        .group = name->group,
        .version = k->version,
        .plural = name->resource,
        .kind = k->kind,
        .namespaced = k->namespaced,
    };
    struct sa_scope *s = sa_scope_new(w, &r, name->namespace_, NULL);
    if (s)
        s->kept = true;
    no_later(w, ABSENT_LOOK_NS + sa_random(ABSENT_LOOK_NS / 8));
    return s;
}
