/* SPDX-License-Identifier: Apache-2.0 */
/* Who may see the status page. */
#ifndef SA_EXPORTER_GUARD_H
#define SA_EXPORTER_GUARD_H

#include <stdbool.h>
#include <sys/socket.h>

/* Can the address be reached from this machine alone? */
bool sa_guard_is_local(const struct sockaddr *addr);
/* Does the request's Host name this machine? A page elsewhere could else have a browser read ours,
 * by a name of its own that leads here (DNS rebinding). NULL: an HTTP/1.0 request without it. */
bool sa_guard_host_is_local(const char *host);
/* Does the Authorization header (RFC 6750 Bearer, RFC 7617 Basic: the password) hold the token of
 * this SHA-256 in hex? */
bool sa_guard_authorized(const char *authorization, const char *token_sha256);

#endif
