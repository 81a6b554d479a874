/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How numbers and strings are put into the messages of the control channel and the frames of the
 * data channel: little-endian, strings and byte strings with a 32-bit length before them. A reader
 * that has met an error stays in error and returns zeros, so a whole message is read first and
 * checked once.
 */
#ifndef SA_IPC_MSG_H
#define SA_IPC_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct sa_rd {
    const uint8_t *p, *end; /* borrowed */
    bool failed;
};
void sa_rd_init(struct sa_rd *r, const void *p, size_t n);
uint8_t sa_rd_u8(struct sa_rd *r);
uint32_t sa_rd_u32(struct sa_rd *r);
uint64_t sa_rd_u64(struct sa_rd *r);
/* n bytes without a length before them ("32 bytes key"): points into the message; NULL on error. */
const uint8_t *sa_rd_raw(struct sa_rd *r, size_t n);
/* Byte string: points into the message; NULL and 0 on error. */
const uint8_t *sa_rd_bytes(struct sa_rd *r, size_t *n);
/* String of at most max - 1 bytes, copied and terminated; no NUL inside is accepted. */
void sa_rd_str(struct sa_rd *r, char *out, size_t max);
bool sa_rd_done(const struct sa_rd *r); /* no error and nothing left */

/* Writers append; errors stick in the buffer (b->failed). */
void sa_wr_u8(struct sa_buf *b, uint8_t v);
void sa_wr_u32(struct sa_buf *b, uint32_t v);
void sa_wr_u64(struct sa_buf *b, uint64_t v);
void sa_wr_bytes(struct sa_buf *b, const void *p, size_t n);
void sa_wr_str(struct sa_buf *b, const char *s);

#endif
