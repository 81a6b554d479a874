/* SPDX-License-Identifier: Apache-2.0 */
#include "base/environment.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const char *const always[] = {
    "PATH",
    "HOME",
    "TZ",
    "TZDIR",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "RES_OPTIONS",
    "LOCALDOMAIN",
#ifdef SA_TEST_POINTS
    "SCALE_AGENT_*",
#endif
    NULL,
};

/* The strings in a mapping of their own, which no core shows. NULL without memory. */
static char *map_strings(size_t size)
{
    char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    madvise(p, size, MADV_DONTDUMP); /* without it the limit of core files is all there is */
    return p;
}

static char **copy_all(char **from, size_t n)
{
    char **copy = calloc(n + 1, sizeof(*copy));
    size_t size = 1;
    for (size_t i = 0; i < n; i++)
        size += strlen(from[i]) + 1;
    char *strings = copy != NULL ? map_strings(size) : NULL;
    if (strings == NULL) {
        free(copy);
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        size_t length = strlen(from[i]) + 1;
        copy[i] = memcpy(strings, from[i], length);
        strings += length;
    }
    return copy;
}

int sa_env_move(void)
{
    char **old = environ;
    size_t n = 0;
    while (old != NULL && old[n] != NULL)
        n++;
    char **copy = copy_all(old, n);
    if (copy == NULL)
        return -1;
    environ = copy;
    for (size_t i = 0; i < n; i++)
        explicit_bzero(old[i], strlen(old[i]));
    return 0;
}

static bool is_in(const char *variable, const char *const *names)
{
    size_t n = strcspn(variable, "=");
    for (; names != NULL && *names != NULL; names++) {
        size_t length = strlen(*names);
        bool begins = length > 0 && (*names)[length - 1] == '*';
        if (begins ? n >= length - 1 : n == length)
            if (memcmp(variable, *names, begins ? length - 1 : length) == 0)
                return true;
    }
    return false;
}

void sa_env_keep(const char *const *names)
{
    size_t kept = 0;
    /* What is overwritten stays behind the new end of the list: it may be the heap's or the
     * stack's, so nobody could free it. */
    size_t n = 0;
    for (; environ != NULL && environ[n] != NULL; n++) {
        char *variable = environ[n];
        if (!is_in(variable, always) && !is_in(variable, names)) {
            explicit_bzero(variable, strlen(variable));
            continue;
        }
        environ[n] = environ[kept];
        environ[kept++] = variable;
    }
    if (environ != NULL) {
        environ[n] = environ[kept];
        environ[kept] = NULL;
    }
}
