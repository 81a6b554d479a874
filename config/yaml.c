/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of a YAML document: nodes, look-up, change. yaml_parse.c fills it from bytes. */
#include "config/yaml.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/yaml_node.h"

struct sa_yaml *sa_yaml_node(enum sa_yaml_kind kind, const char *name, unsigned line,
                             unsigned column)
{
    struct sa_yaml *y = calloc(1, sizeof *y);
    if (y == NULL)
        return NULL;
    y->kind = kind;
    y->name = name;
    y->line = line;
    y->column = column;
    return y;
}

static struct sa_yaml *node_at(enum sa_yaml_kind kind, const struct sa_yaml *place)
{
    return sa_yaml_node(kind, place->name, place->line, place->column);
}

int sa_yaml_set_text(struct sa_yaml *scalar, const char *text, size_t n)
{
    char *copy = malloc(n + 1);
    if (copy == NULL)
        return -1;
    if (n > 0)
        memcpy(copy, text, n);
    copy[n] = '\0';
    scalar->text = copy;
    scalar->length = n;
    return 0;
}

/* The depth of a tree is bounded when it is made, so recursion is. */
void sa_yaml_free(struct sa_yaml *root)
{
    if (root == NULL)
        return;
    for (size_t i = 0; i < root->n; i++) {
        sa_yaml_free(root->items[i]);
        if (root->keys != NULL)
            sa_yaml_free(root->keys[i]);
    }
    if (root->text != NULL)
        explicit_bzero(root->text, root->length);
    free(root->text);
    free(root->items);
    free(root->keys);
    free(root->sorted);
    free(root);
}

void sa_yaml_freep(struct sa_yaml **root)
{
    sa_yaml_free(*root);
    *root = NULL;
}

/* Finds key in map->sorted. Returns true and its rank, or false and the rank it would have. */
static bool find_rank(const struct sa_yaml *map, const char *key, size_t *rank)
{
    size_t low = 0, high = map->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int c = strcmp(map->keys[map->sorted[mid]]->text, key);
        if (c == 0) {
            *rank = mid;
            return true;
        }
        if (c < 0)
            low = mid + 1;
        else
            high = mid;
    }
    *rank = low;
    return false;
}

struct sa_yaml *sa_yaml_get(const struct sa_yaml *node, const char *key)
{
    size_t rank;
    if (node == NULL || node->kind != SA_YAML_MAP || !find_rank(node, key, &rank))
        return NULL;
    return node->items[node->sorted[rank]];
}

static bool is_null_text(const char *s)
{
    return s[0] == '\0' || strcmp(s, "~") == 0 || strcmp(s, "null") == 0 ||
           strcmp(s, "Null") == 0 || strcmp(s, "NULL") == 0;
}

bool sa_yaml_is_null(const struct sa_yaml *node)
{
    if (node == NULL)
        return true;
    return node->kind == SA_YAML_SCALAR && !node->quoted && is_null_text(node->text);
}

const char *sa_yaml_text(const struct sa_yaml *node)
{
    if (sa_yaml_is_null(node) || node->kind != SA_YAML_SCALAR)
        return NULL;
    return node->text;
}

int sa_yaml_bool(const struct sa_yaml *node, bool *out)
{
    static const char *const words[2][4] = {{"false", "no", "off", "n"},
                                            {"true", "yes", "on", "y"}};
    const char *text = sa_yaml_text(node);
    if (text == NULL || node->quoted)
        return -1;
    for (size_t v = 0; v < 2; v++) {
        for (size_t i = 0; i < sizeof words[v] / sizeof words[v][0]; i++) {
            if (strcasecmp(text, words[v][i]) == 0) {
                *out = v == 1;
                return 0;
            }
        }
    }
    return -1;
}

int sa_yaml_int(const struct sa_yaml *node, int64_t *out)
{
    const char *text = sa_yaml_text(node);
    if (text == NULL || node->quoted)
        return -1;
    const char *digits = text + (text[0] == '-' || text[0] == '+');
    if (digits[0] == '\0' || digits[strspn(digits, "0123456789")] != '\0')
        return -1;
    errno = 0;
    long long v = strtoll(text, NULL, 10);
    if (errno != 0)
        return -1;
    *out = v;
    return 0;
}

const char *sa_yaml_kind_name(const struct sa_yaml *node)
{
    if (sa_yaml_is_null(node))
        return "nothing";
    switch (node->kind) {
    case SA_YAML_MAP:
        return "a map";
    case SA_YAML_SEQUENCE:
        return "a list";
    default:
        return "a value";
    }
}

struct sa_yaml *sa_yaml_new_map(const struct sa_yaml *place)
{
    return node_at(SA_YAML_MAP, place);
}

struct sa_yaml *sa_yaml_new_sequence(const struct sa_yaml *place)
{
    return node_at(SA_YAML_SEQUENCE, place);
}

struct sa_yaml *sa_yaml_new_scalar(const struct sa_yaml *place, const char *text, size_t n)
{
    struct sa_yaml *y = node_at(SA_YAML_SCALAR, place);
    if (y != NULL && sa_yaml_set_text(y, text, n) != 0)
        sa_yaml_freep(&y);
    return y;
}

/* Room for one more in an array that grows by doubling: full exactly when n is 0 or a power of two.
 */
static int grow(void *array, size_t n, size_t size)
{
    if (n != 0 && (n & (n - 1)) != 0)
        return 0;
    size_t want = n == 0 ? 1 : n * 2;
    void **slot = array;
    void *bigger = reallocarray(*slot, want, size);
    if (bigger == NULL)
        return -1;
    *slot = bigger;
    return 0;
}

int sa_yaml_append(struct sa_yaml *sequence, struct sa_yaml *item)
{
    if (grow((void *)&sequence->items, sequence->n, sizeof(struct sa_yaml *)) != 0) {
        sa_yaml_free(item);
        return -1;
    }
    sequence->items[sequence->n++] = item;
    return 0;
}

int sa_yaml_add_pair(struct sa_yaml *map, struct sa_yaml *key, struct sa_yaml *value)
{
    if (grow((void *)&map->items, map->n, sizeof(struct sa_yaml *)) != 0 ||
        grow((void *)&map->keys, map->n, sizeof(struct sa_yaml *)) != 0 ||
        grow((void *)&map->sorted, map->n, sizeof(size_t)) != 0) {
        sa_yaml_free(key);
        sa_yaml_free(value);
        return -1;
    }
    map->keys[map->n] = key;
    map->sorted[map->n] = map->n;
    map->items[map->n++] = value;
    return 0;
}

int sa_yaml_put(struct sa_yaml *map, struct sa_yaml *key, struct sa_yaml *value)
{
    size_t rank;
    if (find_rank(map, key->text, &rank)) {
        size_t i = map->sorted[rank];
        sa_yaml_free(map->keys[i]);
        sa_yaml_free(map->items[i]);
        map->keys[i] = key;
        map->items[i] = value;
        return 0;
    }
    if (sa_yaml_add_pair(map, key, value) != 0)
        return -1;
    memmove(&map->sorted[rank + 1], &map->sorted[rank], (map->n - 1 - rank) * sizeof(size_t));
    map->sorted[rank] = map->n - 1;
    return 0;
}

struct sa_yaml *sa_yaml_take(struct sa_yaml *node, size_t i)
{
    struct sa_yaml *taken = node->items[i];
    size_t after = node->n - 1 - i;
    memmove(&node->items[i], &node->items[i + 1], after * sizeof(struct sa_yaml *));
    if (node->keys != NULL) {
        sa_yaml_free(node->keys[i]);
        memmove(&node->keys[i], &node->keys[i + 1], after * sizeof(struct sa_yaml *));
        size_t kept = 0;
        for (size_t r = 0; r < node->n; r++) {
            size_t s = node->sorted[r];
            if (s != i)
                node->sorted[kept++] = s > i ? s - 1 : s;
        }
    }
    node->n--;
    return taken;
}

struct sa_yaml *sa_yaml_steal(struct sa_yaml *node, size_t i, struct sa_yaml **key)
{
    struct sa_yaml *taken = node->items[i];
    node->items[i] = NULL;
    if (node->keys != NULL) {
        *key = node->keys[i];
        node->keys[i] = NULL;
    }
    return taken;
}
