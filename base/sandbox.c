/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sandbox.h"

#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>

void sa_syscall_name(int nr, char *out, size_t n)
{
    char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);
    if (name != NULL) {
        snprintf(out, n, "%s", name);
    } else {
        snprintf(out, n, "nr %d", nr);
    }
    free(name);
}
