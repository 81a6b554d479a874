/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/secret_store.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "worker/credential_internal.h"
#include "worker/secret_internal.h"

static const struct sa_secret_engine_ops *const engines[SA_SECRET_ENGINES] = {
    [SA_SECRET_K8S] = &sa_secret_kube,    [SA_SECRET_VAULT] = &sa_secret_vault,
    [SA_SECRET_S3] = &sa_secret_s3,       [SA_SECRET_GCS] = &sa_secret_gcs,
    [SA_SECRET_AWS] = &sa_secret_manager,
};

const char *const *sa_secret_store_environment(const char *reference)
{
    struct sa_secret_ref r;
    if (sa_secret_ref_parse(reference, &r, NULL) != 0)
        return NULL;
    enum sa_secret_engine e = r.engine;
    sa_secret_ref_free(&r);
    return engines[e]->environment;
}

/* What of the sandbox the engines ask for */

static void allow_port(struct sa_secret_store *s, uint16_t port)
{
    for (size_t i = 0; i < s->n_ports; i++) {
        if (s->ports[i] == port)
            return;
    }
    if (port != 0 && s->n_ports < sizeof(s->ports) / sizeof(s->ports[0]))
        s->ports[s->n_ports++] = port;
}

int sa_secret_allow_url(struct sa_secret_store *s, const char *url, struct sa_err **err)
{
    char *port = NULL;
    CURLU *u = curl_url();
    bool ok = u != NULL && curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == 0 &&
              curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK;
    if (ok)
        allow_port(s, (uint16_t)strtoul(port, NULL, 10));
    curl_free(port);
    curl_url_cleanup(u);
    return ok ? 0 : sa_err_set(err, SA_ECONFIG, "%s is no URL with a port that is known", url);
}

void sa_secret_allow_path(struct sa_secret_store *s, const char *path)
{
    if (s->n_paths < sizeof(s->paths) / sizeof(s->paths[0]))
        s->paths[s->n_paths++] = (struct sa_sandbox_path){.path = path, .optional = true};
}

void sa_secret_allow_dir_of(struct sa_secret_store *s, const char *file)
{
    const char *slash = strrchr(file, '/');
    if (slash == NULL || slash == file || s->n_dirs == sizeof(s->dirs) / sizeof(s->dirs[0]))
        return;
    char *dir = strndup(file, (size_t)(slash - file));
    if (dir != NULL) {
        s->dirs[s->n_dirs++] = dir;
        sa_secret_allow_path(s, dir);
    }
}

/* libcurl's own trust anchors, and the proxies that the environment names. */
static void allow_common(struct sa_secret_store *s)
{
    static const char *const roots[] = {"/etc/ssl", "/usr/lib/ssl", "/usr/share/ca-certificates",
                                        "/usr/local/share/ca-certificates", "/etc/pki"};
    static const char *const proxies[] = {"https_proxy", "HTTPS_PROXY", "http_proxy", "all_proxy",
                                          "ALL_PROXY"};
    for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++)
        sa_secret_allow_path(s, roots[i]);
    for (size_t i = 0; i < sizeof(proxies) / sizeof(proxies[0]); i++) {
        const char *url = getenv(proxies[i]);
        if (url != NULL && url[0] != '\0')
            (void)sa_secret_allow_url(s, url, NULL); /* libcurl says it better when it is used */
    }
}

const struct sa_sandbox_path *sa_secret_store_paths(const struct sa_secret_store *s, size_t *n)
{
    *n = s->n_paths;
    return s->paths;
}

const uint16_t *sa_secret_store_ports(const struct sa_secret_store *s, size_t *n)
{
    *n = s->n_ports;
    return s->ports;
}

/* Life */

static int trim(const char *path, const char *what, struct sa_secret *out, struct sa_err **err)
{
    sa_secret_trim(out);
    if (out->n > 0)
        return 0;
    return sa_err_set(err, SA_ECREDENTIAL, "%s: %s is empty", what, path);
}

int sa_secret_read_file(const char *path, const char *what, struct sa_secret *out,
                        struct sa_err **err)
{
    if (sa_credential_load(path, out, err) != 0)
        return sa_err_wrap(err, "%s", what);
    return trim(path, what, out, err);
}

int sa_secret_open_file(struct sa_secret_store *s, const char *path, const char *what, bool renewed,
                        struct sa_secret *out, struct sa_err **err)
{
    if (s->n_files == sizeof(s->files) / sizeof(s->files[0]))
        return sa_err_set(err, SA_EINTERNAL, "store of secrets: too many files");
    if (sa_credential_load(path, out, err) != 0)
        return sa_err_wrap(err, "%s", what);
    struct sa_credential_file *f = &s->files[s->n_files];
    f->path = strdup(path);
    if (f->path == NULL)
        return sa_err_set(err, SA_EMEMORY, "store of secrets");
    s->n_files++;
    f->rereads = renewed;
    sa_fingerprint(s->fingerprint_key, out->p, out->n, f->fingerprint);
    return trim(path, what, out, err);
}

const struct sa_credential_file *sa_secret_store_files(struct sa_secret_store *s, size_t *n)
{
    for (size_t i = 0; i < s->n_files; i++) {
        SA_CLEANUP(sa_closep) int fd = open(s->files[i].path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        s->files[i].rereads = s->files[i].rereads && fd >= 0;
    }
    *n = s->n_files;
    return s->files;
}

int sa_secret_store_open(const struct sa_account *a, const uint8_t *fingerprint_key,
                         struct sa_secret_store **out, struct sa_err **err)
{
    struct sa_secret_store *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return sa_err_set(err, SA_EMEMORY, "store of secrets");
    s->account = a;
    s->fingerprint_key = fingerprint_key;
    s->lease_s = INT64_MAX;
    allow_common(s);
    if (sa_secret_ref_parse(a->kubeconfig_file, &s->ref, err) != 0 ||
        engines[s->ref.engine]->open(s, err) != 0) {
        sa_secret_store_free(s);
        return sa_err_wrap(err, "%s", a->kubeconfig_file);
    }
    *out = s;
    return 0;
}

void sa_secret_store_free(struct sa_secret_store *s)
{
    if (s == NULL)
        return;
    sa_secret_free(&s->ca);
    sa_secret_free(&s->token);
    sa_secret_free(&s->jwt);
    sa_secret_free(&s->role_id);
    sa_secret_free(&s->secret_id);
    for (size_t i = 0; i < s->n_dirs; i++)
        free(s->dirs[i]);
    for (size_t i = 0; i < s->n_files; i++)
        free(s->files[i].path);
    free(s->url);
    free(s->namespace);
    sa_secret_ref_free(&s->ref);
    free(s);
}

int sa_secret_ask(struct sa_secret_store *s, const struct sa_secret_call *c,
                  struct sa_secret_answer *out, struct sa_err **err)
{
    return sa_secret_call(c, s->alive, s->arg, out, err);
}

int sa_secret_store_fetch(struct sa_secret_store *s, void (*alive)(void *arg), void *arg,
                          struct sa_secret *out, struct sa_err **err)
{
    s->alive = alive;
    s->arg = arg;
    int rc = engines[s->ref.engine]->fetch(s, out, err);
    if (rc == 0 && out->n == 0)
        rc = sa_err_set(err, SA_ECREDENTIAL, "the secret is empty");
    if (rc != 0) {
        sa_secret_free(out);
        sa_err_wrap(err, "reading %s", s->account->kubeconfig_file);
    }
    return rc;
}

int64_t sa_secret_store_renew_s(const struct sa_secret_store *s)
{
    /* Past its half a login is renewed by the next fetch. */
    return s->lease_s == INT64_MAX ? INT64_MAX : s->lease_s / 2 + 1;
}
