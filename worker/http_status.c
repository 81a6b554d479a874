/* SPDX-License-Identifier: Apache-2.0 */
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "worker/http_internal.h"

#define RETRY_AFTER_MOST 3600 /* seconds; longer is not believed */

enum sa_code sa_http_curl_code(CURLcode code)
{
    switch (code) {
    case CURLE_OUT_OF_MEMORY:
        return SA_EMEMORY;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_CLIENTCERT:
        return SA_ETLS;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
        return SA_EPROTOCOL;
    case CURLE_FAILED_INIT:
    case CURLE_BAD_FUNCTION_ARGUMENT:
    case CURLE_UNKNOWN_OPTION:
    case CURLE_NOT_BUILT_IN:
    case CURLE_URL_MALFORMAT:
        return SA_EINTERNAL;
    default:
        return SA_ENETWORK;
    }
}

int64_t sa_http_parse_retry_after(const char *value, bool *is_date)
{
    char *end;
    *is_date = false;
    errno = 0;
    long long n = strtoll(value, &end, 10);
    if (end != value && *end == '\0' && n >= 0)
        return errno != 0 || n > RETRY_AFTER_MOST ? RETRY_AFTER_MOST : n;
    time_t t = curl_getdate(value, NULL);
    *is_date = t > 0;
    return t > 0 ? (int64_t)t : -1;
}

static enum sa_code status_code(int status)
{
    switch (status) {
    case 401:
        return SA_EAUTH;
    case 403:
        return SA_EFORBIDDEN;
    case 404:
        return SA_ENOTFOUND;
    case 410:
        return SA_EEXPIRED;
    case 429:
        return SA_ELIMIT;
    default:
        return status >= 500 ? SA_ENETWORK : status >= 400 ? SA_EREFUSED : SA_EPROTOCOL;
    }
}

/* message of a Kubernetes Status, printable and short; "" if there is none. */
static void status_message(const struct sa_buf *body, char *out, size_t n)
{
    out[0] = '\0';
    if (body == NULL || body->len == 0)
        return;
    cJSON *root = cJSON_ParseWithLength(body->data, body->len);
    const char *m = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "message"));
    size_t i = 0;
    for (; m != NULL && m[i] != '\0' && i + 1 < n; i++)
        out[i] = (unsigned char)m[i] < ' ' ? ' ' : m[i];
    out[i] = '\0';
    cJSON_Delete(root);
}

int sa_response_error(const struct sa_response *r, const char *what, struct sa_err **err)
{
    char message[512];
    if (r->error != NULL)
        return sa_err_set(err, r->error->code, "%s: %s", what, r->error->msg);
    if (r->status >= 200 && r->status < 300)
        return 0;
    if (r->status >= 300 && r->status < 400)
        return sa_err_set(err, SA_EPROTOCOL,
                          "%s: the server redirects (%d), which is not followed: the credential "
                          "would go elsewhere",
                          what, r->status);
    status_message(r->body, message, sizeof(message));
    return sa_err_set(err, status_code(r->status), "%s: the API server answers %d%s%s", what,
                      r->status, message[0] != '\0' ? ": " : "", message);
}
