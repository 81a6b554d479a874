/* SPDX-License-Identifier: Apache-2.0 */
/* The uplink and the exporter: one process each, started from the agent-wide settings. */
#ifndef SA_SUPERVISOR_SERVICE_H
#define SA_SUPERVISOR_SERVICE_H

#include <stdbool.h>

#include "config/settings.h"

struct sa_supervisor;

void sa_service_init(struct sa_supervisor *sup);
/* Starts the uplink, and the exporter if the settings want one. */
void sa_service_start(struct sa_supervisor *sup);
/* Agent-wide settings changed: restarts (or starts, or stops) what they concern. */
void sa_service_reconfigure(struct sa_supervisor *sup, bool uplink, bool exporter);
void sa_service_restart_uplink(struct sa_supervisor *sup);
bool sa_service_exporter_wanted(const struct sa_settings *s);

#endif
