/* SPDX-License-Identifier: Apache-2.0 */
/* The mechanisms that sandbox.c puts together; for sandbox*.c alone. */
#ifndef SA_BASE_SANDBOX_PARTS_H
#define SA_BASE_SANDBOX_PARTS_H

#include "base/asan.h"
#include "base/sandbox.h"

/* Adds a reason to rep->lacks. */
void sa_sandbox_lack(struct sa_sandbox_report *rep, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Both return 0 where the kernel has no such thing, and say so in rep. */
int sa_sandbox_landlock(const struct sa_sandbox *s, struct sa_sandbox_report *rep,
                        struct sa_err **err);
int sa_sandbox_seccomp(const struct sa_sandbox *s, struct sa_sandbox_report *rep,
                       struct sa_err **err);

#endif
