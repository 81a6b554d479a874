/* SPDX-License-Identifier: Apache-2.0 */
/* The agent-wide settings that are in force, and which processes a change of them concerns. */
#ifndef SA_SUPERVISOR_SETTINGS_H
#define SA_SUPERVISOR_SETTINGS_H

#include <stdbool.h>

#include "config/reader.h"

struct sa_supervisor;

/* Takes the agent-wide part of a valid answer. The first time it also resolves users and makes
 * directories, the lock and the control socket. *uplink and *exporter become true if what they use
 * changed. -1: nothing was taken over. */
int sa_settings_take(struct sa_supervisor *sup, struct sa_config_answer *a, bool *uplink,
                     bool *exporter, struct sa_err **err);
/* Pure: does the exporter see a difference? Is there one that needs a new start of the daemon? */
bool sa_settings_exporter_differs(const struct sa_settings *a, const struct sa_settings *b);
bool sa_settings_fixed_differs(const struct sa_settings *a, const struct sa_settings *b);
void sa_settings_free_list(char **v); /* NULL-terminated */

#endif
