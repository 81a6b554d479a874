/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The environment as a place of secrets: ${VAR} in the configuration may hold tokens, and a fork
 * inherits them. The bytes themselves are overwritten here, since whoever reads a process's memory
 * does not ask getenv(3).
 */
#ifndef SA_BASE_ENVIRONMENT_H
#define SA_BASE_ENVIRONMENT_H

#include <stddef.h>

/* Moves the environment from the stack, where /proc/PID/environ shows it (proc(5)), to memory
 * of its own that no core shows (MADV_DONTDUMP), and overwrites it where it was. Once, before any
 * thread. Returns 0, or -1 without memory: environ then stays as and where it was. */
int sa_env_move(void);

/* Overwrites every variable that is not in names and takes it out of environ. A name that ends in
 * '*' stands for all that begin so. What the C library and OpenSSL look up while they work is kept
 * in any case: PATH, HOME, time zone, language, resolver options. For good: no later call brings
 * a variable back. names is NULL-terminated, or NULL for none. */
void sa_env_keep(const char *const *names);

/* What a process with a TLS connection looks up besides: proxies, and OpenSSL's own places. */
#define SA_ENV_NETWORK                                                                             \
    "HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy",              \
        "SSL_CERT_FILE", "SSL_CERT_DIR", "OPENSSL_CONF", "OPENSSL_MODULES"

#endif
