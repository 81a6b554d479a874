/* SPDX-License-Identifier: Apache-2.0 */
/* The messages of the agent itself (AgentMessage), encoded; each appends to *out: 0, or -1 for lack
 * of memory. And the plugin's last one, read. */
#ifndef SA_UPLINK_GRPC_WIRE_H
#define SA_UPLINK_GRPC_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "proto/scale_agent.pb-c.h"
#include "uplink/sink.h"

#define SA_PROTOCOL     1u /* version of proto/PROTOCOL.md */
#define SA_PROTOCOL_MIN 1u /* the oldest that we can speak */

struct sa_wire_hello {
    const char *agent_id, *zone_id;
    const uint8_t *instance; /* 16 bytes */
};

int sa_wire_hello(const struct sa_wire_hello *h, struct sa_buf *out);
int sa_wire_accounts(const struct sa_sink_account *v, size_t n, struct sa_buf *out);
int sa_wire_gone(uint32_t handle, const char *reason, struct sa_buf *out);
int sa_wire_heartbeat(uint64_t nonce, bool reply, struct sa_buf *out);

/* What stands before a worker's n bytes to make them AgentMessage{account, account_message}. The
 * bytes follow as they are: whatever they hold, they can't reach beyond their own length. */
#define SA_WIRE_HEAD_MAX 24u
size_t sa_wire_account_head(uint32_t handle, size_t n, uint8_t out[SA_WIRE_HEAD_MAX]);

/* The same for AgentMessage{account, operation_result}. */
size_t sa_wire_result_head(uint32_t handle, size_t n, uint8_t out[SA_WIRE_HEAD_MAX]);

/* Why the plugin said goodbye, as an error; -1 always. */
int sa_wire_goodbye(const Scaleagent__V1__Goodbye *m, struct sa_err **err);

#endif
