/* SPDX-License-Identifier: Apache-2.0 */
/* An account, from its files to its API server. */
#include "doctor/account.h"

#include <cjson/cJSON.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/process.h"

static const char *const after_files[] = {"credential", "proxy",      "dns",  "tcp", "tls",
                                          "http",       "kubernetes", "rbac", NULL};

/* What the code that we share warns of is a finding, too. */
static void on_log(void *arg, const struct sa_record *rec)
{
    if (rec->level <= SA_WARN)
        sa_exam_bad(arg, SA_HEALTH_WARNING, "credential", NULL, "%s", rec->msg);
}

static const char *credential_fix(const struct sa_err *e)
{
    switch (e->code) {
    case SA_ECONFIG:
        return "Correct it at the place that is named.";
    case SA_ECREDENTIAL:
        return "Renew what is named, or correct it.";
    case SA_ESYSTEM:
        return "Put the file there, or give it to the daemon's user (chown, chmod).";
    default:
        return NULL;
    }
}

static bool credential_failed(struct sa_patient *p, const struct sa_err *e)
{
    sa_exam_bad(p->x, SA_HEALTH_ERROR, "credential", credential_fix(e), "%s", sa_err_msg(e));
    sa_exam_skip_all(p->x, "without a credential nobody is asked", after_files + 1);
    return false;
}

/* The files that the kubeconfig names. */
static void exam_parts(struct sa_patient *p)
{
    static const char *const kinds[SA_PART_COUNT] = {
        [SA_PART_CA] = "the certificate authority",
        [SA_PART_CERT] = "the client certificate",
        [SA_PART_KEY] = "the client key",
        [SA_PART_TOKEN] = "the token file",
    };
    for (int i = SA_PART_CA; i < SA_PART_COUNT; i++) {
        if (p->cred->path[i] != NULL)
            (void)sa_exam_file(p->x, "files", kinds[i], p->cred->path[i],
                               i == SA_PART_KEY || i == SA_PART_TOKEN);
    }
}

/* While there may be privileges. */
static bool open_files(struct sa_patient *p, const struct sa_exam_users *u)
{
    static const uint8_t key[32];
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    const struct sa_account *a = p->account;
    if (sa_credential_is_fetched(a)) {
        sa_exam_skip(p->x, "files", "the kubeconfig is in a store of secrets (%s)",
                     a->kubeconfig_file);
        sa_exam_skip_all(p->x, "the agent alone reads it there; status says how it went",
                         after_files);
        return false;
    }
    if (!a->service_account && a->kubeconfig_file != NULL &&
        !sa_exam_file(p->x, "files", "the kubeconfig", a->kubeconfig_file, true)) {
        sa_exam_skip_all(p->x, "without its kubeconfig nothing is known", after_files);
        return false;
    }
    if (sa_credential_open(a, key, u->worker, u->gid, &p->cred, &err) != 0)
        return credential_failed(p, err);
    exam_parts(p);
    return true;
}

/* Claim exp of a JSON Web Token (RFC 7519, 4.1.4); 0 if it is none or does not say. */
static int64_t token_ends(const struct sa_secret *token)
{
    char json[16384];
    size_t n = 0;
    const char *dot = token->n > 0 ? memchr(token->p, '.', token->n) : NULL;
    const char *end =
        dot != NULL ? memchr(dot + 1, '.', token->n - (size_t)(dot + 1 - token->p)) : NULL;
    if (end == NULL ||
        sodium_base642bin((unsigned char *)json, sizeof json, dot + 1, (size_t)(end - dot - 1),
                          NULL, &n, NULL, sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0)
        return 0;
    cJSON *claims = cJSON_ParseWithLength(json, n);
    const cJSON *exp = cJSON_GetObjectItemCaseSensitive(claims, "exp");
    int64_t at = cJSON_IsNumber(exp) ? (int64_t)exp->valuedouble : 0;
    cJSON_Delete(claims);
    return at;
}

static void exam_token(struct sa_patient *p)
{
    char date[32];
    int64_t ends = token_ends(&p->cred->token), now = (int64_t)time(NULL);
    if (ends == 0)
        return;
    sa_pem_date(ends, date);
    if (ends <= now)
        sa_exam_bad(p->x, SA_HEALTH_ERROR, "token",
                    "Put a new one there (kubectl create token ...), or use tokenFile or an exec "
                    "plugin, which are renewed. If the date looks right, set this machine's clock.",
                    "the token expired on %s", date);
    else if (p->cred->path[SA_PART_TOKEN] == NULL && !p->account->service_account &&
             sa_credential_exec(p->cred) == NULL)
        sa_exam_bad(p->x, SA_HEALTH_WARNING, "token",
                    "Renew it before, or use tokenFile or an exec plugin, which are renewed.",
                    "the token in the kubeconfig is good until %s, and nothing renews it", date);
    else
        sa_exam_ok(p->x, "token", "the token is good until %s", date);
}

static void say_credential(struct sa_patient *p)
{
    const struct sa_credential *c = p->cred;
    char date[32];
    const char *user = c->kube.user != NULL ? c->kube.user : "the pod's service account";
    if (!c->endpoint.https)
        sa_exam_bad(p->x, SA_HEALTH_WARNING, "credential", "Use an https:// server.",
                    "the API server is addressed by plain http: no credential is sent to it");
    else if (sa_credential_exec(c) != NULL)
        sa_exam_ok(p->x, "credential", "%s, by the exec plugin %s", user, c->kube.exec.command);
    else if (c->pem.cert != NULL) {
        sa_pem_date(c->pem.not_after, date);
        sa_exam_ok(p->x, "credential", "%s, by a client certificate that is good until %s", user,
                   date);
    } else if (c->token.n > 0)
        sa_exam_ok(p->x, "credential", "%s, by a token", user);
    else if (c->kube.username.n > 0)
        sa_exam_ok(p->x, "credential", "%s, by a password", user);
    else
        sa_exam_bad(p->x, SA_HEALTH_WARNING, "credential",
                    "Give the user a token, a certificate or an exec plugin.",
                    "the kubeconfig has no credential for %s: the server sees nobody", user);
}

/* Confined. */
static bool parse(struct sa_patient *p)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    int fd = -1;
    if (sa_credential_needs_helper(p->cred) && (fd = sa_patient_plugin(p, &err)) < 0)
        return credential_failed(p, err);
    if (sa_credential_parse(p->cred, p->loop, fd, &err) != 0)
        return credential_failed(p, err);
    say_credential(p);
    exam_token(p);
    return sa_exam_plugin(p);
}

/* Host and port of "address:port". */
static uint16_t split(const char *server, char host[256])
{
    const char *colon = strrchr(server, ':');
    size_t n = colon != NULL ? (size_t)(colon - server) : strlen(server);
    bool six = n > 2 && server[0] == '[';
    snprintf(host, 256, "%.*s", (int)(six ? n - 2 : n), six ? server + 1 : server);
    return colon != NULL ? (uint16_t)strtoul(colon + 1, NULL, 10) : 0;
}

/* The name within "https://name:port/prefix". */
static void name_of(const char *base, char name[256])
{
    const char *begin = strstr(base, "://");
    begin = begin != NULL ? begin + 3 : base;
    size_t n = begin[0] == '[' ? strcspn(begin, "]") : strcspn(begin, ":/");
    snprintf(name, 256, "%.*s", (int)(begin[0] == '[' && n > 0 ? n - 1 : n),
             begin[0] == '[' ? begin + 1 : begin);
}

static void exam_network(struct sa_patient *p)
{
    const struct sa_endpoint *e = sa_credential_endpoint(p->cred);
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    char host[256], name[256];
    struct sa_route_tls tls;
    const struct sa_route r = {
        .port = split(e->server, host),
        .host = host,
        .url = e->base,
        .connect_to = e->connect_to,
        .name = name,
        .proxy = e->proxy,
        .tls = e->https,
        .insecure = e->insecure,
        .roots = p->cred->roots,
        .pem = &p->cred->pem,
        .trust_key = "certificate-authority of the kubeconfig's cluster",
        .port_key = "server of the kubeconfig's cluster",
        .plain_fix =
            "Is it the right port? If this is a local proxy (kubectl proxy), write http:// "
            "in server of the kubeconfig's cluster.",
    };
    name_of(e->base, name);
    if (!sa_route_walk(p->x, &r, &tls)) {
        sa_exam_skip_all(p->x, "without a safe connection nobody is asked", after_files + 5);
        return;
    }
    p->asker.loop = p->loop;
    p->asker.http = sa_http_new(p->loop, p->account, p->cred, &err);
    if (p->asker.http == NULL)
        sa_exam_bad(p->x, SA_HEALTH_ERROR, "http", NULL, "%s", sa_err_msg(err));
    else if (sa_exam_server(p, &r, &tls))
        sa_exam_access(p);
    else
        sa_exam_skip(p->x, "rbac", "without an answer to us no permission can be asked for");
    sa_http_free(p->asker.http);
}

void sa_exam_account(struct sa_exam *x, const struct sa_account *a, const struct sa_exam_users *u)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    struct sa_patient p = {.x = x, .account = a, .plugin_fd = -1};
    sa_log_set_sink(on_log, x);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !open_files(&p, u)) {
        sa_credential_free(p.cred);
        return;
    }
    if (u->worker != 0 && sa_drop_privileges(u->worker, u->gid, &err) != 0)
        sa_exam_bad(x, SA_HEALTH_ERROR, "users", NULL, "%s", sa_err_msg(err));
    else if (sa_harden_self(&err) != 0 || (p.loop = sa_loop_new(&err)) == NULL)
        sa_exam_bad(x, SA_HEALTH_ERROR, "doctor", NULL, "%s", sa_err_msg(err));
    else if (parse(&p))
        exam_network(&p);
    else if (sa_credential_exec(p.cred) != NULL && x->out->n > 0)
        sa_exam_skip_all(x, "without a credential nobody is asked", after_files + 1);
    if (p.loop != NULL)
        sa_patient_plugin_end(&p);
    sa_credential_free(p.cred);
    sa_loop_free(p.loop);
}
