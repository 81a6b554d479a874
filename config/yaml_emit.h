/* SPDX-License-Identifier: Apache-2.0 */
/* JSON as YAML for people: block style, two blanks a level, texts quoted only where they must be.
 */
#ifndef SA_CONFIG_YAML_EMIT_H
#define SA_CONFIG_YAML_EMIT_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "base/buf.h"

/* Appends v, an object or array. double_dollars: "$" becomes "$$", for what will be read with
 * variables put in. Errors stick in out->failed. */
void sa_yaml_emit(const cJSON *v, bool double_dollars, struct sa_buf *out);

#endif
