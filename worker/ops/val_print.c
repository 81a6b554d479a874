/* SPDX-License-Identifier: Apache-2.0 */
/* From values to text, byte by byte what Go's encoding/json makes of them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/ops/val.h"

/* The last of n digits of "D.DDDe..." goes up by one. False where all are 9. */
static bool next_up(char *text, int n)
{
    for (int i = n; i >= 0; i--) {
        if (text[i] == '.' || (i == n && n == 1)) {
            continue;
        }
        if (text[i] != '9') {
            text[i]++;
            return true;
        }
        text[i] = '0';
    }
    return false;
}

int sa_val_digits(double d, char digits[SA_VAL_DIGITS], int *point)
{
    char text[32];
    int n = 1;
    /* 17 digits tell any two doubles apart; the first shorter form that reads back as d is it. The
     * nearest one to a power of two may be another's while the next above, where doubles are twice
     * as far apart, is its own. */
    for (; n < SA_VAL_DIGITS; n++) {
        snprintf(text, sizeof text, "%.*e", n - 1, d);
        if (strtod(text, NULL) == d || (next_up(text, n) && strtod(text, NULL) == d)) {
            break;
        }
    }
    if (n == SA_VAL_DIGITS) {
        snprintf(text, sizeof text, "%.*e", n - 1, d);
    }
    const char *e = strchr(text, 'e');
    *point = e != NULL ? (int)strtol(e + 1, NULL, 10) + 1 : 1;
    digits[0] = text[0];
    for (int i = 1; i < n; i++) {
        digits[i] = text[i + 1];
    }
    while (n > 1 && digits[n - 1] == '0') {
        n--;
    }
    return n;
}

static void zeros(struct sa_buf *b, int n)
{
    for (int i = 0; i < n; i++) {
        sa_buf_addc(b, '0');
    }
}

static void print_fixed(const char *digits, int n, int point, struct sa_buf *b)
{
    if (point <= 0) {
        sa_buf_adds(b, "0.");
        zeros(b, -point);
        sa_buf_add(b, digits, (size_t)n);
        return;
    }
    sa_buf_add(b, digits, (size_t)(n < point ? n : point));
    if (n > point) {
        sa_buf_addc(b, '.');
        sa_buf_add(b, digits + point, (size_t)(n - point));
    } else {
        zeros(b, point - n);
    }
}

/* The exponent has at least width digits. */
static void print_exponent(const char *digits, int n, int point, int width, struct sa_buf *b)
{
    sa_buf_addc(b, digits[0]);
    if (n > 1) {
        sa_buf_addc(b, '.');
        sa_buf_add(b, digits + 1, (size_t)(n - 1));
    }
    sa_buf_addf(b, "e%c%0*d", point - 1 < 0 ? '-' : '+', width, abs(point - 1));
}

/* How Go writes doubles: without exponent from low to below high. */
struct form {
    double low, high;
    int width; /* digits of an exponent, at least */
};
static const struct form JSON = {.low = 1e-6, .high = 1e21, .width = 1}; /* encoding/json */
static const struct form FMT = {.low = 1e-4, .high = 1e6, .width = 2};   /* fmt's %v */

static void print_double(double d, const struct form *f, struct sa_buf *b)
{
    char digits[SA_VAL_DIGITS];
    int point, n;
    if (signbit(d)) {
        sa_buf_addc(b, '-');
        d = -d;
    }
    if (d == 0) {
        sa_buf_addc(b, '0');
        return;
    }
    n = sa_val_digits(d, digits, &point);
    if (d < f->low || d >= f->high) {
        print_exponent(digits, n, point, f->width, b);
    } else {
        print_fixed(digits, n, point, b);
    }
}

static const char *escape(unsigned char c, char *hex)
{
    switch (c) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\b':
        return "\\b";
    case '\f':
        return "\\f";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    case '<':
    case '>':
    case '&':
        break;
    default:
        if (c >= 0x20) {
            return NULL;
        }
    }
    snprintf(hex, 7, "\\u%04x", c);
    return hex;
}

void sa_val_print_string(const char *s, size_t n, struct sa_buf *b)
{
    size_t from = 0;
    char hex[8];
    sa_buf_addc(b, '"');
    for (size_t i = 0; i < n; i++) {
        const char *e = escape((unsigned char)s[i], hex);
        size_t taken = 1;
        /* U+2028 and U+2029, which JavaScript takes for ends of lines */
        if (e == NULL && s[i] == '\xe2' && n - i > 2 && s[i + 1] == '\x80' &&
            (s[i + 2] == '\xa8' || s[i + 2] == '\xa9')) {
            e = s[i + 2] == '\xa8' ? "\\u2028" : "\\u2029";
            taken = 3;
        }
        if (e != NULL) {
            sa_buf_add(b, s + from, i - from);
            sa_buf_adds(b, e);
            from = i + taken;
            i = from - 1;
        }
    }
    sa_buf_add(b, s + from, n - from);
    sa_buf_addc(b, '"');
}

static void print_list(const struct sa_val *v, struct sa_buf *b)
{
    sa_buf_addc(b, '[');
    for (uint32_t i = 0; i < v->n; i++) {
        if (i > 0) {
            sa_buf_addc(b, ',');
        }
        sa_val_print(v->items[i], b);
    }
    sa_buf_addc(b, ']');
}

static void print_map(const struct sa_val *v, struct sa_buf *b)
{
    sa_buf_addc(b, '{');
    for (uint32_t i = 0; i < v->n; i++) {
        if (i > 0) {
            sa_buf_addc(b, ',');
        }
        sa_val_print_string(v->pairs[i].key, v->pairs[i].n, b);
        sa_buf_addc(b, ':');
        sa_val_print(v->pairs[i].val, b);
    }
    sa_buf_addc(b, '}');
}

void sa_val_print(const struct sa_val *v, struct sa_buf *b)
{
    switch (v->type) {
    case SA_VAL_NULL:
        sa_buf_adds(b, "null");
        break;
    case SA_VAL_BOOL:
        sa_buf_adds(b, v->b ? "true" : "false");
        break;
    case SA_VAL_INT:
        sa_buf_addf(b, "%lld", (long long)v->i);
        break;
    case SA_VAL_FLOAT:
        print_double(v->d, &JSON, b);
        break;
    case SA_VAL_STRING:
        sa_val_print_string(v->s, v->n, b);
        break;
    case SA_VAL_LIST:
        print_list(v, b);
        break;
    case SA_VAL_MAP:
        print_map(v, b);
        break;
    }
}

void sa_val_format(const struct sa_val *v, struct sa_buf *b)
{
    if (v->type == SA_VAL_STRING) {
        sa_buf_add(b, v->s, v->n);
    } else if (v->type == SA_VAL_FLOAT) {
        print_double(v->d, &FMT, b);
    } else if (v->type == SA_VAL_NULL) {
        sa_buf_adds(b, "<nil>");
    } else {
        sa_val_print(v, b);
    }
}
