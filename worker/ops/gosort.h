/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sort.Sort and sort.Stable of Go's library (since 1.19), comparison by comparison. Kubernetes'
 * strategic merge sorts by relations that are no strict orders ("not greater"; "true where one is
 * not known"), so that the order of what has the same merge key (a port in TCP and in UDP) is what
 * these very algorithms make of it, and ends up in the patch.
 */
#ifndef SA_WORKER_OPS_GOSORT_H
#define SA_WORKER_OPS_GOSORT_H

#include <stdbool.h>
#include <stddef.h>

struct sa_sort {
    void *arg;
    bool (*less)(void *arg, size_t i, size_t j);
    void (*swap)(void *arg, size_t i, size_t j);
};

void sa_sort(const struct sa_sort *s, size_t n);        /* pattern-defeating quicksort */
void sa_sort_stable(const struct sa_sort *s, size_t n); /* insertion in blocks, then SymMerge */

#endif
