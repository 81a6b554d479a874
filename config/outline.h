/* SPDX-License-Identifier: Apache-2.0 */
/* Nested objects from dotted paths, by cJSON. */
#ifndef SA_CONFIG_OUTLINE_H
#define SA_CONFIG_OUTLINE_H

#include <cjson/cJSON.h>
#include <stdbool.h>

/* Puts v under a dotted path without "[]", making the objects between. Takes over v; false for lack
 * of memory. */
bool sa_outline_put(cJSON *root, const char *path, cJSON *v);

#endif
