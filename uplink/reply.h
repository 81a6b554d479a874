/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replies of the other side of the protocol (scaleagent.v1.AccountReply), for the sinks that are
 * that side themselves. Each appends the encoded message to *out: 0, or -1 for lack of memory.
 */
#ifndef SA_UPLINK_REPLY_H
#define SA_UPLINK_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "proto/scale_agent.pb-c.h"

int sa_reply_pack(const Scaleagent__V1__AccountReply *r, struct sa_buf *out);
int sa_reply_ack(uint64_t epoch, uint64_t sequence, uint64_t credit, struct sa_buf *out);
int sa_reply_sums(uint64_t epoch, uint32_t scope, bool in_step, struct sa_buf *out);
int sa_reply_wants(uint64_t epoch, const Scaleagent__V1__SnapshotPage *page, uint32_t *index,
                   size_t n, struct sa_buf *out);
int sa_reply_done(uint64_t epoch, const Scaleagent__V1__SnapshotEnd *end, bool complete,
                  uint64_t deleted, struct sa_buf *out);
int sa_reply_violation(uint64_t epoch, const char *reason, struct sa_buf *out);

#endif
