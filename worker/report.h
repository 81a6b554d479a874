/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker shows of itself, in its status slot. */
#ifndef SA_WORKER_REPORT_H
#define SA_WORKER_REPORT_H

#include "worker/state.h"

enum sa_state sa_report_state(const struct sa_worker *w);
/* An object of the scope has changed, or was deleted, as its watch says. */
void sa_report_change(struct sa_scope *s, const struct sa_object *o, bool deleted);

#endif
