/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the lists and maps of one kind are merged, taken from the API server's OpenAPI v3 document of
 * a group and version (GET /openapi/v3/apis/apps/v1), or from its v2 document of all (GET
 * /openapi/v2): x-kubernetes-patch-merge-key and x-kubernetes-patch-strategy of each field, as
 * apimachinery's PatchMetaFromOpenAPIV3 looks them up.
 *
 * The document is read as it comes. Of its paths and schemas one at a time is held in memory; what
 * is kept of a kind at the end is some 10 KB.
 */
#ifndef SA_WORKER_OPS_OPENAPI_H
#define SA_WORKER_OPS_OPENAPI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct sa_schema;
struct sa_openapi;

/* api_version as in a manifest: "v1", "apps/v1". NULL for lack of memory. */
struct sa_openapi *sa_openapi_new(const char *api_version, const char *kind, struct sa_err **err);
void sa_openapi_free(struct sa_openapi *o);
/* The next bytes. 0; 1: no more are needed (the kind takes no strategic merge patch), the rest may
 * be left unread; -1: malformed or past a bound. */
int sa_openapi_feed(struct sa_openapi *o, const void *p, size_t n, struct sa_err **err);
/* At the end (or after a 1). *schema is owned by the caller, or NULL: the document does not know
 * the kind, or it takes no strategic merge patch. */
int sa_openapi_finish(struct sa_openapi *o, struct sa_schema **schema, struct sa_err **err);

/* At the end: the document has paths of the kind, so that a schema that is NULL means that it takes
 * no strategic merge patch. */
bool sa_openapi_knows(const struct sa_openapi *o);

/* What is known of Kubernetes' own kinds without a document, as kubectl knows them by its types:
 * how lists are merged, no more; a field that it does not name is left to the API server. *schema
 * is owned by the caller, or NULL: it is none of these kinds. */
int sa_schema_builtin(const char *api_version, const char *kind, struct sa_schema **schema,
                      struct sa_err **err);

void sa_schema_free(struct sa_schema *s);
size_t sa_schema_bytes(const struct sa_schema *s); /* of memory */

#define SA_OPENAPI_V2 "/openapi/v2"
/* "/openapi/v3/apis/apps/v1" for "apps/v1", "/openapi/v3/api/v1" for "v1", into cap bytes. -1 if it
 * does not fit or api_version is none. */
int sa_openapi_path(const char *api_version, char *out, size_t cap);

#endif
