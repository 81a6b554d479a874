/* SPDX-License-Identifier: Apache-2.0 */
/* What systemd is told, by sd_notify(3). Without a notify socket all of it does nothing. */
#ifndef SA_SUPERVISOR_NOTIFY_H
#define SA_SUPERVISOR_NOTIFY_H

struct sa_supervisor;

/* Starts the keep-alives, if systemd wants them. */
void sa_notify_init(struct sa_supervisor *sup);
/* READY when configuration is loaded and the uplink works (or could not for a while: the agent then
 * works towards it by itself), and STATUS when it changed. */
void sa_notify_state(struct sa_supervisor *sup);
/* A reload was asked for: RELOADING, once READY was told. */
void sa_notify_reloading(struct sa_supervisor *sup);
/* No reload is under way any more: READY, if RELOADING was told. */
void sa_notify_reloaded(struct sa_supervisor *sup);
void sa_notify_stopping(void);

#endif
