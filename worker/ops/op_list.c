/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kubectl get KIND,KIND... -o json, and kubectl get event --field-selector involvedObject...: a
 * List of what is there. A kind that may not be read is empty, and the message says why: so
 * Clouddriver takes what kubectl prints beside the error.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "worker/ops/pages.h"

#define HEAD "{\"apiVersion\":\"v1\",\"items\":["
#define TAIL "],\"kind\":\"List\",\"metadata\":{\"resourceVersion\":\"\"}}"

struct listing {
    struct sa_op_pages pages; /* first */
    size_t kind;              /* of the message's */
    bool any;                 /* an object has been added */
    struct sa_buf forbidden;  /* what the server said of kinds that may not be read */
    char namespace[SA_MAP_LABEL];
    char *fields; /* field selector of events; owned */
};

static void next_kind(struct sa_op *op);

static int add(struct sa_op *op, const char *json, size_t n)
{
    struct listing *l = op->state;
    if (sa_op_add_item(op, &l->pages.map, json, n, !l->any))
        return -1;
    l->any = true;
    return 0;
}

static void end(struct sa_op *op)
{
    struct listing *l = op->state;
    if (sa_op_add(op, TAIL, sizeof TAIL - 1) == 0)
        sa_op_ok(op, "%s", l->forbidden.len ? l->forbidden.data : "");
}

static void kind_read(struct sa_op *op)
{
    struct listing *l = op->state;
    l->kind++;
    next_kind(op);
}

static void not_read(struct sa_op *op, const struct sa_response *r)
{
    struct listing *l = op->state;
    if (r->status != 403) {
        const char *labels = l->pages.label_selector, *fields = l->pages.field_selector;
        sa_op_fail_list(op, r, &l->pages.map, labels ? labels : "", fields ? fields : "");
        return;
    }
    if (l->forbidden.len)
        sa_buf_addc(&l->forbidden, '\n');
    sa_op_status_words(r, NULL, &l->forbidden);
    sa_log(SA_WARN, "an operation lists what this account may not read: %s",
           l->forbidden.failed ? "" : l->forbidden.data);
    kind_read(op);
}

static void read_kind(struct sa_op *op)
{
    struct listing *l = op->state;
    const Scaleagent__V1__ListOperation *m = op->msg->list;
    struct sa_mapping map;
    if (!sa_op_map(op, m->kinds[l->kind], &map, read_kind) || !sa_op_may_show(op, &map) ||
        !sa_op_segment(op, "namespace", m->namespace_))
        return;
    l->pages.map = map;
    sa_op_pages_read(op);
}

static void next_kind(struct sa_op *op)
{
    struct listing *l = op->state;
    if (l->kind < op->msg->list->n_kinds)
        read_kind(op);
    else
        end(op);
}

static int start(struct sa_op *op)
{
    struct listing *l = op->state;
    sa_buf_init(&l->forbidden, 32 * 1024);
    l->pages.item = add;
    l->pages.failed = not_read;
    return sa_op_add(op, HEAD, sizeof HEAD - 1);
}

static void begin_list(struct sa_op *op)
{
    struct listing *l = op->state;
    const Scaleagent__V1__ListOperation *m = op->msg->list;
    if (start(op))
        return;
    l->pages.namespace = m->namespace_;
    l->pages.label_selector = m->label_selector;
    l->pages.done = kind_read;
    if (m->n_kinds == 0)
        sa_op_fail(op, SA_OP(INVALID), "error: You must specify the type of resource to get");
    else
        next_kind(op);
}

static void clear(struct sa_op *op)
{
    struct listing *l = op->state;
    sa_op_pages_clear(&l->pages);
    sa_buf_free(&l->forbidden);
    free(l->fields);
}

const struct sa_op_verb sa_op_list = {.name = "list",
                                      .reads = true,
                                      .state = sizeof(struct listing),
                                      .begin = begin_list,
                                      .clear = clear};

/* ---- events ---- */

/* A kind that is not served any more may have events all the same: then it is taken as written. */
static void kind_of(const struct sa_op *op, const char *text, char *out, size_t size)
{
    struct sa_mapping map;
    if (sa_served_find(&op->w->resources.served, text, &map)) {
        snprintf(out, size, "%s", map.kind);
        return;
    }
    snprintf(out, size, "%.*s", (int)(strcspn(text, ".") % 256), text);
    out[0] = (char)toupper((unsigned char)out[0]);
}

static void read_events(struct sa_op *op)
{
    struct listing *l = op->state;
    struct sa_mapping map;
    if (!sa_op_map(op, "events.v1.", &map, read_events))
        return;
    l->pages.map = map;
    sa_op_pages_read(op);
}

static void begin_events(struct sa_op *op)
{
    struct listing *l = op->state;
    const Scaleagent__V1__ObjectName *o = op->msg->events->object;
    char kind[SA_MAP_NAME], *fields = NULL;
    if (start(op))
        return;
    if (!o || !*o->kind || !*o->name) {
        sa_op_fail(op, SA_OP(INVALID), "error: the object whose events are wanted is missing");
        return;
    }
    if (!sa_op_segment(op, "namespace", o->namespace_) ||
        !sa_op_segment(op, "resource name", o->name))
        return;
    kind_of(op, o->kind, kind, sizeof kind);
    if (asprintf(&fields, "involvedObject.name=%s,involvedObject.kind=%s", o->name, kind) < 0) {
        sa_op_fail(op, SA_OP(FAILED), "error: no memory");
        return;
    }
    l->fields = fields;
    snprintf(l->namespace, sizeof l->namespace, "%s",
             *o->namespace_      ? o->namespace_
             : *op->w->namespace ? op->w->namespace
                                 : "default");
    l->pages.namespace = l->namespace;
    l->pages.field_selector = l->fields;
    l->pages.done = end;
    read_events(op);
}

const struct sa_op_verb sa_op_events = {.name = "events",
                                        .reads = true,
                                        .state = sizeof(struct listing),
                                        .begin = begin_events,
                                        .clear = clear};
