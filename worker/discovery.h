/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an API server serves: its resources that can be listed and watched, each in the version that
 * the server prefers. Aggregated discovery (Kubernetes 1.26, v2beta1; 1.30, v2) where the server
 * has it, else the older form, group by group:
 * https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api
 *
 * A group that could not be read now, or that the server itself calls stale, is unknown. That is
 * never taken as "gone".
 */
#ifndef SA_WORKER_DISCOVERY_H
#define SA_WORKER_DISCOVERY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "config/settings.h"
#include "worker/ops/mapping.h"

struct sa_resource {
    char *group;   /* "" for the core group */
    char *version; /* "v1" */
    char *plural;  /* "deployments": the resource's name in paths */
    char *kind;    /* "Deployment" */
    char *singular;
    struct sa_strings short_names;
    bool namespaced;
    bool custom; /* defined by a CustomResourceDefinition */
    bool wanted; /* set by sa_kinds_select() */
};

struct sa_resources {
    struct sa_resource *v;
    size_t n;
    struct sa_strings unknown; /* groups of which nothing is known now; "" the core group */
    bool crds_known;           /* the list of CustomResourceDefinitions could be read */
    struct sa_served served;   /* all that can be named in an operation */
};

/* All of it is owned by r, which may be all zero. */
void sa_resources_free(struct sa_resources *r);
/* Adds a copy of one resource, unless its (group, plural) is there: the first version stays. */
int sa_resources_add(struct sa_resources *r, const struct sa_resource *res, struct sa_err **err);
int sa_resources_add_unknown(struct sa_resources *r, const char *group, struct sa_err **err);
bool sa_resources_unknown(const struct sa_resources *r, const char *group);
const struct sa_resource *sa_resources_find(const struct sa_resources *r, const char *group,
                                            const char *plural);
/* Marks as custom what the CustomResourceDefinitions named ("plural.group") define. A definition
 * that no resource belongs to yet makes its group unknown; their number is returned. names NULL:
 * the definitions can't be read, and the group decides (sa_group_native()). */
size_t sa_resources_mark_custom(struct sa_resources *r, const struct sa_strings *names);
/* True for the groups that Kubernetes itself serves; Clouddriver calls them native. */
bool sa_group_native(const char *group);

#define SA_DISCOVERY_ACCEPT                                                                        \
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"                        \
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,"                   \
    "application/json"

/* A (group, version) of the older form that is still to be read. */
struct sa_group_version {
    char *group, *version;
};
struct sa_group_versions {
    struct sa_group_version *v; /* in the order of preference within a group */
    size_t n;
};
void sa_group_versions_free(struct sa_group_versions *g);

/* Reads the answer of /api or /apis in whichever form it came: an APIGroupDiscoveryList goes to
 * resources at once; an APIVersions or APIGroupList names what is to be asked for. */
int sa_discovery_parse(const char *json, size_t n, struct sa_resources *resources,
                       struct sa_group_versions *more, struct sa_err **err);
/* An APIResourceList of the older form, from /apis/GROUP/VERSION. */
int sa_discovery_parse_version(const char *json, size_t n, const char *group, const char *version,
                               struct sa_resources *resources, struct sa_err **err);

/* Small owned lists of strings. */
int sa_names_add(struct sa_strings *s, const char *v);
bool sa_names_has(const struct sa_strings *s, const char *v);
void sa_names_clear(struct sa_strings *s);

/* Reading it all through a worker's API server. */
struct sa_worker;
struct sa_discovery;
struct sa_discovery *sa_discovery_new(struct sa_worker *w);
void sa_discovery_free(struct sa_discovery *d);
/* Begins, unless it is under way (then it begins again after that). The end is told by
 * sa_plan_discovered() or, when not even the list of groups could be had, sa_plan_failed(). */
void sa_discovery_start(struct sa_discovery *d);
bool sa_discovery_running(const struct sa_discovery *d);

#endif
