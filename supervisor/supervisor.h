/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor: forks the uplink, a worker for each account and, where configured, the exporter;
 * restarts what ends, follows the configuration, answers scale-agentctl. It holds no secret, makes
 * no network connection and parses no YAML: a short-lived child reads the configuration
 * (config/reader.h).
 */
#ifndef SA_SUPERVISOR_SUPERVISOR_H
#define SA_SUPERVISOR_SUPERVISOR_H

#include "config/reader.h"
#include "ipc/child.h"

/* What the command line says. Everything is borrowed and must outlive the run. */
struct sa_supervisor_options {
    const struct sa_config_paths *paths;
    /* Each overrides the key of the same name; NULL: as configured. */
    const char *runtime_dir, *state_dir, *log_level;
};

/* Runs until SIGTERM, SIGINT or the `stop` request. Returns the exit code of the program: 0 after
 * an orderly stop, SA_EXIT_CONFIG if the first configuration is not valid, SA_EXIT_FAILED else.
 * What was wrong is in the log. */
int sa_supervisor_run(const struct sa_child_mains *mains, const struct sa_supervisor_options *opt);

#endif
