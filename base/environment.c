/* SPDX-License-Identifier: Apache-2.0 */
#include "base/environment.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
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

static char **copy_all(char **from, size_t n)
{
    char **copy = calloc(n + 1, sizeof(*copy));
    for (size_t i = 0; copy != NULL && i < n; i++) {
        copy[i] = strdup(from[i]);
        if (copy[i] == NULL) {
            for (size_t k = 0; k < i; k++)
                free(copy[k]);
            free(copy);
            return NULL;
        }
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
