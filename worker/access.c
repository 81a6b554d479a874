/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/access.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "worker/plan.h"
#include "worker/reach.h"

static void title(const struct sa_resource *r, char *out, size_t n)
{
    snprintf(out, n, "%s.%s", r->plural, r->group);
}

bool sa_access_cluster_wide(const struct sa_worker *w, const struct sa_resource *r)
{
    char t[512];
    title(r, t, sizeof t);
    return sa_names_has(&w->cluster_wide, t);
}

static const struct sa_resource *next_unasked(const struct sa_worker *w)
{
    for (size_t i = 0; i < w->resources.n; i++) {
        const struct sa_resource *r = &w->resources.v[i];
        char t[512];
        title(r, t, sizeof t);
        if (r->wanted && r->namespaced && !sa_names_has(&w->cluster_wide, t) &&
            !sa_names_has(&w->narrow, t))
            return r;
    }
    return NULL;
}

static bool allowed(const struct sa_response *r)
{
    if (r->status != 201 || !r->body || !r->body->data)
        return false;
    cJSON *doc = cJSON_ParseWithLength(r->body->data, r->body->len);
    const cJSON *status = cJSON_GetObjectItemCaseSensitive(doc, "status");
    bool yes = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(status, "allowed"));
    cJSON_Delete(doc);
    return yes;
}

/* What the answer to this question decides is which scopes there are: without one, those that are
 * stored would be given up for others. */
static bool answered(const struct sa_response *r)
{
    return !r->error && r->status != 429 && r->status < 500 && r->status >= 200;
}

static void on_done(void *arg, const struct sa_response *r)
{
    struct sa_worker *w = arg;
    SA_CLEANUP(sa_freep) char *asked = w->access_to;
    w->access = NULL;
    w->access_to = NULL;
    if (!answered(r)) {
        sa_slot_error(w->slot, "asking for permissions: %s",
                      r->error ? sa_err_msg(r->error) : "the API server can't tell now");
        sa_log(SA_WARN, "%s", w->slot->last_error);
        sa_plan_failed(w);
        return;
    }
    /* Any refusal counts as a no: namespace by namespace is what the configuration says. */
    if (sa_names_add(allowed(r) ? &w->cluster_wide : &w->narrow, asked)) {
        sa_plan_ready(w);
        return;
    }
    sa_access_ask(w);
}

void sa_access_ask(struct sa_worker *w)
{
    const struct sa_resource *r = next_unasked(w);
    if (w->access)
        return;
    if (!r) {
        sa_plan_ready(w);
        return;
    }
    SA_CLEANUP(sa_buf_free) struct sa_buf body;
    sa_buf_init(&body, 8192);
    sa_buf_adds(&body, "{\"apiVersion\":\"authorization.k8s.io/v1\",\"kind\":"
                       "\"SelfSubjectAccessReview\",\"spec\":{\"resourceAttributes\":"
                       "{\"verb\":\"list\",\"group\":");
    sa_buf_add_json(&body, r->group);
    sa_buf_adds(&body, ",\"resource\":");
    sa_buf_add_json(&body, r->plural);
    sa_buf_adds(&body, "}}}");
    struct sa_request_options opt = {
        .method = "POST",
        .path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        .content_type = "application/json",
        .body = body.data,
        .body_n = body.len,
        .timeout_ns = sa_reach_limit(w, 30 * SA_NS_PER_S),
        .on_done = on_done,
        .arg = w,
    };
    struct sa_err *err = NULL;
    char t[512];
    title(r, t, sizeof t);
    w->access_to = strdup(t);
    w->access = body.failed || !w->access_to ? NULL : w->api.start(w->api.arg, &opt, &err);
    if (!w->access) {
        sa_freep(&w->access_to);
        sa_log(SA_WARN, "permissions can't be asked for: %s", sa_err_msg(err));
        sa_err_free(&err);
        sa_plan_ready(w);
    }
}

void sa_access_cancel(struct sa_worker *w)
{
    if (w->access)
        w->api.cancel(w->api.arg, w->access);
    w->access = NULL;
    sa_freep(&w->access_to);
}
