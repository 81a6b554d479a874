/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metadata.managedFields: which manager owns which fields (structured-merge-diff's FieldsV1, in
 * which {"f:a":{}} names a field, and {".":{},"f:b":{}} one with fields below it), and how what was
 * applied client-side is given to a server-side manager (client-go's util/csaupgrade).
 */
#ifndef SA_WORKER_OPS_MANAGED_H
#define SA_WORKER_OPS_MANAGED_H

#include "worker/ops/val.h"

#define SA_MANAGER_CLIENT_SIDE  "kubectl-client-side-apply"
#define SA_MANAGER_SERVER_SIDE  "kubectl"
#define SA_MANAGER_LAST_APPLIED "kubectl-last-applied"
#define SA_MANAGER_BEFORE       "before-first-apply"

/* Some entry of this operation ("Apply", "Update") owns the last-applied annotation. */
bool sa_managed_owns_applied(const struct sa_val *object, const char *operation);

/* UpgradeManagedFieldsPatch: for all managers that own the last-applied annotation by Update, their
 * fields become those of manager, by Apply. *patch is the JSON patch to send, NULL if there is
 * nothing to do; it names the resourceVersion, so that the server answers 409 if object is not the
 * present one any more. object may be changed. -1 with *err. */
int sa_managed_upgrade(struct sa_arena *a, const struct sa_val *object, const char *manager,
                       struct sa_val **patch, struct sa_err **err);

/* The same, and all other managers of the object itself (not of its subresources) are dropped, so
 * that manager stays the only one. Their fields stay in the object, but are nobody's; those that
 * were there before the first apply (before-first-apply) become manager's. */
int sa_managed_clear(struct sa_arena *a, const struct sa_val *object, const char *manager,
                     struct sa_val **patch, struct sa_err **err);

#endif
