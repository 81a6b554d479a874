/* SPDX-License-Identifier: Apache-2.0 */
/* What clang-tidy's analyser can't know; it alone includes this. */
#ifndef SA_BASE_ERR_ANALYZER_H
#define SA_BASE_ERR_ANALYZER_H

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

/* What the three return: it sees one file at a time. */
static inline int sa_err_always(int rc)
{
    (void)rc;
    return -1;
}
#define sa_err_set(...)  sa_err_always(sa_err_set(__VA_ARGS__))
#define sa_err_sys(...)  sa_err_always(sa_err_sys(__VA_ARGS__))
#define sa_err_wrap(...) sa_err_always(sa_err_wrap(__VA_ARGS__))

/* Version 14 does not know the attribute behind SA_CLEANUP: each early return would be a leak to
 * it. So allocations are kept from it, and leaks are left to AddressSanitizer and valgrind; memory
 * used after free() or freed twice it sees as before. */
void *sa_allocated(void *p);
#define malloc(n)             sa_allocated(malloc(n))
#define calloc(n, size)       sa_allocated(calloc(n, size))
#define realloc(p, n)         sa_allocated(realloc(p, n))
#define reallocarray(p, n, s) sa_allocated(reallocarray(p, n, s))
#define strdup(s)             ((char *)sa_allocated(strdup(s)))
#define strndup(s, n)         ((char *)sa_allocated(strndup(s, n)))

#endif
