/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http_endpoint.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/credential_secret.h"

struct url {
    char *scheme, *host, *port, *path, *user; /* curl's memory; host with brackets if IPv6 */
    uint16_t number;                          /* port; 0: none, and the scheme has no default */
    bool explicit_port;                       /* the port was written out */
};

static void url_free(struct url *u)
{
    curl_free(u->scheme);
    curl_free(u->host);
    curl_free(u->port);
    curl_free(u->path);
    curl_free(u->user);
    *u = (struct url){0};
}

static int url_parse(const char *text, struct url *out)
{
    CURLU *c = curl_url();
    *out = (struct url){0};
    bool ok = c != NULL &&
              curl_url_set(c, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
              curl_url_get(c, CURLUPART_SCHEME, &out->scheme, 0) == CURLUE_OK &&
              curl_url_get(c, CURLUPART_HOST, &out->host, 0) == CURLUE_OK &&
              curl_url_get(c, CURLUPART_PATH, &out->path, 0) == CURLUE_OK;
    if (ok) {
        (void)curl_url_get(c, CURLUPART_USER, &out->user, 0);
        out->explicit_port = curl_url_get(c, CURLUPART_PORT, &out->port, 0) == CURLUE_OK;
        if (!out->explicit_port)
            (void)curl_url_get(c, CURLUPART_PORT, &out->port, CURLU_DEFAULT_PORT);
    }
    curl_url_cleanup(c);
    if (!ok || out->host[0] == '\0') {
        url_free(out);
        return -1;
    }
    out->number = out->port != NULL ? (uint16_t)strtoul(out->port, NULL, 10) : 0;
    return 0;
}

/* NO_PROXY, by the rules of golang.org/x/net/http/httpproxy */

struct address {
    unsigned char b[16];
    size_t n; /* 4 or 16; 0: not an address */
};

static struct address address_of(const char *host)
{
    struct address a = {.n = 0};
    if (inet_pton(AF_INET, host, a.b) == 1)
        a.n = 4;
    else if (inet_pton(AF_INET6, host, a.b) == 1)
        a.n = 16;
    return a;
}

static bool in_network(const struct address *a, const char *network, const char *bits)
{
    struct address net = address_of(network);
    char *end;
    unsigned long n = strtoul(bits, &end, 10);
    if (*bits == '\0' || *end != '\0' || net.n == 0 || net.n != a->n || n > 8 * net.n)
        return false;
    size_t whole = n / 8;
    unsigned rest = (unsigned)(n % 8);
    if (memcmp(a->b, net.b, whole) != 0)
        return false;
    return rest == 0 || ((a->b[whole] ^ net.b[whole]) >> (8 - rest)) == 0;
}

/* Splits "name:port", "[v6]:port" in place; 0 where no port is given. */
static uint16_t split_port(char **entry)
{
    char *e = *entry, *colon = strrchr(e, ':');
    if (e[0] == '[') {
        char *close = strchr(e, ']');
        if (close == NULL)
            return 0;
        colon = close[1] == ':' ? close + 1 : NULL;
        *close = '\0';
        *entry = e + 1;
    } else if (colon != NULL && strchr(e, ':') != colon) {
        return 0; /* a bare IPv6 address */
    }
    if (colon == NULL)
        return 0;
    *colon = '\0';
    return (uint16_t)strtoul(colon + 1, NULL, 10);
}

static bool entry_matches(char *entry, const char *host, const struct address *a, uint16_t port)
{
    char *slash = strchr(entry, '/');
    if (strcmp(entry, "*") == 0)
        return true;
    if (slash != NULL) {
        *slash = '\0';
        return a->n > 0 && in_network(a, entry, slash + 1);
    }
    uint16_t only = split_port(&entry);
    if (only != 0 && only != port)
        return false;
    struct address own = address_of(entry);
    if (own.n > 0)
        return own.n == a->n && memcmp(own.b, a->b, own.n) == 0;
    if (entry[0] == '*' && entry[1] == '.')
        entry++;
    size_t n = strlen(entry), m = strlen(host);
    if (n == 0 || a->n > 0)
        return false;
    if (entry[0] == '.')
        return m > n && strcasecmp(host + (m - n), entry) == 0;
    return strcasecmp(host, entry) == 0 ||
           (m > n && host[m - n - 1] == '.' && strcasecmp(host + (m - n), entry) == 0);
}

bool sa_no_proxy(const char *list, const char *host, uint16_t port)
{
    struct address a = address_of(host);
    SA_CLEANUP(sa_freep) char *copy = strdup(list);
    char *save = NULL;
    if (copy == NULL)
        return false;
    for (char *e = strtok_r(copy, ", \t", &save); e != NULL; e = strtok_r(NULL, ", \t", &save)) {
        if (entry_matches(e, host, &a, port))
            return true;
    }
    return false;
}

static const char *env_either(const char *a, const char *b)
{
    const char *v = getenv(a);
    return v != NULL && v[0] != '\0' ? v : getenv(b);
}

/* What the environment names for this server; NULL: none. */
static const char *env_proxy(const struct url *server)
{
    bool https = strcmp(server->scheme, "https") == 0;
    const char *proxy =
        https ? env_either("HTTPS_PROXY", "https_proxy") : env_either("HTTP_PROXY", "http_proxy");
    const char *no = env_either("NO_PROXY", "no_proxy");
    char host[256];
    size_t n = strlen(server->host);
    bool brackets = server->host[0] == '[';
    if (proxy == NULL || proxy[0] == '\0' || n >= sizeof(host))
        return NULL;
    memcpy(host, server->host + (brackets ? 1 : 0), n - (brackets ? 2 : 0));
    host[n - (brackets ? 2 : 0)] = '\0';
    struct address a = address_of(host);
    static const unsigned char loop6[16] = {[15] = 1};
    bool loopback = strcasecmp(host, "localhost") == 0 || (a.n == 4 && a.b[0] == 127) ||
                    (a.n == 16 && memcmp(a.b, loop6, 16) == 0);
    if (loopback || (no != NULL && sa_no_proxy(no, host, server->number)))
        return NULL;
    return proxy;
}

static char *format(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static char *format(const char *fmt, ...)
{
    char *out = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&out, fmt, ap);
    va_end(ap);
    return n < 0 ? NULL : out;
}

/* socks5 resolves at the proxy in Go, which is socks5h in libcurl. */
static const char *curl_scheme(const char *scheme)
{
    if (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0)
        return scheme;
    return strcmp(scheme, "socks5") == 0 || strcmp(scheme, "socks5h") == 0 ? "socks5h" : NULL;
}

static int set_proxy(const char *text, bool from_env, struct sa_endpoint *out, struct sa_err **err)
{
    const char *what = from_env ? "the proxy of the environment (HTTPS_PROXY or HTTP_PROXY)"
                                : "the cluster's proxy-url";
    struct url u = {0};
    char *full = strstr(text, "://") == NULL && from_env ? format("http://%s", text) : strdup(text);
    if (full == NULL)
        return sa_err_set(err, SA_EMEMORY, "proxy");
    int rc = -1;
    if (url_parse(full, &u) != 0 || strstr(full, "://") == NULL) {
        sa_err_set(err, SA_ECONFIG, "%s is not a URL like http://proxy:3128", what);
    } else if (curl_scheme(u.scheme) == NULL) {
        sa_err_set(err, SA_ECONFIG, "%s has the scheme \"%s\"; http, https and socks5 are known",
                   what, u.scheme);
    } else {
        static const char after[] = "://";
        const char *scheme = curl_scheme(u.scheme);
        unsigned fallback = scheme[0] == 's' ? 1080 : scheme[4] == 's' ? 443 : 80;
        out->proxy_port = u.explicit_port ? u.number : (uint16_t)fallback;
        /* What stands before the host may be a user and password: it is kept as it was written. */
        const char *rest = strstr(full, after) + strlen(after);
        size_t end = strcspn(rest, "/?#");
        out->proxy = u.explicit_port
                         ? format("%s://%.*s", scheme, (int)end, rest)
                         : format("%s://%.*s:%u", scheme, (int)end, rest, out->proxy_port);
        rc = out->proxy != NULL ? 0 : sa_err_set(err, SA_EMEMORY, "proxy");
    }
    url_free(&u);
    sa_secret_free_string(&full);
    return rc;
}

static int set_server(const struct url *u, const char *name, struct sa_endpoint *out,
                      struct sa_err **err)
{
    size_t path = strlen(u->path);
    while (path > 0 && u->path[path - 1] == '/')
        path--;
    out->https = strcmp(u->scheme, "https") == 0;
    out->port = u->number;
    out->server = format("%s:%u", u->host, u->number);
    bool other = name != NULL && out->https && strcmp(name, u->host) != 0;
    bool bare6 = other && name[0] != '[' && strchr(name, ':') != NULL;
    const char *open = bare6 ? "[" : "", *close = bare6 ? "]" : "";
    out->base = format("%s://%s%s%s:%u%.*s", u->scheme, open, other ? name : u->host, close,
                       u->number, (int)path, u->path);
    if (other) {
        out->connect_to =
            format("%s%s%s:%u:%s:%u", open, name, close, u->number, u->host, u->number);
        out->host_header = format("Host: %s:%u", u->host, u->number);
    }
    if (out->server == NULL || out->base == NULL ||
        (other && (out->connect_to == NULL || out->host_header == NULL)))
        return sa_err_set(err, SA_EMEMORY, "server");
    return 0;
}

static int check_server(const char *text, struct url *u, struct sa_err **err)
{
    if (strstr(text, "://") == NULL || url_parse(text, u) != 0)
        return sa_err_set(err, SA_ECONFIG,
                          "the cluster's server is not a URL like https://host:6443");
    if (strcmp(u->scheme, "https") != 0 && strcmp(u->scheme, "http") != 0)
        return sa_err_set(err, SA_ECONFIG,
                          "the cluster's server has the scheme \"%s\", expected https", u->scheme);
    if (u->user != NULL)
        return sa_err_set(err, SA_ECONFIG,
                          "the cluster's server holds a user name; set username and password in "
                          "the kubeconfig's user");
    if (u->number == 0)
        return sa_err_set(err, SA_ECONFIG, "the cluster's server has no usable port");
    return 0;
}

/* A name that could end the URL's host would send the credentials elsewhere. */
static bool is_host(const char *name)
{
    return name[0] != '\0' && strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                           "0123456789.-_:[]") == strlen(name);
}

int sa_endpoint_make(const char *server, const char *tls_server_name, const char *proxy_url,
                     bool use_env, struct sa_endpoint *out, struct sa_err **err)
{
    struct url u = {0};
    *out = (struct sa_endpoint){0};
    int rc = check_server(server, &u, err);
    if (rc == 0 && tls_server_name != NULL && !is_host(tls_server_name))
        rc = sa_err_set(err, SA_ECONFIG, "tls-server-name is not a host name");
    if (rc == 0)
        rc = set_server(&u, tls_server_name, out, err);
    if (rc == 0) {
        const char *env = proxy_url == NULL && use_env ? env_proxy(&u) : NULL;
        if (proxy_url != NULL || env != NULL)
            rc = set_proxy(proxy_url != NULL ? proxy_url : env, proxy_url == NULL, out, err);
    }
    url_free(&u);
    if (rc != 0)
        sa_endpoint_free(out);
    return rc;
}

void sa_endpoint_free(struct sa_endpoint *e)
{
    free(e->base);
    free(e->connect_to);
    free(e->host_header);
    free(e->server);
    sa_secret_free_string(&e->proxy);
    *e = (struct sa_endpoint){0};
}
