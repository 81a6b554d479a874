/* SPDX-License-Identifier: Apache-2.0 */
/* What a request presents, and how it is renewed: token files, exec plugins. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "worker/credential_internal.h"

#define TOKEN_AGE                                                                                  \
    (60 * SA_NS_PER_S) /* a token file is read again after this time, as in client-go */
#define EARLY_S 60     /* a plugin is asked again this long before its answer expires */
/* Between two tries of a plugin that fails, or that hands out the same until its very end. */
#define EXEC_PAUSE (5 * SA_NS_PER_S)
#define EXEC_YOUNG (20 * SA_NS_PER_S) /* a 401 to an answer this young is no reason to ask anew */

/* Headers */

void sa_credential_headers_free(struct curl_slist *l)
{
    for (const struct curl_slist *i = l; i != NULL; i = i->next)
        sodium_memzero(i->data, strlen(i->data));
    curl_slist_free_all(l);
}

/* Appends b as one header; false for lack of memory or a line end in it. */
static bool push(struct curl_slist **list, const struct sa_buf *b)
{
    if (b->failed || memchr(b->data, '\r', b->len) != NULL || memchr(b->data, '\n', b->len) != NULL)
        return false;
    struct curl_slist *more = curl_slist_append(*list, b->data);
    if (more != NULL)
        *list = more;
    return more != NULL;
}

static bool push_pair(struct curl_slist **list, const char *name, const char *value)
{
    struct sa_buf b;
    sa_buf_init(&b, 64 * 1024);
    sa_buf_addf(&b, "%s: %s", name, value);
    bool ok = push(list, &b);
    sa_buf_wipe(&b);
    sa_buf_free(&b);
    return ok;
}

static bool push_basic(struct curl_slist **list, const struct sa_kubeconfig *k)
{
    struct sa_secret plain = {0}, coded = {0};
    size_t n = k->username.n + 1 + k->password.n;
    bool ok = sa_secret_new(&plain, n) == 0 &&
              sa_secret_new(&coded, sodium_base64_encoded_len(n, sodium_base64_VARIANT_ORIGINAL) +
                                        sizeof("Basic ")) == 0;
    if (ok) {
        if (k->username.n > 0)
            memcpy(plain.p, k->username.p, k->username.n);
        plain.p[k->username.n] = ':';
        if (k->password.n > 0)
            memcpy(plain.p + k->username.n + 1, k->password.p, k->password.n);
        memcpy(coded.p, "Basic ", 6);
        sodium_bin2base64(coded.p + 6, coded.n - 6, (unsigned char *)plain.p, n,
                          sodium_base64_VARIANT_ORIGINAL);
        ok = push_pair(list, "Authorization", coded.p);
    }
    sa_secret_free(&plain);
    sa_secret_free(&coded);
    return ok;
}

/* Key of an extra value as part of a header's name: lower case, percent-encoded where RFC 7230
 * allows no such byte, as client-go writes it. */
static bool push_extra(struct curl_slist **list, const struct sa_name_value *e)
{
    static const char token[] = "!#$&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz";
    struct sa_buf b;
    sa_buf_init(&b, 64 * 1024);
    sa_buf_adds(&b, "Impersonate-Extra-");
    for (const char *p = e->name; *p != '\0'; p++) {
        char low = *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;
        if (strchr(token, low) != NULL)
            sa_buf_addc(&b, low);
        else
            sa_buf_addf(&b, "%%%02X", (unsigned)(unsigned char)*p);
    }
    sa_buf_addf(&b, ": %s", e->value);
    bool ok = push(list, &b);
    sa_buf_free(&b);
    return ok;
}

int sa_credential_headers(const struct sa_credential *c, struct curl_slist **out,
                          struct sa_err **err)
{
    const struct sa_kubeconfig *k = &c->kube;
    struct curl_slist *list = NULL;
    struct sa_buf b;
    bool ok = true;
    sa_buf_init(&b, SA_CREDENTIAL_FILE_MAX + 64);
    if (c->token.n > 0) {
        sa_buf_adds(&b, "Authorization: Bearer ");
        sa_buf_add(&b, c->token.p, c->token.n);
        ok = push(&list, &b);
        sa_buf_wipe(&b);
    } else if (k->username.n > 0 || k->password.n > 0) {
        ok = push_basic(&list, k);
    }
    if (ok && k->as != NULL)
        ok = push_pair(&list, "Impersonate-User", k->as);
    if (ok && k->as_uid != NULL)
        ok = push_pair(&list, "Impersonate-Uid", k->as_uid);
    for (size_t i = 0; ok && i < k->n_as_groups; i++)
        ok = push_pair(&list, "Impersonate-Group", k->as_groups[i]);
    for (size_t i = 0; ok && i < k->n_as_extra; i++)
        ok = push_extra(&list, &k->as_extra[i]);
    sa_buf_free(&b);
    if (!ok) {
        sa_credential_headers_free(list);
        return sa_err_set(err, SA_ECREDENTIAL,
                          "the token, user or groups can't be sent: there is a line end in them, "
                          "or no memory");
    }
    *out = list;
    return 0;
}

/* Identities */

void sa_identity_release(struct sa_identity *i)
{
    if (i == NULL || --i->refs > 0)
        return;
    X509_STORE_free(i->roots);
    sa_pem_identity_free(&i->pem);
    sa_credential_headers_free(i->headers);
    free(i);
}

static int make_identity(struct sa_credential *c, struct sa_err **err)
{
    struct sa_identity *i = calloc(1, sizeof(*i));
    if (i == NULL)
        return sa_err_set(err, SA_EMEMORY, "credential");
    i->refs = 1;
    i->tls = c->tls;
    /* As client-go does it: nothing is presented where everybody on the way could read it. */
    if (c->endpoint.https && sa_credential_headers(c, &i->headers, err) != 0) {
        sa_identity_release(i);
        return -1;
    }
    if (c->roots != NULL && X509_STORE_up_ref(c->roots) == 1)
        i->roots = c->roots;
    if (c->pem.cert != NULL && X509_up_ref(c->pem.cert) == 1 && EVP_PKEY_up_ref(c->pem.key) == 1) {
        i->pem = c->pem;
        i->pem.chain = X509_chain_up_ref(c->pem.chain);
    }
    c->identity = i;
    return 0;
}

static void drop_identity(struct sa_credential *c)
{
    sa_identity_release(c->identity);
    c->identity = NULL;
}

/* Token files */

/* Reads the file again. True if the token is another one now. What can't be read leaves the last
 * token in force, as in client-go. */
static bool reread(struct sa_credential *c)
{
    struct sa_secret now = {0};
    SA_CLEANUP(sa_err_free) struct sa_err *e = NULL;
    c->token_read_ns = sa_mono_ns();
    if (sa_credential_load(c->path[SA_PART_TOKEN], &now, &e) != 0) {
        if (!c->token_complained)
            sa_log(SA_WARN, "the token file could not be read again, the last token stays: %s",
                   sa_err_msg(e));
        c->token_complained = true;
        return false;
    }
    c->token_complained = false;
    sa_secret_trim(&now);
    if (now.n == 0 || sa_secret_equal(&now, &c->token)) {
        sa_secret_free(&now);
        return false;
    }
    sa_secret_free(&c->token);
    c->token = now;
    drop_identity(c);
    return true;
}

static bool rereads(const struct sa_credential *c)
{
    for (size_t i = 0; i < c->n_files; i++) {
        if (c->path[SA_PART_TOKEN] != NULL && c->files[i].path == c->path[SA_PART_TOKEN])
            return c->files[i].rereads;
    }
    return false;
}

/* Exec plugins */

static bool exec_stale(const struct sa_credential *c, int64_t early_s)
{
    return !c->exec_known ||
           (c->exec_expires_s != INT64_MAX && (int64_t)time(NULL) >= c->exec_expires_s - early_s);
}

/* Takes a plugin's answer over into c. */
static int apply(struct sa_credential *c, const void *json, size_t n, struct sa_err **err)
{
    struct sa_exec_credential a;
    struct sa_pem_identity pem = {0};
    if (sa_exec_credential_parse(json, n, c->kube.exec.api_version, &a, err) != 0)
        return -1;
    int rc = 0;
    bool has = a.cert.n > 0;
    if (has)
        rc = sa_pem_identity(a.cert.p, a.cert.n, "the exec plugin's clientCertificateData", a.key.p,
                             a.key.n, "the exec plugin's clientKeyData", NULL, &pem, err);
    if (rc == 0) {
        c->tls += has ? c->pem.cert == NULL || X509_cmp(pem.cert, c->pem.cert) != 0 : c->exec_pem;
        if (has || c->exec_pem) {
            sa_pem_identity_free(&c->pem);
            c->pem = pem;
        }
        c->exec_pem = has;
        sa_secret_free(&c->token);
        c->token = a.token;
        a.token = (struct sa_secret){0};
        c->exec_known = true;
        c->exec_expires_s = has && pem.not_after < a.expires_s ? pem.not_after : a.expires_s;
        drop_identity(c);
    }
    sa_exec_credential_free(&a);
    return rc;
}

static int check_fresh(const struct sa_credential *c, struct sa_err **err)
{
    char date[32];
    if (!exec_stale(c, 0))
        return 0;
    sa_pem_date(c->exec_expires_s, date);
    return sa_err_set(err, SA_ECREDENTIAL,
                      "what the exec plugin gave was already expired, on %s: check the clock, here "
                      "and where the plugin keeps its answers",
                      date);
}

void sa_credential_on_exec(void *arg, const void *json, size_t n, const struct sa_err *reason)
{
    struct sa_credential *c = arg;
    sa_err_free(&c->exec_err);
    c->exec_answered_ns = sa_mono_ns();
    if (reason != NULL)
        sa_err_set(&c->exec_err, reason->code, "%s", reason->msg);
    else if (apply(c, json, n, &c->exec_err) == 0)
        (void)check_fresh(c, &c->exec_err);
    if (c->exec_err != NULL)
        sa_log(SA_WARN, "no credential from the exec plugin: %s", sa_err_msg(c->exec_err));
    if (c->listener != NULL)
        c->listener(c->listener_arg);
}

/* READY: what is there may be used, a renewal may be under way behind it. */
static enum sa_credential_state exec_state(struct sa_credential *c, struct sa_err **err)
{
    uint64_t since = c->exec_answered_ns;
    bool paused = since != 0 && sa_mono_ns() - since < EXEC_PAUSE;
    if (!exec_stale(c, EARLY_S))
        return SA_CREDENTIAL_READY;
    if (!paused)
        sa_exec_client_ask(c->exec);
    if (!exec_stale(c, 0))
        return SA_CREDENTIAL_READY;
    if (sa_exec_client_asking(c->exec))
        return SA_CREDENTIAL_WAIT;
    if (c->exec_err != NULL)
        sa_err_set(err, c->exec_err->code, "%s", c->exec_err->msg);
    else
        sa_err_set(err, SA_ECREDENTIAL, "what the exec plugin gave has expired within seconds");
    return SA_CREDENTIAL_FAILED;
}

static int check_date(const struct sa_credential *c, struct sa_err **err)
{
    if (c->pem.cert == NULL || c->pem.not_after > (int64_t)time(NULL))
        return 0;
    char date[32];
    sa_pem_date(c->pem.not_after, date);
    return sa_err_set(err, SA_ECREDENTIAL, "the client certificate expired on %s", date);
}

enum sa_credential_state sa_credential_identity(struct sa_credential *c, struct sa_identity **out,
                                                struct sa_err **err)
{
    if (c->exec != NULL) {
        enum sa_credential_state s = exec_state(c, err);
        if (s != SA_CREDENTIAL_READY)
            return s;
    } else if (rereads(c) && sa_mono_ns() - c->token_read_ns >= TOKEN_AGE) {
        (void)reread(c);
    }
    if (check_date(c, err) != 0)
        return SA_CREDENTIAL_FAILED;
    if (c->identity == NULL && make_identity(c, err) != 0)
        return SA_CREDENTIAL_FAILED;
    c->identity->refs++;
    *out = c->identity;
    return SA_CREDENTIAL_READY;
}

bool sa_credential_rejected(struct sa_credential *c, const struct sa_identity *i)
{
    if (c->identity != i)
        return true; /* renewed meanwhile */
    /* Another kubeconfig in the store restarts the worker. */
    if (c->fetched && (c->exec != NULL || c->store != NULL))
        sa_exec_client_refused(c->exec != NULL ? c->exec : c->store);
    if (c->exec != NULL) {
        if (sa_mono_ns() - c->exec_answered_ns < EXEC_YOUNG)
            return false;
        c->exec_known = false;
        return true;
    }
    return rereads(c) && reread(c);
}

void sa_credential_listen(struct sa_credential *c, void (*cb)(void *arg), void *arg)
{
    c->listener = cb;
    c->listener_arg = arg;
}
