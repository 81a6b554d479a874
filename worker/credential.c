/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "config/secret_ref.h"
#include "worker/credential_internal.h"

#define SERVICE_ACCOUNT_DIR "/var/run/secrets/kubernetes.io/serviceaccount"
#define NAMESPACE_MAX       63u /* RFC 1123 label */

static const char *const part_names[SA_PART_COUNT] = {"kubeconfig", "certificate authority",
                                                      "client certificate", "client key", "token"};

/* First step */

static char *copy(const char *s, bool *ok)
{
    char *p = s != NULL ? strdup(s) : NULL;
    *ok = *ok && (s == NULL || p != NULL);
    return p;
}

static struct sa_credential *make(const struct sa_account *a)
{
    struct sa_credential *c = calloc(1, sizeof(*c));
    bool ok = true;
    if (c == NULL)
        return NULL;
    c->account = copy(a->name, &ok);
    c->kubeconfig_file = copy(a->kubeconfig_file, &ok);
    c->context = copy(a->context, &ok);
    c->seal_key_file = copy(a->seal_key_file, &ok);
    c->service_account = a->service_account;
    c->insecure = a->insecure;
    c->no_proxy = a->no_proxy;
    c->allow_exec = a->allow_exec;
    if (a->sandbox != NULL && strcmp(a->sandbox, "required") == 0)
        c->sandbox = SA_SANDBOX_IS_REQUIRED;
    else if (a->sandbox != NULL && strcmp(a->sandbox, "off") == 0)
        c->sandbox = SA_SANDBOX_IS_OFF;
    if (!ok) {
        sa_credential_free(c);
        return NULL;
    }
    return c;
}

/* Reads one file and enters it into the list for the supervisor. */
static int load(struct sa_credential *c, enum sa_credential_part part, const uint8_t *key,
                struct sa_err **err)
{
    if (sa_credential_load(c->path[part], &c->content[part], err) != 0)
        return sa_err_wrap(err, "%s", part_names[part]);
    struct sa_credential_file *f = &c->files[c->n_files++];
    f->path = c->path[part];
    f->rereads = part == SA_PART_TOKEN;
    sa_fingerprint(key, c->content[part].p, c->content[part].n, f->fingerprint);
    return 0;
}

static void add_path(struct sa_credential *c, const char *path)
{
    if (c->n_paths < sizeof(c->paths) / sizeof(c->paths[0]))
        c->paths[c->n_paths++] = (struct sa_sandbox_path){.path = path, .optional = true};
}

static void add_paths(struct sa_credential *c, const struct sa_credential_plan *p)
{
    static const char *const roots[] = {"/etc/ssl", "/usr/lib/ssl", "/usr/share/ca-certificates",
                                        "/usr/local/share/ca-certificates", "/etc/pki"};
    for (size_t i = 0; p->needs_system_roots && i < sizeof(roots) / sizeof(roots[0]); i++)
        add_path(c, roots[i]);
}

/* A token that a projected volume or an agent rotates is replaced by rename, so its whole directory
 * must stay readable. */
static int add_token_dir(struct sa_credential *c, struct sa_err **err)
{
    if (c->path[SA_PART_TOKEN] == NULL)
        return 0;
    const char *slash = strrchr(c->path[SA_PART_TOKEN], '/');
    size_t n = slash == NULL                     ? 0
               : slash == c->path[SA_PART_TOKEN] ? 1
                                                 : (size_t)(slash - c->path[SA_PART_TOKEN]);
    c->token_dir = n > 0 ? strndup(c->path[SA_PART_TOKEN], n) : strdup(".");
    if (c->token_dir == NULL)
        return sa_err_set(err, SA_EMEMORY, "credential");
    add_path(c, c->token_dir);
    return 0;
}

static int take_plan(struct sa_credential *c, struct sa_credential_plan *p, const uint8_t *key,
                     struct sa_err **err)
{
    for (int i = SA_PART_CA; i < SA_PART_COUNT; i++) {
        c->path[i] = p->path[i];
        p->path[i] = NULL;
    }
    memcpy(c->ports, p->ports, sizeof(c->ports));
    c->n_ports = p->n_ports;
    c->needs_helper = p->needs_helper;
    add_paths(c, p);
    for (int i = SA_PART_CA; c->fetched && i < SA_PART_COUNT; i++) {
        if (c->path[i] != NULL)
            return sa_err_set(err, SA_ECONFIG,
                              "%s: the kubeconfig names a file as its %s; one from a store of "
                              "secrets must hold it itself (kubectl config view --raw --flatten)",
                              c->kubeconfig_file, part_names[i]);
    }
    if (add_token_dir(c, err) != 0)
        return -1;
    for (int i = SA_PART_CA; i < SA_PART_COUNT; i++) {
        if (c->path[i] != NULL && load(c, (enum sa_credential_part)i, key, err) != 0)
            return sa_err_wrap(err, "%s", c->kubeconfig_file);
    }
    return 0;
}

/* What the kubeconfig names. */
static int open_named(struct sa_credential *c, const uint8_t *key, uid_t uid, gid_t gid,
                      struct sa_err **err)
{
    struct sa_credential_plan p;
    if (sa_credential_unseal(c, err) != 0)
        return -1;
    int rc = uid != 0 ? sa_credential_plan_confined(c, uid, gid, &p, err)
                      : sa_credential_plan_make(c, &p, err);
    if (rc != 0)
        return -1;
    rc = take_plan(c, &p, key, err);
    sa_credential_plan_free(&p);
    return rc;
}

static int open_kubeconfig(struct sa_credential *c, const uint8_t *key, uid_t uid, gid_t gid,
                           struct sa_err **err)
{
    bool ok = true;
    c->path[SA_PART_KUBECONFIG] = copy(c->kubeconfig_file, &ok);
    if (!ok)
        return sa_err_set(err, SA_EMEMORY, "credential");
    if (load(c, SA_PART_KUBECONFIG, key, err) != 0)
        return -1;
    return open_named(c, key, uid, gid, err);
}

static char *join(const char *dir, const char *name)
{
    char *out = NULL;
    return asprintf(&out, "%s/%s", dir, name) < 0 ? NULL : out;
}

/* A pod's own account, by
 * https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/. */
static int service_account_endpoint(struct sa_credential *c, struct sa_err **err)
{
    const char *host = getenv("KUBERNETES_SERVICE_HOST"), *port = getenv("KUBERNETES_SERVICE_PORT");
    char url[300];
    if (host == NULL || port == NULL || host[0] == '\0')
        return sa_err_set(err, SA_ECONFIG,
                          "serviceAccount is set, but KUBERNETES_SERVICE_HOST and "
                          "KUBERNETES_SERVICE_PORT are not: this is no pod");
    bool six = strchr(host, ':') != NULL;
    int n =
        snprintf(url, sizeof(url), "https://%s%s%s:%s", six ? "[" : "", host, six ? "]" : "", port);
    if (n < 0 || (size_t)n >= sizeof(url))
        return sa_err_set(err, SA_ECONFIG, "KUBERNETES_SERVICE_HOST is too long");
    return sa_endpoint_make(url, NULL, NULL, !c->no_proxy, &c->endpoint, err);
}

/* Where client-go in a pod sends what names no namespace. A file that can't be read is as one that
 * is not there. */
static int read_pod_namespace(struct sa_credential *c, const char *dir, struct sa_err **err)
{
    const char *given = getenv("POD_NAMESPACE");
    SA_CLEANUP(sa_freep) char *file = join(dir, "namespace");
    SA_CLEANUP(sa_secret_free) struct sa_secret read = {0};
    bool ok = file != NULL;
    if (ok && given != NULL && given[0] != '\0') {
        c->pod_namespace = copy(given, &ok);
    } else if (ok && sa_credential_load(file, &read, NULL) == 0) {
        sa_secret_trim(&read);
        c->pod_namespace = copy(read.p, &ok);
    }
    return ok ? 0 : sa_err_set(err, SA_EMEMORY, "credential");
}

static int open_service_account(struct sa_credential *c, const char *dir, const uint8_t *key,
                                struct sa_err **err)
{
    struct sa_credential_plan p = {0};
    if (service_account_endpoint(c, err) != 0 || read_pod_namespace(c, dir, err) != 0)
        return -1;
    p.path[SA_PART_CA] = join(dir, "ca.crt");
    p.path[SA_PART_TOKEN] = join(dir, "token");
    p.ports[p.n_ports++] = c->endpoint.proxy_port != 0 ? c->endpoint.proxy_port : c->endpoint.port;
    int rc = p.path[SA_PART_CA] != NULL && p.path[SA_PART_TOKEN] != NULL
                 ? take_plan(c, &p, key, err)
                 : sa_err_set(err, SA_EMEMORY, "credential");
    sa_credential_plan_free(&p);
    return rc;
}

int sa_credential_open_at(const struct sa_account *a, const char *service_account_dir,
                          const uint8_t *fingerprint_key, uid_t uid, gid_t gid,
                          struct sa_credential **out, struct sa_err **err)
{
    struct sa_credential *c = make(a);
    int rc;
    if (c == NULL)
        return sa_err_set(err, SA_EMEMORY, "credential");
    if (c->service_account)
        rc = open_service_account(c, service_account_dir, fingerprint_key, err);
    else if (c->kubeconfig_file != NULL)
        rc = open_kubeconfig(c, fingerprint_key, uid, gid, err);
    else
        rc = sa_err_set(err, SA_ECONFIG,
                        "the account has neither kubeconfigFile nor serviceAccount");
    if (rc != 0) {
        sa_credential_free(c);
        return -1;
    }
    *out = c;
    return 0;
}

int sa_credential_open(const struct sa_account *a, const uint8_t *fingerprint_key, uid_t uid,
                       gid_t gid, struct sa_credential **out, struct sa_err **err)
{
    return sa_credential_open_at(a, SERVICE_ACCOUNT_DIR, fingerprint_key, uid, gid, out, err);
}

bool sa_credential_is_fetched(const struct sa_account *a)
{
    return a->kubeconfig_file != NULL && sa_secret_ref_is(a->kubeconfig_file);
}

int sa_credential_open_fetched(const struct sa_account *a, const struct sa_secret *kubeconfig,
                               const uint8_t *fingerprint_key, uid_t uid, gid_t gid,
                               struct sa_credential **out, struct sa_err **err)
{
    struct sa_credential *c = make(a);
    if (c == NULL)
        return sa_err_set(err, SA_EMEMORY, "credential");
    c->fetched = true;
    int rc = sa_secret_set(&c->content[SA_PART_KUBECONFIG], kubeconfig->p, kubeconfig->n);
    if (rc != 0)
        sa_err_set(err, SA_EMEMORY, "credential");
    else
        rc = open_named(c, fingerprint_key, uid, gid, err);
    if (rc != 0) {
        sa_credential_free(c);
        return -1;
    }
    *out = c;
    return 0;
}

void sa_credential_kubeconfig(const struct sa_account *a, const uint8_t *fingerprint_key,
                              struct sa_credential_file *out)
{
    struct sa_secret bytes = {0};
    *out = (struct sa_credential_file){.path =
                                           sa_credential_is_fetched(a) ? NULL : a->kubeconfig_file};
    if (out->path != NULL && sa_credential_load(out->path, &bytes, NULL) == 0)
        sa_fingerprint(fingerprint_key, bytes.p, bytes.n, out->fingerprint);
    sa_secret_free(&bytes);
}

/* Second step */

int sa_credential_read(struct sa_credential *c, struct sa_err **err)
{
    const struct sa_secret *bytes = &c->content[SA_PART_KUBECONFIG];
    if (c->service_account)
        return 0; /* the endpoint is known already, there is nothing else */
    struct sa_kubeconfig *k = &c->kube;
    if (sa_kubeconfig_parse(c->kubeconfig_file, bytes->p, bytes->n, c->context, k, err) != 0)
        return -1;
    if (sa_endpoint_make(k->server, k->tls_server_name, k->proxy_url, !c->no_proxy, &c->endpoint,
                         err) != 0)
        return sa_err_wrap(err, "%s:%u:%u", c->kubeconfig_file, k->server_line, k->server_column);
    if (k->has_exec && !c->allow_exec)
        return sa_err_set(err, SA_ECONFIG,
                          "%s: the user runs a program (exec) for its credential, which is off by "
                          "default: set allowExec of the account to true to allow it",
                          c->kubeconfig_file);
    return 0;
}

/* Bytes of a thing that is given as data or as a file, and where it came from. */
static const struct sa_secret *source(const struct sa_credential *c, const struct sa_secret *data,
                                      const char *data_key, enum sa_credential_part part,
                                      char what[512])
{
    const char *user = c->kube.user != NULL ? c->kube.user : "";
    if (data->n > 0) {
        snprintf(what, 512, "%s: %s (%s)", c->kubeconfig_file, data_key,
                 part == SA_PART_CA ? c->kube.cluster : user);
        return data;
    }
    snprintf(what, 512, "%s", c->path[part] != NULL ? c->path[part] : "");
    return &c->content[part];
}

static int parse_roots(struct sa_credential *c, struct sa_err **err)
{
    char what[512];
    const struct sa_secret *ca =
        source(c, &c->kube.ca_data, "certificate-authority-data", SA_PART_CA, what);
    if (!c->endpoint.https)
        return 0;
    if (ca->n > 0 && sa_pem_roots(ca->p, ca->n, what, &c->roots, err) != 0)
        return -1;
    if (c->insecure || c->kube.insecure) {
        sa_log(SA_WARN, "the API server's certificate is not verified (%s)",
               c->insecure ? "insecure of the account" : "insecure-skip-tls-verify");
        X509_STORE_free(c->roots);
        c->roots = NULL;
        c->endpoint.insecure = true;
        return 0;
    }
    if (c->roots == NULL && c->path[SA_PART_CA] != NULL)
        return sa_err_set(err, SA_ECREDENTIAL, "%s is empty", c->path[SA_PART_CA]);
    return c->roots != NULL ? 0 : sa_pem_system_roots(&c->roots, err);
}

static int parse_certificate(struct sa_credential *c, struct sa_err **err)
{
    char cert_what[512], key_what[512], date[32];
    const struct sa_secret *cert =
        source(c, &c->kube.cert_data, "client-certificate-data", SA_PART_CERT, cert_what);
    const struct sa_secret *key =
        source(c, &c->kube.key_data, "client-key-data", SA_PART_KEY, key_what);
    int64_t now = (int64_t)time(NULL);
    if (cert->n == 0 && key->n == 0 && c->path[SA_PART_CERT] == NULL)
        return 0;
    if (sa_pem_identity(cert->p, cert->n, cert_what, key->p, key->n, key_what, NULL, &c->pem,
                        err) != 0)
        return -1;
    if (c->pem.not_after <= now) {
        sa_pem_date(c->pem.not_after, date);
        return sa_err_set(err, SA_ECREDENTIAL, "%s: the client certificate expired on %s",
                          cert_what, date);
    }
    if (c->pem.not_before > now) {
        sa_pem_date(c->pem.not_before, date);
        sa_log(SA_WARN, "%s: the client certificate is not valid before %s; is the clock right?",
               cert_what, date);
    }
    return 0;
}

static int parse_token(struct sa_credential *c, struct sa_err **err)
{
    bool file = c->path[SA_PART_TOKEN] != NULL;
    const struct sa_secret *from = file ? &c->content[SA_PART_TOKEN] : &c->kube.token;
    if (from->n > 0 && sa_secret_set(&c->token, from->p, from->n) != 0)
        return sa_err_set(err, SA_EMEMORY, "credential");
    sa_secret_trim(&c->token);
    if (file && c->token.n == 0)
        return sa_err_set(err, SA_ECREDENTIAL, "the token file %s is empty",
                          c->path[SA_PART_TOKEN]);
    for (size_t i = 0; i < c->token.n; i++) {
        if ((unsigned char)c->token.p[i] <= ' ' || (unsigned char)c->token.p[i] > '~')
            return sa_err_set(
                err, SA_ECREDENTIAL, "the token %s%s has white space or other odd bytes in it",
                file ? "in " : "of the kubeconfig", file ? c->path[SA_PART_TOKEN] : "");
    }
    c->token_read_ns = sa_mono_ns();
    return 0;
}

/* A token file that the worker's own uid can't read is followed by the supervisor instead, which
 * restarts the worker when it changes. */
static void check_rereads(struct sa_credential *c)
{
    for (size_t i = 0; i < c->n_files; i++) {
        if (!c->files[i].rereads)
            continue;
        SA_CLEANUP(sa_closep) int fd = open(c->files[i].path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd >= 0)
            continue;
        c->files[i].rereads = false;
        sa_log(SA_INFO,
               "the token file %s can't be read by this worker's user (%s); a new token will "
               "restart the worker",
               c->files[i].path, strerrordesc_np(errno));
    }
}

static void wipe_sources(struct sa_credential *c)
{
    for (size_t i = 0; i < SA_PART_COUNT; i++)
        sa_secret_free(&c->content[i]);
    sa_secret_free(&c->kube.cert_data);
    sa_secret_free(&c->kube.key_data);
    sa_secret_free(&c->kube.token);
    sa_secret_free(&c->kube.ca_data);
}

void sa_credential_forget(struct sa_credential *c)
{
    wipe_sources(c);
    sa_secret_free(&c->kube.username);
    sa_secret_free(&c->kube.password);
}

static int start_exec(struct sa_credential *c, struct sa_loop *l, int *fd, struct sa_err **err)
{
    struct sa_exec_client **client = c->kube.has_exec ? &c->exec : &c->store;
    if (!c->kube.has_exec && (!c->fetched || *fd < 0))
        return 0;
    if (*fd < 0)
        return sa_err_set(err, SA_EINTERNAL, "no credential helper runs for the exec plugin");
    *client = sa_exec_client_new(l, *fd, sa_credential_on_exec, c, err);
    *fd = -1;
    return *client != NULL ? 0 : -1;
}

const char *sa_credential_namespace(const struct sa_credential *c)
{
    const char *name = c->service_account ? c->pod_namespace : c->kube.namespace;
    return name != NULL ? name : "";
}

/* Half of a wrong name could be another one's whole. */
static int check_namespace(const struct sa_credential *c, struct sa_err **err)
{
    const char *name = sa_credential_namespace(c);
    size_t n = strlen(name);
    if (n <= NAMESPACE_MAX && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == n)
        return 0;
    return sa_err_set(err, SA_ECONFIG,
                      "%s: \"%.100s\" is no name of a namespace (RFC 1123 label: at most 63 lower "
                      "case letters, digits and -)",
                      c->service_account ? "the pod" : c->kubeconfig_file, name);
}

int sa_credential_parse(struct sa_credential *c, struct sa_loop *l, int helper_fd,
                        struct sa_err **err)
{
    SA_CLEANUP(sa_closep) int fd = helper_fd;
    c->loop = l;
    if (sa_credential_read(c, err) != 0 || check_namespace(c, err) != 0 ||
        parse_roots(c, err) != 0 || parse_certificate(c, err) != 0 || parse_token(c, err) != 0 ||
        start_exec(c, l, &fd, err) != 0)
        return -1;
    if (!c->endpoint.https &&
        (c->token.n > 0 || c->kube.username.n > 0 || c->pem.cert != NULL || c->exec != NULL))
        sa_log(SA_WARN, "the API server is addressed by plain http: no credential is sent to it");
    check_rereads(c);
    wipe_sources(c);
    return 0;
}

void sa_credential_free(struct sa_credential *c)
{
    if (c == NULL)
        return;
    sa_exec_client_free(c->exec);
    sa_exec_client_free(c->store);
    sa_identity_release(c->identity);
    wipe_sources(c);
    sa_kubeconfig_free(&c->kube);
    sa_endpoint_free(&c->endpoint);
    sa_secret_free(&c->token);
    sa_pem_identity_free(&c->pem);
    X509_STORE_free(c->roots);
    for (size_t i = 0; i < SA_PART_COUNT; i++)
        free(c->path[i]);
    free(c->token_dir);
    free(c->account);
    free(c->kubeconfig_file);
    free(c->seal_key_file);
    free(c->context);
    free(c->pod_namespace);
    sa_err_free(&c->exec_err);
    free(c);
}

const struct sa_credential_file *sa_credential_files(const struct sa_credential *c, size_t *n)
{
    *n = c->n_files;
    return c->files;
}

const struct sa_sandbox_path *sa_credential_paths(const struct sa_credential *c, size_t *n)
{
    *n = c->n_paths;
    return c->paths;
}

const uint16_t *sa_credential_ports(const struct sa_credential *c, size_t *n)
{
    *n = c->n_ports;
    return c->ports;
}

bool sa_credential_needs_helper(const struct sa_credential *c)
{
    return c->needs_helper;
}

const struct sa_endpoint *sa_credential_endpoint(const struct sa_credential *c)
{
    return &c->endpoint;
}

const struct sa_exec_spec *sa_credential_exec(const struct sa_credential *c)
{
    return c->kube.has_exec ? &c->kube.exec : NULL;
}
