/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bounded tree of one YAML document, for configuration and kubeconfig files. libyaml reads the
 * bytes (YAML 1.1); this keeps to what those files may hold: maps with scalar keys, sequences,
 * scalars.
 *
 * Refused, each with its place: more than one document, a key that is there twice in a map, a key
 * that is not a scalar, NUL, other control characters, bytes that are not UTF-8, and what is past a
 * bound. An alias is a copy of what its anchor named, so that an expansion counts towards the
 * bounds; a merge key (<<) adds the keys that its map lacks.
 */
#ifndef SA_CONFIG_YAML_H
#define SA_CONFIG_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum sa_yaml_kind { SA_YAML_SCALAR, SA_YAML_SEQUENCE, SA_YAML_MAP };

/* Each node owns its children. Read the fields as you like; change a tree only by the functions
 * below. */
struct sa_yaml {
    enum sa_yaml_kind kind;
    unsigned line, column; /* from 1 */
    const char *name;      /* as given to sa_yaml_parse, borrowed */
    /* scalar */
    char *text;    /* NUL-terminated UTF-8 */
    size_t length; /* bytes of text */
    bool
        quoted; /* written in quotes, as a block, or tagged as a string: never null, number, bool */
    /* sequence and map: n items; of a map also n keys, each a scalar, none of them twice */
    size_t n;
    struct sa_yaml **items, **keys;
    size_t *sorted; /* private */
};

struct sa_yaml_limits {
    size_t max_bytes; /* of the file */
    size_t max_text;  /* of all scalars together, aliases expanded */
    size_t max_nodes; /* aliases expanded */
    unsigned max_depth;
};
/* 4 MB, 16 MB, 200,000 nodes, depth 64. */
extern const struct sa_yaml_limits sa_yaml_limits_default;

/* A place in a file, from 1; 0 where the file as a whole is meant. */
struct sa_yaml_at {
    unsigned line, column;
};

/*
 * Parses p[n]. limits NULL: the default ones. *root is NULL for a file without a document (empty,
 * or comments alone). name is borrowed by the tree and must outlive it. An error is SA_ECONFIG,
 * SA_ELIMIT or SA_EMEMORY and never quotes a scalar's text. With at == NULL its message begins with
 * "name:line:column: "; else the place is stored in *at and the message is bare.
 */
int sa_yaml_parse(const void *p, size_t n, const char *name, const struct sa_yaml_limits *limits,
                  struct sa_yaml **root, struct sa_yaml_at *at, struct sa_err **err);
/* Frees root and all below it, overwriting the texts (they may be secrets). NULL is allowed. */
void sa_yaml_free(struct sa_yaml *root);
void sa_yaml_freep(struct sa_yaml **root); /* fit for SA_CLEANUP */

/* Value of key in a map; NULL if node is NULL, no map, or has no such key. */
struct sa_yaml *sa_yaml_get(const struct sa_yaml *node, const char *key);
/* An unquoted scalar that is empty, "~" or "null" in any of its three cases; or no node at all. */
bool sa_yaml_is_null(const struct sa_yaml *node);
/* Text of a scalar that is not null; NULL for anything else. */
const char *sa_yaml_text(const struct sa_yaml *node);
/* 0, or -1 if the node is not an unquoted true or false (yes, no, on, off as well: YAML 1.1). */
int sa_yaml_bool(const struct sa_yaml *node, bool *out);
/* 0, or -1 if the node is not an unquoted decimal integer within int64_t. */
int sa_yaml_int(const struct sa_yaml *node, int64_t *out);
const char *sa_yaml_kind_name(const struct sa_yaml *node); /* "a map", "a list", "a value" */

/* For those who build or merge trees. Each returns NULL or -1 for lack of memory. */
struct sa_yaml *sa_yaml_new_map(const struct sa_yaml *place); /* empty; place gives name and line */
struct sa_yaml *sa_yaml_new_sequence(const struct sa_yaml *place); /* empty */
struct sa_yaml *sa_yaml_new_scalar(const struct sa_yaml *place, const char *text, size_t n);
/* Takes over item (also when it fails, then it is freed). */
int sa_yaml_append(struct sa_yaml *sequence, struct sa_yaml *item);
/* Takes over key and value; a value that is there under this key is replaced and freed. */
int sa_yaml_put(struct sa_yaml *map, struct sa_yaml *key, struct sa_yaml *value);
/* Takes the i-th item out of a map or sequence: the caller owns it; its key, if any, is freed. */
struct sa_yaml *sa_yaml_take(struct sa_yaml *node, size_t i);
/* The same without closing the gap, for a node that is about to be freed and fit for nothing else
 * then; the key, if any, goes to *key (may be NULL for a sequence). */
struct sa_yaml *sa_yaml_steal(struct sa_yaml *node, size_t i, struct sa_yaml **key);

#endif
