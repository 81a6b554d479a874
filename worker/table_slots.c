/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/table_slots.h"

#include <stdlib.h>
#include <string.h>

#define HOMES_MIN 32
#define ROOM      16 /* slots behind the last home at least */

void sa_slots_free(struct sa_slots *s)
{
    free(s->v);
    *s = (struct sa_slots){0};
}

/* In the order of keys: a higher one has no lower home. */
static size_t home(size_t homes, struct sa_hash128 key)
{
    return (size_t)(((unsigned __int128)key.a * homes) >> 64);
}

static int compare(struct sa_hash128 x, struct sa_hash128 y)
{
    if (x.a != y.a) {
        return x.a < y.a ? -1 : 1;
    }
    return (x.b > y.b) - (x.b < y.b);
}

/* The first slot from the key's home on that is free or whose key is not lower; total if none is.
 */
static size_t lower_bound(const struct sa_slots *s, struct sa_hash128 key)
{
    size_t i = home(s->homes, key);
    while (i < s->total && s->v[i].used && compare(s->v[i].key, key) < 0) {
        i++;
    }
    return i;
}

struct sa_entry *sa_slots_find(const struct sa_slots *s, struct sa_hash128 key)
{
    if (s->homes == 0) {
        return NULL;
    }
    size_t i = lower_bound(s, key);
    return i < s->total && s->v[i].used && compare(s->v[i].key, key) == 0 ? &s->v[i] : NULL;
}

/* Moves all entries, in order, to the start of the array; or to its end. */
static void pack_left(struct sa_slots *s)
{
    size_t to = 0;
    for (size_t i = 0; i < s->total; i++) {
        if (s->v[i].used && to++ != i) {
            s->v[to - 1] = s->v[i];
            s->v[i].used = 0;
        }
    }
}

static void pack_right(struct sa_slots *s)
{
    size_t to = s->total;
    for (size_t i = s->total; i-- > 0;) {
        if (s->v[i].used && --to != i) {
            s->v[to] = s->v[i];
            s->v[i].used = 0;
        }
    }
}

/* How many slots the entries take up if there are that many homes. */
static size_t needed(const struct sa_slots *s, size_t homes)
{
    size_t next = 0;
    for (size_t i = 0; i < s->total; i++) {
        if (s->v[i].used) {
            size_t at = home(homes, s->v[i].key);
            next = (at > next ? at : next) + 1;
        }
    }
    return next;
}

/* Takes entries packed to the right to their places. None is overwritten: those still to be placed
 * lie at the end without a gap, and all together fit in, so a place lies in front of them. */
static void spread(struct sa_slots *s)
{
    size_t next = 0;
    for (size_t i = s->total - s->count; i < s->total; i++) {
        size_t to = home(s->homes, s->v[i].key);
        to = to > next ? to : next;
        if (to != i) {
            s->v[to] = s->v[i];
            s->v[i].used = 0;
        }
        next = to + 1;
    }
}

/* Makes the array that large. */
static int reallocate(struct sa_slots *s, size_t total)
{
    if (total == 0 || total > SIZE_MAX / sizeof(*s->v)) {
        return -1;
    }
    struct sa_entry *v = realloc(s->v, total * sizeof(*v));
    if (v == NULL) {
        return -1;
    }
    s->v = v;
    return 0;
}

static int grow_to(struct sa_slots *s, size_t total)
{
    if (reallocate(s, total) != 0) {
        return -1;
    }
    memset(s->v + s->total, 0, (total - s->total) * sizeof(*s->v));
    s->total = total;
    return 0;
}

static int resize(struct sa_slots *s, size_t homes)
{
    size_t total = homes + homes / 64 + ROOM, least = needed(s, homes) + 1;
    total = total > least ? total : least;
    bool smaller = total < s->total;
    if (smaller) {
        pack_left(s);
        s->total = total;
    } else if (total > s->total && grow_to(s, total) != 0) {
        return -1;
    }
    pack_right(s);
    s->homes = homes;
    spread(s);
    if (smaller) {
        (void)reallocate(s, total); /* if not, it stays as large as it was */
    }
    return 0;
}

/* The first free slot from i on; total if there is none. */
static size_t first_free(const struct sa_slots *s, size_t i)
{
    while (i < s->total && s->v[i].used) {
        i++;
    }
    return i;
}

struct sa_entry *sa_slots_insert(struct sa_slots *s, struct sa_hash128 key)
{
    size_t i = 0, end = s->total;
    if (s->count < s->homes - s->homes / 7) { /* at most six sevenths, 86 %, are full */
        i = lower_bound(s, key);
        end = first_free(s, i);
    }
    if (end == s->total) {
        if (resize(s, s->homes < HOMES_MIN ? HOMES_MIN : s->homes + s->homes / 2) != 0) {
            return NULL;
        }
        i = lower_bound(s, key);
        end = first_free(s, i); /* resize leaves the last slot free */
    }
    memmove(&s->v[i + 1], &s->v[i], (end - i) * sizeof(s->v[0]));
    s->v[i] = (struct sa_entry){.key = key, .used = 1};
    s->count++;
    return &s->v[i];
}

void sa_slots_remove(struct sa_slots *s, struct sa_entry *e)
{
    size_t i = (size_t)(e - s->v), end = i + 1;
    while (end < s->total && s->v[end].used && home(s->homes, s->v[end].key) < end) {
        end++;
    }
    memmove(&s->v[i], &s->v[i + 1], (end - i - 1) * sizeof(s->v[0]));
    s->v[end - 1].used = 0;
    s->count--;
}

void sa_slots_filter(struct sa_slots *s, bool (*keep)(void *arg, struct sa_entry *e), void *arg)
{
    size_t next = 0;
    for (size_t i = 0; i < s->total; i++) {
        if (!s->v[i].used) {
            continue;
        }
        if (!keep(arg, &s->v[i])) {
            s->v[i].used = 0;
            s->count--;
            continue;
        }
        /* With fewer in front of it the place of an entry is never further back. */
        size_t to = home(s->homes, s->v[i].key);
        to = to > next ? to : next;
        if (to != i) {
            s->v[to] = s->v[i];
            s->v[i].used = 0;
        }
        next = to + 1;
    }
}

void sa_slots_shrink(struct sa_slots *s)
{
    if (s->count == 0) {
        sa_slots_free(s);
    } else if (s->homes > HOMES_MIN && s->count < s->homes / 3) {
        size_t homes = s->count + s->count / 2;
        (void)resize(s, homes > HOMES_MIN ? homes : HOMES_MIN); /* smaller never fails */
    }
}
