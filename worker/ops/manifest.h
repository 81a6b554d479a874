/* SPDX-License-Identifier: Apache-2.0 */
/* What is read and changed in a manifest without making a tree of it. All take the JSON of one
 * object. */
#ifndef SA_WORKER_OPS_MANIFEST_H
#define SA_WORKER_OPS_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

/* metadata.resourceVersion is there and not empty. */
bool sa_manifest_has_version(const char *json, size_t n);
/* It has the last-applied annotation, not empty. */
bool sa_manifest_was_applied(const char *json, size_t n);
/* Appends the manifest with metadata.resourceVersion set to version (NULL: without it). -1: no such
 * JSON, or no memory. */
int sa_manifest_version(const char *json, size_t n, const char *version, struct sa_buf *out);

/* Do the manifest's labels match a label selector (worker/ops/selector.h)? 1 yes, 0 no, -1 with
 * *err: the selector is malformed. */
int sa_manifest_selected(const char *json, size_t n, const char *selector, struct sa_err **err);

#endif
