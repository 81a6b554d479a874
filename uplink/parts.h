/* SPDX-License-Identifier: Apache-2.0 */
/* Puts objects that come in parts together again (Delta.object_size, object_offset). */
#ifndef SA_UPLINK_PARTS_H
#define SA_UPLINK_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "proto/scale_agent.pb-c.h"

#define SA_PARTS_MAX (64u * 1024u * 1024u) /* bytes of one object */

struct sa_parts {
    struct sa_buf buf; /* what came so far */
    uint64_t size;     /* of the whole; 0: no object is under way */
    uint32_t scope;
    struct sa_buf key; /* namespace NUL name, of the object under way */
    uint64_t before;   /* sequence of the last delta before its first part */
};

void sa_parts_init(struct sa_parts *p);
void sa_parts_free(struct sa_parts *p);
/* Forgets an object under way. */
void sa_parts_reset(struct sa_parts *p);
/* Takes the object of d, the delta with this sequence. 1: it is whole, *object and *n say where
 * (valid until the next call, or as long as d); 0: more parts follow; -1: against the protocol, or
 * no memory. */
int sa_parts_take(struct sa_parts *p, const Scaleagent__V1__Delta *d, uint64_t sequence,
                  const void **object, size_t *n, struct sa_err **err);

#endif
