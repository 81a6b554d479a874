/* SPDX-License-Identifier: Apache-2.0 */
/* Look-up in the table of keys. */
#include <stdlib.h>
#include <string.h>

#include "config/keys.h"

#define MAX_PATH 200 /* of a key worth comparing; the longest known is half of that */

const char *sa_key_leaf(const struct sa_key *k)
{
    const char *dot = strrchr(k->path, '.');
    return dot == NULL ? k->path : dot + 1;
}

static const char *skip_brackets(const char *s)
{
    while (s[0] == '[' && s[1] == ']')
        s += 2;
    return s;
}

/* Compares paths without their "[]". Returns what is left of path after all of known, NULL if path
 * does not begin with known. */
static const char *after(const char *path, const char *known)
{
    for (;;) {
        path = skip_brackets(path);
        known = skip_brackets(known);
        if (*known == '\0')
            return path;
        if (*path++ != *known++)
            return NULL;
    }
}

static bool matches_alias(const struct sa_key *k, const char *path)
{
    if (k->alias == NULL)
        return false;
    char full[MAX_PATH];
    size_t parent = (size_t)(sa_key_leaf(k) - k->path), leaf = strlen(k->alias);
    if (parent + leaf >= sizeof full)
        return false;
    memcpy(full, k->path, parent);
    memcpy(full + parent, k->alias, leaf + 1);
    const char *rest = after(path, full);
    return rest != NULL && *rest == '\0';
}

const struct sa_key *sa_key_find(const char *path)
{
    for (size_t i = 0; i < sa_n_keys; i++) {
        const struct sa_key *k = &sa_keys[i];
        if (k->class == SA_KEY_DERIVED)
            continue;
        const char *rest = after(path, k->path);
        if ((rest != NULL && *rest == '\0') || matches_alias(k, path))
            return k;
    }
    return NULL;
}

const struct sa_key *sa_key_covering(const char *path)
{
    const struct sa_key *exact = sa_key_find(path);
    if (exact != NULL)
        return exact;
    for (size_t i = 0; i < sa_n_keys; i++) {
        const char *rest = sa_keys[i].type == SA_KEY_ANY ? after(path, sa_keys[i].path) : NULL;
        if (rest != NULL && *rest == '.')
            return &sa_keys[i];
    }
    return NULL;
}

bool sa_key_is_group(const char *path)
{
    for (size_t i = 0; i < sa_n_keys; i++) {
        const char *rest = sa_keys[i].class == SA_KEY_DERIVED ? NULL : after(sa_keys[i].path, path);
        if (rest != NULL && *rest == '.')
            return true;
    }
    return false;
}

/* Optimal string alignment distance of a[n] and b[m], both shorter than MAX_PATH; letters' case
 * weighs nothing, so that a wrong case is the nearest of all. */
static size_t distance(const char *a, size_t n, const char *b, size_t m)
{
    size_t rows[3][MAX_PATH + 1];
    size_t *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= m; j++)
        last[j] = j;
    for (size_t i = 1; i <= n; i++) {
        now[0] = i;
        for (size_t j = 1; j <= m; j++) {
            char x = a[i - 1], y = b[j - 1];
            size_t d = last[j - 1] + ((x | 0x20) != (y | 0x20));
            if (last[j] + 1 < d)
                d = last[j] + 1;
            if (now[j - 1] + 1 < d)
                d = now[j - 1] + 1;
            if (i > 1 && j > 1 && x == b[j - 2] && a[i - 2] == y && before[j - 2] + 1 < d)
                d = before[j - 2] + 1;
            now[j] = d;
        }
        size_t *spare = before;
        before = last;
        last = now;
        now = spare;
    }
    return last[m];
}

/* Copies path without "[]". Returns its length, 0 if it is too long. */
static size_t plain(const char *path, char out[MAX_PATH])
{
    size_t n = 0;
    for (const char *s = skip_brackets(path); *s != '\0'; s = skip_brackets(s + 1)) {
        if (n + 1 >= MAX_PATH)
            return 0;
        out[n++] = *s;
    }
    out[n] = '\0';
    return n;
}

static const char *leaf_of(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot == NULL ? path : dot + 1;
}

static size_t count_dots(const char *path)
{
    size_t n = 0;
    for (; *path != '\0'; path++)
        n += *path == '.';
    return n;
}

const struct sa_key *sa_key_nearest(const char *path)
{
    char wanted[MAX_PATH], known[MAX_PATH];
    size_t n = plain(path, wanted), best = SIZE_MAX;
    const struct sa_key *found = NULL;
    if (n == 0)
        return NULL;
    const char *leaf = leaf_of(wanted);
    size_t leaf_length = strlen(leaf), allowed = leaf_length < 6 ? 2 : 3;
    for (size_t i = 0; i < sa_n_keys; i++) {
        const struct sa_key *k = &sa_keys[i];
        size_t m = k->class == SA_KEY_HONOURED ? plain(k->path, known) : 0;
        if (m == 0)
            continue;
        /* A right name in the wrong place counts as near, but less than a slip in the name. */
        size_t d = SIZE_MAX;
        if (count_dots(wanted) == count_dots(known))
            d = distance(wanted, n, known, m);
        if (d > allowed && leaf_length >= 4 && strcmp(leaf, leaf_of(known)) == 0)
            d = allowed;
        /* Of equals an account's: it is what most often stands elsewhere. */
        if (d < best || (d == best && found != NULL && found->home != SA_HOME_ACCOUNT &&
                         k->home == SA_HOME_ACCOUNT)) {
            best = d;
            found = k;
        }
    }
    return best <= allowed ? found : NULL;
}

const char *sa_key_choice(const struct sa_key *k, size_t i, size_t *n)
{
    const char *s = k->choices;
    for (; s != NULL; i--) {
        const char *bar = strchr(s, '|');
        if (i == 0) {
            *n = bar == NULL ? strlen(s) : (size_t)(bar - s);
            return s;
        }
        s = bar == NULL ? NULL : bar + 1;
    }
    return NULL;
}

bool sa_key_in_settings(const struct sa_key *k)
{
    return k->home == SA_HOME_WIDE && k->offset < sizeof(struct sa_settings);
}

bool sa_key_in_common(const struct sa_key *k)
{
    size_t start = offsetof(struct sa_wide, common);
    return k->home == SA_HOME_WIDE && k->offset >= start &&
           k->offset < start + sizeof(struct sa_account);
}
