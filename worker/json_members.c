/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the members of an object one by one: for what is small or rare. */
#include "worker/json.h"

#include "worker/json_plain.h"

int sa_json_members(struct sa_json_members *it, const char *json, size_t n, unsigned depth)
{
    *it = (struct sa_json_members){.end = json + n, .depth = depth + 1};
    it->p = sa_json_space(json, it->end);
    if (it->p == it->end || *it->p != '{') {
        sa_json_wrong(&it->fault, "not an object", it->p);
        return -1;
    }
    it->p++;
    return 0;
}

/* At the closing brace: nothing but white space may follow. */
static int finish(struct sa_json_members *it)
{
    it->p = sa_json_space(it->p + 1, it->end);
    if (it->p != it->end) {
        sa_json_wrong(&it->fault, "something follows the object", it->p);
        return -1;
    }
    return 0;
}

static const char *member(struct sa_json_members *it, const char *p, struct sa_json_member *m)
{
    bool escaped;
    if (p == it->end || *p != '"') {
        return sa_json_wrong(&it->fault, "the name of a member is missing", p);
    }
    m->key = p + 1;
    p = sa_json_string(m->key, it->end, &escaped, &it->fault);
    if (p == NULL) {
        return NULL;
    }
    m->key_n = (size_t)(p - 1 - m->key);
    p = sa_json_space(p, it->end);
    if (p == it->end || *p != ':') {
        return sa_json_wrong(&it->fault, "a colon is missing", p);
    }
    m->value = sa_json_space(p + 1, it->end);
    p = sa_json_skip(m->value, it->end, it->depth, &it->fault);
    if (p != NULL) {
        m->value_n = (size_t)(p - m->value);
    }
    return p;
}

int sa_json_next(struct sa_json_members *it, struct sa_json_member *m)
{
    if (it->p == it->end) {
        if (it->begun) {
            return 0;
        }
        sa_json_wrong(&it->fault, "the object does not end", it->p);
        return -1;
    }
    const char *p = sa_json_space(it->p, it->end);
    if (p < it->end && *p == '}') {
        it->p = p;
        it->begun = true;
        return finish(it);
    }
    if (it->begun) {
        if (p == it->end || *p != ',') {
            sa_json_wrong(&it->fault, "a comma or a closing bracket is missing", p);
            return -1;
        }
        p = sa_json_space(p + 1, it->end);
    }
    it->begun = true;
    p = member(it, p, m);
    if (p == NULL) {
        return -1;
    }
    it->p = p;
    if (p == it->end) {
        sa_json_wrong(&it->fault, "the object does not end", p);
        return -1;
    }
    return 1;
}

bool sa_json_is(const struct sa_json_member *m, const char *name)
{
    size_t n = strlen(name);
    if (memchr(m->key, '\\', m->key_n) != NULL) {
        return sa_json_equal_text(m->key, m->key_n, name, n);
    }
    return m->key_n == n && memcmp(m->key, name, n) == 0;
}

enum sa_json_text sa_json_text(const char *value, size_t n, char *out, size_t cap)
{
    out[0] = '\0';
    if (n == 0 || value[0] != '"') {
        return n == 4 && value[0] == 'n' ? SA_JSON_NULL : SA_JSON_NO_TEXT;
    }
    if (n - 2 < cap && memchr(value + 1, '\\', n - 2) == NULL) {
        memcpy(out, value + 1, n - 2);
        out[n - 2] = '\0';
        return SA_JSON_TEXT;
    }
    size_t whole = sa_json_unescape(value + 1, n - 2, out, cap - 1);
    out[whole < cap ? whole : cap - 1] = '\0';
    if (whole >= cap) {
        return SA_JSON_TOO_LONG;
    }
    return memchr(out, '\0', whole) == NULL ? SA_JSON_TEXT : SA_JSON_NO_TEXT;
}

bool sa_json_integer(const char *value, size_t n, int64_t *out)
{
    bool minus = n > 0 && value[0] == '-';
    uint64_t v = 0, max = (uint64_t)INT64_MAX + (minus ? 1 : 0);
    size_t i = minus ? 1 : 0;
    if (i == n) {
        return false;
    }
    for (; i < n; i++) {
        unsigned d = (unsigned char)value[i] - (unsigned)'0';
        if (d > 9 || v > (max - d) / 10) {
            return false;
        }
        v = v * 10 + d;
    }
    *out = minus ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}
