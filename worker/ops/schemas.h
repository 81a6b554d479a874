/* SPDX-License-Identifier: Apache-2.0 */
/* The schemas of the kinds that were applied lately, some 30 KB each, so that a server is not asked
 * for its OpenAPI document with each apply. */
#ifndef SA_WORKER_OPS_SCHEMAS_H
#define SA_WORKER_OPS_SCHEMAS_H

#include <stdbool.h>
#include <stdint.h>

#include "worker/ops/openapi.h"

#define SA_SCHEMAS_MAX    24   /* kinds */
#define SA_SCHEMAS_IDLE_S 600  /* a kind that was not applied for so long is forgotten, */
#define SA_SCHEMAS_AGE_S  1800 /* and any after this time: the server may have been upgraded */

struct sa_schemas;
struct sa_schemas *sa_schemas_new(void); /* NULL for lack of memory */
void sa_schemas_free(struct sa_schemas *s);

/* False: not known. *schema may be NULL: the kind takes no strategic merge patch. It is valid until
 * the next call with s. */
bool sa_schemas_find(struct sa_schemas *s, const char *api_version, const char *kind,
                     uint64_t now_ns, const struct sa_schema **schema);
/* schema is owned from now on. What was used longest ago makes room. -1: no memory; schema is freed
 * then. */
int sa_schemas_put(struct sa_schemas *s, const char *api_version, const char *kind, uint64_t now_ns,
                   struct sa_schema *schema);
void sa_schemas_expire(struct sa_schemas *s, uint64_t now_ns);

#endif
