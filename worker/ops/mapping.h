/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what people write for a kind to where its objects are: kubectl's RESTMapper, over all that
 * the server serves, followed or not.
 *
 * The server's resources are kept in one piece of memory, some dozens of bytes each, which is made
 * anew by each discovery (worker/discovery.h).
 */
#ifndef SA_WORKER_OPS_MAPPING_H
#define SA_WORKER_OPS_MAPPING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "config/settings.h"

#define SA_MAP_LABEL 64  /* a DNS label has 63 bytes at most (RFC 1123) */
#define SA_MAP_NAME  254 /* a DNS subdomain 253 */

struct sa_mapping {
    char group[SA_MAP_NAME]; /* "" for the core group */
    char version[SA_MAP_LABEL];
    char plural[SA_MAP_NAME]; /* "deployments": the resource's name in paths */
    char kind[SA_MAP_LABEL];
    bool namespaced;
    bool scales; /* it has the subresource scale */
    bool lists;  /* it can be listed */
};

/* One resource in one version, as discovery names it; all is borrowed. */
struct sa_served_resource {
    const char *group, *version, *plural, *kind, *singular;
    const struct sa_strings *short_names;
    bool namespaced, scales, lists;
    bool preferred; /* its version is the one that the group prefers */
};

/* What a server serves, in the order in which it prefers groups and versions. All zero is empty. */
struct sa_served {
    char *data; /* owned: packed records */
    size_t len, cap, n;
};
void sa_served_free(struct sa_served *s);
/* SA_ELIMIT past 50,000 resources or 16 MB, SA_EMEMORY. What is too long to be a name is left out.
 */
int sa_served_add(struct sa_served *s, const struct sa_served_resource *r, struct sa_err **err);
/* The older form of discovery names subresources after their resources. */
void sa_served_scales(struct sa_served *s, const char *group, const char *version,
                      const char *plural);
bool sa_served_knows(const struct sa_served *s, const char *group);
void sa_served_fit(struct sa_served *s); /* gives spare memory back */

/* "deployment", "deploy", "Deployments", "deployment.apps", "deployments.v1.apps": as kubectl's
 * RESTMapper resolves an argument: full names before short ones; of groups the first that the
 * server names, in its preferred version; a group matches as a whole, else by its beginning. False:
 * there is none such. */
bool sa_served_find(const struct sa_served *s, const char *kind, struct sa_mapping *out);
/* Exactly this apiVersion ("apps/v1", "v1") and kind ("Deployment"), as manifests name it. */
bool sa_served_find_exactly(const struct sa_served *s, const char *api_version, const char *kind,
                            struct sa_mapping *out);

/* "deployments.apps", "pods": as the server writes it in its messages. At most n bytes with NUL. */
void sa_mapping_title(const struct sa_mapping *m, char *out, size_t n);
/* "apps/v1", "v1". */
void sa_mapping_api_version(const struct sa_mapping *m, char *out, size_t n);
/* Path of the collection, of an object of it (name), or of a subresource of that (sub), each
 * segment percent-encoded (RFC 3986). namespace "" or NULL: over all of them. */
int sa_mapping_path(const struct sa_mapping *m, const char *namespace, const char *name,
                    const char *sub, struct sa_buf *out);
/* Adds "?key=value" or "&key=value"; value is percent-encoded. */
int sa_query_add(struct sa_buf *path, const char *key, const char *value);

/* Why text can't be a segment of a path ("may not contain '/'"), as the API machinery words it;
 * NULL if it can. */
const char *sa_segment_fault(const char *text);

#endif
