/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of a worker (AccountMessage), encoded, for the tests of the sinks. */
#ifndef SA_TESTS_UPLINK_MESSAGES_H
#define SA_TESTS_UPLINK_MESSAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"

/* Encoded bytes; freed by fx_free. */
struct fx {
    uint8_t *p;
    size_t n;
};
void fx_free(struct fx *m);

struct fx_scope {
    uint32_t id;
    const char *resource, *namespace;
};
struct fx_delta {
    uint32_t scope;
    const char *namespace, *name;
    const char *object;            /* NULL: deleted */
    size_t part_offset, part_size; /* part_size > 0: this part of object alone */
};
struct fx_entry {
    const char *namespace, *name;
    const char *object; /* whose digest is named; NULL: an empty digest */
};

void fx_digest(const char *object, struct sa_digest *out);
struct fx fx_open(const char *cluster);
struct fx fx_scopes(uint64_t epoch, const struct fx_scope *v, size_t n);
struct fx fx_scopes_more(uint64_t epoch, const struct fx_scope *v, size_t n); /* a part of them */
struct fx fx_deltas(uint64_t epoch, uint64_t first, const struct fx_delta *v, size_t n);
struct fx fx_sums(uint64_t epoch, uint32_t scope, uint64_t count, const struct sa_sum *sum);
struct fx fx_begin(uint64_t epoch, uint32_t scope, uint32_t snapshot);
struct fx fx_page(uint64_t epoch, uint32_t scope, uint32_t snapshot, uint32_t page,
                  const struct fx_entry *v, size_t n);
struct fx fx_end(uint64_t epoch, uint32_t scope, uint32_t snapshot, uint32_t pages);
struct fx fx_checkpoint(uint64_t epoch, uint32_t scope, const char *version,
                        const char *fingerprint);

#endif
