/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The config reader: what the supervisor runs in a short-lived child. The parent opens nothing and
 * parses nothing. The child opens every file while it still may, then gives up its privileges, then
 * parses; its answer is one flat message that holds no secret.
 */
#ifndef SA_CONFIG_READER_H
#define SA_CONFIG_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "config/settings.h"

/* Where configuration is looked for. Arrays are NULL-terminated. */
struct sa_config_paths {
    const char *const *main_files;   /* those that exist are merged in this order */
    const char *const *drop_in_dirs; /* *.yml, by file name, after the main files */
    const char *const
        *account_dirs; /* *.yml, by file name: each an account, or a list of accounts */
};
/* The stock places: /etc/scale-agent/..., in a container /opt/armory/config/... as well. */
const struct sa_config_paths *sa_config_default_paths(void);

struct sa_problem {
    char *file;            /* as given */
    unsigned line, column; /* from 1; 0 where the whole file is meant */
    bool warning;
    char *text; /* what was wrong, what was expected */
};
struct sa_problems {
    struct sa_problem *v;
    size_t n;
};
void sa_problems_free(struct sa_problems *p);

/* Reads, merges and validates everything; all problems are collected, in the order of files and
 * lines. Returns 0 with *out filled if no problem is an error; -1 else, *out is then empty.
 * In-process: for
 * --check, --print-config, and inside the reader child. */
int sa_config_load(const struct sa_config_paths *paths, struct sa_settings *out,
                   struct sa_problems *problems, struct sa_err **err);

/* What the supervisor keeps of one account: nothing that could be a secret. */
struct sa_account_ref {
    char *name;
    uint8_t fingerprint[32]; /* keyed, over the effective settings */
    char *json;              /* settings without secrets, handed to the worker as they are */
    char *file;              /* configuration file that names it */
    bool helper;             /* it may need a credential helper */
};
struct sa_file_ref {
    char *path;
    uint8_t fingerprint[32]; /* keyed, of the content; all zero if it can't be read */
};
struct sa_config_answer {
    bool valid;
    char *settings_json; /* agent-wide settings without secrets */
    uint8_t settings_fingerprint[32];
    uint8_t uplink_fingerprint[32]; /* keyed, over what the uplink uses, its secrets included */
    struct sa_account_ref *accounts;
    size_t n_accounts;
    struct sa_file_ref *files; /* every extra file asked for, then every configuration file read,
                                  each in its order */
    size_t n_files;
    struct sa_problems problems;
};
void sa_config_answer_free(struct sa_config_answer *a);

/* Runs in the child: extra_files[n_extra] are credential files that workers reported; they are
 * opened before uid and gid are given up and only fingerprinted. Writes the answer to out_fd,
 * returns the exit code. */
int sa_config_reader_child(const struct sa_config_paths *paths, const char *const *extra_files,
                           size_t n_extra, const uint8_t fingerprint_key[32], uid_t uid, gid_t gid,
                           int out_fd);
/* Parses what the child wrote; in the supervisor: foreign bytes, bounded (64 MB). */
int sa_config_answer_parse(const void *p, size_t n, struct sa_config_answer *out,
                           struct sa_err **err);

#endif
