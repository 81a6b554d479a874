/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one context of a kubeconfig says, by
 * https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/. Nothing is opened here: files are
 * named, not read. Where client-go has a rule of precedence, it is kept: *-data before the file of
 * the same thing, tokenFile before token, a user's exec plugin besides client certificates.
 */
#ifndef SA_WORKER_KUBECONFIG_H
#define SA_WORKER_KUBECONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "worker/credential_secret.h"

struct sa_name_value {
    char *name, *value;
};

/* users[].user.exec */
struct sa_exec_spec {
    char *api_version; /* client.authentication.k8s.io/v1 or /v1beta1 */
    char *command;     /* absolute, or a bare name to be looked up in PATH */
    char **args;
    size_t n_args;
    struct sa_name_value *env; /* may hold secrets */
    size_t n_env;
    bool provide_cluster_info;
    char *cluster_config; /* JSON of the cluster's extension client.authentication.k8s.io/exec */
};

struct sa_kubeconfig {
    char *context, *cluster, *user; /* the names chosen */
    char *namespace;                /* of the context: where what names none goes; NULL: default */
    /* cluster */
    char *server; /* not checked yet: see worker/http_endpoint.h */
    unsigned server_line, server_column;
    char *tls_server_name, *proxy_url;
    bool insecure;
    char *ca_file;
    struct sa_secret ca_data;
    /* user; paths are absolute, or relative to the working directory if the kubeconfig's is */
    char *cert_file, *key_file, *token_file;
    struct sa_secret cert_data, key_data, token, username, password;
    char *as, *as_uid;
    char **as_groups;
    size_t n_as_groups;
    struct sa_name_value *as_extra; /* one entry a value */
    size_t n_as_extra;
    bool has_exec;
    struct sa_exec_spec exec;
};

/* context NULL: current-context. Errors are SA_ECONFIG with file:line:column; no value of a secret
 * key is ever in them. *out is filled or empty. */
int sa_kubeconfig_parse(const char *file, const void *p, size_t n, const char *context,
                        struct sa_kubeconfig *out, struct sa_err **err);
void sa_kubeconfig_free(struct sa_kubeconfig *k); /* wipes */
void sa_exec_spec_free(struct sa_exec_spec *s);   /* wipes the environment */

#endif
