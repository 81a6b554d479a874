/* SPDX-License-Identifier: Apache-2.0 */
/* The gRPC codec: the same bytes, whole and cut at places that the input chooses, give the same
 * messages. */
#include <stdlib.h>
#include <string.h>

#include "uplink/grpc_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    size_t messages, bytes;
    uint32_t sum;
};

static int on_message(void *arg, const uint8_t *p, size_t n, struct sa_err **err)
{
    struct seen *s = arg;

    (void)err;
    s->messages++;
    s->bytes += n;
    for (size_t i = 0; i < n; i++)
        s->sum = s->sum * 31 + p[i];
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sa_grpc_frames whole, cut;
    struct seen a = {0}, b = {0};
    char text[64];
    int rc_a, rc_b = 0;

    sa_grpc_frames_init(&whole);
    sa_grpc_frames_init(&cut);
    rc_a = sa_grpc_frames_feed(&whole, data, size, on_message, &a, NULL);
    for (size_t at = 0; at < size && rc_b == 0;) {
        size_t n = 1 + data[at] % 17u;

        if (n > size - at)
            n = size - at;
        rc_b = sa_grpc_frames_feed(&cut, data + at, n, on_message, &b, NULL);
        at += n;
    }
    if (rc_a != rc_b || a.messages != b.messages || a.bytes != b.bytes || a.sum != b.sum)
        abort();
    sa_grpc_frames_free(&whole);
    sa_grpc_frames_free(&cut);
    sa_grpc_decode_message((const char *)data, size, text, sizeof text);
    if (strlen(text) >= sizeof text)
        abort();
    return 0;
}
