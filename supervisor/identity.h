/* SPDX-License-Identifier: Apache-2.0 */
/* Who the children become, and the directories they share. */
#ifndef SA_SUPERVISOR_IDENTITY_H
#define SA_SUPERVISOR_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "config/settings.h"

#define SA_NOBODY 65534u

struct sa_identity {
    bool root; /* started as root: children change their uid; else uid and gid are 0: stay as is */
    uid_t uid; /* of all children but workers */
    gid_t gid; /* of all children */
    uid_t range_first;
    uint32_t range_count; /* a uid for each worker; 0: they become uid as well */
    bool control_group_set;
    gid_t control_gid;
};

/* Before any setting is known: who reads the configuration. */
void sa_identity_early(struct sa_identity *id);
/* By the keys user, uidRange and controlGroup. A user that does not exist is replaced by the range
 * or nobody with a warning; a group that does not exist is an error. */
int sa_identity_resolve(const struct sa_settings *s, struct sa_identity *id, struct sa_err **err);
uid_t sa_identity_worker_uid(const struct sa_identity *id, uint32_t index);

/* Makes runtime_dir (and data/ in it: the uplink listens there, workers, by their group, connect)
 * and state_dir (the uplink's alone). Takes the lock that keeps a second daemon out; its descriptor
 * goes to *lock_fd. */
int sa_identity_directories(const struct sa_identity *id, const char *runtime_dir,
                            const char *state_dir, int *lock_fd, struct sa_err **err);

#endif
