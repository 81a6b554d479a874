/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML as JSON, with the types that kubectl gives to plain scalars (sigs.k8s.io/yaml: YAML 1.1,
 * with y and n as booleans, without base 60, dates as texts). Integers keep all their digits.
 */
#ifndef SA_CTL_OP_YAML_H
#define SA_CTL_OP_YAML_H

#include <cjson/cJSON.h>

#include "base/buf.h"
#include "config/yaml.h"

/* The tree as JSON, owned by the caller; its numbers are raw. NULL without memory. */
cJSON *sa_yaml_to_json(const struct sa_yaml *node);

#endif
