/* SPDX-License-Identifier: Apache-2.0 */
/* The uplink: the one process that takes what the workers say and delivers it to the sink. */
#ifndef SA_UPLINK_UPLINK_H
#define SA_UPLINK_UPLINK_H

#include "ipc/child.h"

int sa_uplink_main(const struct sa_child_args *args);

#endif
