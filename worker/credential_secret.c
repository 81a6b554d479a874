/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/credential_secret.h"

#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int sa_secret_new(struct sa_secret *s, size_t n)
{
    sa_secret_free(s);
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (n > SIZE_MAX / 2)
        return -1;
    size_t size = (n + 1 + page - 1) / page * page;
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return -1;
    /* Neither is worth failing for: the process is not dumpable, and swap is the host's business.
     */
    (void)mlock(p, size);
    (void)madvise(p, size, MADV_DONTDUMP);
    s->p = p;
    s->n = n;
    s->mapped = size;
    return 0;
}

int sa_secret_set(struct sa_secret *s, const void *p, size_t n)
{
    if (sa_secret_new(s, n) != 0)
        return -1;
    if (n > 0)
        memcpy(s->p, p, n);
    return 0;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

void sa_secret_trim(struct sa_secret *s)
{
    size_t begin = 0, end = s->n;
    while (end > 0 && is_space(s->p[end - 1]))
        end--;
    while (begin < end && is_space(s->p[begin]))
        begin++;
    if (s->p == NULL)
        return;
    memmove(s->p, s->p + begin, end - begin);
    sodium_memzero(s->p + (end - begin), s->n - (end - begin));
    s->n = end - begin;
}

bool sa_secret_equal(const struct sa_secret *a, const struct sa_secret *b)
{
    if (a->n != b->n)
        return false;
    return a->n == 0 || sodium_memcmp(a->p, b->p, a->n) == 0;
}

void sa_secret_free(struct sa_secret *s)
{
    if (s->p != NULL) {
        sodium_memzero(s->p, s->mapped);
        (void)munmap(s->p, s->mapped);
    }
    *s = (struct sa_secret){0};
}

void sa_secret_free_string(char **p)
{
    if (*p == NULL)
        return;
    sodium_memzero(*p, strlen(*p));
    free(*p);
    *p = NULL;
}
