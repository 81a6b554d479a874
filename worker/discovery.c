/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Discovery, one request after the other: /api, /apis, whatever the older form leaves to be asked,
 * and the names of the CustomResourceDefinitions, which tell custom resources from others.
 */
#include "worker/discovery.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "worker/plan.h"
#include "worker/reach.h"
#include "worker/scope.h"
#include "worker/step.h"

#define MAX_BODY   (16u * 1024u * 1024u)
#define TIMEOUT_NS (60 * SA_NS_PER_S)
#define MAX_CRDS   50000u
#define CRD_OBJECT (4u * 1024u * 1024u)

enum step { CORE, GROUPS, VERSIONS, DEFINITIONS };

struct sa_discovery {
    struct sa_worker *w;
    bool running, again;
    unsigned failures; /* in a row */
    enum step step;
    struct sa_request *req;
    struct sa_resources found;
    struct sa_group_versions more;
    size_t next; /* of more */
    /* definitions */
    struct sa_frame *frame;
    struct sa_strings names;
    char *token;
};

struct sa_discovery *sa_discovery_new(struct sa_worker *w)
{
    struct sa_discovery *d = calloc(1, sizeof *d);
    if (d)
        d->w = w;
    return d;
}

static void reset(struct sa_discovery *d)
{
    sa_resources_free(&d->found);
    sa_group_versions_free(&d->more);
    sa_names_clear(&d->names);
    sa_frame_free(d->frame);
    free(d->token);
    d->frame = NULL;
    d->token = NULL;
    d->next = 0;
    d->running = false;
}

void sa_discovery_free(struct sa_discovery *d)
{
    if (!d)
        return;
    if (d->req)
        d->w->api.cancel(d->w->api.arg, d->req);
    reset(d);
    free(d);
}

bool sa_discovery_running(const struct sa_discovery *d)
{
    return d->running;
}

static void on_done(void *arg, const struct sa_response *r);

static void failed(struct sa_discovery *d, const char *what, const struct sa_response *r,
                   const struct sa_err *err)
{
    struct sa_worker *w = d->w;
    struct sa_err *own = NULL;
    if (!err && r && !sa_response_error(r, what, &own))
        sa_err_set(&own, SA_EPROTOCOL, "%s: HTTP %d", what, r->status);
    if (own)
        sa_slot_error(w->slot, "discovery: %s", sa_err_msg(own));
    else
        sa_slot_error(w->slot, "discovery: %s: %s", what, sa_err_msg(err));
    if (d->failures++ % 16 == 0)
        sa_log(SA_WARN, "%s; it is tried again every few seconds", w->slot->last_error);
    sa_err_free(&own);
    reset(d);
    sa_plan_failed(w);
}

static void finished(struct sa_discovery *d, bool names_known)
{
    struct sa_resources found = d->found;
    d->found = (struct sa_resources){0};
    size_t missing = sa_resources_mark_custom(&found, names_known ? &d->names : NULL);
    sa_served_fit(&found.served);
    reset(d);
    d->failures = 0;
    sa_plan_discovered(d->w, &found, missing);
    sa_resources_free(&found);
    if (d->again) {
        d->again = false;
        sa_discovery_start(d);
    }
}

static int start(struct sa_discovery *d, const struct sa_request_options *opt)
{
    struct sa_err *err = NULL;
    struct sa_request_options o = *opt;
    o.timeout_ns = d->step == DEFINITIONS ? TIMEOUT_NS : sa_reach_limit(d->w, TIMEOUT_NS);
    o.max_body = MAX_BODY;
    o.on_done = on_done;
    o.arg = d;
    d->req = d->w->api.start(d->w->api.arg, &o, &err);
    if (d->req)
        return 0;
    failed(d, opt->path, NULL, err);
    sa_err_free(&err);
    return -1;
}

static int on_definition(void *arg, const char *json, size_t n, struct sa_err **err)
{
    struct sa_discovery *d = arg;
    struct sa_object o;
    const struct sa_scrub_options opt = {.metadata_only = true};
    if (sa_scrub(json, n, &opt, NULL, &o, err))
        return -1;
    if (d->names.n >= MAX_CRDS)
        return sa_err_set(err, SA_ELIMIT, "more than %u CustomResourceDefinitions", MAX_CRDS);
    if (sa_names_add(&d->names, o.name))
        return sa_err_set(err, SA_EMEMORY, "no memory for the definitions' names");
    return 0;
}

static int on_definitions_meta(void *arg, const char *json, size_t n, struct sa_err **err)
{
    struct sa_discovery *d = arg;
    struct sa_list_meta meta;
    if (sa_list_meta_parse(json, n, &meta, err))
        return -1;
    free(d->token);
    d->token = meta.continue_token;
    return 0;
}

static int on_definitions_data(void *arg, const void *p, size_t n, struct sa_err **err)
{
    return sa_frame_add(((struct sa_discovery *)arg)->frame, p, n, err);
}

static void ask_definitions(struct sa_discovery *d)
{
    const struct sa_resource *crd =
        sa_resources_find(&d->found, "apiextensions.k8s.io", "customresourcedefinitions");
    if (!crd || d->w->account.only_namespaced_resources) {
        finished(d, false);
        return;
    }
    SA_CLEANUP(sa_buf_free) struct sa_buf path = {0};
    sa_buf_init(&path, 64 * 1024);
    sa_buf_addf(&path, "/apis/%s/%s/%s?limit=500", crd->group, crd->version, crd->plural);
    if (d->token) {
        sa_buf_adds(&path, "&continue=");
        sa_url_add(&path, d->token);
    }
    d->step = DEFINITIONS;
    sa_frame_free(d->frame);
    d->frame = sa_frame_list(CRD_OBJECT, on_definition, on_definitions_meta, d);
    if (!d->frame || path.failed) {
        failed(d, "CustomResourceDefinitions", NULL, NULL);
        return;
    }
    start(d, &(struct sa_request_options){.path = path.data,
                                          .accept = SA_ACCEPT_METADATA_LIST,
                                          .on_data = on_definitions_data});
}

static void ask_version(struct sa_discovery *d)
{
    if (d->next >= d->more.n) {
        ask_definitions(d);
        return;
    }
    const struct sa_group_version *v = &d->more.v[d->next];
    SA_CLEANUP(sa_buf_free) struct sa_buf path = {0};
    sa_buf_init(&path, 8192);
    sa_buf_adds(&path, *v->group ? "/apis/" : "/api");
    sa_url_add(&path, v->group);
    sa_buf_addc(&path, '/');
    sa_url_add(&path, v->version);
    d->step = VERSIONS;
    if (path.failed)
        failed(d, v->group, NULL, NULL);
    else
        start(d, &(struct sa_request_options){.path = path.data});
}

/* One group that can't be read is unknown; the others are read on. */
static void version_read(struct sa_discovery *d, const struct sa_response *r)
{
    const struct sa_group_version *v = &d->more.v[d->next++];
    struct sa_err *err = NULL;
    bool ok = r->status == 200 && !r->error && r->body &&
              sa_discovery_parse_version(r->body->data ? r->body->data : "", r->body->len, v->group,
                                         v->version, &d->found, &err) == 0;
    if (!ok) {
        sa_log(SA_INFO, "API group %s/%s can't be read now (%s)", v->group, v->version,
               err        ? sa_err_msg(err)
               : r->error ? sa_err_msg(r->error)
                          : "HTTP error");
        sa_resources_add_unknown(&d->found, v->group, NULL);
    }
    sa_err_free(&err);
    ask_version(d);
}

static void groups_read(struct sa_discovery *d, const struct sa_response *r)
{
    struct sa_err *err = NULL;
    const char *path = d->step == CORE ? "/api" : "/apis";
    if (r->status != 200 || r->error || !r->body ||
        sa_discovery_parse(r->body->data ? r->body->data : "", r->body->len, &d->found, &d->more,
                           &err)) {
        failed(d, path, r, err);
        sa_err_free(&err);
        return;
    }
    if (d->step == GROUPS && d->found.n + d->more.n == 0) {
        /* An answer that takes everything away is no answer. */
        sa_err_set(&err, SA_EPROTOCOL, "the server names no resource at all");
        failed(d, path, r, err);
        sa_err_free(&err);
    } else if (d->step == CORE) {
        d->step = GROUPS;
        start(d, &(struct sa_request_options){.path = "/apis", .accept = SA_DISCOVERY_ACCEPT});
    } else {
        ask_version(d);
    }
}

static void definitions_read(struct sa_discovery *d, const struct sa_response *r)
{
    struct sa_err *err = NULL;
    if (r->status == 403) {
        finished(d, false);
    } else if (r->status != 200 || r->error || sa_frame_end(d->frame, &err)) {
        failed(d, "CustomResourceDefinitions", r, err);
        sa_err_free(&err);
    } else if (d->token) {
        ask_definitions(d);
    } else {
        finished(d, true);
    }
}

static void on_done(void *arg, const struct sa_response *r)
{
    struct sa_discovery *d = arg;
    d->req = NULL;
    if (d->step == VERSIONS)
        version_read(d, r);
    else if (d->step == DEFINITIONS)
        definitions_read(d, r);
    else
        groups_read(d, r);
}

void sa_discovery_start(struct sa_discovery *d)
{
    if (d->running) {
        d->again = true;
        return;
    }
    reset(d);
    d->running = true;
    d->w->definitions_changed = false;
    d->step = CORE;
    start(d, &(struct sa_request_options){.path = "/api", .accept = SA_DISCOVERY_ACCEPT});
}
