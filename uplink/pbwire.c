/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/pbwire.h"

#include <string.h>

static int get_varint(const uint8_t **p, const uint8_t *end, uint64_t *v)
{
    *v = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        uint8_t b;

        if (*p == end)
            return -1;
        b = *(*p)++;
        if (shift == 63 && b > 1)
            return -1;
        *v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80))
            return 0;
    }
    return -1;
}

static int skip(const uint8_t **p, const uint8_t *end, size_t n)
{
    if ((size_t)(end - *p) < n)
        return -1;
    *p += n;
    return 0;
}

int sa_pb_next(const uint8_t **p, const uint8_t *end, struct sa_pb_field *f)
{
    uint64_t tag, n;

    memset(f, 0, sizeof *f);
    if (*p == end)
        return 0;
    if (get_varint(p, end, &tag) < 0 || tag >> 3 == 0 || tag >> 3 > 0x1fffffff)
        return -1;
    f->number = (uint32_t)(tag >> 3);
    switch (tag & 7) {
    case SA_PB_VARINT:
        f->type = SA_PB_VARINT;
        return get_varint(p, end, &f->value) < 0 ? -1 : 1;
    case SA_PB_FIXED64:
        f->type = SA_PB_FIXED64;
        return skip(p, end, 8) < 0 ? -1 : 1;
    case SA_PB_FIXED32:
        f->type = SA_PB_FIXED32;
        return skip(p, end, 4) < 0 ? -1 : 1;
    case SA_PB_BYTES:
        f->type = SA_PB_BYTES;
        if (get_varint(p, end, &n) < 0 || n > (size_t)(end - *p))
            return -1;
        f->p = *p;
        f->n = (size_t)n;
        *p += n;
        return 1;
    default:
        return -1;
    }
}

size_t sa_pb_varint(uint8_t out[SA_PB_VARINT_MAX], uint64_t v)
{
    size_t n = 0;

    while (v >= 0x80) {
        out[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    out[n++] = (uint8_t)v;
    return n;
}
