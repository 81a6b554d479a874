/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/places.h"

#include <stddef.h>
#include <unistd.h>

/* The i-th of all places, NULL past the last. */
static const char *place(const struct sa_config_paths *paths, unsigned i)
{
    const char *const *const lists[] = {paths->main_files, paths->drop_in_dirs,
                                        paths->account_dirs};

    for (size_t k = 0; k < sizeof(lists) / sizeof(lists[0]); k++)
        for (const char *const *p = lists[k]; *p; p++, i--)
            if (i == 0)
                return *p;
    return NULL;
}

uint64_t sa_places_present(const struct sa_config_paths *paths)
{
    uint64_t present = 0;
    const char *path;

    for (unsigned i = 0; i < 64 && (path = place(paths, i)); i++)
        if (access(path, F_OK) == 0)
            present |= UINT64_C(1) << i;
    return present;
}

const char *sa_places_lost(const struct sa_config_paths *paths, uint64_t was, uint64_t now)
{
    for (unsigned i = 0; i < 64; i++)
        if ((was & ~now) >> i & 1)
            return place(paths, i);
    return NULL;
}
