/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of every configuration key. Parsing, defaults, ranges, the JSON that children get, the
 * effective configuration that is printed, the JSON Schema and the reference in the manual are all
 * made from it; a key that is not here does not exist.
 *
 * Three classes are seen by users. Honoured: it does what its help says. Ignored: taken, so that
 * files written for Armory's agent or Clouddriver load unchanged, with one warning. Refused: an
 * error, because going on without its effect would be unsafe. A fourth, derived, has no place in a
 * file: it is a field that the config reader works out and that travels to children with the
 * others.
 */
#ifndef SA_CONFIG_KEYS_H
#define SA_CONFIG_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "config/settings.h"

enum sa_key_class { SA_KEY_HONOURED, SA_KEY_IGNORED, SA_KEY_REFUSED, SA_KEY_DERIVED };

/* The C type of the field is given for each. */
enum sa_key_type {
    SA_KEY_BOOL,        /* bool */
    SA_KEY_INT,         /* int64_t; with a unit of time a text like "90s", "5m" is taken as well */
    SA_KEY_BYTES,       /* int64_t bytes; "64Mi", "1G" */
    SA_KEY_FLOAT,       /* double */
    SA_KEY_STRING,      /* char * */
    SA_KEY_CHOICE,      /* char *, one of choices */
    SA_KEY_CHOICE_ENUM, /* an enum, the place in choices */
    SA_KEY_CHOICE_BOOL, /* bool, the place in choices: one of two */
    SA_KEY_STRINGS,     /* struct sa_strings */
    SA_KEY_MAP,         /* struct sa_pairs */
    SA_KEY_PERMISSIONS, /* struct sa_permission *, and the size_t after it */
    SA_KEY_CRDS,        /* struct sa_crd_setting *, and the size_t after it */
    SA_KEY_SSA_KINDS,   /* struct sa_strings, one text a kind: see sa_account.ssa_kinds */
    SA_KEY_ACCOUNTS,    /* no field: the list of accounts */
    SA_KEY_ANY,         /* no field: everything below the key, unread */
};

/* Of numbers; the unit is part of most keys' names. */
enum sa_key_unit { SA_UNIT_NONE, SA_UNIT_NS, SA_UNIT_MS, SA_UNIT_SECONDS };

/* Which struct the field is in. */
enum sa_key_home { SA_HOME_NONE, SA_HOME_WIDE, SA_HOME_ACCOUNT };

/* A map of strings as three consecutive members of sa_settings. */
struct sa_pairs {
    char **keys, **values;
    size_t n;
};

/* What a configuration says for the whole agent; offsets of SA_HOME_WIDE point into it. */
struct sa_wide {
    struct sa_settings settings;
    struct sa_account common; /* agent-wide keys that each account gets a copy of */
    int64_t cache_group_size, cache_group_delay_ms;
};

struct sa_key {
    const char *path;  /* "kubernetes.accounts[].kinds" */
    const char *alias; /* another spelling of the last part that is taken, or NULL */
    enum sa_key_class class;
    enum sa_key_type type;
    enum sa_key_unit unit;
    enum sa_key_home home;
    size_t offset;
    const char *preset;  /* default, written as in a file; NULL: unset, false, 0, empty */
    double min, max;     /* of numbers, both included */
    const char *choices; /* "a|b|c" */
    bool secret;
    bool reference;   /* a text that may name a secret in a store (config/secret_ref.h) instead */
    const char *help; /* full sentences; of a key that is ignored or refused: why, and what to do */
};

extern const struct sa_key sa_keys[];
extern const size_t sa_n_keys;

/* The entry for a path, in which "[]" counts nothing, by its name or its alias; or NULL. */
const struct sa_key *sa_key_find(const char *path);
/* The same; where an entry of type SA_KEY_ANY stands above the path, that one. */
const struct sa_key *sa_key_covering(const char *path);
/* True if keys stand below path: it must be a map in a file. */
bool sa_key_is_group(const char *path);
/* The known path that an unknown one probably means, or NULL if none is near. */
const struct sa_key *sa_key_nearest(const char *path);
/* Part of the path after the last dot. */
const char *sa_key_leaf(const struct sa_key *k);
/* The i-th of "a|b|c" in *n bytes; NULL past the last. */
const char *sa_key_choice(const struct sa_key *k, size_t i, size_t *n);
/* Whether the field is in sa_wide.settings or in sa_wide.common. */
bool sa_key_in_settings(const struct sa_key *k);
bool sa_key_in_common(const struct sa_key *k);

/*
 * Fields, by their key. base is the struct that the key's home names (for SA_HOME_WIDE the
 * struct sa_wide).
 */
void *sa_key_field(const struct sa_key *k, void *base);
/* Stores the default in a field that is zero. -1 for lack of memory. */
int sa_value_preset(const struct sa_key *k, void *field, struct sa_err **err);
/* Stores text in a field of a type with a single value, by the type, unit and range of k; what was
 * there is freed. The error says what was expected, and quotes the text unless k is secret. */
int sa_value_parse(const struct sa_key *k, const char *text, void *field, struct sa_err **err);
void sa_value_free(const struct sa_key *k, void *field);
/* Copies a field over one that is empty. -1 for lack of memory; to is then empty. */
int sa_value_copy(const struct sa_key *k, const void *from, void *to);
int sa_strings_add(struct sa_strings *s, const char *text, size_t n); /* -1: no memory */
int sa_pairs_add(struct sa_pairs *p, const char *key, const char *value);

#endif
