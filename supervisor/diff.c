/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/diff.h"

#include <stdlib.h>
#include <string.h>

static int by_name_pointer(const void *a, const void *b)
{
    const struct sa_account_ref *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

static int by_name(const void *a, const void *b)
{
    const struct sa_account_ref *x = a, *y = b;

    return strcmp(x->name, y->name);
}

static int compare(struct sa_account_ref *const *was, size_t n_was, size_t i,
                   const struct sa_account_ref *is, size_t n_is, size_t k)
{
    if (i == n_was)
        return 1;
    if (k == n_is)
        return -1;
    return strcmp(was[i]->name, is[k].name);
}

static void walk(struct sa_account_ref **was, size_t n_was, struct sa_account_ref *is, size_t n_is,
                 bool removals, sa_diff_cb *cb, void *arg)
{
    for (size_t i = 0, k = 0; i < n_was || k < n_is;) {
        int order = compare(was, n_was, i, is, n_is, k);

        if (order < 0) {
            if (removals)
                cb(arg, SA_CHANGE_REMOVED, was[i], NULL);
            i++;
        } else if (order > 0) {
            if (!removals)
                cb(arg, SA_CHANGE_ADDED, NULL, &is[k]);
            k++;
        } else {
            bool same =
                memcmp(was[i]->fingerprint, is[k].fingerprint, sizeof(is[k].fingerprint)) == 0;

            if (!removals)
                cb(arg, same ? SA_CHANGE_NONE : SA_CHANGE_CHANGED, was[i], &is[k]);
            i++;
            k++;
        }
    }
}

/* Names are compared again in the second walk: the callee may empty is[k] only in that one, after
 * it was compared for the last time. */
void sa_diff_accounts(struct sa_account_ref **was, size_t n_was, struct sa_account_ref *is,
                      size_t n_is, sa_diff_cb *cb, void *arg)
{
    if (n_was > 0)
        qsort(was, n_was, sizeof(struct sa_account_ref *), by_name_pointer);
    if (n_is > 0)
        qsort(is, n_is, sizeof(*is), by_name);
    walk(was, n_was, is, n_is, true, cb, arg);
    walk(was, n_was, is, n_is, false, cb, arg);
}

static int by_path(const void *a, const void *b)
{
    const struct sa_file_ref *x = a, *y = b;

    return strcmp(x->path, y->path);
}

void sa_files_sort(struct sa_file_ref *v, size_t n)
{
    if (n > 0)
        qsort(v, n, sizeof(*v), by_path);
}

/* The file of now[] that f names, NULL if it is not there or can't be read. */
static const struct sa_file_ref *readable(const struct sa_file_ref *f,
                                          const struct sa_file_ref *now, size_t n_now)
{
    static const uint8_t unreadable[sizeof(now->fingerprint)];
    const struct sa_file_ref *found =
        n_now > 0 ? bsearch(f, now, n_now, sizeof(*now), by_path) : NULL;

    return found && memcmp(found->fingerprint, unreadable, sizeof(unreadable)) != 0 ? found : NULL;
}

bool sa_files_differ(const struct sa_file_ref *known, size_t n_known, const struct sa_file_ref *now,
                     size_t n_now)
{
    for (size_t i = 0; i < n_known; i++) {
        const struct sa_file_ref *f = readable(&known[i], now, n_now);

        if (f && memcmp(f->fingerprint, known[i].fingerprint, sizeof(f->fingerprint)) != 0)
            return true;
    }
    return false;
}

void sa_files_adopt(struct sa_file_ref *known, size_t n_known, const struct sa_file_ref *now,
                    size_t n_now)
{
    for (size_t i = 0; i < n_known; i++) {
        const struct sa_file_ref *f = readable(&known[i], now, n_now);

        if (f)
            memcpy(known[i].fingerprint, f->fingerprint, sizeof(f->fingerprint));
    }
}
