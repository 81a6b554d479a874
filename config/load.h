/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps from files to settings, one file each and in this order: source.c reads bytes, merge.c
 * makes one tree of all, decode.c makes settings of the tree by the table of keys, validate.c
 * checks what no key says alone, load.c runs them. None of them logs or ends the process; what is
 * wrong with a file goes into the list of problems, and an error is what kept the step itself from
 * working.
 */
#ifndef SA_CONFIG_LOAD_H
#define SA_CONFIG_LOAD_H

#include "config/keys.h"
#include "config/reader.h"
#include "config/yaml.h"

/* problems.c: the list may hold at most some thousand; what is past it is counted. */
struct sa_problem_list {
    struct sa_problems p;
    size_t cap, dropped;
    bool errors; /* at least one that is not a warning */
    bool no_memory;
};
void sa_problem_at(struct sa_problem_list *l, bool warning, const char *file, unsigned line,
                   unsigned column, const char *fmt, ...) __attribute__((format(printf, 6, 7)));
void sa_problem_node(struct sa_problem_list *l, bool warning, const struct sa_yaml *node,
                     const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void sa_problem_list_free(struct sa_problem_list *l);

/* source.c */
enum sa_source_role { SA_SOURCE_MAIN, SA_SOURCE_DROP_IN, SA_SOURCE_ACCOUNT };
struct sa_source {
    char *path;
    enum sa_source_role role;
    char *bytes; /* NULL if it could not be read */
    size_t n;
    char *failure; /* why it could not be read, else NULL */
};
struct sa_sources {
    struct sa_source *v;
    size_t n;
    size_t total;    /* bytes of all */
    char *namespace; /* of the pod that the agent runs in, NULL elsewhere */
    char *cluster;   /* a name for the cluster of that pod, by its certificate authority; or NULL */
};
/* Reads every file that paths name, in order. A file that does not exist is not there; one that
 * can't be read is listed with its failure. -1 only for lack of memory or past a bound. */
int sa_sources_read(const struct sa_config_paths *paths, struct sa_sources *out,
                    struct sa_err **err);
/* The files of a list of paths, all as main files: for a child that was told what was read. */
int sa_sources_read_files(const char *const *files, struct sa_sources *out, struct sa_err **err);
void sa_sources_free(struct sa_sources *s);
/* Reads one regular file of at most max bytes; *out is owned by the caller and NUL-terminated.
 * Nothing else is ever opened (open(2), O_PATH, then by /proc/self/fd). */
int sa_file_read(const char *path, size_t max, char **out, size_t *n, struct sa_err **err);

/* merge.c: the tree of all sources; kubernetes.accounts of all joined in one list. Borrows the
 * paths of the sources. *root is NULL when nothing is said at all. */
int sa_merge_sources(const struct sa_sources *sources, struct sa_problem_list *problems,
                     struct sa_yaml **root, struct sa_err **err);

/* decode.c */
struct sa_loaded_account {
    const struct sa_yaml *node;   /* borrowed from the tree */
    const struct sa_yaml **where; /* for each key of the table: its node in this account, or NULL */
};
struct sa_loaded {
    struct sa_wide wide; /* wide.settings.accounts hold the accounts */
    const struct sa_yaml *
        *where; /* for each key of the table: its node, or NULL where it is not set */
    struct sa_loaded_account *accounts; /* as wide.settings.accounts */
    struct sa_yaml *root;
};
int sa_decode(struct sa_yaml *root, const struct sa_sources *sources,
              struct sa_problem_list *problems, struct sa_loaded *out, struct sa_err **err);
void sa_loaded_free(struct sa_loaded *l);
/* ${VAR}, ${VAR:default} and $$ in text. *out is owned by the caller. The error names the variable.
 */
int sa_substitute(const char *text, char **out, struct sa_err **err);

/* validate.c: rules between keys, and what follows from several. */
void sa_validate(struct sa_loaded *l, struct sa_problem_list *problems);
/* Fills the derived fields. -1 for lack of memory. */
int sa_derive(struct sa_loaded *l, struct sa_err **err);

/* load.c: all steps. Problems are sorted. Returns 0 if there is no error among them. */
int sa_load(const struct sa_sources *sources, struct sa_loaded *out,
            struct sa_problem_list *problems, struct sa_err **err);

/* secrets.c: stores in c, whose settings came by JSON, the secrets that the sources hold: for the
 * uplink, which reads the files while it still may (sa_sources_read_files) and calls this once
 * privileges are gone. Other errors in the files count nothing: they were valid when the supervisor
 * took them, and an edit since then must not keep the uplink from starting again. */
int sa_sources_secrets(const struct sa_sources *sources, struct sa_clouddriver *c,
                       struct sa_err **err);

/* settings.c */
int sa_wide_preset(struct sa_wide *w, struct sa_err **err); /* w is zero before */
void sa_wide_free(struct sa_wide *w);

#endif
