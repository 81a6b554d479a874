/* SPDX-License-Identifier: Apache-2.0 */
/* What is not allowed, in words and as rules to apply (rbac.authorization.k8s.io/v1). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor/access.h"

#define LISTED 12u /* kinds named in the words; the rules have them all */

/* A resource in a place, and the verbs that are missing, as bits. */
struct lack {
    const struct sa_right *of;
    unsigned verbs;
    bool done;
};

static bool same_place(const struct sa_right *a, const struct sa_right *b)
{
    return strcmp(a->namespace, b->namespace) == 0;
}

static size_t gather(const struct sa_rights *missing, struct lack *out)
{
    size_t n = 0;
    for (size_t i = 0; i < missing->n; i++) {
        const struct sa_right *r = &missing->v[i];
        size_t k = 0;
        while (k < n && !(same_place(out[k].of, r) && strcmp(out[k].of->group, r->group) == 0 &&
                          strcmp(out[k].of->resource, r->resource) == 0))
            k++;
        if (k == n)
            out[n++] = (struct lack){.of = r};
        out[k].verbs |= 1u << r->verb;
    }
    return n;
}

static void put_verbs(unsigned set, const char *between, bool quoted, struct sa_buf *out)
{
    bool first = true;
    for (unsigned v = 0; set >> v != 0; v++) {
        if ((set >> v & 1u) == 0)
            continue;
        sa_buf_addf(out, quoted ? "%s\"%s\"" : "%s%s", first ? "" : between, sa_rights_verb(v));
        first = false;
    }
}

/* One rule of the i-th lack and those of the same place, group and verbs. */
static void put_rule(struct lack *v, size_t n, size_t i, struct sa_buf *out)
{
    sa_buf_adds(out, "- apiGroups: [");
    sa_buf_add_json(out, v[i].of->group);
    sa_buf_adds(out, "]\n  resources: [");
    for (size_t k = i; k < n; k++) {
        if (v[k].done || v[k].verbs != v[i].verbs || !same_place(v[k].of, v[i].of) ||
            strcmp(v[k].of->group, v[i].of->group) != 0)
            continue;
        sa_buf_adds(out, k > i ? ", " : "");
        sa_buf_add_json(out, v[k].of->resource);
        v[k].done = k != i;
    }
    v[i].done = true;
    sa_buf_adds(out, "]\n  verbs: [");
    put_verbs(v[i].verbs, ", ", true, out);
    sa_buf_adds(out, "]\n");
}

static void put_subject(const char *user, struct sa_buf *out)
{
    static const char prefix[] = "system:serviceaccount:";
    const char *rest = user + sizeof prefix - 1, *colon;
    char namespace[256];
    sa_buf_adds(out, "subjects:\n");
    if (strncmp(user, prefix, sizeof prefix - 1) == 0 && (colon = strchr(rest, ':')) != NULL) {
        snprintf(namespace, sizeof namespace, "%.*s", (int)(colon - rest), rest);
        sa_buf_adds(out, "- kind: ServiceAccount\n  name: ");
        sa_buf_add_json(out, colon + 1);
        sa_buf_adds(out, "\n  namespace: ");
        sa_buf_add_json(out, namespace);
        sa_buf_addc(out, '\n');
        return;
    }
    if (user[0] == '\0')
        sa_buf_adds(out, "# The API server does not say whom it takes the agent for: kubectl auth "
                         "whoami\n");
    sa_buf_adds(out, "- kind: User\n  apiGroup: rbac.authorization.k8s.io\n  name: ");
    sa_buf_add_json(out, user[0] != '\0' ? user : "?");
    sa_buf_addc(out, '\n');
}

/* FNV-1a: rules that differ get roles that differ, so that one applied later undoes none. */
static uint32_t sum_of(const struct sa_buf *b)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < b->len; i++)
        h = (h ^ (unsigned char)b->data[i]) * 16777619u;
    return h;
}

static void put_head(const char *kind, const char *name, const char *namespace, struct sa_buf *out)
{
    sa_buf_addf(out, "apiVersion: rbac.authorization.k8s.io/v1\nkind: %s\nmetadata:\n  name: %s\n",
                kind, name);
    if (namespace[0] != '\0') {
        sa_buf_adds(out, "  namespace: ");
        sa_buf_add_json(out, namespace);
        sa_buf_addc(out, '\n');
    }
}

/* Role and binding of one place; marks its lacks as done. */
static void put_role(struct lack *v, size_t n, size_t begin, const char *user, struct sa_buf *out)
{
    const char *place = v[begin].of->namespace, *cluster = place[0] == '\0' ? "Cluster" : "";
    struct sa_buf rules;
    char name[48], kind[32];
    sa_buf_init(&rules, 0);
    for (size_t i = begin; i < n; i++) {
        if (!v[i].done && same_place(v[i].of, v[begin].of))
            put_rule(v, n, i, &rules);
    }
    snprintf(name, sizeof name, "scale-agent-%08" PRIx32, sum_of(&rules));
    snprintf(kind, sizeof kind, "%sRole", cluster);
    put_head(kind, name, place, out);
    sa_buf_addf(out, "rules:\n%s---\n", rules.data != NULL ? rules.data : "");
    snprintf(kind, sizeof kind, "%sRoleBinding", cluster);
    put_head(kind, name, place, out);
    sa_buf_addf(out,
                "roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: %sRole\n  name: %s\n",
                cluster, name);
    put_subject(user, out);
    out->failed |= rules.failed;
    sa_buf_free(&rules);
}

void sa_rights_yaml(const struct sa_rights *missing, const char *user, struct sa_buf *out)
{
    struct lack *v = calloc(missing->n + 1, sizeof *v);
    if (v == NULL) {
        out->failed = true;
        return;
    }
    size_t n = gather(missing, v);
    for (size_t i = 0; i < n; i++) {
        if (v[i].done)
            continue;
        if (out->len > 0)
            sa_buf_adds(out, "---\n");
        put_role(v, n, i, user, out);
    }
    free(v);
}

/* "deployments.apps: list, watch; pods in web: get" */
static void put_words(const struct sa_rights *missing, struct sa_buf *out)
{
    struct lack *v = calloc(missing->n + 1, sizeof *v);
    size_t n = v != NULL ? gather(missing, v) : 0;
    for (size_t i = 0; i < n && i < LISTED; i++) {
        const struct sa_right *r = v[i].of;
        sa_buf_addf(out, "%s%s%s%s%s%s: ", i > 0 ? "; " : "", r->resource,
                    r->group[0] != '\0' ? "." : "", r->group, r->namespace[0] != '\0' ? " in " : "",
                    r->namespace);
        put_verbs(v[i].verbs, ", ", false, out);
    }
    if (n > LISTED)
        sa_buf_addf(out, "; and %zu more", n - LISTED);
    out->failed |= v == NULL;
    free(v);
}

/* Of the rights that are not allowed, those to read or the others. */
static struct sa_rights not_allowed(const struct sa_rights *r, unsigned reading, bool read)
{
    struct sa_rights out = {.v = calloc(r->n + 1, sizeof *out.v)};
    for (size_t i = 0; out.v != NULL && i < r->n; i++) {
        const struct sa_right *q = &r->v[i];
        bool reads = q->verb < reading && strchr(q->resource, '/') == NULL &&
                     strcmp(q->resource, "events") != 0;
        if (!q->allowed && reads == read)
            out.v[out.n++] = *q;
    }
    return out;
}

static void report(struct sa_patient *p, const struct sa_rights *missing, enum sa_health h,
                   const char *check, const char *fix, const char *what)
{
    struct sa_buf words, yaml;
    sa_buf_init(&words, 0);
    sa_buf_init(&yaml, 0);
    put_words(missing, &words);
    sa_rights_yaml(missing, p->user, &yaml);
    sa_exam_bad(p->x, h, check, fix, "%s: %s", what, words.data != NULL ? words.data : "");
    sa_exam_yaml(p->x, &yaml);
    sa_buf_free(&words);
    sa_buf_free(&yaml);
}

void sa_rights_report(struct sa_patient *p, const struct sa_rights *r, unsigned reading)
{
    struct sa_rights read = not_allowed(r, reading, true), write = not_allowed(r, reading, false);
    if (read.n > 0)
        report(p, &read, SA_HEALTH_ERROR, "rbac",
               "Apply these rules (kubectl apply -f -), or leave the kinds out by omitKinds.",
               "what is followed may not be read");
    else
        sa_exam_ok(p->x, "rbac", "every kind that is followed may be read: get, list, watch");
    if (write.n > 0)
        report(p, &write, SA_HEALTH_WARNING, "operations",
               "Apply these rules (kubectl apply -f -); nothing is to be done where Spinnaker is "
               "only to look.",
               "Spinnaker may not do everything here");
    else
        sa_exam_ok(p->x, "operations",
                   "Spinnaker may deploy here: create, update, patch, delete, logs, events");
    free(read.v);
    free(write.v);
}
