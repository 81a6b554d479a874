/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the HTTP client needs of a credential, and what the credential's own files share.
 *
 * An identity is what one request presents: trust anchors, client certificate, headers. It does not
 * change; a renewed token makes a new one, and requests under way keep the old one alive.
 */
#ifndef SA_WORKER_CREDENTIAL_INTERNAL_H
#define SA_WORKER_CREDENTIAL_INTERNAL_H

#include <curl/curl.h>

#include "base/pem.h"
#include "worker/credential.h"
#include "worker/credential_secret.h"
#include "worker/exec_client.h"
#include "worker/http_endpoint.h"
#include "worker/kubeconfig.h"

#define SA_CREDENTIAL_FILE_MAX (1024u * 1024u) /* bytes of one file */

struct sa_identity {
    unsigned refs;
    uint64_t tls;               /* changes with the client certificate: connections must be new */
    X509_STORE *roots;          /* NULL: the server's certificate is not verified, or plain HTTP */
    struct sa_pem_identity pem; /* cert NULL: no client certificate */
    struct curl_slist *headers; /* Authorization and impersonation; wiped when freed */
};
void sa_identity_release(struct sa_identity *i); /* NULL is allowed */

const struct sa_endpoint *sa_credential_endpoint(const struct sa_credential *c);

/* READY: *out is a reference that the caller releases. WAIT: the listener will be called. FAILED:
 * *err says why; a later call tries again. */
enum sa_credential_state { SA_CREDENTIAL_READY, SA_CREDENTIAL_WAIT, SA_CREDENTIAL_FAILED };
enum sa_credential_state sa_credential_identity(struct sa_credential *c, struct sa_identity **out,
                                                struct sa_err **err);
/* The server answered 401 to i. True: asking sa_credential_identity() again may give another one;
 * false: there is nothing else to present. */
bool sa_credential_rejected(struct sa_credential *c, const struct sa_identity *i);
/* Called when a wait is over, for good or ill, never from within the functions above. One listener.
 */
void sa_credential_listen(struct sa_credential *c, void (*cb)(void *arg), void *arg);

/* The kubeconfig's exec plugin after sa_credential_parse(), for the helper; NULL: there is none. */
const struct sa_exec_spec *sa_credential_exec(const struct sa_credential *c);
/* KUBERNETES_EXEC_INFO for it, by client.authentication.k8s.io; the caller frees. */
int sa_credential_exec_info(const struct sa_credential *c, char **out, struct sa_err **err);
/* The first half of sa_credential_parse(): reads the kubeconfig again and nothing else. */
int sa_credential_read(struct sa_credential *c, struct sa_err **err);

/* Wipes the files' bytes and every secret of the kubeconfig but the plugin's environment. */
void sa_credential_forget(struct sa_credential *c);

/* sa_credential_open() with the directory of the pod's service account, for tests. */
int sa_credential_open_at(const struct sa_account *a, const char *service_account_dir,
                          const uint8_t *fingerprint_key, uid_t uid, gid_t gid,
                          struct sa_credential **out, struct sa_err **err);

enum sa_credential_part {
    SA_PART_KUBECONFIG,
    SA_PART_CA,
    SA_PART_CERT,
    SA_PART_KEY,
    SA_PART_TOKEN,
    SA_PART_COUNT
};

struct sa_credential {
    /* of the account */
    char *account, *kubeconfig_file, *context, *seal_key_file;
    bool service_account, insecure, no_proxy, allow_exec;
    char *pod_namespace; /* of a service account; NULL: default */
    enum { SA_SANDBOX_IS_AUTO, SA_SANDBOX_IS_REQUIRED, SA_SANDBOX_IS_OFF } sandbox;
    /* opened */
    char *path[SA_PART_COUNT]; /* NULL: not a file */
    struct sa_secret content[SA_PART_COUNT];
    struct sa_credential_file files[SA_PART_COUNT];
    size_t n_files;
    struct sa_sandbox_path paths[16];
    size_t n_paths;
    char *token_dir; /* one of paths */
    uint16_t ports[4];
    size_t n_ports;
    bool needs_helper;
    bool fetched; /* the kubeconfig came from a store of secrets */
    /* parsed */
    struct sa_loop *loop;
    struct sa_kubeconfig kube;
    struct sa_endpoint endpoint;
    X509_STORE *roots;
    struct sa_pem_identity pem; /* of the kubeconfig or, with a plugin, its latest answer */
    uint64_t tls;
    struct sa_secret token;       /* the present one */
    uint64_t token_read_ns;       /* when the file was read last */
    bool token_complained;        /* that the file can't be read was said */
    struct sa_identity *identity; /* NULL: to be made */
    /* exec plugin */
    struct sa_exec_client *exec;  /* NULL: there is no plugin */
    struct sa_exec_client *store; /* to who fetched the kubeconfig, without a plugin; or NULL */
    bool exec_known;              /* an answer is in force */
    int64_t exec_expires_s;       /* the token or the certificate; INT64_MAX: never */
    bool exec_pem;                /* pem is of its answer */
    uint64_t exec_answered_ns;    /* when it answered or failed last */
    struct sa_err *exec_err;      /* why */
    void (*listener)(void *arg);
    void *listener_arg;
};

/* credential_open.c: what the kubeconfig names, found out by a process without privileges. */
struct sa_credential_plan {
    char *path[SA_PART_COUNT];
    uint16_t ports[4];
    size_t n_ports;
    bool needs_helper, needs_system_roots;
};
int sa_credential_plan_make(const struct sa_credential *c, struct sa_credential_plan *out,
                            struct sa_err **err);
int sa_credential_plan_confined(const struct sa_credential *c, uid_t uid, gid_t gid,
                                struct sa_credential_plan *out, struct sa_err **err);
void sa_credential_plan_free(struct sa_credential_plan *p);

/* credential_seal.c: opens the kubeconfig in place where it is sealed, which one from a store of
 * secrets may not be. The host's key is root's alone, so this comes before rights are given up. */
int sa_credential_unseal(struct sa_credential *c, struct sa_err **err);

/* credential_files.c */
int sa_credential_load(const char *path, struct sa_secret *out, struct sa_err **err);
/* The same, but SA_ECREDENTIAL where others may read or write it. */
int sa_credential_load_private(const char *path, struct sa_secret *out, struct sa_err **err);

/* credential_identity.c */
int sa_credential_headers(const struct sa_credential *c, struct curl_slist **out,
                          struct sa_err **err);
void sa_credential_headers_free(struct curl_slist *l);
sa_exec_answer_cb sa_credential_on_exec;

#endif
