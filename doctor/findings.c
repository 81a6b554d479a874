/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor/exam.h"
#include "ipc/msg.h"

#define TEXT_MAX ((size_t)64 * 1024) /* bytes of one text of another process */
#define MOST     1000u               /* findings of another process */

const char *sa_health_name(enum sa_health h)
{
    static const char *const names[] = {
        [SA_HEALTH_SKIPPED] = "skipped",
        [SA_HEALTH_OK] = "ok",
        [SA_HEALTH_WARNING] = "warning",
        [SA_HEALTH_ERROR] = "error",
    };
    return names[h];
}

static void clear(struct sa_finding *f)
{
    free(f->about);
    free(f->account);
    free(f->check);
    free(f->found);
    free(f->fix);
    free(f->yaml);
}

void sa_findings_free(struct sa_findings *f)
{
    for (size_t i = 0; i < f->n; i++)
        clear(&f->v[i]);
    free(f->v);
    *f = (struct sa_findings){0};
}

/* Takes the texts of *one over. */
static void append(struct sa_findings *f, const struct sa_finding *one)
{
    struct sa_finding copy = *one;
    struct sa_finding *v = reallocarray(f->v, f->n + 1, sizeof *v);
    if (v != NULL)
        f->v = v;
    if (v == NULL || copy.about == NULL || copy.account == NULL || copy.check == NULL ||
        copy.found == NULL || copy.fix == NULL || copy.yaml == NULL) {
        clear(&copy);
        f->failed = true;
        return;
    }
    v[f->n++] = copy;
}

void sa_findings_move(struct sa_findings *to, struct sa_findings *from)
{
    for (size_t i = 0; i < from->n; i++)
        append(to, &from->v[i]);
    to->failed |= from->failed;
    free(from->v);
    *from = (struct sa_findings){0};
}

__attribute__((format(printf, 5, 0))) static void add(struct sa_exam *x, enum sa_health h,
                                                      const char *check, const char *fix,
                                                      const char *fmt, va_list ap)
{
    char *found = NULL;
    if (vasprintf(&found, fmt, ap) < 0)
        found = NULL;
    const struct sa_finding f = {
        .health = h,
        .about = strdup(x->about),
        .account = strdup(x->account != NULL ? x->account : ""),
        .check = strdup(check),
        .found = found,
        .fix = strdup(fix != NULL ? fix : ""),
        .yaml = strdup(""),
    };
    append(x->out, &f);
}

void sa_exam_ok(struct sa_exam *x, const char *check, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add(x, SA_HEALTH_OK, check, NULL, fmt, ap);
    va_end(ap);
}

void sa_exam_skip(struct sa_exam *x, const char *check, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add(x, SA_HEALTH_SKIPPED, check, NULL, fmt, ap);
    va_end(ap);
}

void sa_exam_bad(struct sa_exam *x, enum sa_health h, const char *check, const char *fix,
                 const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add(x, h, check, fix, fmt, ap);
    va_end(ap);
}

void sa_exam_yaml(struct sa_exam *x, const struct sa_buf *yaml)
{
    char *text = yaml->failed || yaml->data == NULL ? NULL : strdup(yaml->data);
    if (text == NULL || x->out->n == 0) {
        free(text);
        x->out->failed = true;
        return;
    }
    struct sa_finding *last = &x->out->v[x->out->n - 1];
    free(last->yaml);
    last->yaml = text;
}

void sa_exam_skip_all(struct sa_exam *x, const char *why, const char *const *checks)
{
    for (size_t i = 0; checks[i] != NULL; i++)
        sa_exam_skip(x, checks[i], "%s", why);
}

void sa_findings_encode(const struct sa_findings *f, struct sa_buf *out)
{
    sa_wr_u32(out, (uint32_t)f->n);
    for (size_t i = 0; i < f->n; i++) {
        const struct sa_finding *g = &f->v[i];
        sa_wr_u8(out, (uint8_t)g->health);
        sa_wr_str(out, g->about);
        sa_wr_str(out, g->account);
        sa_wr_str(out, g->check);
        sa_wr_str(out, g->found);
        sa_wr_str(out, g->fix);
        sa_wr_str(out, g->yaml);
    }
    out->failed |= f->failed;
}

static char *text(struct sa_rd *r)
{
    size_t n = 0;
    const uint8_t *p = sa_rd_bytes(r, &n);
    if (!r->failed && n == 0)
        return strdup("");
    return p == NULL || n > TEXT_MAX ? NULL : strndup((const char *)p, n);
}

int sa_findings_decode(const void *p, size_t n, struct sa_findings *out)
{
    struct sa_rd r;
    *out = (struct sa_findings){0};
    sa_rd_init(&r, p, n);
    uint32_t count = sa_rd_u32(&r);
    for (uint32_t i = 0; i < count && count <= MOST && !r.failed && !out->failed; i++) {
        uint8_t health = sa_rd_u8(&r);
        struct sa_finding f = {.health = health <= SA_HEALTH_ERROR ? (enum sa_health)health
                                                                   : SA_HEALTH_ERROR};
        f.about = text(&r);
        f.account = text(&r);
        f.check = text(&r);
        f.found = text(&r);
        f.fix = text(&r);
        f.yaml = text(&r);
        append(out, &f);
    }
    if (sa_rd_done(&r) && !out->failed && count <= MOST)
        return 0;
    sa_findings_free(out);
    return -1;
}
