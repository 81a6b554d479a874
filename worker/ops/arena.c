/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ops/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ALIGN ((size_t)16)
/* Chunks grow with what is there already, so that small operations stay small. */
#define CHUNK_MIN ((size_t)4096)
#define CHUNK_MAX ((size_t)256 * 1024)

struct sa_arena_chunk {
    struct sa_arena_chunk *next;
    size_t used, size; /* of bytes */
    _Alignas(16) char bytes[];
};

void sa_arena_init(struct sa_arena *a, size_t max)
{
    *a = (struct sa_arena){.max = max};
}

void sa_arena_free(struct sa_arena *a)
{
    while (a->chunks != NULL) {
        struct sa_arena_chunk *c = a->chunks;
        a->chunks = c->next;
        free(c);
    }
    a->used = 0;
}

static struct sa_arena_chunk *new_chunk(struct sa_arena *a, size_t need)
{
    size_t size = a->used < CHUNK_MIN ? CHUNK_MIN : a->used;
    size = size > CHUNK_MAX ? CHUNK_MAX : size;
    size = size < need ? need : size;
    size_t whole = size + sizeof(struct sa_arena_chunk);
    if (whole > a->max - a->used) {
        a->full = true;
        return NULL;
    }
    struct sa_arena_chunk *c = malloc(whole);
    if (c == NULL) {
        return NULL;
    }
    c->used = 0;
    c->size = size;
    c->next = a->chunks;
    a->chunks = c;
    a->used += whole;
    return c;
}

void *sa_arena_alloc(struct sa_arena *a, size_t n)
{
    if (n > SIZE_MAX / 2) {
        return NULL;
    }
    n = (n + ALIGN - 1) / ALIGN * ALIGN;
    struct sa_arena_chunk *c = a->chunks;
    if (c == NULL || c->size - c->used < n) {
        c = new_chunk(a, n);
        if (c == NULL) {
            return NULL;
        }
    }
    void *p = c->bytes + c->used;
    c->used += n;
    return p;
}

char *sa_arena_copy(struct sa_arena *a, const char *s, size_t n)
{
    char *p = n < SIZE_MAX / 2 ? sa_arena_alloc(a, n + 1) : NULL;
    if (p != NULL) {
        if (n > 0) {
            memcpy(p, s, n);
        }
        p[n] = '\0';
    }
    return p;
}
