/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clouddriver: the way there, gRPC's health service, and what the plugin answers to Hello. The
 * stream is made under a name of its own and ends at once: the agent's own stream is not touched.
 */
#include <curl/curl.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/process.h"
#include "doctor/route.h"
#include "proto/scale_agent.pb-c.h"
#include "uplink/endpoint.h"
#include "uplink/grpc_call.h"
#include "uplink/grpc_wire.h"
#include "uplink/secrets.h"
#include "uplink/token.h"

#define ANSWER_TIME (15 * SA_NS_PER_S)
#define HEALTH      "/grpc.health.v1.Health/Check"
#define CONNECT     "/scaleagent.v1.ScaleAgent/Connect"

struct other {
    struct sa_exam *x;
    const struct sa_settings *settings;
    const struct sa_clouddriver *c;
    struct sa_endpoint target;
    struct sa_uplink_secrets secrets;
    struct sa_pem_identity pem;
    X509_STORE *roots;
    char *token;
    struct sa_loop *loop;
    /* of the call that runs */
    struct sa_call *call;
    bool over, heard;
    struct sa_err *why;                   /* how it ended, NULL: status OK */
    long serving;                         /* HealthCheckResponse.status, -1: not said */
    Scaleagent__V1__PluginMessage *first; /* of the plugin */
};

static const char *const checks[] = {"credential", "proxy",  "dns",    "tcp", "tls",
                                     "token",      "health", "plugin", NULL};

static bool failed(struct other *o, const char *check, size_t next, const char *fix,
                   const struct sa_err *err)
{
    sa_exam_bad(o->x, SA_HEALTH_ERROR, check, fix, "%s", sa_err_msg(err));
    sa_exam_skip_all(o->x, "what comes before it failed", checks + next);
    return false;
}

/* Secrets */

static char *copy(const char *s)
{
    return s != NULL && s[0] != '\0' ? strdup(s) : NULL;
}

/* While there may be privileges. */
static bool open_secrets(struct other *o)
{
    const struct sa_clouddriver *c = o->c;
    const struct {
        const char *path, *kind;
        bool secret;
    } files[] = {
        {c->tls_cacert_file, "clouddriver.tls.cacertFile", false},
        {c->tls_client_cert_file, "clouddriver.tls.clientCertFile", false},
        {c->tls_client_key_file, "clouddriver.tls.clientKeyFile", true},
    };
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (files[i].path != NULL && files[i].path[0] != '\0')
            (void)sa_exam_file(o->x, "files", files[i].kind, files[i].path, files[i].secret);
    }
    if (sa_secrets_read(&o->secrets, c, NULL, &err) != 0)
        return failed(o, "credential", 1,
                      "Put the file there, or give it to the daemon's user (chown, chmod).", err);
    o->secrets.key_password = copy(c->tls_client_key_password);
    o->secrets.token = copy(c->token);
    return true;
}

static bool parse_secrets(struct other *o)
{
    struct sa_uplink_secrets *s = &o->secrets;
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    char line[512];
    if (sa_endpoint_check(o->c, s->token != NULL || o->c->token_command != NULL, &o->target,
                          &err) != 0)
        return failed(o, "credential", 1, "Correct clouddriver.grpc, or encrypt the connection.",
                      err);
    if (sa_secrets_parse(s, o->c, &err) != 0)
        return failed(o, "credential", 1, "Correct or renew what is named.", err);
    if (sa_secrets_outdated(s, o->c, line, sizeof line))
        sa_exam_bad(o->x, SA_HEALTH_ERROR, "credential", "Renew it.", "%s", line);
    else if (s->cert != NULL)
        sa_exam_ok(o->x, "credential", "a client certificate%s",
                   s->token != NULL ? " and a token" : "");
    else
        sa_exam_ok(o->x, "credential", "%s",
                   s->token != NULL              ? "a token"
                   : o->c->token_command != NULL ? "a token by a command"
                                                 : "none is configured");
    if (o->c->insecure)
        return true;
    if (s->cert != NULL)
        (void)sa_pem_identity(s->cert, s->cert_len, "certificate", s->key ? s->key : s->cert,
                              s->key ? s->key_len : s->cert_len, "key", s->key_password, &o->pem,
                              NULL);
    int rc = s->ca != NULL ? sa_pem_roots(s->ca, s->ca_len, "CA", &o->roots, &err)
                           : sa_pem_system_roots(&o->roots, &err);
    return rc == 0 || failed(o, "credential", 1, "Correct clouddriver.tls.cacertFile.", err);
}

/* Token command */

static bool get_token(struct other *o, const struct sa_exam_users *u)
{
    const struct sa_child_args args = {.uid = u->uplink, .gid = u->gid, .helper_fd = -1};
    struct sa_token_helper h = {0};
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    if (o->c->token_command == NULL) {
        o->token = copy(o->secrets.token);
        return true;
    }
    int rc = sa_token_helper_start(&h, o->settings, &args, &err);
    if (rc == 0)
        rc = sa_token_ask(&h, &err);
    if (rc == 0) {
        struct pollfd p = {.fd = h.fd, .events = POLLIN};
        rc = poll(&p, 1, (int)(SA_TOKEN_TIMEOUT + 5) * 1000) == 1
                 ? sa_token_answer(&h, &o->token, &err)
                 : sa_err_set(&err, SA_ECREDENTIAL, "the token command does not end");
    }
    if (h.fd > 0)
        sa_token_helper_stop(&h);
    if (rc == 0)
        sa_exam_ok(o->x, "token", "%s gave a token", o->c->token_command);
    return rc == 0 || failed(o, "token", 6,
                             "Run the command by hand as the agent's user; see "
                             "clouddriver.auth.tokenCommand.",
                             err);
}

/* Calls */

/* Field 1 of HealthCheckResponse, an enum: UNKNOWN 0, SERVING 1, NOT_SERVING 2. */
static long read_serving(const uint8_t *p, size_t n)
{
    return n == 0 ? 0 : n >= 2 && p[0] == 8 ? p[1] : -1;
}

static int on_message(void *arg, const uint8_t *p, size_t n, struct sa_err **err)
{
    struct other *o = arg;
    (void)err;
    if (!o->heard) {
        o->serving = read_serving(p, n);
        o->first = scaleagent__v1__plugin_message__unpack(NULL, n, p);
    }
    o->heard = true;
    return 0;
}

static void on_left(void *arg, uint32_t tag, size_t n)
{
    (void)arg;
    (void)tag;
    (void)n;
}

static void on_end(void *arg, const struct sa_err *why)
{
    struct other *o = arg;
    o->over = true;
    if (why != NULL)
        sa_err_set(&o->why, why->code, "%s", sa_err_msg(why));
}

static struct sa_call *make_call(struct other *o, const char *path, bool empty, struct sa_err **err)
{
    static const struct sa_call_events events = {on_message, on_left, on_end};
    const struct sa_uplink_secrets *s = &o->secrets;
    bool tls = !o->c->insecure;
    const struct sa_call_options opt = {
        .scheme = tls ? "https" : "http",
        .host = o->target.host,
        .port = o->target.port,
        .server_name = o->c->tls_server_name,
        .path = path,
        .proxy = sa_endpoint_proxy_url(o->c),
        .token = o->token,
        .cert = tls ? s->cert : NULL,
        .key = tls ? s->key : NULL,
        .ca = tls ? s->ca : NULL,
        .key_password = tls ? s->key_password : NULL,
        .cert_len = s->cert_len,
        .key_len = s->key_len,
        .ca_len = s->ca_len,
        .skip_verify = o->c->tls_insecure_skip_verify,
        .empty = empty,
    };
    return sa_call_new(o->loop, &opt, &events, o, err);
}

/* One call with one message, up to its first answer or its end. */
static int call(struct other *o, const char *path, const struct sa_buf *message, bool empty)
{
    uint64_t until = sa_mono_ns() + ANSWER_TIME;
    sa_err_free(&o->why);
    o->over = o->heard = false;
    o->call = make_call(o, path, empty, &o->why);
    if (o->call == NULL)
        return -1;
    int rc = empty ? 0 : sa_call_send(o->call, 0, message->data, message->len, NULL, 0, &o->why);
    if (rc == 0 && !empty && strcmp(path, HEALTH) == 0)
        sa_call_finish(o->call);
    while (rc == 0 && !o->over && !o->heard && sa_mono_ns() < until)
        rc = sa_loop_turn(o->loop, 500, NULL);
    if (rc == 0 && !o->over && o->heard && strcmp(path, CONNECT) == 0)
        sa_call_finish(o->call);
    until = sa_mono_ns() + 3 * SA_NS_PER_S;
    while (rc == 0 && o->heard && !o->over && sa_mono_ns() < until)
        rc = sa_loop_turn(o->loop, 500, NULL);
    bool lost = o->over && !o->heard && !empty && sa_call_lost_answer(o->call);
    sa_call_free(o->call);
    o->call = NULL;
    if (lost) /* a refusal is heard by a call that sends nothing */
        return call(o, path, message, true);
    if (!o->heard && o->why == NULL)
        return sa_err_set(&o->why, SA_ENETWORK, "no answer within %llu s",
                          (unsigned long long)(ANSWER_TIME / SA_NS_PER_S));
    return o->heard ? 0 : -1;
}

/* What is wrong when a call fails below gRPC or is refused. */
static const char *call_fix(const struct other *o, const struct sa_route *r,
                            const struct sa_route_tls *tls)
{
    if (o->why != NULL && o->why->code == SA_EAUTH)
        return "The token is not the plugin's: compare clouddriver.auth.token with the plugin's "
               "settings, or renew it.";
    if (o->c->insecure && sa_route_speaks_tls(r))
        return "The other side speaks TLS and clouddriver.insecure is true: set it to false.";
    if (tls->wants_cert)
        return "The server asks for a client certificate: set clouddriver.tls.clientCertFile and "
               "clientKeyFile.";
    return "Is it the plugin's port (9091 by default) and not Clouddriver's own HTTP port? Is "
           "scale-agent's plugin loaded in Clouddriver?";
}

static void exam_health(struct other *o)
{
    static const struct sa_buf none = {.data = (char *)""};
    int rc = call(o, HEALTH, &none, false);
    if (o->first != NULL)
        scaleagent__v1__plugin_message__free_unpacked(o->first, NULL);
    o->first = NULL;
    if (rc == 0 && o->serving == 1)
        sa_exam_ok(o->x, "health", "gRPC's health service says SERVING");
    else if (rc == 0)
        sa_exam_bad(o->x, SA_HEALTH_WARNING, "health",
                    "Clouddriver starts, stops or lacks its database: look at its log.",
                    "gRPC's health service says that it does not serve");
    else
        sa_exam_skip(o->x, "health", "gRPC's health service does not answer: %s",
                     sa_err_msg(o->why));
}

static void say_plugin(struct other *o)
{
    const Scaleagent__V1__PluginMessage *m = o->first;
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    static const char fix[] = "Bring agent and plugin to adjacent releases, the plugin first.";
    if (m->body_case == SCALEAGENT__V1__PLUGIN_MESSAGE__BODY_GOODBYE) {
        (void)sa_wire_goodbye(m->goodbye, &err);
        sa_exam_bad(o->x, SA_HEALTH_ERROR, "plugin",
                    m->goodbye->code == SCALEAGENT__V1__GOODBYE__CODE__INCOMPATIBLE
                        ? fix
                        : "What it says is its own reason: see Clouddriver's log, too.",
                    "the plugin refuses us: %s", sa_err_msg(err));
    } else if (m->body_case != SCALEAGENT__V1__PLUGIN_MESSAGE__BODY_HELLO) {
        sa_exam_bad(o->x, SA_HEALTH_ERROR, "plugin", fix,
                    "the plugin does not answer Hello by its version");
    } else if (m->hello->protocol < SA_PROTOCOL_MIN || m->hello->protocol > SA_PROTOCOL) {
        sa_exam_bad(o->x, SA_HEALTH_ERROR, "plugin", fix,
                    "plugin %s speaks protocol version %u, agent %s speaks %u to %u",
                    m->hello->plugin_version, m->hello->protocol, SA_VERSION, SA_PROTOCOL_MIN,
                    SA_PROTOCOL);
    } else {
        sa_exam_ok(o->x, "plugin", "plugin %s, protocol version %u, Clouddriver %s",
                   m->hello->plugin_version, m->hello->protocol, m->hello->clouddriver_id);
    }
}

static void exam_plugin(struct other *o, const struct sa_route *r, const struct sa_route_tls *tls)
{
    char id[200], name[256];
    uint8_t instance[16];
    struct sa_buf b;
    sa_endpoint_agent_id(o->settings, name, sizeof name);
    snprintf(id, sizeof id, "doctor of %.160s", name);
    randombytes_buf(instance, sizeof instance);
    const struct sa_wire_hello hello = {
        .agent_id = id,
        .zone_id = o->settings->zone_id,
        .instance = instance,
    };
    sa_buf_init(&b, 0);
    if (sa_wire_hello(&hello, &b) != 0)
        sa_exam_skip(o->x, "plugin", "no memory");
    else if (call(o, CONNECT, &b, false) == 0 && o->first != NULL)
        say_plugin(o);
    else
        sa_exam_bad(o->x, SA_HEALTH_ERROR, "plugin", call_fix(o, r, tls),
                    "%s:%u does not answer as the plugin does: %s", o->target.host, o->target.port,
                    o->why != NULL ? sa_err_msg(o->why) : "that was no message of it");
    if (o->first != NULL)
        scaleagent__v1__plugin_message__free_unpacked(o->first, NULL);
    o->first = NULL;
    sa_buf_free(&b);
}

static void exam_network(struct other *o)
{
    char url[400];
    struct sa_route_tls tls;
    bool six = strchr(o->target.host, ':') != NULL,
         named = o->c->tls_server_name != NULL && o->c->tls_server_name[0] != '\0';
    char to[700];
    snprintf(url, sizeof url, "%s://%s%s%s:%u", o->c->insecure ? "http" : "https", six ? "[" : "",
             o->target.host, six ? "]" : "", o->target.port);
    struct sa_route r = {
        .host = o->target.host,
        .port = o->target.port,
        .url = url,
        .name = named ? o->c->tls_server_name : o->target.host,
        .proxy = sa_endpoint_proxy_url(o->c),
        .tls = !o->c->insecure,
        .insecure = o->c->tls_insecure_skip_verify,
        .roots = o->roots,
        .pem = &o->pem,
        .trust_key = "clouddriver.tls.cacertFile",
        .port_key = "clouddriver.grpc",
        .refused_fix = " Where Clouddriver itself answers, scale-agent's plugin is not loaded in "
                       "it: look for \"scale-agent plugin\" in Clouddriver's log.",
        .plain_fix =
            "The other side speaks without TLS: set clouddriver.insecure to true if that is "
            "meant, or give the plugin a certificate. Is it the plugin's port (9091 by "
            "default)?",
    };
    if (named) { /* SNI by the URL's name, the connection by the target's */
        snprintf(to, sizeof to, "::%s%s%s:%u", six ? "[" : "", o->target.host, six ? "]" : "",
                 o->target.port);
        snprintf(url, sizeof url, "https://%s:%u", o->c->tls_server_name, o->target.port);
        r.connect_to = to;
    }
    if (!sa_route_walk(o->x, &r, &tls)) {
        sa_exam_skip_all(o->x, "without a connection nobody is asked", checks + 6);
        return;
    }
    if (tls.done && !tls.h2) {
        sa_exam_bad(o->x, SA_HEALTH_ERROR, "http",
                    "gRPC needs HTTP/2: let the load balancer or proxy before Clouddriver pass "
                    "HTTP/2 (gRPC) through.",
                    "the server does not offer HTTP/2 (ALPN h2)");
        sa_exam_skip_all(o->x, "gRPC needs HTTP/2", checks + 6);
        return;
    }
    exam_health(o);
    exam_plugin(o, &r, &tls);
}

static void on_log(void *arg, const struct sa_record *rec)
{
    if (rec->level <= SA_WARN)
        sa_exam_bad(arg, SA_HEALTH_WARNING, "credential", NULL, "%s", rec->msg);
}

static void clean(struct other *o)
{
    sa_secrets_free(&o->secrets);
    sa_pem_identity_free(&o->pem);
    X509_STORE_free(o->roots);
    if (o->token != NULL)
        sodium_memzero(o->token, strlen(o->token));
    free(o->token);
    sa_err_free(&o->why);
    sa_loop_free(o->loop);
}

void sa_exam_clouddriver(struct sa_exam *x, const struct sa_settings *s,
                         const struct sa_exam_users *u)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    struct other o = {.x = x, .settings = s, .c = &s->clouddriver, .serving = -1};
    sa_log_set_sink(on_log, x);
    if (o.c->grpc == NULL || o.c->grpc[0] == '\0') {
        sa_exam_bad(x, SA_HEALTH_ERROR, "configuration", "Set clouddriver.grpc to host:port.",
                    "clouddriver.grpc is not set");
        return;
    }
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !open_secrets(&o)) {
        clean(&o);
        return;
    }
    if (u->uplink != 0 && sa_drop_privileges(u->uplink, u->gid, &err) != 0)
        sa_exam_bad(x, SA_HEALTH_ERROR, "users", NULL, "%s", sa_err_msg(err));
    else if (sa_harden_self(&err) != 0 || (o.loop = sa_loop_new(&err)) == NULL)
        sa_exam_bad(x, SA_HEALTH_ERROR, "doctor", NULL, "%s", sa_err_msg(err));
    else if (parse_secrets(&o) && get_token(&o, &(struct sa_exam_users){0}))
        exam_network(&o);
    clean(&o);
}
