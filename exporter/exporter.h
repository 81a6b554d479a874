/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exporter: serves what the supervisor knows of the agent to whoever may reach its port, and
 * holds nothing else. One thread; libmicrohttpd is driven by the loop.
 *
 *     /metrics, /prometheus_metrics   Prometheus text format, where prometheus.enabled
 *     /health                         200 while supervisor and exporter work
 *     /ready                          200 while changes can reach Spinnaker, else 503
 *     /                               the status page (page/), live by /events; who may see it is
 *                                     in guard.h
 */
#ifndef SA_EXPORTER_EXPORTER_H
#define SA_EXPORTER_EXPORTER_H

#include "ipc/child.h"

int sa_exporter_main(const struct sa_child_args *args);

#endif
