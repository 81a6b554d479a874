/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The config reader's answer as bytes: little-endian numbers, strings and lists with a 32-bit
 * length before them. The supervisor, which is privileged, reads it as foreign bytes.
 */
#include "config/answer.h"

#include <stdlib.h>
#include <string.h>

#define MAGIC       0x32616373u /* "sca2" */
#define MAX_ANSWER  ((size_t)64 << 20)
#define FINGERPRINT 32

static void put_u32(struct sa_buf *b, size_t v)
{
    uint32_t u = (uint32_t)v;
    const uint8_t bytes[4] = {(uint8_t)u, (uint8_t)(u >> 8), (uint8_t)(u >> 16),
                              (uint8_t)(u >> 24)};
    if (v > UINT32_MAX)
        b->failed = true;
    sa_buf_add(b, bytes, sizeof bytes);
}

static void put_text(struct sa_buf *b, const char *s)
{
    size_t n = s == NULL ? 0 : strlen(s);
    put_u32(b, n);
    sa_buf_add(b, s == NULL ? "" : s, n);
}

int sa_config_answer_encode(const struct sa_config_answer *a, struct sa_buf *out,
                            struct sa_err **err)
{
    put_u32(out, MAGIC);
    put_u32(out, a->valid);
    put_text(out, a->settings_json);
    sa_buf_add(out, a->settings_fingerprint, FINGERPRINT);
    sa_buf_add(out, a->uplink_fingerprint, FINGERPRINT);
    put_u32(out, a->n_accounts);
    for (size_t i = 0; i < a->n_accounts; i++) {
        const struct sa_account_ref *r = &a->accounts[i];
        put_text(out, r->name);
        sa_buf_add(out, r->fingerprint, FINGERPRINT);
        put_text(out, r->json);
        put_text(out, r->file);
        put_u32(out, r->helper);
    }
    put_u32(out, a->n_files);
    for (size_t i = 0; i < a->n_files; i++) {
        put_text(out, a->files[i].path);
        sa_buf_add(out, a->files[i].fingerprint, FINGERPRINT);
    }
    put_u32(out, a->problems.n);
    for (size_t i = 0; i < a->problems.n; i++) {
        const struct sa_problem *p = &a->problems.v[i];
        put_text(out, p->file);
        put_u32(out, p->line);
        put_u32(out, p->column);
        put_u32(out, p->warning);
        put_text(out, p->text);
    }
    return out->failed ? sa_err_set(err, SA_ELIMIT, "the configuration is too long for an answer")
                       : 0;
}

/* What is left to read. After a failure everything reads as zero. */
struct cursor {
    const uint8_t *p, *end;
    bool failed;
};

static const uint8_t *take(struct cursor *c, size_t n)
{
    if (c->failed || (size_t)(c->end - c->p) < n) {
        c->failed = true;
        return NULL;
    }
    const uint8_t *p = c->p;
    c->p += n;
    return p;
}

static uint32_t get_u32(struct cursor *c)
{
    const uint8_t *p = take(c, 4);
    if (p == NULL)
        return 0;
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static bool get_bool(struct cursor *c)
{
    uint32_t v = get_u32(c);
    if (v > 1)
        c->failed = true;
    return v == 1;
}

/* An owned string, which may hold no NUL. */
static char *get_text(struct cursor *c)
{
    size_t n = get_u32(c);
    const uint8_t *p = take(c, n);
    if (p == NULL || memchr(p, '\0', n) != NULL) {
        c->failed = true;
        return NULL;
    }
    char *s = strndup((const char *)p, n);
    if (s == NULL)
        c->failed = true;
    return s;
}

static void get_fingerprint(struct cursor *c, uint8_t out[FINGERPRINT])
{
    const uint8_t *p = take(c, FINGERPRINT);
    if (p != NULL)
        memcpy(out, p, FINGERPRINT);
}

/* Length of a list whose entries take least bytes each: a length that can't be true costs no
 * memory. */
static size_t get_length(struct cursor *c, size_t least)
{
    size_t n = get_u32(c);
    if (n > (size_t)(c->end - c->p) / least) {
        c->failed = true;
        return 0;
    }
    return n;
}

static void get_accounts(struct cursor *c, struct sa_config_answer *a)
{
    size_t n = get_length(c, 4 + FINGERPRINT + 4 + 4 + 4);
    a->accounts = calloc(n + 1, sizeof *a->accounts);
    c->failed |= a->accounts == NULL;
    for (size_t i = 0; i < n && !c->failed; i++) {
        struct sa_account_ref *r = &a->accounts[a->n_accounts++];
        r->name = get_text(c);
        get_fingerprint(c, r->fingerprint);
        r->json = get_text(c);
        r->file = get_text(c);
        r->helper = get_bool(c);
    }
}

static void get_files(struct cursor *c, struct sa_config_answer *a)
{
    size_t n = get_length(c, 4 + FINGERPRINT);
    a->files = calloc(n + 1, sizeof *a->files);
    c->failed |= a->files == NULL;
    for (size_t i = 0; i < n && !c->failed; i++) {
        struct sa_file_ref *f = &a->files[a->n_files++];
        f->path = get_text(c);
        get_fingerprint(c, f->fingerprint);
    }
}

static void get_problems(struct cursor *c, struct sa_problems *problems)
{
    size_t n = get_length(c, sizeof(uint32_t) * 5);
    problems->v = calloc(n + 1, sizeof *problems->v);
    c->failed |= problems->v == NULL;
    for (size_t i = 0; i < n && !c->failed; i++) {
        struct sa_problem *p = &problems->v[problems->n++];
        p->file = get_text(c);
        p->line = get_u32(c);
        p->column = get_u32(c);
        p->warning = get_bool(c);
        p->text = get_text(c);
    }
}

int sa_config_answer_parse(const void *p, size_t n, struct sa_config_answer *out,
                           struct sa_err **err)
{
    struct cursor c = {p, (const uint8_t *)p + n, n > MAX_ANSWER};
    *out = (struct sa_config_answer){0};
    if (get_u32(&c) != MAGIC)
        c.failed = true;
    out->valid = get_bool(&c);
    out->settings_json = get_text(&c);
    get_fingerprint(&c, out->settings_fingerprint);
    get_fingerprint(&c, out->uplink_fingerprint);
    get_accounts(&c, out);
    get_files(&c, out);
    get_problems(&c, &out->problems);
    if (!c.failed && c.p == c.end)
        return 0;
    sa_config_answer_free(out);
    return sa_err_set(err, SA_EPROTOCOL, "the config reader's answer is malformed");
}

void sa_config_answer_free(struct sa_config_answer *a)
{
    for (size_t i = 0; i < a->n_accounts; i++) {
        free(a->accounts[i].name);
        free(a->accounts[i].json);
        free(a->accounts[i].file);
    }
    for (size_t i = 0; i < a->n_files; i++)
        free(a->files[i].path);
    free(a->accounts);
    free(a->files);
    free(a->settings_json);
    sa_problems_free(&a->problems);
    *a = (struct sa_config_answer){0};
}
