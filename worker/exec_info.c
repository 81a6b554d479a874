/* SPDX-License-Identifier: Apache-2.0 */
/* What a plugin is told, and what of its complaints is told on. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "worker/credential_internal.h"
#include "worker/exec_run.h"

#define INFO_MAX  (2u * 1024u * 1024u)
#define SHOWN_MAX 200u /* bytes of a line that are shown */
#define SECRET_LEAST                                                                               \
    20u /* a run of so many token characters, a digit among them, may be a secret */

static void add_base64(struct sa_buf *b, const struct sa_secret *s)
{
    size_t n = sodium_base64_encoded_len(s->n, sodium_base64_VARIANT_ORIGINAL);
    char *text = malloc(n);
    if (text == NULL) {
        b->failed = true;
        return;
    }
    sodium_bin2base64(text, n, (const unsigned char *)s->p, s->n, sodium_base64_VARIANT_ORIGINAL);
    sa_buf_add_json(b, text);
    free(text);
}

static void add_cluster(struct sa_buf *b, const struct sa_credential *c)
{
    const struct sa_kubeconfig *k = &c->kube;
    const struct sa_secret *ca = k->ca_data.n > 0 ? &k->ca_data : &c->content[SA_PART_CA];
    sa_buf_adds(b, "\"cluster\":{\"server\":");
    sa_buf_add_json(b, k->server);
    if (k->tls_server_name != NULL) {
        sa_buf_adds(b, ",\"tls-server-name\":");
        sa_buf_add_json(b, k->tls_server_name);
    }
    if (k->insecure || c->insecure)
        sa_buf_adds(b, ",\"insecure-skip-tls-verify\":true");
    if (ca->n > 0) {
        sa_buf_adds(b, ",\"certificate-authority-data\":");
        add_base64(b, ca);
    }
    if (k->proxy_url != NULL) {
        sa_buf_adds(b, ",\"proxy-url\":");
        sa_buf_add_json(b, k->proxy_url);
    }
    if (k->exec.cluster_config != NULL) {
        sa_buf_adds(b, ",\"config\":");
        sa_buf_adds(b, k->exec.cluster_config);
    }
    sa_buf_adds(b, "},");
}

int sa_credential_exec_info(const struct sa_credential *c, char **out, struct sa_err **err)
{
    struct sa_buf b;
    sa_buf_init(&b, INFO_MAX);
    sa_buf_adds(&b, "{\"kind\":\"ExecCredential\",\"apiVersion\":");
    sa_buf_add_json(&b, c->kube.exec.api_version);
    sa_buf_adds(&b, ",\"spec\":{");
    if (c->kube.exec.provide_cluster_info)
        add_cluster(&b, c);
    sa_buf_adds(&b, "\"interactive\":false}}");
    if (b.failed) {
        sa_buf_free(&b);
        return sa_err_set(err, SA_EMEMORY, "KUBERNETES_EXEC_INFO");
    }
    *out = b.data;
    return 0;
}

static bool is_token_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && strchr("+/=_-.~", c) != NULL);
}

/* True if the word before ends in what a secret is named by: "token=", "Password: ". */
static bool named_secret(const char *line, size_t at)
{
    static const char *const names[] = {"token", "password", "secret", "bearer", "key"};
    while (at > 0 && strchr(" \t:=\"'", line[at - 1]) != NULL)
        at--;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t n = strlen(names[i]);
        if (at >= n && strncasecmp(line + at - n, names[i], n) == 0)
            return true;
    }
    return false;
}

static void mask(struct sa_buf *out, const char *line, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t end = i;
        bool digit = false;
        while (end < n && is_token_char(line[end])) {
            digit = digit || (line[end] >= '0' && line[end] <= '9');
            end++;
        }
        if (end == i) {
            sa_buf_addc(out, line[i] >= ' ' && line[i] <= '~' ? line[i] : '?');
            i++;
            continue;
        }
        /* "token=abc" is one run of token characters: its value starts behind the sign. */
        const char *sign = memchr(line + i, '=', end - i);
        size_t name_end = sign != NULL ? (size_t)(sign - line) + 1 : i;
        if (sign != NULL && name_end < end && named_secret(line, name_end)) {
            sa_buf_add(out, line + i, name_end - i);
            sa_buf_adds(out, "***");
        } else if ((digit && end - i >= SECRET_LEAST) || named_secret(line, i)) {
            sa_buf_adds(out, "***");
        } else {
            sa_buf_add(out, line + i, end - i);
        }
        i = end;
    }
}

void sa_exec_last_line(const char *p, size_t n, char *out, size_t size)
{
    struct sa_buf b;
    while (n > 0 && (p[n - 1] == '\n' || p[n - 1] == '\r' || p[n - 1] == ' '))
        n--;
    size_t begin = n;
    while (begin > 0 && p[begin - 1] != '\n')
        begin--;
    sa_buf_init(&b, 0);
    if (n > begin)
        mask(&b, p + begin, n - begin);
    /* Cut after masking: a secret's first half must not escape the length that gives it away. */
    size_t room = size - 1 < SHOWN_MAX ? size - 1 : SHOWN_MAX;
    size_t m = b.failed ? 0 : b.len < room ? b.len : room;
    if (m > 0)
        memcpy(out, b.data, m);
    out[m] = '\0';
    sa_buf_wipe(&b);
    sa_buf_free(&b);
}
