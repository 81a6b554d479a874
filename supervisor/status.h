/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent shows of itself: `status` of the control socket, and what the exporter is given.
 */
#ifndef SA_SUPERVISOR_STATUS_H
#define SA_SUPERVISOR_STATUS_H

#include "base/buf.h"
#include "config/reader.h"
#include "supervisor/account.h"
#include "supervisor/jsonw.h"

#define SA_STATUS_MAX ((size_t)64 << 20)

struct sa_supervisor;

/* {"agent":{...},"accounts":[...]}, without a line end. Everything in it was measured before:
 * nothing is waited for. */
void sa_status_build(struct sa_supervisor *sup, struct sa_buf *out);
/* The same, with the details of the account of this name ("" none). */
void sa_status_build_with(struct sa_supervisor *sup, const char *account, struct sa_buf *out);
/* One account's object; detailed: with its scopes, its last changes and operations. */
void sa_status_account(struct sa_jsonw *j, const struct sa_acct *a, bool detailed);
/* "problems":[...], at most 200 of them, and "problems_total". */
void sa_status_problems(struct sa_jsonw *j, const struct sa_problems *p);

#endif
