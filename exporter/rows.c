/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/rows.h"

#include <stdlib.h>
#include <string.h>

#include "exporter/field.h"

static void add_number(struct sa_buf *b, const cJSON *object, const char *name)
{
    sa_buf_addf(b, ",%.0f", sa_field_number(object, name));
}

static void add_text(struct sa_buf *b, const cJSON *object, const char *name)
{
    sa_buf_addc(b, ',');
    sa_buf_add_json(b, sa_field_text(object, name));
}

static void add_row(struct sa_buf *b, const cJSON *account)
{
    static const char *const numbers[] = {
        "objects",  "watches", "lag_microseconds", "events_total",
        "restarts", "scopes",  "scopes_in_step",
    };

    sa_buf_addc(b, '[');
    sa_buf_add_json(b, sa_field_text(account, "name"));
    add_text(b, account, "state");
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        add_number(b, account, numbers[i]);
    add_text(b, account, "last_error");
    add_text(b, account, "server");
    add_text(b, account, "version");
    sa_buf_addc(b, ']');
}

static bool equal(struct sa_hash128 a, struct sa_hash128 b)
{
    return a.a == b.a && a.b == b.b;
}

static void forget(struct sa_rows *r)
{
    sa_rows_free(r);
    *r = (struct sa_rows){0};
}

/* Places for n accounts; other accounts than before if their number is another. */
static int make_room(struct sa_rows *r, size_t n, struct sa_rows_change *out)
{
    if (r->n == n && r->names && r->rows)
        return 0;
    forget(r);
    out->others = true;
    r->names = calloc(n + 1, sizeof(*r->names));
    r->rows = calloc(n + 1, sizeof(*r->rows));
    r->n = n;
    return r->names && r->rows ? 0 : -1;
}

static void update_row(struct sa_rows *r, size_t i, const cJSON *account,
                       struct sa_rows_change *out)
{
    const char *name = sa_field_text(account, "name");
    struct sa_hash128 name_hash = sa_hash128(name, strlen(name)), row_hash;
    size_t from;

    if (out->all.len > 1)
        sa_buf_addc(&out->all, ',');
    from = out->all.len;
    add_row(&out->all, account);
    if (out->all.failed)
        return;
    row_hash = sa_hash128(out->all.data + from, out->all.len - from);
    if (!equal(name_hash, r->names[i]))
        out->others = true;
    if (!equal(row_hash, r->rows[i])) {
        sa_buf_addc(&out->some, out->some.len ? ',' : '[');
        sa_buf_add(&out->some, out->all.data + from, out->all.len - from);
    }
    r->names[i] = name_hash;
    r->rows[i] = row_hash;
}

int sa_rows_update(struct sa_rows *r, const cJSON *status, struct sa_rows_change *out)
{
    const cJSON *accounts = sa_field(status, "accounts"), *a;
    size_t i = 0;

    if (make_room(r, (size_t)cJSON_GetArraySize(accounts), out) < 0) {
        forget(r);
        return -1;
    }
    sa_buf_addc(&out->all, '[');
    cJSON_ArrayForEach(a, accounts) update_row(r, i++, a, out);
    sa_buf_addc(&out->all, ']');
    if (out->some.len)
        sa_buf_addc(&out->some, ']');
    if (!out->all.failed && !out->some.failed)
        return 0;
    forget(r);
    return -1;
}

void sa_rows_free(struct sa_rows *r)
{
    free(r->names);
    free(r->rows);
}

void sa_rows_change_init(struct sa_rows_change *c, size_t max)
{
    *c = (struct sa_rows_change){0};
    sa_buf_init(&c->all, max);
    sa_buf_init(&c->some, max);
}

void sa_rows_change_free(struct sa_rows_change *c)
{
    sa_buf_free(&c->all);
    sa_buf_free(&c->some);
}

void sa_rows_agent(const cJSON *status, struct sa_buf *out)
{
    const cJSON *agent = sa_field(status, "agent"), *uplink = sa_field(agent, "uplink");

    sa_buf_adds(out, "{\"agent_id\":");
    sa_buf_add_json(out, sa_field_text(agent, "agent_id"));
    sa_buf_adds(out, ",\"version\":");
    sa_buf_add_json(out, sa_field_text(agent, "version"));
    sa_buf_adds(out, ",\"sink\":");
    sa_buf_add_json(out, sa_field_text(agent, "sink"));
    sa_buf_adds(out, ",\"uplink\":");
    sa_buf_add_json(out, sa_field_text(uplink, "state"));
    sa_buf_adds(out, ",\"plugin\":");
    sa_buf_add_json(out, sa_field_text(uplink, "version"));
    sa_buf_addf(out, ",\"valid\":%s}",
                cJSON_IsTrue(sa_field(sa_field(agent, "config"), "valid")) ? "true" : "false");
}

bool sa_rows_account(const cJSON *status, const char *name, struct sa_buf *out)
{
    const cJSON *a;

    cJSON_ArrayForEach(a, sa_field(status, "accounts"))
    {
        char *printed;

        if (strcmp(sa_field_text(a, "name"), name) != 0)
            continue;
        printed = cJSON_PrintUnformatted(a);
        sa_buf_adds(out, printed ? printed : "{}");
        cJSON_free(printed);
        return true;
    }
    return false;
}
