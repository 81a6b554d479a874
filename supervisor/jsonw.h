/* SPDX-License-Identifier: Apache-2.0 */
/* Writes JSON into a buffer: members in order, commas by itself. Errors stick in the buffer. */
#ifndef SA_SUPERVISOR_JSONW_H
#define SA_SUPERVISOR_JSONW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct sa_jsonw {
    struct sa_buf *b;
    bool comma;
};
struct sa_jsonw sa_jsonw(struct sa_buf *b);
/* key is NULL for an element of an array and for the outermost value. */
void sa_jsonw_open(struct sa_jsonw *j, const char *key, char bracket);
void sa_jsonw_close(struct sa_jsonw *j, char bracket);
void sa_jsonw_text(struct sa_jsonw *j, const char *key, const char *value); /* NULL writes null */
void sa_jsonw_number(struct sa_jsonw *j, const char *key, uint64_t value);
void sa_jsonw_bool(struct sa_jsonw *j, const char *key, bool value);

#endif
