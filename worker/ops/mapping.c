/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ops/mapping.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "worker/scope.h"

#define MAX_RESOURCES 50000u
#define MAX_BYTES     ((size_t)16 * 1024 * 1024)

/* A record: its length in 16 bits, a byte of flags, then texts that end with NUL: group, version,
 * plural, kind, singular, the short names, and an empty one. */
#define HEAD 3u
enum { NAMESPACED = 1, SCALES = 2, LISTS = 4, PREFERRED = 8 };

struct record {
    unsigned flags;
    const char *group, *version, *plural, *kind, *singular, *short_names;
};

void sa_served_free(struct sa_served *s)
{
    free(s->data);
    *s = (struct sa_served){0};
}

void sa_served_fit(struct sa_served *s)
{
    char *fit = s->len ? realloc(s->data, s->len) : NULL;
    if (!fit)
        return;
    s->data = fit;
    s->cap = s->len;
}

static size_t record_length(const struct sa_served *s, size_t at)
{
    return (size_t)(unsigned char)s->data[at] | (size_t)(unsigned char)s->data[at + 1] << 8;
}

/* False at the end. *at is moved behind the record. */
static bool next(const struct sa_served *s, size_t *at, struct record *r)
{
    const char *p;
    if (*at >= s->len)
        return false;
    p = s->data + *at + HEAD;
    r->flags = (unsigned char)s->data[*at + 2];
    const char **texts[] = {&r->group, &r->version, &r->plural, &r->kind, &r->singular};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        *texts[i] = p;
        p += strlen(p) + 1;
    }
    r->short_names = p;
    *at += record_length(s, *at);
    return true;
}

static size_t put(char *out, size_t n, const char *text)
{
    size_t size = strlen(text) + 1;
    if (out)
        memcpy(out + n, text, size);
    return n + size;
}

/* Writes the record, or where out is NULL only measures it. */
static size_t write_record(char *out, const struct sa_served_resource *r)
{
    const char *singular = r->singular && strcasecmp(r->singular, r->kind) != 0 ? r->singular : "";
    const char *texts[] = {r->group, r->version, r->plural, r->kind, singular};
    size_t n = HEAD;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        n = put(out, n, texts[i]);
    for (size_t i = 0; r->short_names && i < r->short_names->n; i++)
        if (*r->short_names->v[i])
            n = put(out, n, r->short_names->v[i]);
    return put(out, n, "");
}

static int make_room(struct sa_served *s, size_t more, struct sa_err **err)
{
    size_t cap = s->cap ? s->cap : 4096;
    while (cap < s->len + more)
        cap *= 2;
    if (cap == s->cap)
        return 0;
    char *grown = realloc(s->data, cap);
    if (!grown)
        return sa_err_set(err, SA_EMEMORY, "no memory for the list of resources");
    s->data = grown;
    s->cap = cap;
    return 0;
}

static bool fits(const char *text, size_t size)
{
    return strlen(text) < size;
}

int sa_served_add(struct sa_served *s, const struct sa_served_resource *r, struct sa_err **err)
{
    if (!*r->version || !*r->plural || !*r->kind || !fits(r->group, SA_MAP_NAME) ||
        !fits(r->version, SA_MAP_LABEL) || !fits(r->plural, SA_MAP_NAME) ||
        !fits(r->kind, SA_MAP_LABEL))
        return 0;
    size_t n = write_record(NULL, r);
    if (n > UINT16_MAX)
        return 0;
    if (s->n >= MAX_RESOURCES || n > MAX_BYTES - s->len)
        return sa_err_set(err, SA_ELIMIT, "the server names more than %u resources", MAX_RESOURCES);
    if (make_room(s, n, err))
        return -1;
    char *out = s->data + s->len;
    out[0] = (char)(n & 0xff);
    out[1] = (char)(n >> 8);
    out[2] = (char)((r->namespaced ? NAMESPACED : 0) | (r->scales ? SCALES : 0) |
                    (r->lists ? LISTS : 0) | (r->preferred ? PREFERRED : 0));
    write_record(out, r);
    s->len += n;
    s->n++;
    return 0;
}

void sa_served_scales(struct sa_served *s, const char *group, const char *version,
                      const char *plural)
{
    struct record r;
    for (size_t at = 0, from = 0; next(s, &at, &r); from = at)
        if (strcmp(r.plural, plural) == 0 && strcmp(r.group, group) == 0 &&
            strcmp(r.version, version) == 0)
            s->data[from + 2] = (char)(s->data[from + 2] | SCALES);
}

bool sa_served_knows(const struct sa_served *s, const char *group)
{
    struct record r;
    for (size_t at = 0; next(s, &at, &r);)
        if (strcmp(r.group, group) == 0)
            return true;
    return false;
}

static void take(const struct record *r, struct sa_mapping *out)
{
    *out = (struct sa_mapping){
        .namespaced = (r->flags & NAMESPACED) != 0,
        .scales = (r->flags & SCALES) != 0,
        .lists = (r->flags & LISTS) != 0,
    };
    memcpy(out->group, r->group, strlen(r->group) + 1);
    memcpy(out->version, r->version, strlen(r->version) + 1);
    memcpy(out->plural, r->plural, strlen(r->plural) + 1);
    memcpy(out->kind, r->kind, strlen(r->kind) + 1);
}

/* What is looked for. */
struct wanted {
    const char *name;
    size_t name_n;
    const char *version; /* NULL: any */
    size_t version_n;
    const char *group; /* NULL: any */
    bool by_prefix;    /* of the group */
    bool short_names;  /* by these, else by the full ones */
};

static bool same(const char *name, size_t n, const char *text)
{
    return strlen(text) == n && strncasecmp(name, text, n) == 0;
}

static bool named(const struct wanted *w, const struct record *r)
{
    if (!w->short_names)
        return same(w->name, w->name_n, r->plural) || same(w->name, w->name_n, r->kind) ||
               (*r->singular && same(w->name, w->name_n, r->singular));
    for (const char *p = r->short_names; *p; p += strlen(p) + 1)
        if (same(w->name, w->name_n, p))
            return true;
    return false;
}

static bool answers(const struct wanted *w, const struct record *r)
{
    if (w->version && !same(w->version, w->version_n, r->version))
        return false;
    if (w->group && (w->by_prefix ? strncasecmp(w->group, r->group, strlen(w->group)) != 0
                                  : strcasecmp(w->group, r->group) != 0))
        return false;
    return named(w, r);
}

/* In the preferred version of some group, else in any. */
static bool search(const struct sa_served *s, const struct wanted *w, struct sa_mapping *out)
{
    struct record r;
    for (size_t at = 0; next(s, &at, &r);)
        if ((r.flags & PREFERRED) && answers(w, &r)) {
            take(&r, out);
            return true;
        }
    for (size_t at = 0; next(s, &at, &r);)
        if (answers(w, &r)) {
            take(&r, out);
            return true;
        }
    return false;
}

/* Full names come before short ones (shortcut.go), groups as they are before beginnings of them
 * (restmapper.go). */
static bool search_all(const struct sa_served *s, struct wanted w, struct sa_mapping *out)
{
    for (int by_prefix = 0; by_prefix <= (w.group != NULL && w.version == NULL); by_prefix++) {
        w.by_prefix = by_prefix != 0;
        for (int short_names = 0; short_names <= 1; short_names++) {
            w.short_names = short_names != 0;
            if (search(s, &w, out))
                return true;
        }
    }
    return false;
}

bool sa_served_find(const struct sa_served *s, const char *kind, struct sa_mapping *out)
{
    const char *dot = strchr(kind, '.');
    struct wanted w = {.name = kind, .name_n = strcspn(kind, ".")};
    const char *second = dot ? strchr(dot + 1, '.') : NULL;
    if (second) { /* deployments.v1.apps, before widgets.example.com */
        struct wanted full = w;
        full.version = dot + 1;
        full.version_n = (size_t)(second - dot - 1);
        full.group = second + 1;
        if (search_all(s, full, out))
            return true;
    }
    if (dot)
        w.group = dot + 1;
    return w.name_n > 0 && search_all(s, w, out);
}

bool sa_served_find_exactly(const struct sa_served *s, const char *api_version, const char *kind,
                            struct sa_mapping *out)
{
    const char *slash = strchr(api_version, '/');
    const char *version = slash ? slash + 1 : api_version;
    size_t group_n = slash ? (size_t)(slash - api_version) : 0;
    struct record r;
    for (size_t at = 0; next(s, &at, &r);)
        if (strcmp(r.kind, kind) == 0 && strcmp(r.version, version) == 0 &&
            strlen(r.group) == group_n && strncmp(r.group, api_version, group_n) == 0) {
            take(&r, out);
            return true;
        }
    return false;
}

static void join(char *out, size_t n, const char *a, const char *between, const char *b)
{
    const char *parts[] = {a, between, b};
    size_t len = 0;
    for (size_t i = 0; i < 3 && n; i++)
        for (const char *p = parts[i]; *p && len + 1 < n; p++)
            out[len++] = *p;
    if (n)
        out[len] = '\0';
}

void sa_mapping_title(const struct sa_mapping *m, char *out, size_t n)
{
    join(out, n, m->plural, *m->group ? "." : "", m->group);
}

void sa_mapping_api_version(const struct sa_mapping *m, char *out, size_t n)
{
    join(out, n, m->group, *m->group ? "/" : "", m->version);
}

static void segment(struct sa_buf *out, const char *text)
{
    sa_buf_addc(out, '/');
    sa_url_add(out, text);
}

int sa_mapping_path(const struct sa_mapping *m, const char *namespace, const char *name,
                    const char *sub, struct sa_buf *out)
{
    sa_buf_adds(out, *m->group ? "/apis" : "/api");
    if (*m->group)
        segment(out, m->group);
    segment(out, m->version);
    if (m->namespaced && namespace && *namespace) {
        sa_buf_adds(out, "/namespaces");
        segment(out, namespace);
    }
    segment(out, m->plural);
    if (name && *name)
        segment(out, name);
    if (name && *name && sub)
        segment(out, sub);
    return out->failed ? -1 : 0;
}

int sa_query_add(struct sa_buf *path, const char *key, const char *value)
{
    bool first = !path->data || !strchr(path->data, '?');
    sa_buf_addc(path, first ? '?' : '&');
    sa_buf_adds(path, key);
    sa_buf_addc(path, '=');
    sa_url_add(path, value);
    return path->failed ? -1 : 0;
}

const char *sa_segment_fault(const char *text)
{
    if (strcmp(text, ".") == 0)
        return "may not be '.'";
    if (strcmp(text, "..") == 0)
        return "may not be '..'";
    if (strchr(text, '/'))
        return "may not contain '/'";
    if (strchr(text, '%'))
        return "may not contain '%'";
    return NULL;
}
