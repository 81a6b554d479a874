/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the end of a JSON object by its braces alone, in pieces as they come. What is no JSON may
 * end anywhere: who reads the object validates it. */
#ifndef SA_WORKER_JSON_BRACE_H
#define SA_WORKER_JSON_BRACE_H

#include <stddef.h>
#include <stdint.h>

/* Zero-initialised in front of an object's opening brace. */
struct sa_json_brace {
    uint64_t depth;
    uint64_t in_string; /* all ones while in a string, else 0 */
    uint64_t escape;    /* 1: the next byte is escaped */
};

/* Reads on; returns how many bytes of [p, p + n) belong to the object up to its closing brace, or 0
 * if it does not end there (n > 0). */
size_t sa_json_brace(struct sa_json_brace *b, const char *p, size_t n);

#endif
