/* SPDX-License-Identifier: Apache-2.0 */
/* Reaches the API server for the first time: its version, and the cluster's identity. */
#include "worker/open.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "worker/ops/engine.h"
#include "worker/reach.h"
#include "worker/step.h"

#define TIMEOUT_NS  (30 * SA_NS_PER_S)
#define LONGEST_NS  (60 * SA_NS_PER_S) /* wait after an answer that is of no use */
#define KUBE_SYSTEM "/api/v1/namespaces/kube-system"

static void on_done(void *arg, const struct sa_response *r);

/* What whoever reads the error may look at; a first connection fails by a wrong kubeconfig. */
static const char *advice(enum sa_code code)
{
    switch (code) {
    case SA_ETLS:
        return "; check server and certificate-authority of the kubeconfig, and what is between";
    case SA_EAUTH:
        return "; the kubeconfig's credential is not accepted, put a new one there";
    case SA_ENETWORK:
        return "; check server of the kubeconfig, and what is between";
    case SA_EPROTOCOL:
        return "; is server of the kubeconfig a Kubernetes API server?";
    default:
        return "";
    }
}

static void again(struct sa_worker *w, const struct sa_err *err)
{
    w->open_backoff.max_ns = sa_reach_failed(err) ? sa_reach_longest_ns(w) : LONGEST_NS;
    uint64_t wait = sa_backoff_next(&w->open_backoff);
    const char *more = advice(err ? err->code : SA_EMEMORY);
    int room = (int)(sizeof w->slot->last_error - 1 - strlen(more));
    SA_CLEANUP(sa_buf_free) struct sa_buf text = {0};
    sa_buf_init(&text, 4096);
    sa_buf_addf(&text, "connecting to the API server: %s", sa_err_msg(err));
    sa_slot_error(w->slot, "%.*s%s", room, text.failed ? "" : text.data, more);
    if (w->open_backoff.failures == 1 || w->open_backoff.failures % 16 == 0)
        sa_log(SA_WARN, "%s; next try in %.1f s", w->slot->last_error, (double)wait / 1e9);
    w->open_ns = sa_mono_ns() + wait;
    sa_worker_wake_at(w, w->open_ns);
    sa_ops_discovered(w->ops, true);
}

static void ask(struct sa_worker *w, const char *path, const char *accept)
{
    struct sa_err *err = NULL;
    struct sa_request_options opt = {
        .path = path,
        .accept = accept,
        .timeout_ns = sa_reach_limit(w, TIMEOUT_NS),
        .on_done = on_done,
        .arg = w,
    };
    w->opening = w->api.start(w->api.arg, &opt, &err);
    if (!w->opening)
        again(w, err);
    sa_err_free(&err);
}

/* An error where the request failed, by whatever: it names server and path. */
static int check(const struct sa_worker *w, const struct sa_response *r, const char *path,
                 struct sa_err **err)
{
    char what[200];
    if (r->error)
        return sa_err_set(err, r->error->code, "%s", r->error->msg);
    snprintf(what, sizeof what, "GET %s%s", w->http ? sa_http_server(w->http) : "", path);
    if (sa_response_error(r, what, err))
        return -1;
    if (r->status != 200 || !r->body || !r->body->data)
        return sa_err_set(err, SA_EPROTOCOL, "%s: the answer is empty", what);
    return 0;
}

static int read_version(struct sa_worker *w, const struct sa_response *r, struct sa_err **err)
{
    if (r->status == 403) /* not everybody may read it, and nothing depends on it */
        return 0;
    if (check(w, r, "/version", err))
        return -1;
    cJSON *doc = cJSON_ParseWithLength(r->body->data, r->body->len);
    const char *v = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(doc, "gitVersion"));
    snprintf(w->version, sizeof w->version, "%s", v ? v : "");
    cJSON_Delete(doc);
    return *w->version
               ? 0
               : sa_err_set(err, SA_EPROTOCOL, "the answer to GET /version has no gitVersion");
}

static int read_cluster(struct sa_worker *w, const struct sa_response *r, struct sa_err **err)
{
    struct sa_object o;
    const struct sa_scrub_options opt = {.metadata_only = true};
    if (r->status == 403 || r->status == 404)
        return 0;
    if (check(w, r, KUBE_SYSTEM, err))
        return -1;
    if (sa_scrub(r->body->data, r->body->len, &opt, NULL, &o, err))
        return sa_err_wrap(err, "the answer to GET %s", KUBE_SYSTEM);
    snprintf(w->cluster, sizeof w->cluster, "%s", o.uid);
    return 0;
}

static void on_done(void *arg, const struct sa_response *r)
{
    struct sa_worker *w = arg;
    struct sa_err *err = NULL;
    w->opening = NULL;
    if (!w->version_known) {
        if (read_version(w, r, &err)) {
            again(w, err);
            sa_err_free(&err);
            return;
        }
        w->version_known = true;
        ask(w, KUBE_SYSTEM, SA_ACCEPT_METADATA);
        return;
    }
    if (read_cluster(w, r, &err)) {
        again(w, err);
        sa_err_free(&err);
        return;
    }
    w->reached = true;
    w->open_ns = 0;
    sa_slot_set_text(w->slot->version, sizeof w->slot->version, w->version);
    sa_slot_set_text(w->slot->cluster, sizeof w->slot->cluster, w->cluster);
    if (w->http)
        sa_slot_set_text(w->slot->server, sizeof w->slot->server, sa_http_server(w->http));
    sa_log(SA_INFO, "connected to Kubernetes %s", w->version[0] ? w->version : "(unknown version)");
    sa_discovery_start(w->discovery);
    w->pump = true;
}

void sa_open_step(struct sa_worker *w)
{
    if (w->reached || w->opening || !w->open_ns)
        return;
    if (sa_mono_ns() < w->open_ns) {
        sa_worker_wake_at(w, w->open_ns);
        return;
    }
    ask(w, w->version_known ? KUBE_SYSTEM : "/version",
        w->version_known ? SA_ACCEPT_METADATA : NULL);
}

void sa_open_cancel(struct sa_worker *w)
{
    if (w->opening)
        w->api.cancel(w->api.arg, w->opening);
    w->opening = NULL;
}
