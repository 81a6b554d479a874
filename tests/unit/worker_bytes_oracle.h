/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What scrubbing must come to, said a second time in another way: by cJSON's tree. And objects with
 * secrets in all the places where secrets go. Used by unit tests and fuzz targets.
 */
#ifndef SA_TESTS_WORKER_BYTES_ORACLE_H
#define SA_TESTS_WORKER_BYTES_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "worker/scrub.h"

/* Whether cJSON reads json as RFC 8259 has it: it cuts strings at \u0000, and takes no number of
 * more than 63 characters. */
bool oracle_can_judge(const char *json, size_t n);

/* NULL if scrubbed is what the tree of json comes to by the rules; else what is wrong. json was
 * taken by sa_scrub with opt, which redacts nothing. */
const char *oracle_compare(const char *json, size_t n, const struct sa_scrub_options *opt,
                           const char *scrubbed, size_t scrubbed_n);

/* Equal as JSON: order of members and way of writing do not count. False too if one is no JSON. */
bool oracle_same_json(const char *a, size_t a_n, const char *b, size_t b_n);

#define ORACLE_SECRET "TOPSECRET"
/* Appends a Secret made by the choices in seed[0, n): ORACLE_SECRET stands in every place where a
 * Secret's data may be, behind escapes, in duplicate members, in any order. */
void oracle_secret_object(const uint8_t *seed, size_t n, struct sa_buf *out);

#endif
