/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by secret_*.c. */
#ifndef SA_WORKER_SECRET_INTERNAL_H
#define SA_WORKER_SECRET_INTERNAL_H

#include <cjson/cJSON.h>

#include "config/secret_ref.h"
#include "worker/secret_http.h"
#include "worker/secret_store.h"

#define SA_SERVICE_ACCOUNT_DIR "/var/run/secrets/kubernetes.io/serviceaccount"

struct sa_secret_store {
    const struct sa_account *account;
    const uint8_t *fingerprint_key;
    struct sa_secret_ref ref;
    struct sa_sandbox_path paths[16];
    size_t n_paths;
    char *dirs[4]; /* those of paths that are made here */
    size_t n_dirs;
    struct sa_credential_file files[6]; /* paths are made here */
    size_t n_files;
    uint16_t ports[8];
    size_t n_ports;
    void (*alive)(void *arg);
    void *arg;
    struct sa_secret ca;
    /* vault; k8s: token */
    struct sa_secret token, jwt, role_id, secret_id;
    uint64_t token_ns; /* when the token was had; 0: none */
    int64_t lease_s;   /* its life; INT64_MAX: without end */
    bool renewable;
    /* k8s */
    char *url, *namespace;
};

struct sa_secret_engine_ops {
    const char *const *environment;
    int (*open)(struct sa_secret_store *s, struct sa_err **err);
    int (*fetch)(struct sa_secret_store *s, struct sa_secret *out, struct sa_err **err);
};
extern const struct sa_secret_engine_ops sa_secret_vault, sa_secret_kube, sa_secret_s3,
    sa_secret_manager, sa_secret_gcs;

/* Names beyond an engine's own that any of them may look up. */
#define SA_SECRET_ENV_NETWORK                                                                      \
    "HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy",            \
        "NO_PROXY", "no_proxy", "OPENSSL_CONF", "OPENSSL_MODULES"

/* secret_store.c */
int sa_secret_ask(struct sa_secret_store *s, const struct sa_secret_call *c,
                  struct sa_secret_answer *out, struct sa_err **err);
/* Lets the port of url be connected to. */
int sa_secret_allow_url(struct sa_secret_store *s, const char *url, struct sa_err **err);
void sa_secret_allow_path(struct sa_secret_store *s, const char *path); /* borrowed */
/* The directory of a file that is replaced by renaming. */
void sa_secret_allow_dir_of(struct sa_secret_store *s, const char *file);
/* A file with one secret, without the white space around it; what names it in errors. The first
 * enters it into the list of files, renewed: it is read again by the second. */
int sa_secret_open_file(struct sa_secret_store *s, const char *path, const char *what, bool renewed,
                        struct sa_secret *out, struct sa_err **err);
int sa_secret_read_file(const char *path, const char *what, struct sa_secret *out,
                        struct sa_err **err);

/* secret_value.c */
/* A document that was an answer, or NULL with *err; free it by sa_secret_json_free(). */
cJSON *sa_secret_json(const struct sa_secret *body, const char *what, struct sa_err **err);
void sa_secret_json_free(cJSON *doc);                               /* wipes */
const char *sa_secret_json_text(const cJSON *map, const char *key); /* NULL: none, or no text */
/* text base64-decoded, with line ends in it or not. */
int sa_secret_from_base64(const char *text, struct sa_secret *out, struct sa_err **err);
/* The value at a path of names with dots between, in a YAML (or JSON) document. */
int sa_secret_from_yaml(const struct sa_secret *doc, const char *path, struct sa_secret *out,
                        struct sa_err **err);
int sa_secret_set_text(struct sa_secret *out, const char *text, struct sa_err **err);

#endif
