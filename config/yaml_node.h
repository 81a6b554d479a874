/* SPDX-License-Identifier: Apache-2.0 */
/* What yaml.c shares with yaml_parse.c alone. */
#ifndef SA_CONFIG_YAML_NODE_H
#define SA_CONFIG_YAML_NODE_H

#include "config/yaml.h"

struct sa_yaml *sa_yaml_node(enum sa_yaml_kind kind, const char *name, unsigned line,
                             unsigned column);
int sa_yaml_set_text(struct sa_yaml *scalar, const char *text, size_t n);
/* Like sa_yaml_put without the search: the caller sorts map->sorted once all pairs are there. */
int sa_yaml_add_pair(struct sa_yaml *map, struct sa_yaml *key, struct sa_yaml *value);

#endif
