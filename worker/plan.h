/* SPDX-License-Identifier: Apache-2.0 */
/* From what was discovered and configured to the account's scopes. */
#ifndef SA_WORKER_PLAN_H
#define SA_WORKER_PLAN_H

#include "proto/scale_agent.pb-c.h"
#include "worker/state.h"

/* Discovery ended; takes found over (and leaves it empty). missing: definitions whose resource is
 * not served yet. */
void sa_plan_discovered(struct sa_worker *w, struct sa_resources *found, size_t missing);
void sa_plan_failed(struct sa_worker *w);
/* A CustomResourceDefinition changed: discover again, a second later. */
void sa_plan_definitions_changed(struct sa_worker *w);
/* A list, or a read, brought one that was not known ("widgets.example.com"): the same, unless what
 * it defines has been discovered. */
void sa_plan_definition_listed(struct sa_worker *w, const char *name);
/* The other side holds a scope that is not planned: keeps it if its resource is unknown now, or not
 * proven gone. Returns it, or NULL if it is to go. */
struct sa_scope *sa_plan_keep(struct sa_worker *w, const Scaleagent__V1__KnownScope *known);

#endif
