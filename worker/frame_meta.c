/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "worker/frame.h"
#include "worker/json.h"

/* Reads ListMeta (k8s.io/apimachinery, meta/v1). 0, or -1 if a member is not what it must be. */
static int list_meta(const char *json, size_t n, struct sa_list_meta *out, const char **token,
                     size_t *token_n)
{
    struct sa_json_members it;
    struct sa_json_member m;
    int r = sa_json_members(&it, json, n, 1) == 0 ? 1 : -1;
    bool ok = true;
    while (r == 1 && (r = sa_json_next(&it, &m)) == 1) {
        if (sa_json_is(&m, "resourceVersion")) {
            ok = sa_json_text(m.value, m.value_n, out->resource_version,
                              sizeof(out->resource_version)) <= SA_JSON_NULL;
        } else if (sa_json_is(&m, "continue")) {
            *token = m.value;
            *token_n = m.value_n;
        }
    }
    return r == 0 && ok ? 0 : -1;
}

int sa_list_meta_parse(const char *json, size_t n, struct sa_list_meta *out, struct sa_err **err)
{
    struct sa_json_members it;
    struct sa_json_member m;
    const char *meta = NULL, *token = NULL;
    size_t meta_n = 0, token_n = 0;
    *out = (struct sa_list_meta){0};
    int r = sa_json_members(&it, json, n, 0) == 0 ? 1 : -1;
    while (r == 1 && (r = sa_json_next(&it, &m)) == 1) {
        if (sa_json_is(&m, "metadata")) {
            meta = m.value;
            meta_n = m.value_n;
        }
    }
    if (r < 0) {
        return sa_json_fault_err(err, "a list is not valid JSON", &it.fault, json);
    }
    if (meta == NULL || list_meta(meta, meta_n, out, &token, &token_n) != 0) {
        return sa_err_set(err, SA_EPROTOCOL, "a list has no valid metadata");
    }
    if (token_n <= 2) {
        return 0; /* not there, or "" */
    }
    char *text = malloc(token_n);
    if (text == NULL) {
        return sa_err_set(err, SA_EMEMORY, "no memory for a list's continue token");
    }
    enum sa_json_text t = sa_json_text(token, token_n, text, token_n);
    if (t == SA_JSON_TEXT) {
        out->continue_token = text;
        return 0;
    }
    free(text);
    return t == SA_JSON_NULL ? 0
                             : sa_err_set(err, SA_EPROTOCOL, "a list's continue token is no text");
}
