/* SPDX-License-Identifier: Apache-2.0 */
/* The uplink's sandbox: which files and ports it needs, and what of it is in force. */
#ifndef SA_UPLINK_CONFINE_H
#define SA_UPLINK_CONFINE_H

#include "base/err.h"
#include "base/sandbox.h"
#include "config/settings.h"
#include "ipc/child.h"

#define SA_CONFINE_PATHS 16
#define SA_CONFINE_PORTS 4

struct sa_confinement {
    struct sa_sandbox sandbox;
    struct sa_sandbox_report report;
    struct sa_sandbox_path paths[SA_CONFINE_PATHS];
    uint16_t ports[SA_CONFINE_PORTS];
    char data_dir[4096], sink_dir[4096];
};

int sa_confine_enter(struct sa_confinement *c, const struct sa_child_args *args,
                     const struct sa_settings *s, struct sa_err **err);
int sa_confine_seal(struct sa_confinement *c, const struct sa_child_args *args,
                    struct sa_err **err);

#endif
