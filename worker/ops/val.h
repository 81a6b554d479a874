/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON values as Kubernetes' Go programs hold them, since what apply sends and compares must be
 * what they would: whole numbers stay exact to 64 bits, others are doubles (sigs.k8s.io/json with
 * PreserveInts); text is written as by encoding/json: names sorted by their bytes, <, > and &
 * escaped, doubles as short as can be.
 *
 * Values lie in an arena and may be shared between trees. They nest as deep as worker/json.h lets
 * them (SA_JSON_DEPTH), so that functions which recurse over them are bounded. What allocates
 * returns NULL or -1 when the arena is full or memory short: sa_val_no_memory() says which.
 */
#ifndef SA_WORKER_OPS_VAL_H
#define SA_WORKER_OPS_VAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "worker/ops/arena.h"

enum sa_val_type {
    SA_VAL_NULL,
    SA_VAL_BOOL,
    SA_VAL_INT,
    SA_VAL_FLOAT,
    SA_VAL_STRING,
    SA_VAL_LIST,
    SA_VAL_MAP,
};

struct sa_val;
struct sa_pair {
    const char *key; /* n bytes and a NUL; a NUL within is possible */
    uint32_t n;
    struct sa_val *val;
};

struct sa_val {
    enum sa_val_type type;
    uint32_t n;   /* bytes of a string, items of a list, pairs of a map */
    uint32_t cap; /* of items or pairs */
    union {
        bool b;
        int64_t i;
        double d;
        const char *s; /* n bytes and a NUL */
        struct sa_val **items;
        struct sa_pair *pairs; /* sorted by the bytes of their keys, each once */
    };
};

/* What json[0, n) holds, white space around it allowed. Of equal names the last counts. NULL with
 * *err: SA_EPROTOCOL "<what>: byte <n>: <why>", SA_ELIMIT, SA_EMEMORY. */
struct sa_val *sa_val_parse(struct sa_arena *a, const char *json, size_t n, const char *what,
                            struct sa_err **err);
/* The same, but it must be an object. */
struct sa_val *sa_val_parse_map(struct sa_arena *a, const char *json, size_t n, const char *what,
                                struct sa_err **err);
/* SA_ELIMIT or SA_EMEMORY: what was being done. Always -1. */
int sa_val_no_memory(const struct sa_arena *a, const char *what, struct sa_err **err);

struct sa_val *sa_val_new(struct sa_arena *a, enum sa_val_type type);      /* empty, zero, false */
struct sa_val *sa_val_string(struct sa_arena *a, const char *s, size_t n); /* copied */
struct sa_val *sa_val_text(struct sa_arena *a, const char *s);             /* copied */
struct sa_val *sa_val_clone(struct sa_arena *a, const struct sa_val *v);   /* shares strings */

/* Maps. A value of NULL as map is an empty one. */
struct sa_val *sa_val_get(const struct sa_val *map, const char *key, size_t n);
struct sa_val *sa_val_member(const struct sa_val *map, const char *key);
/* Sets or replaces; the key is borrowed, of n bytes and a NUL. -1 for lack of memory (val NULL is
 * taken as such). */
int sa_val_put(struct sa_arena *a, struct sa_val *map, const char *key, size_t n,
               struct sa_val *val);
int sa_val_set(struct sa_arena *a, struct sa_val *map, const char *key, struct sa_val *val);
/* The parser's: behind the others, whatever the order. */
int sa_val_add_pair(struct sa_arena *a, struct sa_val *map, const struct sa_pair *pair);
void sa_val_remove(struct sa_val *map, const char *key, size_t n);
/* The map at map[key], made where there is none or what is there is no map; NULL: no memory. */
struct sa_val *sa_val_submap(struct sa_arena *a, struct sa_val *map, const char *key);
/* The C string at map[key] if there is a string without NUL, else "". */
const char *sa_val_str(const struct sa_val *map, const char *key);

/* Lists. */
int sa_val_append(struct sa_arena *a, struct sa_val *list, struct sa_val *item);

/* Equality, deep, types included: 1 and 1.0 differ (reflect.DeepEqual). */
bool sa_val_equal(const struct sa_val *a, const struct sa_val *b);
/* The same for scalars; false if one is a list or map. */
bool sa_val_same(const struct sa_val *a, const struct sa_val *b);
/* v is the string text; v may be NULL. */
bool sa_val_is(const struct sa_val *v, const char *text);

/* Appends the JSON text; what failed is b's to say. */
void sa_val_print(const struct sa_val *v, struct sa_buf *b);
void sa_val_print_string(const char *s, size_t n, struct sa_buf *b);
/* A scalar as Go's fmt prints it with %v: strings bare, numbers shortest. */
void sa_val_format(const struct sa_val *v, struct sa_buf *b);

/* The shortest decimal digits that stand for d > 0, finite: 0.DIGITS * 10^point. Returns how many;
 * at most SA_VAL_DIGITS, no NUL. */
#define SA_VAL_DIGITS 17
int sa_val_digits(double d, char digits[SA_VAL_DIGITS], int *point);

/* Removes members that are null from all maps in v (also within lists). */
void sa_val_prune_nulls(struct sa_val *v);

#endif
