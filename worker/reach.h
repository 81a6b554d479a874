/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long the API server is waited for. One that can't be reached is asked by a single request,
 * again and again; when it answers, every scope that waits for it is tried at once. So an outage
 * ends soon for all of them, and while it lasts costs little, however many they are.
 *
 * The question is a list of one object. Its version, which is the present one, tells of an etcd
 * that was restored meanwhile: a watch resumed at a version that the new history does not have yet
 * would be silent, and once the new history gets there miss all that came before.
 */
#ifndef SA_WORKER_REACH_H
#define SA_WORKER_REACH_H

#include "worker/state.h"

/* Limit of a request that is neither watch nor list: its own or timeoutSeconds, the smaller. */
uint64_t sa_reach_limit(const struct sa_worker *w, uint64_t own_ns);

/* Longest wait, before its jitter, between two tries to reach the API server, by
 * kubernetes.reconnectTimeoutMs. */
uint64_t sa_reach_longest_ns(const struct sa_worker *w);
#define SA_REACH_JITTER 0.3

/* Is it an error of the way there? A load balancer whose API server is away breaks off TLS. */
bool sa_reach_failed(const struct sa_err *err);

/* A scope's request ended with err (NULL: HTTP's). */
void sa_reach_lost(struct sa_worker *w, const struct sa_err *err);
void sa_reach_step(struct sa_worker *w); /* asks, when its time has come */
void sa_reach_cancel(struct sa_worker *w);

/* So many watches wait for others to end: sa_http_held(). It is said, and lists are read by pages
 * from then on: one that a watch brings would wait too. */
void sa_reach_crowded(struct sa_worker *w, size_t held);

#endif
