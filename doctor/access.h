/* SPDX-License-Identifier: Apache-2.0 */
/* What an account may do: questions, answers, and the rule that is missing. */
#ifndef SA_DOCTOR_ACCESS_H
#define SA_DOCTOR_ACCESS_H

#include "doctor/account.h"
#include "worker/discovery.h"

/* One verb on one resource in one place; all texts borrowed. */
struct sa_right {
    unsigned verb;         /* see sa_rights_verb() */
    const char *group;     /* "" core, "*" any */
    const char *resource;  /* plural, may be with "/log" */
    const char *namespace; /* "" for all, or for what is in none */
    bool allowed;
};
struct sa_rights {
    struct sa_right *v;
    size_t n;
    bool failed;
};
const char *sa_rights_verb(unsigned verb); /* "list" */

/* Fills `allowed` of each. */
int sa_rights_ask(struct sa_patient *p, struct sa_rights *r, struct sa_err **err);

/* rules.c: findings of what is not allowed, with rules as YAML to apply. Of the verbs those below
 * `reading` are needed to follow, the others to deploy. */
void sa_rights_report(struct sa_patient *p, const struct sa_rights *r, unsigned reading);
/* The YAML alone: a role of the rights that are not allowed, and its binding to the user. */
void sa_rights_yaml(const struct sa_rights *missing, const char *user, struct sa_buf *out);

#endif
