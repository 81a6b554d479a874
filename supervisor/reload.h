/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the configuration anew: forks the reader, takes its answer, has it applied if it is
 * valid. One reader runs at a time; a request that comes meanwhile is served by a second run after
 * it.
 */
#ifndef SA_SUPERVISOR_RELOAD_H
#define SA_SUPERVISOR_RELOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "config/reader.h"

struct sa_supervisor;
struct sa_reload;

/* What one reload did. */
struct sa_reload_result {
    bool valid;
    unsigned added, changed, removed, credentials; /* accounts; the last for new credential files */
    bool settings;                                 /* agent-wide settings changed */
};

struct sa_reload *sa_reload_new(struct sa_supervisor *sup, struct sa_err **err);
void sa_reload_free(struct sa_reload *r);

/* Reads the configuration as it is now or later. explicit: a person or systemd asked; it is logged
 * and told to systemd even if nothing changed. Returns the number of the run that will answer. */
uint64_t sa_reload_request(struct sa_reload *r, bool explicit);
/* waitpid() returned pid: true if it was the reader. */
bool sa_reload_reaped(struct sa_reload *r, pid_t pid, int wait_status);
/* Watches again what configuration and credentials come from, soon. */
void sa_reload_refresh_watch(struct sa_reload *r);

/* Of the last run: was it valid, its problems; and when a valid one was put in force, in
 * microseconds since the epoch. */
bool sa_reload_valid(const struct sa_reload *r);
const struct sa_problems *sa_reload_problems(const struct sa_reload *r);
int64_t sa_reload_loaded_us(const struct sa_reload *r);
uint64_t sa_reload_failures(const struct sa_reload *r); /* runs that were not valid */

/* apply.c: compares with what is in force and starts, restarts and removes accordingly. The first
 * n_asked files of the answer are the credential files that the reader was asked about. -1: this
 * configuration can't be put in force, or only in part, *err says why. */
int sa_apply(struct sa_supervisor *sup, struct sa_config_answer *a, size_t n_asked,
             struct sa_reload_result *result, struct sa_err **err);

#endif
