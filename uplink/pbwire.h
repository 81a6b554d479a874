/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wire format of Protocol Buffers, as far as the uplink looks at or writes messages that it
 * does not decode (https://protobuf.dev/programming-guides/encoding/).
 */
#ifndef SA_UPLINK_PBWIRE_H
#define SA_UPLINK_PBWIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SA_PB_VARINT_MAX 10u /* bytes */

enum sa_pb_type { SA_PB_VARINT = 0, SA_PB_FIXED64 = 1, SA_PB_BYTES = 2, SA_PB_FIXED32 = 5 };

struct sa_pb_field {
    uint32_t number;
    enum sa_pb_type type;
    uint64_t value;   /* of a varint; fixed-width values are passed over */
    const uint8_t *p; /* content of SA_PB_BYTES, borrowed */
    size_t n;
};

/* Reads the field at *p and moves on. 1: *f is filled; 0: the end; -1: malformed (groups included).
 */
int sa_pb_next(const uint8_t **p, const uint8_t *end, struct sa_pb_field *f);
/* Writes v, returns the number of bytes. */
size_t sa_pb_varint(uint8_t out[SA_PB_VARINT_MAX], uint64_t v);

#endif
