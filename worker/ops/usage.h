/* SPDX-License-Identifier: Apache-2.0 */
/* What metrics.k8s.io says of pods, as `kubectl top pod --containers` shows it. */
#ifndef SA_WORKER_OPS_USAGE_H
#define SA_WORKER_OPS_USAGE_H

#include <stdint.h>

#include "base/buf.h"
#include "worker/ops/val.h"

/* A quantity of the API ("250m", "12345n", "1.5Gi", "1e3") in thousandths, and in whole ones; what
 * is between is rounded up, what is too large is INT64_MAX, what is none or negative is 0.
 * https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/ */
int64_t sa_quantity_milli(const char *text);
int64_t sa_quantity_value(const char *text);

/* JSON of PodMetrics, or of a list of them, to
 *     [{"namespace":"shop","pod":"web-1","containers":[{"name":"web","cpu":"3m","memory":"41Mi"}]}]
 * by namespace, pod and container. -1: no memory. */
int sa_usage_print(struct sa_arena *arena, const struct sa_val *metrics, struct sa_buf *out);

#endif
