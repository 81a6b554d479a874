/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by kubeconfig.c and kubeconfig_user.c. */
#ifndef SA_WORKER_KUBECONFIG_INTERNAL_H
#define SA_WORKER_KUBECONFIG_INTERNAL_H

#include "config/yaml.h"
#include "worker/kubeconfig.h"

/* An error at a node's place. */
int sa_kube_at(const struct sa_yaml *node, struct sa_err **err, const char *text);
/* Members of a map, by kind. A member that is absent, null or empty leaves *out as it is. */
int sa_kube_string(const struct sa_yaml *map, const char *key, char **out, struct sa_err **err);
int sa_kube_bool(const struct sa_yaml *map, const char *key, bool *out, struct sa_err **err);
int sa_kube_strings(const struct sa_yaml *map, const char *key, char ***out, size_t *n,
                    struct sa_err **err);
/* path as seen from the directory of file; NULL for lack of memory. */
char *sa_kube_resolve(const char *file, const char *path);

int sa_kube_read_impersonation(const struct sa_yaml *user, struct sa_kubeconfig *out,
                               struct sa_err **err);
int sa_kube_read_exec(const struct sa_yaml *user, const struct sa_yaml *cluster,
                      struct sa_kubeconfig *out, struct sa_err **err);

#endif
