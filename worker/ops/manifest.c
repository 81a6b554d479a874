/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ops/manifest.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "worker/json.h"

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

#define LABEL_MAX 320u /* a prefix of 253, a slash, a name of 63 */

struct scan {
    const char *p;
    bool wrong;
};

static void space(struct scan *s)
{
    while (isspace((unsigned char)*s->p))
        s->p++;
}

/* A key or a value; values may be empty. */
static void word(struct scan *s, char out[LABEL_MAX])
{
    size_t n = 0;
    space(s);
    while (*s->p && !strchr("=!,()<>", *s->p) && !isspace((unsigned char)*s->p)) {
        if (n + 1 >= LABEL_MAX) {
            s->wrong = true;
            break;
        }
        out[n++] = *s->p++;
    }
    out[n] = '\0';
    space(s);
}

static bool label(const char *labels, size_t n, const char *key, char out[LABEL_MAX])
{
    struct sa_json_member m;
    return labels && member(labels, n, 2, key, &m) &&
           sa_json_text(m.value, m.value_n, out, LABEL_MAX) == SA_JSON_TEXT;
}

/* "(a, b)": is value one of them? */
static bool one_of(struct scan *s, const char *value)
{
    char text[LABEL_MAX];
    bool found = false;
    space(s);
    s->wrong = s->wrong || *s->p != '(';
    while (!s->wrong) {
        s->p++;
        word(s, text);
        found = found || strcmp(text, value) == 0;
        if (*s->p == ')')
            break;
        s->wrong = *s->p != ',';
    }
    if (!s->wrong)
        s->p++;
    space(s);
    return found;
}

static bool keyword(struct scan *s, const char *text)
{
    size_t n = strlen(text);
    if (strncmp(s->p, text, n) != 0 || (!isspace((unsigned char)s->p[n]) && s->p[n] != '('))
        return false;
    s->p += n;
    return true;
}

/* The rest of a requirement behind its key. value: of the label, there it is. */
static bool holds(struct scan *s, bool there, const char *value)
{
    char text[LABEL_MAX];
    if (*s->p == '\0' || *s->p == ',')
        return there;
    if (keyword(s, "in"))
        return one_of(s, value) && there;
    if (keyword(s, "notin"))
        return !one_of(s, value) || !there;
    bool negated = s->p[0] == '!' && s->p[1] == '=';
    if (!negated && s->p[0] != '=') {
        s->wrong = true; /* the numbers' < and > are no more than a wrong selector for manifests */
        return false;
    }
    s->p += negated || s->p[1] == '=' ? 2 : 1;
    word(s, text);
    bool same = there && strcmp(text, value) == 0;
    return negated ? !same : same;
}

int sa_manifest_selected(const char *json, size_t n, const char *selector)
{
    struct scan s = {.p = selector};
    struct sa_json_member metadata, labels = {0};
    bool all = true;
    if (!member(json, n, 0, "metadata", &metadata) ||
        !member(metadata.value, metadata.value_n, 1, "labels", &labels))
        labels.value = NULL;
    space(&s);
    while (*s.p && !s.wrong) {
        char key[LABEL_MAX], value[LABEL_MAX] = "";
        bool absent = *s.p == '!';
        s.p += absent;
        word(&s, key);
        s.wrong = s.wrong || !*key;
        bool there = label(labels.value, labels.value_n, key, value);
        if (absent)
            all = !there && all;
        else
            all = holds(&s, there, value) && all;
        if (*s.p == ',' && s.p[1])
            s.p++;
        else if (*s.p)
            s.wrong = true;
        space(&s);
    }
    return s.wrong ? -1 : all;
}
