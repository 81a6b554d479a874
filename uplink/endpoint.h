/* SPDX-License-Identifier: Apache-2.0 */
/* Where Clouddriver is: host and port of clouddriver.grpc, and of the proxy on the way. */
#ifndef SA_UPLINK_ENDPOINT_H
#define SA_UPLINK_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "config/settings.h"

#define SA_ENDPOINT_PORT 9091 /* where none is named */

struct sa_endpoint {
    char host[256]; /* IPv6 addresses without brackets */
    uint16_t port;
};

/* "host", "host:port", "[address]:port"; gRPC's "dns:///" before it is passed over. */
int sa_endpoint_target(const char *text, struct sa_endpoint *out, struct sa_err **err);

/* The proxy's URL by the environment, as gRPC's own libraries choose it: HTTPS_PROXY (or
 * https_proxy) whatever the transport; NULL if there is none or clouddriver.noProxy is set. It may
 * hold a password. NO_PROXY is libcurl's to apply. */
const char *sa_endpoint_proxy_url(const struct sa_clouddriver *c);
/* Host and port of it; port is 0 where there is none. */
int sa_endpoint_proxy(const struct sa_clouddriver *c, struct sa_endpoint *out, struct sa_err **err);

/* The target, unless a token (one that is there, or the token command's) would go over plain text.
 */
int sa_endpoint_check(const struct sa_clouddriver *c, bool token, struct sa_endpoint *out,
                      struct sa_err **err);
/* The agent's name: agentId, else the host's. */
void sa_endpoint_agent_id(const struct sa_settings *s, char *out, size_t n);

/* The pauses between attempts to connect. */
struct sa_backoff sa_endpoint_backoff(const struct sa_clouddriver *c);

#endif
