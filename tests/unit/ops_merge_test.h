/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SA_TESTS_UNIT_OPS_MERGE_TEST_H
#define SA_TESTS_UNIT_OPS_MERGE_TEST_H

#include <check.h>

#include "worker/ops/openapi.h"
#include "worker/ops/val.h"

TCase *ops_merge_values(void);
TCase *ops_merge_patches(void);
TCase *ops_merge_openapi(void);
TCase *ops_merge_apply_client(void);
TCase *ops_merge_apply_server(void);

/* An OpenAPI document of example.com/v1 with the kind Thing, which takes strategic merge patches,
 * and the kind Custom, which takes none. */
extern const char ops_merge_document[];
/* Thing's schema, read in pieces of so many bytes. */
struct sa_schema *ops_merge_schema(size_t piece);

struct sa_val *ops_merge_parse(struct sa_arena *a, const char *json);
/* Fails unless v prints as want. */
void ops_merge_expect(const struct sa_val *v, const char *want);

#endif
