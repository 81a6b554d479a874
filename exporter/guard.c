/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/guard.h"

#include <netinet/in.h>
#include <sodium.h>
#include <string.h>
#include <strings.h>

#include "base/hash.h"

#define CREDENTIAL_MAX 512u

bool sa_guard_is_local(const struct sockaddr *addr)
{
    if (addr->sa_family == AF_INET) {
        struct sockaddr_in four;

        memcpy(&four, addr, sizeof(four));
        return ntohl(four.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    }
    if (addr->sa_family == AF_INET6) {
        struct sockaddr_in6 six;

        memcpy(&six, addr, sizeof(six));
        return IN6_IS_ADDR_LOOPBACK(&six.sin6_addr);
    }
    return false;
}

bool sa_guard_host_is_local(const char *host)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};

    if (!host)
        return true;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t n = strlen(names[i]);

        if (strncasecmp(host, names[i], n) == 0 && (host[n] == '\0' || host[n] == ':'))
            return true;
    }
    return false;
}

static const char *after_scheme(const char *header, const char *scheme)
{
    size_t n = strlen(scheme);

    if (strncasecmp(header, scheme, n) != 0 || header[n] != ' ')
        return NULL;
    return header + n + strspn(header + n, " ");
}

bool sa_guard_authorized(const char *authorization, const char *token_sha256)
{
    const char *bearer, *basic;
    unsigned char plain[CREDENTIAL_MAX + 1];
    const char *password;
    size_t n = 0;
    bool right;

    if (!authorization || !token_sha256)
        return false;
    bearer = after_scheme(authorization, "Bearer");
    if (bearer)
        return sa_sha256_is(bearer, token_sha256);
    basic = after_scheme(authorization, "Basic");
    if (!basic || sodium_base642bin(plain, CREDENTIAL_MAX, basic, strlen(basic), NULL, &n, NULL,
                                    sodium_base64_VARIANT_ORIGINAL) != 0)
        return false;
    plain[n] = '\0';
    password = strchr((const char *)plain, ':');
    right = password && sa_sha256_is(password + 1, token_sha256);
    sodium_memzero(plain, sizeof(plain));
    return right;
}
