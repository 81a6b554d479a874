/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/msg.h"

#include <string.h>

void sa_rd_init(struct sa_rd *r, const void *p, size_t n)
{
    static const uint8_t nothing[1];
    const uint8_t *start = p != NULL ? p : nothing;
    *r = (struct sa_rd){.p = start, .end = start + (p != NULL ? n : 0)};
}

/* The next n bytes, or NULL and the error state if there are fewer. */
static const uint8_t *take(struct sa_rd *r, size_t n)
{
    if (r->failed || (size_t)(r->end - r->p) < n) {
        r->failed = true;
        return NULL;
    }
    const uint8_t *p = r->p;
    r->p += n;
    return p;
}

static uint64_t number(struct sa_rd *r, size_t n)
{
    const uint8_t *p = take(r, n);
    uint64_t v = 0;
    for (size_t i = n; p != NULL && i > 0; i--) {
        v = v << 8 | p[i - 1];
    }
    return v;
}

uint8_t sa_rd_u8(struct sa_rd *r)
{
    return (uint8_t)number(r, 1);
}

uint32_t sa_rd_u32(struct sa_rd *r)
{
    return (uint32_t)number(r, 4);
}

uint64_t sa_rd_u64(struct sa_rd *r)
{
    return number(r, 8);
}

const uint8_t *sa_rd_raw(struct sa_rd *r, size_t n)
{
    return take(r, n);
}

const uint8_t *sa_rd_bytes(struct sa_rd *r, size_t *n)
{
    size_t len = sa_rd_u32(r);
    const uint8_t *p = take(r, len);
    *n = p != NULL ? len : 0;
    return p;
}

void sa_rd_str(struct sa_rd *r, char *out, size_t max)
{
    size_t n;
    const uint8_t *p = sa_rd_bytes(r, &n);
    out[0] = '\0';
    if (p == NULL) {
        return;
    }
    if (n >= max || memchr(p, '\0', n) != NULL) {
        r->failed = true;
        return;
    }
    memcpy(out, p, n);
    out[n] = '\0';
}

bool sa_rd_done(const struct sa_rd *r)
{
    return !r->failed && r->p == r->end;
}

static void put(struct sa_buf *b, uint64_t v, size_t n)
{
    uint8_t out[8];
    for (size_t i = 0; i < n; i++) {
        out[i] = (uint8_t)(v >> (8 * i));
    }
    sa_buf_add(b, out, n);
}

void sa_wr_u8(struct sa_buf *b, uint8_t v)
{
    put(b, v, 1);
}

void sa_wr_u32(struct sa_buf *b, uint32_t v)
{
    put(b, v, 4);
}

void sa_wr_u64(struct sa_buf *b, uint64_t v)
{
    put(b, v, 8);
}

void sa_wr_bytes(struct sa_buf *b, const void *p, size_t n)
{
    if (n > UINT32_MAX) {
        b->failed = true;
        return;
    }
    sa_wr_u32(b, (uint32_t)n);
    sa_buf_add(b, p, n);
}

void sa_wr_str(struct sa_buf *b, const char *s)
{
    sa_wr_bytes(b, s, strlen(s));
}
