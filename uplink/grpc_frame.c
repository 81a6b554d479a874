/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/grpc_frame.h"

#include <string.h>

#define KEEP (64u * 1024u)

void sa_grpc_frames_init(struct sa_grpc_frames *f)
{
    memset(f, 0, sizeof *f);
    sa_buf_init(&f->part, SA_GRPC_MAX);
}

void sa_grpc_frames_free(struct sa_grpc_frames *f)
{
    sa_buf_free(&f->part);
    f->have = f->want = 0;
}

static size_t take_prefix(struct sa_grpc_frames *f, const uint8_t *p, size_t n)
{
    size_t more = SA_GRPC_PREFIX - f->have;

    if (more > n)
        more = n;
    memcpy(f->prefix + f->have, p, more);
    f->have += more;
    return more;
}

static int check_prefix(struct sa_grpc_frames *f, struct sa_err **err)
{
    f->want = (size_t)f->prefix[1] << 24 | (size_t)f->prefix[2] << 16 | (size_t)f->prefix[3] << 8 |
              f->prefix[4];
    if (f->prefix[0] != 0)
        return sa_err_set(err, SA_EPROTOCOL, "a gRPC message is compressed, which was not offered");
    if (f->want > SA_GRPC_MAX)
        return sa_err_set(err, SA_ELIMIT, "a gRPC message of %zu bytes is longer than %u", f->want,
                          SA_GRPC_MAX);
    return 0;
}

/* Takes what belongs to the message; *used bytes of it. 1: it was whole. */
static int take_body(struct sa_grpc_frames *f, const uint8_t *p, size_t n, size_t *used,
                     sa_grpc_message *cb, void *arg, struct sa_err **err)
{
    size_t more = f->want - f->part.len;
    int rc;

    if (f->part.len == 0 && n >= f->want) {
        *used = f->want;
        return cb(arg, p, f->want, err) < 0 ? -1 : 1;
    }
    *used = more < n ? more : n;
    if (sa_buf_add(&f->part, p, *used) < 0)
        return sa_err_set(err, SA_EMEMORY, "no memory for a gRPC message of %zu bytes", f->want);
    if (f->part.len < f->want)
        return 0;
    rc = cb(arg, (const uint8_t *)f->part.data, f->part.len, err);
    sa_buf_trim(&f->part, KEEP);
    return rc < 0 ? -1 : 1;
}

int sa_grpc_frames_feed(struct sa_grpc_frames *f, const void *data, size_t n, sa_grpc_message *cb,
                        void *arg, struct sa_err **err)
{
    const uint8_t *p = data;

    for (;;) {
        size_t used = 0;
        int rc;

        if (f->have < SA_GRPC_PREFIX) {
            used = take_prefix(f, p, n);
            p += used;
            n -= used;
            if (f->have < SA_GRPC_PREFIX)
                return 0;
            if (check_prefix(f, err) < 0)
                return -1;
        }
        if (n == 0 && f->want > f->part.len)
            return 0;
        rc = take_body(f, p, n, &used, cb, arg, err);
        if (rc < 0)
            return -1;
        p += used;
        n -= used;
        if (rc == 0)
            return 0;
        f->have = 0;
    }
}

void sa_grpc_prefix(uint8_t out[SA_GRPC_PREFIX], size_t n)
{
    out[0] = 0;
    out[1] = (uint8_t)(n >> 24);
    out[2] = (uint8_t)(n >> 16);
    out[3] = (uint8_t)(n >> 8);
    out[4] = (uint8_t)n;
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

void sa_grpc_decode_message(const char *p, size_t n, char *out, size_t out_size)
{
    size_t used = 0;

    for (size_t i = 0; i < n && used + 1 < out_size; i++) {
        unsigned char c = (unsigned char)p[i];

        if (c == '%' && i + 2 < n && hex(p[i + 1]) >= 0 && hex(p[i + 2]) >= 0) {
            c = (unsigned char)(hex(p[i + 1]) << 4 | hex(p[i + 2]));
            i += 2;
        }
        out[used++] = c < ' ' || c == 0x7f ? ' ' : (char)c;
    }
    if (out_size > 0)
        out[used] = '\0';
}

const char *sa_grpc_status_name(long status)
{
    static const char *const names[] = {
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    };

    if (status < 0 || status >= (long)(sizeof names / sizeof names[0]))
        return NULL;
    return names[status];
}
