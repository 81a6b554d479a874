/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker: the process of one account. It may connect to its API server (or proxy) and to the
 * uplink's socket, and re-read the token files of its credential; nothing else.
 */
#ifndef SA_WORKER_WORKER_H
#define SA_WORKER_WORKER_H

#include "base/err.h"
#include "ipc/child.h"

/* In the supervisor, once, before the first fork: initialises what every worker needs and can share
 * the pages of (libcurl's and OpenSSL's tables). No thread, no socket, no secret. */
int sa_worker_prepare(struct sa_err **err);

/* Entry point of the child; see ipc/child.h. */
int sa_worker_main(const struct sa_child_args *args);

#endif
