/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What joins the two sides of the uplink: the accounts that the supervisor names, their workers
 * (intake) and the sink. A worker is told UP when it is bound and the sink is up, DOWN when the
 * sink is not any more; a sink hears AccountGone when a worker went. Handles are given here and
 * never used twice.
 */
#ifndef SA_UPLINK_ROUTER_H
#define SA_UPLINK_ROUTER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"
#include "ipc/slot.h"
#include "uplink/sink.h"

struct sa_router;

/* Called for a pipe with a wrong key: the account's index and the peer's pid (0 unknown). */
typedef void sa_router_forgery(void *arg, uint32_t index, uint32_t pid);

struct sa_router *sa_router_new(const struct sa_sink_ops *ops, const struct sa_sink_setup *setup,
                                const char *runtime_dir, sa_router_forgery *forgery, void *arg,
                                struct sa_err **err);
/* Orderly: takes what has come in, then lets the sink finish for at most ms milliseconds. */
void sa_router_free(struct sa_router *r, unsigned ms);

/* Orders of the supervisor, by the account's index. Adding a known index gives it a new key. -1
 * when the account can't be listened for; the others go on. */
int sa_router_add(struct sa_router *r, uint32_t index, const char *name, const uint8_t key[32],
                  struct sa_err **err);
void sa_router_rekey(struct sa_router *r, uint32_t index, const uint8_t key[32]);
void sa_router_remove(struct sa_router *r, uint32_t index);
/* The list is complete. The sink hears of it now, and at the end of the turn after later changes.
 */
void sa_router_complete(struct sa_router *r);
/* To be called some times a second: acknowledgements that were held long enough, counters. */
void sa_router_tick(struct sa_router *r);

#endif
