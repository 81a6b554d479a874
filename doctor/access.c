/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the API server serves of what the account follows, and whether the account may do there what
 * the agent does. The server is asked as `kubectl auth can-i` asks it (SelfSubjectAccessReview,
 * authorization.k8s.io/v1), which every account may: first for everything at once, verb by verb,
 * then for each kind where that is not allowed.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor/access.h"
#include "worker/kinds.h"

#define MOST_AT_ONCE 64u
#define NAMESPACES   10u /* of the configured ones that are asked for */

static const char *const verbs[] = {"get", "list", "watch", "create", "update", "patch", "delete"};
#define N_VERBS (sizeof verbs / sizeof verbs[0])
#define READING 3u /* the first of them */

const char *sa_rights_verb(unsigned verb)
{
    return verb < N_VERBS ? verbs[verb] : "?";
}

/* Discovery */

static int read_versions(struct sa_patient *p, const struct sa_group_versions *more,
                         struct sa_resources *out, struct sa_err **err)
{
    for (size_t i = 0; i < more->n; i++) {
        const struct sa_group_version *g = &more->v[i];
        struct sa_answer a;
        char path[600];
        bool core = g->group[0] == '\0';
        snprintf(path, sizeof path, "/%s%s/%s", core ? "api" : "apis/", core ? "" : g->group,
                 g->version);
        int rc = sa_ask(&p->asker, path, NULL, NULL, &a);
        if (rc == 0)
            rc =
                sa_discovery_parse_version(a.body.data, a.body.len, g->group, g->version, out, err);
        else
            rc = sa_resources_add_unknown(out, g->group, err);
        sa_answer_free(&a);
        if (rc != 0)
            return -1;
    }
    return 0;
}

static int discover(struct sa_patient *p, struct sa_resources *out, struct sa_err **err)
{
    static const char *const roots[] = {"/api", "/apis"};
    for (size_t i = 0; i < 2; i++) {
        struct sa_answer a;
        struct sa_group_versions more = {0};
        int rc = sa_ask(&p->asker, roots[i], SA_DISCOVERY_ACCEPT, NULL, &a);
        if (rc != 0)
            sa_err_set(err, a.err != NULL ? a.err->code : SA_ENETWORK, "%s", sa_err_msg(a.err));
        if (rc == 0)
            rc = sa_discovery_parse(a.body.data, a.body.len, out, &more, err);
        if (rc == 0)
            rc = read_versions(p, &more, out, err);
        sa_group_versions_free(&more);
        sa_answer_free(&a);
        if (rc != 0)
            return -1;
    }
    return 0;
}

/* Questions */

static void ask_access(struct sa_patient *p, const struct sa_right *q, struct sa_answer *out)
{
    struct sa_buf b;
    char resource[512];
    const char *slash = strchr(q->resource, '/');
    snprintf(resource, sizeof resource, "%.*s", (int)strcspn(q->resource, "/"), q->resource);
    sa_buf_init(&b, 8192);
    sa_buf_adds(&b, "{\"apiVersion\":\"authorization.k8s.io/v1\",\"kind\":"
                    "\"SelfSubjectAccessReview\",\"spec\":{\"resourceAttributes\":{\"verb\":");
    sa_buf_add_json(&b, verbs[q->verb]);
    sa_buf_adds(&b, ",\"group\":");
    sa_buf_add_json(&b, q->group);
    sa_buf_adds(&b, ",\"resource\":");
    sa_buf_add_json(&b, resource);
    if (slash != NULL) {
        sa_buf_adds(&b, ",\"subresource\":");
        sa_buf_add_json(&b, slash + 1);
    }
    if (q->namespace[0] != '\0') {
        sa_buf_adds(&b, ",\"namespace\":");
        sa_buf_add_json(&b, q->namespace);
    }
    sa_buf_adds(&b, "}}}");
    sa_ask_start(&p->asker, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", NULL,
                 b.failed ? "{}" : b.data, out);
    sa_buf_free(&b);
}

static int take_access(const struct sa_answer *a, struct sa_right *q, struct sa_err **err)
{
    if (a->err != NULL)
        return sa_err_set(err, a->err->code, "%s", sa_err_msg(a->err));
    cJSON *doc = cJSON_ParseWithLength(a->body.data, a->body.len);
    const cJSON *allowed = cJSON_GetObjectItemCaseSensitive(
        cJSON_GetObjectItemCaseSensitive(doc, "status"), "allowed");
    bool is = cJSON_IsBool(allowed);
    q->allowed = cJSON_IsTrue(allowed);
    cJSON_Delete(doc);
    return is ? 0 : sa_err_set(err, SA_EPROTOCOL, "the answer does not say whether it is allowed");
}

int sa_rights_ask(struct sa_patient *p, struct sa_rights *r, struct sa_err **err)
{
    struct sa_answer *a = calloc(MOST_AT_ONCE, sizeof *a);
    int rc = a == NULL || r->failed ? sa_err_set(err, SA_EMEMORY, "no memory") : 0;
    for (size_t at = 0; rc == 0 && at < r->n; at += MOST_AT_ONCE) {
        size_t n = r->n - at < MOST_AT_ONCE ? r->n - at : MOST_AT_ONCE;
        for (size_t i = 0; i < n; i++)
            ask_access(p, &r->v[at + i], &a[i]);
        sa_ask_wait(&p->asker);
        for (size_t i = 0; i < n; i++) {
            if (rc == 0)
                rc = take_access(&a[i], &r->v[at + i], err);
            sa_answer_free(&a[i]);
        }
    }
    free(a);
    return rc;
}

static void add_right(struct sa_rights *r, const struct sa_right *q)
{
    struct sa_right *v = reallocarray(r->v, r->n + 1, sizeof *v);
    if (v == NULL) {
        r->failed = true;
        return;
    }
    r->v = v;
    v[r->n++] = *q;
}

/* Every verb on everything, in each place. */
static void plan_wide(const struct sa_strings *places, struct sa_rights *wide)
{
    for (size_t i = 0; i < places->n; i++) {
        for (unsigned v = 0; v < N_VERBS; v++) {
            const struct sa_right q = {v, "*", "*", places->v[i], false};
            add_right(wide, &q);
        }
    }
}

static bool is_wide(const struct sa_rights *wide, const struct sa_right *q)
{
    for (size_t i = 0; i < wide->n; i++) {
        const struct sa_right *w = &wide->v[i];
        if (w->verb == q->verb && w->allowed &&
            (w->namespace[0] == '\0' || strcmp(w->namespace, q->namespace) == 0))
            return true;
    }
    return false;
}

static void add_unless_wide(const struct sa_rights *wide, struct sa_rights *out, unsigned verb,
                            const char *group, const char *resource, const char *namespace)
{
    const struct sa_right q = {verb, group, resource, namespace, false};
    if (!is_wide(wide, &q))
        add_right(out, &q);
}

/* Definitions of custom resources are followed; Spinnaker seldom deploys them. */
static bool is_deployed(const struct sa_resource *r)
{
    return strcmp(r->plural, "customresourcedefinitions") != 0 &&
           strcmp(r->group, "apiextensions.k8s.io") != 0;
}

static void plan_one(const struct sa_resource *r, const struct sa_strings *places,
                     const struct sa_rights *wide, struct sa_rights *out)
{
    for (size_t i = 0; i < places->n; i++) {
        const char *place = places->v[i];
        bool everywhere = place[0] == '\0';
        if (r->namespaced ? everywhere && places->n > 1 : !everywhere)
            continue; /* the place is there for the others */
        for (unsigned v = 0; v < (is_deployed(r) ? N_VERBS : READING); v++)
            add_unless_wide(wide, out, v, r->group, r->plural, place);
    }
}

/* What operations read besides: logs, and the events beside an object. */
static void plan_besides(const struct sa_strings *places, const struct sa_rights *wide,
                         struct sa_rights *out)
{
    for (size_t i = 0; i < places->n; i++) {
        if (places->v[i][0] == '\0' && places->n > 1)
            continue;
        add_unless_wide(wide, out, 0, "", "pods/log", places->v[i]);
        add_unless_wide(wide, out, 1, "", "events", places->v[i]);
    }
}

/* "" for the cluster as a whole, and the namespaces that the account is bound to. */
static int plan_places(const struct sa_account *a, struct sa_strings *out)
{
    if (sa_names_add(out, "") != 0)
        return -1;
    for (size_t i = 0; i < a->namespaces.n && i < NAMESPACES; i++) {
        if (sa_names_add(out, a->namespaces.v[i]) != 0)
            return -1;
    }
    return 0;
}

static int ask_all(struct sa_patient *p, const struct sa_resources *found, struct sa_rights *out,
                   struct sa_err **err)
{
    struct sa_strings places = {0};
    struct sa_rights wide = {0};
    int rc = plan_places(p->account, &places) == 0 ? 0 : sa_err_set(err, SA_EMEMORY, "no memory");
    if (rc == 0) {
        plan_wide(&places, &wide);
        rc = sa_rights_ask(p, &wide, err);
    }
    for (size_t i = 0; rc == 0 && i < found->n; i++) {
        const struct sa_resource *r = &found->v[i];
        if (r->wanted && !sa_kinds_made_up(p->account, r->group, r->plural))
            plan_one(r, &places, &wide, out);
    }
    if (rc == 0) {
        plan_besides(&places, &wide, out);
        rc = sa_rights_ask(p, out, err);
    }
    if (rc == 0)
        sa_rights_report(p, out, READING);
    free(wide.v);
    sa_names_clear(&places);
    return rc;
}

static void say_kinds(struct sa_patient *p, struct sa_resources *found)
{
    size_t missing = sa_kinds_select(p->account, found), n = 0;
    for (size_t i = 0; i < found->n; i++)
        n += found->v[i].wanted;
    if (found->unknown.n > 0)
        sa_exam_bad(p->x, SA_HEALTH_WARNING, "kinds",
                    "Look at the APIService behind it: kubectl get apiservices.",
                    "the API server can't say what the group %s holds (%zu groups)",
                    found->unknown.v[0], found->unknown.n);
    if (missing > 0)
        sa_exam_bad(p->x, SA_HEALTH_WARNING, "kinds",
                    "scale-agentctl discover --account names them; correct kinds, or install what "
                    "defines them.",
                    "%zu of the configured kinds are not served", missing);
    if (n == 0)
        sa_exam_bad(p->x, SA_HEALTH_ERROR, "kinds", "Correct kinds and omitKinds of the account.",
                    "no kind is left to be followed");
    else
        sa_exam_ok(p->x, "kinds", "%zu kinds are served and followed", n);
}

void sa_exam_access(struct sa_patient *p)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    struct sa_resources found = {0};
    struct sa_rights rights = {0};
    if (discover(p, &found, &err) != 0) {
        sa_exam_bad(p->x, SA_HEALTH_ERROR, "kinds",
                    "Bind the ClusterRole system:discovery to it, which every user should have.",
                    "the API server does not say what it serves: %s", sa_err_msg(err));
    } else {
        (void)sa_resources_mark_custom(&found, NULL);
        say_kinds(p, &found);
        if (ask_all(p, &found, &rights, &err) != 0)
            sa_exam_bad(p->x, SA_HEALTH_WARNING, "rbac",
                        "Bind the ClusterRole system:basic-user to it, which every user should "
                        "have.",
                        "what is allowed can't be asked for: %s", sa_err_msg(err));
    }
    free(rights.v);
    sa_resources_free(&found);
}
