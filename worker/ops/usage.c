/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ops/usage.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MIB (1024 * 1024)

/* digits * 10^ten * 2^two */
struct number {
    uint64_t digits;
    int ten, two;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits that no longer fit are dropped; they don't count where anything is rounded. */
static const char *take_digits(const char *s, struct number *out)
{
    bool part = false;
    for (; is_digit(*s) || (*s == '.' && !part); s++) {
        if (*s == '.') {
            part = true;
        } else if (out->digits <= (UINT64_MAX - 9) / 10) {
            out->digits = out->digits * 10 + (uint64_t)(*s - '0');
            out->ten -= part;
        } else {
            out->ten += !part;
        }
    }
    return s;
}

static bool take_suffix(const char *s, struct number *out)
{
    static const struct {
        const char *suffix;
        int ten, two;
    } suffixes[] = {
        {"", 0, 0},    {"n", -9, 0},  {"u", -6, 0},  {"m", -3, 0},  {"k", 3, 0},   {"M", 6, 0},
        {"G", 9, 0},   {"T", 12, 0},  {"P", 15, 0},  {"E", 18, 0},  {"Ki", 0, 10}, {"Mi", 0, 20},
        {"Gi", 0, 30}, {"Ti", 0, 40}, {"Pi", 0, 50}, {"Ei", 0, 60},
    };
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        if (strcmp(suffixes[i].suffix, s) == 0) {
            out->ten += suffixes[i].ten;
            out->two = suffixes[i].two;
            return true;
        }
    }
    if ((*s != 'e' && *s != 'E') || s[1] == '\0')
        return false;
    char *end;
    long exponent = strtol(s + 1, &end, 10);
    if (*end != '\0' || exponent < -100 || exponent > 100)
        return false;
    out->ten += (int)exponent;
    return true;
}

/* The quantity times 10^shift, rounded up. */
static int64_t scaled(const char *text, int shift)
{
    struct number n = {0};
    const char *s = take_digits(text + (*text == '+'), &n);
    if (s == text || !take_suffix(s, &n))
        return 0;
    uint64_t v = n.digits;
    bool rest = false;
    n.ten += shift;
    for (; n.two > 0 && v <= UINT64_MAX / 2; n.two--)
        v *= 2;
    for (; n.ten > 0 && v != 0 && v <= UINT64_MAX / 10; n.ten--)
        v *= 10;
    for (; n.ten < 0; n.ten++) {
        rest |= v % 10 != 0;
        v /= 10;
    }
    if (v != 0 && (n.two > 0 || n.ten > 0))
        return INT64_MAX;
    return v >= INT64_MAX ? INT64_MAX : (int64_t)v + rest;
}

int64_t sa_quantity_milli(const char *text)
{
    return scaled(text, 3);
}

int64_t sa_quantity_value(const char *text)
{
    return scaled(text, 0);
}

static const char *metadata(const struct sa_val *pod, const char *name)
{
    return sa_val_str(sa_val_member(pod, "metadata"), name);
}

static int by_pod(const void *a, const void *b)
{
    const struct sa_val *x = *(struct sa_val *const *)a, *y = *(struct sa_val *const *)b;
    int r = strcmp(metadata(x, "namespace"), metadata(y, "namespace"));
    return r != 0 ? r : strcmp(metadata(x, "name"), metadata(y, "name"));
}

static int by_name(const void *a, const void *b)
{
    const struct sa_val *x = *(struct sa_val *const *)a, *y = *(struct sa_val *const *)b;
    return strcmp(sa_val_str(x, "name"), sa_val_str(y, "name"));
}

/* The items of a list in order; NULL: no memory. */
static const struct sa_val **sorted(struct sa_arena *arena, const struct sa_val *list, uint32_t n,
                                    int (*by)(const void *, const void *))
{
    const struct sa_val **v = sa_arena_alloc(arena, (n + 1) * sizeof(struct sa_val *));
    if (v == NULL || n == 0)
        return v;
    memcpy(v, list->items, n * sizeof(struct sa_val *));
    qsort(v, n, sizeof(struct sa_val *), by);
    return v;
}

static void put_text(const char *name, const char *text, struct sa_buf *out)
{
    sa_buf_addf(out, "\"%s\":", name);
    sa_val_print_string(text, strlen(text), out);
}

static int put_pod(struct sa_arena *arena, const struct sa_val *pod, struct sa_buf *out)
{
    const struct sa_val *list = sa_val_member(pod, "containers");
    uint32_t n = list != NULL && list->type == SA_VAL_LIST ? list->n : 0;
    const struct sa_val **v = sorted(arena, list, n, by_name);
    if (v == NULL)
        return -1;
    sa_buf_addc(out, '{');
    put_text("namespace", metadata(pod, "namespace"), out);
    sa_buf_addc(out, ',');
    put_text("pod", metadata(pod, "name"), out);
    sa_buf_adds(out, ",\"containers\":[");
    for (uint32_t i = 0; i < n; i++) {
        const struct sa_val *usage = sa_val_member(v[i], "usage");
        sa_buf_adds(out, i > 0 ? ",{" : "{");
        put_text("name", sa_val_str(v[i], "name"), out);
        sa_buf_addf(out, ",\"cpu\":\"%" PRId64 "m\",\"memory\":\"%" PRId64 "Mi\"}",
                    sa_quantity_milli(sa_val_str(usage, "cpu")),
                    sa_quantity_value(sa_val_str(usage, "memory")) / MIB);
    }
    sa_buf_adds(out, "]}");
    return out->failed ? -1 : 0;
}

int sa_usage_print(struct sa_arena *arena, const struct sa_val *metrics, struct sa_buf *out)
{
    const struct sa_val *items = sa_val_member(metrics, "items");
    if (items == NULL) { /* one pod by its name, or nothing */
        sa_buf_addc(out, '[');
        if (sa_val_member(metrics, "containers") != NULL && put_pod(arena, metrics, out) != 0)
            return -1;
        return sa_buf_addc(out, ']');
    }
    uint32_t n = items->type == SA_VAL_LIST ? items->n : 0;
    const struct sa_val **v = sorted(arena, items, n, by_pod);
    if (v == NULL)
        return -1;
    sa_buf_addc(out, '[');
    for (uint32_t i = 0; i < n; i++) {
        if (i > 0)
            sa_buf_addc(out, ',');
        if (put_pod(arena, v[i], out) != 0)
            return -1;
    }
    return sa_buf_addc(out, ']');
}
