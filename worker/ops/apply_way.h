/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How an object is applied: what the operation asks for, the object's annotations, and the settings
 * kubernetes.serverSideApply.*. "always" and "never" for all kinds decide; where that is "allowed",
 * the kind's entry does; where that is as well, the operation or an annotation asks for it:
 * agent-k8s.armory.io/serverside-apply, .../ssa-clear-managed-fields, .../ssa-manifest-defaults,
 * each with the value "enabled".
 */
#ifndef SA_WORKER_OPS_APPLY_WAY_H
#define SA_WORKER_OPS_APPLY_WAY_H

#include "config/settings.h"
#include "worker/ops/apply.h"

/* Sets server_side, clear_managed_fields and manifest_defaults of o, whose manifest is read for its
 * annotations and whose server_side says what the operation asks for. A malformed manifest has
 * none; sa_apply_new() tells. */
void sa_apply_choose_way(const struct sa_account *account, const char *kind, const char *group,
                         struct sa_apply_options *o);

#endif
