/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker shows of itself, in its status slot. */
#ifndef SA_WORKER_REPORT_H
#define SA_WORKER_REPORT_H

#include "worker/state.h"

enum sa_state sa_report_state(const struct sa_worker *w);

#endif
