/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kubectl delete KIND NAME, or KIND -l LABELS: one after the other, then it waits until they are
 * gone (pkg/cmd/delete, pkg/cmd/wait). The body is a JSON array of the names.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/ops/pages.h"
#include "worker/scope.h"

#define LOOK_AGAIN_NS (500 * SA_NS_PER_MS) /* where a watch ended without news */
#define NAMES_MAX     ((size_t)4 << 20)

/* One that is to go: then its namespace and name follow, each with a NUL. */
struct goner {
    char uid[48];
    bool deleted, gone;
};

struct deletion {
    struct sa_op_pages pages; /* first */
    struct sa_buf list;       /* goners */
    size_t at;                /* of the one under way */
    struct sa_buf lines, errors;
    sa_op_code code; /* of the first error */
    struct sa_frame *watch;
    bool over; /* the watch has seen the end of it */
};

static const Scaleagent__V1__DeleteOperation *asked(const struct sa_op *op)
{
    return op->msg->delete_;
}

/* ---- the list ---- */

static struct goner *goner_at(const struct deletion *d, size_t at, const char **namespace,
                              const char **name)
{
    char *p = d->list.data + at;
    *namespace = p + sizeof(struct goner);
    *name = *namespace + strlen(*namespace) + 1;
    return (struct goner *)(void *)p;
}

static size_t after(const struct deletion *d, size_t at)
{
    const char *namespace, *name;
    goner_at(d, at, &namespace, &name);
    size_t end = (size_t)(name + strlen(name) + 1 - d->list.data);
    return (end + 15) & ~(size_t)15;
}

static int add(struct deletion *d, const char *namespace, const char *name)
{
    static const char padding[16];
    const struct goner one = {.deleted = false};
    sa_buf_add(&d->list, &one, sizeof one);
    sa_buf_add(&d->list, namespace, strlen(namespace) + 1);
    sa_buf_add(&d->list, name, strlen(name) + 1);
    sa_buf_add(&d->list, padding, ((d->list.len + 15) & ~(size_t)15) - d->list.len);
    return d->list.failed ? -1 : 0;
}

static int on_item(struct sa_op *op, const char *json, size_t n)
{
    struct sa_object o;
    const struct sa_scrub_options opt = {.metadata_only = true};
    if (sa_scrub(json, n, &opt, NULL, &o, NULL) == 0 && *o.name &&
        add(op->state, o.namespace, o.name) == 0)
        return 0;
    sa_op_fail(op, SA_OP(FAILED), "error: the objects to be deleted can't be listed");
    return -1;
}

static void on_not_listed(struct sa_op *op, const struct sa_response *r)
{
    sa_op_fail_list(op, r, &op->map, asked(op)->label_selector, "");
}

/* ---- the end ---- */

static void answer(struct sa_op *op)
{
    struct deletion *d = op->state;
    const char *namespace, *name;
    bool first = true;
    if (d->errors.len) {
        SA_CLEANUP(sa_buf_free) struct sa_buf errors = d->errors;
        sa_buf_init(&d->errors, 0);
        sa_op_fail(op, d->code, "%s", errors.data);
        return;
    }
    SA_CLEANUP(sa_buf_free) struct sa_buf body = {0};
    sa_buf_init(&body, 0);
    sa_buf_addc(&body, '[');
    for (size_t at = 0; at < d->list.len; at = after(d, at))
        if (goner_at(d, at, &namespace, &name)->deleted) {
            sa_buf_adds(&body, first ? "" : ",");
            sa_buf_add_json(&body, name);
            first = false;
        }
    sa_buf_addc(&body, ']');
    if (body.failed || sa_op_add(op, body.data, body.len))
        return;
    SA_CLEANUP(sa_buf_free) struct sa_buf lines = d->lines;
    sa_buf_init(&d->lines, 0);
    const char *none = *op->name ? "" : "No resources found"; /* of labels kubectl says so */
    sa_op_ok(op, "%s", first ? none : lines.data);
}

/* ---- waiting ---- */

static void wait_for_next(struct sa_op *op);
static void look(struct sa_op *op);

static void went(struct sa_op *op)
{
    struct deletion *d = op->state;
    const char *namespace, *name;
    struct goner *g = goner_at(d, d->at, &namespace, &name);
    g->gone = true;
    sa_op_deleted(op, &op->map, namespace, name, g->uid);
    wait_for_next(op);
}

static int on_event(void *arg, const char *json, size_t n, struct sa_err **err)
{
    struct deletion *d = ((struct sa_op *)arg)->state;
    enum sa_watch_type type;
    const char *object;
    size_t object_n;
    if (sa_watch_event(json, n, &type, &object, &object_n, err))
        return -1;
    d->over = d->over || type == SA_WATCH_DELETED;
    if (type == SA_WATCH_DELETED || type == SA_WATCH_ERROR)
        return sa_err_set(err, SA_EREFUSED, "enough was seen");
    return 0;
}

static int on_watch_data(struct sa_op *op, const void *p, size_t n, struct sa_err **err)
{
    struct deletion *d = op->state;
    return sa_frame_add(d->watch, p, n, err);
}

static void on_watched(struct sa_op *op, const struct sa_response *r)
{
    struct deletion *d = op->state;
    (void)r;
    if (d->over)
        went(op);
    else
        sa_op_after(op, LOOK_AGAIN_NS, look);
}

static void watch(struct sa_op *op, const char *namespace, const char *name, const char *version)
{
    struct deletion *d = op->state;
    SA_CLEANUP(sa_buf_free) struct sa_buf path = {0};
    SA_CLEANUP(sa_buf_free) struct sa_buf selector = {0};
    sa_buf_init(&path, 16384);
    sa_buf_init(&selector, 1024);
    sa_buf_addf(&selector, "metadata.name=%s", name);
    sa_mapping_path(&op->map, namespace, NULL, NULL, &path);
    sa_buf_adds(&path, "?watch=true");
    sa_query_add(&path, "fieldSelector", selector.failed ? "" : selector.data);
    sa_query_add(&path, "resourceVersion", version);
    sa_frame_free(d->watch);
    d->watch = sa_frame_watch(SA_OP_BODY_MAX, on_event, op);
    d->over = false;
    if (path.failed || selector.failed || !d->watch)
        sa_op_after(op, LOOK_AGAIN_NS, look);
    else
        sa_op_request_any(
            op,
            &(struct sa_op_request){.path = path.data, .unlimited = true, .on_data = on_watch_data},
            on_watched);
}

static void on_look(struct sa_op *op, const struct sa_response *r)
{
    struct deletion *d = op->state;
    const char *namespace, *name;
    const struct goner *g = goner_at(d, d->at, &namespace, &name);
    struct sa_object o;
    const struct sa_scrub_options opt = {.metadata_only = true};
    bool readable = r->status == 200 && !r->error && r->body->len &&
                    sa_scrub(r->body->data, r->body->len, &opt, NULL, &o, NULL) == 0;
    if (r->status == 404 || (readable && *g->uid && strcmp(o.uid, g->uid) != 0)) {
        went(op);
    } else if (r->status == 403 || r->status == 405) {
        answer(op); /* who may not look does not wait */
    } else if (readable) {
        sa_op_cache(op, &op->map, namespace, name, r->body->data, r->body->len);
        watch(op, namespace, name, o.resource_version);
    } else {
        sa_op_after(op, LOOK_AGAIN_NS, look);
    }
}

static void look(struct sa_op *op)
{
    struct deletion *d = op->state;
    SA_CLEANUP(sa_buf_free) struct sa_buf path = {0};
    const char *namespace, *name;
    goner_at(d, d->at, &namespace, &name);
    sa_buf_init(&path, 16384);
    sa_mapping_path(&op->map, namespace, name, NULL, &path);
    sa_op_request_any(op, &(struct sa_op_request){.path = path.data}, on_look);
}

static void wait_for_next(struct sa_op *op)
{
    struct deletion *d = op->state;
    const char *namespace, *name;
    for (d->at = 0; d->at < d->list.len; d->at = after(d, d->at)) {
        const struct goner *g = goner_at(d, d->at, &namespace, &name);
        if (g->deleted && !g->gone) {
            sa_op_changed(op, SA_OP(FAILED), "error: timed out waiting for the condition on %s/%s",
                          op->map.plural, name);
            look(op);
            return;
        }
    }
    answer(op);
}

static void all_deleted(struct sa_op *op)
{
    struct deletion *d = op->state;
    if (d->errors.len || !asked(op)->wait) {
        answer(op);
        return;
    }
    sa_op_lasts(op);
    wait_for_next(op);
}

/* ---- deleting ---- */

static void delete_next(struct sa_op *op);

static void line(struct sa_op *op, const char *namespace, const char *name)
{
    struct deletion *d = op->state;
    const struct sa_mapping *m = &op->map;
    const Scaleagent__V1__DeleteOperation *a = asked(op);
    bool force = a->grace_case == SCALEAGENT__V1__DELETE_OPERATION__GRACE_GRACE_PERIOD_SECONDS &&
                 a->grace_period_seconds == 0;
    if (d->lines.len)
        sa_buf_addc(&d->lines, '\n');
    for (const char *p = m->kind; *p; p++)
        sa_buf_addc(&d->lines, (char)tolower((unsigned char)*p));
    sa_buf_addf(&d->lines, "%s%s \"%s\" %s", *m->group ? "." : "", m->group, name,
                force ? "force deleted" : "deleted");
    if (*namespace)
        sa_buf_addf(&d->lines, " from %s namespace", namespace);
}

/* The server answers with a Status where it is gone, with the object where it still ends. */
static void deleted(struct sa_op *op, const struct sa_response *r)
{
    struct deletion *d = op->state;
    const char *namespace, *name;
    struct goner *g = goner_at(d, d->at, &namespace, &name);
    g->deleted = true;
    g->gone = sa_op_status_uid(r, g->uid, sizeof g->uid);
    line(op, namespace, name);
    if (g->gone) {
        sa_op_deleted(op, &op->map, namespace, name, g->uid);
    } else if (r->body->len) {
        struct sa_object o;
        const struct sa_scrub_options opt = {.metadata_only = true};
        if (sa_scrub(r->body->data, r->body->len, &opt, NULL, &o, NULL) == 0)
            memcpy(g->uid, o.uid, sizeof g->uid);
        sa_op_cache(op, &op->map, namespace, name, r->body->data, r->body->len);
    }
    if (*op->name)
        sa_op_note(op, g->uid, "");
}

static void on_deleted(struct sa_op *op, const struct sa_response *r)
{
    struct deletion *d = op->state;
    if (r->status >= 200 && r->status < 300) {
        deleted(op, r);
    } else if (r->status != 404 || !(asked(op)->ignore_not_found || !*op->name)) {
        if (!d->errors.len)
            d->code = sa_op_status_code(r->status, "");
        else
            sa_buf_addc(&d->errors, '\n');
        sa_op_status_words(r, NULL, &d->errors);
    }
    d->at = after(d, d->at);
    delete_next(op);
}

static int options(const struct sa_op *op, struct sa_buf *out)
{
    static const char *const policies[] = {"Background", "Background", "Foreground", "Orphan"};
    const Scaleagent__V1__DeleteOperation *m = asked(op);
    size_t policy = (size_t)m->cascade < 4 ? (size_t)m->cascade : 0;
    sa_buf_addf(out,
                "{\"kind\":\"DeleteOptions\",\"apiVersion\":\"v1\",\"propagationPolicy\":\"%s\"",
                policies[policy]);
    if (m->grace_case == SCALEAGENT__V1__DELETE_OPERATION__GRACE_GRACE_PERIOD_SECONDS)
        sa_buf_addf(out, ",\"gracePeriodSeconds\":%lld", (long long)m->grace_period_seconds);
    sa_buf_addc(out, '}');
    return out->failed ? -1 : 0;
}

static void delete_next(struct sa_op *op)
{
    struct deletion *d = op->state;
    SA_CLEANUP(sa_buf_free) struct sa_buf path = {0};
    SA_CLEANUP(sa_buf_free) struct sa_buf body = {0};
    const char *namespace, *name;
    if (d->at >= d->list.len) {
        all_deleted(op);
        return;
    }
    goner_at(d, d->at, &namespace, &name);
    sa_buf_init(&path, 16384);
    sa_buf_init(&body, 1024);
    if (sa_mapping_path(&op->map, namespace, name, NULL, &path) || options(op, &body)) {
        sa_op_fail(op, SA_OP(FAILED), "error: no memory");
        return;
    }
    sa_op_request(op,
                  &(struct sa_op_request){.method = "DELETE",
                                          .path = path.data,
                                          .content_type = "application/json",
                                          .body = body.data,
                                          .body_n = body.len},
                  on_deleted);
}

static void begin(struct sa_op *op)
{
    struct deletion *d = op->state;
    const Scaleagent__V1__DeleteOperation *m = asked(op);
    sa_buf_init(&d->list, NAMES_MAX);
    sa_buf_init(&d->lines, NAMES_MAX);
    sa_buf_init(&d->errors, 32 * 1024);
    if (*op->name && *m->label_selector) {
        sa_op_fail(op, SA_OP(INVALID),
                   "error: selectors and the all flag cannot be used when passing resource/name "
                   "arguments");
    } else if (*op->name) {
        if (add(d, op->namespace, op->name))
            sa_op_fail(op, SA_OP(FAILED), "error: no memory");
        else
            delete_next(op);
    } else if (!*m->label_selector) {
        sa_op_fail(op, SA_OP(INVALID),
                   "error: resource(s) were provided, but no name was specified");
    } else {
        d->pages.map = op->map;
        d->pages.namespace = op->namespace;
        d->pages.label_selector = m->label_selector;
        d->pages.item = on_item;
        d->pages.failed = on_not_listed;
        d->pages.done = delete_next;
        sa_op_pages_read(op);
    }
}

static void clear(struct sa_op *op)
{
    struct deletion *d = op->state;
    sa_op_pages_clear(&d->pages);
    sa_frame_free(d->watch);
    sa_buf_free(&d->list);
    sa_buf_free(&d->lines);
    sa_buf_free(&d->errors);
}

static const Scaleagent__V1__ObjectName *object(const struct sa_op *op)
{
    return asked(op)->object;
}

const struct sa_op_verb sa_op_delete = {.name = "delete",
                                        .state = sizeof(struct deletion),
                                        .object = object,
                                        .begin = begin,
                                        .clear = clear};
