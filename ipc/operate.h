/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The channel of `scale-agentctl op`: a pair of stream sockets that the supervisor makes at the
 * request `operate ACCOUNT` (supervisor/control.h) and of which it keeps neither end, between the
 * client and the account's worker. Messages are framed as by ipc/sp.h:
 *
 *     client -> worker   a scaleagent.v1.Operation; several may follow one another
 *     worker -> client   the parts of scaleagent.v1.OperationResult of each
 *
 * The client closes it when it waits for nothing any more; that cancels what still runs.
 */
#ifndef SA_IPC_OPERATE_H
#define SA_IPC_OPERATE_H

#define SA_OPERATE_ASK_MAX    (16u << 20) /* bytes of one Operation */
#define SA_OPERATE_RESULT_MAX (1u << 20)  /* bytes of one part of an OperationResult */
#define SA_OPERATE_CHANNELS   16u         /* to one worker at a time; more are closed at once */

#endif
