/* SPDX-License-Identifier: Apache-2.0 */
/* The compiled form of `redact`: a tree that is walked down along with the object. Private to
 * scrub. */
#ifndef SA_WORKER_SCRUB_REDACT_H
#define SA_WORKER_SCRUB_REDACT_H

#include "worker/scrub.h"

struct sa_redact_node {
    bool cut;                          /* what is reached here goes */
    struct sa_redact_node *element;    /* of an array; NULL: nothing to cut below */
    struct sa_redact_node *any;        /* members without a branch of their own; may be NULL */
    struct sa_redact_branch *branches; /* each has the paths of `any` worked in */
    size_t n;
};

struct sa_redact_branch {
    char *name;
    size_t name_n;
    struct sa_redact_node *node;
};

const struct sa_redact_node *sa_redact_root(const struct sa_redact *r);
/* Below a node, the one for a member's name (content of the string, still escaped); NULL: nothing.
 */
const struct sa_redact_node *sa_redact_member(const struct sa_redact_node *node, const char *name,
                                              size_t n, bool escaped);

#endif
