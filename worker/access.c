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

enum answer { NO_ANSWER, YES, NO };

/* What the answer to this question decides is which scopes there are, for as long as the worker
 * lives: taken from anything but an answer to it, those that are stored would be given up for
 * others. */
static enum answer answer_of(const struct sa_response *r)
{
    if (r->error)
        return NO_ANSWER;
    if (r->status == 403) /* who may not even ask is given what the configuration says */
        return NO;
    if (r->status != 201 || !r->body || !r->body->data)
        return NO_ANSWER;
    cJSON *doc = cJSON_ParseWithLength(r->body->data, r->body->len);
    const cJSON *status = cJSON_GetObjectItemCaseSensitive(doc, "status");
    const cJSON *allowed = cJSON_GetObjectItemCaseSensitive(status, "allowed");
    enum answer a = cJSON_IsTrue(allowed) ? YES : cJSON_IsFalse(allowed) ? NO : NO_ANSWER;
    cJSON_Delete(doc);
    return a;
}

static void on_done(void *arg, const struct sa_response *r)
{
    struct sa_worker *w = arg;
    SA_CLEANUP(sa_freep) char *asked = w->access_to;
    w->access = NULL;
    w->access_to = NULL;
    enum answer a = answer_of(r);
    if (a == NO_ANSWER) {
        if (r->error)
            sa_slot_error(w->slot, "asking for permissions: %s", sa_err_msg(r->error));
        else
            sa_slot_error(w->slot, "asking for permissions: HTTP %d, and no answer", r->status);
        sa_log(SA_WARN, "%s", w->slot->last_error);
        sa_plan_failed(w);
        return;
    }
    if (sa_names_add(a == YES ? &w->cluster_wide : &w->narrow, asked)) {
        sa_plan_failed(w);
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
    SA_CLEANUP(sa_buf_free) struct sa_buf body = {0};
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
        sa_plan_failed(w);
    }
}

void sa_access_cancel(struct sa_worker *w)
{
    if (w->access)
        w->api.cancel(w->api.arg, w->access);
    w->access = NULL;
    sa_freep(&w->access_to);
}
