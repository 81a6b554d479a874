/* SPDX-License-Identifier: Apache-2.0 */
/* discover: a worker is asked what its account follows, and its answer goes to the client. */
#include "supervisor/plan.h"

#include "base/log.h"
#include "ipc/plan.h"
#include "supervisor/control.h"
#include "supervisor/jsonw.h"
#include "supervisor/root.h"

void sa_plan_ask(struct sa_supervisor *sup, struct sa_client *client, const char *account)
{
    struct sa_proc *worker = sa_verb_worker(sup, client, account);
    SA_CLEANUP(sa_buf_free) struct sa_buf body = {0};

    sa_buf_init(&body, 16);
    if (!worker)
        return;
    sa_wr_u32(&body, ++sup->plan_id);
    sa_client_await_plan(client, worker, sup->plan_id);
    sa_proc_send(worker, SA_CTL_PLAN_WANT, &body);
}

static void put_row(struct sa_buf *out, const struct sa_plan_row *row)
{
    struct sa_jsonw j = sa_jsonw(out);

    sa_jsonw_open(&j, NULL, '{');
    sa_jsonw_text(&j, "group", row->group);
    sa_jsonw_text(&j, "version", row->version);
    sa_jsonw_text(&j, "resource", row->resource);
    sa_jsonw_text(&j, "kind", row->kind);
    sa_jsonw_bool(&j, "namespaced", row->namespaced);
    sa_jsonw_text(&j, "namespace", row->namespace);
    sa_jsonw_text(&j, "state", sa_plan_state_name(row->state));
    sa_jsonw_number(&j, "objects", row->objects);
    sa_jsonw_text(&j, "why", row->why);
    sa_jsonw_close(&j, '}');
    sa_buf_addc(out, '\n');
}

static void put_end(struct sa_buf *out, struct sa_proc *p, uint32_t left_off)
{
    struct sa_jsonw j = sa_jsonw(out);
    struct sa_slot seen;

    sa_slot_read(p->slot, &seen);
    sa_jsonw_open(&j, NULL, '{');
    sa_jsonw_text(&j, "account", p->account);
    sa_jsonw_text(&j, "state", sa_state_name(sa_acct_state(p->owner, &seen)));
    sa_jsonw_text(&j, "last_error", seen.last_error);
    sa_jsonw_number(&j, "left_off", left_off);
    sa_jsonw_close(&j, '}');
    sa_buf_addc(out, '\n');
}

/* The client may have gone meanwhile: then the rows are checked all the same. */
int sa_plan_message(struct sa_proc *p, struct sa_rd *rd)
{
    uint32_t id = sa_rd_u32(rd);
    bool last = sa_rd_u8(rd) != 0;
    uint32_t left_off = sa_rd_u32(rd), n = sa_rd_u32(rd);
    struct sa_client *client = sa_control_awaits_plan(p->sup->control, p, id);
    struct sa_plan_row row;

    if (n > SA_PLAN_ROWS || (client && !sa_client_count_rows(client, n)))
        return -1;
    for (uint32_t i = 0; i < n && !rd->failed; i++) {
        sa_plan_get(rd, &row);
        if (client && !rd->failed)
            put_row(sa_client_out(client), &row);
    }
    if (!sa_rd_done(rd))
        return -1;
    if (client && last) {
        put_end(sa_client_out(client), p, left_off);
        sa_client_ok(client);
        sa_client_goes_on(client);
    }
    return 0;
}
