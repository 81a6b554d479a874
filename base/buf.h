/* SPDX-License-Identifier: Apache-2.0 */
/* A byte buffer that grows up to a bound. No function writes past the bound; all report it. */
#ifndef SA_BASE_BUF_H
#define SA_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sa_buf {
    char *data; /* owned; always followed by a NUL that len does not count; NULL while empty */
    size_t len, cap;
    size_t max;  /* bound of len in bytes, 0 means SIZE_MAX / 4 */
    bool failed; /* an append failed for lack of memory or by the bound; sticky until reset */
};

void sa_buf_init(struct sa_buf *b, size_t max);
void sa_buf_free(struct sa_buf *b);  /* frees the memory, keeps max; fit for SA_CLEANUP */
void sa_buf_reset(struct sa_buf *b); /* len = 0, failed = false, memory kept */
void sa_buf_trim(struct sa_buf *b, size_t keep); /* reset, and give memory beyond keep bytes back */

/* Each returns 0, or -1 (and sets failed) leaving the content as it was. */
int sa_buf_reserve(struct sa_buf *b, size_t more);
int sa_buf_add(struct sa_buf *b, const void *p, size_t n);
int sa_buf_addc(struct sa_buf *b, char c);
int sa_buf_adds(struct sa_buf *b, const char *s);
int sa_buf_addf(struct sa_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int sa_buf_addv(struct sa_buf *b, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));
/* Appends s as a JSON string with its quotes, by RFC 8259; invalid UTF-8 becomes U+FFFD,
 * control characters (C0, DEL, C1) are escaped. */
int sa_buf_add_json(struct sa_buf *b, const char *s);
/* Length in bytes (1 to 4) of the well-formed UTF-8 character at s (RFC 3629); 0 at the end of the
 * string or where the bytes are no such character. */
size_t sa_utf8_length(const char *s);
/* Removes the first n bytes (n <= len). */
void sa_buf_drop(struct sa_buf *b, size_t n);
/* Overwrites the content (for what was secret) and resets. Growing may leave copies in freed
 * memory: reserve what a secret needs before it is added. */
void sa_buf_wipe(struct sa_buf *b);

#endif
