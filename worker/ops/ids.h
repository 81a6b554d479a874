/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations that changed something, or may have, by their ids: who asks again is answered again.
 * The memory is bounded by SA_IDS_BYTES and SA_IDS_LIFE_NS. Where the room is short, the bodies of
 * the oldest go first, then they themselves. Bodies longer than SA_IDS_BODY are not kept, nor those
 * of Secrets (the caller gives none): then the outcome alone is answered.
 */
#ifndef SA_WORKER_OPS_IDS_H
#define SA_WORKER_OPS_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"

#define SA_OP_ID       16u
#define SA_IDS_BYTES   ((size_t)512 * 1024)
#define SA_IDS_BODY    ((size_t)16 * 1024)
#define SA_IDS_LIFE_NS (600 * SA_NS_PER_S)

/* All of it is borrowed, in and out (until the next call). */
struct sa_outcome {
    int code; /* of OperationResult */
    const char *message, *uid, *resource_version;
    uint64_t epoch, sequence;
    uint32_t server_ms;
    bool retriable;
    const char *body; /* NULL: none, or none that was kept */
    size_t body_n;
};

struct sa_ids;
struct sa_ids *sa_ids_new(void); /* NULL for lack of memory */
void sa_ids_free(struct sa_ids *s);
/* Without memory it is not kept, and -1 is returned. */
int sa_ids_add(struct sa_ids *s, const uint8_t id[SA_OP_ID], const struct sa_outcome *o,
               uint64_t now_ns);
bool sa_ids_find(const struct sa_ids *s, const uint8_t id[SA_OP_ID], struct sa_outcome *out);
void sa_ids_expire(struct sa_ids *s, uint64_t now_ns);
size_t sa_ids_count(const struct sa_ids *s);
size_t sa_ids_memory(const struct sa_ids *s); /* bytes */

#endif
