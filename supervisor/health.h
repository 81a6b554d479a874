/* SPDX-License-Identifier: Apache-2.0 */
/* The slow tick: heartbeats, memory, and what systemd is told. */
#ifndef SA_SUPERVISOR_HEALTH_H
#define SA_SUPERVISOR_HEALTH_H

#include <stddef.h>
#include <sys/types.h>

#include "supervisor/proc.h"

struct sa_supervisor;

void sa_health_start(struct sa_supervisor *sup);
/* Reads a process's usage by proc(5) /proc/PID/stat. -1 if it can't be read; *u is then unchanged.
 */
int sa_usage_of(pid_t pid, struct sa_proc_usage *u);
/* The same from the text of the file. */
int sa_usage_parse(const char *stat, struct sa_proc_usage *u);

#endif
