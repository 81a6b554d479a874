/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/route.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

#define CONNECT_MS 5000
#define ADDRESSES  8 /* of one name that are tried */

const char *const sa_route_checks[] = {"proxy", "dns", "tcp", "tls", NULL};

/* What is connected to first: the proxy, if there is one. */
struct hop {
    char host[256];
    uint16_t port;
    const char *what; /* "proxy " or "" */
};

static bool parse_proxy(const char *url, struct hop *out)
{
    CURLU *u = curl_url();
    char *host = NULL, *port = NULL;
    bool ok = u != NULL && curl_url_set(u, CURLUPART_URL, url, CURLU_GUESS_SCHEME) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK;
    if (ok) {
        size_t n = strlen(host);
        bool six = n > 2 && host[0] == '[';
        snprintf(out->host, sizeof out->host, "%.*s", (int)(six ? n - 2 : n),
                 six ? host + 1 : host);
        out->port = (uint16_t)strtoul(port, NULL, 10);
        out->what = "proxy ";
    }
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(u);
    return ok;
}

static bool walk_proxy(struct sa_exam *x, const struct sa_route *r, struct hop *out)
{
    if (r->proxy == NULL) {
        snprintf(out->host, sizeof out->host, "%s", r->host);
        out->port = r->port;
        out->what = "";
        sa_exam_ok(x, "proxy", "none: %s:%u is connected to directly", r->host, r->port);
        return true;
    }
    if (parse_proxy(r->proxy, out)) {
        sa_exam_ok(x, "proxy", "%s:%u is reached through the proxy %s:%u", r->host, r->port,
                   out->host, out->port);
        return true;
    }
    sa_exam_bad(x, SA_HEALTH_ERROR, "proxy",
                "Correct proxy-url of the kubeconfig or HTTPS_PROXY, or set noProxy.",
                "the proxy's URL makes no sense");
    return false;
}

static void address_text(const struct addrinfo *a, char out[INET6_ADDRSTRLEN + 8])
{
    if (getnameinfo(a->ai_addr, a->ai_addrlen, out, INET6_ADDRSTRLEN + 8, NULL, 0,
                    NI_NUMERICHOST) != 0)
        snprintf(out, INET6_ADDRSTRLEN + 8, "?");
}

static bool is_address(const char *host)
{
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST};
    struct addrinfo *a = NULL;
    bool is = getaddrinfo(host, NULL, &hints, &a) == 0;
    if (is)
        freeaddrinfo(a);
    return is;
}

static struct addrinfo *walk_dns(struct sa_exam *x, const struct sa_route *r, const struct hop *h)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *list = NULL;
    char port[8], first[INET6_ADDRSTRLEN + 8], fix[512];
    size_t n = 0;
    snprintf(port, sizeof port, "%u", h->port);
    bool literal = is_address(h->host);
    uint64_t begun = sa_mono_ns();
    int rc = getaddrinfo(h->host, port, literal ? NULL : &hints, &list);
    double ms = (double)(sa_mono_ns() - begun) / SA_NS_PER_MS;
    if (rc != 0 || list == NULL) {
        snprintf(fix, sizeof fix,
                 rc == EAI_AGAIN
                     ? "The resolver does not answer: look at /etc/resolv.conf, and try getent "
                       "hosts %s."
                     : "Correct %s, or the DNS: try getent hosts %s.",
                 rc == EAI_AGAIN ? h->host : r->port_key, h->host);
        sa_exam_bad(x, SA_HEALTH_ERROR, "dns", fix, "the %sname %s can't be resolved: %s", h->what,
                    h->host, gai_strerror(rc));
        return NULL;
    }
    for (const struct addrinfo *a = list; a != NULL; a = a->ai_next)
        n++;
    address_text(list, first);
    if (literal)
        sa_exam_ok(x, "dns", "%s is an address: there is no name to resolve", h->host);
    else
        sa_exam_ok(x, "dns", "%s is %s%s (%.0f ms)", h->host, first, n > 1 ? " and others" : "",
                   ms);
    return list;
}

/* 0, or why not. */
static int try_address(const struct addrinfo *a)
{
    SA_CLEANUP(sa_closep)
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int why = 0;
    socklen_t n = sizeof why;
    if (fd < 0)
        return errno;
    if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return errno;
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    if (poll(&p, 1, CONNECT_MS) <= 0)
        return ETIMEDOUT;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &n) == 0 ? why : errno;
}

static const char *tcp_fix(int why, char *out, size_t n, const struct sa_route *r,
                           const struct hop *h)
{
    bool proxy = h->what[0] != '\0';
    const char *key = proxy ? "the proxy's URL" : r->port_key;
    if (why == ECONNREFUSED)
        snprintf(out, n,
                 "Nothing listens there, or a firewall refuses: is the server up, and are host and "
                 "port of %s right?%s",
                 key, proxy || r->refused_fix == NULL ? "" : r->refused_fix);
    else if (why == ETIMEDOUT)
        snprintf(out, n,
                 "No answer at all: a firewall, security group or NetworkPolicy drops it, or the "
                 "address of %s is not of this network.",
                 key);
    else
        snprintf(out, n, "Look at this machine's routes and at %s.", key);
    return out;
}

static bool walk_tcp(struct sa_exam *x, const struct sa_route *r, const struct hop *h,
                     const struct addrinfo *list)
{
    char text[INET6_ADDRSTRLEN + 8], bad[INET6_ADDRSTRLEN + 8] = "", fix[512];
    int why = 0, good = 0, tried = 0;
    for (const struct addrinfo *a = list; a != NULL && tried < ADDRESSES; a = a->ai_next) {
        int rc = try_address(a);
        tried++;
        if (rc == 0) {
            good++;
            continue;
        }
        why = rc;
        address_text(a, bad);
    }
    address_text(list, text);
    if (good == 0)
        sa_exam_bad(x, SA_HEALTH_ERROR, "tcp", tcp_fix(why, fix, sizeof fix, r, h),
                    "no connection to %s%s port %u: %s", h->what, bad, h->port,
                    strerrordesc_np(why));
    else if (why != 0)
        sa_exam_bad(x, SA_HEALTH_WARNING, "tcp", tcp_fix(why, fix, sizeof fix, r, h),
                    "of %d addresses of %s%s %d can be connected to, but not %s: %s", tried,
                    h->what, h->host, good, bad, strerrordesc_np(why));
    else
        sa_exam_ok(x, "tcp", "%s%s port %u accepts connections", h->what, text, h->port);
    return good > 0;
}

bool sa_route_walk(struct sa_exam *x, const struct sa_route *r, struct sa_route_tls *tls)
{
    struct hop h;
    *tls = (struct sa_route_tls){0};
    if (!walk_proxy(x, r, &h)) {
        sa_exam_skip_all(x, "without a proxy there is no way", sa_route_checks + 1);
        return false;
    }
    struct addrinfo *list = walk_dns(x, r, &h);
    if (list == NULL) {
        sa_exam_skip_all(x, "without an address there is no way", sa_route_checks + 2);
        return false;
    }
    bool ok = walk_tcp(x, r, &h, list);
    freeaddrinfo(list);
    if (!ok)
        sa_exam_skip_all(x, "without a connection there is no way", sa_route_checks + 3);
    return ok && sa_route_handshake(x, r, tls);
}
