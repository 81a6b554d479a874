/* SPDX-License-Identifier: Apache-2.0 */
/* operate: someone on this host gets a channel to an account's worker, to ask it for operations. */
#ifndef SA_SUPERVISOR_OPERATE_H
#define SA_SUPERVISOR_OPERATE_H

struct sa_supervisor;
struct sa_client;

/* Makes a pair of stream sockets, gives one to the worker (with the client's uid and pid) and one
 * to the client. What they say to each other (ipc/operate.h) passes by the supervisor: it is made
 * of foreign bytes, and may be secret. */
void sa_operate(struct sa_supervisor *sup, struct sa_client *client, const char *account);

#endif
