/* SPDX-License-Identifier: Apache-2.0 */
/* What is printed from the table of keys: for --print-config, --print-schema, --check and the
 * manual. */
#ifndef SA_CONFIG_PRINT_H
#define SA_CONFIG_PRINT_H

#include "base/buf.h"
#include "base/err.h"
#include "config/reader.h"

/* "file:line:column: error: text", a line for each problem; the place as far as it is known. */
void sa_problems_print(const struct sa_problems *p, struct sa_buf *out);
/* The effective configuration as YAML, which loads again; secrets are printed as "********".
 * Returns and fills problems as sa_config_load does. */
int sa_config_print(const struct sa_config_paths *paths, struct sa_buf *out,
                    struct sa_problems *problems, struct sa_err **err);
/* What is set otherwise than by default, as a JSON list in the order of the table of keys: key
 * ("kubernetes.accounts[prod].kinds" of an account's), value (masked if it is a secret), default,
 * file and line. Returns and fills problems as sa_config_load does. */
int sa_config_differences(const struct sa_config_paths *paths, struct sa_buf *out,
                          struct sa_problems *problems, struct sa_err **err);
/* JSON Schema (draft 2020-12) of a main file. */
int sa_config_schema(struct sa_buf *out, struct sa_err **err);
/* The list of keys, as a part of an mdoc(7) page and as a page of markdown. */
int sa_config_reference_mdoc(struct sa_buf *out, struct sa_err **err);
int sa_config_reference_markdown(struct sa_buf *out, struct sa_err **err);

#endif
