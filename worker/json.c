/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/json.h"

#include "worker/json_plain.h"

const char *sa_json_wrong(struct sa_json_fault *fault, const char *what, const char *at)
{
    fault->what = what;
    fault->at = at;
    return NULL;
}

int sa_json_fault_err(struct sa_err **err, const char *what, const struct sa_json_fault *fault,
                      const void *begin)
{
    const char *why = fault->what != NULL ? fault->what : "malformed";
    if (fault->at == NULL) {
        return sa_err_set(err, SA_EPROTOCOL, "%s: %s", what, why);
    }
    return sa_err_set(err, SA_EPROTOCOL, "%s: byte %td: %s", what, fault->at - (const char *)begin,
                      why);
}

/* One character of more than one byte (RFC 3629, section 4); p is at its first byte. */
static const char *utf8(const char *p, const char *end)
{
    const unsigned char *s = (const unsigned char *)p;
    size_t left = (size_t)(end - p);
    unsigned char lo = 0x80, hi = 0xbf; /* what the second byte may be */
    size_t n;
    if (s[0] >= 0xc2 && s[0] <= 0xdf) {
        n = 2;
    } else if (s[0] >= 0xe0 && s[0] <= 0xef) {
        n = 3;
        lo = s[0] == 0xe0 ? 0xa0 : 0x80; /* no overlong form */
        hi = s[0] == 0xed ? 0x9f : 0xbf; /* no surrogate */
    } else if (s[0] >= 0xf0 && s[0] <= 0xf4) {
        n = 4;
        lo = s[0] == 0xf0 ? 0x90 : 0x80;
        hi = s[0] == 0xf4 ? 0x8f : 0xbf; /* not past U+10FFFF */
    } else {
        return NULL;
    }
    if (left < n || s[1] < lo || s[1] > hi) {
        return NULL;
    }
    for (size_t i = 2; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return NULL;
        }
    }
    return p + n;
}

/* Four hexadecimal digits as a number; -1 if they are not. */
static int hex4(const char *p)
{
    int v = 0;
    for (int i = 0; i < 4; i++) {
        int d;
        if (p[i] >= '0' && p[i] <= '9') {
            d = p[i] - '0';
        } else if ((p[i] | 0x20) >= 'a' && (p[i] | 0x20) <= 'f') {
            d = (p[i] | 0x20) - 'a' + 10;
        } else {
            return -1;
        }
        v = v << 4 | d;
    }
    return v;
}

static bool high_surrogate(int u)
{
    return u >= 0xd800 && u <= 0xdbff;
}

static bool low_surrogate(int u)
{
    return u >= 0xdc00 && u <= 0xdfff;
}

/* One escape; p is at its backslash. */
static const char *escape(const char *p, const char *end)
{
    if (end - p < 2) {
        return NULL;
    }
    if (p[1] != 'u') {
        return p[1] != '\0' && strchr("\"\\/bfnrt", p[1]) != NULL ? p + 2 : NULL;
    }
    int u = end - p >= 6 ? hex4(p + 2) : -1;
    if (u < 0 || low_surrogate(u)) {
        return NULL;
    }
    if (!high_surrogate(u)) {
        return p + 6;
    }
    bool paired = end - p >= 12 && p[6] == '\\' && p[7] == 'u' && low_surrogate(hex4(p + 8));
    return paired ? p + 12 : NULL;
}

const char *sa_json_string(const char *p, const char *end, bool *escaped,
                           struct sa_json_fault *fault)
{
    for (;;) {
        p = sa_json_plain(p, end);
        if (p == end) {
            return sa_json_wrong(fault, "a string does not end", p);
        }
        if (SA_LIKELY(*p == '"')) {
            return p + 1;
        }
        const char *next;
        if (*p == '\\') {
            next = escape(p, end);
            *escaped = true;
            if (next == NULL) {
                return sa_json_wrong(fault, "wrong escape in a string", p);
            }
        } else {
            next = (unsigned char)*p >= 0x80 ? utf8(p, end) : NULL;
            if (next == NULL) {
                return sa_json_wrong(fault, "control character or wrong UTF-8 in a string", p);
            }
        }
        p = next;
    }
}

static const char *digits(const char *p, const char *end)
{
    while (p < end && *p >= '0' && *p <= '9') {
        p++;
    }
    return p;
}

/* number = [ minus ] int [ frac ] [ exp ] (RFC 8259, section 6) */
static const char *number(const char *p, const char *end, struct sa_json_fault *fault)
{
    const char *start = p;
    p += *p == '-';
    const char *part = p;
    p = p < end && *p == '0' ? p + 1 : digits(p, end);
    bool ok = p > part;
    if (ok && p < end && *p == '.') {
        part = ++p;
        p = digits(p, end);
        ok = p > part;
    }
    if (ok && p < end && (*p == 'e' || *p == 'E')) {
        p++;
        p += p < end && (*p == '+' || *p == '-');
        part = p;
        p = digits(p, end);
        ok = p > part;
    }
    return ok ? p : sa_json_wrong(fault, "neither a value nor a number", start);
}

const char *sa_json_scalar(const char *p, const char *end, struct sa_json_fault *fault)
{
    bool escaped;
    size_t left = (size_t)(end - p);
    if (left == 0) {
        return sa_json_wrong(fault, "a value is missing", p);
    }
    switch (*p) {
    case '"':
        return sa_json_string(p + 1, end, &escaped, fault);
    case 't':
        return left >= 4 && memcmp(p, "true", 4) == 0 ? p + 4
                                                      : sa_json_wrong(fault, "no JSON value", p);
    case 'f':
        return left >= 5 && memcmp(p, "false", 5) == 0 ? p + 5
                                                       : sa_json_wrong(fault, "no JSON value", p);
    case 'n':
        return left >= 4 && memcmp(p, "null", 4) == 0 ? p + 4
                                                      : sa_json_wrong(fault, "no JSON value", p);
    default:
        return number(p, end, fault);
    }
}

/* The name of a member, the colon and the white space around it. */
static const char *skip_name(const char *p, const char *end, struct sa_json_fault *fault)
{
    bool escaped;
    if (p == end || *p != '"') {
        return sa_json_wrong(fault, "the name of a member is missing", p);
    }
    p = sa_json_quick(p + 1, end, &escaped, fault);
    if (p == NULL) {
        return NULL;
    }
    p = sa_json_space(p, end);
    if (p == end || *p != ':') {
        return sa_json_wrong(fault, "a colon is missing", p);
    }
    return sa_json_space(p + 1, end);
}

const char *sa_json_skip(const char *p, const char *end, unsigned depth,
                         struct sa_json_fault *fault)
{
    if (p < end && *p == '"') {
        bool escaped;
        return sa_json_quick(p + 1, end, &escaped, fault);
    }
    if (p == end || (*p != '{' && *p != '[')) {
        return sa_json_scalar(p, end, fault);
    }
    bool object = *p == '{';
    char close = object ? '}' : ']';
    if (++depth > SA_JSON_DEPTH) {
        return sa_json_wrong(fault, "nested too deep", p);
    }
    p = sa_json_space(p + 1, end);
    if (p < end && *p == close) {
        return p + 1;
    }
    for (;;) {
        if (object) {
            p = skip_name(p, end, fault);
        }
        p = p != NULL ? sa_json_skip(p, end, depth, fault) : NULL;
        if (p == NULL) {
            return NULL;
        }
        p = sa_json_space(p, end);
        if (p < end && *p == close) {
            return p + 1;
        }
        if (p == end || *p != ',') {
            return sa_json_wrong(fault, "a comma or a closing bracket is missing", p);
        }
        p = sa_json_space(p + 1, end);
    }
}

/* The end of a string by its quotes alone; p is behind the opening one. */
static const char *closing_quote(const char *p, const char *end)
{
    const char *quote = p;
    while ((quote = memchr(quote, '"', (size_t)(end - quote))) != NULL) {
        const char *run = quote;
        while (run > p && run[-1] == '\\') {
            run--;
        }
        quote++;
        if ((quote - 1 - run) % 2 == 0) {
            return quote;
        }
        p = quote;
    }
    return NULL;
}

const char *sa_json_pass(const char *p, const char *end, struct sa_json_fault *fault)
{
    size_t depth = 0;
    if (p == end || strchr("\"{[", *p) == NULL || *p == '\0') {
        return sa_json_scalar(p, end, fault);
    }
    do {
        char c = *p++;
        if (c == '"') {
            p = closing_quote(p, end);
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    } while (p != NULL && p < end && depth != 0);
    return p != NULL && depth == 0 ? p : sa_json_wrong(fault, "a value does not end", end);
}

/* Writes the character at *p (a byte, or an escape) to out (4 bytes at most) and moves on. */
static size_t decode(const char **p, char out[4])
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    const char *s = *p;
    if (*s != '\\') {
        *p = s + 1;
        out[0] = *s;
        return 1;
    }
    if (s[1] != 'u') {
        const char *found = strchr(from, s[1]);
        const char *c = found != NULL ? &to[found - from] : &s[1];
        *p = s + 2;
        out[0] = *c;
        return 1;
    }
    uint32_t u = (uint32_t)hex4(s + 2);
    *p = s + 6;
    if (high_surrogate((int)u)) {
        u = 0x10000 + ((u - 0xd800) << 10) + ((uint32_t)hex4(s + 8) - 0xdc00);
        *p = s + 12;
    }
    if (u < 0x80) {
        out[0] = (char)u;
        return 1;
    }
    if (u < 0x800) {
        out[0] = (char)(0xc0 | u >> 6);
        out[1] = (char)(0x80 | (u & 0x3f));
        return 2;
    }
    if (u < 0x10000) {
        out[0] = (char)(0xe0 | u >> 12);
        out[1] = (char)(0x80 | (u >> 6 & 0x3f));
        out[2] = (char)(0x80 | (u & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | u >> 18);
    out[1] = (char)(0x80 | (u >> 12 & 0x3f));
    out[2] = (char)(0x80 | (u >> 6 & 0x3f));
    out[3] = (char)(0x80 | (u & 0x3f));
    return 4;
}

size_t sa_json_unescape(const char *raw, size_t n, char *out, size_t cap)
{
    const char *end = raw + n;
    size_t total = 0, whole = 0; /* whole: bytes of out that are complete characters */
    bool room = true;
    while (raw < end) {
        char c[4];
        size_t k = decode(&raw, c);
        room = room && total + k <= cap;
        if (room) {
            memcpy(out + total, c, k);
        }
        total += k;
        /* A byte that does not go on with a character begins the next one. */
        if (room && (raw == end || ((unsigned char)*raw & 0xc0) != 0x80)) {
            whole = total;
        }
    }
    if (whole < cap) {
        memset(out + whole, 0, (total < cap ? total : cap) - whole);
    }
    return total;
}

/* The next character of a string, as bytes; plain: as it stands, a backslash is one. */
static size_t next_char(const char **p, const char *end, bool plain, char out[4])
{
    if (*p == end) {
        return 0;
    }
    if (plain) {
        out[0] = *(*p)++;
        return 1;
    }
    return decode(p, out);
}

static bool equal(const char *a, size_t a_n, const char *b, size_t b_n, bool b_plain)
{
    const char *a_end = a + a_n, *b_end = b + b_n;
    char x[4], y[4];
    size_t x_n = 0, y_n = 0, x_at = 0, y_at = 0;
    for (;;) {
        if (x_at == x_n) {
            x_at = 0;
            x_n = next_char(&a, a_end, false, x);
        }
        if (y_at == y_n) {
            y_at = 0;
            y_n = next_char(&b, b_end, b_plain, y);
        }
        if (x_n == 0 || y_n == 0) {
            return x_n == y_n;
        }
        if (x[x_at++] != y[y_at++]) {
            return false;
        }
    }
}

bool sa_json_equal(const char *a, size_t a_n, const char *b, size_t b_n)
{
    return equal(a, a_n, b, b_n, false);
}

bool sa_json_equal_text(const char *raw, size_t n, const char *text, size_t text_n)
{
    return equal(raw, n, text, text_n, true);
}
