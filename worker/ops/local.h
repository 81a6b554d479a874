/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who asks from this host: the worker's ends of the channels that `scale-agentctl op` has
 * (ipc/operate.h). Each is an asker like the uplink, but for its name in the audit line.
 */
#ifndef SA_WORKER_OPS_LOCAL_H
#define SA_WORKER_OPS_LOCAL_H

#include <stdint.h>

#include "base/loop.h"
#include "worker/ops/engine.h"

struct sa_local;

/* NULL for lack of memory. ops is borrowed, and outlives it. */
struct sa_local *sa_local_new(struct sa_loop *l, struct sa_ops *ops);
void sa_local_free(struct sa_local *l); /* closes all channels; NULL is allowed */
/* Takes fd over. uid and pid are those of who asks, as the supervisor saw them. */
void sa_local_take(struct sa_local *l, int fd, uint32_t uid, uint32_t pid);

#endif
