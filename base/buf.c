/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t bound(const struct sa_buf *b)
{
    return b->max != 0 ? b->max : SIZE_MAX / 4;
}

void sa_buf_init(struct sa_buf *b, size_t max)
{
    *b = (struct sa_buf){.max = max};
}

void sa_buf_free(struct sa_buf *b)
{
    free(b->data);
    sa_buf_init(b, b->max);
}

void sa_buf_reset(struct sa_buf *b)
{
    b->len = 0;
    b->failed = false;
    if (b->data != NULL) {
        b->data[0] = '\0';
    }
}

void sa_buf_trim(struct sa_buf *b, size_t keep)
{
    sa_buf_reset(b);
    if (b->cap <= keep) {
        return;
    }
    if (keep == 0) {
        sa_buf_free(b);
        return;
    }
    char *smaller = realloc(b->data, keep);
    if (smaller != NULL) {
        b->data = smaller;
        b->cap = keep;
    }
}

static int fail(struct sa_buf *b)
{
    b->failed = true;
    return -1;
}

int sa_buf_reserve(struct sa_buf *b, size_t more)
{
    size_t max = bound(b);
    if (b->len > max || more > max - b->len || more > SIZE_MAX / 4) {
        return fail(b);
    }
    size_t need = b->len + more + 1; /* and the NUL */
    if (need <= b->cap) {
        return 0;
    }
    /* Half as much again, but not past the bound: a buffer bounded to one page stays one. */
    size_t cap = b->cap + b->cap / 2;
    if (cap > max) {
        cap = max + 1;
    }
    if (cap < need) {
        cap = need < 64 && max >= 63 ? 64 : need;
    }
    char *data = realloc(b->data, cap);
    if (data == NULL) {
        return fail(b);
    }
    b->data = data;
    b->cap = cap;
    b->data[b->len] = '\0';
    return 0;
}

int sa_buf_add(struct sa_buf *b, const void *p, size_t n)
{
    if (sa_buf_reserve(b, n) != 0) {
        return -1;
    }
    if (n != 0) {
        memcpy(b->data + b->len, p, n);
    }
    b->len += n;
    b->data[b->len] = '\0';
    return 0;
}

int sa_buf_addc(struct sa_buf *b, char c)
{
    return sa_buf_add(b, &c, 1);
}

int sa_buf_adds(struct sa_buf *b, const char *s)
{
    return sa_buf_add(b, s, strlen(s));
}

int sa_buf_addf(struct sa_buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int r = sa_buf_addv(b, fmt, ap);
    va_end(ap);
    return r;
}

int sa_buf_addv(struct sa_buf *b, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    int r = -1;
    if (n < 0) {
        b->failed = true;
    } else if (sa_buf_reserve(b, (size_t)n) == 0) {
        vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
        r = 0;
    }
    va_end(again);
    return r;
}

/* By the table of well-formed sequences in RFC 3629, section 4. */
size_t sa_utf8_length(const char *s)
{
    const unsigned char *u = (const unsigned char *)s;
    if (u[0] == 0) {
        return 0;
    }
    if (u[0] < 0x80) {
        return 1;
    }
    size_t n = u[0] >= 0xf0 ? 4 : u[0] >= 0xe0 ? 3 : 2;
    if (u[0] < 0xc2 || u[0] > 0xf4) {
        return 0;
    }
    for (size_t i = 1; i < n; i++) {
        if ((u[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool overlong = (u[0] == 0xe0 && u[1] < 0xa0) || (u[0] == 0xf0 && u[1] < 0x90);
    bool surrogate = u[0] == 0xed && u[1] > 0x9f;
    bool too_big = u[0] == 0xf4 && u[1] > 0x8f;
    return overlong || surrogate || too_big ? 0 : n;
}

static void add_json_char(struct sa_buf *b, char c)
{
    switch (c) {
    case '"':
        sa_buf_adds(b, "\\\"");
        break;
    case '\\':
        sa_buf_adds(b, "\\\\");
        break;
    case '\n':
        sa_buf_adds(b, "\\n");
        break;
    case '\r':
        sa_buf_adds(b, "\\r");
        break;
    case '\t':
        sa_buf_adds(b, "\\t");
        break;
    default:
        if ((unsigned char)c < 0x20 || c == 0x7f) {
            sa_buf_addf(b, "\\u%04x", (unsigned)(unsigned char)c);
        } else {
            sa_buf_addc(b, c);
        }
    }
}

int sa_buf_add_json(struct sa_buf *b, const char *s)
{
    size_t before = b->len;
    bool failed_before = b->failed;
    b->failed = false;
    sa_buf_addc(b, '"');
    while (*s != '\0' && !b->failed) {
        size_t n = sa_utf8_length(s);
        if (n == 0) {
            sa_buf_adds(b, "\xef\xbf\xbd");
            s++;
        } else if (n == 1) {
            add_json_char(b, *s++);
        } else if (n == 2 && (unsigned char)s[0] == 0xc2 && (unsigned char)s[1] < 0xa0) {
            /* C1 controls are none to JSON, but they are to a terminal. */
            sa_buf_addf(b, "\\u%04x", (unsigned)(unsigned char)s[1]);
            s += n;
        } else {
            sa_buf_add(b, s, n);
            s += n;
        }
    }
    sa_buf_addc(b, '"');
    if (b->failed) {
        b->len = before;
        if (b->data != NULL) {
            b->data[before] = '\0';
        }
        return -1;
    }
    b->failed = failed_before;
    return 0;
}

void sa_buf_drop(struct sa_buf *b, size_t n)
{
    if (n >= b->len) {
        b->len = 0;
    } else {
        memmove(b->data, b->data + n, b->len - n);
        b->len -= n;
    }
    if (b->data != NULL) {
        b->data[b->len] = '\0';
    }
}

void sa_buf_wipe(struct sa_buf *b)
{
    if (b->data != NULL) {
        sodium_memzero(b->data, b->cap);
    }
    sa_buf_reset(b);
}
