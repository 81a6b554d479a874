/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/describe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/control.h"
#include "ipc/plan.h"
#include "worker/kinds.h"

#define ROW_MAX (sizeof(struct sa_plan_row) + 64) /* encoded */

struct description {
    uint32_t id, n, left_off; /* n: rows in the message being made */
    uint32_t total;
    struct sa_buf rows;
    sa_describe_cb *send;
    void *arg;
    int rc;
};

static void flush(struct description *d, bool last)
{
    SA_CLEANUP(sa_buf_free) struct sa_buf body = {0};
    sa_buf_init(&body, SA_CTL_MAX - 1);
    sa_wr_u32(&body, d->id);
    sa_wr_u8(&body, last);
    sa_wr_u32(&body, d->left_off);
    sa_wr_u32(&body, d->n);
    sa_buf_add(&body, d->rows.data, d->rows.len);
    if (d->rc == 0)
        d->rc = body.failed || d->rows.failed ? -1 : d->send(d->arg, &body);
    sa_buf_reset(&d->rows);
    d->n = 0;
}

static void add(struct description *d, const struct sa_plan_row *row)
{
    if (d->total == SA_PLAN_ROWS) {
        d->left_off++;
        return;
    }
    if (d->rows.len + ROW_MAX > SA_CTL_MAX - 64)
        flush(d, false);
    sa_plan_put(&d->rows, row);
    d->n++;
    d->total++;
}

static void cut(char out[static SA_PLAN_TEXT], const char *text)
{
    snprintf(out, SA_PLAN_TEXT, "%s", text ? text : "");
}

static void name(struct sa_plan_row *row, const struct sa_resource *r)
{
    cut(row->group, r->group);
    cut(row->version, r->version);
    cut(row->resource, r->plural);
    cut(row->kind, r->kind);
    row->namespaced = r->namespaced;
}

enum sa_plan_state sa_describe_state(const struct sa_scope *s)
{
    if (s->kept || s->absences > 0)
        return SA_PLAN_UNKNOWN;
    if (s->forbidden_ns)
        return SA_PLAN_FORBIDDEN;
    if (s->failing)
        return SA_PLAN_FAILING;
    if (s->in_step)
        return SA_PLAN_IN_STEP;
    if (s->follow == SA_FOLLOW_OFF)
        return SA_PLAN_WAITING;
    return s->follow == SA_FOLLOW_LIST || s->follow == SA_FOLLOW_INITIAL ? SA_PLAN_LISTING
                                                                         : SA_PLAN_FOLLOWED;
}

static void add_scope(struct description *d, const struct sa_scope *s)
{
    struct sa_plan_row row = {.state = sa_describe_state(s)};
    name(&row, &s->res);
    cut(row.namespace, s->namespace);
    row.objects = sa_table_scope_sum(s->w->table, s->id).count;
    if (row.state == SA_PLAN_FORBIDDEN)
        snprintf(row.why, sizeof row.why, "403 for %llu s%s",
                 (unsigned long long)((sa_mono_ns() - s->forbidden_ns) / SA_NS_PER_S),
                 s->evicted ? "; what was sent of it is withdrawn" : "");
    else if (row.state == SA_PLAN_UNKNOWN)
        cut(row.why, "not discovered now; what was sent of it stays until it is known to be gone");
    else if (row.state == SA_PLAN_FAILING)
        cut(row.why, "see the account's last error in status");
    else if (s->no_get_ns > sa_mono_ns())
        cut(row.why, "the role lacks get: what changed while it was not watched is read by lists");
    else if (s->made_up)
        cut(row.why, "made up from the configuration");
    add(d, &row);
}

static bool has_scope(const struct sa_worker *w, const struct sa_resource *r)
{
    for (size_t i = 0; i < w->n_scopes; i++)
        if (!w->scopes[i]->internal && strcmp(w->scopes[i]->res.group, r->group) == 0 &&
            strcmp(w->scopes[i]->res.plural, r->plural) == 0)
            return true;
    return false;
}

static void add_omitted(struct description *d, const struct sa_worker *w)
{
    for (size_t i = 0; i < w->resources.n; i++) {
        const struct sa_resource *r = &w->resources.v[i];
        const char *why = sa_kinds_omitted(&w->account, r);
        struct sa_plan_row row = {.state = SA_PLAN_OMITTED};
        if (!why && has_scope(w, r))
            continue;
        name(&row, r);
        cut(row.why, why ? why : "no namespace is left for it");
        add(d, &row);
    }
}

static void add_unserved(struct description *d, const struct sa_worker *w, const char *entry)
{
    struct sa_plan_row row = {.state = SA_PLAN_NOT_SERVED};
    for (size_t i = 0; i < w->resources.n; i++)
        if (sa_kinds_named(entry, &w->resources.v[i]))
            return;
    cut(row.kind, entry);
    cut(row.why, w->resources.unknown.n ? "or of a group that can't be discovered now" : "");
    add(d, &row);
}

static void add_unknown(struct description *d, const char *group)
{
    struct sa_plan_row row = {.state = SA_PLAN_UNKNOWN};
    cut(row.group, group);
    cut(row.resource, "*");
    cut(row.why, "the group can't be discovered now");
    add(d, &row);
}

int sa_describe(struct sa_worker *w, uint32_t id, sa_describe_cb *send, void *arg)
{
    struct description d = {.id = id, .send = send, .arg = arg};
    const struct sa_account *a = &w->account;
    sa_buf_init(&d.rows, SA_CTL_MAX);
    for (size_t i = 0; i < w->n_scopes; i++)
        if (!w->scopes[i]->internal)
            add_scope(&d, w->scopes[i]);
    for (size_t i = 0; w->planned && i < a->kinds.n; i++)
        add_unserved(&d, w, a->kinds.v[i]);
    for (size_t i = 0; w->planned && i < a->n_crds; i++)
        add_unserved(&d, w, a->crds[i].kind);
    for (size_t i = 0; i < w->resources.unknown.n; i++)
        add_unknown(&d, w->resources.unknown.v[i]);
    add_omitted(&d, w);
    flush(&d, true);
    sa_buf_free(&d.rows);
    return d.rc;
}
