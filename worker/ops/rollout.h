/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `kubectl rollout` (1.36: k8s.io/kubectl pkg/polymorphichelpers) without its requests: what a verb
 * makes of the object and its revisions, as the API server has them.
 *
 * Revisions are the ReplicaSets of a Deployment, the ControllerRevisions of a DaemonSet or
 * StatefulSet: those that its selector finds and whose controller it is.
 */
#ifndef SA_WORKER_OPS_ROLLOUT_H
#define SA_WORKER_OPS_ROLLOUT_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/buf.h"
#include "worker/ops/val.h"

enum sa_rollout_kind {
    SA_ROLLOUT_OTHER, /* what no verb is for */
    SA_ROLLOUT_DEPLOYMENT,
    SA_ROLLOUT_DAEMON_SET,
    SA_ROLLOUT_STATEFUL_SET,
};
enum sa_rollout_kind sa_rollout_kind(const char *group, const char *kind);

enum sa_rollout_what {
    SA_ROLLOUT_PATCH,     /* text is to be sent */
    SA_ROLLOUT_NOTHING,   /* there is nothing to do: text says why, in the place of "rolled back" */
    SA_ROLLOUT_REFUSED,   /* text is kubectl's reason */
    SA_ROLLOUT_NOT_FOUND, /* the same: there is no such revision */
    SA_ROLLOUT_NO_MEMORY,
};
/* text is initialised by the caller and emptied by each function. */
struct sa_rollout {
    enum sa_rollout_what what;
    const char *content_type; /* of a patch */
    struct sa_buf text;
};

/* Of pause and resume, text of REFUSED follows on "<resources> "<name>" " ("is already paused"). */
void sa_rollout_pause(const struct sa_val *object, enum sa_rollout_kind kind, bool pause,
                      struct sa_rollout *out);
/* The same; now is in seconds since the epoch. */
void sa_rollout_restart(const struct sa_val *object, enum sa_rollout_kind kind, time_t now,
                        struct sa_rollout *out);
/* list: of revisions, as the server lists them. revision 0: the one before the present. What it
 * takes apart lies in arena; object and list are not changed. */
void sa_rollout_undo(struct sa_arena *arena, const struct sa_val *object, const struct sa_val *list,
                     enum sa_rollout_kind kind, int64_t revision, struct sa_rollout *out);
/* text (of NOTHING) is JSON: [{"revision":1,"changeCause":"..."}, ...], the lowest first. */
void sa_rollout_history(struct sa_arena *arena, const struct sa_val *object,
                        const struct sa_val *list, enum sa_rollout_kind kind,
                        struct sa_rollout *out);

/* An object's spec.selector as the API's labelSelector. Of none at all nothing is selected: false.
 */
bool sa_rollout_selector(const struct sa_val *object, struct sa_buf *out);

#endif
