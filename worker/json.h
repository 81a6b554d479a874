/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A strict scanner for JSON in memory (RFC 8259): no tree, nothing allocated. Strings must be valid
 * UTF-8 (RFC 3629) without raw control characters, escapes complete, surrogates paired; nesting
 * goes to SA_JSON_DEPTH.
 *
 * The scanning functions take p within [p, end] and return the byte behind what they read, or NULL
 * with *fault filled. White space in front of a token is the caller's to skip, where not said.
 */
#ifndef SA_WORKER_JSON_H
#define SA_WORKER_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define SA_JSON_DEPTH 512

struct sa_json_fault {
    const char *what; /* static text; never bytes of the input, which may be secret */
    const char *at;
};
/* Fills *fault; always NULL. */
const char *sa_json_wrong(struct sa_json_fault *fault, const char *what, const char *at);
/* Makes SA_EPROTOCOL of a fault in the bytes that start at begin: "<what>: byte <n>: <why>". -1 */
int sa_json_fault_err(struct sa_err **err, const char *what, const struct sa_json_fault *fault,
                      const void *begin);

/* The rest of a string; p is behind its opening quote. *escaped is set if there is a backslash. */
const char *sa_json_string(const char *p, const char *end, bool *escaped,
                           struct sa_json_fault *fault);
/* A string, number, true, false or null. */
const char *sa_json_scalar(const char *p, const char *end, struct sa_json_fault *fault);
/* Any value, which lies depth levels deep (0: at the top). */
const char *sa_json_skip(const char *p, const char *end, unsigned depth,
                         struct sa_json_fault *fault);

/* The same without looking inside: by quotes and brackets alone, however deep. */
const char *sa_json_pass(const char *p, const char *end, struct sa_json_fault *fault);

/* Unescapes a string's content (valid, without quotes) into out; writes whole characters only and
 * not past cap. Returns how many bytes the whole has. */
size_t sa_json_unescape(const char *raw, size_t n, char *out, size_t cap);
/* The content of a string is, unescaped, that of another; or text, in which nothing is escaped. */
bool sa_json_equal(const char *a, size_t a_n, const char *b, size_t b_n);
bool sa_json_equal_text(const char *raw, size_t n, const char *text, size_t text_n);

/* Members of an object. Of equal names the last counts: a reader keeps what it met last. */
struct sa_json_members {
    const char *p, *end; /* private */
    unsigned depth;      /* of the object; private */
    bool begun;          /* private */
    struct sa_json_fault fault;
};
struct sa_json_member {
    const char *key; /* content of the name, still escaped */
    size_t key_n;
    const char *value;
    size_t value_n;
};
/* Starts on the object in json[0, n), which may have white space around it. -1 if it is no object.
 */
int sa_json_members(struct sa_json_members *it, const char *json, size_t n, unsigned depth);
/* 1 and a member, whose value was validated; 0 at the end, -1 if malformed: it->fault says how. */
int sa_json_next(struct sa_json_members *it, struct sa_json_member *m);
/* The member's name, unescaped, is name. */
bool sa_json_is(const struct sa_json_member *m, const char *name);

enum sa_json_text {
    SA_JSON_TEXT,     /* out holds it, NUL-terminated */
    SA_JSON_NULL,     /* the value is null: out is "" */
    SA_JSON_NO_TEXT,  /* neither string nor null, or a NUL in it */
    SA_JSON_TOO_LONG, /* does not fit: out holds the whole characters that do */
};
/* A string value (scanned before) as C string, in cap >= 1 bytes. */
enum sa_json_text sa_json_text(const char *value, size_t n, char *out, size_t cap);
/* A number without fraction or exponent that fits; else false. */
bool sa_json_integer(const char *value, size_t n, int64_t *out);

static inline const char *sa_json_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) {
        p++;
    }
    return p;
}

#endif
