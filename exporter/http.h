/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP side of the exporter: libmicrohttpd driven by the loop, without threads. */
#ifndef SA_EXPORTER_HTTP_H
#define SA_EXPORTER_HTTP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include <cjson/cJSON.h>

#include "base/err.h"
#include "base/loop.h"

struct sa_exporter_http_server;

struct sa_exporter_http_options {
    bool
        metrics; /* serve the metrics, and nothing else; or health, readiness and the status page */
    /* The status page (page/): for everyone where the address is of this machine alone; else for
     * who knows the token of this SHA-256 in hex, borrowed; for nobody where there is none. */
    const char *token_sha256;
    /* Asks for a status; sa_exporter_http_status() follows, once for any number of asks. account:
     * whose details are wanted, as far as no other ask is under way; "" none. */
    void (*want)(void *arg, const char *account);
    void *arg;
};

/* Listens at the address; several servers may share one loop. */
struct sa_exporter_http_server *
sa_exporter_http_listen(struct sa_loop *l, const struct sockaddr *addr, socklen_t addr_len,
                        const struct sa_exporter_http_options *opt, struct sa_err **err);
void sa_exporter_http_free(struct sa_exporter_http_server *s);
/* Is someone looking at the status page? Then a status is wanted each second. */
bool sa_exporter_http_watched(const struct sa_exporter_http_server *s);
/* The status is here (borrowed for the call), or did not come (NULL): answers those who wait. */
void sa_exporter_http_status(struct sa_exporter_http_server *s, const cJSON *status);

#endif
