/* SPDX-License-Identifier: Apache-2.0 */
/* What is served, made from the JSON text of `status`. Pure. */
#ifndef SA_EXPORTER_METRICS_H
#define SA_EXPORTER_METRICS_H

#include <stdbool.h>

#include <cjson/cJSON.h>

#include "base/buf.h"

/* Appends every metric in the text format of Prometheus, version 0.0.4. */
void sa_metrics_write(const cJSON *status, struct sa_buf *out);
/* Can changes reach Spinnaker? *why: one word for people, static. */
bool sa_metrics_ready(const cJSON *status, const char **why);

#endif
