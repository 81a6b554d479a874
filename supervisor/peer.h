/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is at the other end of a UNIX socket? Started without root, every child of the daemon has the
 * uid of its owner, so the uid alone does not keep a worker that was taken over, or a credential
 * program, from the control socket.
 */
#ifndef SA_SUPERVISOR_PEER_H
#define SA_SUPERVISOR_PEER_H

#include <stdbool.h>
#include <sys/types.h>

/* Is pid this process, or does it descend from it, by proc(5) /proc/PID/status? true where that
 * can't be told. What outlives its parent counts as long as this process is the subreaper of its
 * descendants (prctl(2), PR_SET_CHILD_SUBREAPER). */
bool sa_descends(pid_t pid);
/* The same of the process that connected fd, whose SO_PEERCRED names pid (0: it is in a namespace
 * outside of ours, so none of ours). true also if it is gone: its number may be another's. */
bool sa_peer_descends(int fd, pid_t pid);

#endif
