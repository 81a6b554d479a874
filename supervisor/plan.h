/* SPDX-License-Identifier: Apache-2.0 */
/* discover: what an account follows, as its worker says. */
#ifndef SA_SUPERVISOR_PLAN_H
#define SA_SUPERVISOR_PLAN_H

#include "ipc/msg.h"

struct sa_client;
struct sa_proc;
struct sa_supervisor;

/* Asks the account's worker for the client, who gets a row a line and, last, {account, state,
 * last_error, left_off}. */
void sa_plan_ask(struct sa_supervisor *sup, struct sa_client *client, const char *account);
/* SA_CTL_PLAN of a worker; -1: malformed, the worker is ended. */
int sa_plan_message(struct sa_proc *p, struct sa_rd *body);

#endif
