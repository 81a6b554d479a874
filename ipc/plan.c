/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/plan.h"

const char *sa_plan_state_name(enum sa_plan_state s)
{
    static const char *const names[] = {
#define X(sym, name) name,
        SA_PLAN_STATE_TABLE(X)
#undef X
    };
    return s < SA_PLAN_STATE_COUNT ? names[s] : "unknown";
}

void sa_plan_put(struct sa_buf *b, const struct sa_plan_row *row)
{
    sa_wr_str(b, row->group);
    sa_wr_str(b, row->version);
    sa_wr_str(b, row->resource);
    sa_wr_str(b, row->kind);
    sa_wr_str(b, row->namespace);
    sa_wr_str(b, row->why);
    sa_wr_u8(b, row->namespaced);
    sa_wr_u8(b, (uint8_t)row->state);
    sa_wr_u64(b, row->objects);
}

void sa_plan_get(struct sa_rd *rd, struct sa_plan_row *row)
{
    sa_rd_str(rd, row->group, sizeof row->group);
    sa_rd_str(rd, row->version, sizeof row->version);
    sa_rd_str(rd, row->resource, sizeof row->resource);
    sa_rd_str(rd, row->kind, sizeof row->kind);
    sa_rd_str(rd, row->namespace, sizeof row->namespace);
    sa_rd_str(rd, row->why, sizeof row->why);
    row->namespaced = sa_rd_u8(rd) != 0;
    uint8_t state = sa_rd_u8(rd);
    if (state >= SA_PLAN_STATE_COUNT)
        rd->failed = true;
    else
        row->state = (enum sa_plan_state)state;
    row->objects = sa_rd_u64(rd);
}
