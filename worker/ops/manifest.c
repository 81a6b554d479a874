/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ops/manifest.h"

#include <stdlib.h>
#include <string.h>

#include "worker/json.h"
#include "worker/ops/apply.h"
#include "worker/ops/selector.h"

/* The last member of this name; false if there is none. */
static bool member(const char *json, size_t n, unsigned depth, const char *name,
                   struct sa_json_member *out)
{
    struct sa_json_members it;
    struct sa_json_member m;
    bool found = false;
    if (sa_json_members(&it, json, n, depth))
        return false;
    while (sa_json_next(&it, &m) > 0)
        if (sa_json_is(&m, name)) {
            *out = m;
            found = true;
        }
    return found;
}

bool sa_manifest_has_version(const char *json, size_t n)
{
    struct sa_json_member metadata, version;
    return member(json, n, 0, "metadata", &metadata) &&
           member(metadata.value, metadata.value_n, 1, "resourceVersion", &version) &&
           version.value_n > 2;
}

bool sa_manifest_was_applied(const char *json, size_t n)
{
    struct sa_json_member metadata, annotations, text;
    return member(json, n, 0, "metadata", &metadata) &&
           member(metadata.value, metadata.value_n, 1, "annotations", &annotations) &&
           member(annotations.value, annotations.value_n, 2, SA_LAST_APPLIED, &text) &&
           text.value_n > 2;
}

static int copy_metadata(const char *json, size_t n, const char *version, struct sa_buf *out)
{
    struct sa_json_members it;
    struct sa_json_member m;
    bool first = true;
    int more = -1;
    if (sa_json_members(&it, json, n, 1))
        return -1;
    sa_buf_addc(out, '{');
    if (version) {
        sa_buf_adds(out, "\"resourceVersion\":");
        sa_buf_add_json(out, version);
        first = false;
    }
    while ((more = sa_json_next(&it, &m)) > 0) {
        if (sa_json_is(&m, "resourceVersion"))
            continue;
        sa_buf_adds(out, first ? "\"" : ",\"");
        sa_buf_add(out, m.key, m.key_n);
        sa_buf_adds(out, "\":");
        sa_buf_add(out, m.value, m.value_n);
        first = false;
    }
    sa_buf_addc(out, '}');
    return more;
}

int sa_manifest_version(const char *json, size_t n, const char *version, struct sa_buf *out)
{
    struct sa_json_members it;
    struct sa_json_member m;
    bool first = true;
    int more = -1;
    if (sa_json_members(&it, json, n, 0))
        return -1;
    sa_buf_addc(out, '{');
    while ((more = sa_json_next(&it, &m)) > 0) {
        sa_buf_adds(out, first ? "\"" : ",\"");
        sa_buf_add(out, m.key, m.key_n);
        sa_buf_adds(out, "\":");
        if (!sa_json_is(&m, "metadata"))
            sa_buf_add(out, m.value, m.value_n);
        else if (copy_metadata(m.value, m.value_n, version, out))
            return -1;
        first = false;
    }
    sa_buf_addc(out, '}');
    return more || out->failed ? -1 : 0;
}

/* ---- selectors ---- */

struct labels {
    const char *json; /* NULL: there are none */
    size_t n;
};

static bool label_of(void *arg, const char *key, size_t n, char out[SA_SELECTOR_LABEL])
{
    const struct labels *l = arg;
    struct sa_json_member m;
    char name[SA_SELECTOR_LABEL];
    if (!l->json || n >= sizeof name)
        return false;
    memcpy(name, key, n);
    name[n] = '\0';
    return member(l->json, l->n, 2, name, &m) &&
           sa_json_text(m.value, m.value_n, out, SA_SELECTOR_LABEL) == SA_JSON_TEXT;
}

int sa_manifest_selected(const char *json, size_t n, const char *selector, struct sa_err **err)
{
    struct sa_json_member metadata, labels = {0};
    if (!member(json, n, 0, "metadata", &metadata) ||
        !member(metadata.value, metadata.value_n, 1, "labels", &labels))
        labels.value = NULL;
    struct labels l = {.json = labels.value, .n = labels.value_n};
    return sa_selector_matches(selector, label_of, &l, err);
}
