/* SPDX-License-Identifier: Apache-2.0 */
/* What stands around objects: events of a watch, and Status. */
#include <string.h>

#include "worker/json.h"
#include "worker/json_brace.h"
#include "worker/scrub.h"

static const struct type_name {
    const char *name;
    size_t n;
    enum sa_watch_type type;
} type_names[] = {
    {"MODIFIED", 8, SA_WATCH_MODIFIED}, {"ADDED", 5, SA_WATCH_ADDED},
    {"DELETED", 7, SA_WATCH_DELETED},   {"BOOKMARK", 8, SA_WATCH_BOOKMARK},
    {"ERROR", 5, SA_WATCH_ERROR},
};

static const struct type_name *find_type(const char *name, size_t n)
{
    for (size_t i = 0; i < sizeof(type_names) / sizeof(type_names[0]); i++) {
        if (n == type_names[i].n && memcmp(name, type_names[i].name, n) == 0) {
            return &type_names[i];
        }
    }
    return NULL;
}

static const char *expect(const char *p, const char *end, const char *text)
{
    size_t n = strlen(text);
    return p != NULL && (size_t)(end - p) >= n && memcmp(p, text, n) == 0 ? p + n : NULL;
}

/* The form that API servers send: type, object, nothing else and no white space between. The object
 * itself is left to its reader to validate. */
static bool usual_event(const char *p, const char *end, enum sa_watch_type *type,
                        const char **object, size_t *object_n)
{
    p = expect(p, end, "{\"type\":\"");
    const char *quote = p != NULL ? memchr(p, '"', (size_t)(end - p)) : NULL;
    const struct type_name *t = quote != NULL ? find_type(p, (size_t)(quote - p)) : NULL;
    p = t != NULL ? expect(quote, end, "\",\"object\":") : NULL;
    if (p == NULL || p == end || *p != '{') {
        return false;
    }
    struct sa_json_brace brace = {0};
    size_t n = sa_json_brace(&brace, p, (size_t)(end - p));
    const char *behind = n != 0 ? expect(p + n, end, "}") : NULL;
    if (behind == NULL || sa_json_space(behind, end) != end) {
        return false;
    }
    *type = t->type;
    *object = p;
    *object_n = n;
    return true;
}

/* Any other form, such as with white space or members that came with later versions. */
static int any_event(const char *begin, size_t n, enum sa_watch_type *type, const char **object,
                     size_t *object_n, struct sa_err **err)
{
    struct sa_json_members it;
    struct sa_json_member m;
    char name[16] = "";
    int r = sa_json_members(&it, begin, n, 0) == 0 ? 1 : -1;
    *object = NULL;
    while (r == 1 && (r = sa_json_next(&it, &m)) == 1) {
        if (sa_json_is(&m, "type")) {
            sa_json_text(m.value, m.value_n, name, sizeof(name));
        } else if (sa_json_is(&m, "object")) {
            *object = m.value[0] == '{' ? m.value : NULL;
            *object_n = m.value_n;
        }
    }
    if (r < 0) {
        return sa_json_fault_err(err, "an event of a watch is not valid JSON", &it.fault, begin);
    }
    const struct type_name *t = find_type(name, strlen(name));
    if (t == NULL) {
        return sa_err_set(err, SA_EPROTOCOL, "an event of a watch has no type that is known");
    }
    if (*object == NULL) {
        return sa_err_set(err, SA_EPROTOCOL, "an event of a watch has no object");
    }
    *type = t->type;
    return 0;
}

int sa_watch_event(const void *json, size_t n, enum sa_watch_type *type, const char **object,
                   size_t *object_n, struct sa_err **err)
{
    const char *begin = json;
    if (usual_event(begin, begin + n, type, object, object_n)) {
        return 0;
    }
    return any_event(begin, n, type, object, object_n, err);
}

/* A text that will be printed: no line ends nor other control characters. */
static void status_text(const struct sa_json_member *m, char *out, size_t cap)
{
    if (sa_json_text(m->value, m->value_n, out, cap) == SA_JSON_NO_TEXT) {
        out[0] = '\0';
    }
    for (char *c = out; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            *c = ' ';
        }
    }
}

static int64_t retry_after(const char *details, size_t n)
{
    struct sa_json_members it;
    struct sa_json_member m;
    int64_t seconds = 0;
    if (sa_json_members(&it, details, n, 1) != 0) {
        return 0;
    }
    while (sa_json_next(&it, &m) == 1) {
        if (sa_json_is(&m, "retryAfterSeconds") &&
            (!sa_json_integer(m.value, m.value_n, &seconds) || seconds < 0)) {
            seconds = 0;
        }
    }
    return seconds;
}

int sa_status_parse(const void *json, size_t n, struct sa_status *out, struct sa_err **err)
{
    struct sa_json_members it;
    struct sa_json_member m;
    *out = (struct sa_status){0};
    int r = sa_json_members(&it, json, n, 0) == 0 ? 1 : -1;
    while (r == 1 && (r = sa_json_next(&it, &m)) == 1) {
        if (sa_json_is(&m, "code")) {
            int64_t code = 0;
            bool ok = sa_json_integer(m.value, m.value_n, &code) && code >= 0 && code <= 999;
            out->code = ok ? (int)code : 0;
        } else if (sa_json_is(&m, "reason")) {
            status_text(&m, out->reason, sizeof(out->reason));
        } else if (sa_json_is(&m, "message")) {
            status_text(&m, out->message, sizeof(out->message));
        } else if (sa_json_is(&m, "details")) {
            out->retry_after_s = retry_after(m.value, m.value_n);
        }
    }
    if (r < 0) {
        return sa_json_fault_err(err, "a Status is not valid JSON", &it.fault, json);
    }
    return 0;
}
