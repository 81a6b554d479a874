/* SPDX-License-Identifier: Apache-2.0 */
/* The facts that AccountOpen needs, asked of the API server until it answers. */
#ifndef SA_WORKER_OPEN_H
#define SA_WORKER_OPEN_H

#include "worker/state.h"

void sa_open_step(struct sa_worker *w); /* asks, when w->open_ns has come */
void sa_open_cancel(struct sa_worker *w);

#endif
