/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/endpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int parse_port(const char *text, uint16_t *out)
{
    char *end = NULL;
    unsigned long v;

    if (*text < '0' || *text > '9')
        return -1;
    v = strtoul(text, &end, 10);
    if (*end != '\0' || v == 0 || v > 65535)
        return -1;
    *out = (uint16_t)v;
    return 0;
}

/* host[:port] or [address][:port], n bytes. */
static int parse(const char *text, size_t n, uint16_t port, struct sa_endpoint *out)
{
    char copy[300], *host = copy, *colon;

    if (n == 0 || n >= sizeof copy)
        return -1;
    memcpy(copy, text, n);
    copy[n] = '\0';
    out->port = port;
    if (*host == '[') {
        char *close = strchr(++host, ']');

        if (!close || (close[1] != '\0' && close[1] != ':'))
            return -1;
        *close = '\0';
        colon = close[1] == ':' ? close + 1 : NULL;
    } else {
        colon = strrchr(host, ':');
        if (colon)
            *colon = '\0';
    }
    if (colon && parse_port(colon + 1, &out->port) < 0)
        return -1;
    if (*host == '\0' || strlen(host) >= sizeof out->host || strpbrk(host, " /@?#") ||
        (host == copy && strchr(host, ':')))
        return -1;
    memcpy(out->host, host, strlen(host) + 1);
    return 0;
}

int sa_endpoint_target(const char *text, struct sa_endpoint *out, struct sa_err **err)
{
    static const char dns[] = "dns:///";
    const char *s = text ? text : "";

    if (strncmp(s, dns, sizeof dns - 1) == 0)
        s += sizeof dns - 1;
    if (parse(s, strlen(s), SA_ENDPOINT_PORT, out) == 0)
        return 0;
    return sa_err_set(err, SA_ECONFIG, "clouddriver.grpc is \"%s\", host:port was expected",
                      text ? text : "");
}

const char *sa_endpoint_proxy_url(const struct sa_clouddriver *c)
{
    const char *url = getenv("HTTPS_PROXY");

    if (!url || !*url)
        url = getenv("https_proxy");
    return c->no_proxy || !url || !*url ? NULL : url;
}

int sa_endpoint_proxy(const struct sa_clouddriver *c, struct sa_endpoint *out, struct sa_err **err)
{
    const char *url = sa_endpoint_proxy_url(c), *host, *at;
    uint16_t port = 80;

    memset(out, 0, sizeof *out);
    if (!url)
        return 0;
    host = strstr(url, "://");
    if (host && strncmp(url, "https://", 8) == 0)
        port = 443;
    host = host ? host + 3 : url;
    at = strchr(host, '@');
    host = at ? at + 1 : host;
    if (parse(host, strcspn(host, "/?#"), port, out) < 0)
        return sa_err_set(err, SA_ECONFIG, "HTTPS_PROXY is not of the form http://host:port");
    return 0;
}

struct sa_backoff sa_endpoint_backoff(const struct sa_clouddriver *c)
{
    return (struct sa_backoff){
        .base_ns = c->backoff_base_ns > 0 ? (uint64_t)c->backoff_base_ns : SA_NS_PER_S,
        .max_ns = c->backoff_max_ns > 0 ? (uint64_t)c->backoff_max_ns : 120 * SA_NS_PER_S,
        .multiplier = c->backoff_multiplier >= 1 ? c->backoff_multiplier : 1.6,
        .jitter = c->backoff_jitter >= 0 && c->backoff_jitter < 1 ? c->backoff_jitter : 0.2,
    };
}

int sa_endpoint_check(const struct sa_clouddriver *c, bool token, struct sa_endpoint *out,
                      struct sa_err **err)
{
    if (sa_endpoint_target(c->grpc, out, err) < 0)
        return -1;
    if (c->insecure && (token || c->token_command) && !c->allow_plaintext_token)
        return sa_err_set(err, SA_ECONFIG,
                          "a token over a connection without TLS could be read by everyone on the "
                          "way: set clouddriver.insecure to false, or "
                          "clouddriver.allowPlaintextToken to true");
    return 0;
}

void sa_endpoint_agent_id(const struct sa_settings *s, char *out, size_t n)
{
    char host[200] = "";

    if (!s->agent_id || !*s->agent_id)
        gethostname(host, sizeof host - 1);
    snprintf(out, n, "%s", *host ? host : s->agent_id ? s->agent_id : "");
}
