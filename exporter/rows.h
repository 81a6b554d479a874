/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of the status page's table, and which of them changed. Pure. */
#ifndef SA_EXPORTER_ROWS_H
#define SA_EXPORTER_ROWS_H

#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

#include "base/buf.h"
#include "base/hash.h"

/* What was said of each account last, in the order of `status`. */
struct sa_rows {
    struct sa_hash128 *names, *rows;
    size_t n;
};

/* What a status has that the one before had not, as JSON texts. */
struct sa_rows_change {
    struct sa_buf all;  /* an array of every row */
    struct sa_buf some; /* an array of the rows that changed; empty if there are none */
    bool others;        /* the accounts are not the same ones: only `all` says it */
};

void sa_rows_change_init(struct sa_rows_change *c, size_t max);
void sa_rows_change_free(struct sa_rows_change *c);
/* Compares status with what r holds, and makes it the last one. -1 for lack of memory: then the
 * next call finds everything changed. A row is an array; page/page.js (FIELDS) names its members.
 */
int sa_rows_update(struct sa_rows *r, const cJSON *status, struct sa_rows_change *out);
void sa_rows_free(struct sa_rows *r);

/* {"agent_id","version","sink","uplink","plugin","valid"}: the head of the page. */
void sa_rows_agent(const cJSON *status, struct sa_buf *out);
/* The account's object of `status`; false if there is none of that name. */
bool sa_rows_account(const cJSON *status, const char *name, struct sa_buf *out);

#endif
