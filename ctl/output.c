/* SPDX-License-Identifier: Apache-2.0 */
/* How things look: tables, ages, numbers, colours. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/cli.h"

#define GAP "   "

void sa_grid_init(struct sa_grid *t, const char *const *heads, size_t columns)
{
    *t = (struct sa_grid){.heads = heads, .columns = columns};
}

/* What others wrote must not steer the terminal: C0, DEL, and C1 as UTF-8. */
static void blank_controls(char *s)
{
    for (unsigned char *p = (unsigned char *)s; *p != '\0'; p++) {
        if (*p < 0x20 || *p == 0x7f)
            *p = ' ';
        else if (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)
            p[0] = p[1] = ' ';
    }
}

void sa_grid_cell(struct sa_grid *t, enum sa_tone tone, const char *fmt, ...)
{
    if (t->n == t->cap) {
        size_t cap = t->cap == 0 ? 64 : t->cap * 2;
        char **cells = reallocarray(t->cells, cap, sizeof *cells);
        if (cells != NULL)
            t->cells = cells;
        enum sa_tone *tones = reallocarray(t->tones, cap, sizeof *tones);
        if (tones != NULL)
            t->tones = tones;
        if (cells == NULL || tones == NULL) {
            t->failed = true;
            return;
        }
        t->cap = cap;
    }
    va_list ap;
    char *text = NULL;
    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0)
        text = NULL;
    va_end(ap);
    if (text == NULL) {
        t->failed = true;
        return;
    }
    blank_controls(text);
    t->tones[t->n] = tone;
    t->cells[t->n++] = text;
}

/* Characters, not bytes: wide ones count as one, which is wrong by a column and no worse. */
static size_t width_of(const char *s)
{
    size_t n = 0;
    for (; *s != '\0'; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static const char *tone_code(enum sa_tone tone)
{
    static const char *const codes[] = {
        [SA_TONE_PLAIN] = "",       [SA_TONE_GOOD] = "\033[32m", [SA_TONE_WARN] = "\033[33m",
        [SA_TONE_BAD] = "\033[31m", [SA_TONE_DIM] = "\033[2m",
    };
    return codes[tone];
}

static void put_cell(struct sa_buf *out, const char *text, size_t width, enum sa_tone tone,
                     bool colour)
{
    bool toned = colour && tone != SA_TONE_PLAIN;
    if (toned)
        sa_buf_adds(out, tone_code(tone));
    sa_buf_adds(out, text);
    if (toned)
        sa_buf_adds(out, "\033[0m");
    for (size_t n = width_of(text); n < width; n++)
        sa_buf_addc(out, ' ');
}

void sa_grid_print(const struct sa_grid *t, bool colour, struct sa_buf *out)
{
    size_t *width = calloc(t->columns, sizeof *width);
    if (width == NULL || t->failed) {
        out->failed = true;
        free(width);
        return;
    }
    for (size_t c = 0; c + 1 < t->columns; c++) { /* the last column ends its line */
        width[c] = width_of(t->heads[c]);
        for (size_t i = c; i < t->n; i += t->columns) {
            size_t w = width_of(t->cells[i]);
            width[c] = w > width[c] ? w : width[c];
        }
    }
    for (size_t c = 0; c < t->columns; c++) {
        put_cell(out, t->heads[c], width[c], SA_TONE_DIM, colour);
        sa_buf_adds(out, c + 1 < t->columns ? GAP : "\n");
    }
    for (size_t i = 0; i < t->n; i++) {
        size_t c = i % t->columns;
        put_cell(out, t->cells[i], width[c], t->tones[i], colour);
        sa_buf_adds(out, c + 1 < t->columns ? GAP : "\n");
    }
    free(width);
}

void sa_grid_free(struct sa_grid *t)
{
    for (size_t i = 0; i < t->n; i++)
        free(t->cells[i]);
    free(t->cells);
    free(t->tones);
    *t = (struct sa_grid){0};
}

void sa_format_age(double seconds, char *out, size_t n)
{
    if (seconds < 0)
        seconds = 0;
    if (seconds < 120)
        snprintf(out, n, "%.0fs", seconds);
    else if (seconds < 7200)
        snprintf(out, n, "%.0fm", seconds / 60);
    else if (seconds < 172800)
        snprintf(out, n, "%.0fh", seconds / 3600);
    else
        snprintf(out, n, "%.0fd", seconds / 86400);
}

void sa_format_lag(double us, char *out, size_t n)
{
    if (us < 10000)
        snprintf(out, n, "%.1fms", us / 1e3);
    else if (us < 1e6)
        snprintf(out, n, "%.0fms", us / 1e3);
    else
        snprintf(out, n, "%.1fs", us / 1e6);
}

void sa_format_count(double v, char *out, size_t n)
{
    if (v < 10000)
        snprintf(out, n, "%.0f", v);
    else if (v < 1e6)
        snprintf(out, n, "%.1fk", v / 1e3);
    else
        snprintf(out, n, "%.1fM", v / 1e6);
}

int sa_put(struct sa_buf *b)
{
    bool ok = !b->failed;
    if (ok && b->len > 0)
        ok = fwrite(b->data, 1, b->len, stdout) == b->len;
    ok = ok && fflush(stdout) == 0;
    sa_buf_free(b);
    if (ok)
        return SA_EXIT_OK;
    fputs("scale-agentctl: the output could not be written\n", stderr);
    return SA_EXIT_NO;
}
