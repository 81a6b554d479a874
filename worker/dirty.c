/* SPDX-License-Identifier: Apache-2.0 */
/* Chains in an array of buckets for looking up, two queues in order of arrival for taking out: of
 * the keys that may be read, and of those that wait. */
#include "worker/dirty.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define KEY_NAMESPACE_MAX 63
#define KEY_NAME_MAX      253

struct key {
    struct key *chain;          /* the next of its bucket */
    struct key *before, *after; /* in its queue */
    uint64_t hash;
    uint64_t due_ns; /* 0: it does not wait */
    uint32_t round;  /* the set's when it was last added */
    uint8_t tries;
    uint8_t namespace_n, name_n;
    char text[]; /* namespace and name, neither with a NUL */
};

/* In the order of their rounds. */
struct queue {
    struct key *first, *last;
};

struct sa_dirty {
    size_t max, count;
    struct key **buckets; /* NULL while empty */
    size_t mask;
    struct queue ready, waiting;
    uint64_t due_ns; /* no key that waits is due before */
    uint32_t round;  /* how often it was marked */
};

/* A key that is looked for. */
struct wanted {
    const char *namespace, *name;
    size_t namespace_n, name_n;
    uint64_t hash;
};

/* False if it can't be a key. */
static bool want(struct wanted *w, const char *namespace, const char *name)
{
    char text[KEY_NAMESPACE_MAX + 1 + KEY_NAME_MAX];
    w->namespace = namespace != NULL ? namespace : "";
    w->name = name;
    w->namespace_n = strnlen(w->namespace, KEY_NAMESPACE_MAX + 1);
    w->name_n = strnlen(name, KEY_NAME_MAX + 1);
    if (w->namespace_n > KEY_NAMESPACE_MAX || w->name_n > KEY_NAME_MAX) {
        return false;
    }
    memcpy(text, w->namespace, w->namespace_n);
    text[w->namespace_n] = '/';
    memcpy(text + w->namespace_n + 1, name, w->name_n);
    w->hash = sa_hash128(text, w->namespace_n + 1 + w->name_n).a;
    return true;
}

static bool is(const struct key *k, const struct wanted *w)
{
    return k->hash == w->hash && k->namespace_n == w->namespace_n && k->name_n == w->name_n &&
           memcmp(k->text, w->namespace, w->namespace_n) == 0 &&
           memcmp(k->text + k->namespace_n, w->name, w->name_n) == 0;
}

/* Where the pointer to the key is, or the NULL where its bucket ends. buckets is not NULL. */
static struct key **find(const struct sa_dirty *d, const struct wanted *w)
{
    struct key **at = &d->buckets[(size_t)w->hash & d->mask];
    while (*at != NULL && !is(*at, w)) {
        at = &(*at)->chain;
    }
    return at;
}

static struct queue *queue_of(struct sa_dirty *d, const struct key *k)
{
    return k->due_ns != 0 ? &d->waiting : &d->ready;
}

/* As the last of its queue. */
static void line_up(struct sa_dirty *d, struct key *k)
{
    struct queue *q = queue_of(d, k);
    k->round = d->round;
    k->before = q->last;
    k->after = NULL;
    *(q->last != NULL ? &q->last->after : &q->first) = k;
    q->last = k;
}

static void leave(struct sa_dirty *d, struct key *k)
{
    struct queue *q = queue_of(d, k);
    *(k->before != NULL ? &k->before->after : &q->first) = k->after;
    *(k->after != NULL ? &k->after->before : &q->last) = k->before;
}

struct sa_dirty *sa_dirty_new(size_t max_keys)
{
    struct sa_dirty *d = calloc(1, sizeof(*d));
    if (d != NULL) {
        d->max = max_keys;
        d->due_ns = UINT64_MAX;
    }
    return d;
}

void sa_dirty_free(struct sa_dirty *d)
{
    if (d != NULL) {
        sa_dirty_clear(d);
        free(d);
    }
}

static void free_keys(struct key *k)
{
    while (k != NULL) {
        struct key *after = k->after;
        free(k);
        k = after;
    }
}

void sa_dirty_clear(struct sa_dirty *d)
{
    free_keys(d->ready.first);
    free_keys(d->waiting.first);
    free(d->buckets);
    *d = (struct sa_dirty){.max = d->max, .due_ns = UINT64_MAX, .round = d->round};
}

/* Twice as many buckets, or the first ones. */
static int more_buckets(struct sa_dirty *d)
{
    size_t n = d->buckets != NULL ? (d->mask + 1) * 2 : 16;
    struct key **buckets = calloc(n, sizeof(struct key *));
    if (buckets == NULL) {
        return -1;
    }
    for (int i = 0; i < 2; i++) {
        for (struct key *k = i ? d->waiting.first : d->ready.first; k != NULL; k = k->after) {
            struct key **bucket = &buckets[(size_t)k->hash & (n - 1)];
            k->chain = *bucket;
            *bucket = k;
        }
    }
    free(d->buckets);
    d->buckets = buckets;
    d->mask = n - 1;
    return 0;
}

static enum sa_dirty_add collapse(struct sa_dirty *d)
{
    sa_dirty_clear(d);
    return SA_DIRTY_COLLAPSED;
}

enum sa_dirty_add sa_dirty_add(struct sa_dirty *d, const char *namespace, const char *name)
{
    struct wanted w;
    /* What can't be a key can't be taken out either: the scope as a whole will find it. */
    if (!want(&w, namespace, name)) {
        return collapse(d);
    }
    struct key *k = d->buckets != NULL ? *find(d, &w) : NULL;
    if (k != NULL) {
        leave(d, k);
        line_up(d, k);
        return SA_DIRTY_WAS_THERE;
    }
    if (d->count >= d->max) {
        return collapse(d);
    }
    if ((d->buckets == NULL || d->count > d->mask) && more_buckets(d) != 0) {
        return collapse(d);
    }
    k = malloc(sizeof(*k) + w.namespace_n + w.name_n);
    if (k == NULL) {
        return collapse(d);
    }
    *k = (struct key){
        .hash = w.hash, .namespace_n = (uint8_t)w.namespace_n, .name_n = (uint8_t)w.name_n};
    memcpy(k->text, w.namespace, w.namespace_n);
    memcpy(k->text + w.namespace_n, w.name, w.name_n);
    struct key **bucket = &d->buckets[(size_t)w.hash & d->mask];
    k->chain = *bucket;
    *bucket = k;
    line_up(d, k);
    d->count++;
    return SA_DIRTY_ADDED;
}

/* Takes out the key that *at points to, and gives memory back with the last one. */
static void take_out(struct sa_dirty *d, struct key **at)
{
    struct key *k = *at;
    *at = k->chain;
    leave(d, k);
    free(k);
    if (--d->count == 0) {
        sa_dirty_clear(d);
    }
}

bool sa_dirty_remove(struct sa_dirty *d, const char *namespace, const char *name)
{
    struct wanted w;
    if (d->buckets == NULL || !want(&w, namespace, name)) {
        return false;
    }
    struct key **at = find(d, &w);
    if (*at == NULL) {
        return false;
    }
    take_out(d, at);
    return true;
}

bool sa_dirty_has(const struct sa_dirty *d, const char *namespace, const char *name)
{
    struct wanted w;
    return d->buckets != NULL && want(&w, namespace, name) && *find(d, &w) != NULL;
}

size_t sa_dirty_count(const struct sa_dirty *d)
{
    return d->count;
}

static void copy_out(struct sa_dirty *d, struct key *k, char namespace[64], char name[254])
{
    memcpy(namespace, k->text, k->namespace_n);
    namespace[k->namespace_n] = '\0';
    memcpy(name, k->text + k->namespace_n, k->name_n);
    name[k->name_n] = '\0';
    struct key **at = &d->buckets[(size_t)k->hash & d->mask];
    while (*at != k) {
        at = &(*at)->chain;
    }
    take_out(d, at);
}

/* Keys whose time has come wait no longer. */
static void wake_up(struct sa_dirty *d, uint64_t now_ns)
{
    uint64_t next = UINT64_MAX;
    for (struct key *k = d->waiting.first, *after; k != NULL; k = after) {
        after = k->after;
        if (k->due_ns <= now_ns) {
            leave(d, k);
            k->due_ns = 0;
            line_up(d, k);
        } else if (k->due_ns < next) {
            next = k->due_ns;
        }
    }
    d->due_ns = next;
}

bool sa_dirty_pop(struct sa_dirty *d, uint64_t now_ns, char namespace[64], char name[254],
                  unsigned *tries)
{
    if (d->due_ns <= now_ns) {
        wake_up(d, now_ns);
    }
    struct key *k = d->ready.first;
    if (k == NULL) {
        return false;
    }
    *tries = k->tries;
    copy_out(d, k, namespace, name);
    return true;
}

void sa_dirty_put_off(struct sa_dirty *d, const char *namespace, const char *name, uint64_t due_ns,
                      unsigned tries)
{
    struct wanted w;
    struct key *k = d->buckets != NULL && want(&w, namespace, name) ? *find(d, &w) : NULL;
    if (k == NULL) {
        return;
    }
    leave(d, k);
    k->due_ns = due_ns;
    k->tries = tries < UINT8_MAX ? (uint8_t)tries : UINT8_MAX;
    line_up(d, k);
    if (due_ns != 0 && due_ns < d->due_ns) {
        d->due_ns = due_ns;
    }
}

uint64_t sa_dirty_due(const struct sa_dirty *d)
{
    return d->waiting.first != NULL ? d->due_ns : UINT64_MAX;
}

void sa_dirty_due_now(struct sa_dirty *d)
{
    wake_up(d, UINT64_MAX);
}

void sa_dirty_mark(struct sa_dirty *d)
{
    d->round++;
}

bool sa_dirty_pop_marked(struct sa_dirty *d, char namespace[64], char name[254])
{
    struct key *k = d->ready.first;
    if (k == NULL || k->round == d->round) {
        k = d->waiting.first;
    }
    if (k == NULL || k->round == d->round) {
        return false;
    }
    copy_out(d, k, namespace, name);
    return true;
}
