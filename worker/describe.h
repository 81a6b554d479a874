/* SPDX-License-Identifier: Apache-2.0 */
/* What the account follows and what not, told to whoever asks. */
#ifndef SA_WORKER_DESCRIBE_H
#define SA_WORKER_DESCRIBE_H

#include "ipc/plan.h"
#include "worker/state.h"

/* How a scope is. */
enum sa_plan_state sa_describe_state(const struct sa_scope *s);

/* body is that of one SA_CTL_PLAN message (ipc/control.h), borrowed. -1 ends it. */
typedef int sa_describe_cb(void *arg, const struct sa_buf *body);
/* Answers question id: scopes first, then configured kinds that are not served, groups that can't
 * be discovered, and what is omitted, so that of too many rows these are the ones left off. Bounded
 * by ipc/plan.h. */
int sa_describe(struct sa_worker *w, uint32_t id, sa_describe_cb *send, void *arg);

#endif
