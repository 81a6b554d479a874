/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/data.h"

#include <stdio.h>
#include <string.h>

#include "ipc/msg.h"

void sa_data_put_header(uint8_t out[SA_DATA_HEADER], const struct sa_data_header *h)
{
    memset(out, 0, SA_DATA_HEADER);
    out[0] = h->kind;
    for (int i = 0; i < 4; i++) {
        out[4 + i] = (uint8_t)(h->events >> (8 * i));
    }
    for (int i = 0; i < 8; i++) {
        out[8 + i] = (uint8_t)(h->oldest_ns >> (8 * i));
    }
}

int sa_data_get_header(const void *p, size_t n, struct sa_data_header *h, struct sa_err **err)
{
    struct sa_rd r;
    sa_rd_init(&r, p, n);
    uint8_t kind = sa_rd_u8(&r);
    uint8_t flags = sa_rd_u8(&r);
    uint8_t low = sa_rd_u8(&r);
    uint8_t high = sa_rd_u8(&r);
    uint32_t events = sa_rd_u32(&r);
    uint64_t oldest_ns = sa_rd_u64(&r);
    *h = (struct sa_data_header){0};
    if (r.failed) {
        return sa_err_set(err, SA_EPROTOCOL, "data message of %zu bytes has no whole header", n);
    }
    if (kind < SA_DATA_HELLO || kind > SA_DATA_ROOM) {
        return sa_err_set(err, SA_EPROTOCOL, "data message of unknown kind %u", kind);
    }
    if (flags != 0 || low != 0 || high != 0) {
        return sa_err_set(err, SA_EPROTOCOL, "data message with reserved bits set");
    }
    *h = (struct sa_data_header){.kind = kind, .events = events, .oldest_ns = oldest_ns};
    return 0;
}

int sa_data_url(char *out, size_t n, const char *runtime_dir, uint32_t index)
{
    int len = snprintf(out, n, "ipc://%s/data/%u", runtime_dir, index);
    return len >= 0 && (size_t)len < n ? 0 : -1;
}
